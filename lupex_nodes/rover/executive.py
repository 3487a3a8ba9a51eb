# SPDX-License-Identifier: Apache-2.0
"""The rover's executive: it carries out a plan of activities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from diagnostic_msgs.msg import DiagnosticArray
from py_trees.behaviour import Behaviour
from py_trees.common import Status
from sensor_msgs.msg import BatteryState, PointCloud2

from lupex_nodes.bus.commands import CommandFailed, command
from lupex_nodes.bus.messages import ERROR, OK, WARN, values_of
from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.place import COMMANDS
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.slot import NEVER
from lupex_nodes.bus.stamps import seconds
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.plan import Activity, PlanError, load_plan
from lupex_nodes.plan_conditions import OUTCOMES, Conditions, Situation, Unmet
from lupex_nodes.rover.plan_tree import plan_tree
from lupex_nodes.rover.records import PLAN, SKY, TEMPERATURES

_FREEZING_K = 273.15
_STATES = {"empty": 0, "loaded": 1, "running": 2, "paused": 3, "complete": 4, "failed": 5}


class Load(Parameters):
    """Which plan."""

    plan: str = parameter(..., "path of a YAML file with a plan, or the name of a scenario")


class Executive(Unit):
    """Runs a plan's activities one after another and names the outcome.

    Each activity is a command whose completion is awaited; it may wait for light, energy, warmth
    or Earth before it starts. The plan is complete when every mandatory activity succeeded and the
    battery never fell below its reserve; else it failed as blocked, energy, thermal, time,
    communication, hardware or lost, with the first cause. How far the plan is outlives the power:
    when the computer comes back on, the activity that was cut short starts again.

    A held plan is one that safe mode keeps: nothing starts, also after the power was off, until
    `resume`; the activity that `hold` cut short then starts again.
    """

    class Parameters(Parameters):
        """The plan and what ends it."""

        plan: str = parameter(
            "", "path of a YAML file with a plan, or the name of a scenario; empty: none",
            live=False,
        )  # fmt: skip
        autostart: bool = parameter(True, "starts the plan at power-on", live=False)
        start_delay_s: float = parameter(
            5.0, "before the plan starts by itself, so that all units are up", "s", ge=0.0,
            live=False,
        )  # fmt: skip
        reserve_state_of_charge: float = parameter(
            0.2, "a plan ends as failed when less is left", ge=0.0, le=1.0
        )
        ignored_conditions: list[Literal["light", "energy", "temperature", "earth"]] = parameter(
            [], "groups of conditions that activities do not wait for"
        )
        abort_calls: list[str] = parameter(
            ["navigation/hold", "neutron_spectrometer/stop"],
            "UNIT/COMMAND sent when a plan ends before its time",
        )

    kind = Kind.SOFTWARE
    remembers = True
    modes = {
        "empty": ("loaded",),
        "loaded": ("running", "loaded", "failed"),
        "running": ("paused", "complete", "failed"),
        "paused": ("running", "failed"),
        "complete": ("loaded",),
        "failed": ("loaded",),
    }
    period_s = 10.0
    reports = Input(COMMANDS, DiagnosticArray, Qos.COMMAND, queue=200, wake=True)
    battery = Input("rover/power/battery", BatteryState)
    temperatures = Input("rover/thermal/temperatures", PointCloud2, schema=TEMPERATURES)
    sky = Input("rover/navigation/sky", PointCloud2, Qos.STATE, schema=SKY)
    plan = Output("rover/executive/plan", PointCloud2, Qos.STATE, schema=PLAN)

    def setup(self) -> None:
        """Load the plan that the parameters name, or go on with the one that was cut short."""
        self.now = 0
        self.tree: Behaviour | None = None
        self._activities: tuple[Activity, ...] = ()
        self._done = 0
        self._over = 0
        self._current = ""
        self._waits = ("", "")
        self._look_at = NEVER
        self._completions: dict[str, tuple[bool, str]] = {}
        self._accepted: dict[str, str] = {}
        self._first: tuple[str, str] | None = None
        self._missed: list[str] = []
        self._start_at: int | None = None
        self._shown: tuple[int, ...] | None = None
        self._cut_short: Activity | None = None
        self._held: bool = self.context.memory.get("held", False)
        kept = self.context.memory.get("plan")
        name = kept["name"] if kept else self.parameters.plan
        if not name:
            return
        try:
            self._load(name)
        except PlanError as error:
            self.health = (ERROR, f"the plan was refused: {error}")
            return
        if kept:
            self._resume(kept)

    @command("loads a plan", Load)
    def load(self, now: int, arguments: Load) -> None:
        """Read and check a plan."""
        if self.mode in ("running", "paused"):
            raise CommandFailed("a plan is running: abort it before another is loaded")
        try:
            self._load(arguments.plan)
        except PlanError as error:
            raise CommandFailed(str(error)) from None

    @command("starts the loaded plan, or a paused one again")
    def start(self, now: int, arguments: None) -> None:
        """Run."""
        if self._held:
            raise CommandFailed("the plan is held: resume it first")
        if self.mode not in ("loaded", "paused"):
            raise CommandFailed(f"there is no plan to start: the executive is {self.mode}")
        self._start_at = None
        self.set_mode("running")
        self._keep()

    @command("starts no further activity; the one that runs goes on")
    def pause(self, now: int, arguments: None) -> None:
        """Stand until start."""
        if self.mode != "running":
            raise CommandFailed(f"no plan is running: the executive is {self.mode}")
        self.set_mode("paused")
        self._keep()

    @command("ends the plan", interrupts=True)
    def abort(self, now: int, arguments: None) -> None:
        """Fail the plan by command."""
        if self.mode not in ("running", "paused"):
            raise CommandFailed(f"no plan is running: the executive is {self.mode}")
        self._fail("lost", "the plan was aborted by command")

    @command("holds the plan: the activity that runs is cut short, none starts until resume")
    def hold(self, now: int, arguments: None) -> None:
        """Cut short and keep still, with a plan or without; holding what is held does nothing."""
        if self._held:
            return
        self._held = self.context.memory["held"] = True
        if self.tree and self.tree.status is Status.RUNNING:
            self.tree.stop(Status.INVALID)
            self.tree = plan_tree(self._activities[self._over :], self)
        self._current, self._waits = "", ("", "")
        self.event("PLAN_HELD", "The plan is held until resume.", level=OK)

    @command("lets a held plan go on with the activity that was cut short")
    def resume(self, now: int, arguments: None) -> None:
        """End the hold; a plan that was paused stays so."""
        if not self._held:
            raise CommandFailed("the plan is not held")
        self._held = self.context.memory["held"] = False
        self.event("PLAN_RESUMED", f"The plan goes on after {self._over} activities.", level=OK,
                   activities=self._over)  # fmt: skip

    def step(self, now: int) -> int | None:
        """Tick the plan's tree."""
        self.now = now
        self._look_at = now + seconds(self.period_s)
        self._take_reports()
        if self._cut_short:
            self._end_what_runs(self._cut_short)
            self._cut_short = None
        if self.mode == "loaded" and self.parameters.autostart and not self._held:
            if self._start_at is None:
                self._start_at = now + seconds(self.parameters.start_delay_s)
            if now >= self._start_at:
                self.start(now, None)
            else:
                self.look_again(self._start_at)
        if self.mode == "running" and self.tree and not self._held:
            self._run(self.tree)
        self._publish(now)
        return self._look_at

    def housekeeping(self) -> dict[str, Any]:
        """Say how far the plan is."""
        return {
            "activity": self._current or "none",
            "waits_for": "resume" if self._held else self._waits[1] or "nothing",
            "activities_done": self._done,
            "activities_total": len(self._activities),
        }

    # --- what the activities ask -------------------------------------------------------------

    def accepted(self, unit: str, command: str) -> str:
        """Return the id of a command accepted since the activity started, else ""."""
        return self._accepted.get(f"{unit}: {command}", "")

    def completion(self, command_id: str) -> tuple[bool, str] | None:
        """Return how a command ended, None while it runs."""
        return self._completions.pop(command_id, None)

    def unmet(self, conditions: Conditions | None) -> Unmet | None:
        """Return the first condition that does not hold."""
        if conditions is None:
            return None
        ignored = self.parameters.ignored_conditions
        return next(conditions.unmet(self._situation(), ignored), None)

    def look_again(self, at: int) -> None:
        """Tick the tree at this time at the latest."""
        self._look_at = min(self._look_at, at)

    def command_unanswered(self, activity: Activity) -> None:
        """Tell that nobody answered."""
        unit, name = activity.target
        self.event("COMMAND_UNANSWERED", f"{unit} does not answer the command {name}.",
                   unit=unit, command=name)  # fmt: skip

    def activity_waits(self, activity: Activity, reason: str) -> None:
        """Tell once what an activity waits for."""
        told, self._waits = self._waits[0], (activity.activity, reason)
        if told != activity.activity:
            self.event("ACTIVITY_WAITS", f"Activity {activity.activity} waits: {reason}.",
                       level=OK, activity=activity.activity)  # fmt: skip

    def activity_started(self, activity: Activity) -> None:
        """Tell the start."""
        self._current, self._waits = activity.activity, ("", "")
        self._over = self._activities.index(activity)
        self._keep()
        self._completions.clear()
        self._accepted.clear()
        self.event("ACTIVITY_STARTED", f"Activity {activity.activity} started.", level=OK,
                   activity=activity.activity)  # fmt: skip

    def activity_ended(self, activity: Activity, success: bool, reason: str, cause: str) -> None:
        """Tell the end; keep the first failure as the cause of the plan's."""
        self._current, self._waits = "", ("", "")
        if success:
            self._done += 1
            if activity.activity in self._missed:
                self._missed.remove(activity.activity)
            sentence = f"Activity {activity.activity} ended."
        else:
            sentence = f"Activity {activity.activity} failed: {reason}."
            if activity.mandatory and activity.activity not in self._missed:
                self._missed.append(activity.activity)
            if self._first is None and activity.mandatory:
                self._first = (self._outcome(activity, cause), f"{activity.activity}: {reason}")
        self.event("ACTIVITY_ENDED", sentence, level=OK if success else WARN,
                   activity=activity.activity, success=success, reason=reason)  # fmt: skip
        self._over += int(success)
        self._keep()

    # --- inside ------------------------------------------------------------------------------

    def _load(self, name: str) -> None:
        self._activities = load_plan(name)
        self._plan_name = name
        self.tree = plan_tree(self._activities, self)
        self._done, self._over, self._first, self._missed = 0, 0, None, []
        self._start_at = None
        self.set_mode("loaded")

    def _keep(self) -> None:
        """Put into non-volatile memory what is needed to go on after the power was off."""
        self.context.memory["plan"] = {
            "name": self._plan_name,
            "mode": self.mode,
            "over": self._over,
            "done": self._done,
            "first": self._first,
            "missed": list(self._missed),
        }

    def _resume(self, kept: dict[str, Any]) -> None:
        self._over, self._done = kept["over"], kept["done"]
        self._first, self._missed = kept["first"], list(kept["missed"])
        if kept["mode"] == "running":
            left: Sequence[Activity] = self._activities[self._over :]
            self.tree = plan_tree(left, self)
            self._cut_short = left[0] if left else None
            self.event("PLAN_RESUMED", f"The plan goes on after {self._over} activities.",
                       level=OK, activities=self._over)  # fmt: skip
        elif kept["mode"] != "loaded":
            # a plan that was over, or paused by command, does not start by itself
            self.tree = None if kept["mode"] in ("complete", "failed") else self.tree
            self.mode = kept["mode"]

    def _end_what_runs(self, activity: Activity) -> None:
        """End what a unit still does for an activity that starts again: it would be refused."""
        if not activity.command:
            return
        busy = activity.target[0]
        for target in [activity.stop] if activity.stop else self.parameters.abort_calls:
            unit, _, name = target.partition("/")
            if unit == busy:
                self.call(unit, name)

    def _run(self, tree: Behaviour) -> None:
        charge = self._state_of_charge()
        if charge < self.parameters.reserve_state_of_charge:
            self._fail("energy", f"the state of charge is {charge:.2f}")
            return
        tree.tick_once()
        if tree.status is not Status.RUNNING:
            self._conclude()

    def _situation(self) -> Situation:
        sky, heat = self.sky.row(), self.temperatures.row()
        age_s = self.sky.age_s(self.now)
        return Situation(
            lit_for_s=sky.lit_for_s - age_s if sky else math.nan,
            state_of_charge=self.battery.value.percentage if self.battery.value else math.nan,
            battery_c=heat.battery_k - _FREEZING_K if heat else math.nan,
            box_c=heat.box_k - _FREEZING_K if heat else math.nan,
            earth_for_s=sky.earth_for_s - age_s if sky else math.nan,
        )

    def _take_reports(self) -> None:
        for message in self.reports.drain():
            for status in message.status:
                values = values_of(status)
                stage, success = values.get("stage"), values.get("success") == "true"
                if stage == "acceptance" and success:
                    self._accepted[status.name] = values["command_id"]
                if stage == "completion" or (stage == "start" and not success):
                    self._completions[values["command_id"]] = (success, status.message)

    def _state_of_charge(self) -> float:
        return 1.0 if self.battery.value is None else self.battery.value.percentage

    def _outcome(self, activity: Activity, cause: str) -> str:
        if self._state_of_charge() < self.parameters.reserve_state_of_charge:
            return "energy"
        if cause == "time":
            return "time"
        if cause in OUTCOMES:
            return OUTCOMES[cause]
        if cause == "failed" and activity.target == ("navigation", "go_to"):
            return "blocked"
        return "hardware"

    def _conclude(self) -> None:
        assert self.tree is not None
        if self.tree.status is Status.SUCCESS and not self._missed:
            self.set_mode("complete")
            self._keep()
            self.event("PLAN_COMPLETE", "The plan is complete.", level=OK, outcome="complete",
                       activities=self._done)  # fmt: skip
            return
        self._fail(*(self._first or ("hardware", "the plan's tree failed without a reason")))

    def _fail(self, outcome: str, cause: str) -> None:
        if self.tree and self.tree.status is Status.RUNNING:
            self.tree.stop(Status.INVALID)
        self._current, self._waits = "", ("", "")
        self.set_mode("failed")
        self._keep()
        self.event("PLAN_FAILED", f"The plan failed ({outcome}): {cause}.", level=ERROR,
                   outcome=outcome, cause=cause, activities=self._done)  # fmt: skip
        for target in self.parameters.abort_calls:
            unit, _, name = target.partition("/")
            self.call(unit, name)

    def _publish(self, now: int) -> None:
        state = (len(self._activities), self._done, _STATES[self.mode])
        if state != self._shown:
            self._shown = state
            self.plan.publish_rows(now, [state])
