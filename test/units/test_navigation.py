# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
from unit_bench import Bench

UNITS = ("vehicle", "mobility", "imu", "navigation")


def go(bench, x_m, y_m, limit_s=1500, **more):
    call = bench.bus.request("navigation", "go_to", x_m=x_m, y_m=y_m, **more)
    assert call.accepted, call.reason
    for _ in range(limit_s // 10):
        bench.run(10)
        ends = [r for r in bench.reports("navigation: go_to") if r[0] == "completion"]
        if ends:
            bench.log["commands"].clear()
            return ends[-1]
    raise AssertionError("the rover did not arrive")


def true_place(bench):
    unit = bench.unit("vehicle")
    return unit.x_m, unit.y_m


def test_arrives_along_a_straight_line():
    bench = Bench(*UNITS, vehicle={"start_yaw_sigma_deg": 0.0, "start_position_sigma_m": 0.0})
    bench.run(600)
    bench.log["world/vehicle/odometry"].clear()
    assert go(bench, 35.0, 20.0)[1]
    assert math.dist(true_place(bench), (35.0, 20.0)) < 0.5
    slope = math.atan2(20.0, 20.0)
    off = [
        abs(-math.sin(slope) * (p.x - 15.0) + math.cos(slope) * p.y)
        for p in (m.pose.pose.position for _, m in bench.log["world/vehicle/odometry"])
    ]
    assert max(off) < 0.3


def test_commands_velocity_only_while_it_has_a_goal():
    bench = Bench(*UNITS).run(60)
    assert not bench.log["rover/cmd_vel"]
    go(bench, 17.0, 0.0)
    sent = len(bench.log["rover/cmd_vel"])
    bench.run(60)
    assert len(bench.log["rover/cmd_vel"]) == sent > 20
    assert len(bench.log["rover/path"]) == 1


def test_hold_ends_the_drive():
    bench = Bench(*UNITS).run(10)
    bench.bus.request("navigation", "go_to", x_m=35.0, y_m=0.0)
    bench.run(60)
    bench.bus.request("navigation", "hold")
    bench.run(10)
    here = true_place(bench)
    bench.run(10)
    assert true_place(bench) == here
    assert ("completion", False, "ended by hold") in bench.reports("navigation: go_to")


def test_a_rover_that_cannot_move_says_so():
    bench = Bench(*UNITS).run(10)
    bench.degrade("mobility", drag_n=5000.0)
    stage, success, sentence = go(bench, 35.0, 0.0)
    assert not success and "has not moved" in sentence


def test_without_sensors_a_goal_is_refused_at_its_start():
    bench = Bench("navigation").run(5)
    bench.bus.request("navigation", "go_to", x_m=1.0, y_m=1.0)
    bench.run(2)
    assert ("start", False) in [r[:2] for r in bench.reports("navigation: go_to")]


def test_learns_the_bias_of_the_gyro_while_standing():
    bench = Bench(*UNITS, vehicle={"start_yaw_sigma_deg": 0.0}).run(1200)
    # unlearned, a bias of 3 deg/h and the Moon's turn would show as a degree
    truth = bench.unit("vehicle").yaw_rad
    go(bench, 35.0, 0.0, speed_m_s=0.02)
    moved = bench.unit("vehicle").yaw_rad - truth
    assert math.degrees(bench.unit("navigation").localisation.yaw_rad - moved) == pytest.approx(
        0.0, abs=0.15
    )
    sigma = bench.unit("navigation").housekeeping()["position_sigma_m"]
    assert 0.1 < sigma < 0.5


def test_the_covariance_covers_the_error():
    errors = []
    for seed in range(1, 4):
        bench = Bench(*UNITS, seed=seed).run(300)
        go(bench, 55.0, 10.0, speed_m_s=0.1)
        e = bench.unit("navigation").localisation
        x, y = true_place(bench)
        (a, b, _, c, *_), dx, dy = e.covariance, e.x_m - x, e.y_m - y
        errors.append((c * dx * dx - 2 * b * dx * dy + a * dy * dy) / (a * c - b * b))
    # chi-square with 6 degrees of freedom: 99.9 % lies below 22.5
    assert sum(errors) < 22.5
