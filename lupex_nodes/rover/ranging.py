# SPDX-License-Identifier: Apache-2.0
"""Radio ranging from the rover to the lander's beacon."""

from __future__ import annotations

import math
from typing import Any

from nav_msgs.msg import Odometry
from sensor_msgs.msg import PointCloud2, Range

from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.parameters import Degradation, parameter
from lupex_nodes.bus.ports import Input, Output
from lupex_nodes.bus.stamps import next_minute, seconds
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.stereo_view import in_sight
from lupex_nodes.models.terrain import MOON_RADIUS_M
from lupex_nodes.world.ground import GroundParameters, ground
from lupex_nodes.world.load_report import LoadReport
from lupex_nodes.world.records import LOAD


class Ranging(Unit):
    """Two-way ranging to the lander, every minute while its beacon is in sight.

    The error is mostly reflections at the place, so it lasts while the rover stands: only a small
    part of it is noise.
    """

    class Parameters(GroundParameters):
        """Beacon, reach and errors."""

        lander_x_m: float = parameter(0.0, "beacon, map east", "m", live=False)
        lander_y_m: float = parameter(0.0, "beacon, map north", "m", live=False)
        beacon_height_m: float = parameter(
            3.0, "above the ground", "m", ge=0.0, live=False, assumed=True
        )
        antenna_height_m: float = parameter(
            2.0, "of the rover's, above the ground", "m", ge=0.0, live=False, assumed=True
        )
        reach_m: float = parameter(3000.0, "farthest range", "m", ge=1.0, assumed=True)
        range_sigma_m: float = parameter(2.0, "error of a range", "m", ge=0.0, le=100.0)
        noise_part: float = parameter(
            0.3, "of its variance that is new with every range", ge=0.0, le=1.0, assumed=True
        )
        multipath_m: float = parameter(
            2.0, "way after which the rest of it is another", "m", ge=0.1, assumed=True
        )
        interval_s: float = parameter(60.0, "between ranges", "s", ge=1.0, le=60.0)
        power_w: float = parameter(4.0, "taken", "W", ge=0.0, assumed=True)

    class Degradation(Degradation):
        """What goes wrong in ranging."""

        bias_m: float = parameter(0.0, "added to every range", "m", ge=-1000.0, le=1000.0)

    kind = Kind.HARDWARE
    truth = Input("world/vehicle/odometry", Odometry)
    range = Output("rover/ranging/range", Range, frame_id="rover/ranging")
    load = Output("~/load", PointCloud2, schema=LOAD, physical=True)

    def setup(self) -> None:
        """Find the ground that may hide the beacon."""
        p = self.parameters
        self._site = ground(p, self.context.seed)
        self._beacon_m = float(self._site.height_at(p.lander_x_m, p.lander_y_m))
        self._beacon_m += p.beacon_height_m
        self._load = LoadReport(self.load)
        self._multipath = 0.0
        self._last: tuple[float, float] | None = None
        self._seen: tuple[tuple[float, float], bool] | None = None
        self._range_m = 0.0

    def step(self, now: int) -> int | None:
        """Measure the range."""
        p = self.parameters
        self._load.report(now, p.power_w)
        if self.truth.value is not None:
            self._measure(self.truth.value)
        return min(now + seconds(p.interval_s), next_minute(now))

    def housekeeping(self) -> dict[str, Any]:
        """Say whether the lander is in sight, and the last range."""
        return {"in_sight": bool(self._seen and self._seen[1]), "range_m": self._range_m}

    def _measure(self, truth: Odometry) -> None:
        p = self.parameters
        at = truth.pose.pose.position
        place, lander = (at.x, at.y), (p.lander_x_m, p.lander_y_m)
        up_m = at.z + p.antenna_height_m - self._beacon_m
        true_m = math.hypot(math.dist(place, lander), up_m)
        if self._seen is None or self._seen[0] != place:
            heights = p.beacon_height_m, p.antenna_height_m
            self._seen = place, true_m <= p.reach_m and in_sight(
                self._site, lander, place, *heights, MOON_RADIUS_M
            )
        if not self._seen[1]:
            return
        moved_m = math.inf if self._last is None else math.dist(place, self._last)
        kept, self._last = math.exp(-moved_m / p.multipath_m), place
        new, noise = self.rng.standard_normal(2).tolist()
        self._multipath = kept * self._multipath + math.sqrt(1.0 - kept * kept) * new
        error = math.sqrt(1.0 - p.noise_part) * self._multipath + math.sqrt(p.noise_part) * noise
        self._range_m = max(true_m + p.range_sigma_m * error + self.degradation.bias_m, 0.0)
        message = fresh(Range)
        message.header.stamp = truth.header.stamp
        message.header.frame_id = "rover/ranging"
        message.max_range = p.reach_m
        message.range = self._range_m
        message.variance = p.range_sigma_m**2
        self.range.publish(message)
