# SPDX-License-Identifier: Apache-2.0
"""Start the units of the rover; world.launch.py starts the clock that they wait for."""

from __future__ import annotations

from launch import LaunchDescription

from lupex_nodes.launch_description import part_description


def generate_launch_description() -> LaunchDescription:
    return part_description("rover")
