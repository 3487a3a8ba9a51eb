# SPDX-License-Identifier: Apache-2.0
"""Hydrogen along a rover's track: what it drives over now, and cell by cell what it drove over.

The profile takes each cell of the track to be dry, within what topography does to the rate, or wet
to some depth of suppression, and what one cell is to depend on the one before: a hidden Markov
model, whose posterior is exact and knows any number of deposits and none. The rate of dry ground is
summed over as well, as the standing and the track itself know it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from lupex_nodes.models.neutron import Array, apparent_water
from lupex_nodes.models.neutron_record import (
    UNKNOWN_SIGMA,
    Channel,
    RetrievalParameters,
    Rows,
    Survey,
    binned,
    exposure,
)

DEPOSIT_EVERY_M, DEPOSIT_LENGTH_M = 200.0, 20.0
"""Mean distance from one deposit to the next, and mean length on the track (assumed prior)."""
WET_CHANGE_PER_M = 0.025
"""How often wet ground turns into other wet ground (assumed prior)."""
BRIGHT_SHARE = 0.02
"""Share of dry-looking ground that is brighter than dry, as thin wet layers are (assumed)."""
DETECTION_SIGMA = 4.4
_LEVELS = 13
_STRIDE_S = 5.0


def running_water(
    raw_tail: NDArray[np.void],
    dry_rate_cps: float,
    dry_rate_sigma_cps: float,
    parameters: RetrievalParameters | None = None,
) -> tuple[float, float, float]:
    """Apparent water (wt%) of the rows given, its standard error, and the significance of it.

    `dry_rate_cps` is without background, as in `Deposit`. NaN when the rows hold no live time or
    no counts above the background.
    """
    parameters = parameters or RetrievalParameters()
    prior = parameters.prior
    live_s = float(np.sum(exposure(raw_tail, parameters)))
    counts = float(np.sum(raw_tail["epithermal_counts"], dtype=float))
    if live_s <= 0.0 or counts <= prior.background_cps * live_s:
        return float("nan"), float("nan"), float("nan")
    ratio, sigma = _ratio(counts, live_s, dry_rate_cps, dry_rate_sigma_cps, parameters)
    water, error = _water(ratio, sigma, parameters)
    # what the background is cancels: dry ground was counted with it
    background_sigma = prior.background_sigma * prior.background_cps
    reference_sigma = np.sqrt(max(dry_rate_sigma_cps**2 - background_sigma**2, 0.0))
    reference = dry_rate_cps + prior.background_cps
    return (
        float(water),
        float(error),
        float(significance(counts, live_s, reference, reference_sigma)),
    )


def significance(
    counts: ArrayLike, live_s: ArrayLike, reference_cps: ArrayLike, reference_sigma_cps: ArrayLike
) -> Array:
    """Standard deviations that counts in some time lack to a reference counted on dry ground.

    Beyond `DETECTION_SIGMA` in 58 s, 5.8 m at 0.1 m/s, the ground is wet. With an hour on dry
    ground as the reference, dry ground does so less than once in 100 km, and homogeneous soil of
    0.5 wt% with a probability of 0.95 before the rover has driven 6 m over it.
    """
    live = np.asarray(live_s, float)
    expected = np.asarray(reference_cps, float) * live
    spread = np.hypot(np.sqrt(expected), np.asarray(reference_sigma_cps, float) * live)
    return (expected - np.asarray(counts, float)) / spread


class Profile(NamedTuple):
    """Cells along the track, each of shape (n,); 1-sigma errors.

    Ratios, water and its limit are those of the window about the cell, without any prior of what
    is where, so neighbours share their counts within the window; the probability is the cell's.
    """

    distance_m: Array
    """Along the track, of the cell's middle."""
    x_m: Array
    y_m: Array
    epithermal_ratio: Array
    epithermal_ratio_sigma: Array
    thermal_ratio: Array
    """1 +- 100, which says nothing, when the thermal tube counts no more than its background."""
    thermal_ratio_sigma: Array
    apparent_water_wt_percent: Array
    standard_error_wt_percent: Array
    upper_limit_wt_percent: Array
    """95 % of the posterior of water that may be anything but negative lies below."""
    probability: Array
    """That the cell's apparent water is above the first reference level."""


def cells_of(rows: Rows, parameters: RetrievalParameters) -> NDArray[np.int64]:
    """Number of the cell, from 0, that each row of the track lies in, by the path driven."""
    # Mean positions of some seconds: single ones scatter, which would add to the path.
    period = rows.periods(_STRIDE_S)
    position = binned(rows, period, parameters).position_m
    path_m = np.cumsum(np.r_[0.0, np.hypot(*np.diff(position, axis=0).T)])
    cell = np.floor(path_m / parameters.cell_m).astype(np.int64)
    return np.repeat(cell, np.diff(np.r_[np.flatnonzero(np.diff(period, prepend=-1)), period.size]))


def profile(rows: Rows, cell: NDArray[np.int64], parameters: RetrievalParameters) -> Profile:
    """Profile of the track whose rows lie in the given cells."""
    survey = binned(rows, cell, parameters)
    ratios, weight, level, level_weight = _posterior(survey, parameters)
    prior = parameters.prior
    # k_e is uncertain: each ratio is above the level with some probability
    limit = parameters.reference_water_wt_percent[0]
    needed = (1.0 / ratios - 1.0) / limit
    above = ndtr((needed / prior.k_e - 1.0) / prior.k_e_sigma)

    half = 0.5 * (parameters.window_m / parameters.cell_m - 1.0)
    numbers: NDArray[np.int64] = np.unique(cell)
    first = np.searchsorted(numbers, numbers - half)
    last = np.searchsorted(numbers, numbers + half, side="right")

    def window(values: Array) -> Array:
        total = np.r_[0.0, np.cumsum(values)]
        return total[last] - total[first]

    live_s = window(survey.exposure_s)

    def in_window(channel: Channel, dry: float, dry_sigma: float) -> tuple[Array, Array]:
        return _ratio(window(channel.counts), live_s, dry, dry_sigma, parameters)

    dry = float(level_weight @ level) - prior.background_cps
    spread = float(np.sqrt(level_weight @ (level - prior.background_cps - dry) ** 2))
    epithermal, sigma = in_window(survey.epithermal, dry, spread)
    thermal = survey.thermal
    thermal_dry = thermal.standing_counts / max(thermal.standing_exposure_s, 1e-9)
    thermal_sigma = np.sqrt(max(thermal.standing_counts, 1.0)) / thermal.standing_exposure_s
    lives = thermal_dry > prior.background_cps
    pair = (
        in_window(thermal, thermal_dry - prior.background_cps, float(thermal_sigma))
        if lives
        else (np.ones(epithermal.size), np.full(epithermal.size, UNKNOWN_SIGMA))
    )
    water, error = _water(epithermal, sigma, parameters)
    return Profile(
        distance_m=(numbers.astype(float) + 0.5) * parameters.cell_m,
        x_m=survey.position_m[:, 0],
        y_m=survey.position_m[:, 1],
        epithermal_ratio=epithermal,
        epithermal_ratio_sigma=sigma,
        thermal_ratio=pair[0],
        thermal_ratio_sigma=pair[1],
        apparent_water_wt_percent=water,
        standard_error_wt_percent=error,
        upper_limit_wt_percent=water + error * ndtri(1.0 - 0.05 * ndtr(water / error)),
        probability=above @ weight,
    )


def _ratio(
    counts: Array | float,
    live_s: Array | float,
    dry_rate_cps: float,
    dry_rate_sigma_cps: float,
    parameters: RetrievalParameters,
) -> tuple[Array, Array]:
    """Ratio to dry ground of counts in some time, and its sigma."""
    prior = parameters.prior
    rate = np.asarray(counts, float) / live_s
    ratio = np.maximum(rate - prior.background_cps, 1e-3 * dry_rate_cps) / dry_rate_cps
    # counts of none still leave an error of one
    variance = np.maximum(counts, 1.0) / np.square(live_s) / dry_rate_cps**2
    # the background is as unknown on dry ground, and cancels there
    background = (1.0 - ratio) * prior.background_sigma * prior.background_cps / dry_rate_cps
    dry = ratio * np.hypot(dry_rate_sigma_cps / dry_rate_cps, parameters.topography_sigma)
    return ratio, np.sqrt(variance + background**2 + dry**2)


def _water(ratio: Array, sigma: Array, parameters: RetrievalParameters) -> tuple[Array, Array]:
    prior = parameters.prior
    water = apparent_water(ratio, prior.k_e)
    return water, np.hypot(sigma / ratio**2 / prior.k_e, water * prior.k_e_sigma)


# --- Hidden Markov model -------------------------------------------------------------------------


def _states(parameters: RetrievalParameters) -> tuple[Array, Array, int]:
    """Ratios of the states, their shares among dry-looking and among wet ones, number of dry."""
    steps = np.arange(-2.0, 2.5, 0.5)
    even = np.exp(-0.5 * steps**2)
    dry = np.r_[1.0 + parameters.topography_sigma * steps, 1.02, 1.03, 1.04]
    share = np.r_[(1.0 - BRIGHT_SHARE) * even / even.sum(), np.full(3, BRIGHT_SHARE / 3.0)]
    depth = np.geomspace(0.015, 0.9, 40)
    return np.r_[dry, 1.0 - depth], np.r_[share, depth / depth.sum()], dry.size


def _posterior(
    survey: Survey, parameters: RetrievalParameters
) -> tuple[Array, Array, Array, Array]:
    """Ratios (k,) of the states and their posterior (k, n); levels (cps) and theirs.

    Forward and backward over the cells, for all levels of dry ground at once.
    """
    ratio, share, dry = _states(parameters)
    channel, background = survey.epithermal, parameters.prior.background_cps
    sigma = 1.0 / np.sqrt(max(channel.standing_counts, 1.0))
    level = channel.standing_counts / channel.standing_exposure_s
    level = level * (1.0 + sigma * np.linspace(-3.5, 3.5, _LEVELS))
    standing = channel.standing_counts * np.log(level) - channel.standing_exposure_s * level

    rate = background + np.maximum(level - background, 1e-3)[:, None] * ratio
    log = channel.counts * np.log(rate)[..., None] - survey.exposure_s * rate[..., None]
    peak = log.max(axis=1, keepdims=True)
    likelihood = np.ascontiguousarray(np.moveaxis(np.exp(log - peak), -1, 0))

    step = parameters.cell_m
    onset, end = step / DEPOSIT_EVERY_M, step / DEPOSIT_LENGTH_M
    change = np.array([step / parameters.topography_length_m, WET_CHANGE_PER_M * step])
    is_wet = (np.arange(ratio.size) >= dry).astype(int)
    stays = np.array([1.0 - onset - change[0], 1.0 - end - change[1]])[is_wet]
    # rows from, columns to, dry or wet: moves into a state in proportion to its share
    moves = np.array([[change[0], onset], [end, change[1]]])
    group = np.eye(2)[is_wet]

    count = survey.exposure_s.size
    forward = np.empty((count, _LEVELS, ratio.size))
    evidence = standing - standing.max() + peak[:, 0].sum(axis=1)
    start = np.array([end, onset]) / (end + onset)
    now = np.broadcast_to((group @ start) * share, (_LEVELS, ratio.size))
    for i in range(count):
        now = now * likelihood[i]
        total = now.sum(axis=1, keepdims=True)
        evidence = evidence + np.log(total[:, 0])
        now = forward[i] = now / total
        now = now * stays + (now @ group @ moves) @ group.T * share
    level_weight = np.exp(evidence - evidence.max())
    level_weight /= level_weight.sum()

    weight = np.empty((ratio.size, count))
    back = np.ones((_LEVELS, ratio.size))
    for i in range(count - 1, -1, -1):
        both = forward[i] * back
        weight[:, i] = level_weight @ (both / both.sum(axis=1, keepdims=True))
        ahead = back * likelihood[i]
        back = ahead * stays + ((ahead * share) @ group) @ moves.T @ group.T
        back /= back.max(axis=1, keepdims=True)
    return ratio, weight, level, level_weight
