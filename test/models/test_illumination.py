# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import datetime
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import trapezoid

from lupex_nodes.models import ephemeris, illumination
from lupex_nodes.models.illumination import Horizon
from lupex_nodes.models.terrain import Terrain, synthetic

HOUR_NS = 3600 * 10**9


@pytest.fixture(scope="module")
def two_years_of_sun():
    start = datetime.datetime(2027, 10, 1, tzinfo=datetime.UTC)
    epochs = int(start.timestamp()) * 10**9 + np.arange(730 * 24) * HOUR_NS
    return ephemeris.sun(epochs, -89.45, 222.7)


def darkness(sun, horizon_deg):
    """Share of hours in which some of the disc shows, and the longest darkness in days."""
    lit = sun.elevation_deg + 0.2665 > horizon_deg
    edges = np.flatnonzero(np.diff(np.concatenate([[1], lit, [1]])))
    return lit.mean(), np.diff(edges)[::2].max() / 24.0


@given(offset=st.floats(-0.3, 0.3))
def test_lit_fraction_is_the_area_of_the_disc_above_the_horizon(offset):
    y = np.linspace(-1, 1, 200_001)
    chord = 2 * np.sqrt(1 - y**2)
    above = trapezoid(np.where(y > -offset / 0.2665, chord, 0.0), y) / math.pi
    assert illumination.lit_fraction(1.0 + offset, 1.0) == pytest.approx(above, abs=2e-5)


def test_lit_fraction_ends_and_middle():
    assert illumination.lit_fraction(0.0, 0.0) == 0.5
    assert illumination.lit_fraction(-0.27, 0.0) == 0.0
    assert illumination.lit_fraction(0.27, 0.0) == 1.0


def test_irradiance_over_the_year():
    au = illumination.ASTRONOMICAL_UNIT_M
    assert illumination.irradiance_w_m2(au) == 1361.0
    assert illumination.irradiance_w_m2(0.9833 * au) == pytest.approx(1361.0 * 1.034, rel=1e-3)
    assert illumination.irradiance_w_m2(au, 0.25) == pytest.approx(1361.0 / 4)
    assert illumination.sun_angular_radius_deg(au) == pytest.approx(0.2665, abs=1e-4)


def test_dip_of_the_sphere():
    assert illumination.horizon_dip_deg(1900.0) == pytest.approx(2.68, abs=0.005)
    assert illumination.horizon_dip_deg(-5.0) == 0.0


def test_horizon_interpolates_around_the_circle():
    horizon = Horizon(np.array([0.0, 1.0, 2.0, 4.0]))
    assert [horizon.at(a) for a in (0.0, 45.0, 90.0, 315.0, 360.0, -90.0)] == [0, 0.5, 1, 2, 0, 4]
    azimuths = np.linspace(-400, 800, 57)
    np.testing.assert_allclose(horizon.at_many(azimuths), [horizon.at(a) for a in azimuths])


def test_level_ground_sinks_by_the_dip_of_the_sphere():
    flat = Terrain(np.zeros((801, 801)), 25.0, -10_000.0, -10_000.0)
    seen = illumination.horizon(flat, 0.0, 0.0, eye_height_m=20.0, azimuths=90)
    dip = illumination.horizon_dip_deg(20.0)
    np.testing.assert_allclose(seen.elevation_deg, -dip, atol=2e-3)


def test_a_wall_to_the_east_stands_at_its_angle():
    heights = np.zeros((201, 201))
    heights[:, 150:] = 30.0
    wall = Terrain(heights, 10.0, -1000.0, -1000.0)
    seen = illumination.horizon(wall, 0.0, 0.0, eye_height_m=2.0)
    assert seen.at(90.0) == pytest.approx(math.degrees(math.atan(28.0 / 500.0)), abs=0.02)
    oblique = math.degrees(math.atan(28.0 / (500.0 / math.cos(math.radians(45.0)))))
    assert seen.at(45.0) == pytest.approx(oblique, abs=0.03)
    assert seen.at(270.0) < 0.0
    turned = Terrain(heights, 10.0, 1000.0, -1000.0, rotation_deg=90.0)
    north = illumination.horizon(turned, 0.0, 0.0, eye_height_m=2.0)
    np.testing.assert_allclose(north.at(0.0), seen.at(90.0), atol=1e-6)


def test_horizon_agrees_with_looking_along_single_rays():
    ground = synthetic(5, 400.0, 2.0)
    seen = illumination.horizon(ground, 13.0, -20.0, azimuths=360)
    eye = ground.height_at(13.0, -20.0) + 2.0
    for azimuth in (0, 77, 200, 311):
        s, c = math.sin(math.radians(azimuth)), math.cos(math.radians(azimuth))
        steepest = -math.inf
        for d in np.arange(2.0, 400.0, 0.5):
            if ground.contains(13.0 + d * s, -20.0 + d * c):
                rise = ground.height_at(13.0 + d * s, -20.0 + d * c) - eye - d**2 / 3474800.0
                steepest = max(steepest, rise / d)
        assert seen.at(azimuth) == pytest.approx(math.degrees(math.atan(steepest)), abs=0.15)


def test_a_farther_horizon_shows_where_it_is_higher():
    near, far = Horizon(np.array([0.0, 2.0, 0.0, -1.0])), Horizon(np.array([1.0, 1.0]))
    assert near.behind(far).elevation_deg.tolist() == [1.0, 2.0, 1.0, 1.0]


def test_uniform_horizons_of_a_ridge_give_the_known_darkness(two_years_of_sun):
    assert darkness(two_years_of_sun, -1.6) == pytest.approx((0.96, 8.4), abs=0.05)
    assert darkness(two_years_of_sun, -1.7) == pytest.approx((0.98, 5.9), abs=0.05)


def test_far_horizon_darkens_the_ridge_for_days_not_weeks(two_years_of_sun):
    sun, longest = two_years_of_sun, []
    for seed in range(40):
        far = illumination.far_horizon(seed, sun.azimuth_deg, sun.elevation_deg)
        lit, days = darkness(sun, far.at_many(sun.azimuth_deg))
        assert lit == pytest.approx(0.93, abs=0.002)
        longest.append(days)
    assert 3.0 < np.median(longest) < 5.0
    assert max(longest) < 10.0
    again = illumination.far_horizon(39, sun.azimuth_deg, sun.elevation_deg)
    assert np.array_equal(again.elevation_deg, far.elevation_deg)


def test_bad_input_is_refused_in_one_sentence():
    ground = synthetic(5, 100.0, 2.0)
    with pytest.raises(ValueError, match="not inside the terrain"):
        illumination.horizon(ground, 90.0, 0.0)
    with pytest.raises(ValueError, match="two finite"):
        Horizon(np.array([np.nan, 1.0]))
    with pytest.raises(ValueError, match="between 0 and 1"):
        illumination.far_horizon(1, np.zeros(3), np.zeros(3), 1.2)
