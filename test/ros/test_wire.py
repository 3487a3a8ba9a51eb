# SPDX-License-Identifier: Apache-2.0
"""What a process of units publishes and receives becomes bytes and a message once."""

from __future__ import annotations

from geometry_msgs.msg import Point, Vector3
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import BatteryState

from lupex_nodes.bus.ros import wire


def test_the_same_bytes_are_one_message_that_equals_what_was_sent() -> None:
    data = serialize_message(BatteryState(voltage=28.5, location="rover", cell_voltage=[3.5, 3.25]))
    received = wire.decode(data, BatteryState)
    assert received == deserialize_message(data, BatteryState)
    assert wire.decode(bytes(bytearray(data)), BatteryState) is received


def test_what_the_process_sent_itself_is_not_made_again() -> None:
    sent = BatteryState(voltage=28.5, location="lander")
    data = wire.encode(sent)
    assert wire.decode(bytes(bytearray(data)), BatteryState) is sent
    assert deserialize_message(data, BatteryState) == sent


def test_types_with_the_same_bytes_are_told_apart() -> None:
    data = wire.encode(Point(x=1.0, y=2.0, z=3.0))
    assert wire.decode(data, Vector3) == Vector3(x=1.0, y=2.0, z=3.0)


def test_the_memory_of_messages_is_bounded() -> None:
    first = wire.encode(Point(x=-1.0))
    for count in range(2 * wire._KEPT):
        wire.encode(Point(x=float(count)))
    assert len(wire._messages) <= wire._KEPT
    assert wire.decode(first, Point) == Point(x=-1.0)
