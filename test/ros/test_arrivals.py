# SPDX-License-Identifier: Apache-2.0
"""Messages that were announced and do not come are waited for once, not at every later tick."""

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


class Matched:
    """Stands for a subscription that has found so many publishers."""

    def __init__(self, count):
        self.count = count

    def get_publisher_count(self):
        return self.count


def test_clock_and_recorder_are_no_strangers_and_nothing_is_taken_before_its_tick():
    arrivals = Arrivals(Input("events", Empty, Qos.COMMAND, queue=9), ["imu"], hosts=2)
    arrivals.subscription = Matched(3)
    arrivals.start_over()
    arrivals.announced = 1
    arrivals.queue.extend([Empty(), Empty()])
    assert len(arrivals.take()) == 1, "the other belongs to the next tick"
    arrivals.announced = 2
    assert arrivals.missing() == 0 and len(arrivals.take()) == 1
    arrivals.subscription = Matched(4)
    assert arrivals.has_strangers()
