# SPDX-License-Identifier: Apache-2.0
"""Sun and Earth over the next days at places on the uplinked map.

Directions come from the ephemeris, sampled once for weeks; horizons from the map, seen from the
middle of the solar array. A place counts as dark with less than half the Sun's disc in sight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lupex_nodes.bus.stamps import SECOND, seconds
from lupex_nodes.models import ephemeris
from lupex_nodes.models.illumination import (
    SUN_RADIUS_M,
    Horizon,
    horizon,
    horizons_deg,
    lit_fractions,
)
from lupex_nodes.models.site_terrain import SiteTerrain

SPAN_S = 16 * 86400.0
_STEP = seconds(600.0)
_AZIMUTHS = 360
_MOVED_M = 3.0
#: The Sun moves by about a quarter of a degree in this time.
_SAME_LIGHT = seconds(1800.0)


class Forecast(NamedTuple):
    """The sky at a place: the values of the record SKY, in its order."""

    sun_azimuth_deg: float
    sun_elevation_deg: float
    lit_fraction: float
    lit_for_s: float
    dark_for_s: float
    earth_visible: bool
    earth_for_s: float


@dataclass(frozen=True, eq=False)
class _Body:
    """Directions of a body by time (s from the samples' start), azimuth without jumps."""

    times_s: np.ndarray
    azimuth_deg: np.ndarray
    elevation_deg: np.ndarray

    def at(self, time_s: Any) -> tuple[Any, Any]:
        """Return azimuth and elevation, linear between the samples."""
        return (
            np.interp(time_s, self.times_s, self.azimuth_deg),
            np.interp(time_s, self.times_s, self.elevation_deg),
        )


class SkyForecast:
    """Says when Sun and Earth are in sight, and where; times are ns of UTC.

    Directions are known for 16 to 32 days from the first question on, and then again.
    """

    def __init__(
        self, site: SiteTerrain, latitude_deg: float, longitude_deg: float, eye_height_m: float
    ) -> None:
        self.site, self.eye_height_m = site, eye_height_m
        self._place = (latitude_deg, longitude_deg)
        self._start: int | None = None
        self._around: tuple[float, float, Horizon] | None = None

    def at(self, x_m: float, y_m: float, now: int) -> Forecast:
        """Return what is expected at a place from now on; no spell counts beyond 16 days."""
        self._sample(now)
        around = self._horizon_at(x_m, y_m)
        since_s = (now - self._first) / SECOND
        later = (self._sun.times_s > since_s) & (self._sun.times_s <= since_s + SPAN_S)
        times_s = np.concatenate([[since_s], self._sun.times_s[later]])
        azimuth, elevation = self._sun.at(times_s)
        lit = lit_fractions(elevation, around.at_many(azimuth), self._sun_radius_deg)
        earth_azimuth, earth_elevation = self._earth.at(times_s)
        earth_above = earth_elevation - around.at_many(earth_azimuth)
        spell_s = _first_change_s(times_s, lit - 0.5)
        lit_now, up_now = float(lit[0]), bool(earth_above[0] > 0.0)
        return Forecast(
            float(azimuth[0]) % 360.0,
            float(elevation[0]),
            lit_now,
            spell_s if lit_now >= 0.5 else 0.0,
            spell_s if lit_now < 0.5 else 0.0,
            up_now,
            _first_change_s(times_s, earth_above) if up_now else 0.0,
        )

    def shares(self, x_m: float, y_m: float, now: int) -> tuple[float, float]:
        """Return in which parts of the next 16 days Sun and Earth are in sight at a place."""
        self._sample(now)
        around = self._horizon_at(x_m, y_m)
        since_s = (now - self._first) / SECOND
        times_s = self._sun.times_s
        later = (times_s >= since_s) & (times_s <= since_s + SPAN_S)
        seen = [
            float(np.mean(body.elevation_deg[later] > around.at_many(body.azimuth_deg[later])))
            for body in (self._sun, self._earth)
        ]
        return seen[0], seen[1]

    def dark(self, x_m: np.ndarray, y_m: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return where less than half the Sun's disc will be in sight, of the shape of x_m."""
        self._sample(int(at.min()))
        return self._hidden(self._sun, x_m, y_m, at)

    def silent(self, x_m: np.ndarray, y_m: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return where the Earth's centre will not be in sight, of the shape of x_m."""
        self._sample(int(at.min()))
        return self._hidden(self._earth, x_m, y_m, at)

    def _hidden(
        self, body: _Body, x_m: np.ndarray, y_m: np.ndarray, at: np.ndarray
    ) -> np.ndarray:
        """Compare a body's centre with the horizon under it, for all places of half an hour."""
        hidden = np.zeros(x_m.shape, bool)
        while_same = (at - self._first) // _SAME_LIGHT
        for part in np.unique(while_same).tolist():
            here = while_same == part
            azimuth, elevation = body.at((part + 0.5) * _SAME_LIGHT / SECOND)
            edge_deg = horizons_deg(
                self.site, x_m[here], y_m[here], self.eye_height_m, float(azimuth) % 360.0
            )
            hidden[here] = edge_deg >= elevation
        return hidden

    def _horizon_at(self, x_m: float, y_m: float) -> Horizon:
        if self._around is None or math.dist(self._around[:2], (x_m, y_m)) > _MOVED_M:
            circle = horizon(self.site, x_m, y_m, self.eye_height_m, _AZIMUTHS)
            self._around = (x_m, y_m, circle)
        return self._around[2]

    def _sample(self, now: int) -> None:
        """Have directions from `now` for at least 16 days."""
        if self._start is not None and self._start <= now <= self._start + seconds(SPAN_S):
            return
        self._start = self._first = now - now % _SAME_LIGHT
        times = self._first + _STEP * np.arange(round(2.0 * SPAN_S * SECOND / _STEP) + 2)
        times_s = (times - self._first) / SECOND
        sun, earth = (find(times, *self._place) for find in (ephemeris.sun, ephemeris.earth))
        self._sun, self._earth = (
            _Body(times_s, np.degrees(np.unwrap(np.radians(b.azimuth_deg))), b.elevation_deg)
            for b in (sun, earth)
        )
        self._sun_radius_deg = math.degrees(SUN_RADIUS_M / float(sun.distance_m.mean()))


def _first_change_s(times_s: np.ndarray, value: np.ndarray) -> float:
    """Return how long after the first time `value` keeps its sign, linear between samples."""
    other = np.flatnonzero((value >= 0.0) != (value[0] >= 0.0))
    if not other.size:
        return float(times_s[-1] - times_s[0])
    j = int(other[0])
    i = j - 1
    part = value[i] / (value[i] - value[j])
    return float(times_s[i] + part * (times_s[j] - times_s[i]) - times_s[0])
