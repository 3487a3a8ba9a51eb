# SPDX-License-Identifier: Apache-2.0
"""Residuals of cameras, crawlers and drive."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.models.crawler_kinematics import CrawlerLayout
from lupex_nodes.models.terramechanics import expected_slip
from lupex_nodes.rover.attitude import yaw_of
from lupex_nodes.rover.localisation import LocalisationParameters
from lupex_nodes.rover.records import CURRENTS, plausible_drive
from lupex_nodes.rover.residuals.power import FACING_W
from lupex_nodes.rover.residuals.residual import Residual
from lupex_nodes.rover.telemetry import Telemetry

_JOINTS = "rover/joint_states"
_BUS = "rover/power/bus"
_IMU = "rover/imu/data"
_ODOMETRY = "rover/odometry"
_FRAMES = "rover/stereo_camera/visual_odometry"
_DRIVE = "rover/mobility/state"
_CURRENTS = "rover/mobility/currents"
_COMMAND = "rover/cmd_vel"
_SKY = "rover/navigation/sky"


class WayWithoutFrames(Residual):
    """Way of the tracks since the last visual odometry, m."""

    topics = (_DRIVE,)

    def __init__(self) -> None:
        super().__init__()
        self._at_m: float | None = None

    def update(self, now: int, seen: Telemetry) -> None:
        """Count from the last frame, or from where counting began."""
        travel_m, camera = seen.row(_DRIVE).travel_m, seen.channels.get("stereo_camera", True)
        if seen.fresh(_FRAMES) or self._at_m is None or not camera or travel_m < self._at_m:
            self._at_m = travel_m
        self.value = travel_m - self._at_m


class FramesLost(Residual):
    """Part of the last twelve frames without enough features, of those across the light.

    Towards the Sun and away from it shadows are hard to follow for sound cameras too. How many
    features there are says less: smooth ground and small shadows take nine of ten for minutes.
    """

    topics = (_FRAMES,)
    across = 0.8

    def __init__(self) -> None:
        super().__init__()
        self._lost: deque[bool] = deque(maxlen=12)

    def update(self, now: int, seen: Telemetry) -> None:
        """Count where the ground is lit: where a strip of the array is dark it is not."""
        odometry, sky, bus = seen.row(_ODOMETRY), seen.row(_SKY), seen.row(_BUS)
        lit = bus is not None and bus.array_limit_w > 0.85 * FACING_W
        if seen.conditions.get("lit") is None or odometry is None or not lit:
            return
        q = odometry.pose.pose.orientation
        off_rad = math.pi / 2 - yaw_of((q.x, q.y, q.z, q.w)) - math.radians(sky.sun_azimuth_deg)
        if abs(math.cos(off_rad)) > self.across:
            return
        self._lost.append(not seen.row(_FRAMES).valid)
        if len(self._lost) == self._lost.maxlen:
            self.value = sum(self._lost) / len(self._lost)


class FrameGaps(Residual):
    """Frames of the last five minutes that do not begin where the one before ended."""

    topics = (_FRAMES,)

    def __init__(self) -> None:
        super().__init__()
        self._before: int | None = None
        self._gaps: deque[int] = deque()

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare the beginning of each motion with the end of the one before."""
        source = seen.sources[_FRAMES]
        at = source.stamp
        begun = at - round(source.row.since_s * SECOND)
        if self._before is not None and abs(begun - self._before) > SECOND // 2:
            self._gaps.append(at)
        self._before = at
        while self._gaps and at - self._gaps[0] > 300 * SECOND:
            self._gaps.popleft()
        self.value = float(len(self._gaps))


class CameraScale(Residual):
    """Way that the cameras saw over that of the tracks less the slip to expect, over 10 m: 1.

    More slip than expected makes it less; only a camera's scale, or tracks that do not count, make
    it more.
    """

    topics = (_FRAMES,)
    steepest_deg = 12.0

    def __init__(self) -> None:
        super().__init__()
        self._laid_m: float | None = None
        self._ways: deque[tuple[float, float]] = deque()
        believed = LocalisationParameters()
        self._vehicle = believed.vehicle_mass_kg, believed.expected_friction_angle_deg

    def update(self, now: int, seen: Telemetry) -> None:
        """Sum frame by frame."""
        drive, frame, imu = seen.row(_DRIVE), seen.row(_FRAMES), seen.row(_IMU)
        if drive is None or imu is None:
            return
        before, self._laid_m = self._laid_m, drive.travel_m
        a = imu.linear_acceleration
        climb_deg = round(math.degrees(math.atan2(a.x, math.hypot(a.y, a.z))))
        cross_deg = round(math.degrees(math.atan2(a.y, a.z)))
        if before is None or max(abs(climb_deg), abs(cross_deg)) > self.steepest_deg:
            return
        laid_m = drive.travel_m - before
        if not frame.valid or abs(frame.turn_rad) > 0.15 or not 0.3 < laid_m < 5.0:
            return
        if frame.ahead_m < 0.0:
            climb_deg, cross_deg = -climb_deg, -cross_deg
        slip, _ = expected_slip(*self._vehicle, climb_deg, cross_deg)
        seen_m = math.hypot(frame.ahead_m, frame.left_m, frame.up_m)
        self._ways.append((seen_m, laid_m * (1.0 - slip)))
        while sum(way for _, way in self._ways) > 10.0 + self._ways[0][1]:
            self._ways.popleft()
        whole_m = sum(way for _, way in self._ways)
        if whole_m >= 10.0:
            self.value = sum(way for way, _ in self._ways) / whole_m


class CameraShort(Residual):
    """Way that the cameras saw over way of the tracks less slip by the ground speed sensor: 1.

    Over 10 m of frames that hold no sharp turn, over what it was in the first 20 m: the scale of
    the ground speed sensor is not known better.
    """

    topics = (_FRAMES, _DRIVE)

    def __init__(self) -> None:
        super().__init__()
        self._laid_m: float | None = None
        self._over_ground_m = 0.0
        self._ways: deque[tuple[float, float]] = deque()
        self._first = [0.0, 0.0]

    def update(self, now: int, seen: Telemetry) -> None:
        """Sum frame by frame."""
        drive = seen.row(_DRIVE)
        if drive is None:
            return
        if seen.fresh(_DRIVE):
            if self._laid_m is not None and drive.travel_m >= self._laid_m:
                self._over_ground_m += (drive.travel_m - self._laid_m) * (1.0 - drive.slip)
            self._laid_m = drive.travel_m
        if not seen.fresh(_FRAMES):
            return
        frame, over_ground_m = seen.row(_FRAMES), self._over_ground_m
        self._over_ground_m = 0.0
        if not frame.valid or abs(frame.turn_rad) > 0.15 or over_ground_m < 0.3:
            return
        seen_m = math.hypot(frame.ahead_m, frame.left_m, frame.up_m)
        if self._first[1] < 20.0:
            self._first[0] += seen_m
            self._first[1] += over_ground_m
            return
        self._ways.append((seen_m, over_ground_m))
        while sum(way for _, way in self._ways) > 10.0 + self._ways[0][1]:
            self._ways.popleft()
        whole_m = sum(way for _, way in self._ways)
        if whole_m >= 10.0:
            first = self._first[0] / self._first[1]
            self.value = sum(way for way, _ in self._ways) / whole_m / first


class DriveImplausible(Residual):
    """1 when the drive tells of itself what no drive does."""

    topics = (_DRIVE,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Look at each field's range."""
        self.value = float(not plausible_drive(seen.row(_DRIVE)))


class CurrentSpread(Residual):
    """Current of the motor that draws most less that of the others' mean, A, all running."""

    topics = (_CURRENTS,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Take means over the record."""
        rows = seen.sources[_CURRENTS].port.rows()
        if rows is None or not rows.size:
            self.value = None
            return
        # all columns are of one kind: as a table they are averaged at once
        table = rows.view(CURRENTS.dtype[0]).reshape(rows.size, -1)
        means = sorted(table.mean(axis=0)[1:].tolist())
        self.value = means[3] - sum(means[:3]) / 3.0 if means[0] > 0.5 else None


class EncoderLoss(Residual):
    """Part of the tracks' way that their encoders did not count in the last 2 min of driving."""

    topics = (_JOINTS,)

    def __init__(self) -> None:
        super().__init__()
        self._before: tuple[int, Any, Any] | None = None
        self._ways: deque[tuple[float, float]] = deque()
        self._told_m = self._counted_m = 0.0

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare counted way with the speed that was told before."""
        source = seen.sources[_JOINTS]
        at, joints, before = source.stamp, source.row, self._before
        self._before = (at, joints.position[:4], joints.velocity[:4])
        if before is None or not 0 < at - before[0] <= 2 * SECOND or not any(before[2]):
            return
        dt_s = (at - before[0]) / SECOND
        told_m = sum(abs(v) for v in before[2]) * dt_s
        counted_m = sum(abs(b - a) for a, b in zip(before[1], joints.position[:4], strict=True))
        self._ways.append((counted_m, told_m))
        self._counted_m += counted_m
        self._told_m += told_m
        if len(self._ways) > 120:
            old_counted_m, old_told_m = self._ways.popleft()
            self._counted_m -= old_counted_m
            self._told_m -= old_told_m
        if len(self._ways) >= 60 and self._told_m > 0.1:
            self.value = 1.0 - self._counted_m / self._told_m


class SteeringError(Residual):
    """How much further (deg) one crawler is from where the command wants it than all others.

    While all turn to a new direction they are off alike.
    """

    topics = (_JOINTS,)

    def __init__(self) -> None:
        super().__init__()
        self._layout = CrawlerLayout()

    def update(self, now: int, seen: Telemetry) -> None:
        """Turn the velocity command into angles; a crawler may point backwards."""
        asked, joints = seen.row(_COMMAND), seen.row(_JOINTS)
        if seen.conditions.get("driving") is None or seen.conditions.get("commanded") is None:
            self.value = None
            return
        v, told = asked.twist.linear, joints.position[4:].tolist()
        if abs(asked.twist.angular.z) < 0.05 * abs(v.x) and max(map(abs, told)) < 0.1:
            self.value = 0.0  # straight on, and so they are
            return
        wanted = self._layout.drive(v.x, v.y, asked.twist.angular.z, told).steering_rad
        off = sorted(abs(math.remainder(a - b, math.pi)) for a, b in zip(wanted, told, strict=True))
        self.value = math.degrees(off[-1] - off[-2])


class TurnLoss(Residual):
    """Part of the turn on the spot that was commanded and the gyros did not see, over 30 s of it.

    Sound ground takes a sixth of it at most.
    """

    topics = (_JOINTS,)

    def __init__(self) -> None:
        super().__init__()
        self._at = 0
        self._turns: deque[tuple[float, float]] = deque(maxlen=30)

    def update(self, now: int, seen: Telemetry) -> None:
        """Sum while all tracks run and the command is to turn alone."""
        joints, asked, imu = seen.sources[_JOINTS], seen.row(_COMMAND), seen.sources[_IMU]
        before, self._at = self._at, joints.stamp
        if seen.conditions.get("commanded") is None or asked is None:
            self._turns.clear()
            self.value = 0.0
            return
        v, turn_rad_s = asked.twist.linear, asked.twist.angular.z
        dt_s = (self._at - before) / SECOND
        turns = not v.x and not v.y and abs(turn_rad_s) > 1e-3 and all(joints.row.velocity[:4])
        if not turns or not 0.0 < dt_s <= 2.0 or imu.row is None or imu.age_s(now) > 3.0:
            return
        seen_rad_s = math.copysign(1.0, turn_rad_s) * imu.row.angular_velocity.z
        self._turns.append((abs(turn_rad_s) * dt_s, seen_rad_s * dt_s))
        if len(self._turns) == self._turns.maxlen:
            wanted_rad, seen_rad = (sum(each) for each in zip(*self._turns, strict=True))
            self.value = 1.0 - seen_rad / wanted_rad


class DriveStill(Residual):
    """1 while a motion is commanded and no track runs, and the drive has not stopped itself."""

    topics = (_JOINTS, _COMMAND)

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare command and speeds."""
        joints, drive = seen.row(_JOINTS), seen.row(_DRIVE)
        if seen.conditions.get("commanded") is None or joints is None or drive is None:
            self.value = None
            return
        self.value = float(not any(joints.velocity[:4]) and not drive.blocked)
