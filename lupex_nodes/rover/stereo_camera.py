# SPDX-License-Identifier: Apache-2.0
"""The rover's stereo camera: motion from image to image, and the shape of the ground ahead."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from nav_msgs.msg import Odometry
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.messages import OK
from lupex_nodes.bus.parameters import Degradation, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND, from_stamp, next_minute
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.stereo_view import StereoView, turn_matrix
from lupex_nodes.models.visual_odometry import Texture, direction_factor, light_factor
from lupex_nodes.rover.attitude import Quaternion, Vector, into_body, rotation_between, yaw_of
from lupex_nodes.rover.records import ELEVATION, VISUAL_ODOMETRY
from lupex_nodes.world.constants import generator_of_run
from lupex_nodes.world.ground import GroundParameters, ground
from lupex_nodes.world.load_report import LoadReport
from lupex_nodes.world.records import LOAD, SUN


class _Frame(NamedTuple):
    """Where the camera truly was when it took a frame."""

    time: int
    place: Vector
    attitude: Quaternion


class StereoCamera(Unit):
    """A pair of cameras on the mast that look ahead, with lamps that reach a few metres.

    Takes a frame after each part of a metre or turn, and when the rover comes to stand. Visual
    odometry: motion since the last frame, with an error of scale that stays, one that wanders, and
    noise; without enough features it is not valid. Elevation: the ground ahead in the body frame.
    Parked it takes nothing.
    """

    class Parameters(GroundParameters):
        """Frames, features and errors."""

        frame_m: float = parameter(0.8, "way between frames", "m", ge=0.05, le=5.0)
        frame_deg: float = parameter(15.0, "turn between frames", "deg", ge=1.0, le=45.0)
        features: float = parameter(
            220.0, "followed on ground of median texture in full light", ge=0.0, assumed=True
        )
        features_min: int = parameter(40, "fewer make no motion", ge=3, assumed=True)
        texture_sigma: float = parameter(
            0.4, "of the logarithm of the texture, from place to place", ge=0.0, le=2.0,
            live=False, assumed=True,
        )  # fmt: skip
        lamp_factor: float = parameter(
            0.2, "part of the features that lamps show in the dark", ge=0.0, le=1.0, assumed=True
        )
        lamp_reach_m: float = parameter(5.0, "of the lamps", "m", ge=0.6, assumed=True)
        scale_sigma: float = parameter(
            0.007, "error of the scale that stays", ge=0.0, le=0.2, live=False, assumed=True
        )
        scale_wander_sigma: float = parameter(
            0.007, "error of the scale that wanders", ge=0.0, le=0.2, assumed=True
        )
        scale_wander_m: float = parameter(
            20.0, "way over which it does", "m", ge=0.1, assumed=True
        )
        motion_sigma_m: float = parameter(
            0.004, "noise of a motion, per axis, with 100 features", "m", ge=0.0, assumed=True
        )
        motion_sigma_part: float = parameter(
            0.01, "noise of a motion over its length, with 100 features", ge=0.0, assumed=True
        )
        turn_sigma_deg: float = parameter(
            0.1, "noise of a turn, with 100 features", "deg", ge=0.0, assumed=True
        )
        depth_sigma_m: float = parameter(
            0.0025, "of a cell 1 m away; grows with the range squared", "m", ge=0.0, assumed=True
        )
        cell_sigma_m: float = parameter(0.005, "of any cell", "m", ge=0.0, assumed=True)
        standby_w: float = parameter(3.0, "taken while parked", "W", ge=0.0, assumed=True)
        power_w: float = parameter(15.0, "taken while driving", "W", ge=0.0, assumed=True)
        lamps_w: float = parameter(30.0, "taken by the lamps", "W", ge=0.0, assumed=True)

    class Degradation(Degradation):
        """What goes wrong in cameras."""

        dust: float = parameter(0.0, "part of the features that dust hides", ge=0.0, le=1.0)
        scale_error: float = parameter(
            0.0, "added to the error of the scale, as after a knock", ge=-0.5, le=0.5
        )

    kind = Kind.HARDWARE
    modes = {"parked": ("moving",), "moving": ("parked",)}
    truth = Input("world/vehicle/odometry", Odometry, wake=True)
    sun = Input("world/sun", PointCloud2, Qos.STATE, schema=SUN)
    visual_odometry = Output(
        "rover/stereo_camera/visual_odometry", PointCloud2, schema=VISUAL_ODOMETRY,
        frame_id="rover/base_link",
    )  # fmt: skip
    elevation = Output(
        "rover/stereo_camera/elevation", PointCloud2, schema=ELEVATION, frame_id="rover/base_link"
    )
    load = Output("~/load", PointCloud2, schema=LOAD, physical=True)

    def setup(self) -> None:
        """Draw the ground's texture and the error of the scale, which last the run."""
        p = self.parameters
        rng = generator_of_run(self.context)
        self._texture = Texture.drawn(rng, p.texture_sigma)
        self._scale = p.scale_sigma * float(rng.standard_normal())
        self._wander = p.scale_wander_sigma * float(self.rng.standard_normal())
        self._site = ground(p, self.context.seed)
        self._view = StereoView()
        self._load = LoadReport(self.load)
        self._frame: _Frame | None = None
        self._still = True
        self._features = 0
        self._frames = self._lost = 0

    def step(self, now: int) -> int | None:
        """Take a frame when the rover has come far enough, or has just stopped."""
        p = self.parameters
        truth = self.truth.value
        dark = False
        if truth is not None:
            dark = self._watch(truth)
        moving = self.mode == "moving"
        power_w = (p.power_w + p.lamps_w * dark) if moving else p.standby_w
        self._load.report(now, power_w)
        return next_minute(now)

    def housekeeping(self) -> dict[str, Any]:
        """Say how the images were."""
        return {"frames": self._frames, "lost": self._lost, "features": self._features}

    def _watch(self, truth: Odometry) -> bool:
        """Take a frame if it is time; return whether the lamps are needed."""
        p = self.parameters
        at, turn, twist = truth.pose.pose.position, truth.pose.pose.orientation, truth.twist.twist
        here = _Frame(
            from_stamp(truth.header.stamp), (at.x, at.y, at.z), (turn.x, turn.y, turn.z, turn.w)
        )
        sun = self.sun.row()
        lit = 0.0 if sun is None else sun.lit_ground
        dark = lit < 0.2
        before = self._frame
        if before is None:
            self._frame = here
            self._publish_elevation(here, dark)
            return dark
        way_m = math.dist(before.place, here.place)
        still = not any((twist.linear.x, twist.linear.y, twist.angular.z))
        self.set_mode("parked" if still else "moving")
        halted, self._still = still and not self._still, still
        turned = rotation_between(before.attitude, here.attitude)
        angle = math.sqrt(sum(each * each for each in turned))
        far = way_m >= p.frame_m or angle >= math.radians(p.frame_deg)
        if not far and not (halted and (way_m > 0.02 or angle > 0.01)):
            return dark
        self._frame = here
        self._publish_motion(before, here, sun, way_m)
        self._publish_elevation(here, dark)
        return dark

    def _count_features(self, here: _Frame, sun: Any) -> int:
        p = self.parameters
        x, y, _ = here.place
        mean = p.features * self._texture.at(x, y) * (1.0 - self.degradation.dust)
        if sun is None:
            mean *= p.lamp_factor
        else:
            axis_deg = 90.0 - math.degrees(yaw_of(here.attitude))
            mean *= light_factor(sun.lit_ground, p.lamp_factor)
            mean *= direction_factor(axis_deg, sun.azimuth_deg, sun.lit_lower)
        return int(self.rng.poisson(mean))

    def _publish_motion(self, before: _Frame, here: _Frame, sun: Any, way_m: float) -> None:
        p = self.parameters
        self._features = count = self._count_features(here, sun)
        kept = math.exp(-way_m / p.scale_wander_m)
        self._frames += 1
        noise = self.rng.standard_normal(5).tolist()
        fresh_part = p.scale_wander_sigma * math.sqrt(1.0 - kept * kept)
        self._wander = kept * self._wander + fresh_part * noise[4]
        since_s = (here.time - before.time) / SECOND
        if count < p.features_min:
            self._lost += 1
            self.health = (OK, f"too few features for visual odometry: {count}")
            row = (since_s, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, count, 0)
        else:
            self.health = (OK, "ok")
            moved = into_body(before.attitude, tuple(  # type: ignore[arg-type]
                b - a for a, b in zip(before.place, here.place, strict=True)
            ))  # fmt: skip
            fewer = math.sqrt(100.0 / count)
            sigma_m = fewer * math.hypot(p.motion_sigma_m, p.motion_sigma_part * way_m)
            sigma_rad = fewer * math.radians(p.turn_sigma_deg)
            scale = 1.0 + self._scale + self._wander + self.degradation.scale_error
            ahead, left, up = (
                scale * each + sigma_m * e for each, e in zip(moved, noise[:3], strict=True)
            )
            turned = math.remainder(yaw_of(here.attitude) - yaw_of(before.attitude), 2.0 * math.pi)
            turned += sigma_rad * noise[3]
            row = (since_s, ahead, left, up, turned, sigma_m, sigma_rad, count, 1)
        self.visual_odometry.publish_rows(here.time, [row])

    def _publish_elevation(self, here: _Frame, dark: bool) -> None:
        p, view = self.parameters, self._view
        z = view.heights(self._site, here.place, turn_matrix(here.attitude))
        sigma = view.sigma_m(p.depth_sigma_m * (2.0 if dark else 1.0), p.cell_sigma_m)
        seen = view.seen(z)
        if dark:
            seen[:, view.range_m > p.lamp_reach_m] = False
        count = int(np.count_nonzero(seen))
        rows = np.empty(count, ELEVATION.dtype)
        rows["x"], rows["y"] = view.x_m[seen], view.y_m[seen]
        deviation = np.broadcast_to(sigma, z.shape)[seen]
        rows["z"] = z[seen] + deviation * self.rng.standard_normal(count)
        rows["deviation"] = deviation
        self.elevation.publish_rows(here.time, rows)
