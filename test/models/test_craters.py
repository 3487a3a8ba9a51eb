# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from lupex_nodes.models.craters import (
    DEEPEST,
    SHALLOWEST,
    crater_profile_m,
    crater_spectrum_m4,
    craters_above,
    dig,
    draw_craters,
)


def test_craters_have_the_depth_and_rim_asked_for():
    r = np.array([0.0, 1.0 - 1e-12, 1.0, 2.0, 3.0, 5.0])
    profile = crater_profile_m(r, 20.0, 3.0)
    assert profile[1] - profile[0] == pytest.approx(3.0)
    assert profile[2] == pytest.approx(0.04 * 20.0)
    assert profile[3] == pytest.approx(0.8 * (1 / 8 - 1 / 27) / (1 - 1 / 27))
    assert profile[4:] == pytest.approx([0.0, 0.0], abs=1e-12)


@pytest.mark.parametrize("diameter_m, per_km2", [(1, 79_400), (3, 8_800), (10, 794), (100, 7.94)])
def test_small_craters_follow_trask(diameter_m, per_km2):
    assert craters_above(diameter_m) * 1e6 == pytest.approx(per_km2, rel=0.01)


def test_large_craters_follow_the_highlands_without_a_step_between():
    assert craters_above(5_000.0) * 1e12 == pytest.approx(3e4 * 5.0**-1.6, rel=1e-6)
    for diameter in (300.0, 1000.0):
        around = craters_above(np.array([diameter - 1e-3, diameter + 1e-3]))
        assert around[0] == pytest.approx(around[1], rel=1e-4) and around[0] > around[1]


def test_drawn_craters_have_number_sizes_and_depths():
    found = draw_craters(np.random.default_rng(4), 0.5, 4.0, 60.0, 2000.0)
    inside = found[np.abs(found[:, :2]).max(axis=1) < 1000.0]
    for diameter in (4.0, 8.0, 20.0):
        expected = 0.5 * 4e6 * (craters_above(diameter) - craters_above(60.0))
        number = np.sum(inside[:, 2] > diameter)
        assert number == pytest.approx(expected, abs=5.0 * math.sqrt(expected))
    ratio = found[:, 3] / found[:, 2]
    assert SHALLOWEST <= ratio.min() and ratio.max() <= DEEPEST


def test_a_dug_crater_lies_where_it_is_said():
    heights = np.zeros((101, 101))
    dig(heights, 2.0, np.array([[30.0, -20.0, 24.0, 3.0]]))
    row, column = np.unravel_index(heights.argmin(), heights.shape)
    assert ((column - 50) * 2.0, (row - 50) * 2.0) == (30.0, -20.0)
    assert np.ptp(heights) == pytest.approx(3.0, rel=0.05)


def test_the_spectrum_of_craters_holds_their_variance():
    """Campbell's theorem both ways: over all wavelengths it is number times mean square volume."""
    k = np.geomspace(1e-5, 3.0, 4000)
    spectrum = crater_spectrum_m4(k, 0.2, 10.0, 40.0)
    variance = np.trapezoid(2.0 * np.pi * k * spectrum, k)

    def squared(depth):
        return quad(lambda r: crater_profile_m(np.array(2 * r), 1.0, depth) ** 2 * 2 * np.pi * r,
                    0.0, 1.5, limit=200, points=[0.5])[0]  # fmt: skip

    mean = np.mean([squared(d) for d in np.geomspace(SHALLOWEST, DEEPEST, 5)])
    edges = np.geomspace(10.0, 40.0, 400)
    middle = np.sqrt(edges[1:] * edges[:-1])
    expected = np.sum(0.2 * -np.diff(craters_above(edges)) * middle**4) * mean
    assert variance == pytest.approx(expected, rel=0.03)
