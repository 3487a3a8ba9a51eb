# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest
from fed_view import START, FedView

from lupex_nodes.analysis.limits import Limit
from lupex_nodes.bus.place import COMMANDS, DIAGNOSTICS, EVENTS
from lupex_nodes.bus.records import Schema
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.flight import fly_memory
from lupex_nodes.live.histories import BUCKETS
from lupex_nodes.live.view import FAULTS, LOG_ENTRIES, LiveView, Reader, judged
from lupex_nodes.recording.profiles import profile
from lupex_nodes.rover.records import PLAN
from lupex_nodes.scenario import load_scenario
from lupex_nodes.system import load_system


def test_a_page_gets_all_once_and_then_what_is_new() -> None:
    view, reader = FedView(), Reader()
    view.fly(0, 20)
    first = view.since(reader)
    assert first is not None and first["begin"]["bus"] == "test"
    assert first["histories"]["count"] == 20 and len(first["track"]["points"]) == 7
    assert first["rover"]["x_m"] == 1.9 and first["sky"]["sun"]["lit_fraction"] == 0.7
    assert view.since(reader) is None
    view.fly(20, 22)
    second = view.since(reader)
    assert second is not None
    assert "begin" not in second and "sky" not in second and "path" not in second
    assert second["histories"]["first"] == 19 and second["mission"]["time_s"] == 21.0
    assert view.since(Reader())["histories"]["count"] == 22  # type: ignore[index]


def test_a_page_that_never_reads_costs_no_memory() -> None:
    view = FedView()
    view.fly(0, 1500)
    for t in range(1500, 2500):
        view.say(t, EVENTS, "power", "LOW", 1, "Little is left.")
    told = view.since(Reader())
    assert told is not None
    assert told["histories"]["count"] <= BUCKETS
    assert len(told["log"]) == LOG_ENTRIES
    assert len(json.dumps(told, allow_nan=False)) < 400_000


def test_units_have_mode_and_health_and_silence_and_want_of_power() -> None:
    view = FedView()
    view.fly(0, 2)
    view.say(2, DIAGNOSTICS, "imu", "housekeeping", 2, "no rates", mode="failed")
    view.pass_time(2)
    units = view.since(Reader())["units"]  # type: ignore[index]
    assert (units["imu"]["mode"], units["imu"]["level"]) == ("failed", "error")
    assert units["imu"]["message"] == "no rates"
    assert units["power"]["level"] == "ok" and units["power"]["values"]["number"] == "1"
    assert units["vehicle"]["message"] == "no heartbeat yet"
    view.pass_time(60)
    units = view.since(Reader())["units"]  # type: ignore[index]
    assert (units["power"]["level"], units["power"]["message"]) == (
        "stale",
        "no heartbeat for 59 s",
    )


def test_a_unit_without_power_is_off_and_not_silent() -> None:
    view = FedView()
    names = load_system().places["power"].feeds
    channels = Schema("channels", *((name, "u1", "") for name in names))
    row = tuple(0 if name == "imu" else 1 for name in names)
    view.put(1, "rover/power/channels", channels.message(0, [row]))
    view.pass_time(1)
    units = view.since(Reader())["units"]  # type: ignore[index]
    assert (units["imu"]["level"], units["imu"]["message"]) == ("off", "channel imu is off")
    assert units["ranging"]["level"] == "stale"


def test_a_fault_is_active_until_it_is_cleared_and_both_are_told() -> None:
    view = FedView()
    view.say(5, FAULTS, "imu", "IMU_SILENT", 2, "No rates come.")
    view.say(6, FAULTS, "imu", "IMU_SILENT", 2, "No rates come.")
    view.pass_time(6)
    told = view.since(Reader())
    assert told is not None
    (fault,) = told["faults"]
    assert (fault["active"], fault["level"], fault["name"]) == (True, "error", "IMU_SILENT")
    assert [each["kind"] for each in told["log"]] == ["fault"]
    view.say(9, FAULTS, "imu", "IMU_SILENT", 0, "Rates come again.")
    view.pass_time(9)
    told = view.since(Reader())
    assert told is not None
    (fault,) = told["faults"]
    assert (fault["active"], fault["level"]) == (False, "error")
    assert len(told["log"]) == 2


def test_the_log_has_commands_that_start_and_fail_but_not_each_step() -> None:
    view = FedView()
    for stage, success in (
        ("acceptance", "true"), ("start", "true"), ("progress", "true"), ("completion", "true"),
        ("acceptance", "false"),
    ):  # fmt: skip
        level = 0 if success == "true" else 1
        view.say(1, COMMANDS, "imu", "reset", level, "", stage=stage, success=success)
    view.pass_time(1)
    log = view.since(Reader())["log"]  # type: ignore[index]
    assert [each["level"] for each in log] == ["ok", "ok", "warning"]


def test_after_a_clock_that_leapt_all_begins_anew() -> None:
    view, reader = FedView(), Reader()
    view.fly(0, 50)
    view.since(reader)
    for first_s in (10, 10_000_000):
        view.fly(first_s, first_s + 2)
        told = view.since(reader)
        assert told is not None and "begin" in told
        assert told["histories"]["count"] == 2 and told["mission"]["time_s"] == 1.0


def test_activity_and_plan_follow_the_executive() -> None:
    view = FedView()
    view.say(1, EVENTS, "executive", "ACTIVITY_STARTED", 0, "It began.", activity="survey")
    view.put(1, "rover/executive/plan", PLAN.message(0, [(5, 2, 2)]))
    view.pass_time(1)
    mission = view.since(Reader())["mission"]  # type: ignore[index]
    assert (mission["activity"], mission["done"], mission["total"]) == ("survey", 2, 5)
    assert mission["plan"] == "running" and mission["utc"] == "2028-09-19T18:13:21"


def test_values_beyond_limits_are_judged() -> None:
    limit = Limit(unit="u", signal="s", warn_below=0.2, error_below=0.1, warn_above=0.9)
    assert [judged(v, limit) for v in (0.5, 0.15, 0.05, 0.95)] == [
        ("ok", None), ("warning", 0.2), ("error", 0.1), ("warning", 0.9),
    ]  # fmt: skip
    view = FedView()
    view.fly(0, 1)
    lines = [line for panel in view._constant()["panels"] for line in panel["lines"]]
    charge = next(str(line["row"]) for line in lines if line["name"] == "state of charge")
    assert view.since(Reader())["values"][charge] == {  # type: ignore[index]
        "value": 90.0, "level": "ok", "limit": None,
    }  # fmt: skip


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> tuple[LiveView, list[dict]]:
    folder = tmp_path_factory.mktemp("flown")
    path = folder / "short.yaml"
    path.write_text("extends: sortie\nname: short\nduration_s: 90\nplan: []\n")
    checked = load_scenario(str(path), load_system())
    view, reader = LiveView(checked.system, checked.scenario, bus="memory"), Reader()
    told: list[dict] = []

    class Page:
        """A page that looks every few ticks."""

        def message(self, now: int, emission: object) -> None:
            pass

        def tick(self, now: int) -> None:
            if now % (7 * SECOND) == 0 and (update := view.since(reader)):
                told.append(json.loads(json.dumps(update, allow_nan=False)))

    fly_memory(checked, folder, profile("housekeeping"), observers=[view, Page()])
    view.end("complete", "", ["results  here"])
    last = view.since(reader)
    assert last is not None
    return view, [*told, last]


def test_a_real_flight_fills_every_part_of_the_page(
    flown: tuple[LiveView, list[dict]],
) -> None:
    view, told = flown
    whole = view.since(Reader())
    assert whole is not None
    assert whole["mission"]["outcome"] == "complete" and whole["mission"]["time_s"] == 90.0
    assert {unit["level"] for unit in whole["units"].values()} <= {"ok", "off"}
    assert set(whole["units"]) == set(load_system().places)
    assert whole["power"]["loads"]["imu"] > 0
    filled = {line["row"] for panel in whole["begin"]["panels"] for line in panel["lines"]}
    water = {13, 14, 15} & filled  # known only when something was surveyed
    assert {int(row) for row in whole["values"]} >= filled - water - {15}
    assert sum(len(update.get("log", [])) for update in told) == len(whole.get("log", []))
    assert told[-1]["mission"]["outcome"] == "complete"


def test_what_it_looks_at_is_published_by_somebody() -> None:
    system = load_system()
    known = {topic for place in system.places.values() for topic in place.outputs()}
    own = set(FedView().topics) - {DIAGNOSTICS, EVENTS, COMMANDS, FAULTS}
    assert own <= known


def test_the_start_is_the_scenarios_or_when_it_was_first_seen() -> None:
    view = FedView()
    view.tick(START + 5 * SECOND)
    view.tick(START + 8 * SECOND)
    assert view.since(Reader())["mission"]["time_s"] == 3.0  # type: ignore[index]


def test_reading_is_safe_while_the_flight_writes(tmp_path: Path) -> None:
    import threading

    view, failures = FedView(), []
    over = threading.Event()

    def read() -> None:
        reader = Reader()
        try:
            while not over.is_set():
                view.since(reader)
        except Exception as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for each in readers:
        each.start()
    view.fly(0, 200)
    over.set()
    for each in readers:
        each.join()
    assert failures == []
