# SPDX-License-Identifier: Apache-2.0
"""Plays a bag back onto the ROS 2 bus, with its own /clock."""

from __future__ import annotations

import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock
from std_srvs.srv import SetBool

from lupex_nodes.recording.bag_reader import Bag, BagError, BagMessage, read_metadata

SECOND = 1_000_000_000
CLOCK = "/clock"
#: /clock goes on between messages, so that timers of simulated time run smoothly.
CLOCK_PERIOD_S = 0.025
DISCOVERY_S = 1.0
DEPTH = 1000


class Pace:
    """Bag time against wall time, with a pause; ``rate`` None is as fast as possible."""

    def __init__(self, rate: float | None, paused: bool = False) -> None:
        self._rate = rate
        self.paused = paused
        self.stopped = False
        self._bag_ns = 0
        self._wall = time.monotonic()

    def begin(self, bag_ns: int) -> None:
        """Bag time is ``bag_ns`` now."""
        self._bag_ns, self._wall = bag_ns, time.monotonic()

    def toggle(self, *_: Any) -> None:
        """Pause, or go on; also a signal handler."""
        self.paused = not self.paused

    def stop(self, *_: Any) -> None:
        """End the replay; also a signal handler."""
        self.stopped = True

    def until(self, bag_ns: int, poll: Callable[[], object]) -> Iterator[int]:
        """Wait for ``bag_ns`` and yield the bag time about every ``CLOCK_PERIOD_S`` until then."""
        while not self.stopped:
            poll()
            if self.paused:
                time.sleep(CLOCK_PERIOD_S)
                # Wall time that passes in the pause does not count.
                self._wall += CLOCK_PERIOD_S
                continue
            if self._rate is None:
                return
            reached = self._bag_ns + int((time.monotonic() - self._wall) * self._rate * SECOND)
            left_s = (bag_ns - reached) / SECOND / self._rate
            if left_s <= 0:
                return
            time.sleep(min(left_s, CLOCK_PERIOD_S))
            if left_s > CLOCK_PERIOD_S:
                yield min(bag_ns, reached)


class Player:
    """Publishes a bag's topics, each as its own type with its own durability.

    ``skipped`` says in sentences what is not played.
    """

    def __init__(self, node: Node, bag: Bag, patterns: Collection[str] = ("*",)) -> None:
        self._bag = bag
        self._clock = node.create_publisher(Clock, CLOCK, 10)
        self._publishers: dict[str, Any] = {}
        self.skipped = list(bag.skipped)
        self.played = 0
        latched = self._latched = _latched_topics(bag.path)
        for topic in bag.topics.values():
            if topic.name == CLOCK or not any(fnmatchcase(topic.name, p) for p in patterns):
                continue
            try:
                kind = message_class(topic.type_name)
            except (ImportError, AttributeError):
                self.skipped.append(
                    f"topic {topic.name}: {topic.type_name} is not installed here; source a "
                    "workspace that has it"
                )
                continue
            qos = QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.RELIABLE)
            if topic.name in latched:
                qos = QoSProfile(
                    depth=latched[topic.name],
                    reliability=ReliabilityPolicy.RELIABLE,
                    durability=DurabilityPolicy.TRANSIENT_LOCAL,
                )
            self._publishers[topic.name] = node.create_publisher(kind, topic.name, qos)

    @property
    def topics(self) -> list[str]:
        """The topics that are played."""
        return list(self._publishers)

    def play(
        self,
        pace: Pace,
        poll: Callable[[], object] = lambda: None,
        *,
        start_s: float = 0.0,
        loop: bool = False,
    ) -> None:
        """Play to the end, or until the pace is stopped; ``poll`` is called while waiting.

        Begins ``start_s`` after the bag's beginning, with the last message before it of each
        latched topic. Raises BagError if there is nothing left to play then.
        """
        while True:
            self._play_once(pace, poll, start_s)
            if pace.stopped or not loop:
                return

    def _play_once(self, pace: Pace, poll: Callable[[], object], start_s: float) -> None:
        now_ns: int | None = None
        for message in self._from(start_s):
            if message.log_time_ns != now_ns:
                if now_ns is None:
                    pace.begin(message.log_time_ns)
                for between_ns in pace.until(message.log_time_ns, poll):
                    self._tell(between_ns)
                if pace.stopped:
                    return
                now_ns = message.log_time_ns
                self._tell(now_ns)
            self._publishers[message.topic].publish(bytes(message.data))
            self.played += 1
        for publisher in self._publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=1))

    def _from(self, start_s: float) -> Iterator[BagMessage]:
        """Yield what is to be played, latched messages from before the start at the start."""
        start_ns: int | None = None
        begun = False
        states: dict[str, BagMessage] = {}
        for message in self._bag.messages(self._publishers):
            if start_ns is None:
                start_ns = message.log_time_ns + round(start_s * SECOND)
            if message.log_time_ns >= start_ns:
                if not begun:
                    begun = True
                    for state in states.values():
                        yield state._replace(log_time_ns=message.log_time_ns)
                yield message
            elif message.topic in self._latched:
                states[message.topic] = message
        if not begun:
            raise BagError(
                f"{self._bag.path} has nothing to play after {start_s:g} s: begin earlier"
            )

    def _tell(self, now_ns: int) -> None:
        seconds, nanoseconds = divmod(now_ns, SECOND)
        self._clock.publish(Clock(clock=Time(sec=seconds, nanosec=nanoseconds)))


def message_class(type_name: str) -> type:
    """Return the class of ``package/msg/Type``; ImportError or AttributeError if there is none."""
    package, _, name = type_name.partition("/msg/")
    return getattr(import_module(f"{package}.msg"), name)


def _latched_topics(path: Path) -> dict[str, int]:
    """Return the depth of each topic that its publishers latched, as far as metadata.yaml tells."""
    information = read_metadata(path, []) if path.is_dir() else {}
    lines = information.get("topics_with_message_count")
    found = {}
    for line in lines if isinstance(lines, list) else ():
        try:
            topic = line["topic_metadata"]
            profiles = topic["offered_qos_profiles"]
            if profiles and all(each["durability"] in ("transient_local", 1) for each in profiles):
                found[topic["name"]] = max(1, *(int(each.get("depth", 1)) for each in profiles))
        except (TypeError, KeyError, AttributeError, ValueError):
            continue  # another way to write QoS, or none
    return found


@contextmanager
def replay_node() -> Iterator[Node]:
    """Give a node of a context of its own; signals stay the caller's."""
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Node(
        "lupex_replay", context=context, enable_rosout=False, start_parameter_services=False
    )
    try:
        yield node
    finally:
        node.destroy_node()
        context.try_shutdown()


@contextmanager
def pause_service(node: Node, pace: Pace) -> Iterator[Callable[[], None]]:
    """Offer ``~/pause`` (std_srvs/SetBool) and give a function that serves who asked."""

    def serve(request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        pace.paused = request.data
        response.success = True
        response.message = "paused" if request.data else "playing"
        return response

    node.create_service(SetBool, "~/pause", serve)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    try:
        yield lambda: executor.spin_once(timeout_sec=0.0)
    finally:
        executor.shutdown()


@contextmanager
def keys(pressed: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Give a function that hands over pressed keys; without a terminal it does nothing."""
    if not sys.stdin.isatty():
        yield lambda: None
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def poll() -> None:
        while select.select([descriptor], [], [], 0)[0]:
            pressed(sys.stdin.read(1))

    tty.setcbreak(descriptor)
    try:
        yield poll
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
