# SPDX-License-Identifier: Apache-2.0
"""Impact craters: how many, how they lie in the ground, and what spectrum they make.

Numbers: Trask's equilibrium, 0.0794 D_km^-2 per km2 above diameter D (Trask 1966, JPL TR 32-800),
holds to about 300 m on old ground; from 1 km on the highlands hold 0.03 D_km^-1.6 per km2; between
the two a power law joins them. Depth to diameter runs from 0.05, worn, to 0.15, fresh; the rim is
0.04 D high and falls as r^-3 (Melosh 1989, Impact Cratering).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import j0

EQUILIBRIUM_TO_M, HIGHLANDS_FROM_M = 300.0, 1000.0
_AT_EQUILIBRIUM_END = 0.0794e-6 * (EQUILIBRIUM_TO_M / 1000.0) ** -2  # per m2
_AT_HIGHLANDS_START = 0.03e-6
SHALLOWEST, DEEPEST = 0.05, 0.15  # depth over diameter
FRESH = 0.12  # and above: keeps its rocks
REACH = 1.5  # ejecta end here, in diameters


def craters_above(diameter_m: float | np.ndarray) -> np.ndarray:
    """Return the number of craters per m2 above a diameter, on ground in equilibrium."""
    join = math.log(_AT_HIGHLANDS_START / _AT_EQUILIBRIUM_END) / math.log(
        HIGHLANDS_FROM_M / EQUILIBRIUM_TO_M
    )
    d = np.asarray(diameter_m, dtype=float)
    return np.where(
        d < EQUILIBRIUM_TO_M,
        _AT_EQUILIBRIUM_END * (d / EQUILIBRIUM_TO_M) ** -2.0,
        np.where(
            d < HIGHLANDS_FROM_M,
            _AT_EQUILIBRIUM_END * (d / EQUILIBRIUM_TO_M) ** join,
            _AT_HIGHLANDS_START * (d / HIGHLANDS_FROM_M) ** -1.6,
        ),
    )


def draw_craters(
    rng: np.random.Generator, density: float, smallest_m: float, largest_m: float, side_m: float
) -> np.ndarray:
    """Return craters on a square about the origin, rows (x_m, y_m, diameter_m, depth_m).

    `density` counts in the population of `craters_above`. Centres lie as far outside the square as
    their ejecta reach.
    """
    diameters = np.geomspace(smallest_m, largest_m, 400)
    above = craters_above(diameters) - craters_above(largest_m)
    half_m = 0.5 * side_m + REACH * largest_m
    number = rng.poisson(density * above[0] * (2.0 * half_m) ** 2)
    drawn = np.interp(rng.random(number) * above[0], above[::-1], diameters[::-1])
    depth = drawn * np.exp(rng.uniform(math.log(SHALLOWEST), math.log(DEEPEST), number))
    found = np.column_stack([rng.uniform(-half_m, half_m, (number, 2)), drawn, depth])
    outside_m = np.abs(found[:, :2]).max(axis=1, initial=0.0) - 0.5 * side_m
    return found[outside_m < REACH * found[:, 2]]


def dig(heights: np.ndarray, pixel_m: float, craters: np.ndarray) -> None:
    """Put craters into a square grid of heights whose middle node is the origin, in place."""
    count = heights.shape[0]
    first_m = -(count // 2) * pixel_m
    for x_m, y_m, diameter_m, depth_m in craters.tolist():
        reach_m = REACH * diameter_m
        left, right = _span(x_m - first_m, reach_m, pixel_m, count)
        low, high = _span(y_m - first_m, reach_m, pixel_m, count)
        if left >= right or low >= high:
            continue
        dx = first_m + np.arange(left, right) * pixel_m - x_m
        dy = first_m + np.arange(low, high) * pixel_m - y_m
        r = np.hypot(dx[None, :], dy[:, None]) / (0.5 * diameter_m)
        heights[low:high, left:right] += crater_profile_m(r, diameter_m, depth_m)


def crater_profile_m(r: np.ndarray, diameter_m: float, depth_m: float) -> np.ndarray:
    """Return a simple crater's height change at distance `r` (in crater radii) from its centre.

    A paraboloid whose floor lies `depth_m` under the rim crest, a rim 0.04 D (at most a third of
    the depth) above the plain, ejecta that fall as r^-3 and end at 3 radii.
    """
    rim_m = min(0.04 * diameter_m, depth_m / 3.0)
    inside = rim_m - depth_m * (1.0 - r**2)
    outside = rim_m * (np.maximum(r, 1.0) ** -3 - 3.0**-3) / (1.0 - 3.0**-3)
    return np.where(r < 1.0, inside, np.maximum(outside, 0.0))


def crater_spectrum_m4(
    cycles_per_m: np.ndarray, density: float, smallest_m: float, largest_m: float
) -> np.ndarray:
    """Return the power spectral density of heights, m2 per (cycle/m)^2, that craters make.

    Craters fall independently of each other, so the density is their number times the square of
    one's Hankel transform (Campbell's theorem), over diameters and depths.
    """
    k = np.geomspace(1e-3, 60.0, 160)  # cycles per diameter
    r = np.linspace(0.0, 1.5, 1500)  # diameters
    squared = np.zeros(k.size)
    depths = np.geomspace(SHALLOWEST, DEEPEST, 5)
    kernel = j0(2.0 * np.pi * k[:, None] * r) * (2.0 * np.pi * r * (r[1] - r[0]))
    for depth in depths:
        squared += (kernel @ crater_profile_m(2.0 * r, 1.0, depth)) ** 2 / depths.size
    edges = np.geomspace(smallest_m, largest_m, 60)
    numbers = density * -np.diff(craters_above(edges))
    spectrum = np.zeros_like(cycles_per_m, dtype=float)
    for diameter, number in zip(np.sqrt(edges[1:] * edges[:-1]), numbers, strict=True):
        shape = np.interp(cycles_per_m * diameter, k, squared, right=0.0)
        spectrum += number * diameter**6 * shape
    return spectrum


def _span(centre_m: float, reach_m: float, pixel_m: float, count: int) -> tuple[int, int]:
    first = max(0, math.ceil((centre_m - reach_m) / pixel_m))
    last = min(count, math.floor((centre_m + reach_m) / pixel_m) + 1)
    return first, last
