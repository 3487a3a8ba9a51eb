# SPDX-License-Identifier: Apache-2.0
"""Rocks in the soil, which radar sees and a drill meets: where they are and how large.

Rocks wider than D lie at random with a number per volume that falls as D to the -2.5: Surveyor's
cameras counted powers of -1.8 to -2.7 on the surface (Shoemaker and Morris 1970, Icarus 12,
188); that the soil below holds the same sizes is assumed.
Everything depends on the seed and the place alone, whatever the order of questions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

_CELL_M = 2.0
_POWER = 2.5
#: Beyond this no place of a map is, and cells have no number.
_FARTHEST_M = 1e9


@dataclass(frozen=True)
class BuriedRocks:
    """Rocks from the surface down to `deepest_m`, `per_m3` of them wider than `smallest_m`."""

    seed: int
    per_m3: float = 0.5
    smallest_m: float = 0.06
    largest_m: float = 0.6
    deepest_m: float = 2.0
    _cells: dict[tuple[int, int], np.ndarray] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def near(self, x_m: float, y_m: float, radius_m: float) -> np.ndarray:
        """Return rocks whose centre is within a horizontal distance.

        Shape (n, 4): x_m, y_m, depth_m of the centre, diameter_m.
        """
        if max(abs(x_m), abs(y_m)) > _FARTHEST_M:
            return np.empty((0, 4))
        reach = range(-math.ceil(radius_m / _CELL_M), math.ceil(radius_m / _CELL_M) + 1)
        i, j = math.floor(x_m / _CELL_M), math.floor(y_m / _CELL_M)
        found = np.concatenate([self._cell(i + di, j + dj) for di in reach for dj in reach])
        return found[np.hypot(found[:, 0] - x_m, found[:, 1] - y_m) <= radius_m]

    def _cell(self, i: int, j: int) -> np.ndarray:
        rocks = self._cells.get((i, j))
        if rocks is None:
            rocks = self._cells[i, j] = self._drawn(i, j)
        return rocks

    def _drawn(self, i: int, j: int) -> np.ndarray:
        # seeds are whole numbers of 0 and more
        rng = np.random.default_rng([self.seed, i & 0xFFFFFFFF, j & 0xFFFFFFFF])
        count = int(rng.poisson(self.per_m3 * _CELL_M**2 * self.deepest_m))
        place = rng.random((count, 3)) * [_CELL_M, _CELL_M, self.deepest_m]
        place[:, :2] += np.array([i, j]) * _CELL_M
        # the inverse of the distribution, cut off at the largest
        least = (self.smallest_m / self.largest_m) ** _POWER
        share = least + (1.0 - least) * rng.random(count)
        return np.column_stack([place, self.smallest_m * share ** (-1.0 / _POWER)])
