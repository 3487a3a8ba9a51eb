# SPDX-License-Identifier: Apache-2.0
"""The clock of the bus: publishes /clock and ``bus/tick``, and waits for every member.

A member is a process of units or the recorder. Time goes on when all have answered; a member
silent for ``silence_s`` of wall time is struck off with an event. Whoever says hello joins at the
next tick, after a short pause in which everything under way arrives, so that all can start
counting messages from the same moment.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock as ClockMessage

from lupex_nodes.bus.messages import ERROR, OK, status_message
from lupex_nodes.bus.place import EVENTS
from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.ros.interfaces import qos_profile, ros_name
from lupex_nodes.bus.ros.member import Done
from lupex_nodes.bus.ros.spinning import guarded
from lupex_nodes.bus.ros.wire import decode, encode
from lupex_nodes.bus.slot import NEVER
from lupex_nodes.bus.stamps import SECOND, check_epoch, to_stamp
from lupex_nodes.bus.ticks import DONE, TICK, Tick

SETTLE_S = 0.3
#: At the first tick all are busy: they sample ephemerides and make terrain.
FIRST_TICK_S = 60.0
#: At the first tick of one who joined later the others are not.
JOINING_S = 10.0
#: Who has not looked for so long cannot tell others from silent: answers wait to be read.
STOOD_STILL_S = 1.0


@dataclass
class Member:
    """A process that takes part in the barrier."""

    process: str
    incarnation: str
    units: str
    next_due: int = NEVER
    calls: int = 0
    lost: int = 0
    steps: int = 0


@dataclass
class Statistics:
    """What the clock counts for the summary."""

    ticks: int = 0
    messages: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    struck_off: list[str] = field(default_factory=list)
    first_wall: float | None = None
    active_wall: float | None = None
    last_wall: float | None = None


class ClockNode(Node):
    """The one clock of a system in lock-step; times are ns of UTC, rate 0 is as fast as it goes."""

    def __init__(
        self,
        *,
        root: str,
        start: int,
        end: int,
        rate: float,
        expected: Iterable[str],
        silence_s: float = 2.0,
        startup_s: float = 90.0,
        finished: Callable[[str], None] = lambda reason: None,
    ) -> None:
        super().__init__("clock", namespace=ros_name(root, "bus"))
        self.now = check_epoch(start)
        self.end = check_epoch(end)
        self.statistics = Statistics()
        self._start = start
        self._rate = rate
        self._expected = set(expected)
        self._silence_s = self._patience_s = silence_s
        self._finished = finished
        self._members: dict[str, Member] = {}
        self._joining: dict[str, Member] = {}
        self._up: set[str] = set()
        self._open: set[str] = set()
        self._phase = "step"
        self._sequence = -1
        self._changing = False
        self._counts: dict[str, int] = defaultdict(int)
        self._changed: set[str] = set()
        self._due = start
        self._deadline = time.monotonic() + startup_s
        self._watched = time.monotonic()
        self._startup_s = startup_s
        self._paced_from = (0.0, start)
        self._running = False
        self._ended = False
        command = qos_profile(Qos.COMMAND, reader=True)
        self._ticks = self.create_publisher(DiagnosticArray, ros_name(root, TICK), command)
        self._clock = self.create_publisher(ClockMessage, "/clock", QoSProfile(depth=10))
        self._events = self.create_publisher(DiagnosticArray, ros_name(root, EVENTS), command)
        self._answers = self.create_subscription(
            DiagnosticArray, ros_name(root, DONE), guarded(self._on_done), command, raw=True
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._watch = self.create_timer(0.1, guarded(self._on_watch), clock=steady)
        self._pace = self.create_timer(1.0, guarded(self._on_pace), clock=steady)
        self._pace.cancel()

    def is_up(self, process: str) -> bool:
        """Return whether a process has been heard of since it was last known to have died."""
        return process in self._up

    def member_died(self, process: str) -> None:
        """Strike a member off at once because its process is known to be dead."""
        self._up.discard(process)
        self._joining.pop(process, None)
        if process in self._members:
            self._strike(process, "its process ended")

    # --- answers ---------------------------------------------------------------------------

    def _on_done(self, data: bytes) -> None:
        process, control, counts = Done.read(decode(data, DiagnosticArray))
        member = self._members.get(process)
        self._up.add(process)
        if control["phase"] == "hello":
            if member is None or member.incarnation != control["incarnation"]:
                self._joining[process] = Member(
                    process, control["incarnation"], control["units"]
                )
                self._begin_when_complete()
            return
        if (
            member is None
            or member.incarnation != control["incarnation"]
            or int(control["sequence"]) != self._sequence
            or control["phase"] != self._phase
        ):
            return
        if self._phase == "step":
            member.steps += 1
            member.next_due = int(control["next_due"])
            member.calls = int(control["calls"])
            if member.lost != int(control["lost"]):
                member.lost = self.statistics.lost[process] = int(control["lost"])
            for topic, count in counts.items():
                self._counts[topic] += count
                self._changed.add(topic)
                self.statistics.messages += count
        self._open.discard(process)
        if not self._open:
            self._phase_over()

    def _begin_when_complete(self) -> None:
        if self._running:
            if not self._open and not self._changing:
                self._settle()
        elif self._expected <= set(self._joining):
            self._running = True
            self._settle()

    def _phase_over(self) -> None:
        """Go on after every member has answered a phase."""
        units = [member for member in self._members.values() if member.units]
        if self._phase == "settle":
            if units:
                self._wait_until_due()
            else:
                self._wait_for_units()
            return
        if self._phase == "step" and any(m.calls for m in units):
            self._ask(Tick(self.now, self._sequence, {}, "calls"))
            return
        if self.statistics.active_wall is None:
            self.statistics.active_wall = time.monotonic()
        self._due = min((m.next_due for m in units), default=self.now + SECOND)
        if not units and not self._joining:
            self._renew()
            self._wait_for_units()
        elif self._due > self.end:
            self._finish("time")
        elif self._joining or self._changing:
            self._settle()
        else:
            self._wait_until_due()

    def _wait_for_units(self) -> None:
        """Stand until a process of units says hello: all were struck off, and may come back."""
        self._deadline = time.monotonic() + self._startup_s

    # --- ticks -----------------------------------------------------------------------------

    def _settle(self) -> None:
        """Pause before a new membership, while messages under way arrive."""
        self._changing = True
        self._arm(SETTLE_S)

    def _wait_until_due(self) -> None:
        if self._rate > 0 and self._sequence >= 0:
            wall, sim = self._paced_from
            wait = wall + (self._due - sim) / SECOND / self._rate - time.monotonic()
            if wait > 0.0005:
                self._arm(wait)
                return
        self._give_tick()

    def _arm(self, wait_s: float) -> None:
        self._pace.timer_period_ns = max(1, round(wait_s * SECOND))
        self._pace.reset()

    def _on_pace(self) -> None:
        self._pace.cancel()
        if self._ended:
            return
        if self._changing:
            self._renew()
        else:
            self._give_tick()

    def _renew(self) -> None:
        """Count everybody in who said hello, and have all count messages from zero."""
        self._changing = False
        for process, member in self._joining.items():
            member.next_due = self._due
            self._members[process] = member
        self._joining = {}
        self._counts.clear()
        self._changed.clear()
        self._ask(Tick(self.now, self._sequence, {}, "settle", tuple(sorted(self._members))))

    def _give_tick(self) -> None:
        self.now = self._due
        self._sequence += 1
        self.statistics.ticks += 1
        self.statistics.last_wall = time.monotonic()
        if self._sequence == 0:
            self.statistics.first_wall = self.statistics.last_wall
            self._paced_from = (self.statistics.last_wall, self.now)
        self._clock.publish(ClockMessage(clock=to_stamp(self.now)))
        counts = {topic: self._counts[topic] for topic in sorted(self._changed)}
        self._changed.clear()
        self._ask(Tick(self.now, self._sequence, counts))

    def _ask(self, tick: Tick) -> None:
        self._phase = tick.phase
        self._open = set(self._members)
        self._patience_s = self._silence_s
        if tick.sequence <= 0:
            self._patience_s = FIRST_TICK_S
        elif any(member.steps == 0 for member in self._members.values()):
            self._patience_s = JOINING_S
        self._deadline = time.monotonic() + self._patience_s
        self._ticks.publish(encode(tick.message()))

    # --- silence ---------------------------------------------------------------------------

    def _on_watch(self) -> None:
        now = time.monotonic()
        stood_s, self._watched = now - self._watched, now
        if stood_s > STOOD_STILL_S:
            self._deadline += stood_s
        if self._ended or time.monotonic() < self._deadline:
            return
        if not self._running:
            missing = ", ".join(sorted(self._expected - set(self._joining)))
            self._finish(f"hardware: {missing} did not come up within {self._startup_s:g} s")
            return
        if not any(member.units for member in self._members.values()):
            self._finish("hardware: no process of units is left")
            return
        for process in sorted(self._open):
            self._strike(process, f"it did not answer for {self._patience_s:g} s")

    def _strike(self, process: str, why: str) -> None:
        member = self._members.pop(process)
        self.statistics.struck_off.append(process)
        self.note(
            ERROR,
            "MEMBER_LOST",
            f"Process {process} ({member.units}) was struck off because {why}; time goes on.",
            {"process": process, "units": member.units},
        )
        self._changing = True
        if process in self._open:
            self._open.discard(process)
            if not self._open and not self._ended:
                self._phase_over()

    def note(self, level: bytes, event_id: str, sentence: str, values: dict[str, Any]) -> None:
        """Publish an event of the clock; it is counted as any other message."""
        self._events.publish(status_message(self.now, "clock", event_id, level, sentence, values))
        self._counts[EVENTS] += 1
        self._changed.add(EVENTS)
        logger = self.get_logger()
        if level == OK:
            logger.info(sentence)
        else:
            logger.error(sentence)

    def _finish(self, reason: str) -> None:
        self._ended = True
        self._pace.cancel()
        self._finished(reason)
