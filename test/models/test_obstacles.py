# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lupex_nodes.models.obstacles import lift_m, stands_before

ROCK = (3.0, 1.0, 0.15, 0.5)
turn = st.floats(-math.pi, math.pi)


def test_a_track_rises_over_a_rock_and_comes_down_behind_it():
    along = [lift_m(3.0 + 0.05 * k, 1.0, [ROCK], 0.2) for k in range(-10, 11)]
    assert along[10] == pytest.approx(0.15)
    assert along[:11] == sorted(along[:11]) and along == pytest.approx(along[::-1])
    assert along[0] == along[-1] == 0.0
    assert lift_m(3.0, 1.0, [ROCK, (3.1, 1.0, 0.4, 0.5)], 0.2) > 0.3, "the higher one carries"
    assert lift_m(3.0, 1.0, [], 0.2) == 0.0


def test_a_rock_stands_before_a_track_from_the_moment_it_touches():
    def touches(x, y=0.0, course=0.0):
        return stands_before([(0.0, 0.0, 0.3, 0.5)], x, y, course, 0.2, 0.075)

    assert touches(-0.449) and not touches(-0.451)
    assert not touches(0.1), "it is behind the middle"
    assert touches(0.1, course=math.pi)
    assert touches(-0.2, 0.32) and not touches(-0.2, 0.33)


@given(x=st.floats(-1.0, 1.0), y=st.floats(-1.0, 1.0), course=turn, by=turn)
def test_the_answer_does_not_depend_on_where_north_is(x, y, course, by):
    def touches(x, y, course):
        return stands_before([(x, y, 0.3, 0.5)], 0.0, 0.0, course, 0.2, 0.075)

    # not within rounding of the edge
    grown = [stands_before([(x, y, 0.3, d)], 0.0, 0.0, course, 0.2, 0.075) for d in (0.499, 0.501)]
    assume(grown[0] == grown[1] and abs(x * math.cos(course) + y * math.sin(course)) > 1e-6)
    c, s = math.cos(by), math.sin(by)
    assert touches(x, y, course) == touches(c * x - s * y, s * x + c * y, course + by)
