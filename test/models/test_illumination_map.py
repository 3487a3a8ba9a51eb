# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from lupex_nodes.models import ephemeris
from lupex_nodes.models.illumination import horizon_deg, horizons_deg, lit_fraction
from lupex_nodes.models.illumination_map import horizon_map, illumination_map
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.synthetic_site import synthetic_site
from lupex_nodes.models.terrain import Terrain

SITE = synthetic_site(5, 300.0, 2.0)
MAP = horizon_map(SITE, (80.0, -10.0), 100.0, 10.0, (2.0, 0.0), 24)


def test_cells_see_what_each_place_sees_alone():
    """Cells on the finest grid and beyond it, which is 300 m wide."""
    x, y = np.meshgrid(MAP.x_m, MAP.y_m)
    for i in (0, 5, 13, 20):
        for eye, height in enumerate(MAP.eye_heights_m):
            alone = horizons_deg(SITE, x, y, height, 15.0 * i)
            apart = np.abs(MAP.elevation_deg[eye, i] - alone)
            assert np.percentile(apart, 95) < 0.15
    assert MAP.elevation_deg.shape == (2, 24, 20, 20)


def test_turned_grids_give_the_same_map():
    x, y = np.meshgrid(np.arange(-300.0, 301.0, 5.0), np.arange(-300.0, 301.0, 5.0))
    heights = 8.0 * np.sin(x / 50.0) * np.cos(y / 70.0)
    straight = SiteTerrain((Terrain(heights, 5.0, -300.0, -300.0),))
    # the same ground with columns that run north and rows that run west
    turned = SiteTerrain((Terrain(heights.T[::-1], 5.0, 300.0, -300.0, 90.0),))
    assert turned.height_at(40.0, -70.0) == pytest.approx(straight.height_at(40.0, -70.0), abs=1e-4)
    one, other = (horizon_map(s, (0.0, 0.0), 100.0, 20.0, (2.0,), 8) for s in (straight, turned))
    assert np.percentile(np.abs(one.elevation_deg - other.elevation_deg), 90) < 0.2


def test_light_over_time_is_that_of_each_place():
    start = int(datetime(2028, 10, 2, tzinfo=UTC).timestamp()) * 10**9
    times = start + np.arange(0, 240, 60) * 3600 * 10**9
    lit = illumination_map(SITE, times, -89.45, 222.7, (0.0, 0.0), 50.0, 25.0, azimuths=72)
    assert lit.shape == (4, 4, 4) and lit.dtype == np.float32
    sun = ephemeris.sun(times, -89.45, 222.7)
    for t in range(4):
        seen = horizon_deg(SITE, 12.5, -37.5, (2.0,), [sun.azimuth_deg[t]])[0, 0]
        expected = lit_fraction(sun.elevation_deg[t], seen)
        assert lit[t, 0, 2] == pytest.approx(expected, abs=0.35)


def test_what_never_sees_the_sun_is_dark_under_every_sun():
    azimuth = np.arange(0.0, 360.0, 3.0)
    elevation = np.full(azimuth.size, 1.0)
    dark = MAP.never_lit(azimuth, elevation)
    assert np.all(MAP.mean_lit(azimuth, elevation)[dark] == 0.0)
    assert MAP.never_lit(azimuth, elevation - 30.0).all()
    assert not MAP.never_lit(azimuth, elevation + 60.0).any()


def test_a_map_beyond_the_terrain_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="reaches out of the terrain"):
        horizon_map(SITE, (0.0, 0.0), 200e3, 10e3)
