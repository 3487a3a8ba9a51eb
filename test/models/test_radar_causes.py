# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest

from lupex_nodes.models.radar_causes import ice_range, reflection_of


@pytest.mark.parametrize(
    ("ice_wt_percent", "decibels"), [(1.2, -46), (2.4, -40), (5.8, -32), (11.0, -27), (19.8, -21)]
)
def test_ice_reflects_as_its_mixture_does(ice_wt_percent, decibels):
    gamma = float(reflection_of(1700.0, 0.0, ice_wt_percent))
    assert 20.0 * math.log10(-gamma) == pytest.approx(decibels, abs=0.6)


def test_a_known_density_leaves_what_the_error_of_strength_leaves():
    level = 20.0 * math.log10(-float(reflection_of(1700.0, 0.0, 5.0)))
    found = ice_range(level, 1.0, step_sigma_kg_m3=0.0)
    # strength is about proportional to ice: 1 dB is 12 %
    assert found.low_wt_percent == pytest.approx(5.0 * 10 ** (-1.96 / 20), abs=0.3)
    assert found.high_wt_percent == pytest.approx(5.0 * 10 ** (1.96 / 20), abs=0.4)


def test_an_unknown_density_leaves_no_ice_possible():
    level = 20.0 * math.log10(-float(reflection_of(1700.0, 0.0, 5.0)))
    found = ice_range(level, 1.0)
    assert found.low_wt_percent == 0.0 and found.high_wt_percent > 8.0
    assert found.probability.sum() == pytest.approx(1.0)
    assert np.all(found.probability >= 0.0)


def test_a_loose_layer_may_hide_ice():
    """A step down of density and ice cancel: the coefficient passes through none."""
    steps = np.linspace(-200.0, 0.0, 201)
    gamma = reflection_of(1700.0, steps, 5.0)
    assert gamma.min() < 0.0 < gamma.max()
