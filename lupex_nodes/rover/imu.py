# SPDX-License-Identifier: Apache-2.0
"""The rover's inertial measurement unit."""

from __future__ import annotations

import math
from typing import Any

from nav_msgs.msg import Odometry
from sensor_msgs.msg import Imu, PointCloud2

from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.parameters import Degradation, Parameters, parameter
from lupex_nodes.bus.ports import Input, Output
from lupex_nodes.bus.stamps import SECOND, from_stamp, next_minute, to_stamp
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.terramechanics import MOON_GRAVITY_M_S2
from lupex_nodes.rover.attitude import into_body, rotation_between
from lupex_nodes.world.load_report import LoadReport
from lupex_nodes.world.records import LOAD

_DEG_H = math.radians(1.0) / 3600.0
_MOON_ROTATION_DEG_H = 0.549014


class InertialUnit(Unit):
    """Three gyros and three accelerometers: mean rates and specific force since the last sample.

    A sample comes with every step of the vehicle's motion: each second while it drives, each minute
    while it stands. Errors after IEEE Std 952: a bias drawn at each power-on, angle random walk, a
    slow random walk of the bias. The gyros feel the Moon turn, 0.549 deg/h.
    """

    class Parameters(Parameters):
        """Place and errors; the errors are those of a small fibre-optic unit."""

        latitude_deg: float = parameter(
            -89.45, "of the site", "deg", ge=-90.0, le=90.0, live=False
        )
        gyro_bias_sigma_deg_h: float = parameter(
            3.0, "bias at power-on", "deg/h", ge=0.0, live=False, assumed=True
        )
        angle_random_walk_deg_sqrt_h: float = parameter(
            0.05, "white noise of the rate", "deg/sqrt(h)", ge=0.0, assumed=True
        )
        rate_random_walk_deg_h_sqrt_h: float = parameter(
            0.1, "walk of the bias", "deg/h/sqrt(h)", ge=0.0, assumed=True
        )
        accelerometer_bias_sigma_m_s2: float = parameter(
            0.002, "bias at power-on", "m/s2", ge=0.0, live=False, assumed=True
        )
        accelerometer_sigma_m_s2: float = parameter(
            0.0005, "noise of a sample", "m/s2", ge=0.0, assumed=True
        )
        power_w: float = parameter(12.0, "taken", "W", ge=0.0, assumed=True)

    class Degradation(Degradation):
        """What goes wrong in gyros and accelerometers."""

        gyro_bias_step_deg_h: float = parameter(
            0.0, "added to the bias of the vertical gyro", "deg/h", ge=-1e5, le=1e5
        )
        gyro_noise_factor: float = parameter(1.0, "of the rates' noise", ge=1.0, le=1e4)
        accelerometer_bias_step_m_s2: float = parameter(
            0.0, "added to the bias of the accelerometer ahead", "m/s2", ge=-10.0, le=10.0
        )

    kind = Kind.HARDWARE
    truth = Input("world/vehicle/odometry", Odometry, wake=True)
    data = Output("rover/imu/data", Imu, frame_id="rover/imu")
    load = Output("~/load", PointCloud2, schema=LOAD, physical=True)

    def setup(self) -> None:
        """Draw the biases of this power-on."""
        p = self.parameters
        self._gyro_bias = (p.gyro_bias_sigma_deg_h * _DEG_H * self.rng.standard_normal(3)).tolist()
        self._force_bias = (
            p.accelerometer_bias_sigma_m_s2 * self.rng.standard_normal(3)
        ).tolist()
        latitude = math.radians(p.latitude_deg)
        rate = _MOON_ROTATION_DEG_H * _DEG_H
        self._moon = (0.0, rate * math.cos(latitude), rate * math.sin(latitude))
        self._before: tuple[int, Any] | None = None
        self._rate = (0.0, 0.0, 0.0)
        self._load = LoadReport(self.load)

    def step(self, now: int) -> int | None:
        """Measure what the vehicle did since the last sample."""
        truth = self.truth.value
        if truth is not None:
            self._measure(truth)
        self._load.report(now, self.parameters.power_w)
        return next_minute(now)

    def housekeeping(self) -> dict[str, Any]:
        """Say the last rates."""
        x, y, z = (math.degrees(rate) for rate in self._rate)
        return {"rate_x_deg_s": x, "rate_y_deg_s": y, "rate_z_deg_s": z}

    def _measure(self, truth: Odometry) -> None:
        p = self.parameters
        turn = truth.pose.pose.orientation
        attitude, at = (turn.x, turn.y, turn.z, turn.w), from_stamp(truth.header.stamp)
        # the first sample after power-on is of a second in which nothing turned
        since, before = self._before or (at - SECOND, attitude)
        if at <= since:
            return
        self._before = (at, attitude)
        dt_s = (at - since) / SECOND
        turned = rotation_between(before, attitude)
        noise = self.rng.standard_normal(9).tolist()
        walk = p.rate_random_walk_deg_h_sqrt_h * _DEG_H * math.sqrt(dt_s / 3600.0)
        faults = self.degradation
        white = math.radians(p.angle_random_walk_deg_sqrt_h) / 60.0 / math.sqrt(dt_s)
        white *= faults.gyro_noise_factor
        step = (0.0, 0.0, faults.gyro_bias_step_deg_h * _DEG_H)
        pushed = (faults.accelerometer_bias_step_m_s2, 0.0, 0.0)
        moon = into_body(attitude, self._moon)
        up = into_body(attitude, (0.0, 0.0, MOON_GRAVITY_M_S2))
        bias = self._gyro_bias
        rate, force = [], []
        for i in range(3):
            bias[i] += walk * noise[i]
            rate.append(turned[i] / dt_s + moon[i] + bias[i] + step[i] + white * noise[3 + i])
            sigma = p.accelerometer_sigma_m_s2
            force.append(up[i] + self._force_bias[i] + pushed[i] + sigma * noise[6 + i])
        self._rate = tuple(rate)
        message = fresh(Imu)
        # the sample is of the moment up to which the motion is known
        message.header.stamp = to_stamp(at)
        message.header.frame_id = "rover/imu"
        message.orientation_covariance[0] = -1.0  # ROS 2's way to say: no orientation
        w, a = message.angular_velocity, message.linear_acceleration
        w.x, w.y, w.z = rate
        a.x, a.y, a.z = force
        self.data.publish(message)
