# SPDX-License-Identifier: Apache-2.0
"""A process of units: what drives its nodes from tick to tick.

*Lock-step*: the clock's ticks on ``bus/tick``, answered on ``bus/done``. A tick is worked on when
every announced reliable message has come. When units have commands to send, the clock gives a
second phase of the same tick, after everybody's step, so that a command sent at a tick is started
at the next one by whoever gets it, as in memory. When a process comes or goes the clock lets all
messages arrive and has everybody count from zero.

*Free-running*: the clock of somebody else (Gazebo, a bag) or the wall clock; no barrier, units
step when their time has come and catch up at most ten steps.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock as ClockMessage

from lupex_nodes.bus.commands import REPLY_TIMEOUT_S, Call, no_answer, no_command
from lupex_nodes.bus.messages import OK, WARN, status_message, values_of
from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.ros.interfaces import qos_profile, ros_name
from lupex_nodes.bus.ros.node import Arrivals, UnitNode
from lupex_nodes.bus.ros.non_volatile import NonVolatile
from lupex_nodes.bus.ros.spinning import guarded
from lupex_nodes.bus.ros.wire import decode, encode
from lupex_nodes.bus.slot import NEVER
from lupex_nodes.bus.stamps import SECOND, EpochError, check_epoch, from_stamp
from lupex_nodes.bus.ticks import DONE, TICK, Tick
from lupex_nodes.system import System

HELLO_PERIOD_S = 0.1
#: A message that was announced and has not come within this wall time is lost, and said so.
MESSAGE_TIMEOUT_S = 1.0
CATCH_UP_STEPS = 10


class Done:
    """A member's answer to a tick, or its hello before the first."""

    CONTROL = ("incarnation", "sequence", "phase", "next_due", "calls", "lost", "units")

    @staticmethod
    def message(now: int, process: str, control: dict[str, Any], counts: dict[str, int]) -> Any:
        """Write the answer of a process."""
        # one value for all counts: the clock waits for this message, and each pair costs
        words = " ".join(f"{topic} {count}" for topic, count in counts.items())
        return status_message(now, process, "done", OK, "", {**control, "counts": words})

    @classmethod
    def read(cls, message: DiagnosticArray) -> tuple[str, dict[str, str], dict[str, int]]:
        """Read (process, control values, counts by topic)."""
        status = message.status[0]
        values = values_of(status)
        control = {key: values[key] for key in cls.CONTROL}
        words = values["counts"].split()
        counts = {topic: int(n) for topic, n in zip(words[::2], words[1::2], strict=True)}
        return status.hardware_id, control, counts


class LockStep:
    """Answers the clock's ticks for a set of arrivals; what a step does is the subclass's."""

    def __init__(self, node: Node, process: str, root: str, units: Sequence[str]) -> None:
        self.node = node
        self.process = process
        self.units = units
        self.incarnation = f"{os.getpid()}.{time.monotonic_ns()}"
        self.lost = 0
        self.previous = 0
        self._tick: Tick | None = None
        self._since = 0.0
        self._counted_in = False
        command = qos_profile(Qos.COMMAND, reader=True)
        self._done = node.create_publisher(DiagnosticArray, ros_name(root, DONE), command)
        self._ticks = node.create_subscription(
            DiagnosticArray, ros_name(root, TICK), guarded(self._on_tick), command, raw=True
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._hello = node.create_timer(HELLO_PERIOD_S, guarded(self._on_hello), clock=steady)
        self._guard = node.create_timer(0.2, guarded(self._on_guard), clock=steady)

    # --- what a subclass gives -------------------------------------------------------------

    def all_arrivals(self) -> list[tuple[str, Arrivals]]:
        """Return every counted subscription of the process."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Return whether every expected peer has been found."""
        raise NotImplementedError

    def step(self, tick: Tick, counts: dict[str, int]) -> tuple[int, int]:
        """Work on a tick; add what was published; return next due time and calls waiting."""
        raise NotImplementedError

    def carry_calls(self, tick: Tick) -> bool:
        """Send the waiting calls; return whether ``calls_done`` will follow later."""
        return False

    def losing(self, topics: list[str]) -> None:
        """Say which announced messages did not come."""

    # --- the protocol ----------------------------------------------------------------------

    def arrived(self) -> None:
        """Look again whether the pending tick can be worked on."""
        if self._tick is not None:
            self._try()

    def calls_done(self, tick: Tick) -> None:
        """Answer the second phase of a tick."""
        self._answer(tick, "calls", NEVER, 0, {})

    def _on_hello(self) -> None:
        """Say that the process is up, and that it is ready, until the clock counts it in."""
        phase = "hello" if self.ready() else "up"
        self._answer(Tick(0, -1, {}), phase, NEVER, 0, {})

    def _on_tick(self, data: bytes) -> None:
        tick = Tick.read(decode(data, DiagnosticArray))
        if tick.phase == "settle":
            self._settle(tick)
        elif not self._counted_in:
            return
        elif tick.phase == "calls":
            if not self.carry_calls(tick):
                self.calls_done(tick)
        else:
            self._begin(tick)

    def _settle(self, tick: Tick) -> None:
        if self.process in tick.members:
            self._counted_in = True
            self._hello.cancel()
            for _, arrivals in self.all_arrivals():
                arrivals.start_over()
            self._answer(tick, "settle", NEVER, 0, {})
        elif self._counted_in:
            # struck off for its silence: ask to be counted in again
            self._counted_in = False
            self._hello.reset()

    def _begin(self, tick: Tick) -> None:
        for topic, arrivals in self.all_arrivals():
            arrivals.announced = tick.counts.get(topic, arrivals.announced)
        self._tick = tick
        self._since = time.monotonic()
        self._try()

    def _try(self) -> None:
        for _, arrivals in self.all_arrivals():
            if arrivals.missing() > 0:
                return
        self._work()

    def _on_guard(self) -> None:
        if self._tick is None or time.monotonic() - self._since < MESSAGE_TIMEOUT_S:
            return
        missing = [(topic, a) for topic, a in self.all_arrivals() if a.missing() > 0]
        if missing:
            # else each later tick would wait for them again
            self.lost += sum(arrivals.give_up() for _, arrivals in missing)
            self.losing([topic for topic, _ in missing])
            self._work()

    def _work(self) -> None:
        tick, self._tick = self._tick, None
        assert tick is not None
        counts: dict[str, int] = {}
        due, calls = self.step(tick, counts)
        self.previous = tick.now
        self._answer(tick, "step", due, calls, counts)

    def _answer(
        self, tick: Tick, phase: str, due: int, calls: int, counts: dict[str, int]
    ) -> None:
        control = {
            "incarnation": self.incarnation,
            "sequence": tick.sequence,
            "phase": phase,
            "next_due": due,
            "calls": calls,
            "lost": self.lost,
            "units": " ".join(self.units),
        }
        self._done.publish(encode(Done.message(tick.now, self.process, control, counts)))


class UnitsInStep(LockStep):
    """The units of one process in lock-step; ``memory`` is the folder of what outlives it."""

    def __init__(
        self,
        nodes: Sequence[UnitNode],
        process: str,
        root: str,
        system: System,
        memory: Path | None = None,
    ) -> None:
        self.nodes = nodes
        slots = [node.slot for node in nodes]
        self._memory = None if memory is None else NonVolatile(memory, slots)
        self._system = system
        self._arrivals = [item for node in nodes for item in node.arrivals.items()]
        self._waiting: set[int] = set()
        self._activated = False
        super().__init__(nodes[0], process, root, [node.place.name for node in nodes])
        for node in nodes:
            node.on_arrival = self.arrived
        self._reply_timer: Any = None

    def all_arrivals(self) -> list[tuple[str, Arrivals]]:
        """Return every subscription of every unit."""
        return self._arrivals

    def ready(self) -> bool:
        """Return whether every unit has found its peers among the units."""
        readers = self._system.subscribers
        return all(node.matched(lambda topic: len(readers.get(topic, ()))) for node in self.nodes)

    def step(self, tick: Tick, counts: dict[str, int]) -> tuple[int, int]:
        """Run one tick of every unit and publish what they emitted."""
        for node in self.nodes:
            node.deliver(self.previous)
        if not self._activated:
            self._activated = True
            activate(self.nodes, tick.now)
        for node in self.nodes:
            node.step(tick.now)
        for node in self.nodes:
            node.flush(counts)
        if self._memory:
            self._memory.save()
        due = min(node.slot.due for node in self.nodes)
        return due, sum(len(node.slot.calls) for node in self.nodes)

    def carry_calls(self, tick: Tick) -> bool:
        """Send the calls of this tick; the answer follows when all have their replies."""
        sent: list[Call] = []
        for node in self.nodes:
            while node.slot.calls:
                call = node.slot.calls.pop(0)
                send(node, call, self._system, lambda _: self._replied(tick, sent))
                sent.append(call)
        if all(call.done for call in sent):
            return False
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._reply_timer = self.nodes[0].create_timer(
            REPLY_TIMEOUT_S, guarded(lambda: self._give_up(tick, sent)), clock=steady
        )
        return True

    def _replied(self, tick: Tick, sent: list[Call]) -> None:
        if self._reply_timer is not None and all(call.done for call in sent):
            self._reply_timer.cancel()
            self._reply_timer = None
            self.calls_done(tick)

    def _give_up(self, tick: Tick, sent: list[Call]) -> None:
        for call in sent:
            if not call.done:
                call.reply(*no_answer(call.unit))
        self._replied(tick, sent)

    def losing(self, topics: list[str]) -> None:
        """Log the loss; the count travels in the answer to the clock."""
        self.node.get_logger().warn(
            f"process {self.process} lost messages on {', '.join(topics)}"
        )


def send(node: UnitNode, call: Call, system: System, answered: Any) -> None:
    """Send a call if its unit and command exist, else refuse it at once."""
    place = system.places.get(call.unit)
    if place is None:
        call.reply(False, f"there is no unit {call.unit} on this bus")
    elif call.command not in place.commands():
        call.reply(False, no_command(call.unit, call.command, place.commands()))
    else:
        node.send(call, place, answered)


def activate(nodes: Sequence[UnitNode], now: int) -> None:
    """Activate configured nodes at the first tick, through their lifecycle."""
    for node in nodes:
        node._now = now
        if node.lifecycle_label == "inactive":
            node.trigger_activate()


class FreeRunning:
    """The units of one process on a clock without a barrier."""

    def __init__(
        self, nodes: Sequence[UnitNode], system: System, *, wall: bool, autostart: bool = True
    ) -> None:
        self.nodes = nodes
        self._system = system
        self._now: int | None = None
        self._autostart = autostart
        if wall:
            clock = Clock(clock_type=ClockType.SYSTEM_TIME)
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            nodes[0].create_timer(
                0.05, guarded(lambda: self.advance(clock.now().nanoseconds)), clock=steady
            )
        else:
            nodes[0].create_subscription(
                ClockMessage,
                "/clock",
                guarded(lambda message: self.advance(from_stamp(message.clock))),
                qos_profile_sensor_data,
            )

    def advance(self, now: int) -> None:
        """Follow the clock to ``now``: step whoever is due."""
        try:
            check_epoch(now)
        except EpochError as error:
            self.nodes[0].get_logger().error(f"the clock is not followed: {error}", once=True)
            return
        before, self._now = self._now, now
        if before is None:
            for node in self.nodes:
                node._now = now
            if self._autostart:
                activate(self.nodes, now)
        elif now < before:
            for node in self.nodes:
                node.slot.clock_jumped_back(now)
        for node in self.nodes:
            node.deliver(before or now)
            self._catch_up(node, now)
            counts: dict[str, int] = {}
            node.flush(counts)
            while node.slot.calls:
                send(node, node.slot.calls.pop(0), self._system, lambda _: None)

    def _catch_up(self, node: UnitNode, now: int) -> None:
        slot = node.slot
        if slot.woken and slot.due > now:
            node.step(now)
            return
        for _ in range(CATCH_UP_STEPS):
            if slot.due > now:
                return
            node.step(slot.due)
        if slot.due <= now:
            behind = (now - slot.due) / SECOND
            node.step(now)
            slot.note(
                WARN,
                "OVERRUN",
                f"{slot.name} fell {behind:.1f} s behind the clock and skipped steps.",
                {"behind_s": behind},
            )
