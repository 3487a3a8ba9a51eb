# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lupex_nodes.models import volatiles

NAMES = tuple(volatiles.VOLATILES)


@pytest.mark.parametrize(
    ("kelvin", "pascal", "kg_m2_s"),
    [
        (90.0, 1.4e-17, 2.7e-20),
        (100.0, 1.1e-14, 2.0e-17),
        (110.0, 2.6e-12, 4.6e-15),
        (130.0, 1.2e-8, 2.0e-11),
        (150.0, 6.1e-6, 9.3e-9),
        (200.0, 0.163, 2.1e-4),
        (250.0, 76.0, 8.9e-2),
        (273.15, 611.2, 0.69),
    ],
)
def test_water_ice(kelvin, pascal, kg_m2_s):
    assert volatiles.vapour_pressure_pa(kelvin) == pytest.approx(pascal, rel=0.04)
    assert volatiles.sublimation_kg_m2_s(kelvin) == pytest.approx(kg_m2_s, rel=0.04)


def test_a_metre_in_a_gigayear_at_113_9_k_and_a_millimetre_near_101():
    assert volatiles.cold_trap_temperature_k() == pytest.approx(113.9, abs=0.05)
    assert volatiles.cold_trap_temperature_k("h2o", 1e-3) == pytest.approx(100.6, abs=0.5)


@pytest.mark.parametrize(
    ("name", "kelvin", "pascal"),
    [
        ("co2", 194.69, 101325.0),  # its point of sublimation
        ("co2", 216.59, 517.9e3),  # triple points from here on, NIST
        ("nh3", 195.4, 6.06e3),
        ("h2s", 187.7, 23.3e3),
        ("so2", 197.7, 1.67e3),
        ("ch3oh", 175.61, 0.186),
    ],
)
def test_other_ices_meet_their_fixed_points(name, kelvin, pascal):
    assert volatiles.vapour_pressure_pa(kelvin, name) == pytest.approx(pascal, rel=0.06)


@pytest.mark.parametrize("kelvin", [60.0, 90.0, 120.0, 180.0])
def test_carbon_dioxide_as_another_review_has_it(kelvin):
    """Fray and Schmitt 2009, table 5, 40 to 194.7 K."""
    coefficients = (1.476e1, -2.571e3, -7.781e4, 4.325e6, -1.207e8, 1.350e9)
    other = 1e5 * math.exp(sum(a / kelvin**i for i, a in enumerate(coefficients)))
    assert volatiles.vapour_pressure_pa(kelvin, "co2") == pytest.approx(other, rel=0.5)


@pytest.mark.parametrize("name", NAMES)
@given(kelvin=st.floats(30.0, 170.0), warmer=st.floats(0.5, 20.0))
def test_pressure_rises_with_temperature_and_colder_is_more_volatile(name, kelvin, warmer):
    assert volatiles.vapour_pressure_pa(kelvin + warmer, name) > volatiles.vapour_pressure_pa(
        kelvin, name
    )
    assert volatiles.vapour_pressure_pa(kelvin, name) >= volatiles.vapour_pressure_pa(kelvin)


@given(cover=st.floats(0.0, 2.0), more=st.floats(1e-5, 1.0))
def test_a_thicker_cover_loses_less(cover, more):
    thin, thick = volatiles.cover_factor(np.array([cover, cover + more]), 0.5, 100e-6)
    assert 0.0 < thick < thin <= 1.0


def test_ten_centimetres_of_soil_slow_the_loss_a_thousandfold():
    assert 1.0 / volatiles.cover_factor(0.1, 0.45, 100e-6) == pytest.approx(1000.0, rel=0.2)


def test_a_history_loses_by_its_warm_hours():
    history = np.array([[60.0], [60.0], [60.0], [150.0]])
    mean = volatiles.mean_sublimation_kg_m2_s(history)
    assert mean[0] == pytest.approx(volatiles.sublimation_kg_m2_s(150.0) / 4.0)
    assert mean[0] > 1e3 * volatiles.sublimation_kg_m2_s(history.mean())


@pytest.mark.parametrize(
    ("name", "ratio"), [("h2s", 0.317), ("nh3", 0.057), ("co2", 0.053), ("so2", 0.113)]
)
def test_masses_in_the_plume_of_lcross(name, ratio):
    assert volatiles.VOLATILES[name].mass_per_water == pytest.approx(ratio, abs=0.001)
