# SPDX-License-Identifier: Apache-2.0
"""The records of the rover's units."""

from __future__ import annotations

from typing import Any

from lupex_nodes.bus.records import Schema
from lupex_nodes.models.crawler_kinematics import CRAWLERS

CURRENTS = Schema(
    "currents",
    ("time_s", "f4", "after the stamp of the record"),
    *((f"current_{name}_a", "f4", f"of the motor of crawler {name}") for name in CRAWLERS),
)
BUS = Schema(
    "bus",
    ("array_w", "f4", "drawn from the solar array, before its regulator; powers are step means"),
    ("array_limit_w", "f4", "that the array could give now"),
    ("load_w", "f4", "taken by all loads that were served"),
    ("battery_w", "f4", "out of the battery, behind its regulator; negative: charging"),
    ("converter_w", "f4", "lost in the regulators of array and battery"),
    ("resistive_w", "f4", "lost in the resistance of the cells"),
    ("open_circuit_w", "f4", "open-circuit voltage times current into the cells"),
    ("self_discharge_w", "f4", "leaked inside the cells"),
    ("unmet_w", "f4", "wanted by loads and not served"),
    ("alive", "u1", "1 when the bus carries its loads"),
    ("array_energy_j", "f8", "as array_w, since the start"),
    ("load_energy_j", "f8", "as load_w"),
    ("converter_energy_j", "f8", "as converter_w"),
    ("resistive_energy_j", "f8", "as resistive_w"),
    ("open_circuit_energy_j", "f8", "as open_circuit_w"),
    ("discharge_energy_j", "f8", "as battery_w while it is positive"),
    ("self_discharge_energy_j", "f8", "as self_discharge_w"),
)
PLAN = Schema(
    "plan",
    ("activities_total", "u2", "in the plan"),
    ("activities_done", "u2", "ended, well or not"),
    ("state", "u1", "0 none, 1 loaded, 2 running, 3 paused, 4 complete, 5 failed"),
)
MOBILITY = Schema(
    "mobility",
    ("energy_j", "f8", "electric, taken while steering or driving since power-on"),
    ("travel_m", "f8", "mean way of the tracks since power-on, without sign"),
    ("slip", "f4", "of the tracks as the drive measures it"),
    ("blocked", "u1", "1 when the drive has stopped itself, 2 when a command has"),
)
VISUAL_ODOMETRY = Schema(
    "visual_odometry",
    ("since_s", "f4", "how long before the stamp the motion began"),
    ("ahead_m", "f4", "motion of the body, along its x axis as it was at the beginning"),
    ("left_m", "f4", "motion of the body, along its y axis as it was at the beginning"),
    ("up_m", "f4", "motion of the body, along its z axis as it was at the beginning"),
    ("turn_rad", "f4", "change of yaw"),
    ("distance_sigma_m", "f4", "per axis"),
    ("turn_sigma_rad", "f4", "of the change of yaw"),
    ("features", "u2", "followed from image to image"),
    ("valid", "u1", "1 when there were enough of them"),
)
ELEVATION = Schema(
    "elevation",
    ("x", "f4", "ahead in the body frame (m)"),
    ("y", "f4", "left in the body frame (m)"),
    ("z", "f4", "up in the body frame (m), 0 where the tracks stand"),
    ("deviation", "f4", "1 sigma of z (m)"),
)
SKY = Schema(
    "sky",
    ("sun_azimuth_deg", "f8", "from north through east"),
    ("sun_elevation_deg", "f8", "of the disc's centre"),
    ("lit_fraction", "f4", "expected here now, at the array"),
    ("lit_for_s", "f4", "how long at least half the disc stays in sight; 0 in the dark"),
    ("dark_for_s", "f4", "how long until at least half the disc is in sight; 0 in the light"),
    ("earth_visible", "u1", "1 when the Earth is expected above the horizon"),
    ("earth_for_s", "f4", "how long it stays so; 0 when it is not"),
)
LEG = Schema(
    "leg",
    ("length_m", "f4", "of the planned path"),
    ("driven_m", "f4", "way over ground as navigation believes"),
    ("planned_energy_j", "f4", "of the drive, as expected when the path was planned"),
    ("driven_energy_j", "f4", "of the drive, as measured"),
    ("planned_s", "f4", "expected time of driving"),
    ("driven_s", "f4", "time from start to end"),
    ("dark_m", "f4", "part of the planned path expected without light"),
    ("replans", "u2", "how often a new path was needed"),
    ("reached", "u1", "1 when the goal was reached"),
)
TEMPERATURES = Schema(
    "temperatures",
    ("battery_k", "f4", "of the cells"),
    ("box_k", "f4", "of the warm box with the electronics"),
    ("radiator_k", "f4", "of the radiator"),
    ("motors_k", "f4", "of the crawlers' motors"),
    ("mast_k", "f4", "of the head with the cameras"),
    ("heater_w", "f4", "electric power of all heaters"),
    ("heat_pipe_on", "u1", "1 when the loop heat pipe carries heat to the radiator"),
    ("hibernating", "u1", "1 when the rover sleeps"),
)
WATCHDOG = Schema(
    "watchdog",
    ("strokes", "u4", "since the fault manager began"),
    ("safe", "u1", "1 in safe mode"),
)


def plausible_drive(state: Any) -> bool:
    """Return whether a row of `MOBILITY` tells what a drive can do; after upsets it may not."""
    return (
        -50.0 < state.slip < 50.0
        and state.blocked <= 2
        and 0.0 <= state.energy_j < 1e12
        and 0.0 <= state.travel_m < 1e7
    )
