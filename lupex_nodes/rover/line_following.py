# SPDX-License-Identifier: Apache-2.0
"""Driving along a straight line to a goal: which speed and turn rate now.

The heading asked for bends back to the line with the distance from it, as in pure pursuit
(Coulter 1992, CMU-RI-TR-92-01). Gains allow for the few seconds from measurement to motion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from lupex_nodes.rover.attitude import wrapped

_TURN_GAIN_PER_S = 0.1
_LOOK_AHEAD_M = 1.0
_STEEPEST_RAD = math.radians(30.0)
_TURN_ON_SPOT_RAD = math.radians(8.0)
_TURNED_RAD = math.radians(1.0)
_SLOWING_PER_S = 0.15
_SLOWEST_M_S = 0.01
_STOPPING_S = 2.0


class Goal(NamedTuple):
    """Where to go, how fast, and how near is near enough."""

    x_m: float
    y_m: float
    speed_m_s: float
    tolerance_m: float


@dataclass
class LineFollower:
    """The way from `start_m` to a goal; `arrived` once the rover should stand."""

    start_m: tuple[float, float]
    goal: Goal
    turn_rate_max_rad_s: float
    arrived: bool = False
    cross_track_m: float = 0.0
    distance_m: float = math.inf
    progress: float = 0.0
    _on_spot: bool | None = None

    def __post_init__(self) -> None:
        dx, dy = self.goal.x_m - self.start_m[0], self.goal.y_m - self.start_m[1]
        self.length_m = math.hypot(dx, dy)
        self.heading_rad = math.atan2(dy, dx)
        self.arrived = self.length_m <= 0.05

    def steer(self, x_m: float, y_m: float, yaw_rad: float) -> tuple[float, float]:
        """Return speed (m/s) and turn rate (rad/s) for this pose."""
        c, s = math.cos(self.heading_rad), math.sin(self.heading_rad)
        dx, dy = x_m - self.start_m[0], y_m - self.start_m[1]
        gone_m = c * dx + s * dy
        self.cross_track_m = c * dy - s * dx
        self.distance_m = math.hypot(self.goal.x_m - x_m, self.goal.y_m - y_m)
        left_m = self.length_m - gone_m
        if self.length_m > 0.0:
            self.progress = min(max(gone_m / self.length_m, 0.0), 1.0)
        if self.arrived:
            return 0.0, 0.0
        error = wrapped(self.heading_rad - yaw_rad)
        if self._on_spot is None:
            self._on_spot = abs(error) > _TURN_ON_SPOT_RAD
        if self._on_spot:
            if abs(error) > _TURNED_RAD:
                return 0.0, self._turn(error)
            self._on_spot = False
        speed = max(_SLOWEST_M_S, min(self.goal.speed_m_s, _SLOWING_PER_S * left_m))
        # what is on its way to the crawlers is driven still
        if left_m <= _STOPPING_S * speed:
            self.arrived = True
            return 0.0, 0.0
        bend = math.atan2(self.cross_track_m, _LOOK_AHEAD_M)
        wanted = self.heading_rad - min(max(bend, -_STEEPEST_RAD), _STEEPEST_RAD)
        self._on_spot = abs(error) > _STEEPEST_RAD + _TURN_ON_SPOT_RAD
        return speed, self._turn(wrapped(wanted - yaw_rad))

    def _turn(self, error_rad: float) -> float:
        rate = _TURN_GAIN_PER_S * error_rad
        return min(max(rate, -self.turn_rate_max_rad_s), self.turn_rate_max_rad_s)
