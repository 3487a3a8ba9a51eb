# SPDX-License-Identifier: Apache-2.0
"""A unit: one box of the spacecraft, one class, one ROS 2 node.

A unit is made when its channel comes on and dropped when it goes off. It meets other units only
through its ports and commands, has no clock but ``now`` and no noise but its own generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar
from zlib import crc32

import numpy as np

from lupex_nodes.bus.commands import Call, Command, CommandFailed, Stage
from lupex_nodes.bus.messages import OK, WARN
from lupex_nodes.bus.parameters import Degradation, Parameters
from lupex_nodes.bus.ports import InPort, Input, OutPort, Output


class Kind(Enum):
    """What a unit is, which decides what it may know.

    Nature may publish on ``world/``; hardware may read it; software sees only the bus.
    """

    NATURE = "nature"
    HARDWARE = "hardware"
    SOFTWARE = "software"


@dataclass
class Context:
    """What the host gives a new unit: its place in the system, and the way to the bus.

    ``memory`` is non-volatile: what a unit puts there its next object finds after the power was
    off, or in the process that a supervisor starts in place of one that died. It ends with the
    flight, and when the clock goes back. What is in it can be pickled.
    """

    name: str
    namespace: str
    seed: int
    activation: int
    parameters: Any
    degradation: Any
    channels: tuple[str, ...]
    emit: Callable[[OutPort, Any], None]
    event: Callable[[bytes, str, str, Mapping[str, Any]], None]
    call: Callable[[Call], None]
    finish: Callable[[bool, str], None]
    progress: Callable[[float], None]
    report: Callable[..., None]
    memory: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, list[InPort]] = field(default_factory=dict)


class Unit:
    """Base of every unit; a subclass declares its parts as class attributes."""

    kind: ClassVar[Kind]
    Parameters: ClassVar[type[Parameters]]
    Degradation: ClassVar[type[Degradation]] = Degradation
    #: Modes and the modes each may change to; the first is the one after power-on.
    modes: ClassVar[dict[str, tuple[str, ...]]] = {"on": ()}
    period_s: ClassVar[float] = 1.0
    max_period_s: ClassVar[float] = 60.0
    #: Whether the unit keeps in ``context.memory`` what software may lose; physics is none of it.
    remembers: ClassVar[bool] = False

    def __init__(self, context: Context) -> None:
        self.context = context
        self.parameters: Any = context.parameters
        self.degradation: Any = context.degradation
        self.mode = next(iter(self.modes))
        self.health: tuple[bytes, str] = (OK, "ok")
        self.rng = np.random.default_rng(
            np.random.SeedSequence(
                [context.seed, crc32(context.name.encode()), context.activation]
            )
        )
        for name, port in ports(type(self), Input):
            bound = InPort(port)
            setattr(self, name, bound)
            topic = topic_of(port.topic, context.namespace, context.name)
            context.inputs.setdefault(topic, []).append(bound)
        for name, output in ports(type(self), Output):
            topic = topic_of(output.topic, context.namespace, context.name)
            setattr(self, name, OutPort(output, topic, context.emit))
        self.setup()

    def setup(self) -> None:
        """Prepare the state; ports and parameters are there, inputs have no values yet."""

    def step(self, now: int) -> int | None:
        """Advance to ``now`` (ns of UTC); return the next due time, None for one period on."""
        raise NotImplementedError

    def housekeeping(self) -> dict[str, Any]:
        """Return at most seven values for the heartbeat on /diagnostics."""
        return {}

    def parameters_changed(self) -> None:
        """React to new live parameters, which ``self.parameters`` already holds."""

    def set_mode(self, mode: str) -> None:
        """Change the mode, or fail the command with the allowed changes."""
        if mode == self.mode:
            return
        allowed = self.modes[self.mode]
        if mode not in allowed:
            raise CommandFailed(
                f"{self.context.name} cannot change from {self.mode} to {mode}; "
                f"allowed: {', '.join(allowed) or 'none'}"
            )
        self.mode = mode

    def event(self, event_id: str, sentence: str, *, level: bytes = WARN, **values: Any) -> None:
        """Say that something happened, as one sentence with its values."""
        self.context.event(level, event_id, sentence, values)

    def call(self, unit: str, command: str, **arguments: Any) -> Call:
        """Send a command to another unit and return the call to poll."""
        call = Call(unit, command, arguments, self.context.name)
        self.context.call(call)
        return call

    def finish_command(self, success: bool = True, reason: str = "") -> None:
        """End the running command."""
        self.context.finish(success, reason)

    def report(
        self,
        name: str,
        source: str,
        stage: Stage,
        success: bool = True,
        reason: str = "",
        progress: float = 0.0,
        **arguments: Any,
    ) -> None:
        """Report what came as a message as commands are reported, such as goals from rviz."""
        self.context.report(name, source, stage, success, reason, progress, arguments)

    def report_progress(self, fraction: float) -> None:
        """Report the running command's progress, 0 to 1; the host limits it to once a second."""
        self.context.progress(fraction)


def ports(unit_class: type[Unit], kind: type) -> list[tuple[str, Any]]:
    """List a class's declared ports of one kind, base classes first, in order."""
    found: dict[str, Any] = {}
    for base in reversed(unit_class.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, kind):
                found[name] = value
    return list(found.items())


def commands(unit_class: type[Unit], channels: tuple[str, ...] = ()) -> dict[str, Command]:
    """List a class's commands by name."""
    found: dict[str, Command] = {}
    for base in reversed(unit_class.__mro__):
        for value in vars(base).values():
            declared = getattr(value, "command", None)
            if isinstance(declared, Command):
                for each in declared.for_channels(channels):
                    found[each.name] = each
    return found


def topic_of(topic: str, namespace: str, name: str) -> str:
    """Resolve ``~`` to the unit's own namespace and name; other topics stay."""
    return f"{namespace}/{name}{topic[1:]}" if topic.startswith("~") else topic
