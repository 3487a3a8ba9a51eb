# SPDX-License-Identifier: Apache-2.0
"""``lupex check`` on scenarios that are broken in one way each, and on those of the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from lupex_nodes.cli import BAD_INPUT, COMPLETE, main

BROKEN = Path(__file__).parents[1] / "scenario/broken"
ERRORS = {
    "syntax": (5, "this is not YAML"),
    "duplicate_key": (5, "seed: the key stands here again after line 3"),
    "unknown_key": (3, "duraton_s: is not known here: did you mean duration_s?"),
    "wrong_type": (3, "duration_s: 'two hours' is refused: give a number of at least 1 (s)"),
    "after_2038": (4, "duration_s: time"),
    "out_of_range": (4, "site.latitude_deg: -99 is refused: give a number from -90 to 90 (deg)"),
    "no_terrain_file": (4, "terrain.geotiff: there is no file"),
    "unknown_unit": (4, "parameters.navigatoin: there is no unit navigatoin: did you mean nav"),
    "unknown_parameter": (5, "parameters.navigation.turn_rate_deg_s: is not known here"),
    "parameter_range": (5, "parameters.navigation.turn_rate_max_deg_s: 1000.0 is refused: give"),
    "unknown_command": (4, "plan[0].command: navigation has no command goto; it has go_to"),
    "bad_argument": (6, "plan[0].arguments: y_m = 'north' is refused: give a number"),
}


def test_every_broken_scenario_has_its_test() -> None:
    assert {path.stem for path in BROKEN.glob("*.yaml")} == {*ERRORS, "several"}
    assert len(ERRORS) >= 10


@pytest.mark.parametrize("name", ERRORS)
def test_a_broken_scenario_is_one_clear_line(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = BROKEN / f"{name}.yaml"
    assert main(["check", str(path)]) == BAD_INPUT
    printed = capsys.readouterr()
    line, sentence = ERRORS[name]
    assert printed.err.startswith(f"{path}:{line}: {sentence}")
    assert printed.err.count("\n") == 1
    assert not printed.out


def test_all_errors_of_all_files_come_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(BROKEN / f"{name}.yaml") for name in ("several", "unknown_key")]
    assert main(["check", *files]) == BAD_INPUT
    lines = capsys.readouterr().err.splitlines()
    places = [line.partition(".yaml:")[2].split(": ")[:2] for line in lines]
    assert places == [
        ["3", "start"],
        ["4", "housekeeping_period_s"],
        ["6", "parameters.imu.no_such"],
        ["9", "plan[1].wait_s"],
        ["3", "duraton_s"],
    ]


def test_the_scenarios_of_the_package_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == COMPLETE
    lines = capsys.readouterr().out.splitlines()
    assert {"sortie", "sortie_blank"} <= {Path(line.partition(":")[0]).stem for line in lines}
    assert all(": right: " in line for line in lines)


def test_a_parameter_file_is_told_from_a_scenario(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("rover:\n  navigation:\n    ros__parameters: {turn_rate_max_deg_s: 2.0}\n")
    assert main(["check", str(path)]) == COMPLETE
    assert "1 parameters" in capsys.readouterr().out
    path.write_text("rover:\n  navigation:\n    ros__parameters: {turn_rate_max_deg_s: 99}\n")
    assert main(["check", str(path)]) == BAD_INPUT
    assert capsys.readouterr().err.startswith(f"{path}:3: parameters.navigation.turn_rate_max")


def test_a_missing_file_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "sorite"]) == BAD_INPUT
    assert "there is no scenario sorite: did you mean sortie" in capsys.readouterr().err
