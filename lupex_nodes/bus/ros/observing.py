# SPDX-License-Identifier: Apache-2.0
"""Observers on ROS 2: one node that is a member of the barrier and reads raw messages.

It answers every tick like a process of units, so no message of the barrier passes it by; it is
due never and publishes nothing else but the recorder's own events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Log, ParameterEvent
from rclpy.node import Node
from rclpy.serialization import deserialize_message

from lupex_nodes.bus.observers import Observer
from lupex_nodes.bus.place import EVENTS
from lupex_nodes.bus.ports import Input, Qos
from lupex_nodes.bus.ros.interfaces import qos_profile, ros_name
from lupex_nodes.bus.ros.member import LockStep
from lupex_nodes.bus.ros.node import HOSTS_THAT_TELL, SHARED, Arrivals
from lupex_nodes.bus.ros.spinning import guarded
from lupex_nodes.bus.slot import NEVER, Emission
from lupex_nodes.bus.ticks import TICK, Tick
from lupex_nodes.recording.black_box import FAULTS
from lupex_nodes.system import System

PROCESS = "recorder"
_OUTSIDE = {"/rosout": Log, "/parameter_events": ParameterEvent}


class RawEmission:
    """A message as it came over the middleware: bytes, decoded when somebody asks."""

    __slots__ = ("_message", "data", "message_type", "qos", "source", "topic")

    def __init__(self, topic: str, qos: Qos, message_type: type, data: bytes, source: str) -> None:
        self.topic = topic
        self.qos = qos
        self.message_type = message_type
        self.data = data
        self.source = source
        self._message: Any = None

    @property
    def message(self) -> Any:
        """The decoded message."""
        if self._message is None:
            self._message = deserialize_message(self.data, self.message_type)
        return self._message


class Watched(NamedTuple):
    """A topic that observers see."""

    message_type: type
    qos: Qos
    publishers: list[str]


def watched_topics(system: System, wanted: Callable[[str], bool]) -> dict[str, Watched]:
    """Return the system's topics, and those of ROS 2 itself, that ``wanted`` picks."""
    found = {}
    for place in system.places.values():
        for topic, port in place.outputs().items():
            found[topic] = Watched(port.message_type, port.qos, system.publishers[topic])
    for topic, qos in SHARED.items():
        found[topic] = Watched(DiagnosticArray, qos, system.publishers[topic])
    found.setdefault(FAULTS, Watched(DiagnosticArray, Qos.COMMAND, []))
    for topic, message_type in _OUTSIDE.items():
        found[topic] = Watched(message_type, Qos.TELEMETRY, [])
    return {topic: each for topic, each in found.items() if wanted(topic)}


class ObserverNode(Node):
    """Shows observers the messages of the topics they want, tick by tick."""

    def __init__(
        self, root: str, topics: dict[str, Watched], observers: Iterable[Observer]
    ) -> None:
        super().__init__(PROCESS, namespace=ros_name(root, "bus"))
        self.observers = list(observers)
        self.arrivals: dict[str, Arrivals] = {}
        self.told = 0
        self._topics = topics
        self._events = self.create_publisher(
            DiagnosticArray, ros_name(root, EVENTS), qos_profile(Qos.COMMAND, reader=False)
        )
        self._member = _Member(self, root)
        for topic, watched in topics.items():
            port = Input(topic, watched.message_type, watched.qos)
            hosts = HOSTS_THAT_TELL if topic == EVENTS else 0
            arrivals = Arrivals(port, watched.publishers, hosts)
            arrivals.subscription = self.create_subscription(
                watched.message_type,
                ros_name(root, topic),
                guarded(self._receiver(arrivals)),
                qos_profile(watched.qos, reader=True),
                raw=True,
            )
            self.arrivals[topic] = arrivals
        self._member.counted = list(self.arrivals.items())

    def _receiver(self, arrivals: Arrivals) -> Callable[[bytes], None]:
        def receive(data: bytes) -> None:
            arrivals.queue.append(data)
            self._member.arrived()

        return receive

    def tell(self, event: DiagnosticArray) -> None:
        """Publish an event of an observer; it is counted as any other message."""
        self._events.publish(event)
        self.told += 1

    def show(self, published: int) -> None:
        """Show the messages of the tick at ``published`` (ns)."""
        for topic, arrivals in self.arrivals.items():
            if arrivals.queue:
                watched = self._topics[topic]
                source = arrivals.publishers[0] if len(arrivals.publishers) == 1 else ""
                for data in arrivals.take():
                    emission = RawEmission(
                        topic, watched.qos, watched.message_type, data, source
                    )
                    for observer in self.observers:
                        observer.message(published, emission)  # type: ignore[arg-type]
        for observer in self.observers:
            observer.tick(published)

    def drain(self) -> None:
        """Show what the last tick left."""
        for arrivals in self.arrivals.values():
            arrivals.start_over()
            arrivals.taken = 0
            arrivals.announced = len(arrivals.queue)
        self.show(self._member.previous)


class _Member(LockStep):
    """The observers' place in the barrier."""

    def __init__(self, node: ObserverNode, root: str) -> None:
        self.counted: list[tuple[str, Arrivals]] = []
        self._observer = node
        super().__init__(node, PROCESS, root, [])

    def all_arrivals(self) -> list[tuple[str, Arrivals]]:
        """Return the watched topics."""
        return self.counted

    def ready(self) -> bool:
        """Return whether every unit that publishes has been found."""
        return bool(self.counted) and all(
            each.subscription.get_publisher_count() >= len(each.publishers) + (topic == EVENTS)
            for topic, each in self.counted
        )

    def step(self, tick: Tick, counts: dict[str, int]) -> tuple[int, int]:
        """Show what the last tick carried, then this tick."""
        if tick.sequence > 0:
            self._observer.show(self.previous)
        emission = Emission(TICK, Qos.COMMAND, DiagnosticArray, tick.message(), "clock")
        for observer in self._observer.observers:
            observer.message(tick.now, emission)
        if self._observer.told:
            counts[EVENTS] = self._observer.told
            self._observer.told = 0
        return NEVER, 0

    def losing(self, topics: list[str]) -> None:
        """Log the loss; the count travels in the answer to the clock."""
        self.node.get_logger().error(f"the recorder lost messages on {', '.join(topics)}")
