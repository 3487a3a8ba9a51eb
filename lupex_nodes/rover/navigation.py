# SPDX-License-Identifier: Apache-2.0
"""The rover's navigation: where it is, and how it gets to a goal."""

from __future__ import annotations

import math
from typing import Any

from geometry_msgs.msg import PoseStamped, TwistStamped
from nav_msgs.msg import Odometry, Path
from sensor_msgs.msg import Imu, JointState

from lupex_nodes.bus.commands import RUNNING, CommandFailed, Running, command
from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.messages import OK
from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND, from_stamp, to_stamp
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.crawler_kinematics import CrawlerLayout
from lupex_nodes.rover.attitude import quaternion
from lupex_nodes.rover.dead_reckoning import DeadReckoning, OdometryErrors
from lupex_nodes.rover.line_following import Goal, LineFollower

_SETTLING_S = 5.0


class GoTo(Parameters):
    """Where to go."""

    x_m: float = parameter(..., "goal, map east", "m", ge=-5000.0, le=5000.0)
    y_m: float = parameter(..., "goal, map north", "m", ge=-5000.0, le=5000.0)
    speed_m_s: float = parameter(0.05, "along the line", "m/s", ge=0.005, le=0.14)
    tolerance_m: float = parameter(0.5, "largest distance from the goal", "m", ge=0.05, le=50.0)


class Navigation(Unit):
    """Dead reckoning, and driving to goals along straight lines.

    Yaw comes from the gyros, whose bias is learned whenever the rover stands; distance from the
    crawlers, less the slip expected for the slope that the accelerometers feel. A goal is reached
    by turning on the spot toward it and following the line from where the rover stood.
    """

    class Parameters(Parameters):
        """Start and knowledge of the vehicle."""

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
        turn_rate_max_deg_s: float = parameter(2.5, "commanded", "deg/s", ge=0.1, le=20.0)
        immobile_s: float = parameter(
            30.0, "a goal fails after so long without motion", "s", ge=5.0, le=3600.0
        )

    kind = Kind.SOFTWARE
    modes = {"idle": ("going",), "going": ("idle",)}
    imu = Input("rover/imu/data", Imu, queue=20)
    joints = Input("rover/joint_states", JointState, queue=20)
    odometry = Output("rover/odometry", Odometry, frame_id="map")
    path = Output("rover/path", Path, Qos.STATE, frame_id="map")
    cmd_vel = Output("rover/cmd_vel", TwistStamped, frame_id="rover/base_link")

    def setup(self) -> None:
        """Start at the declared pose."""
        p = self.parameters
        errors = OdometryErrors(
            p.slip_sigma,
            p.slip_correlation_m,
            p.angle_random_walk_deg_sqrt_h,
            p.gyro_bias_sigma_deg_h,
        )
        place, turn = p.start_position_sigma_m**2, math.radians(p.start_yaw_sigma_deg) ** 2
        self.estimate = DeadReckoning(
            errors,
            p.start_x_m,
            p.start_y_m,
            math.radians(p.start_yaw_deg),
            (place, 0.0, 0.0, place, 0.0, turn),
        )
        self.layout = CrawlerLayout()
        self.follower: LineFollower | None = None
        self._imu_time: int | None = None
        self._joint_time: int | None = None
        self._travel_m: list[float] | None = None
        self._moved_at: int | None = None
        self._goal_at = 0
        self._speed_m_s = 0.0
        self._driven_m = 0.0

    @command("drives to a place along a straight line", GoTo)
    def go_to(self, now: int, goal: GoTo) -> Running:
        """Begin to drive; completion when the rover stands within the tolerance."""
        if self.joints.value is None or self.imu.value is None:
            raise CommandFailed("navigation has no crawler or inertial data yet: switch them on")
        e = self.estimate
        self.follower = LineFollower(
            (e.x_m, e.y_m),
            Goal(goal.x_m, goal.y_m, goal.speed_m_s, goal.tolerance_m),
            math.radians(self.parameters.turn_rate_max_deg_s),
        )
        self._goal_at = now
        self.set_mode("going")
        self._publish_path(now, goal)
        return RUNNING

    @command("ends the drive; the rover stops", interrupts=True)
    def hold(self, now: int, arguments: None) -> None:
        """Drop the goal."""
        if self.follower:
            self._send(now, 0.0, 0.0)
            self._drop()

    def step(self, now: int) -> int | None:
        """Update the estimate, then the drive."""
        standing = self.follower is None and self._still_s(now) > _SETTLING_S
        self._take_imu(standing)
        self._take_joints()
        if self.follower:
            self._follow(now, self.follower)
        self._publish_odometry(now)
        return None

    def housekeeping(self) -> dict[str, Any]:
        """Say where the rover believes it is."""
        e = self.estimate
        return {
            "x_m": e.x_m,
            "y_m": e.y_m,
            "yaw_deg": math.degrees(e.yaw_rad),
            "position_sigma_m": math.sqrt((e.covariance[0] + e.covariance[3]) / 2.0),
            "driven_m": self._driven_m,
            "cross_track_m": self.follower.cross_track_m if self.follower else 0.0,
        }

    def _still_s(self, now: int) -> float:
        if self._joint_time is None:
            return 0.0
        return float("inf") if self._moved_at is None else (now - self._moved_at) / SECOND

    def _take_imu(self, standing: bool) -> None:
        for sample in self.imu.drain():
            time = from_stamp(sample.header.stamp)
            before, self._imu_time = self._imu_time, time
            if before is None or time <= before:
                continue
            w, a = sample.angular_velocity, sample.linear_acceleration
            rate, force = (w.x, w.y, w.z), (a.x, a.y, a.z)
            self.estimate.sense(rate, force, (time - before) / SECOND, standing)

    def _take_joints(self) -> None:
        for sample in self.joints.drain():
            time, values = from_stamp(sample.header.stamp), sample.position.tolist()
            before, self._travel_m = self._travel_m, values[:4]
            since, self._joint_time = self._joint_time, time
            if before is None or since is None or time <= since:
                continue
            steps = [b - a for a, b in zip(before, values[:4], strict=True)]
            dt_s = (time - since) / SECOND
            if any(sample.velocity[:4]):
                self._moved_at = time
            if not any(steps):
                self._speed_m_s = 0.0
                continue
            self._moved_at = time
            moved = self.layout.body_twist(values[4:], steps)
            ahead_m, left_m = self._over_ground(moved.vx_m_s, moved.vy_m_s)
            self.estimate.roll_on(ahead_m, left_m)
            self._driven_m += math.hypot(ahead_m, left_m)
            self._speed_m_s = ahead_m / dt_s

    def _over_ground(self, ahead_m: float, left_m: float) -> tuple[float, float]:
        """Take the slip that is expected on this slope off what the tracks laid."""
        p, e = self.parameters, self.estimate
        climb_deg = -math.degrees(e.pitch_rad) * (1.0 if ahead_m >= 0.0 else -1.0)
        kept = 1.0 - (p.expected_slip + p.expected_slip_per_deg * climb_deg)
        side = math.radians(p.expected_side_slip_deg_per_deg) * math.degrees(e.roll_rad)
        return ahead_m * kept, left_m * kept - abs(ahead_m) * kept * side

    def _follow(self, now: int, follower: LineFollower) -> None:
        e = self.estimate
        still_s = self._still_s(now)
        speed, turn = follower.steer(e.x_m, e.y_m, e.yaw_rad)
        self._send(now, speed, turn)
        self.report_progress(follower.progress)
        waited_s = min(still_s, (now - self._goal_at) / SECOND)
        if follower.arrived and still_s > 2.0:
            missed_m = follower.distance_m
            reason = f"the rover stopped {missed_m:.2f} m from the goal"
            success = missed_m <= follower.goal.tolerance_m
            self._drop()
            self.finish_command(success, "" if success else reason)
        elif not follower.arrived and waited_s > self.parameters.immobile_s:
            self._drop()
            self.finish_command(False, f"the rover has not moved for {waited_s:.0f} s")

    def _drop(self) -> None:
        self.follower = None
        self.set_mode("idle")

    def _send(self, now: int, speed_m_s: float, turn_rad_s: float) -> None:
        message = fresh(TwistStamped)
        message.header.stamp = to_stamp(now)
        message.header.frame_id = "rover/base_link"
        message.twist.linear.x = speed_m_s
        message.twist.angular.z = turn_rad_s
        self.cmd_vel.publish(message)

    def _publish_odometry(self, now: int) -> None:
        e = self.estimate
        message = fresh(Odometry)
        message.header.stamp = to_stamp(now)
        message.header.frame_id = "map"
        message.child_frame_id = "rover/base_link"
        position, turn = message.pose.pose.position, message.pose.pose.orientation
        position.x, position.y, position.z = e.x_m, e.y_m, e.z_m
        turn.x, turn.y, turn.z, turn.w = quaternion(e.roll_rad, e.pitch_rad, e.yaw_rad)
        xx, xy, xw, yy, yw, ww = e.covariance
        covariance = message.pose.covariance
        covariance[0], covariance[1], covariance[5] = xx, xy, xw
        covariance[6], covariance[7], covariance[11] = xy, yy, yw
        covariance[30], covariance[31], covariance[35] = xw, yw, ww
        message.twist.twist.linear.x = self._speed_m_s
        self.odometry.publish(message)

    def _publish_path(self, now: int, goal: GoTo) -> None:
        path = Path()
        path.header.stamp = to_stamp(now)
        path.header.frame_id = "map"
        for x, y in ((self.estimate.x_m, self.estimate.y_m), (goal.x_m, goal.y_m)):
            pose = PoseStamped()
            pose.header = path.header
            pose.pose.position.x, pose.pose.position.y = x, y
            pose.pose.orientation.w = 1.0
            path.poses.append(pose)
        self.path.publish(path)
        self.event("GOAL", f"The rover drives to ({goal.x_m:g}, {goal.y_m:g}) m.", level=OK)
