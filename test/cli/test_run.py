# SPDX-License-Identifier: Apache-2.0
"""``lupex run`` in memory, from the command line to the files it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import wait_for

from lupex_nodes.cli import BAD_INPUT, COMPLETE, ENDED_OTHERWISE, main
from lupex_nodes.cli.run import closing
from lupex_nodes.flight import RunFacts
from lupex_nodes.recording.bag_reader import open_bag

DEM = Path(__file__).parents[3] / "shared/data/dem/Shoemaker_final_adj_5mpp_surf_1k.tif"


@pytest.fixture
def short(tmp_path: Path) -> str:
    path = tmp_path / "short.yaml"
    path.write_text(
        "extends: sortie\nname: short\nduration_s: 30\nplan: [{activity: rest, wait_s: 5}]\n"
    )
    return str(path)


def run(*arguments: object) -> int:
    return main(["run", *map(str, arguments), "--bus", "memory"])


def test_a_complete_run_leaves_bag_report_and_summary(
    short: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(short, "--out", out, "--seed", "5") == COMPLETE
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["outcome"], summary["mission_time_s"]) == ("complete", 30.0)
    assert summary["messages"] > 100
    assert "<html" in (out / "report.html").read_text()
    with open_bag(out / "bag") as bag:
        assert bag.custom_data["seed"] == "5"
        assert "/world/sun" in bag.topics
    printed = capsys.readouterr().out
    assert "site     89.45 S 222.7 E" in printed
    assert "Sun      elevation +1.21 deg" in printed
    assert "Earth    elevation +5.91 deg" in printed
    assert "terrain  synthetic, drawn from seed 5" in printed
    assert "complete: 30 s flown" in printed


def test_a_run_that_is_too_short_for_its_plan_ends_as_time(tmp_path: Path) -> None:
    assert run("sortie", "--duration", "20", "--out", tmp_path / "out") == ENDED_OTHERWISE
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["outcome"] == "time"
    assert summary["cause"] == "the plan was not over after 20 s"


def test_a_parameter_file_and_a_profile_act(short: str, tmp_path: Path) -> None:
    parameters = tmp_path / "params.yaml"
    parameters.write_text("subsurface:\n  ros__parameters: {patch_present: false}\n")
    options = ("--params-file", parameters, "--record", "housekeeping")
    assert run(short, "--out", tmp_path / "out", *options) == COMPLETE
    with open_bag(tmp_path / "out/bag") as bag:
        assert json.loads(bag.custom_data["truth"])["patch_present"] == 0
        assert "/world/sun" not in bag.topics
        assert "/diagnostics" in bag.topics


def test_the_users_own_terrain_is_flown_at_its_own_place(
    short: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not DEM.is_file():
        pytest.skip("the real elevation model is not in ../shared/data")
    assert run(short, "--out", tmp_path / "out", "--terrain", DEM) == COMPLETE
    printed = capsys.readouterr().out
    assert "site     87.18" in printed
    assert f"terrain  {DEM} (measured)" in printed
    with open_bag(tmp_path / "out/bag") as bag:
        assert str(DEM.parent) not in bag.custom_data["start_parameters"]


def test_results_are_kept_unless_told(
    short: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(short, "--out", out) == COMPLETE
    (out / "notes.txt").write_text("mine")
    before = (out / "bag/bag_0.mcap").read_bytes()
    assert run(short, "--out", out) == BAD_INPUT
    assert "is there already" in capsys.readouterr().err
    assert run(short, "--out", out, "--overwrite") == COMPLETE
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "bag/bag_0.mcap").read_bytes() == before


def test_without_out_each_run_has_a_folder_of_its_own(
    short: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(short, "--duration", 15) == COMPLETE
    assert run(short, "--duration", 15) == COMPLETE
    assert sorted(path.name for path in Path("runs").iterdir()) == ["short-1", "short-1-2"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sorite"], "there is no scenario sorite: did you mean sortie"),
        (["sortie", "--record", "everything"], "there is no recording profile 'everything'"),
        (["sortie", "--composition", "unit"], "--composition is for --bus ros"),
        (["sortie", "--seed", "-3"], "command line:1: seed: -3 is refused"),
        (["sortie", "--terrain", "none.tif"], "terrain.geotiff: there is no file"),
        (["sortie", "--params-file", "none.yaml"], "none.yaml:1: the file cannot be read"),
        (["sortie", "--out", "/dev/null/x"], "/dev/null/x cannot be written"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_flies(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == BAD_INPUT
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.err.count("\n") == 1
    assert not printed.out


@pytest.mark.parametrize("rate", ["0", "-1", "fast", "inf"])
def test_a_rate_that_is_none_is_refused(rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["run", f"--rate={rate}"])
    assert end.value.code == BAD_INPUT
    assert "give a number above 0, or max" in capsys.readouterr().err


def start(*arguments: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "lupex_nodes", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_with_whole_results(number: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "out"
    flight = start("run", "sortie", "--bus", "memory", "--rate", "20", "--out", out)
    wait_for((out / "bag/bag_0.mcap").exists)
    time.sleep(1.0)
    os.kill(flight.pid, number)
    _, err = flight.communicate(timeout=30)
    assert flight.returncode == COMPLETE, err
    assert "Traceback" not in err
    summary = json.loads((out / "summary.json").read_text())
    assert summary["outcome"] == "interrupted"
    assert summary["cause"] == f"by {number.name}"
    with open_bag(out / "bag") as bag:
        assert not bag.skipped
        assert bag.custom_data["outcome"] == "interrupted"


def test_help_comes_at_once() -> None:
    def cpu_s() -> float:
        times = os.times()
        return times.children_user + times.children_system

    took = []
    for _ in range(3):
        before = cpu_s()
        out, _ = start("--help").communicate(timeout=20)
        took.append(cpu_s() - before)
    assert "analyze" in out
    assert min(took) < 0.5


def test_a_closed_pipe_is_no_error() -> None:
    program = start("units")
    program.stdout.close()
    assert program.wait(20) == COMPLETE
    assert "Traceback" not in program.stderr.read()


@pytest.mark.parametrize(
    ("water", "line"),
    [
        (
            {"detected": True, "estimate_wt_percent": 1.1, "standard_error": 0.08},
            "water    1.10 +/- 0.08 wt%",
        ),
        (
            {"detected": False, "upper_limit_wt_percent": 0.2},
            "water    none found; below 0.20 wt%",
        ),
    ],
)
def test_the_last_lines_tell_the_water(water: dict, line: str) -> None:
    facts = RunFacts("complete", "", "memory", 7200.0, 6.0, 1200.0, 200, 33.3)
    assert line in closing(Path("out"), facts, {"water": water})
