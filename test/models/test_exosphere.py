# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from lupex_nodes.models.exosphere import (
    BOLTZMANN_J_K,
    NATIVE,
    SPECIES,
    WATER,
    OutgassingPrior,
    adsorbed_share,
    contamination_pa,
    draw_outgassing,
    local_hour,
    native_pa,
    pressure_pa,
    soil_vapour_pa,
    vent_pressure_pa,
)
from lupex_nodes.models.volatiles import VOLATILES, sublimation_kg_m2_s


def test_pressure_of_a_tenuous_gas():
    """1e4, 1e5, 1e6 cm-3 at 100 K."""
    assert pressure_pa([1e4, 1e5, 1e6], 100.0) == pytest.approx([1.38e-11, 1.38e-10, 1.38e-9], 0.01)


@pytest.mark.parametrize(
    ("name", "night", "day", "peak_hour"),
    # Apollo 17 and LADEE: helium peaks at 1 h, neon at 4 h and near helium's night, argon at dawn
    [("he", 4e4, 2e3, 1.0), ("ne", 2e4, 2e3, 4.0), ("ar", 4e4, 1e3, 6.0), ("ch4", 4e2, 1e1, 6.0)],
)
def test_native_densities_swing_as_apollo_17_and_ladee_saw_them(name, night, day, peak_hour):
    hours = np.arange(0.0, 24.0, 0.25)
    density = [NATIVE[name].density_cm3(hour) for hour in hours]
    assert hours[int(np.argmax(density))] == peak_hour
    assert max(density) == pytest.approx(night, rel=0.01)
    assert min(density) == pytest.approx(day, rel=0.1)
    flat = [NATIVE[name].density_cm3(hour, 0.0) for hour in hours]
    assert np.ptp(flat) == 0.0
    assert np.log(flat[0]) == pytest.approx(np.log(density).mean(), abs=0.05)


def test_the_native_exosphere_is_of_the_class_of_1e_10_pa():
    totals = [native_pa(hour, 100.0).sum() for hour in range(24)]
    assert 1e-11 < min(totals) < max(totals) < 2e-10
    assert native_pa(3.0, 100.0, 1.0, 100.0)[WATER] == pytest.approx(
        110 * 1e6 * BOLTZMANN_J_K * 100
    )


def test_vapour_over_ice_carries_away_what_sublimates():
    """The flux of a half-filled Maxwell distribution is n v / 2: Hertz and Knudsen's loss."""
    kelvin = 120.0
    mass_kg = VOLATILES["h2o"].molar_mass_kg / 6.02214076e23
    n = soil_vapour_pa({"h2o": (0.0, kelvin)}, 0.5, 80e-6)[WATER] / (BOLTZMANN_J_K * kelvin)
    speed = np.sqrt(8.0 * BOLTZMANN_J_K * kelvin / (np.pi * mass_kg))
    assert 0.5 * n * speed * mass_kg == pytest.approx(float(sublimation_kg_m2_s(kelvin)), rel=1e-3)


def test_a_vent_loses_through_a_half_sphere_what_it_lets_out():
    gas_kg_s, kelvin = 1e-9, 250.0
    mass_kg = VOLATILES["h2o"].molar_mass_kg / 6.02214076e23
    for distance_m in (0.5, 2.0):
        n = vent_pressure_pa(gas_kg_s, distance_m, kelvin) / (BOLTZMANN_J_K * kelvin)
        speed = np.sqrt(8.0 * BOLTZMANN_J_K * kelvin / (np.pi * mass_kg))
        assert n * speed * mass_kg * 2 * np.pi * distance_m**2 == pytest.approx(gas_kg_s, rel=1e-4)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "latitude", "hour"),
    [
        (0.0, 0.5, -89.45, 12.0),  # over the north horizon of the south pole: noon
        (180.0, -0.5, -89.45, 0.0),
        (90.0, 0.0, -89.45, 6.0),  # rises in the east
        (270.0, 0.0, -89.45, 18.0),
        (90.0, 0.0, 0.0, 6.0),
        (180.0, 50.0, 40.0, 12.0),
        (90.0, 0.0, 40.0, 6.0),
    ],
)
def test_local_hour_from_where_the_sun_is(azimuth, elevation, latitude, hour):
    away = (local_hour(azimuth, elevation, latitude) - hour + 12.0) % 24.0 - 12.0
    assert away == pytest.approx(0.0, abs=1e-6)


def test_water_of_rover_and_lander_is_1e_9_to_1e_6_pa_from_half_a_day_to_ten_days():
    many = draw_outgassing(np.random.default_rng(5), OutgassingPrior(), (2000,))
    for hours, distance_m in ((12.0, 10.0), (24.0, 15.0), (72.0, 30.0), (240.0, 20.0)):
        water = contamination_pa(many, hours, distance_m)[:, WATER]
        assert 1e-9 < np.quantile(water, 0.25) < np.quantile(water, 0.95) < 1e-6


def test_deposit_falls_with_its_50_m_and_the_inverse_of_time():
    one = draw_outgassing(
        np.random.default_rng(1), OutgassingPrior(rover_water_pa=0.0, lander_water_pa=0.0)
    )
    near, far = (contamination_pa(one, 10.0, r)[WATER] for r in (10.0, 60.0))
    assert near / far == pytest.approx(np.e)
    assert contamination_pa(one, 100.0, 10.0)[WATER] == pytest.approx(near / 10.0)
    assert contamination_pa(one, 10.0, 10.0, 3.0) == pytest.approx(
        3.0 * contamination_pa(one, 10.0, 10.0)
    )


def test_many_drawn_at_once_are_as_one_after_the_other():
    many = draw_outgassing(np.random.default_rng(2), OutgassingPrior(), (7,))
    assert contamination_pa(many, 50.0, 40.0, np.ones(7)).shape == (7, len(SPECIES))


def test_surfaces_fill_in_the_dark_and_empty_in_light():
    share = 0.0
    for _ in range(200):
        share = adsorbed_share(share, False, 1.0)
    assert 0.97 < share < 1.0
    assert adsorbed_share(share, True, 3.0) == pytest.approx(share / np.e)
    assert adsorbed_share(0.3, False, 5.0) == pytest.approx(
        adsorbed_share(adsorbed_share(0.3, False, 2.0), False, 3.0)
    )
