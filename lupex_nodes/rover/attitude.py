# SPDX-License-Identifier: Apache-2.0
"""Attitude as unit quaternions (x, y, z, w) that turn the body frame into the map frame.

Body frame: x forward, y left, z up (REP-103). Angles are yaw, pitch, roll about z, y, x, in that
order: pitch is positive nose down, roll positive with the left side up.
"""

from __future__ import annotations

import math

Quaternion = tuple[float, float, float, float]
Vector = tuple[float, float, float]


def quaternion(roll_rad: float, pitch_rad: float, yaw_rad: float) -> Quaternion:
    """Make the quaternion of three angles."""
    cr, sr = math.cos(roll_rad / 2), math.sin(roll_rad / 2)
    cp, sp = math.cos(pitch_rad / 2), math.sin(pitch_rad / 2)
    cy, sy = math.cos(yaw_rad / 2), math.sin(yaw_rad / 2)
    return (
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
        cr * cp * cy + sr * sp * sy,
    )


def on_surface(east_slope: float, north_slope: float, yaw_rad: float) -> tuple[float, float]:
    """Return roll and pitch of a body that stands flat on a surface of these slopes."""
    c, s = math.cos(yaw_rad), math.sin(yaw_rad)
    ahead, left = c * east_slope + s * north_slope, c * north_slope - s * east_slope
    return math.asin(left / math.sqrt(1.0 + ahead * ahead + left * left)), -math.atan(ahead)


def yaw_of(q: Quaternion) -> float:
    """Return the yaw, -pi to pi."""
    x, y, z, w = q
    return math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def tilt_of(q: Quaternion) -> tuple[float, float]:
    """Return roll and pitch."""
    x, y, z, w = q
    roll = math.atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    return roll, math.asin(min(max(2.0 * (w * y - x * z), -1.0), 1.0))


def into_body(q: Quaternion, v: Vector) -> Vector:
    """Turn a vector of the map frame into the body frame."""
    x, y, z, w = q
    a, b, c = v
    # t = 2 v x q_vector, then v + w t + t x q_vector: the rotation by the conjugate
    tx, ty, tz = 2.0 * (b * z - c * y), 2.0 * (c * x - a * z), 2.0 * (a * y - b * x)
    return (
        a + w * tx + ty * z - tz * y,
        b + w * ty + tz * x - tx * z,
        c + w * tz + tx * y - ty * x,
    )


def times(a: Quaternion, b: Quaternion) -> Quaternion:
    """Return the product: first `b` turns, then `a`."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def rotation_between(before: Quaternion, after: Quaternion) -> Vector:
    """Return the rotation vector (rad) in the body frame from one attitude to the next."""
    ax, ay, az, aw = before
    bx, by, bz, bw = after
    x = aw * bx - ax * bw - ay * bz + az * by
    y = aw * by + ax * bz - ay * bw - az * bx
    z = aw * bz - ax * by + ay * bx - az * bw
    w = aw * bw + ax * bx + ay * by + az * bz
    if w < 0.0:
        x, y, z, w = -x, -y, -z, -w
    sine = math.sqrt(x * x + y * y + z * z)
    factor = 2.0 if sine < 1e-9 else 2.0 * math.atan2(sine, w) / sine
    return factor * x, factor * y, factor * z


def wrapped(angle_rad: float) -> float:
    """Return the angle within -pi to pi."""
    return math.remainder(angle_rad, 2.0 * math.pi)
