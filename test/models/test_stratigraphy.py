# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lupex_nodes.models import regolith
from lupex_nodes.models.stratigraphy import Ground, SmoothField, layers
from lupex_nodes.models.volatiles import (
    VOLATILES,
    cold_trap_temperature_k,
    sublimation_kg_m2_s,
)

DEPTH = np.concatenate([np.arange(0.0, 0.2, 0.01), np.arange(0.2, 2.01, 0.1)])
RULE = {"scenario_s": 14 * 86400.0, "pore_radius_m": 80e-6}
NAMES = tuple(VOLATILES)


def ground(kelvin, warmest=None):
    """Ground of one temperature, or one by depth, all year."""
    kelvin = np.broadcast_to(np.asarray(kelvin, float), DEPTH.shape)
    warmest = kelvin if warmest is None else np.broadcast_to(float(warmest), DEPTH.shape)
    loss = {name: sublimation_kg_m2_s(kelvin, name) for name in NAMES}
    return Ground(DEPTH, np.asarray(regolith.density_hayne_kg_m3(DEPTH)), kelvin, warmest, loss)


@pytest.mark.parametrize("name", NAMES)
def test_bare_ice_lasts_below_the_temperature_of_a_metre_in_a_gigayear(name):
    trap = cold_trap_temperature_k(name)
    assert ground(trap - 0.05).lasts(name, **RULE)[0]
    assert not ground(trap + 0.05).lasts(name, **RULE)[0]


def test_a_cover_lets_ice_last_where_it_is_warmer():
    """Ten centimetres slow the loss a thousandfold: bare it would go above 113.9 K."""
    lasts = ground(125.0).lasts("h2o", **RULE)
    assert not lasts[0] and lasts[DEPTH >= 0.1].all()
    assert not ground(145.0).lasts("h2o", **RULE).any()


def test_ice_that_a_warm_spell_takes_does_not_last():
    """Cold in the mean, but at 190 K for once: a millimetre goes in hours."""
    assert ground(80.0).lasts("h2o", **RULE)[0]
    assert not ground(80.0, warmest=190.0).lasts("h2o", **RULE)[0]


@settings(max_examples=60, deadline=None)
@given(
    top=st.floats(30.0, 200.0),
    rise=st.floats(-40.0, 40.0),
    water=st.floats(0.0, 30.0),
    more=st.floats(0.0, 20.0),
)
def test_laws_of_the_stratigraphy(top, rise, water, more):
    kelvin = np.maximum(top + rise * DEPTH, 25.0)
    place = ground(kelvin)
    soil = layers(place, np.full(DEPTH.size, water), **RULE)
    ice = soil.frozen_wt_percent["h2o"]
    lasts = place.lasts("h2o", **RULE)
    # frozen only where it lasts, bound elsewhere
    assert np.all((ice > 0.0) == (lasts & (water > 0.0)))
    assert np.all(ice <= soil.water_wt_percent + 1e-12)
    for name in NAMES:
        frozen = soil.frozen_wt_percent[name]
        assert np.all(frozen[~place.lasts(name, **RULE)] == 0.0)
        held = lasts & place.lasts(name, **RULE)
        assert frozen[held] == pytest.approx(ice[held] * VOLATILES[name].mass_per_water)
    # hydrogen is not made: what ices hold is what there is
    hydrogen = {"h2o": 2, "h2s": 2, "nh3": 3, "so2": 0, "co2": 0, "ch3oh": 4}
    held = sum(
        soil.frozen_wt_percent[n] * hydrogen[n] * 1.008e-3 / VOLATILES[n].molar_mass_kg
        for n in NAMES
    )
    in_water = soil.water_wt_percent * 2.016e-3 / VOLATILES["h2o"].molar_mass_kg
    assert held[lasts] == pytest.approx(in_water[lasts])
    # pores are not overfilled, and ice only raises density and permittivity and lowers the loss
    frozen = sum(soil.frozen_wt_percent.values()) / 100.0
    volume = sum(
        soil.frozen_wt_percent[n] / 100.0 * soil.density_kg_m3 / VOLATILES[n].ice_density_kg_m3
        for n in NAMES
    )
    assert np.all(volume <= regolith.porosity(place.density_kg_m3) * (1.0 + 1e-3))
    assert soil.density_kg_m3 * (1.0 - frozen) == pytest.approx(place.density_kg_m3)
    dry = layers(place, np.zeros(DEPTH.size), **RULE)
    assert np.all(soil.permittivity >= dry.permittivity - 1e-9)
    assert np.all(soil.loss_tangent <= dry.loss_tangent + 1e-12)
    # warmer ground never holds more
    warmer = layers(ground(kelvin + more), np.full(DEPTH.size, water), **RULE)
    assert np.all(~(warmer.frozen_wt_percent["h2o"] > 0.0) | (ice > 0.0))


def test_dry_ground_is_dry_soil():
    soil = layers(ground(150.0), np.zeros(DEPTH.size), **RULE)
    dry = regolith.density_hayne_kg_m3(DEPTH)
    assert soil.density_kg_m3 == pytest.approx(dry)
    assert soil.permittivity == pytest.approx(regolith.permittivity(dry))
    assert soil.loss_tangent == pytest.approx(regolith.loss_tangent(dry, 150.0))


def test_the_impact_of_lcross_found_what_would_last_at_its_place():
    """At 40 K all that the plume held is frozen; at 100 K water alone of these, and methanol."""
    cold, cool = (
        layers(ground(kelvin), np.full(DEPTH.size, 5.0), **RULE).frozen_wt_percent
        for kelvin in (40.0, 100.0)
    )
    assert all(cold[name].all() for name in NAMES)
    assert cool["h2o"].all() and cool["ch3oh"].all()
    assert not any(cool[name][0] for name in ("h2s", "nh3", "so2", "co2"))


def test_ground_between_its_nodes():
    fine = ground(np.linspace(60.0, 120.0, DEPTH.size))
    found = fine.at(np.array([DEPTH[3], 0.5 * (DEPTH[3] + DEPTH[4])]))
    assert found.temperature_k[0] == pytest.approx(fine.temperature_k[3])
    a, b = fine.loss_kg_m2_s["h2o"][3:5]
    assert found.loss_kg_m2_s["h2o"][1] == pytest.approx(np.sqrt(a * b))


def test_a_smooth_field_is_normal_smooth_and_of_its_seed():
    values, steps = [], []
    for seed in range(40):
        field = SmoothField(np.random.default_rng(seed), 30.0)
        x, y = np.random.default_rng(99).uniform(-2000.0, 2000.0, (2, 500))
        values.append(field.at(x, y))
        steps.append(field.at(x + 1.0, y) - values[-1])
    values = np.array(values)
    assert abs(values.mean()) < 0.03 and values.var() == pytest.approx(1.0, abs=0.05)
    assert (values > 1.0).mean() == pytest.approx(0.159, abs=0.02)
    assert np.abs(steps).max() < 1.5
    again = SmoothField(np.random.default_rng(3), 30.0).at(5.0, 7.0)
    assert again == SmoothField(np.random.default_rng(3), 30.0).at(5.0, 7.0)
