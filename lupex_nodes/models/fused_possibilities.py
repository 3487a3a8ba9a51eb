# SPDX-License-Identifier: Apache-2.0
"""What soils of a deposit neutrons, radar and infrared light leave possible together.

Neutrons give a density over soils. Radar multiplies it by how probable its picks are over each: one
of them may be where the wet soil begins, or a thin wet layer ends, when its hydrogen is ice and the
boundary sharp; all others, and maybe all, are steps of density. This is the association of
measurements with a target in clutter (Bar-Shalom and Fortmann 1988, Tracking and Data Association,
ch. 6). A missing pick counts against ice strong enough to be picked. Light sees the topmost
millimetre, so it tells soil that is wet up to there from covered soil. That hydrogen may be bound
instead of frozen keeps all that neutrons allow in the running.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from lupex_nodes.models.neutron import Array, NeutronPrior
from lupex_nodes.models.neutron_possibilities import (
    CONTENT_WT_PERCENT,
    COVER_G_CM2,
    DEEP_G_CM2,
    LAYER_G_CM2,
    highest_density,
    soil_density,
)
from lupex_nodes.models.radar_causes import picked_share, strength_density
from lupex_nodes.models.regolith import density_carrier_kg_m3
from lupex_nodes.models.stratigraphy import overburden_g_cm2

_DEPTH_M = np.linspace(0.0, 2.0, 201)
_MASS_G_CM2 = overburden_g_cm2(_DEPTH_M, np.asarray(density_carrier_kg_m3(_DEPTH_M)))
#: Where soil gets wet or dry again; that of a wet soil without cover is the surface itself.
_BOUNDARY_G_CM2 = np.where(LAYER_G_CM2 < DEEP_G_CM2, LAYER_G_CM2, COVER_G_CM2)
_HALF_STEP_G_CM2 = 0.75
#: Picks begin at 0.1 m, where the surface's echo hides half of them; from 0.2 m on all are there.
_HIDDEN_M = 0.1, 0.2
#: A strength that neither ice nor a step explains, such as of a rock, speaks for neither.
_ANY_PER_DB = 1e-3
#: No strength is known better than the gains are.
_LEAST_SIGMA_DB = 0.5
#: Ice (wt%) of the topmost millimetre that half of all looks by lamp show, and the scatter of its
#: logarithm.
_SEEN_WT_PERCENT, _SEEN_SCATTER = 1.2, 0.5


@dataclass(frozen=True)
class FusionPrior:
    """What is believed of the ground beside the neutrons' prior; all assumed."""

    frozen_share: float = 0.5
    """Probability that the hydrogen is ice with sharp boundaries, and not bound."""
    layers_per_g_cm2: float = 0.0125
    """Steps of density by overburden: three in the first 1.5 m."""
    step_sigma_kg_m3: float = 100.0
    """Size of such a step, also where ice begins (Carrier, Olhoeft and Mendell 1991)."""
    density_sigma: float = 0.03
    """Of the mean density above a depth, relative."""
    frost_share: float = 0.05
    """Probability that a look shows ice that is not of the soil below."""


class Sounding(NamedTuple):
    """What radar told within a deposit: picks of layers, each of shape (k,); 1-sigma errors."""

    places: float
    """Stretches of way, each as long as a pick speaks of, that were sounded."""
    depth_m: Array
    depth_sigma_m: Array
    reflection_db: Array
    reflection_sigma_db: Array


def fused_possibilities(
    epithermal: tuple[float, float],
    thermal: tuple[float, float],
    sounding: Sounding | None,
    surface_ice: bool | None,
    neutrons: NeutronPrior,
    prior: FusionPrior,
) -> Array:
    """Return the 95 % highest-density set of soils, shape (n, 4), as `highest_density` gives it.

    From the ratios as `possibilities` takes them, what radar told, or None where it was not used,
    and whether any look of the infrared spectrometer shows ice, None without looks.
    """
    density = soil_density(epithermal, thermal, neutrons)
    frozen, bound = np.ones_like(density), 1.0
    if sounding is not None and sounding.places > 0.0:
        frozen *= _of_picks(sounding, prior)
    if surface_ice is not None:
        share = _shown_share(prior)
        frozen *= share if surface_ice else 1.0 - share
        bound = prior.frost_share if surface_ice else 1.0 - prior.frost_share
    told = prior.frozen_share * frozen + (1.0 - prior.frozen_share) * bound
    return highest_density(density * told)


def _of_picks(seen: Sounding, prior: FusionPrior) -> Array:
    """Return how much likelier the picks are over each frozen soil than over dry ground.

    Each place gives a likelihood; as places share the errors of a layer, their mean stands for all.
    """
    mass = np.interp(seen.depth_m, _DEPTH_M, _MASS_G_CM2)
    per_m = 0.1 * np.asarray(density_carrier_kg_m3(seen.depth_m))
    sigma = np.sqrt(
        (per_m * seen.depth_sigma_m) ** 2
        + (prior.density_sigma * mass) ** 2
        + _HALF_STEP_G_CM2**2 / 3.0
    )
    away = (_BOUNDARY_G_CM2[None, :] - mass[:, None]) / sigma[:, None]
    here = np.exp(-0.5 * away**2) / (np.sqrt(2.0 * np.pi) * sigma[:, None])
    contents = np.concatenate([[0.0], CONTENT_WT_PERCENT])
    strength = _ANY_PER_DB + strength_density(
        seen.reflection_db, np.maximum(seen.reflection_sigma_db, _LEAST_SIGMA_DB), contents,
        step_sigma_kg_m3=prior.step_sigma_kg_m3,
    )  # fmt: skip
    over_clutter = strength[:, 1:] / strength[:, :1] / prior.layers_per_g_cm2
    depth = np.interp(_BOUNDARY_G_CM2, _MASS_G_CM2, _DEPTH_M)
    first, whole = _HIDDEN_M
    told = np.clip((depth - first) / (whole - first), 0.0, 1.0)
    picked = picked_share(CONTENT_WT_PERCENT, step_sigma_kg_m3=prior.step_sigma_kg_m3)
    return 1.0 - picked[:, None] * told + over_clutter.T @ here / seen.places


def _shown_share(prior: FusionPrior) -> Array:
    """Return how probably a look at each frozen soil shows ice."""
    ice = ndtr(np.log(CONTENT_WT_PERCENT / _SEEN_WT_PERCENT) / _SEEN_SCATTER)[:, None]
    wet_surface = COVER_G_CM2 < _HALF_STEP_G_CM2
    return 1.0 - (1.0 - prior.frost_share) * (1.0 - ice * wet_surface)
