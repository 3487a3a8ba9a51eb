# SPDX-License-Identifier: Apache-2.0
"""What an orbiter's altimeter and cameras know of a site: the ground without its small detail.

Polar models of LOLA, refined with images, have postings of 5 m at the south pole (Barker et al.
2021, doi:10.1016/j.pss.2020.105119); features below about twice that are lost, and heights err by
some decimetres relative to their surroundings, alike over neighbouring postings.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter

from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.terrain import Terrain

_FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


def orbital_map(
    site: SiteTerrain,
    seed: int,
    *,
    posting_m: float = 5.0,
    resolution_m: float = 10.0,
    noise_m: float = 0.4,
    noise_correlation_m: float = 15.0,
) -> SiteTerrain:
    """Return the site as a map of `posting_m` that resolves features of `resolution_m`.

    The finest grid is smoothed (Gaussian, `resolution_m` its full width at half maximum), sampled,
    and gets seeded errors of `noise_m` (1 sigma), Gaussian with a correlation length of
    `noise_correlation_m`. Grids that are coarser already stay as they are; there are no rocks.
    """
    fine = site.levels[0]
    step = max(1, round(posting_m / fine.pixel_m))
    sigma = resolution_m / _FWHM_PER_SIGMA / fine.pixel_m
    smooth_m = gaussian_filter(fine.heights_m.astype(float), sigma, mode="nearest")
    heights_m = smooth_m[::step, ::step]
    pixel_m = step * fine.pixel_m
    if noise_m > 0.0:
        heights_m = heights_m + noise_m * _correlated(
            np.random.default_rng(seed), heights_m.shape, noise_correlation_m / pixel_m
        )
    near = Terrain(heights_m, pixel_m, fine.x0_m, fine.y0_m, fine.rotation_deg)
    return SiteTerrain((near, *site.levels[1:]))


def _correlated(
    rng: np.random.Generator, shape: tuple[int, int], correlation: float
) -> np.ndarray:
    """Gaussian noise of unit variance whose correlation is exp(-(d / correlation)^2)."""
    sigma = correlation / 2.0
    # cut from a field with margins, so that the edges are like the rest
    margin = math.ceil(4.0 * sigma)
    white = rng.standard_normal((shape[0] + 2 * margin, shape[1] + 2 * margin))
    field = gaussian_filter(white, sigma, mode="wrap")
    # a Gaussian filter of white noise leaves the variance 1 / (4 pi sigma^2), if sigma is wide
    scale = field.std() if sigma < 1.0 else 1.0 / (2.0 * math.sqrt(math.pi) * sigma)
    return field[margin : margin + shape[0], margin : margin + shape[1]] / scale
