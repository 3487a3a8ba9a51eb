# SPDX-License-Identifier: Apache-2.0
"""The rover's drive."""

from __future__ import annotations

import math
from array import array
from typing import Any, Literal, NamedTuple

import numpy as np
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState, PointCloud2

from lupex_nodes.bus.commands import Stage, command
from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.messages import ERROR, OK
from lupex_nodes.bus.messages import WARN as WARNING
from lupex_nodes.bus.parameters import Degradation, Parameters, parameter
from lupex_nodes.bus.ports import Input, Output
from lupex_nodes.bus.stamps import SECOND, next_minute, to_stamp
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.crawler_kinematics import CRAWLERS, CrawlerDrive, CrawlerLayout
from lupex_nodes.models.drive_train import DriveTrain
from lupex_nodes.rover.records import CURRENTS, MOBILITY
from lupex_nodes.world.load_report import LoadReport
from lupex_nodes.world.records import LOAD, TRACKS

_JOINTS = [*(f"{name}_crawler" for name in CRAWLERS), *(f"{name}_steering" for name in CRAWLERS)]
_DRIVES = list(CRAWLERS)
_STILL = array("d", [0.0] * 4)
_RATE_HZ = 10
_GUIDE = "navigation"
_SLOWEST_M_S = 0.01  # of tracks whose slip the ground speed sensor can tell


class Velocity(NamedTuple):
    """A velocity command, when it came (ns) and from whom."""

    ahead_m_s: float
    left_m_s: float
    turn_rad_s: float
    time: int
    source: str

    @property
    def moves(self) -> bool:
        """Whether it asks for motion."""
        return any(self[:3])


class Mobility(Unit):
    """Turns body velocity into the speed and steering of four crawlers, and measures them.

    Steers first and drives when all crawlers point the right way. Navigation's velocity commands
    go first; while it sends none, others may drive, and `mobility: cmd_vel` on commands says when
    that begins and how it ends. Stops when its velocity command falls silent. A stalled motor or
    tracks that slip away stop the drive too, and it then moves only after the velocity command has
    paused: a zero or silence.
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
            1.34, "of a turning motor without load", "A", ge=0.0, assumed=True
        )
        track_resistance: float = parameter(
            0.07, "inside the track, part of its load", ge=0.0, le=1.0, assumed=True
        )
        current_limit_a: float = parameter(6.0, "of a motor", "A", ge=0.1, assumed=True)
        stall_current_a: float = parameter(
            4.0, "a motor at this current that does not turn is stalled", "A", ge=0.1, assumed=True
        )
        slip_limit: float = parameter(0.6, "the drive stops at this slip", ge=0.05, le=1.0)
        ground_speed_sigma_m_s: float = parameter(
            0.003, "noise of the ground speed sensor", "m/s", ge=0.0, le=0.1, assumed=True
        )
        ground_speed_scale_sigma: float = parameter(
            0.05, "error of its scale, drawn at power-on", ge=0.0, le=0.5, live=False, assumed=True
        )
        electronics_w: float = parameter(5.0, "standing", "W", ge=0.0, assumed=True)
        driving_w: float = parameter(
            40.0, "electronics and brakes while driving", "W", ge=0.0, assumed=True
        )
        steering_w: float = parameter(
            6.0, "electronics while crawlers steer", "W", ge=0.0, assumed=True
        )

    class Degradation(Degradation):
        """What goes wrong in a drive train."""

        drag_n: float = parameter(0.0, "extra resistance of one crawler", "N", ge=0.0, le=1e4)
        drag_crawler: Literal["front_left", "front_right", "rear_left", "rear_right"] = parameter(
            "front_left", "which crawler drags"
        )
        jammed_crawler: Literal[
            "none", "front_left", "front_right", "rear_left", "rear_right"
        ] = parameter("none", "which crawler a stone holds fast")
        frozen_steering_encoder: Literal[
            "none", "front_left", "front_right", "rear_left", "rear_right"
        ] = parameter("none", "whose steering angle is told as it was")
        encoder_dropout: float = parameter(
            0.0, "part of the seconds in which the encoders of the tracks count nothing", ge=0.0,
            le=1.0,
        )  # fmt: skip

    kind = Kind.HARDWARE
    modes = {"stopped": ("driving", "blocked"), "driving": ("stopped", "blocked"),
             "blocked": ("stopped",)}
    cmd_vel = Input("rover/cmd_vel", TwistStamped, queue=100, wake=True, finite=False)
    tracks = Input("world/vehicle/tracks", PointCloud2, schema=TRACKS)
    ground_speed = Input("world/vehicle/odometry", Odometry)
    drive = Output("rover/mobility/drive", JointState, physical=True)
    joint_states = Output("rover/joint_states", JointState)
    currents = Output("rover/mobility/currents", PointCloud2, schema=CURRENTS)
    state = Output("rover/mobility/state", PointCloud2, schema=MOBILITY)
    load = Output("~/load", PointCloud2, schema=LOAD, physical=True)

    def setup(self) -> None:
        """Stand still, crawlers as they were when the power went."""
        p = self.parameters
        self.layout = CrawlerLayout(speed_max_m_s=p.speed_max_m_s)
        self._steering = list(self.context.memory.get("steering_rad", [0.0] * 4))
        # counters that began anew would look like a drive back
        self._travel_m = list(self.context.memory.get("travel_m", [0.0] * 4))
        self._speeds = [0.0] * 4
        self._told: array | None = None
        self._laid_m = 0.0
        self._currents_a = [0.0] * 4
        self._guided: Velocity | None = None
        self._outside: Velocity | None = None
        self._followed: Velocity | None = None
        self._refused = ""
        self._slip = 0.0
        self._scale = 1.0 + p.ground_speed_scale_sigma * self.rng.standard_normal()
        # what the tracks did in the last second and in the one before, ahead and to the left
        self._ran = [(0.0, 0.0)] * 2
        self._tripped_for = 0
        self._power_w = 0.0
        self._energy_j = 0.0
        self._busy = False
        self._last: int | None = None
        self._load = LoadReport(self.load)
        self._rows = np.zeros((_RATE_HZ, 5), np.float32)
        self._rows[:, 0] = np.arange(1 - _RATE_HZ, 1) / _RATE_HZ
        self.parameters_changed()

    def parameters_changed(self) -> None:
        """Take over the motors' figures."""
        p = self.parameters
        self._train = DriveTrain(
            p.driving_w,
            p.electronics_w,
            p.back_emf_v_s_m,
            p.gear_efficiency,
            p.winding_ohm,
            p.idle_current_a,
        )

    @command("stops the drive until the velocity command pauses", interrupts=True)
    def stop(self, now: int, arguments: None) -> None:
        """Block the drive; the velocity command must fall silent or zero before it moves again."""
        self._unfollow(True, "ended by stop")
        self._block("STOPPED", "The drive was stopped by command.", OK)

    def step(self, now: int) -> int | None:
        """Carry on the last second's motion, then follow the command; asleep while standing."""
        dt_s = 0.0 if self._last is None or not self._busy else (now - self._last) / SECOND
        first, self._last = self._last is None, now
        self._energy_j += self._power_w * dt_s
        dropout = self.degradation.encoder_dropout
        counted = not dropout or self.rng.random() >= dropout
        for i, speed in enumerate(self._speeds):
            self._travel_m[i] += speed * dt_s * counted
            self._laid_m += 0.25 * abs(speed) * dt_s * counted
        self._listen()
        velocity = self._velocity(now)
        target = self._target(velocity)
        tracks = self.tracks.rows() if target else None
        loads = None if tracks is None else tracks.tolist()
        steering_w = self._steer(target.steering_rad, dt_s, loads) if target else 0.0
        wanted = target.speed_m_s if target and self._aligned(target) else (0.0,) * 4
        motor_w = self._run_motors(wanted, loads)
        if velocity and target:
            self._protect(wanted, velocity, target.scale)
        else:
            self._slip, self._ran = 0.0, [(0.0, 0.0)] * 2
        was_busy, self._busy = self._busy, target is not None
        self._power_w = steering_w + motor_w + (
            self._train.driving_w if self.mode == "driving" else self._train.standing_w
        )
        self._publish(now, first or was_busy or self._busy)
        waits = self._busy or self.mode == "blocked"
        return now + SECOND if waits else next_minute(now)

    def housekeeping(self) -> dict[str, Any]:
        """Say how the drive works."""
        return {
            "speed_m_s": sum(self._speeds) / 4.0,
            "slip": self._slip,
            **{f"current_{n}_a": a for n, a in zip(CRAWLERS, self._currents_a, strict=True)},
        }

    # --- what to do --------------------------------------------------------------------------

    def _listen(self) -> None:
        """Take velocity commands, or refuse them with a reason."""
        time = self.cmd_vel.time or 0
        for source, message in self.cmd_vel.drain_with_sources():
            twist = message.twist
            asked = Velocity(twist.linear.x, twist.linear.y, twist.angular.z, time, source)
            if not all(map(math.isfinite, asked[:3])):
                values = ", ".join(f"{value:g}" for value in asked[:3])
                self._refuse(source, f"velocity ({values}) is not finite: give m/s and rad/s")
            elif source == _GUIDE:
                self._guided = asked
            elif self._current(self._guided, time):
                self._refuse(source, f"{_GUIDE} drives to a goal: tell it to hold first")
            else:
                self._outside, self._refused = asked, ""

    def _refuse(self, source: str, reason: str) -> None:
        """Say why a velocity command is not followed; once as long as the reason lasts."""
        if reason == self._refused:
            return
        self._refused = reason
        self.report("cmd_vel", source, Stage.ACCEPTANCE, False, reason)
        self.event("VELOCITY_REFUSED", f"A velocity command was refused: {reason}.", source=source)

    def _current(self, asked: Velocity | None, now: int) -> bool:
        if asked is None:
            return False
        return now - asked.time <= self.parameters.command_timeout_s * SECOND

    def _velocity(self, now: int) -> Velocity | None:
        """Return the motion asked for, None to stand; tell when following others begins or ends."""
        guided = self._current(self._guided, now)
        asked = self._guided if guided else self._outside
        if not self._current(asked, now) or not (asked and asked.moves):
            asked = None
        if self._followed and (asked is None or guided):
            if guided:
                self._unfollow(False, f"{_GUIDE} took over")
            elif self._current(self._outside, now):
                self._unfollow(True, "ended by zero velocity")
            else:
                silent_s = self.parameters.command_timeout_s
                self._unfollow(False, f"no velocity command came for {silent_s:g} s")
        if asked and not guided and not self._followed and self.mode != "blocked":
            self._followed = asked
            self.report("cmd_vel", asked.source, Stage.START)
        return asked

    def _unfollow(self, success: bool, reason: str) -> None:
        followed, self._followed = self._followed, None
        if followed:
            progress = 1.0 if success else 0.0
            self.report("cmd_vel", followed.source, Stage.COMPLETION, success, reason, progress)

    def _target(self, velocity: Velocity | None) -> CrawlerDrive | None:
        """Return what the crawlers shall do, None to stand."""
        if self.mode == "blocked":
            if velocity is None:
                self.set_mode("stopped")
                self.health = (OK, "ok")
            return None
        self.set_mode("driving" if velocity else "stopped")
        return self.layout.drive(*velocity[:3], self._steering) if velocity else None

    # --- crawlers ----------------------------------------------------------------------------

    def _steer(
        self, wanted: tuple[float, ...], dt_s: float, loads: list[tuple] | None
    ) -> float:
        """Turn the crawlers; return the electric power."""
        reach = math.radians(self.parameters.steering_rate_deg_s) * dt_s
        turned, work_j = False, 0.0
        for i, angle in enumerate(wanted):
            error = angle - self._steering[i]
            if abs(error) > 1e-3:
                turned = True
                moved = min(abs(error), reach)
                work_j += moved * loads[i][5] if loads else 0.0
                self._steering[i] += math.copysign(moved, error)
        if not turned:
            return 0.0
        mean_w = work_j / dt_s / self._train.gear_efficiency if dt_s > 0.0 else 0.0
        return self.parameters.steering_w + mean_w

    def _aligned(self, target: CrawlerDrive) -> bool:
        limit = math.radians(self.parameters.alignment_deg)
        pairs = zip(target.steering_rad, self._steering, strict=True)
        return all(abs(angle - now) <= limit for angle, now in pairs)

    def _run_motors(self, wanted: tuple[float, ...], loads: list[tuple] | None) -> float:
        """Set speeds and currents from wanted speeds and the ground's resistance; return power."""
        p, faults, train = self.parameters, self.degradation, self._train
        power_w = 0.0
        for i, speed in enumerate(wanted):
            current_a = 0.0
            if speed:
                force_n = faults.drag_n if CRAWLERS[i] == faults.drag_crawler else 0.0
                if loads:
                    _, _, load_n, thrust_n, _, _ = loads[i]
                    force_n += max(0.0, thrust_n + p.track_resistance * load_n)
                current_a = train.current_a(force_n)
                if current_a > p.current_limit_a or CRAWLERS[i] == faults.jammed_crawler:
                    current_a, speed = p.current_limit_a, 0.0
                    power_w += current_a * current_a * p.winding_ohm
                else:
                    power_w += train.motor_w(force_n, abs(speed))
            self._speeds[i], self._currents_a[i] = speed, current_a
        return power_w

    def _measure_slip(self, velocity: Velocity, scale: float) -> float:
        """Return 1 - speed over ground / speed of the tracks, as the ground speed sensor sees it.

        What it measured last was the motion of the second before the last.
        """
        ahead, left = self._ran[0]
        running = any(self._speeds)
        now_runs = (scale * velocity.ahead_m_s, scale * velocity.left_m_s)
        self._ran = [self._ran[1], now_runs if running else (0.0, 0.0)]
        asked = math.hypot(ahead, left)
        if asked < _SLOWEST_M_S or self.ground_speed.value is None:
            return 0.0
        seen = self.ground_speed.value.twist.twist.linear
        noise = self.parameters.ground_speed_sigma_m_s * self.rng.standard_normal()
        over_ground = self._scale * (ahead * seen.x + left * seen.y) / asked + noise
        return 1.0 - over_ground / asked

    def _protect(self, wanted: tuple[float, ...], velocity: Velocity, scale: float) -> None:
        p = self.parameters
        stalled = [
            name
            for name, want, speed, current in zip(
                CRAWLERS, wanted, self._speeds, self._currents_a, strict=True
            )
            if want and abs(speed) < 0.05 * abs(want) and current >= p.stall_current_a
        ]
        self._slip = self._measure_slip(velocity, scale)
        if not stalled and self._slip < p.slip_limit:
            self._tripped_for = 0
            return
        # a single second may be noise or the moment of starting
        self._tripped_for += 1
        if self._tripped_for < 2:
            return
        if stalled:
            sentence = f"The drive stopped because crawler {', '.join(stalled)} is stalled."
            self._block("STALL", sentence, ERROR, crawlers=" ".join(stalled))
        else:
            sentence = f"The drive stopped because the tracks slip by {self._slip:.2f}."
            self._block("SLIP", sentence, ERROR, slip=self._slip)

    def _block(self, event: str, sentence: str, level: bytes, **values: Any) -> None:
        if self.mode == "blocked":
            return
        self.set_mode("blocked")
        self._unfollow(False, sentence.removesuffix("."))
        self._speeds = [0.0] * 4
        self._tripped_for = 0
        if level == ERROR:
            self.health = (WARNING, sentence)
        self.event(event, sentence, level=level, **values)

    def _told_steering(self, steering: array) -> array:
        """Return the angles as their encoders tell them."""
        frozen = self.degradation.frozen_steering_encoder
        told = array("d", steering)
        if frozen != "none" and self._told is not None:
            told[CRAWLERS.index(frozen)] = self._told[CRAWLERS.index(frozen)]
        self._told = told
        return told

    def _publish(self, now: int, moved: bool) -> None:
        stamp = to_stamp(now)
        # arrays, because a message checks and copies a list number by number
        steering, speeds = array("d", self._steering), array("d", self._speeds)
        told = self._told_steering(steering)
        joints = fresh(JointState)
        joints.header.stamp = stamp
        joints.name = _JOINTS
        joints.position = array("d", self._travel_m) + told
        joints.velocity = speeds + _STILL
        newtons_per_a = self._train.gear_efficiency * self._train.back_emf_v_s_m
        joints.effort = array("d", [newtons_per_a * a for a in self._currents_a]) + _STILL
        self.joint_states.publish(joints)
        if moved:
            drive = fresh(JointState)
            drive.header.stamp = stamp
            drive.name = _DRIVES
            drive.position, drive.velocity = steering, speeds
            self.drive.publish(drive)
            rows = self._rows
            rows[:, 1:] = self._currents_a
            rows[:, 1:] += self.rng.standard_normal((_RATE_HZ, 4), np.float32) * np.float32(0.01)
            self.currents.publish_rows(now, rows.view(CURRENTS.dtype).reshape(-1))
            self.context.memory["steering_rad"] = tuple(self._steering)
            self.context.memory["travel_m"] = tuple(self._travel_m)
        # 2: by command, which who drives must not take for an obstacle
        blocked = 0 if self.mode != "blocked" else 1 if self.health[0] != OK else 2
        self.state.publish_rows(now, [(self._energy_j, self._laid_m, self._slip, blocked)])
        self._load.report(now, self._power_w)
