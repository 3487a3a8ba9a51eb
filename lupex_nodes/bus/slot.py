# SPDX-License-Identifier: Apache-2.0
"""A slot: the place of one unit on the bus, and the rules that are the same in every host.

At a tick the slot (a) follows its power channel and starts queued commands, (b) steps its unit
when due, (c) leaves in ``outbox`` and ``calls`` what the host shall carry. The host delivers what
was published at earlier ticks before it calls ``tick``; nothing else reaches the unit.
"""

from __future__ import annotations

import pickle
import traceback
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray

from lupex_nodes.bus.commands import (
    INJECTION,
    RUNNING,
    Call,
    CommandFailed,
    Pending,
    Stage,
    no_command,
)
from lupex_nodes.bus.faults import PortFault
from lupex_nodes.bus.messages import ERROR, OK, WARN, RepeatedStatus, status_message
from lupex_nodes.bus.parameters import Parameters, Refused, build, updated
from lupex_nodes.bus.place import COMMANDS, DIAGNOSTICS, EVENTS, HEARTBEAT, Place
from lupex_nodes.bus.ports import InPort, OutPort, Output, Qos
from lupex_nodes.bus.records import view
from lupex_nodes.bus.stamps import SECOND, seconds
from lupex_nodes.bus.unit import Context, Unit
from lupex_nodes.bus.unit_faults import Answer, UnitFaults

NEVER = 1 << 62
HOUSEKEEPING_VALUES = 10
#: How often at most a slot says of a topic that its messages cannot be used.
REFUSALS_EVERY = 60 * SECOND


class State(Enum):
    """Whether a slot's unit works."""

    INACTIVE = "inactive"
    ACTIVE = "active"
    UNPOWERED = "unpowered"
    FAILED = "failed"


class Emission(NamedTuple):
    """A message on its way to the bus."""

    topic: str
    qos: Qos
    message_type: type
    message: Any
    source: str


@dataclass
class Counters:
    """What a slot counts of its commands."""

    accepted: int = 0
    rejected: int = 0


@dataclass
class Refusals:
    """How many messages of a topic could not be used, and when (ns) that was last said."""

    count: int = 0
    said: int | None = None


@dataclass
class Slot:
    """One unit on the bus; see the module."""

    place: Place
    seed: int
    values: Mapping[str, Any] = field(default_factory=dict)
    housekeeping_period_s: float = 1.0

    def __post_init__(self) -> None:
        unit_class = self.place.unit_class
        self.name = self.place.name
        self.parameters: Parameters = build(unit_class.Parameters, dict(self.values))
        self.degradation: Parameters = unit_class.Degradation()
        self.commands = self.place.commands()
        self.counters = Counters()
        self.state = State.INACTIVE
        self.powered = True
        self.due = NEVER
        self.woken = False
        self.outbox: list[Emission] = []
        self.calls: list[Call] = []
        self.unit: Unit | None = None
        self.port_faults: dict[str, PortFault] = {}
        self.faults = UnitFaults(self)
        self.emitted: dict[str, Any] = {}
        self.activation = 0
        self._failure = ""
        self._now = 0
        self._unit_due = NEVER
        self._housekeeping_due = NEVER
        self._level = OK
        self._queue: deque[Pending] = deque()
        self._running: Pending | None = None
        self._cut_short: tuple[Any, ...] | None = None
        self._restored = False
        self._command_count = 0
        self._readings = self.place.subscriptions()
        self._inputs: dict[str, list[InPort]] = {}
        self._refused: dict[str, Refusals] = {}
        self._latched: dict[str, tuple[Any, int, str]] = {}
        self._memory: dict[str, Any] = {}
        self._said = RepeatedStatus(self.name, "housekeeping")
        self._housekeeping_period = seconds(self.housekeeping_period_s)
        self._period = seconds(unit_class.period_s)
        self._max_period = seconds(unit_class.max_period_s)
        self._new_parameters = False
        self._reset = False
        self._switched = False

    # --- what the host calls ---------------------------------------------------------------

    def activate(self, now: int) -> None:
        """Bring the unit up at ``now``; it steps at the same tick."""
        self._now = now
        if not self.powered:
            raise Refused(f"channel {self.place.channel} is off: switch it on first")
        if self.state is State.ACTIVE:
            return
        self.activation += 1
        self.faults.activated()
        self.faults.spoil(self._memory)
        context = Context(
            name=self.name,
            namespace=self.place.namespace,
            seed=self.seed,
            activation=self.activation,
            parameters=self.parameters,
            degradation=self.degradation,
            channels=self.place.feeds,
            emit=self._emit,
            event=self.note,
            call=self.calls.append,
            finish=self._finish,
            progress=self._progress,
            report=self._report_message,
            memory=self._memory,
        )
        self._failure = ""
        try:
            self.unit = self.place.unit_class(context)
        except Exception as error:
            self._fail(error)
            return
        self._inputs = context.inputs
        for pattern, topics in self.place.matches.items():
            bound = self._inputs.pop(pattern)
            for topic in topics:
                self._inputs.setdefault(topic, []).extend(bound)
        for topic, (message, time, source) in self._latched.items():
            self._hand(topic, message, time, source)
        self.state = State.ACTIVE
        self.due = self._unit_due = self._housekeeping_due = now
        if self._restored:
            self._tell_of_restart()

    def deactivate(self, state: State = State.INACTIVE, reason: str = "") -> None:
        """Drop the unit with its queues; its commands, running or not begun, fail with why."""
        reason = reason or f"{self.name} went {state.value}"
        self.unit = None
        self._inputs = {}
        self._finish(False, reason)
        dropped = [each for each in self._queue if each.command.name not in INJECTION]
        for pending in dropped:
            self._queue.remove(pending)
            self._report_pending(pending, Stage.START, False, reason)
        self.state = state
        self.due = self._unit_due = NEVER
        self._housekeeping_due = NEVER if state is not State.FAILED else self._now

    def clock_jumped_back(self, now: int) -> None:
        """Start over after the clock went back: the unit's state belongs to another time."""
        self._latched.clear()
        self._memory.clear()
        self._cut_short = None
        for fault in self.port_faults.values():
            fault.release(NEVER)
        self.faults.start_over(now)
        if self.state is State.ACTIVE:
            self.deactivate(reason=f"{self.name} was reset because the clock went back")
            self.activate(now)
            self.note(WARN, "CLOCK_BACK", "The clock went back and the unit was reset.", {})

    def deliver(self, topic: str, qos: Qos, message: Any, time: int, source: str) -> None:
        """Take a message that was published at ``time`` on a topic this slot reads."""
        if reason := self._readings[topic].refusal(message):
            self._refuse_input(topic, reason)
            return
        if topic == self.place.channels_topic:
            try:
                self._power(bool(view(message)[0][self.place.channel]))
            except ValueError:
                self._refuse_input(topic, f"it has no state of channel {self.place.channel}")
        if qos.latched:
            self._latched[topic] = (message, time, source)
        self._hand(topic, message, time, source)

    def request(
        self,
        name: str,
        values: Mapping[str, Any],
        source: str,
        answer: Answer | None = None,
    ) -> tuple[bool, str] | None:
        """Accept or refuse a command; return its id, or the reason as one sentence.

        None: a fault lets it unanswered; ``answer`` is told the reply if it comes late.
        """
        if self.faults.swallows(name, values, source, answer, self._now):
            self.woken = True
            return None
        return self.accept(name, values, source)

    def accept(self, name: str, values: Mapping[str, Any], source: str) -> tuple[bool, str]:
        """Accept or refuse a command that has arrived, as :meth:`request` tells."""
        arguments = dict(values)
        injection = name in INJECTION and not self.place.injects
        command = self.commands.get(name)
        try:
            if command is None:
                raise Refused(no_command(self.name, name, self.commands))
            if not self.powered and not injection:
                raise Refused(f"channel {self.place.channel} is off: switch it on first")
            if self.state is State.FAILED and name != "reset" and not injection:
                raise Refused(f"{self.name} has failed ({self._failure}): reset it first")
            if self.state is State.INACTIVE and not injection:
                raise Refused(f"{self.name} is inactive: activate it first")
            parsed = command.parse(arguments)
            if injection:
                self.faults.accept(name, parsed, self._now)
            if self._running and command.method and not (command.interrupts or command.beside):
                raise Refused(self._busy(self._running))
        except Refused as reason:
            self.counters.rejected += not injection
            self._report(name, "", source, Stage.ACCEPTANCE, False, str(reason), 0.0, arguments)
            return False, str(reason)
        self.counters.accepted += not injection
        self._command_count += 1
        command_id = f"{self.name}-{self.activation}-{self._command_count}"
        self._queue.append(Pending(command, parsed, arguments, command_id, source))
        self._report(name, command_id, source, Stage.ACCEPTANCE, True, "", 0.0, arguments)
        self.woken = True
        return True, command_id

    def kept(self) -> bytes:
        """Return what outlives the process: memory, activations, and which command runs."""
        running = self._running
        cut_short = running and (
            running.command.name, running.command_id, running.source, running.progress,
            running.values,
        )  # fmt: skip
        return pickle.dumps((self.activation, self._memory, cut_short))

    def restore(self, kept: bytes) -> None:
        """Take the place of a slot whose process has died and which had ``kept`` this."""
        self.activation, self._memory, self._cut_short = pickle.loads(kept)
        self._restored = True

    def set_parameters(self, changes: Mapping[str, Any], *, check_only: bool = False) -> None:
        """Change parameters as one, seen by the unit at its next tick; raise Refused and keep."""
        new = updated(self.parameters, dict(changes), self.state is State.ACTIVE)
        if not check_only:
            self.parameters = new
            self._new_parameters = True
            self.woken = True

    def degrade(self, changes: Mapping[str, Any]) -> None:
        """Change what a physical fault changes; no change at all restores the defaults."""
        model = type(self.degradation)
        current = self.degradation.model_dump() if changes else {}
        self.degradation = build(model, {**current, **changes})
        if self.unit:
            self.unit.degradation = self.degradation

    def inject(self, topic: str, fault: PortFault | None) -> None:
        """Put a fault on an output, or take it off with None; what it held goes out.

        Who reads a latched output sees its state as the fault alters it, or right again, at once.
        """
        spec = self.place.fault_outputs().get(topic)
        if spec is None:
            known = ", ".join(sorted(self.place.fault_outputs()))
            raise Refused(f"{self.name} has no output {topic}; it has {known}")
        old = self.port_faults.pop(topic, None)
        if old:
            self._release(topic, old, NEVER)
        if fault:
            self.port_faults[topic] = fault
        last = self.emitted.get(topic)
        if spec.qos.latched and last is not None and (fault.alters if fault else old):
            self._send(topic, spec, last)

    def ask_reset(self) -> None:
        """Have the unit reset at the next tick."""
        self._reset = self.woken = True

    @property
    def failed(self) -> bool:
        """Whether the unit's code raised and waits for a reset."""
        return self.state is State.FAILED

    def tick(self, now: int) -> None:
        """Run one tick of this slot; see the module."""
        self._now = now
        faults = self.faults
        if faults.at_work:
            faults.tick(now)
        if self._switched or self._reset:
            self._switch(now)
        if self.state is State.ACTIVE and not faults.hung:
            self._work(now)
        elif self._queue:
            self._start_commands(now)
        if self._housekeeping_due <= now and not faults.hung:
            self._heartbeat(now)
        self.woken = bool(self._queue) or self._reset
        self.due = min(self._unit_due, self._housekeeping_due)
        if faults.at_work:
            self.due = faults.due(self.due)
        for topic, fault in self.port_faults.items():
            self._release(topic, fault, now)
            held = fault.due()
            if held is not None:
                self.due = min(self.due, held)

    # --- inside ----------------------------------------------------------------------------

    def _tell_of_restart(self) -> None:
        """Say that a process died, and that the command that ran there has failed."""
        self._restored = False
        sentence = "The unit was started again after its process had died."
        self.note(WARN, "PROCESS_RESTARTED", sentence, {"activation": self.activation})
        if self._cut_short:
            name, command_id, source, progress, values = self._cut_short
            self._cut_short = None
            reason = f"the process of {self.name} died"
            self._report(
                name, command_id, source, Stage.COMPLETION, False, reason, progress, values
            )

    def _work(self, now: int) -> None:
        unit = self.unit
        assert unit is not None
        try:
            if self._new_parameters:
                unit.parameters = self.parameters
                unit.parameters_changed()
                self._new_parameters = False
            if self._queue:
                self._start_commands(now)
            if self.faults.crashes:
                raise RuntimeError("the process was aborted")
            if self.faults.hung:
                return
            if self._unit_due <= now or self.woken:
                due = unit.step(now)
                if due is None:
                    due = now + self._period
                elif due <= now:
                    raise ValueError(f"{self.name} asked for a next step that is not after now")
                self._unit_due = min(due, now + self._max_period)
            if unit.health[0] != self._level:
                self._housekeeping_due = now
        except Exception as error:
            self._fail(error)

    def _start_commands(self, now: int) -> None:
        while self._queue:
            pending = self._queue.popleft()
            command = pending.command
            if self._running and command.method and not command.beside:
                if not command.interrupts:
                    self._report_pending(pending, Stage.START, False, self._busy(self._running))
                    continue
                self._finish(False, f"ended by {command.name}")
            try:
                result = self._start(now, pending)
            except CommandFailed as failure:
                self._report_pending(pending, Stage.START, False, str(failure))
                continue
            except Exception as error:
                reason = f"{self.name} raised {type(error).__name__}: {error}"
                self._report_pending(pending, Stage.START, False, reason)
                raise
            self._report_pending(pending, Stage.START, True, "")
            if result is RUNNING:
                self._running = pending
            else:
                pending.progress = 1.0
                self._report_pending(pending, Stage.COMPLETION, True, "")

    def _busy(self, running: Pending) -> str:
        return (
            f"{self.name} is busy with {running.command.name} ({running.command_id}): "
            "wait for its end or stop it"
        )

    def _start(self, now: int, pending: Pending) -> Any:
        command = pending.command
        if command.name == "reset":
            self._reset = True
        elif command.name == "reset_counters":
            self.counters = Counters()
        elif not command.method and command.name in INJECTION:
            self.faults.start(now, command.name, pending.arguments)
        elif command.method:
            extra = () if command.channel is None else (command.channel,)
            return getattr(self.unit, command.method)(now, pending.arguments, *extra)
        return None

    def _switch(self, now: int) -> None:
        """Follow the power channel, or carry out a reset: off and on."""
        self._switched = False
        if self._reset and self.powered:
            self._reset = False
            self.deactivate(reason=f"{self.name} was reset")
            self.activate(now)
            self.note(OK, "RESET", "The unit was reset.", {"activation": self.activation})
        elif not self.powered and self.state is not State.UNPOWERED:
            self.deactivate(State.UNPOWERED, f"channel {self.place.channel} went off")
        elif self.powered and self.state is State.UNPOWERED:
            self.state = State.INACTIVE
            self.activate(now)

    def _power(self, on: bool) -> None:
        if on != self.powered:
            self.powered = on
            self._switched = self.woken = True

    def _hand(self, topic: str, message: Any, time: int, source: str) -> None:
        for port in self._inputs.get(topic, ()):
            if not port.deliver(message, time, source) and not self.faults.hung:
                self.note(
                    WARN,
                    "INPUT_OVERFLOW",
                    f"A message on {topic} was lost because the queue of {self.name} was full.",
                    {"topic": topic, "lost": port.overflows},
                )
            if port.spec.wake:
                self.woken = True

    def _refuse_input(self, topic: str, reason: str) -> None:
        """Count a message that cannot be used, and say so, of a topic at most once a minute."""
        if self.unit is None or self.faults.hung:
            return
        refused = self._refused.setdefault(topic, Refusals())
        refused.count += 1
        if refused.said is not None and 0 <= self._now - refused.said < REFUSALS_EVERY:
            return
        refused.said = self._now
        sentence = f"A message on {topic} was not used: {reason}."
        self.note(WARN, "INPUT_REFUSED", sentence, {"topic": topic, "refused": refused.count})

    def _emit(self, port: OutPort, message: Any) -> None:
        if self.faults.clock:
            message = self.faults.stamped(message, self._now)
        self.emitted[port.topic] = message
        self._send(port.topic, port.spec, message)

    def _send(self, topic: str, spec: Output, message: Any) -> None:
        fault = self.port_faults.get(topic)
        for each in fault.take(self._now, message) if fault else (message,):
            self._put(topic, spec.qos, spec.message_type, each)

    def _release(self, topic: str, fault: PortFault, now: int) -> None:
        spec = self.place.fault_outputs()[topic]
        for message in fault.release(now):
            self._put(topic, spec.qos, spec.message_type, message)

    def _put(self, topic: str, qos: Qos, message_type: type, message: Any) -> None:
        if qos.latched:
            # the middleware keeps one: the last of a tick is the state, in every host
            self.outbox[:] = [each for each in self.outbox if each.topic != topic]
        self.outbox.append(Emission(topic, qos, message_type, message, self.name))

    def note(
        self, level: bytes, event_id: str, sentence: str, values: Mapping[str, Any]
    ) -> None:
        """Emit an event of this slot, its unit's or the host's."""
        message = status_message(self._now, self.name, event_id, level, sentence, dict(values))
        self._put(EVENTS, Qos.COMMAND, DiagnosticArray, message)

    def _fail(self, error: Exception) -> None:
        """Make the unit safe after an exception of its own code: inactive until reset."""
        self._failure = f"{type(error).__name__}: {error}"
        origin = traceback.extract_tb(error.__traceback__)[-1]
        self.note(
            ERROR,
            "UNIT_FAILED",
            f"{self.name} raised {self._failure} and is inactive until reset.",
            {"where": f"{origin.name}, line {origin.lineno}"},
        )
        self.deactivate(State.FAILED, f"{self.name} raised {self._failure}")

    def _heartbeat(self, now: int) -> None:
        unit = self.unit
        if unit is None:
            level, sentence, values = ERROR, self._failure, {}
        else:
            try:
                level, sentence = unit.health
                values = {"mode": unit.mode, **unit.housekeeping()}
            except Exception as error:
                self._fail(error)
                level, sentence, values = ERROR, self._failure, {}
        values["commands_accepted"] = self.counters.accepted
        values["commands_rejected"] = self.counters.rejected
        message = self._said.message(now, level, sentence, values)
        self.emitted[DIAGNOSTICS] = message
        self._send(DIAGNOSTICS, HEARTBEAT, message)
        self._level = level
        period = self._housekeeping_period
        self._housekeeping_due = now + period - now % period

    def _finish(self, success: bool, reason: str) -> None:
        if self._running:
            pending, self._running = self._running, None
            pending.progress = 1.0 if success else pending.progress
            self._report_pending(pending, Stage.COMPLETION, success, reason)

    def _progress(self, fraction: float) -> None:
        pending = self._running
        if pending and self._now - pending.progress_time >= SECOND:
            pending.progress = fraction
            pending.progress_time = self._now
            self._report_pending(pending, Stage.PROGRESS, True, "")

    def _report_pending(self, p: Pending, stage: Stage, success: bool, reason: str) -> None:
        self._report(
            p.command.name, p.command_id, p.source, stage, success, reason, p.progress, p.values
        )

    def _report_message(
        self,
        name: str,
        source: str,
        stage: Stage,
        success: bool,
        reason: str,
        progress: float,
        arguments: Mapping[str, Any],
    ) -> None:
        self._report(name, "", source, stage, success, reason, progress, arguments)

    def _report(
        self,
        name: str,
        command_id: str,
        source: str,
        stage: Stage,
        success: bool,
        reason: str,
        progress: float,
        arguments: Mapping[str, Any],
    ) -> None:
        values = {
            "command_id": command_id,
            "source": source,
            "stage": stage.value,
            "success": success,
            "progress": progress,
            "arguments": " ".join(f"{key}={value}" for key, value in arguments.items()),
        }
        level = OK if success else WARN
        sentence = reason or f"{stage.value} successful"
        message = status_message(self._now, self.name, name, level, sentence, values)
        self._put(COMMANDS, Qos.COMMAND, DiagnosticArray, message)
