# SPDX-License-Identifier: Apache-2.0
"""Units of the real system with all they declare, but trivial code: to test what hosts do."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import PointCloud2
from toy_units import START

from lupex_nodes.bus.commands import Command
from lupex_nodes.bus.messages import OK, status_message
from lupex_nodes.bus.parameters import bounds
from lupex_nodes.bus.place import Place
from lupex_nodes.bus.ports import Output
from lupex_nodes.bus.records import Schema
from lupex_nodes.bus.slot import Slot
from lupex_nodes.bus.stamps import SECOND, to_header
from lupex_nodes.bus.unit import commands, ports
from lupex_nodes.recording.cdr import to_cdr


def stand_in(place: Place, seed: int = 1) -> Slot:
    """Make a slot of the unit at ``place`` that publishes a new sample on each output each second.

    Its commands only note that they were started, in ``unit.started``.
    """

    class StandIn(place.unit_class):  # type: ignore[name-defined, misc]
        def setup(self) -> None:
            self.started: list[str] = []
            self.steps = 0
            self.context.memory["starts"] = self.context.memory.get("starts", 0) + 1

        def step(self, now: int) -> int | None:
            self.steps += 1
            number = (now - START) // SECOND
            for name, port in ports(type(self), Output):
                getattr(self, name).publish(sample(port, now, number))
            return now + SECOND

        def housekeeping(self) -> dict[str, Any]:
            return {"steps": self.steps, "starts": self.context.memory["starts"]}

        def parameters_changed(self) -> None:
            pass

    for command in commands(place.unit_class, place.feeds).values():

        def start(self: Any, now: int, arguments: Any, *_: Any, name: str = command.name) -> None:
            self.started.append(name)

        setattr(StandIn, command.method, start)
    there = Place(place.name, place.namespace, StandIn, feeds=place.feeds)
    slot = Slot(there, seed)
    slot.activate(START)
    return slot


def sample(port: Output, now: int, number: int) -> Any:
    """Make a message whose every number depends on ``number``."""
    if port.message_type is PointCloud2:
        schema = port.schema or Schema("channels", ("first", "u1", "on"), ("second", "u1", "on"))
        rows = np.zeros(2, schema.dtype)
        for index, name in enumerate(schema.dtype.names):
            rows[name] = 2 + (number + index) % 50
        return schema.message(now, rows, port.frame_id)
    if port.message_type is DiagnosticArray:
        return status_message(now, "unit", "name", OK, f"said {number}", {"value": float(number)})
    message = port.message_type()
    _fill(message, 2 + number % 50)
    message.header = to_header(now, "frame")
    return message


def _fill(message: Any, number: int) -> None:
    for name, kind in type(message).get_fields_and_field_types().items():
        value = getattr(message, name)
        if hasattr(value, "get_fields_and_field_types"):
            _fill(value, number)
        elif isinstance(value, bool | str | bytes):
            continue
        elif isinstance(value, int | float):
            setattr(message, name, type(value)(number))
        elif isinstance(value, np.ndarray):
            setattr(message, name, np.full_like(value, number))
        elif isinstance(value, array):
            setattr(message, name, array(value.typecode, [number] * 3))
        elif kind == "sequence<geometry_msgs/PoseStamped>":
            setattr(message, name, [PoseStamped(), PoseStamped()])
            for each in getattr(message, name):
                _fill(each, number)
        elif "/" not in kind and "string" not in kind:
            setattr(message, name, [float(number)] * 3)


def example(command: Command) -> dict[str, Any]:
    """Return arguments that a command accepts."""
    if command.arguments is None:
        return {}
    if command.arguments is bool:
        return {"data": True}
    fields = command.arguments.model_fields  # type: ignore[union-attr]
    return {name: other_value(field) for name, field in fields.items() if field.is_required()}


def other_value(field: Any) -> Any:
    """Return a value that a field of a model accepts and that is not its default."""
    kind, default = field.annotation, field.default
    choices = getattr(kind, "__args__", ())
    if choices:
        return next(each for each in choices if each != default)
    if kind is bool:
        return default is not True
    if kind is str:
        return "other"
    low, high = bounds(field)
    candidates = [each for each in (high, low, 1.0) if each is not None and each != default]
    return kind(candidates[0])


class Flight:
    """A slot that is run second by second, with what it said by topic as (second, bytes)."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.second = 0
        self.said: dict[str, list[tuple[float, bytes]]] = {}
        self.messages: dict[str, list[tuple[float, Any]]] = {}

    def run(self, seconds: int) -> Flight:
        """Run every tick of so many seconds: the slot's own dues, too."""
        until = START + (self.second + seconds) * SECOND
        now = START + self.second * SECOND
        while now < until:
            self.slot.tick(now)
            for each in self.slot.outbox:
                at = (now - START) / SECOND
                self.said.setdefault(each.topic, []).append((at, to_cdr(each.message)))
                self.messages.setdefault(each.topic, []).append((at, each.message))
            self.slot.outbox = []
            second = START + ((now - START) // SECOND + 1) * SECOND
            now = min(max(self.slot.due, now + 1), second)
        self.second += seconds
        return self

    def command(self, name: str, **values: Any) -> tuple[bool, str] | None:
        """Send a command."""
        return self.slot.request(name, values, "test")

    def inject(self, act: str, **settings: Any) -> None:
        """Arm, run a second, and inject: the fault is there from the next tick on."""
        assert self.command("arm_injection")[0]
        self.run(1)
        texts = [f"{key}={str(value).lower() if isinstance(value, bool) else value}"
                 for key, value in settings.items()]  # fmt: skip
        accepted, reason = self.command("inject", fault="it", act=act, settings=texts)
        assert accepted, reason

    def of(self, topic: str, since: float = -1, until: float = 1e9) -> list[tuple[float, bytes]]:
        """Return what was said on a topic in some seconds."""
        return [each for each in self.said.get(topic, []) if since <= each[0] < until]
