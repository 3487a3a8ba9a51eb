# SPDX-License-Identifier: Apache-2.0
"""From raw sweeps of a stepped-frequency radar to a picture of reflection by place and depth.

The direct wave gives time zero and gain, the surface's echo the height; the picture is migrated by
Kirchhoff's sum within the angles that the spacing of traces does not alias, sin = lambda/(4 dx)
(Yilmaz 2001, Seismic Data Analysis, ch. 4), through the soil of the prior. It is scaled so that a
level plane shows its coefficient of reflection.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.signal.windows import hann

from lupex_nodes.models.radar import LIGHT_M_NS, Array, Soil, Sounder, refracted_path
from lupex_nodes.models.radar_receiver import (
    CABLE_NS,
    FULL_CODE,
    FULL_SCALE_DB,
    LOOP_DB,
    LOOP_NS,
    RadarPrior,
)
from lupex_nodes.models.regolith import density_carrier_kg_m3, loss_tangent, permittivity

LOOP, SURVEY = 0, 1
_OVERSAMPLED = 4096
_SEEN_NS = 30.0
_EMPTY_NS = 60.0, 90.0


@dataclass(frozen=True)
class RadarRetrieval:
    """What the on-board product assumes; all defaults are assumed values."""

    height_m: float = 0.3
    gain_dbi: float = 3.0
    prior: RadarPrior = field(default_factory=RadarPrior)
    permittivity_sigma: float = 0.03
    """Of the law from density to permittivity, relative."""
    density_sigma_kg_m3: float = 50.0
    """Of the mean density above a depth."""
    loss_sigma: float = 0.4
    """Of the loss, relative."""
    temperature_k: float = 120.0
    """Of the soil, which its loss depends on."""
    blind_m: float = 0.10
    deepest_m: float = 1.5
    depth_step_m: float = 0.01
    cell_m: float = 0.25
    """Length of way of which a pick speaks."""
    threshold_db: float = 9.0
    """A pick's power is so far above the median of the depths around it."""

    @property
    def index_sigma(self) -> float:
        """Relative error of the mean index of refraction above a depth, 1 sigma."""
        per_kg_m3 = math.log(1.919) / 1000.0
        return 0.5 * math.hypot(self.permittivity_sigma, per_kg_m3 * self.density_sigma_kg_m3)


class Sweeps(NamedTuple):
    """Sweeps without what is the chain's, over transmitted, shape (traces, steps).

    `alive` tells which steps of frequency work, `direct_db` and `early_ns` each trace's direct
    wave, `calibrated` whether the chain's own response was known.
    """

    sounder: Sounder
    echoes: Array
    alive: Array
    direct_db: Array
    early_ns: Array
    calibrated: bool


class Picture(NamedTuple):
    """Reflection coefficient, complex, (traces, depths), with what it was made by."""

    depth_m: Array
    delay_ns: Array
    reflection: Array
    spacing_m: float
    surface_db: float
    noise_db: float


@lru_cache(maxsize=4)
def prior_soil(parameters: RadarRetrieval) -> Soil:
    """Return the soil of the Apollo cores, every centimetre down to 3 m."""
    depth = np.arange(0.0, 3.005, 0.01)
    density = np.asarray(density_carrier_kg_m3(depth))
    tangent = loss_tangent(density, parameters.temperature_k)
    return Soil.of(depth, np.asarray(permittivity(density)), np.asarray(tangent))


def sweeps(traces: Array, samples: Array, parameters: RadarRetrieval) -> Sweeps:
    """Take the chain out: its response by the sweeps of its own loop, drift by the direct wave."""
    count = len(traces)
    frequency = samples["frequency_mhz"][: len(samples) // count].astype(float) / 1000.0
    sounder = Sounder(float(frequency[0]), float(frequency[-1]), len(frequency),
                      parameters.height_m, parameters.gain_dbi)  # fmt: skip
    codes = samples["in_phase"].astype(float) + 1j * samples["quadrature"]
    data = codes.reshape(count, -1) * (10.0 ** (FULL_SCALE_DB / 20.0) / FULL_CODE)
    own, survey = data[traces["segment"] == LOOP], data[traces["segment"] == SURVEY]
    level = np.abs(survey).mean(axis=0)
    alive = level > 0.1 * np.median(level)
    calibrated = len(own) > 0
    chain = sounder.tones(np.array(CABLE_NS))
    if calibrated:
        line = 10.0 ** (LOOP_DB / 20.0) * sounder.tones(np.array(LOOP_NS))
        chain = own.mean(axis=0) / line
        alive &= np.abs(chain) > 0.1
    # a step that does not work says nothing
    survey = np.where(alive, survey / np.where(alive, chain, 1.0), 0.0)
    lag_ns = np.linspace(-0.2, 0.2, 41)
    window = _window(alive)
    back = (window[:, None] * np.conj(sounder.tones(lag_ns)).T).astype(complex)
    early_ns, direct = _peak(survey @ back, lag_ns)
    drift = direct / 10.0 ** (parameters.prior.direct_wave_db / 20.0)
    survey = survey / drift[:, None] * np.conj(sounder.tones(early_ns))
    # what is left of the direct wave itself has a phase; its size is now the prior's
    own_wave = survey @ (window.astype(complex))
    echoes = np.where(alive, survey - own_wave[:, None], 0.0)
    return Sweeps(sounder, echoes, alive, 20.0 * np.log10(direct), early_ns, calibrated)


def picture(taken: Sweeps, way_m: Array, parameters: RadarRetrieval) -> Picture:
    """Migrate sweeps at `way_m` along the track, about evenly spaced."""
    sounder = taken.sounder
    window = _window(taken.alive)
    # as planes of unit reflection at unit range would be seen
    planes = taken.echoes / sounder.spreading_m
    lag_ns = sounder.surface_ns + np.linspace(-0.4, 0.4, 41)
    back = window[:, None] * np.conj(sounder.tones(lag_ns)).T
    surface_ns, surface = _peak(planes @ back, lag_ns)
    planes = planes * np.conj(sounder.tones(surface_ns - sounder.surface_ns))
    profile = np.fft.ifft(planes * window, _OVERSAMPLED, axis=1) * _OVERSAMPLED
    step_ns = 1.0 / (_OVERSAMPLED * sounder.step_ghz)
    empty = slice(*(round(each / step_ns) for each in _EMPTY_NS))
    noise = np.sqrt(np.mean(np.abs(profile[:, empty]) ** 2)) * sounder.spreading_m.mean()
    seen = round(_SEEN_NS / step_ns)
    middle = 0.5 * (sounder.first_ghz + sounder.last_ghz)
    delay = np.arange(seen) * step_ns
    profile = profile[:, :seen] * np.exp(2j * math.pi * (sounder.first_ghz - middle) * delay)
    spacing = float(np.median(np.diff(way_m))) if len(way_m) > 1 else 0.03
    # spacing varies by navigation's noise: the table of ways is made for millimetres
    spacing = max(round(spacing, 3), 0.005)
    ways = _ways(sounder, parameters, spacing, step_ns, taken.alive.tobytes())
    pictured = np.zeros((len(way_m), ways.depth_m.size), complex)
    level = np.zeros_like(pictured)
    for away in range(len(ways.sample)):
        turned = profile[:, ways.sample[away]] * ways.weight[away]
        for shift in {away, -away}:
            to = slice(max(0, -shift), len(way_m) - max(0, shift))
            of = slice(max(0, shift), len(way_m) - max(0, -shift))
            pictured[to] += turned[of]
            level[to] += ways.level[away]
    soil = prior_soil(parameters)
    delay_ns, equivalent, loss, passed = soil.at(ways.depth_m)
    strength = passed * np.exp(-2.0 * loss * middle) / (sounder.height_m + equivalent)
    return Picture(ways.depth_m, delay_ns, pictured / level / strength, spacing,
                   20.0 * math.log10(float(np.mean(surface)) * sounder.height_m + 1e-12),
                   20.0 * math.log10(float(noise) + 1e-12))  # fmt: skip


def aperture_sine(sounder: Sounder, index: float, spacing_m: float) -> float:
    """Return the sine of the steepest dip that the whole band shows unaliased, at most 0.6."""
    return min(LIGHT_M_NS / (sounder.last_ghz * index * 4.0 * spacing_m), 0.6)


class _Ways(NamedTuple):
    """By distance in traces and depth: sample of the profile, weight, level of a plane."""

    depth_m: Array
    sample: Array
    weight: Array
    level: Array


@lru_cache(maxsize=8)
def _ways(
    sounder: Sounder, parameters: RadarRetrieval, spacing_m: float, step_ns: float, alive: bytes
) -> _Ways:
    soil = prior_soil(parameters)
    depth = np.arange(0.0, parameters.deepest_m + 0.2, parameters.depth_step_m)[1:]
    straight_ns = soil.at(depth)[0]
    index = 0.5 * LIGHT_M_NS * straight_ns / depth
    sine = aperture_sine(sounder, float(index[-1]), spacing_m)
    reach = (depth + sounder.height_m / index) * sine / math.sqrt(1.0 - sine**2)
    away = np.arange(math.ceil(float(reach[-1]) / spacing_m) + 1)[:, None] * spacing_m
    air, ground = refracted_path(np.broadcast_to(away, (len(away), depth.size)),
                                 sounder.height_m, depth, index)  # fmt: skip
    delay = 2.0 / LIGHT_M_NS * (air + index * ground)
    later = delay - (sounder.surface_ns + straight_ns)
    # at the smallest depths the trace itself is all there is
    taper = np.cos(0.5 * math.pi * np.minimum(away / np.maximum(reach, spacing_m), 1.0)) ** 2
    middle = 0.5 * (sounder.first_ghz + sounder.last_ghz)
    turn = np.exp(2j * math.pi * middle * later)
    window = _window(np.frombuffer(alive, bool))
    lags = np.linspace(0.0, max(float(later.max()), 1e-3), 400)
    spread = np.exp(2j * math.pi * np.multiply.outer(lags, sounder.frequency_ghz - middle)) @ window
    level = taper * turn * np.interp(later, lags, spread.real)
    sample = np.minimum(np.rint(delay / step_ns).astype(int), round(_SEEN_NS / step_ns) - 1)
    # the picture keeps the phase of the straight way out: a plane's is that of its reflection
    straight = np.exp(2j * math.pi * middle * (sounder.surface_ns + straight_ns))
    return _Ways(depth, sample, taper * turn * straight, level)


def _window(alive: Array) -> Array:
    window = hann(len(alive) + 2)[1:-1] * alive
    return window / window.sum()


def _peak(values: Array, at: Array) -> tuple[Array, Array]:
    """Return where each row of complex values is largest, between samples, and how large."""
    size = np.abs(values)
    top = np.clip(size.argmax(axis=1), 1, len(at) - 2)
    rows = np.arange(len(size))
    left, middle, right = (size[rows, top + side] for side in (-1, 0, 1))
    bend = left - 2.0 * middle + right
    shift = np.where(bend < 0.0, 0.5 * (left - right) / np.where(bend < 0.0, bend, -1.0), 0.0)
    shift = np.clip(shift, -1.0, 1.0)
    return at[top] + shift * (at[1] - at[0]), middle - 0.25 * (left - right) * shift
