# SPDX-License-Identifier: Apache-2.0
"""Heat in columns of regolith, from the sunlit surface down to the flux of the interior.

One-dimensional conduction with the properties of ``models/regolith.py`` (Hayne et al. 2017,
doi:10.1002/2017JE005387) in finite volumes around nodes, the first on the surface. Backward Euler
in time: any step from a second to a day is stable; the error falls with the step. The radiating
surface is solved by Newton's method. The heat that has crossed the cells' borders is booked, and
what the temperatures miss of it after a step is made good in the next, so none is lost or made.
20 to 450 K. Several columns are advanced as one, in one solution of a tridiagonal system.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dgtsv

from lupex_nodes.models.regolith import (
    DENSITY_SCALE_M,
    ICE_DENSITY_KG_M3,
    INTERIOR_FLUX_W_M2,
    STEFAN_BOLTZMANN_W_M2_K4,
    Value,
    conductivity_w_m_k,
    density_hayne_kg_m3,
    heat_capacity_j_kg_k,
    ice_heat_j_kg,
    icy_conductivity_w_m_k,
    temperature_at_depth_k,
)

EMISSIVITY = 0.95
TOLERANCE_K = 0.25
_ITERATIONS = 40
_NEWTON_STEPS = 60

# Heat content of dry soil, linear between nodes of 0.25 K: cheaper than the laws themselves.
_NODE_K = 0.25
_NODES = int(600.0 / _NODE_K)
_midpoints = np.maximum((np.arange(_NODES) + 0.5) * _NODE_K, 10.0)
_CAPACITY = np.asarray(heat_capacity_j_kg_k(_midpoints), dtype=float)
_HEAT = np.concatenate([[0.0], np.cumsum(_CAPACITY[:-1] * _NODE_K)])


def depths_m(first_m: float = 0.002, growth: float = 1.17, deepest_m: float = 2.6) -> np.ndarray:
    """Return nodes from 0 to at least `deepest_m`, each spacing `growth` times the one above.

    A lunar day's wave fades over 0.07 m, a year's over 0.26 m: the first spacing is to be below a
    tenth of the one, the last node below ten times the other.
    """
    if not (first_m > 0.0 and growth > 1.0 and deepest_m > first_m):
        raise ValueError(
            f"no grid of depths from {first_m} m, growing by {growth}, to {deepest_m} m: give a"
            " positive first spacing, a growth above 1 and a depth below the first spacing"
        )
    count = int(np.ceil(np.log1p(deepest_m / first_m * (growth - 1.0)) / np.log(growth)))
    return np.concatenate([[0.0], np.cumsum(first_m * growth ** np.arange(count))])


class HeatColumn:
    """Columns of soil, each with its own absorbed flux; ``temperature_k`` is (columns, nodes).

    ``scale_m`` is the e-folding depth of density and conductivity, 0.02 to 0.15 m over the Moon;
    ``ice_mass_share`` of each node, 0 to 0.3, fills pores and changes heat capacity and
    conductivity. Both may have any shape that fits (columns, nodes), or (columns, 1).
    """

    def __init__(
        self,
        depth_m: np.ndarray | None = None,
        *,
        columns: int = 1,
        scale_m: Value = DENSITY_SCALE_M,
        ice_mass_share: Value = 0.0,
        emissivity: float = EMISSIVITY,
        interior_flux_w_m2: float = INTERIOR_FLUX_W_M2,
    ) -> None:
        self.depth_m = depths_m() if depth_m is None else np.asarray(depth_m, dtype=float)
        if self.depth_m.ndim != 1 or self.depth_m.size < 3 or self.depth_m[0] != 0.0:
            raise ValueError("the depths of a heat column are at least three, from 0 m downwards")
        spacing = np.diff(self.depth_m)
        if not (spacing > 0.0).all():
            raise ValueError("the depths of a heat column do not grow: sort them, each once")
        nodes = self.depth_m.size
        self._shape = columns, nodes
        self._emitted = emissivity * STEFAN_BOLTZMANN_W_M2_K4
        self._interior = interior_flux_w_m2
        self._scale_m = scale_m
        cell = np.zeros(nodes)
        cell[:-1] += 0.5 * spacing
        cell[1:] += 0.5 * spacing
        density = np.broadcast_to(
            np.asarray(density_hayne_kg_m3(self.depth_m, scale_m=scale_m)), self._shape
        )
        self._soil = (density * cell).ravel()
        # All columns stand behind one another, and nothing passes from one to the next. The law at
        # 0 K is the contact part of the conductivity; radiation adds a multiple of it.
        contact = np.zeros(self._shape)
        between = 0.5 * (self.depth_m[1:] + self.depth_m[:-1])
        contact[:, :-1] = np.asarray(conductivity_w_m_k(0.0, between, scale_m)) / spacing
        self._contact = contact.ravel()[:-1]
        gain = float(conductivity_w_m_k(2.0, 1.0) / conductivity_w_m_k(0.0, 1.0)) - 1.0
        self._radiative = self._contact * (gain / 64.0)  # of the sum of both nodes, cubed
        share = np.broadcast_to(np.asarray(ice_mass_share, dtype=float), self._shape)
        self._ice: np.ndarray | None = None
        if share.any():
            mass = density * share / (1.0 - share)
            self._ice = (mass * cell).ravel()
            volume = mass.ravel() / ICE_DENSITY_KG_M3
            self._ice_share = 0.5 * (volume[1:] + volume[:-1])
            self._between_m = np.tile(np.append(spacing, 1.0), columns)[:-1]
        self._right = np.zeros((columns * nodes, 2), order="F")
        self._right[::nodes, 1] = 1.0
        self.settle(100.0)

    @property
    def temperature_k(self) -> np.ndarray:
        """Temperatures, shape (columns, nodes); a view, not to be written to."""
        return self._temperature.reshape(self._shape)

    @property
    def surface_k(self) -> np.ndarray:
        """Temperature of each column's surface, shape (columns,)."""
        return self._temperature[:: self._shape[1]]

    def settle(self, mean_surface_k: Value) -> None:
        """Set each column to a steady surface temperature and the interior's flux below it."""
        surface = np.broadcast_to(np.asarray(mean_surface_k, dtype=float), self._shape[:1])
        self.set(temperature_at_depth_k(self.depth_m, surface[:, None], scale_m=self._scale_m))

    def set(self, temperature_k: Value) -> None:
        """Set the temperatures, in any shape that fits (columns, nodes)."""
        self._temperature = np.array(np.broadcast_to(temperature_k, self._shape), float).ravel()
        self._booked = self._heat(self._temperature)[0]

    def heat_j_m2(self) -> np.ndarray:
        """Return each column's heat above 0 K, shape (columns,)."""
        return self._booked.reshape(self._shape).sum(axis=1)

    def radiated_w_m2(self) -> np.ndarray:
        """Return what each surface sends out, shape (columns,)."""
        return self._emitted * self.surface_k**4

    def step(
        self, absorbed_w_m2: Value, dt_s: float, tolerance_k: float = TOLERANCE_K
    ) -> np.ndarray:
        """Advance by `dt_s` under an absorbed flux (a float, or one a column); return the surface.

        The flux is the mean over the step; the temperature is that at its end. Heat content and
        conductivity are taken anew until a change of temperature is below the tolerance.
        """
        absorbed = np.broadcast_to(absorbed_w_m2, self._shape[:1]).tolist()
        temperature, rate = self._temperature, 1.0 / dt_s
        for _ in range(_ITERATIONS):
            heat, capacity = self._heat(temperature)
            solved = self._solve(temperature, heat, capacity, rate, absorbed)
            change = solved - temperature
            if max(change.max(), -change.min()) < tolerance_k:
                break
            temperature = solved
        else:
            raise ArithmeticError(
                f"a heat column did not converge: step {dt_s} s, absorbed {absorbed} W/m2"
            )
        self._booked = heat + capacity * change
        self._temperature = solved
        return self.surface_k

    def run(
        self, absorbed_w_m2: np.ndarray, dt_s: float, tolerance_k: float = TOLERANCE_K
    ) -> np.ndarray:
        """Step through a history (steps,) or (steps, columns); return (steps, columns, nodes)."""
        profiles = np.empty((len(absorbed_w_m2), *self._shape))
        for profile, absorbed in zip(profiles, absorbed_w_m2, strict=True):
            self.step(absorbed, dt_s, tolerance_k)
            profile[:] = self.temperature_k
        return profiles

    def _heat(self, temperature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Heat in each cell, J/m2, and its derivative, J/m2/K."""
        node = temperature * (1.0 / _NODE_K)
        index = node.astype(np.intp)
        capacity = _CAPACITY.take(index, mode="clip")
        heat = _HEAT.take(index, mode="clip") + (node - index) * (_NODE_K * capacity)
        if self._ice is None:
            return self._soil * heat, self._soil * capacity
        return (
            self._soil * heat + self._ice * ice_heat_j_kg(temperature),
            self._soil * capacity + self._ice * (7.49 * temperature + 90.0),
        )

    def _conductance(self, temperature: np.ndarray) -> np.ndarray:
        """Conductance between neighbours, W/m2/K, shape (columns * nodes - 1,)."""
        double = temperature[1:] + temperature[:-1]
        conductance = self._contact + self._radiative * (double * double * double)
        if self._ice is None:
            return conductance
        dry = np.maximum(conductance * self._between_m, 1e-12)
        icy = icy_conductivity_w_m_k(dry, 0.5 * double, self._ice_share) / self._between_m
        return np.where(self._contact > 0.0, icy, 0.0)

    def _solve(
        self,
        temperature: np.ndarray,
        heat: np.ndarray,
        capacity: np.ndarray,
        rate: float,
        absorbed: list[float],
    ) -> np.ndarray:
        """Solve the step with heat content and conductivity linear about a guess."""
        columns, nodes = self._shape
        conductance = self._conductance(temperature)
        diagonal = capacity * rate
        right = self._right
        right[:, 0] = diagonal * temperature + (self._booked - heat) * rate
        right[nodes - 1 :: nodes, 0] += self._interior
        diagonal[:-1] += conductance
        diagonal[1:] += conductance
        off = -conductance
        # one solution without flux at the surface, one for a unit of it
        *_, solution, info = dgtsv(off, diagonal, off, right)
        still, response = solution[:, 0], solution[:, 1]
        if info or not np.isfinite(still[0]):
            raise ArithmeticError("a heat column has no solution: its fluxes are not finite")
        if columns == 1:
            return still + response * self._net(still, response, temperature, absorbed, 0)
        net = [
            self._net(still, response, temperature, absorbed, column) for column in range(columns)
        ]
        return still + response * np.repeat(net, nodes)

    def _net(
        self,
        still: np.ndarray,
        response: np.ndarray,
        temperature: np.ndarray,
        absorbed: list[float],
        column: int,
    ) -> float:
        """Flux into a surface that radiates at the temperature which that flux gives it.

        T + loss T^4 = warmest is convex, so Newton's method converges from any T above 0.
        """
        top = column * self._shape[1]
        gain = float(response[top])
        warmest, loss = float(still[top]) + gain * absorbed[column], gain * self._emitted
        kelvin = float(temperature[top])
        for _ in range(_NEWTON_STEPS):
            cube = loss * kelvin * kelvin * kelvin
            change = (kelvin + cube * kelvin - warmest) / (1.0 + 4.0 * cube)
            kelvin -= change
            if abs(change) < 1e-9 * kelvin:
                return absorbed[column] - self._emitted * kelvin**4
        raise ArithmeticError(
            f"the surface of a heat column has no temperature: absorbed {absorbed[column]} W/m2"
        )
