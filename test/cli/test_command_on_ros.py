# SPDX-License-Identifier: Apache-2.0
"""``lupex command`` against a system that flies on ROS 2 beside it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lupex_nodes.cli import BAD_INPUT, COMPLETE, ENDED_OTHERWISE, main


@pytest.fixture
def flying(tmp_path: Path, ros_domain: int) -> Iterator[None]:
    scenario = tmp_path / "rest.yaml"
    scenario.write_text("extends: sortie\nduration_s: 600\nplan: [{activity: rest, wait_s: 500}]\n")
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "lupex_nodes", "run", str(scenario), "--bus", "ros"),
            *("--rate", "1", "--out", str(tmp_path / "out"), "--record", "housekeeping"),
        ],
        cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 40
    while main(["command", "imu", "noop"]) != COMPLETE and time.monotonic() < deadline:
        assert run.poll() is None, run.communicate()[0]
    yield
    run.terminate()
    run.communicate(timeout=30)


@pytest.mark.usefixtures("flying")
def test_commands_complete_or_are_refused_with_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["command", "navigation", "hold"]) == COMPLETE
    assert main(["command", "power", "channels/imu/switch", "data=false"]) == COMPLETE
    # The channel goes off a tick after the switch, and the unit hears of it a tick later.
    time.sleep(3.0)
    capsys.readouterr()
    assert main(["command", "imu", "noop"]) == ENDED_OTHERWISE
    assert "channel imu is off: switch it on first" in capsys.readouterr().out
    assert main(["command", "power", "channels/imu/switch", "data=true"]) == COMPLETE


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["navigation", "go_to", "x_m=3"], "y_m is missing"),
        (["navigatoin", "hold"], "did you mean navigation?"),
        (["navigation", "halt"], "navigation has no command halt"),
        (["navigation", "hold", "now"], "'now' is no argument: write key=value"),
    ],
)
def test_what_no_unit_takes_is_refused_before_it_is_sent(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["command", *arguments]) == BAD_INPUT
    assert sentence in capsys.readouterr().err
