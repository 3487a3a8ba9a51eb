# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
from geometry_msgs.msg import PoseStamped, TwistStamped
from unit_bench import START, Bench

from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.rover.records import LEG, MOBILITY, SKY

UNITS = ("vehicle", "mobility", "imu", "navigation")
LEVEL = {"terrain_relief_scale": 0.0}
EXACT = {"start_position_sigma_m": 0.0, "start_yaw_sigma_deg": 0.0}


def bench_of(*units, seed=1, vehicle=None, **parameters):
    """Units on level ground, which the map shows as such."""
    navigation = {**LEVEL, "map_noise_m": 0.0, **parameters}
    vehicle = {**LEVEL, **EXACT, **(vehicle or {})}
    given = {"navigation": navigation, "vehicle": vehicle}
    return Bench(*units, seed=seed, **{name: given[name] for name in given if name in units})


def wait(bench, name="navigation: go_to", limit_s=2500):
    for _ in range(limit_s // 10):
        bench.run(10)
        ends = [r for r in bench.reports(name) if r[0] == "completion" or not r[1]]
        if ends:
            bench.log["commands"].clear()
            return ends[-1]
    raise AssertionError("the drive did not end")


def go(bench, x_m, y_m, **more):
    call = bench.bus.request("navigation", "go_to", x_m=x_m, y_m=y_m, **more)
    assert call.accepted, call.reason
    return wait(bench)


def true_place(bench):
    unit = bench.unit("vehicle")
    return unit.x_m, unit.y_m


def click(bench, x_m, y_m, yaw=0.0, frame="map"):
    """What rviz publishes for a 2D goal."""
    goal = PoseStamped()
    goal.header.frame_id = frame
    goal.pose.position.x, goal.pose.position.y = x_m, y_m
    goal.pose.orientation.z, goal.pose.orientation.w = math.sin(yaw / 2), math.cos(yaw / 2)
    bench.bus.publish("goal_pose", Qos.TELEMETRY, goal)


def test_arrives_along_a_straight_line():
    bench = bench_of(*UNITS).run(600)
    bench.log["world/vehicle/odometry"].clear()
    assert go(bench, 35.0, 20.0)[1]
    assert math.dist(true_place(bench), (35.0, 20.0)) < 0.5
    slope = math.atan2(20.0, 20.0)
    off = [
        abs(-math.sin(slope) * (p.x - 15.0) + math.cos(slope) * p.y)
        for p in (m.pose.pose.position for _, m in bench.log["world/vehicle/odometry"])
    ]
    assert max(off) < 0.3


def test_lines_of_a_survey_stay_straight_on_gentle_ground():
    bench = Bench(*UNITS).run(60)
    assert go(bench, 45.0, -15.0)[1]
    corners = {(p.pose.position.x, p.pose.position.y) for p in bench.last("rover/path").poses}
    (x0, y0), (x1, y1) = min(corners), max(corners)
    assert all(abs((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) < 1e-6 for x, y in corners)


def test_commands_velocity_only_while_it_has_a_goal():
    bench = bench_of(*UNITS).run(60)
    assert not bench.log["rover/cmd_vel"]
    assert go(bench, 17.0, 0.0)[1]
    sent = len(bench.log["rover/cmd_vel"])
    bench.run(60)
    assert len(bench.log["rover/cmd_vel"]) == sent > 20
    assert len(bench.log["rover/path"]) == 1


def test_hold_ends_the_drive_and_others_may_drive():
    bench = bench_of(*UNITS).run(10)
    bench.bus.request("navigation", "go_to", x_m=35.0, y_m=0.0)
    bench.run(60)
    bench.bus.request("navigation", "hold")
    bench.run(10)
    here = true_place(bench)
    bench.run(10)
    assert true_place(bench) == here
    assert ("completion", False, "ended by hold") in bench.reports("navigation: go_to")
    assert bench.rows("rover/navigation/leg", LEG)[-1].reached == 0
    twist = TwistStamped()
    twist.twist.linear.x = 0.05
    for _ in range(100):
        bench.bus.publish("rover/cmd_vel", Qos.TELEMETRY, twist)
        bench.run(1)
    bench.run(5)
    assert true_place(bench)[0] - here[0] == pytest.approx(5.0, abs=0.3)
    e = bench.unit("navigation").localisation
    assert math.dist((e.x_m, e.y_m), true_place(bench)) < 0.3, "the estimate drives along"


def test_a_rover_that_cannot_move_says_so():
    bench = bench_of(*UNITS).run(10)
    bench.degrade("mobility", drag_n=5000.0)
    _, success, sentence = go(bench, 35.0, 0.0)
    assert not success and "new paths did not help: blocked" in sentence
    assert bench.unit("navigation").mode == "idle"


def test_a_drive_that_was_stopped_by_command_is_not_taken_up_again():
    bench = bench_of("navigation", "imu", "vehicle", "mobility").run(10)
    bench.bus.request("navigation", "go_to", x_m=35.0, y_m=0.0)
    bench.run(30)
    bench.bus.request("mobility", "stop")
    assert wait(bench)[1:] == (False, "the drive was stopped by command")
    here = true_place(bench)
    bench.run(120)
    assert math.dist(true_place(bench), here) < 1e-6


def test_without_sensors_a_goal_is_refused_at_its_start():
    bench = bench_of("navigation").run(5)
    bench.bus.request("navigation", "go_to", x_m=1.0, y_m=1.0)
    bench.run(2)
    assert ("start", False) in [r[:2] for r in bench.reports("navigation: go_to")]


def test_goals_off_the_map_are_refused_with_the_reason():
    bench = bench_of(*UNITS).run(10)
    assert go(bench, 900.0, 0.0) == ("start", False, "(900.0, 0.0) m is off the map")
    click(bench, 900.0, 0.0)
    stage, success, reason = wait(bench, "navigation: goal_pose")
    assert (stage, success) == ("acceptance", False) and "off the map" in reason


def test_goals_of_rviz_are_driven_to_turned_to_and_reported():
    bench = bench_of(*UNITS).run(30)
    click(bench, 19.0, 2.0, yaw=1.2)
    assert wait(bench, "navigation: goal_pose") == ("completion", True, "completion successful")
    assert math.dist(true_place(bench), (19.0, 2.0)) < 0.6
    assert bench.unit("vehicle").yaw_rad == pytest.approx(1.2, abs=0.06)
    click(bench, 25.0, 2.0)
    bench.run(20)
    stages = [r[:2] for r in bench.reports("navigation: goal_pose")]
    assert stages[:2] == [("acceptance", True), ("start", True)] and ("progress", True) in stages
    click(bench, 19.0, 6.0)
    bench.run(5)
    replaced = ("completion", False, "replaced by a new goal")
    assert replaced in bench.reports("navigation: goal_pose")
    busy = bench.bus.request("navigation", "go_to", x_m=17.0, y_m=0.0)
    bench.run(2)
    assert busy.accepted and "hold first" in bench.reports("navigation: go_to")[-1][2]
    bench.bus.request("navigation", "hold")
    bench.run(5)
    assert bench.reports("navigation: goal_pose")[-1] == ("completion", False, "ended by hold")


@pytest.mark.parametrize(
    ("goal", "reason"),
    [
        ({"x_m": math.nan, "y_m": 0.0}, "not finite"),
        ({"x_m": 1.0, "y_m": math.inf}, "not finite"),
        ({"x_m": 1.0, "y_m": 0.0, "yaw": math.nan}, "not finite"),
        ({"x_m": 1.0, "y_m": 0.0, "frame": "odom"}, "frame odom: give it in map"),
        ({"x_m": 1.0, "y_m": 0.0, "frame": ""}, "frame without a name"),
    ],
)
def test_goals_that_mean_nothing_are_refused(goal, reason):
    bench = bench_of(*UNITS).run(5)
    click(bench, **goal)
    bench.run(3)
    ((stage, success, sentence),) = bench.reports("navigation: goal_pose")
    assert (stage, success) == ("acceptance", False) and reason in sentence
    assert bench.unit("navigation").mode == "idle" and not bench.log["rover/cmd_vel"]


def test_a_goal_of_rviz_does_not_disturb_a_command():
    bench = bench_of(*UNITS).run(5)
    bench.bus.request("navigation", "go_to", x_m=25.0, y_m=0.0)
    bench.run(20)
    click(bench, 15.0, 9.0)
    bench.run(3)
    assert "busy with go_to" in bench.reports("navigation: goal_pose")[-1][2]
    assert bench.unit("navigation").journey.goal.x_m == 25.0


def test_each_drive_leaves_a_leg_of_what_was_planned_and_measured():
    bench = bench_of(*UNITS).run(10)
    energy_j = bench.last("rover/mobility/state", MOBILITY).energy_j
    assert go(bench, 65.0, 30.0, speed_m_s=0.1)[1]
    energy_j = bench.last("rover/mobility/state", MOBILITY).energy_j - energy_j
    (leg,) = bench.rows("rover/navigation/leg", LEG)
    assert leg.length_m == pytest.approx(math.hypot(50.0, 30.0), rel=0.01)
    assert leg.driven_m == pytest.approx(leg.length_m, rel=0.03)
    assert leg.driven_energy_j == pytest.approx(energy_j, rel=0.01)
    assert leg.planned_energy_j == pytest.approx(leg.driven_energy_j, rel=0.1)
    assert leg.planned_s == pytest.approx(leg.driven_s, rel=0.1)
    assert (leg.replans, leg.reached) == (0, 1)


def test_says_the_sky_every_ten_minutes_and_after_each_stop():
    bench = bench_of(*UNITS).run(1801)
    times = [t for t, _ in bench.log["rover/navigation/sky"]]
    assert times == [0.0, 600.0, 1200.0, 1800.0]
    assert go(bench, 17.0, 0.0)[1]
    assert len(bench.log["rover/navigation/sky"]) == 5
    sky = bench.last("rover/navigation/sky", SKY)
    assert (sky.lit_for_s > 0.0) != (sky.dark_for_s > 0.0)
    assert sky.earth_visible == 1 and 5.0 < sky.earth_for_s / 86400.0 < 9.0


def test_waits_for_its_departure_and_can_be_held_meanwhile():
    bench = bench_of(*UNITS).run(10)
    nav = bench.unit("navigation")

    class Night:
        def dark(self, x, y, at):
            return at < START + 3 * 3600 * SECOND

        def silent(self, x, y, at):
            return x > 1e9

    nav.planner.sky = Night()
    bench.bus.request("navigation", "go_to", x_m=20.0, y_m=0.0, dark_max_m=0.0)
    bench.run(2)
    assert "are dark, and the limit is 0 m" in bench.reports("navigation: go_to")[-1][2]
    more = {"x_m": 20.0, "y_m": 0.0, "dark_max_m": 0.0, "wait_max_s": 20000.0}
    bench.bus.request("navigation", "go_to", **more)
    bench.run(600)
    assert nav.mode == "waiting" and "WAIT" in bench.events() and not bench.log["rover/cmd_vel"]
    bench.bus.request("navigation", "hold")
    bench.run(10)
    assert nav.mode == "idle" and not bench.log["rover/cmd_vel"]
    bench.bus.request("navigation", "go_to", **more)
    bench.log["commands"].clear()
    assert wait(bench, limit_s=16000)[1]
    first = bench.log["rover/cmd_vel"][0][0]
    assert 3 * 3600.0 <= first < 5 * 3600.0


def test_its_pose_outlives_a_reset_and_stands_in_memory():
    bench = bench_of(*UNITS).run(60)
    assert go(bench, 22.0, 3.0)[1]
    bench.run(120)
    e = bench.unit("navigation").localisation
    before = (e.x_m, e.y_m, e.yaw_rad)
    assert math.dist(before[:2], (22.0, 3.0)) < 0.6
    bench.bus.request("navigation", "reset")
    bench.run(30)
    e = bench.unit("navigation").localisation
    assert math.dist((e.x_m, e.y_m), before[:2]) < 0.01
    assert e.yaw_rad == pytest.approx(before[2], abs=0.01)


def test_a_parked_rover_is_asked_little():
    bench = bench_of("navigation").run(7200)
    assert len(bench.log["rover/odometry"]) <= 7200 / 60 + 2


def test_learns_the_bias_of_the_gyro_while_standing():
    bench = bench_of(*UNITS).run(1200)
    # unlearned, a bias of 3 deg/h and the Moon's turn would show as a degree
    truth = bench.unit("vehicle").yaw_rad
    go(bench, 35.0, 0.0, speed_m_s=0.02)
    moved = bench.unit("vehicle").yaw_rad - truth
    assert math.degrees(bench.unit("navigation").localisation.yaw_rad - moved) == pytest.approx(
        0.0, abs=0.25
    )
    assert 0.05 < bench.unit("navigation").housekeeping()["position_sigma_m"] < 0.6


def test_the_covariance_covers_the_error():
    errors = []
    for seed in range(1, 4):
        start = {"start_position_sigma_m": 0.1, "start_yaw_sigma_deg": 0.2}
        bench = bench_of(*UNITS, seed=seed, vehicle=start).run(300)
        assert go(bench, 55.0, 10.0, speed_m_s=0.1)[1]
        e = bench.unit("navigation").localisation
        x, y = true_place(bench)
        (a, b, _, c, *_), dx, dy = e.covariance, e.x_m - x, e.y_m - y
        errors.append((c * dx * dx - 2 * b * dx * dy + a * dy * dy) / (a * c - b * b))
    # chi-square with 6 degrees of freedom: 99.9 % lies below 22.5
    assert sum(errors) < 22.5
