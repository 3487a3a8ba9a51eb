# SPDX-License-Identifier: Apache-2.0
"""The rover's drive."""

from __future__ import annotations

import math
from array import array
from typing import Any, Literal

import numpy as np
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import JointState, PointCloud2

from lupex_nodes.bus.commands import command
from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.messages import ERROR, OK
from lupex_nodes.bus.messages import WARN as WARNING
from lupex_nodes.bus.parameters import Degradation, Parameters, parameter
from lupex_nodes.bus.ports import Input, Output
from lupex_nodes.bus.stamps import SECOND, to_stamp
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.crawler_kinematics import CRAWLERS, CrawlerLayout
from lupex_nodes.rover.records import CURRENTS
from lupex_nodes.world.load_report import LoadReport
from lupex_nodes.world.records import LOAD, TRACKS

_JOINTS = [*(f"{name}_crawler" for name in CRAWLERS), *(f"{name}_steering" for name in CRAWLERS)]
_DRIVES = list(CRAWLERS)
_STILL = array("d", [0.0] * 4)
_RATE_HZ = 10


class Mobility(Unit):
    """Turns body velocity into the speed and steering of four crawlers, and measures them.

    Steers first and drives when all crawlers point the right way. Stops when its velocity command
    falls silent. A stalled motor or tracks that slip away stop the drive too, and it then moves
    only after the velocity command has paused.
    """

    class Parameters(Parameters):
        """Drive train; none of its figures is public."""

        command_timeout_s: float = parameter(
            3.0, "stops after so long without a velocity command", "s", ge=0.5, le=60.0
        )
        speed_max_m_s: float = parameter(
            0.14, "of a crawler", "m/s", ge=0.01, le=1.0, live=False, assumed=True
        )
        steering_rate_deg_s: float = parameter(
            10.0, "of a crawler", "deg/s", ge=0.1, le=90.0, assumed=True
        )
        alignment_deg: float = parameter(
            10.0, "crawlers drive when all point within this", "deg", ge=0.1, le=45.0, assumed=True
        )
        back_emf_v_s_m: float = parameter(
            140.0, "motor voltage per track speed", "V s/m", ge=1.0, assumed=True
        )
        gear_efficiency: float = parameter(0.4, "motor to track", ge=0.05, le=1.0, assumed=True)
        winding_ohm: float = parameter(1.0, "motor resistance", "ohm", ge=0.0, assumed=True)
        idle_current_a: float = parameter(
            0.15, "of a turning motor without load", "A", ge=0.0, assumed=True
        )
        track_resistance: float = parameter(
            0.07, "inside the track, part of its load", ge=0.0, le=1.0, assumed=True
        )
        current_limit_a: float = parameter(6.0, "of a motor", "A", ge=0.1, assumed=True)
        stall_current_a: float = parameter(
            3.0, "a motor at this current that does not turn is stalled", "A", ge=0.1, assumed=True
        )
        slip_limit: float = parameter(0.6, "the drive stops at this slip", ge=0.05, le=1.0)
        slip_sigma: float = parameter(
            0.02, "noise of the ground speed sensor", ge=0.0, le=0.5, assumed=True
        )
        electronics_w: float = parameter(5.0, "standing", "W", ge=0.0, assumed=True)
        driving_w: float = parameter(
            40.0, "electronics and brakes while driving", "W", ge=0.0, assumed=True
        )
        steering_w: float = parameter(20.0, "while crawlers steer", "W", ge=0.0, assumed=True)

    class Degradation(Degradation):
        """What goes wrong in a drive train."""

        drag_n: float = parameter(0.0, "extra resistance of one crawler", "N", ge=0.0, le=1e4)
        drag_crawler: Literal["front_left", "front_right", "rear_left", "rear_right"] = parameter(
            "front_left", "which crawler drags"
        )

    kind = Kind.HARDWARE
    modes = {"stopped": ("driving", "blocked"), "driving": ("stopped", "blocked"),
             "blocked": ("stopped",)}
    cmd_vel = Input("rover/cmd_vel", TwistStamped)
    tracks = Input("world/vehicle/tracks", PointCloud2, schema=TRACKS)
    drive = Output("rover/mobility/drive", JointState)
    joint_states = Output("rover/joint_states", JointState)
    currents = Output("rover/mobility/currents", PointCloud2, schema=CURRENTS)
    load = Output("~/load", PointCloud2, schema=LOAD)

    def setup(self) -> None:
        """Stand still with crawlers straight."""
        self.layout = CrawlerLayout(speed_max_m_s=self.parameters.speed_max_m_s)
        self._steering = [0.0] * 4
        self._speeds = [0.0] * 4
        self._travel_m = [0.0] * 4
        self._currents_a = [0.0] * 4
        self._slip = 0.0
        self._tripped_for = 0
        self._last: int | None = None
        self._load = LoadReport(self.load)
        self._rows = np.zeros((_RATE_HZ, 5), np.float32)
        self._rows[:, 0] = np.arange(1 - _RATE_HZ, 1) / _RATE_HZ

    @command("stops the drive until the velocity command pauses", interrupts=True)
    def stop(self, now: int, arguments: None) -> None:
        """Block the drive; the velocity command must fall silent or zero before it moves again."""
        self._block(now, "STOPPED", "The drive was stopped by command.", OK)

    def step(self, now: int) -> int | None:
        """Carry on the last second's motion, then follow the command."""
        dt_s = 0.0 if self._last is None else (now - self._last) / SECOND
        self._last = now
        for i, speed in enumerate(self._speeds):
            self._travel_m[i] += speed * dt_s
        target = self._target(now)
        steering_w = self._steer(target.steering_rad, dt_s) if target else 0.0
        wanted = target.speed_m_s if target and self._aligned(target) else (0.0,) * 4
        tracks = self.tracks.rows()
        tracks = None if tracks is None else tracks.tolist()
        motor_w = self._run_motors(wanted, tracks)
        if self.mode == "driving":
            self._protect(now, wanted, tracks)
        self._publish(now, motor_w, steering_w)
        return None

    def housekeeping(self) -> dict[str, Any]:
        """Say how the drive works."""
        return {
            "speed_m_s": sum(self._speeds) / 4.0,
            "slip": self._slip,
            **{f"current_{n}_a": a for n, a in zip(CRAWLERS, self._currents_a, strict=True)},
        }

    def _target(self, now: int) -> Any:
        """Return what the crawlers shall do, None to stand."""
        message = self.cmd_vel.value
        velocity = None
        if message is not None and self.cmd_vel.age_s(now) <= self.parameters.command_timeout_s:
            twist = message.twist
            velocity = (twist.linear.x, twist.linear.y, twist.angular.z)
            if not any(velocity) or not all(map(math.isfinite, velocity)):
                velocity = None
        if self.mode == "blocked":
            if velocity is None:
                self.set_mode("stopped")
                self.health = (OK, "ok")
            return None
        self.set_mode("driving" if velocity else "stopped")
        return self.layout.drive(*velocity, self._steering) if velocity else None

    def _steer(self, wanted: tuple[float, ...], dt_s: float) -> float:
        reach = math.radians(self.parameters.steering_rate_deg_s) * dt_s
        turned = False
        for i, angle in enumerate(wanted):
            error = angle - self._steering[i]
            turned = turned or abs(error) > 1e-3
            self._steering[i] += min(max(error, -reach), reach)
        return self.parameters.steering_w if turned else 0.0

    def _aligned(self, target: Any) -> bool:
        limit = math.radians(self.parameters.alignment_deg)
        pairs = zip(target.steering_rad, self._steering, strict=True)
        return all(abs(angle - now) <= limit for angle, now in pairs)

    def _run_motors(self, wanted: tuple[float, ...], tracks: list[tuple] | None) -> float:
        """Set speeds and currents from wanted speeds and the ground's resistance; return power."""
        p, faults = self.parameters, self.degradation
        amps_per_n = 1.0 / (p.gear_efficiency * p.back_emf_v_s_m)
        power_w = 0.0
        for i, speed in enumerate(wanted):
            current_a = 0.0
            if speed:
                force_n = faults.drag_n if CRAWLERS[i] == faults.drag_crawler else 0.0
                if tracks:
                    _, _, load_n, thrust_n, _ = tracks[i]
                    force_n += max(0.0, thrust_n + p.track_resistance * load_n)
                current_a = p.idle_current_a + amps_per_n * force_n
                if current_a > p.current_limit_a:
                    current_a, speed = p.current_limit_a, 0.0
            self._speeds[i], self._currents_a[i] = speed, current_a
            power_w += current_a * (p.back_emf_v_s_m * abs(speed) + p.winding_ohm * current_a)
        return power_w

    def _protect(self, now: int, wanted: tuple[float, ...], tracks: list[tuple] | None) -> None:
        p = self.parameters
        stalled = [
            name
            for name, want, speed, current in zip(
                CRAWLERS, wanted, self._speeds, self._currents_a, strict=True
            )
            if want and abs(speed) < 0.05 * abs(want) and current >= p.stall_current_a
        ]
        self._slip = 0.0
        if tracks and any(self._speeds):
            self._slip = tracks[0][0] + p.slip_sigma * self.rng.standard_normal()
        if not stalled and self._slip < p.slip_limit:
            self._tripped_for = 0
            return
        # a single second may be noise or the moment of starting
        self._tripped_for += 1
        if self._tripped_for < 2:
            return
        if stalled:
            sentence = f"The drive stopped because crawler {', '.join(stalled)} is stalled."
            self._block(now, "STALL", sentence, ERROR, crawlers=" ".join(stalled))
        else:
            sentence = f"The drive stopped because the tracks slip by {self._slip:.2f}."
            self._block(now, "SLIP", sentence, ERROR, slip=self._slip)

    def _block(self, now: int, event: str, sentence: str, level: bytes, **values: Any) -> None:
        if self.mode == "blocked":
            return
        self.set_mode("blocked")
        self._speeds = [0.0] * 4
        self._tripped_for = 0
        if level == ERROR:
            self.health = (WARNING, sentence)
        self.event(event, sentence, level=level, **values)

    def _publish(self, now: int, motor_w: float, steering_w: float) -> None:
        p, stamp = self.parameters, to_stamp(now)
        # arrays, because a message checks and copies a list number by number
        steering, speeds = array("d", self._steering), array("d", self._speeds)
        drive = fresh(JointState)
        drive.header.stamp = stamp
        drive.name = _DRIVES
        drive.position, drive.velocity = steering, speeds
        self.drive.publish(drive)
        joints = fresh(JointState)
        joints.header.stamp = stamp
        joints.name = _JOINTS
        joints.position = array("d", self._travel_m) + steering
        joints.velocity = speeds + _STILL
        newtons_per_a = p.gear_efficiency * p.back_emf_v_s_m
        joints.effort = array("d", [newtons_per_a * a for a in self._currents_a]) + _STILL
        self.joint_states.publish(joints)
        rows = self._rows
        rows[:, 1:] = self._currents_a
        rows[:, 1:] += self.rng.standard_normal((_RATE_HZ, 4), np.float32) * np.float32(0.01)
        self.currents.publish_rows(now, rows.view(CURRENTS.dtype).reshape(-1))
        idle_w = p.driving_w if self.mode == "driving" else p.electronics_w
        power_w = idle_w + motor_w + steering_w
        self._load.report(now, power_w)
