# SPDX-License-Identifier: Apache-2.0
"""Gas at the lunar surface: what is native, and what rover and lander let out.

Native number densities are those of the mass spectrometers of Apollo 17 (Hoffman et al. 1973, Proc.
4th Lunar Sci. Conf., 2865; Hodges 1975, The Moon 14, 139) and of LADEE (Benna et al. 2015,
doi:10.1002/2015GL064120; Benna et al. 2019, doi:10.1038/s41561-019-0345-3), whose swing with local
time was seen near the equator. How much of it is left at a pole, whose atoms come from all hours,
nobody has measured: that is a parameter.

Outgassing in vacuum falls as t^-1 to t^-1.5. Gas of the lander comes straight, as 1/r^2, and from
what its plume has left on the soil, exp(-r / 50 m) t^-1. Amounts and mixtures are assumed.
Pressures in Pa at the instrument, one a species in the order of `SPECIES`, on the last axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lupex_nodes.models.volatiles import VOLATILES, cover_factor, vapour_pressure_pa

Array = NDArray[np.float64]

BOLTZMANN_J_K = 1.380649e-23
GAS_CONSTANT_J_MOL_K = 8.314462618
#: Order of all records of gases, by mass.
SPECIES = (
    "h2", "he", "ch4", "nh3", "h2o", "ne", "n2", "co", "c2h4", "no", "o2", "ch3oh", "h2s", "ar",
    "co2", "so2",
)  # fmt: skip
WATER = SPECIES.index("h2o")
PLUME_LENGTH_M = 50.0
LANDER_REFERENCE_M = 10.0
_SOONEST_H = 0.1


@dataclass(frozen=True)
class Diurnal:
    """A number density (cm-3) that peaks once a lunar day at a local hour, Gaussian in its log."""

    lowest_cm3: float
    highest_cm3: float
    peak_hour: float = 0.0
    width_hours: float = 4.0

    def density_cm3(self, local_hour: float, contrast: float = 1.0) -> float:
        """Return the density; a contrast below 1 draws its logarithm towards the day's mean."""
        away = (local_hour - self.peak_hour + 12.0) % 24.0 - 12.0
        shape = math.exp(-0.5 * (away / self.width_hours) ** 2)
        mean = self.width_hours * math.sqrt(2.0 * math.pi) / 24.0
        swing = math.log(self.highest_cm3 / self.lowest_cm3)
        return self.lowest_cm3 * math.exp(swing * (mean + contrast * (shape - mean)))


#: What is not named here is below the limits of those instruments.
NATIVE = {
    "h2": Diurnal(1e3, 1e3),
    "he": Diurnal(2e3, 4e4, 1.0, 4.0),
    "ch4": Diurnal(1e1, 4e2, 6.0, 1.5),
    "h2o": Diurnal(1e1, 1e1),
    "ne": Diurnal(2e3, 2e4, 4.0, 4.0),
    "n2": Diurnal(8e2, 8e2),
    "co": Diurnal(2e3, 2e3),
    "ar": Diurnal(1e3, 4e4, 6.0, 1.5),
    "co2": Diurnal(5e2, 5e2),
}


def pressure_pa(density_cm3: ArrayLike, temperature_k: ArrayLike) -> Array:
    """Return the pressure of an ideal gas."""
    return np.asarray(density_cm3, float) * 1e6 * BOLTZMANN_J_K * np.asarray(temperature_k, float)


def native_pa(
    local_hour: float, temperature_k: float, contrast: float = 1.0, water_burst_cm3: float = 0.0
) -> Array:
    """Return the native exosphere's pressures, shape (species,)."""
    density = [
        NATIVE[name].density_cm3(local_hour, contrast) if name in NATIVE else 0.0
        for name in SPECIES
    ]
    density[WATER] += water_burst_cm3
    return pressure_pa(density, temperature_k)


def soil_vapour_pa(
    frozen_depth_m: dict[str, tuple[float, float]], porosity: float, pore_radius_m: float
) -> Array:
    """Return the pressures over soil with ices, shape (species,).

    ``frozen_depth_m``: depth and temperature (K) of the topmost ice of each volatile. Molecules
    that leave a wide source fill half of the velocities of the vapour in balance with it, so the
    pressure is half of that vapour's, less what a dry cover holds back.
    """
    found = np.zeros(len(SPECIES))
    for name, (depth_m, temperature_k) in frozen_depth_m.items():
        share = cover_factor(depth_m, porosity, pore_radius_m)
        found[SPECIES.index(name)] = 0.5 * float(vapour_pressure_pa(temperature_k, name) * share)
    return found


def vent_pressure_pa(gas_kg_s: float, distance_m: float, temperature_k: float = 250.0) -> float:
    """Return the pressure that escaping water vapour makes around its vent in free expansion.

    Molecules of mean thermal speed v leave evenly into a half space: n = Q / (2 pi r^2 m v).
    """
    molar_kg = VOLATILES["h2o"].molar_mass_kg
    speed_m_s = math.sqrt(8.0 * GAS_CONSTANT_J_MOL_K * temperature_k / (math.pi * molar_kg))
    density_mol_m3 = gas_kg_s / molar_kg / (2.0 * math.pi * distance_m**2 * speed_m_s)
    return density_mol_m3 * GAS_CONSTANT_J_MOL_K * temperature_k


def local_hour(azimuth_deg: float, elevation_deg: float, latitude_deg: float) -> float:
    """Return the local solar time (h, 12 when the Sun is on the meridian) from where the Sun is."""
    azimuth, up, latitude = (math.radians(v) for v in (azimuth_deg, elevation_deg, latitude_deg))
    east = math.sin(azimuth) * math.cos(up)
    north = math.cos(azimuth) * math.cos(up)
    outward = math.sin(up) * math.cos(latitude) - north * math.sin(latitude)
    return (12.0 + math.degrees(math.atan2(-east, outward)) / 15.0) % 24.0


# --- what rover and lander let out ---------------------------------------------------------------

_ROVER = {
    "h2": 0.1, "ch4": 0.01, "nh3": 0.002, "h2o": 1.0, "n2": 0.1, "co": 0.08, "c2h4": 0.01,
    "no": 0.001, "o2": 0.005, "ch3oh": 0.01, "co2": 0.1,
}  # fmt: skip
# an exhaust of monomethylhydrazine and nitrogen tetroxide, and what leaks of both
_LANDER = {
    "h2": 0.3, "ch4": 0.01, "nh3": 0.05, "h2o": 1.0, "n2": 0.3, "co": 0.15, "c2h4": 0.01,
    "no": 0.05, "o2": 0.01, "ch3oh": 0.01, "co2": 0.1,
}  # fmt: skip
_DEPOSIT = {"nh3": 0.1, "h2o": 1.0, "no": 0.02, "ch3oh": 0.01, "co2": 0.02}


def _mixture(parts: dict[str, float]) -> Array:
    return np.array([parts.get(name, 0.0) for name in SPECIES])


@dataclass(frozen=True)
class OutgassingPrior:
    """What is known of rover and lander before a flight; all of it assumed.

    Water in Pa an hour after touchdown: of the rover at the instrument, of the lander 10 m away
    from it, of the plume's deposit at the lander. Spreads are of the natural logarithm.
    """

    rover_water_pa: float = 1e-6
    lander_water_pa: float = 1e-6
    deposit_water_pa: float = 1e-6
    amount_sigma: float = 0.7
    mixture_sigma: float = 0.5
    lowest_exponent: float = 1.0
    highest_exponent: float = 1.5
    surge_factor: float = 3.0


@dataclass(frozen=True)
class Outgassing:
    """One rover and lander, or many drawn at once: pressures (..., species), exponents (...)."""

    rover_pa: Array
    lander_pa: Array
    deposit_pa: Array
    rover_exponent: Array
    lander_exponent: Array


def draw_outgassing(
    rng: np.random.Generator, prior: OutgassingPrior, shape: tuple[int, ...] = ()
) -> Outgassing:
    """Draw amounts, mixtures and exponents."""

    def amounts(water_pa: float, parts: dict[str, float]) -> Array:
        amount = prior.amount_sigma * rng.standard_normal((*shape, 1))
        mixture = prior.mixture_sigma * rng.standard_normal((*shape, len(SPECIES)))
        mixture[..., WATER] = 0.0  # the amount is that of water
        return water_pa * _mixture(parts) * np.exp(amount + mixture)

    exponents = (prior.lowest_exponent, prior.highest_exponent)
    return Outgassing(
        amounts(prior.rover_water_pa, _ROVER),
        amounts(prior.lander_water_pa, _LANDER),
        amounts(prior.deposit_water_pa, _DEPOSIT),
        rng.uniform(*exponents, shape),
        rng.uniform(*exponents, shape),
    )


def contamination_pa(
    drawn: Outgassing, since_touchdown_h: float, lander_distance_m: float, surge: ArrayLike = 1.0
) -> Array:
    """Return the pressures of rover, lander and deposit together, shape (..., species).

    ``surge`` (...): what warmth drives off over what a steady temperature does.
    """
    hours = max(since_touchdown_h, _SOONEST_H)
    distance_m = max(lander_distance_m, 1.0)
    rover = drawn.rover_pa * (hours**-drawn.rover_exponent)[..., None]
    lander = drawn.lander_pa * (hours**-drawn.lander_exponent)[..., None]
    lander = lander * (LANDER_REFERENCE_M / distance_m) ** 2
    deposit = drawn.deposit_pa * math.exp(-distance_m / PLUME_LENGTH_M) / hours
    return np.asarray(surge, float)[..., None] * (rover + lander + deposit)


def adsorbed_share(
    share: float, lit: bool, dt_h: float, filling_h: float = 48.0, emptying_h: float = 3.0
) -> float:
    """Return how full of adsorbed gas cold surfaces are, 0 to 1, after a time in dark or light."""
    if lit:
        return share * math.exp(-dt_h / emptying_h)
    return 1.0 - (1.0 - share) * math.exp(-dt_h / filling_h)
