# SPDX-License-Identifier: Apache-2.0
"""Workers that are killed, hang or raise, and campaigns that go on where they were ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lupex_nodes.campaign.campaign_file import Run
from lupex_nodes.campaign.flown_run import key
from lupex_nodes.campaign.workers import DIED, FLYING, HUNG, RUNS, fly_all, kept, watched, write
from lupex_nodes.cli import main
from lupex_nodes.share import share_folder
from lupex_nodes.system import load_system

SMOKE = share_folder() / "config/campaigns/smoke.yaml"
RUN = Run("imu_silent-1", "sortie", 1, "imu_silent", "imu", "imu", 300.0, 20.0)


def runs(*names: str) -> list[Run]:
    return [replace(RUN, id=name) for name in names]


def pretend(run: Run, key: str, out: Path, keep_bag: bool, limit_s: float) -> None:
    """What a worker does here instead of flying."""
    watched(limit_s)
    if run.id.startswith("killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    if run.id.startswith("hangs"):
        time.sleep(600.0)
    write(out, {"run": asdict(run), "key": key, "ended": "flown"})


def flown(out: Path, wanted: list[Run], limit_s: float = 600.0) -> dict[str, dict]:
    keys = {run.id: "now" for run in wanted}
    results = fly_all(wanted, keys, out, processes=2, wall_limit_s=limit_s, work=pretend)
    return {result["run"]["id"]: result for result in results}


def test_a_killed_worker_leaves_a_result_and_the_rest_is_flown(tmp_path: Path) -> None:
    names = ("killed-1", "good-1", "killed-2", "good-2")
    results = flown(tmp_path, runs(*names))
    assert {name: result["ended"] for name, result in results.items()} == {
        "killed-1": DIED, "good-1": "flown", "killed-2": DIED, "good-2": "flown"
    }  # fmt: skip
    assert results["killed-1"]["reason"] == "exit code -9"
    files = sorted(path.name for path in (tmp_path / RUNS).iterdir())
    assert files == sorted(f"{name}.json" for name in names)


def test_a_worker_that_hangs_is_killed_at_the_limit_and_leaves_a_result(tmp_path: Path) -> None:
    results = flown(tmp_path, runs("hangs-1"), limit_s=2.0)
    assert results["hangs-1"]["ended"] == HUNG
    assert "not over after" in results["hangs-1"]["reason"]
    assert kept(tmp_path, *runs("hangs-1"), "now") == results["hangs-1"]


def test_results_count_for_the_same_code_and_flight_only(tmp_path: Path) -> None:
    flown(tmp_path, runs("good-1"))
    (run,) = runs("good-1")
    assert kept(tmp_path, run, "now") is not None
    assert kept(tmp_path, run, "other code") is None
    path = tmp_path / RUNS / "good-1.json"
    path.write_text(path.read_text()[:20])
    assert kept(tmp_path, run, "now") is None
    path.write_text("[]")
    assert kept(tmp_path, run, "now") is None


def test_the_key_follows_seed_time_and_bound() -> None:
    system = load_system()
    same = key(RUN, RUN.load(system))
    assert same == key(RUN, RUN.load(system))
    for other in (
        replace(RUN, seed=2), replace(RUN, at_s=301.0), replace(RUN, detect_within_s=30.0),
        replace(RUN, duration_s=3600.0),
    ):  # fmt: skip
        assert key(other, other.load(system)) != same


def test_who_ends_a_campaign_ends_its_workers(tmp_path: Path) -> None:
    wanted = runs("good-1", "hangs-1", "hangs-2")
    keys = {run.id: "now" for run in wanted}
    flights = fly_all(wanted, keys, tmp_path, processes=2, wall_limit_s=600.0, work=pretend)
    assert next(flights)["run"]["id"] == "good-1"
    flights.close()
    assert kept(tmp_path, wanted[1], "now") is None  # it was ended, it did not hang


def test_a_flight_that_cannot_be_flown_is_a_result_with_its_reason(tmp_path: Path) -> None:
    bad = replace(RUN, id="bad-1", scenario="no_such_scenario")
    (result,) = fly_all([bad], {"bad-1": "now"}, tmp_path, processes=1, wall_limit_s=600.0)
    assert result["ended"] == DIED
    assert "there is no scenario no_such_scenario" in result["reason"]


@pytest.mark.slow
def test_a_campaign_that_is_killed_goes_on_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGKILL after the first result: it is kept, its workers end, and the rest is flown."""
    command = [sys.executable, "-m", "lupex_nodes", "campaign", str(SMOKE), "--out", str(tmp_path)]
    first = subprocess.Popen([*command, "--processes", "2"], stdout=subprocess.DEVNULL)
    folder = tmp_path / RUNS
    while first.poll() is None and not list(folder.glob("*.json")):
        time.sleep(0.05)
    first.kill()
    first.wait()
    done = {path: path.stat().st_mtime_ns for path in folder.glob("*.json")}
    assert done and len(done) < 3
    main(["campaign", str(SMOKE), "--out", str(tmp_path), "--keep-bags"])
    printed = capsys.readouterr().out
    assert f"3 flights, {len(done)} of them flown already" in printed
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert len(list(folder.glob("*.json"))) == 3
    assert not list((tmp_path / FLYING).iterdir())
    found = json.loads((tmp_path / "campaign.json").read_text())
    assert found["flights"] == 3
    assert found["died"] == found["hung"] == []
    results = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    for result in results:
        if result["run"]["fault"]:
            assert result["injected_s"] == pytest.approx(result["run"]["at_s"], abs=2.0)
        if path := result.get("bag"):
            assert (tmp_path / path / "metadata.yaml").is_file()
    crash = next(each for each in results if each["run"]["fault"] == "executive_crash")
    assert any(each["id"] == "EXECUTIVE_FAILED" for each in crash["board"])
    # nothing is left to fly: the table alone is made again
    main(["campaign", str(SMOKE), "--out", str(tmp_path)])
    assert "3 flights, 3 of them flown already" in capsys.readouterr().out
