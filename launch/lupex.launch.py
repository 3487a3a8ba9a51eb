# SPDX-License-Identifier: Apache-2.0
"""Start the whole system: the world, the rover and the lander."""

from __future__ import annotations

from pathlib import Path

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription, OpaqueFunction

from lupex_nodes.launch_description import declarations, settings
from lupex_nodes.launch_plan import arguments_of


def generate_launch_description() -> LaunchDescription:
    here = Path(__file__).parent
    return LaunchDescription(
        [
            *declarations(arguments_of()),
            OpaqueFunction(function=settings),
            *(
                IncludeLaunchDescription(str(here / f"{part}.launch.py"))
                for part in ("rover", "lander", "world")
            ),
        ]
    )
