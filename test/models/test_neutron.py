# SPDX-License-Identifier: Apache-2.0
"""Neutron leakage, footprint and counting against published anchors and direct integration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad, quad

from lupex_nodes.models import neutron

WATER = st.floats(0.0, 20.0)
COVER = st.floats(0.0, 200.0)


def test_cabeus_suppression_is_fifteen_percent() -> None:
    # Mitrofanov et al. 2010: 15 % at Cabeus read as 470 ppm H of homogeneous soil
    water = neutron.water_of_hydrogen(470.0)
    assert 1.0 - neutron.epithermal_ratio(water) == pytest.approx(0.15, abs=0.005)


def test_polar_mean_suppression_is_five_percent() -> None:
    # Feldman et al. 1998, Lawrence et al. 2006: about 5 % is 100 to 150 ppm H above the mean
    low, high = 1.0 - neutron.epithermal_ratio(neutron.water_of_hydrogen([100.0, 150.0]))
    assert 0.03 < low < 0.05 < high < 0.06


def test_weh_definition() -> None:
    # PDS description of the neutron spectrometer of the Peregrine lander
    assert neutron.water_of_hydrogen(1500.0) == pytest.approx(1.35)


def test_cabeus_double_solution_under_cover() -> None:
    # 15 % is also several wt% under some dry decimetres (Mitrofanov et al. 2010: up to 4 wt%)
    cover = np.linspace(0.0, 100.0, 1001)
    at_15 = np.interp(0.85, neutron.epithermal_ratio(4.0, cover), cover)
    assert 40.0 < at_15 < 80.0


@pytest.mark.parametrize(
    ("water", "cover", "ratio"),
    [(5, 30, 0.652), (5, 60, 0.821), (5, 90, 0.908), (5, 150, 0.976), (1, 30, 0.848)],
)
def test_two_layer_values(water: float, cover: float, ratio: float) -> None:
    assert neutron.epithermal_ratio(water, cover) == pytest.approx(ratio, abs=1e-3)


@given(WATER, COVER)
def test_apparent_water_inverts_and_never_exceeds_content(water: float, cover: float) -> None:
    assert neutron.apparent_water(neutron.epithermal_ratio(water)) == pytest.approx(water, abs=1e-9)
    apparent = neutron.apparent_water(neutron.epithermal_ratio(water, cover))
    assert -1e-12 <= apparent <= water + 1e-9


@given(WATER, COVER)
def test_profile_of_two_layers_is_the_two_layer_law(water: float, cover: float) -> None:
    profile = neutron.epithermal_ratio_of_profile([0.0, cover], [0.0, water])
    assert profile == pytest.approx(neutron.epithermal_ratio(water, cover), abs=1e-12)


def test_fine_profile_approaches_the_integral() -> None:
    def wet(s: float) -> float:
        return 3.0 * (1.0 - np.exp(-s / 40.0))

    def weighted(s: float) -> float:
        return 0.42 * wet(s) / (1.0 + 0.42 * wet(s)) * np.exp(-s / 45.0) / 45.0

    top = np.arange(0.0, 600.0, 0.5)
    found = neutron.epithermal_ratio_of_profile(top, wet(top + 0.25))
    assert found == pytest.approx(1.0 - quad(weighted, 0.0, np.inf)[0], abs=1e-4)


def test_profiles_are_vectorised_over_places() -> None:
    top = np.broadcast_to([0.0, 15.0, 60.0], (4, 5, 3))
    water = np.broadcast_to([0.0, 2.0, 0.5], (4, 5, 3))
    assert neutron.epithermal_ratio_of_profile(top, water).shape == (4, 5)


def test_thin_wet_over_dry_raises_the_rate_and_thick_lowers_it() -> None:
    # Lawrence et al. 2011: excess of 1 to 3 % for 0.1 to 1 wt% in less than 30 g/cm2
    thin = neutron.wet_over_dry_ratio([0.5, 1.0], 15.0)
    assert np.all((thin > 1.01) & (thin <= 1.03 + 1e-12))
    assert neutron.wet_over_dry_ratio(1.0, 0.0) == pytest.approx(1.0)
    assert neutron.wet_over_dry_ratio(1.0, 120.0) == pytest.approx(neutron.epithermal_ratio(1.0))
    steps = np.diff(neutron.wet_over_dry_ratio(1.0, np.linspace(0.0, 120.0, 1201)))
    assert np.abs(steps).max() < 0.002


def test_epithermal_and_thermal_pair_has_two_solutions() -> None:
    shallow, deep = (0.86, 20.0), (2.54, 50.0)
    assert neutron.epithermal_ratio(*shallow) == pytest.approx(0.830, abs=2e-3)
    assert neutron.epithermal_ratio(*deep) == pytest.approx(0.830, abs=2e-3)
    assert neutron.thermal_ratio(*shallow) == pytest.approx(1.595, abs=2e-3)
    assert neutron.thermal_ratio(*deep) == pytest.approx(1.580, abs=2e-3)


# --- Footprint


def emission(x: float, y: float, height: float) -> float:
    """Share of the response an area element gives: Fermi's radiance, seen isotropically."""
    slant = np.sqrt(x * x + y * y + height * height)
    mu = height / slant
    return (1.0 + np.sqrt(3.0) * mu) * mu / slant**2 / (2.0 * np.pi * (1.0 + np.sqrt(0.75)))


def test_half_the_response_is_within_1p3_heights_and_ninety_percent_within_6() -> None:
    assert neutron.radius_of_response([0.5, 0.9], 1.0) == pytest.approx([1.30, 6.0], rel=0.01)
    assert neutron.radius_of_response([0.5, 0.9], 0.6) == pytest.approx([0.78, 3.6], rel=0.01)


@pytest.mark.parametrize("radius", [0.3, 1.0, 5.0])
def test_response_is_the_integral_of_the_emission(radius: float) -> None:
    total = quad(lambda r: 2.0 * np.pi * r * emission(r, 0.0, 0.6), 0.0, radius)[0]
    assert neutron.response_within(radius, 0.6) == pytest.approx(total, abs=1e-7)


@given(st.floats(0.0, 0.99), st.floats(0.1, 2.0))
def test_radius_inverts_response(fraction: float, height: float) -> None:
    radius = neutron.radius_of_response(fraction, height)
    assert neutron.response_within(radius, height) == pytest.approx(fraction, abs=1e-9)


@pytest.mark.parametrize("distance", [0.0, 2.5, 3.9, 4.0, 4.3, 7.0])
def test_disc_fraction_is_the_integral_over_the_disc(distance: float) -> None:
    def over_disc(angle: float, r: float) -> float:
        return r * emission(distance + r * np.cos(angle), r * np.sin(angle), 0.6)

    total = 2.0 * dblquad(over_disc, 0.0, 4.0, 0.0, np.pi, epsabs=1e-5)[0]
    assert neutron.disc_fraction(distance, 4.0, 0.6) == pytest.approx(total, abs=1e-4)


@given(st.floats(0.0, 60.0), st.floats(0.01, 20.0))
def test_disc_fraction_falls_with_distance(distance: float, radius: float) -> None:
    near, far = neutron.disc_fraction([distance, distance + 0.1], radius)
    assert 0.0 <= far <= near + 1e-5 <= 1.0 + 1e-5
    assert neutron.disc_fraction(0.0, radius) == pytest.approx(neutron.response_within(radius))


def test_table_agrees_with_disc_fraction() -> None:
    rng = np.random.default_rng(5)
    distance, radius = rng.uniform(0.0, 60.0, 4000), np.exp(rng.uniform(*np.log([4.0, 20.0]), 4000))
    table = neutron.DiscFractionTable(4.0, 20.0, 60.0)
    error = table(distance.astype(np.float32), radius) - neutron.disc_fraction(distance, radius)
    assert np.abs(error).max() < 0.01
    assert abs(error.mean()) < 1e-4


def test_rings_average_a_disc_like_its_fraction() -> None:
    # A detector that samples rings and azimuths must see a disc off to its side as it should.
    edges = neutron.radius_of_response(np.linspace(0.0, 0.98, 50), 0.6)
    weights = neutron.ring_weights(edges, 0.6)
    assert weights.sum() == pytest.approx(1.0)
    middle = neutron.radius_of_response((np.arange(49) + 0.5) / 50, 0.6)
    azimuth = np.arange(90) * 2.0 * np.pi / 90
    x, y = middle[:, None] * np.cos(azimuth), middle[:, None] * np.sin(azimuth)
    inside = np.hypot(x - 5.0, y) < 4.0
    assert weights @ inside.mean(axis=1) == pytest.approx(neutron.disc_fraction(5.0, 4.0), abs=0.02)
    assert neutron.equal_response_radii(50) == pytest.approx(
        neutron.radius_of_response((np.arange(50) + 0.5) / 50)
    )


# --- Counting


def test_dead_time_law_against_single_arrivals() -> None:
    rng, rate, dead_time = np.random.default_rng(3), 2e4, 10e-6
    counted, last = 0, -1.0
    arrivals = np.cumsum(rng.exponential(1.0 / rate, 200_000))
    for time in arrivals:
        if time - last >= dead_time:
            counted, last = counted + 1, time
    expected = neutron.expected_counts(1.0, rate, 0.0, arrivals[-1], dead_time_s=dead_time)
    assert counted == pytest.approx(expected, abs=4.0 * np.sqrt(expected))
    assert expected < 0.85 * arrivals.size


@given(st.floats(0.1, 1e4), st.floats(0.0, 100.0), st.floats(0.1, 100.0), st.floats(250.0, 330.0))
def test_counts_over_live_time_give_the_true_rate(
    dry: float, background: float, duration: float, temperature: float
) -> None:
    gain = float(neutron.tube_gain(temperature))
    counts = neutron.expected_counts(0.7, dry, background, duration, gain)
    rate = counts / neutron.live_time(counts, duration)
    assert rate == pytest.approx(gain * (0.7 * dry + background), rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.floats(1.0, 300.0), st.integers(0, 2**32 - 1))
def test_draws_have_the_mean_and_variance_of_poisson(mean: float, seed: int) -> None:
    counts = neutron.draw_counts(np.random.default_rng(seed), np.full(4000, mean)).astype(float)
    assert counts.mean() == pytest.approx(mean, abs=5.0 * np.sqrt(mean / 4000))
    assert counts.var() / mean == pytest.approx(1.0, abs=5.0 * np.sqrt(2.5 / 4000))


def test_rate_falls_as_the_tube_warms() -> None:
    assert neutron.tube_gain(neutron.REFERENCE_TEMPERATURE_K + 30.0) == pytest.approx(0.97)


def test_constants_scatter_as_the_prior_says() -> None:
    rng, prior = np.random.default_rng(11), neutron.NeutronPrior()
    worlds = [neutron.draw_constants(rng, prior) for _ in range(2000)]
    k_e = np.array([world.k_e for world in worlds])
    escape = np.array([world.lambda_e_g_cm2 for world in worlds])
    assert k_e.mean() == pytest.approx(prior.k_e, rel=0.005)
    assert k_e.std() / prior.k_e == pytest.approx(prior.k_e_sigma, rel=0.08)
    assert escape.std() / prior.lambda_e_g_cm2 == pytest.approx(prior.lambda_e_sigma, rel=0.08)
    assert min(k_e.min(), escape.min()) > 0.0


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: neutron.epithermal_ratio(-0.1), "water_wt_percent"),
        (lambda: neutron.thermal_ratio(1.0, np.nan), "cover_g_cm2"),
        (lambda: neutron.epithermal_ratio_of_profile([30.0, 0.0], [0.0, 1.0]), "ascend"),
        (lambda: neutron.apparent_water(0.0), "above zero"),
        (lambda: neutron.response_within(1.0, 0.0), "height_m"),
        (lambda: neutron.radius_of_response(1.0), "fraction"),
        (lambda: neutron.ring_weights([0.5, 1.0]), "zero"),
        (lambda: neutron.equal_response_radii(0), "ring"),
    ],
)
def test_bad_input_is_named(call, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        call()
