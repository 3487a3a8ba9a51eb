# SPDX-License-Identifier: Apache-2.0
"""Driving along a path to its end: which speed and turn rate now.

On each straight part the course asked for bends back to the line with the distance from it, as in
pure pursuit (Coulter 1992, CMU-RI-TR-92-01); sharp corners are turned on the spot. The heading
leans against the side slip, and the speed makes up for the slip, that the estimate believes in.
Gains allow for the few seconds from measurement to motion.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lupex_nodes.rover.attitude import wrapped

_TURN_GAIN_PER_S = 0.1
_SPOT_GAIN_PER_S = 0.2
_LOOK_AHEAD_M = 1.0
_LOOK_AHEAD_S = 20.0  # so that the loop is damped at any speed
_STEEPEST_RAD = math.radians(30.0)
#: Larger turns are made on the spot: at the beginning of a path, and at its corners.
BEGINNING_RAD = math.radians(10.0)
CORNER_RAD = math.radians(30.0)
_CORNER_M = 0.15  # how near to a sharp corner the turn begins
_TURNED_RAD = math.radians(1.5)
_SLOWING_PER_S = 0.15
_SLOWEST_M_S = 0.01
_STOPPING_S = 2.0
_SLIP_MAX = 0.6
_LEAN_MAX_RAD = math.radians(15.0)


class Pose(NamedTuple):
    """Where the rover believes it is and how it slides: metres, radians, slip as part of 1."""

    x_m: float
    y_m: float
    yaw_rad: float
    slip: float = 0.0
    side_slip_rad: float = 0.0


class PathFollower:
    """The way along `corners_m` (n, 2); `arrived` once the rover should stand at its end.

    With `final_yaw_rad` the rover turns there to that yaw.
    """

    def __init__(
        self,
        corners_m: np.ndarray,
        speed_m_s: float,
        turn_rate_max_rad_s: float,
        track_speed_max_m_s: float = 0.14,
        final_yaw_rad: float | None = None,
    ) -> None:
        self.corners = [(float(x), float(y)) for x, y in corners_m]
        self.speed_m_s, self.track_speed_max_m_s = speed_m_s, track_speed_max_m_s
        self.turn_rate_max_rad_s, self.final_yaw_rad = turn_rate_max_rad_s, final_yaw_rad
        pairs = list(zip(self.corners, self.corners[1:], strict=False))
        self._bearings = [math.atan2(b[1] - a[1], b[0] - a[0]) for a, b in pairs]
        lengths = [math.dist(a, b) for a, b in pairs]
        self._ways_m = [math.fsum(lengths[:i]) for i in range(len(self.corners))]
        self.length_m = self._ways_m[-1]
        self.arrived = False
        self.cross_track_m = 0.0
        self.gone_m = 0.0
        self._at_end = self.length_m <= 0.05
        self._part, self._last, self._heading_rad = 0, True, 0.0
        self._on_spot = self._sharp = False
        self._begins = True
        self._corner_m = 0.0
        self._take_part(0)

    @property
    def progress(self) -> float:
        """Part of the path that lies behind."""
        return 1.0 if self._at_end else min(max(self.gone_m / self.length_m, 0.0), 1.0)

    @property
    def goal_m(self) -> tuple[float, float]:
        """The path's end."""
        return self.corners[-1]

    def steer(self, pose: Pose) -> tuple[float, float]:
        """Return speed (m/s) and turn rate (rad/s) for this pose."""
        if self.arrived:
            return 0.0, 0.0
        if self._at_end:
            return 0.0, self._turn_to_final(pose.yaw_rad)
        left_m = self._place(pose)
        if not self._last and left_m <= self._corner_m:
            self._take_part(self._part + 1)
            left_m = self._place(pose)
        error = wrapped(self._heading_rad - pose.yaw_rad)
        if self._begins:
            self._begins = False
            self._on_spot = abs(error) > BEGINNING_RAD
        if self._on_spot:
            if abs(error) > _TURNED_RAD:
                return 0.0, self._turn(error, _SPOT_GAIN_PER_S)
            self._on_spot = False
        speed = self.speed_m_s
        if self._last or self._sharp:
            speed = max(_SLOWEST_M_S, min(speed, _SLOWING_PER_S * left_m))
        # what is on its way to the crawlers is driven still
        if self._last and left_m <= _STOPPING_S * speed:
            self._at_end = True
            self.arrived = self.final_yaw_rad is None
            return 0.0, 0.0
        bend = math.atan2(self.cross_track_m, max(_LOOK_AHEAD_M, _LOOK_AHEAD_S * speed))
        # the course is the heading and the side slip
        lean = min(max(pose.side_slip_rad, -_LEAN_MAX_RAD), _LEAN_MAX_RAD)
        wanted = self._heading_rad - min(max(bend, -_STEEPEST_RAD), _STEEPEST_RAD) - lean
        self._on_spot = abs(error) > _STEEPEST_RAD + _LEAN_MAX_RAD + BEGINNING_RAD
        kept = 1.0 - min(max(pose.slip, -_SLIP_MAX), _SLIP_MAX)
        speed = min(speed / kept, self.track_speed_max_m_s)
        return speed, self._turn(wrapped(wanted - pose.yaw_rad))

    def ahead(self, reach_m: float, step_m: float) -> np.ndarray:
        """Return points (n, 2) of the path from here on, `step_m` apart, its end at last."""
        end_m = min(self.gone_m + reach_m, self.length_m)
        ways_m = np.append(np.arange(self.gone_m, end_m, step_m), end_m)
        x, y = np.transpose(self.corners)
        return np.column_stack([np.interp(ways_m, self._ways_m, x),
                                np.interp(ways_m, self._ways_m, y)])  # fmt: skip

    def corners_beyond(self, way_m: float) -> list[tuple[float, float]]:
        """Return the corners more than a way from the path's start."""
        pairs = zip(self.corners, self._ways_m, strict=True)
        return [corner for corner, at_m in pairs if at_m > way_m + 0.01]

    def _take_part(self, index: int) -> None:
        """Begin a straight part; on the spot, if the corner is sharp."""
        self._part, self._last = index, index >= len(self._bearings) - 1
        if not self._bearings:
            return
        before, self._heading_rad = self._bearings[max(index - 1, 0)], self._bearings[index]
        corner = abs(wrapped(self._heading_rad - before))
        self._on_spot = corner > CORNER_RAD
        self._sharp, self._corner_m = False, 0.0
        if not self._last:
            corner = abs(wrapped(self._bearings[index + 1] - self._heading_rad))
            self._sharp = corner > CORNER_RAD
            # a gentle corner is cut so that the turn is under way in time
            early_m = _LOOK_AHEAD_M * math.tan(0.5 * corner)
            self._corner_m = _CORNER_M if self._sharp else early_m

    def _place(self, pose: Pose) -> float:
        """Find the pose beside the present part; return how much of this part is left."""
        ax, ay = self.corners[self._part]
        c, s = math.cos(self._heading_rad), math.sin(self._heading_rad)
        dx, dy = pose.x_m - ax, pose.y_m - ay
        self.cross_track_m = c * dy - s * dx
        self.gone_m = self._ways_m[self._part] + c * dx + s * dy
        return self._ways_m[self._part + 1] - self.gone_m

    def _turn_to_final(self, yaw_rad: float) -> float:
        error = 0.0 if self.final_yaw_rad is None else wrapped(self.final_yaw_rad - yaw_rad)
        self.arrived = abs(error) <= _TURNED_RAD
        return 0.0 if self.arrived else self._turn(error, _SPOT_GAIN_PER_S)

    def _turn(self, error_rad: float, gain_per_s: float = _TURN_GAIN_PER_S) -> float:
        rate = gain_per_s * error_rad
        return min(max(rate, -self.turn_rate_max_rad_s), self.turn_rate_max_rad_s)
