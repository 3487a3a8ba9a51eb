# SPDX-License-Identifier: Apache-2.0
"""Play a bag with its clock, and show it in rviz with rviz:=true."""

from __future__ import annotations

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, Shutdown
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.substitutions import ExecutableInPackage

from lupex_nodes.share import PACKAGE, share_file


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="the rosbag2 folder to play"),
            DeclareLaunchArgument(
                "rate",
                default_value="1",
                description="mission seconds per wall second, or max for as fast as it goes",
            ),
            DeclareLaunchArgument(
                "rviz",
                default_value="false",
                choices=["true", "false"],
                description="show the bag in rviz",
            ),
            ExecuteProcess(
                # Not a Node: the command line of lupex takes no --ros-args.
                cmd=[
                    ExecutableInPackage(package=PACKAGE, executable="lupex"),
                    "replay",
                    LaunchConfiguration("bag"),
                    "--rate",
                    LaunchConfiguration("rate"),
                ],
                name="replay",
                output="screen",
                on_exit=Shutdown(reason="the bag has been played"),
            ),
            Node(
                package="rviz2",
                executable="rviz2",
                arguments=["-d", str(share_file("rviz/lupex.rviz"))],
                parameters=[{"use_sim_time": True}],
                condition=IfCondition(LaunchConfiguration("rviz")),
            ),
        ]
    )
