# SPDX-License-Identifier: Apache-2.0
"""How much of the Sun's disc stands above the horizon, and the horizon itself.

Near the pole the Sun never rises by more than about two degrees, so the horizon, curvature of the
Moon included, decides everything (Mazarico et al. 2011, doi:10.1016/j.icarus.2010.10.030). The
horizon is straight across the disc, the disc uniformly bright.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import map_coordinates

from lupex_nodes.models.terrain import MOON_RADIUS_M, Terrain

ASTRONOMICAL_UNIT_M = 149_597_870_700.0
SOLAR_CONSTANT_W_M2 = 1361.0  # at 1 au, Kopp and Lean 2011, doi:10.1029/2010GL045777
SUN_RADIUS_M = 695_700e3


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


def irradiance_w_m2(sun_distance_m: float, lit: float = 1.0) -> float:
    """Return the power per area normal to the rays, of a Sun lit in part."""
    return lit * SOLAR_CONSTANT_W_M2 * (ASTRONOMICAL_UNIT_M / sun_distance_m) ** 2


def horizon_dip_deg(height_m: float) -> float:
    """Return the depression of a smooth sphere's horizon seen from above it, degrees, >= 0."""
    if height_m <= 0.0:
        return 0.0
    return math.degrees(math.acos(MOON_RADIUS_M / (MOON_RADIUS_M + height_m)))


def horizon(
    terrain: Terrain, x_m: float, y_m: float, eye_height_m: float = 2.0, azimuths: int = 720
) -> Horizon:
    """Return the horizon that a terrain's grid makes around an eye above the ground.

    Rays step by one pixel to the edge of the grid; heights count from the sphere, so the ground
    falls away with distance. What lies beyond the grid is not known to it: combine with `behind`.
    ValueError when the place is not inside the grid.
    """
    rows, columns = terrain.heights_m.shape
    column, row = terrain.grid_coordinates(x_m, y_m)
    if not (0.0 < column < columns - 1 and 0.0 < row < rows - 1):
        raise ValueError(f"({x_m}, {y_m}) m is not inside the terrain: no horizon can be drawn")
    eye_radius_m = MOON_RADIUS_M + terrain.height_at(x_m, y_m) + eye_height_m
    reach = math.ceil(math.hypot(max(column, columns - column), max(row, rows - row)))
    distance_m = np.arange(1, reach + 1) * terrain.pixel_m
    azimuth = np.radians(np.arange(azimuths) * 360.0 / azimuths)[:, None]
    u, v = terrain.grid_coordinates(
        x_m + distance_m * np.sin(azimuth), y_m + distance_m * np.cos(azimuth)
    )
    ground_m = map_coordinates(terrain.heights_m, [v, u], order=1, cval=np.nan, output=float)
    angle = distance_m / MOON_RADIUS_M
    radius_m = MOON_RADIUS_M + ground_m
    rise = (radius_m * np.cos(angle) - eye_radius_m) / (radius_m * np.sin(angle))
    return Horizon(np.degrees(np.arctan(np.nanmax(rise, axis=1))))


def far_horizon(
    seed: int,
    sun_azimuth_deg: np.ndarray,
    sun_elevation_deg: np.ndarray,
    lit_share: float = 0.93,
    *,
    roughness_deg: float = 0.6,
    azimuths: int = 720,
) -> Horizon:
    """Return an invented far horizon of a polar ridge, beyond the reach of a terrain grid.

    Shape and roughness (root mean square, features of 20 deg of azimuth) are assumed; the level is
    set so that some of the Sun shows for `lit_share` of the given Sun positions. Two years of Sun
    then hold a longest darkness of 3.8 days in the median, 2.4 to 6.3 in 90 % of seeds; Glaser et
    al. 2014, Icarus 243, 78, found 92 % lit and 3 to 5 days on the ridge between Shackleton and de
    Gerlache.
    """
    if not 0.0 < lit_share < 1.0:
        raise ValueError(f"lit share of the far horizon is {lit_share}: it lies between 0 and 1")
    rng = np.random.default_rng(seed)
    harmonic = np.arange(1, 19)
    amplitude = np.exp(-0.5 * (harmonic / 9.0) ** 2)
    cosine, sine = amplitude * rng.standard_normal((2, harmonic.size))
    phase = np.radians(np.arange(azimuths) * 360.0 / azimuths)[:, None] * harmonic
    shape = np.cos(phase) @ cosine + np.sin(phase) @ sine
    relief = Horizon(shape * (roughness_deg / shape.std()))
    upper_limb_deg = sun_elevation_deg + 0.2665
    level_deg = np.quantile(upper_limb_deg - relief.at_many(sun_azimuth_deg), 1.0 - lit_share)
    return Horizon(relief.elevation_deg + level_deg)
