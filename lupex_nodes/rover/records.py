# SPDX-License-Identifier: Apache-2.0
"""The records of the rover's units."""

from __future__ import annotations

from lupex_nodes.bus.records import Schema
from lupex_nodes.models.crawler_kinematics import CRAWLERS

CURRENTS = Schema(
    "currents",
    ("time_s", "f4", "after the stamp of the record"),
    *((f"current_{name}_a", "f4", f"of the motor of crawler {name}") for name in CRAWLERS),
)
BUS = Schema(
    "bus",
    ("array_w", "f4", "from the solar array"),
    ("load_w", "f4", "taken by all loads that were served"),
    ("battery_w", "f4", "out of the battery; negative: charging"),
    ("unmet_w", "f4", "wanted by loads and not served"),
    ("array_energy_j", "f8", "from the array since power-on"),
    ("load_energy_j", "f8", "to loads since power-on"),
    ("loss_energy_j", "f8", "lost as heat in the battery since power-on"),
)
PLAN = Schema(
    "plan",
    ("activities_total", "u2", "in the plan"),
    ("activities_done", "u2", "ended, well or not"),
    ("state", "u1", "0 none, 1 loaded, 2 running, 3 paused, 4 complete, 5 failed"),
)
