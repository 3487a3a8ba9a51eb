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
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.synthetic_site import synthetic_site
from lupex_nodes.models.terrain import MOON_RADIUS_M, Terrain

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
    flat = SiteTerrain((Terrain(np.zeros((801, 801)), 25.0, -10_000.0, -10_000.0),))
    seen = illumination.horizon(flat, 0.0, 0.0, eye_height_m=20.0, azimuths=90)
    dip = illumination.horizon_dip_deg(20.0)
    np.testing.assert_allclose(seen.elevation_deg, -dip, atol=2e-3)


def test_a_wall_to_the_east_stands_at_its_angle():
    heights = np.zeros((201, 201))
    heights[:, 150:] = 30.0
    wall = SiteTerrain((Terrain(heights, 10.0, -1000.0, -1000.0),))
    seen = illumination.horizon(wall, 0.0, 0.0, eye_height_m=2.0)
    assert seen.at(90.0) == pytest.approx(math.degrees(math.atan(28.0 / 500.0)), abs=0.02)
    oblique = math.degrees(math.atan(28.0 / (500.0 / math.cos(math.radians(45.0)))))
    assert seen.at(45.0) == pytest.approx(oblique, abs=0.03)
    assert seen.at(270.0) < 0.0
    turned = SiteTerrain((Terrain(heights, 10.0, 1000.0, -1000.0, rotation_deg=90.0),))
    north = illumination.horizon(turned, 0.0, 0.0, eye_height_m=2.0)
    np.testing.assert_allclose(north.at(0.0), seen.at(90.0), atol=1e-6)


SITE = synthetic_site(5, 300.0, 2.0)


def steepest_deg(site, x, y, eye_height, azimuth):
    """March densely along one ray on the smooth surface; the plain way to a horizon."""
    s, c = math.sin(math.radians(azimuth)), math.cos(math.radians(azimuth))
    d = np.concatenate([np.arange(1.0, 2000.0, 0.5), np.arange(2000.0, 110_000.0, 5.0)])
    radius = MOON_RADIUS_M + site.height(x + d * s, y + d * c)
    eye = MOON_RADIUS_M + site.height_at(x, y) + eye_height
    up = radius * np.cos(d / MOON_RADIUS_M) - eye
    return math.degrees(math.atan((up / (radius * np.sin(d / MOON_RADIUS_M))).max()))


@pytest.mark.parametrize("x, y", [(13.0, -20.0), (-120.0, 90.0), (900.0, -400.0)])
def test_horizon_agrees_with_a_dense_march(x, y):
    azimuths = np.array([0.0, 77.0, 200.0, 311.0])
    seen = illumination.horizon_deg(SITE, x, y, (1.0, 2.0), azimuths)
    dense = [[steepest_deg(SITE, x, y, h, a) for a in azimuths] for h in (1.0, 2.0)]
    # rays look at the facets between nodes, which cut a crest that the smooth surface rounds
    np.testing.assert_allclose(seen, dense, atol=0.08)
    whole = illumination.horizon(SITE, x, y, 2.0, azimuths=360)
    np.testing.assert_allclose(whole.at_many(azimuths), seen[1], atol=1e-9)


def test_many_places_see_what_each_sees_alone():
    rng = np.random.default_rng(3)
    x, y = rng.uniform(-140.0, 140.0, (2, 5, 8))
    seen = illumination.horizons_deg(SITE, x, y, 2.0, 222.0)
    alone = [
        illumination.horizon_deg(SITE, a, b, (2.0,), [222.0])[0, 0]
        for a, b in zip(x.flat, y.flat, strict=True)
    ]
    assert seen.shape == (5, 8)
    np.testing.assert_allclose(seen.reshape(-1), alone, atol=0.06)


@given(
    seen=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=30),
    threshold=st.floats(0.1, 0.9),
)
def test_dark_spells_are_where_it_is_dark(seen, threshold):
    lit, times = np.array(seen), 3600.0 * np.arange(len(seen))
    spells = illumination.dark_spells(lit, times, threshold)
    for value, at in zip(lit, times, strict=True):
        inside = any(start <= at <= end for start, end in spells)
        assert inside == (value < threshold) or value == pytest.approx(threshold)
    assert spells == sorted(spells)


def test_dark_spells_end_where_the_light_crosses():
    lit = np.array([1.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    assert illumination.dark_spells(lit, np.arange(6.0)) == [(1.5, 3.5), (4.5, 5.0)]
    assert illumination.dark_spells(np.ones(4), np.arange(4.0)) == []


@given(elevation=st.floats(-3.0, 3.0), horizon=st.floats(-3.0, 3.0))
def test_lit_fractions_of_arrays_are_those_of_numbers(elevation, horizon):
    many = illumination.lit_fractions(np.array([elevation]), np.array([horizon]))
    assert many[0] == pytest.approx(illumination.lit_fraction(elevation, horizon), abs=1e-12)


def test_a_farther_horizon_shows_where_it_is_higher():
    near, far = Horizon(np.array([0.0, 2.0, 0.0, -1.0])), Horizon(np.array([1.0, 1.0]))
    assert near.behind(far).elevation_deg.tolist() == [1.0, 2.0, 1.0, 1.0]


def test_uniform_horizons_of_a_ridge_give_the_known_darkness(two_years_of_sun):
    assert darkness(two_years_of_sun, -1.6) == pytest.approx((0.96, 8.4), abs=0.05)
    assert darkness(two_years_of_sun, -1.7) == pytest.approx((0.98, 5.9), abs=0.05)


def test_bad_input_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="not inside the terrain"):
        illumination.horizon(SITE, 200e3, 0.0)
    with pytest.raises(ValueError, match="two finite"):
        Horizon(np.array([np.nan, 1.0]))
