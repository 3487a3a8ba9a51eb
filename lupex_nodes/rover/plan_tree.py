# SPDX-License-Identifier: Apache-2.0
"""A plan as a behaviour tree (py-trees): a sequence of activities with memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from py_trees.behaviour import Behaviour
from py_trees.common import Status
from py_trees.composites import Sequence as InTurn
from py_trees.decorators import FailureIsSuccess, Retry

from lupex_nodes.bus.commands import Call
from lupex_nodes.bus.stamps import SECOND, seconds
from lupex_nodes.plan import Activity, target_of
from lupex_nodes.plan_conditions import Conditions, Unmet

#: A unit whose answer did not come in time may obey all the same: its report says so until then.
_LATE = seconds(10.0)


class Conductor(Protocol):
    """What an activity needs of the executive."""

    now: int

    def call(self, unit: str, command: str, **arguments: Any) -> Call:
        """Send a command."""

    def accepted(self, unit: str, command: str) -> str:
        """Return the id of a command that a unit has reported as accepted, else ""."""

    def completion(self, command_id: str) -> tuple[bool, str] | None:
        """Return how a command ended, None while it runs."""

    def unmet(self, conditions: Conditions | None) -> Unmet | None:
        """Return the first condition that does not hold."""

    def look_again(self, at: int) -> None:
        """Ask for a tick of the tree at this time at the latest."""

    def command_unanswered(self, activity: Activity) -> None:
        """Take note that nobody answered a command."""

    def activity_waits(self, activity: Activity, reason: str) -> None:
        """Take note that an activity waits for its conditions."""

    def activity_started(self, activity: Activity) -> None:
        """Take note of a start."""

    def activity_ended(self, activity: Activity, success: bool, reason: str, cause: str) -> None:
        """Take note of an end.

        ``cause`` is "", "refused", "failed", "time", or the group of the condition that failed.
        """


class Carry(Behaviour):
    """One activity: waits for its conditions, sends its command and awaits the completion."""

    def __init__(self, activity: Activity, conductor: Conductor) -> None:
        super().__init__(activity.activity)
        self.activity = activity
        self.conductor = conductor
        self._call: Call | None = None
        self._begun = False
        self._since = 0
        self._not_before = 0
        self._late_until: int | None = None

    def initialise(self) -> None:
        """Start or start again."""
        self._begun = False
        self._call = self._late_until = None
        self._since = self.conductor.now

    def update(self) -> Status:
        """Look whether it may start, or has ended."""
        return self._carry() if self._begun else self._await()

    def _await(self) -> Status:
        activity, conductor = self.activity, self.conductor
        if conductor.now < self._not_before:
            conductor.look_again(self._not_before)
            return Status.RUNNING
        unmet = conductor.unmet(activity.when)
        if unmet is None:
            self._begun = True
            self._since = conductor.now
            conductor.activity_started(activity)
            if activity.command:
                unit, name = activity.target
                self._call = conductor.call(unit, name, **activity.arguments)
            return self._carry()
        limit_s = activity.when_timeout_s
        if limit_s is not None and self._spent_s() > limit_s:
            reason = f"it waited {limit_s:g} s in vain: {unmet.sentence}"
            return self._end(False, reason, unmet.group)
        conductor.activity_waits(activity, unmet.sentence)
        return Status.RUNNING

    def _carry(self) -> Status:
        activity, conductor = self.activity, self.conductor
        unmet = conductor.unmet(activity.keep)
        if unmet is not None:
            self._stop()
            return self._end(False, f"it was ended because {unmet.sentence}", unmet.group)
        if self._call is None:
            until = self._since + seconds(activity.wait_s or 0.0)
            if conductor.now >= until:
                return self._end(True)
            conductor.look_again(until)
            return Status.RUNNING
        if self._call.done and not self._call.accepted:
            if self._call.unanswered and self._may_be_late(self._call):
                return Status.RUNNING
            return self._end(False, self._call.reason, "refused")
        ended = conductor.completion(self._call.command_id) if self._call.done else None
        if ended is not None:
            success, reason = ended
            return self._end(success, reason, "" if success else "failed")
        limit_s = activity.timeout_s
        if limit_s is not None:
            if self._spent_s() > limit_s:
                self._stop()
                return self._end(False, f"it did not end within {limit_s:g} s", "time")
            conductor.look_again(self._since + seconds(limit_s) + SECOND)
        if not self._call.done:
            conductor.look_again(conductor.now + SECOND)
        return Status.RUNNING

    def _may_be_late(self, call: Call) -> bool:
        """Take the answer from the unit's report, or wait a while for one; False when it is over.

        Else the unit would be busy with what it was told whenever that is tried again.
        """
        conductor = self.conductor
        if self._late_until is None:
            conductor.command_unanswered(self.activity)
            self._late_until = conductor.now + _LATE
        if command_id := conductor.accepted(call.unit, call.command):
            call.reply(True, command_id)
        conductor.look_again(conductor.now + SECOND)
        return call.accepted or conductor.now < self._late_until

    def _spent_s(self) -> float:
        return (self.conductor.now - self._since) / SECOND

    def _stop(self) -> None:
        if self.activity.stop:
            unit, name = target_of(self.activity.stop)
            self.conductor.call(unit, name)

    def _end(self, success: bool, reason: str = "", cause: str = "") -> Status:
        if not success:
            self._not_before = self.conductor.now + seconds(self.activity.retry_after_s)
        self.conductor.activity_ended(self.activity, success, reason, cause)
        return Status.SUCCESS if success else Status.FAILURE


def plan_tree(activities: Sequence[Activity], conductor: Conductor) -> Behaviour:
    """Return the tree of a plan; it fails at the first activity whose failure aborts."""
    children: list[Behaviour] = []
    for activity in activities:
        child: Behaviour = Carry(activity, conductor)
        name = activity.activity
        if activity.retries:
            child = Retry(f"{name} again", child, activity.retries + 1)
        if activity.on_failure == "continue":
            child = FailureIsSuccess(f"{name} or not", child)
        children.append(child)
    return InTurn("plan", memory=True, children=children)
