# SPDX-License-Identifier: Apache-2.0
"""Reflectance of icy soil against exact scattering and published band depths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lupex_nodes.models.reflectance import (
    Soil,
    SoilPrior,
    cross_section_ratio,
    draw_constants,
    draw_soil,
    h_function,
    ice_albedo,
    ice_content_wt_percent,
    mineral_reflectance,
    reflectance_factor,
    single_scattering_albedo,
    soil_reflectance,
)

WAVELENGTH_UM = np.linspace(0.755, 1.645, 90)
SOIL = Soil(1.0, 50.0, 60.0, 0.6, 5.0, 110.0)


def depth_at(centre_um: float, soil: Soil) -> float:
    seen, clear = (
        soil_reflectance([centre_um], soil, 0.87, 1.0, absorbing=each)[0] for each in (True, False)
    )
    return float(1.0 - seen / clear)


def exact_h(albedo: float) -> tuple[np.ndarray, np.ndarray]:
    """Chandrasekhar's H by iteration of his integral equation, isotropic scattering."""
    node, weight = np.polynomial.legendre.leggauss(64)
    mu, weight = 0.5 * (node + 1.0), 0.5 * weight
    h = np.ones_like(mu)
    for _ in range(3000):
        integral = (weight * h * mu / (mu[:, None] + mu)).sum(axis=1)
        # half a step: a whole one swings to and fro without absorption
        h = 0.5 * h + 0.5 / (np.sqrt(1.0 - albedo) + 0.5 * albedo * integral)
    return mu, h


def test_the_exact_h_is_that_of_chandrasekhar() -> None:
    # Chandrasekhar 1950, Radiative Transfer, table XI: H(1) = 2.9078 without absorption
    mu, h = exact_h(1.0)
    assert np.polyval(np.polyfit(mu[-8:], h[-8:], 2), 1.0) == pytest.approx(2.9078, abs=0.01)


@pytest.mark.parametrize("albedo", [0.1, 0.5, 0.8, 0.95, 1.0])
def test_two_streams_give_h_within_four_percent(albedo: float) -> None:
    mu, h = exact_h(albedo)
    assert np.abs(h_function(mu, albedo) / h - 1.0).max() == pytest.approx(0.02, abs=0.021)


@given(st.floats(0.0, 1.0), st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_albedo_and_reflectance_invert(albedo: float, incidence: float, emission: float) -> None:
    reflectance = reflectance_factor(albedo, incidence, emission)
    again = single_scattering_albedo(reflectance, incidence, emission)
    assert again == pytest.approx(albedo, abs=1e-6)


def test_a_white_surface_reflects_all_light() -> None:
    """The flux of a surface of albedo 1, integrated over emission, is what fell on it."""
    node, weight = np.polynomial.legendre.leggauss(32)
    mu, weight = 0.5 * (node + 1.0), 0.5 * weight
    radiance = np.array([float(reflectance_factor(1.0, 0.6, each)) for each in mu])
    assert 2.0 * (weight * mu * radiance).sum() == pytest.approx(1.0, abs=0.04)


@given(st.floats(0.01, 90.0), st.floats(10.0, 300.0), st.floats(20.0, 150.0))
def test_content_and_cross_section_invert(content: float, ice_um: float, soil_um: float) -> None:
    ratio = cross_section_ratio(content, ice_um, soil_um)
    assert ice_content_wt_percent(ratio, ice_um, soil_um) == pytest.approx(content)


def test_the_continuum_of_highland_soil() -> None:
    blue, red = mineral_reflectance([0.75, 1.6], 0.6, 0.0)
    assert blue == pytest.approx(0.10, abs=0.005)
    assert red == pytest.approx(0.25, abs=0.005)


@pytest.mark.parametrize("grain_um", [10.0, 20.0, 50.0, 100.0])
def test_band_depths_at_one_and_a_half_microns_are_those_published(grain_um: float) -> None:
    # mixtures of ice and dark soil: 2 to 5 % for 1 wt%, 12 to 30 % for 10 wt%
    one, ten = (depth_at(1.5, replace(SOIL, ice_wt_percent=c, ice_grain_um=grain_um))
                for c in (1.0, 10.0))  # fmt: skip
    assert 0.02 <= one <= 0.05
    assert 0.12 <= ten <= 0.30


def test_bands_grow_in_the_order_of_absorption() -> None:
    # Clark 1981, doi:10.1029/JB086iB04p03087: 1.50 far above 1.25, above 1.03 um
    weak, middle, strong = (
        depth_at(c, replace(SOIL, ice_wt_percent=30.0)) for c in (1.03, 1.25, 1.5)
    )
    assert 0.0 < 3.0 * weak < middle < 0.1 * strong


def test_pure_coarse_ice_is_dark_where_it_absorbs_and_white_elsewhere() -> None:
    albedo = ice_albedo([0.8, 1.5], 300.0, 250.0)
    bright, dark = reflectance_factor(albedo, 0.87, 1.0)
    assert bright > 0.9 and dark < 0.25


def test_few_fine_grains_and_many_coarse_ones_look_alike() -> None:
    """Why a band depth alone tells no content: a factor of two to three is open."""
    fine = depth_at(1.5, replace(SOIL, ice_wt_percent=3.0, ice_grain_um=30.0))
    coarse = depth_at(1.5, replace(SOIL, ice_wt_percent=6.0, ice_grain_um=290.0))
    assert coarse == pytest.approx(fine, rel=0.15)


def test_soil_without_ice_is_mineral() -> None:
    constants = draw_constants(np.random.default_rng(1))
    dry = replace(SOIL, ice_wt_percent=0.0)
    angles = np.cos(np.radians([30.0, 0.0]))
    seen = soil_reflectance(WAVELENGTH_UM, dry, *angles, constants)
    assert seen == pytest.approx(mineral_reflectance(WAVELENGTH_UM, 0.6, 5.0, constants))


def test_draws_follow_their_prior() -> None:
    rng, prior = np.random.default_rng(2), SoilPrior()
    soils = [draw_soil(rng, 1.0) for _ in range(400)]
    grain = np.log([soil.ice_grain_um for soil in soils])
    assert np.median(grain) == pytest.approx(np.mean(np.log(prior.ice_grain_um)), abs=0.2)
    assert {soil.ice_wt_percent for soil in soils} == {1.0}
    plain = SoilPrior(curvature_sigma=0.0, pyroxene_centre_um=(0.95, 0.95))
    smooth = np.log(mineral_reflectance(WAVELENGTH_UM, 0.6, 0.0))
    wiggles = [
        np.log(mineral_reflectance(WAVELENGTH_UM, 0.6, 0.0, draw_constants(rng, plain))) - smooth
        for _ in range(200)
    ]
    assert np.std(wiggles) == pytest.approx(prior.residual_sigma, rel=0.15)
