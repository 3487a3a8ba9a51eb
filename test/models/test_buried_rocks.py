# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from lupex_nodes.models.buried_rocks import BuriedRocks
from lupex_nodes.models.soil_layering import SoilLayering


def test_rocks_are_as_many_and_as_large_as_the_law_says():
    found = BuriedRocks(3, per_m3=0.5).near(0.0, 0.0, 40.0)
    expected = 0.5 * 2.0 * np.pi * 40.0**2
    assert len(found) == pytest.approx(expected, abs=4.0 * expected**0.5)
    assert 0.0 <= found[:, 2].min() and found[:, 2].max() <= 2.0
    diameter = found[:, 3]
    assert diameter.min() >= 0.06 and diameter.max() <= 0.6
    for wider in (0.1, 0.2):
        share = ((wider / 0.06) ** -2.5 - 0.1**2.5) / (1.0 - 0.1**2.5)
        assert np.mean(diameter > wider) == pytest.approx(share, abs=0.02)


def test_rocks_do_not_depend_on_the_order_of_questions():
    ahead, back = BuriedRocks(7), BuriedRocks(7)
    places = [(x, -y) for x in (0.0, 3.0, 11.0) for y in (0.0, 5.0)]
    first = [ahead.near(*place, 3.0) for place in places]
    again = [back.near(*place, 3.0) for place in reversed(places)]
    for one, other in zip(first, reversed(again), strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(first[0], BuriedRocks(8).near(0.0, 0.0, 3.0))


def test_boundaries_undulate_by_as_much_as_they_are_told():
    layering = SoilLayering(np.random.default_rng(2), 3, undulation_m=0.03)
    depth = np.array([layering.boundaries_m(x, 0.0) for x in np.arange(0.0, 300.0, 1.0)])
    assert np.all((depth.std(axis=0) > 0.015) & (depth.std(axis=0) < 0.045))
    assert np.abs(np.diff(depth, axis=0)).max() < 0.08
    assert SoilLayering(np.random.default_rng(2), 0).boundaries_m(0.0, 0.0).shape == (0,)
