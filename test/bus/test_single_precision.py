# SPDX-License-Identifier: Apache-2.0
"""In memory nobody knows more digits than on ROS 2."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

from geometry_msgs.msg import Point32, PolygonStamped
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message

from lupex_nodes.bus.memory import MemoryBus
from lupex_nodes.bus.ports import OutPort, Output
from lupex_nodes.bus.single_precision import rounding
from lupex_nodes.bus.slot import Emission
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.recording.cdr import to_cdr
from lupex_nodes.scenario import load_scenario
from lupex_nodes.system import load_system

OUTPUTS = {
    topic: port
    for place in load_system().places.values()
    for topic, port in place.outputs().items()
}


def of_32_bits(message: Any) -> Iterator[tuple[Any, str, float]]:
    """Yield (part, field, value) of every 32-bit number of a message."""
    for name, kind in message.get_fields_and_field_types().items():
        value = getattr(message, name)
        if kind == "float":
            yield message, name, value
        elif hasattr(value, "SLOT_TYPES"):
            yield from of_32_bits(value)
        elif "/" in kind:
            for each in value:
                yield from of_32_bits(each)


def test_what_32_bits_cannot_hold_is_not_published() -> None:
    """Every output of the system, filled with a number that has no exact 32-bit form."""
    rounded = set()
    for topic, port in OUTPUTS.items():
        sent: list[Any] = []
        message = port.message_type()
        for part, name, _ in list(of_32_bits(message)):
            setattr(part, name, 0.1)
            rounded.add(topic)
        OutPort(port, topic, lambda _, each, sent=sent: sent.append(each)).publish(message)
        received = deserialize_message(to_cdr(message), port.message_type)
        values = [value for *_, value in of_32_bits(sent[0])]
        assert values == [value for *_, value in of_32_bits(received)], topic
        assert 0.1 not in values, topic
    assert {"rover/power/battery", "rover/ranging/range", "rover/navigation/costmap"} <= rounded


def test_numbers_in_sequences_of_messages_are_rounded() -> None:
    sent: list[Any] = []
    message = PolygonStamped()
    message.polygon.points = [Point32(x=0.1, y=1.0, z=-0.3) for _ in range(3)]
    port = Output("~/shape", PolygonStamped)
    OutPort(port, "rover/shape", lambda _, each: sent.append(each)).publish(message)
    assert sent[0] == deserialize_message(to_cdr(sent[0]), PolygonStamped)


def test_messages_of_64_bits_cost_nothing() -> None:
    assert rounding(Odometry) is None


def test_what_32_bits_cannot_reach_is_infinite() -> None:
    port = OUTPUTS["rover/power/battery"]
    message = port.message_type(voltage=1e300, current=-1e300)
    OutPort(port, "rover/power/battery", lambda *_: None).publish(message)
    assert (message.voltage, message.current) == (math.inf, -math.inf)
    assert message == deserialize_message(to_cdr(message), port.message_type)


def test_the_system_in_flight_publishes_32_bits() -> None:
    seen = set()

    class Reader:
        def message(self, now: int, emission: Emission) -> None:
            for *_, value in of_32_bits(emission.message):
                seen.add(emission.topic)
                assert value != value or struct.unpack("f", struct.pack("f", value))[0] == value

        def tick(self, now: int) -> None:
            pass

    checked = load_scenario("sortie", load_system())
    start = checked.scenario.start_ns
    bus = MemoryBus(checked.system, checked.parameters, seed=1, start=start, observers=[Reader()])
    bus.activate()
    bus.run(start + 90 * SECOND)
    assert {"rover/power/battery", "lander/lander_power/battery", "rover/ranging/range"} <= seen
