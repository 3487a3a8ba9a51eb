# SPDX-License-Identifier: Apache-2.0
"""Clock, recorder and units as processes of their own, as the launch files start them."""

from __future__ import annotations

from pathlib import Path

from processes import finish, node

from lupex_nodes.recording.bag_reader import open_bag


def test_clock_recorder_and_units_fly_as_separate_processes(
    ros_domain: int, tmp_path: Path
) -> None:
    scenario = tmp_path / "toy.yaml"
    scenario.write_text("name: toy\nstart: 2028-10-04T00:00:00Z\nduration_s: 20\n")
    flown = ("--scenario", str(scenario), "--clock", "lockstep", "--root", "moon")
    units = [
        node("supply", "first", "second", "--process", "rover", *flown),
        node("sink", "--process", "ground", *flown),
    ]
    recorder = node("recorder", "--record", "all", "--out", str(tmp_path), *flown)
    clock = node("clock", "--rate", "max", "--members", "rover,ground,recorder", *flown)
    code, _, err = finish(clock)
    assert (code, err) == (0, "")
    for process in (recorder, *units):
        process.terminate()
        code, _, err = finish(process, 5)
        assert (code, "Traceback" in err) == (0, False), err
    with open_bag(tmp_path / "bag") as bag:
        assert bag.topics["/moon/bus/tick"].message_count == 21
        assert bag.topics["/moon/rover/first/value"].message_count == 21
        assert bag.custom_data["scenario"] == "toy"
