# SPDX-License-Identifier: Apache-2.0
"""Lumped thermal network: nodes with heat capacity, sinks, conductances and radiative links.

    C_i dT_i/dt = Q_i + sum_j G_ij (T_j - T_i) + sum_j sigma R_ij (T_j^4 - T_i^4)

as in every spacecraft thermal analysis (Gilmore, Spacecraft Thermal Control Handbook, 2002, ch.
15). Integrated by the implicit Euler rule, solved by Newton's method, in equal sub-steps: stable
for any step, and what the nodes lose is what the links carry, to rounding. The error is of
first order: below 0.1 K for changes slower than ten sub-steps. Range: 3 to 500 K, steps to hours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STEFAN_BOLTZMANN_W_M2_K4 = 5.670374e-8
_MOST_ITERATIONS = 50
_CONVERGED_K = 1e-7


class Link(NamedTuple):
    """A way of heat between two places: conductance, W/K, and area times emittance, m2."""

    first: str
    second: str
    conductance_w_k: float = 0.0
    radiation_m2: float = 0.0


class ThermalNetwork:
    """Nodes and sinks by name; a sink has a temperature that is given, a node one that follows.

    A conductance may change at any time: `conduct(link, w_k)`.
    """

    def __init__(
        self,
        capacities_j_k: Mapping[str, float],
        sinks: Sequence[str],
        links: Sequence[Link],
        substep_s: float = 30.0,
    ) -> None:
        for name, capacity in capacities_j_k.items():
            if not capacity > 0.0:
                raise ValueError(f"thermal node {name} has capacity {capacity}: it must be above 0")
        self.nodes = tuple(capacities_j_k)
        self.sinks = tuple(sinks)
        self.capacity_j_k = np.array(list(capacities_j_k.values()))
        self.substep_s = substep_s
        places = {name: i for i, name in enumerate((*self.nodes, *self.sinks))}
        self._ends = [(places[link.first], places[link.second]) for link in links]
        size = len(places)
        self._conductance = np.zeros((size, size))
        self._radiation = np.zeros((size, size))
        for (i, j), link in zip(self._ends, links, strict=True):
            for matrix, value in (
                (self._conductance, link.conductance_w_k),
                (self._radiation, STEFAN_BOLTZMANN_W_M2_K4 * link.radiation_m2),
            ):
                matrix[i, j] += value
                matrix[j, i] += value
        self._base = self._conductance.copy()
        self._base_radiation = self._radiation.copy()

    def conduct(self, link: int, extra_w_k: float) -> None:
        """Give the link of this number `extra_w_k` beyond the conductance it was made with."""
        i, j = self._ends[link]
        self._conductance[i, j] = self._conductance[j, i] = self._base[i, j] + extra_w_k

    def radiate(self, link: int, factor: float) -> None:
        """Let the link of this number radiate `factor` of what it was made to."""
        i, j = self._ends[link]
        self._radiation[i, j] = self._radiation[j, i] = factor * self._base_radiation[i, j]

    def step(
        self,
        temperatures_k: NDArray[np.float64],
        sinks_k: Sequence[float],
        heat_w: NDArray[np.float64],
        dt_s: float,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the nodes' temperatures after `dt_s` and the mean heat into each sink, W.

        Arrays in the order of `nodes` and `sinks`; `heat_w` stays the same during the step.
        """
        count = len(self.nodes)
        into_sinks_w = np.zeros(len(self.sinks))
        substeps = max(1, math.ceil(dt_s / self.substep_s))
        h = dt_s / substeps
        temperature_k = np.concatenate([temperatures_k, np.asarray(sinks_k, float)])
        if not h:
            return temperature_k[:count], into_sinks_w
        conductance, radiation = self._conductance, self._radiation
        total_g, total_r = conductance.sum(axis=1), radiation.sum(axis=1)
        inertia = self.capacity_j_k / h
        for _ in range(substeps):
            start_k = temperature_k[:count].copy()
            for _ in range(_MOST_ITERATIONS):
                cubed = temperature_k**3
                fourth = cubed * temperature_k
                gain_w = (
                    conductance @ temperature_k - total_g * temperature_k
                    + radiation @ fourth - total_r * fourth
                )  # fmt: skip
                error_w = inertia * (temperature_k[:count] - start_k) - gain_w[:count] - heat_w
                slope = -(conductance + 4.0 * radiation * cubed)[:count, :count]
                slope[np.diag_indices(count)] += (
                    inertia + total_g[:count] + 4.0 * total_r[:count] * cubed[:count]
                )
                change_k = np.linalg.solve(slope, error_w)
                temperature_k[:count] -= change_k
                if np.abs(change_k).max() < _CONVERGED_K:
                    break
            fourth = temperature_k**4
            gain_w = (
                conductance @ temperature_k - total_g * temperature_k
                + radiation @ fourth - total_r * fourth
            )  # fmt: skip
            # exactly what the balance says, so that no energy is lost to rounding
            temperature_k[:count] = start_k + (gain_w[:count] + heat_w) / inertia
            into_sinks_w += gain_w[count:] / substeps
        return temperature_k[:count], into_sinks_w
