# SPDX-License-Identifier: Apache-2.0
"""A bag goes back onto the real ROS 2 bus, seen by a plain subscriber."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Temperature
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from lupex_nodes.cli import BAD_INPUT, main
from lupex_nodes.recording import replay
from lupex_nodes.recording.bag_writer import BagWriter
from lupex_nodes.recording.cdr import to_cdr
from lupex_nodes.recording.frames import FrameRecorder
from lupex_nodes.recording.replay import message_class

START_NS = 1_800_000_000 * 10**9


class Seen(Node):
    """Collects what is replayed."""

    def __init__(self, context: rclpy.Context) -> None:
        super().__init__("seen", context=context)
        self.values: list[float] = []
        self.latched: list[float] = []
        self.times: list[float] = []
        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(
            Temperature, "/a", lambda m: self.values.append(m.temperature), 1000
        )
        self.create_subscription(
            Temperature, "/b", lambda m: self.latched.append(m.temperature), latched
        )
        self.create_subscription(
            Clock, "/clock", lambda m: self.times.append(m.clock.sec + m.clock.nanosec / 1e9), 1000
        )


@pytest.fixture
def seen(ros_domain: int) -> Iterator[Seen]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Seen(context)
    yield node
    node.destroy_node()
    context.try_shutdown()


def spin(node: Node, enough, timeout_s: float = 20.0) -> None:
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    deadline = time.monotonic() + timeout_s
    while not enough() and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.1)
    executor.remove_node(node)


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    with BagWriter(tmp_path / "bag") as writer:
        writer.topic("/b", "sensor_msgs/msg/Temperature", "state")
        FrameRecorder(writer)  # topics of a type that is not everywhere
        for step in range(40):
            now = START_NS + step * 10**8
            stamp = Time(sec=now // 10**9, nanosec=now % 10**9)
            data = to_cdr(Temperature(header=Header(stamp=stamp), temperature=float(step)))
            writer.write("/a", "sensor_msgs/msg/Temperature", data, now)
            if step % 10 == 0:
                writer.write("/b", "sensor_msgs/msg/Temperature", data, now)
    return tmp_path / "bag"


def start(bag: Path, *options: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "lupex_nodes", "replay", str(bag), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_bag_is_replayed_message_for_message_with_a_clock(bag: Path, seen: Seen) -> None:
    player = start(bag, "--rate", "4")
    spin(seen, lambda: len(seen.values) >= 40 and len(seen.latched) >= 4)
    out, err = player.communicate(timeout=20)
    assert player.returncode == 0, err
    assert seen.values == [float(step) for step in range(40)]
    assert seen.latched == [0.0, 10.0, 20.0, 30.0]
    assert seen.times == sorted(seen.times)
    assert seen.times[0] == START_NS / 1e9
    # 3.9 s at rate 4 with /clock each 25 ms of wall time
    assert 30 <= len(seen.times) <= 90
    assert "messages played" in out
    if find_spec("tf2_msgs") is None:
        assert "/tf_static: tf2_msgs/msg/TFMessage is not installed here" in err


def test_only_the_named_topics_are_replayed(bag: Path, seen: Seen) -> None:
    player = start(bag, "--rate", "max", "--topics", "/b")
    # Of a latched topic at full speed, only the last message is sure to arrive.
    spin(seen, lambda: 30.0 in seen.latched)
    out, _ = player.communicate(timeout=20)
    assert seen.values == []
    assert out.startswith("4 messages played on 1 topics")


def test_sigusr1_pauses_and_sigterm_ends(bag: Path, seen: Seen) -> None:
    player = start(bag, "--rate", "0.5")
    spin(seen, lambda: len(seen.values) >= 5)
    player.send_signal(signal.SIGUSR1)
    paused_at = -1
    while paused_at != len(seen.values):
        paused_at = len(seen.values)
        spin(seen, lambda: False, 0.5)  # two messages and a half, were it not paused
    assert paused_at < 40
    player.send_signal(signal.SIGUSR1)
    spin(seen, lambda: len(seen.values) > paused_at)
    assert len(seen.values) > paused_at
    player.send_signal(signal.SIGTERM)
    out, err = player.communicate(timeout=10)
    assert player.returncode == 1, err
    assert "messages played" in out


def test_a_replay_begins_where_it_is_told_with_what_was_latched_by_then(
    bag: Path, seen: Seen
) -> None:
    player = start(bag, "--rate", "2", "--start", "2.55")
    spin(seen, lambda: 39.0 in seen.values)
    out, err = player.communicate(timeout=20)
    assert player.returncode == 0, err
    assert seen.values == [float(step) for step in range(26, 40)]
    assert seen.latched == [20.0, 30.0]
    assert seen.times[0] == START_NS / 1e9 + 2.6


def test_a_start_behind_the_end_is_a_sentence(bag: Path, ros_domain: int) -> None:
    out, err = start(bag, "--start", "4").communicate(timeout=20)
    assert "has nothing to play after 4 s: begin earlier" in err and "Traceback" not in err


def test_a_loop_begins_again_until_it_is_ended(bag: Path, seen: Seen) -> None:
    player = start(bag, "--rate", "20", "--loop")
    spin(seen, lambda: len(seen.values) > 100)
    player.send_signal(signal.SIGINT)
    out, err = player.communicate(timeout=10)
    assert player.returncode == 1, err
    assert seen.values[:81] == [float(step % 40) for step in range(81)]
    assert min(seen.times) == START_NS / 1e9 and sorted(seen.times) != seen.times


def ask_pause(seen: Seen, paused: bool) -> str:
    client = seen.create_client(SetBool, "/lupex_replay/pause")
    assert client.wait_for_service(timeout_sec=10.0)
    future = client.call_async(SetBool.Request(data=paused))
    spin(seen, future.done)
    return future.result().message


def stands(seen: Seen) -> bool:
    """Whether nothing more comes in half a second, in which five messages would have."""
    spin(seen, lambda: False, 0.3)
    before = len(seen.values)
    spin(seen, lambda: False, 0.5)
    return len(seen.values) == before


def test_a_service_pauses_and_goes_on(bag: Path, seen: Seen) -> None:
    player = start(bag, "--paused")
    assert ask_pause(seen, True) == "paused"
    assert stands(seen) and seen.values == []
    assert ask_pause(seen, False) == "playing"
    spin(seen, lambda: len(seen.values) >= 5)
    assert ask_pause(seen, True) == "paused"
    assert stands(seen) and 5 <= len(seen.values) < 40
    ask_pause(seen, False)
    _, err = player.communicate(timeout=20)
    assert player.returncode == 0, err


def test_the_space_key_pauses_and_goes_on(bag: Path, seen: Seen) -> None:
    ours, terminal = pty.openpty()
    player = subprocess.Popen(
        [sys.executable, "-m", "lupex_nodes", "replay", str(bag), "--paused"],
        stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(terminal)
    spin(seen, lambda: seen.count_publishers("/a") > 0)
    assert stands(seen) and seen.values == []
    os.write(ours, b" ")
    spin(seen, lambda: len(seen.values) >= 3)
    os.write(ours, b" ")
    assert stands(seen) and 3 <= len(seen.values) < 40
    os.write(ours, b" ")
    _, err = player.communicate(timeout=20)
    os.close(ours)
    assert player.returncode == 0, err


@pytest.mark.parametrize("given", [["--loop"], ["--rate", "2"], ["--start", "3"], ["--paused"]])
def test_a_unit_is_compared_and_not_played(
    bag: Path, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(bag), "--unit", "imu", *given]) == BAD_INPUT
    assert "cannot be given with --unit" in capsys.readouterr().err


def test_a_bag_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    player = start(tmp_path / "none")
    out, err = player.communicate(timeout=20)
    assert player.returncode == 2
    assert "none" in err
    assert "Traceback" not in err


class Wall:
    """Wall time that passes only in sleep."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s


def test_the_pace_waits_and_a_pause_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Wall()
    monkeypatch.setattr(replay, "time", wall)
    pace = replay.Pace(10.0)
    pace.begin(0)
    between = list(pace.until(2 * 10**9, lambda: None))
    assert wall.now_s == pytest.approx(100.2, abs=1e-6)
    assert between == sorted(between)
    assert all(0 <= each <= 2 * 10**9 for each in between)

    def go_on() -> None:
        if wall.now_s > 105.0:
            pace.paused = False

    pace.toggle()
    assert list(pace.until(4 * 10**9, go_on))
    assert wall.now_s == pytest.approx(105.2, abs=0.03)


def test_an_unknown_type_is_an_error_that_the_player_catches() -> None:
    assert message_class("sensor_msgs/msg/Temperature") is Temperature
    with pytest.raises((ImportError, AttributeError)):
        message_class("sensor_msgs/msg/Nothing")
    with pytest.raises((ImportError, AttributeError)):
        message_class("no_msgs/msg/Temperature")
