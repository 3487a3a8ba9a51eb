# SPDX-License-Identifier: Apache-2.0
"""How a rover on four crawlers stands: attitude, loads and static stability.

The left and the right pair of crawlers pivot against each other (rocker with differential), so
that the body takes the mean of their slopes and four crawlers carry; at the rocker's stop the rover
stands on three. A rover tips when its centre of mass passes over an edge of the rectangle between
its crawlers (McGhee and Frank 1968, doi:10.1016/0025-5564(68)90090-4). Quasi-static: no momentum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Stance(NamedTuple):
    """Height of the body's origin (between the contacts), and slopes ahead and to the left, as
    tangents; up to the rocker's stop these are the best plane through the contacts.

    `shares` are the crawlers' parts of the load; they add up to 1. `margin_rad` is how far the
    rover could still tilt before it tips; 0 or less: it tips over. It falls ahead (`falls` 1, 0),
    back (-1, 0), to the left (0, 1) or to the right (0, -1).
    """

    height_m: float
    ahead_slope: float
    left_slope: float
    tilt_rad: float
    rocker_rad: float
    shares: tuple[float, float, float, float]
    margin_rad: float
    falls: tuple[int, int]


def stand(
    contact_heights_m: Sequence[float],
    half_wheelbase_m: float,
    half_track_m: float,
    centre_of_mass_m: float,
    rocker_max_rad: float = math.radians(15.0),
) -> Stance:
    """Return how the rover stands on four contacts: front left, front right, rear left, rear right.

    `centre_of_mass_m` is its height above the plane of the contacts, over their middle.
    """
    a, b, h = half_wheelbase_m, half_track_m, centre_of_mass_m
    fl, fr, rl, rr = contact_heights_m
    height = 0.25 * (fl + fr + rl + rr)
    ahead = 0.25 * (fl + fr - rl - rr) / a
    left = 0.25 * (fl + rl - fr - rr) / b
    # what is left of the four heights after the plane: the rocker's part
    twist = 0.25 * (fl - fr - rl + rr)
    rest = abs(twist) - a * math.tan(rocker_max_rad)
    cx, cy = _foot(ahead, left, h)
    if rest > 0.0:
        # It stands on the high diagonal and sways to the side of its centre of mass.
        sign = math.copysign(1.0, twist)
        side = 1.0 if cx / a >= sign * cy / b else -1.0
        height += rest
        ahead -= side * rest / a
        left += sign * side * rest / b
        cx, cy = _foot(ahead, left, h)
        across, along = 0.5 * abs(cx / a - sign * cy / b), 0.5 * (cx / a + sign * cy / b)
        high = (0.5 * (1.0 - across + along), 0.5 * (1.0 - across - along))
        low = (across, 0.0) if side > 0.0 else (0.0, across)
        raw = (
            (high[0], low[0], low[1], high[1]) if sign > 0.0 else (low[0], high[0], high[1], low[1])
        )
        rocker = sign * rocker_max_rad
    else:
        u, v = 0.25 * cx / a, 0.25 * cy / b
        raw = (0.25 + u + v, 0.25 + u - v, 0.25 - u + v, 0.25 - u - v)
        rocker = math.atan(twist / a)
    if min(raw) < 0.0:
        # a crawler does not pull at the ground: it lifts off, and the others carry its part
        carried = [max(0.0, share) for share in raw]
        total = sum(carried)
        raw = (carried[0] / total, carried[1] / total, carried[2] / total, carried[3] / total)
    over_ends = math.atan2(a, h) - math.atan2(abs(cx), h)
    over_sides = math.atan2(b, h) - math.atan2(abs(cy), h)
    falls = (
        (int(math.copysign(1, cx)), 0)
        if over_ends < over_sides
        else (0, int(math.copysign(1, cy)))
    )
    tilt = math.atan(math.hypot(ahead, left))
    return Stance(height, ahead, left, tilt, rocker, raw, min(over_ends, over_sides), falls)


def _foot(ahead: float, left: float, height_m: float) -> tuple[float, float]:
    """Where the plumb line of the centre of mass meets the contacts' plane, body frame.

    Yaw, pitch, roll in that order: slope ahead is the tangent of the pitch, nose up.
    """
    level = 1.0 + ahead * ahead
    return (
        -height_m * ahead * math.sqrt((level + left * left) / level),
        -height_m * left / math.sqrt(level),
    )
