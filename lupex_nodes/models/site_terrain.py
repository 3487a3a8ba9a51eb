# SPDX-License-Identifier: Apache-2.0
"""The ground of a site: nested height grids, from a metre to the far horizon, and rocks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from lupex_nodes.models.rocks import NO_ROCKS, Rocks
from lupex_nodes.models.terrain import MOON_RADIUS_M, Coordinate, SurfacePoint, Terrain


@dataclass(frozen=True, eq=False)
class SiteTerrain:
    """Nested height grids, finest first, each inside the next, and the rocks of the finest.

    The finest grid that holds a point rules there; the last one goes on level beyond its edge.
    """

    levels: tuple[Terrain, ...]
    rocks: Rocks = field(default=NO_ROCKS)

    def contains(self, x_m: float, y_m: float) -> bool:
        """Tell whether a point lies over the finest grid, where a rover may go."""
        return self.levels[0].contains(x_m, y_m)

    def surface_at(self, x_m: float, y_m: float) -> SurfacePoint:
        """Return height and slopes at one point; the fast path."""
        for level in self.levels:
            point = level.surface_within(x_m, y_m)
            if point is not None:
                return point
        return self.levels[-1].surface_at(x_m, y_m)

    def height_at(self, x_m: float, y_m: float) -> float:
        """Return the height of one point."""
        return self.surface_at(x_m, y_m).height_m

    def surface(self, x_m: Coordinate, y_m: Coordinate) -> tuple[np.ndarray, ...]:
        """Return height, east slope and north slope, each of the shape of the points."""
        x_m, y_m = np.broadcast_arrays(np.asarray(x_m, float), np.asarray(y_m, float))
        found = np.empty((3, x_m.size))
        x, y = x_m.reshape(-1), y_m.reshape(-1)
        left = np.arange(x.size)
        for level in self.levels[:-1]:
            inside = level.within(x[left], y[left])
            here = left[inside]
            if here.size:
                found[:, here] = level.surface(x[here], y[here])
                left = left[~inside]
        if left.size:
            found[:, left] = self.levels[-1].surface(x[left], y[left])
        height, east, north = found.reshape(3, *x_m.shape)
        return height, east, north

    def height(self, x_m: Coordinate, y_m: Coordinate) -> np.ndarray:
        """Return heights, of the shape of the points."""
        return self.surface(x_m, y_m)[0]

    def normal(self, x_m: Coordinate, y_m: Coordinate) -> np.ndarray:
        """Return upward unit normals in the map frame, shape of the points + (3,)."""
        _, east, north = self.surface(x_m, y_m)
        normal = np.stack([-east, -north, np.ones_like(east)], axis=-1)
        return normal / np.linalg.norm(normal, axis=-1, keepdims=True)

    def slope_deg(self, x_m: Coordinate, y_m: Coordinate) -> np.ndarray:
        """Return the steepest slope at the points, degrees."""
        _, east, north = self.surface(x_m, y_m)
        return np.degrees(np.arctan(np.hypot(east, north)))

    def ground(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """Return heights of points, shape (n,), linear between nodes; NaN beyond all grids.

        For looking far: a third of the cost of `height`.
        """
        heights_m = np.full(x_m.size, np.nan)
        left: np.ndarray | slice = slice(None)
        for index, level in enumerate(self.levels):
            column, row = level.grid_coordinates(x_m[left], y_m[left])
            rows, columns = level.heights_m.shape
            margin = 0.0 if index == len(self.levels) - 1 else 1.0
            inside = (column >= margin) & (column <= columns - 1 - margin)
            inside &= (row >= margin) & (row <= rows - 1 - margin)
            if inside.all():
                heights_m[left] = level.bilinear(column, row)
                break
            if inside.any():
                here = np.flatnonzero(inside) if isinstance(left, slice) else left[inside]
                heights_m[here] = level.bilinear(column[inside], row[inside])
            left = np.flatnonzero(~inside) if isinstance(left, slice) else left[~inside]
        return heights_m

    def reach_m(self, x_m: float, y_m: float) -> float:
        """Return the distance from a place to the farthest corner of the outermost grid."""
        last = self.levels[-1]
        rows, columns = last.heights_m.shape
        column, row = last.grid_coordinates(x_m, y_m)
        return last.pixel_m * math.hypot(
            max(column, columns - 1 - column), max(row, rows - 1 - row)
        )


def in_plain(terrain: Terrain, dip_deg: float = 1.7) -> SiteTerrain:
    """Return a grid amid a far plain so deep that its horizon lies `dip_deg` under the origin's.

    What surrounds a file's terrain is not known; a level horizon at -1.7 deg is assumed, which
    lights a ridge near the pole for 98 % of the year.
    """
    depth_m = MOON_RADIUS_M * (1.0 / math.cos(math.radians(dip_deg)) - 1.0)
    rows, columns = terrain.heights_m.shape
    half_m = max(120_000.0, 2.0 * terrain.pixel_m * max(rows, columns))
    plain = np.full((4, 4), terrain.height_at(0.0, 0.0) - depth_m)
    return SiteTerrain((terrain, Terrain(plain, half_m / 1.5, -half_m, -half_m)))
