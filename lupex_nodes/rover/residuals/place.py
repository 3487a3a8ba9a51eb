# SPDX-License-Identifier: Apache-2.0
"""Residuals of ranges, map fixes and the estimate of the place."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.rover.residuals.residual import Residual
from lupex_nodes.rover.telemetry import Telemetry

_BUS = "rover/power/bus"
_ODOMETRY = "rover/odometry"
_FIX = "ground/map_fix"
_RANGE = "rover/ranging/range"


class RangeMisfit(Residual):
    """Range to the lander less the distance believed, over what both may err: within +-3."""

    topics = (_RANGE,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare; the lander is the origin of the map."""
        told, odometry = seen.row(_RANGE), seen.row(_ODOMETRY)
        if odometry is None:
            return
        at, covariance = odometry.pose.pose.position, odometry.pose.covariance
        believed_m = math.hypot(at.x, at.y, at.z)
        variance = told.variance + max(covariance[0], covariance[7]) + 9.0
        self.value = abs(told.range - believed_m) / math.sqrt(variance)


class RangesMissing(Residual):
    """For how long (s) no range has come although the unit says that the lander is in sight."""

    topics = (_BUS, _RANGE)

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare housekeeping and output."""
        beat, source = seen.beats.get("ranging"), seen.sources[_RANGE]
        in_sight = beat is not None and beat.number("in_sight") == 1.0
        since = max(source.time or 0, seen.start, seen.powered_since.get("ranging") or 0)
        self.value = (now - since) / SECOND if in_sight else None


class FixMisfit(Residual):
    """Map fix less the place believed where it was made, over what both may err."""

    topics = (_FIX, _ODOMETRY)

    def __init__(self) -> None:
        super().__init__()
        self._stop: tuple[int, Any] | None = None

    def update(self, now: int, seen: Telemetry) -> None:
        """Keep the place of the last stop, and compare a fix that was made there."""
        odometry, still = seen.row(_ODOMETRY), seen.conditions.get("standing")
        if seen.fresh(_FIX) and self._stop is not None:
            source = seen.sources[_FIX]
            since, place = self._stop
            if source.stamp >= since:
                at, fixed = place.pose.pose.position, source.row.pose
                variance = (
                    max(fixed.covariance[0], fixed.covariance[7])
                    + max(place.pose.covariance[0], place.pose.covariance[7]) + 1.0
                )  # fmt: skip
                gap_m = math.hypot(fixed.pose.position.x - at.x, fixed.pose.position.y - at.y)
                self.value = gap_m / math.sqrt(variance)
        if still is not None and odometry is not None:
            self._stop = (still, odometry)


class PositionSigma(Residual):
    """Believed error of the position per axis, m."""

    topics = (_ODOMETRY,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Take it from the covariance."""
        covariance = seen.row(_ODOMETRY).pose.covariance
        self.value = math.sqrt(max((covariance[0] + covariance[7]) / 2.0, 0.0))


class PoseJump(Residual):
    """Step of the believed position beyond the way of the tracks, over its believed error."""

    topics = (_ODOMETRY,)

    def __init__(self) -> None:
        super().__init__()
        self._before: tuple[int, float, float, float] | None = None
        self._steps: deque[tuple[int, float]] = deque()

    def update(self, now: int, seen: Telemetry) -> None:
        """Hold the greatest of the last two minutes."""
        told = seen.row(_ODOMETRY)
        at, covariance = told.pose.pose.position, told.pose.covariance
        sigma_m = math.sqrt(max(covariance[0] + covariance[7], 0.0))
        if self._before is not None:
            then, x, y, before_m = self._before
            way_m = 0.15 * (now - then) / SECOND
            step_m = max(math.hypot(at.x - x, at.y - y) - way_m, 0.0)
            if step_m > 0.0:
                self._steps.append((now, step_m / (max(sigma_m, before_m) + 1.0)))
        while self._steps and now - self._steps[0][0] > 120 * SECOND:
            self._steps.popleft()
        self._before = (now, at.x, at.y, sigma_m)
        self.value = max((step for _, step in self._steps), default=0.0)
