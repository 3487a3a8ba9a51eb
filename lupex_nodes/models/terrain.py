# SPDX-License-Identifier: Apache-2.0
"""The ground's shape: a height grid with a smooth surface.

Map frame: x east, y north, metres, (0, 0) at the landing site. Between grid nodes the surface is
the bicubic Catmull-Rom interpolant, which passes through the nodes and whose slope has no jumps
(Keys 1981, doi:10.1109/TASSP.1981.1163711). Beyond the grid the edge goes on level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

MOON_RADIUS_M = 1_737_400.0  # of the sphere that lunar heights are counted from

Coordinate = float | np.ndarray


class SurfacePoint(NamedTuple):
    """Height in metres and its derivatives to the east and to the north."""

    height_m: float
    east_slope: float
    north_slope: float


@dataclass(frozen=True, eq=False)
class Terrain:
    """A height grid in the map frame.

    `heights_m` is float32, shape (rows, columns), finite, read-only; columns run along the grid's
    first axis, rows along its second. Node [0, 0] lies at (`x0_m`, `y0_m`) in the map frame.
    `rotation_deg` turns the grid's first axis counter-clockwise from east; 0 for a grid whose rows
    run east, north up. Heights are those of a sphere's local radius less the landing site's, so
    curvature is left to those who look far.
    """

    heights_m: np.ndarray
    pixel_m: float
    x0_m: float
    y0_m: float
    rotation_deg: float = 0.0
    _flat: memoryview = field(init=False, repr=False)
    _axis: tuple[float, float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        heights = np.array(self.heights_m, dtype=np.float32, order="C")
        if heights.ndim != 2 or min(heights.shape) < 4:
            raise ValueError(
                f"terrain heights have shape {heights.shape}: at least 4 x 4 are needed"
            )
        if not np.isfinite(heights).all():
            raise ValueError("terrain heights are not all finite numbers: fill the holes first")
        if not 0.0 < self.pixel_m < math.inf:
            raise ValueError(f"terrain pixel is {self.pixel_m} m: it must be above 0")
        heights.flags.writeable = False
        turn = math.radians(self.rotation_deg)
        object.__setattr__(self, "heights_m", heights)
        object.__setattr__(self, "_flat", heights.reshape(-1).data)
        object.__setattr__(
            self, "_axis", (math.cos(turn) / self.pixel_m, math.sin(turn) / self.pixel_m)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The view of the heights can't be pickled; a copy in another process makes its own.
        place = (self.pixel_m, self.x0_m, self.y0_m, self.rotation_deg)
        return Terrain, (self.heights_m, *place)

    def contains(self, x_m: float, y_m: float) -> bool:
        """Tell whether a point lies over the grid."""
        column, row = self.grid_coordinates(x_m, y_m)
        rows, columns = self.heights_m.shape
        return 0.0 <= column <= columns - 1 and 0.0 <= row <= rows - 1

    def within(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """Tell which points lie over the grid, at least a pixel from its edge."""
        column, row = self.grid_coordinates(x_m, y_m)
        rows, columns = self.heights_m.shape
        return (column >= 1.0) & (column < columns - 2) & (row >= 1.0) & (row < rows - 2)

    def grid_coordinates(self, x_m: Any, y_m: Any) -> tuple[Any, Any]:
        """Return (column, row) as real numbers; scalars or arrays."""
        c, s = self._axis
        dx, dy = x_m - self.x0_m, y_m - self.y0_m
        return c * dx + s * dy, c * dy - s * dx

    def bilinear(self, column: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Return heights at grid coordinates inside the grid, linear between nodes."""
        rows, columns = self.heights_m.shape
        i = np.minimum(column.astype(np.intp), columns - 2)
        j = np.minimum(row.astype(np.intp), rows - 2)
        u, v = column - i, row - j
        flat, k = self.heights_m.reshape(-1), j * columns + i
        a, b = flat[k], flat[k + 1]
        k += columns
        low, high = a + u * (b - a), flat[k]
        return low + v * (high + u * (flat[k + 1] - high) - low)

    def surface_at(self, x_m: float, y_m: float) -> SurfacePoint:
        """Return height and slopes at one point; the fast path."""
        point = self.surface_within(x_m, y_m)
        if point is None:
            point = SurfacePoint(*(float(value) for value in self.surface(x_m, y_m)))
        return point

    def surface_within(self, x_m: float, y_m: float) -> SurfacePoint | None:
        """Return height and slopes at one point, None less than a pixel from the edge or beyond."""
        rows, columns = self.heights_m.shape
        c, s = self._axis
        dx, dy = x_m - self.x0_m, y_m - self.y0_m
        column, row = c * dx + s * dy, c * dy - s * dx
        if not (1.0 <= column < columns - 2 and 1.0 <= row < rows - 2):
            return None
        i, j = int(column), int(row)
        u, v = column - i, row - j
        a0, a1, a2, a3 = catmull_rom(u)
        e0, e1, e2, e3 = _weight_slopes(u)
        first, flat = (j - 1) * columns + i - 1, self._flat
        along, across = [], []
        for start in (first, first + columns, first + 2 * columns, first + 3 * columns):
            p, q, r, t = flat[start : start + 4].tolist()
            along.append(a0 * p + a1 * q + a2 * r + a3 * t)
            across.append(e0 * p + e1 * q + e2 * r + e3 * t)
        b0, b1, b2, b3 = catmull_rom(v)
        d0, d1, d2, d3 = _weight_slopes(v)
        p, q, r, t = along
        height, by_v = b0 * p + b1 * q + b2 * r + b3 * t, d0 * p + d1 * q + d2 * r + d3 * t
        p, q, r, t = across
        by_u = b0 * p + b1 * q + b2 * r + b3 * t
        return SurfacePoint(height, c * by_u - s * by_v, s * by_u + c * by_v)

    def height_at(self, x_m: float, y_m: float) -> float:
        """Return the height of one point."""
        return self.surface_at(x_m, y_m).height_m

    def surface(self, x_m: Coordinate, y_m: Coordinate) -> tuple[np.ndarray, ...]:
        """Return height, east slope and north slope, each of the shape of the points."""
        x_m, y_m = np.broadcast_arrays(np.asarray(x_m, float), np.asarray(y_m, float))
        rows, columns = self.heights_m.shape
        column, row = self.grid_coordinates(x_m, y_m)
        inside_u = (column >= 0.0) & (column <= columns - 1)
        inside_v = (row >= 0.0) & (row <= rows - 1)
        column, row = np.clip(column, 0.0, columns - 1.0), np.clip(row, 0.0, rows - 1.0)
        i = np.minimum(column.astype(np.intp), columns - 2)
        j = np.minimum(row.astype(np.intp), rows - 2)
        a, e = catmull_rom(column - i), _weight_slopes(column - i)
        b, d = catmull_rom(row - j), _weight_slopes(row - j)
        nodes_u = [np.clip(i + k, 0, columns - 1) for k in (-1, 0, 1, 2)]
        height, by_u, by_v = (np.zeros(x_m.shape) for _ in range(3))
        for k in range(4):
            nodes_v = np.clip(j + k - 1, 0, rows - 1)
            node_heights = [self.heights_m[nodes_v, n].astype(float) for n in nodes_u]
            along = sum(w * h for w, h in zip(a, node_heights, strict=True))
            height += b[k] * along
            by_v += d[k] * along
            by_u += b[k] * sum(w * h for w, h in zip(e, node_heights, strict=True))
        by_u, by_v = np.where(inside_u, by_u, 0.0), np.where(inside_v, by_v, 0.0)
        c, s = self._axis
        return height, c * by_u - s * by_v, s * by_u + c * by_v

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


def catmull_rom(u: Any) -> tuple[Any, ...]:
    """Catmull-Rom weights of the nodes at -1, 0, 1, 2 for a point at u in 0..1."""
    u2, u3 = u * u, u * u * u
    return (
        -0.5 * u3 + u2 - 0.5 * u,
        1.5 * u3 - 2.5 * u2 + 1.0,
        -1.5 * u3 + 2.0 * u2 + 0.5 * u,
        0.5 * u3 - 0.5 * u2,
    )


def _weight_slopes(u: Any) -> tuple[Any, ...]:
    u2 = u * u
    return (
        -1.5 * u2 + 2.0 * u - 0.5,
        4.5 * u2 - 5.0 * u,
        -4.5 * u2 + 4.0 * u + 0.5,
        1.5 * u2 - u,
    )
