# SPDX-License-Identifier: Apache-2.0
"""Light over an area: the horizon of every cell of a map at once, what of the Sun it leaves.

The horizon follows Mazarico et al. 2011 (doi:10.1016/j.icarus.2010.10.030): once for every cell and
azimuth, then looked up for any Sun. A map's cells are shifted along a ray all together, so that a
step of the ray is one look-up of a whole block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lupex_nodes.models import ephemeris
from lupex_nodes.models.illumination import horizons_deg, lit_fractions, sun_angular_radius_deg
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.terrain import MOON_RADIUS_M, Terrain

_MEAN_SUN_RADIUS_DEG = 0.2665


@dataclass(frozen=True, eq=False)
class HorizonMap:
    """Horizons over cells whose middles are at `x_m` (columns) and `y_m` (rows).

    `elevation_deg` is float32 of shape (eyes, azimuths, rows, columns), azimuths evenly spaced from
    north through east.
    """

    x_m: np.ndarray
    y_m: np.ndarray
    eye_heights_m: tuple[float, ...]
    elevation_deg: np.ndarray

    def at(self, azimuth_deg: float, eye: int = 0) -> np.ndarray:
        """Return the horizon at an azimuth, shape (rows, columns), linear between azimuths."""
        count = self.elevation_deg.shape[1]
        position = (azimuth_deg % 360.0) * count / 360.0
        i = int(position) % count
        part = np.float32(position - int(position))
        cube = self.elevation_deg[eye]
        return cube[i] + part * (cube[(i + 1) % count] - cube[i])

    def lit(
        self,
        sun_azimuth_deg: float,
        sun_elevation_deg: float,
        sun_radius_deg: float = _MEAN_SUN_RADIUS_DEG,
        eye: int = 0,
    ) -> np.ndarray:
        """Return the lit part of the disc in each cell, shape (rows, columns)."""
        return lit_fractions(sun_elevation_deg, self.at(sun_azimuth_deg, eye), sun_radius_deg)

    def mean_lit(
        self, sun_azimuth_deg: np.ndarray, sun_elevation_deg: np.ndarray, eye: int = 0
    ) -> np.ndarray:
        """Return the lit part of the disc, mean over the Suns given, shape (rows, columns)."""
        total = np.zeros(self.elevation_deg.shape[2:])
        for azimuth, elevation in zip(sun_azimuth_deg, sun_elevation_deg, strict=True):
            total += self.lit(float(azimuth), float(elevation), eye=eye)
        return total / len(sun_azimuth_deg)

    def never_lit(
        self, sun_azimuth_deg: np.ndarray, sun_elevation_deg: np.ndarray, eye: int = 0
    ) -> np.ndarray:
        """Tell which cells see no part of the disc of any of the Suns, shape (rows, columns).

        Between its azimuths the map takes the highest Sun and the lower horizon of the two.
        """
        cube = self.elevation_deg[eye]
        count = len(cube)
        sector = (np.mod(sun_azimuth_deg, 360.0) * count / 360.0).astype(int) % count
        dark = np.ones(cube.shape[1:], dtype=bool)
        for i in np.unique(sector).tolist():
            limb_deg = float(sun_elevation_deg[sector == i].max()) + _MEAN_SUN_RADIUS_DEG
            dark &= np.minimum(cube[i], cube[(i + 1) % count]) > limb_deg
        return dark


def horizon_map(
    site: SiteTerrain,
    centre: tuple[float, float] = (0.0, 0.0),
    half_size_m: float = 1000.0,
    cell_m: float = 10.0,
    eye_heights_m: Sequence[float] = (2.0,),
    azimuths: int = 90,
    growth: float = 0.03,
    progress: Callable[[float], None] | None = None,
) -> HorizonMap:
    """Return the horizons of a square of cells around a point, about 4 us a cell and azimuth.

    `growth` is a ray's step over its distance, `progress` is told the part that is done, 0 to 1.
    ValueError when a cell lies outside the site's outermost grid.
    """
    if any(level.rotation_deg % 360.0 for level in site.levels):
        return _turned(site, centre, half_size_m, cell_m, eye_heights_m, azimuths, growth, progress)
    x_m, y_m = _lattice(centre, half_size_m, cell_m)
    last = site.levels[-1]
    if not all(last.contains(x, y) for x in x_m[[0, -1]] for y in y_m[[0, -1]]):
        raise ValueError(f"a map of {half_size_m} m around {centre} m reaches out of the terrain")
    ground_m = site.height(*np.meshgrid(x_m, y_m)).astype(np.float32)
    eyes_m = [ground_m + np.float32(height) for height in eye_heights_m]
    distance_m = _distances(site, x_m, y_m, max(site.levels[0].pixel_m, 0.2 * cell_m), growth)
    rise = np.full((len(eyes_m), azimuths, *ground_m.shape), -np.inf, dtype=np.float32)
    for i in range(azimuths):
        turn = 2.0 * math.pi * i / azimuths
        s, c = math.sin(turn), math.cos(turn)
        for d in distance_m.tolist():
            angle = d / MOON_RADIUS_M
            block = _block(site, x_m + d * s, y_m + d * c)
            # (r cos - e) / (r sin), the difference of R taken out of the numerator and the
            # ground's height out of the denominator, which changes an angle by a thousandth of it
            block *= np.float32(math.cos(angle))
            block -= np.float32(MOON_RADIUS_M * (1.0 - math.cos(angle)))
            per_m = np.float32(1.0 / (MOON_RADIUS_M * math.sin(angle)))
            for eye_m, highest in zip(eyes_m, rise[:, i], strict=True):
                np.fmax(highest, (block - eye_m) * per_m, out=highest)
        if progress:
            progress((i + 1) / azimuths)
    elevation_deg = np.degrees(np.arctan(rise, out=rise), out=rise)
    return HorizonMap(x_m, y_m, tuple(eye_heights_m), elevation_deg)


def illumination_map(
    site: SiteTerrain,
    utc_ns: np.ndarray,
    latitude_deg: float,
    longitude_deg: float,
    centre: tuple[float, float] = (0.0, 0.0),
    half_size_m: float = 1000.0,
    cell_m: float = 10.0,
    eye_height_m: float = 2.0,
    azimuths: int = 90,
) -> np.ndarray:
    """Return the lit part of the disc over time and place, float32, (times, rows, columns).

    `utc_ns` has shape (t,), ns since 1970. Rows run north, columns east.
    """
    horizons = horizon_map(site, centre, half_size_m, cell_m, (eye_height_m,), azimuths)
    sun = ephemeris.sun(np.asarray(utc_ns), latitude_deg, longitude_deg)
    lit = np.empty((len(utc_ns), horizons.y_m.size, horizons.x_m.size), dtype=np.float32)
    for i, (azimuth, elevation, distance_m) in enumerate(zip(*sun, strict=True)):
        radius_deg = sun_angular_radius_deg(float(distance_m))
        lit[i] = horizons.lit(float(azimuth), float(elevation), radius_deg)
    return lit


def _turned(
    site: SiteTerrain,
    centre: tuple[float, float],
    half_size_m: float,
    cell_m: float,
    eye_heights_m: Sequence[float],
    azimuths: int,
    growth: float,
    progress: Callable[[float], None] | None,
) -> HorizonMap:
    """As `horizon_map`, cell by cell, for grids that are turned against the map."""
    x_m, y_m = _lattice(centre, half_size_m, cell_m)
    x, y = np.meshgrid(x_m, y_m)
    shape = (len(eye_heights_m), azimuths, *x.shape)
    elevation_deg = np.empty(shape, dtype=np.float32)
    for i in range(azimuths):
        for j, eye_m in enumerate(eye_heights_m):
            elevation_deg[j, i] = horizons_deg(site, x, y, eye_m, 360.0 * i / azimuths, growth)
        if progress:
            progress((i + 1) / azimuths)
    return HorizonMap(x_m, y_m, tuple(eye_heights_m), elevation_deg)


def _lattice(
    centre: tuple[float, float], half_size_m: float, cell_m: float
) -> tuple[np.ndarray, np.ndarray]:
    count = max(1, round(2.0 * half_size_m / cell_m))
    middles_m = (np.arange(count) - 0.5 * (count - 1)) * cell_m
    return centre[0] + middles_m, centre[1] + middles_m


def _distances(
    site: SiteTerrain, x_m: np.ndarray, y_m: np.ndarray, first_m: float, growth: float
) -> np.ndarray:
    reach_m = max(site.reach_m(float(x), float(y)) for x in x_m[[0, -1]] for y in y_m[[0, -1]])
    found = [first_m]
    while found[-1] < reach_m:
        found.append(found[-1] + max(first_m, growth * found[-1]))
    return np.array(found[:-1])


def _block(site: SiteTerrain, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
    """Heights over columns and rows, float32; NaN beyond all grids.

    Grids and lattice run along the same axes, so each grid holds a rectangle of the cells.
    """
    pieces: list[tuple[Terrain, slice, slice]] = []
    for index, level in enumerate(site.levels):
        margin = 0.0 if index == len(site.levels) - 1 else 1.0
        rows, columns = level.heights_m.shape
        spans = []
        for at_m, first_m, count in ((x_m, level.x0_m, columns), (y_m, level.y0_m, rows)):
            low_m = first_m + margin * level.pixel_m
            high_m = first_m + (count - 1 - margin) * level.pixel_m
            begin, end = np.searchsorted(at_m, (low_m, high_m)).tolist()
            spans.append(slice(begin, end))
        across, along = spans
        if across.stop > across.start and along.stop > along.start:
            pieces.append((level, across, along))
            if across == slice(0, x_m.size) and along == slice(0, y_m.size):
                break
    block = np.full((y_m.size, x_m.size), np.nan, dtype=np.float32)
    for level, across, along in reversed(pieces):
        block[along, across] = _separable(level, x_m[across], y_m[along])
    return block


def _separable(level: Terrain, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
    """Bilinear heights over columns and rows of a grid that isn't turned."""
    column, row = (x_m - level.x0_m) / level.pixel_m, (y_m - level.y0_m) / level.pixel_m
    i, j = column.astype(np.intp), row.astype(np.intp)
    u, v = (column - i).astype(np.float32), (row - j).astype(np.float32)[:, None]
    heights = level.heights_m
    if i[-1] - i[0] < 3 * i.size:
        # neighbouring cells share nodes: blend the rows first
        first = heights[:, i[0] : i[-1] + 2]
        band = first[j]
        band += v * (first[j + 1] - band)
        k = i - i[0]
        low = band[:, k]
        return low + u * (band[:, k + 1] - low)
    j = j[:, None]
    low, high = heights[j, i], heights[j + 1, i]
    low += u * (heights[j, i + 1] - low)
    high += u * (heights[j + 1, i + 1] - high)
    high -= low
    high *= v
    return low + high
