# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from lupex_nodes.analysis import analyze
from lupex_nodes.analysis.causes import ranked, upstream_units
from lupex_nodes.analysis.findings import Finding
from lupex_nodes.campaign.campaign_file import Run
from lupex_nodes.campaign.flown_run import recorded
from lupex_nodes.flight import fly_memory
from lupex_nodes.share import share_file
from lupex_nodes.system import load_system

GRAPH = {
    "navigation": frozenset({"imu", "star_tracker", "mobility"}),
    "mobility": frozenset({"navigation", "power"}),
    "imu": frozenset({"power"}),
    "executive": frozenset({"navigation", "power"}),
}


def finding(time_s: float, unit: str, kind: str, signal: str = "s", severity: str = "warning"):
    return Finding(time_s, unit, signal, kind, severity, "", f"{unit} {kind}")


def test_a_failed_plan_follows_from_the_sensor_that_froze() -> None:
    found, causes = ranked(
        [
            finding(100.0, "imu", "frozen"),
            finding(300.0, "navigation", "command", "go_to"),
            finding(301.0, "executive", "event", "PLAN_FAILED", "error"),
        ],
        GRAPH,
    )
    assert causes[0].unit == "imu" and causes[0].first_time_s == 100.0
    assert "executive, navigation" in causes[0].why
    assert [f.cause for f in found] == ["", *["follows from imu: imu frozen"] * 2]


def test_the_other_side_of_a_comparison_is_blamed_when_it_stopped_telling_the_truth() -> None:
    jump = finding(90.0, "star_tracker", "residual", "star_jump_deg")
    assert ranked([jump], GRAPH)[1][0].unit == "star_tracker"
    _, causes = ranked([jump, finding(100.0, "imu", "frozen")], GRAPH)
    assert [cause.unit for cause in causes] == ["imu", "star_tracker"]


def test_what_was_earlier_is_no_consequence() -> None:
    found, causes = ranked(
        [finding(10.0, "mobility", "rate"), finding(5000.0, "navigation", "frozen")], GRAPH
    )
    assert all(not f.cause for f in found)
    assert [cause.unit for cause in causes] == ["mobility", "navigation"]


def test_words_of_the_fault_manager_weigh_next_to_nothing() -> None:
    _, causes = ranked(
        [finding(10.0, "fault_manager", "health"), finding(20.0, "power", "limit")], GRAPH
    )
    assert causes[0].unit == "power"


def test_nothing_found_is_no_cause() -> None:
    info = finding(1.0, "power", "event", severity="info")
    assert ranked([info]) == ([info], [])


def test_the_graph_is_that_of_the_system() -> None:
    graph = upstream_units()
    assert {"imu", "star_tracker", "mobility", "power"} <= graph["navigation"]
    assert "power" in graph["imu"] and "lander_power" in graph["relay"]
    assert "neutron_spectrometer" not in graph["power"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "unit", "at_s"),
    [
        ("", "", 0.0),
        ("imu_frozen", "imu", 400.0),
        ("acquire_command_lost", "neutron_spectrometer", 280.0),
        ("channel_open", "power", 400.0),
        ("bus_current_wrong", "power", 400.0),
    ],
)
def test_the_first_cause_of_a_flight_is_the_unit_that_was_broken(
    tmp_path: Path, fault: str, unit: str, at_s: float
) -> None:
    scenario = str(share_file("config/scenarios/trial_commands.yaml"))
    run = Run("r", scenario, 7, fault, unit, unit, at_s, 300.0, duration_s=900.0)
    fly_memory(run.load(load_system()), tmp_path, recorded())
    analysis = analyze(tmp_path / "bag")
    own = [cause for cause in analysis.causes if cause.unit != "fault_manager"]
    if not fault:
        assert own == []
        return
    assert analysis.causes[0].unit == unit
    assert at_s - 61.0 <= analysis.causes[0].first_time_s <= at_s + 300.0
    told = " ".join(f"{f.unit} {f.signal} {f.message} {f.cause}" for f in analysis.findings)
    assert "inject" not in told
