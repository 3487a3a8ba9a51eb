# SPDX-License-Identifier: Apache-2.0
"""The true motion of the rover."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState, PointCloud2

from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.messages import ERROR
from lupex_nodes.bus.parameters import Degradation, parameter
from lupex_nodes.bus.ports import Input, Output
from lupex_nodes.bus.stamps import SECOND, next_minute, seconds, to_stamp
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.crawler_kinematics import BodyTwist, CrawlerLayout
from lupex_nodes.models.obstacles import Rock, lift_m, stands_before
from lupex_nodes.models.soil_map import SoilMap
from lupex_nodes.models.stability import Stance, stand
from lupex_nodes.models.terramechanics import (
    MOON_GRAVITY_M_S2,
    Footing,
    Soil,
    Track,
    embedding_m,
    static_sinkage_m,
    steering_torque_nm,
    traverse,
    turning_moment_nm,
    turning_slip,
)
from lupex_nodes.rover.attitude import on_surface, quaternion, wrapped
from lupex_nodes.world.constants import generator_of_run
from lupex_nodes.world.ground import GroundParameters, ground
from lupex_nodes.world.records import TRACKS, VEHICLE

_SOIL_STEP_DEG = 0.25
_LEAST_FRICTION_DEG = 3.0
_IMMOVABLE_N = 1e9
_ROCKS_ASKED_M, _ROCKS_KEPT_M = 8.0, 2.0


class _Signal(NamedTuple):
    """What the drives were told, and from when until when it acts (ns)."""

    steering: tuple[float, ...]
    speeds: tuple[float, ...]
    since: int
    until: int


class Vehicle(Unit):
    """Four steered crawlers on terrain: where the rover truly is and how its tracks hold.

    Moves the truth by the crawlers' speeds and angles, less the slip that slope and soil cause;
    the body stands on what is under its crawlers. The soil's friction angle varies from place to
    place, with soft patches. Tracks that spin dig themselves in; the way back out of the hole is
    a climb over its edge. High rocks and steps stop the rover in that direction; when its centre
    of mass passes its crawlers it tips over and never moves again. Quasi-static: no dynamics at
    0.1 m/s.
    """

    class Parameters(GroundParameters):
        """Start, ground and vehicle."""

        start_x_m: float = parameter(15.0, "declared start, map east", "m", live=False)
        start_y_m: float = parameter(0.0, "declared start, map north", "m", live=False)
        start_yaw_deg: float = parameter(
            0.0, "declared start, yaw counter-clockwise from east", "deg", live=False
        )
        start_position_sigma_m: float = parameter(
            0.1, "error of the declared start, per axis", "m", ge=0.0, live=False, assumed=True
        )
        start_yaw_sigma_deg: float = parameter(
            0.2, "error of the declared yaw", "deg", ge=0.0, live=False, assumed=True
        )
        mass_kg: float = parameter(350.0, "of the rover", "kg", ge=10.0, live=False)
        centre_of_mass_m: float = parameter(
            0.6, "height of the centre of mass", "m", ge=0.0, live=False, assumed=True
        )
        rocker_max_deg: float = parameter(
            15.0, "crawlers pitch against the body up to this", "deg", ge=0.0, le=45.0,
            live=False, assumed=True,
        )  # fmt: skip
        obstacle_m: float = parameter(
            0.20, "rocks and steps above this stop a crawler", "m", ge=0.01, live=False,
            assumed=True,
        )  # fmt: skip
        clearance_m: float = parameter(
            0.30, "rocks above this stop the body", "m", ge=0.05, live=False, assumed=True
        )
        friction_angle_deg: float = parameter(
            29.0, "mean of disturbed soil", "deg", ge=15.0, le=45.0, live=False, assumed=True
        )
        friction_angle_sigma_deg: float = parameter(
            2.5, "from place to place", "deg", ge=0.0, le=5.0, live=False, assumed=True
        )
        friction_scale_m: float = parameter(
            20.0, "distance over which the soil is alike", "m", ge=1.0, live=False, assumed=True
        )
        soft_patch_share: float = parameter(
            0.02, "part of the ground where the friction angle is 22 to 24 deg", ge=0.0, le=0.4,
            live=False, assumed=True,
        )  # fmt: skip
        sliding_m_s: float = parameter(
            0.3, "down a slope on which nothing holds", "m/s", ge=0.0, live=False, assumed=True
        )
        silence_s: float = parameter(
            3.0, "crawlers stop after so long without a drive signal", "s", ge=0.5, live=False
        )

    class Degradation(Degradation):
        """What goes wrong under the rover."""

        friction_loss_deg: float = parameter(
            0.0, "taken off the soil's friction angle, as where a crust breaks", "deg", ge=0.0,
            le=30.0,
        )  # fmt: skip

    kind = Kind.NATURE
    drive = Input(
        "rover/mobility/drive", JointState, wake=True, sizes=(("position", 4), ("velocity", 4))
    )
    odometry = Output("world/vehicle/odometry", Odometry, frame_id="map")
    tracks = Output("world/vehicle/tracks", PointCloud2, schema=TRACKS)
    state = Output("world/vehicle/state", PointCloud2, schema=VEHICLE)

    def setup(self) -> None:
        """Stand the rover on the ground near its declared start."""
        p = self.parameters
        rng = generator_of_run(self.context)
        self.terrain = ground(p, self.context.seed)
        east, north, turn = rng.standard_normal(3).tolist()
        self.x_m = p.start_x_m + p.start_position_sigma_m * east
        self.y_m = p.start_y_m + p.start_position_sigma_m * north
        self.yaw_rad = math.radians(p.start_yaw_deg + p.start_yaw_sigma_deg * turn)
        self.embedded_m = self.driven_m = self.track_energy_j = self._dug_course = 0.0
        if "body" in self.context.memory:
            # a reset, or a process that died, moves no rover
            (
                self.x_m, self.y_m, self.yaw_rad, self.embedded_m, self.driven_m,
                self.track_energy_j, self._dug_course,
            ) = self.context.memory["body"]  # fmt: skip
        self.layout, self.track = CrawlerLayout(), Track()
        self.soil_map = SoilMap(
            int(rng.integers(2**31)),
            p.friction_angle_deg,
            p.friction_angle_sigma_deg,
            p.friction_scale_m,
            p.soft_patch_share,
        )
        self.obstructed = self.tipped = False
        self._soils: dict[int, Soil] = {}
        self._rocks: list[Rock] = []
        self._high_rocks: list[Rock] = []
        self._belly_rocks: list[Rock] = []
        self._rocks_at: tuple[float, float] | None = None
        self._footing: Footing | None = None
        self._signal: tuple[tuple[float, ...], tuple[float, ...], BodyTwist] | None = None
        self._steering: tuple[float, ...] | None = None
        self._given: _Signal | None = None
        self._last: int | None = None
        self._stand()

    def step(self, now: int) -> int | None:
        """Move on since the last step, in sub-steps of at most 1 s; asleep while nothing moves."""
        last = now if self._last is None else self._last
        self._last = now
        motion, moves, rolls = (0.0, 0.0, 0.0), False, False
        speeds: tuple[float, ...] = (0.0,) * 4
        for steering, speeds, since, until in self._in_force(last):
            self._steer(steering)
            dt_s = (min(now, until) - max(last, since)) / SECOND
            rolls = any(speeds) and now < until
            if dt_s > 0.0 and any(speeds) and not self.tipped:
                moves, motion = True, self._move(steering, speeds, dt_s)
        if not moves:
            self._footing, self.obstructed = None, self.obstructed and rolls
        self._publish_pose(now, motion)
        self._publish_tracks(now, speeds)
        self.state.publish_rows(now, [self._state()])
        self.context.memory["body"] = (
            self.x_m, self.y_m, self.yaw_rad, self.embedded_m, self.driven_m,
            self.track_energy_j, self._dug_course,
        )  # fmt: skip
        return now + SECOND if moves or rolls else next_minute(now)

    def _in_force(self, last: int) -> list[_Signal]:
        """Return the drive signals in force since ``last``, oldest first; none of a fallen rover.

        A signal acts from when it was given until the next, or until it is too old.
        """
        drive = self.drive.value
        if drive is None or self.tipped:
            return []
        begin, before = self.drive.time or 0, self._given
        end = begin + seconds(self.parameters.silence_s)
        self._given = _Signal(tuple(drive.position), tuple(drive.velocity), begin, end)
        if before is None or not last < begin:
            return [self._given]
        return [before._replace(until=min(begin, before.until)), self._given]

    def housekeeping(self) -> dict[str, Any]:
        """Say where the rover is and how it stands and slips."""
        footing = self._footing
        return {
            "x_m": self.x_m,
            "y_m": self.y_m,
            "yaw_deg": math.degrees(self.yaw_rad),
            "driven_m": self.driven_m,
            "slip": footing.slip if footing else 0.0,
            "tilt_deg": self._tilt_deg(),
            "embedded_m": self.embedded_m,
        }

    # --- what the ground is ------------------------------------------------------------------

    def _soil_here(self) -> Soil:
        friction_deg = self.soil_map.friction_deg(self.x_m, self.y_m)
        friction_deg = max(friction_deg - self.degradation.friction_loss_deg, _LEAST_FRICTION_DEG)
        step = round(friction_deg / _SOIL_STEP_DEG)
        soil = self._soils.get(step)
        if soil is None:
            soil = self._soils[step] = Soil(friction_angle_deg=step * _SOIL_STEP_DEG)
        return soil

    def _find_rocks(self) -> None:
        x, y = self.x_m, self.y_m
        if self._rocks_at and math.dist(self._rocks_at, (x, y)) < _ROCKS_KEPT_M:
            return
        p = self.parameters
        self._rocks_at = (x, y)
        self._rocks = [tuple(row) for row in self.terrain.rocks.near(x, y, _ROCKS_ASKED_M).tolist()]
        self._high_rocks = [rock for rock in self._rocks if rock[2] > p.obstacle_m]
        self._belly_rocks = [rock for rock in self._rocks if rock[2] > p.clearance_m]

    def _stand(self) -> None:
        """Stand on what is under the four crawlers; tip over if that doesn't hold."""
        p, half_m = self.parameters, 0.5 * self.track.length_m
        self._soil = self._soil_here()
        self._find_rocks()
        c, s = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        heights = []
        self._feet = []
        for x, y in self.layout.positions_m:
            foot_x, foot_y = self.x_m + c * x - s * y, self.y_m + s * x + c * y
            height, east, north = self.terrain.surface_at(foot_x, foot_y)
            if self._rocks:
                height += lift_m(foot_x, foot_y, self._rocks, half_m)
            heights.append(height)
            self._feet.append((foot_x, foot_y, east, north))
        self._stance: Stance = stand(
            heights,
            self.layout.half_wheelbase_m,
            self.layout.half_track_m,
            p.centre_of_mass_m,
            math.radians(p.rocker_max_deg),
        )
        self._roll, self._pitch = on_surface(self._stance.ahead_slope, self._stance.left_slope, 0.0)
        if self._stance.margin_rad <= 0.0:
            self._tip()

    def _tip(self) -> None:
        self.tipped = True
        ahead, left = self._stance.falls
        self._roll, self._pitch = -0.5 * math.pi * left, 0.5 * math.pi * ahead
        side = {(1, 0): "front", (-1, 0): "back", (0, 1): "left side"}.get(
            self._stance.falls, "right side"
        )
        sentence = f"The rover has tipped over onto its {side}."
        self.health = (ERROR, sentence)
        self.event("TIPPED_OVER", sentence, level=ERROR, x_m=self.x_m, y_m=self.y_m)

    def _is_obstructed(self, twist: BodyTwist) -> bool:
        """Whether a crawler runs into a rock or step, or the body into a rock."""
        p, track, high = self.parameters, self.track, self._high_rocks
        half_m = 0.5 * track.length_m
        for (x, y), (foot_x, foot_y, east, north) in zip(
            self.layout.positions_m, self._feet, strict=True
        ):
            u, v = twist.vx_m_s - twist.wz_rad_s * y, twist.vy_m_s + twist.wz_rad_s * x
            course = math.atan2(v, u) + self.yaw_rad
            rise_m = half_m * (math.cos(course) * east + math.sin(course) * north)
            if rise_m > p.obstacle_m:
                return True
            if high and stands_before(
                high, foot_x, foot_y, course, half_m, 0.5 * track.width_m
            ):
                return True
        if self._belly_rocks and math.hypot(twist.vx_m_s, twist.vy_m_s) > 1e-6:
            course = math.atan2(twist.vy_m_s, twist.vx_m_s) + self.yaw_rad
            half_body_m = self.layout.half_wheelbase_m + half_m
            return stands_before(
                self._belly_rocks, self.x_m, self.y_m, course, half_body_m, self.layout.half_track_m
            )
        return False

    # --- motion ------------------------------------------------------------------------------

    def _load_n(self) -> float:
        """Mean load of a crawler."""
        return 0.25 * self.parameters.mass_kg * MOON_GRAVITY_M_S2 * math.cos(self._stance.tilt_rad)

    def _steer(self, steering: tuple[float, ...]) -> None:
        """Account for the work of turning crawlers on the spot."""
        if steering != self._steering:
            if self._steering is not None:
                torque = steering_torque_nm(self._load_n(), self._soil, self.track)
                turned = sum(abs(a - b) for a, b in zip(steering, self._steering, strict=True))
                self.track_energy_j += torque * turned
            self._steering = steering

    def _twist(self, steering: tuple[float, ...], speeds: tuple[float, ...]) -> BodyTwist:
        if self._signal is None or self._signal[:2] != (steering, speeds):
            self._signal = (steering, speeds, self.layout.body_twist(steering, speeds))
        return self._signal[2]

    def _move(
        self, steering: tuple[float, ...], speeds: tuple[float, ...], dt_s: float
    ) -> tuple[float, float, float]:
        """Integrate; return the mean speed ahead, to the left, and turning, in the body frame."""
        parts = math.ceil(dt_s - 1e-9)
        h = dt_s / parts
        twist = self._twist(steering, speeds)
        laid = 0.25 * sum(map(abs, speeds))
        ahead = left = turned = 0.0
        for _ in range(parts):
            u, v, w = self._advance(twist, laid, h)
            ahead, left, turned = ahead + u, left + v, turned + w
            if self.tipped:
                break
        return ahead / parts, left / parts, turned / parts

    def _advance(self, twist: BodyTwist, laid_m_s: float, h: float) -> tuple[float, float, float]:
        """Move for `h` seconds on the soil here, tracks running at `laid_m_s` on average."""
        p, stance, track, soil = self.parameters, self._stance, self.track, self._soil
        net = math.hypot(twist.vx_m_s, twist.vy_m_s)
        course = math.atan2(twist.vy_m_s, twist.vx_m_s) if net > 1e-6 else 0.0
        alignment = min(1.0, net / laid_m_s)
        curvature = twist.wz_rad_s / laid_m_s
        cc, sc = math.cos(course), math.sin(course)
        climb = math.atan(cc * stance.ahead_slope + sc * stance.left_slope)
        cross = math.atan(cc * stance.left_slope - sc * stance.ahead_slope)
        heading = self.yaw_rad + course

        turn_slip = drag_n = 0.0
        if abs(curvature) > 1e-6:
            moment_nm = turning_moment_nm(curvature, self._load_n(), soil, track)
            drag_n = 4.0 * moment_nm * abs(curvature)
            turn_slip = turning_slip(
                curvature,
                math.hypot(self.layout.half_wheelbase_m, self.layout.half_track_m),
                soil,
                track,
            )
        hole_m, rim = self.embedded_m, 0.0
        if hole_m > 0.0 and alignment > 0.5 and math.cos(heading - self._dug_course) < 0.0:
            # Back over its own rut, which is compacted: out of the hole it is a climb.
            hole_m, rim = 0.0, math.atan(hole_m / track.length_m)
        self.obstructed = self._is_obstructed(twist)
        footing = traverse(
            p.mass_kg,
            math.degrees(climb + rim),
            math.degrees(cross),
            laid_m_s,
            soil,
            track,
            drag_n=_IMMOVABLE_N if self.obstructed else drag_n,
            embedded_m=hole_m,
            alignment=1.0 if self.obstructed else alignment,
        )
        self._footing = footing
        u, v = footing.speed_m_s, footing.side_speed_m_s
        kept = 0.0
        if not footing.stalled:
            kept = max(0.0, 1.0 - alignment * (alignment - u / laid_m_s) - turn_slip)
        steepness = math.hypot(math.tan(climb), math.tan(cross))
        if steepness > 0.0 and (footing.slip <= -1.0 or math.hypot(u, v) > p.sliding_m_s):
            # down the slope, whatever the tracks do
            u = -p.sliding_m_s * math.tan(climb) / steepness
            v = -p.sliding_m_s * math.tan(cross) / steepness
        self._dig(footing.slip, laid_m_s * h, math.hypot(u, v) * h, soil, heading)
        self.track_energy_j += footing.power_w * h
        self.driven_m += math.hypot(u, v) * h

        c, s = math.cos(heading), math.sin(heading)
        self.x_m += (u * c * math.cos(climb) - v * s * math.cos(cross)) * h
        self.y_m += (u * s * math.cos(climb) + v * c * math.cos(cross)) * h
        self.yaw_rad = wrapped(self.yaw_rad + twist.wz_rad_s * kept * h)
        self._stand()
        return u * cc - v * sc, u * sc + v * cc, twist.wz_rad_s * kept

    def _dig(
        self, slip: float, laid_m: float, gone_m: float, soil: Soil, heading: float
    ) -> None:
        """Sink deeper by spinning; leave the hole behind by moving on, over a track's length."""
        self.embedded_m *= math.exp(-gone_m / self.track.length_m)
        dug_m = embedding_m(slip, laid_m, soil)
        if dug_m > 0.0:
            deepest_m = 0.8 * self.track.height_m
            self.embedded_m = min(deepest_m, self.embedded_m + dug_m)
            self._dug_course = heading

    # --- messages ----------------------------------------------------------------------------

    def _tilt_deg(self) -> float:
        return 90.0 if self.tipped else math.degrees(self._stance.tilt_rad)

    def _state(self) -> tuple[float, int, int, float, float, float]:
        return (
            self._tilt_deg(),
            int(self.tipped),
            int(self.obstructed),
            self.embedded_m,
            self.driven_m,
            self.track_energy_j,
        )

    def _publish_pose(self, now: int, motion: tuple[float, float, float]) -> None:
        message = fresh(Odometry)
        message.header.stamp = to_stamp(now)
        message.header.frame_id = "map"
        message.child_frame_id = "rover/base_link"
        position, turn = message.pose.pose.position, message.pose.pose.orientation
        position.x, position.y, position.z = self.x_m, self.y_m, self._stance.height_m
        turn.x, turn.y, turn.z, turn.w = quaternion(self._roll, self._pitch, self.yaw_rad)
        twist = message.twist.twist
        twist.linear.x, twist.linear.y, twist.angular.z = motion
        self.odometry.publish(message)

    def _publish_tracks(self, now: int, speeds: tuple[float, ...]) -> None:
        """Share thrust and power by the crawlers' loads."""
        footing, soil, shares = self._footing, self._soil, self._stance.shares
        weight_n = 4.0 * self._load_n()
        parts = [share * abs(speed) for share, speed in zip(shares, speeds, strict=True)]
        per_part = footing.power_w / sum(parts) if footing and any(parts) else 0.0
        rows = []
        for share, part in zip(shares, parts, strict=True):
            load_n = weight_n * share
            if footing is None:
                slip, thrust_n = 0.0, 0.0
                sinkage_m = static_sinkage_m(load_n, soil, self.track) + self.embedded_m
            else:
                slip, thrust_n = footing.slip, footing.traction_n * share
                sinkage_m = footing.sinkage_m
            torque_nm = steering_torque_nm(load_n, soil, self.track)
            rows.append((slip, sinkage_m, load_n, thrust_n, per_part * part, torque_nm))
        self.tracks.publish_rows(now, rows)
