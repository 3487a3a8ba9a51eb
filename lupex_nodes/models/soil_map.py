# SPDX-License-Identifier: Apache-2.0
"""How firm the soil is from place to place: the friction angle that tracks find.

A Gaussian field, exactly normal at every place: lattice noise (Perlin 1985,
doi:10.1145/325165.325247) of independent normal values at the nodes, two octaves, divided by the
norm of the interpolation weights. Soft patches lie over it as discs scattered evenly. Everything
depends on the seed and the place alone, whatever the order of questions. All figures are assumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

_OCTAVES = (1.0, 0.25)  # of the correlation length, equal variances
_EDGE = 0.8  # of a patch's radius: where its edge begins
_PATCH_CELL_M = 40.0


@dataclass(frozen=True)
class SoilMap:
    """Friction angle (deg) by place in the map frame.

    `mean_deg` and `sigma_deg` are those of the ground between the patches; its values are alike
    over about `scale_m`. Patches cover `patch_share` of the ground; their radii and friction
    angles are uniform within the ranges given.
    """

    seed: int
    mean_deg: float = 29.0
    sigma_deg: float = 2.5
    scale_m: float = 20.0
    patch_share: float = 0.02
    patch_radius_m: tuple[float, float] = (2.0, 6.0)
    patch_friction_deg: tuple[float, float] = (22.0, 24.0)
    _nodes: dict[tuple[int, int, int], tuple[float, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _patches: dict[tuple[int, int], list[tuple[float, float, float, float]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        smallest, largest = self.patch_radius_m
        if not (self.scale_m > 0.0 and 0.0 < smallest <= largest <= _PATCH_CELL_M):
            raise ValueError(
                f"soil varies over {self.scale_m} m with patches of {smallest} to {largest} m:"
                f" both must be above 0, and radii at most {_PATCH_CELL_M:g} m, smallest first"
            )
        if not 0.0 <= self.patch_share < 0.5:
            raise ValueError(
                f"soft patches cover {self.patch_share} of the ground: choose 0 to 0.5"
            )

    def friction_deg(self, x_m: float, y_m: float) -> float:
        """Return the friction angle at a place, at least 15 deg."""
        value = 0.0
        for octave, part in enumerate(_OCTAVES):
            length = self.scale_m * part
            value += self._noise(octave, x_m / length, y_m / length)
        angle = max(15.0, self.mean_deg + self.sigma_deg * value / math.sqrt(len(_OCTAVES)))
        for px, py, radius, soft in self.patches_near(x_m, y_m):
            part = math.hypot(x_m - px, y_m - py) / radius
            if part < 1.0 and soft < angle:
                rim = max(0.0, (part - _EDGE) / (1.0 - _EDGE))
                angle = soft + (angle - soft) * rim * rim * (3.0 - 2.0 * rim)
        return angle

    def patches_near(self, x_m: float, y_m: float) -> list[tuple[float, float, float, float]]:
        """Return soft patches that may reach a place: (x_m, y_m, radius_m, friction_deg) each."""
        cell = (math.floor(x_m / _PATCH_CELL_M), math.floor(y_m / _PATCH_CELL_M))
        found = self._patches.get(cell)
        if found is None:
            found = [
                patch
                for i in (-1, 0, 1)
                for j in (-1, 0, 1)
                for patch in self._patches_of(cell[0] + i, cell[1] + j)
            ]
            self._patches[cell] = found
        return found

    def _patches_of(self, i: int, j: int) -> list[tuple[float, float, float, float]]:
        smallest, largest = self.patch_radius_m
        mean_area = math.pi * (smallest**2 + smallest * largest + largest**2) / 3.0
        # discs scattered at random leave exp(-sum of areas) of the ground free
        per_m2 = -math.log1p(-self.patch_share) / mean_area
        rng = self._generator(len(_OCTAVES), i, j)
        count = int(rng.poisson(per_m2 * _PATCH_CELL_M**2))
        x, y = (rng.random((2, count)) + [[i], [j]]) * _PATCH_CELL_M
        radius = rng.uniform(smallest, largest, count)
        soft = rng.uniform(*self.patch_friction_deg, count)
        return list(zip(x.tolist(), y.tolist(), radius.tolist(), soft.tolist(), strict=True))

    def _noise(self, octave: int, x: float, y: float) -> float:
        i, j = math.floor(x), math.floor(y)
        u, v = x - i, y - j
        u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
        a, b, c, d = self._nodes.get((octave, i, j)) or self._corners(octave, i, j)
        value = (1.0 - v) * ((1.0 - u) * a + u * b) + v * ((1.0 - u) * c + u * d)
        return value / math.sqrt(((1.0 - u) ** 2 + u * u) * ((1.0 - v) ** 2 + v * v))

    def _corners(self, octave: int, i: int, j: int) -> tuple[float, ...]:
        """Draw the values at a lattice cell's corners: its own node, next in x, in y, in both."""
        corners = tuple(
            float(self._generator(octave, i + di, j + dj).standard_normal())
            for dj in (0, 1)
            for di in (0, 1)
        )
        self._nodes[octave, i, j] = corners
        return corners

    def _generator(self, *key: int) -> np.random.Generator:
        # seeds are whole numbers of 0 and more
        return np.random.default_rng([self.seed, *(part & 0xFFFFFFFF for part in key)])
