# SPDX-License-Identifier: Apache-2.0
"""Neutron leakage of the lunar surface and its counting from a rover.

Cosmic rays make fast neutrons in the soil; hydrogen slows them, so the epithermal leakage
falls with water and the thermal leakage first rises (Feldman et al. 1998, Science 281, 1496;
Lawrence et al. 2006, JGR 111, E08001). Water is given as water-equivalent hydrogen in wt%
(9 times the mass fraction of hydrogen), depth as overburden in g/cm2. Ratios are rates over
the rate of dry soil without background.

The closed forms below stand in for Monte Carlo transport: their constants are assumed values
within the published spread, good to about 10 % of (1 - ratio) for 0 to 10 wt% water.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float64]

WATER_PER_HYDROGEN = 9.0
K_E = 0.42
"""Epithermal suppression per wt% (assumed; 470 ppm H gives the 15 % of Cabeus)."""
LAMBDA_E_G_CM2 = 45.0
"""Escape mass of epithermal neutrons (assumed 45 +- 15 g/cm2; leakage depth about 20 cm)."""
THERMAL_AMPLITUDE = 0.9
THERMAL_SATURATION = 0.35
THERMAL_PEAK_G_CM2 = 20.0
THERMAL_WIDTH_G_CM2 = 35.0
DETECTOR_HEIGHT_M = 0.6
DEAD_TIME_S = 10e-6
REFERENCE_TEMPERATURE_K = 290.0
TEMPERATURE_COEFFICIENT_PER_K = -0.001
TOPOGRAPHY_SIGMA = 0.005
"""Relative change of the rates from place to place by slopes that see each other, 1 sigma:
craters change them by up to about 1 % (Eke et al. 2015, arXiv 1505.05403)."""
TOPOGRAPHY_LENGTH_M = 20.0
"""Length over which that changes (assumed)."""

_LIMB = np.sqrt(3.0) / 2.0


def water_of_hydrogen(hydrogen_ppm: ArrayLike) -> Array:
    """Water-equivalent hydrogen (wt%) of a hydrogen mass fraction in ppm."""
    return WATER_PER_HYDROGEN * np.asarray(hydrogen_ppm, float) * 1e-4


def epithermal_ratio(
    water_wt_percent: ArrayLike,
    cover_g_cm2: ArrayLike = 0.0,
    k_e: float = K_E,
    lambda_e_g_cm2: float = LAMBDA_E_G_CM2,
) -> Array:
    """Epithermal ratio of wet soil under a dry cover; arguments broadcast.

    Homogeneous soil has 1 / (1 + k_e w); a cover hides it as exp(-cover / lambda_e), which
    gives the double solution known from Cabeus (Lawrence et al. 2006).
    """
    water = _not_negative(water_wt_percent, "water_wt_percent")
    cover = _not_negative(cover_g_cm2, "cover_g_cm2")
    suppression = k_e * water / (1.0 + k_e * water)
    return 1.0 - suppression * np.exp(-cover / lambda_e_g_cm2)


def epithermal_ratio_of_profile(
    overburden_g_cm2: ArrayLike,
    water_wt_percent: ArrayLike,
    k_e: float = K_E,
    lambda_e_g_cm2: float = LAMBDA_E_G_CM2,
) -> Array:
    """Epithermal ratio of a layered column, shape (...,) from layers on the last axis (..., n).

    Layer i has its top at overburden[i] (ascending) and ends where the next begins; the last
    goes on for ever; soil above the first is dry. The suppression of each mass element is
    weighted by exp(-S / lambda_e) / lambda_e, integrated exactly, so that two layers give
    `epithermal_ratio`. A thin wet layer on dry soil is the exception: `wet_over_dry_ratio`.
    """
    top = _not_negative(overburden_g_cm2, "overburden_g_cm2")
    water = _not_negative(water_wt_percent, "water_wt_percent")
    if np.any(np.diff(top, axis=-1) < 0.0):
        raise ValueError("overburden_g_cm2 must ascend along its last axis; sort the layers.")
    seen = np.exp(-top / lambda_e_g_cm2)
    seen = seen - np.concatenate([seen[..., 1:], np.zeros_like(seen[..., :1])], axis=-1)
    return 1.0 - np.sum(seen * k_e * water / (1.0 + k_e * water), axis=-1)


def wet_over_dry_ratio(
    water_wt_percent: ArrayLike, layer_g_cm2: ArrayLike, k_e: float = K_E
) -> Array:
    """Epithermal ratio of a wet layer of given mass on dry soil; arguments broadcast.

    Below 30 g/cm2 the ratio exceeds one (Lawrence et al. 2011, JGR 116, E01002; 1 to 3 %, the
    amplitude and the peak at 15 g/cm2 are assumed); a smooth step leads to the homogeneous law
    between 30 and 90 g/cm2.
    """
    water = _not_negative(water_wt_percent, "water_wt_percent")
    layer = _not_negative(layer_g_cm2, "layer_g_cm2")
    excess = 0.03 * np.minimum(water, 1.0) * (layer / 15.0) * np.exp(1.0 - layer / 15.0)
    t = np.clip((layer - 30.0) / 60.0, 0.0, 1.0)
    blend = t * t * (3.0 - 2.0 * t)
    return (1.0 - blend) * (1.0 + excess) + blend * epithermal_ratio(water, k_e=k_e)


def thermal_ratio(
    water_wt_percent: ArrayLike,
    cover_g_cm2: ArrayLike = 0.0,
    amplitude: float = THERMAL_AMPLITUDE,
) -> Array:
    """Thermal ratio of wet soil under a dry cover; arguments broadcast.

    Rises with buried hydrogen and is largest under about 20 g/cm2. Shape after Lawrence et al.
    (2006); all constants are assumed and iron, titanium and rare earths, which absorb thermal
    neutrons, are not modelled: confidence is low, about 10 % of (ratio - 1).
    """
    water = _not_negative(water_wt_percent, "water_wt_percent")
    cover = _not_negative(cover_g_cm2, "cover_g_cm2")
    depth = np.exp(-(((cover - THERMAL_PEAK_G_CM2) / THERMAL_WIDTH_G_CM2) ** 2))
    return 1.0 + amplitude * water / (1.0 + THERMAL_SATURATION * water) * depth


def wet_over_dry_thermal_ratio(
    water_wt_percent: ArrayLike,
    layer_g_cm2: ArrayLike,
    amplitude: float = THERMAL_AMPLITUDE,
) -> Array:
    """Thermal ratio of a wet layer of given mass on dry soil; arguments broadcast.

    A share of the homogeneous rise that grows with the layer over the mass in which neutrons are
    thermalised, `THERMAL_PEAK_G_CM2` (assumed: no published curve was found).
    """
    layer = _not_negative(layer_g_cm2, "layer_g_cm2")
    share = 1.0 - np.exp(-layer / THERMAL_PEAK_G_CM2)
    return 1.0 + (thermal_ratio(water_wt_percent, 0.0, amplitude) - 1.0) * share


def apparent_water(ratio: ArrayLike, k_e: float = K_E) -> Array:
    """Water (wt%) of the homogeneous soil that has this epithermal ratio; negative above one."""
    value = np.asarray(ratio, float)
    if np.any(value <= 0.0):
        raise ValueError("an epithermal ratio must be above zero; check rate and background.")
    return (1.0 / value - 1.0) / k_e


# --- Footprint -----------------------------------------------------------------------------
# Leakage goes as mu (1 + sqrt(3) mu) with the cosine mu of emission (Fermi's law for a
# moderating half space); the detector is a near-isotropic helium-3 cylinder.


def response_within(radius_m: ArrayLike, height_m: float = DETECTOR_HEIGHT_M) -> Array:
    """Fraction of the response from within a horizontal radius around the detector.

    50 % within 1.30 heights, 90 % within 6.0 heights.
    """
    _positive(height_m, "height_m")
    cosine = height_m / np.hypot(_not_negative(radius_m, "radius_m"), height_m)
    return ((1.0 - cosine) + _LIMB * (1.0 - cosine**2)) / (1.0 + _LIMB)


def radius_of_response(fraction: ArrayLike, height_m: float = DETECTOR_HEIGHT_M) -> Array:
    """Radius (m) within which the given fraction (0 <= fraction < 1) of the response arises."""
    _positive(height_m, "height_m")
    value = np.asarray(fraction, float)
    if np.any((value < 0.0) | (value >= 1.0)):
        raise ValueError("fraction must be from 0 to below 1; all of the response has no radius.")
    root = np.sqrt(1.0 + 4.0 * _LIMB * (1.0 + _LIMB) * (1.0 - value))
    cosine = np.minimum((root - 1.0) / (2.0 * _LIMB), 1.0)
    return height_m * np.sqrt(1.0 / cosine**2 - 1.0)


def ring_weights(ring_edges_m: ArrayLike, height_m: float = DETECTOR_HEIGHT_M) -> Array:
    """Weights, shape (n,), of the n rings between n + 1 ascending edges that begin at zero.

    They sum to one: the outermost ring stands for all that lies beyond it too.
    """
    edges = np.asarray(ring_edges_m, float)
    if edges.ndim != 1 or edges.size < 2 or edges[0] != 0.0 or np.any(np.diff(edges) <= 0.0):
        raise ValueError("ring_edges_m must ascend from zero and hold at least two edges.")
    within = response_within(edges, height_m)
    within[-1] = 1.0
    return np.diff(within)


def equal_response_radii(count: int, height_m: float = DETECTOR_HEIGHT_M) -> Array:
    """Median radii (m), shape (count,), of rings that carry 1 / count of the response each."""
    if count < 1:
        raise ValueError("count must be at least one ring.")
    return radius_of_response((np.arange(count) + 0.5) / count, height_m)


def disc_fraction(
    distance_m: ArrayLike,
    disc_radius_m: ArrayLike,
    height_m: float = DETECTOR_HEIGHT_M,
) -> Array:
    """Fraction of the response from a disc whose centre is at a horizontal distance; broadcasts.

    The area integral becomes one along the rim (Green's theorem), whose integrand is smooth
    and periodic, so equal steps converge exponentially: error below 1e-4.
    """
    _positive(height_m, "height_m")
    distance = _not_negative(distance_m, "distance_m") / height_m
    radius = _not_negative(disc_radius_m, "disc_radius_m") / height_m
    distance, radius = np.broadcast_arrays(distance, radius)
    # The integrand varies over an angle of height / radius where the rim passes the detector.
    steps = 12 + int(np.ceil(5.0 * np.max(radius, initial=0.0)))
    total = np.zeros(distance.shape)
    for cosine in np.cos(np.pi * (np.arange(steps) + 0.5) / steps):
        slant_2 = 1.0 + distance**2 + radius**2 + 2.0 * distance * radius * cosine
        slant = np.sqrt(slant_2)
        # response_within / r^2 in a form that stays exact as r goes to zero
        per_area = 1.0 / (slant * (1.0 + slant)) + _LIMB / slant_2
        total += per_area * (radius**2 + distance * radius * cosine)
    return total / (steps * (1.0 + _LIMB))


class DiscFractionTable:
    """`disc_fraction` tabulated for fast lookup, for a range of radii and all distances.

    Rows are radii 3 % apart, columns the distance outside the rim, in which the response hardly
    depends on the radius: the nearest entry is within 0.01 of the truth, without bias.
    """

    def __init__(
        self,
        radius_min_m: float,
        radius_max_m: float,
        max_distance_m: float,
        height_m: float = DETECTOR_HEIGHT_M,
        step_m: float = 0.02,
    ) -> None:
        """Tabulate; beyond the greatest distance (m) the response there is returned."""
        rows = 1 + int(np.ceil(np.log(radius_max_m / radius_min_m) / 0.03))
        radius = np.geomspace(radius_min_m, radius_max_m, rows)
        self._first_radius_m, self._last_row = radius_min_m, rows - 1
        self._per_log_radius = (rows - 1) / max(np.log(radius_max_m / radius_min_m), 1e-12)
        self._per_m, self._outermost_m = 1.0 / step_m, radius_max_m
        outside = np.arange(-radius_max_m, max_distance_m, step_m)
        self._values = np.empty((rows, outside.size), np.float32)
        # All structure lies within a few heights of the rim: nodes are dense there.
        reach = np.arcsinh((max_distance_m + 2.0 * radius_max_m) / height_m)
        offset = height_m * np.sinh(np.linspace(-reach, reach, 121))
        nodes = np.maximum(radius[:, None] + offset, 0.0)
        fractions = disc_fraction(nodes, radius[:, None], height_m)
        for row, (node, fraction) in enumerate(zip(nodes, fractions, strict=True)):
            first = np.count_nonzero(node == 0.0) - 1  # one node at zero distance is enough
            curve = PchipInterpolator(node[first:], fraction[first:])
            self._values[row] = curve(np.maximum(radius[row] + outside, 0.0))

    def __call__(
        self, distance_m: NDArray[np.floating], radius_m: Array | float
    ) -> NDArray[np.float32]:
        """Fractions for distances and radii, which broadcast; radii are cut to the range."""
        radius = np.maximum(np.asarray(radius_m, float), self._first_radius_m)
        row = np.log(radius / self._first_radius_m) * self._per_log_radius + 0.5
        row = np.minimum(row.astype(np.int32), self._last_row)
        # float32 as the table: a third of the time, and 1e-5 m is ample
        rim = ((self._outermost_m - radius) * self._per_m + 0.5).astype(np.float32)
        column = (distance_m * np.float32(self._per_m) + rim).astype(np.int32)
        np.minimum(column, self._values.shape[1] - 1, out=column)
        return self._values[row, column]


# --- Counting ------------------------------------------------------------------------------


def tube_gain(
    tube_temperature_k: ArrayLike,
    reference_temperature_k: float = REFERENCE_TEMPERATURE_K,
    coefficient_per_k: float = TEMPERATURE_COEFFICIENT_PER_K,
) -> Array:
    """Counting efficiency over that at the reference temperature (-0.1 %/K, assumed).

    Rates fall as the tube warms, as in the Lunar Prospector data.
    """
    temperature = np.asarray(tube_temperature_k, float)
    return 1.0 + coefficient_per_k * (temperature - reference_temperature_k)


def expected_counts(
    ratio: ArrayLike,
    dry_rate_cps: ArrayLike,
    background_cps: ArrayLike,
    duration_s: ArrayLike,
    gain: ArrayLike = 1.0,
    dead_time_s: float = DEAD_TIME_S,
) -> Array:
    """Expected counts of a tube with non-paralysable dead time; arguments broadcast.

    n / (1 + n tau) of the true rate n (Knoll, Radiation Detection and Measurement, ch. 4).
    """
    rate = np.asarray(gain, float) * (
        np.asarray(dry_rate_cps, float) * _not_negative(ratio, "ratio")
        + np.asarray(background_cps, float)
    )
    return rate * _not_negative(duration_s, "duration_s") / (1.0 + rate * dead_time_s)


def live_time(counts: ArrayLike, duration_s: ArrayLike, dead_time_s: float = DEAD_TIME_S) -> Array:
    """Time (s) in which the tube could count: the duration less one dead time a count."""
    return np.asarray(duration_s, float) - np.asarray(counts, float) * dead_time_s


def draw_counts(rng: np.random.Generator, expected: ArrayLike) -> NDArray[np.uint32]:
    """Counts drawn from Poisson's law about the expected number.

    Dead time narrows the law by rate times dead time (3e-4 at 30 cps), which is left out.
    """
    return rng.poisson(np.asarray(expected, float)).astype(np.uint32)


# --- What is known before landing ------------------------------------------------------------


@dataclass(frozen=True)
class NeutronPrior:
    """Knowledge before landing; every value is assumed and every sigma is relative."""

    k_e: float = K_E
    k_e_sigma: float = 0.05
    lambda_e_g_cm2: float = LAMBDA_E_G_CM2
    lambda_e_sigma: float = 0.10
    thermal_amplitude: float = THERMAL_AMPLITUDE
    thermal_amplitude_sigma: float = 0.10
    form_sigma: float = 0.10
    """Of the closed form of the epithermal ratio, relative to what hydrogen does to it."""
    epithermal_dry_rate_cps: float = 20.0
    thermal_dry_rate_cps: float = 30.0
    dry_rate_sigma: float = 0.10
    """Cosmic rays over the solar cycle, common to both channels."""
    background_cps: float = 1.0
    background_sigma: float = 0.10


@dataclass(frozen=True)
class NeutronConstants:
    """What nature and the tubes are in one world; retrievals never see it."""

    k_e: float
    lambda_e_g_cm2: float
    thermal_amplitude: float
    epithermal_dry_rate_cps: float
    thermal_dry_rate_cps: float
    epithermal_background_cps: float
    thermal_background_cps: float


def draw_constants(rng: np.random.Generator, prior: NeutronPrior | None = None) -> NeutronConstants:
    """One world's constants from the prior, normal and cut at 4 sigma, positive."""
    prior = prior or NeutronPrior()

    def factor(sigma: float) -> float:
        return max(1.0 + sigma * float(np.clip(rng.standard_normal(), -4.0, 4.0)), 0.05)

    cosmic_rays = factor(prior.dry_rate_sigma)
    return NeutronConstants(
        k_e=prior.k_e * factor(prior.k_e_sigma),
        lambda_e_g_cm2=prior.lambda_e_g_cm2 * factor(prior.lambda_e_sigma),
        thermal_amplitude=prior.thermal_amplitude * factor(prior.thermal_amplitude_sigma),
        epithermal_dry_rate_cps=prior.epithermal_dry_rate_cps * cosmic_rays,
        thermal_dry_rate_cps=prior.thermal_dry_rate_cps * cosmic_rays,
        epithermal_background_cps=prior.background_cps * factor(prior.background_sigma),
        thermal_background_cps=prior.background_cps * factor(prior.background_sigma),
    )


def _not_negative(value: ArrayLike, name: str) -> Array:
    array = np.asarray(value, float)
    if np.any(~(array >= 0.0)):
        raise ValueError(f"{name} must be zero or more and not NaN.")
    return array


def _positive(value: float, name: str) -> None:
    if not value > 0.0:
        raise ValueError(f"{name} must be above zero, not {value}.")
