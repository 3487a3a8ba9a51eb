# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from scenario_units import small_system
from test_scenario import GOOD, load

from lupex_nodes.located_yaml import BadFile
from lupex_nodes.unit_parameters import check_parameter_file


def written(folder: Path, text: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "node",
    [
        "heater:\n  ros__parameters: {power_w: 8}\n",
        "/rover/heater:\n  ros__parameters: {power_w: 8}\n",
        "rover/heater: {ros__parameters: {power_w: 8}}\n",
        "rover:\n  heater:\n    ros__parameters: {power_w: 8}\n",
        "/**:\n  ros__parameters: {power_w: 8, use_sim_time: true}\n",
        "/*/heater:\n  ros__parameters: {power_w: 8}\n",
        "/rover/**:\n  ros__parameters: {power_w: 8}\n",
    ],
)
def test_a_node_is_named_as_in_ros(tmp_path: Path, node: str) -> None:
    path = written(tmp_path, node)
    assert check_parameter_file(path, small_system()) == 1
    checked = load(tmp_path, GOOD + "parameters: {heater: {power_w: 4, stages: 2}}\n",
                   parameter_file=path)
    assert checked.parameters["heater"]["power_w"] == 8
    assert checked.parameters["heater"]["stages"] == 2


def test_a_wildcard_reaches_only_the_units_that_have_the_parameter(tmp_path: Path) -> None:
    path = written(tmp_path, "/**: {ros__parameters: {terrain_size_m: 90.0}}\n")
    checked = load(tmp_path, GOOD, parameter_file=path)
    assert checked.parameters["ground"] == {"terrain_size_m": 90.0}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("/**:\n  ros__parameters: {pwr_w: 1}\n", "2: /**.ros__parameters.pwr_w: no unit"),
        ("heeter: {ros__parameters: {}}\n", "1: heeter: no unit is /heeter: did you mean heater?"),
        ("heater:\n  ros__parameters:\n    power_w: 99\n", "3: parameters.heater.power_w: 99"),
        ("heater: 3\n", "1: heater: this must be a mapping with ros__parameters"),
        ("heater: {ros__parameters: 3}\n", "this must be a mapping of parameters"),
        ("", "1: write nodes with ros__parameters"),
    ],
)
def test_an_error_is_a_line(tmp_path: Path, text: str, sentence: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadFile) as error:
        check_parameter_file(path, small_system())
    (problem,) = error.value.problems
    assert str(problem).startswith(f"{path}:")
    assert sentence in str(problem)
    with pytest.raises(BadFile, match="params.yaml"):
        load(tmp_path, GOOD, parameter_file=path)
