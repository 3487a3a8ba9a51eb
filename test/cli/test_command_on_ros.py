# SPDX-License-Identifier: Apache-2.0
"""``lupex command`` against a system that flies on ROS 2 beside it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import wait_for

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

    def up() -> bool:
        assert run.poll() is None, run.communicate()[0]
        return main(["command", "imu", "noop"]) == COMPLETE

    try:
        wait_for(up, 60)
        yield
    finally:
        run.terminate()
        run.communicate(timeout=30)


@pytest.mark.usefixtures("flying")
def test_commands_complete_or_are_refused_with_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["command", "navigation", "hold"]) == COMPLETE
    assert main(["command", "power", "channels/imu/switch", "data=false"]) == COMPLETE

    def refused() -> bool:
        capsys.readouterr()
        ended = main(["command", "imu", "noop"])
        reason = "channel imu is off: switch it on first"
        return ended == ENDED_OTHERWISE and reason in capsys.readouterr().out

    # the channel goes off a tick after the switch, and the unit hears of it a tick later
    wait_for(refused)
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
