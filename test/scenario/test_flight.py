# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from scenario_units import small_system
from test_scenario import GOOD, load

from lupex_nodes.bus.messages import OK, status_message
from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.slot import Emission
from lupex_nodes.flight import (
    RunFacts,
    Statistics,
    Stop,
    finish,
    fly_memory,
)
from lupex_nodes.models import neutron
from lupex_nodes.progress import Progress
from lupex_nodes.recording.bag_reader import open_bag
from lupex_nodes.recording.bag_writer import RecordingError
from lupex_nodes.recording.profiles import profile
from lupex_nodes.recording.recorder import absolute_name, truth, type_name


def fly(folder: Path, text: str = GOOD, recorded: str = "all", **more) -> RunFacts:
    folder.mkdir(exist_ok=True)
    return fly_memory(load(folder, text), folder, profile(recorded), **more)


def end_of_plan(step: int, outcome: str) -> str:
    return f"{GOOD}parameters: {{executive: {{end_step: {step}, outcome: {outcome}}}}}\n"


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "bag/bag_0.mcap").read_bytes()).hexdigest()


def test_equal_seeds_leave_equal_bytes_and_other_seeds_do_not(tmp_path: Path) -> None:
    for name, seed in ("a", 1), ("b", 1), ("c", 2):
        fly(tmp_path / name, GOOD + f"seed: {seed}\n")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a") != digest(tmp_path / "c")


def test_a_bag_tells_no_path(tmp_path: Path) -> None:
    fly(tmp_path / "a")
    with open_bag(tmp_path / "a/bag") as bag:
        assert str(tmp_path) not in json.dumps(bag.custom_data)
        assert bag.custom_data["seed"] == "1"


def test_the_bag_holds_every_message_at_its_tick(tmp_path: Path) -> None:
    facts = fly(tmp_path / "a")
    with open_bag(tmp_path / "a/bag") as bag:
        messages = [m for m in bag.messages() if m.topic == "/rover/heater/temperature"]
        count = sum(1 for m in bag.messages() if not m.topic.startswith("/tf"))
        stamps = [bag.decode(m).header.stamp for m in messages]
    assert count == facts.messages
    assert [m.log_time_ns for m in messages] == [s.sec * 10**9 + s.nanosec for s in stamps]
    assert len(messages) == 61


def test_a_profile_leaves_out_what_it_does_not_select(tmp_path: Path) -> None:
    fly(tmp_path / "a", recorded="housekeeping")
    with open_bag(tmp_path / "a/bag") as bag:
        topics = set(bag.topics)
    assert "/diagnostics" in topics
    assert "/rover/heater/temperature" not in topics


@pytest.mark.parametrize(
    ("text", "outcome", "cause"),
    [
        (end_of_plan(5, "complete"), "complete", ""),
        (end_of_plan(5, "blocked"), "blocked", "a wheel is stuck"),
        (end_of_plan(0, "complete"), "time", "the plan was not over after 60 s"),
        (GOOD.partition("plan:")[0], "complete", ""),
    ],
)
def test_the_outcome_is_the_executives(
    tmp_path: Path, text: str, outcome: str, cause: str
) -> None:
    facts = fly(tmp_path / "a", text)
    assert (facts.outcome, facts.cause, facts.mission_time_s) == (outcome, cause, 60.0)
    with open_bag(tmp_path / "a/bag") as bag:
        assert (bag.custom_data["outcome"], bag.custom_data["cause"]) == (outcome, cause)


class AskAt:
    def __init__(self, stop: Stop, count: int) -> None:
        self.stop, self.left = stop, count

    def message(self, now: int, emission: Emission) -> None:
        pass

    def tick(self, now: int) -> None:
        self.left -= 1
        if not self.left:
            self.stop.ask("by SIGTERM")


def test_a_run_that_is_stopped_ends_between_ticks_with_a_whole_bag(tmp_path: Path) -> None:
    stop = Stop()
    facts = fly(tmp_path / "a", stop=stop, observers=[AskAt(stop, 8)])
    assert (facts.outcome, facts.cause, facts.mission_time_s) == ("interrupted", "by SIGTERM", 7.0)
    with open_bag(tmp_path / "a/bag") as bag:
        assert bag.custom_data["outcome"] == "interrupted"
        assert not bag.skipped
        times = {m.log_time_ns for m in bag.messages()}
    assert len(times) == 8


def test_mission_time_keeps_pace_with_wall_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wall:
        """Wall time that passes only in sleep, but for a stall of 0.1 s."""

        now_s = 100.0
        slept: list[float] = []

        def monotonic(self) -> float:
            return self.now_s

        def sleep(self, duration_s: float) -> None:
            self.slept.append(duration_s)
            self.now_s += 0.1 if len(self.slept) == 20 else duration_s

    wall = Wall()
    monkeypatch.setattr("lupex_nodes.flight.time", wall)
    facts = fly(tmp_path / "a", rate=150.0)
    assert wall.now_s == pytest.approx(100.0 + 60 / 150)
    assert facts.real_time_factor == pytest.approx(150, abs=0.01)
    # the 14 ticks that were late after the stall did not wait; every other one did
    assert len(wall.slept) == pytest.approx(60 - 14, abs=1)


def test_a_bag_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    fly(tmp_path / "a")
    with pytest.raises(RecordingError, match="already holds files"):
        fly(tmp_path / "a")


def test_plain_progress_tells_events_and_the_time(tmp_path: Path) -> None:
    stream = io.StringIO()
    text = end_of_plan(31, "blocked")
    (tmp_path / "a").mkdir()
    with Progress(load(tmp_path / "a", text), stream) as progress:
        fly(tmp_path / "a", text, observers=[progress])
    lines = stream.getvalue().splitlines()
    assert len(lines) == 11
    assert [line[:8] for line in lines[:6]] == [f"00:00:{s:02d}" for s in (6, 12, 18, 24, 30, 30)]
    assert any("executive: PLAN_FAILED" in line for line in lines)


def test_a_terminal_gets_a_live_table(tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    text = end_of_plan(31, "blocked")
    (tmp_path / "a").mkdir()
    with Progress(load(tmp_path / "a", text), stream) as progress:
        fly(tmp_path / "a", text, observers=[progress])
    shown = stream.getvalue()
    assert "00:01:00 of 00:01:00" in shown
    assert "PLAN_FAILED" in shown


@pytest.mark.parametrize(
    ("topic", "root", "name"),
    [
        ("world/sun", "", "/world/sun"),
        ("world/sun", "/a/", "/a/world/sun"),
        ("/diagnostics", "a", "/diagnostics"),
    ],
)
def test_names_stand_below_the_root(topic: str, root: str, name: str) -> None:
    assert absolute_name(topic, root) == name


def test_the_truth_has_the_apparent_water_of_the_two_layer_law() -> None:
    from lupex_nodes.world.records import TRUTH

    message = TRUTH.message(0, [(1, 50.0, 2.0, 10.0, 2.0, 15.0, 0.24, 45.0)])
    known = json.loads(truth(message))
    ratio = neutron.epithermal_ratio(2.0, 15.0, 0.24, 45.0)
    assert known["patch_x_m"] == 50.0
    assert known["apparent_water_wt_percent"] == pytest.approx((1 / ratio - 1) / 0.24, rel=1e-6)
    assert json.loads(truth(TRUTH.message(0, [(0, 0, 0, 10, 2, 15, 0.24, 45)])))[
        "apparent_water_wt_percent"
    ] == 0.0  # fmt: skip


def test_the_truth_of_several_deposits_has_all_that_are_there() -> None:
    from lupex_nodes.world.records import TRUTH

    rows = [(0, 50.0, 2.0, 10.0, 2.0, 15.0, 0.4, 45.0), (1, 7.0, 8.0, 12.0, 1.0, 15.0, 0.4, 45.0)]
    known = json.loads(truth(TRUTH.message(0, rows)))
    assert known["patch_present"] == 0
    assert [each["patch_x_m"] for each in known["deposits"]] == [7.0]
    assert known["deposits"][0]["apparent_water_wt_percent"] > 0.3


def test_a_message_class_gives_its_type_name() -> None:
    from sensor_msgs.msg import PointCloud2

    assert type_name(PointCloud2) == "sensor_msgs/msg/PointCloud2"
    assert small_system().places["heater"].outputs()


def test_a_run_that_ended_before_its_first_message_has_a_summary_and_no_report(
    tmp_path: Path,
) -> None:
    facts = RunFacts("hardware", "rover ended with status 1", "ros", 0.0, 0.0, 0.0, 0, 0.0)
    assert finish(tmp_path, facts)["cause"] == "rover ended with status 1"
    assert json.loads((tmp_path / "summary.json").read_text())["outcome"] == "hardware"
    assert not (tmp_path / "report.html").exists()


def test_a_plan_during_which_the_bus_collapsed_is_not_complete() -> None:
    statistics = Statistics()
    for name, values in (
        ("power: BROWN_OUT", {}),
        ("executive: PLAN_COMPLETE", {"outcome": "complete"}),
    ):
        unit, _, event = name.partition(": ")
        message = status_message(0, unit, event, OK, "It happened.", values)
        statistics.message(0, Emission("events", Qos.COMMAND, DiagnosticArray, message, unit))
    assert statistics.outcome is not None and statistics.outcome.name == "energy"
