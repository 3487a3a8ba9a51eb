# SPDX-License-Identifier: Apache-2.0
"""Kinematics of four crawlers that steer independently: body velocity to crawlers and back.

Rigid-body motion in the plane, Siegwart and Nourbakhsh, Introduction to Autonomous Mobile Robots
(2011), ch. 3. Body frame: x forward, y left; angles counter-clockwise from forward.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

CRAWLERS = ("front_left", "front_right", "rear_left", "rear_right")


class CrawlerDrive(NamedTuple):
    """Steering angle and track speed of each crawler, in the order of CRAWLERS.

    `scale` is the factor by which all speeds were reduced to respect the fastest crawler, which
    keeps the path's curvature. `reachable` is False when a crawler stands at its steering limit
    and points elsewhere than the motion asks: it then drives only the part along its direction.
    """

    steering_rad: tuple[float, ...]
    speed_m_s: tuple[float, ...]
    scale: float
    reachable: bool


class BodyTwist(NamedTuple):
    """Body velocity that fits the crawlers best, and the root-mean-square misfit (scrubbing)."""

    vx_m_s: float
    vy_m_s: float
    wz_rad_s: float
    scrub_m_s: float


@dataclass(frozen=True)
class CrawlerLayout:
    """Where the crawlers stand and what they can do; every default is assumed.

    With a steering limit of 90 deg or more every motion is reachable, sideways included, because
    a crawler may drive backwards. Turning on the spot needs atan(half_wheelbase/half_track).
    """

    half_wheelbase_m: float = 0.55
    half_track_m: float = 0.55
    steering_max_rad: float = math.pi / 2
    speed_max_m_s: float = 0.14

    def __post_init__(self) -> None:
        for name in ("half_wheelbase_m", "half_track_m", "steering_max_rad", "speed_max_m_s"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"crawler {name} is {getattr(self, name)}: it must be above 0")

    @property
    def positions_m(self) -> tuple[tuple[float, float], ...]:
        """Crawler centres (x, y) in the body frame, in the order of CRAWLERS."""
        a, b = self.half_wheelbase_m, self.half_track_m
        return ((a, b), (a, -b), (-a, b), (-a, -b))

    def drive(
        self,
        vx_m_s: float,
        vy_m_s: float,
        wz_rad_s: float,
        steering_now_rad: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
    ) -> CrawlerDrive:
        """Return what each crawler must do for a body velocity.

        Of the two ways to point a crawler (forward or backward) the one nearer to
        `steering_now_rad` is taken; a crawler that need not move keeps its angle. ValueError for
        numbers that are not finite.
        """
        if not all(map(math.isfinite, (vx_m_s, vy_m_s, wz_rad_s))):
            raise ValueError(
                f"body velocity ({vx_m_s}, {vy_m_s}, {wz_rad_s}) is not finite: give m/s and rad/s"
            )
        angles, speeds, reachable = [], [], True
        for (x, y), now_rad in zip(self.positions_m, steering_now_rad, strict=True):
            forward, left = vx_m_s - wz_rad_s * y, vy_m_s + wz_rad_s * x
            speed = math.hypot(forward, left)
            if speed < 1e-9:
                angles.append(now_rad)
                speeds.append(0.0)
                continue
            angle, exact = self._point(math.atan2(left, forward), now_rad)
            angles.append(angle)
            speeds.append(forward * math.cos(angle) + left * math.sin(angle))
            reachable = reachable and exact
        fastest = max(map(abs, speeds))
        scale = min(1.0, self.speed_max_m_s / fastest) if fastest > 0.0 else 1.0
        return CrawlerDrive(
            tuple(angles), tuple(scale * speed for speed in speeds), scale, reachable
        )

    def body_twist(self, steering_rad: Sequence[float], speed_m_s: Sequence[float]) -> BodyTwist:
        """Return the least-squares body velocity of four crawler velocities.

        Speeds are over ground: multiply track speeds by (1 - slip) first.
        """
        along = [v * math.cos(a) for v, a in zip(speed_m_s, steering_rad, strict=True)]
        across = [v * math.sin(a) for v, a in zip(speed_m_s, steering_rad, strict=True)]
        # The layout is symmetric, so the normal equations are diagonal.
        vx, vy = sum(along) / 4.0, sum(across) / 4.0
        moment = sum(
            x * v - y * u for (x, y), u, v in zip(self.positions_m, along, across, strict=True)
        )
        wz = moment / (4.0 * (self.half_wheelbase_m**2 + self.half_track_m**2))
        misfit = sum(
            (u - vx + wz * y) ** 2 + (v - vy - wz * x) ** 2
            for (x, y), u, v in zip(self.positions_m, along, across, strict=True)
        )
        return BodyTwist(vx, vy, wz, math.sqrt(misfit / 4.0))

    def _point(self, heading_rad: float, now_rad: float) -> tuple[float, bool]:
        """Return the steering angle for a direction of motion, and whether it fits it."""
        limit = self.steering_max_rad
        ways = [heading_rad + turn * math.pi for turn in (-2, -1, 0, 1, 2)]
        allowed = [way for way in ways if abs(way) <= limit + 1e-12]
        if allowed:
            nearest = min(allowed, key=lambda way: (round(abs(way - now_rad), 9), abs(way)))
            return min(max(nearest, -limit), limit), True
        closest = min(ways, key=abs)
        return math.copysign(limit, closest), False
