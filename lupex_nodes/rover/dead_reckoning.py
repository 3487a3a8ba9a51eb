# SPDX-License-Identifier: Apache-2.0
"""Position and heading of the rover from its gyros, accelerometers and crawlers.

Inertially aided track odometry after Siegwart and Nourbakhsh, Introduction to Autonomous Mobile
Robots (2011), ch. 5: a linearised covariance of x, y and yaw grows with the distance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lupex_nodes.rover.attitude import Vector, wrapped

_DEG_H = math.radians(1.0) / 3600.0


@dataclass(frozen=True)
class OdometryErrors:
    """What the estimate believes of its sensors; all 1 sigma."""

    slip_sigma: float
    slip_correlation_m: float
    angle_random_walk_deg_sqrt_h: float
    gyro_bias_sigma_deg_h: float


@dataclass
class DeadReckoning:
    """The estimate: position (m) in the map frame, angles (rad), and the covariance.

    `covariance` holds xx, xy, xyaw, yy, yyaw, yawyaw. The gyro's bias, which includes the Moon's
    rotation, is the mean of its rates while the rover stands.
    """

    errors: OdometryErrors
    x_m: float
    y_m: float
    yaw_rad: float
    covariance: tuple[float, ...]
    z_m: float = 0.0
    roll_rad: float = 0.0
    pitch_rad: float = 0.0
    bias_rad_s: Vector = (0.0, 0.0, 0.0)
    standing_s: float = 0.0
    turned_rad: float = field(default=0.0, init=False)

    def sense(self, rate: Vector, force: Vector, dt_s: float, standing: bool) -> None:
        """Take mean rates (rad/s) and specific force (m/s2) over `dt_s`, body frame."""
        fx, fy, fz = force
        self.pitch_rad = math.atan2(-fx, math.hypot(fy, fz))
        self.roll_rad = math.atan2(fy, fz)
        if standing:
            self._learn_bias(rate, dt_s)
            return
        wx, wy, wz = (w - b for w, b in zip(rate, self.bias_rad_s, strict=True))
        sine, cosine = math.sin(self.roll_rad), math.cos(self.roll_rad)
        yaw_rate = (wy * sine + wz * cosine) / math.cos(self.pitch_rad)
        self.turned_rad = yaw_rate * dt_s
        self.yaw_rad = wrapped(self.yaw_rad + self.turned_rad)
        walk = math.radians(self.errors.angle_random_walk_deg_sqrt_h) / 60.0
        bias_error = self._bias_sigma()
        xx, xy, xw, yy, yw, ww = self.covariance
        # an error of the bias lasts: its yaw grows as t, so its variance gains 2 sigma t dt
        gained = walk**2 * dt_s + (2.0 * bias_error * math.sqrt(ww) + bias_error**2 * dt_s) * dt_s
        self.covariance = (xx, xy, xw, yy, yw, ww + gained)

    def roll_on(self, ahead_m: float, left_m: float) -> None:
        """Move by a distance over ground in the body frame."""
        c, s = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        level_m = ahead_m * math.cos(self.pitch_rad)
        beside_m = left_m * math.cos(self.roll_rad)
        dx, dy = level_m * c - beside_m * s, level_m * s + beside_m * c
        self.x_m += dx
        self.y_m += dy
        self.z_m += left_m * math.sin(self.roll_rad) - ahead_m * math.sin(self.pitch_rad)
        xx, xy, xw, yy, yw, ww = self.covariance
        noise = self.errors.slip_sigma**2 * self.errors.slip_correlation_m
        noise *= math.hypot(dx, dy)
        self.covariance = (
            xx - 2.0 * dy * xw + dy * dy * ww + noise,
            xy + dx * xw - dy * yw - dx * dy * ww,
            xw - dy * ww,
            yy + 2.0 * dx * yw + dx * dx * ww + noise,
            yw + dx * ww,
            ww,
        )

    def _bias_sigma(self) -> float:
        """What is left of the bias error (rad/s) after the standing so far."""
        start = max(self.errors.gyro_bias_sigma_deg_h * _DEG_H, 1e-12)
        walk = max(math.radians(self.errors.angle_random_walk_deg_sqrt_h) / 60.0, 1e-12)
        return 1.0 / math.sqrt(start**-2 + self.standing_s * walk**-2)

    def _learn_bias(self, rate: Vector, dt_s: float) -> None:
        # the memory is finite because the bias walks
        self.standing_s = min(self.standing_s + dt_s, 1800.0)
        gain = dt_s / self.standing_s
        x, y, z = (b + gain * (w - b) for w, b in zip(rate, self.bias_rad_s, strict=True))
        self.bias_rad_s = (x, y, z)
