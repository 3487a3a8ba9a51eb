# SPDX-License-Identifier: Apache-2.0
"""``lupex check``: every error of every file at once."""

from __future__ import annotations

import argparse
import sys

from lupex_nodes import located_yaml
from lupex_nodes.cli import BAD_INPUT, COMPLETE, inputs
from lupex_nodes.located_yaml import BadFile
from lupex_nodes.scenario import find_scenario, load_scenario, scenario_names
from lupex_nodes.system import System
from lupex_nodes.unit_parameters import VALUES, check_parameter_file


def check(options: argparse.Namespace) -> int:
    """Print one line for each error, or for each file that is right."""
    system = inputs.system()
    bad = False
    for name in options.files or scenario_names():
        try:
            print(_check(name, system))
        except (BadFile, FileNotFoundError) as error:
            print(error, file=sys.stderr)
            bad = True
    return BAD_INPUT if bad else COMPLETE


def _check(name: str, system: System) -> str:
    path = find_scenario(name)
    if _holds_parameters(located_yaml.read(path).data):
        count = check_parameter_file(path, system)
        return f"{path}: right: {count} parameters"
    scenario = load_scenario(name, system).scenario
    return (
        f"{path}: right: {len(scenario.plan)} activities, {scenario.duration_s:g} s from "
        f"{scenario.start:%Y-%m-%dT%H:%M:%S} UTC"
    )


def _holds_parameters(data: object) -> bool:
    """Tell a ROS parameter file, at whatever depth of namespaces, from a scenario."""
    if not isinstance(data, dict):
        return False
    return VALUES in data or any(map(_holds_parameters, data.values()))


