# SPDX-License-Identifier: Apache-2.0
"""The true motion of the rover."""

from __future__ import annotations

import math
from typing import Any

from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState, PointCloud2

from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.parameters import parameter
from lupex_nodes.bus.ports import Input, Output
from lupex_nodes.bus.stamps import SECOND, to_stamp
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.crawler_kinematics import CrawlerLayout
from lupex_nodes.models.terramechanics import (
    MOON_GRAVITY_M_S2,
    Footing,
    Soil,
    Track,
    static_sinkage_m,
    traverse,
)
from lupex_nodes.rover.attitude import on_surface, quaternion, wrapped
from lupex_nodes.world.constants import generator_of_run
from lupex_nodes.world.ground import GroundParameters, ground
from lupex_nodes.world.records import TRACKS

_SOIL_STEP_DEG = 0.25
_SOIL_WAVELENGTHS_M = (60.0, 37.0, 23.0)


class Vehicle(Unit):
    """Four steered crawlers on terrain: where the rover truly is and how its tracks hold.

    Moves the truth by the crawlers' speeds and angles, less the slip that slope and soil cause;
    the pose follows the height and the normal of the ground. The soil's friction angle varies
    from place to place. Quasi-static: no dynamics at 0.1 m/s.
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
        friction_angle_deg: float = parameter(
            27.0, "mean of disturbed soil", "deg", ge=15.0, le=45.0, live=False, assumed=True
        )
        friction_angle_sigma_deg: float = parameter(
            1.0, "from run to run, and again from place to place", "deg", ge=0.0, le=5.0,
            live=False, assumed=True,
        )  # fmt: skip
        silence_s: float = parameter(
            3.0, "crawlers stop after so long without a drive signal", "s", ge=0.5, live=False
        )

    kind = Kind.NATURE
    drive = Input("rover/mobility/drive", JointState)
    odometry = Output("world/vehicle/odometry", Odometry, frame_id="map")
    tracks = Output("world/vehicle/tracks", PointCloud2, schema=TRACKS)

    def setup(self) -> None:
        """Stand the rover on the ground near its declared start."""
        p = self.parameters
        rng = generator_of_run(self.context)
        self.terrain = ground(p, self.context.seed)
        east, north, turn, soil = rng.standard_normal(4).tolist()
        self.x_m = p.start_x_m + p.start_position_sigma_m * east
        self.y_m = p.start_y_m + p.start_position_sigma_m * north
        self.yaw_rad = math.radians(p.start_yaw_deg + p.start_yaw_sigma_deg * turn)
        self._ground = self.terrain.surface_at(self.x_m, self.y_m)
        self.layout, self.track = CrawlerLayout(), Track()
        self._waves = [
            (2.0 * math.pi / length * math.cos(a), 2.0 * math.pi / length * math.sin(a), phase)
            for length, a, phase in zip(
                _SOIL_WAVELENGTHS_M, *rng.uniform(0.0, 2.0 * math.pi, (2, 3)), strict=True
            )
        ]
        self._friction_deg = p.friction_angle_deg + p.friction_angle_sigma_deg * soil
        self._soils: dict[int, Soil] = {}
        self._driven_m = 0.0
        self._footing: Footing | None = None
        self._still_shown = False
        self._last: int | None = None

    def step(self, now: int) -> int | None:
        """Move on since the last step, in sub-steps of at most 1 s."""
        dt_s = 0.0 if self._last is None else (now - self._last) / SECOND
        self._last = now
        drive = self.drive.value
        # what was commanded at the last step has acted since, however long ago that was
        silent = self.drive.age_s(now) > self.parameters.silence_s + dt_s
        speeds = (0.0,) * 4 if drive is None or silent else tuple(drive.velocity)
        moves = dt_s > 0.0 and any(speeds)
        motion = (0.0, 0.0, 0.0)
        if moves:
            motion = self._move(drive.position, speeds, dt_s)
        self._publish_pose(now, motion, dt_s)
        if moves or not self._still_shown:
            self._publish_tracks(now, speeds)
            self._still_shown = not moves
        return None

    def housekeeping(self) -> dict[str, Any]:
        """Say where the rover is and how it slips."""
        footing = self._footing
        return {
            "x_m": self.x_m,
            "y_m": self.y_m,
            "yaw_deg": math.degrees(self.yaw_rad),
            "driven_m": self._driven_m,
            "slip": footing.slip if footing else 0.0,
        }

    def _soil(self, x_m: float, y_m: float) -> Soil:
        p = self.parameters
        wave = sum(math.sin(kx * x_m + ky * y_m + phase) for kx, ky, phase in self._waves)
        # three sines of amplitude 1 have a variance of 3/2
        angle = self._friction_deg + p.friction_angle_sigma_deg * wave / math.sqrt(1.5)
        step = round(angle / _SOIL_STEP_DEG)
        if step not in self._soils:
            self._soils[step] = Soil(friction_angle_deg=step * _SOIL_STEP_DEG)
        return self._soils[step]

    def _move(self, steering: Any, speeds: tuple, dt_s: float) -> tuple[float, float, float]:
        """Integrate; return the mean speed ahead, to the left, and turning, in the body frame."""
        parts = math.ceil(dt_s - 1e-9)
        h = dt_s / parts
        twist = self.layout.body_twist(steering, speeds)
        track_speed = math.hypot(twist.vx_m_s, twist.vy_m_s)
        course = math.atan2(twist.vy_m_s, twist.vx_m_s) if track_speed > 1e-6 else 0.0
        ahead = left = turned = 0.0
        for _ in range(parts):
            _, east, north = self._ground
            soil = self._soil(self.x_m, self.y_m)
            angle = self.yaw_rad + course
            c, s = math.cos(angle), math.sin(angle)
            climb = math.atan(c * east + s * north)
            cross = math.atan(c * north - s * east)
            footing = traverse(
                self.parameters.mass_kg,
                math.degrees(climb),
                math.degrees(cross),
                track_speed if track_speed > 1e-6 else max(map(abs, speeds)),
                soil,
                self.track,
            )
            kept = 0.0 if footing.stalled else 1.0 - abs(footing.slip)
            u, v = (footing.speed_m_s, footing.side_speed_m_s) if track_speed > 1e-6 else (0.0, 0.0)
            self.x_m += (u * c * math.cos(climb) - v * s * math.cos(cross)) * h
            self.y_m += (u * s * math.cos(climb) + v * c * math.cos(cross)) * h
            self.yaw_rad = wrapped(self.yaw_rad + twist.wz_rad_s * kept * h)
            self._driven_m += abs(u) * h
            self._ground = self.terrain.surface_at(self.x_m, self.y_m)
            ahead += u * math.cos(course) - v * math.sin(course)
            left += u * math.sin(course) + v * math.cos(course)
            turned += twist.wz_rad_s * kept
            self._footing = footing
        return ahead / parts, left / parts, turned / parts

    def _publish_pose(self, now: int, motion: tuple[float, float, float], dt_s: float) -> None:
        height, east, north = self._ground
        roll, pitch = on_surface(east, north, self.yaw_rad)
        message = fresh(Odometry)
        message.header.stamp = to_stamp(now)
        message.header.frame_id = "map"
        message.child_frame_id = "rover/base_link"
        position, turn = message.pose.pose.position, message.pose.pose.orientation
        position.x, position.y, position.z = self.x_m, self.y_m, height
        turn.x, turn.y, turn.z, turn.w = quaternion(roll, pitch, self.yaw_rad)
        twist = message.twist.twist
        twist.linear.x, twist.linear.y, twist.angular.z = motion
        self.odometry.publish(message)

    def _publish_tracks(self, now: int, speeds: tuple) -> None:
        """Share load by tilt (the centre of mass leans downhill) and thrust by load."""
        p = self.parameters
        roll, pitch = on_surface(*self._ground[1:], self.yaw_rad)
        weight_n = p.mass_kg * MOON_GRAVITY_M_S2 * math.cos(roll) * math.cos(pitch) / 4.0
        footing = self._footing if any(speeds) else None
        rows = []
        for (x, y), speed in zip(self.layout.positions_m, speeds, strict=True):
            shift = math.tan(pitch) * math.copysign(1.0, x) / self.layout.half_wheelbase_m
            shift -= math.tan(roll) * math.copysign(1.0, y) / self.layout.half_track_m
            share = max(0.0, 1.0 + p.centre_of_mass_m * shift)
            load_n = weight_n * share
            if footing is None:
                sinkage = static_sinkage_m(load_n, self._soil(self.x_m, self.y_m), self.track)
                rows.append((0.0, sinkage, load_n, 0.0, 0.0))
                continue
            thrust_n = footing.traction_n / 4.0 * share
            power_w = (thrust_n + self.track.internal_resistance * load_n) * abs(speed)
            rows.append((footing.slip, footing.sinkage_m, load_n, thrust_n, power_w))
        self.tracks.publish_rows(now, rows)
