# SPDX-License-Identifier: Apache-2.0
"""Raw record of the neutron spectrometer, what is assumed of it, its sums along the track."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lupex_nodes.models.neutron import (
    DETECTOR_HEIGHT_M,
    REFERENCE_TEMPERATURE_K,
    TEMPERATURE_COEFFICIENT_PER_K,
    TOPOGRAPHY_LENGTH_M,
    TOPOGRAPHY_SIGMA,
    Array,
    NeutronPrior,
    tube_gain,
)
from lupex_nodes.models.neutron_pulse_height import NOT_NEUTRONS, PARTICLES, counted_share

RAW_DTYPE = np.dtype(
    [
        ("time_s", "f8"),
        ("x_m", "f4"),
        ("y_m", "f4"),
        ("epithermal_counts", "u4"),
        ("thermal_counts", "u4"),
        ("live_time_s", "f4"),
        ("tube_temperature_k", "f4"),
        ("segment", "u1"),
        ("pulse_gain", "f4"),
        ("quality", "u1"),
    ]
)
STANDING, SURVEY = 0, 1
UNKNOWN_SIGMA = 100.0
"""Error of a ratio of 1 that says nothing, such as of a dead tube."""
CONTAMINATED = NOT_NEUTRONS | PARTICLES
"""Rows whose quality has one of these bits are left out."""


@dataclass(frozen=True)
class RetrievalParameters:
    """What the on-board product assumes; all defaults are assumed values."""

    prior: NeutronPrior = field(default_factory=NeutronPrior)
    detector_height_m: float = DETECTOR_HEIGHT_M
    reference_temperature_k: float = REFERENCE_TEMPERATURE_K
    temperature_coefficient_per_k: float = TEMPERATURE_COEFFICIENT_PER_K
    temperature_coefficient_sigma_per_k: float = 1e-4
    dry_rate_stability_sigma: float = 0.003
    """Relative change of the dry rate from the standing place to the survey, 1 sigma."""
    topography_sigma: float = TOPOGRAPHY_SIGMA
    topography_length_m: float = TOPOGRAPHY_LENGTH_M
    radius_min_m: float = 4.0
    radius_max_m: float = 40.0
    """The radius has a log-uniform prior between these."""
    deviance_threshold: float = 19.4
    reduced_chi_square_limit: float = 3.0
    limit_radius_m: float = 10.0
    """Radius of the patch that the upper limit speaks of when nothing is detected."""
    navigation_sigma_m: float = 0.3
    bin_duration_s: float = 15.0
    reference_water_wt_percent: tuple[float, ...] = (0.1, 0.5, 1.0)
    """Levels of apparent water for which the product states a probability."""
    claim_probability: float = 0.99
    """A deposit is claimed when the apparent water is so probably above the first level."""
    cell_m: float = 2.0
    """Length of a cell of the profile along the track."""
    window_m: float = 6.0
    """The profile's ratios are those of so much track about a cell."""


class Channel(NamedTuple):
    """Counts of one tube: in the bins of the track (n,) and, as weighted, while standing."""

    counts: Array
    standing_counts: float
    standing_exposure_s: float

    def dry_rate(self, exposure_s: Array) -> float:
        """Rate with background (cps), were there no deposit at all."""
        counts = max(self.counts.sum() + self.standing_counts, 1.0)
        return float(counts / (exposure_s.sum() + self.standing_exposure_s))


class Survey(NamedTuple):
    """Bins along the track: map position (n, 2), exposure at the reference gain (n,)."""

    position_m: Array
    exposure_s: Array
    epithermal: Channel
    thermal: Channel


def exposure(raw: NDArray[np.void], parameters: RetrievalParameters) -> Array:
    """Live time (s), shape (n,), that tubes of reference temperature and gain would have needed.

    A pulse gain of zero or NaN is not known yet and taken as the nominal one.
    """
    warmth = tube_gain(
        raw["tube_temperature_k"],
        parameters.reference_temperature_k,
        parameters.temperature_coefficient_per_k,
    )
    height, row = np.unique(raw["pulse_gain"], return_inverse=True)
    known = np.where(np.isfinite(height) & (height > 0.0), height, 1.0)
    return raw["live_time_s"] * warmth * (counted_share(known) / counted_share(1.0))[row]


class Rows(NamedTuple):
    """Live rows of one record, standing and along the track, with their exposures (s)."""

    standing: NDArray[np.void]
    standing_exposure_s: Array
    track: NDArray[np.void]
    exposure_s: Array

    def periods(self, duration_s: float) -> NDArray[np.int64]:
        """Number of the period that each row of the track lies in."""
        return np.floor(self.track["time_s"] / duration_s).astype(np.int64)

    def of_track(self, chosen: NDArray) -> Rows:
        """Keep the chosen rows of the track alone."""
        return self._replace(track=self.track[chosen], exposure_s=self.exposure_s[chosen])


def live_rows(raw: NDArray[np.void], parameters: RetrievalParameters) -> Rows:
    """Take the rows in which neutrons were counted; ValueError says what the record lacks."""
    missing = [name for name in RAW_DTYPE.names or () if name not in (raw.dtype.names or ())]
    if missing:
        raise ValueError(f"the neutron record lacks {', '.join(missing)}; give it RAW_DTYPE.")
    exposure_s = exposure(raw, parameters)
    sound = (exposure_s > 0.0) & (raw["quality"] & CONTAMINATED == 0)
    standing = sound & (raw["segment"] == STANDING)
    track = sound & (raw["segment"] == SURVEY)
    track &= np.isfinite(raw["x_m"]) & np.isfinite(raw["y_m"])
    if not standing.any():
        raise ValueError("the neutron record has no live rows of segment 0; stand on dry ground.")
    if not track.any():
        raise ValueError("the neutron record has no live rows of segment 1; drive a survey.")
    rows = Rows(raw[standing], exposure_s[standing], raw[track], exposure_s[track])
    counts = np.sum(rows.standing["epithermal_counts"])
    if counts <= parameters.prior.background_cps * rows.standing_exposure_s.sum():
        raise ValueError(
            "the epithermal tube counted no more than its background while standing; check it."
        )
    return rows


def binned(rows: Rows, period: NDArray[np.integer], parameters: RetrievalParameters) -> Survey:
    """Sum the rows of the track as long as their period, shape (n,), stays the same."""
    still, track, seconds = rows.standing, rows.track, float(rows.standing_exposure_s.sum())
    warming = float(np.mean(track["tube_temperature_k"]) - np.mean(still["tube_temperature_k"]))
    unlike = np.hypot(
        parameters.dry_rate_stability_sigma,
        parameters.temperature_coefficient_sigma_per_k * warming,
    )
    start = np.flatnonzero(np.r_[True, np.diff(period) != 0])

    def summed(values: NDArray) -> Array:
        return np.add.reduceat(values.astype(float), start)

    def channel(name: str) -> Channel:
        # The standing is known to Poisson's law and to how well its ground and tube resemble
        # those of the survey: it weighs as if it had been that much shorter.
        counts = float(still[name].sum(dtype=float))
        weight = 1.0 / (1.0 + unlike**2 * counts)
        return Channel(summed(track[name]), counts * weight, seconds * weight)

    live = summed(rows.exposure_s)
    position = [summed(track[name] * rows.exposure_s) / live for name in ("x_m", "y_m")]
    return Survey(
        np.column_stack(position), live, channel("epithermal_counts"), channel("thermal_counts")
    )
