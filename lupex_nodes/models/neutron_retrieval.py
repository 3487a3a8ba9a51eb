# SPDX-License-Identifier: Apache-2.0
"""Water deposit under a rover's track, from the raw record of its neutron spectrometer.

The rover first stands on ground declared dry, which gives the dry rate, then drives survey
lines. A disc-shaped deposit lowers the epithermal rate along the track to

    gain [dry (1 - A G(d, radius)) + background]

with G the share of the detector's footprint that the disc fills. Its centre, radius and depth A
of suppression are inferred together (Poisson likelihood, posterior summed over a lattice), so
that what the track can't tell apart, such as left from right of a single crossing, is in the
errors. The retrieval knows the prior of the physical constants, never their values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from lupex_nodes.models.neutron import Array, DiscFractionTable, response_within
from lupex_nodes.models.neutron_possibilities import possibilities
from lupex_nodes.models.neutron_record import (
    UNKNOWN_SIGMA,
    Channel,
    RetrievalParameters,
    Survey,
    binned,
    live_rows,
)

Single = NDArray[np.float32]

_CENTRES = 1300
_RADII = 15
_KEPT_NODES = 500
_LEVELS = 4
_ENOUGH_NODES = 150.0
_NAN = float("nan")


@dataclass(frozen=True)
class Deposit:
    """Product of one survey; 1-sigma errors; positions in the frame of the record.

    When nothing is detected, position, radius and ratios are NaN, `possibilities` is empty, and
    estimate, error and limit are those of a patch of `limit_radius_m` whose centre may be
    anywhere in the surveyed rectangle. When no disc explains the record, such as in a solar
    particle event, they are NaN too.
    """

    detected: bool
    deviance: float
    """Twice the log-likelihood ratio of the best disc to none."""
    contrast: float
    """As the deviance, but to no disc at the same dry rate, so that it adds up over rows."""
    reduced_chi_square: float
    """Misfit of the best disc, about 1; above the limit no disc explains the record."""
    dry_rate_cps: float
    """Epithermal rate of dry ground at the reference temperature, without background."""
    dry_rate_sigma_cps: float
    estimate_wt_percent: float = _NAN
    """Apparent water (1/R - 1)/k_e, R the footprint-weighted ratio at the patch centre."""
    standard_error_wt_percent: float = _NAN
    upper_limit_wt_percent: float = _NAN
    """95 % of the posterior of the apparent water lies below."""
    exceedance: tuple[float, ...] = ()
    """Probability that the apparent water is above each reference level."""
    probability: float = _NAN
    """As the exceedance, of the first level."""
    x_m: float = _NAN
    x_sigma_m: float = _NAN
    y_m: float = _NAN
    y_sigma_m: float = _NAN
    radius_m: float = _NAN
    radius_sigma_m: float = _NAN
    epithermal_ratio: float = _NAN
    """Of the patch alone, were it to fill the footprint."""
    epithermal_ratio_sigma: float = _NAN
    thermal_ratio: float = _NAN
    """As above; 1 +- 100, which says nothing, when that tube counts no more than its background."""
    thermal_ratio_sigma: float = _NAN
    possibilities: Array = field(default_factory=lambda: np.empty((0, 4)))
    """The 95 % highest-density set of soils, shape (n, 4), as `possibilities` gives it."""


def product(raw: NDArray[np.void], parameters: RetrievalParameters | None = None) -> Deposit:
    """Search the record (`RAW_DTYPE`, shape (n,)) of one standing and one survey for a deposit.

    Raises ValueError when the record has no live rows of the standing or of the survey, or when
    the epithermal tube counted no more than its background while standing.
    """
    parameters = parameters or RetrievalParameters()
    rows = live_rows(raw, parameters)
    survey = binned(rows, rows.periods(parameters.bin_duration_s), parameters)
    return disc(survey, Area.around(survey.position_m, parameters), parameters)


def disc(survey: Survey, area: Area, parameters: RetrievalParameters) -> Deposit:
    """Search binned rows for one deposit whose centre is in an area."""
    nodes = _search(survey, area, parameters)
    if nodes.reduced_chi_square > parameters.reduced_chi_square_limit:
        dry = _dry_rate(nodes.weight, nodes.epithermal, parameters)
        return Deposit(False, nodes.deviance, nodes.contrast, nodes.reduced_chi_square, *dry)
    if nodes.deviance > parameters.deviance_threshold:
        found = _deposit_found(area, nodes, parameters)
        if found.probability > parameters.claim_probability:
            return found
    return _nothing_found(survey, area, nodes, parameters)


class Area(NamedTuple):
    """Where a patch centre may be: the smallest rectangle around the track, at any heading."""

    axes: Array
    """Rows are the unit vectors of the two sides in the map."""
    low_m: Array
    high_m: Array
    narrow: NDArray[np.bool_]
    """Sides across which the track is one line, from which nothing tells left from right."""

    @classmethod
    def around(cls, position_m: Array, parameters: RetrievalParameters) -> Area:
        """Narrower than the smallest patch, it is widened to all patches the track may touch."""
        heading = np.radians(np.arange(0.0, 90.0, 0.5))
        cosine, sine = np.cos(heading), np.sin(heading)
        axes = np.stack([cosine, sine, -sine, cosine], axis=-1).reshape(-1, 2, 2)
        along = axes @ position_m.T
        low, high = along.min(axis=-1), along.max(axis=-1)
        best = int(np.argmin(np.prod(high - low + 1.0, axis=-1)))
        low, high = low[best], high[best]
        narrow = high - low < 2.0 * parameters.radius_min_m
        margin = np.where(narrow, parameters.radius_max_m, 0.0)
        return cls(axes[best], low - margin, high + margin, narrow)


# --- Search ------------------------------------------------------------------------------------


class _Fit(NamedTuple):
    """Rate `level - fall * G` (cps) fitted at each node (N,), with its covariance."""

    level: Array
    fall: Array
    level_variance: Array
    fall_variance: Array

    def rate(self, response: Single) -> Single:
        """Rates (N, n), kept above zero, in the type of the response."""
        rate = self.fall[:, None].astype(response.dtype) * response
        np.subtract(self.level[:, None].astype(response.dtype), rate, out=rate)
        return np.maximum(rate, 1e-3, out=rate)

    def rate_at(self, node: int, response: Single) -> Array:
        """Rates (n,) of one node."""
        return np.maximum(self.level[node] - self.fall[node] * response[node].astype(float), 1e-3)

    def gain(self) -> Array:
        """Log-likelihood gained over no fall at all."""
        return 0.5 * self.fall**2 / self.fall_variance

    def log_evidence(self, gain: Array, background_cps: float) -> Array:
        """Log of the likelihood integrated over falls from none to all of the dry rate."""
        sigma = np.sqrt(self.fall_variance)
        dry = self.level - background_cps
        inside = ndtr(self.fall / sigma) - ndtr((self.fall - dry) / sigma)
        return gain + np.log(sigma) + np.log(np.maximum(inside, 1e-300))


def _weighted_sum(values: NDArray[np.floating], weight: NDArray[np.floating]) -> Array:
    """Sum over the last axis, (N, n) to (N,), in one order whatever threads BLAS may have."""
    return np.einsum("ij,j->i", values, weight).astype(float)


def _fit(channel: Channel, exposure_s: Array, expected: Array, response: Single) -> _Fit:
    """Least squares about expected counts (n,), one step of Fisher scoring; response (N, n)."""
    per_count = exposure_s / expected
    still = channel.standing_exposure_s
    still_per_count = still / max(channel.standing_counts, 1.0)
    stiffness, pull = per_count * exposure_s, per_count * channel.counts
    s0 = stiffness.sum() + still_per_count * still
    t0 = pull.sum() + still_per_count * channel.standing_counts
    # In float32, the table's type: sums stay exact to 1e-6 where the noise is 1e-2.
    stiffness, pull = stiffness.astype(response.dtype), pull.astype(response.dtype)
    s1 = _weighted_sum(response, stiffness)
    s2 = _weighted_sum(response * response, stiffness)
    t1 = _weighted_sum(response, pull)
    determinant = np.maximum(s0 * s2 - s1 * s1, 1e-9 * s0 * s0)
    return _Fit(
        level=(s2 * t0 - s1 * t1) / determinant,
        fall=(s1 * t0 - s0 * t1) / determinant,
        level_variance=s2 / determinant,
        fall_variance=s0 / determinant,
    )


def _poisson_gain(channel: Channel, exposure_s: Array, fit: _Fit, response: Single) -> Array:
    """Log-likelihood of each node's rates over that of no deposit; exact."""
    dry = channel.dry_rate(exposure_s)
    level = np.maximum(fit.level / dry, 1e-3)
    rate = fit.rate(response) / response.dtype.type(dry)
    track = _weighted_sum(np.log(rate), channel.counts)
    track -= _weighted_sum(rate - 1.0, dry * exposure_s)
    standing = dry * channel.standing_exposure_s
    return track + channel.standing_counts * np.log(level) - standing * (level - 1.0)


class _Nodes(NamedTuple):
    """Lattice nodes (N,) of centre and radius with the rates fitted at each."""

    centre_m: Array
    """Shape (N, 2), along the sides of the area."""
    radius_m: Array
    epithermal: _Fit
    thermal: _Fit
    weight: Array
    """Posterior probability of each node."""
    deviance: float
    contrast: float
    reduced_chi_square: float


_table = lru_cache(maxsize=8)(DiscFractionTable)


class _Lattice:
    """Cells of centre and log radius, halved in all three from one level to the next."""

    def __init__(self, survey: Survey, area: Area, parameters: RetrievalParameters) -> None:
        self.area, self.parameters = area, parameters
        self.track = (area.axes @ survey.position_m.T).astype(np.float32)
        # else errors of navigation would choose a side
        middle = 0.5 * (area.low_m + area.high_m)[area.narrow, None]
        self.track[area.narrow] = middle.astype(np.float32)
        side = np.maximum(area.high_m - area.low_m, 1.0)
        self.cells = np.ceil(side / np.sqrt(np.prod(side) / _CENTRES)).astype(int)
        # rounded up, so that surveys of like size share their tables
        reach = 20.0 * float(np.ceil(np.hypot(*side) / 20.0))
        radii = parameters.radius_min_m, parameters.radius_max_m
        self.table = _table(*radii, reach, parameters.detector_height_m)

    def centre(self, cell: NDArray[np.int64], level: int) -> Array:
        """Centres (N, 2) of cells (N, 2) of one level."""
        step = (self.area.high_m - self.area.low_m) / (self.cells * 2**level)
        return self.area.low_m + (cell + 0.5) * step

    def radius(self, cell: NDArray[np.int64], level: int) -> Array:
        """Radii (m) of cells (N,) of one level."""
        low, high = self.parameters.radius_min_m, self.parameters.radius_max_m
        return low * (high / low) ** ((cell + 0.5) / (_RADII * 2**level))

    def distance(self, centre_m: Array) -> Single:
        """Distances (N, n) of the bins of the track from centres (N, 2)."""
        x, y = centre_m.T.astype(np.float32)[..., None]
        return np.sqrt((self.track[0] - x) ** 2 + (self.track[1] - y) ** 2)


def _search(survey: Survey, area: Area, parameters: RetrievalParameters) -> _Nodes:
    """Go down the lattice where the posterior is, until enough nodes share it."""
    background = parameters.prior.background_cps
    lattice = _Lattice(survey, area, parameters)
    exposure, channel = survey.exposure_s, survey.epithermal
    expected = channel.dry_rate(exposure) * exposure

    cell = np.indices(tuple(lattice.cells)).reshape(2, -1).T
    distance, size = lattice.distance(lattice.centre(cell, 0)), np.arange(_RADII)
    responses = (lattice.table(distance, radius) for radius in lattice.radius(size, 0))
    fits = [_fit(channel, exposure, expected, response) for response in responses]
    score = np.concatenate([fit.log_evidence(fit.gain(), background) for fit in fits])
    cell = np.column_stack([np.tile(cell, (_RADII, 1)), np.repeat(size, len(cell))])
    halves = np.indices((2, 2, 2)).reshape(3, -1).T
    for level in range(1, _LEVELS + 1):
        kept = np.argsort(score)[::-1][:_KEPT_NODES]
        cell = (2 * cell[kept, None, :] + halves).reshape(-1, 3)
        centre, radius = lattice.centre(cell[:, :2], level), lattice.radius(cell[:, 2], level)
        response = lattice.table(lattice.distance(centre), radius[:, None])
        fit = _fit(channel, exposure, expected, response)
        gain = _poisson_gain(channel, exposure, fit, response)
        score = fit.log_evidence(gain, background)
        weight = np.exp(score - score.max())
        weight /= weight.sum()
        best = int(np.argmax(score))
        expected = fit.rate_at(best, response) * exposure
        if level > 1 and 1.0 / np.sum(weight**2) > _ENOUGH_NODES:
            break

    thermal = survey.thermal
    even = thermal.dry_rate(exposure) * exposure
    rough = _fit(thermal, exposure, even, response).rate_at(best, response)
    still_expected = fit.level[best] * channel.standing_exposure_s
    misfit = np.sum((channel.counts - expected) ** 2 / expected)
    misfit += (channel.standing_counts - still_expected) ** 2 / still_expected
    dry = fit.level[best] * exposure
    contrast = 2.0 * np.sum(channel.counts * np.log(expected / dry) - (expected - dry))
    return _Nodes(
        centre_m=centre,
        radius_m=radius,
        epithermal=fit,
        thermal=_fit(thermal, exposure, rough * exposure, response),
        weight=weight,
        deviance=2.0 * float(np.max(gain, where=fit.fall > 0.0, initial=0.0)),
        contrast=float(contrast),
        reduced_chi_square=float(misfit / expected.size),
    )


# --- Posterior to product ----------------------------------------------------------------------


def _moments(weight: Array, value: Array, variance: Array | float = 0.0) -> tuple[float, float]:
    """Mean and sigma over nodes that each hold a value with a variance."""
    mean = float(weight @ value)
    return mean, float(np.sqrt(weight @ ((value - mean) ** 2 + variance)))


def _depth(
    fit: _Fit, radius_m: Array | float, parameters: RetrievalParameters
) -> tuple[Array, Array]:
    """Share of the dry rate that is missing, and its variance, at each node."""
    prior = parameters.prior
    dry = fit.level - prior.background_cps
    depth = fit.fall / dry
    background_sigma = prior.background_sigma * prior.background_cps
    variance = fit.fall_variance / dry**2 + (depth * background_sigma / dry) ** 2
    # topography averages out over a disc that is wide against its length
    width = 2.0 * radius_m / parameters.topography_length_m
    return depth, variance + parameters.topography_sigma**2 / (1.0 + width)


def _dry_rate(weight: Array, fit: _Fit, parameters: RetrievalParameters) -> tuple[float, float]:
    prior = parameters.prior
    level, sigma = _moments(weight, fit.level, fit.level_variance)
    background_sigma = prior.background_sigma * prior.background_cps
    return level - prior.background_cps, float(np.hypot(sigma, background_sigma))


class _Water(NamedTuple):
    """Posterior of the apparent water at the patch centre (wt%)."""

    estimate: float
    error: float
    limit: float
    exceedance: tuple[float, ...]


def _water(
    weight: Array,
    depth: Array,
    depth_variance: Array,
    filled: Array,
    parameters: RetrievalParameters,
) -> _Water:
    """Posterior from the nodes' depths, each normal and cut to 0 to 1, and the prior of k_e."""
    prior = parameters.prior
    heavy = weight > 1e-4 * weight.max()
    weight, depth, sigma = weight[heavy], depth[heavy, None], np.sqrt(depth_variance[heavy, None])
    filled = np.broadcast_to(filled, heavy.shape)[heavy, None]
    # water times k_e, which is 1/R - 1, needs no k_e; that comes in by scaling afterwards
    scaled = np.r_[0.0, np.geomspace(1e-3, 20.0, 300)]
    reached = ndtr((np.minimum(scaled / (1.0 + scaled) / filled, 1.0) - depth) / sigma)
    none, whole = ndtr(-depth / sigma), ndtr((1.0 - depth) / sigma)
    share = (reached - none) / np.maximum(whole - none, 1e-300)
    below_scaled = _weighted_sum(share.T, weight)
    water = scaled / prior.k_e
    below = np.zeros_like(water)
    for step in ndtri((np.arange(20) + 0.5) / 20):
        below += np.interp(water * prior.k_e * (1.0 + prior.k_e_sigma * step), scaled, below_scaled)
    below /= below[-1]
    estimate, error = _moments(np.diff(below), 0.5 * (water[1:] + water[:-1]))
    levels = np.asarray(parameters.reference_water_wt_percent)
    return _Water(
        estimate=estimate,
        error=error,
        limit=float(np.interp(0.95, below, water)),
        exceedance=tuple((1.0 - np.interp(levels, water, below)).tolist()),
    )


def _deposit_found(area: Area, nodes: _Nodes, parameters: RetrievalParameters) -> Deposit:
    prior, weight = parameters.prior, nodes.weight
    centre = nodes.centre_m @ area.axes
    (x, x_sigma), (y, y_sigma) = (_moments(weight, axis) for axis in centre.T)
    radius, radius_sigma = _moments(weight, nodes.radius_m)

    depth, depth_variance = _depth(nodes.epithermal, nodes.radius_m, parameters)
    filled = response_within(nodes.radius_m, parameters.detector_height_m)
    water = _water(weight, depth, depth_variance, filled, parameters)
    depth, depth_variance = np.clip(depth, 0.0, 1.0), np.minimum(depth_variance, 1.0 / 12.0)
    mean_depth, depth_sigma = _moments(weight, depth, depth_variance)
    if np.all(nodes.thermal.level > prior.background_cps):
        rise, rise_sigma = _moments(weight, *_depth(nodes.thermal, nodes.radius_m, parameters))
    else:
        rise, rise_sigma = 0.0, UNKNOWN_SIGMA
    dry, dry_sigma = _dry_rate(weight, nodes.epithermal, parameters)
    return Deposit(
        detected=True,
        deviance=nodes.deviance,
        contrast=nodes.contrast,
        reduced_chi_square=nodes.reduced_chi_square,
        x_m=x,
        x_sigma_m=float(np.hypot(x_sigma, parameters.navigation_sigma_m)),
        y_m=y,
        y_sigma_m=float(np.hypot(y_sigma, parameters.navigation_sigma_m)),
        radius_m=radius,
        radius_sigma_m=radius_sigma,
        estimate_wt_percent=water.estimate,
        standard_error_wt_percent=water.error,
        upper_limit_wt_percent=water.limit,
        exceedance=water.exceedance,
        probability=water.exceedance[0],
        dry_rate_cps=dry,
        dry_rate_sigma_cps=dry_sigma,
        epithermal_ratio=1.0 - mean_depth,
        epithermal_ratio_sigma=depth_sigma,
        thermal_ratio=1.0 - rise,
        thermal_ratio_sigma=rise_sigma,
        possibilities=possibilities(
            (1.0 - mean_depth, depth_sigma), (1.0 - rise, rise_sigma), prior
        ),
    )


def _nothing_found(
    survey: Survey, area: Area, nodes: _Nodes, parameters: RetrievalParameters
) -> Deposit:
    """Posterior of the apparent water of a patch of the radius the limit speaks of."""
    prior = parameters.prior
    exposure, channel = survey.exposure_s, survey.epithermal
    lattice = _Lattice(survey, area, parameters)
    cell = np.indices(tuple(lattice.cells)).reshape(2, -1).T
    distance = lattice.distance(lattice.centre(cell, 0))
    # whose chord on the track is no shorter than its radius: of others the track tells nothing
    crossed = distance.min(axis=1) <= 0.87 * parameters.limit_radius_m
    response = lattice.table(distance[crossed], parameters.limit_radius_m)
    fit = _fit(channel, exposure, channel.dry_rate(exposure) * exposure, response)
    score = fit.log_evidence(fit.gain(), prior.background_cps)
    weight = np.exp(score - score.max())
    weight /= weight.sum()

    filled = response_within(parameters.limit_radius_m, parameters.detector_height_m)
    water = _water(weight, *_depth(fit, parameters.limit_radius_m, parameters), filled, parameters)
    dry, dry_sigma = _dry_rate(weight, fit, parameters)
    return Deposit(
        detected=False,
        deviance=nodes.deviance,
        contrast=nodes.contrast,
        reduced_chi_square=nodes.reduced_chi_square,
        dry_rate_cps=dry,
        dry_rate_sigma_cps=dry_sigma,
        estimate_wt_percent=water.estimate,
        standard_error_wt_percent=water.error,
        upper_limit_wt_percent=water.limit,
        exceedance=water.exceedance,
        probability=water.exceedance[0],
    )
