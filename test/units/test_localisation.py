# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import Imu, JointState, Range

from lupex_nodes.bus.ports import InPort, Input
from lupex_nodes.bus.stamps import SECOND, to_stamp
from lupex_nodes.rover.attitude import quaternion
from lupex_nodes.rover.innovation_gate import InnovationGate, Verdict
from lupex_nodes.rover.localisation import Localisation, LocalisationParameters
from lupex_nodes.rover.records import VISUAL_ODOMETRY
from lupex_nodes.rover.state_filter import (
    AHEAD,
    BIAS,
    LEFT,
    MOUNT,
    SCALE,
    SIDE,
    SIZE,
    SLIP,
    STOP_X,
    WANDER,
    YAW,
    Move,
    StateFilter,
    X,
    Y,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.insert(0, str(DOCS))

from localisation_flights import MOST, WITHOUT, fly  # noqa: E402
from scores import mean_square_bounds  # noqa: E402

# --- the filter ----------------------------------------------------------------------------------


def new_filter(**sigma):
    names = {"x": X, "y": Y, "yaw": YAW, "bias": BIAS, "mount": MOUNT, "scale": SCALE,
             "wander": WANDER, "slip": SLIP, "side": SIDE}  # fmt: skip
    sigmas = [0.0] * SIZE
    for name, value in sigma.items():
        sigmas[names[name]] = value
    return StateFilter([0.0] * SIZE, sigmas)


def unit_row(index, value=1.0):
    row = np.zeros(SIZE)
    row[index] = value
    return row


def test_equals_a_least_squares_solution_of_all_measurements_at_once():
    """Straight east, slip constant, camera without error of scale: a linear problem."""
    frames, steps, step_m, slip_m, noise_m2 = 6, 4, 0.5, 0.05, 4e-4
    rng = np.random.default_rng(5)
    seen = frames * 1.9 / frames + 0.03 * rng.standard_normal(frames)
    fix, sigma_fix, sigma_seen, sigma_start = 11.0, 0.5, 0.03, 0.4
    f = new_filter(x=sigma_start, slip=1.0)
    for z in seen:
        for _ in range(steps):
            f.move(Move(step_m, 0.0, slip_m, 0.0, 0.0), (1.0, 1.0), noise_m2)
        f.correct(unit_row(AHEAD), z - f.state[AHEAD], sigma_seen**2)
        f.new_frame()
    f.correct(unit_row(X), fix - f.state[X], sigma_fix**2)
    # unknowns: start, slip, and the noise of each frame's way
    columns = 2 + frames
    rows, values, sigmas = [], [], []
    for i in range(columns):
        rows.append(np.eye(columns)[i])
        values.append(0.0)
        sigmas.append([sigma_start, 1.0][i] if i < 2 else math.sqrt(steps * noise_m2))
    for i, z in enumerate(seen):
        row = np.zeros(columns)
        row[1], row[2 + i] = -steps * slip_m, 1.0
        rows.append(row)
        values.append(z - steps * step_m)
        sigmas.append(sigma_seen)
    end = np.ones(columns)
    end[1] = -frames * steps * slip_m
    rows.append(end)
    values.append(fix - frames * steps * step_m)
    sigmas.append(sigma_fix)
    a = np.array(rows) / np.array(sigmas)[:, None]
    best = np.linalg.lstsq(a, np.array(values) / np.array(sigmas), rcond=None)[0]
    inverse = np.linalg.inv(a.T @ a)
    assert f.state[X] == pytest.approx(frames * steps * step_m + end @ best, abs=1e-9)
    assert f.state[SLIP] == pytest.approx(best[1], abs=1e-9)
    assert f.covariance[X, X] == pytest.approx(end @ inverse @ end, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("tmsvfyw"), st.floats(-1.0, 1.0), st.floats(-1.0, 1.0)),
        min_size=5, max_size=60,
    )
)  # fmt: skip
def test_the_covariance_stays_one(operations):
    f = new_filter(x=0.1, y=0.1, yaw=0.01, bias=1e-5, mount=1e-3, scale=0.007, wander=1.0,
                   slip=1.0, side=1.0)  # fmt: skip
    for kind, a, b in operations:
        if kind == "t":
            f.turn(0.05 * a, 1.0, 1e-5, 1e-8)
        elif kind == "m":
            f.move(Move(0.5 * a, 0.1 * b, 0.01 * a, 0.005, 0.2 * b), (0.9, 0.9), 1e-5)
        elif kind == "s":
            f.stand(1e-5 * a, 60.0, 1e-5, 1e-8)
        elif kind == "v":
            f.correct(unit_row(AHEAD) + unit_row(SCALE, f.state[AHEAD]), 0.01 * a, 1e-4)
            f.new_frame()
        elif kind == "f":
            f.new_stop()
            f.correct(unit_row(STOP_X), 3.0 * a, 9.0)
        elif kind == "y":
            f.correct(unit_row(YAW) + unit_row(MOUNT), 1e-3 * a, 1e-7)
        else:
            f.widen(unit_row(X) + unit_row(LEFT), abs(a))
    p = f.covariance
    scale = np.sqrt(np.outer(np.diag(p), np.diag(p))) + 1e-12
    assert np.abs((p - p.T) / scale).max() < 1e-6
    assert np.linalg.eigvalsh((p + p.T) / 2.0).min() > -1e-9
    assert len(f.pose_covariance) == 6


def test_a_fix_of_the_last_stop_moves_the_rover_that_has_driven_on():
    f = new_filter(x=5.0, y=5.0, slip=1.0)
    f.new_stop()
    for _ in range(100):
        f.move(Move(1.0, 0.0, 0.02, 0.0, 0.0), (0.95, 1.0), 1e-4)
    before = f.state[X]
    f.correct(unit_row(STOP_X), 4.0, 1e-6)
    assert f.state[X] == pytest.approx(before + 4.0, abs=1e-3)
    # what the drive added stays: 2 % that last 20 m, 100 m long, and noise
    assert math.sqrt(f.covariance[X, X]) == pytest.approx(0.02 * math.sqrt(2 * 20 * 80), rel=0.1)


def test_a_gate_refuses_the_wild_and_believes_the_stubborn():
    gate = InnovationGate(4.0, 3)
    assert gate.judge((0.5,), 1.0, 1.0) is Verdict.TAKE
    wild = [gate.judge((x,), abs(x), 1.0) for x in (50.0, -80.0, 90.0, 20.0, -70.0)]
    assert wild == [Verdict.REFUSE] * 5
    agree = [gate.judge((30.0 + x,), 30.0, 1.0) for x in (0.0, 1.0, -1.0)]
    assert agree == [Verdict.REFUSE, Verdict.REFUSE, Verdict.INSISTS]
    assert gate.judge((30.0,), 30.0, 1.0) is Verdict.REFUSE


# --- messages by hand ----------------------------------------------------------------------------


class Rover:
    """A localisation whose messages the test writes: east along the map's x axis."""

    def __init__(self, **parameters):
        ports = {
            "imu": Input("i", Imu, queue=20),
            "joints": Input("j", JointState, queue=20),
            "star_tracker": Input("s", Imu, queue=20),
            "visual_odometry": Input("v", object, schema=VISUAL_ODOMETRY, queue=20),
            "ranging": Input("r", Range, queue=20),
            "map_fix": Input("f", PoseWithCovarianceStamped, queue=20),
        }
        self.ports = {name: InPort(spec) for name, spec in ports.items()}
        declared = {"start_x_m": 0.0, **parameters}
        self.estimate = Localisation(LocalisationParameters(**declared), **self.ports)
        self.now, self.travel_m = 1000 * SECOND, 0.0
        self.frame_at = self.now
        self.second(standing=True)

    def say(self, port, message, at=None):
        if not hasattr(message, "fields"):
            message.header.stamp = to_stamp(self.now if at is None else at)
        self.ports[port].deliver(message, self.now, "test")

    def second(self, speed=0.0, standing=False, rate=0.0, seconds=1):
        self.now += seconds * SECOND
        imu = Imu()
        imu.linear_acceleration.z, imu.angular_velocity.z = 1.62, rate
        self.say("imu", imu)
        self.travel_m += speed * seconds
        joints = JointState()
        joints.position = [self.travel_m] * 4 + [0.0] * 4
        joints.velocity = [speed] * 4 + [0.0] * 4
        self.say("joints", joints)
        self.estimate.update(self.now, standing)

    def drive(self, seconds, speed=0.1, saw=None):
        """`saw`: what part of the tracks' way the camera sees, frame by frame of 8 s."""
        for i in range(seconds):
            self.second(speed)
            if saw is not None and i % 8 == 7:
                self.frame(8.0 * speed * saw)
        for _ in range(3):
            self.second()

    def frame(self, ahead_m, valid=1):
        since_s, self.frame_at = (self.now - self.frame_at) / SECOND, self.now
        row = (since_s, ahead_m, 0.0, 0.0, 0.0, 0.005, 0.001, 100, valid)
        self.say("visual_odometry", VISUAL_ODOMETRY.message(self.now, [row]))

    def stars(self, yaw=0.0, valid=True):
        message = Imu()
        q = message.orientation
        q.x, q.y, q.z, q.w = quaternion(0.0, 0.0, yaw)
        message.orientation_covariance[0] = 1e-8 if valid else -1.0
        message.orientation_covariance[8] = math.radians(0.03) ** 2
        self.say("star_tracker", message)

    def fix(self, x, y, at=None):
        message = PoseWithCovarianceStamped()
        message.pose.pose.position.x, message.pose.pose.position.y = float(x), float(y)
        message.pose.covariance[0] = message.pose.covariance[7] = 9.0
        self.say("map_fix", message, at)

    def range(self, metres):
        message = Range()
        message.range, message.variance = float(metres), 4.0
        self.say("ranging", message)

    @property
    def sigma_m(self):
        return math.sqrt(self.estimate.covariance[0])


def test_tracks_alone_less_the_expected_slip():
    rover = Rover()
    rover.drive(1000)
    assert rover.estimate.x_m == pytest.approx(100.0, abs=0.2)
    assert rover.estimate.driven_m == pytest.approx(rover.estimate.x_m, abs=1e-6)
    assert 0.11 < rover.sigma_m < 1.0


def test_a_soft_patch_is_seen_by_the_camera_and_learned():
    rover = Rover()
    rover.drive(160, saw=1.0)
    rover.drive(160, saw=0.6)
    assert rover.estimate.x_m == pytest.approx(16.0 + 16.0 * 0.6, abs=0.3)
    assert rover.estimate.slip == pytest.approx(0.4, abs=0.08)
    rover.drive(160, saw=1.0)
    assert rover.estimate.x_m == pytest.approx(32.0 + 16.0 * 0.6, abs=0.4)


def test_tracks_that_nobody_counted_are_no_slip():
    rover = Rover()
    rover.drive(160, saw=1.0)
    for _ in range(4):
        rover.second(0.1)
    before = rover.sigma_m
    # the drive's computer is off for 4 s; the tracks run on for three of them
    rover.now += 4 * SECOND
    for _ in range(4):
        rover.second(0.1)
    assert rover.sigma_m > before + 0.1
    rover.frame(0.1 * (4 + 3 + 4))
    rover.drive(8)
    assert rover.estimate.x_m == pytest.approx(16.0 + 1.1 + 0.8, abs=0.1)
    assert abs(rover.estimate.slip) < 0.05


@pytest.mark.parametrize("still", [1, 2, 4])
def test_a_drive_that_stopped_and_is_silent_did_not_run_on(still):
    rover = Rover()
    rover.drive(160, saw=1.0)
    for _ in range(20):
        rover.second(0.1)
    for _ in range(still):
        rover.second()
    before = rover.sigma_m
    rover.second(seconds=50)
    assert rover.sigma_m == pytest.approx(before, abs=0.001)


def test_what_the_tracks_did_while_the_estimate_was_off_counts():
    rover = Rover()
    rover.drive(160, saw=1.0)
    for _ in range(5):
        rover.second(0.1)
    kept = rover.estimate.save()
    rover.now += 4 * SECOND
    rover.travel_m += 0.3
    again = Rover()
    again.now, again.travel_m = rover.now, rover.travel_m
    again.estimate.restore(kept)
    for _ in range(5):
        again.second()
    assert again.estimate.x_m == pytest.approx(16.8, abs=0.06)


def test_an_impossible_motion_is_refused():
    rover = Rover()
    rover.drive(160, saw=1.0)
    x_m = rover.estimate.x_m
    rover.drive(8, saw=5.0)
    assert rover.estimate.refused == 1
    assert rover.estimate.x_m == pytest.approx(x_m + 0.8, abs=0.05)


def test_frames_that_are_not_valid_say_nothing():
    rover = Rover()
    for _ in range(10):
        for _ in range(8):
            rover.second(0.1)
        rover.frame(0.0, valid=0)
    rover.second()
    assert rover.estimate.x_m == pytest.approx(8.0, abs=0.1)


def test_a_wrong_fix_is_refused_and_a_right_one_taken():
    rover = Rover()
    rover.second(standing=True, seconds=60)
    rover.fix(80.0, 0.0)
    rover.second(standing=True, seconds=60)
    assert rover.estimate.refused == 1 and abs(rover.estimate.x_m) < 0.1
    rover.fix(1.0, -2.0)
    rover.second(standing=True, seconds=60)
    assert rover.estimate.refused == 1 and abs(rover.estimate.x_m) < 0.1


def test_fixes_that_agree_move_an_estimate_that_went_wrong():
    rover = Rover()
    for _ in range(2):
        rover.second(standing=True, seconds=60)
        rover.fix(80.0, -40.0)
        rover.second(standing=True, seconds=60)
    assert math.dist((rover.estimate.x_m, rover.estimate.y_m), (80.0, -40.0)) < 3.0
    assert rover.sigma_m > 1.0


def test_a_fix_that_comes_late_corrects_the_stop_it_is_of():
    rover = Rover(start_position_sigma_m=30.0)
    for _ in range(15):
        rover.second(standing=True, seconds=60)
    taken = rover.now
    rover.second(standing=True, seconds=60)
    rover.drive(500)
    x_m = rover.estimate.x_m
    rover.fix(20.0, 10.0, at=taken)
    rover.second()
    # the prior of 30 m weighs 1 % against the fix of 3 m
    assert rover.estimate.x_m == pytest.approx(x_m + 20.0, abs=0.4)
    assert rover.sigma_m == pytest.approx(3.0, abs=0.1)
    x_m = rover.estimate.x_m
    rover.fix(-20.0, 10.0, at=taken - 3600 * SECOND)
    rover.second()
    assert rover.estimate.x_m == pytest.approx(x_m, abs=1e-6) or rover.estimate.refused == 1


def test_ranges_of_one_place_count_once():
    rover = Rover(start_x_m=100.0, start_position_sigma_m=5.0, height_sigma_m=0.0)
    for _ in range(20):
        rover.range(101.0)
        rover.second(standing=True, seconds=60)
    # 5 m and 2 m
    assert rover.sigma_m == pytest.approx(1.86, abs=0.02)
    assert rover.estimate.x_m == pytest.approx(100.86, abs=0.03)


def test_stars_hold_the_yaw_that_the_gyro_loses():
    drifting, held = Rover(), Rover()
    bias = math.radians(10.0) / 3600.0
    for i in range(1800):
        drifting.second(0.05, rate=bias)
        if i % 10 == 0:
            held.stars()
        held.second(0.05, rate=bias)
    assert abs(math.degrees(drifting.estimate.yaw_rad)) == pytest.approx(5.0, abs=0.2)
    assert abs(math.degrees(held.estimate.yaw_rad)) < 0.1
    # a crooked tracker does not become straight by many frames
    assert math.degrees(math.sqrt(held.estimate.covariance[5])) == pytest.approx(0.048, abs=0.004)


def test_no_stars_change_nothing():
    rover = Rover()
    rover.second(standing=True)
    rover.stars(yaw=1.0, valid=False)
    for _ in range(3):
        rover.second(standing=True)
    assert rover.estimate.yaw_rad == 0.0


def test_stars_that_insist_turn_a_lost_heading():
    rover = Rover()
    for _ in range(12):
        rover.stars(yaw=0.5)
        rover.second(standing=True, seconds=10)
    assert rover.estimate.yaw_rad == pytest.approx(0.5, abs=0.01)


def test_without_gyros_the_tracks_turn_the_estimate():
    rover = Rover()
    rover.second()
    for _ in range(120):
        rover.now += SECOND
        joints = JointState()
        rover.travel_m += 0.1
        # the left crawlers are slower: a turn to the left
        left, right = 0.9 * rover.travel_m, 1.1 * rover.travel_m
        joints.position = [left, right, left, right] + [0.0] * 4
        joints.velocity = [0.1] * 8
        rover.say("joints", joints)
        rover.estimate.update(rover.now, False)
    assert rover.estimate.yaw_rad > 0.5
    assert math.sqrt(rover.estimate.covariance[5]) > 0.01


def test_memory_keeps_the_estimate_but_not_the_bias():
    rover = Rover()
    for _ in range(10):
        rover.second(standing=True, seconds=60)
    rover.drive(400, saw=0.98)
    kept = rover.estimate.save()
    again = Rover()
    again.estimate.restore(kept)
    a, b = rover.estimate, again.estimate
    for name in ("x_m", "y_m", "z_m", "yaw_rad", "roll_rad", "driven_m"):
        assert getattr(b, name) == getattr(a, name)
    assert b.covariance == pytest.approx(a.covariance)
    assert b.filter.covariance[BIAS, BIAS] > a.filter.covariance[BIAS, BIAS]
    again.drive(100)
    assert b.x_m == pytest.approx(a.x_m + 10.0, abs=0.5)


# --- flights -------------------------------------------------------------------------------------

def test_a_flight_ends_where_it_believes():
    flown = [fly("lit", seed, ((55.0, 20.0),)) for seed in range(1, 4)]
    # the mean of 3: 99.9 % lies below 7.5
    assert np.mean([each.square for each in flown]) < 7.5
    assert max(each.legs[0] for each in flown) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("condition", WITHOUT)
def test_the_covariance_is_honest_and_the_drift_small(condition):
    flown = [fly(condition, seed) for seed in range(101, 121)]
    low, high = mean_square_bounds(len(flown), 2)
    assert low < np.mean([each.square for each in flown]) < high
    legs = [leg for each in flown for leg in each.legs]
    assert np.quantile(legs, 0.95) < MOST[condition]


def test_the_bounds_are_those_of_chi_square():
    assert mean_square_bounds(20, 2) == pytest.approx((1.22, 2.97), abs=0.005)
