# SPDX-License-Identifier: Apache-2.0
"""Rocks on the ground: how many of which size, and which are near.

The share of ground under rocks wider than D is k exp(-q D), q = 1.79 + 0.152 / k (Golombek and
Rapp 1997, doi:10.1029/96JE03319); on the Moon k is 0.003 on old highlands, 0.03 on fresh ejecta.
Rocks stand half as high as they are wide, on average (assumed), and lie thicker around fresh
craters, which throw them out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

SMALLEST_M = 0.15  # a crawler doesn't feel what is smaller
LARGEST_M = 5.0
AROUND_CRATERS = 0.5  # share of rocks that lie within two diameters of a fresh crater


@dataclass(frozen=True, eq=False)
class Rocks:
    """Rocks in the map frame: `rows` has shape (n, 4): x_m, y_m, height_m, diameter_m."""

    rows: np.ndarray
    _tree: cKDTree | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows = np.array(self.rows, dtype=float).reshape(-1, 4)
        rows.flags.writeable = False
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "_tree", cKDTree(rows[:, :2]) if len(rows) else None)

    def near(self, x_m: float, y_m: float, reach_m: float) -> np.ndarray:
        """Return the rows of the rocks whose centres lie within reach, shape (n, 4)."""
        if self._tree is None:
            return self.rows
        return self.rows[sorted(self._tree.query_ball_point((x_m, y_m), reach_m))]


NO_ROCKS = Rocks(np.empty((0, 4)))


def rocks_above(diameter_m: float | np.ndarray, k: float) -> np.ndarray:
    """Return the number of rocks per m2 wider than a diameter, up to `LARGEST_M`."""
    grid = np.geomspace(0.01, LARGEST_M, 2000)
    q = 1.79 + 0.152 / k
    per_width = k * q * np.exp(-q * grid) / (0.25 * math.pi * grid**2)
    steps = 0.5 * (per_width[1:] + per_width[:-1]) * np.diff(grid)
    above = np.append(np.cumsum(steps[::-1])[::-1], 0.0)
    return np.interp(diameter_m, grid, above)


def draw_rocks(rng: np.random.Generator, k: float, side_m: float, fresh: np.ndarray) -> Rocks:
    """Return the rocks of a square about the origin.

    `fresh` are the craters that rocks cluster around, rows (x_m, y_m, diameter_m, ...), shape
    (n, 3 or more); without any all rocks are spread evenly.
    """
    if k <= 0.0:
        return NO_ROCKS
    sizes = np.geomspace(SMALLEST_M, LARGEST_M, 400)
    above = rocks_above(sizes, k)
    number = rng.poisson(above[0] * side_m**2)
    diameter = np.interp(rng.random(number) * above[0], above[::-1], sizes[::-1])
    place = rng.uniform(-0.5 * side_m, 0.5 * side_m, (number, 2))
    if len(fresh):
        # a crater's rocks go with the area that its ejecta cover
        share = fresh[:, 2] ** 2 / np.sum(fresh[:, 2] ** 2)
        moved = rng.random(number) < AROUND_CRATERS
        source = fresh[rng.choice(len(fresh), number, p=share)]
        turn = rng.uniform(0.0, 2.0 * math.pi, number)
        away = source[:, 2] * (0.4 + rng.exponential(0.5, number))
        thrown = source[:, :2] + away[:, None] * np.column_stack([np.cos(turn), np.sin(turn)])
        place = np.where(moved[:, None], thrown, place)
    height = diameter * np.clip(rng.normal(0.5, 0.1, number), 0.2, 0.8)
    inside = np.abs(place).max(axis=1, initial=0.0) <= 0.5 * side_m
    return Rocks(np.column_stack([place, height, diameter])[inside])
