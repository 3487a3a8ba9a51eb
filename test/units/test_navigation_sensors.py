# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from unit_bench import START
from unit_bench import Bench as EverySecond

from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.stamps import SECOND, to_stamp
from lupex_nodes.rover.attitude import quaternion, tilt_of, yaw_of
from lupex_nodes.rover.records import ELEVATION, VISUAL_ODOMETRY
from lupex_nodes.world.records import EARTH, RADIATION, SUN

FLAT = {"terrain_seed": 7, "terrain_relief_scale": 0.0}
MOTION = "rover/stereo_camera/visual_odometry"


def Bench(*units, **parameters):
    """A bench whose parked units have nothing to do for a minute."""
    return EverySecond(*units, housekeeping_period_s=60.0, **parameters)


def shine(bench, azimuth_deg=180.0, elevation_deg=1.5, lit=1.0):
    values = dict.fromkeys(SUN.dtype.names, lit)
    values |= {"azimuth_deg": azimuth_deg, "elevation_deg": elevation_deg}
    message = SUN.message(bench.bus.now, [tuple(values.values())])
    bench.bus.publish("world/sun", Qos.STATE, message)


def hear(bench, visible=1):
    row = tuple(visible if f.name == "visible" else 0.0 for f in EARTH.fields)
    bench.bus.publish("world/earth", Qos.STATE, EARTH.message(bench.bus.now, [row]))


def stand(bench, x=0.0, y=0.0, yaw=0.0, roll=0.0, pitch=0.0, speed=0.0, turn=0.0):
    message = Odometry()
    message.header.stamp = to_stamp(bench.bus.now)
    pose, twist = message.pose.pose, message.twist.twist
    pose.position.x, pose.position.y = float(x), float(y)
    q = pose.orientation
    q.x, q.y, q.z, q.w = quaternion(roll, pitch, yaw)
    twist.linear.x, twist.angular.z = float(speed), float(turn)
    bench.bus.publish("world/vehicle/odometry", Qos.TELEMETRY, message)


def drive(bench, metres, yaw=0.0, **light):
    """Let the vehicle go straight at 0.2 m/s."""
    for step in range(1, round(metres / 0.2) + 1):
        if light and step % 50 == 1:
            shine(bench, **light)
        away = 0.2 * step
        stand(bench, away * math.cos(yaw), away * math.sin(yaw), yaw, speed=0.2)
        bench.run(1)


# --- star tracker ------------------------------------------------------------------------------


def attitudes(bench):
    return [m for _, m in bench.log["rover/star_tracker/attitude"]]


def follow_stars(bench, frames, **pose):
    for _ in range(frames):
        stand(bench, **pose)
        bench.run(60)
    return [m for m in attitudes(bench) if m.orientation_covariance[0] >= 0.0]


def test_star_tracker_measures_attitude_within_its_errors():
    bench = Bench("star_tracker", star_tracker={"mounting_sigma_deg": 0.0})
    found = follow_stars(bench, 60, yaw=2.0, roll=0.1, pitch=-0.05)
    q = [(m.orientation.x, m.orientation.y, m.orientation.z, m.orientation.w) for m in found]
    yaw = np.degrees([yaw_of(each) - 2.0 for each in q])
    roll, pitch = np.degrees(np.array([tilt_of(each) for each in q]) - (0.1, -0.05)).T
    # the chance of being out of these is below 1 in 10 000
    assert 0.02 < yaw.std() < 0.042 and abs(yaw.mean()) < 0.016
    assert 0.003 < roll.std() < 0.008 and 0.003 < pitch.std() < 0.008
    assert math.sqrt(found[0].orientation_covariance[8]) == pytest.approx(math.radians(0.03))
    assert found[0].angular_velocity_covariance[0] == -1.0


def test_star_tracker_keeps_its_mounting_error_over_power_cycles():
    yaws = []
    for _ in range(2):
        bench = Bench("star_tracker", seed=4, star_tracker={"boresight_sigma_deg": 0.0})
        if yaws:
            bench.bus.request("star_tracker", "reset")
            bench.run(1)
        q = follow_stars(bench, 3)[-1].orientation
        yaws.append(yaw_of((q.x, q.y, q.z, q.w)))
    assert yaws[0] == pytest.approx(yaws[1], abs=1e-6) and abs(yaws[0]) > 1e-5


@pytest.mark.parametrize(
    "fault",
    [
        {"turn": math.radians(2.0)},
        {"roll": math.radians(55.0)},
        {"dust": 0.9},
    ],
    ids=["spinning", "Sun near the boresight", "dust"],
)
def test_star_tracker_says_when_it_sees_no_stars(fault):
    bench = Bench("star_tracker")
    # a rover that leans to its right, the Sun to its right
    shine(bench, azimuth_deg=180.0)
    if "dust" in fault:
        bench.degrade("star_tracker", dust=fault.pop("dust"))
    assert not follow_stars(bench, 3, **fault)
    assert attitudes(bench) and "no stars" in bench.unit("star_tracker").health[1]


def test_a_set_sun_does_not_blind_the_star_tracker():
    bench = Bench("star_tracker")
    shine(bench, lit=0.0)
    assert follow_stars(bench, 3, roll=math.radians(55.0))


# --- stereo camera -----------------------------------------------------------------------------


def share_valid(bench):
    rows = bench.rows(MOTION, VISUAL_ODOMETRY)
    return sum(row.valid for row in rows) / len(rows)


def camera(**parameters):
    bench = EverySecond("stereo_camera", stereo_camera={**FLAT, **parameters})
    shine(bench)
    stand(bench)
    return bench.run(1)


def test_visual_odometry_measures_the_way_with_its_error_of_scale():
    bench = camera(scale_sigma=0.0)
    bench.degrade("stereo_camera", scale_error=0.05)
    drive(bench, 60.0)
    rows = bench.rows(MOTION, VISUAL_ODOMETRY)
    assert share_valid(bench) == 1.0 and len(rows) > 50
    way_m = sum(0.2 * row.since_s for row in rows)
    assert way_m == pytest.approx(60.0, abs=1.1)
    # noise of 0.6 cm a frame, wandering scale of 0.7 %
    assert sum(row.ahead_m for row in rows) == pytest.approx(1.05 * way_m, abs=0.7)
    assert abs(sum(row.left_m for row in rows)) < 0.25


def test_visual_odometry_turns_with_the_rover():
    bench = camera()
    for step in range(1, 61):
        stand(bench, yaw=math.radians(2.0) * step, turn=math.radians(2.0))
        bench.run(1)
    rows = bench.rows(MOTION, VISUAL_ODOMETRY)
    assert len(rows) == 7
    assert all(row.turn_rad == pytest.approx(math.radians(16.0), abs=0.006) for row in rows)


def test_a_frame_is_taken_when_the_rover_stops_and_none_while_it_stands():
    bench = camera()
    stand(bench, x=0.3, speed=0.1)
    bench.run(1)
    assert not bench.log[MOTION]
    for _ in range(5):
        stand(bench, x=0.4)
        bench.run(60)
    (row,) = bench.rows(MOTION, VISUAL_ODOMETRY)
    assert row.ahead_m == pytest.approx(0.4, abs=0.05)
    assert len(bench.log["rover/stereo_camera/elevation"]) == 2


def test_toward_the_sun_no_motion_is_seen():
    bench = camera()
    drive(bench, 20.0, yaw=-math.pi / 2.0, azimuth_deg=180.0)
    assert share_valid(bench) == 0.0
    assert "too few features" in bench.unit("stereo_camera").health[1]


def test_in_the_dark_it_fails_often_but_not_always():
    bench = camera()
    shine(bench, lit=0.0)
    drive(bench, 300.0, lit=0.0)
    assert 0.2 < share_valid(bench) < 0.9


def test_without_texture_no_motion_is_seen():
    bench = camera(features=20.0)
    drive(bench, 20.0)
    assert share_valid(bench) == 0.0


def test_elevation_reaches_less_far_in_the_dark_and_is_noisier():
    cells = {}
    for lit in (1.0, 0.0):
        bench = camera()
        shine(bench, lit=lit)
        drive(bench, 2.0, lit=lit)
        cells[lit] = ELEVATION.rows(bench.last("rover/stereo_camera/elevation"))
    day, night = cells[1.0], cells[0.0]
    assert np.hypot(day["x"], day["y"]).max() == pytest.approx(6.0, abs=0.1)
    assert np.hypot(night["x"], night["y"]).max() == pytest.approx(5.0, abs=0.2)
    assert np.hypot(day["x"], day["y"]).min() == pytest.approx(0.6, abs=0.01)
    assert np.degrees(np.arctan2(day["y"], day["x"])).max() == pytest.approx(40.0, abs=0.1)
    # on flat ground z is all error
    z = day["z"] / day["deviation"]
    assert 0.9 < z.std() < 1.1
    near = night["x"] < 4.0
    assert night["deviation"][near].mean() > 1.5 * day["deviation"][day["x"] < 4.0].mean()


# --- ranging -----------------------------------------------------------------------------------


def test_ranges_have_the_stated_error():
    bench = Bench("ranging", ranging=FLAT)
    errors = []
    for step in range(200):
        x = 100.0 + 5.0 * (step % 20)
        stand(bench, x=x)
        bench.run(60)
        height_m = bench.unit("ranging")._beacon_m - 2.0
        errors.append(bench.last("rover/ranging/range").range - math.hypot(x, height_m))
    # mean 0 and sigma 2: 200 errors, neighbours nearly independent
    assert abs(np.mean(errors)) < 0.7 and 1.6 < np.std(errors) < 2.4


def test_the_error_of_a_range_stays_while_the_rover_stands():
    bench = Bench("ranging", ranging={**FLAT, "noise_part": 0.0})
    for _ in range(5):
        stand(bench, x=50.0)
        bench.run(60)
    ranges = [m.range for _, m in bench.log["rover/ranging/range"]]
    assert len(set(ranges)) == 1


@pytest.mark.parametrize(
    "changed, x",
    [({"reach_m": 100.0}, 150.0), ({"terrain_relief_scale": 1.0, "beacon_height_m": 0.0,
                                    "antenna_height_m": 0.0}, 190.0)],
    ids=["out of reach", "behind the ground"],
)  # fmt: skip
def test_no_range_without_sight(changed, x):
    bench = Bench("ranging", ranging=FLAT | changed)
    stand(bench, x=x)
    bench.run(180)
    assert not bench.log["rover/ranging/range"]
    assert bench.unit("ranging").housekeeping()["in_sight"] is False


# --- people on Earth -----------------------------------------------------------------------------


def wait(bench, hours, visible=1, lit=1.0):
    for _ in range(round(hours * 60)):
        shine(bench, lit=lit)
        hear(bench, visible)
        stand(bench, x=40.0, y=-30.0)
        bench.run(60)
    return bench.log["ground/map_fix"]


def test_one_fix_a_stop_stamped_with_the_images_and_another_after_six_hours():
    bench = Bench("localisation")
    fixes = wait(bench, 5.0)
    assert len(fixes) == 1
    sent_s, message = fixes[0]
    taken_s = message.header.stamp.sec - START / SECOND
    assert taken_s >= 900.0 and sent_s - taken_s == pytest.approx(1200.0, abs=61.0)
    assert len(wait(bench, 3.0)) == 2


@pytest.mark.parametrize("lack", [{"visible": 0}, {"lit": 0.1}], ids=["no Earth", "dark"])
def test_no_fix_without_earth_or_light(lack):
    assert not wait(Bench("localisation"), 3.0, **lack)


def test_no_fix_while_the_rover_drives():
    bench = Bench("localisation")
    for step in range(100):
        shine(bench)
        hear(bench)
        stand(bench, x=0.1 * step, speed=0.1)
        bench.run(60)
    assert not bench.log["ground/map_fix"]


def test_a_fix_waits_for_the_earth():
    bench = Bench("localisation")
    wait(bench, 0.5)
    assert not wait(bench, 1.0, visible=0)
    assert len(wait(bench, 0.1)) == 1


def test_errors_of_fixes_are_as_stated():
    errors = []
    for seed in range(1, 41):
        bench = Bench("localisation", seed=seed, localisation={"standing_s": 0.0, "delay_s": 0.0})
        at = wait(bench, 0.1)[-1][1].pose.pose.position
        errors += [at.x - 40.0, at.y + 30.0]
    # 80 errors of 3 m: the bounds are those of 99.9 %
    assert abs(np.mean(errors)) < 1.1 and 2.2 < np.std(errors) < 3.8


def test_a_knocked_star_tracker_turns_what_it_tells():
    bench = Bench("star_tracker")
    before = follow_stars(bench, 3)[-1].orientation
    bench.degrade("star_tracker", knock_deg=2.0)
    after = follow_stars(bench, 3)[-1].orientation
    turned = [yaw_of((q.x, q.y, q.z, q.w)) for q in (before, after)]
    assert math.degrees(turned[1] - turned[0]) == pytest.approx(2.0, abs=0.2)


def test_solar_particles_hide_the_stars():
    bench = Bench("star_tracker")
    for factor, seen in ((8.0, False), (2.0, True)):
        row = RADIATION.message(bench.bus.now, [(1.0, factor)])
        bench.bus.publish("world/radiation", Qos.STATE, row)
        bench.run(60)
        count = len(follow_stars(bench, 0))
        assert bool(len(follow_stars(bench, 3)) - count) is seen
