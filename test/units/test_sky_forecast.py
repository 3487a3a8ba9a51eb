# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.models import ephemeris
from lupex_nodes.models.illumination import horizon
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.terrain import MOON_RADIUS_M, Terrain
from lupex_nodes.rover.sky_forecast import SPAN_S, SkyForecast

PLACE = (-89.45, 222.7)
DAY = 86400 * SECOND


def utc(*date):
    return int(datetime(*date, tzinfo=UTC).timestamp()) * SECOND


def site(height):
    levels = []
    for pixel_m, half_m in ((5.0, 400.0), (100.0, 12_000.0)):
        x = np.arange(-half_m, half_m + 1.0, pixel_m)
        levels.append(Terrain(height(*np.meshgrid(x, x)), pixel_m, -half_m, -half_m))
    return SiteTerrain(tuple(levels))


FLAT = site(lambda x, y: 0.0 * x)
#: A ridge 40 m high, 500 m to the north of the origin and all along it.
RIDGE = site(lambda x, y: 40.0 * (np.abs(y - 500.0) < 60.0))


def test_the_earth_sets_when_the_ephemeris_says():
    start = utc(2028, 10, 2)
    forecast = SkyForecast(FLAT, *PLACE, 2.0).at(0.0, 0.0, start)
    assert forecast.earth_visible
    # at this site the Earth's centre sinks below a level horizon on 2028-10-11 about 02:00
    sets = start + round(forecast.earth_for_s * SECOND)
    assert abs(sets - utc(2028, 10, 11, 2)) < 2 * 3600 * SECOND
    later = SkyForecast(FLAT, *PLACE, 2.0).at(0.0, 0.0, sets + 3600 * SECOND)
    assert not later.earth_visible and later.earth_for_s == 0.0


def test_spells_are_those_of_minute_by_minute_geometry():
    start, sky = utc(2028, 10, 4), SkyForecast(RIDGE, *PLACE, 2.0)
    around = horizon(RIDGE, 0.0, 0.0, 2.0, 1440)
    times = start + 60 * SECOND * np.arange(30 * 1440)
    sun = ephemeris.sun(times, *PLACE)
    # more than half the disc is in sight exactly when its centre is
    up = sun.elevation_deg > around.at_many(sun.azimuth_deg)
    changes = np.flatnonzero(up[1:] != up[:-1])
    assert len(changes) >= 2, "the ridge hides the Sun for a part of the month"
    for i in (0, int(changes[0]) - 300, int(changes[0]) + 300, int(changes[1]) + 300):
        found = sky.at(0.0, 0.0, int(times[i]))
        after = changes[changes >= i]
        spell_s = (after[0] + 1 - i) * 60.0 if after.size else None
        told = found.lit_for_s if up[i] else found.dark_for_s
        assert (found.lit_for_s > 0.0) == up[i] and (found.dark_for_s > 0.0) == (not up[i])
        if spell_s is not None and spell_s < SPAN_S:
            assert told == pytest.approx(spell_s, abs=3600.0), "a degree of azimuth is two hours"
        assert found.sun_elevation_deg == pytest.approx(sun.elevation_deg[i], abs=1e-3)
        assert found.sun_azimuth_deg == pytest.approx(sun.azimuth_deg[i], abs=1e-2)


def test_no_spell_counts_beyond_the_span():
    tower = SkyForecast(FLAT, *PLACE, 1000.0).at(0.0, 0.0, utc(2028, 10, 4))
    assert tower.lit_fraction == 1.0 and tower.lit_for_s == pytest.approx(SPAN_S, abs=600.0)


def test_places_behind_a_ridge_are_dark_and_those_far_from_it_are_not():
    sky, start = SkyForecast(RIDGE, *PLACE, 2.0), utc(2028, 10, 4)
    times = start + 3600 * SECOND * np.arange(24 * 28)
    sun = ephemeris.sun(times, *PLACE)
    north = times[np.argmin(np.abs((sun.azimuth_deg + 180.0) % 360.0 - 180.0))]
    elevation = float(ephemeris.sun(int(north), *PLACE).elevation_deg)
    y = np.array([-2500.0, -300.0, 300.0])
    dark = sky.dark(np.zeros(3), y, np.full(3, north))
    # 38 m above the eye at the near edge of the ridge; the Moon's curvature takes little
    rise = np.degrees(np.arctan((38.0 - (440.0 - y) ** 2 / 2.0 / MOON_RADIUS_M) / (440.0 - y)))
    assert dark.tolist() == (rise > elevation).tolist()
    assert dark.any() and not dark.all()
    assert not sky.dark(np.zeros(1), np.full(1, 700.0), np.full(1, north)).any()


def test_one_question_may_span_hours():
    sky, start = SkyForecast(RIDGE, *PLACE, 2.0), utc(2028, 10, 4)
    at = start + np.array([0, 5, 10]) * DAY // 4
    x, y = np.zeros(3), np.array([-100.0, 0.0, 100.0])
    together = sky.dark(x, y, at)
    alone = [bool(sky.dark(x[i : i + 1], y[i : i + 1], at[i : i + 1])[0]) for i in range(3)]
    assert together.tolist() == alone


def test_time_may_go_on_for_months():
    sky = SkyForecast(FLAT, *PLACE, 2.0)
    for month in (1, 2, 6, 12):
        now = utc(2029, month, 1)
        expected = float(ephemeris.sun(now, *PLACE).elevation_deg)
        assert sky.at(0.0, 0.0, now).sun_elevation_deg == pytest.approx(expected, abs=1e-3)
        assert math.isfinite(sky.at(0.0, 0.0, now).lit_for_s)


def test_shares_of_the_next_days_are_those_of_minute_by_minute_geometry():
    start, sky = utc(2028, 10, 4), SkyForecast(RIDGE, *PLACE, 2.0)
    around = horizon(RIDGE, 0.0, 0.0, 2.0, 1440)
    times = start + 60 * SECOND * np.arange(round(SPAN_S / 60.0))
    for found, body in zip(
        sky.shares(0.0, 0.0, start), (ephemeris.sun, ephemeris.earth), strict=True
    ):
        seen = body(times, *PLACE)
        share = np.mean(seen.elevation_deg > around.at_many(seen.azimuth_deg))
        assert 0.1 < share < 0.9 and found == pytest.approx(share, abs=0.01)
