# SPDX-License-Identifier: Apache-2.0
"""The rover's star tracker."""

from __future__ import annotations

import math
from typing import Any

from nav_msgs.msg import Odometry
from sensor_msgs.msg import Imu, PointCloud2

from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.messages import OK
from lupex_nodes.bus.parameters import Degradation, Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import next_minute, seconds
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.rover.attitude import Quaternion, into_body, quaternion, times
from lupex_nodes.world.constants import generator_of_run
from lupex_nodes.world.load_report import LoadReport
from lupex_nodes.world.records import LOAD, RADIATION, SUN


class StarTracker(Unit):
    """Attitude in the map frame from a camera that looks at the zenith.

    Noise of a frame, larger about the boresight, and a mounting error that stays. No attitude when
    the Sun comes near the boresight, when the rover turns too fast, when dust hides the stars, or
    when solar particles draw more false stars than there are true ones: the orientation's
    covariance then begins with -1, as ROS 2 says that there is none.
    """

    class Parameters(Parameters):
        """Mounting and errors; the errors are those of a small tracker."""

        boresight_tilt_deg: float = parameter(
            0.0, "of the boresight from the body's vertical, ahead", "deg", ge=-90.0, le=90.0,
            live=False, assumed=True,
        )  # fmt: skip
        cross_sigma_deg: float = parameter(
            0.005, "noise of a frame across the boresight, per axis", "deg", ge=0.0, assumed=True
        )
        boresight_sigma_deg: float = parameter(
            0.03, "noise of a frame about the boresight", "deg", ge=0.0, assumed=True
        )
        mounting_sigma_deg: float = parameter(
            0.05, "error of the mounting, per axis", "deg", ge=0.0, live=False, assumed=True
        )
        sun_exclusion_deg: float = parameter(
            40.0, "no stars with the Sun nearer to the boresight", "deg", ge=0.0, le=90.0,
            assumed=True,
        )  # fmt: skip
        turn_rate_max_deg_s: float = parameter(
            0.5, "no stars when turning faster", "deg/s", ge=0.0, assumed=True
        )
        particles_max: float = parameter(
            5.0, "no stars when solar particles raise the neutron rate more", ge=1.0, assumed=True
        )
        interval_s: float = parameter(10.0, "between frames", "s", ge=1.0, le=60.0)
        power_w: float = parameter(6.0, "taken", "W", ge=0.0, assumed=True)

    class Degradation(Degradation):
        """What goes wrong in a star tracker."""

        dust: float = parameter(
            0.0, "part of the light that dust takes; no stars above 0.7", ge=0.0, le=1.0
        )
        knock_deg: float = parameter(
            0.0, "turn of the mounting about the vertical, as after a knock", "deg", ge=-45.0,
            le=45.0,
        )  # fmt: skip

    kind = Kind.HARDWARE
    truth = Input("world/vehicle/odometry", Odometry)
    sun = Input("world/sun", PointCloud2, Qos.STATE, schema=SUN)
    radiation = Input("world/radiation", PointCloud2, Qos.STATE, schema=RADIATION)
    attitude = Output("rover/star_tracker/attitude", Imu, frame_id="rover/star_tracker")
    load = Output("~/load", PointCloud2, schema=LOAD, physical=True)

    def setup(self) -> None:
        """Mount the tracker with the error that this rover has."""
        sigma = math.radians(self.parameters.mounting_sigma_deg)
        x, y, z = (sigma * generator_of_run(self.context).standard_normal(3)).tolist()
        self._mounting = quaternion(x, y, z)
        self._load = LoadReport(self.load)
        self._frames = self._lost = 0
        self._shown = 0.0
        self._before: tuple[float, float] | None = None

    def step(self, now: int) -> int | None:
        """Take a frame of what the sky shows."""
        p = self.parameters
        self._load.report(now, p.power_w)
        truth = self.truth.value
        if truth is None:
            return now + seconds(p.interval_s)
        blinded = self._blinded(truth)
        self._publish(truth, not blinded)
        self._frames += 1
        self._lost += bool(blinded)
        self.health = (OK, f"no stars: {blinded}" if blinded else "ok")
        place = (truth.pose.pose.position.x, truth.pose.pose.position.y)
        twist = truth.twist.twist
        moving = place != self._before or any((twist.linear.x, twist.linear.y, twist.angular.z))
        self._before = place
        return now + seconds(p.interval_s) if moving else next_minute(now)

    def housekeeping(self) -> dict[str, Any]:
        """Say how the stars were found."""
        return {"frames": self._frames, "lost": self._lost, "yaw_deg": self._shown}

    def _blinded(self, truth: Odometry) -> str:
        """Say why there are no stars; empty when there are."""
        p = self.parameters
        if self.degradation.dust > 0.7:
            return "dust covers the optics"
        if abs(truth.twist.twist.angular.z) > math.radians(p.turn_rate_max_deg_s):
            return "the rover turns too fast"
        radiation = self.radiation.row()
        if radiation is not None and radiation.solar_particle_factor > p.particles_max:
            return "solar particles draw false stars"
        sun = self.sun.row()
        if sun is None or sun.lit_upper <= 0.0:
            return ""
        azimuth, elevation = math.radians(sun.azimuth_deg), math.radians(sun.elevation_deg)
        level = math.cos(elevation)
        toward = (level * math.sin(azimuth), level * math.cos(azimuth), math.sin(elevation))
        turn = truth.pose.pose.orientation
        x, _, z = into_body((turn.x, turn.y, turn.z, turn.w), toward)
        tilt = math.radians(p.boresight_tilt_deg)
        cosine = x * math.sin(tilt) + z * math.cos(tilt)
        if cosine > math.cos(math.radians(p.sun_exclusion_deg)):
            return "the Sun is near the boresight"
        return ""

    def _publish(self, truth: Odometry, valid: bool) -> None:
        p = self.parameters
        message = fresh(Imu)
        message.header.stamp = truth.header.stamp
        message.header.frame_id = "rover/star_tracker"
        message.angular_velocity_covariance[0] = -1.0  # ROS 2's way to say: not measured
        message.linear_acceleration_covariance[0] = -1.0
        if not valid:
            message.orientation_covariance[0] = -1.0
            self.attitude.publish(message)
            return
        worse = 1.0 / math.sqrt(1.0 - self.degradation.dust)
        cross = math.radians(p.cross_sigma_deg) * worse
        about = math.radians(p.boresight_sigma_deg) * worse
        a, b, c = self.rng.standard_normal(3).tolist()
        # the boresight lies in the body's x-z plane
        tilt = math.radians(p.boresight_tilt_deg)
        along, up = cross * a * math.cos(tilt) + about * c * math.sin(tilt), (
            about * c * math.cos(tilt) - cross * a * math.sin(tilt)
        )
        turn = truth.pose.pose.orientation
        seen = times(
            times((turn.x, turn.y, turn.z, turn.w), self._mounting), _small(along, cross * b, up)
        )
        half = 0.5 * math.radians(self.degradation.knock_deg)
        if half:
            seen = times((0.0, 0.0, math.sin(half), math.cos(half)), seen)
        q = message.orientation
        q.x, q.y, q.z, q.w = seen
        covariance = message.orientation_covariance
        level, steep = math.cos(tilt) ** 2, math.sin(tilt) ** 2
        covariance[0] = cross**2 * level + about**2 * steep
        covariance[4] = cross**2
        covariance[8] = about**2 * level + cross**2 * steep
        x, y, z, w = seen
        self._shown = math.degrees(math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z)))
        self.attitude.publish(message)


def _small(x: float, y: float, z: float) -> Quaternion:
    """Return the quaternion of a small rotation vector (rad)."""
    return x / 2.0, y / 2.0, z / 2.0, math.sqrt(1.0 - (x * x + y * y + z * z) / 4.0)
