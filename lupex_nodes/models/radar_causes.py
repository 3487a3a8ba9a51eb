# SPDX-License-Identifier: Apache-2.0
"""What may lie behind a reflection: denser or looser soil, ice, or both.

For a map that fuses instruments. The radar alone leaves every pair of step and ice that gives the
strength it saw; how much ice that may be is bounded by what steps of density are likely alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from lupex_nodes.models.radar import Array, reflection
from lupex_nodes.models.regolith import (
    ICE_DENSITY_KG_M3,
    icy_permittivity,
    permittivity,
    porosity,
)

_MOST_WT_PERCENT = 20.0
_CONTENTS = np.arange(0.0, _MOST_WT_PERCENT + 0.05, 0.1)
_STEPS = 121
_LEVELS_DB = np.linspace(-120.0, 0.0, 481)
_PICKED_DB, _PICKED_SIGMA_DB = -44.7, 3.2


class IceRange(NamedTuple):
    """The 95 % highest-density range of the ice below an interface (wt%), and all the density."""

    low_wt_percent: float
    high_wt_percent: float
    content_wt_percent: Array
    probability: Array
    """Of each content, shape (n,), sum 1."""

    @property
    def width_wt_percent(self) -> float:
        """How much the range leaves open."""
        return self.high_wt_percent - self.low_wt_percent


def reflection_of(density_kg_m3: float, step_kg_m3: Array, ice_wt_percent: Array) -> Array:
    """Return the coefficient of dry soil on soil denser by a step with ice in its pores."""
    below = density_kg_m3 + np.asarray(step_kg_m3, float)
    weight = np.asarray(ice_wt_percent, float) / 100.0
    volume = below * weight / (1.0 - weight) / ICE_DENSITY_KG_M3
    fits = np.minimum(volume, porosity(below))
    icy = icy_permittivity(permittivity(below), fits)
    return reflection(np.sqrt(permittivity(density_kg_m3)), np.sqrt(icy))


def strength_density(
    reflection_db: Array,
    reflection_sigma_db: Array,
    ice_wt_percent: Array,
    density_kg_m3: float = 1700.0,
    step_sigma_kg_m3: float = 100.0,
) -> Array:
    """Return how probable each strength seen (k,) is over each ice (n,), per dB, shape (k, n)."""
    sigma = np.asarray(reflection_sigma_db, float)[:, None]
    away = (_LEVELS_DB - np.asarray(reflection_db, float)[:, None]) / sigma
    kernel = np.exp(-0.5 * away**2) / (np.sqrt(2.0 * np.pi) * sigma)
    return kernel @ _level_shares(ice_wt_percent, density_kg_m3, step_sigma_kg_m3).T


def picked_share(
    ice_wt_percent: Array, density_kg_m3: float = 1700.0, step_sigma_kg_m3: float = 100.0
) -> Array:
    """Return how probably the top of ice (n,) is strong enough to be picked as a layer, (n,).

    Of made-up boundaries of -42, -44.7 and -48 dB the radar's product picks 0.85, 0.5 and 0.17,
    whatever their depth from 0.3 to 1.45 m.
    """
    picked = ndtr((_LEVELS_DB - _PICKED_DB) / _PICKED_SIGMA_DB)
    return _level_shares(ice_wt_percent, density_kg_m3, step_sigma_kg_m3) @ picked


def _level_shares(ice_wt_percent: Array, density_kg_m3: float, step_sigma_kg_m3: float) -> Array:
    """Return how probable each of `_LEVELS_DB` is for each ice, (n, levels), by the step's law."""
    step = step_sigma_kg_m3 * np.linspace(-4.0, 4.0, _STEPS) if step_sigma_kg_m3 else np.zeros(1)
    share = np.exp(-0.5 * (step / max(step_sigma_kg_m3, 1e-9)) ** 2)
    ice = np.asarray(ice_wt_percent, float)[:, None]
    size = np.abs(reflection_of(density_kg_m3, step[None, :], ice))
    level = 20.0 * np.log10(np.maximum(size, 1e-6))
    # shared between the two levels beside it, so that its mean is kept
    at = np.minimum((level - _LEVELS_DB[0]) / (_LEVELS_DB[1] - _LEVELS_DB[0]), _LEVELS_DB.size - 2)
    below = at.astype(int)
    shares = np.zeros((ice.size, _LEVELS_DB.size))
    row = np.arange(ice.size)[:, None]
    np.add.at(shares, (row, below), (below + 1 - at) * share / share.sum())
    np.add.at(shares, (row, below + 1), (at - below) * share / share.sum())
    return shares


def ice_range(
    reflection_db: float,
    reflection_sigma_db: float,
    density_kg_m3: float = 1700.0,
    step_sigma_kg_m3: float = 100.0,
) -> IceRange:
    """Return how much ice a reflection leaves possible.

    `step_sigma_kg_m3` is the prior of the step of density, normal about none (some 100 kg/m3 in
    cores: Carrier, Olhoeft and Mendell 1991); 0 says that there is no step. The prior of ice is
    uniform from 0 to 20 wt%.
    """
    seen = np.array([reflection_db]), np.array([reflection_sigma_db])
    probability = strength_density(*seen, _CONTENTS, density_kg_m3, step_sigma_kg_m3)[0]
    probability = probability / probability.sum()
    falling = np.argsort(probability)[::-1]
    inside = falling[: int(np.searchsorted(np.cumsum(probability[falling]), 0.95)) + 1]
    held = _CONTENTS[inside]
    return IceRange(float(held.min()), float(held.max()), _CONTENTS, probability)
