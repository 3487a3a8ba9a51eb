# SPDX-License-Identifier: Apache-2.0
"""The rover's navigation: where it is, and how it gets to a goal."""

from __future__ import annotations

import math
from typing import Any

from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped, TwistStamped
from nav_msgs.msg import Odometry, Path
from sensor_msgs.msg import Imu, JointState, PointCloud2, Range

from lupex_nodes.bus.commands import RUNNING, CommandFailed, Running, command
from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.messages import OK
from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND, to_stamp
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.rover.attitude import quaternion
from lupex_nodes.rover.line_following import Goal, LineFollower
from lupex_nodes.rover.localisation import Localisation, LocalisationParameters
from lupex_nodes.rover.records import VISUAL_ODOMETRY

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

    class Parameters(LocalisationParameters):
        """Start, beliefs of the estimate, and how to drive."""

        turn_rate_max_deg_s: float = parameter(2.5, "commanded", "deg/s", ge=0.1, le=20.0)
        immobile_s: float = parameter(
            30.0, "a goal fails after so long without motion", "s", ge=5.0, le=3600.0
        )

    kind = Kind.SOFTWARE
    modes = {"idle": ("going",), "going": ("idle",)}
    imu = Input("rover/imu/data", Imu, queue=20)
    joints = Input("rover/joint_states", JointState, queue=20)
    star_tracker = Input("rover/star_tracker/attitude", Imu, queue=20)
    visual_odometry = Input(
        "rover/stereo_camera/visual_odometry", PointCloud2, schema=VISUAL_ODOMETRY, queue=20
    )
    ranging = Input("rover/ranging/range", Range, queue=20)
    map_fix = Input("ground/map_fix", PoseWithCovarianceStamped, queue=5)
    odometry = Output("rover/odometry", Odometry, frame_id="map")
    path = Output("rover/path", Path, Qos.STATE, frame_id="map")
    cmd_vel = Output("rover/cmd_vel", TwistStamped, frame_id="rover/base_link")

    def setup(self) -> None:
        """Start at the declared pose."""
        self.localisation = Localisation(
            self.parameters,
            imu=self.imu,
            joints=self.joints,
            star_tracker=self.star_tracker,
            visual_odometry=self.visual_odometry,
            ranging=self.ranging,
            map_fix=self.map_fix,
        )
        self.follower: LineFollower | None = None
        self._goal_at = 0

    @command("drives to a place along a straight line", GoTo)
    def go_to(self, now: int, goal: GoTo) -> Running:
        """Begin to drive; completion when the rover stands within the tolerance."""
        if self.joints.value is None or self.imu.value is None:
            raise CommandFailed("navigation has no crawler or inertial data yet: switch them on")
        e = self.localisation
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
        e = self.localisation
        e.update(now, self.follower is None and e.still_s(now) > _SETTLING_S)
        if self.follower:
            self._follow(now, self.follower)
        self._publish_odometry(now)
        return None

    def housekeeping(self) -> dict[str, Any]:
        """Say where the rover believes it is."""
        e = self.localisation
        return {
            "x_m": e.x_m,
            "y_m": e.y_m,
            "yaw_deg": math.degrees(e.yaw_rad),
            "position_sigma_m": math.sqrt((e.covariance[0] + e.covariance[3]) / 2.0),
            "driven_m": e.driven_m,
            "cross_track_m": self.follower.cross_track_m if self.follower else 0.0,
        }

    def _follow(self, now: int, follower: LineFollower) -> None:
        e = self.localisation
        still_s = e.still_s(now)
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
        e = self.localisation
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
        message.twist.twist.linear.x = e.speed_m_s
        self.odometry.publish(message)

    def _publish_path(self, now: int, goal: GoTo) -> None:
        path = Path()
        path.header.stamp = to_stamp(now)
        path.header.frame_id = "map"
        for x, y in ((self.localisation.x_m, self.localisation.y_m), (goal.x_m, goal.y_m)):
            pose = PoseStamped()
            pose.header = path.header
            pose.pose.position.x, pose.pose.position.y = x, y
            pose.pose.orientation.w = 1.0
            path.poses.append(pose)
        self.path.publish(path)
        self.event("GOAL", f"The rover drives to ({goal.x_m:g}, {goal.y_m:g}) m.", level=OK)
