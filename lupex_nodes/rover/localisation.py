# SPDX-License-Identifier: Apache-2.0
"""Where the rover believes it is: its sensors' messages in, pose and covariance out."""

from __future__ import annotations

import math
from typing import Any

from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.ports import InPort
from lupex_nodes.bus.stamps import SECOND, from_stamp
from lupex_nodes.models.crawler_kinematics import CrawlerLayout
from lupex_nodes.rover.dead_reckoning import DeadReckoning, OdometryErrors


class LocalisationParameters(Parameters):
    """The declared start, and what the estimate believes of vehicle and sensors."""

    start_x_m: float = parameter(15.0, "declared start, map east", "m", live=False)
    start_y_m: float = parameter(0.0, "declared start, map north", "m", live=False)
    start_yaw_deg: float = parameter(
        0.0, "declared start, yaw counter-clockwise from east", "deg", live=False
    )
    start_position_sigma_m: float = parameter(
        0.1, "believed error of the start, per axis", "m", ge=0.0, live=False, assumed=True
    )
    start_yaw_sigma_deg: float = parameter(
        0.2, "believed error of the declared yaw", "deg", ge=0.0, live=False, assumed=True
    )
    expected_slip: float = parameter(
        0.001, "of the tracks on level ground", ge=-0.5, le=0.9, assumed=True
    )
    expected_slip_per_deg: float = parameter(
        0.0045, "per degree of climb", "1/deg", ge=0.0, le=0.1, assumed=True
    )
    expected_side_slip_deg_per_deg: float = parameter(
        0.3, "course to the lower side per degree of cross slope", "deg/deg", ge=0.0, le=5.0,
        assumed=True,
    )  # fmt: skip
    slip_sigma: float = parameter(
        0.02, "believed error of the expected slip", ge=0.0, le=0.5, assumed=True
    )
    slip_correlation_m: float = parameter(
        10.0, "distance over which that error lasts", "m", ge=0.1, assumed=True
    )
    angle_random_walk_deg_sqrt_h: float = parameter(
        0.05, "believed of the gyros", "deg/sqrt(h)", ge=0.0, assumed=True
    )
    gyro_bias_sigma_deg_h: float = parameter(
        3.0, "believed before the bias is learned", "deg/h", ge=0.0, assumed=True
    )


class Localisation:
    """The estimate of pose and motion, in the map frame; `covariance` of x, y, yaw is (xx, xy,
    xyaw, yy, yyaw, yawyaw).

    `slip` is 1 - speed over ground / track speed, as believed; `side_slip_rad` the angle from the
    heading to the course, positive to the left; `moved_at` the time (ns) of the last motion.
    """

    def __init__(self, parameters: LocalisationParameters, *, imu: InPort, joints: InPort) -> None:
        p = self.parameters = parameters
        self._imu, self._joints = imu, joints
        place, turn = p.start_position_sigma_m**2, math.radians(p.start_yaw_sigma_deg) ** 2
        self._estimate = DeadReckoning(
            OdometryErrors(
                p.slip_sigma,
                p.slip_correlation_m,
                p.angle_random_walk_deg_sqrt_h,
                p.gyro_bias_sigma_deg_h,
            ),
            p.start_x_m,
            p.start_y_m,
            math.radians(p.start_yaw_deg),
            (place, 0.0, 0.0, place, 0.0, turn),
        )
        self._layout = CrawlerLayout()
        self._imu_time: int | None = None
        self._joint_time: int | None = None
        self._travel_m: list[float] | None = None
        self.moved_at: int | None = None
        self.speed_m_s = 0.0
        self.turn_rate_rad_s = 0.0
        self.driven_m = 0.0
        self.slip = 0.0
        self.side_slip_rad = 0.0
        self._take()

    def update(self, now: int, standing: bool) -> None:
        """Take what the sensors said up to `now`; `standing`: nothing shall move the rover."""
        self._take_imu(standing)
        self._take_joints()
        self._take()

    def still_s(self, now: int) -> float:
        """Say for how long the crawlers have not moved; 0 before their first message."""
        if self._joint_time is None:
            return 0.0
        return math.inf if self.moved_at is None else (now - self.moved_at) / SECOND

    def save(self) -> dict[str, Any]:
        """Return what non-volatile memory keeps while the computer is off."""
        return {
            "pose": (self.x_m, self.y_m, self.z_m, self.roll_rad, self.pitch_rad, self.yaw_rad),
            "covariance": self.covariance,
            "driven_m": self.driven_m,
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on from what was kept."""
        e = self._estimate
        e.x_m, e.y_m, e.z_m, e.roll_rad, e.pitch_rad, e.yaw_rad = kept["pose"]
        e.covariance = kept["covariance"]
        self.driven_m = kept["driven_m"]
        self._take()

    def _take(self) -> None:
        e = self._estimate
        self.x_m, self.y_m, self.z_m = e.x_m, e.y_m, e.z_m
        self.roll_rad, self.pitch_rad, self.yaw_rad = e.roll_rad, e.pitch_rad, e.yaw_rad
        self.covariance = e.covariance

    def _take_imu(self, standing: bool) -> None:
        for sample in self._imu.drain():
            time = from_stamp(sample.header.stamp)
            before, self._imu_time = self._imu_time, time
            if before is None or time <= before:
                continue
            w, a = sample.angular_velocity, sample.linear_acceleration
            dt_s = (time - before) / SECOND
            self._estimate.sense((w.x, w.y, w.z), (a.x, a.y, a.z), dt_s, standing)
            self.turn_rate_rad_s = 0.0 if standing else self._estimate.turned_rad / dt_s

    def _take_joints(self) -> None:
        for sample in self._joints.drain():
            time, values = from_stamp(sample.header.stamp), sample.position.tolist()
            before, self._travel_m = self._travel_m, values[:4]
            since, self._joint_time = self._joint_time, time
            if before is None or since is None or time <= since:
                continue
            steps = [b - a for a, b in zip(before, values[:4], strict=True)]
            if any(sample.velocity[:4]):
                self.moved_at = time
            if not any(steps):
                self.speed_m_s = 0.0
                continue
            self.moved_at = time
            moved = self._layout.body_twist(values[4:], steps)
            ahead_m, left_m = self._over_ground(moved.vx_m_s, moved.vy_m_s)
            self._estimate.roll_on(ahead_m, left_m)
            self.driven_m += math.hypot(ahead_m, left_m)
            self.speed_m_s = ahead_m / ((time - since) / SECOND)

    def _over_ground(self, ahead_m: float, left_m: float) -> tuple[float, float]:
        """Take the slip that is expected on this slope off what the tracks laid."""
        p, e = self.parameters, self._estimate
        climb_deg = -math.degrees(e.pitch_rad) * (1.0 if ahead_m >= 0.0 else -1.0)
        self.slip = p.expected_slip + p.expected_slip_per_deg * climb_deg
        kept = 1.0 - self.slip
        side = math.radians(p.expected_side_slip_deg_per_deg) * math.degrees(e.roll_rad)
        self.side_slip_rad = -side
        return ahead_m * kept, left_m * kept - abs(ahead_m) * kept * side
