# SPDX-License-Identifier: Apache-2.0
"""Pulse heights of a helium-3 tube: what its counts are made of and how high its pulses are.

A neutron gives n + He-3 -> p (573 keV) + t (191 keV). Both stop in the gas and make the peak of
764 keV, unless one of them hits the wall, which leaves a shelf down to the energy of the other
(Knoll, Radiation Detection and Measurement, ch. 14). No neutron leaves less than 191 keV, so with
the threshold below that edge the counts hardly depend on the gain: 10 % of it move them by less
than 0.1 %. The -0.1 %/K of `neutron.tube_gain` therefore doesn't arise from pulse heights.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from lupex_nodes.models.neutron import Array

PEAK_KEV, PROTON_KEV, TRITON_KEV = 764.0, 573.0, 191.0
CHANNELS = 64
CHANNEL_KEV = 16.0
"""Width of a channel at the nominal gain; the last one holds all that is higher."""
THRESHOLD_KEV = 150.0
"""Lower discriminator, at the nominal gain (assumed)."""
FULL_WIDTH = 0.08
"""Resolution: full width at half maximum over the peak's energy (assumed)."""
TUBE_DIAMETER_CM = 5.7
PROTON_RANGE_CM, TRITON_RANGE_CM = 0.55, 0.19
"""In 10 atm of helium-3 (assumed, from ranges of 5.5 and 1.9 cm at 1 atm)."""
PROTON_AT_WALL = PROTON_RANGE_CM / TUBE_DIAMETER_CM
TRITON_AT_WALL = TRITON_RANGE_CM / TUBE_DIAMETER_CM
"""Share of tracks of range r that leave a convex body of surface S and volume V: S r / (4 V),
which for a long cylinder of diameter D is r / D (Cauchy)."""
HEAVY_ION_OVERFLOW = 0.3
"""Share of heavy ions' pulses that is beyond the last channel (assumed); the rest is flat."""
DISCHARGE_KEV = 30.0
"""Mean height of a discharge above the threshold (assumed)."""
_WINDOW = 0.12

GAIN_OFF, NOT_NEUTRONS, PARTICLES = 1, 2, 4


def counted_share(gain: ArrayLike) -> Array:
    """Share of neutron pulses above the threshold, at a gain over the nominal one."""
    gain = np.asarray(gain, float)
    return 1.0 - _neutrons_below(THRESHOLD_KEV / np.maximum(gain, 1e-3))


def channel_shares(gain: float, neutrons: float, heavy_ions: float, discharge: float) -> Array:
    """Shares, shape (CHANNELS,), of counted pulses by channel for three rates of counting.

    Discharges and heavy ions are what they are at any gain. Zero rates give even shares.
    """
    total = neutrons + heavy_ions + discharge
    edges = np.maximum(np.arange(CHANNELS + 1) * CHANNEL_KEV, THRESHOLD_KEV)
    if not total > 0.0:
        return np.diff(edges) / (edges[-1] - edges[0])
    below = _neutrons_below(np.append(edges[:-1] / max(gain, 1e-3), np.inf))
    neutron = np.diff(below) / max(1.0 - below[0], 1e-12)
    ions = np.diff(edges) / (edges[-1] - edges[0]) * (1.0 - HEAVY_ION_OVERFLOW)
    ions[-1] += HEAVY_ION_OVERFLOW
    sparks = np.diff(1.0 - np.exp(-np.append(edges[:-1] - THRESHOLD_KEV, np.inf) / DISCHARGE_KEV))
    return (neutrons * neutron + heavy_ions * ions + discharge * sparks) / total


class Pulses(NamedTuple):
    """What a spectrum says of its tube."""

    gain: float
    """Height of the peak over the nominal; NaN when there is no peak."""
    gain_sigma: float
    peak_share: float
    """Counts of the peak over all, 1 for neutrons alone."""
    overflow_share: float
    """Counts beyond the last channel over all."""


def pulses(spectrum: NDArray[np.number]) -> Pulses:
    """Find the peak in counts by channel, shape (CHANNELS,)."""
    centre, width, count, total = _peak(np.asarray(spectrum, float))
    if count < 50.0:
        return Pulses(*[float("nan")] * 4)
    nominal, _, share, _ = _nominal()
    return Pulses(
        gain=centre / nominal,
        gain_sigma=width / np.sqrt(count) / nominal,
        peak_share=count / total / share,
        overflow_share=float(spectrum[-1]) / total,
    )


@lru_cache(maxsize=1)
def _nominal() -> tuple[float, float, float, float]:
    return _peak(channel_shares(1.0, 1.0, 0.0, 0.0))


def _peak(spectrum: Array) -> tuple[float, float, float, float]:
    """Centre and width (keV) of the peak, counts in it and in all channels.

    The highest channel by energy deposited is in the peak even when low pulses are more.
    """
    energy = (np.arange(CHANNELS) + 0.5) * CHANNEL_KEV
    total = float(spectrum.sum())
    centre, width, count = float(energy[np.argmax((spectrum * energy)[:-1])]), 0.0, 0.0
    for _ in range(6):
        # channels at the window's ends count by their share of it, so that the centre moves evenly
        low, high = centre * (1.0 - _WINDOW), centre * (1.0 + _WINDOW)
        inside = np.clip((energy - low) / CHANNEL_KEV + 0.5, 0.0, 1.0)
        inside *= np.clip((high - energy) / CHANNEL_KEV + 0.5, 0.0, 1.0)
        inside[-1] = 0.0
        weight = inside * spectrum
        count = float(weight.sum())
        if not count > 0.0:
            break
        centre = float(weight @ energy) / count
        width = float(np.sqrt(weight @ (energy - centre) ** 2 / count))
    return centre, width, count, max(total, 1e-300)


def _neutrons_below(energy_kev: ArrayLike) -> Array:
    """Share of neutron pulses below an energy."""
    energy = np.asarray(energy_kev, float)
    full = 1.0 - PROTON_AT_WALL - TRITON_AT_WALL
    return (
        full * ndtr((energy - PEAK_KEV) / _sigma_kev(PEAK_KEV))
        + PROTON_AT_WALL * _shelf_below(energy, TRITON_KEV)
        + TRITON_AT_WALL * _shelf_below(energy, PROTON_KEV)
    )


def _sigma_kev(energy_kev: float) -> float:
    return FULL_WIDTH / 2.3548 * np.sqrt(PEAK_KEV * energy_kev)


def _shelf_below(energy: Array, edge_kev: float) -> Array:
    """Share below an energy of an even shelf from an edge to the peak, as the tube resolves it."""

    def ramp(edge: float) -> Array:
        sigma = _sigma_kev(edge)
        t = (np.minimum(energy, 1e6) - edge) / sigma
        return sigma * (t * ndtr(t) + np.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi))

    return np.clip((ramp(edge_kev) - ramp(PEAK_KEV)) / (PEAK_KEV - edge_kev), 0.0, 1.0)
