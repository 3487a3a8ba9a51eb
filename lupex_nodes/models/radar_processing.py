# SPDX-License-Identifier: Apache-2.0
"""The product of a section of radar track: interfaces with depth and strength, never their cause.

A reflection says that permittivity changes, and no more: denser soil and soil with ice of the same
contrast send back the same. Depth is by the permittivity of the prior, whose error is in depth's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from scipy.ndimage import median_filter

from lupex_nodes.models.radar import Array
from lupex_nodes.models.radar_image import (
    SURVEY,
    Picture,
    RadarRetrieval,
    Sweeps,
    picture,
    prior_soil,
    sweeps,
)
from lupex_nodes.models.radar_receiver import FULL_CODE

TRACE_DTYPE = np.dtype(
    [("trace", "u4"), ("time_s", "f8"), ("x_m", "f4"), ("y_m", "f4"), ("z_m", "f4"),
     ("temperature_k", "f4"), ("segment", "u1"), ("quality", "u1")]
)  # fmt: skip
SAMPLE_DTYPE = np.dtype(
    [("trace", "u4"), ("frequency_mhz", "f4"), ("in_phase", "i2"), ("quadrature", "i2")]
)
_WIDE_M = 0.6
_APART_M = 0.05
_NEAR_M = 0.03
_TIMING_M = 0.003
"""Of a pick by the surface's own gradient and by neighbours within the resolution, assumed."""
_LEAST_TRACES = 8
_CLOSEST_M, _FARTHEST_M = 0.001, 1.0


class Quality(IntFlag):
    """What a trace, a section or a pick suffers from; 0 is good."""

    SATURATED = 1
    WIDE_SPACING = 2
    UNCALIBRATED = 4
    DEAD_BAND = 8
    DIRECT_WAVE = 16
    """Its strength is beyond what temperature explains."""
    NOISY = 32
    ISOLATED = 64
    """A pick that neighbours along the way do not share: a rock rather than a layer."""


@dataclass(frozen=True, eq=False)
class RadarSection:
    """Product of one section; arrays by trace (t), by depth (z) and by pick (p)."""

    x_m: Array
    y_m: Array
    z_m: Array
    depth_m: Array
    two_way_time_ns: Array
    reflection: Array
    """Size of the migrated coefficient of reflection, shape (t, z)."""
    pick_x_m: Array
    pick_y_m: Array
    pick_depth_m: Array
    pick_depth_sigma_m: Array
    pick_reflection_db: Array
    pick_reflection_sigma_db: Array
    pick_quality: Array
    spacing_m: float
    background_db: float
    """Median reflection of no interface: clutter and noise."""
    direct_wave_db: float
    surface_db: float
    noise_db: float
    dead_share: float
    quality: Quality


def product(
    traces: Array, samples: Array, parameters: RadarRetrieval | None = None
) -> RadarSection:
    """Make the product of raw rows: `TRACE_DTYPE`, (n,), and `SAMPLE_DTYPE`, (n steps,).

    Rows of segment 0 are sweeps of the chain's own loop, of 1 the survey. Raises ValueError when
    there are fewer than 8 sweeps of a survey, or they are not millimetres to a metre apart.
    """
    parameters = parameters or RadarRetrieval()
    survey = traces[traces["segment"] == SURVEY]
    if len(survey) < _LEAST_TRACES:
        raise ValueError(
            f"it has {len(survey)} traces: drive at least {_LEAST_TRACES} traces' spacings"
        )
    x, y = survey["x_m"].astype(float), survey["y_m"].astype(float)
    way = _way_m(x, y)
    taken = sweeps(traces, samples, parameters)
    seen = picture(taken, way, parameters)
    quality = _quality(survey, taken, seen, parameters)
    size = np.abs(seen.reflection)
    picks, background = _picks(size, seen, way, parameters)
    cell, depth, power, ratio, isolated = picks
    at = (cell + 0.5) * parameters.cell_m
    flags = int(quality) | np.where(isolated, int(Quality.ISOLATED), 0)
    return RadarSection(
        x, y, survey["z_m"].astype(float), seen.depth_m, seen.delay_ns, size,
        np.interp(at, way, x), np.interp(at, way, y), depth, _depth_sigma(depth, ratio, parameters),
        10.0 * np.log10(power), _reflection_sigma(depth, ratio, parameters), flags,
        seen.spacing_m, 10.0 * math.log10(background), float(np.median(taken.direct_db)),
        seen.surface_db, seen.noise_db, 1.0 - float(taken.alive.mean()), quality,
    )  # fmt: skip


def _way_m(x_m: Array, y_m: Array) -> Array:
    """Return the way along the track; where navigation jumps, traces go on as evenly as before."""
    steps = np.hypot(np.diff(x_m), np.diff(y_m))
    usual = float(np.median(steps))
    if not _CLOSEST_M < usual < _FARTHEST_M:
        raise ValueError(f"its traces are {usual:.4f} m apart in the median: drive while sounding")
    return np.concatenate([[0.0], np.cumsum(np.where(steps > 3.0 * usual, usual, steps))])


def saturated(samples: Array) -> bool:
    """Tell whether any sample reached the end of the converter."""
    return bool(
        max(np.abs(samples["in_phase"].astype(int)).max(),
            np.abs(samples["quadrature"].astype(int)).max()) >= FULL_CODE
    )  # fmt: skip


def _quality(survey: Array, taken: Sweeps, seen: Picture, parameters: RadarRetrieval) -> Quality:
    quality = Quality(int(np.bitwise_or.reduce(survey["quality"])))
    if not taken.calibrated:
        quality |= Quality.UNCALIBRATED
    if taken.alive.mean() < 0.98:
        quality |= Quality.DEAD_BAND
    prior = parameters.prior
    off_db = abs(float(np.median(taken.direct_db)) - prior.direct_wave_db)
    if off_db > 3.0 * prior.direct_wave_sigma_db + 0.5:
        quality |= Quality.DIRECT_WAVE
    if seen.noise_db > -105.0:
        quality |= Quality.NOISY
    return quality


def _picks(
    size: Array, seen: Picture, way_m: Array, parameters: RadarRetrieval
) -> tuple[tuple[Array, ...], float]:
    """Find peaks of power by cell of way and depth; return them and the median background."""
    step, depth = parameters.depth_step_m, seen.depth_m
    of_cell = (way_m / parameters.cell_m).astype(int)
    cells = int(of_cell[-1]) + 1
    count = np.bincount(of_cell, minlength=cells)
    # a cell that holds few traces, at the end or by wide spacing, joins no statistics
    full = count >= max(1, int(0.5 * parameters.cell_m / seen.spacing_m))
    power: Array = np.stack([np.bincount(of_cell, column, cells) for column in (size**2).T], axis=1)
    power = power / np.maximum(count, 1)[:, None]
    width = 2 * round(0.5 * _WIDE_M / step) + 1
    background = median_filter(np.median(power[full], axis=0), width, mode="nearest")
    ratio = power / background
    apart = round(_APART_M / step)
    padded = np.pad(power, ((0, 0), (apart, apart)))
    highest = np.lib.stride_tricks.sliding_window_view(padded, 2 * apart + 1, axis=1).max(axis=-1)
    inside = (depth > parameters.blind_m) & (depth < parameters.deepest_m)
    threshold = 10.0 ** (parameters.threshold_db / 10.0)
    cell, row = np.nonzero((power >= highest) & (ratio > threshold) & inside & full[:, None])
    left, middle, right = (np.log(power[cell, row + side]) for side in (-1, 0, 1))
    bend = left - 2.0 * middle + right
    shift = np.clip(0.5 * (left - right) / np.where(bend < 0.0, bend, -1.0), -1.0, 1.0)
    found = depth[row] + shift * step
    shared = np.zeros(len(cell), int)
    for side in (-2, -1, 1, 2):
        reach = abs(side) * _NEAR_M
        beside = cell[None, :] == cell[:, None] + side
        shared += (beside & (np.abs(found[None, :] - found[:, None]) < reach)).any(axis=1)
    middle_depths = (depth > 0.3) & (depth < 1.3)
    return (cell, found, power[cell, row], ratio[cell, row], shared < 2), float(
        np.median(background[middle_depths])
    )


def _depth_sigma(depth_m: Array, ratio: Array, parameters: RadarRetrieval) -> Array:
    """Return the error of depth: permittivity above all, timing, noise."""
    noise = 0.02 / np.sqrt(2.0 * ratio)
    return np.sqrt((parameters.index_sigma * depth_m) ** 2 + _TIMING_M**2 + noise**2)


def _reflection_sigma(depth_m: Array, ratio: Array, parameters: RadarRetrieval) -> Array:
    """Return the error of strength (dB): gains, loss in the soil, what interferes."""
    prior = parameters.prior
    gains = math.hypot(prior.direct_wave_sigma_db, prior.gain_sigma_db)
    loss_db = 8.686 * 2.0 * prior_soil(parameters).at(depth_m)[2] * 2.5 * parameters.loss_sigma
    return np.sqrt(gains**2 + loss_db**2 + (8.686 / np.sqrt(2.0 * ratio)) ** 2)
