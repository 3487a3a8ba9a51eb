# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from mission_bag import TRUTH
from rosbags.highlevel import AnyReader

from lupex_nodes.analysis import Analysis, analyze
from lupex_nodes.analysis.summary import DEPOSIT, summary, true_water_wt_percent, truth
from lupex_nodes.analysis.tables import Rows, Tables
from lupex_nodes.payload.records import DEPOSIT as DEPOSIT_SCHEMA
from lupex_nodes.recording.bag_reader import BagError

REAL_BAGS = Path(__file__).resolve().parents[3] / "shared/data/bags"


def test_findings_json_is_the_findings(troubled: tuple[Path, Analysis]) -> None:
    folder, analysis = troubled
    content = json.loads((folder / "findings.json").read_text())
    assert set(content) == {
        "messages", "topics", "duration_s", "skipped", "learnt_signals", "energy", "causes",
        "findings",
    }
    assert content["messages"] == sum(content["topics"].values()) == 40493
    assert content["duration_s"] == 4599.0
    assert [f["message"] for f in content["findings"]] == [f.message for f in analysis.findings]
    assert set(content["findings"][0]) == {
        "first_time_s", "unit", "signal", "kind", "severity", "cause", "message"
    }


def test_the_findings_bag_lies_over_the_bag(troubled: tuple[Path, Analysis]) -> None:
    folder, analysis = troubled
    with AnyReader([folder / "findings_bag"]) as reader:
        read = [(t, reader.deserialize(raw, c.msgtype)) for c, t, raw in reader.messages()]
    start_ns = analysis.tables.start_ns
    assert [t for t, _ in read] == [
        start_ns + round(f.first_time_s * 1e9) for f in analysis.findings
    ]
    assert [m.status[0].level for _, m in read] == [1, 1, 2, 2, 1]


def test_analysing_again_gives_the_same_files(troubled: tuple[Path, Analysis]) -> None:
    folder, _ = troubled
    names = ["findings.json", "report.html", "findings_bag/bag_0.mcap"]
    before = [(folder / name).read_bytes() for name in names]
    analyze(folder / "bag", folder)
    for name, first in zip(names, before, strict=True):
        again = (folder / name).read_bytes()
        lines = zip(first.split(b"\n"), again.split(b"\n"), strict=False)
        parts = [pair for pair in lines if pair[0] != pair[1]]
        assert again == first, (name, parts[:2])


def test_the_text_for_a_terminal_has_a_line_a_finding(troubled: tuple[Path, Analysis]) -> None:
    lines = troubled[1].text().splitlines()
    assert "40493 messages on 11 topics in 4599.0 s" in lines[0]
    causes = [line for line in lines if line.startswith("look at ")]
    assert causes[0].startswith("look at 1: mobility, from 3220.0 s")
    assert len(lines) == 1 + len(causes) + 5
    assert "mobility sent no housekeeping to the end" in lines[len(causes) + 3]


@pytest.mark.skipif(not REAL_BAGS.exists(), reason="the real talker bags are not there")
@pytest.mark.parametrize("name", ["talker_mcap", "talker_sqlite3"])
def test_a_bag_of_others_is_analysed(tmp_path: Path, name: str) -> None:
    analysis = analyze(REAL_BAGS / name, tmp_path)
    assert analysis.as_dict()["topics"] == {"/rosout": 10, "/topic": 10}
    assert analysis.exit_code == 0
    assert "/topic" in (tmp_path / "report.html").read_text()


def test_no_bag_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="there is no bag"):
        analyze(tmp_path / "none")


def test_the_summary_has_the_figures_of_the_run(troubled: tuple[Path, Analysis]) -> None:
    found = summary(troubled[1].tables, {"outcome": "complete", "wall_time_s": 46.0, "bus": "ros"})
    assert found["outcome"] == "complete" and found["bus"] == "ros"
    assert found["real_time_factor"] == pytest.approx(4599 / 46)
    assert found["messages"] == 40493
    assert found["messages_per_s"] == pytest.approx(40493 / 46)
    assert found["distance_m"] == pytest.approx(150.0)  # 3 lines of 40 m and 2 steps of 15 m
    assert found["battery_min_fraction"] == pytest.approx(0.15, abs=0.001)
    water = found["water"]
    assert water["detected"] is True
    miss = abs(water["estimate_wt_percent"] - water["truth_wt_percent"])
    assert miss < 3 * water["standard_error"]
    assert water["position_error_m"] < 5.0
    json.dumps(found, allow_nan=False)


def test_what_the_bag_lacks_is_none(tmp_path: Path, nominal: tuple[Path, Analysis]) -> None:
    found = summary(nominal[1].tables, {})
    assert found["outcome"] is None and found["real_time_factor"] is None
    assert found["water"]["detected"] is False
    assert found["water"]["position_error_m"] is None
    assert found["water"]["truth_wt_percent"] == 0.0
    json.dumps(found, allow_nan=False)


def test_true_apparent_water_is_the_hand_computed_one() -> None:
    # Suppression under a cover (Lawrence et al. 2006), then the part of the footprint of a
    # detector 0.6 m up that a disc of 10 m fills.
    suppression = 0.43 * 2 / (1 + 0.43 * 2) * math.exp(-15 / 46)
    cosine = 0.6 / math.hypot(10, 0.6)
    limb = math.sqrt(3) / 2
    filled = ((1 - cosine) + limb * (1 - cosine**2)) / (1 + limb)
    expected = (1 / (1 - suppression * filled) - 1) / 0.43
    assert true_water_wt_percent(TRUTH) == pytest.approx(expected)
    assert true_water_wt_percent({}) is None


def test_of_several_deposits_the_nearest_to_the_find_is_the_truth() -> None:
    def tables(detected: int) -> Tables:
        found = np.zeros(1, DEPOSIT_SCHEMA.dtype)
        found["detected"], found["x_m"], found["y_m"] = detected, 40.0, 1.0
        records = {f"/{DEPOSIT}": Rows(np.array([9.0]), found)}
        deposits = [{**TRUTH, "patch_x_m": x_m} for x_m in (0.0, 50.0, 90.0)]
        custom = {"truth": json.dumps({"patch_present": 0, "deposits": deposits})}
        arrivals = {topic: rows.time_s for topic, rows in records.items()}
        return Tables(Path("bag"), custom_data=custom, arrivals=arrivals, records=records)

    assert truth(tables(1))["patch_x_m"] == 50.0
    assert truth(tables(0))["patch_x_m"] == 0.0
