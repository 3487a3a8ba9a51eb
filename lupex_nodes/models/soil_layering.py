# SPDX-License-Identifier: Apache-2.0
"""Layers of denser and looser dry soil, which radar sees as it sees ice.

Cores of Apollo hold layers of a centimetre to decimetres whose density varies by some 100 kg/m3
(Carrier, Olhoeft and Mendell 1991, Lunar Sourcebook ch. 9); their number, the size of the steps and
how their boundaries undulate are assumed. Boundaries of a place depend on the seed alone.
"""

from __future__ import annotations

import numpy as np

from lupex_nodes.models.stratigraphy import SmoothField


class SoilLayering:
    """Boundaries between layers: `count` of them, each a step of density down to the next."""

    def __init__(
        self,
        rng: np.random.Generator,
        count: int = 3,
        step_sigma_kg_m3: float = 60.0,
        undulation_m: float = 0.03,
        wavelength_m: float = 6.0,
        deepest_m: float = 1.6,
    ) -> None:
        """Draw mean depths between 0.15 m and `deepest_m`, and the steps' normal sizes."""
        self._mean_m = np.sort(rng.uniform(0.15, deepest_m, count))
        self.step_kg_m3 = step_sigma_kg_m3 * rng.standard_normal(count)
        self._undulation_m = undulation_m
        self._fields = [SmoothField(rng, wavelength_m) for _ in range(count)]

    def boundaries_m(self, x_m: float, y_m: float) -> np.ndarray:
        """Return the boundaries' depths at a place, shape (count,), at least 0.05 m."""
        shift = np.array([float(field.at(x_m, y_m)) for field in self._fields])
        return np.maximum(self._mean_m + self._undulation_m * shift, 0.05)
