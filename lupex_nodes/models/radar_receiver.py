# SPDX-License-Identifier: Apache-2.0
"""From the field at the antenna to numbers: what a stepped-frequency receiver adds and loses.

Amplitudes are over transmitted. Noise is 100 dB below full scale in the range profile of a sweep
(14 bits allow 111 dB). All constants are assumed; no public source has the flight radar's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lupex_nodes.models.radar import LIGHT_M_NS, Array, Soil, Sounder

FULL_SCALE_DB = -20.0
DYNAMIC_RANGE_DB = 100.0
FULL_CODE = 8191
LOOP_DB = -25.0
LOOP_NS = 20.0
CABLE_NS = 5.0
GAIN_DB_PER_K = -0.01
DELAY_NS_PER_K = 1e-3
REFERENCE_K = 290.0
PHASE_NOISE_DEG = 0.02


@dataclass(frozen=True)
class RadarPrior:
    """What is known of a radar and its clutter before it flies: mean and 1 sigma."""

    direct_wave_db: float = -25.0
    direct_wave_sigma_db: float = 0.3
    gain_sigma_db: float = 0.5
    """Of the antenna, both ways."""
    ripple_db: float = 0.3
    """Of the chain over frequency, rms; its phase likewise in radians of amplitude."""
    clutter_db: float = -52.0
    """Plane that sends back what the stones in one cell of range do: stones above 1.5 cm, 16 a m3
    (Shoemaker and Morris's power -2.5), one in a cell at 0.8 m, of 3e-5 m2."""
    clutter_sigma_db: float = 2.0


@dataclass(frozen=True, eq=False)
class RadarConstants:
    """One radar on one ground: strengths in dB, response of the chain, shape (steps,)."""

    direct_wave_db: float
    gain_db: float
    clutter_db: float
    chain: Array


def draw_constants(
    rng: np.random.Generator, sounder: Sounder, prior: RadarPrior | None = None
) -> RadarConstants:
    """Draw one radar from the prior: the chain has ripples of 0.5 to 4 ns."""
    prior = prior or RadarPrior()
    direct, gain, clutter = np.clip(rng.standard_normal(3), -3.0, 3.0)
    delay_ns = rng.uniform(0.5, 4.0, 4)[:, None]
    strength = prior.ripple_db / 8.686 * rng.standard_normal((2, 4, 1))
    phase = 2.0 * math.pi * (delay_ns * sounder.frequency_ghz + rng.random((4, 1)))
    ripple = 0.5 * (strength[0] * np.cos(phase) + 1j * strength[1] * np.sin(phase)).sum(axis=0)
    return RadarConstants(
        prior.direct_wave_db + prior.direct_wave_sigma_db * direct,
        prior.gain_sigma_db * gain,
        prior.clutter_db + prior.clutter_sigma_db * clutter,
        np.exp(ripple),
    )


class VolumeClutter:
    """Echoes of stones too small to be told apart: random by range, renewed along the way.

    Every cell of range is complex normal and forgets itself over `length_m` of way.
    """

    def __init__(self, rng: np.random.Generator, sounder: Sounder, length_m: float = 0.1) -> None:
        self._rng = rng
        self._sounder = sounder
        self._length_m = length_m
        self._cells = self._drawn()
        self._soil: Soil | None = None

    def echoes(self, soil: Soil, clutter_db: float, way_m: Array) -> Array:
        """Return the clutter of traces, each `way_m` beyond the one before, (traces, steps)."""
        cells = np.empty((len(way_m), self._sounder.steps), complex)
        for index, way in enumerate(way_m):
            kept = math.exp(-float(way) / self._length_m)
            self._cells = kept * self._cells + math.sqrt(1.0 - kept**2) * self._drawn()
            cells[index] = self._cells
        if soil is not self._soil:
            self._soil, self._plane = soil, self._envelope(soil)
        cells *= 10.0 ** (clutter_db / 20.0) * self._plane
        return self._sounder.spreading_m * np.fft.fft(cells, axis=1)

    def _drawn(self) -> Array:
        parts = self._rng.standard_normal((2, self._sounder.steps))
        return math.sqrt(0.5) * (parts[0] + 1j * parts[1])

    def _envelope(self, soil: Soil) -> Array:
        """Return by cell of range what a plane of unit reflection would send back."""
        sounder = self._sounder
        cell_ns = 1.0 / (sounder.steps * sounder.step_ghz)
        delay = np.arange(sounder.steps) * cell_ns - sounder.surface_ns
        depth = np.interp(delay, soil.delay_ns, soil.depth_m, left=0.0, right=soil.depth_m[-1])
        _, equivalent, loss, passed = soil.at(depth)
        middle = 0.5 * (sounder.first_ghz + sounder.last_ghz)
        inside = (delay > 0.0) & (delay < soil.delay_ns[-1])
        return inside * passed * np.exp(-2.0 * loss * middle) / (sounder.height_m + equivalent)


@dataclass(frozen=True)
class ReceiverState:
    """How the receiver does now; the faults are none by default."""

    temperature_k: float = REFERENCE_K
    phase_noise_deg: float = PHASE_NOISE_DEG
    mismatch_db: float = 0.0
    """Of the antenna: the direct wave is so much stronger, echoes are half of it weaker."""
    dead_from_ghz: float = 0.0
    dead_to_ghz: float = 0.0
    stuck_bits: int = 0


def received(
    rng: np.random.Generator, sounder: Sounder, constants: RadarConstants, state: ReceiverState,
    echoes: Array, height_error_m: Array,
) -> Array:  # fmt: skip
    """Return codes of in-phase and quadrature, int16, shape (traces, steps, 2).

    `echoes`, shape (traces, steps), as models.radar tells them; the antenna of each trace is
    `height_error_m` higher than its nominal height.
    """
    gain = 10.0 ** ((constants.gain_db - 0.5 * state.mismatch_db) / 20.0)
    direct = 10.0 ** ((constants.direct_wave_db + state.mismatch_db) / 20.0)
    farther = sounder.tones(2.0 * np.asarray(height_error_m) / LIGHT_M_NS)
    return _digitised(rng, sounder, constants, state, direct + gain * farther * echoes)


def loop(
    rng: np.random.Generator, sounder: Sounder, constants: RadarConstants, state: ReceiverState,
    sweeps: int,
) -> Array:  # fmt: skip
    """Return codes with the chain switched to its own delay line, as `received` does."""
    line = 10.0 ** (LOOP_DB / 20.0) * sounder.tones(np.array(LOOP_NS))
    return _digitised(rng, sounder, constants, state, np.tile(line, (sweeps, 1)))


def _digitised(
    rng: np.random.Generator, sounder: Sounder, constants: RadarConstants, state: ReceiverState,
    signal: Array,
) -> Array:  # fmt: skip
    warmer_k = state.temperature_k - REFERENCE_K
    chain = 10.0 ** (GAIN_DB_PER_K * warmer_k / 20.0) * constants.chain
    chain = chain * sounder.tones(np.array(CABLE_NS + DELAY_NS_PER_K * warmer_k))
    jitter = math.radians(state.phase_noise_deg) * rng.standard_normal(signal.shape)
    level = math.sqrt(sounder.steps) * 10.0 ** (-DYNAMIC_RANGE_DB / 20.0)
    noise = math.sqrt(0.5) * level * rng.standard_normal((*signal.shape, 2))
    volts = signal * chain * np.exp(1j * jitter) / 10.0 ** (FULL_SCALE_DB / 20.0)
    frequency = sounder.frequency_ghz
    volts = volts * ~((frequency >= state.dead_from_ghz) & (frequency < state.dead_to_ghz))
    parts = volts.view(float).reshape(*volts.shape, 2) + noise
    codes = np.clip(np.rint(FULL_CODE * parts), -FULL_CODE - 1, FULL_CODE).astype(np.int16)
    return codes | np.int16(state.stuck_bits)
