# SPDX-License-Identifier: Apache-2.0
"""Tracks, steering, motors and cameras against commands and against each other."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lupex_nodes.analysis.operating_modes import held, mode_spans, of_message, stamps_s, within
from lupex_nodes.analysis.residuals.attitude import IMU
from lupex_nodes.analysis.residuals.power import BUS, SKY
from lupex_nodes.analysis.tables import Series, Tables
from lupex_nodes.models.crawler_kinematics import CRAWLERS, CrawlerLayout
from lupex_nodes.models.terramechanics import expected_slip

JOINTS, DRIVE, CURRENTS = "rover/joint_states", "rover/mobility/state", "rover/mobility/currents"
COMMAND, FRAMES = "rover/cmd_vel", "rover/stereo_camera/visual_odometry"
_COUNTED, _TURNED = 120, 30
# Where slopes are steeper, slip is not known well enough to tell a scale from it.
_STEEPEST_DEG = 12.0
# What navigation believes of its rover and the soil unless its parameters say otherwise.
VEHICLE_MASS_KG, FRICTION_ANGLE_DEG = 350.0, 27.0
Column = NDArray[np.float64]


def drive_implausible(tables: Tables) -> Series | None:
    """Return 1 where the drive tells of itself what no drive does, else 0."""
    found = of_message(tables, DRIVE, "slip", "blocked", "energy_j", "travel_m")
    if found is None:
        return None
    time_s, slip, blocked, energy_j, travel_m = found
    sound = (
        (np.abs(slip) < 50.0) & (blocked <= 2) & (energy_j >= 0.0) & (energy_j < 1e12)
        & (travel_m >= 0.0) & (travel_m < 1e7)
    )  # fmt: skip
    return Series(time_s, (~sound).astype(float))


def current_spread_a(tables: Tables) -> Series | None:
    """Return the current of the motor that draws most less the others' mean, A, all running."""
    found = of_message(tables, CURRENTS, *(f"current_{name}_a" for name in CRAWLERS))
    if found is None:
        return None
    time_s, first, number = np.unique(found[0], return_index=True, return_counts=True)
    with np.errstate(over="ignore", invalid="ignore"):
        means = np.sort([np.add.reduceat(each, first) / number for each in found[1:]], axis=0)
        spread = means[3] - means[:3].mean(axis=0)
    return Series(time_s, np.where(means[0] > 0.5, spread, np.nan))


def encoder_loss_fraction(tables: Tables) -> Series | None:
    """Return the part of the tracks' way that encoders did not count in two minutes of driving."""
    joints, at_s = _joints(tables, "crawler"), stamps_s(tables, JOINTS)
    if joints is None or at_s is None:
        return None
    time_s, position, velocity = joints
    dt_s = np.diff(at_s)
    told = np.abs(velocity[:, :-1]).sum(axis=0) * dt_s
    counted = np.abs(np.diff(position, axis=1)).sum(axis=0)
    used = (dt_s > 0.0) & (dt_s <= 2.0) & (told > 0.0) & (told < 10.0) & (counted < 10.0)
    sums = [np.append(0.0, np.cumsum(each[used])) for each in (counted, told)]
    ends = np.arange(1, int(used.sum()) + 1)
    counted_m, told_m = (each[ends] - each[np.maximum(ends - _COUNTED, 0)] for each in sums)
    known = (ends >= _COUNTED // 2) & (told_m > 0.1)
    loss = np.where(known, 1.0 - counted_m / np.where(known, told_m, 1.0), np.nan)
    return Series(time_s[1:][used], loss)


def steering_error_deg(tables: Tables) -> Series | None:
    """Return the largest angle between a crawler and where the velocity command wants it, deg."""
    joints = _joints(tables, "steering")
    asked = _asked(tables, joints[0]) if joints is not None else None
    if joints is None or asked is None:
        return None
    time_s, told, _ = joints
    layout, (vx, vy, wz) = CrawlerLayout(), asked
    worst = np.zeros(len(time_s))
    for (x, y), angle in zip(layout.positions_m, told, strict=True):
        forward, left = vx - wz * y, vy + wz * x
        heading = np.arctan2(left, forward)
        heading = (heading + math.pi / 2) % math.pi - math.pi / 2
        wanted = np.clip(heading, -layout.steering_max_rad, layout.steering_max_rad)
        off = np.abs((wanted - angle + math.pi / 2) % math.pi - math.pi / 2)
        worst = np.maximum(worst, np.where(np.hypot(forward, left) > 1e-9, off, 0.0))
    running = _runs(tables, time_s)
    return Series(time_s, np.where(running & _wanted(asked), np.degrees(worst), np.nan))


def steering_stuck(tables: Tables) -> Series | None:
    """Return in how many messages others were steered while one angle stood bit for bit."""
    joints = _joints(tables, "steering")
    if joints is None or not len(joints[0]):
        return None
    moved = np.diff(joints[1], axis=1, prepend=joints[1][:, :1]) != 0.0
    steered = np.cumsum(moved.sum(axis=0) >= 2)
    last = np.maximum.accumulate(np.where(moved, steered, 0), axis=1)
    return Series(joints[0], (steered - last).max(axis=0).astype(float))


def drive_still(tables: Tables) -> Series | None:
    """Return 1 while motion is commanded, no track runs and the drive has not stopped itself."""
    joints, blocked = _joints(tables, "crawler"), tables.series(DRIVE, "blocked")
    asked = _asked(tables, joints[0]) if joints is not None else None
    if joints is None or asked is None or blocked is None:
        return None
    time_s, _, velocity = joints
    stands = ~np.any(velocity != 0.0, axis=0) & (held(blocked, time_s) == 0.0)
    return Series(time_s, np.where(_wanted(asked), stands.astype(float), np.nan))


def turn_loss_fraction(tables: Tables) -> Series | None:
    """Return the part of turns on the spot commanded that gyros did not see, over 30 s of them."""
    joints, gyro = _joints(tables, "crawler"), tables.series(IMU, "angular_velocity.z")
    asked = _asked(tables, joints[0]) if joints is not None else None
    if joints is None or asked is None or gyro is None or not len(gyro.values):
        return None
    time_s, _, velocity = joints
    vx, vy, wz = asked
    dt_s = np.diff(time_s, prepend=np.inf)
    seen_rad_s = held(gyro, time_s, 3.0) * np.sign(wz)
    used = (
        np.all(velocity != 0.0, axis=0) & (vx == 0.0) & (vy == 0.0) & (np.abs(wz) > 1e-3)
        & (dt_s > 0.0) & (dt_s <= 2.0) & np.isfinite(seen_rad_s)
    )  # fmt: skip
    wanted, seen = (
        np.append(0.0, np.cumsum((rate * dt_s)[used])) for rate in (np.abs(wz), seen_rad_s)
    )
    if len(wanted) <= _TURNED:
        return None
    loss = 1.0 - (seen[_TURNED:] - seen[:-_TURNED]) / (wanted[_TURNED:] - wanted[:-_TURNED])
    return Series(time_s[used][_TURNED - 1 :], loss)


def _joints(tables: Tables, kind: str) -> tuple[Column, Column, Column] | None:
    """Return time, positions and velocities, shapes (n,) and (4, n), of crawlers or steering."""
    names = [f"{what}[{name}_{kind}]" for what in ("position", "velocity") for name in CRAWLERS]
    found = of_message(tables, JOINTS, *names)
    if found is None:
        return None
    return found[0], np.stack(found[1:5]), np.stack(found[5:])


def _asked(tables: Tables, time_s: Column) -> tuple[Column, Column, Column] | None:
    """Return forward, left and turning velocity commanded within the last 5 s, else nan."""
    paths = ("twist.linear.x", "twist.linear.y", "twist.angular.z")
    found = of_message(tables, COMMAND, *paths)
    if found is None:
        return None
    vx, vy, wz = (held(Series(found[0], each), time_s, 5.0) for each in found[1:])
    return vx, vy, wz


def _wanted(asked: tuple[Column, Column, Column]) -> NDArray[np.bool_]:
    return np.any(np.nan_to_num(asked) != 0.0, axis=0)


def _runs(tables: Tables, time_s: Column) -> NDArray[np.bool_]:
    joints = _joints(tables, "crawler")
    assert joints is not None
    return np.any(joints[2] != 0.0, axis=0)


# --- cameras -----------------------------------------------------------------------------------


def way_without_frames_m(tables: Tables) -> Series | None:
    """Return the way of the tracks since the last visual odometry, m, while cameras have power."""
    found, frames = of_message(tables, DRIVE, "travel_m"), tables.series(FRAMES, "since_s")
    if found is None or frames is None or not len(frames.time_s):
        return None
    time_s, travel_m = found
    at_m = held(Series(time_s, travel_m), frames.time_s)
    way_m = travel_m - held(Series(frames.time_s, at_m), time_s)
    on = tables.series("rover/power/channels", "stereo_camera")
    powered = held(on, time_s) != 0.0 if on is not None else np.ones(len(time_s), bool)
    return Series(time_s, np.where(powered & (way_m >= 0.0) & (travel_m < 1e7), way_m, np.nan))


def frames_lost_fraction(tables: Tables) -> Series | None:
    """Return the part of the last twelve frames without enough features, taken across the light.

    Towards the Sun and away from it, and where a strip of the array is dark, shadows are hard to
    follow for sound cameras too.
    """
    found, looks = of_message(tables, FRAMES, "valid"), _looks(tables)
    if found is None or looks is None:
        return None
    lit, _, off_deg = looks
    used = lit & (np.abs(np.cos(np.radians(off_deg))) <= 0.8)
    lost = 1.0 - found[1][used]
    sums = np.append(0.0, np.cumsum(lost))
    number = np.arange(1, len(lost) + 1)
    fraction = (sums[number] - sums[np.maximum(number - 12, 0)]) / 12.0
    return Series(found[0][used], np.where(number >= 12, fraction, np.nan))


def _looks(tables: Tables) -> tuple[NDArray[np.bool_], Column, Column] | None:
    """Return of each frame whether it was in the light, its yaw and its angle to the Sun, deg."""
    found = of_message(tables, FRAMES, "since_s")
    sky = of_message(tables, SKY, "lit_fraction", "lit_for_s", "sun_azimuth_deg")
    limit, yaw = tables.series(BUS, "array_limit_w"), _yaw(tables)
    if found is None or sky is None or limit is None or yaw is None or not len(limit.values):
        return None
    time_s, (sky_s, lit_fraction, lit_for_s, azimuth_deg) = found[0], sky
    left_s = held(Series(sky_s, sky_s + lit_for_s), time_s) - time_s
    best_w = held(Series(limit.time_s, np.maximum.accumulate(limit.values)), time_s)
    lit = (
        (held(Series(sky_s, lit_fraction), time_s) > 0.99) & (left_s > 1800.0)
        & (held(limit, time_s) > 0.85 * best_w)
    )  # fmt: skip
    yaw_deg = held(yaw, time_s)
    return lit, yaw_deg, 90.0 - yaw_deg - held(Series(sky_s, azimuth_deg), time_s)


def frame_gaps(tables: Tables) -> Series | None:
    """Return how many frames of five minutes do not begin where the one before ended."""
    found, at_s = of_message(tables, FRAMES, "since_s"), stamps_s(tables, FRAMES)
    if found is None or at_s is None or len(at_s) != len(found[0]):
        return None
    time_s, since_s = found
    gap = np.append(False, np.abs(at_s[1:] - since_s[1:] - at_s[:-1]) > 0.5)
    sums = np.append(0, np.cumsum(gap))
    begin = np.searchsorted(time_s, time_s - 300.0)
    return Series(time_s, (sums[1:] - sums[begin]).astype(float))


def camera_scale_ratio(tables: Tables) -> Series | None:
    """Return the way that cameras saw over that of the tracks less the slip to expect: 1.

    Over 10 m of frames without sharp turns and steep slopes. More slip than expected makes it less;
    only a camera's scale, or tracks that do not count, make it more.
    """
    drive = of_message(tables, DRIVE, "travel_m")
    force = of_message(tables, IMU, *(f"linear_acceleration.{axis}" for axis in "xyz"))
    if drive is None or force is None:
        return None
    frames = _ways(tables, Series(*drive))
    if frames is None:
        return None
    time_s, seen_m, laid_m, forwards = frames
    x, y, z = (held(Series(force[0], each), time_s) for each in force[1:])
    tilts = np.degrees([np.arctan2(x, np.hypot(y, z)), np.arctan2(y, z)])
    climb_deg, cross_deg = np.round(np.where(forwards, tilts, -tilts))
    even = (np.abs(climb_deg) <= _STEEPEST_DEG) & (np.abs(cross_deg) <= _STEEPEST_DEG)
    expected = _expected_slip(climb_deg[even], cross_deg[even])
    return _over_10_m(time_s[even], seen_m[even], laid_m[even] * (1.0 - expected))


def camera_short_ratio(tables: Tables) -> Series | None:
    """Return the way that cameras saw over that of the tracks less slip by the speed sensor: 1.

    Over 10 m of frames without sharp turns, over what it was in the first 20 m: the scale of the
    ground speed sensor is not known better.
    """
    drive = of_message(tables, DRIVE, "travel_m", "slip")
    if drive is None:
        return None
    drive_s, travel_m, slip = drive
    step_m = np.clip(np.diff(travel_m, prepend=travel_m[0]), 0.0, 10.0)
    frames = _ways(tables, Series(drive_s, np.cumsum(step_m * (1.0 - np.clip(slip, -1.0, 1.0)))))
    if frames is None:
        return None
    time_s, seen_m, way_m, _ = frames
    first = int(np.searchsorted(np.cumsum(way_m), 20.0)) + 1
    if first >= len(way_m):
        return None
    scale = seen_m[:first].sum() / way_m[:first].sum()
    return _over_10_m(time_s[first:], seen_m[first:] / scale, way_m[first:])


def _ways(
    tables: Tables, tracks: Series
) -> tuple[Column, Column, Column, NDArray[np.bool_]] | None:
    """Return time, way seen, way of the tracks (m) and whether forwards, of frames without turns.

    `tracks` is the way of the tracks since the start, m.
    """
    found = of_message(tables, FRAMES, "valid", "turn_rad", "ahead_m", "left_m", "up_m")
    if found is None:
        return None
    time_s, valid, turn_rad, ahead_m, left_m, up_m = found
    way_m = np.diff(held(tracks, time_s), prepend=np.nan)
    used = (valid != 0.0) & (np.abs(turn_rad) <= 0.15) & (way_m >= 0.3) & (way_m < 5.0)
    seen_m = np.sqrt(ahead_m**2 + left_m**2 + up_m**2)
    return time_s[used], seen_m[used], way_m[used], ahead_m[used] >= 0.0


def _over_10_m(time_s: Column, seen_m: Column, way_m: Column) -> Series:
    """Return way seen over way, each over the frames of the last 10 m; nan before."""
    sights, ways = (np.append(0.0, np.cumsum(each)) for each in (seen_m, way_m))
    begin = np.searchsorted(ways, ways[1:] - 10.0, side="right") - 1
    known = begin >= 0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (sights[1:] - sights[begin]) / (ways[1:] - ways[begin])
    return Series(time_s, np.where(known, ratio, np.nan))


def _expected_slip(climb_deg: Column, cross_deg: Column) -> Column:
    """Return the slip that navigation expects on slopes, whole degrees."""
    slopes = zip(climb_deg.tolist(), cross_deg.tolist(), strict=True)
    return np.array([
        expected_slip(VEHICLE_MASS_KG, FRICTION_ANGLE_DEG, *slope)[0] for slope in slopes
    ])  # fmt: skip


def slip(tables: Tables) -> Series | None:
    """Return the slip that the drive tells while its tracks run."""
    found = of_message(tables, DRIVE, "slip")
    if found is None:
        return None
    driving = within(found[0], mode_spans(tables, "mobility", ("driving",)))
    return Series(found[0], np.where(driving, found[1], np.nan))


def _yaw(tables: Tables) -> Series | None:
    return tables.housekeeping.get("navigation", {}).get("yaw_deg")
