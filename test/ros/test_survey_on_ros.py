# SPDX-License-Identifier: Apache-2.0
"""All survey instruments over real DDS: no message is lost, and every one is that of memory."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest
from processes import finish, start

from lupex_nodes.flight import fly_memory
from lupex_nodes.recording.bag_reader import open_bag
from lupex_nodes.recording.profiles import profile
from lupex_nodes.scenario import load_scenario
from lupex_nodes.system import load_system

SURVEY = str(Path(__file__).parents[1] / "scenario/short_survey.yaml")
#: A call between units is one of a ROS 2 service there; the others are ROS 2's own.
OTHERS = {"/commands", "/parameter_events", "/rosout"}


def recorded(folder: Path) -> dict[str, list[tuple[int, str]]]:
    found = defaultdict(list)
    with open_bag(folder / "bag") as bag:
        for message in bag.messages([topic for topic in bag.topics if topic not in OTHERS]):
            found[message.topic].append((message.log_time_ns, repr(bag.decode(message))))
    return found


@pytest.mark.slow
def test_a_survey_over_dds_is_that_of_memory(ros_domain: int, tmp_path: Path) -> None:
    flight = start("-m", "lupex_nodes", "run", SURVEY, "--out", str(tmp_path / "ros"))
    fly_memory(load_scenario(SURVEY, load_system()), tmp_path / "memory", profile("all"))
    code, out, err = finish(flight, 240)
    assert code == 0, out + err
    summary = json.loads((tmp_path / "ros/summary.json").read_text())
    assert (summary["outcome"], summary["lost_messages"]) == ("complete", 0)
    over_dds, in_memory = recorded(tmp_path / "ros"), recorded(tmp_path / "memory")
    assert set(over_dds) == set(in_memory)
    different = [topic for topic in in_memory if over_dds[topic] != in_memory[topic]]
    assert not different
    for product in ("gpr/profile", "alis/surface_ice", "ems_l/pressures",
                    "neutron_spectrometer/deposit"):  # fmt: skip
        assert in_memory[f"/payload/{product}"]
