# SPDX-License-Identifier: Apache-2.0
"""Every process of the real system is killed while the rover drives, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import killed_processes
from lupex_nodes.recording.bag_reader import open_bag
from lupex_nodes.system import load_system

KNOWN_S = 3.0


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_every_process_is_killed_and_the_mission_goes_on(ros_domain: int, tmp_path: Path) -> None:
    killed, ended = killed_processes.fly(tmp_path, print)
    print(ended)
    units = [entry.name for entry in load_system().units]
    assert [each.process for each in killed] == units
    for each in killed:
        assert each.known_s is not None and each.known_s < KNOWN_S, each
        assert each.back_s is not None, each
        assert each.drives_s is not None, each
    assert ended.exit_code == 0
    assert "Traceback" not in ended.errors
    assert ended.summary["outcome"] == "complete"
    # each was struck off for its own death and nobody else for anything
    assert ended.summary["struck_off"] == len(units)
    # the executive believes that the rover has arrived; it has
    assert ended.from_goal_m < 2.0
    with open_bag(tmp_path / "out/bag") as bag:
        restarted = [
            status.name
            for message in bag.messages(["/events"])
            if (status := bag.decode(message).status[0]).name.endswith(": PROCESS_RESTARTED")
        ]
    assert restarted == [f"{unit}: PROCESS_RESTARTED" for unit in units]
    # what a killed process leaves the next start takes away, and the end the rest but the flight's
    # own port, which the next flight in its domain takes
    counts = [each.shared_memory_files for each in killed]
    assert max(counts) <= counts[0] + 6, counts
    assert ended.shared_memory_files <= 2
