# SPDX-License-Identifier: Apache-2.0
"""Host in memory: deterministic, in one process, without ROS, as fast as the units are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray

from lupex_nodes.bus.commands import Call, no_answer
from lupex_nodes.bus.observers import Observer
from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.slot import NEVER, Emission, Slot
from lupex_nodes.bus.stamps import check_epoch
from lupex_nodes.bus.ticks import TICK, Tick
from lupex_nodes.system import System


class MemoryBus:
    """All units of a system on one bus in memory.

    ``parameters`` holds the values by unit name that differ from the defaults; times are ns.
    """

    def __init__(
        self,
        system: System,
        parameters: Mapping[str, Mapping[str, Any]],
        *,
        seed: int,
        start: int,
        housekeeping_period_s: float = 1.0,
        observers: Iterable[Observer] = (),
    ) -> None:
        self.now = check_epoch(start)
        self.observers = list(observers)
        self.slots = {
            name: Slot(place, seed, parameters.get(name, {}), housekeeping_period_s)
            for name, place in system.places.items()
        }
        self._routes: dict[str, list[Slot]] = {
            topic: [self.slots[name] for name in names]
            for topic, names in system.subscribers.items()
        }
        self._counts: dict[str, int] = defaultdict(int)
        self._changed: set[str] = set()
        self._sequence = 0

    def activate(self) -> None:
        """Bring every unit up at the current time."""
        for slot in self.slots.values():
            slot.activate(self.now)

    def run(self, until: int) -> None:
        """Run ticks until the time is past ``until``; all units must be active or powered off."""
        check_epoch(until)
        while self.now <= until:
            self.tick()
            self.now = min(slot.due for slot in self.slots.values())
        if self.now >= NEVER:
            self.now = until

    def tick(self) -> None:
        """Run the tick of the current time and carry what the units emitted."""
        now = self.now
        self._announce(now)
        slots = self.slots.values()
        for slot in slots:
            if slot.woken or slot.due <= now:
                slot.tick(now)
        said = [(slot, slot.outbox) for slot in slots if slot.outbox]
        # what a slot says of what it is handed now goes out with its next tick
        for slot, _ in said:
            slot.outbox = []
        for _, outbox in said:
            self._carry(now, outbox)
        for slot in slots:
            while slot.calls:
                self._ask(slot.calls.pop(0))
        for observer in self.observers:
            observer.tick(now)

    def publish(self, topic: str, qos: Qos, message: Any, source: str = "outside") -> None:
        """Publish from outside the units, as an operator's tool would; seen at the next tick."""
        self._publish(self.now, Emission(topic, qos, type(message), message, source))

    def request(self, unit: str, command: str, source: str = "outside", **values: Any) -> Call:
        """Send a command from outside the units and return the call with its reply."""
        call = Call(unit, command, values, source)
        self._ask(call)
        return call

    def _announce(self, now: int) -> None:
        counts = {topic: self._counts[topic] for topic in sorted(self._changed)}
        self._changed.clear()
        message = Tick(now, self._sequence, counts).message()
        self._sequence += 1
        emission = Emission(TICK, Qos.COMMAND, DiagnosticArray, message, "clock")
        for observer in self.observers:
            observer.message(now, emission)

    def _carry(self, now: int, outbox: list[Emission]) -> None:
        for emission in outbox:
            if emission.qos.reliable:
                self._counts[emission.topic] += 1
                self._changed.add(emission.topic)
            self._publish(now, emission)

    def _publish(self, now: int, emission: Emission) -> None:
        for slot in self._routes.get(emission.topic, ()):
            slot.deliver(emission.topic, emission.qos, emission.message, now, emission.source)
        for observer in self.observers:
            observer.message(now, emission)

    def _ask(self, call: Call) -> None:
        slot = self.slots.get(call.unit)
        if slot is None:
            call.reply(False, f"there is no unit {call.unit} on this bus")
        else:
            reply = slot.request(call.command, call.arguments, call.source)
            call.reply(*(reply or no_answer(call.unit)))
