# SPDX-License-Identifier: Apache-2.0
"""Ice in the topmost millimetre, from the raw record of the rover's infrared spectrometer.

Dark frames are taken off, the white reference divides out lamp and detector, and range and angles
make that a reflectance. What dry soil may look like is a Gaussian prior of the logarithm of
reflectance, made from draws of `reflectance.SoilPrior`, its wiggles, and the level and colour that
unknown slopes and lamps leave open. Against it stand

* band depths: what is measured over the mineral continuum, conditioned on bands where ice is clear;
* a posterior of the content over a lattice of the cross-section of ice, its grain and temperature,
  with the grain of the soil from its prior. Shape and depth of a band hardly tell few fine grains
  from many coarse ones, so the 68 and 95 % sets are wide, and the errors are theirs.

The constants of a run, drawn from the prior, are not known here. Content is log-uniform from 0.1
to 60 wt% before the measurement; a set that reaches below 0.2 wt%, which no spectrum tells from
none, reaches 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.special import logsumexp

from lupex_nodes.models.infrared_spectrometer import (
    InfraredSpectrometer,
    lamp_spectrum_per_um,
    solar_irradiance_w_m2_um,
)
from lupex_nodes.models.lamp_heating import frost_loss_kg_m2, surface_warming_k
from lupex_nodes.models.reflectance import (
    SoilPrior,
    cross_section_ratio,
    draw_constants,
    draw_soil,
    ice_albedo,
    mineral_reflectance,
    reflectance_factor,
    single_scattering_albedo,
)

Array = NDArray[np.float64]

WHITE_DARK, WHITE, TARGET_DARK, TARGET = 0, 1, 2, 3
LAMPLIGHT, SUNLIGHT = 0, 1
#: Part of a lamp's light that dark soil keeps as heat.
ABSORBED = 0.85
#: Columns of the raw record that the product reads.
COLUMNS = (
    "measurement", "segment", "light", "wavelength_um", "counts_dn", "frames", "exposure_s",
    "saturated", "lamp_monitor", "range_m", "cos_incidence", "cos_emission",
    "mirror_error_deg",
)  # fmt: skip

#: Bands of ice (um): where the depth is averaged, for 1.03, 1.25, 1.50 and 1.65 um.
BAND_WINDOWS_UM = ((1.01, 1.05), (1.23, 1.30), (1.475, 1.535), (1.645, 1.665))
_CLEAR_UM = ((0.70, 0.98), (1.07, 1.13))
_SHOULDERS_UM = ((1.61, 1.63), (1.69, 1.73))
_KNOWN_SIGMA_K = 35.0
_MIRROR_LIMIT_DEG = 2.0
_STANDARD = (float(np.cos(np.radians(30.0))), 1.0)
_DRAWS = 400
_CONTENTS_WT_PERCENT = np.geomspace(0.1, 60.0, 250)
_NEXT_TO_NONE_WT_PERCENT = 0.2


@dataclass(frozen=True)
class RetrievalParameters:
    """What the on-board product assumes; all defaults are assumed values."""

    prior: SoilPrior = field(default_factory=SoilPrior)
    instrument: InfraredSpectrometer = field(default_factory=InfraredSpectrometer)
    white_reflectance: float = 0.99
    white_range_m: float = 0.5
    lamp_temperature_sigma_k: float = 50.0
    lamp_level_sigma: float = 0.15
    """Of the logarithm of reflectance in lamp light, by slopes and range."""
    sun_level_sigma: float = 1.0
    """The same in sunlight, which grazes the ground."""
    least_snr: float = 5.0
    """Bands with less don't count."""
    least_bands: int = 30
    detection_depth: float = 0.02
    detection_sigmas: float = 3.0


@dataclass(frozen=True)
class Spectrum:
    """Reflectance factor, its standard error and whether each band counts, shape (n,)."""

    wavelength_um: Array
    reflectance: Array
    sigma: Array
    usable: NDArray[np.bool_]
    light: int
    cos_incidence: float
    cos_emission: float
    snr: float
    """Median over all bands."""
    saturated: int
    """How many bands were at full scale."""


@dataclass(frozen=True)
class SurfaceIce:
    """Product of one spectrum."""

    spectrum: Spectrum
    band_depth: Array
    """At 1.03, 1.25, 1.50, 1.65 um, shape (4,); 0 with infinite error where nothing was seen."""
    band_depth_sigma: Array
    detected: bool
    """The depth at 1.50 um is at least 0.02 and three standard errors."""
    ice_wt_percent: float
    ice_sigma_wt_percent: float
    """Mean and standard deviation of the posterior."""
    lower_68_wt_percent: float
    upper_68_wt_percent: float
    lower_95_wt_percent: float
    upper_95_wt_percent: float
    """Ends of the highest-density sets in the logarithm of the content."""
    temperature_k: float
    temperature_sigma_k: float
    """Of the ice; those of the prior as long as nothing is known."""
    temperature_known: bool
    reduced_chi_square: float
    """Misfit of the best node, about 1."""
    lamp_warming_k: float
    frost_loss_kg_m2: float
    """By the lamp during the look, were all the surface ice of that temperature; 0 in sunlight."""


def product(raw: NDArray[np.void], parameters: RetrievalParameters | None = None) -> SurfaceIce:
    """Make the product of the last target in a record (rows with `COLUMNS`, shape (n,)).

    Raises ValueError when there is no target, no white reference before it, the mirror stood
    elsewhere, or too few bands have signal and are not saturated.
    """
    parameters = parameters or RetrievalParameters()
    spectrum = calibrated(raw, parameters)
    count = int(spectrum.usable.sum())
    if count < parameters.least_bands:
        raise ValueError(
            f"{count} of {spectrum.usable.size} bands have signal and are not saturated; "
            f"{parameters.least_bands} are needed."
        )
    minerals = _minerals(
        tuple(spectrum.wavelength_um.tolist()), spectrum.light, spectrum.cos_incidence,
        spectrum.cos_emission, parameters,
    )  # fmt: skip
    found = _posterior(spectrum, minerals, parameters)
    depth, depth_sigma = _band_depths(spectrum, minerals, found)
    detected = depth[2] >= max(
        parameters.detection_depth, parameters.detection_sigmas * depth_sigma[2]
    )
    return SurfaceIce(
        spectrum,
        depth,
        depth_sigma,
        bool(detected),
        *found.content,
        *found.temperature,
        bool(detected and found.temperature[1] < _KNOWN_SIGMA_K),
        found.reduced_chi_square,
        *_lamp_effect(raw, found.temperature[0], parameters),
    )


def _lamp_effect(
    raw: NDArray[np.void], temperature_k: float, parameters: RetrievalParameters
) -> tuple[float, float]:
    """Return the warming (K) and the loss of ice (kg/m2) of the last target."""
    row = raw[raw["segment"] == TARGET][-1]
    if int(row["light"]) == SUNLIGHT:
        return 0.0, 0.0
    irradiance = parameters.instrument.lamp_flux_w_sr / float(row["range_m"]) ** 2
    flux_w_m2 = ABSORBED * irradiance * float(row["lamp_monitor"] * row["cos_incidence"])
    duration_s = float(row["frames"] * row["exposure_s"])
    return (
        float(surface_warming_k(flux_w_m2, duration_s, temperature_k)),
        frost_loss_kg_m2(flux_w_m2, duration_s, temperature_k),
    )


# --- raw to reflectance ----------------------------------------------------------------------


def calibrated(raw: NDArray[np.void], parameters: RetrievalParameters) -> Spectrum:
    """Return the reflectance of the last target; raises ValueError as `product` does."""
    missing = [name for name in COLUMNS if name not in (raw.dtype.names or ())]
    if missing:
        raise ValueError(f"the spectra lack {', '.join(missing)}.")
    target = _last(raw, TARGET)
    if target is None:
        raise ValueError("the record has no spectrum of a target; acquire one.")
    before = raw[raw["measurement"] < target["measurement"][0]]
    white = _last(before, WHITE)
    if white is None:
        raise ValueError("the record has no white reference before the target; calibrate first.")
    for rows, name in ((target, "target"), (white, "white reference")):
        if float(np.abs(rows["mirror_error_deg"]).max()) > _MIRROR_LIMIT_DEG:
            raise ValueError(f"the mirror did not stand at the {name}.")
    seen, seen_variance = _rate(raw, target, TARGET_DARK, parameters)
    reference, reference_variance = _rate(raw, white, WHITE_DARK, parameters)
    sun = int(target["light"][0]) == SUNLIGHT
    range_m, cos_incidence = float(target["range_m"][0]), float(target["cos_incidence"][0])
    # of a Lambert surface of reflectance 1 lit alike, over the white reference
    scale = parameters.white_reflectance * np.ones(seen.size) / cos_incidence
    if sun:
        instrument, wavelength = parameters.instrument, target["wavelength_um"].astype(float)
        lamp = instrument.lamp_flux_w_sr * lamp_spectrum_per_um(
            wavelength, instrument.lamp_temperature_k
        )
        scale *= lamp / parameters.white_range_m**2 / solar_irradiance_w_m2_um(wavelength)
        scale /= float(white["lamp_monitor"][0])
    else:
        scale *= (range_m / parameters.white_range_m) ** 2
        scale *= float(white["lamp_monitor"][0] / max(target["lamp_monitor"][0], 1e-3))
    seen_sigma, reference_sigma = np.sqrt(seen_variance), np.sqrt(reference_variance)
    saturated = (target["saturated"] > 0) | (white["saturated"] > 0)
    usable = (seen > parameters.least_snr * seen_sigma) & ~saturated
    usable &= reference > parameters.least_snr * reference_sigma
    reference = np.where(usable, reference, 1.0)
    reflectance = np.where(usable, seen / reference * scale, 0.0)
    relative = np.hypot(seen_sigma / np.where(usable, seen, 1.0), reference_sigma / reference)
    return Spectrum(
        wavelength_um=target["wavelength_um"].astype(float),
        reflectance=reflectance,
        sigma=np.where(usable, reflectance * relative, 0.0),
        usable=usable,
        light=int(target["light"][0]),
        cos_incidence=cos_incidence,
        cos_emission=float(target["cos_emission"][0]),
        snr=float(np.median(seen / seen_sigma)),
        saturated=int(np.count_nonzero(target["saturated"])),
    )


def _last(raw: NDArray[np.void], segment: int) -> NDArray[np.void] | None:
    rows = raw[raw["segment"] == segment]
    return rows[rows["measurement"] == rows["measurement"].max()] if rows.size else None


def _rate(
    raw: NDArray[np.void],
    light: NDArray[np.void],
    dark_segment: int,
    parameters: RetrievalParameters,
) -> tuple[Array, Array]:
    """Return the rate (DN/s) without dark of one measurement, and its variance."""
    same = (raw["measurement"] == light["measurement"][0]) & (raw["segment"] == dark_segment)
    dark = raw[same]
    if dark.size != light.size:
        raise ValueError("the record lacks the dark frames of a spectrum.")
    rate, variance = np.zeros(light.size), np.zeros(light.size)
    instrument = parameters.instrument
    for rows, sign in ((light, 1.0), (dark, -1.0)):
        frames, exposure_s = rows["frames"].astype(float), rows["exposure_s"].astype(float)
        mean = rows["counts_dn"] / frames
        rate += sign * mean / exposure_s
        per_frame = np.maximum(mean - instrument.offset_dn, 0.0) / instrument.gain_e_dn
        per_frame += (instrument.read_noise_e / instrument.gain_e_dn) ** 2 + 1.0 / 12.0
        variance += per_frame / frames / exposure_s**2
    return rate, variance


# --- dry soil --------------------------------------------------------------------------------


class _Minerals(NamedTuple):
    """Gaussian prior of the logarithm of dry soil's reflectance in one geometry, all bands."""

    mean: Array
    covariance: Array
    standard_mean: Array
    """The same in the standard geometry."""
    mineral_covariance: Array
    """Without level and colour of the light."""


@lru_cache(maxsize=16)
def _minerals(
    wavelength_um: tuple[float, ...],
    light: int,
    cos_incidence: float,
    cos_emission: float,
    parameters: RetrievalParameters,
) -> _Minerals:
    wavelength, prior = np.array(wavelength_um), parameters.prior
    # the same draws whoever asks: the product depends on the record alone
    rng = np.random.default_rng(0)
    smooth = SoilPrior(**{**prior.__dict__, "residual_sigma": 0.0})
    drawn = np.empty((_DRAWS, wavelength.size))
    for row in drawn:
        soil = draw_soil(rng, 0.0, prior=smooth)
        row[:] = mineral_reflectance(
            wavelength, soil.maturity, soil.pyroxene_percent, draw_constants(rng, smooth)
        )
    standard = np.log(drawn)
    albedo = single_scattering_albedo(drawn, *_STANDARD)
    seen = np.log(reflectance_factor(albedo, cos_incidence, cos_emission))
    apart = (wavelength[:, None] - wavelength) / prior.residual_scale_um
    wiggles = prior.residual_sigma**2 * np.exp(-0.5 * apart * apart)
    mineral = np.cov(seen.T) + wiggles
    level = parameters.sun_level_sigma if light == SUNLIGHT else parameters.lamp_level_sigma
    covariance = mineral + level**2
    if light == SUNLIGHT:
        kelvin = parameters.instrument.lamp_temperature_k + parameters.lamp_temperature_sigma_k
        hotter, nominal = (
            lamp_spectrum_per_um(wavelength, t)
            for t in (kelvin, parameters.instrument.lamp_temperature_k)
        )
        colour = np.log(hotter / nominal)
        covariance = covariance + np.outer(colour, colour)
    return _Minerals(seen.mean(axis=0), covariance, standard.mean(axis=0), mineral)


# --- band depths -----------------------------------------------------------------------------


def _within(wavelength: Array, *windows: tuple[float, float]) -> NDArray[np.bool_]:
    inside = np.zeros(wavelength.size, bool)
    for low, high in windows:
        inside |= (wavelength >= low - 1e-6) & (wavelength <= high + 1e-6)
    return inside


def _band_depths(spectrum: Spectrum, minerals: _Minerals, found: _Found) -> tuple[Array, Array]:
    """Return depths and standard errors of the four bands.

    What ice does to the continuum, brightening it and absorbing a little where it is nearly clear,
    and the shape of its band are those of the likeliest nodes, and differ from node to node.
    """
    wavelength, usable = spectrum.wavelength_um, spectrum.usable
    reflectance = np.where(usable, spectrum.reflectance, 1.0)
    log, variance = np.log(reflectance), (spectrum.sigma / reflectance) ** 2
    depth, sigma = np.zeros(4), np.full(4, np.inf)
    # one row a node
    off, covariance = log - minerals.mean - found.brightening, minerals.covariance
    for index, window in enumerate(BAND_WINDOWS_UM):
        band = usable & _within(wavelength, window)
        near = usable & _within(wavelength, *(_CLEAR_UM, _CLEAR_UM, (), _SHOULDERS_UM)[index])
        if not band.any():
            continue
        if index < 2 and near.any():
            inner = covariance[np.ix_(near, near)] + np.diag(variance[near])
            across = covariance[np.ix_(band, near)].mean(axis=0)
            gain = np.linalg.solve(inner, across)
            each = off[:, band].mean(axis=1) - (off - found.absorption)[:, near] @ gain
            change = float(found.weight @ each)
            error = float(covariance[np.ix_(band, band)].mean() - gain @ across)
            error += float(variance[band].sum()) / band.sum() ** 2
            error += float(found.weight @ (each - change) ** 2)
        elif index == 2:
            # the height of the whole band
            height = found.absorption[:, band].mean(axis=1, keepdims=True)
            shape = found.absorption[:, usable] / height
            total = covariance[np.ix_(usable, usable)] + np.diag(variance[usable])
            filtered = np.linalg.solve(total, shape.T).T
            own = 1.0 / (filtered * shape).sum(axis=1)
            each = own * (filtered * off[:, usable]).sum(axis=1)
            change = float(found.weight @ each)
            error = float(found.weight @ (own + (each - change) ** 2))
        elif index == 3 and all((near & (np.sign(wavelength - 1.65) == s)).any() for s in (-1, 1)):
            # cold or warm, ice absorbs at the shoulders too: a straight line between them
            design = np.column_stack([np.ones(near.sum()), wavelength[near] - 1.65])
            normal = np.linalg.inv(design.T @ (design / variance[near, None]))
            at = np.array([1.0, wavelength[band].mean() - 1.65])
            line = at @ normal @ (design / variance[near, None]).T
            change = float(log[band].mean() - line @ log[near])
            error = float(at @ normal @ at) + float(variance[band].sum()) / band.sum() ** 2
        else:
            continue
        depth[index], sigma[index] = 1.0 - np.exp(change), np.exp(change) * np.sqrt(error)
    return depth, sigma


# --- content ---------------------------------------------------------------------------------


class _Found(NamedTuple):
    content: tuple[float, float, float, float, float, float]
    temperature: tuple[float, float]
    reduced_chi_square: float
    weight: Array
    """Of the likeliest nodes, shape (k,), sum 1."""
    brightening: Array
    """Change of the logarithm by ice that absorbs nothing, at each of them, all bands, (k, n)."""
    absorption: Array
    """Further change by what it absorbs, (k, n)."""


_RATIOS = 48
_GRAINS = 10
_TEMPERATURES = 8
_SOIL_GRAINS = 15
_KEPT_NODES = 400


def _posterior(spectrum: Spectrum, minerals: _Minerals, parameters: RetrievalParameters) -> _Found:
    """Return content and temperature over the lattice of ice seen against dry soil."""
    prior, usable = parameters.prior, spectrum.usable
    wavelength = spectrum.wavelength_um[usable]
    reflectance = spectrum.reflectance[usable]
    log = np.log(reflectance)
    noise = (spectrum.sigma[usable] / reflectance) ** 2
    mean, standard_mean = minerals.mean[usable], minerals.standard_mean[usable]
    inside = np.ix_(usable, usable)
    total = minerals.covariance[inside] + np.diag(noise)
    factor = cho_factor(total, lower=True)
    to_mineral = minerals.mineral_covariance[inside]

    grain = np.exp(
        _middles(
            float(np.log(prior.ice_grain_um[0])), float(np.log(prior.ice_grain_um[1])), _GRAINS
        )
    )
    temperature = _middles(*prior.temperature_k, _TEMPERATURES)
    ice = ice_albedo(wavelength, grain[:, None, None], temperature[:, None])

    def lattice(ratio: Array, dry: Array) -> tuple[Array, Array]:
        """Return the change of the logarithm by ice and the misfit, (q, d, T, n) and (q, d, T)."""
        mineral = single_scattering_albedo(dry, *_STANDARD)
        share = (ratio / (1.0 + ratio))[:, None, None, None]
        albedo = mineral + share * (ice - mineral)
        angles = spectrum.cos_incidence, spectrum.cos_emission
        change = np.log(reflectance_factor(albedo, *angles) / reflectance_factor(mineral, *angles))
        off = (log - mean - change).reshape(-1, wavelength.size)
        white = solve_triangular(factor[0], off.T, lower=True, check_finite=False)
        return change, np.einsum("ij,ij->j", white, white).reshape(change.shape[:3])

    def transparent(ratio: Array, dry: Array) -> Array:
        """Return the change by ice that absorbs nothing, (q, n)."""
        mineral = single_scattering_albedo(dry, *_STANDARD)
        albedo = mineral + (ratio / (1.0 + ratio))[:, None] * (1.0 - mineral)
        angles = spectrum.cos_incidence, spectrum.cos_emission
        return np.log(reflectance_factor(albedo, *angles) / reflectance_factor(mineral, *angles))

    ratio = np.geomspace(1e-5, 100.0, _RATIOS)
    dry = np.exp(standard_mean)
    for _ in range(2):
        change, misfit = lattice(ratio, dry)
        best = np.unravel_index(int(np.argmin(misfit)), misfit.shape)
        # the soil without its ice, light and slopes
        residual = cho_solve(factor, log - mean - change[best])
        dry = np.exp(standard_mean + to_mineral @ residual)
        nearest = misfit.min(axis=(1, 2))
        kept = np.flatnonzero(nearest < nearest.min() + 30.0)
        low, high = max(kept[0] - 1, 0), min(kept[-1] + 1, ratio.size - 1)
        ratio = np.geomspace(ratio[low], ratio[high], _RATIOS)
    change, misfit = lattice(ratio, dry)
    likelihood = -0.5 * misfit

    spread = np.linspace(-3.0, 3.0, _SOIL_GRAINS)
    soil_grain = prior.regolith_grain_um * np.exp(prior.regolith_grain_sigma * spread)
    rarity = 0.5 * spread**2
    over_temperature = logsumexp(likelihood, axis=2)
    density = np.zeros(_CONTENTS_WT_PERCENT.size)
    peak = over_temperature.max()
    for column, size in enumerate(grain):
        for soil_size, rare in zip(soil_grain, rarity, strict=True):
            q = cross_section_ratio(_CONTENTS_WT_PERCENT, size, soil_size)
            log_density = np.interp(
                np.log(q), np.log(ratio), over_temperature[:, column], right=-np.inf
            )
            density += np.exp(log_density - peak - rare)
    by_temperature = logsumexp(likelihood, axis=(0, 1))
    weight = np.exp(by_temperature - by_temperature.max())
    weight /= weight.sum()
    kelvin = float(weight @ temperature)
    step = (prior.temperature_k[1] - prior.temperature_k[0]) / _TEMPERATURES
    kelvin_sigma = np.sqrt(float(weight @ (temperature - kelvin) ** 2) + step**2 / 12.0)
    flat = likelihood.ravel()
    nodes = np.argsort(flat)[::-1][:_KEPT_NODES]
    weight = np.exp(flat[nodes] - flat[nodes[0]])
    brightening, absorption = np.zeros((2, nodes.size, usable.size))
    brightening[:, usable] = transparent(ratio[np.unravel_index(nodes, likelihood.shape)[0]], dry)
    absorption[:, usable] = change.reshape(flat.size, -1)[nodes] - brightening[:, usable]
    return _Found(
        _summary(density),
        (kelvin, float(kelvin_sigma)),
        float(misfit.min() / wavelength.size),
        weight / weight.sum(),
        brightening,
        absorption,
    )


def _middles(low: float, high: float, count: int) -> Array:
    """Middles of equal parts of a uniform prior."""
    return low + (high - low) * (np.arange(count) + 0.5) / count


def _summary(density: Array) -> tuple[float, float, float, float, float, float]:
    """Return mean, deviation and the ends of the 68 and 95 % sets (wt%)."""
    content = _CONTENTS_WT_PERCENT
    weight = density / density.sum()
    mean = float(weight @ content)
    deviation = float(np.sqrt(weight @ (content - mean) ** 2))
    order = np.argsort(weight)[::-1]
    mass = np.cumsum(weight[order])
    ends: list[float] = []
    for level in (0.68, 0.95):
        chosen = order[: int(np.searchsorted(mass, level)) + 1]
        first, last = int(chosen.min()), int(chosen.max())
        least = float(content[first])
        ends += [least if least > _NEXT_TO_NONE_WT_PERCENT else 0.0, float(content[last])]
    return mean, deviation, ends[0], ends[1], ends[2], ends[3]
