# SPDX-License-Identifier: Apache-2.0
"""Residuals of gyros, accelerometers and star tracker."""

from __future__ import annotations

import math
from collections import deque

from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.models.terramechanics import MOON_GRAVITY_M_S2
from lupex_nodes.rover.attitude import tilt_of, yaw_of
from lupex_nodes.rover.residuals.residual import Residual
from lupex_nodes.rover.telemetry import Source, Telemetry

_DEG_H = math.radians(1.0) / 3600.0
_MOON_ROTATION_RAD_S = 0.549014 * _DEG_H
_TURNS_RAD_S = math.radians(0.2)
_IMU = "rover/imu/data"
_STARS = "rover/star_tracker/attitude"


class _GyroAndStars(Residual):
    """Carries the yaw of the gyros from one frame of stars to a later one."""

    topics = (_IMU, _STARS)

    def __init__(self) -> None:
        super().__init__()
        self._imu_at: int | None = None
        self._turned_rad = self._rate_rad_s = 0.0
        self._frame: tuple[int, float] | None = None

    def update(self, now: int, seen: Telemetry) -> None:
        """Turn with the gyros, then look at the stars."""
        if seen.fresh(_IMU):
            self._turn(seen.sources[_IMU], seen)
        stars = seen.sources[_STARS]
        if stars.fresh and stars.row.orientation_covariance[0] >= 0.0:
            q = stars.row.orientation
            self._look(stars.stamp, yaw_of((q.x, q.y, q.z, q.w)))

    def _longest_s(self, seen: Telemetry) -> float:
        # what a rover turns between samples that lie apart, the gyros have not told
        if abs(self._rate_rad_s) > _TURNS_RAD_S:
            return 1.5
        return 150.0 if seen.conditions.get("driving") is None else 4.0

    def _turn(self, imu: Source, seen: Telemetry) -> None:
        at, before = imu.stamp, self._imu_at
        self._imu_at = at
        longest = self._longest_s(seen) * SECOND
        w, a = imu.row.angular_velocity, imu.row.linear_acceleration
        roll, pitch = math.atan2(a.y, a.z), math.atan2(-a.x, math.hypot(a.y, a.z))
        rate = (w.y * math.sin(roll) + w.z * math.cos(roll)) / max(math.cos(pitch), 0.1)
        self._rate_rad_s = rate
        if before is None or not 0 < at - before < longest:
            self._frame = None
            return
        self._turned_rad += (rate + _MOON_ROTATION_RAD_S) * (at - before) / SECOND

    def _look(self, at: int, yaw_rad: float) -> None:
        raise NotImplementedError


class GyroBias(_GyroAndStars):
    """Drift of the gyros against the stars over five minutes or more, deg/h, without sign."""

    def __init__(self) -> None:
        super().__init__()
        self._frames: deque[tuple[int, float]] = deque()

    def _look(self, at: int, yaw_rad: float) -> None:
        gap_rad, frames = yaw_rad - self._turned_rad, self._frames
        if self._frame is None:
            # the gyros' count begins anew
            frames.clear()
        self._frame = (at, gap_rad)
        frames.append(self._frame)
        while len(frames) > 2 and at - frames[1][0] >= 300 * SECOND:
            frames.popleft()
        since_s = (at - frames[0][0]) / SECOND
        if since_s >= 300.0:
            drift = math.remainder(gap_rad - frames[0][1], 2.0 * math.pi)
            self.value = abs(drift) / since_s / _DEG_H


class StarJump(_GyroAndStars):
    """Step of the stars' yaw against the gyros from one frame to the next, deg."""

    def _look(self, at: int, yaw_rad: float) -> None:
        gap_rad = yaw_rad - self._turned_rad
        if self._frame is not None:
            self.value = abs(math.degrees(math.remainder(gap_rad - self._frame[1], 2.0 * math.pi)))
        self._frame = (at, gap_rad)


class StarsMissing(Residual):
    """1 when the last frame showed no stars."""

    topics = (_STARS,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Look at the covariance, in which -1 says that there is no attitude."""
        self.value = float(seen.row(_STARS).orientation_covariance[0] < 0.0)


class Gravity(Residual):
    """Size of the specific force less the Moon's gravity, m/s2, without sign."""

    topics = (_IMU,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Take the length of the vector."""
        a = seen.row(_IMU).linear_acceleration
        self.value = abs(math.sqrt(a.x * a.x + a.y * a.y + a.z * a.z) - MOON_GRAVITY_M_S2)


class Tilt(Residual):
    """Angle between the vertical of the accelerometers and of the stars, deg, mean of six frames.

    Where the rover drives as well: accelerometers and stars see the same bumps.
    """

    topics = (_STARS,)

    def __init__(self) -> None:
        super().__init__()
        self._apart: deque[tuple[float, float]] = deque(maxlen=6)

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare roll and pitch."""
        imu, stars = seen.sources[_IMU], seen.row(_STARS)
        if imu.row is None or stars.orientation_covariance[0] < 0.0:
            return
        if seen.conditions.get("driving") is not None and imu.age_s(now) > 3.0:
            return
        a, q = imu.row.linear_acceleration, stars.orientation
        roll, pitch = math.atan2(a.y, a.z), math.atan2(-a.x, math.hypot(a.y, a.z))
        star_roll, star_pitch = tilt_of((q.x, q.y, q.z, q.w))
        self._apart.append((roll - star_roll, pitch - star_pitch))
        if len(self._apart) == self._apart.maxlen:
            sums = [sum(axis) / len(self._apart) for axis in zip(*self._apart, strict=True)]
            self.value = math.degrees(math.hypot(*sums))


class GyroNoise(Residual):
    """Scatter of the gyros over that of sound ones: 1, over rough ground up to 12.

    Of the steps between samples the lower fifth of sixty, and of the axes the least: ground tilts
    the rover now and then, and about some axis; noise is always there, and on all.
    """

    topics = (_IMU,)
    random_walk_rad_sqrt_s: float = math.radians(0.05) / 60.0
    #: The lower fifth of normal noise without sign is below this part of its scatter.
    lower_fifth = 0.2533

    def __init__(self) -> None:
        super().__init__()
        self._before: tuple[int, tuple[float, ...]] | None = None
        self._steps: tuple[deque[float], ...] = tuple(deque(maxlen=60) for _ in range(3))
        self._count = 0

    def update(self, now: int, seen: Telemetry) -> None:
        """Take the differences of consecutive mean rates, each of the time between samples."""
        source = seen.sources[_IMU]
        w, at, before = source.row.angular_velocity, source.stamp, self._before
        self._before = at, (w.x, w.y, w.z)
        if before is None or at <= before[0]:
            return
        dt_s = (at - before[0]) / SECOND
        sound = self.random_walk_rad_sqrt_s / math.sqrt(dt_s) * math.sqrt(2.0)
        for steps, rate, last in zip(self._steps, self._before[1], before[1], strict=True):
            steps.append(abs(rate - last) / sound)
        self._count += 1
        if self._count >= 60 and self._count % 10 == 0:
            self.value = min(sorted(steps)[12] for steps in self._steps) / self.lower_fifth


class Attitude(Residual):
    """Tilt of the rover as the accelerometers feel it, deg."""

    topics = (_IMU,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Take the angle between the body's vertical and the specific force."""
        a = seen.row(_IMU).linear_acceleration
        self.value = math.degrees(math.atan2(math.hypot(a.x, a.y), a.z))
