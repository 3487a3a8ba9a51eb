# SPDX-License-Identifier: Apache-2.0
"""Lunar regolith: density, permittivity and loss, heat transport, temperature, what ice changes.

Thermal properties: Hayne et al. 2017, doi:10.1002/2017JE005387; heat capacity below 100 K: Biele et
al. 2022, doi:10.1007/s10765-022-03046-5; density of cores, permittivity and loss: Carrier, Olhoeft
and Mendell 1991, Lunar Sourcebook ch. 9; heat in ice: Klinger 1981, doi:10.1016/0019-1035(81)
90042-3. Depths are in metres, 0 to 3; all take floats or arrays.
"""

from __future__ import annotations

import numpy as np

STEFAN_BOLTZMANN_W_M2_K4 = 5.670374e-8
GRAIN_DENSITY_KG_M3 = 3100.0
INTERIOR_FLUX_W_M2 = 0.018
ICE_DENSITY_KG_M3 = 920.0
ICE_PERMITTIVITY = 3.1

DENSITY_SURFACE_KG_M3 = 1100.0
DENSITY_DEEP_KG_M3 = 1800.0
DENSITY_SCALE_M = 0.07

_CONDUCTIVITY_SURFACE_W_M_K = 7.4e-4
_CONDUCTIVITY_DEEP_W_M_K = 3.4e-3
_RADIATIVE_CHI = 2.7
_RADIATIVE_REFERENCE_K = 350.0

Value = float | np.ndarray


def density_hayne_kg_m3(
    depth_m: Value,
    surface_kg_m3: float = DENSITY_SURFACE_KG_M3,
    deep_kg_m3: float = DENSITY_DEEP_KG_M3,
    scale_m: Value = DENSITY_SCALE_M,
) -> Value:
    """Return the density that orbital temperatures ask for; scale 0.02 to 0.15 m over the Moon."""
    return deep_kg_m3 - (deep_kg_m3 - surface_kg_m3) * np.exp(-np.asarray(depth_m) / scale_m)


def density_carrier_kg_m3(depth_m: Value) -> Value:
    """Return the density of the Apollo cores: 1300 at the surface, 1850 kg/m3 at 1.5 m."""
    depth_cm = 100.0 * depth_m
    return 1920.0 * (depth_cm + 12.2) / (depth_cm + 18.0)


def porosity(density_kg_m3: Value) -> Value:
    """Return the pore fraction for grains of 3100 kg/m3."""
    return 1.0 - density_kg_m3 / GRAIN_DENSITY_KG_M3


def permittivity(density_kg_m3: Value) -> Value:
    """Return the real relative permittivity of dry soil, 1.919 to the density in g/cm3."""
    return 1.919 ** (density_kg_m3 / 1000.0)


def loss_tangent(
    density_kg_m3: Value, temperature_k: Value = 300.0, iron_titanium_percent: float = 5.0
) -> Value:
    """Return the loss tangent of dry soil at 1 GHz and above; 5 % FeO + TiO2 are highlands.

    Apollo samples at room temperature. Toward 100 K it falls to 0.4 of that, linearly: the range of
    0.3 to 0.5 is published, the line is assumed.
    """
    warm = 10.0 ** (0.038 * iron_titanium_percent + 0.312e-3 * density_kg_m3 - 3.260)
    return warm * np.clip(0.4 + 0.6 * (np.asarray(temperature_k) - 100.0) / 200.0, 0.4, 1.0)


def icy_permittivity(dry: Value, ice_share: Value) -> Value:
    """Return the permittivity with ice in a share of the volume that was void (CRIM)."""
    return (np.sqrt(dry) + np.asarray(ice_share) * (ICE_PERMITTIVITY**0.5 - 1.0)) ** 2


def ice_conductivity_w_m_k(temperature_k: Value) -> Value:
    """Return the conductivity of crystalline ice, 25 to 273 K."""
    return 567.0 / np.asarray(temperature_k)


def icy_conductivity_w_m_k(dry_w_m_k: Value, temperature_k: Value, ice_share: Value) -> Value:
    """Return the conductivity with ice in a share of the volume: geometric mean, assumed."""
    ice = ice_conductivity_w_m_k(temperature_k)
    return dry_w_m_k * (ice / dry_w_m_k) ** np.asarray(ice_share)


def ice_heat_j_kg(temperature_k: Value) -> Value:
    """Return the heat in ice above 0 K: the integral of 7.49 T + 90 J/kg/K."""
    return (3.745 * np.asarray(temperature_k) + 90.0) * temperature_k


def heat_capacity_j_kg_k(temperature_k: Value) -> Value:
    """Return the specific heat, 20 to 400 K: Biele below 100 K, Hayne above 120, blended between.

    Hayne's polynomial is high by 40 % at 50 K and by a factor of two at 30 K.
    """
    t = np.asarray(temperature_k, dtype=float)
    x = np.log(t)
    cold = np.exp((((3.0 * x - 54.45) * x + 306.8) * x - 376.6) / ((x - 16.81) * x + 87.32))
    warm = -3.6125 + t * (2.7431 + t * (2.3616e-3 + t * (-1.2340e-5 + t * 8.9093e-9)))
    share = np.clip((t - 100.0) / 20.0, 0.0, 1.0)
    return cold + share * (warm - cold)


def conductivity_w_m_k(
    temperature_k: Value, depth_m: Value, scale_m: Value = DENSITY_SCALE_M
) -> Value:
    """Return the thermal conductivity in vacuum: contact, growing with depth, and radiation."""
    loose = (_CONDUCTIVITY_DEEP_W_M_K - _CONDUCTIVITY_SURFACE_W_M_K) * np.exp(
        -np.asarray(depth_m) / scale_m
    )
    return (_CONDUCTIVITY_DEEP_W_M_K - loose) * _radiative_gain(temperature_k)


def balance_temperature_k(absorbed_w_m2: Value, emissivity: float = 0.95) -> Value:
    """Return the temperature of ground that radiates what it absorbs and the interior's flux.

    That of a surface without thermal inertia, and of any surface under a steady flux.
    """
    flux_w_m2 = absorbed_w_m2 + INTERIOR_FLUX_W_M2
    return (flux_w_m2 / (emissivity * STEFAN_BOLTZMANN_W_M2_K4)) ** 0.25


def temperature_at_depth_k(
    depth_m: Value, mean_surface_k: Value, scale_m: Value = DENSITY_SCALE_M
) -> Value:
    """Return the steady temperature of dry ground: that of the surface plus the interior's rise.

    The gradient carries 0.018 W/m2 through conductivity that grows with depth, its radiative part
    taken at the surface's temperature: near 5 K/m below the loose top.
    """
    z = np.asarray(depth_m, dtype=float)
    loose = 1.0 - _CONDUCTIVITY_SURFACE_W_M_K / _CONDUCTIVITY_DEEP_W_M_K
    # Integral of dz / (1 - loose exp(-z/H)), in closed form.
    resistance_m = z + scale_m * np.log((1.0 - loose * np.exp(-z / scale_m)) / (1.0 - loose))
    conductivity = _CONDUCTIVITY_DEEP_W_M_K * _radiative_gain(mean_surface_k)
    return mean_surface_k + INTERIOR_FLUX_W_M2 * resistance_m / conductivity


def _radiative_gain(temperature_k: Value) -> Value:
    return 1.0 + _RADIATIVE_CHI * (temperature_k / _RADIATIVE_REFERENCE_K) ** 3
