# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mission_bag import write_mission

from lupex_nodes.analysis import Analysis
from lupex_nodes.analysis.bag_comparison import compare, compared_tables
from lupex_nodes.analysis.tables import Occurrence, Series, Tables
from lupex_nodes.cli import main
from lupex_nodes.recording.bag_reader import BagError


def noisy(offset: float = 0.0, from_s: float = 0.0, seed: int = 1) -> Tables:
    time_s = np.arange(500.0)
    values = np.random.default_rng(seed).normal(0.0, 0.1, 500)
    values += offset * (time_s >= from_s)
    return Tables(
        Path("b"),
        duration_s=499.0,
        arrivals={"/rover/imu/data": time_s},
        scalars={"/rover/imu/data": {"linear_acceleration.x": Series(time_s, values)}},
    )


def test_other_noise_is_no_difference() -> None:
    assert compared_tables(noisy(seed=1), noisy(seed=2)) == (1, [])


def test_a_step_is_dated_and_measured_by_the_scatter() -> None:
    number, (found,) = compared_tables(noisy(1.0, 300.0), noisy(seed=2))
    assert number == 1 and found.unit == "imu"
    assert found.signal == "/rover/imu/data linear_acceleration.x"
    assert found.first_time_s == pytest.approx(300.0, abs=5.0)
    assert found.scatters == pytest.approx(10.0, rel=0.4)


def test_modes_events_and_topics_that_one_has_not() -> None:
    here, there = noisy(), noisy()
    for tables, end_s in ((here, 100.0), (there, 200.0)):
        tables.heartbeats["mobility"] = np.arange(0.0, 500.0, 10.0)
        tables.texts["mobility"] = {"mode": [(0.0, "driving"), (end_s, "stopped")]}
    here.events.append(Occurrence(70.0, "mobility", "STALL", 1, "a crawler stands", {}))
    there.arrivals["/rover/path"] = np.array([5.0])
    _, found = compared_tables(here, there)
    assert [(each.first_time_s, each.unit, each.signal) for each in found] == [
        (5.0, "rover", "/rover/path"),
        (70.0, "mobility", "STALL"),
        (100.0, "mobility", "/diagnostics mode"),
    ]
    assert "here stopped from 100.0 s and there stopped from 200.0 s" in found[2].message


def test_a_bag_is_like_itself_and_unlike_one_with_trouble(
    troubled: tuple[Path, Analysis], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = str(troubled[0] / "bag")
    assert main(["analyze", bag, "--vs", bag]) == 0
    assert "no difference" in capsys.readouterr().out
    sound = write_mission(tmp_path / "sound", trouble=False)
    assert main(["analyze", bag, "--vs", str(sound), "--json", "--out", str(tmp_path)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "comparison.json").read_text())
    battery = next(
        each for each in told["differences"] if each["signal"].endswith("battery percentage")
    )
    assert battery["unit"] == "power" and battery["scatters"] > 5.0
    times = [each["first_time_s"] for each in told["differences"]]
    assert times == sorted(times)


def test_a_bag_that_is_not_there_is_one_sentence(
    troubled: tuple[Path, Analysis], tmp_path: Path
) -> None:
    with pytest.raises(BagError, match="there is no bag"):
        compare(troubled[0] / "bag", tmp_path / "none")
