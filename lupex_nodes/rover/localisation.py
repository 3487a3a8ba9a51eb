# SPDX-License-Identifier: Apache-2.0
"""Where the rover believes it is: its sensors' messages in, pose and covariance out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from sensor_msgs.msg import Imu, JointState, PointCloud2, Range

from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.ports import InPort
from lupex_nodes.bus.stamps import SECOND, from_stamp
from lupex_nodes.models.crawler_kinematics import CrawlerLayout
from lupex_nodes.models.terramechanics import expected_slip
from lupex_nodes.rover.attitude import tilt_of, yaw_of
from lupex_nodes.rover.innovation_gate import InnovationGate, Verdict
from lupex_nodes.rover.records import VISUAL_ODOMETRY
from lupex_nodes.rover.state_filter import (
    AHEAD,
    BIAS,
    LEFT,
    MOUNT,
    SCALE,
    SIDE,
    SIZE,
    SLIP,
    STOP_X,
    STOP_Y,
    WANDER,
    YAW,
    Move,
    StateFilter,
    X,
    Y,
)

_DEG_H = math.radians(1.0) / 3600.0
#: A motion is known to the sensors one tick later, and what they measured of it here another.
_SENSED_AFTER = 2 * SECOND
#: Two samples of the parked gyros are 60 s apart; after a longer gap they were switched on anew.
_GYROS_NEW_AFTER_S = 150.0
_STOP_S = 60.0
_FASTEST_M_S = 0.5
#: Samples of a drive that runs are a second apart: between others it was without its computer,
#: and motors that nobody tells anything stop after the second time.
_JOINTS_LOST_S, _RUN_ON_S = 1.5, 3.0
#: In the order in which they count at one time: motion before what is measured after it.
_SENSORS = ("imu", "joints", "star_tracker", "visual_odometry", "ranging", "map_fix")
#: A turn about a point nearer than this is one on the spot.
_SPOT_M = 0.2
_LEARNING_S = 1800.0
_STEEPEST_DEG = 60.0


class LocalisationParameters(Parameters):
    """The declared start, and what the estimate believes of vehicle and sensors."""

    start_x_m: float = parameter(15.0, "declared start, map east", "m", live=False)
    start_y_m: float = parameter(0.0, "declared start, map north", "m", live=False)
    start_yaw_deg: float = parameter(
        0.0, "declared start, yaw counter-clockwise from east", "deg", live=False
    )
    start_position_sigma_m: float = parameter(
        0.1, "believed error of the start, per axis", "m", ge=0.0, live=False, assumed=True
    )
    start_yaw_sigma_deg: float = parameter(
        0.2, "believed error of the declared yaw", "deg", ge=0.0, live=False, assumed=True
    )
    vehicle_mass_kg: float = parameter(350.0, "of the rover", "kg", ge=10.0)
    expected_friction_angle_deg: float = parameter(
        27.0, "of the soil, from which slip by slope is expected", "deg", ge=15.0, le=45.0,
        assumed=True,
    )  # fmt: skip
    slip_sigma: float = parameter(
        0.001, "believed error of the expected slip on level ground", ge=0.0, le=0.5, assumed=True
    )
    slip_sigma_part: float = parameter(
        0.12, "more of that error, over the expected slip", ge=0.0, le=5.0, assumed=True
    )
    side_slip_sigma_deg: float = parameter(
        0.05, "believed error of the expected side slip on level ground", "deg", ge=0.0, le=20.0,
        assumed=True,
    )  # fmt: skip
    side_slip_sigma_part: float = parameter(
        0.12, "more of that error, over the expected side slip", ge=0.0, le=5.0, assumed=True
    )
    slip_correlation_m: float = parameter(
        20.0, "distance over which these errors last", "m", ge=0.1, assumed=True
    )
    turning_slide_m_rad: float = parameter(
        0.25, "slid downhill by turning on the spot, over the sine of the slope", "m/rad",
        ge=0.0, le=5.0, assumed=True,
    )  # fmt: skip
    turning_slide_sigma: float = parameter(
        0.3, "believed error of that, over it", ge=0.0, le=5.0, assumed=True
    )
    path_sigma_m: float = parameter(
        0.005, "noise of the tracks' way, grows with the root of metres", "m", ge=0.0, assumed=True
    )
    angle_random_walk_deg_sqrt_h: float = parameter(
        0.05, "believed of the gyros", "deg/sqrt(h)", ge=0.0, assumed=True
    )
    rate_random_walk_deg_h_sqrt_h: float = parameter(
        0.2, "believed walk of the bias of the yaw rate", "deg/h/sqrt(h)", ge=0.0, assumed=True
    )
    gyro_bias_sigma_deg_h: float = parameter(
        3.0, "believed before the bias is learned", "deg/h", ge=0.0, assumed=True
    )
    tilt_sigma_deg: float = parameter(
        0.07, "believed of roll and pitch from accelerometers", "deg", ge=0.001, assumed=True
    )
    tracker_mounting_sigma_deg: float = parameter(
        0.05, "believed of the star tracker, per axis", "deg", ge=0.001, live=False, assumed=True
    )
    camera_scale_sigma: float = parameter(
        0.007, "believed error of the scale of visual odometry that stays", ge=0.0, le=0.2,
        live=False, assumed=True,
    )  # fmt: skip
    camera_scale_wander_sigma: float = parameter(
        0.007, "believed error of that scale that wanders", ge=0.0, le=0.2, assumed=True
    )
    camera_scale_wander_m: float = parameter(
        20.0, "way over which it does", "m", ge=0.1, assumed=True
    )
    lander_x_m: float = parameter(0.0, "beacon for ranging, map east", "m", live=False)
    lander_y_m: float = parameter(0.0, "beacon for ranging, map north", "m", live=False)
    beacon_above_antenna_m: float = parameter(
        1.0, "were both on level ground", "m", ge=-10.0, le=10.0, live=False, assumed=True
    )
    height_sigma_m: float = parameter(
        3.0, "believed error of the height over the lander", "m", ge=0.0, assumed=True
    )
    range_apart_m: float = parameter(
        5.0, "ranges of nearer places share their error and count once", "m", ge=0.0, assumed=True
    )


class _Pace(NamedTuple):
    """A motion of the crawlers: body axes, m and rad over the interval."""

    dt_s: float
    ahead_m: float
    left_m: float
    turned_rad: float
    travel_m: list[float]
    """What each crawler had laid in all at the end."""


class Localisation:
    """The estimate of pose and motion, in the map frame; `covariance` of x, y, yaw is (xx, xy,
    xyaw, yy, yyaw, yawyaw).

    The tracks' way, less the slip that is expected for slope and soil, moves the estimate; gyros
    turn it. Visual odometry, star tracker, ranges and map fixes correct it and the errors of the
    sensors. `slip` is 1 - speed over ground / track speed, as believed; `side_slip_rad` the angle
    from the heading to the course, positive to the left; `moved_at` the time (ns) of the last
    motion.
    """

    def __init__(
        self,
        parameters: LocalisationParameters,
        *,
        imu: InPort,
        joints: InPort,
        star_tracker: InPort,
        visual_odometry: InPort,
        ranging: InPort,
        map_fix: InPort,
    ) -> None:
        p = self.parameters = parameters
        # at one time, motion comes before what is measured after it
        self._ports: tuple[tuple[InPort, Callable[[int, Any], None]], ...] = (
            (imu, self._take_imu),
            (joints, self._take_pace),
            (star_tracker, self._take_stars),
            (visual_odometry, self._take_frame),
            (ranging, self._take_range),
            (map_fix, self._take_fix),
        )
        state, sigma = [0.0] * SIZE, [0.0] * SIZE
        state[X], state[Y] = p.start_x_m, p.start_y_m
        state[YAW] = math.radians(p.start_yaw_deg)
        sigma[X] = sigma[Y] = p.start_position_sigma_m
        sigma[YAW] = math.radians(p.start_yaw_sigma_deg)
        sigma[BIAS] = p.gyro_bias_sigma_deg_h * _DEG_H
        sigma[MOUNT] = math.radians(p.tracker_mounting_sigma_deg)
        sigma[SCALE] = p.camera_scale_sigma
        sigma[WANDER] = sigma[SLIP] = sigma[SIDE] = 1.0
        self.filter = StateFilter(state, sigma)
        self._layout = CrawlerLayout()
        self._waiting: list[tuple[int, int, Any]] = []
        self._standing = True
        self._imu_time: int | None = None
        self._joint_time: int | None = None
        self._travel_m: list[float] | None = None
        self._told_m_s = 0.0
        self._counted: tuple[int | None, list[float] | None] = (None, None)
        self._cross_bias, self._learned_s = (0.0, 0.0), 0.0
        self._tilt_offset, self._tilts = (0.0, 0.0), 0
        self._rest_since = self._stop_since = self._stop_until = 0
        self._ranged_at: tuple[float, float] | None = None
        self._gates = {
            "stars": InnovationGate(4.0, 6),
            "range": InnovationGate(4.0, 5),
            "fix": InnovationGate(4.0, 2),
        }
        self.refused = 0
        #: Messages passed over because they hold what their sensor cannot tell, by sensor.
        self.implausible: dict[str, int] = {}
        #: Sensors that the estimate does without, by the name of their argument.
        self.ignored: set[str] = set()
        self.roll_rad = self.pitch_rad = self.z_m = 0.0
        self.moved_at: int | None = None
        self.speed_m_s = self.turn_rate_rad_s = 0.0
        self.driven_m = 0.0
        self.slip = self.side_slip_rad = 0.0
        self._begin_frame(0)
        self._take()

    def update(self, now: int, standing: bool) -> None:
        """Take what the sensors said up to `now`; `standing`: nothing shall move the rover."""
        self._standing = standing
        waiting = self._waiting
        for order, (port, _) in enumerate(self._ports):
            for message in port.drain():
                if _SENSORS[order] in self.ignored:
                    continue
                if not _PLAUSIBLE[order](message):
                    name = _SENSORS[order]
                    self.implausible[name] = self.implausible.get(name, 0) + 1
                    continue
                time = from_stamp(message.header.stamp)
                if order == 1:
                    message = self._pace(time, message)
                    if message is None:
                        continue
                waiting.append((time, order, message))
        if not waiting:
            return
        waiting.sort(key=_by_time)
        done = 0
        for time, order, message in waiting:
            if time > now - _SENSED_AFTER:
                break
            self._ports[order][1](time, message)
            done += 1
        self._waiting = waiting[done:]
        self._take()

    def still_s(self, now: int) -> float:
        """Say for how long the crawlers have not moved; 0 before their first message."""
        if self._joint_time is None:
            return 0.0
        return math.inf if self.moved_at is None else (now - self.moved_at) / SECOND

    def save(self) -> dict[str, Any]:
        """Return what non-volatile memory keeps while the computer is off."""
        return {
            "state": list(self.filter.state),
            "covariance": self.filter.covariance.tolist(),
            "tilt": (self.z_m, self.roll_rad, self.pitch_rad),
            "tilt_offset": (self._tilt_offset, self._tilts),
            "stop": (self._rest_since, self._stop_since, self._stop_until),
            "driven_m": self.driven_m,
            "tracks": self._counted,
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on from what was kept; the gyros may have been off too."""
        f = self.filter
        f.state, f.covariance = list(kept["state"]), np.array(kept["covariance"])
        f.forget(BIAS, self.parameters.gyro_bias_sigma_deg_h * _DEG_H)
        self.z_m, self.roll_rad, self.pitch_rad = kept["tilt"]
        self._tilt_offset, self._tilts = kept["tilt_offset"]
        self._rest_since, self._stop_since, self._stop_until = kept["stop"]
        self.driven_m = kept["driven_m"]
        self._joint_time, self._travel_m = self._counted = kept["tracks"]
        self._begin_frame(0)
        self._take()

    # --- what is believed now ----------------------------------------------------------------

    def _take(self) -> None:
        """Show the estimate, carried on by the crawlers' motion that no sensor has seen yet."""
        f = self.filter
        self.x_m, self.y_m, self.yaw_rad = f.state[X], f.state[Y], f.state[YAW]
        self.covariance = f.pose_covariance
        for _, order, pace in self._waiting:
            if order == 1:
                c, s = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
                move = self._move(pace)
                ahead = move.ahead_m - move.slip_m * f.state[SLIP]
                left = move.left_m + move.side_m * f.state[SIDE]
                self.x_m += c * ahead - s * left
                self.y_m += s * ahead + c * left
                self.yaw_rad = math.remainder(self.yaw_rad + pace.turned_rad, 2.0 * math.pi)

    # --- tracks ------------------------------------------------------------------------------

    def _pace(self, time: int, sample: JointState) -> _Pace | None:
        """Return the crawlers' motion since the last sample; None for the first and for none."""
        values = sample.position.tolist()
        before, self._travel_m = self._travel_m, values[:4]
        since, self._joint_time = self._joint_time, time
        told_m_s, self._told_m_s = self._told_m_s, max(map(abs, sample.velocity[:4]))
        if before is None or since is None or time <= since:
            return None
        steps = [b - a for a, b in zip(before, values[:4], strict=True)]
        dt_s = (time - since) / SECOND
        if dt_s > _JOINTS_LOST_S:
            self._doubt(told_m_s * min(dt_s, _RUN_ON_S) - max(map(abs, steps)))
        if max(map(abs, steps)) > _FASTEST_M_S * dt_s:
            return None  # the drive was off and counts anew
        if any(sample.velocity[:4]):
            self.moved_at = time
        if not any(steps):
            self.speed_m_s = 0.0
            return None
        self.moved_at = time
        twist = self._layout.body_twist(values[4:], steps)
        return _Pace(dt_s, twist.vx_m_s, twist.vy_m_s, twist.wz_rad_s, values[:4])

    def _doubt(self, unseen_m: float) -> None:
        """Allow for tracks that ran on, by what they were told last, while nobody counted."""
        if unseen_m > 0.0:
            self.filter.widen(self._along(AHEAD), unseen_m * unseen_m)

    def _move(self, pace: _Pace) -> Move:
        """Return the motion over ground to expect of the crawlers' motion on this slope."""
        p = self.parameters
        length_m = math.hypot(pace.ahead_m, pace.left_m)
        if length_m < _SPOT_M * abs(pace.turned_rad):
            slide_m = p.turning_slide_m_rad * abs(pace.turned_rad)
            ahead_m, left_m = slide_m * math.sin(self.pitch_rad), -slide_m * math.sin(self.roll_rad)
            return Move(ahead_m, left_m, 0.0, 0.0, self._turned_rad)
        backwards = pace.ahead_m < 0.0
        slip, side = expected_slip(
            p.vehicle_mass_kg,
            p.expected_friction_angle_deg,
            _half_degrees(-self.pitch_rad if not backwards else self.pitch_rad),
            _half_degrees(self.roll_rad if not backwards else -self.roll_rad),
        )
        slip_sigma = p.slip_sigma + p.slip_sigma_part * abs(slip)
        side_sigma = math.radians(p.side_slip_sigma_deg) + p.side_slip_sigma_part * abs(side)
        ahead_m = pace.ahead_m * (1.0 - slip)
        left_m = pace.left_m * (1.0 - slip) + ahead_m * math.tan(side)
        c, s = math.cos(self.pitch_rad), math.sin(self.pitch_rad)
        cross = math.cos(self.roll_rad)
        self.slip = slip + slip_sigma * self.filter.state[SLIP]
        self.side_slip_rad = side + side_sigma * self.filter.state[SIDE]
        return Move(
            ahead_m * c + left_m * s * math.sin(self.roll_rad),
            left_m * cross,
            pace.ahead_m * slip_sigma * c,
            length_m * side_sigma * cross,
            self._turned_rad,
        )

    def _take_pace(self, time: int, pace: _Pace) -> None:
        p, f = self.parameters, self.filter
        self._counted = time, pace.travel_m
        if time - self._rest_since > _STOP_S * SECOND:
            f.new_stop()
            self._stop_since, self._stop_until = self._rest_since, time
        self._rest_since = time
        if self._imu_time is None or time - self._imu_time > 3 * SECOND + pace.dt_s * SECOND:
            self._turn_by_tracks(pace)
        length_m = math.hypot(pace.ahead_m, pace.left_m)
        move = self._move(pace)
        self._slipped_m += move.slip_m
        self._sided_m += move.side_m
        self._laid_m += pace.ahead_m
        keeps = (
            math.exp(-length_m / p.slip_correlation_m),
            math.exp(-length_m / p.camera_scale_wander_m),
        )
        noise_m2 = p.path_sigma_m**2 * (length_m + abs(pace.turned_rad))
        if not move.slip_m:
            slope = math.hypot(math.sin(self.pitch_rad), math.sin(self.roll_rad))
            slid = p.turning_slide_sigma * p.turning_slide_m_rad * slope
            # one radian of turning shares its error
            noise_m2 += slid * slid * abs(pace.turned_rad)
        f.move(move, keeps, noise_m2)
        self.z_m += move.left_m * math.tan(self.roll_rad) - move.ahead_m * math.tan(self.pitch_rad)
        way_m = math.hypot(move.ahead_m - move.slip_m * f.state[SLIP], move.left_m)
        self.driven_m += way_m
        self.speed_m_s = math.copysign(way_m, pace.ahead_m) / pace.dt_s

    def _turn_by_tracks(self, pace: _Pace) -> None:
        """Without gyros the tracks tell the turn, badly."""
        f = self.filter
        f.state[YAW] = math.remainder(f.state[YAW] + pace.turned_rad, 2.0 * math.pi)
        f.covariance[YAW, YAW] += (0.2 * pace.turned_rad) ** 2 + (1e-3 * pace.ahead_m) ** 2
        self._turned_rad += pace.turned_rad

    # --- gyros, accelerometers, stars ----------------------------------------------------------

    def _take_imu(self, time: int, sample: Imu) -> None:
        before, self._imu_time = self._imu_time, time
        if before is None or time <= before:
            return
        p, f = self.parameters, self.filter
        dt_s = (time - before) / SECOND
        if dt_s > _GYROS_NEW_AFTER_S:
            f.forget(BIAS, p.gyro_bias_sigma_deg_h * _DEG_H)
            self._learned_s = 0.0
        w, a = sample.angular_velocity, sample.linear_acceleration
        roll, pitch = math.atan2(a.y, a.z), math.atan2(-a.x, math.hypot(a.y, a.z))
        self.roll_rad = roll - self._tilt_offset[0]
        self.pitch_rad = pitch - self._tilt_offset[1]
        if self._standing:
            self._learn(w.x, w.y, dt_s)
        wy = w.y - self._cross_bias[1]
        rate = (wy * math.sin(self.roll_rad) + w.z * math.cos(self.roll_rad)) / math.cos(
            self.pitch_rad
        )
        walk = math.radians(p.angle_random_walk_deg_sqrt_h) / 60.0
        bias_walk = p.rate_random_walk_deg_h_sqrt_h * _DEG_H / 60.0
        if self._standing:
            f.stand(rate, dt_s, walk, bias_walk)
            self.turn_rate_rad_s = 0.0
            return
        yaw = f.state[YAW]
        f.turn(rate, dt_s, walk, bias_walk)
        turned = math.remainder(f.state[YAW] - yaw, 2.0 * math.pi)
        self._turned_rad += turned
        self.turn_rate_rad_s = turned / dt_s

    def _learn(self, x_rad_s: float, y_rad_s: float, dt_s: float) -> None:
        """Average the level gyros of a standing rover; the memory is finite, for biases walk."""
        self._learned_s = min(self._learned_s + dt_s, _LEARNING_S)
        gain = dt_s / self._learned_s
        x, y = self._cross_bias
        self._cross_bias = x + gain * (x_rad_s - x), y + gain * (y_rad_s - y)

    def _take_stars(self, time: int, message: Imu) -> None:
        if message.orientation_covariance[0] < 0.0:
            return
        p, f, q = self.parameters, self.filter, message.orientation
        attitude = (q.x, q.y, q.z, q.w)
        row = np.zeros(SIZE)
        row[YAW] = row[MOUNT] = 1.0
        variance = float(message.orientation_covariance[8])
        innovation = yaw_of(attitude) - f.state[YAW] - f.state[MOUNT]
        innovation = math.remainder(innovation, 2.0 * math.pi)
        spread = math.sqrt(f.variance(row) + variance)
        verdict = self._judge("stars", (innovation,), abs(innovation) / spread, math.sqrt(variance))
        if verdict is Verdict.REFUSE:
            return
        if verdict is Verdict.INSISTS:
            along = np.zeros(SIZE)
            along[YAW] = 1.0
            f.widen(along, innovation * innovation)
        f.correct(row, innovation, variance)
        if self._standing:
            self._compare_tilt(attitude, p)

    def _compare_tilt(self, attitude: Any, p: LocalisationParameters) -> None:
        """Share the difference of two tilts between accelerometers and tracker by their errors."""
        mean, trust = p.tilt_sigma_deg**2, p.tracker_mounting_sigma_deg**2
        share = mean / (mean + trust)
        self._tilts = min(self._tilts + 1, 100)
        roll, pitch = tilt_of(attitude)
        a, b = self._tilt_offset
        felt_roll, felt_pitch = self.roll_rad + a, self.pitch_rad + b
        gain = 1.0 / self._tilts
        self._tilt_offset = (
            a + gain * (share * math.remainder(felt_roll - roll, 2.0 * math.pi) - a),
            b + gain * (share * (felt_pitch - pitch) - b),
        )

    # --- images --------------------------------------------------------------------------------

    def _begin_frame(self, time: int) -> None:
        self.filter.new_frame()
        self._frame_at = time
        self._frame_tilt = (self.roll_rad, self.pitch_rad)
        self._frame_z_m = self.z_m
        self._turned_rad = self._slipped_m = self._sided_m = self._laid_m = 0.0

    def _take_frame(self, time: int, message: PointCloud2) -> None:
        frame = VISUAL_ODOMETRY.row(message)
        since = time - round(frame.since_s * SECOND)
        # a frame that began elsewhere than our count of the motion tells nothing of it
        if frame.valid and abs(since - self._frame_at) < SECOND // 2:
            self._correct_motion(frame)
        self._begin_frame(time)

    def _correct_motion(self, frame: Any) -> None:
        p, f = self.parameters, self.filter
        roll, pitch = self._frame_tilt
        sr, cr, sp, cp = math.sin(roll), math.cos(roll), math.sin(pitch), math.cos(pitch)
        lifted = frame.left_m * sr + frame.up_m * cr
        ahead_m = frame.ahead_m * cp + lifted * sp
        left_m = frame.left_m * cr - frame.up_m * sr
        if abs(self._laid_m) > 0.2 and not -0.5 < 1.0 - ahead_m / self._laid_m < 1.2:
            self.refused += 1
            return
        variance = frame.distance_sigma_m**2
        way_m = math.hypot(f.state[AHEAD], f.state[LEFT])
        for index, measured_m, slip, by_slip_m in (
            (AHEAD, ahead_m, SLIP, -self._slipped_m), (LEFT, left_m, SIDE, self._sided_m)
        ):  # fmt: skip
            scale = 1.0 + f.state[SCALE] + p.camera_scale_wander_sigma * f.state[WANDER]
            row = np.zeros(SIZE)
            row[index] = scale
            row[SCALE] = f.state[index]
            row[WANDER] = p.camera_scale_wander_sigma * f.state[index]
            innovation = measured_m - scale * f.state[index]
            spread = math.sqrt(f.variance(row) + variance)
            if abs(innovation) > 4.0 * spread:
                # the ground is another than expected, and has been since the last frame
                self._widen_slip(index, slip, by_slip_m, innovation)
            f.correct(row, innovation, variance)
        self.z_m = self._frame_z_m - frame.ahead_m * sp + lifted * cp
        self.driven_m += math.hypot(f.state[AHEAD], f.state[LEFT]) - way_m

    def _widen_slip(self, index: int, slip: int, by_slip_m: float, innovation: float) -> None:
        along = self._along(index)
        if abs(by_slip_m) > 1e-4:
            along[slip] = 1.0 / by_slip_m
        self.filter.widen(along, innovation * innovation)

    def _along(self, index: int) -> np.ndarray:
        """Return the shape of an error of the motion since the last frame, ahead or to the left."""
        along = np.zeros(SIZE)
        heading = self.filter.state[YAW] - self._turned_rad
        heading += math.pi / 2.0 if index == LEFT else 0.0
        along[index], along[X], along[Y] = 1.0, math.cos(heading), math.sin(heading)
        return along

    # --- absolute positions ----------------------------------------------------------------------

    def _take_range(self, time: int, message: Range) -> None:
        p, f = self.parameters, self.filter
        x, y = f.state[X], f.state[Y]
        if self._ranged_at and math.dist(self._ranged_at, (x, y)) < p.range_apart_m:
            return
        dx, dy = x - p.lander_x_m, y - p.lander_y_m
        dz = self.z_m - p.beacon_above_antenna_m
        expected_m = math.sqrt(dx * dx + dy * dy + dz * dz)
        if expected_m < 1.0:
            return
        row = np.zeros(SIZE)
        row[X], row[Y] = dx / expected_m, dy / expected_m
        variance = message.variance + (p.height_sigma_m * dz / expected_m) ** 2
        innovation = message.range - expected_m
        spread = math.sqrt(f.variance(row) + variance)
        noise = math.sqrt(variance)
        verdict = self._judge("range", (innovation,), abs(innovation) / spread, noise)
        if verdict is Verdict.REFUSE:
            return
        if verdict is Verdict.INSISTS:
            self._widen_place(innovation * innovation)
        self._ranged_at = (x, y)
        f.correct(row, innovation, variance)

    def _take_fix(self, time: int, message: PoseWithCovarianceStamped) -> None:
        """Correct the place where the rover stood when the images were taken."""
        f = self.filter
        if time >= self._rest_since:
            f.new_stop()
        elif not self._stop_since <= time <= self._stop_until:
            return
        at, covariance = message.pose.pose.position, message.pose.covariance
        east_m, north_m = at.x - f.state[STOP_X], at.y - f.state[STOP_Y]
        place = f.covariance[STOP_X : STOP_Y + 1, STOP_X : STOP_Y + 1]
        noise = np.array([[covariance[0], covariance[1]], [covariance[6], covariance[7]]])
        innovation = np.array([east_m, north_m])
        deviation = math.sqrt(float(innovation @ np.linalg.solve(place + noise, innovation)))
        verdict = self._judge("fix", (east_m, north_m), deviation, math.sqrt(covariance[0]))
        if verdict is Verdict.REFUSE:
            return
        if verdict is Verdict.INSISTS:
            self._widen_place(east_m**2 + north_m**2)
        for index, found_m, variance in zip(
            (STOP_X, STOP_Y), (at.x, at.y), (covariance[0], covariance[7]), strict=True
        ):
            row = np.zeros(SIZE)
            row[index] = 1.0
            f.correct(row, found_m - f.state[index], float(variance))

    def _widen_place(self, variance: float) -> None:
        """Let the position be wrong by so much, here and at the last stop alike."""
        for axes in ((X, STOP_X), (Y, STOP_Y)):
            along = np.zeros(SIZE)
            along[list(axes)] = 1.0
            self.filter.widen(along, variance)

    def _judge(self, gate: str, innovation: Any, deviation: float, noise: float) -> Verdict:
        verdict = self._gates[gate].judge(innovation, deviation, noise)
        self.refused += verdict is Verdict.REFUSE
        return verdict


def _half_degrees(slope_rad: float) -> float:
    """Round a slope; on steeper ground than the model's nobody drives."""
    return min(max(round(math.degrees(slope_rad) * 2.0) / 2.0, -_STEEPEST_DEG), _STEEPEST_DEG)


def _within(limit: float, *values: float) -> bool:
    # false of what is not a number, too
    return all(-limit < value < limit for value in values)


def _plausible_imu(message: Imu) -> bool:
    w, a = message.angular_velocity, message.linear_acceleration
    return _within(10.0, w.x, w.y, w.z) and _within(100.0, a.x, a.y, a.z)


def _plausible_joints(message: JointState) -> bool:
    return (
        len(message.position) >= 8
        and _within(1e7, *message.position)
        and _within(1e3, *message.velocity)
    )


def _plausible_stars(message: Imu) -> bool:
    q, variance = message.orientation, message.orientation_covariance
    if variance[0] < 0.0:
        return True  # says itself that it has no attitude
    length = q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w
    return 0.9 < length < 1.1 and 0.0 < variance[8] < 100.0


def _plausible_frame(message: PointCloud2) -> bool:
    frame = VISUAL_ODOMETRY.row(message)
    return (
        _within(100.0, frame.ahead_m, frame.left_m, frame.up_m, frame.turn_rad)
        and 0.0 <= frame.since_s < 1e6
        and 0.0 <= frame.distance_sigma_m < 100.0
        and (not frame.valid or frame.distance_sigma_m > 0.0)
    )


def _plausible_range(message: Range) -> bool:
    return 0.0 <= message.range < 1e6 and 0.0 < message.variance < 1e8


def _plausible_fix(message: PoseWithCovarianceStamped) -> bool:
    at, covariance = message.pose.pose.position, message.pose.covariance
    xx, xy, yx, yy = covariance[0], covariance[1], covariance[6], covariance[7]
    return (
        _within(1e7, at.x, at.y)
        and 0.0 < xx < 1e8 and 0.0 < yy < 1e8 and xy * yx < xx * yy
    )  # fmt: skip


#: Whether a message holds what its sensor can tell, in the order of `_SENSORS`.
_PLAUSIBLE: tuple[Callable[[Any], bool], ...] = (
    _plausible_imu, _plausible_joints, _plausible_stars, _plausible_frame, _plausible_range,
    _plausible_fix,
)  # fmt: skip


def _by_time(event: tuple[int, int, Any]) -> tuple[int, int]:
    return event[0], event[1]
