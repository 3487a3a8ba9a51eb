# SPDX-License-Identifier: Apache-2.0
"""What the launch files start, as plain data: no ROS 2 is needed to read or test it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lupex_nodes.system import COMPOSITIONS, System

#: The launch files; world also starts what belongs to no vehicle: clock, ground and recorder.
PARTS = ("world", "rover", "lander")
#: Gazebo's own vehicle takes the place of this unit.
GAZEBO_REPLACES = ("vehicle",)
#: Its end is the end of the mission, so it is never started again.
CLOCK = "clock"
#: A second start would find the folder of the first.
RECORDER = "recorder"


class LaunchArgumentError(ValueError):
    """A value of a launch argument that cannot be flown."""


@dataclass(frozen=True)
class LaunchArgument:
    """One argument of the launch files; without ``choices`` any text will do."""

    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()


ARGUMENTS = (
    LaunchArgument("root", "", "namespace before every relative name, so that several systems fit"),
    LaunchArgument("scenario", "sortie", "what is flown: the name or the file of a scenario"),
    LaunchArgument("sim", "builtin", "who moves the rover", ("builtin", "gazebo")),
    LaunchArgument("rate", "1", "mission seconds per wall second, or max for as fast as it goes"),
    LaunchArgument("seed", "", "seed of everything random; empty: the scenario's own"),
    LaunchArgument("record", "", "folder to record a bag into; empty: nothing is recorded"),
    LaunchArgument("profile", "all", "what is recorded, by the profiles of config/recording.yaml"),
    LaunchArgument(
        "black_box", "true",
        "with record: keep the last minutes of everything and write them after a fault",
        ("true", "false"),
    ),
    LaunchArgument("faults", "", "file with faults to inject; empty: the scenario's own only"),
    LaunchArgument("params_file", "", "ROS 2 parameter file for all units; empty: their defaults"),
    LaunchArgument(
        "composition", "vehicle",
        "one process for all units, for each vehicle, or for each unit", COMPOSITIONS,
    ),
    LaunchArgument("respawn", "false", "start a dead unit process again", ("true", "false")),
    LaunchArgument(
        "clock", "lockstep",
        "lockstep: a clock that waits for every process; free: /clock comes from elsewhere, such "
        "as a bag; wall: the computer's UTC", ("lockstep", "free", "wall"),
    ),
    LaunchArgument(
        "discovery", "default",
        "default: the environment's; loopback: this computer only, unless the environment says "
        "otherwise", ("default", "loopback"),
    ),
    LaunchArgument(
        "log_level", "info", "lowest severity that the units log",
        ("debug", "info", "warn", "error", "fatal"),
    ),
)
#: Arguments of replay.launch.py; those of `ros2 bag play` and of `lupex replay` have these names.
REPLAY_ARGUMENTS = (
    LaunchArgument("bag", "", "the rosbag2 folder to play"),
    LaunchArgument("rate", "1", "mission seconds per wall second; max needs player:=lupex"),
    LaunchArgument("start", "0", "begin this many seconds after the bag's beginning"),
    LaunchArgument("topics", "", "only these topics, with blanks between; empty: all"),
    LaunchArgument("paused", "false", "begin paused", ("true", "false")),
    LaunchArgument("loop", "false", "play again and again", ("true", "false")),
    LaunchArgument(
        "unit", "", "fly this unit again over what it heard and compare, instead of playing"
    ),
    LaunchArgument(
        "player", "rosbag2",
        "rosbag2: ros2 bag play, with its services; lupex: lupex replay, which also plays what "
        "was latched before the start", ("rosbag2", "lupex"),
    ),
)
_WORLD_ONLY = ("rate", "record", "profile", "black_box")


def replay_command(values: Mapping[str, str]) -> list[str]:
    """Return the command line that plays a bag, `lupex` standing for itself.

    Raises LaunchArgumentError, one sentence.
    """
    if not values["bag"]:
        raise LaunchArgumentError("bag:= must name the folder of a bag")
    if values["unit"]:
        return ["lupex", "replay", values["bag"], "--unit", values["unit"]]
    lupex = values["player"] == "lupex"
    start_s = _number("start", values["start"])
    if start_s < 0:
        raise LaunchArgumentError(f"start:={values['start']} must not be below 0")
    if values["rate"] != "max":
        if _number("rate", values["rate"]) <= 0:
            raise LaunchArgumentError(f"rate:={values['rate']} must be above 0")
    elif not lupex:
        raise LaunchArgumentError("rate:=max is not known to ros2 bag play: add player:=lupex")
    if lupex:
        command = ["lupex", "replay", values["bag"], "--rate", values["rate"]]
        names = {"start": "--start", "paused": "--paused"}
    else:
        # rosbag2's /clock is off by default; 40 Hz is also that of `lupex replay`
        command = ["ros2", "bag", "play", values["bag"], "--rate", values["rate"], "--clock", "40"]
        names = {"start": "--start-offset", "paused": "--start-paused"}
    if start_s:
        command += [names["start"], values["start"]]
    if values["paused"] == "true":
        command.append(names["paused"])
    if values["loop"] == "true":
        command.append("--loop")
    if values["topics"]:
        command += ["--topics", *values["topics"].split()]
    return command


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise LaunchArgumentError(f"{name}:={text} must be a number")
    return number


@dataclass(frozen=True)
class PlannedProcess:
    """One process: its name, the arguments of ``lupex_node``, and whether it may be respawned."""

    name: str
    arguments: tuple[str, ...]
    respawn: bool = False

    @property
    def ends_launch(self) -> bool:
        """Whether everything is shut down when this process has ended."""
        return self.name == CLOCK


def arguments_of(part: str | None = None) -> tuple[LaunchArgument, ...]:
    """Return the arguments of one part's launch file; of lupex.launch.py without a part."""
    if part in (None, "world"):
        return ARGUMENTS
    return tuple(argument for argument in ARGUMENTS if argument.name not in _WORLD_ONLY)


def check(values: Mapping[str, str]) -> None:
    """Raise LaunchArgumentError for values that no choice or type of the arguments rules out."""
    if values["sim"] == "gazebo":
        raise LaunchArgumentError(
            "sim:=gazebo cannot be launched, because this version brings no Gazebo world and "
            "rover: use sim:=builtin"
        )
    if values["params_file"] and not Path(values["params_file"]).is_file():
        raise LaunchArgumentError(
            f"params_file:={values['params_file']} is not a file: give the path of a ROS 2 "
            "parameter file"
        )
    if values["faults"] and not Path(values["faults"]).is_file():
        raise LaunchArgumentError(
            f"faults:={values['faults']} is not a file: give the path of a list of faults"
        )
    if values.get("record", "").lower() in ("true", "false"):
        raise LaunchArgumentError(
            f"record:={values['record']} is not a folder: give the folder for the bag, or leave "
            "record out"
        )
    if values["seed"] and not values["seed"].isdecimal():
        raise LaunchArgumentError(f"seed:={values['seed']} must be a whole number of 0 or more")
    if "rate" in values and values["rate"] != "max" and not _is_positive(values["rate"]):
        raise LaunchArgumentError(f"rate:={values['rate']} must be a number above 0, or max")


def clock_mode(values: Mapping[str, str]) -> str:
    """Return how time runs: as the argument says, but Gazebo brings its own clock."""
    return "free" if values["sim"] == "gazebo" else values["clock"]


def uses_sim_time(values: Mapping[str, str]) -> bool:
    """Tell whether the nodes take their time from /clock."""
    return clock_mode(values) != "wall"


def part_of(process: str) -> str:
    """Return the launch file that starts a process of system.yaml."""
    return process if process in PARTS else "world"


def flown(system: System, sim: str) -> System:
    """Return the system without the units whose work a simulator does."""
    if sim == "builtin":
        return system
    return replace(
        system, units=tuple(unit for unit in system.units if unit.name not in GAZEBO_REPLACES)
    )


def unit_processes(
    system: System, part: str, values: Mapping[str, str]
) -> dict[str, list[str]]:
    """Return the process names and units that one launch file starts.

    With ``composition:=all`` the one process is the world's, and the vehicles' files start nothing.
    """
    composition = values["composition"]
    flying = flown(system, values["sim"])
    started: dict[str, list[str]] = {}
    for process, names in flying.processes(composition).items():
        home = "world" if composition == "all" else part_of(flying.entry(names[0]).process)
        if home == part:
            started[process] = names
    return started


def plan(system: System, part: str, values: Mapping[str, str]) -> list[PlannedProcess]:
    """Return the processes that one launch file starts, the clock last: it finds them alive.

    ``values`` are the launch arguments by name. Raises LaunchArgumentError for values that cannot
    be flown.
    """
    check(values)
    flying = flown(system, values["sim"])
    common = _options(
        scenario=values["scenario"],
        seed=values["seed"],
        faults=values["faults"],
        clock=clock_mode(values),
        root=values["root"],
        units="" if flying == system else ",".join(unit.name for unit in flying.units),
    )
    planned = [
        PlannedProcess(
            process,
            (*names, *_options(process=process), *common),
            respawn=values["respawn"] == "true",
        )
        for process, names in unit_processes(system, part, values).items()
    ]
    if part != "world":
        return planned
    members = list(flying.processes(values["composition"]))
    if values["record"]:
        members.append(RECORDER)
        chosen = _options(record=values["profile"], out=values["record"])
        if values["black_box"] == "false":
            chosen += ("--no-black-box",)
        planned.append(PlannedProcess(RECORDER, (RECORDER, *chosen, *common)))
    if clock_mode(values) == "lockstep":
        rate = "0" if values["rate"] == "max" else values["rate"]
        chosen = _options(rate=rate, members=",".join(members))
        planned.append(PlannedProcess(CLOCK, (CLOCK, *chosen, *common)))
    return planned


def _options(**values: str) -> tuple[str, ...]:
    """Return the options of ``lupex_node`` that have a value."""
    return tuple(
        word for name, value in values.items() if value for word in (f"--{name}", value)
    )


def _is_positive(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False
