# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lupex_nodes.models.crawler_kinematics import CrawlerLayout

LAYOUT = CrawlerLayout()
speed = st.floats(-0.05, 0.05)
rate = st.floats(-0.04, 0.04)
angle = st.floats(-math.pi / 2, math.pi / 2)


@given(vx=speed, vy=speed, wz=rate, now=st.tuples(angle, angle, angle, angle))
def test_round_trip_gives_the_body_velocity_back_from_any_steering(vx, vy, wz, now):
    drive = LAYOUT.drive(vx, vy, wz, now)
    assert drive.reachable
    twist = LAYOUT.body_twist(drive.steering_rad, drive.speed_m_s)
    assert list(twist[:3]) == pytest.approx([drive.scale * v for v in (vx, vy, wz)], abs=4e-9)
    assert twist.scrub_m_s < 4e-9
    assert all(abs(a) <= LAYOUT.steering_max_rad for a in drive.steering_rad)


@given(
    angles=st.tuples(angle, angle, angle, angle),
    speeds=st.tuples(speed, speed, speed, speed),
    a=st.floats(0.2, 1.0),
    b=st.floats(0.2, 1.0),
)
def test_inverse_is_the_least_squares_solution(angles, speeds, a, b):
    layout = CrawlerLayout(half_wheelbase_m=a, half_track_m=b)
    rows, right = [], []
    for (x, y), steer, v in zip(layout.positions_m, angles, speeds, strict=True):
        rows += [[1, 0, -y], [0, 1, x]]
        right += [v * math.cos(steer), v * math.sin(steer)]
    expected, *_ = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)
    twist = layout.body_twist(angles, speeds)
    np.testing.assert_allclose(twist[:3], expected, atol=1e-12)
    misfit = np.linalg.norm(np.array(rows) @ expected - right) / 2
    assert twist.scrub_m_s == pytest.approx(misfit, abs=1e-9)


def test_straight_ahead_leaves_the_crawlers_straight():
    assert LAYOUT.drive(0.1, 0.0, 0.0) == ((0.0,) * 4, (0.1,) * 4, 1.0, True)
    backward = LAYOUT.drive(-0.1, 0.0, 0.0)
    assert backward.steering_rad == pytest.approx((0.0,) * 4)
    assert backward.speed_m_s == pytest.approx((-0.1,) * 4)


def test_turn_in_place_points_every_crawler_along_the_circle():
    drive = LAYOUT.drive(0.0, 0.0, 0.1)
    assert [round(math.degrees(a)) for a in drive.steering_rad] == [-45, 45, 45, -45]
    radius = math.hypot(0.55, 0.55)
    assert np.abs(drive.speed_m_s) == pytest.approx([0.1 * radius] * 4)
    assert np.sign(drive.speed_m_s).tolist() == [-1, 1, -1, 1]


def test_crab_sideways_is_reachable_at_ninety_degrees_only():
    drive = LAYOUT.drive(0.0, 0.1, 0.0)
    assert np.abs(np.degrees(drive.steering_rad)) == pytest.approx([90.0] * 4)
    assert drive.reachable
    narrow = CrawlerLayout(steering_max_rad=math.radians(60)).drive(0.0, 0.1, 0.0)
    assert not narrow.reachable
    assert np.abs(np.degrees(narrow.steering_rad)) == pytest.approx([60.0] * 4)
    twist = CrawlerLayout().body_twist(narrow.steering_rad, narrow.speed_m_s)
    assert 0.0 < twist.vy_m_s < 0.1


def test_ackermann_angles_on_a_left_curve():
    radius, wz = 3.0, 0.02
    drive = LAYOUT.drive(radius * wz, 0.0, wz)
    inner, outer = math.atan2(0.55, radius - 0.55), math.atan2(0.55, radius + 0.55)
    assert drive.steering_rad == pytest.approx((inner, outer, -inner, -outer))


def test_speed_limit_scales_all_crawlers_and_keeps_the_curvature():
    free, limited = LAYOUT.drive(0.05, 0.0, 0.01), LAYOUT.drive(0.5, 0.0, 0.1)
    assert max(map(abs, limited.speed_m_s)) == pytest.approx(LAYOUT.speed_max_m_s)
    assert limited.scale < 1.0
    assert limited.steering_rad == pytest.approx(free.steering_rad)
    twist = LAYOUT.body_twist(limited.steering_rad, limited.speed_m_s)
    assert twist.wz_rad_s / twist.vx_m_s == pytest.approx(0.2)


def test_standing_still_keeps_the_steering():
    now = (0.3, -0.2, 0.1, 0.0)
    assert LAYOUT.drive(0.0, 0.0, 0.0, now) == (now, (0.0,) * 4, 1.0, True)


def test_reversing_does_not_swing_crawlers_that_can_drive_backwards():
    now = tuple(math.radians(a) for a in (89.0, 89.0, 89.0, 89.0))
    drive = LAYOUT.drive(-0.001, -0.1, 0.0, now)
    assert all(a > 0 for a in drive.steering_rad)
    assert all(v < 0 for v in drive.speed_m_s)


def test_bad_input_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="not finite"):
        LAYOUT.drive(math.nan, 0.0, 0.0)
    with pytest.raises(ValueError, match="half_track_m"):
        CrawlerLayout(half_track_m=0.0)
