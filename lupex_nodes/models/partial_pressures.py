# SPDX-License-Identifier: Apache-2.0
"""Partial pressures from mass spectra: what each gas is, with errors, limits and what is not known.

Spectra are co-added, their points summed to whole masses, so that nothing is read from where within
a peak its centroid lies. Pressures and background are the least squares without negative values
(Lawson and Hanson) under a covariance of counting noise, 5 % on every fragment, mass scale and peak
width, made again from the fit a few times. Errors are those of the linear problem with every gas
free, and of the sensitivities. Gases whose errors are strongly opposed (correlation below -0.7)
are merged into a group, the worst pair first, until no two groups are: only a group's sum is
claimed. The native part of a gas is at least what the prior of the rover's and the lander's
outgassing leaves; within so far of the lander nothing is claimed as native.

The fit knows tables and priors of `mass_spectrometry` and `exosphere`, and no drawn constant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntFlag
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky
from scipy.linalg.blas import dtrsm
from scipy.optimize import nnls
from scipy.special import ndtr, ndtri

from lupex_nodes.models.exosphere import (
    SPECIES,
    Outgassing,
    OutgassingPrior,
    contamination_pa,
    draw_outgassing,
)
from lupex_nodes.models.mass_spectrometry import (
    BASE_PEAK,
    DRIFT_U_PER_K,
    PEAK_MASS_U,
    PEAK_SHARE,
    PEAK_SPECIES,
    POINTS_PER_U,
    REFERENCE_K,
    SENSITIVITY,
    InstrumentPrior,
    IonTrap,
    peak_shapes,
)

Array = NDArray[np.float64]

DARK, OPEN = 0, 1  # segments of the raw record: beam off, gas measured
_UNIT_PA = 1e-10  # the fit works in these
_ROUNDS = 6
_PRIOR_DRAWS = 400
_SHIFT_SIGMA_U = 0.02  # that temperature leaves open, and that other mass defects add
_BEYOND_CHANCE = 25.0  # of chi-square, five sigma
_95 = 1.6448536269514722
_95_TWO_SIDED = 1.959963984540054


class Flag(IntFlag):
    """What is to be known of a gas's row."""

    DETECTED = 1
    CONTAMINATED = 2
    UNRESOLVED = 4
    SPACE_CHARGE = 8
    MASS_SCALE = 16
    WEAK_EMISSION = 32
    POOR_FIT = 64


@dataclass(frozen=True)
class RetrievalParameters:
    """What the product knows and when it claims."""

    trap: IonTrap = field(default_factory=IonTrap)
    instrument: InstrumentPrior = field(default_factory=InstrumentPrior)
    outgassing: OutgassingPrior = field(default_factory=OutgassingPrior)
    detection_sigma: float = 3.5
    opposed: float = -0.7
    lander_radius_m: float = 100.0
    mass_scale_u: float = 0.15
    emission_ratio: float = 0.8
    space_charge_pa: float = 1e-4
    reduced_chi_square: float = 2.0


@dataclass(frozen=True)
class Gas:
    """One gas of the product; ``group`` 0 is no group; limits enclose 95 %."""

    species: int
    pressure_pa: float
    sigma_pa: float
    lower_pa: float
    upper_pa: float
    native_lower_pa: float
    native_upper_pa: float
    group: int
    group_pressure_pa: float
    group_sigma_pa: float
    flags: int


@dataclass(frozen=True)
class Product:
    """All gases within the range, in the order of `SPECIES`, and how the fit went."""

    gases: tuple[Gas, ...]
    total_pressure_pa: float
    gauge_ratio: float
    mass_offset_u: float
    background_per_u_s: float
    reduced_chi_square: float
    exposure_s: float
    since_touchdown_h: float
    lander_distance_m: float


@dataclass(frozen=True)
class _Fit:
    """Pressures (gases,) in `_UNIT_PA`: the best without negative ones, the free ones."""

    best: Array
    free: Array
    covariance: Array
    background: float
    reduced_chi_square: float


def product(
    counts: NDArray[np.integer], conditions: NDArray, parameters: RetrievalParameters | None = None
) -> Product:
    """Make the product of raw spectra (n, points) and their conditions (n,), all co-added.

    Rows of segment `OPEN` are the measurement, `DARK` those of the background. Conditions have the
    columns of the unit's record. Raises ValueError without a spectrum to use.
    """
    p = parameters or RetrievalParameters()
    if counts.ndim != 2 or counts.shape != (len(conditions), p.trap.masses_u.size):
        raise ValueError(
            f"spectra of shape {counts.shape} do not fit {len(conditions)} conditions and "
            f"{p.trap.masses_u.size} points: give one spectrum a row"
        )
    measured = conditions["segment"] == OPEN
    rows = conditions[measured]
    duration_s = float(rows["duration_s"].sum())
    dose_s = float((rows["duration_s"] * rows["emission_ratio"]).sum())
    if dose_s <= 0.0:
        raise ValueError("no spectrum was taken with the filament on")
    spectrum = counts[measured].sum(axis=0)
    temperature_k = float(np.average(rows["trap_temperature_k"], weights=rows["duration_s"]))
    shift_u, shift_sigma_u = _mass_offset(spectrum, temperature_k, p)
    dark = conditions["segment"] == DARK
    dark_counts = float(counts[dark].sum()), float(conditions["duration_s"][dark].sum())
    masses = spectrum.reshape(-1, POINTS_PER_U).sum(axis=1).astype(float)
    fit = _fit(masses, dose_s, duration_s, (shift_u, shift_sigma_u), dark_counts, p)

    gauge_pa = float(np.average(rows["total_pressure_pa"], weights=rows["duration_s"]))
    seen = np.zeros(len(SPECIES))
    seen[list(_measurable(p.trap))] = fit.best * _UNIT_PA
    general = Flag(0)
    if np.max(rows["total_pressure_pa"]) > p.space_charge_pa:
        general |= Flag.SPACE_CHARGE
    if abs(shift_u) > p.mass_scale_u:
        general |= Flag.MASS_SCALE
    if np.min(rows["emission_ratio"]) < p.emission_ratio:
        general |= Flag.WEAK_EMISSION
    if fit.reduced_chi_square > p.reduced_chi_square:
        general |= Flag.POOR_FIT
    hours = float(rows["since_touchdown_h"].mean())
    distance_m = float(np.hypot(rows["x_m"], rows["y_m"]).min())
    return Product(
        _gases(fit, hours, distance_m, general, p),
        gauge_pa,
        float(SENSITIVITY @ seen) / gauge_pa if gauge_pa > 0.0 else 0.0,
        shift_u,
        fit.background,
        fit.reduced_chi_square,
        duration_s,
        hours,
        distance_m,
    )


@lru_cache(maxsize=8)
def _measurable(trap: IonTrap) -> tuple[int, ...]:
    """Return the gases whose base peak is within the range."""
    whole = np.round(PEAK_MASS_U[BASE_PEAK])
    within = (whole >= trap.first_mass_u) & (whole <= trap.last_mass_u)
    return tuple(PEAK_SPECIES[BASE_PEAK][within].tolist())


def _mass_offset(
    spectrum: NDArray[np.integer], temperature_k: float, p: RetrievalParameters
) -> tuple[float, float]:
    """Return how much too high all peaks lie (u, within +-0.6) and its error.

    About what the temperature makes likely, from the curvature of the misfit; anywhere, when that
    is better by more than chance.
    """
    drift_u = DRIFT_U_PER_K * (temperature_k - REFERENCE_K)
    prior_u = math.hypot(_SHIFT_SIGMA_U, p.instrument.drift_sigma * drift_u)
    misfit = _Misfit(spectrum, p.trap)
    offset_u, error_u = misfit.lowest(drift_u)
    if abs(offset_u - drift_u) > 3.0 * prior_u or misfit.reduced(drift_u) > 1.5:
        best_u = min(np.linspace(-0.6, 0.6, 13).tolist(), key=misfit.at)
        if misfit.at(drift_u) - misfit.at(best_u) > _BEYOND_CHANCE:
            offset_u, error_u = misfit.lowest(best_u)
        if abs(offset_u - drift_u) > 4.0 * math.hypot(prior_u, error_u):
            return offset_u, error_u  # something has gone wrong: believe the peaks
    weight = prior_u**2 / (prior_u**2 + error_u**2)
    told_u = drift_u + weight * (offset_u - drift_u)
    return told_u, prior_u * math.sqrt(1.0 - weight)


class _Misfit:
    """Chi-square of all points against peaks of the table by where the mass scale lies."""

    def __init__(self, spectrum: NDArray[np.integer], trap: IonTrap) -> None:
        near = np.repeat(_near(trap), POINTS_PER_U)
        self._points, self._trap = trap.masses_u[near], trap
        smooth = np.convolve(spectrum, np.full(POINTS_PER_U, 1.0 / POINTS_PER_U), "same")[near]
        self._weight = 1.0 / np.sqrt(np.maximum(smooth, 1.0))
        self._data = spectrum[near] * self._weight
        self._first = np.flatnonzero(np.diff(PEAK_SPECIES, prepend=-1))
        self._known: dict[float, float] = {}

    def at(self, shift_u: float) -> float:
        """Return chi-square with all peaks so much higher."""
        if shift_u not in self._known:
            peaks = peak_shapes(self._points, shift_u, self._trap.fwhm_u) * PEAK_SHARE
            gases = np.add.reduceat(peaks, self._first, axis=1)[:, list(_measurable(self._trap))]
            design = np.column_stack([gases, np.ones(len(gases))]) * self._weight[:, None]
            self._known[shift_u] = nnls(design, self._data)[1] ** 2
        return self._known[shift_u]

    def reduced(self, shift_u: float) -> float:
        """Return chi-square over the number of points."""
        return self.at(shift_u) / self._data.size

    def lowest(self, near_u: float) -> tuple[float, float]:
        """Return where the parabola through three points is lowest, at most 0.1 u off; its error.

        Mass defects of gases that lie together leave a hundredth open.
        """
        step = 0.05
        low, middle, high = (self.at(near_u + k * step) for k in (-1, 0, 1))
        bend = (low - 2.0 * middle + high) / step**2
        if bend <= 0.0:
            return near_u, math.inf
        offset_u = near_u + min(max(0.5 * (low - high) / step / bend, -2.0 * step), 2.0 * step)
        return offset_u, math.hypot(math.sqrt(2.0 / bend), 0.01)


@lru_cache(maxsize=8)
def _near(trap: IonTrap) -> NDArray[np.bool_]:
    """Return which whole masses lie within 2 u of a peak; all others have background alone."""
    away = np.abs(trap.whole_masses_u[:, None] - np.round(PEAK_MASS_U))
    return np.asarray((away <= 2.0).any(axis=1))


def _summed(trap: IonTrap, shift_u: float, fwhm_u: float) -> Array:
    """Return what each whole mass near a peak takes of each peak, shape (near, peaks)."""
    points = trap.masses_u[np.repeat(_near(trap), POINTS_PER_U)]
    shapes = peak_shapes(points, shift_u, fwhm_u)
    return shapes.reshape(-1, POINTS_PER_U, shapes.shape[1]).sum(axis=1)


def _fit(
    masses: Array,
    dose_s: float,
    duration_s: float,
    shift: tuple[float, float],
    dark: tuple[float, float],
    p: RetrievalParameters,
) -> _Fit:
    """Fit the counts of each whole mass, shape (masses,); shift and its error; dark counts, s."""
    trap, prior = p.trap, p.instrument
    shift_u, shift_sigma_u = shift
    gases = _measurable(trap)
    per_pressure = trap.counts_per_pa_s * dose_s * _UNIT_PA * PEAK_SHARE
    shapes = _summed(trap, shift_u, trap.fwhm_u)
    by_shift = (_summed(trap, shift_u + 0.01, trap.fwhm_u) - shapes) / 0.01
    by_width = (_summed(trap, shift_u, 1.01 * trap.fwhm_u) - shapes) / 0.01
    member = (PEAK_SPECIES[:, None] == np.array(gases)).astype(float)
    near = _near(trap)
    count = len(shapes)
    # a row a mass near a peak, one of all others, and one of what else tells of the background
    design = np.zeros((count + 2, len(gases) + 1))
    design[:count, :-1] = (shapes * per_pressure) @ member
    design[:count, -1] = duration_s
    design[-2:, -1] = np.count_nonzero(~near) * duration_s, 1.0
    dark_counts, dark_s = dark
    if dark_s > 0.0:
        background = dark_counts / dark_s / masses.size
        background_sigma = math.sqrt(max(dark_counts, 1.0)) / dark_s / masses.size
    else:
        background = trap.background_per_u_s
        background_sigma = prior.background_sigma * background
    data = np.array([*masses[near], masses[~near].sum(), background])
    uncertain = ~BASE_PEAK

    solution = np.zeros(design.shape[1])
    mean = np.maximum(data[:-1], 1.0)
    for _ in range(_ROUNDS):
        ions = per_pressure * (member @ solution[:-1])
        off = shapes[:, uncertain] * (prior.fragment_sigma * ions[uncertain])
        shifted = by_shift @ ions * shift_sigma_u
        wider = by_width @ ions * prior.fwhm_sigma
        noise = np.diag([*mean, background_sigma**2])
        noise[:count, :count] += off @ off.T + np.outer(shifted, shifted) + np.outer(wider, wider)
        root = cholesky(noise, lower=True)
        # as solve_triangular, whose threads cost ten times the whole fit
        white = dtrsm(1.0, root, np.column_stack([design, data]), lower=1)
        solution, misfit = nnls(white[:, :-1], white[:, -1])
        # a mean below one count has no Gaussian noise of its own size
        mean = np.maximum(design[:-1] @ solution, 1.0)
    information = white[:, :-1].T @ white[:, :-1]
    covariance = np.linalg.inv(information)
    free = covariance @ (white[:, :-1].T @ white[:, -1])
    freedom = max(data.size - np.count_nonzero(solution), 1)
    return _Fit(
        solution[:-1],
        free[:-1],
        covariance[:-1, :-1],
        float(solution[-1]),
        misfit**2 / freedom,
    )


def _groups(covariance: Array, opposed: float) -> Array:
    """Return which gas is summed in which group, shape (groups, gases) of 0 and 1."""
    sums = np.eye(len(covariance))
    while len(sums) > 1:
        together = sums @ covariance @ sums.T
        sigma = np.sqrt(np.diag(together))
        correlation = together / np.outer(sigma, sigma)
        first, second = np.unravel_index(np.argmin(correlation), correlation.shape)
        if correlation[first, second] > opposed:
            break
        sums[first] += sums[second]
        sums = np.delete(sums, second, axis=0)
    return sums


def _gases(
    fit: _Fit, hours: float, distance_m: float, general: Flag, p: RetrievalParameters
) -> tuple[Gas, ...]:
    measurable = _measurable(p.trap)
    relative = p.instrument.sensitivity_sigma
    sums = _groups(fit.covariance, p.opposed)
    foreign = contamination_pa(_outgassing(p.outgassing), hours, distance_m, _surges(p.outgassing))
    many = np.quantile(foreign, 0.975, axis=0)
    found: dict[int, Gas] = {}
    numbers = iter(range(1, len(sums) + 1))
    for members in sums:
        inside = np.flatnonzero(members)
        number = next(numbers) if inside.size > 1 else 0
        whole = _Estimate(
            float(members @ fit.best),
            float(members @ fit.free),
            math.sqrt(members @ fit.covariance @ members),
            relative,
        )
        for i in inside:
            species = measurable[i]
            sigma = math.sqrt(fit.covariance[i, i])
            own = _Estimate(float(fit.best[i]), float(fit.free[i]), sigma, relative)
            lower, upper = own.limits(p.detection_sigma)
            # a part is never more than its sum
            upper = min(upper, whole.limits(p.detection_sigma)[1])
            flags = general
            if whole.significance > p.detection_sigma:
                flags |= Flag.DETECTED
            if number:
                flags |= Flag.UNRESOLVED
            lower_pa, upper_pa = lower * _UNIT_PA, upper * _UNIT_PA
            suspected = many[species] > 0.0 and (
                distance_m < p.lander_radius_m or many[species] >= lower_pa
            )
            if flags & Flag.DETECTED and suspected:
                flags |= Flag.CONTAMINATED
            native_lower_pa = max(lower_pa - many[species], 0.0)
            if distance_m < p.lander_radius_m and many[species] > 0.0:
                native_lower_pa = 0.0
            found[species] = Gas(
                species,
                own.mean * _UNIT_PA,
                own.sigma * _UNIT_PA,
                lower_pa,
                upper_pa,
                native_lower_pa,
                upper_pa,  # no least outgassing is relied on
                number,
                whole.mean * _UNIT_PA,
                whole.sigma * _UNIT_PA,
                int(flags),
            )
    return tuple(found[species] for species in sorted(found))


@dataclass(frozen=True)
class _Estimate:
    """A pressure: the best that is not negative, the free one, its error without sensitivity.

    ``relative`` is the spread of the sensitivity's logarithm.
    """

    best: float
    free: float
    fit_sigma: float
    relative: float

    @property
    def significance(self) -> float:
        return self.best / self.fit_sigma

    @property
    def mean(self) -> float:
        """Mean over the sensitivities that the instrument may have, which is not their median's."""
        return self.best * math.exp(0.5 * self.relative**2)

    @property
    def sigma(self) -> float:
        return math.hypot(self.fit_sigma, self.mean * math.sqrt(math.expm1(self.relative**2)))

    def limits(self, detection_sigma: float) -> tuple[float, float]:
        """Return 95 % limits: two-sided when detected, else from 0 to an upper limit.

        The upper limit is that of a Gaussian cut at zero.
        """
        if self.significance > detection_sigma:
            half = _95_TWO_SIDED * self.sigma
            return max(self.mean - half, 0.0), self.mean + half
        at = self.free / self.fit_sigma
        upper = self.free + self.fit_sigma * float(ndtri(1.0 - 0.05 * ndtr(at)))
        upper = max(upper, self.best + _95 * self.fit_sigma)
        return 0.0, self.best + math.hypot(upper - self.best, _95 * self.relative * upper)


@lru_cache(maxsize=4)
def _outgassing(prior: OutgassingPrior) -> Outgassing:
    """Return rovers and landers as the prior has them, always the same."""
    return draw_outgassing(np.random.default_rng(0), prior, (_PRIOR_DRAWS,))


def _surges(prior: OutgassingPrior) -> Array:
    return 1.0 + (prior.surge_factor - 1.0) * (np.arange(_PRIOR_DRAWS) + 0.5) / _PRIOR_DRAWS
