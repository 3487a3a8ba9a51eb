# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from unit_bench import START, Bench

from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.models.rocks import Rocks
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.terrain import Terrain
from lupex_nodes.rover.records import CURRENTS, MOBILITY
from lupex_nodes.world.records import LOAD, TRACKS, VEHICLE

DRIVE = ("vehicle", "mobility")
GROUND = "lupex_nodes.world.vehicle.ground"
HERE = {"start_position_sigma_m": 0.0, "start_yaw_sigma_deg": 0.0}
EVEN_SOIL = {"friction_angle_sigma_deg": 0.0, "soft_patch_share": 0.0}
EVEN = {**HERE, **EVEN_SOIL, "friction_angle_deg": 27.0}


@pytest.fixture(autouse=True)
def site(monkeypatch):
    """Put the rover on an even slope, up ahead and up to the left in degrees, with rocks."""

    def put(ahead_deg=0.0, left_deg=0.0, rocks=()):
        along = np.arange(-60.0, 61.0)
        rise = np.tan(np.radians(ahead_deg)) * along[None, :]
        rise = rise + np.tan(np.radians(left_deg)) * along[:, None]
        terrain = SiteTerrain((Terrain(rise, 1.0, -60.0, -60.0),), Rocks(np.array(rocks)))
        monkeypatch.setattr(GROUND, lambda parameters, seed: terrain)

    put()
    return put


def command(bench, ahead=0.05, turn=0.0, left=0.0, source="outside"):
    twist = TwistStamped()
    twist.twist.linear.x, twist.twist.angular.z, twist.twist.linear.y = ahead, turn, left
    bench.bus.publish("rover/cmd_vel", Qos.TELEMETRY, twist, source)


def drive(bench, duration_s, ahead=0.05, turn=0.0, source="outside"):
    for _ in range(duration_s):
        command(bench, ahead, turn, source=source)
        bench.run(1)


def place(bench):
    return bench.last("world/vehicle/odometry").pose.pose.position


def state(bench):
    return bench.last("world/vehicle/state", VEHICLE)


def test_drives_as_commanded_and_stops_in_silence():
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 100)
    assert place(bench).x - 15.0 == pytest.approx(0.05 * 98, abs=0.15)
    assert abs(place(bench).y) < 1e-6
    bench.run(10)
    stopped = place(bench).x
    bench.run(10)
    assert place(bench).x == stopped
    assert bench.unit("mobility").mode == "stopped"


def test_turns_on_the_spot():
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 60, ahead=0.0, turn=0.02)
    yaw = bench.unit("vehicle").yaw_rad
    assert yaw == pytest.approx(0.02 * 52, rel=0.08), "less some seconds to steer"
    assert math.hypot(place(bench).x - 15.0, place(bench).y) < 1e-6


def test_turning_on_the_spot_on_a_slope_slides_down(site):
    site(ahead_deg=15.0)
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 60, ahead=0.0, turn=0.02)
    assert bench.unit("vehicle").yaw_rad > 0.8
    # tracks at 0.016 m/s for about 54 s, slip near 0.1
    assert place(bench).x - 15.0 == pytest.approx(-0.1 * 0.016 * 54, rel=0.3)


@pytest.mark.parametrize(("degrees", "slip"), [(10, 0.05), (15, 0.10), (20, 0.17), (25, 0.40)])
def test_slips_uphill_as_tracked_rovers_do(site, degrees, slip):
    site(ahead_deg=degrees)
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 30, ahead=0.1)
    row = bench.last("world/vehicle/tracks", TRACKS)
    assert row.slip == pytest.approx(slip, rel=0.3)
    assert state(bench).tilt_deg == pytest.approx(degrees, abs=0.01)
    speed = bench.last("world/vehicle/odometry").twist.twist.linear.x
    assert speed == pytest.approx(0.1 * (1.0 - row.slip), rel=1e-3)
    seen = np.mean([r.slip for r in bench.rows("rover/mobility/state", MOBILITY)[-20:]])
    assert seen == pytest.approx(row.slip, abs=0.12), "the sensor's scale is 5 % off"


def test_slips_with_the_slope_on_rolling_ground(monkeypatch):
    monkeypatch.undo()
    bench = Bench(*DRIVE, vehicle=EVEN, seed=3).run(2)
    drive(bench, 300, ahead=0.1)
    slips = np.array([r.slip for r in bench.rows("world/vehicle/tracks", TRACKS)[5:]])
    poses = [m.pose.pose.position for _, m in bench.log["world/vehicle/odometry"]]
    climb = np.diff([p.z for p in poses]) / np.maximum(np.diff([p.x for p in poses]), 1e-9)
    n = min(len(slips), len(climb)) - 10
    assert np.corrcoef(slips[-n:], climb[-n:])[0, 1] > 0.9


def test_energy_into_the_tracks_is_more_than_what_lifts_the_rover(site):
    site(ahead_deg=12.0)
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    below = place(bench).z
    drive(bench, 100, ahead=0.1)
    lifted_j = 350.0 * 1.62 * (place(bench).z - below)
    energy_j = state(bench).track_energy_j
    assert lifted_j > 800.0
    assert lifted_j < energy_j < 2.0 * lifted_j
    tracks = [TRACKS.rows(m)["power_w"].sum() for _, m in bench.log["world/vehicle/tracks"]]
    assert sum(tracks) == pytest.approx(energy_j, rel=1e-4)


def test_driving_takes_130_w_more_than_standing_and_says_what_it_took():
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    standing = bench.last("rover/mobility/load", LOAD).power_w
    before = bench.last("rover/mobility/state", MOBILITY)
    drive(bench, 60, ahead=0.1)
    load = bench.last("rover/mobility/load", LOAD).power_w
    assert load - standing == pytest.approx(130.0, rel=0.05)
    after = bench.last("rover/mobility/state", MOBILITY)
    assert after.energy_j - before.energy_j == pytest.approx(load * 58, rel=0.03)
    assert after.travel_m == pytest.approx(0.1 * 59, abs=0.11)


def test_nothing_is_stepped_every_second_while_the_rover_stands():
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 20)
    bench.run(10)
    ticks = len(bench.log["world/vehicle/odometry"])
    here = place(bench).x
    bench.run(3600)
    assert len(bench.log["world/vehicle/odometry"]) - ticks <= 62
    # and it goes on from there as if it had stood for a second
    drive(bench, 10, ahead=0.1)
    assert 0.6 < place(bench).x - here < 0.9


def test_after_the_last_motion_odometry_shows_rest_at_the_next_second():
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 10)
    bench.run(10)
    speeds = [(t, m.twist.twist.linear.x) for t, m in bench.log["world/vehicle/odometry"]]
    moving = [t for t, speed in speeds if speed > 0.0]
    assert (moving[-1] + 1.0, 0.0) == speeds[-1]


def test_crawlers_keep_their_angles_when_the_drive_is_switched_off():
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 20, ahead=0.0, turn=0.02)
    angles = list(bench.last("rover/mobility/drive").position)
    assert max(map(abs, angles)) > 0.5
    bench.bus.request("mobility", "reset")
    bench.run(2)
    assert list(bench.last("rover/mobility/drive").position) == angles


@pytest.mark.parametrize("period_s", [0.3, 0.4, 0.7])
def test_no_way_is_lost_when_the_bus_ticks_between_the_full_seconds(period_s):
    # the drive then follows a command, and the vehicle the drive, at whatever tick is next
    bench = Bench(*DRIVE, vehicle=EVEN, housekeeping_period_s=period_s).run(2.15)
    drive(bench, 100)
    driven = bench.unit("mobility")._travel_m[0]
    assert driven > 4.5
    assert place(bench).x - 15.0 == pytest.approx(driven, rel=0.03, abs=0.06)


# --- soft soil, steep ground, rocks --------------------------------------------------------------


def blindly(ahead, duration_s, bench):
    """Run the tracks without the protection of the drive."""
    for _ in range(duration_s):
        bench.unit("mobility")._tripped_for = -10
        command(bench, ahead)
        bench.run(1)


def test_soft_soil_on_a_slope_embeds_the_tracks_and_lets_them_out_backwards(site):
    site(ahead_deg=24.0)
    soft = {**EVEN, "friction_angle_deg": 22.0}
    bench = Bench(*DRIVE, vehicle=soft).run(2)
    start = place(bench).x
    blindly(0.1, 30, bench)
    stuck = state(bench)
    # 1.5 cm per metre slipped, tracks spinning at 0.1 m/s
    assert stuck.embedded_m == pytest.approx(0.015 * 0.1 * 27, rel=0.1)
    assert place(bench).x == pytest.approx(start, abs=0.02)
    bench.run(5)
    drive(bench, 30, ahead=-0.1)
    assert place(bench).x < start - 1.0
    assert state(bench).embedded_m < 0.01


def test_a_deep_hole_on_level_ground_costs_and_a_deeper_one_holds(site):
    site()
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)

    def back_out(depth_m):
        vehicle = bench.unit("vehicle")
        vehicle.embedded_m, vehicle._dug_course = depth_m, 0.0
        before, energy = place(bench).x, state(bench).track_energy_j
        blindly(-0.1, 15, bench)
        bench.run(5)
        return before - place(bench).x, state(bench).track_energy_j - energy

    free_m, free_j = back_out(0.0)
    out_m, out_j = back_out(0.10)
    held_m, _ = back_out(0.20)
    assert out_m > 0.7 * free_m and out_j > 1.3 * free_j
    assert held_m < 0.1


def test_spinning_tracks_stop_the_drive(site):
    site(ahead_deg=24.0)
    bench = Bench(*DRIVE, vehicle={**EVEN, "friction_angle_deg": 22.0}).run(2)
    drive(bench, 15, ahead=0.1)
    assert bench.events().count("SLIP") == 1
    assert not any(bench.last("rover/mobility/drive").velocity)
    assert bench.last("rover/mobility/state", MOBILITY).blocked == 1
    assert state(bench).embedded_m < 0.01


@pytest.mark.parametrize(("ahead", "left"), [(44.0, 0.0), (-44.0, 0.0), (0.0, 44.0), (0.0, -44.0)])
def test_tips_over_where_its_centre_of_mass_passes_the_crawlers(site, ahead, left):
    limit = math.degrees(math.atan(0.55 / 0.6))
    assert 42.0 < limit < 44.0
    site(ahead_deg=ahead, left_deg=left)
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    assert bench.events().count("TIPPED_OVER") == 1
    here = place(bench)
    drive(bench, 10, ahead=0.1)
    assert (place(bench).x, place(bench).y) == (here.x, here.y)
    assert (state(bench).tipped, state(bench).tilt_deg) == (1, 90.0)
    site(ahead_deg=ahead * 41.0 / 44.0, left_deg=left * 41.0 / 44.0)
    assert state(Bench(*DRIVE, vehicle=EVEN).run(2)).tipped == 0


def test_drives_over_an_edge_and_tips(monkeypatch):
    # level up to x = 20 m, then down at 60 deg
    along = np.arange(-60.0, 61.0)
    drop = -np.tan(np.radians(60.0)) * np.maximum(0.0, along - 20.0)
    terrain = SiteTerrain((Terrain(drop + 0.0 * along[:, None], 1.0, -60.0, -60.0),))
    monkeypatch.setattr(GROUND, lambda parameters, seed: terrain)
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 120, ahead=0.1)
    assert state(bench).tipped == 1
    assert 19.0 < place(bench).x < 22.0


def test_a_high_rock_stops_the_rover_and_backing_away_frees_it(site):
    site(rocks=[(17.0, 0.55, 0.25, 0.4)])
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 40, ahead=0.1)
    # the track's front touches the rock: 15.0 + 0.55 + 0.20 + 1.25 - 0.2
    stopped = place(bench).x
    assert stopped == pytest.approx(17.0 - 0.2 - 0.2 - 0.55, abs=0.15)
    assert bench.events().count("SLIP") == 1
    bench.run(5)
    command(bench, 0.1)
    bench.run(2)
    assert state(bench).obstructed == 1
    bench.run(5)
    assert state(bench).obstructed == 0
    drive(bench, 20, ahead=-0.1)
    assert place(bench).x < stopped - 1.0


def test_between_the_crawlers_only_what_is_higher_than_the_belly_stops(site):
    for height, passes in ((0.28, True), (0.35, False)):
        site(rocks=[(17.0, 0.0, height, 0.4)])
        bench = Bench(*DRIVE, vehicle=EVEN).run(2)
        drive(bench, 60, ahead=0.1)
        assert (place(bench).x > 18.0) == passes


def test_a_low_rock_tilts_the_rover_and_costs_energy(site):
    energies, tilts = [], []
    for rocks in ([], [(17.0, 0.55, 0.18, 0.4)]):
        site(rocks=rocks)
        bench = Bench(*DRIVE, vehicle=EVEN).run(2)
        drive(bench, 60, ahead=0.1)
        assert place(bench).x > 19.0
        energies.append(bench.last("rover/mobility/state", MOBILITY).energy_j)
        tilts.append(max(r.tilt_deg for r in bench.rows("world/vehicle/state", VEHICLE)))
    assert tilts[0] == pytest.approx(0.0, abs=1e-6) and 4.0 < tilts[1] < 8.0
    assert energies[1] > energies[0]


def test_slides_down_where_tracks_cannot_brake(site):
    site(ahead_deg=-32.0)
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    blindly(0.05, 10, bench)
    gone = place(bench).x - 15.0
    assert gone > 0.05 * 10 * 2


# --- faults --------------------------------------------------------------------------------------


def test_a_dragging_crawler_draws_current_and_is_restored():
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
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
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
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
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 10)
    bench.bus.request("mobility", "stop")
    drive(bench, 3)
    here = place(bench).x
    drive(bench, 5)
    assert place(bench).x == here and bench.unit("mobility").mode == "blocked"


# --- who drives ----------------------------------------------------------------------------------


def test_following_an_outside_velocity_is_reported_from_begin_to_end():
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 10)
    drive(bench, 2, ahead=0.0)
    drive(bench, 5)
    bench.run(10)
    drive(bench, 5)
    bench.bus.request("mobility", "stop")
    bench.run(5)
    assert bench.reports("mobility: cmd_vel") == [
        ("start", True, "start successful"),
        ("completion", True, "ended by zero velocity"),
        ("start", True, "start successful"),
        ("completion", False, "no velocity command came for 3 s"),
        ("start", True, "start successful"),
        ("completion", True, "ended by stop"),
    ]


def test_navigation_goes_first_and_others_may_drive_when_it_is_silent():
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    for _ in range(10):
        command(bench, 0.05, source="navigation")
        command(bench, -0.05)
        bench.run(1)
    assert place(bench).x > 15.3
    drive(bench, 12, ahead=-0.05)
    assert bench.last("rover/mobility/drive").velocity[0] < 0.0
    drive(bench, 3, source="navigation")
    assert bench.reports("mobility: cmd_vel") == [
        ("acceptance", False, "navigation drives to a goal: tell it to hold first"),
        ("start", True, "start successful"),
        ("completion", False, "navigation took over"),
    ]
    assert bench.events().count("VELOCITY_REFUSED") == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_velocity_that_is_no_number_is_refused_and_the_rover_stops(bad):
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 10)
    drive(bench, 10, ahead=bad)
    assert bench.unit("mobility").mode == "stopped"
    (stage, success, reason) = bench.reports("mobility: cmd_vel")[1]
    assert (stage, success) == ("acceptance", False) and "is not finite" in reason
    assert bench.events().count("VELOCITY_REFUSED") == 1
    assert math.isfinite(place(bench).x)
    drive(bench, 5)
    assert bench.unit("mobility").mode == "driving"


def test_a_stall_ends_an_outside_drive_as_failed():
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 10)
    bench.degrade("mobility", drag_n=2000.0)
    drive(bench, 5)
    stage, success, reason = bench.reports("mobility: cmd_vel")[-1]
    assert (stage, success) == ("completion", False) and "front_left is stalled" in reason


def test_the_drives_death_stops_the_rover():
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 10)
    bench.bus.slots["mobility"].deactivate()
    before = place(bench).x
    bench.run(1)
    bench.run(100)
    assert place(bench).x - before == pytest.approx(0.05 * 3, abs=0.06)
    assert bench.bus.now > START + 100 * SECOND


def test_the_gyro_feels_the_moon_its_bias_and_the_turn():
    quiet = {
        "gyro_bias_sigma_deg_h": 0.0,
        "angle_random_walk_deg_sqrt_h": 0.0,
        "rate_random_walk_deg_h_sqrt_h": 0.0,
    }
    bench = Bench(*DRIVE, "imu", vehicle=EVEN, imu=quiet).run(10)

    def rate_deg_h():
        return math.degrees(bench.last("rover/imu/data").angular_velocity.z) * 3600.0

    # 360 deg in 27.321661 days, downwards at the south pole
    moon = -360.0 / (27.321661 * 24.0)
    assert rate_deg_h() == pytest.approx(moon, rel=1e-3)
    bench.degrade("imu", gyro_bias_step_deg_h=100.0)
    bench.run(122)
    assert rate_deg_h() == pytest.approx(100.0 + moon, rel=1e-6)
    bench.degrade("imu")
    bench.run(122)
    assert rate_deg_h() == pytest.approx(moon, rel=1e-3)
    begin = len(bench.log["rover/imu/data"]) - 1
    drive(bench, 60, ahead=0.0, turn=0.02)
    bench.run(70)
    samples = bench.log["rover/imu/data"][begin:]
    times = np.array([t for t, _ in samples])
    rates = np.array([m.angular_velocity.z for _, m in samples[1:]])
    turned = rates @ np.diff(times) - math.radians(moon) / 3600.0 * (times[-1] - times[0])
    assert turned == pytest.approx(bench.unit("vehicle").yaw_rad, abs=1e-5)


def test_the_same_seed_gives_the_same_ride_and_another_seed_another(monkeypatch):
    monkeypatch.undo()
    rides = []
    for seed in (4, 4, 5):
        bench = Bench(*DRIVE, seed=seed).run(2)
        drive(bench, 50)
        rides.append((place(bench).x, place(bench).y, place(bench).z))
    assert rides[0] == rides[1] != rides[2]


def test_a_jammed_crawler_stalls_the_drive():
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 20)
    bench.degrade("mobility", jammed_crawler="rear_right")
    drive(bench, 5)
    stall = [m.status[0] for _, m in bench.log["events"] if m.status[0].name.endswith(": STALL")]
    assert len(stall) == 1 and "rear_right" in stall[0].message


def test_a_frozen_steering_encoder_tells_what_was_while_the_crawler_turns():
    bench = Bench(*DRIVE, vehicle=EVEN).run(2)
    drive(bench, 5)
    bench.degrade("mobility", frozen_steering_encoder="front_left")
    drive(bench, 20, turn=0.03)
    joints = bench.last("rover/joint_states")
    told = dict(zip(joints.name, joints.position, strict=True))
    drives = bench.last("rover/mobility/drive")
    true = dict(zip(drives.name, drives.position, strict=True))
    assert told["front_left_steering"] == 0.0 and abs(true["front_left"]) > 0.1
    assert told["front_right_steering"] == pytest.approx(true["front_right"])


def test_encoders_that_drop_out_count_less_than_was_driven():
    ways_m = []
    for dropout in (0.0, 0.3):
        bench = Bench(*DRIVE, vehicle=EVEN).run(2)
        bench.degrade("mobility", encoder_dropout=dropout)
        drive(bench, 300)
        ways_m.append(bench.last("rover/mobility/state", MOBILITY).travel_m)
    # 300 draws: 4 sigma is 0.106
    assert ways_m[1] / ways_m[0] == pytest.approx(0.7, abs=0.11)


def test_soil_that_gives_way_makes_tracks_slip_on_a_slope(site):
    site(ahead_deg=12.0)
    slips = []
    for loss_deg in (0.0, 14.0):
        bench = Bench(*DRIVE, vehicle=EVEN, mobility={"slip_limit": 1.0}).run(2)
        bench.degrade("vehicle", friction_loss_deg=loss_deg)
        drive(bench, 20)
        slips.append(bench.rows("world/vehicle/tracks", TRACKS)[-1].slip)
    assert slips[0] < 0.1 and slips[1] > 0.25


def test_a_push_on_the_accelerometer_and_noise_on_the_gyros():
    bench = Bench("vehicle", "mobility", "imu", vehicle=EVEN).run(2)
    drive(bench, 40)
    bench.degrade("imu", accelerometer_bias_step_m_s2=0.3, gyro_noise_factor=50.0)
    drive(bench, 40)
    samples = [m for _, m in bench.log["rover/imu/data"]]
    before, after = samples[2:40], samples[42:]
    ahead = [np.mean([m.linear_acceleration.x for m in part]) for part in (before, after)]
    noise = [np.std([m.angular_velocity.z for m in part]) for part in (before, after)]
    assert ahead[1] - ahead[0] == pytest.approx(0.3, abs=0.01)
    assert noise[1] > 10.0 * noise[0]
