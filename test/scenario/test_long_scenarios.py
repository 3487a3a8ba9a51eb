# SPDX-License-Identifier: Apache-2.0
"""Days and nights of mission time, flown in memory; slow."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from lupex_nodes.analysis.summary import summary
from lupex_nodes.analysis.tables import read_tables
from lupex_nodes.flight import fly_memory
from lupex_nodes.recording.profiles import profile
from lupex_nodes.scenario import load_scenario
from lupex_nodes.system import load_system

NAMES = {"complete", "blocked", "energy", "thermal", "time", "communication", "hardware", "lost"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def fly(folder: Path, name: str, seed: int = 1) -> dict:
    checked = load_scenario(name, load_system(), overrides={"seed": seed})
    facts = fly_memory(checked, folder, profile("housekeeping"))
    return summary(folder / "bag", asdict(facts))


def test_a_lunar_day_is_complete_with_its_reserve(tmp_path: Path) -> None:
    found = fly(tmp_path, "lunar_day")
    assert found["outcome"] == "complete", found["cause"]
    assert found["distance_m"] > 2000.0 and found["tip_over"] is False
    assert found["battery_min_fraction"] >= 0.20
    assert found["energy_residual_fraction"] < 1e-3
    assert (tmp_path / "bag/bag_0.mcap").stat().st_size < 500e6
    events = read_tables(tmp_path / "bag").events
    failed = {e.values["activity"] for e in events if e.values.get("success") == "false"}
    assert failed <= {"survey_behind_the_hump"}, "it ends with the light"
    told = Counter((event.unit, event.name) for event in events)
    assert told["alis", "SPECTRUM"] == 10
    assert told["neutron_spectrometer", "DEPOSIT"] == 9
    assert ("gpr", "NO_PRODUCT") not in told and ("ems_l", "NO_PRODUCT") not in told


def test_without_an_eye_on_the_light_the_same_day_ends_for_energy(tmp_path: Path) -> None:
    assert fly(tmp_path, "lunar_day_careless")["outcome"] == "energy"


def test_two_days_over_twenty_grounds_end_with_a_name_and_mostly_well(tmp_path: Path) -> None:
    outcomes = {}
    for seed in range(1, 21):
        folder = tmp_path / str(seed)
        outcomes[seed] = fly(folder, "traverse", seed)["outcome"]
        assert "UNIT_FAILED" not in {event.name for event in read_tables(folder / "bag").events}
    assert set(outcomes.values()) <= NAMES
    assert list(outcomes.values()).count("complete") >= 14, json.dumps(outcomes)
