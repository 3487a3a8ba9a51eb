# SPDX-License-Identifier: Apache-2.0
"""What the fault manager sees of the rover: the latest of each topic, heartbeats, conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray

from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.ports import InPort
from lupex_nodes.bus.records import RecordError, view
from lupex_nodes.bus.stamps import SECOND, from_stamp
from lupex_nodes.bus.unit_faults import tells_of_injection

#: Who feeds whom.
CHANNELS = ("rover/power/channels", "lander/lander_power/channels")
_PERIODS = 3.0
_NUMBERS = {"true": 1.0, "false": 0.0}


class Source:
    """The latest message of a topic: `row` is its first row when it is a record.

    Of an input with a queue, `rows` are those of all messages since the last look.
    """

    __slots__ = ("fresh", "message", "port", "row", "rows", "time")

    def __init__(self, port: InPort) -> None:
        self.port = port
        self.message: Any = None
        self.row: Any = None
        self.rows: list[Any] = []
        self.time: int | None = None
        self.fresh = False

    def look(self) -> None:
        """Take what came since the last look."""
        message, self.fresh = self.port.value, True
        self.message, self.time = message, self.port.time
        spec = self.port.spec
        schema = spec.schema
        try:
            if schema and spec.queue:
                self.rows = [schema.row(each) for each in self.port.drain()]
            self.row = schema.row(message) if schema else message
        except RecordError:
            self.row = None

    def age_s(self, now: int) -> float:
        """Seconds since the latest message, infinite before the first."""
        return math.inf if self.time is None else (now - self.time) / SECOND

    @property
    def stamp(self) -> int:
        """The time (ns) that the message says it is of."""
        return from_stamp(self.message.header.stamp)


class Heartbeat(NamedTuple):
    """What a unit said of itself last; `mode` is `raised` when its code did."""

    time: int
    mode: str
    values: list[Any]

    def number(self, key: str) -> float | None:
        """Return a value of the housekeeping, None when it is not there."""
        for pair in self.values:
            if pair.key == key:
                if pair.value in _NUMBERS:
                    return _NUMBERS[pair.value]
                try:
                    return float(pair.value)
                except ValueError:
                    return None
        return None


class Telemetry:
    """All that is seen at one step; `sources` by topic."""

    def __init__(self, sources: Mapping[str, Source], me: str, now: int) -> None:
        self.sources = sources
        self.start = now
        self.beats: dict[str, Heartbeat] = {}
        self.events: list[tuple[str, str, list[Any]]] = []
        #: Units that this one resets: their resets are no symptoms.
        self.mended: set[str] = set()
        self.powered_since: dict[str, int | None] = {}
        #: Since when each condition has held (ns), None while it does not.
        self.conditions: dict[str, int | None] = {}
        self._me = me
        self._own_gaps = [0.0, 0.0, 0.0]
        self._own_beat: int | None = None
        self._moved_at: int | None = None
        self.channels: dict[str, bool] = {}

    def row(self, topic: str) -> Any:
        """Return the latest row or message of a topic, None before the first."""
        return self.sources[topic].row

    def fresh(self, topic: str) -> bool:
        """Return whether something came since the last step."""
        return self.sources[topic].fresh

    @property
    def silent_after_s(self) -> float:
        """After how long a heartbeat is missing; infinite while the period is not known."""
        period_s = max(self._own_gaps)
        return _PERIODS * period_s + 1.0 if self._own_gaps[0] else math.inf

    def look(self, now: int, beats: list[DiagnosticArray], events: list[DiagnosticArray]) -> None:
        """Take what came since the last step."""
        for source in self.sources.values():
            # most have nothing new at most steps
            if source.port.value is not source.message:
                source.look()
            else:
                source.fresh = False
        for message in beats:
            time = from_stamp(message.header.stamp)
            for status in message.status:
                self._take_beat(time, status)
        self.events = [
            (status.hardware_id, status.name.rpartition(": ")[2], status.values)
            for message in events
            for status in message.status
            if not tells_of_injection(status) and not self._own_doing(status)
        ]
        self._look_at_channels(now)
        self._look_at_conditions(now)

    def _own_doing(self, status: Any) -> bool:
        return status.hardware_id in self.mended and status.name.endswith(": RESET")

    def condition(self, name: str, holds: bool, now: int) -> None:
        """Note whether a condition holds."""
        if not holds:
            self.conditions[name] = None
        elif self.conditions.get(name) is None:
            self.conditions[name] = now

    def _take_beat(self, time: int, status: Any) -> None:
        unit, values = status.hardware_id, status.values
        raised = not values or values[0].key != "mode"
        self.beats[unit] = Heartbeat(
            time, "raised" if raised else values[0].value, values
        )
        if unit == self._me:
            if self._own_beat is not None and time > self._own_beat:
                self._own_gaps = [*self._own_gaps[1:], (time - self._own_beat) / SECOND]
            self._own_beat = time

    def _look_at_channels(self, now: int) -> None:
        for topic in CHANNELS:
            source = self.sources[topic]
            if not source.fresh:
                continue
            row = view(source.message)[0]
            for name in row.dtype.names or ():
                on = self.channels[name] = bool(row[name])
                if not on:
                    self.powered_since[name] = None
                elif self.powered_since.get(name) is None:
                    self.powered_since[name] = now

    def _look_at_conditions(self, now: int) -> None:
        joints, asked, sky, heat = (
            self.row(topic)
            for topic in ("rover/joint_states", "rover/cmd_vel", "rover/navigation/sky",
                          "rover/thermal/temperatures")
        )  # fmt: skip
        if joints is not None and self.fresh("rover/joint_states") and any(joints.velocity[:4]):
            self._moved_at = now
        moving = self._moved_at is not None and now - self._moved_at < 5 * SECOND
        self.condition("driving", moving, now)
        self.condition("parked", not moving, now)
        wants = False
        if asked is not None and self.sources["rover/cmd_vel"].age_s(now) < 5.0:
            twist = asked.twist
            wants = bool(twist.linear.x or twist.linear.y or twist.angular.z)
        self.condition("commanded", wants, now)
        self.condition("standing", not moving and not wants, now)
        lit = sky is not None and (
            sky.lit_fraction > 0.99
            and sky.lit_for_s - self.sources["rover/navigation/sky"].age_s(now) > 1800.0
        )
        self.condition("lit", lit, now)
        self.condition("awake", heat is None or not heat.hibernating, now)


def outcome_of(reports: list[DiagnosticArray], command_id: str) -> tuple[bool, str] | None:
    """Return how a command ended by its reports, None while it runs."""
    for message in reports:
        for status in message.status:
            if status.values[0].value == command_id:
                values = values_of(status)
                success = values["success"] == "true"
                if values["stage"] == "completion" or (values["stage"] == "start" and not success):
                    return success, status.message
    return None
