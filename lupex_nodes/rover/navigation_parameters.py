# SPDX-License-Identifier: Apache-2.0
"""What navigation can be told: its parameters, put together from those of its parts, and goals."""

from __future__ import annotations

from typing import Literal

from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.rover.hazard_map import HazardParameters
from lupex_nodes.rover.journey import JourneyParameters
from lupex_nodes.rover.localisation import LocalisationParameters
from lupex_nodes.rover.path_planning import PlanningParameters
from lupex_nodes.rover.uplinked_map import MapParameters


class GoTo(Parameters):
    """Where to go."""

    x_m: float = parameter(..., "goal, map east", "m", ge=-5000.0, le=5000.0)
    y_m: float = parameter(..., "goal, map north", "m", ge=-5000.0, le=5000.0)
    speed_m_s: float = parameter(0.05, "over ground", "m/s", ge=0.005, le=0.14)
    tolerance_m: float = parameter(0.5, "largest distance from the goal", "m", ge=0.05, le=50.0)
    dark_max_m: float = parameter(
        1e6, "how much of the way may be expected to be dark", "m", ge=0.0, le=1e6
    )
    wait_max_s: float = parameter(
        0.0, "how long the departure may wait for a better way", "s", ge=0.0, le=14 * 86400.0
    )


class Ignore(Parameters):
    """Which sensor."""

    sensor: Literal["imu", "star_tracker", "visual_odometry", "ranging", "map_fix"] = parameter(
        ..., "that the estimate shall do without"
    )
    ignored: bool = parameter(True, "false: it counts again")


class NavigationParameters(
    LocalisationParameters, MapParameters, PlanningParameters, HazardParameters, JourneyParameters
):
    """Start, beliefs of the estimate, the uplinked map, how ways are weighed and driven."""

    roughness_deg: float = parameter(
        3.0, "root mean square of slopes that the uplinked map smooths away", "deg", ge=0.0,
        le=15.0, assumed=True,
    )  # fmt: skip
    array_height_m: float = parameter(
        2.0, "of the solar array's middle above ground", "m", ge=0.0, le=10.0, live=False
    )
    sky_period_s: float = parameter(
        600.0, "between forecasts of Sun and Earth", "s", ge=60.0, le=86400.0
    )
    goal_speed_m_s: float = parameter(
        0.05, "over ground, to goals that come as messages", "m/s", ge=0.005, le=0.14
    )
    goal_tolerance_m: float = parameter(
        0.5, "largest distance from goals that come as messages", "m", ge=0.05, le=50.0
    )
