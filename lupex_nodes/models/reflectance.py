# SPDX-License-Identifier: Apache-2.0
"""Near-infrared reflectance of icy soil: Hapke's intimate mixture of ice and mineral grains.

Hapke 1981, doi:10.1029/JB086iB04p03039, with isotropic scattering, no opposition surge and the
two-stream form of Chandrasekhar's H; grains of ice by the equivalent slab of Hapke 2012, Theory of
Reflectance and Emittance Spectroscopy, without internal scattering. Grains weigh in the mixture by
their cross-section, M / (density diameter).

Minerals are told by the reflectance that they have alone: a continuum from 0.10 at 0.75 um to 0.25
at 1.6 um (highland soil), redder and darker with maturity, with the bands of pyroxene near 0.95 and
1.95 um (Adams 1974, doi:10.1029/JB079i032p04829). What no such formula tells, such as the exact
centre of these bands and the small wiggles of real soil, is drawn once a run (`draw_constants`).
Frost that coats grains, coherent backscatter and ice clearer than its grains are not in here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lupex_nodes.models import ice_optics

Array = NDArray[np.float64]

MINERAL_DENSITY_KG_M3 = 3100.0
#: Incidence 30 deg, emission 0, in which the reflectance of minerals is told.
_STANDARD_COSINES = np.cos(np.radians([30.0, 0.0]))
#: Reflection by a grain's asperities besides Fresnel's, Hapke 2012.
_ROUGH_REFLECTION = 0.05
_RESIDUAL_COSINES = 12


@dataclass(frozen=True)
class SoilPrior:
    """Where soils of highlands lie; all values are assumed."""

    ice_grain_um: tuple[float, float] = (10.0, 300.0)
    """Log-uniform between these."""
    regolith_grain_um: float = 60.0
    """Median; Lunar Sourcebook: mean sizes 40 to 130 um."""
    regolith_grain_sigma: float = 0.3
    """Of the logarithm."""
    maturity: tuple[float, float] = (0.2, 1.0)
    pyroxene_percent: tuple[float, float] = (0.0, 20.0)
    temperature_k: tuple[float, float] = (60.0, 250.0)
    """Uniform between these, where ice may lie."""
    pyroxene_centre_um: tuple[float, float] = (0.92, 0.99)
    curvature_sigma: float = 0.03
    """Of the continuum's logarithm between its ends."""
    residual_sigma: float = 0.002
    """Wiggles of the logarithm of reflectance."""
    residual_scale_um: float = 0.1
    absorption_sigma: float = 0.05
    """How well the absorption of ice is known, relative."""


@dataclass(frozen=True)
class SoilConstants:
    """What is the same for all soil of one run."""

    pyroxene_centre_um: float = 0.95
    curvature: float = 0.0
    absorption_factor: float = 1.0
    residual: Array = field(default_factory=lambda: np.zeros((_RESIDUAL_COSINES, 3)))
    """Height, cycles per um and phase (rad) of each cosine of the wiggles."""


@dataclass(frozen=True)
class Soil:
    """The topmost millimetre, with the fields and units of the record `optical_surface`."""

    ice_wt_percent: float
    ice_grain_um: float
    regolith_grain_um: float
    maturity: float
    pyroxene_percent: float
    temperature_k: float


def draw_constants(rng: np.random.Generator, prior: SoilPrior | None = None) -> SoilConstants:
    """Draw what soil and ice are like in one run."""
    prior = prior or SoilPrior()
    count = _RESIDUAL_COSINES
    # random cosines whose sum has a Gaussian correlation of that length
    height = np.full(count, prior.residual_sigma * np.sqrt(2.0 / count))
    cycles = np.abs(rng.standard_normal(count)) / (2.0 * np.pi * prior.residual_scale_um)
    return SoilConstants(
        pyroxene_centre_um=float(rng.uniform(*prior.pyroxene_centre_um)),
        curvature=float(prior.curvature_sigma * rng.standard_normal()),
        absorption_factor=float(np.exp(prior.absorption_sigma * rng.standard_normal())),
        residual=np.column_stack([height, cycles, rng.uniform(0.0, 2.0 * np.pi, count)]),
    )


def draw_soil(
    rng: np.random.Generator,
    ice_wt_percent: float,
    temperature_k: float | None = None,
    prior: SoilPrior | None = None,
) -> Soil:
    """Draw all but the ice content, and but the temperature when it is given."""
    prior = prior or SoilPrior()
    grain = float(np.exp(rng.uniform(*np.log(prior.ice_grain_um))))
    spread = prior.regolith_grain_sigma * float(np.clip(rng.standard_normal(), -3.0, 3.0))
    drawn_k = float(rng.uniform(*prior.temperature_k))
    return Soil(
        ice_wt_percent=ice_wt_percent,
        ice_grain_um=grain,
        regolith_grain_um=prior.regolith_grain_um * float(np.exp(spread)),
        maturity=float(rng.uniform(*prior.maturity)),
        pyroxene_percent=float(rng.uniform(*prior.pyroxene_percent)),
        temperature_k=drawn_k if temperature_k is None else temperature_k,
    )


def h_function(cosine: ArrayLike, albedo: ArrayLike) -> Array:
    """Return Chandrasekhar's H for isotropic scattering, within 4 % (Hapke 1981)."""
    mu = np.asarray(cosine, dtype=float)
    return (1.0 + 2.0 * mu) / (1.0 + 2.0 * mu * np.sqrt(1.0 - np.asarray(albedo)))


def reflectance_factor(albedo: ArrayLike, cos_incidence: float, cos_emission: float) -> Array:
    """Return the reflectance over that of a white Lambert surface lit alike.

    `albedo` is that of single scattering, 0 to 1.
    """
    w = np.asarray(albedo, dtype=float)
    both = h_function(cos_incidence, w) * h_function(cos_emission, w)
    return 0.25 * w * both / (cos_incidence + cos_emission)


def single_scattering_albedo(
    reflectance: ArrayLike, cos_incidence: float, cos_emission: float
) -> Array:
    """Return the albedo that gives a reflectance factor, in closed form; clipped to 0 to 1."""
    a, b = 2.0 * cos_incidence, 2.0 * cos_emission
    share = (
        4.0 * np.asarray(reflectance, dtype=float) * (cos_incidence + cos_emission)
        / ((1.0 + a) * (1.0 + b))
    )  # fmt: skip
    # share (1 + a g)(1 + b g) = 1 - g^2 with g = sqrt(1 - w)
    p, q, r = share * a * b + 1.0, share * (a + b), share - 1.0
    g = (np.sqrt(np.maximum(q * q - 4.0 * p * r, 0.0)) - q) / (2.0 * p)
    return 1.0 - np.clip(g, 0.0, 1.0) ** 2


def ice_albedo(
    wavelength_um: ArrayLike,
    grain_um: ArrayLike,
    temperature_k: ArrayLike,
    absorption_factor: float = 1.0,
) -> Array:
    """Return the single scattering albedo of grains of ice; the arguments broadcast."""
    wavelength = np.asarray(wavelength_um, dtype=float)
    n = ice_optics.refractive_index(wavelength)
    external = ((n - 1.0) / (n + 1.0)) ** 2 + _ROUGH_REFLECTION
    internal = 1.0 - 4.0 / (n * (n + 1.0) ** 2)
    path_m = 1e-6 * np.asarray(grain_um) * 2.0 / 3.0 * (n * n - (n * n - 1.0) ** 1.5 / n)
    absorption_m = ice_optics.absorption_coefficient_m(wavelength, temperature_k)
    transmission = np.exp(-absorption_factor * absorption_m * path_m)
    return external + (1.0 - external) * (1.0 - internal) * transmission / (
        1.0 - internal * transmission
    )


def cross_section_ratio(
    ice_wt_percent: ArrayLike, ice_grain_um: ArrayLike, regolith_grain_um: ArrayLike
) -> Array:
    """Return the cross-section of all grains of ice over that of all mineral grains."""
    share = np.asarray(ice_wt_percent, dtype=float) / 100.0
    ice = share / (ice_optics.DENSITY_KG_M3 * np.asarray(ice_grain_um))
    return ice / ((1.0 - share) / (MINERAL_DENSITY_KG_M3 * np.asarray(regolith_grain_um)))


def ice_content_wt_percent(
    ratio: ArrayLike, ice_grain_um: ArrayLike, regolith_grain_um: ArrayLike
) -> Array:
    """Return the content that gives a ratio of cross-sections."""
    ice = np.asarray(ratio) * ice_optics.DENSITY_KG_M3 * np.asarray(ice_grain_um)
    return 100.0 * ice / (ice + MINERAL_DENSITY_KG_M3 * np.asarray(regolith_grain_um))


def mineral_reflectance(
    wavelength_um: ArrayLike,
    maturity: float,
    pyroxene_percent: float,
    constants: SoilConstants | None = None,
) -> Array:
    """Return the reflectance factor of dry soil in the standard geometry."""
    constants = constants or SoilConstants()
    wavelength = np.asarray(wavelength_um, dtype=float)
    x = (wavelength - 0.75) / 0.85
    blue, red = 0.15 - 0.08 * maturity, 0.28 - 0.05 * maturity
    log = np.log(blue + (red - blue) * x) + 4.0 * constants.curvature * x * (1.0 - x)
    depth = 0.012 * pyroxene_percent * (1.0 - 0.5 * maturity)
    centre = constants.pyroxene_centre_um
    log -= depth * np.exp(-0.5 * ((wavelength - centre) / 0.09) ** 2)
    log -= 0.7 * depth * np.exp(-0.5 * ((wavelength - centre - 1.0) / 0.17) ** 2)
    height, cycles, phase = constants.residual.T
    log += np.cos(2.0 * np.pi * wavelength[..., None] * cycles + phase) @ height
    return np.exp(log)


def soil_reflectance(
    wavelength_um: ArrayLike,
    soil: Soil,
    cos_incidence: float,
    cos_emission: float,
    constants: SoilConstants | None = None,
    absorbing: bool = True,
) -> Array:
    """Return the reflectance factor of icy soil, shape of `wavelength_um`.

    `absorbing` False: of the same soil with ice that absorbs nothing, which band depths refer to.
    """
    constants = constants or SoilConstants()
    wavelength = np.asarray(wavelength_um, dtype=float)
    dry = mineral_reflectance(wavelength, soil.maturity, soil.pyroxene_percent, constants)
    mineral = single_scattering_albedo(dry, *_STANDARD_COSINES)
    ratio = cross_section_ratio(soil.ice_wt_percent, soil.ice_grain_um, soil.regolith_grain_um)
    factor = constants.absorption_factor if absorbing else 0.0
    ice = ice_albedo(wavelength, soil.ice_grain_um, soil.temperature_k, factor)
    mixed = (ratio * ice + mineral) / (ratio + 1.0)
    return reflectance_factor(mixed, cos_incidence, cos_emission)
