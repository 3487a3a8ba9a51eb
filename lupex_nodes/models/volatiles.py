# SPDX-License-Identifier: Apache-2.0
"""Ices in cold soil: vapour pressure, loss into vacuum, through a cover and over a history.

Water: Murphy and Koop 2005, doi:10.1256/qj.04.94, above 110 K, extrapolated below. CO2, NH3, SO2:
Schorghofer and Williams 2024, doi:10.1016/j.icarus.2024.116086; H2S: Fray and Schmitt 2009,
doi:10.1016/j.pss.2009.09.011, the line of its coldest phase, which also meets the triple point.
CH3OH: Clausius and Clapeyron from the triple point with the heats of its two solid phases (47.0
kJ/mol below 157.4 K, 44.2 above), good to a factor of about three. Loss is Hertz and Knudsen's free
sublimation; a cover slows it as in Schorghofer 2008, doi:10.1086/588633. Ices are pure: nothing is
held by adsorption or clathrates.
Temperatures 30 to 273 K, floats or arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq

GAS_CONSTANT_J_MOL_K = 8.314462618
GIGAYEAR_S = 1e9 * 365.25 * 86400.0

_METHANOL_TRIPLE_K, _METHANOL_TRIPLE_PA = 175.61, 0.1863  # de Reuck and Craven 1993
_METHANOL_CHANGE_K = 157.4
_METHANOL_HEAT_J_MOL = 46_960.0, 44_190.0  # below and above the change of phase

Value = float | np.ndarray


@dataclass(frozen=True)
class Volatile:
    """One kind of molecule that freezes.

    ``lcross_percent`` is its number of molecules per 100 of water in the plume of LCROSS, Colaprete
    et al. 2010, doi:10.1126/science.1186986.
    """

    name: str
    molar_mass_kg: float
    ice_density_kg_m3: float
    lcross_percent: float

    @property
    def mass_per_water(self) -> float:
        """Mass over that of water in the plume of LCROSS."""
        return self.lcross_percent / 100.0 * self.molar_mass_kg / WATER.molar_mass_kg


WATER = Volatile("h2o", 0.018015, 920.0, 100.0)
VOLATILES = {
    each.name: each
    for each in (
        WATER,
        Volatile("h2s", 0.034081, 1170.0, 16.75),
        Volatile("nh3", 0.017031, 820.0, 6.03),
        Volatile("so2", 0.064064, 1900.0, 3.19),
        Volatile("co2", 0.044010, 1600.0, 2.17),
        Volatile("ch3oh", 0.032042, 980.0, 1.55),
    )
}


def vapour_pressure_pa(temperature_k: Value, name: str = "h2o") -> np.ndarray:
    """Return the pressure of the vapour over ice; KeyError for a volatile that is not known."""
    t = np.asarray(temperature_k, dtype=float)
    return np.exp(_LOG_PRESSURE[name](t))


def sublimation_kg_m2_s(temperature_k: Value, name: str = "h2o") -> np.ndarray:
    """Return the loss of bare ice into vacuum, every molecule that leaves being lost."""
    t = np.asarray(temperature_k, dtype=float)
    mass = VOLATILES[name].molar_mass_kg
    return vapour_pressure_pa(t, name) * np.sqrt(mass / (2.0 * math.pi * GAS_CONSTANT_J_MOL_K * t))


def cover_factor(cover_m: Value, porosity: Value, pore_radius_m: float) -> np.ndarray:
    """Return the loss under dry soil over that of bare ice: l / (l + dz).

    The path l = 4/3 porosity / (1 - porosity) times the pore's radius is 75 to 150 um. For a cover
    much thicker than l this is Schorghofer's l / dz, without one it is 1.
    """
    path_m = 4.0 / 3.0 * porosity / (1.0 - np.asarray(porosity)) * pore_radius_m
    return path_m / (path_m + np.asarray(cover_m))


def thickness_rate_m_s(loss_kg_m2_s: Value, name: str = "h2o") -> np.ndarray:
    """Return how fast a layer of pure ice grows thinner."""
    return np.asarray(loss_kg_m2_s) / VOLATILES[name].ice_density_kg_m3


def mean_sublimation_kg_m2_s(temperature_k: np.ndarray, name: str = "h2o") -> np.ndarray:
    """Return the mean loss of bare ice over a history whose time runs along the first axis."""
    return sublimation_kg_m2_s(temperature_k, name).mean(axis=0)


@lru_cache(maxsize=32)
def cold_trap_temperature_k(name: str = "h2o", metres_per_gigayear: float = 1.0) -> float:
    """Return the steady temperature at which bare ice is lost at the given rate."""
    limit = math.log(metres_per_gigayear / GIGAYEAR_S)

    def excess(kelvin: float) -> float:
        return math.log(thickness_rate_m_s(sublimation_kg_m2_s(kelvin, name), name)) - limit

    return float(brentq(excess, 20.0, 250.0))


def _log_water(t: np.ndarray) -> np.ndarray:
    return 9.550426 - 5723.265 / t + 3.53068 * np.log(t) - 0.00728332 * t


def _log_methanol(t: np.ndarray) -> np.ndarray:
    below, above = (heat / GAS_CONSTANT_J_MOL_K for heat in _METHANOL_HEAT_J_MOL)
    at_change = above * (1.0 / _METHANOL_TRIPLE_K - 1.0 / _METHANOL_CHANGE_K)
    departure = 1.0 / _METHANOL_CHANGE_K - 1.0 / t
    return math.log(_METHANOL_TRIPLE_PA) + at_change + np.where(
        departure < 0.0, below, above
    ) * departure


_LOG_PRESSURE = {
    "h2o": _log_water,
    "h2s": lambda t: 12.98 + math.log(1e5) - 2707.0 / t,
    "nh3": lambda t: 28.71 - 3903.0 / t,
    "so2": lambda t: 9.435 - 3775.0 / t + 3.225 * np.log(t),
    "co2": lambda t: 32.61 - 3291.0 / t - 0.7947 * np.log(t),
    "ch3oh": _log_methanol,
}
