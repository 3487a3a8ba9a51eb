# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from lupex_nodes.models import regolith

depth = st.floats(0.0, 3.0)


@pytest.mark.parametrize(
    ("depth_cm", "g_cm3"), [(0, 1.30), (10, 1.52), (30, 1.69), (60, 1.78), (150, 1.85)]
)
def test_density_of_the_apollo_cores(depth_cm, g_cm3):
    assert regolith.density_carrier_kg_m3(depth_cm / 100) == pytest.approx(1e3 * g_cm3, abs=6)


def test_density_of_the_thermal_model():
    found = regolith.density_hayne_kg_m3(np.array([0.0, 0.07, 10.0]))
    assert found == pytest.approx([1100.0, 1800.0 - 700.0 / np.e, 1800.0])


@given(first=depth, second=depth)
def test_density_permittivity_and_conductivity_grow_with_depth(first, second):
    shallow, deep = sorted((first, second))
    for law in (regolith.density_hayne_kg_m3, regolith.density_carrier_kg_m3):
        assert law(shallow) <= law(deep)
        assert regolith.permittivity(law(shallow)) <= regolith.permittivity(law(deep))
        assert 0.35 < regolith.porosity(law(deep)) < 0.66
    assert regolith.conductivity_w_m_k(100.0, shallow) <= regolith.conductivity_w_m_k(100.0, deep)


def test_permittivity_and_porosity_of_typical_soil():
    assert regolith.permittivity(1700.0) == pytest.approx(3.03, abs=0.01)
    assert regolith.permittivity(1900.0) == pytest.approx(3.45, abs=0.01)
    assert regolith.porosity(1700.0) == pytest.approx(0.45, abs=0.005)


@pytest.mark.parametrize(
    ("kg_m3", "five", "twenty"),
    [(1100, 0.0019, 0.0070), (1500, 0.0025, 0.0093), (1900, 0.0033, 0.0124)],
)
def test_loss_tangent_of_highlands_and_maria(kg_m3, five, twenty):
    assert regolith.loss_tangent(kg_m3) == pytest.approx(five, rel=0.03)
    assert regolith.loss_tangent(kg_m3, 300.0, 20.0) == pytest.approx(twenty, rel=0.03)
    cold = regolith.loss_tangent(kg_m3, 100.0) / regolith.loss_tangent(kg_m3, 300.0)
    assert 0.3 <= cold <= 0.5


@pytest.mark.parametrize(
    ("fill", "permittivity"), [(0.05, 3.09), (0.25, 3.34), (0.5, 3.66), (1.0, 4.34)]
)
def test_permittivity_of_icy_soil(fill, permittivity):
    """Complex refractive index mixing in soil of 1700 kg/m3, porosity 0.45."""
    dry = regolith.permittivity(1700.0)
    assert regolith.icy_permittivity(dry, 0.45 * fill) == pytest.approx(permittivity, abs=0.02)


def test_ice_conducts_between_soil_and_ice():
    assert regolith.ice_conductivity_w_m_k(100.0) == pytest.approx(5.67)
    dry = regolith.conductivity_w_m_k(80.0, 1.0)
    assert regolith.icy_conductivity_w_m_k(dry, 80.0, 0.0) == pytest.approx(dry)
    filled = regolith.icy_conductivity_w_m_k(dry, 80.0, 0.45)
    assert 10.0 < filled / dry < 100.0
    step = regolith.ice_heat_j_kg(101.0) - regolith.ice_heat_j_kg(99.0)
    assert step / 2.0 == pytest.approx(7.49 * 100.0 + 90.0)


@pytest.mark.parametrize(
    ("kelvin", "joule"), [(30, 41), (50, 100), (150, 424), (200, 555), (250, 672), (300, 771)]
)
def test_heat_capacity(kelvin, joule):
    assert regolith.heat_capacity_j_kg_k(kelvin) == pytest.approx(joule, rel=0.01)


def test_heat_capacity_has_no_step_and_no_fall():
    values = regolith.heat_capacity_j_kg_k(np.arange(20.0, 400.0, 0.1))
    assert np.all(np.diff(values) > 0)
    assert np.diff(values).max() < 1.0


def test_conductivity_ends():
    assert regolith.conductivity_w_m_k(350.0, 0.0) == pytest.approx(7.4e-4 * 3.7)
    assert regolith.conductivity_w_m_k(1.0, 5.0) == pytest.approx(3.4e-3, rel=1e-4)


@given(absorbed=st.floats(0.01, 1400.0))
def test_what_comes_in_is_radiated(absorbed):
    kelvin = regolith.balance_temperature_k(absorbed)
    assert 0.95 * 5.670374e-8 * kelvin**4 == pytest.approx(absorbed + 0.018, rel=1e-9)


def test_geothermal_gradient_is_the_interior_flux_over_conductivity():
    def gradient(z):
        return 0.018 / regolith.conductivity_w_m_k(100.0, z)

    for z in (0.01, 0.1, 1.5):
        expected = 100.0 + quad(gradient, 0.0, z)[0]
        assert regolith.temperature_at_depth_k(z, 100.0) == pytest.approx(expected, abs=1e-8)
    deep = regolith.temperature_at_depth_k(np.array([1.0, 2.0]), 60.0)
    assert deep[1] - deep[0] == pytest.approx(5.2, abs=0.3)
