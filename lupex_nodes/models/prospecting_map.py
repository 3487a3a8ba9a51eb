# SPDX-License-Identifier: Apache-2.0
"""Where the water is: neutron ratios along a track made into a map, and places to drill ranked.

A neutron spectrometer averages the ground's suppression (1 - epithermal ratio) over its footprint.
The map is the Gaussian posterior of the suppression of square cells (simple kriging with the
footprint as its kernel; Rasmussen and Williams 2006, ch. 2), whose prior has mean 0, an assumed
size and an exponential covariance of an assumed length. Cells that the track hardly saw keep the
prior's width. Suppressions below 0.6, where the linear error of the water holds to a quarter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist
from scipy.special import ndtr

from lupex_nodes.models.neutron import DETECTOR_HEIGHT_M, K_E, Array, apparent_water, disc_fraction

_SUPPRESSION = (-0.2, 0.95)
#: Tiles are solved alone, with what was measured within a margin of twice the correlation length.
_TILE_M = 40.0
_MARGIN_M = 12.0


@dataclass(frozen=True)
class MapPrior:
    """What is believed of the ground before it is measured; all assumed."""

    cell_m: float = 1.0
    reach_m: float = 4.0
    """Cells farther from the track are not told: a tenth of the response is from beyond."""
    suppression_sigma: float = 0.15
    correlation_m: float = 6.0
    detector_height_m: float = DETECTOR_HEIGHT_M
    k_e: float = K_E
    k_e_sigma: float = 0.05


class Cells(NamedTuple):
    """Cells of the map near the track, each of shape (m,); 1-sigma errors."""

    x_m: Array
    """Centre, as y_m."""
    y_m: Array
    suppression: Array
    suppression_sigma: Array
    water_wt_percent: Array
    """Apparent: of the homogeneous soil that gives the cell's suppression."""
    water_sigma_wt_percent: Array


def water_map(points_m: Array, ratio: Array, sigma: Array, prior: MapPrior) -> Cells:
    """Return the map that epithermal ratios (n,) with errors (n,) give.

    Each is the mean over some places of the track, shape (n, k, 2). Errors must be independent: of
    windows that overlap, take each count once.
    """
    points_m = np.asarray(points_m, float)
    middle = points_m.mean(axis=1)
    tile = np.floor(middle / _TILE_M).astype(np.int64)
    first, last = tile.min(axis=0) - 1, tile.max(axis=0) + 1
    parts = []
    for corner in np.stack(np.meshgrid(*map(np.arange, first, last + 1)), axis=-1).reshape(-1, 2):
        low, high = corner * _TILE_M, (corner + 1) * _TILE_M
        near = np.all((middle > low - _MARGIN_M) & (middle < high + _MARGIN_M), axis=1)
        if near.any():
            cells, mean, spread = _posterior(points_m[near], ratio[near], sigma[near], prior)
            own = np.all((cells >= low) & (cells < high), axis=1)
            parts.append(np.column_stack([cells, mean, spread])[own])
    x, y, mean, spread = np.concatenate(parts).T
    within = np.clip(mean, *_SUPPRESSION)
    water = apparent_water(1.0 - within, prior.k_e)
    slope = 1.0 / (prior.k_e * (1.0 - within) ** 2)
    error = np.hypot(slope * spread, prior.k_e_sigma * water)
    return Cells(x, y, mean, spread, water, error)


def _posterior(
    points_m: Array, ratio: Array, sigma: Array, prior: MapPrior
) -> tuple[Array, Array, Array]:
    """Return cells (m, 2) with the mean and standard deviation of their suppression (m,)."""
    cells, shared, seen = _sight(points_m.shape[1], points_m.tobytes(), prior)
    factor = cho_factor(seen + np.diag(np.asarray(sigma, float) ** 2))
    mean = shared @ cho_solve(factor, 1.0 - np.asarray(ratio, float))
    explained = np.einsum("ij,ji->i", shared, cho_solve(factor, shared.T))
    spread = np.sqrt(np.maximum(prior.suppression_sigma**2 - explained, 0.0))
    return cells, mean, spread


#: A survey that goes on makes the map anew from the places it has been to and a few more.
@lru_cache(maxsize=512)
def _sight(places: int, points: bytes, prior: MapPrior) -> tuple[Array, Array, Array]:
    """Return what places alone tell: cells near them (m, 2), and two prior covariances.

    Of the suppression of cells with what is seen at the places, (m, n), and of the latter, (n, n).
    `points` are the bytes of an array (n, places, 2).
    """
    points_m = np.frombuffer(points).reshape(-1, 2)
    cells = _cells_near(points_m, prior)
    kernel = _footprint(points_m, cells, prior).reshape(-1, places, len(cells)).mean(axis=1)
    near = np.exp(-cdist(cells, cells) / prior.correlation_m) * prior.suppression_sigma**2
    shared = near @ kernel.T
    return cells, shared, kernel @ shared


def kernel_length_m(detector_height_m: float = DETECTOR_HEIGHT_M) -> float:
    """Return over which distance neighbours on a line share 1/e of what they see.

    Of two footprints' product, normalised; 1.6 heights: cells nearer than this are no two
    measurements, however small they are drawn.
    """
    step = 0.1
    axis = np.arange(-30.0, 30.0 + step, step)
    x, y = np.meshgrid(axis, axis)
    slant_2 = 1.0 + x * x + y * y
    # the response per area of disc_fraction's integrand
    response = slant_2**-1.5 + np.sqrt(3.0) * slant_2**-2.0
    power = np.abs(np.fft.rfft2(response)) ** 2
    alike = np.fft.irfft2(power, response.shape)[0]
    return float(np.interp(-np.exp(-1.0), -alike[:200] / alike[0], step * np.arange(200))
                 * detector_height_m)  # fmt: skip


def _cells_near(points: Array, prior: MapPrior) -> Array:
    """Return centres (m, 2) of the cells within reach of any point, in rows from the south."""
    span = int(np.ceil(prior.reach_m / prior.cell_m))
    offset = np.arange(-span, span + 1)
    around = np.stack(np.meshgrid(offset, offset), axis=-1).reshape(-1, 2)
    own = np.floor(points / prior.cell_m).astype(np.int64)
    index = np.unique((own[:, None, :] + around).reshape(-1, 2)[:, ::-1], axis=0)[:, ::-1]
    centres = (index + 0.5) * prior.cell_m
    return centres[cdist(centres, points).min(axis=1) <= prior.reach_m]


def _footprint(points: Array, cells: Array, prior: MapPrior) -> Array:
    """Return which share of the response at each point is from each cell, shape (n, m).

    A cell counts as the disc of its area; ground beyond the cells counts as alike to them.
    """
    radius = prior.cell_m / np.sqrt(np.pi)
    distance = cdist(points, cells)
    steps = np.linspace(0.0, distance.max() + 1.0, 400)
    table = disc_fraction(steps, radius, prior.detector_height_m)
    share = np.interp(distance, steps, table)
    return share / share.sum(axis=1, keepdims=True)


# --- Drill sites -------------------------------------------------------------------------------


@dataclass(frozen=True)
class SiteWishes:
    """What a good place to drill is; all assumed."""

    worth_wt_percent: float = 0.5
    """Water that is worth a hole."""
    even_deg: float = 8.0
    """Slopes up to it are as good as level ground."""
    steep_deg: float = 15.0
    """From here on nobody drills."""
    apart_m: float = 5.0
    """Between two sites of the list."""


class Site(NamedTuple):
    """A place to drill: its score is the product of the five parts, each 0 to 1."""

    x_m: float
    y_m: float
    score: float
    worth: float
    """Probability that there is more water than worth_wt_percent."""
    certainty: float
    """1 / (1 + relative error of the water)."""
    evenness: float
    light: float
    contact: float


def rank_sites(
    cells: Cells,
    slope_deg: Array,
    light: Array,
    contact: Array,
    wishes: SiteWishes,
    count: int = 5,
) -> list[Site]:
    """Return the best places, best first; slopes and shares of time are of each cell, (m,).

    `light` and `contact` are the shares of the coming days with Sun and with Earth: none of
    either makes a place no worse than half, because a battery and a store bridge it.
    """
    water, sigma = cells.water_wt_percent, cells.water_sigma_wt_percent
    parts = np.stack([
        ndtr((water - wishes.worth_wt_percent) / sigma),
        1.0 / (1.0 + sigma / np.maximum(water, 1e-3)),
        np.clip((wishes.steep_deg - slope_deg) / (wishes.steep_deg - wishes.even_deg), 0.0, 1.0),
        0.5 + 0.5 * np.asarray(light),
        0.5 + 0.5 * np.asarray(contact),
    ])  # fmt: skip
    score = parts.prod(axis=0)
    places = np.column_stack([cells.x_m, cells.y_m])
    sites: list[Site] = []
    for index in np.argsort(-score, kind="stable"):
        if len(sites) == count or not score[index] > 0.0:
            break
        here = places[index]
        if all(np.hypot(*(here - site[:2])) >= wishes.apart_m for site in sites):
            values = (*here, score[index], *parts[:, index])
            sites.append(Site._make(map(float, values)))
    return sites
