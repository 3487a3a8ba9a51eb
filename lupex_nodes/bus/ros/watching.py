# SPDX-License-Identifier: Apache-2.0
"""Watching a system from outside: it only listens, and the barrier does not know of it.

So whoever watches may be slow, sleep or be killed, and the flight goes on. Messages that such a
watcher does not take in time are dropped for it alone, and one may be shown a tick late: who must
see every message in its tick is an observer of the barrier (`observing.py`).
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock as ClockMessage

from lupex_nodes.bus.observers import Observer
from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.ros import spinning, transport
from lupex_nodes.bus.ros.interfaces import READER_DEPTH, qos_profile, ros_name
from lupex_nodes.bus.ros.observing import RawEmission, Watched, watched_topics
from lupex_nodes.bus.ros.spinning import guarded
from lupex_nodes.bus.stamps import from_stamp
from lupex_nodes.system import System

_WALL_PERIOD_S = 0.5
#: Who has not heard a clock for so long takes it that there is none.
_CLOCK_WAIT_S = 3.0


class Watching(Observer, Protocol):
    """An observer that says which topics it wants."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Topics from the system's root."""


class Watcher(Node):
    """Shows an observer the messages of its topics; the time is /clock's, else the wall's."""

    def __init__(self, system: System, root: str, observer: Watching) -> None:
        super().__init__(f"live_{os.getpid()}", namespace=ros_name(root, "bus"))
        self._observer = observer
        self._now = 0
        # what comes before it is known which time it is, such as all that is latched
        self._early: deque[RawEmission] = deque(maxlen=READER_DEPTH)
        self._since = time.monotonic()
        found = watched_topics(system, lambda topic: topic in observer.topics)
        # what no unit of this system publishes, somebody else may
        for topic in observer.topics:
            if topic not in found:
                found[topic] = Watched(DiagnosticArray, Qos.COMMAND, [])
        for topic, watched in found.items():
            self.create_subscription(
                watched.message_type,
                ros_name(root, topic),
                guarded(self._receiver(topic, watched)),
                qos_profile(watched.qos, reader=True),
                raw=True,
            )
        self.create_subscription(
            ClockMessage, "/clock", guarded(self._on_clock), qos_profile_sensor_data
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._wall = self.create_timer(_WALL_PERIOD_S, guarded(self._on_wall), clock=steady)

    def _receiver(self, topic: str, watched: Watched) -> Callable[[bytes], None]:
        source = watched.publishers[0] if len(watched.publishers) == 1 else ""

        def receive(data: bytes) -> None:
            self._early.append(
                RawEmission(topic, watched.qos, watched.message_type, data, source)
            )
            if self._now:
                self._show()

        return receive

    def _show(self) -> None:
        while self._early:
            emission = self._early.popleft()
            self._observer.message(self._now, emission)  # type: ignore[arg-type]

    def _on_clock(self, message: ClockMessage) -> None:
        self._wall.cancel()
        self._at(from_stamp(message.clock))

    def _on_wall(self) -> None:
        if time.monotonic() - self._since > _CLOCK_WAIT_S:
            self._at(time.time_ns())

    def _at(self, now: int) -> None:
        self._now = now
        self._show()
        self._observer.tick(now)


def watch(system: System, root: str, observer: Watching) -> None:
    """Show an observer a running system until SIGINT or SIGTERM."""
    transport.remove_half_made_ports()
    spinning.init()
    spinner = spinning.Spinner()
    spinning.stop_on_signals(spinner)
    try:
        spinner.add([Watcher(system, root, observer)])
        spinner.run()
    finally:
        spinning.shutdown()
