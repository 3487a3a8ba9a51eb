# SPDX-License-Identifier: Apache-2.0
"""What lies in the ground by place and depth, one for all instruments.

Dry soil of Hayne's density with a scale of the place; hydrogen as bound water or, where it lasts,
as ice; with the ice the frozen gases that the plume of LCROSS held (Colaprete et al. 2010,
doi:10.1126/science.1186986), each where it lasts itself. An ice lasts at a depth when by the
temperatures of a year there, under the soil above as cover, less than 1 mm is lost over the
scenario at the warmest and less than 1 m in a gigayear in the mean. Depths 0 to 3 m.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lupex_nodes.models.regolith import (
    Value,
    icy_permittivity,
    loss_tangent,
    permittivity,
    porosity,
)
from lupex_nodes.models.volatiles import (
    GIGAYEAR_S,
    VOLATILES,
    WATER,
    cover_factor,
    sublimation_kg_m2_s,
    thickness_rate_m_s,
)

SCENARIO_LOSS_M = 1e-3
GIGAYEAR_LOSS_M = 1.0

_HYDROGEN_KG = 1.008e-3
#: Water-equivalent hydrogen of a kilogram: nine times its hydrogen, 1 for water.
WATER_EQUIVALENT = {
    name: atoms * _HYDROGEN_KG / VOLATILES[name].molar_mass_kg
    / (2.0 * _HYDROGEN_KG / WATER.molar_mass_kg)
    for name, atoms in {"h2o": 2, "h2s": 2, "nh3": 3, "so2": 0, "co2": 0, "ch3oh": 4}.items()
}  # fmt: skip


class SmoothField:
    """A seeded field over the map, about normal with mean 0 and variance 1.

    A sum of plane waves of all directions, of 0.5 to 2 times a length.
    """

    def __init__(self, rng: np.random.Generator, length_m: float, waves: int = 16) -> None:
        direction = rng.uniform(0.0, 2.0 * math.pi, waves)
        number = 2.0 * math.pi / (length_m * 2.0 ** rng.uniform(-1.0, 1.0, waves))
        self._east, self._north = number * np.cos(direction), number * np.sin(direction)
        self._phase = rng.uniform(0.0, 2.0 * math.pi, waves)
        self._amplitude = math.sqrt(2.0 / waves)

    def at(self, x_m: Value, y_m: Value) -> np.ndarray:
        """Return the field at points, of their shape."""
        x, y = np.asarray(x_m, float)[..., None], np.asarray(y_m, float)[..., None]
        return self._amplitude * np.cos(self._east * x + self._north * y + self._phase).sum(axis=-1)


def overburden_g_cm2(depth_m: np.ndarray, density_kg_m3: np.ndarray) -> np.ndarray:
    """Return the mass of soil above each depth; both of shape (n,), depth ascending from 0."""
    between = 0.5 * (density_kg_m3[1:] + density_kg_m3[:-1]) * np.diff(depth_m)
    return 0.1 * np.concatenate([[0.0], np.cumsum(between)])


@dataclass(frozen=True, eq=False)
class Ground:
    """Dry ground at a place: arrays by depth, shape (n,).

    `loss_kg_m2_s` is the year's mean sublimation of bare ice at the depth's temperatures.
    """

    depth_m: np.ndarray
    density_kg_m3: np.ndarray
    temperature_k: np.ndarray
    warmest_k: np.ndarray
    loss_kg_m2_s: dict[str, np.ndarray]

    def at(self, depth_m: np.ndarray) -> Ground:
        """Return the ground at other depths: linear, losses in their logarithm."""

        def linear(values: np.ndarray) -> np.ndarray:
            return np.interp(depth_m, self.depth_m, values)

        loss = {
            name: np.exp(linear(np.log(np.maximum(values, 1e-300))))
            for name, values in self.loss_kg_m2_s.items()
        }
        kelvin = self.temperature_k
        return Ground(
            depth_m, linear(self.density_kg_m3), linear(kelvin), linear(self.warmest_k), loss
        )

    def lasts(self, name: str, scenario_s: float, pore_radius_m: float) -> np.ndarray:
        """Tell by depth whether an ice lasts there, under the soil above it."""
        covered = cover_factor(self.depth_m, porosity(self.density_kg_m3), pore_radius_m)
        mean = thickness_rate_m_s(self.loss_kg_m2_s[name] * covered, name) * GIGAYEAR_S
        worst = sublimation_kg_m2_s(self.warmest_k, name) * covered
        return (mean < GIGAYEAR_LOSS_M) & (
            thickness_rate_m_s(worst, name) * scenario_s < SCENARIO_LOSS_M
        )


@dataclass(frozen=True, eq=False)
class Layers:
    """Soil with what is in it: arrays by depth, shape (n,); contents in wt% of the soil."""

    density_kg_m3: np.ndarray
    permittivity: np.ndarray
    loss_tangent: np.ndarray
    water_wt_percent: np.ndarray
    frozen_wt_percent: dict[str, np.ndarray]


def layers(
    ground: Ground,
    water_wt_percent: np.ndarray,
    *,
    scenario_s: float,
    pore_radius_m: float,
    iron_titanium_percent: float = 5.0,
) -> Layers:
    """Fill dry ground with water-equivalent hydrogen by depth, frozen wherever ice lasts.

    Where it freezes, its hydrogen is shared with the gases that last there too. What would
    overflow the pores is not there.
    """
    lasting = {name: ground.lasts(name, scenario_s, pore_radius_m) for name in VOLATILES}
    # kilograms of each for a kilogram of water ice
    share = {
        name: each.mass_per_water * (lasting[name] & lasting["h2o"])
        for name, each in VOLATILES.items()
    }
    equivalent = sum(WATER_EQUIVALENT[name] * share[name] for name in share)
    water = np.asarray(water_wt_percent, dtype=float)
    ice = np.where(lasting["h2o"], water / np.maximum(equivalent, 1.0), 0.0)
    dry = ground.density_kg_m3
    per_ice = sum(share.values())
    solid = ice * per_ice / 100.0  # mass of all that is frozen over the soil's
    volume = dry / (1.0 - solid) * ice / 100.0 * sum(
        share[name] / VOLATILES[name].ice_density_kg_m3 for name in share
    )  # fmt: skip
    fits = np.minimum(1.0, porosity(dry) / np.maximum(volume, 1e-12))
    ice, water, volume = ice * fits, water * np.where(lasting["h2o"], fits, 1.0), volume * fits
    bulk = dry / (1.0 - ice * per_ice / 100.0)
    soil = np.asarray(permittivity(dry))
    icy = np.asarray(icy_permittivity(soil, volume))
    # ice loses next to nothing, so the imaginary part of the index stays the soil's
    tangent = loss_tangent(dry, ground.temperature_k, iron_titanium_percent) * np.sqrt(soil / icy)
    frozen = {name: ice * part for name, part in share.items()}
    return Layers(bulk, icy, tangent, water, frozen)
