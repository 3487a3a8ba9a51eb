# SPDX-License-Identifier: Apache-2.0
"""How much of the Sun's disc stands above the horizon, and the horizon itself.

Near the pole the Sun never rises by more than about two degrees, so the horizon, curvature of the
Moon included, decides everything (Mazarico et al. 2011, doi:10.1016/j.icarus.2010.10.030). The
horizon is straight across the disc, the disc uniformly bright.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.terrain import MOON_RADIUS_M

ASTRONOMICAL_UNIT_M = 149_597_870_700.0
SOLAR_CONSTANT_W_M2 = 1361.0  # at 1 au, Kopp and Lean 2011, doi:10.1029/2010GL045777
SUN_RADIUS_M = 695_700e3

_STEP_GROWTH = 0.01  # of a ray over its distance: about 1200 steps to 110 km


@dataclass(frozen=True, eq=False)
class Horizon:
    """Horizon elevation at evenly spaced azimuths from north through east, degrees.

    `elevation_deg` has shape (n,), azimuth i * 360 / n.
    """

    elevation_deg: np.ndarray
    _closed: list[float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        elevation = np.array(self.elevation_deg, dtype=float)
        if elevation.ndim != 1 or elevation.size < 2 or not np.isfinite(elevation).all():
            raise ValueError(
                f"horizon of shape {elevation.shape}: give at least two finite elevations"
            )
        elevation.flags.writeable = False
        object.__setattr__(self, "elevation_deg", elevation)
        object.__setattr__(self, "_closed", [*elevation.tolist(), float(elevation[0])])

    def at(self, azimuth_deg: float) -> float:
        """Return the elevation at any azimuth, linear between the samples."""
        count = len(self._closed) - 1
        position = (azimuth_deg % 360.0) * count / 360.0
        i = min(int(position), count - 1)
        return self._closed[i] + (position - i) * (self._closed[i + 1] - self._closed[i])

    def at_many(self, azimuth_deg: np.ndarray) -> np.ndarray:
        """Return the elevations at an array of azimuths."""
        count = self.elevation_deg.size
        return np.interp(np.mod(azimuth_deg, 360.0) * count / 360.0, range(count + 1), self._closed)

    def behind(self, far: Horizon) -> Horizon:
        """Return this horizon with a farther one showing wherever that stands higher."""
        azimuth_deg = np.arange(self.elevation_deg.size) * 360.0 / self.elevation_deg.size
        return Horizon(np.maximum(self.elevation_deg, far.at_many(azimuth_deg)))


def sun_angular_radius_deg(distance_m: float) -> float:
    """Return the angular radius of the Sun's disc, about 0.267 deg."""
    return math.degrees(math.asin(SUN_RADIUS_M / distance_m))


def lit_fraction(
    sun_elevation_deg: float, horizon_deg: float, angular_radius_deg: float = 0.2665
) -> float:
    """Return the part of the Sun's disc above a straight horizon, 0 to 1."""
    x = (sun_elevation_deg - horizon_deg) / angular_radius_deg
    if x <= -1.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    return 0.5 + (x * math.sqrt(1.0 - x * x) + math.asin(x)) / math.pi


def lit_fractions(
    sun_elevation_deg: np.ndarray | float,
    horizon_deg: np.ndarray | float,
    angular_radius_deg: np.ndarray | float = 0.2665,
) -> np.ndarray:
    """Return the part of the Sun's disc above straight horizons, of the shape of the arguments."""
    x = np.clip((sun_elevation_deg - horizon_deg) / np.asarray(angular_radius_deg), -1.0, 1.0)
    return 0.5 + (x * np.sqrt(1.0 - x * x) + np.arcsin(x)) / math.pi


def dark_spells(
    lit: np.ndarray, times_s: np.ndarray, threshold: float = 0.5
) -> list[tuple[float, float]]:
    """Return the spells (start_s, end_s) in which less than `threshold` of the disc is lit.

    `lit` and `times_s` have shape (t,). The ends are interpolated between samples; a spell that is
    under way at the first or last sample starts or ends there.
    """
    lit, times_s = np.asarray(lit, dtype=float), np.asarray(times_s, dtype=float)
    dark = np.concatenate([[False], lit < threshold, [False]])
    edges = np.flatnonzero(np.diff(dark))

    def crossing(after: int) -> float:
        before = after - 1
        part = (threshold - lit[before]) / (lit[after] - lit[before])
        return float(times_s[before] + part * (times_s[after] - times_s[before]))

    return [
        (
            crossing(a) if a > 0 else float(times_s[0]),
            crossing(b) if b < lit.size else float(times_s[-1]),
        )
        for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]


def irradiance_w_m2(sun_distance_m: float, lit: float = 1.0) -> float:
    """Return the power per area normal to the rays, of a Sun lit in part."""
    return lit * SOLAR_CONSTANT_W_M2 * (ASTRONOMICAL_UNIT_M / sun_distance_m) ** 2


def horizon_dip_deg(height_m: float) -> float:
    """Return the depression of a smooth sphere's horizon seen from above it, degrees, >= 0."""
    if height_m <= 0.0:
        return 0.0
    return math.degrees(math.acos(MOON_RADIUS_M / (MOON_RADIUS_M + height_m)))


def horizon_deg(
    site: SiteTerrain,
    x_m: float,
    y_m: float,
    eye_heights_m: Sequence[float],
    azimuth_deg: np.ndarray,
) -> np.ndarray:
    """Return the horizon around a place for eyes above its ground, shape (eyes, azimuths), degrees.

    Rays cross all grids in steps that grow with distance; heights count from the sphere, so the
    ground falls away. Beyond the outermost grid there is nothing. ValueError when the place lies
    outside the outermost grid.
    """
    if not site.levels[-1].contains(x_m, y_m):
        raise ValueError(f"({x_m}, {y_m}) m is not inside the terrain: no horizon can be drawn")
    eyes_m = MOON_RADIUS_M + site.height_at(x_m, y_m) + np.asarray(eye_heights_m, dtype=float)
    azimuth = np.atleast_1d(np.asarray(azimuth_deg, dtype=float))
    # whole kilometres, so that a place a step further finds the same steps made
    reach_m = 1000.0 * math.ceil(site.reach_m(x_m, y_m) / 1000.0)
    distance_m, cosine, sine = _steps(site.levels[0].pixel_m, _STEP_GROWTH, reach_m)
    rise = np.empty((eyes_m.size, azimuth.size))
    for i, degrees in enumerate(azimuth.tolist()):
        heights_m, count = _along(site, x_m, y_m, math.radians(degrees), distance_m)
        # tan of elevation = (r cos - eye) / (r sin), r the ground's distance from the centre
        level = cosine[:count] / sine[:count]
        per_eye = 1.0 / (sine[:count] * (MOON_RADIUS_M + heights_m))
        for j, eye_m in enumerate(eyes_m.tolist()):
            rise[j, i] = (level - eye_m * per_eye).max()
    return np.degrees(np.arctan(rise))


def horizon(
    site: SiteTerrain, x_m: float, y_m: float, eye_height_m: float = 2.0, azimuths: int = 720
) -> Horizon:
    """Return the whole horizon around an eye above the ground; as `horizon_deg`."""
    around = np.arange(azimuths) * 360.0 / azimuths
    return Horizon(horizon_deg(site, x_m, y_m, (eye_height_m,), around)[0])


def horizons_deg(
    site: SiteTerrain,
    x_m: np.ndarray,
    y_m: np.ndarray,
    eye_height_m: float,
    azimuth_deg: float,
    growth: float = 0.03,
) -> np.ndarray:
    """Return the horizon at one azimuth from many places, of the shape of `x_m`, degrees.

    `growth` is a ray's step over its distance. About 10 us a place.
    """
    x_m, y_m = np.broadcast_arrays(np.asarray(x_m, float), np.asarray(y_m, float))
    x, y = x_m.reshape(-1), y_m.reshape(-1)
    eye_m = MOON_RADIUS_M + site.height(x, y) + eye_height_m
    s, c = math.sin(math.radians(azimuth_deg)), math.cos(math.radians(azimuth_deg))
    middle = (float(x.mean()), float(y.mean())) if x.size else (0.0, 0.0)
    reach_m = site.reach_m(*middle) + float(np.hypot(x - middle[0], y - middle[1]).max(initial=0.0))
    rise = np.full(x.size, -np.inf)
    for distance_m, cosine, sine in zip(
        *_steps(site.levels[0].pixel_m, growth, reach_m), strict=True
    ):
        radius_m = site.ground(x + distance_m * s, y + distance_m * c)
        radius_m += MOON_RADIUS_M
        np.fmax(rise, (radius_m * cosine - eye_m) / (radius_m * sine), out=rise)
    return np.degrees(np.arctan(rise)).reshape(x_m.shape)


@lru_cache(maxsize=16)
def _steps(first_m: float, growth: float, reach_m: float) -> tuple[np.ndarray, ...]:
    """Distances along a ray, and cosine and sine of the angles that they span at the centre."""
    linear = np.arange(1, math.ceil(1.0 / growth) + 1) * first_m
    far = math.ceil(math.log(max(reach_m / linear[-1], 1.0 + growth)) / math.log1p(growth))
    distance_m = np.concatenate([linear, linear[-1] * (1.0 + growth) ** np.arange(1, far + 1)])
    distance_m = distance_m[distance_m <= reach_m]
    angle = distance_m / MOON_RADIUS_M
    return distance_m, np.cos(angle), np.sin(angle)


def _along(
    site: SiteTerrain, x_m: float, y_m: float, azimuth: float, distance_m: np.ndarray
) -> tuple[np.ndarray, int]:
    """Heights along a ray from a place, to the edge of the outermost grid, and their number.

    The grids are nested, so each one holds one stretch of the ray, with the finer ones' inside.
    """
    s, c = math.sin(azimuth), math.cos(azimuth)
    heights_m = np.empty(distance_m.size)
    first = last = 0
    for index, level in enumerate(site.levels):
        column, row = level.grid_coordinates(x_m, y_m)
        # grid_coordinates is linear: what it says of a unit step is the ray's direction
        ahead_column, ahead_row = level.grid_coordinates(level.x0_m + s, level.y0_m + c)
        rows, columns = level.heights_m.shape
        margin = 0.0 if index == len(site.levels) - 1 else 1.0
        enter_m, leave_m = 0.0, math.inf
        for at, step, top in ((column, ahead_column, columns - 1), (row, ahead_row, rows - 1)):
            if abs(step) < 1e-12:
                if not margin <= at <= top - margin:
                    leave_m = -1.0
                continue
            near, far = sorted(((margin - at) / step, (top - margin - at) / step))
            enter_m, leave_m = max(enter_m, near), min(leave_m, far)
        if leave_m < enter_m:
            continue
        begin, end = np.searchsorted(distance_m, (enter_m, leave_m)).tolist()
        stretches = [(begin, end)]
        if last > first:
            stretches = [(begin, first), (last, end)]
        for a, b in stretches:
            if b > a:
                d = distance_m[a:b]
                heights_m[a:b] = level.bilinear(column + ahead_column * d, row + ahead_row * d)
        first, last = begin, end
    if last <= 0:
        raise ValueError(f"({x_m}, {y_m}) m lies on the terrain's very edge: no horizon there")
    return heights_m[:last], last
