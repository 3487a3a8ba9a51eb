# SPDX-License-Identifier: Apache-2.0
"""`lupex live`: who watches a running system from outside sees it and does not hold it up."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lupex_nodes.cli import BAD_INPUT, main

SCENARIO = (
    "extends: sortie\nname: short\nduration_s: 240\n"
    "plan: [{activity: rest, wait_s: 200}]\nhousekeeping_period_s: 1\n"
)


def first_update(port: int) -> dict:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/updates")
    update = json.loads(connection.getresponse().readline().removeprefix(b"data: "))
    connection.close()
    return update


def lupex(log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen([sys.executable, "-m", "lupex_nodes", *arguments], stdout=out)


def ended(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(60)
    finally:
        process.kill()


def test_it_shows_a_running_flight_and_may_be_frozen_or_killed(
    tmp_path: Path, ros_domain: int
) -> None:
    scenario = tmp_path / "short.yaml"
    scenario.write_text(SCENARIO)
    frozen = lupex(tmp_path / "frozen.log", "live")
    watcher = lupex(tmp_path / "live.log", "live", str(scenario))
    out = tmp_path / "out"
    flight = lupex(
        tmp_path / "run.log", "run", str(scenario), "--bus", "ros", "--rate", "20",
        "--record", "housekeeping", "--out", str(out),
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r":(\d+)/", (tmp_path / "live.log").read_text())):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        update: dict = {"mission": {"time_s": 0.0}, "rover": None}
        while update["mission"]["time_s"] < 60.0 or not update.get("rover"):
            assert time.monotonic() < deadline + 60 and flight.poll() is None
            time.sleep(0.5)
            update = first_update(int(found[1]))
            if update["mission"]["time_s"] > 20.0:
                frozen.send_signal(signal.SIGSTOP)
        levels = {name: unit["level"] for name, unit in update["units"].items()}
        assert set(levels.values()) <= {"ok", "off"}, levels
        assert update["mission"]["activity"] == "rest"
        assert update["mission"]["rate"] < 100.0
        assert abs(update["rover"]["x_m"] - 15.0) < 1.0
        assert update["begin"]["name"] == "short" and update["values"]
        frozen.send_signal(signal.SIGKILL)
        assert ended(flight) == 0
        summary = json.loads((out / "summary.json").read_text())
        assert summary["outcome"] == "complete"
        assert (summary["lost_messages"], summary["struck_off"]) == (0, 0)
        watcher.send_signal(signal.SIGINT)
        assert ended(watcher) == 0
    finally:
        for each in (frozen, watcher, flight):
            if each.poll() is None:
                os.kill(each.pid, signal.SIGCONT)
                each.kill()
            each.wait(10)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["live", "--seed", "3"], "--seed is for the ground of a SCENARIO: name it"),
        (["live", "nowhere"], "nowhere"),
        (["run", "--live-port", "80", "--bus", "memory"], "--live-port and --live-stay are for"),
    ],
)
def test_bad_input_gets_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == BAD_INPUT
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["live", "--port", port])
    assert "give a number from 0 to 65535" in capsys.readouterr().err
