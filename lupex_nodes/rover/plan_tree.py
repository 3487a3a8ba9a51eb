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
from lupex_nodes.plan import Activity


class Conductor(Protocol):
    """What an activity needs of the executive."""

    now: int

    def call(self, unit: str, command: str, **arguments: Any) -> Call:
        """Send a command."""

    def completion(self, command_id: str) -> tuple[bool, str] | None:
        """Return how a command ended, None while it runs."""

    def activity_started(self, activity: Activity) -> None:
        """Take note of a start."""

    def activity_ended(self, activity: Activity, success: bool, reason: str, cause: str) -> None:
        """Take note of an end; ``cause`` is "", "refused", "failed" or "time"."""


class Carry(Behaviour):
    """One activity: sends its command and waits for the completion, or just waits."""

    def __init__(self, activity: Activity, conductor: Conductor) -> None:
        super().__init__(activity.activity)
        self.activity = activity
        self.conductor = conductor
        self._call: Call | None = None
        self._started = 0

    def initialise(self) -> None:
        """Start or start again."""
        self._started = self.conductor.now
        self.conductor.activity_started(self.activity)
        self._call = None
        if self.activity.command:
            unit, name = self.activity.target
            self._call = self.conductor.call(unit, name, **self.activity.arguments)

    def update(self) -> Status:
        """Look whether it has ended."""
        spent_s = (self.conductor.now - self._started) / SECOND
        if self._call is None:
            done = self.conductor.now - self._started >= seconds(self.activity.wait_s or 0.0)
            return self._end(True) if done else Status.RUNNING
        if self._call.done and not self._call.accepted:
            return self._end(False, self._call.reason, "refused")
        ended = self.conductor.completion(self._call.command_id) if self._call.done else None
        if ended is not None:
            success, reason = ended
            return self._end(success, reason, "" if success else "failed")
        limit_s = self.activity.timeout_s
        if limit_s is not None and spent_s > limit_s:
            return self._end(False, f"it did not end within {limit_s:g} s", "time")
        return Status.RUNNING

    def _end(self, success: bool, reason: str = "", cause: str = "") -> Status:
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
