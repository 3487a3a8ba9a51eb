# SPDX-License-Identifier: Apache-2.0
"""The heat that a place's ground has from a year of Sun over its own horizon and slope.

A facet of the terrain absorbs the Sun's partial disc, light and infrared of the terrain in view,
and a background; a :class:`HeatColumn` follows. As facets are resolved their albedo is constant
(0.12 to 0.16 fit the polar regions; one that grows with incidence belongs to flat ground seen from
afar). The terrain in view sends out what level ground takes in at the time: no shadows, no inertia.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lupex_nodes.models.ephemeris import sun
from lupex_nodes.models.heat_column import EMISSIVITY, HeatColumn
from lupex_nodes.models.illumination import (
    ASTRONOMICAL_UNIT_M,
    SOLAR_CONSTANT_W_M2,
    SUN_RADIUS_M,
    Horizon,
    lit_fractions,
)
from lupex_nodes.models.regolith import (
    DENSITY_SCALE_M,
    balance_temperature_k,
    temperature_at_depth_k,
)

LUNAR_DAY_S = 29.530589 * 86400.0
#: Twelve lunar days, within eight days of the season's 346.6, so that a year closes on itself.
YEAR_S = 12.0 * LUNAR_DAY_S
SPACE_K = 3.0

_SAMPLE_S = 7200.0
_STEPS_PER_DAY = 10  # of the year, a lunar day
_LAST_S = 30.0 * 86400.0  # followed in steps of _LAST_STEP_S
_LAST_STEP_S = 3.0 * 3600.0
_BELOW_SEASONS_M = 0.45
_TOLERANCE_K = 1.0


@dataclass(frozen=True, eq=False)
class SunTrack:
    """The Sun from a place at evenly spaced times, shape (n,); azimuth does not wrap."""

    start_s: float
    azimuth_deg: np.ndarray
    elevation_deg: np.ndarray
    distance_m: np.ndarray

    @cached_property
    def _index(self) -> np.ndarray:
        return np.arange(len(self.azimuth_deg), dtype=float)

    @property
    def end_s(self) -> float:
        """The last sample's time."""
        return self.start_s + (len(self.azimuth_deg) - 1) * _SAMPLE_S

    def at(self, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return azimuth, elevation and distance, linear between samples two hours apart."""
        position = (np.asarray(times_s) - self.start_s) / _SAMPLE_S
        azimuth, elevation, distance = (
            np.interp(position, self._index, values)
            for values in (self.azimuth_deg, self.elevation_deg, self.distance_m)
        )
        return azimuth, elevation, distance


def sun_track(
    start_s: float, end_s: float, latitude_deg: float, longitude_deg: float
) -> SunTrack:
    """Sample the Sun from `start_s` to at least `end_s`, seconds of UTC since 1970."""
    count = math.ceil((end_s - start_s) / _SAMPLE_S) + 1
    times = round(start_s * 1e9) + np.arange(count, dtype=np.int64) * round(_SAMPLE_S * 1e9)
    azimuth, elevation, distance = sun(times, latitude_deg, longitude_deg)
    return SunTrack(start_s, np.unwrap(azimuth, period=360.0), elevation, distance)


@dataclass(frozen=True, eq=False)
class Facet:
    """A piece of ground: its horizon, its slopes (rise over run), and how it absorbs.

    `background_w_m2` is absorbed beside the Sun and the terrain in view: starlight, light scattered
    more than once, infrared of what is beyond the facet's own terrain; 0.05 to 5 W/m2.
    """

    horizon: Horizon
    east_slope: float
    north_slope: float
    albedo: float = 0.14
    emissivity: float = EMISSIVITY
    background_w_m2: float = 0.1

    @cached_property
    def terrain_view(self) -> float:
        """Share of the facet's half-space that is terrain, 0 to 1."""
        elevation = np.radians(self.horizon.elevation_deg)
        azimuth = np.arange(elevation.size) * (2.0 * math.pi / elevation.size)
        plane = np.arctan(self.east_slope * np.sin(azimuth) + self.north_slope * np.cos(azimuth))
        return float((np.sin(np.maximum(elevation - plane, 0.0)) ** 2).mean())

    def lit(self, track: SunTrack, times_s: np.ndarray) -> np.ndarray:
        """Return the part of the disc that shines on the facet at some times."""
        azimuth, elevation, distance = track.at(times_s)
        radius = np.degrees(SUN_RADIUS_M / distance)
        return lit_fractions(elevation, self.horizon.at_many(azimuth), radius)

    def absorbed_w_m2(self, track: SunTrack, times_s: np.ndarray) -> np.ndarray:
        """Return the absorbed flux at some times, shape (n,)."""
        azimuth, elevation, distance = (np.asarray(value) for value in track.at(times_s))
        radius = np.degrees(SUN_RADIUS_M / distance)
        lit = lit_fractions(elevation, self.horizon.at_many(azimuth), radius)
        full = SOLAR_CONSTANT_W_M2 * (ASTRONOMICAL_UNIT_M / distance) ** 2
        azimuth, elevation = np.radians(azimuth), np.radians(elevation)
        along = self.east_slope * np.sin(azimuth) + self.north_slope * np.cos(azimuth)
        upright = math.sqrt(1.0 + self.east_slope**2 + self.north_slope**2)
        cosine = (np.sin(elevation) - along * np.cos(elevation)) / upright
        direct = (1.0 - self.albedo) * full * lit * np.maximum(cosine, 0.0)
        level = full * np.maximum(np.sin(elevation), 0.0)
        # of what the terrain took in it scatters the albedo's part and radiates the rest
        taken = (1.0 - self.albedo) * (self.albedo + self.emissivity)
        return direct + self.terrain_view * taken * level + self.background_w_m2


@dataclass(frozen=True, eq=False)
class GroundYear:
    """What a year did to a column: temperatures by depth, shape (nodes,) or (steps, nodes)."""

    temperature_k: np.ndarray  # (steps, nodes) over the year
    warmest_k: np.ndarray
    lit_share: float  # part of the year in which some of the disc shines on the ground

    @property
    def mean_k(self) -> np.ndarray:
        """Mean of the year by depth."""
        return self.temperature_k.mean(axis=0)


def history_start_s(now_s: float) -> float:
    """Return since when the Sun must be known to spin up a column at some time."""
    return now_s - _LAST_S - YEAR_S - 2.0 * _SAMPLE_S


def spun_up(
    facet: Facet, track: SunTrack, now_s: float, scale_m: float = DENSITY_SCALE_M
) -> tuple[HeatColumn, GroundYear]:
    """Return the column of a place as its history has made it, and the year behind it.

    The year is run thrice, at last in tenths of a lunar day, each time from the end of the time
    before and with the ground below 0.45 m, which takes longer than a year, set to the mean; then
    the last month in steps of three hours. About 25 ms.
    """
    column = HeatColumn(scale_m=scale_m, emissivity=facet.emissivity)
    steps = 12 * _STEPS_PER_DAY
    step_s = YEAR_S / steps
    per_step = round(step_s / _SAMPLE_S)
    begin_s = now_s - _LAST_S - YEAR_S
    times_s = begin_s + (np.arange(steps * per_step) + 0.5) * (step_s / per_step)
    lit_share = float((facet.lit(track, times_s) > 0.0).mean())
    absorbed = facet.absorbed_w_m2(track, times_s).reshape(steps, per_step).mean(axis=1)
    column.settle(float(np.mean(balance_temperature_k(absorbed, facet.emissivity))))
    deep = int(np.searchsorted(column.depth_m, _BELOW_SEASONS_M))
    halves = absorbed.reshape(-1, 2).mean(axis=1)
    for flux, dt_s in ((halves, 2.0 * step_s), (halves, 2.0 * step_s), (absorbed, step_s)):
        year = column.run(flux, dt_s, _TOLERANCE_K)[:, 0]
        mean = year.mean(axis=0)
        steady = np.asarray(temperature_at_depth_k(column.depth_m, mean[deep], scale_m=scale_m))
        kelvin = column.temperature_k[0].copy()
        kelvin[deep:] = mean[deep] + (steady - steady[deep])[deep:]
        column.set(kelvin)
    count = round(_LAST_S / _LAST_STEP_S)
    times_s = now_s - _LAST_S + (np.arange(count) + 0.5) * _LAST_STEP_S
    absorbed = facet.absorbed_w_m2(track, times_s)
    month = column.run(absorbed, _LAST_STEP_S, _TOLERANCE_K)[:, 0]
    warmest = np.maximum(year.max(axis=0), month.max(axis=0))
    return column, GroundYear(year, warmest, lit_share)


def surroundings_k(
    horizon: Horizon, sun_elevation_deg: float, facet: Facet, ground_k: float
) -> tuple[float, float]:
    """Return the temperatures that a radiator to the zenith and an upright side face.

    Black-body temperatures of the infrared, between space and the terrain in view; the side faces
    half ground. The Sun's light is not in them.
    """
    level = SOLAR_CONSTANT_W_M2 * max(math.sin(math.radians(sun_elevation_deg)), 0.0)
    absorbed = (1.0 - facet.albedo) * level + facet.background_w_m2
    far = balance_temperature_k(absorbed, facet.emissivity) ** 4
    above = np.radians(np.maximum(horizon.elevation_deg, 0.0))
    zenith = float((np.sin(above) ** 2).mean())
    side = float(((above + np.sin(above) * np.cos(above)) / math.pi).mean())
    space = SPACE_K**4
    sky = zenith * far + (1.0 - zenith) * space
    beside = 0.5 * ground_k**4 + side * far + (0.5 - side) * space
    return float(sky**0.25), float(beside**0.25)
