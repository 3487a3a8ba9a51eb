# SPDX-License-Identifier: Apache-2.0
"""The rover's navigation: where it is, what it will meet, and how it gets to a goal."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped, TwistStamped
from nav_msgs.msg import OccupancyGrid, Odometry, Path
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Imu, JointState, PointCloud2, Range

from lupex_nodes.bus.commands import RUNNING, CommandFailed, Running, Stage, command
from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.messages import OK
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND, iso, seconds, to_stamp
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.traverse_energy import TraverseEnergy
from lupex_nodes.rover.attitude import quaternion, yaw_of
from lupex_nodes.rover.hazard_map import HazardMap
from lupex_nodes.rover.journey import Goal, Journey, Phase, Situation
from lupex_nodes.rover.localisation import Localisation
from lupex_nodes.rover.navigation_messages import (
    costmap_message,
    hazards_message,
    odometry_message,
    path_message,
)
from lupex_nodes.rover.navigation_parameters import GoTo, Ignore, NavigationParameters
from lupex_nodes.rover.path_following import Pose
from lupex_nodes.rover.path_planning import Grid, Mark, NoPath, PathPlanner, Point, Way
from lupex_nodes.rover.records import (
    ELEVATION,
    LEG,
    MOBILITY,
    SKY,
    VISUAL_ODOMETRY,
    plausible_drive,
)
from lupex_nodes.rover.sky_forecast import SkyForecast
from lupex_nodes.rover.uplinked_map import uplinked_map

_SETTLING_S = 5.0
_PROGRESS_EVERY = seconds(10.0)
_HAZARDS_EVERY = seconds(10.0)
_PARKED = seconds(60.0)
_GOAL_POSE = "goal_pose"
#: Who stopped the drive, in its record.
_BY_ITSELF, _BY_COMMAND = 1, 2


class _Leg(NamedTuple):
    """What was true when a goal was taken; `source` sent it, empty: the command go_to."""

    source: str
    named: dict[str, Any]
    energy_j: float
    driven_m: float


class Navigation(Unit):
    """Estimates the pose, plans ways over the uplinked map, and drives them around hazards.

    Sensors and an error-state filter give pose and covariance. A way to a goal weighs energy,
    slope, light and Earth, departure included; it is driven along straight lines, around what the
    stereo cameras show to be impassable. A rover that is blocked backs off and plans again, a few
    times. Goals come as commands, or as messages on `goal_pose` as rviz sends them.
    """

    Parameters = NavigationParameters

    kind = Kind.SOFTWARE
    remembers = True
    modes = {
        "idle": ("waiting", "going"),
        "waiting": ("idle", "going"),
        "going": ("idle", "waiting"),
    }
    imu = Input("rover/imu/data", Imu, queue=20)
    joints = Input("rover/joint_states", JointState, queue=20)
    star_tracker = Input("rover/star_tracker/attitude", Imu, queue=20)
    visual_odometry = Input(
        "rover/stereo_camera/visual_odometry", PointCloud2, schema=VISUAL_ODOMETRY, queue=20
    )
    ranging = Input("rover/ranging/range", Range, queue=20)
    map_fix = Input("ground/map_fix", PoseWithCovarianceStamped, queue=5)
    elevation = Input("rover/stereo_camera/elevation", PointCloud2, schema=ELEVATION, queue=5)
    drive = Input("rover/mobility/state", PointCloud2, schema=MOBILITY, wake=True)
    goal_pose = Input(_GOAL_POSE, PoseStamped, queue=5, wake=True, finite=False)
    odometry = Output("rover/odometry", Odometry, frame_id="map")
    path = Output("rover/path", Path, Qos.STATE, frame_id="map")
    cmd_vel = Output("rover/cmd_vel", TwistStamped, frame_id="rover/base_link")
    sky = Output("~/sky", PointCloud2, Qos.STATE, SKY, "map")
    leg = Output("~/leg", PointCloud2, schema=LEG, frame_id="map")
    hazards = Output("~/hazards", OccupancyGrid, Qos.STATE, frame_id="map")
    costmap = Output("~/costmap", OccupancyGrid, Qos.STATE, frame_id="map")

    def setup(self) -> None:
        """Go on from the pose that non-volatile memory holds, else from the declared start."""
        p, memory = self.parameters, self.context.memory
        self.localisation = Localisation(
            p,
            imu=self.imu,
            joints=self.joints,
            star_tracker=self.star_tracker,
            visual_odometry=self.visual_odometry,
            ranging=self.ranging,
            map_fix=self.map_fix,
        )
        self.marks: list[Mark] = memory.setdefault("marks", [])
        self.map = uplinked_map(p, self.context.seed)
        self.localisation.ignored = memory.setdefault("ignored", set())
        if "localisation" in memory:
            self.localisation.restore(memory["localisation"])
        else:
            self.localisation.z_m = self.map.height_at(p.start_x_m, p.start_y_m)
        self.forecast = SkyForecast(self.map, p.latitude_deg, p.longitude_deg, p.array_height_m)
        self.planner = PathPlanner(self.map, p, self.forecast)
        self.hazard_map = HazardMap(p)
        self.journey: Journey | None = None
        self._leg: _Leg | None = None
        self._sky_due = 0
        self._doubted = 0
        self._hazards_due = self._progress_due = 0
        self._hazards_changed = False
        self._started: int | None = None
        self._shown: Grid | None = None

    @command("drives to a place by the cheapest way that the map shows", GoTo)
    def go_to(self, now: int, goal: GoTo) -> Running:
        """Begin to drive; completion when the rover stands within the tolerance."""
        if self.journey:
            raise CommandFailed(f"navigation drives to a goal from {_GOAL_POSE}: hold first")
        self._depart(
            now,
            Goal(goal.x_m, goal.y_m, goal.speed_m_s, goal.tolerance_m),
            _Leg("", {}, self._energy_j(), self.localisation.driven_m),
            goal.dark_max_m,
            goal.wait_max_s,
        )
        return RUNNING

    @command("ends the drive; the rover stops", interrupts=True)
    def hold(self, now: int, arguments: None) -> None:
        """Drop the goal."""
        self._drop(now, False, "ended by hold")

    @command("leaves a sensor out of the estimate, or takes it in again", Ignore, beside=True)
    def ignore(self, now: int, arguments: Ignore) -> None:
        """Leave out or take in; what is left out outlives the power."""
        ignored = self.localisation.ignored
        (ignored.add if arguments.ignored else ignored.discard)(arguments.sensor)
        what = "is left out of" if arguments.ignored else "counts again in"
        self.event("SENSOR_IGNORED" if arguments.ignored else "SENSOR_USED",
                   f"The sensor {arguments.sensor} {what} the estimate.", level=OK,
                   sensor=arguments.sensor)  # fmt: skip

    def step(self, now: int) -> int | None:
        """Update the estimate, then look and drive."""
        e = self.localisation
        driving = self.journey is not None and self.journey.phase is not Phase.WAITING
        e.update(now, not driving and e.still_s(now) > _SETTLING_S)
        if len(e.implausible) > self._doubted:
            self._doubted = len(e.implausible)
            sensor = list(e.implausible)[-1]
            self.event("SENSOR_IMPLAUSIBLE", f"The sensor {sensor} tells what it cannot measure: "
                       "such messages are passed over.", sensor=sensor)  # fmt: skip
        self._take_goals(now)
        if self.elevation.value is not None:
            self._look(now)
        if self.journey:
            self._go_on(now, self.journey)
        self.odometry.publish(odometry_message(now, e))
        if now >= self._sky_due:
            self._tell_sky(now)
        return self._next(now)

    def housekeeping(self) -> dict[str, Any]:
        """Say where the rover believes it is, and how its drive goes."""
        e, journey = self.localisation, self.journey
        return {
            "x_m": e.x_m,
            "y_m": e.y_m,
            "yaw_deg": math.degrees(e.yaw_rad),
            "position_sigma_m": math.sqrt((e.covariance[0] + e.covariance[3]) / 2.0),
            "driven_m": e.driven_m,
            "cross_track_m": journey.follower.cross_track_m if journey else 0.0,
            "replans": journey.replans if journey else 0,
        }

    # --- goals -----------------------------------------------------------------------------

    def _take_goals(self, now: int) -> None:
        """Take goals as rviz sends them; a new one replaces the one before."""
        for source, message in self.goal_pose.drain_with_sources():
            place, turn = message.pose.position, message.pose.orientation
            yaw = yaw_of((turn.x, turn.y, turn.z, turn.w))
            named = {"x_m": place.x, "y_m": place.y, "yaw_deg": math.degrees(yaw)}
            reason = self._why_refused(message, yaw)
            if reason:
                self.report(_GOAL_POSE, source, Stage.ACCEPTANCE, False, reason, **named)
                continue
            self.report(_GOAL_POSE, source, Stage.ACCEPTANCE, **named)
            self._drop(now, False, "replaced by a new goal", stop=False)
            p = self.parameters
            goal = Goal(place.x, place.y, p.goal_speed_m_s, p.goal_tolerance_m, yaw)
            leg = _Leg(source, named, self._energy_j(), self.localisation.driven_m)
            try:
                self._depart(now, goal, leg)
            except CommandFailed as failure:
                self.report(_GOAL_POSE, source, Stage.START, False, str(failure), **named)
            else:
                self.report(_GOAL_POSE, source, Stage.START, **named)

    def _why_refused(self, message: PoseStamped, yaw: float) -> str:
        """Return why a goal is refused, as a sentence; empty if it is not."""
        frame, place = message.header.frame_id, message.pose.position
        if frame != "map":
            return f"the goal is in frame {frame or 'without a name'}: give it in map"
        if not all(map(math.isfinite, (place.x, place.y, yaw))):
            return "the goal is not finite: give numbers"
        if not self.map.contains(place.x, place.y):
            return f"the goal ({place.x:.1f}, {place.y:.1f}) m is off the map: give one on it"
        if self._leg and not self._leg.source:
            return "navigation is busy with go_to: wait for its end or hold"
        return ""

    def _depart(
        self,
        now: int,
        goal: Goal,
        leg: _Leg,
        dark_max_m: float = math.inf,
        wait_max_s: float = 0.0,
    ) -> None:
        """Plan and begin, or raise CommandFailed with the reason."""
        if self.joints.value is None or self.imu.value is None:
            raise CommandFailed("navigation has no crawler or inertial data yet: switch them on")
        p, end = self.parameters, (goal.x_m, goal.y_m)
        drive = TraverseEnergy(
            goal.speed_m_s,
            p.vehicle_mass_kg,
            p.roughness_deg,
            max(p.track_speed_max_m_s, goal.speed_m_s),
            turn_rate_rad_s=math.radians(p.turn_rate_max_deg_s),
        )

        e = self.localisation

        # a rover under way that must plan anew does not stay in the dark for want of light
        def find(
            start: Point, at: int, marks: list[Mark], dark_m: float = math.inf, wait_s: float = 0.0
        ) -> Way:
            return self.planner.plan(
                start, end, at, drive,
                tolerance_m=goal.tolerance_m, yaw_rad=e.yaw_rad, marks=marks,
                dark_max_m=dark_m, wait_max_s=wait_s,
            )  # fmt: skip

        try:
            try:
                way = find((e.x_m, e.y_m), now, self.marks, dark_max_m, wait_max_s)
            except NoPath:
                if not self.marks:
                    raise
                # better to try again than never to leave what was marked all around
                self.marks.clear()
                way = find((e.x_m, e.y_m), now, self.marks, dark_max_m, wait_max_s)
        except NoPath as reason:
            raise CommandFailed(str(reason)) from None
        self.journey = Journey(
            goal, way, now, self._situation(now), p, self.hazard_map, self.marks, find, self._note
        )
        self._leg = leg
        self._started = None
        x, y = end
        if self.journey.phase is Phase.WAITING:
            self.set_mode("waiting")
            self.event("WAIT", f"The rover waits until {iso(way.depart)} to drive to ({x:g}, {y:g})"
                       " m.", level=OK, wait_s=(way.depart - now) / SECOND)  # fmt: skip
        else:
            self.set_mode("going")
        self.event("GOAL", f"The rover drives to ({x:g}, {y:g}) m.", level=OK,
                   length_m=way.length_m, energy_j=way.energy_j, dark_m=way.dark_m)  # fmt: skip
        self._show_path(now, way.corners_m)

    def _drop(self, now: int, success: bool, reason: str, *, stop: bool = True) -> None:
        """End the drive, if there is one, and say how it went."""
        journey, leg = self.journey, self._leg
        if journey is None or leg is None:
            return
        if stop and journey.phase is not Phase.WAITING:
            self._send(now, 0.0, 0.0)
        self._tell_leg(now, journey, leg, success)
        if leg.source:
            self.report(
                _GOAL_POSE, leg.source, Stage.COMPLETION, success, reason,
                1.0 if success else journey.progress, **leg.named,
            )  # fmt: skip
        else:
            # after hold the host has ended the command already, and this does nothing
            self.finish_command(success, reason)
        self.journey = self._leg = None
        self.set_mode("idle")
        self._sky_due = now

    # --- driving ---------------------------------------------------------------------------

    def _situation(self, now: int) -> Situation:
        e, drive = self.localisation, self._drive_state()
        tilt = math.acos(math.cos(e.roll_rad) * math.cos(e.pitch_rad))
        return Situation(
            Pose(e.x_m, e.y_m, e.yaw_rad, e.slip, e.side_slip_rad),
            tilt,
            e.still_s(now),
            drive is not None and drive.blocked == _BY_ITSELF,
            e.driven_m,
        )

    def _go_on(self, now: int, journey: Journey) -> None:
        drive = self._drive_state()
        if drive is not None and drive.blocked == _BY_COMMAND:
            self._drop(now, False, "the drive was stopped by command")
            return
        before = journey.follower
        wanted = journey.steer(now, self._situation(now))
        if wanted is None:
            return
        if self._started is None:
            self._started = now
            self.set_mode("going")
        if journey.ended:
            self._drop(now, *journey.ended)
            return
        self._send(now, *wanted)
        if journey.follower is not before:
            self._show_path(now, np.array(journey.follower.corners))
        # a power cycle on the way shall not put the rover back to where it last stood
        self.context.memory["localisation"] = self.localisation.save()
        leg = self._leg
        if leg is None or now < self._progress_due:
            return
        self._progress_due = now + _PROGRESS_EVERY
        if leg.source:
            self.report(_GOAL_POSE, leg.source, Stage.PROGRESS, progress=journey.progress,
                        **leg.named)  # fmt: skip
        else:
            self.report_progress(journey.progress)

    def _look(self, now: int) -> None:
        """Put what the cameras saw into the hazard map, and check the path against it."""
        e = self.localisation
        messages = self.elevation.drain()
        for message in messages:
            seen = ELEVATION.rows(message)
            sound = (seen["deviation"] > 0.0) & (seen["deviation"] < 10.0)
            for axis in "xyz":
                sound &= np.abs(seen[axis]) < 100.0
            seen = seen[sound]
            if not seen.size:
                continue
            body = np.column_stack([seen["x"], seen["y"], seen["z"]]).astype(float)
            q = quaternion(e.roll_rad, e.pitch_rad, e.yaw_rad)
            points = Rotation.from_quat(q).apply(body) + (e.x_m, e.y_m, e.z_m)
            self.hazard_map.look(e.x_m, e.y_m, np.column_stack([points, seen["deviation"]]))
        self._hazards_changed |= bool(messages)
        if messages and self.journey and self.journey.look(now, self._situation(now)):
            self._show_path(now, np.array(self.journey.follower.corners))
        if self._hazards_changed and now >= self._hazards_due:
            self._hazards_changed, self._hazards_due = False, now + _HAZARDS_EVERY
            self.hazards.publish(hazards_message(now, self.hazard_map))

    def _energy_j(self) -> float:
        drive = self._drive_state()
        return 0.0 if drive is None else drive.energy_j

    def _drive_state(self) -> Any:
        """Return what the drive told last, None while it tells what no drive does."""
        drive = self.drive.row()
        return drive if drive is not None and plausible_drive(drive) else None

    def _next(self, now: int) -> int:
        """Return when there is something to do again."""
        journey = self.journey
        if journey and journey.phase is not Phase.WAITING:
            return now + SECOND
        if self.joints.value is not None and self.localisation.still_s(now) <= _SETTLING_S:
            return now + SECOND
        self.context.memory["localisation"] = self.localisation.save()
        due = min(now + _PARKED, self._sky_due)
        if journey:
            due = min(due, journey.way.depart)
        return max(due, now + SECOND)

    # --- what navigation says --------------------------------------------------------------

    def _note(self, event: str, sentence: str, values: dict[str, Any]) -> None:
        self.event(event, sentence, **values)

    def _send(self, now: int, speed_m_s: float, turn_rad_s: float) -> None:
        message = fresh(TwistStamped)
        message.header.stamp = to_stamp(now)
        message.header.frame_id = "rover/base_link"
        message.twist.linear.x = speed_m_s
        message.twist.angular.z = turn_rad_s
        self.cmd_vel.publish(message)

    def _show_path(self, now: int, corners_m: np.ndarray) -> None:
        self.path.publish(path_message(now, corners_m, self.map))
        grid = self.planner.grid
        if grid is not None and grid is not self._shown:
            self._shown = grid
            self.costmap.publish(costmap_message(now, grid, self.planner.occupancy()))

    def _tell_sky(self, now: int) -> None:
        e = self.localisation
        self._sky_due = now + seconds(self.parameters.sky_period_s)
        self.sky.publish_rows(now, [self.forecast.at(e.x_m, e.y_m, now)])

    def _tell_leg(self, now: int, journey: Journey, leg: _Leg, reached: bool) -> None:
        way = journey.way
        self.leg.publish_rows(now, [(
            way.length_m,
            self.localisation.driven_m - leg.driven_m,
            way.energy_j,
            self._energy_j() - leg.energy_j,
            way.drive_s,
            0.0 if self._started is None else (now - self._started) / SECOND,
            way.dark_m,
            journey.replans,
            int(reached),
        )])
