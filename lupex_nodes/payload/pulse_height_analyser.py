# SPDX-License-Identifier: Apache-2.0
"""The pulse-height analyser of the neutron spectrometer: spectra and what they say of tubes."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numpy as np

from lupex_nodes.models.neutron_pulse_height import (
    CHANNEL_KEV,
    CHANNELS,
    GAIN_OFF,
    NOT_NEUTRONS,
    PARTICLES,
    channel_shares,
    pulses,
)
from lupex_nodes.payload.records import SPECTRUM

SPECTRUM_S = 60.0
PARTICLE_PULSES = 0.1
"""Share of a solar event's counts that are charged particles' own, not of neutrons they make
(assumed)."""


class PulseRates(NamedTuple):
    """How high pulses are over the nominal, and what makes them."""

    gain: float
    kinds: np.ndarray
    """Rates (cps) of neutrons, heavy ions and discharges, by cadmium and tin tube, shape (3, 2)."""

    @classmethod
    def of(
        cls,
        gain: float,
        soil: np.ndarray,
        background: np.ndarray,
        solar: np.ndarray,
        discharge: np.ndarray,
    ) -> PulseRates:
        """Tell apart what counts by its source (cps), each by tube, shape (2,)."""
        neutrons = soil + (1.0 - PARTICLE_PULSES) * solar
        return cls(gain, np.array([neutrons, background + PARTICLE_PULSES * solar, discharge]))


class Limits(Protocol):
    """From where spectra are flagged."""

    pulse_gain_limit: float
    peak_share_limit: float
    overflow_limit_cps: float


class PulseHeightAnalyser:
    """Gathers the counts of a minute by height; the last full minute says gain and quality."""

    def __init__(self) -> None:
        self.gain = math.nan
        """Of the cadmium tube's peak over the nominal; NaN while not known."""
        self.quality = 0
        self._begin()

    def _begin(self) -> None:
        self._since_s = 0.0
        self._counts = [0, 0]
        self._gain_s = 0.0
        self._kinds = np.zeros((3, 2))

    def add(
        self,
        dt_s: float,
        counts: tuple[int, int],
        rates: PulseRates,
        rng: np.random.Generator,
        limits: Limits,
    ) -> np.ndarray | None:
        """Take the counts of some seconds, and return the rows of a spectrum once a minute."""
        self._since_s += dt_s
        self._counts = [a + b for a, b in zip(self._counts, counts, strict=True)]
        self._gain_s += rates.gain * dt_s
        self._kinds += dt_s * rates.kinds
        if self._since_s < SPECTRUM_S:
            return None
        rows = np.zeros(CHANNELS, SPECTRUM.dtype)
        rows["energy_kev"] = (np.arange(CHANNELS) + 0.5) * CHANNEL_KEV
        for tube, name in enumerate(("cadmium_counts", "tin_counts")):
            shares = channel_shares(self._gain_s / self._since_s, *self._kinds[:, tube])
            rows[name] = rng.multinomial(self._counts[tube], shares)
        self._judge(rows["cadmium_counts"], limits)
        self._begin()
        return rows

    def _judge(self, spectrum: np.ndarray, limits: Limits) -> None:
        seen = pulses(spectrum)
        self.gain, self.quality = seen.gain, 0
        if not math.isfinite(self.gain):
            return
        if abs(self.gain - 1.0) > limits.pulse_gain_limit:
            self.quality |= GAIN_OFF
        if seen.peak_share < limits.peak_share_limit:
            self.quality |= NOT_NEUTRONS
        if spectrum[-1] / self._since_s > limits.overflow_limit_cps:
            self.quality |= PARTICLES
