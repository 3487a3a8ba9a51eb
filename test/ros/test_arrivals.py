# SPDX-License-Identifier: Apache-2.0
"""Messages that were announced and do not come are waited for once, not at every later tick."""

import pytest
import rclpy
from processes import wait_for
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Empty

from lupex_nodes.bus.ports import Input, Qos
from lupex_nodes.bus.ros.node import Arrivals


def test_what_was_given_up_is_not_missing_any_more():
    arrivals = Arrivals(Input("events", Empty, Qos.COMMAND, queue=9), ["imu"])
    arrivals.start_over()
    arrivals.announced = 2
    assert arrivals.missing() == 2
    assert arrivals.give_up() == 2
    assert arrivals.missing() == 0 and arrivals.give_up() == 0
    arrivals.announced = 3
    assert arrivals.missing() == 1, "the next one is waited for"
    arrivals.queue.append(Empty())
    assert arrivals.missing() == 0
    assert len(arrivals.take()) == 1 and arrivals.missing() == 0


def test_of_what_came_in_part_the_rest_is_given_up():
    arrivals = Arrivals(Input("events", Empty, Qos.COMMAND, queue=9), ["imu"])
    arrivals.start_over()
    arrivals.announced = 3
    arrivals.queue.append(Empty())
    assert arrivals.give_up() == 2
    assert len(arrivals.take()) == 1 and arrivals.missing() == 0


@pytest.fixture
def node(ros_domain):
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("reader", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_clock_and_recorder_are_no_strangers_and_nothing_is_taken_before_its_tick(node):
    arrivals = Arrivals(Input("events", Empty, Qos.COMMAND, queue=9), ["imu"], hosts=2)
    arrivals.subscription = node.create_subscription(Empty, "events", lambda message: None, 9)

    def publishers(count):
        there = node.count_publishers("events")
        writers = [node.create_publisher(Empty, "events", 9) for _ in range(count)]
        wait_for(lambda: arrivals.subscription.get_publisher_count() == there + count, 10.0)
        return writers

    unit_clock_and_recorder = publishers(3)
    assert len(unit_clock_and_recorder) == len(arrivals.publishers) + arrivals.hosts
    arrivals.start_over()
    arrivals.announced = 1
    arrivals.queue.extend([Empty(), Empty()])
    assert len(arrivals.take()) == 1, "the other belongs to the next tick"
    arrivals.announced = 2
    assert arrivals.missing() == 0 and len(arrivals.take()) == 1
    assert not arrivals.has_strangers()
    stranger = publishers(1)
    assert stranger and arrivals.has_strangers()
