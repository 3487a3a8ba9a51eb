# SPDX-License-Identifier: Apache-2.0
"""Commands: what a unit can be told, and the verification of each (ECSS-E-ST-70-41C, service 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from lupex_nodes.bus.parameters import Parameters, Refused, build

Arguments = type[Parameters] | type[bool] | None
#: What every unit has besides its own commands so that faults can be put into it.
INJECTION = ("arm_injection", "inject", "restore")
#: A command that is not answered within this wall time gets no answer any more.
REPLY_TIMEOUT_S = 1.5


def no_answer(unit: str) -> tuple[bool, str]:
    """Return what stands for the reply of a unit that gave none."""
    return False, f"{unit} did not answer within {REPLY_TIMEOUT_S} s"


class Stage(StrEnum):
    """The stages of a command's verification."""

    ACCEPTANCE = "acceptance"
    START = "start"
    PROGRESS = "progress"
    COMPLETION = "completion"


class CommandFailed(Exception):
    """Raised by a command's handler: the command fails with this reason, the unit goes on."""


class Running:
    """What a handler returns when its command ends later, by ``finish_command``."""


RUNNING = Running()


@dataclass(frozen=True)
class Command:
    """A command of a unit: its arguments, and the method that starts it.

    ``interrupts`` marks stop and abort: they are accepted while another command runs and end
    that one as failed; ``beside`` one that runs beside another and leaves it alone. A name with
    ``*`` stands for one command per channel that the unit feeds.
    """

    name: str
    description: str
    arguments: Arguments
    method: str
    interrupts: bool = False
    channel: str | None = None
    beside: bool = False

    def parse(self, values: dict[str, Any]) -> Any:
        """Check the arguments; raise :class:`Refused` with the reason."""
        if self.arguments is None:
            if values:
                raise Refused(f"{self.name} takes no arguments; got {', '.join(values)}")
            return None
        if self.arguments is bool:
            if set(values) != {"data"} or not isinstance(values["data"], bool):
                raise Refused(f"{self.name} takes data=true or data=false")
            return values["data"]
        return build(self.arguments, values)

    def for_channels(self, channels: tuple[str, ...]) -> list[Command]:
        """Expand a name with ``*`` over the channels; any other command is itself."""
        if "*" not in self.name:
            return [self]
        return [replace(self, name=self.name.replace("*", c), channel=c) for c in channels]


def no_command(unit: str, name: str, known: Mapping[str, Command]) -> str:
    """Say that a unit has no such command; those of every unit, without a method, come last."""
    names = sorted(known, key=lambda each: (not known[each].method, each))
    return f"{unit} has no command {name}; it has {', '.join(names)}"


def command(
    description: str,
    arguments: Arguments = None,
    *,
    name: str | None = None,
    interrupts: bool = False,
    beside: bool = False,
) -> Callable[[Callable], Callable]:
    """Declare a method as a command: ``method(now, arguments)`` starts it at a tick.

    It returns None when the command is complete at once, ``RUNNING`` when ``finish_command`` will
    end it, and raises :class:`CommandFailed` with the reason when it cannot start.
    """

    def mark(method: Callable) -> Callable:
        method.command = Command(  # type: ignore[attr-defined]
            name or method.__name__, description, arguments, method.__name__, interrupts,
            beside=beside,
        )  # fmt: skip
        return method

    return mark


@dataclass
class Call:
    """A command that one unit sent to another; poll it, nobody blocks.

    ``done`` becomes true when the reply is there: accepted with the command's id, or refused with
    the reason. Completion is reported on ``commands`` under the same id.
    """

    unit: str
    command: str
    arguments: dict[str, Any]
    source: str
    done: bool = False
    accepted: bool = False
    reason: str = ""
    command_id: str = ""

    @property
    def unanswered(self) -> bool:
        """Whether the host gave up waiting for the reply."""
        return self.done and (self.accepted, self.reason) == no_answer(self.unit)

    def reply(self, accepted: bool, text: str) -> None:
        """Take the reply: ``text`` is the command's id when accepted, else the reason."""
        self.done = True
        self.accepted = accepted
        self.command_id, self.reason = (text, "") if accepted else ("", text)


@dataclass
class Pending:
    """An accepted command that waits for the next tick, or runs."""

    command: Command
    arguments: Any
    values: dict[str, Any]
    command_id: str
    source: str
    progress: float = 0.0
    progress_time: int = field(default=-(10**18))
