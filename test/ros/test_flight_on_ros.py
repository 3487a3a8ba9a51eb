# SPDX-License-Identifier: Apache-2.0
"""Whole flights over real DDS between processes: same as in memory, and robust."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from processes import children, finish, fly, wait_for
from toy_units import START, toy_system

from lupex_nodes.bus.memory import MemoryBus
from lupex_nodes.bus.slot import Emission
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.recording.bag_reader import open_bag
from lupex_nodes.recording.cdr import to_cdr
from lupex_nodes.recording.recover import recover
from lupex_nodes.recording.rerun import rerun

PRODUCTS = ("/rover/first/value", "/rover/second/value", "/ground/sink/sum", "/bus/tick",
            "/rover/first/state", "/rover/supply/channels")


def recorded(folder: Path) -> dict[str, list[tuple[int, bytes]]]:
    """Return (time, normalised bytes) of the products in a bag."""
    found: dict[str, list[tuple[int, bytes]]] = {topic: [] for topic in PRODUCTS}
    with open_bag(folder / "bag") as bag:
        for message in bag.messages(PRODUCTS):
            decoded = bag.decode(message)
            found[message.topic].append((message.log_time_ns, repr(decoded).encode()))
    return found


class Memory:
    """An observer that keeps the products of a flight in memory."""

    def __init__(self) -> None:
        self.found: dict[str, list[tuple[int, bytes]]] = {topic: [] for topic in PRODUCTS}

    def message(self, now: int, emission: Emission) -> None:
        topic = "/" + emission.topic
        if topic in self.found:
            self.found[topic].append((now, to_cdr(emission.message)))

    def tick(self, now: int) -> None:
        """Pass."""


@pytest.fixture(scope="module")
def in_memory() -> dict[str, list[tuple[int, bytes]]]:
    from lupex_nodes.recording.message_types import jazzy

    memory = Memory()
    bus = MemoryBus(toy_system(), {}, seed=1, start=START, observers=[memory])
    bus.activate()
    bus.run(START + 60 * SECOND)
    kinds = {topic: "sensor_msgs/msg/PointCloud2" for topic in PRODUCTS}
    kinds["/bus/tick"] = "diagnostic_msgs/msg/DiagnosticArray"
    return {
        topic: [
            (now, repr(jazzy().deserialize_cdr(data, kinds[topic])).encode()) for now, data in rows
        ]
        for topic, rows in memory.found.items()
    }


@pytest.mark.parametrize("composition", ["all", "vehicle", "unit"])
def test_a_flight_on_ros_gives_the_ticks_and_products_of_memory(
    ros_domain: int, tmp_path: Path, in_memory: dict, composition: str
) -> None:
    code, out, err = finish(fly(tmp_path, "--composition", composition))
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert facts["outcome"] == "complete"
    assert facts["lost_messages"] == 0
    found = recorded(tmp_path)
    for topic in PRODUCTS:
        assert found[topic] == in_memory[topic], topic
    # the sink commands the first source, which reports a service call
    for units in ["sink"], ["first"], ["sink", "first"]:
        again = rerun(tmp_path / "bag", units, tmp_path / "-".join(units), toy_system())
        assert [each.difference for each in again] == [""] * len(units)
        assert all(each.messages > 60 for each in again)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything(
    ros_domain: int, tmp_path: Path, number: signal.Signals
) -> None:
    flight = fly(tmp_path, "--composition", "unit", "--rate", "1", "--duration", "600")
    wait_for(lambda: len(children(flight.pid)) == 4 and _ticks(tmp_path) > 1)
    pids = children(flight.pid).values()
    flight.send_signal(number)
    # the bench says how soon: within 3 s where nothing else runs
    code, out, err = finish(flight, 20)
    assert (code, err) == (0, "")
    assert json.loads(out)["outcome"] == "interrupted"
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert _ticks(tmp_path) > 1


def _ticks(folder: Path) -> int:
    """Count the recorded ticks so far; the recorder flushes each wall second."""
    try:
        with open_bag(folder / "bag") as bag:
            return sum(1 for _ in bag.messages(["/bus/tick"]))
    except Exception:
        return 0


def _lost(folder: Path) -> list[int]:
    """Return when the clock struck members off."""
    with open_bag(folder / "bag") as bag:
        return [
            message.log_time_ns
            for message in bag.messages(["/events"])
            if bag.decode(message).status[0].name == "clock: MEMBER_LOST"
        ]


def test_a_killed_process_is_known_comes_back_and_rejoins(ros_domain: int, tmp_path: Path) -> None:
    flight = fly(tmp_path, "--composition", "unit", "--rate", "1", "--duration", "600", "--respawn")
    wait_for(lambda: _ticks(tmp_path) > 2)
    killed = children(flight.pid)["first"]
    before = _last_tick(tmp_path)
    os.kill(killed, signal.SIGKILL)
    again = wait_for(lambda: children(flight.pid).get("first", killed) != killed, 3)
    assert again
    lost = wait_for(lambda: _lost(tmp_path))
    # the values of the process that died stand in the bag before the event
    before_loss = len(recorded(tmp_path)["/rover/first/value"])
    wait_for(lambda: len(recorded(tmp_path)["/rover/first/value"]) > before_loss + 2)
    flight.terminate()
    code, out, err = finish(flight)
    assert code == 0, err
    assert _lost(tmp_path) == lost and len(lost) == 1
    assert lost[0] - before <= 4 * SECOND  # within 3 s at rate 1, and up to 1 s of flushing
    ticks = [time_ns for time_ns, _ in recorded(tmp_path)["/bus/tick"]]
    assert ticks == list(range(START, ticks[-1] + SECOND, SECOND))


def _last_tick(folder: Path) -> int:
    with open_bag(folder / "bag") as bag:
        return max(message.log_time_ns for message in bag.messages(["/bus/tick"]))


def test_a_kill_of_the_whole_flight_leaves_a_recoverable_bag_and_no_orphan(
    ros_domain: int, tmp_path: Path
) -> None:
    flight = fly(tmp_path, "--composition", "vehicle", "--rate", "1", "--duration", "600")
    wait_for(lambda: _ticks(tmp_path) > 3)
    pids = list(children(flight.pid).values())
    began = wait_for(lambda: _last_tick(tmp_path))
    wall = time.monotonic()
    time.sleep(2.5)
    flown = time.monotonic() - wall
    flight.kill()
    flight.wait()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 5)
    recover(tmp_path / "bag", tmp_path / "recovered")
    with open_bag(tmp_path / "recovered") as bag:
        last = max(message.log_time_ns for message in bag.messages())
    # at rate 1 the mission clock runs with the wall: one second for the flush, one for the tick
    assert last >= began + (flown - 2.0) * SECOND


def test_a_flight_whose_only_process_dies_ends_at_once_as_hardware(
    ros_domain: int, tmp_path: Path
) -> None:
    flight = fly(tmp_path, "--composition", "all", "--rate", "1", "--duration", "600")
    wait_for(lambda: _ticks(tmp_path) > 1)
    os.kill(children(flight.pid)["lupex"], signal.SIGKILL)
    code, out, err = finish(flight, 10)
    assert code == 0, err
    facts = json.loads(out)
    assert (facts["outcome"], facts["cause"]) == ("hardware", "every process of units has ended")


def test_a_kill_of_the_fork_server_takes_its_forks_with_it_and_all_come_back(
    ros_domain: int, tmp_path: Path
) -> None:
    flight = fly(tmp_path, "--composition", "unit", "--rate", "1", "--duration", "30", "--respawn")
    wait_for(lambda: _ticks(tmp_path) > 2)
    killed = children(flight.pid)
    (server,) = {_parent(pid) for pid in killed.values()}
    os.kill(server, signal.SIGKILL)
    wait_for(lambda: len(set(children(flight.pid).values()) - set(killed.values())) == len(killed))
    code, out, err = finish(flight)
    assert code == 0, err
    facts = json.loads(out)
    assert (facts["outcome"], facts["struck_off"]) == ("complete", len(killed))
    ticks = [time_ns for time_ns, _ in recorded(tmp_path)["/bus/tick"]]
    assert ticks[-1] == START + 30 * SECOND
    assert len(recorded(tmp_path)["/rover/first/value"]) > 10


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_process_that_stood_still_is_struck_off_and_comes_back(
    ros_domain: int, tmp_path: Path
) -> None:
    flight = fly(tmp_path, "--composition", "all", "--rate", "1", "--duration", "12")
    wait_for(lambda: _ticks(tmp_path) > 1)
    stopped = children(flight.pid)["lupex"]
    os.kill(stopped, signal.SIGSTOP)
    time.sleep(4.0)
    os.kill(stopped, signal.SIGCONT)
    code, out, err = finish(flight)
    assert code == 0, err
    facts = json.loads(out)
    assert (facts["outcome"], facts["struck_off"]) == ("complete", 1)
    assert facts["mission_time_s"] == 12.0


def test_a_second_clock_in_the_same_domain_ends_itself(ros_domain: int, tmp_path: Path) -> None:
    first = fly(_folder(tmp_path, "first"), "--rate", "1", "--duration", "600")
    wait_for(lambda: _ticks(tmp_path / "first") > 1)
    code, _, err = finish(fly(_folder(tmp_path, "second"), "--duration", "10"))
    assert code != 0
    assert "another clock runs in this ROS domain" in err
    first.terminate()
    assert finish(first, 10)[0] == 0


def _folder(path: Path, name: str) -> Path:
    (path / name).mkdir()
    return path / name
