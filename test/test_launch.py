# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from lupex_nodes import cli
from lupex_nodes.bus.ros import process
from lupex_nodes.launch_plan import (
    ARGUMENTS,
    CLOCK,
    PARTS,
    RECORDER,
    REPLAY_ARGUMENTS,
    LaunchArgumentError,
    arguments_of,
    flown,
    plan,
    replay_command,
    unit_processes,
    uses_sim_time,
)
from lupex_nodes.system import COMPOSITIONS, System, UnitEntry, load_system

ROOT = Path(__file__).resolve().parent.parent
SYSTEM = load_system(ROOT / "config/system.yaml")


def values(**chosen: str) -> dict[str, str]:
    return {argument.name: argument.default for argument in ARGUMENTS} | chosen


def options(planned) -> object:
    """Return what lupex_node makes of a process's arguments; it exits on unknown ones."""
    return process.parser().parse_args(list(planned.arguments))


def all_planned(**chosen: str) -> list:
    return [each for part in PARTS for each in plan(SYSTEM, part, values(**chosen))]


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_the_parts_together_start_every_unit_once(composition):
    started = [
        unit
        for part in PARTS
        for units in unit_processes(SYSTEM, part, values(composition=composition)).values()
        for unit in units
    ]
    assert sorted(started) == sorted(unit.name for unit in SYSTEM.units)


def test_one_process_of_all_units():
    units = [each for each in all_planned(composition="all") if each.name != CLOCK]
    assert len(units) == 1
    assert set(options(units[0]).names) == {unit.name for unit in SYSTEM.units}


def test_a_process_a_unit():
    started = {each.name for each in all_planned(composition="unit")}
    assert started == {CLOCK, *(unit.name for unit in SYSTEM.units)}


def test_a_process_of_no_vehicle_is_the_worlds():
    station = UnitEntry("ground_station", "x:X", "ground", "ground")
    system = System((*SYSTEM.units, station))
    assert unit_processes(system, "world", values())["ground"] == ["localisation", "ground_station"]


@pytest.mark.parametrize("part", ["rover", "lander"])
def test_a_new_unit_is_launched_with_its_vehicle(part):
    system = System((*SYSTEM.units, UnitEntry("new", "x:X", "payload", part)))
    assert "new" in unit_processes(system, part, values())[part]


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_the_clock_waits_for_every_process_and_the_recorder(composition):
    planned = all_planned(composition=composition, record="out")
    clock = next(each for each in planned if each.name == CLOCK)
    assert set(options(clock).members.split(",")) == {each.name for each in planned} - {CLOCK}
    for each in planned:
        if each.name not in (CLOCK, RECORDER):
            assert options(each).process == each.name


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_all_processes_fly_the_same_mission(composition):
    chosen = {"scenario": "lunar_day", "seed": "7", "root": "second"}
    planned = all_planned(composition=composition, record="out", **chosen)
    for each in map(options, planned):
        assert (each.scenario, each.seed, each.root, each.clock) == (
            "lunar_day", 7, "second", "lockstep",
        )


def test_a_scenario_keeps_its_seed_unless_one_is_given():
    assert {options(each).seed for each in all_planned()} == {None}


def test_recorder_gets_profile_and_folder():
    recorder = next(each for each in all_planned(record="/bags", profile="black_box")
                    if each.name == RECORDER)
    assert (options(recorder).record, options(recorder).out) == ("black_box", "/bags")
    assert RECORDER not in {each.name for each in all_planned()}
    assert not options(recorder).no_black_box
    without = all_planned(record="/bags", black_box="false")
    assert [options(each).no_black_box for each in without if each.name == RECORDER] == [True]


@pytest.mark.parametrize(("rate", "taken"), [("max", 0.0), ("2.5", 2.5)])
def test_rate_is_the_clocks(rate, taken):
    clock = next(each for each in all_planned(rate=rate) if each.name == CLOCK)
    assert options(clock).rate == taken


def test_units_alone_are_respawned_and_the_clock_alone_ends_the_launch():
    planned = all_planned(respawn="true", record="out")
    assert {each.name for each in planned if not each.respawn} == {CLOCK, RECORDER}
    assert [each.name for each in planned if each.ends_launch] == [CLOCK]
    assert not [each for each in all_planned() if each.respawn]


@pytest.mark.parametrize("clock", ["free", "wall"])
def test_only_lockstep_has_a_clock(clock):
    planned = all_planned(clock=clock)
    assert CLOCK not in {each.name for each in planned}
    assert {options(each).clock for each in planned} == {clock}
    assert uses_sim_time(values(clock=clock)) == (clock == "free")


def test_gazebo_takes_the_vehicles_place_and_keeps_time():
    left = flown(SYSTEM, "gazebo")
    assert {unit.name for unit in SYSTEM.units} - {unit.name for unit in left.units} == {"vehicle"}
    started = unit_processes(SYSTEM, "world", values(sim="gazebo"))
    assert "vehicle" not in [unit for units in started.values() for unit in units]
    assert uses_sim_time(values(sim="gazebo", clock="wall"))


@pytest.mark.parametrize(
    "chosen",
    [
        {"sim": "gazebo"},
        {"seed": "seven"},
        {"seed": "-1"},
        {"rate": "0"},
        {"rate": "fast"},
        {"rate": "nan"},
        {"record": "true"},
        {"params_file": "/nowhere.yaml"},
    ],
    ids=lambda chosen: ":=".join(*chosen.items()),
)
@pytest.mark.parametrize("part", PARTS)
def test_what_cannot_be_flown_is_refused_in_one_sentence(part, chosen):
    with pytest.raises(LaunchArgumentError, match=":=".join(*chosen.items())) as refused:
        plan(SYSTEM, part, values(**chosen))
    assert ": " in str(refused.value) or "must be" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("part", [None, *PARTS])
def test_arguments_are_described_and_their_defaults_can_be_flown(part):
    for argument in arguments_of(part):
        assert argument.description
        assert not argument.choices or argument.default in argument.choices
    defaults = {argument.name: argument.default for argument in arguments_of(part)}
    assert plan(SYSTEM, part or "world", defaults)


def replayed(**chosen: str) -> list[str]:
    return replay_command({each.name: each.default for each in REPLAY_ARGUMENTS} | chosen)


def test_replay_is_rosbag2s_player_with_a_clock():
    assert replayed(bag="b") == ["ros2", "bag", "play", "b", "--rate", "1", "--clock", "40"]
    command = replayed(bag="b", start="5", paused="true", loop="true", topics="/a /b")
    assert command[8:] == [
        "--start-offset", "5", "--start-paused", "--loop", "--topics", "/a", "/b",
    ]


def test_replay_by_lupex_calls_a_command_that_exists():
    program, *arguments = replayed(
        bag="b", player="lupex", rate="max", start="5", paused="true", loop="true", topics="/a /b"
    )
    found = cli.parser().parse_args(arguments)
    assert (program, found.bag, found.start, found.paused) == ("lupex", "b", 5.0, True)
    assert (found.loop, found.topics) == (True, ["/a", "/b"])
    program, *arguments = replayed(bag="b", unit="imu")
    assert (program, cli.parser().parse_args(arguments).unit) == ("lupex", "imu")


@pytest.mark.parametrize(
    "chosen",
    [{"bag": ""}, {"rate": "0"}, {"rate": "max"}, {"rate": "fast"}, {"start": "-1"},
     {"start": "nan"}],
    ids=lambda chosen: ":=".join(*chosen.items()),
)
def test_a_replay_that_cannot_be_is_refused_in_one_sentence(chosen):
    with pytest.raises(LaunchArgumentError, match=":=".join(*chosen.items())) as refused:
        replayed(**{"bag": "b", **chosen})
    assert "\n" not in str(refused.value)


# --- with the real launch_ros, where ROS 2 is installed ------------------------------------


@pytest.fixture
def launched(monkeypatch):
    """Return a function that expands a launch file to its nodes, and starts none of them."""
    pytest.importorskip("launch_ros", reason="launch_ros comes with ROS 2, not from PyPI")
    from launch import LaunchContext
    from launch.actions import IncludeLaunchDescription
    from launch_ros.actions import Node

    def expand(name: str, **chosen: str) -> tuple[list[Node], LaunchContext]:
        context = LaunchContext()
        context.launch_configurations.update(chosen)
        waiting = [IncludeLaunchDescription(str(ROOT / "launch" / name))]
        nodes = []
        while waiting:
            entity = waiting.pop(0)
            if isinstance(entity, Node):
                entity._perform_substitutions(context)
                nodes.append(entity)
            else:
                waiting = [*(entity.visit(context) or []), *waiting]
        return nodes, context

    return expand


def words(node, context) -> list[str]:
    from launch.utilities import perform_substitutions

    return [perform_substitutions(context, word) for word in node.cmd[1:]]


def test_launch_starts_all_parts_and_sets_sim_time_once(launched):
    nodes, context = launched("lupex.launch.py", record="out")
    expected = {each.arguments for each in all_planned(record="out")}
    assert {tuple(words(node, context)[: words(node, context).index("--ros-args")])
            for node in nodes} == expected
    for node in nodes:
        assert words(node, context).count("use_sim_time:=True") == 1
        assert not [word for word in words(node, context) if word.startswith(("__ns", "__node"))]


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_launch_follows_the_composition(launched, composition):
    nodes, _ = launched("lupex.launch.py", composition=composition)
    assert len(nodes) == len(SYSTEM.processes(composition)) + 1


def test_launch_passes_the_parameter_file_and_the_log_level(launched, tmp_path):
    file = tmp_path / "parameters.yaml"
    file.write_text("/**:\n  ros__parameters:\n    mass_kg: 350.0\n")
    nodes, context = launched("rover.launch.py", params_file=str(file), log_level="debug")
    for node in nodes:
        line = " ".join(words(node, context))
        assert f"--params-file {file}" in line and "--log-level debug" in line


def test_launch_says_nothing_about_dds_unless_told(launched, monkeypatch):
    for name in ("ROS_AUTOMATIC_DISCOVERY_RANGE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("RMW_IMPLEMENTATION", raising=False)
    _, context = launched("world.launch.py")
    assert "FASTRTPS_DEFAULT_PROFILES_FILE" not in context.environment
    _, context = launched("world.launch.py", discovery="loopback")
    assert Path(context.environment["FASTRTPS_DEFAULT_PROFILES_FILE"]).is_file()
    for name in [n for n in context.environment if n.startswith(("FASTRTPS", "MALLOC_"))]:
        monkeypatch.delenv(name, raising=False)


def test_launch_refuses_gazebo_before_anything_starts(launched):
    with pytest.raises(LaunchArgumentError, match="sim:=gazebo cannot be launched"):
        launched("lupex.launch.py", sim="gazebo")


def test_replay_declares_its_arguments(launched):
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    description = get_launch_description_from_python_launch_file(
        str(ROOT / "launch/replay.launch.py")
    )
    declared = description.get_launch_arguments()
    assert {argument.name for argument in declared} == {
        "rviz", *(argument.name for argument in REPLAY_ARGUMENTS)
    }
    assert all(argument.description for argument in declared)
