# SPDX-License-Identifier: Apache-2.0
"""What rocks and steps do to a crawler: low ones raise it, high ones stop it.

Plane geometry: a rock is a disc of its diameter with a height, a crawler a rectangle of its track.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

Rock = tuple[float, float, float, float]  # x_m, y_m, height_m, diameter_m


def lift_m(x_m: float, y_m: float, rocks: Iterable[Rock], half_length_m: float) -> float:
    """Return how much rocks raise a crawler whose middle is at a place.

    The track bridges a rock: it begins to rise with its front on the rock's edge and is as high
    as the rock with its middle over it.
    """
    lift = 0.0
    for rx, ry, height, diameter in rocks:
        reach = 0.5 * diameter + half_length_m
        part = ((x_m - rx) ** 2 + (y_m - ry) ** 2) / (reach * reach)
        if part < 1.0:
            lift = max(lift, height * (1.0 - part))
    return lift


def stands_before(
    rocks: Iterable[Rock],
    x_m: float,
    y_m: float,
    course_rad: float,
    half_length_m: float,
    half_width_m: float,
) -> bool:
    """Tell whether a rock touches a rectangle around a place from ahead along a course."""
    for rx, ry, _, diameter in rocks:
        dx, dy = rx - x_m, ry - y_m
        c, s = math.cos(course_rad), math.sin(course_rad)
        ahead, aside = c * dx + s * dy, abs(c * dy - s * dx)
        before = ahead - half_length_m
        beside = max(0.0, aside - half_width_m)
        if ahead > 0.0 and math.hypot(max(0.0, before), beside) < 0.5 * diameter:
            return True
    return False
