# SPDX-License-Identifier: Apache-2.0
"""The black box on ROS 2: a killed process and a fault that somebody else tells."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from processes import children, finish, fly, start, wait_for
from rosbags.highlevel import AnyReader

from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.recording.bag_reader import open_bag

TELL = """
import sys, time
import rclpy
from lupex_nodes.bus.messages import ERROR, status_message
from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.ros.interfaces import qos_profile
from diagnostic_msgs.msg import DiagnosticArray

rclpy.init()
node = rclpy.create_node("fault_teller")
publisher = node.create_publisher(DiagnosticArray, "/faults", qos_profile(Qos.COMMAND))
while not publisher.get_subscription_count():
    time.sleep(0.05)
message = status_message(0, "first", "NO_DATA", ERROR, "It is silent.", {"state": "confirmed"})
publisher.publish(message)
time.sleep(1.0)
"""


def names(bag: Path) -> list[str]:
    with open_bag(bag) as opened:
        return [
            opened.decode(message).status[0].name
            for message in opened.messages(["/events", "/faults"])
        ]


def told(out: Path, topic: str) -> Callable[[], bool]:
    def look() -> bool:
        return any((out / "black_box").glob(f"*{topic}/bag_0.mcap"))

    return look


def test_a_killed_process_and_a_fault_from_outside_are_recorded(
    ros_domain: int, tmp_path: Path
) -> None:
    flight = fly(
        *(tmp_path, "--composition", "unit", "--record", "housekeeping", "--black-box"),
        *("--rate", "20", "--duration", "500"),
    )
    wait_for(lambda: len(children(flight.pid)) == 4 and (tmp_path / "bag/bag_0.mcap").exists())
    code, _, err = finish(start("-c", TELL))
    assert code == 0, err
    wait_for(told(tmp_path, "first_NO_DATA"))
    # 60 s of mission time and more: the first record is over when the process is killed
    wait_for(lambda: any((tmp_path / "black_box").glob("*NO_DATA/metadata.yaml")))
    os.kill(children(flight.pid)["second"], signal.SIGKILL)
    wait_for(told(tmp_path, "clock_MEMBER_LOST"))
    code, out, _ = finish(flight)
    assert code == 0 and json.loads(out)["lost_messages"] == 0
    fault, loss = sorted((tmp_path / "black_box").iterdir())
    assert fault.name.endswith("first_NO_DATA") and loss.name.endswith("clock_MEMBER_LOST")
    assert names(fault).count("first: NO_DATA") == 1
    assert names(loss).count("clock: MEMBER_LOST") == 1
    assert names(tmp_path / "bag").count("recorder: BLACK_BOX_WRITTEN") >= 1
    for record in (fault, loss):
        with AnyReader([record]) as reader:
            assert {"/rover/first/value", "/ground/sink/sum"} <= set(reader.topics)
            ticks = [
                time for c, time, _ in reader.messages() if c.topic == "/bus/tick"
            ]
        assert 60 * SECOND <= ticks[-1] - ticks[0] <= 180 * SECOND
        assert len(ticks) > 60
    with open_bag(tmp_path / "bag") as bag:
        assert "/rover/first/value" not in bag.topics
