# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lupex_nodes.models.stability import stand
from lupex_nodes.rover.attitude import into_body, on_surface, quaternion

A, B, H = 0.55, 0.50, 0.60
PLACES = np.array([(A, B), (A, -B), (-A, B), (-A, -B)])
height = st.floats(-0.1, 0.1)
slope = st.floats(-0.35, 0.35)


def on_plane(ahead, left):
    return stand([ahead * x + left * y for x, y in PLACES.tolist()], A, B, H)


@given(heights=st.tuples(height, height, height, height))
def test_the_body_takes_the_best_plane_through_its_contacts(heights):
    stance = stand(heights, A, B, H)
    matrix = np.column_stack([np.ones(4), PLACES])
    (z, ahead, left), *_ = np.linalg.lstsq(matrix, np.array(heights), rcond=None)
    assert stance[:3] == pytest.approx((z, ahead, left), abs=1e-12)
    assert math.tan(stance.tilt_rad) == pytest.approx(math.hypot(ahead, left))


@given(ahead=slope, left=slope)
def test_loads_carry_the_weight_and_its_moments(ahead, left):
    stance = on_plane(ahead, left)
    roll, pitch = on_surface(ahead, left, 0.0)
    down = into_body(quaternion(roll, pitch, 0.0), (0.0, 0.0, -1.0))
    foot = np.array(down[:2]) * H / -down[2]
    assert sum(stance.shares) == pytest.approx(1.0)
    if min(stance.shares) > 0.0:
        assert np.array(stance.shares) @ PLACES == pytest.approx(foot, abs=1e-12)


def test_tips_at_the_angle_whose_tangent_is_half_the_width_over_the_height():
    for ahead, left, half, falls in (
        (1.0, 0.0, A, (-1, 0)),
        (-1.0, 0.0, A, (1, 0)),
        (0.0, 1.0, B, (0, -1)),
        (0.0, -1.0, B, (0, 1)),
    ):
        limit = half / H
        before = on_plane(0.999 * limit * ahead, 0.999 * limit * left)
        after = on_plane(1.001 * limit * ahead, 1.001 * limit * left)
        assert before.margin_rad > 0.0 > after.margin_rad
        assert after.falls == falls
        lower = on_plane(0.4 * limit * ahead, 0.4 * limit * left)
        assert lower.margin_rad == pytest.approx(math.atan(limit) - lower.tilt_rad)


@given(ahead=slope, left=slope, more=st.floats(1.01, 1.5))
def test_more_tilt_leaves_less_margin(ahead, left, more):
    assert on_plane(more * ahead, more * left).margin_rad <= on_plane(ahead, left).margin_rad


def test_one_crawler_on_a_stone_tilts_the_body_by_a_quarter():
    stance = stand([0.2, 0.0, 0.0, 0.0], A, B, H)
    assert stance.height_m == pytest.approx(0.05)
    assert stance.ahead_slope == pytest.approx(0.1 / (2 * A))
    assert stance.left_slope == pytest.approx(0.1 / (2 * B))
    assert math.degrees(stance.rocker_rad) == pytest.approx(5.2, abs=0.05)


@pytest.mark.parametrize("lean", [0.05, -0.05])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_beyond_the_rockers_stop_it_stands_on_three(sign, lean):
    twist = 0.25
    # a little lean across the diagonal decides which of the low crawlers carries
    heights = np.array([1, -1, -1, 1]) * sign * twist + lean * PLACES[:, 0]
    stance = stand(heights.tolist(), A, B, H)
    reach = A * math.tan(math.radians(15.0))
    chassis = np.array([1, -1, -1, 1]) * sign * reach
    plane = stance.height_m + PLACES @ np.array([stance.ahead_slope, stance.left_slope])
    gaps = plane + chassis - heights
    assert np.sort(np.abs(gaps))[:3] == pytest.approx([0.0] * 3, abs=1e-12)
    lifted = int(np.argmax(gaps))
    assert gaps[lifted] == pytest.approx(4 * (twist - reach))
    assert stance.shares[lifted] == 0.0 and min(stance.shares) >= 0.0
    assert sum(stance.shares) == pytest.approx(1.0)
    assert math.degrees(stance.rocker_rad) == pytest.approx(15.0 * sign)
