# SPDX-License-Identifier: Apache-2.0
"""The ground's shape: a height grid with a smooth surface, and seeded synthetic terrain.

Map frame: x east, y north, metres, (0, 0) at the landing site. Between grid nodes the surface is
the bicubic Catmull-Rom interpolant, which passes through the nodes and whose slope has no jumps
(Keys 1981, doi:10.1109/TASSP.1981.1163711). Beyond the grid the edge goes on level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy import fft

MOON_RADIUS_M = 1_737_400.0  # of the sphere that lunar heights are counted from

Coordinate = float | np.ndarray

_HEIGHT_QUANTUM_M = 2.0**-13  # hides the last-bit differences between FFT builds


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

    def grid_coordinates(self, x_m: Any, y_m: Any) -> tuple[Any, Any]:
        """Return (column, row) as real numbers; scalars or arrays."""
        c, s = self._axis
        dx, dy = x_m - self.x0_m, y_m - self.y0_m
        return c * dx + s * dy, c * dy - s * dx

    def surface_at(self, x_m: float, y_m: float) -> SurfacePoint:
        """Return height and slopes at one point; the fast path."""
        rows, columns = self.heights_m.shape
        c, s = self._axis
        dx, dy = x_m - self.x0_m, y_m - self.y0_m
        column, row = c * dx + s * dy, c * dy - s * dx
        if not (1.0 <= column < columns - 2 and 1.0 <= row < rows - 2):
            return SurfacePoint(*(float(value) for value in self.surface(x_m, y_m)))
        i, j = int(column), int(row)
        u, v = column - i, row - j
        a0, a1, a2, a3 = _weights(u)
        e0, e1, e2, e3 = _weight_slopes(u)
        first, flat = (j - 1) * columns + i - 1, self._flat
        along, across = [], []
        for start in (first, first + columns, first + 2 * columns, first + 3 * columns):
            p, q, r, t = flat[start : start + 4].tolist()
            along.append(a0 * p + a1 * q + a2 * r + a3 * t)
            across.append(e0 * p + e1 * q + e2 * r + e3 * t)
        b0, b1, b2, b3 = _weights(v)
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
        a, e = _weights(column - i), _weight_slopes(column - i)
        b, d = _weights(row - j), _weight_slopes(row - j)
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


def synthetic(
    seed: int,
    size_m: float = 1000.0,
    pixel_m: float = 1.0,
    rms_slope_deg: float = 5.2,
    hurst: float = 0.95,
    *,
    crater_density: float = 0.3,
    crater_diameter_max_m: float = 400.0,
) -> Terrain:
    """Return seeded self-affine terrain centred on the landing site, height 0 there.

    The power spectrum of heights falls as k^-(2 hurst + 2) (Turcotte 1997, Fractals and Chaos in
    Geology, ch. 7); `rms_slope_deg` is the root-mean-square gradient over one pixel, before
    craters. `crater_density` counts in Trask's equilibrium population, 0.0794 D_km^-2 craters per
    km2 above diameter D (Trask 1966, JPL TR 32-800); 0 adds none; the smallest is four pixels wide.
    The same arguments give the same bytes. The defaults are fitted to the slopes, over 5 m, of
    LOLA terrain near Shoemaker crater (median 4.3, 95th percentile 13.4 deg); over hundreds of
    metres the synthetic ground is smoother than that.
    """
    count = round(size_m / pixel_m) + 1 if pixel_m > 0 else 0
    if not 4 <= count <= 8193:
        raise ValueError(
            f"synthetic terrain of {size_m} m in pixels of {pixel_m} m has {count} nodes a side:"
            " choose from 4 to 8193"
        )
    if not (0.0 <= rms_slope_deg < 60.0 and 0.0 < hurst < 1.0):
        raise ValueError(
            f"synthetic terrain with rms slope {rms_slope_deg} deg and Hurst exponent {hurst}:"
            " the slope must lie in 0..60 and the exponent between 0 and 1"
        )
    rng = np.random.default_rng(seed)
    heights = _self_affine(rng, count, hurst)
    gradient = np.gradient(heights, pixel_m)
    rms = math.sqrt(float(np.mean(gradient[0] ** 2 + gradient[1] ** 2)))
    heights *= math.tan(math.radians(rms_slope_deg)) / rms
    if crater_density > 0.0:
        largest_m = min(crater_diameter_max_m, 0.4 * size_m)
        _add_craters(rng, heights, pixel_m, crater_density, 4.0 * pixel_m, largest_m)
    heights -= heights[count // 2, count // 2]
    heights = np.round(heights / _HEIGHT_QUANTUM_M) * _HEIGHT_QUANTUM_M
    first_m = -(count // 2) * pixel_m
    return Terrain(heights.astype(np.float32), pixel_m, first_m, first_m)


def _self_affine(rng: np.random.Generator, count: int, hurst: float) -> np.ndarray:
    """Gaussian field of shape (count, count), cut from one twice as wide, so it doesn't wrap."""
    wide = fft.next_fast_len(2 * count, real=True)
    k = np.hypot(np.fft.fftfreq(wide)[:, None], np.fft.rfftfreq(wide)[None, :])
    k[0, 0] = 1.0
    amplitude = k ** -(hurst + 1.0)
    amplitude[0, 0] = 0.0
    spectrum = rng.standard_normal((*k.shape, 2)).view(complex)[..., 0] * amplitude
    return np.ascontiguousarray(fft.irfft2(spectrum, s=(wide, wide))[:count, :count])


def _add_craters(
    rng: np.random.Generator,
    heights: np.ndarray,
    pixel_m: float,
    density: float,
    smallest_m: float,
    largest_m: float,
) -> None:
    count = heights.shape[0]
    margin_m = 1.5 * largest_m
    side_m = (count - 1) * pixel_m + 2.0 * margin_m
    # Trask: N(>D) = 0.0794 D_km^-2 per km2 is 0.0794 D^-2 per unit area in any unit.
    per_m2 = density * 0.0794 * max(0.0, smallest_m**-2 - largest_m**-2)
    number = rng.poisson(per_m2 * side_m**2)
    part = rng.random(number)
    diameters = (smallest_m**-2 - part * (smallest_m**-2 - largest_m**-2)) ** -0.5
    centres = rng.uniform(-margin_m, side_m - margin_m, (number, 2))
    # Depth to diameter from degraded to fresh; rim height 0.04 D and decay as r^-3 (Melosh 1989).
    depths = np.exp(rng.uniform(math.log(0.05), math.log(0.15), number)) * diameters
    for (x, y), diameter, depth in zip(centres, diameters, depths, strict=True):
        reach_m = 1.5 * diameter
        left, right = _span(x, reach_m, pixel_m, count)
        low, high = _span(y, reach_m, pixel_m, count)
        if left >= right or low >= high:
            continue
        dx = np.arange(left, right) * pixel_m - x
        dy = np.arange(low, high) * pixel_m - y
        r = np.hypot(dx[None, :], dy[:, None]) / (0.5 * diameter)
        heights[low:high, left:right] += crater_profile_m(r, diameter, depth)


def crater_profile_m(r: np.ndarray, diameter_m: float, depth_m: float) -> np.ndarray:
    """Return a simple crater's height change at distance `r` (in crater radii) from its centre.

    A paraboloid whose floor lies `depth_m` under the rim crest, a rim 0.04 D (at most a third of
    the depth) above the plain, ejecta that fall as r^-3 and end at 3 radii.
    """
    rim_m = min(0.04 * diameter_m, depth_m / 3.0)
    inside = rim_m - depth_m * (1.0 - r**2)
    outside = rim_m * (np.maximum(r, 1.0) ** -3 - 3.0**-3) / (1.0 - 3.0**-3)
    return np.where(r < 1.0, inside, np.maximum(outside, 0.0))


def _span(centre_m: float, reach_m: float, pixel_m: float, count: int) -> tuple[int, int]:
    first = max(0, math.ceil((centre_m - reach_m) / pixel_m))
    last = min(count, math.floor((centre_m + reach_m) / pixel_m) + 1)
    return first, last


def _weights(u: Any) -> tuple[Any, ...]:
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
