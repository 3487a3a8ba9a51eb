# SPDX-License-Identifier: Apache-2.0
"""The faults that are in one unit now: how they begin, what they do from tick to tick, their end.

Every unit has the commands ``arm_injection``, ``inject`` and ``restore``. They act in the unit's
slot, not in its code, so they work on a unit that is off, failed or hung. Nothing survives the end
of the process.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from lupex_nodes.bus.commands import INJECTION, Command
from lupex_nodes.bus.fault_acts import (
    Act,
    ClockAct,
    CommandAct,
    DegradationAct,
    MemoryAct,
    PortAct,
    ProcessAct,
    read_act,
)
from lupex_nodes.bus.faults import KINDS
from lupex_nodes.bus.message_fields import shifted
from lupex_nodes.bus.parameters import Parameters, Refused, parameter
from lupex_nodes.bus.stamps import SECOND, seconds

if TYPE_CHECKING:
    from diagnostic_msgs.msg import DiagnosticStatus

    from lupex_nodes.bus.slot import Slot

NEVER = 1 << 62
ARMED_FOR_S = 60
#: The unit that owns schedules and conditions of faults.
INJECTOR = "fault_injector"
Answer = Callable[[bool, str], None]


class Injection(Parameters):
    """Arguments of ``inject``: a name for the fault, and the act with its settings."""

    fault: str = parameter(..., "name of the fault, by which restore takes it off")
    act: str = parameter(..., "port, command, degradation, process, memory or clock")
    settings: list[str] = parameter(
        [], "key=value, such as output=rover/imu/data and kind=stuck; lupex faults tells them"
    )

    def values(self) -> dict[str, str]:
        """Return the settings by key; raise Refused when one is no ``key=value``."""
        found = {}
        for setting in self.settings:
            key, equals, value = setting.partition("=")
            if not equals or not key or key in found:
                raise Refused(f"{setting!r} is no setting: write key=value, each key once")
            found[key] = value
        return found


class Restoration(Parameters):
    """Arguments of ``restore``."""

    fault: str = parameter("", "name of the fault; empty: all that are in the unit")


COMMANDS = {
    "arm_injection": Command(
        "arm_injection", f"allows one injection within {ARMED_FOR_S} s", None, ""
    ),
    "inject": Command("inject", "puts a fault into the unit; arm first", Injection, ""),
    "restore": Command("restore", "takes a fault off the unit", Restoration, ""),
}


def tells_of_injection(status: DiagnosticStatus) -> bool:
    """Return whether a status of events, commands or /diagnostics only an injection leaves.

    It is the truth of a test: what detects faults must pass it over, what scores reads it.
    """
    unit, _, name = status.name.partition(": ")
    return unit == INJECTOR or name in INJECTION


@dataclass
class _Begun:
    """An act that is in the unit, and since when."""

    act: Act
    since: int
    activation: int
    #: values of the Degradation model that a ramp starts from
    before: Mapping[str, Any]
    ramping: bool = False


@dataclass
class _Late:
    """A command on its way through a port that delays it."""

    due: int
    name: str
    values: dict[str, Any]
    source: str
    answer: Answer | None


@dataclass
class UnitFaults:
    """The faults in the unit of one slot."""

    slot: Slot
    #: whether there is any fault, or command under way
    at_work: bool = False
    hung: bool = False
    crashes: bool = False
    #: the fault of the unit's clock
    clock: _Begun | None = None
    #: until when, one for each injection that is allowed
    _armed: list[int] = field(default_factory=list)
    _active: dict[str, _Begun] = field(default_factory=dict)
    #: accepted, and begun at the next tick
    _coming: dict[str, Act] = field(default_factory=dict)
    _commands: dict[str, CommandAct] = field(default_factory=dict)
    _late: list[_Late] = field(default_factory=list)
    _memory: MemoryAct | None = None
    _next_reset: int = NEVER
    _count: int = 0

    @property
    def active(self) -> list[str]:
        """The names of the faults, the oldest first."""
        return list(self._active)

    # --- commands --------------------------------------------------------------------------

    def accept(self, name: str, arguments: Any, now: int) -> None:
        """Refuse what :meth:`start` could not do; an injection takes one arming with it."""
        if name == "inject":
            self._armed = [until for until in self._armed if until >= now]
            if not self._armed:
                raise Refused(
                    f"{self.slot.name} is not armed: send arm_injection first, at most "
                    f"{ARMED_FOR_S} s before"
                )
            self._coming[arguments.fault] = self._read(arguments)
            self._armed.pop(0)
        elif name == "restore" and arguments.fault and arguments.fault not in self._active:
            known = ", ".join(self._active) or "none"
            raise Refused(f"{self.slot.name} has no fault {arguments.fault}; it has {known}")

    def start(self, now: int, name: str, arguments: Any) -> None:
        """Carry out one of :data:`COMMANDS`."""
        if name == "arm_injection":
            self._armed.append(now + ARMED_FOR_S * SECOND)
        elif name == "inject":
            self.begin(arguments.fault, self._coming.pop(arguments.fault), now)
        else:
            for fault in self.active:
                if arguments.fault in ("", fault):
                    self.end(fault, now)

    def _read(self, arguments: Injection) -> Act:
        act = read_act(self.slot.place, arguments.act, arguments.values())
        if arguments.fault in self._active or arguments.fault in self._coming:
            raise Refused(f"{arguments.fault} is in {self.slot.name} already: restore it first")
        if act.where and (other := self._at(act.where)):
            raise Refused(
                f"{self.slot.name} has the fault {other} in the same place: restore it first"
            )
        return act

    def _at(self, where: tuple[str, str]) -> str:
        """Return the fault in a place, empty if there is none."""
        acts = {name: each.act for name, each in self._active.items()} | self._coming
        return next((name for name, act in acts.items() if act.where == where), "")

    # --- begin and end -----------------------------------------------------------------------

    def begin(self, fault: str, act: Act, now: int) -> None:
        """Put a fault into the unit."""
        slot = self.slot
        self._count += 1
        begun = _Begun(act, now, slot.activation, slot.degradation.model_dump())
        self._active[fault] = begun
        self.at_work = True
        if isinstance(act, PortAct):
            last = slot.emitted.get(act.output)
            slot.inject(act.output, KINDS[act.kind].make(act.settings, self._rng(act), last))
        elif isinstance(act, CommandAct):
            self._commands[act.command] = act
        elif isinstance(act, DegradationAct):
            begun.ramping = act.ramp_s > 0.0
            self._degrade(now)
        elif isinstance(act, ProcessAct):
            self._next_reset = now + seconds(act.period_s) if act.kind == "reset_loop" else NEVER
            self.activated()
        elif isinstance(act, MemoryAct):
            self._memory = act
            slot.ask_reset()
        else:
            self.clock = begun

    def end(self, fault: str, now: int) -> None:
        """Take a fault off; a unit that failed meanwhile is reset."""
        slot = self.slot
        act = self._active.pop(fault).act
        if isinstance(act, PortAct):
            slot.inject(act.output, None)
        elif isinstance(act, CommandAct):
            del self._commands[act.command]
            for late in self._late:
                late.due = now if late.name == act.command else late.due
        elif isinstance(act, DegradationAct):
            slot.degrade({})
            self._degrade(now)
        elif isinstance(act, ClockAct):
            self.clock = None
        else:
            self._next_reset = NEVER
            self.activated()
            if slot.failed:
                # what failed on garbled memory would fail on it again
                self._memory = MemoryAct(kind="lost") if isinstance(act, MemoryAct) else None
                slot.ask_reset()

    def _rng(self, act: Act) -> np.random.Generator:
        text = f"{self.slot.name} {act.name} {act.where}"
        return np.random.default_rng(
            np.random.SeedSequence([self.slot.seed, crc32(text.encode()), self._count])
        )

    # --- what the slot asks and tells --------------------------------------------------------

    def tick(self, now: int) -> None:
        """Do what is due before the unit works."""
        if any(each.ramping for each in self._active.values()):
            self._degrade(now)
        if self._next_reset <= now:
            (act,) = (e.act for e in self._active.values() if isinstance(e.act, ProcessAct))
            self._next_reset = now + seconds(act.period_s)
            self.slot.ask_reset()
        for late in [each for each in self._late if each.due <= now]:
            self._late.remove(late)
            reply = self.slot.accept(late.name, late.values, late.source)
            if late.answer:
                late.answer(*reply)
        self.at_work = bool(self._active or self._late)

    def due(self, unit_due: int) -> int:
        """Return when the slot is due whose unit, if it is not hung, is due at ``unit_due``."""
        own = min([self._next_reset, *(each.due for each in self._late)])
        return own if self.hung else min(own, unit_due)

    def start_over(self, now: int) -> None:
        """Leave no fault: the clock went back, and they belong to another time."""
        self._late.clear()
        self._armed.clear()
        for fault in self.active:
            self.end(fault, now)
        self.at_work = False

    def swallows(
        self, name: str, values: Mapping[str, Any], source: str, answer: Answer | None, now: int
    ) -> bool:
        """Tell whether a request gets no answer now; a late one is kept until its time."""
        if self.hung and name != "reset" and name not in INJECTION:
            return True
        act = self._commands.get(name)
        if act is None:
            return False
        if act.delay_s is not None:
            self.at_work = True
            self._late.append(
                _Late(now + seconds(act.delay_s), name, dict(values), source, answer)
            )
        return True

    def activated(self) -> None:
        """Tell by the count of activations whether the code still crashes or hangs."""
        self.crashes = self.hung = False
        for each in self._active.values():
            act = each.act
            if isinstance(act, ProcessAct) and act.kind != "reset_loop":
                over = act.resets and self.slot.activation >= each.activation + act.resets
                self.crashes |= act.kind == "crash" and not over
                self.hung |= act.kind == "hang" and not over

    def spoil(self, memory: dict[str, Any]) -> None:
        """Do to the unit's memory what was injected, before the unit starts again."""
        act, self._memory = self._memory, None
        if act and act.kind == "lost":
            memory.clear()
        elif act:
            rng = self._rng(act)
            for key in sorted(memory):
                memory[key] = flipped(memory[key], rng)

    def stamped(self, message: Any, now: int) -> Any:
        """Return a message as the unit's wrong clock stamps it."""
        assert self.clock is not None
        act = self.clock.act
        assert isinstance(act, ClockAct)
        return shifted(message, act.error_ns(now - self.clock.since))

    def _degrade(self, now: int) -> None:
        """Give the unit all degradations, the latest on top."""
        for each in self._active.values():
            if isinstance(each.act, DegradationAct):
                elapsed_s = (now - each.since) / SECOND
                self.slot.degrade(each.act.at(elapsed_s, each.before))
                each.ramping &= elapsed_s < each.act.ramp_s


def flipped(value: Any, rng: np.random.Generator) -> Any:
    """Return a value of memory with one bit flipped in each of its numbers, as by radiation.

    Floats stay finite; a text has another letter in one place; None and what is no plain data
    stays.
    """
    if isinstance(value, bool | np.bool_):
        return not value
    if isinstance(value, int | np.integer):
        return int(value) ^ (1 << int(rng.integers(31)))
    if isinstance(value, float):
        return _flipped_float(float(value), rng)
    if isinstance(value, str) and value:
        place = int(rng.integers(len(value)))
        return value[:place] + chr(ord(value[place]) ^ 1) + value[place + 1 :]
    if isinstance(value, np.ndarray):
        return np.array(flipped(value.tolist(), rng), value.dtype)
    if isinstance(value, dict):
        return {key: flipped(each, rng) for key, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return value._make(flipped(each, rng) for each in value)
    if isinstance(value, list | tuple):
        return type(value)(flipped(each, rng) for each in value)
    return value


def _flipped_float(value: float, rng: np.random.Generator) -> float:
    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    while True:
        other: float
        (other,) = struct.unpack("<d", struct.pack("<Q", bits ^ (1 << int(rng.integers(64)))))
        if math.isfinite(other):
            return other
