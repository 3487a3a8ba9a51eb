# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lupex_nodes.models.rocks import SMALLEST_M, Rocks, draw_rocks, rocks_above

NONE_FRESH = np.empty((0, 4))
FIELD = draw_rocks(np.random.default_rng(1), 0.02, 300.0, NONE_FRESH)


@pytest.mark.parametrize("k, diameter_m", [(0.01, 0.1), (0.01, 0.3), (0.03, 0.3)])
def test_rocks_cover_the_share_of_ground_that_golombek_gives(k, diameter_m):
    """The sum of the areas of the rocks above a size, from their numbers, is k exp(-q D)."""
    sizes = np.geomspace(diameter_m, 4.9, 4000)
    numbers = -np.diff(rocks_above(sizes, k))
    area = np.sum(numbers * math.pi / 4.0 * sizes[1:] * sizes[:-1])
    assert area == pytest.approx(k * math.exp(-(1.79 + 0.152 / k) * diameter_m), rel=0.02)


def test_drawn_rocks_have_the_number_and_the_sizes():
    diameter = FIELD.rows[:, 3]
    for size in (SMALLEST_M, 0.2, 0.3):
        expected = rocks_above(size, 0.02) * 300.0**2
        assert np.sum(diameter > size) == pytest.approx(expected, abs=5.0 * math.sqrt(expected))
    assert 0.4 < np.mean(FIELD.rows[:, 2] / diameter) < 0.6
    assert np.abs(FIELD.rows[:, :2]).max() <= 150.0


@given(x=st.floats(-150, 150), y=st.floats(-150, 150), reach=st.floats(0.1, 40.0))
def test_near_finds_what_a_look_at_all_finds(x, y, reach):
    away = np.hypot(FIELD.rows[:, 0] - x, FIELD.rows[:, 1] - y)
    np.testing.assert_array_equal(FIELD.near(x, y, reach), FIELD.rows[away <= reach])


def test_rocks_lie_thicker_around_a_fresh_crater():
    fresh = np.array([[50.0, -20.0, 30.0, 4.0]])
    rocks = draw_rocks(np.random.default_rng(2), 0.01, 300.0, fresh)
    density = len(rocks.near(50.0, -20.0, 45.0)) / (math.pi * 45.0**2)
    assert density > 5.0 * rocks_above(SMALLEST_M, 0.01)


def test_no_rocks_are_near_where_there_are_none():
    none = draw_rocks(np.random.default_rng(1), 0.0, 100.0, NONE_FRESH)
    assert none.near(0, 0, 50).shape == (0, 4)
    assert Rocks(np.empty((0, 4))).near(0.0, 0.0, 10.0).shape == (0, 4)
