# SPDX-License-Identifier: Apache-2.0
"""Dry lunar regolith: density, permittivity, heat transport and temperature.

Thermal properties: Hayne et al. 2017, doi:10.1002/2017JE005387; heat capacity below 100 K: Biele et
al. 2022, doi:10.1007/s10765-022-03046-5; density of cores and permittivity: Carrier, Olhoeft and
Mendell 1991, Lunar Sourcebook ch. 9. Depths are in metres, 0 to 3; all take floats or arrays.
"""

from __future__ import annotations

import numpy as np

STEFAN_BOLTZMANN_W_M2_K4 = 5.670374e-8
GRAIN_DENSITY_KG_M3 = 3100.0
INTERIOR_FLUX_W_M2 = 0.018

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
    scale_m: float = DENSITY_SCALE_M,
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
    temperature_k: Value, depth_m: Value, scale_m: float = DENSITY_SCALE_M
) -> Value:
    """Return the thermal conductivity in vacuum: contact, growing with depth, and radiation."""
    loose = (_CONDUCTIVITY_DEEP_W_M_K - _CONDUCTIVITY_SURFACE_W_M_K) * np.exp(
        -np.asarray(depth_m) / scale_m
    )
    return (_CONDUCTIVITY_DEEP_W_M_K - loose) * _radiative_gain(temperature_k)


def surface_temperature_k(
    irradiance_w_m2: Value,
    cos_incidence: Value,
    background_w_m2: Value = 0.5,
    albedo: float = 0.12,
    emissivity: float = 0.95,
) -> Value:
    """Return the temperature of a facet in radiative balance with Sun, surroundings and interior.

    `irradiance_w_m2` is normal to the rays, after the lit fraction; `cos_incidence` may be
    negative (0 is taken). `background_w_m2` is absorbed scattered light and infrared of the
    terrain: 0.05 to 5 W/m2 in permanent shadow; its default is assumed. There is no thermal
    inertia, so temperatures are true for slow polar light, some tens of kelvin too low in the hours
    after sunset and far too low in a long night on flat ground. With facets of a terrain use a
    constant albedo of 0.12 to 0.16, not one that grows with incidence.
    """
    absorbed_w_m2 = (1.0 - albedo) * irradiance_w_m2 * np.maximum(cos_incidence, 0.0)
    flux_w_m2 = absorbed_w_m2 + background_w_m2 + INTERIOR_FLUX_W_M2
    return (flux_w_m2 / (emissivity * STEFAN_BOLTZMANN_W_M2_K4)) ** 0.25


def temperature_at_depth_k(
    depth_m: Value,
    mean_surface_k: float,
    surface_k: float | None = None,
    skin_depth_m: float = 0.07,
    scale_m: float = DENSITY_SCALE_M,
) -> Value:
    """Return the temperature of dry ground: mean surface temperature plus geothermal gradient.

    The gradient carries 0.018 W/m2 through conductivity that grows with depth, its radiative part
    taken at the mean temperature: near 5 K/m below the loose top. With `surface_k` the departure
    of the surface from its mean fades over `skin_depth_m`, a month's wave at 220 K by default,
    without its phase lag. Rectification of the mean by radiative conduction is left out.
    """
    z = np.asarray(depth_m, dtype=float)
    loose = 1.0 - _CONDUCTIVITY_SURFACE_W_M_K / _CONDUCTIVITY_DEEP_W_M_K
    # Integral of dz / (1 - loose exp(-z/H)), in closed form.
    resistance_m = z + scale_m * np.log((1.0 - loose * np.exp(-z / scale_m)) / (1.0 - loose))
    conductivity = _CONDUCTIVITY_DEEP_W_M_K * _radiative_gain(mean_surface_k)
    ground_k = mean_surface_k + INTERIOR_FLUX_W_M2 * resistance_m / conductivity
    if surface_k is None:
        return ground_k
    return ground_k + (surface_k - mean_surface_k) * np.exp(-z / skin_depth_m)


def _radiative_gain(temperature_k: Value) -> Value:
    return 1.0 + _RADIATIVE_CHI * (temperature_k / _RADIATIVE_REFERENCE_K) ** 3
