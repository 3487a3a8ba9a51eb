# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from unit_bench import Bench

from lupex_nodes.bus.ports import Qos
from lupex_nodes.rover.records import CURRENTS
from lupex_nodes.world.records import TRACKS

DRIVE = ("vehicle", "mobility")
LEVEL = {"terrain_rms_slope_deg": 0.0, "start_position_sigma_m": 0.0, "start_yaw_sigma_deg": 0.0}


def drive(bench, duration_s, ahead=0.05, turn=0.0):
    for _ in range(duration_s):
        twist = TwistStamped()
        twist.twist.linear.x, twist.twist.angular.z = ahead, turn
        bench.bus.publish("rover/cmd_vel", Qos.TELEMETRY, twist)
        bench.run(1)


def place(bench):
    return bench.last("world/vehicle/odometry").pose.pose.position


def test_drives_as_commanded_and_stops_in_silence():
    bench = Bench(*DRIVE, vehicle=LEVEL).run(2)
    drive(bench, 100)
    assert place(bench).x - 15.0 == pytest.approx(0.05 * 98, abs=0.15)
    assert abs(place(bench).y) < 1e-6
    bench.run(10)
    stopped = place(bench).x
    bench.run(10)
    assert place(bench).x == stopped
    assert bench.unit("mobility").mode == "stopped"


def test_turns_on_the_spot():
    bench = Bench(*DRIVE, vehicle=LEVEL).run(2)
    drive(bench, 60, ahead=0.0, turn=0.02)
    yaw = bench.unit("vehicle").yaw_rad
    assert yaw == pytest.approx(0.02 * 52, rel=0.08), "less some seconds to steer"
    assert math.hypot(place(bench).x - 15.0, place(bench).y) < 1e-6


def test_slips_uphill_as_terramechanics_says():
    bench = Bench(*DRIVE, vehicle={"terrain_rms_slope_deg": 6.0}, seed=3).run(2)
    drive(bench, 300, ahead=0.1)
    slips = np.array([r.slip for r in bench.rows("world/vehicle/tracks", TRACKS)[5:]])
    poses = [m.pose.pose.position for _, m in bench.log["world/vehicle/odometry"]]
    climb = np.diff([p.z for p in poses]) / np.maximum(np.diff([p.x for p in poses]), 1e-9)
    n = min(len(slips), len(climb)) - 10
    assert np.corrcoef(slips[-n:], climb[-n:])[0, 1] > 0.9
    # disturbed soil: about 5 % at 10 deg, and the tracks brake downhill
    assert slips.max() > 0.02 and slips.min() < 0.0


def test_a_dragging_crawler_draws_current_and_is_restored():
    bench = Bench(*DRIVE, vehicle=LEVEL).run(2)
    drive(bench, 20)
    before = bench.last("rover/mobility/currents", CURRENTS)
    bench.degrade("mobility", drag_n=60.0, drag_crawler="rear_left")
    drive(bench, 3)
    during = bench.last("rover/mobility/currents", CURRENTS)
    assert during.current_rear_left_a - before.current_rear_left_a > 0.8
    assert during.current_front_left_a == pytest.approx(before.current_front_left_a, abs=0.08)
    bench.degrade("mobility")
    drive(bench, 3)
    after = bench.last("rover/mobility/currents", CURRENTS)
    assert after.current_rear_left_a == pytest.approx(before.current_rear_left_a, abs=0.08)


def test_a_stalled_crawler_stops_the_drive_until_the_command_pauses():
    bench = Bench(*DRIVE, vehicle=LEVEL).run(2)
    drive(bench, 20)
    bench.degrade("mobility", drag_n=2000.0)
    drive(bench, 5)
    assert bench.events().count("STALL") == 1
    bench.degrade("mobility")
    here = place(bench).x
    drive(bench, 10)
    assert place(bench).x == pytest.approx(here, abs=1e-9), "the command went on: still blocked"
    bench.run(5)
    drive(bench, 10)
    assert place(bench).x > here + 0.2


def test_stop_blocks_until_the_command_pauses():
    bench = Bench(*DRIVE, vehicle=LEVEL).run(2)
    drive(bench, 10)
    bench.bus.request("mobility", "stop")
    drive(bench, 3)
    here = place(bench).x
    drive(bench, 5)
    assert place(bench).x == here and bench.unit("mobility").mode == "blocked"


def test_tracks_that_slip_away_stop_the_drive():
    bench = Bench("mobility").run(2)
    for slip, trips in ((0.3, 0), (0.8, 1)):
        for _ in range(6):
            rows = [(slip, 0.02, 142.0, 60.0, 3.0)] * 4
            bench.bus.publish(
                "world/vehicle/tracks", Qos.TELEMETRY, TRACKS.message(bench.bus.now, rows)
            )
            drive(bench, 1)
        assert bench.events().count("SLIP") == trips
    assert not any(bench.last("rover/mobility/drive").velocity)


def test_the_gyro_feels_the_moon_its_bias_and_the_turn():
    quiet = {
        "gyro_bias_sigma_deg_h": 0.0,
        "angle_random_walk_deg_sqrt_h": 0.0,
        "rate_random_walk_deg_h_sqrt_h": 0.0,
    }
    bench = Bench(*DRIVE, "imu", vehicle=LEVEL, imu=quiet).run(10)

    def rate_deg_h():
        return math.degrees(bench.last("rover/imu/data").angular_velocity.z) * 3600.0

    # 360 deg in 27.321661 days, downwards at the south pole
    moon = -360.0 / (27.321661 * 24.0)
    assert rate_deg_h() == pytest.approx(moon, rel=1e-3)
    bench.degrade("imu", gyro_bias_step_deg_h=100.0)
    bench.run(3)
    assert rate_deg_h() == pytest.approx(100.0 + moon, rel=1e-6)
    bench.degrade("imu")
    bench.run(3)
    assert rate_deg_h() == pytest.approx(moon, rel=1e-3)
    samples = len(bench.log["rover/imu/data"])
    drive(bench, 60, ahead=0.0, turn=0.02)
    bench.run(10)
    turned = sum(m.angular_velocity.z for _, m in bench.log["rover/imu/data"][samples:])
    turned -= math.radians(moon) / 3600.0 * 70
    assert turned == pytest.approx(bench.unit("vehicle").yaw_rad, abs=1e-5)


def test_the_same_seed_gives_the_same_ride_and_another_seed_another():
    rides = []
    for seed in (4, 4, 5):
        bench = Bench(*DRIVE, seed=seed).run(2)
        drive(bench, 50)
        rides.append((place(bench).x, place(bench).y, place(bench).z))
    assert rides[0] == rides[1] != rides[2]
