# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lupex_nodes.models.solar_array import SolarArray, incidence_cosine, slew

ARRAY = SolarArray()
angle = st.floats(0.0, 360.0, exclude_max=True)
SOLAR_CONSTANT_W_M2 = 1361.0


def test_new_clean_cells_give_about_nine_hundred_watts():
    assert ARRAY.power_w(SOLAR_CONSTANT_W_M2, 1.0, 301.15, 0.0) == pytest.approx(898.0, abs=1.0)


def test_net_power_on_the_moon_is_near_the_750_w_it_is_sized_for():
    warm_k = ARRAY.cell_temperature_k(SOLAR_CONSTANT_W_M2, 1.0)
    assert 290.0 < warm_k < 330.0
    aged_w = ARRAY.power_w(SOLAR_CONSTANT_W_M2, 1.0, warm_k, dust_fraction=0.06, age_years=1.0)
    assert 0.92 * aged_w == pytest.approx(750.0, abs=25.0)


def test_temperature_coefficient_is_that_of_gallium_arsenide():
    cold, hot = (ARRAY.power_w(1000.0, 1.0, kelvin) for kelvin in (301.15, 401.15))
    assert hot / cold == pytest.approx(0.78)


def test_steady_temperature_balances_the_fluxes():
    kelvin = ARRAY.cell_temperature_k(1000.0, 0.7, 120.0)
    absorbed = (0.90 - 0.30 * 0.88) * 1000.0 * 0.7
    emitted = 2 * 0.85 * 5.670374e-8 * (kelvin**4 - 120.0**4)
    assert emitted == pytest.approx(absorbed, rel=1e-12)
    assert ARRAY.cell_temperature_k(0.0, 1.0, 90.0) == pytest.approx(90.0)


def test_no_power_beyond_the_largest_incidence_or_from_behind():
    for degrees, lit in [(79.9, True), (80.1, False), (120.0, False)]:
        power = ARRAY.power_w(1361.0, math.cos(math.radians(degrees)), 300.0)
        assert (power > 0.0) is lit


@given(sun=angle, elevation=st.floats(-5, 5), normal=angle, tilt=st.floats(-25, 25))
def test_incidence_is_the_dot_product_of_unit_vectors(sun, elevation, normal, tilt):
    def unit(azimuth_deg, elevation_deg):
        a, e = np.radians([azimuth_deg, elevation_deg])
        return np.array([np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)])

    expected = unit(sun, elevation) @ unit(normal, tilt)
    assert incidence_cosine(sun, elevation, normal, tilt) == pytest.approx(expected, abs=1e-12)


@given(start=angle, target=angle, rate=st.floats(0.01, 5.0))
def test_slew_takes_the_short_way_and_arrives(start, target, rate):
    apart = abs((target - start + 180.0) % 360.0 - 180.0)
    once = slew(start, target, rate, 1.0)
    left = abs((target - once + 180.0) % 360.0 - 180.0)
    assert left == pytest.approx(max(0.0, apart - rate), abs=1e-9)
    there = slew(start, target, rate, 180.0 / rate + 1.0)
    assert math.cos(math.radians(there - target)) == pytest.approx(1.0)


@given(
    light=st.floats(0.0, 1500.0), cosine=st.floats(-1.0, 1.0), kelvin=st.floats(50.0, 500.0),
    dust=st.floats(-1.0, 2.0),
)  # fmt: skip
def test_power_never_exceeds_the_light_nor_turns_negative(light, cosine, kelvin, dust):
    power = ARRAY.power_w(light, cosine, kelvin, dust)
    assert 0.0 <= power <= light * max(cosine, 0.0) * ARRAY.area_m2


@given(lit=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5))
def test_strips_give_what_their_own_light_gives(lit):
    total = ARRAY.power_of_strips_w(1361.0, lit, 1.0, 150.0)
    whole = ARRAY.power_w(1361.0, 1.0, ARRAY.cell_temperature_k(1361.0, 1.0, 150.0))
    mean = sum(lit) / len(lit)
    # cells of a shaded strip are colder and so convert better, never worse
    assert mean * whole * (1 - 1e-9) <= total <= 1.45 * mean * whole + 1e-9
    assert ARRAY.power_of_strips_w(1361.0, [1.0, 0.0, 0.0], 1.0, 150.0) == pytest.approx(whole / 3)
