# SPDX-License-Identifier: Apache-2.0
"""The plan of the launch files as actions of ``launch`` and ``launch_ros``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch_ros.actions import Node, SetParameter

from lupex_nodes.bus.ros.transport import loopback_environment
from lupex_nodes.launch_plan import (
    LaunchArgument,
    PlannedProcess,
    arguments_of,
    check,
    plan,
    uses_sim_time,
)
from lupex_nodes.share import PACKAGE
from lupex_nodes.system import load_system

RESPAWN_DELAY_S = 2.0


def part_description(part: str) -> LaunchDescription:
    """Return what one part's launch file starts: its arguments, the settings and its processes."""
    return LaunchDescription(
        [
            *declarations(arguments_of(part)),
            OpaqueFunction(function=settings),
            OpaqueFunction(function=partial(processes, part=part)),
        ]
    )


def declarations(arguments: Iterable[LaunchArgument]) -> list[Action]:
    """Return the actions that declare launch arguments."""
    return [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=list(argument.choices) or None,
        )
        for argument in arguments
    ]


def settings(context: LaunchContext) -> list[Action]:
    """Return what holds for all processes; nothing in a file that another one includes.

    Raises LaunchArgumentError before anything is started.
    """
    values = context.launch_configurations
    check(values)
    actions: list[Action] = []
    if values["discovery"] == "loopback":
        actions += [
            SetEnvironmentVariable(name, value)
            for name, value in loopback_environment(context.environment).items()
        ]
    if "use_sim_time" not in dict(_named(values.get("global_params", []))):
        actions.append(SetParameter("use_sim_time", uses_sim_time(values)))
    return actions


def processes(context: LaunchContext, part: str) -> list[Action]:
    """Return the processes of one part as launch_ros nodes."""
    values = context.launch_configurations
    planned = plan(load_system(), part, values)
    if not planned:
        why = f"no unit is the {part}'s own with composition:={values['composition']}"
        return [LogInfo(msg=f"{part}.launch.py starts nothing: {why}")]
    return [_node(process, values) for process in planned]


def _named(parameters: Iterable[tuple[str, object] | os.PathLike[str] | str]):
    """Yield the parameters given by name: launch_ros mixes them with the paths of files."""
    return (each for each in parameters if isinstance(each, tuple))


def _node(process: PlannedProcess, values: dict[str, str]) -> Node:
    # No name and no namespace: they would rename every unit of the process.
    return Node(
        package=PACKAGE,
        executable="lupex_node",
        exec_name=process.name,
        arguments=list(process.arguments),
        parameters=[values["params_file"]] if values["params_file"] else [],
        ros_arguments=["--log-level", values["log_level"]],
        output="screen",
        respawn=process.respawn,
        respawn_delay=RESPAWN_DELAY_S,
        on_exit=Shutdown(reason=f"{process.name} has ended") if process.ends_launch else None,
    )
