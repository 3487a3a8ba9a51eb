# SPDX-License-Identifier: Apache-2.0
"""Start nature, the ground, the clock and, with record:=FOLDER, the recorder."""

from __future__ import annotations

from launch import LaunchDescription

from lupex_nodes.launch_description import part_description


def generate_launch_description() -> LaunchDescription:
    return part_description("world")
