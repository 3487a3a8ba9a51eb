# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lupex_nodes.models import ephemeris, regolith
from lupex_nodes.models.ground_history import (
    LUNAR_DAY_S,
    YEAR_S,
    Facet,
    history_start_s,
    spun_up,
    sun_track,
    surroundings_k,
)
from lupex_nodes.models.heat_column import HeatColumn
from lupex_nodes.models.illumination import Horizon

SITE = -89.45, 222.7
NOW_S = datetime(2028, 10, 4, tzinfo=UTC).timestamp()
OPEN = Horizon(np.full(120, -1.7))


@pytest.fixture(scope="module")
def track():
    return sun_track(history_start_s(NOW_S), NOW_S + 40 * 86400.0, *SITE)


def test_the_track_is_the_ephemeris(track):
    times = NOW_S - np.array([300.0, 100.2, 3.7]) * 86400.0
    azimuth, elevation, distance = track.at(times)
    exact = ephemeris.sun(np.round(times * 1e9).astype(np.int64), *SITE)
    assert (azimuth - exact.azimuth_deg + 180.0) % 360.0 - 180.0 == pytest.approx(0.0, abs=0.01)
    assert elevation == pytest.approx(exact.elevation_deg, abs=0.01)
    assert distance == pytest.approx(exact.distance_m, rel=1e-6)


def test_level_ground_at_the_pole_is_near_a_hundred_kelvin(track):
    """1-D run of the same laws: 94 K in the mean for an albedo of 0.12 all year round."""
    _, year = spun_up(Facet(OPEN, 0.0, 0.0, albedo=0.12), track, NOW_S)
    assert year.mean_k[0] == pytest.approx(94.0, abs=4.0)
    assert year.lit_share > 0.9


def test_shadowed_places_have_the_temperatures_that_diviner_found(track):
    """Floors of deep craters 25 to 70 K, shade amid lit ground 70 to 120 K (Paige et al. 2010)."""
    deep = Facet(Horizon(np.full(120, 4.0)), 0.0, 0.0, background_w_m2=0.05)
    column, year = spun_up(deep, track, NOW_S)
    assert year.lit_share == 0.0 and 25.0 < year.mean_k[0] < 70.0
    small = Facet(Horizon(np.full(120, 20.0)), 0.0, 0.0)
    shaded = spun_up(small, track, NOW_S)[1]
    assert shaded.lit_share == 0.0 and year.mean_k[0] < shaded.mean_k[0] < 110.0
    assert 70.0 < shaded.warmest_k[0] < 120.0


def test_a_slope_to_the_noon_sun_is_warmer(track):
    """A lit ridge: 180 to 260 K, by its slope to the Sun."""
    level = spun_up(Facet(OPEN, 0.0, 0.0), track, NOW_S)[1]
    slope = spun_up(Facet(OPEN, 0.0, -np.tan(np.radians(10.0))), track, NOW_S)[1]
    assert slope.mean_k[0] > level.mean_k[0] + 30.0
    assert 180.0 < slope.warmest_k[0] < 270.0


def test_history_in_coarse_steps_is_that_in_fine_ones(track):
    """The month before now in steps of 20 minutes from the year's end: the same ground."""
    facet = Facet(OPEN, 0.0, -0.1)
    column, year = spun_up(facet, track, NOW_S)
    fine = HeatColumn()
    fine.set(column.temperature_k)  # below what a month reaches nothing changes
    start = NOW_S - LUNAR_DAY_S
    for turn in range(3):
        times = start + (np.arange(2126) + 0.5) * 1200.0
        if turn < 2:
            fine.run(facet.absorbed_w_m2(track, times[::9]), 10800.0)
    fine.run(facet.absorbed_w_m2(track, times), 1200.0)
    assert fine.surface_k[0] == pytest.approx(column.surface_k[0], abs=3.0)
    assert fine.temperature_k[0, -1] == pytest.approx(column.temperature_k[0, -1], abs=1.0)


def test_a_year_closes_on_itself(track):
    """What a year leaves in the ground is, within a kelvin, what it found: below the seasons the
    mean rises by what the interior's flux asks for."""
    column, year = spun_up(Facet(OPEN, 0.05, 0.0), track, NOW_S)
    assert len(year.temperature_k) == 120 and year.warmest_k[0] >= year.temperature_k[:, 0].max()
    at = np.interp([0.45, 1.0, 2.6], column.depth_m, year.mean_k)
    rise = 0.018 / regolith.conductivity_w_m_k(at[1], 1.0)
    assert at[1] - at[0] == pytest.approx(0.55 * rise, abs=3.0)
    assert at[2] - at[1] == pytest.approx(1.6 * rise, abs=1.5)
    assert np.ptp(year.temperature_k[:, -1]) < 0.5
    assert YEAR_S == pytest.approx(354.4 * 86400.0, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(height=st.floats(0.0, 60.0), ground=st.floats(40.0, 300.0))
def test_a_higher_horizon_is_warmer_to_face_and_none_is_space(height, ground):
    facet = Facet(Horizon(np.full(36, height)), 0.0, 0.0)
    assert facet.terrain_view == pytest.approx(np.sin(np.radians(height)) ** 2)
    sky, side = surroundings_k(facet.horizon, 1.5, facet, ground)
    higher, _ = surroundings_k(Horizon(np.full(36, height + 5.0)), 1.5, facet, ground)
    assert 3.0 <= sky < higher
    assert side >= 0.5**0.25 * ground - 1e-9
    space, half = surroundings_k(OPEN, 1.5, facet, ground)
    assert space == pytest.approx(3.0)
    assert half == pytest.approx(0.5**0.25 * ground, rel=1e-5)


def test_a_tilted_facet_sees_the_ground_that_it_is_tilted_to():
    assert Facet(OPEN, 0.0, 0.0).terrain_view == 0.0
    plane = np.arctan(0.2 * np.sin(np.arange(120) * np.pi / 60.0))
    assert Facet(Horizon(np.degrees(plane)), 0.2, 0.0).terrain_view == pytest.approx(0.0)
    flat = Facet(Horizon(np.zeros(120)), 0.2, 0.0).terrain_view
    # of a plane that is tilted by s the half-space holds (1 - cos s) / 2 of level ground
    assert flat == pytest.approx((1.0 - np.cos(np.arctan(0.2))) / 2.0, rel=0.05)
