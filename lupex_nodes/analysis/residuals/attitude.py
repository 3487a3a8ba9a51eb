# SPDX-License-Identifier: Apache-2.0
"""Gyros, accelerometers and stars against each other and against the Moon's gravity."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from lupex_nodes.analysis.operating_modes import held, of_message, stamps_s
from lupex_nodes.analysis.residuals.neutrons import tubes_together_ratio
from lupex_nodes.analysis.tables import Series, Tables
from lupex_nodes.models.terramechanics import MOON_GRAVITY_M_S2

IMU, STARS = "rover/imu/data", "rover/star_tracker/attitude"
_DEG_H = math.radians(1.0) / 3600.0
_MOON_ROTATION_RAD_S = 0.549014 * _DEG_H
_RANDOM_WALK_RAD_SQRT_S = math.radians(0.05) / 60.0
_JUMP_DEG = 1.0
_TURN_RAD = math.radians(20.0)
_FRAMES_OF_MEDIAN = 9
# Steps of gyros that are looked at together, and the fifth part of normal noise is below this.
_STEPS, _LOWER_FIFTH = 60, 0.2533
# Particles of a solar event blind a star tracker.
_QUIET_RATIO = 1.4
Column = NDArray[np.float64]


def gyro_bias_deg_h(tables: Tables) -> Series | None:
    """Return the drift of the gyros against the stars over five minutes, deg/h, without sign.

    Steps of the stars are taken out: they are no drift.
    """
    found = _gaps(tables)
    if found is None:
        return None
    time_s, gap_rad, jump_deg = found
    steps = np.diff(gap_rad, prepend=gap_rad[0])
    drift = np.cumsum(np.where(jump_deg > _JUMP_DEG, 0.0, np.nan_to_num(steps)))
    since_s = time_s - 300.0
    before = held(Series(time_s, drift), since_s, 120.0)
    then_s = held(Series(time_s, time_s), since_s, 120.0)
    broken = np.cumsum(~np.isfinite(steps))
    whole = held(Series(time_s, broken.astype(float)), since_s, 120.0) == broken
    rate = np.abs(drift - before) / np.maximum(time_s - then_s, 1.0) / _DEG_H
    return Series(time_s, np.where(whole, rate, np.nan))


def star_jump_deg(tables: Tables) -> Series | None:
    """Return the step of the stars' yaw against the gyros from frame to frame, deg."""
    found = _gaps(tables)
    return None if found is None else Series(found[0], found[2])


def _gaps(tables: Tables) -> tuple[Column, Column, Column] | None:
    """Return of each frame its time, the yaw of stars less gyros (rad), and its step (deg).

    A frame before which gyros are missing for over 150 s has no step, nor one after a turn: over
    a turn a tilt misjudged by 7 deg makes a yaw wrong by some degrees.
    """
    imu = of_message(
        tables, IMU, *(f"angular_velocity.{axis}" for axis in "yz"),
        *(f"linear_acceleration.{axis}" for axis in "xyz"),
    )  # fmt: skip
    stars, at_s, seen_s = _frames(tables), stamps_s(tables, IMU), stamps_s(tables, STARS)
    if imu is None or stars is None or at_s is None or seen_s is None:
        return None
    order = np.argsort(at_s, kind="stable")
    _, wy, wz, ax, ay, az = (each[order] for each in imu)
    at_s = at_s[order]
    roll, pitch = _tilt(ax, ay, az)
    rate = (wy * np.sin(roll) + wz * np.cos(roll)) / np.maximum(np.cos(pitch), 0.1)
    dt_s = np.diff(at_s, prepend=at_s[0])
    turned = np.cumsum((rate + _MOON_ROTATION_RAD_S) * dt_s)
    time_s, valid, _, _, yaw = stars
    if valid.sum() < 2:
        return None
    seen_s = seen_s[valid]
    gyro_yaw = np.interp(seen_s, at_s, turned)
    gap = np.unwrap(yaw[valid] - gyro_yaw)
    step = np.diff(gap, prepend=gap[0])
    holes = np.cumsum(dt_s > 150.0)
    index = np.clip(np.searchsorted(at_s, seen_s), 0, len(at_s) - 1)
    unknown = (np.diff(holes[index], prepend=holes[index[0]]) > 0) | (
        np.diff(seen_s, prepend=seen_s[0]) > 150.0
    )
    after_turn = np.abs(np.diff(gyro_yaw, prepend=gyro_yaw[0])) > _TURN_RAD
    step[unknown] = np.nan
    between_s = np.maximum(np.diff(seen_s, prepend=seen_s[0]), 1.0)
    drift = np.full(len(step), np.nan)
    if len(step) >= 7:
        # What the gyros drift at is no step: the median of the frames around tells it.
        rates = step / between_s
        with np.errstate(invalid="ignore"):
            near = np.pad(rates, 3, mode="reflect")
            drift = np.median(sliding_window_view(near, 7), axis=1)
    jump = np.abs(step - np.nan_to_num(drift) * between_s)
    jump[after_turn] = np.nan
    return time_s[valid], np.where(unknown, np.nan, gap), np.degrees(jump)


def _frames(tables: Tables) -> tuple[Column, NDArray[np.bool_], Column, Column, Column] | None:
    """Return times of frames, whether stars were seen, roll, pitch and yaw (rad)."""
    found = of_message(tables, STARS, *(f"orientation.{axis}" for axis in "xyzw"))
    if found is None:
        return None
    time_s, x, y, z, w = found
    valid = (x != 0.0) | (y != 0.0) | (z != 0.0)
    roll = np.arctan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    pitch = np.arcsin(np.clip(2.0 * (w * y - z * x), -1.0, 1.0))
    yaw = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    return time_s, valid, roll, pitch, yaw


def _tilt(ax: Column, ay: Column, az: Column) -> tuple[Column, Column]:
    return np.arctan2(ay, az), np.arctan2(-ax, np.hypot(ay, az))


def stars_missing(tables: Tables) -> Series | None:
    """Return 1 for each frame without stars, outside of solar particle events, else 0."""
    frames = _frames(tables)
    if frames is None:
        return None
    time_s, valid, *_ = frames
    missing = (~valid).astype(float)
    particles = _particles(tables)
    if particles is not None:
        missing[held(particles, time_s, 3600.0) > _QUIET_RATIO] = np.nan
    return Series(time_s, missing)


def _particles(tables: Tables) -> Series | None:
    """Return what both tubes count over what they should; of a bag without counts, what one told.

    Housekeeping tells the counts of its own period, so they are taken over the first ones told.
    """
    tubes = tubes_together_ratio(tables)
    if tubes is not None and np.isfinite(tubes.values).any():
        known = np.isfinite(tubes.values)
        return Series(tubes.time_s[known], tubes.values[known])
    told = tables.housekeeping.get("neutron_spectrometer", {}).get("thermal_counts")
    if told is None or not np.any(told.values > 0.0):
        return None
    return Series(told.time_s, told.values / np.median(told.values[told.values > 0.0][:60]))


def tilt_mismatch_deg(tables: Tables) -> Series | None:
    """Return the angle between the vertical of accelerometers and of stars, deg.

    Medians of nine frames: ground and motion tilt the rover between two samples.
    """
    frames, at_s, seen_s = _frames(tables), stamps_s(tables, IMU), stamps_s(tables, STARS)
    imu = of_message(tables, IMU, *(f"linear_acceleration.{axis}" for axis in "xyz"))
    if frames is None or imu is None or at_s is None or seen_s is None:
        return None
    time_s, valid, *star_tilt, _ = frames
    if valid.sum() < _FRAMES_OF_MEDIAN:
        return None
    order = np.argsort(at_s, kind="stable")
    off = [
        np.median(
            sliding_window_view(
                np.interp(seen_s[valid], at_s[order], felt[order]) - seen[valid], _FRAMES_OF_MEDIAN
            ),
            axis=1,
        )
        for felt, seen in zip(_tilt(*imu[1:]), star_tilt, strict=True)
    ]
    return Series(time_s[valid][_FRAMES_OF_MEDIAN - 1 :], np.degrees(np.hypot(*off)))


def gravity_m_s2(tables: Tables) -> Series | None:
    """Return the size of the specific force less the Moon's gravity, m/s2, without sign."""
    imu = of_message(tables, IMU, *(f"linear_acceleration.{axis}" for axis in "xyz"))
    if imu is None:
        return None
    return Series(imu[0], np.abs(np.sqrt(sum(a * a for a in imu[1:])) - MOON_GRAVITY_M_S2))


def tilt_deg(tables: Tables) -> Series | None:
    """Return the angle between the body's vertical and the specific force, deg."""
    imu = of_message(tables, IMU, *(f"linear_acceleration.{axis}" for axis in "xyz"))
    if imu is None:
        return None
    return Series(imu[0], np.degrees(np.arctan2(np.hypot(imu[1], imu[2]), imu[3])))


def gyro_noise_ratio(tables: Tables) -> Series | None:
    """Return the scatter of the gyros over that of sound ones: 1, and a few while driving.

    Of the steps between samples of a minute the lower fifth, and of the axes the least: ground
    tilts the rover now and then, and about some axis; noise is always there, and on all.
    """
    axes = [f"angular_velocity.{axis}" for axis in "xyz"]
    imu, at_s = of_message(tables, IMU, *axes), stamps_s(tables, IMU)
    if imu is None or at_s is None or len(at_s) < _STEPS + 1:
        return None
    dt_s = np.diff(at_s)
    sound = _RANDOM_WALK_RAD_SQRT_S / np.sqrt(np.maximum(dt_s, 1e-3)) * math.sqrt(2.0)
    known = (dt_s > 0.0) & (dt_s < 150.0)
    least = np.min(
        [
            np.quantile(
                sliding_window_view(np.where(known, np.abs(np.diff(rate)) / sound, 0.0), _STEPS)[
                    :: _STEPS // 6
                ],
                0.2, axis=1,
            )
            for rate in imu[1:]
        ],
        axis=0,
    )  # fmt: skip
    return Series(imu[0][_STEPS :: _STEPS // 6], least / _LOWER_FIFTH)
