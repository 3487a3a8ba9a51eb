# SPDX-License-Identifier: Apache-2.0
"""One goal, from its first path to its end: follow, go around, back off, plan again, give up.

What stops the rover is marked and a new path is asked for, which keeps away from the marks. A few
new paths within a short way are tried before the goal is given up as blocked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.rover.attitude import wrapped
from lupex_nodes.rover.hazard_map import HazardMap
from lupex_nodes.rover.path_following import PathFollower, Pose
from lupex_nodes.rover.path_planning import Mark, NoPath, Point, Way

_STOPPED_S = 2.0
_PAUSE_S = 4.0  # after which a drive that stopped itself takes commands again
_PATH_STEP_M = 0.2
_NOSE_M = 1.2  # from the rover's middle to what it runs into
_BACK_OFF_GAIN_PER_S = 0.1
_LONGEST = 4.0  # a way that gets longer than this times what was planned leads nowhere
_TILT_SPARE_DEG = 2.0
_MARKS_KEPT = 200
_APART_M = 1.0  # of marks for what was seen
#: A detour may be so much longer than the straight line.
_DETOUR, _DETOUR_M = 1.4, 3.0


class JourneyParameters(Parameters):
    """How the rover drives, and when it gives up."""

    turn_rate_max_deg_s: float = parameter(2.5, "commanded", "deg/s", ge=0.1, le=20.0)
    track_speed_max_m_s: float = parameter(
        0.14, "of a crawler, for making up for slip", "m/s", ge=0.01, le=1.0
    )
    immobile_s: float = parameter(
        30.0, "a rover that shall move counts as blocked after so long without motion", "s",
        ge=5.0, le=3600.0,
    )  # fmt: skip
    tilt_max_deg: float = parameter(24.0, "more tilt counts as blocked", "deg", ge=5.0, le=30.0)
    tilt_hard_deg: float = parameter(
        25.0, "as much where the rover stands so tilted that it must get away", "deg", ge=5.0,
        le=30.0,
    )  # fmt: skip
    back_off_m: float = parameter(1.5, "way back from what blocks", "m", ge=0.0, le=10.0)
    back_off_speed_m_s: float = parameter(0.03, "on that way", "m/s", ge=0.005, le=0.1)
    mark_radius_m: float = parameter(
        2.0, "that new paths keep from a place that blocked", "m", ge=0.1, le=50.0
    )
    replans_max: int = parameter(3, "new paths before a goal is given up as blocked", ge=0, le=100)
    replan_reset_m: float = parameter(
        10.0, "way after which new paths are counted anew", "m", ge=1.0
    )
    look_ahead_m: float = parameter(
        6.0, "of the path that must be free of hazards", "m", ge=1.0, le=20.0
    )


class Goal(NamedTuple):
    """Where to go, how fast, and how near is near enough; None: any yaw will do."""

    x_m: float
    y_m: float
    speed_m_s: float
    tolerance_m: float
    yaw_rad: float | None = None


class Situation(NamedTuple):
    """What the rover believes of itself now.

    `still_s` is for how long it has not moved, `blocked` whether the drive has stopped itself,
    `driven_m` the way over ground so far.
    """

    pose: Pose
    tilt_rad: float = 0.0
    still_s: float = 0.0
    blocked: bool = False
    driven_m: float = 0.0


class Phase(Enum):
    """What a journey does."""

    WAITING = "waiting"
    DRIVING = "driving"
    STOPPING = "stopping"
    BACKING = "backing"
    ENDED = "ended"


#: Finds a way from a place at a time (ns) around marks, or raises NoPath.
Find = Callable[[Point, int, list[Mark]], Way]
#: Says that something happened: event, sentence, values.
Note = Callable[[str, str, dict[str, Any]], None]


class Journey:
    """The drive to one goal; `ended` is (success, reason) when it is over.

    `marks` is the list of blocked places, which outlives the journey and grows in it.
    """

    def __init__(
        self,
        goal: Goal,
        way: Way,
        now: int,
        situation: Situation,
        p: JourneyParameters,
        hazards: HazardMap,
        marks: list[Mark],
        find: Find,
        note: Note,
    ) -> None:
        self.goal, self.way, self.p, self.hazards, self.marks = goal, way, p, hazards, marks
        self._find, self._note = find, note
        self.ended: tuple[bool, str] | None = None
        self.replans = 0
        self.phase = Phase.WAITING if way.depart > now else Phase.DRIVING
        self._attempts, self._forgot = 0, False
        self._begun_m = self._trouble_m = situation.driven_m
        self._since = now
        self._why = ""
        self._stand(situation)
        self.follower = self._follower(way.corners_m)

    @property
    def progress(self) -> float:
        """Part of the present path that lies behind."""
        return self.follower.progress

    def steer(self, now: int, s: Situation) -> tuple[float, float] | None:
        """Return speed (m/s) and turn rate (rad/s) for now; None: nothing is to be commanded."""
        if self.phase is Phase.WAITING:
            if now < self.way.depart:
                return None
            self._enter(Phase.DRIVING, now)
        if self.phase is Phase.STOPPING:
            if not s.blocked and s.still_s >= _PAUSE_S:
                self._enter(Phase.BACKING, now)
                self._backs_from, self._backs_yaw = s.pose[:2], s.pose.yaw_rad
                self._backed = False
            return 0.0, 0.0
        if self.phase is Phase.BACKING:
            return self._back_off(now, s)
        return self._drive(now, s)

    def look(self, now: int, s: Situation) -> bool:
        """Check the path against the hazard map, go around or plan again; True: a new path."""
        if self.phase is not Phase.DRIVING:
            return False
        ahead = self.follower.ahead(self.p.look_ahead_m, _PATH_STEP_M)
        closed = self._closed(ahead, s)
        if not closed.any():
            return False
        detour = self._detour(s)
        if detour is not None:
            self.follower = self._follower(detour)
            self._since = now
            return True
        # the planner shall know of all that was seen here, not only of what is in the way
        places = self.hazards.places(*s.pose[:2], self.p.look_ahead_m + 1.0, _APART_M)
        for place in places:
            self._mark(*place, self.hazards.p.half_width_m + 0.25 * _APART_M)
        x, y = ahead[int(np.argmax(closed))].tolist()
        self._mark(x, y, self.p.mark_radius_m)
        self._again(now, s, "obstacles close the way", len(places) + 1)
        return True

    def _drive(self, now: int, s: Situation) -> tuple[float, float]:
        speed, turn = self.follower.steer(s.pose)
        if self.follower.arrived:
            if s.still_s > _STOPPED_S:
                self._arrive(now, s)
            return 0.0, 0.0
        why = self._trouble(now, s)
        if not why:
            return speed, turn
        self._why = why
        yaw = s.pose.yaw_rad
        nose = s.pose.x_m + _NOSE_M * math.cos(yaw), s.pose.y_m + _NOSE_M * math.sin(yaw)
        self._mark(*nose, self.p.mark_radius_m)
        self._enter(Phase.STOPPING, now)
        return 0.0, 0.0

    def _trouble(self, now: int, s: Situation) -> str:
        """Return why the rover cannot go on, as a clause; empty if it can."""
        waited_s = self._immobile_s(now, s)
        if s.blocked:
            return "the drive stopped itself"
        if s.tilt_rad > math.radians(max(self.p.tilt_max_deg, self._bearable_deg)):
            return f"the rover tilted by {math.degrees(s.tilt_rad):.0f} deg"
        if waited_s > self.p.immobile_s:
            return f"the rover has not moved for {waited_s:.0f} s"
        return ""

    def _immobile_s(self, now: int, s: Situation) -> float:
        return min(s.still_s, (now - self._since) / SECOND)

    def _stand(self, s: Situation) -> None:
        """Bear the slope on which a path begins: who stands on it must be able to leave it."""
        tilt_deg = math.degrees(s.tilt_rad)
        self._bearable_deg = 0.0
        if tilt_deg > self.p.tilt_max_deg - _TILT_SPARE_DEG:
            self._bearable_deg = min(tilt_deg + _TILT_SPARE_DEG, self.p.tilt_hard_deg)
        self.hazards.bear(self._bearable_deg)

    def _back_off(self, now: int, s: Situation) -> tuple[float, float]:
        gone_m = math.dist(self._backs_from, s.pose[:2])
        self._backed |= s.blocked or gone_m >= self.p.back_off_m
        self._backed |= self._immobile_s(now, s) > self.p.immobile_s
        if not self._backed:
            error = wrapped(self._backs_yaw - s.pose.yaw_rad)
            return -self.p.back_off_speed_m_s, _BACK_OFF_GAIN_PER_S * error
        # a drive that stopped itself on this way too moves again only after a pause
        if not s.blocked:
            self._again(now, s, self._why)
        return 0.0, 0.0

    def _again(self, now: int, s: Situation, why: str, spare: int = 0) -> None:
        """Look for a new path, or give up; of the last `spare` marks all but one may be dropped."""
        driven_m = s.driven_m
        if driven_m - self._trouble_m > self.p.replan_reset_m and not self._forgot:
            self._attempts = 0
        self._trouble_m = driven_m
        self._attempts += 1
        if self._attempts > self.p.replans_max:
            self._end(False, f"{why}, and {self.p.replans_max} new paths did not help: blocked")
            return
        if driven_m - self._begun_m > _LONGEST * self.way.length_m + 50.0:
            self._end(False, f"{why}, {driven_m - self._begun_m:.0f} m after the start: blocked")
            return
        x, y = s.pose[:2]
        try:
            way = self._find((x, y), now, self.marks)
        except NoPath as reason:
            if spare:
                # what was seen all around may leave gaps that the planner's cells do not show
                del self.marks[-spare:-1]
            elif len(self.marks) > 1 and not self._forgot:
                # once, as for a goal given anew: earlier marks may close what is open
                self._forgot = True
                del self.marks[:-1]
            else:
                self._end(False, f"{why}, and {reason}")
                return
            self._attempts -= 1
            self._again(now, s, why)
            return
        self.replans += 1
        self._stand(s)
        self.follower = self._follower(way.corners_m)
        self._note("NEW_PATH", f"A new path was planned at ({x:.1f}, {y:.1f}) m because {why}.",
                   {"length_m": way.length_m, "replans": self.replans})  # fmt: skip
        self._enter(Phase.DRIVING, now)

    def _detour(self, s: Situation) -> np.ndarray | None:
        """Return a path around what is closed and back to the way beyond it."""
        reach_m = 0.5 * self.hazards.p.hazard_span_m
        ahead = self.follower.ahead(reach_m, _PATH_STEP_M)
        closed = self._closed(ahead, s)
        first = int(np.argmax(closed))
        beyond = first + np.flatnonzero(~closed[first:])
        # some way beyond it rather than right behind
        roomy = beyond[beyond >= first + round(2.0 / _PATH_STEP_M)]
        places = np.concatenate([roomy, beyond[::-1]])
        ends = ahead[places]
        if not places.size and math.dist(ahead[-1], self.follower.goal_m) < _PATH_STEP_M:
            # the goal itself is closed: near it will do
            ends = self._near_goal()
        found = self.hazards.way_around(s.pose[:2], ends)
        if found is None or _length_m(found) > (
            _DETOUR * math.dist(found[0], found[-1]) + _DETOUR_M
        ):
            # the map knows more of what lies farther
            return None
        if not places.size:
            return found
        end = int(places[np.argmin(np.hypot(*(ends - found[-1]).T))])
        way_m = self.follower.gone_m + (end + 1) * _PATH_STEP_M
        return np.array([*found.tolist(), *self.follower.corners_beyond(way_m)])

    def _near_goal(self) -> np.ndarray:
        """Return free places (n, 2) within the tolerance of the goal, nearest first."""
        reach_m = np.arange(_PATH_STEP_M, 0.9 * self.goal.tolerance_m, _PATH_STEP_M)
        angle = np.arange(16) * (math.pi / 8.0)
        offset = (reach_m[:, None] * np.exp(1j * angle)).ravel()
        places = np.column_stack([self.goal.x_m + offset.real, self.goal.y_m + offset.imag])
        return places[~self.hazards.closed_at(*places.T)]

    def _closed(self, points: np.ndarray, s: Situation) -> np.ndarray:
        """Tell which points of the path are closed; where the rover stands nothing is."""
        away = np.hypot(points[:, 0] - s.pose.x_m, points[:, 1] - s.pose.y_m) > _NOSE_M
        return self.hazards.closed_at(points[:, 0], points[:, 1]) & away

    def _arrive(self, now: int, s: Situation) -> None:
        missed_m = math.dist((self.goal.x_m, self.goal.y_m), s.pose[:2])
        if missed_m <= self.goal.tolerance_m:
            self._end(True, "")
        else:
            # a fix may move the estimate under way
            self._again(now, s, f"the rover stopped {missed_m:.2f} m from the goal")

    def _follower(self, corners_m: np.ndarray) -> PathFollower:
        p, goal = self.p, self.goal
        turn_rate = math.radians(p.turn_rate_max_deg_s)
        speed_max = max(p.track_speed_max_m_s, goal.speed_m_s)
        return PathFollower(corners_m, goal.speed_m_s, turn_rate, speed_max, goal.yaw_rad)

    def _mark(self, x_m: float, y_m: float, radius_m: float) -> None:
        self.marks.append((x_m, y_m, radius_m))
        del self.marks[:-_MARKS_KEPT]

    def _enter(self, phase: Phase, now: int) -> None:
        self.phase, self._since = phase, now

    def _end(self, success: bool, reason: str) -> None:
        self.phase = Phase.ENDED
        self.ended = (success, reason)


def _length_m(corners_m: np.ndarray) -> float:
    return float(np.hypot(*np.diff(corners_m, axis=0).T).sum())
