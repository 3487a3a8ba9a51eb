# SPDX-License-Identifier: Apache-2.0
"""Every YAML file that the package reads, damaged in every way: one clear sentence each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from malformed_yaml import HOPELESS, KINDS

from lupex_nodes import fault_catalogue
from lupex_nodes.campaign.campaign_file import read_campaign
from lupex_nodes.cli import BAD_INPUT, BadInput, inputs, main
from lupex_nodes.located_yaml import BadFile
from lupex_nodes.recording.profiles import ProfileError, black_box_limits, load_profiles
from lupex_nodes.rover.fault_table import load_faults
from lupex_nodes.share import share_file
from lupex_nodes.system import SystemFileError, load_system

pytestmark = pytest.mark.malformed

SYSTEM = load_system()
PARAMETERS = b"""\
/rover/navigation:
  ros__parameters: {turn_rate_max_deg_s: 2.0}
/**:
  ros__parameters:
    use_sim_time: true
    latitude_deg: -89.4
rover:
  imu:
    ros__parameters: {gyro_bias_sigma_deg_h: 0.01}
"""
FAULTS = b"""\
faults:
  - {fault: imu_frozen, at_s: 300, for_s: 60}
  - {fault: crawler_drag, when: {driven_above_m: 20}, magnitude: {drag_n: 400.0}}
"""


class Kind(NamedTuple):
    """A kind of file: a whole one, how the command line reads it, and what it raises for it."""

    whole: bytes
    read: Callable[[Path], Any]
    error: type[Exception]


def _campaign(path: Path) -> None:
    for run in read_campaign(path)[1][:1]:
        run.load(SYSTEM)


def _system(path: Path) -> None:
    places = load_system(path).places
    assert places


def _profiles(path: Path) -> None:
    load_profiles(path)
    black_box_limits(path)


def _shared(name: str) -> bytes:
    return share_file(f"config/{name}.yaml").read_bytes()


FILES = {
    "scenario": Kind(
        _shared("scenarios/lunar_day"), lambda path: inputs.scenario(str(path), SYSTEM), BadInput
    ),
    "parameters": Kind(
        PARAMETERS,
        lambda path: inputs.scenario("sortie", SYSTEM, parameter_file=path), BadInput,
    ),
    "faults": Kind(
        FAULTS, lambda path: inputs.scenario("sortie", SYSTEM, fault_files=[path]), BadInput
    ),
    "catalogue": Kind(
        _shared("faults"),
        lambda path: fault_catalogue.read_catalogue(path, SYSTEM.places), BadFile,
    ),
    "responses": Kind(_shared("fault_responses"), load_faults, BadFile),
    "campaign": Kind(_shared("campaigns/smoke"), _campaign, BadFile),
    "system": Kind(_shared("system"), _system, SystemFileError),
    "recording": Kind(_shared("recording"), _profiles, ProfileError),
}  # fmt: skip


def told(kind: Kind, data: bytes, folder: Path) -> str:
    """Return what is said of a file; empty when it is taken."""
    path = folder / "damaged.yaml"
    path.write_bytes(data)
    try:
        kind.read(path)
    except kind.error as error:
        lines = str(error).splitlines()
        assert lines and all(lines), "nothing is said"
        assert any("damaged.yaml" in line or "command line" in line for line in lines), lines
        assert "Traceback" not in str(error) and max(map(len, lines)) < 2000, lines
        return str(error)
    return ""


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_is_taken(name: str, tmp_path: Path) -> None:
    assert told(FILES[name], FILES[name].whole, tmp_path) == ""


@pytest.mark.parametrize("damage", HOPELESS)
@pytest.mark.parametrize("name", FILES)
def test_a_hopeless_file_is_refused(name: str, damage: str, tmp_path: Path) -> None:
    said = told(FILES[name], HOPELESS[damage], tmp_path)
    assert said or (name, damage) == ("faults", "empty_list")


@pytest.mark.parametrize("damage", KINDS)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_taken_or_told(name: str, damage: str, tmp_path: Path) -> None:
    # the longest files take a while to parse
    tries = 1 if len(FILES[name].whole) > 20_000 else 3

    @settings(max_examples=tries, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.integers(0, 2**32))
    def try_out(seed: int) -> None:
        told(FILES[name], KINDS[damage](FILES[name].whole, Random(seed)), tmp_path)

    try_out()


@pytest.mark.parametrize("damage", sorted({*HOPELESS} - {"empty_list"}))
def test_the_command_line_says_it_on_the_error_output(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "damaged.yaml"
    path.write_bytes(HOPELESS[damage])
    for arguments in (
        ["check", str(path)],
        ["campaign", str(path)],
        ["run", str(path)],
        ["run", "--params-file", str(path)],
        ["run", "--faults", str(path)],
    ):
        assert main(arguments) == BAD_INPUT
        printed = capsys.readouterr()
        assert printed.err.startswith(f"{path}:") and not printed.out
