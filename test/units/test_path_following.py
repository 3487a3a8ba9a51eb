# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest

from lupex_nodes.rover.attitude import wrapped
from lupex_nodes.rover.path_following import PathFollower, Pose

DELAY = 2  # steps from a command to the motion


def drive(corners, speed=0.1, *, slip=0.0, side=0.0, final=None, yaw=0.0, known=True):
    """Follow on a kinematic rover that slides; return the places, the last yaw and the time."""
    follower = PathFollower(np.array(corners), speed, math.radians(2.5), final_yaw_rad=final)
    (x, y), waiting, places = corners[0], [(0.0, 0.0)] * DELAY, []
    while not follower.arrived or any(map(any, waiting)):
        believed = Pose(x, y, yaw, slip, side) if known else Pose(x, y, yaw)
        waiting.append(follower.steer(believed))
        ahead, turn = waiting.pop(0)
        yaw += turn
        x += ahead * (1.0 - slip) * math.cos(yaw + side)
        y += ahead * (1.0 - slip) * math.sin(yaw + side)
        places.append((x, y))
        assert len(places) < 20000
    return np.array(places), yaw, len(places)


def off(places, a, b):
    """Greatest distance from the line through two points."""
    (ax, ay), (bx, by) = a, b
    length = math.dist(a, b)
    c, s = (bx - ax) / length, (by - ay) / length
    return np.abs(c * (places[:, 1] - ay) - s * (places[:, 0] - ax)).max()


@pytest.mark.parametrize("speed", [0.02, 0.05, 0.1, 0.14])
def test_a_line_is_driven_as_a_line_to_its_end(speed):
    places, _, time_s = drive([(0.0, 0.0), (20.0, 13.0)], speed)
    assert math.dist(places[-1], (20.0, 13.0)) < 0.03
    assert off(places, (0.0, 0.0), (20.0, 13.0)) < 0.05
    assert time_s < 1.15 * math.hypot(20.0, 13.0) / speed + 40.0


def test_slip_that_is_believed_in_is_made_up_for():
    line = [(0.0, 0.0), (40.0, 0.0)]
    places, yaw, time_s = drive(line, slip=0.2, side=math.radians(6.0))
    assert math.dist(places[-1], line[1]) < 0.03
    assert off(places[200:], *line) < 0.05, "the heading leans against the side slip"
    assert yaw == pytest.approx(-math.radians(6.0), abs=0.01)
    assert time_s < 425, "the tracks run faster by the slip"
    unknown, _, longer_s = drive(line, slip=0.2, side=math.radians(6.0), known=False)
    assert off(unknown[200:], *line) > 0.1 and longer_s > 480


def test_gentle_corners_are_driven_and_sharp_ones_turned_on_the_spot():
    corners = [(0.0, 0.0), (30.0, 0.0), (60.0, 6.0), (60.0, 30.0)]
    places, _, _ = drive(corners)
    steps = np.hypot(*np.diff(places, axis=0).T)
    near_gentle = np.hypot(*(places[1:] - (30.0, 0.0)).T) < 1.0
    near_sharp = np.hypot(*(places[1:] - (60.0, 6.0)).T) < 0.3
    assert steps[near_gentle].min() > 0.09
    assert (steps[near_sharp] == 0.0).sum() > 25
    for corner in corners:
        assert np.hypot(*(places - corner).T).min() < 0.25


def test_turns_to_the_yaw_that_a_goal_asks_for():
    places, yaw, _ = drive([(0.0, 0.0), (10.0, 0.0)], final=-2.0)
    assert math.dist(places[-1], (10.0, 0.0)) < 0.03
    assert abs(wrapped(yaw + 2.0)) < math.radians(3.0)


def test_a_path_without_length_has_arrived():
    places, yaw, time_s = drive([(3.0, 3.0), (3.0, 3.0)])
    assert time_s <= 1 + DELAY and yaw == 0.0


def test_what_lies_ahead():
    follower = PathFollower(np.array([(0.0, 0.0), (10.0, 0.0), (10.0, 5.0)]), 0.1, 0.05)
    follower.steer(Pose(4.0, 0.3, 0.0))
    points = follower.ahead(8.0, 0.5)
    assert points[0].tolist() == [4.0, 0.0] and points[-1].tolist() == [10.0, 2.0]
    assert follower.corners_beyond(9.0) == [(10.0, 0.0), (10.0, 5.0)]
    assert follower.ahead(100.0, 0.5)[-1].tolist() == [10.0, 5.0]
