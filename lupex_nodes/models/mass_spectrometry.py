# SPDX-License-Identifier: Apache-2.0
"""Mass spectra of an ion trap behind a hot filament, such as Ptolemy's and PITMS's.

Fragments of electron impact at 70 eV are those of the NIST mass spectra, relative to the base peak;
CO2++ and Ar++ as in residual-gas analysers. Sensitivities are those of ionisation gauges relative
to nitrogen and mean all ions of a gas (Summers 1969, NASA TN D-5285; Bartmess and Georgiadis 1983,
Vacuum 33, 149), good to about 15 %. A trap of this size resolves whole masses: a peak is a
Gaussian, the same for all. What a trap counts in a second per Pa is assumed, chosen so that it
detects some 1e-11 Pa in ten minutes.
Species in the order of `exosphere.SPECIES`; masses in u (per charge), pressures in Pa.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lupex_nodes.models.exosphere import SPECIES

Array = NDArray[np.float64]

#: Exact mass over charge and intensity of each fragment, %.
FRAGMENTS: dict[str, tuple[tuple[float, float], ...]] = {
    "h2": ((2.0157, 100.0), (1.0078, 2.0)),
    "he": ((4.0026, 100.0),),
    "ch4": ((16.0313, 100.0), (15.0235, 86.0), (14.0157, 16.0), (13.0078, 8.0), (12.0, 3.0)),
    "nh3": ((17.0265, 100.0), (16.0187, 80.0), (15.0109, 8.0)),
    "h2o": ((18.0106, 100.0), (17.0027, 21.0), (15.9949, 1.0), (19.0184, 0.5), (20.0148, 0.3)),
    "ne": ((19.9924, 100.0), (21.9914, 10.0)),
    "n2": ((28.0061, 100.0), (14.0031, 7.0), (29.0032, 0.8)),
    "co": ((27.9949, 100.0), (12.0, 5.0), (15.9949, 2.0), (13.9975, 1.0)),
    "c2h4": ((28.0313, 100.0), (27.0235, 62.0), (26.0157, 53.0), (25.0078, 8.0)),
    "no": ((29.9980, 100.0), (14.0031, 7.5), (15.9949, 1.5), (14.9990, 2.4)),
    "o2": ((31.9898, 100.0), (15.9949, 11.0)),
    "ch3oh": ((31.0184, 100.0), (32.0262, 67.0), (29.0027, 65.0), (15.0235, 13.0)),
    "h2s": ((33.9877, 100.0), (31.9721, 44.0), (32.9799, 42.0)),
    "ar": ((39.9624, 100.0), (19.9812, 15.0), (35.9675, 0.3)),
    "co2": ((43.9898, 100.0), (27.9949, 10.0), (15.9949, 9.0), (12.0, 8.0), (21.9949, 2.0),
            (44.9932, 1.2)),
    "so2": ((63.9619, 100.0), (47.9670, 50.0), (31.9721, 10.0), (65.9577, 5.0)),
}  # fmt: skip
GAUGE_SENSITIVITY = {
    "h2": 0.45, "he": 0.18, "ch4": 1.6, "nh3": 1.2, "h2o": 1.1, "ne": 0.3, "n2": 1.0, "co": 1.05,
    "c2h4": 2.2, "no": 1.15, "o2": 1.0, "ch3oh": 1.85, "h2s": 2.2, "ar": 1.3, "co2": 1.4,
    "so2": 2.1,
}  # fmt: skip

COUNTS_PER_PA_S = 1e9
POINTS_PER_U = 5
SPACE_CHARGE_PA = 1e-4
SPACE_CHARGE_U = 0.3
DRIFT_U_PER_K = 0.002
REFERENCE_K = 290.0

SENSITIVITY = np.array([GAUGE_SENSITIVITY[name] for name in SPECIES])
PEAK_SPECIES = np.array([i for i, name in enumerate(SPECIES) for _ in FRAGMENTS[name]])
PEAK_MASS_U = np.array([mass for name in SPECIES for mass, _ in FRAGMENTS[name]])
_INTENSITY = np.array([each for name in SPECIES for _, each in FRAGMENTS[name]])
_ALL_FRAGMENTS = np.bincount(PEAK_SPECIES, _INTENSITY)
#: Ions in each peak per molecule's share of the gauge, all of N2's being 1.
PEAK_SHARE = _INTENSITY / _ALL_FRAGMENTS[PEAK_SPECIES] * SENSITIVITY[PEAK_SPECIES]
BASE_PEAK = np.array([intensity == 100.0 for intensity in _INTENSITY])
_FWHM_SIGMAS = 2.0 * np.sqrt(2.0 * np.log(2.0))
_REACH_SIGMAS = 10.0
_BOTH_SIDES = np.array([[-1.0], [1.0]])


@dataclass(frozen=True)
class IonTrap:
    """What is known of the instrument: range of whole masses, width of a peak, counts."""

    first_mass_u: int = 10
    last_mass_u: int = 150
    fwhm_u: float = 0.8
    counts_per_pa_s: float = COUNTS_PER_PA_S
    background_per_u_s: float = 0.02

    def __post_init__(self) -> None:
        if self.last_mass_u <= self.first_mass_u:
            raise ValueError("the range of masses is empty: raise last_mass_u above first_mass_u")

    @property
    def whole_masses_u(self) -> Array:
        """The whole masses of the range, shape (masses,)."""
        return np.arange(self.first_mass_u, self.last_mass_u + 1.0)

    @property
    def masses_u(self) -> Array:
        """Where a spectrum is counted, shape (points,): evenly around each whole mass."""
        within = (np.arange(POINTS_PER_U) + 0.5) / POINTS_PER_U - 0.5
        return np.asarray((self.whole_masses_u[:, None] + within).ravel())


@dataclass(frozen=True)
class InstrumentPrior:
    """How one instrument differs from the table, 1 sigma; relative, of the logarithm.

    The spreads of sensitivities and fragments are those of gauges and of instruments; the rest is
    assumed.
    """

    sensitivity_sigma: float = 0.15
    fragment_sigma: float = 0.05
    fwhm_sigma: float = 0.03
    background_sigma: float = 0.3
    gauge_sigma: float = 0.1
    drift_sigma: float = 0.3


@dataclass(frozen=True)
class Instrument:
    """One instrument: ions of each peak (peaks,) over N2's all, width, background, drift, gauge."""

    peak_share: Array
    fwhm_u: float
    background_per_u_s: float
    drift_u_per_k: float
    gauge_factor: float


def draw_instrument(
    rng: np.random.Generator, trap: IonTrap, prior: InstrumentPrior | None = None
) -> Instrument:
    """Draw an instrument; a base peak keeps its part, so that pressure is told by it."""
    prior = prior or InstrumentPrior()

    def factor(sigma: float, shape: tuple[int, ...] = ()) -> Array:
        return np.exp(sigma * rng.standard_normal(shape))

    sensitivity = factor(prior.sensitivity_sigma, (len(SPECIES),))[PEAK_SPECIES]
    fragments = factor(prior.fragment_sigma, PEAK_SHARE.shape)
    fragments[BASE_PEAK] = 1.0
    return Instrument(
        PEAK_SHARE * sensitivity * fragments,
        trap.fwhm_u * float(factor(prior.fwhm_sigma)),
        trap.background_per_u_s * float(factor(prior.background_sigma)),
        DRIFT_U_PER_K * (1.0 + prior.drift_sigma * float(rng.standard_normal())),
        float(factor(prior.gauge_sigma)),
    )


def peak_shapes(masses_u: Array, shift_u: float, fwhm_u: float) -> Array:
    """Return what each point takes of each peak of `PEAK_MASS_U`, shape (points, peaks).

    Points ascend. A column sums to 1 over points without end; beyond 10 sigma, where a peak has
    2e-22 of its height, it is 0.
    """
    sigma_u = fwhm_u / _FWHM_SIGMAS
    step = 1.0 / (POINTS_PER_U * sigma_u * np.sqrt(2.0 * np.pi))
    centre_u = PEAK_MASS_U + shift_u
    first, last = np.searchsorted(masses_u, centre_u + _REACH_SIGMAS * sigma_u * _BOTH_SIDES)
    count = last - first
    peak = np.repeat(np.arange(centre_u.size), count)
    point = np.arange(peak.size) + np.repeat(last - np.cumsum(count), count)
    away = (masses_u[point] - centre_u[peak]) / sigma_u
    shapes = np.zeros((masses_u.size, centre_u.size))
    shapes[point, peak] = step * np.exp(-0.5 * away**2)
    return shapes


def expected_counts(
    trap: IonTrap, instrument: Instrument, dose_pa_s: Array, duration_s: float, shift_u: float
) -> Array:
    """Return the mean counts of a spectrum, shape (points,).

    ``dose_pa_s`` (species,): pressure times emission over its nominal value, over the duration.
    """
    ions = trap.counts_per_pa_s * instrument.peak_share * dose_pa_s[PEAK_SPECIES]
    background = instrument.background_per_u_s * duration_s / POINTS_PER_U
    return peak_shapes(trap.masses_u, shift_u, instrument.fwhm_u) @ ions + background


def mass_shift_u(instrument: Instrument, trap_k: float, total_pa: float) -> float:
    """Return by how much peaks lie too high: by temperature, and by space charge above 1e-4 Pa."""
    crowded = min(max(total_pa / SPACE_CHARGE_PA - 1.0, 0.0), 10.0)
    return instrument.drift_u_per_k * (trap_k - REFERENCE_K) + SPACE_CHARGE_U * crowded


def gauge_pressure_pa(pressures_pa: ArrayLike) -> float:
    """Return what a gauge calibrated with nitrogen says of a mixture, shape (species,)."""
    return float(SENSITIVITY @ np.asarray(pressures_pa, float))
