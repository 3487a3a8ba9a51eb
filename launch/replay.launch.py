# SPDX-License-Identifier: Apache-2.0
"""Play a bag with its clock, with rosbag2's player; show it in rviz with rviz:=true."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, Shutdown
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.substitutions import ExecutableInPackage

from lupex_nodes.launch_plan import REPLAY_ARGUMENTS, replay_command
from lupex_nodes.share import PACKAGE, share_file


def play(context: LaunchContext) -> list[ExecuteProcess]:
    """Start the player that the arguments name."""
    values = {each.name: context.launch_configurations[each.name] for each in REPLAY_ARGUMENTS}
    program, *arguments = replay_command(values)
    if program == "lupex":
        # Not a Node: the command line of lupex takes no --ros-args.
        program = ExecutableInPackage(package=PACKAGE, executable="lupex")
    return [
        ExecuteProcess(
            cmd=[program, *arguments],
            name="replay",
            output="screen",
            on_exit=Shutdown(reason="the bag has been played"),
        )
    ]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    each.name,
                    default_value=each.default if each.name != "bag" else None,
                    description=each.description,
                    choices=list(each.choices) or None,
                )
                for each in REPLAY_ARGUMENTS
            ),
            DeclareLaunchArgument(
                "rviz",
                default_value="false",
                choices=["true", "false"],
                description="show the bag in rviz",
            ),
            OpaqueFunction(function=play),
            Node(
                package="rviz2",
                executable="rviz2",
                arguments=["-d", str(share_file("rviz/lupex.rviz"))],
                parameters=[{"use_sim_time": True}],
                condition=IfCondition(LaunchConfiguration("rviz")),
            ),
        ]
    )
