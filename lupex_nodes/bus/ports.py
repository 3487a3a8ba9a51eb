# SPDX-License-Identifier: Apache-2.0
"""Ports: what a unit reads and writes on the bus.

Declared on the class, one line a port; each instance of the unit holds its own bound port under
the same name. Topics are written from the system root (``world/sun``), ``~`` is the unit's own
namespace and name, and a leading ``/`` is kept for the few names that ROS 2 makes absolute.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.finite import not_finite
from lupex_nodes.bus.records import Schema, form_refusal
from lupex_nodes.bus.single_precision import rounding
from lupex_nodes.bus.stamps import SECOND


class Qos(Enum):
    """The four classes of quality of service.

    ``reliable``: the barrier counts the messages. ``latched``: a late joiner gets the last one.
    ``depth``: how many messages the middleware keeps for a writer.
    """

    COMMAND = (True, False, 50)
    STATE = (True, True, 1)
    TELEMETRY = (True, False, 10)
    SENSOR = (False, False, 5)

    def __init__(self, reliable: bool, latched: bool, depth: int) -> None:
        self.reliable = reliable
        self.latched = latched
        self.depth = depth


@dataclass(frozen=True)
class Input:
    """A topic that a unit reads.

    ``queue`` 0 keeps the latest value and its age; a positive number keeps that many messages
    until ``drain`` takes them, and what does not fit is counted and an event. ``wake`` makes the
    unit due at the next tick after a message. A topic may hold ``*``: then it is every output of
    the system that matches, and ``values`` holds the latest by the publishing unit's name.

    No unit gets a record of another form or without rows, a list in ``sizes`` that is longer or
    shorter, or a number that is not finite; but with ``finite`` False, who answers the sender
    itself gets such numbers.
    """

    topic: str
    message_type: type
    qos: Qos = Qos.TELEMETRY
    queue: int = 0
    wake: bool = False
    schema: Schema | None = None
    sizes: tuple[tuple[str, int], ...] = ()
    finite: bool = True

    if TYPE_CHECKING:
        # every unit sets its own bound port under the name of the declaration

        @overload
        def __get__(self, unit: None, owner: type) -> Self: ...
        @overload
        def __get__(self, unit: object, owner: type) -> InPort: ...
        def __get__(self, unit: object, owner: type) -> Self | InPort: ...

    @cached_property
    def many(self) -> bool:
        """Whether the topic is a pattern."""
        return "*" in self.topic

    def refusal(self, message: Any) -> str:
        """Say why a message cannot be used, in half a sentence; empty: it can."""
        if self.message_type is PointCloud2:
            return (
                self.schema.refusal(message, self.finite) if self.schema else form_refusal(message)
            )
        for name, size in self.sizes:
            if len(getattr(message, name)) != size:
                return f"{name} has {len(getattr(message, name))} values instead of {size}"
        wrong = not_finite(self.message_type)(message) if self.finite else ""
        return f"{wrong} is not finite" if wrong else ""


@dataclass(frozen=True)
class Output:
    """A topic that a unit writes; a record when it has a schema.

    ``physical``: it carries power, heat or motion from box to box, not data. No fault of a port
    acts on it; what goes wrong there is in the unit's ``Degradation``.
    """

    topic: str
    message_type: type
    qos: Qos = Qos.TELEMETRY
    schema: Schema | None = None
    frame_id: str = ""
    physical: bool = False

    if TYPE_CHECKING:
        # every unit sets its own bound port under the name of the declaration

        @overload
        def __get__(self, unit: None, owner: type) -> Self: ...
        @overload
        def __get__(self, unit: object, owner: type) -> OutPort: ...
        def __get__(self, unit: object, owner: type) -> Self | OutPort: ...


@dataclass
class InPort:
    """An input of one unit instance. Only the host delivers; only the unit's step reads."""

    spec: Input
    value: Any = None
    time: int | None = None
    values: dict[str, Any] = field(default_factory=dict)
    overflows: int = 0
    _queue: deque[tuple[str, Any]] = field(default_factory=deque)

    def deliver(self, message: Any, time: int, source: str) -> bool:
        """Take a message published at ``time`` (ns); return False when the queue is full."""
        self.value = message
        self.time = time
        spec = self.spec
        if spec.many:
            self.values[source] = message
        if not spec.queue:
            return True
        self._queue.append((source, message))
        if len(self._queue) > spec.queue:
            self._queue.popleft()
            self.overflows += 1
            return False
        return True

    def drain(self) -> list[Any]:
        """Take every message that came since the last call, oldest first."""
        return [message for _, message in self.drain_with_sources()]

    def drain_with_sources(self) -> list[tuple[str, Any]]:
        """Take every message that came since the last call with who published it.

        Who is not a unit of the system is called ``outside``.
        """
        messages = list(self._queue)
        self._queue.clear()
        return messages

    def age_s(self, now: int) -> float:
        """Seconds since the latest message was published; infinite before the first."""
        return float("inf") if self.time is None else (now - self.time) / SECOND

    def row(self) -> Any:
        """Read the first row of the latest record, or None before the first message."""
        return None if self.value is None else self.spec.schema.row(self.value)  # type: ignore[union-attr]

    def rows(self) -> np.ndarray | None:
        """View all rows of the latest record, or None before the first message."""
        return None if self.value is None else self.spec.schema.rows(self.value)  # type: ignore[union-attr]


class OutPort:
    """An output of one unit instance: what it publishes goes out after the tick."""

    __slots__ = ("_emit", "_round", "spec", "topic")

    def __init__(self, spec: Output, topic: str, emit: Callable[[OutPort, Any], None]) -> None:
        self.spec = spec
        self.topic = topic
        self._emit = emit
        self._round = rounding(spec.message_type)

    def publish(self, message: Any) -> None:
        """Hand a message to the bus, which owns it from then on."""
        if self._round:
            self._round(message)
        self._emit(self, message)

    def publish_rows(self, now: int, rows: np.ndarray | Sequence[tuple]) -> None:
        """Publish a record of ``rows`` (structured array or list of tuples)."""
        schema: Any = self.spec.schema
        self._emit(self, schema.message(now, rows, self.spec.frame_id))
