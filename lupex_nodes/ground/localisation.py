# SPDX-License-Identifier: Apache-2.0
"""The people on Earth who find the rover on orbital maps."""

from __future__ import annotations

import math
from typing import Any

from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.messages import OK
from lupex_nodes.bus.parameters import Degradation, Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import next_minute, seconds, to_stamp
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.world.records import EARTH, SUN


class GroundLocalisation(Unit):
    """Stands for the people who match a panorama with orbital images and uplink the place found.

    A panorama needs a rover that stands, light on the ground around it and the Earth in sight; one
    a stop, and another after hours of the same stop. The fix comes minutes later, stamped with the
    time of the images.
    """

    class Parameters(Parameters):
        """When a fix is made, and how good it is."""

        standing_s: float = parameter(
            900.0, "of the rover before its panorama is taken", "s", ge=0.0, assumed=True
        )
        delay_s: float = parameter(
            1200.0, "from the panorama to the uplink", "s", ge=0.0, assumed=True
        )
        again_s: float = parameter(
            21600.0, "of the same stop until the next panorama", "s", ge=60.0, assumed=True
        )
        lit_min: float = parameter(
            0.3, "part of the Sun's disc that the ground must see", ge=0.0, le=1.0, assumed=True
        )
        fix_sigma_m: float = parameter(3.0, "error of a fix, per axis", "m", ge=0.01, le=1000.0)

    class Degradation(Degradation):
        """What goes wrong when maps are matched."""

        mismatch_m: float = parameter(
            0.0, "a wrong match: added to the east of a fix", "m", ge=-1e4, le=1e4
        )

    kind = Kind.HARDWARE
    truth = Input("world/vehicle/odometry", Odometry)
    sun = Input("world/sun", PointCloud2, Qos.STATE, schema=SUN)
    earth = Input("world/earth", PointCloud2, Qos.STATE, schema=EARTH)
    fix = Output("ground/map_fix", PoseWithCovarianceStamped, frame_id="map")

    def setup(self) -> None:
        """Begin without images."""
        self._place: tuple[float, float] | None = None
        self._since = 0
        self._next = 0
        self._pending: tuple[int, PoseWithCovarianceStamped] | None = None
        self._fixes = 0

    def step(self, now: int) -> int | None:
        """Take a panorama when the rover stands well; uplink what was found in the last one."""
        earth = self.earth.row()
        heard = earth is not None and bool(earth.visible)
        if self._pending and now >= self._pending[0] and heard:
            self.fix.publish(self._pending[1])
            self._pending = None
            self._fixes += 1
            self.event("MAP_FIX", "The rover's place was found on the map.", level=OK)
        if self.truth.value is not None:
            self._watch(now, self.truth.value, heard)
        return next_minute(now)

    def housekeeping(self) -> dict[str, Any]:
        """Say how many fixes were sent."""
        return {"fixes": self._fixes, "pending": self._pending is not None}

    def _watch(self, now: int, truth: Odometry, heard: bool) -> None:
        p = self.parameters
        at, twist = truth.pose.pose.position, truth.twist.twist
        moving = any((twist.linear.x, twist.linear.y, twist.angular.z))
        if moving or self._place is None or math.dist(self._place, (at.x, at.y)) > 0.05:
            self._place, self._since = (at.x, at.y), now
            self._next = now + seconds(p.standing_s)
            return
        sun = self.sun.row()
        lit = 0.0 if sun is None else sun.lit_ground
        if now < self._next or not heard or lit < p.lit_min or self._pending:
            return
        self._pending = now + seconds(p.delay_s), self._found(now, at.x, at.y)
        self._next = now + seconds(p.again_s)

    def _found(self, now: int, x_m: float, y_m: float) -> PoseWithCovarianceStamped:
        sigma_m = self.parameters.fix_sigma_m
        east, north = self.rng.standard_normal(2).tolist()
        message = fresh(PoseWithCovarianceStamped)
        message.header.stamp = to_stamp(now)
        message.header.frame_id = "map"
        pose = message.pose.pose
        pose.position.x = x_m + sigma_m * east + self.degradation.mismatch_m
        pose.position.y = y_m + sigma_m * north
        covariance = message.pose.covariance
        covariance[0] = covariance[7] = sigma_m**2
        # of the other axes a fix says nothing
        covariance[14] = covariance[21] = covariance[28] = covariance[35] = 1e6
        return message
