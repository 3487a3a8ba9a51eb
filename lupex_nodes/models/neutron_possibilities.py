# SPDX-License-Identifier: Apache-2.0
"""What soils the two neutron ratios of a place allow.

Soils are nodes of a grid: content by column. A column is wet soil under a dry cover that goes
deeper than neutrons tell, or a thin wet layer on dry soil.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from lupex_nodes.models.neutron import (
    Array,
    NeutronPrior,
    epithermal_ratio,
    thermal_ratio,
    wet_over_dry_ratio,
    wet_over_dry_thermal_ratio,
)

THIN_SHARE = 0.25
"""Prior probability of a thin wet layer on dry soil (assumed)."""
DEEP_G_CM2 = 300.0
"""Stands for wet soil that goes deeper than neutrons tell."""
CONTENT_WT_PERCENT = np.geomspace(0.1, 20.0, 100)
"""Contents of the grid, shape (100,)."""
_COVER, _LAYER = np.linspace(0.0, 150.0, 101), np.linspace(1.0, 90.0, 60)
COVER_G_CM2 = np.concatenate([_COVER, np.zeros_like(_LAYER)])
"""Dry soil of each column of the grid above its wet soil, shape (161,)."""
LAYER_G_CM2 = np.concatenate([np.full_like(_COVER, DEEP_G_CM2), _LAYER])
"""Wet soil of each column, shape (161,)."""
_STEPS = ndtri((np.arange(5) + 0.5) / 5)


def possibilities(
    epithermal: tuple[float, float],
    thermal: tuple[float, float],
    prior: NeutronPrior,
    probability: float = 0.95,
) -> Array:
    """Highest-density set of soils, shape (n, 4), densest first, as `highest_density` gives it.

    From (ratio, sigma) of the two channels. One epithermal ratio fits a shallow poor and a deep
    rich layer, and the thermal ratio need not decide between them, so the set may have branches.
    """
    return highest_density(soil_density(epithermal, thermal, prior), probability)


def soil_density(
    epithermal: tuple[float, float], thermal: tuple[float, float], prior: NeutronPrior
) -> Array:
    """Posterior density over the soils of the grid, shape (100, 161), not normalised.

    Wet soil under a dry cover has a content log-uniform over 0.1 to 20 wt% and a cover uniform
    over 0 to 150 g/cm2; a thin wet layer on dry soil the same content and a mass uniform up to
    90 g/cm2. k_e, lambda_e, the thermal amplitude and the error of the closed forms are as in the
    prior.
    """
    content, cover, layer = CONTENT_WT_PERCENT[:, None], _COVER[None, :], _LAYER[None, :]
    under, thin = np.zeros((100, 101)), np.zeros((100, 60))
    for k_e in prior.k_e * (1.0 + prior.k_e_sigma * _STEPS):
        for lambda_e in prior.lambda_e_g_cm2 * (1.0 + prior.lambda_e_sigma * _STEPS):
            under += _epithermal(epithermal_ratio(content, cover, k_e, lambda_e), epithermal, prior)
        thin += _STEPS.size * _epithermal(
            wet_over_dry_ratio(content, layer, k_e), epithermal, prior
        )
    amplitude = prior.thermal_amplitude
    under *= _thermal(thermal_ratio(content, cover, amplitude), thermal, prior)
    thin *= _thermal(wet_over_dry_thermal_ratio(content, layer, amplitude), thermal, prior)
    return np.hstack([(1.0 - THIN_SHARE) * under, THIN_SHARE * thin])


def highest_density(density: Array, probability: float = 0.95) -> Array:
    """Highest-density set of a density over the soils of the grid, shape (n, 4), densest first.

    Columns are content (wt%), cover (g/cm2), mass of the wet soil (g/cm2, `DEEP_G_CM2` when it
    goes on) and the probability of the least set that holds the row: rows up to 0.68 are the 68 %
    set. Empty when there is no density anywhere.
    """
    nodes = CONTENT_WT_PERCENT.size * np.where(LAYER_G_CM2 == DEEP_G_CM2, _COVER.size, _LAYER.size)
    mass = (density / nodes).ravel()
    order = np.argsort(-density.ravel(), kind="stable")
    summed = np.cumsum(mass[order])
    if not summed[-1] > 0.0:
        return np.empty((0, 4))
    inside = int(np.searchsorted(summed, probability * summed[-1])) + 1
    content, column = np.unravel_index(order[:inside], density.shape)
    return np.column_stack([
        CONTENT_WT_PERCENT[content], COVER_G_CM2[column], LAYER_G_CM2[column],
        summed[:inside] / summed[-1],
    ])  # fmt: skip


def _epithermal(ratio: Array, seen: tuple[float, float], prior: NeutronPrior) -> Array:
    sigma = np.hypot(seen[1], prior.form_sigma * (ratio - 1.0))
    return np.exp(-0.5 * ((ratio - seen[0]) / sigma) ** 2) / sigma


def _thermal(ratio: Array, seen: tuple[float, float], prior: NeutronPrior) -> Array:
    sigma = np.hypot(seen[1], prior.thermal_amplitude_sigma * (ratio - 1.0))
    return np.exp(-0.5 * ((ratio - seen[0]) / sigma) ** 2) / sigma
