# SPDX-License-Identifier: Apache-2.0
"""What rviz shows exists: topics of the system, with the durability that they have."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lupex_nodes.system import load_system

FILE = Path(__file__).parent.parent / "rviz" / "lupex.rviz"
MANAGER = yaml.safe_load(FILE.read_text())["Visualization Manager"]
MESSAGES = {"Map": "OccupancyGrid", "Path": "Path", "Odometry": "Odometry",
            "PointCloud2": "PointCloud2", "SetGoal": "PoseStamped"}  # fmt: skip
PLACES = load_system().places
OUTPUTS = {topic: port for p in PLACES.values() for topic, port in p.outputs().items()}


def kind(entry: dict) -> str:
    return entry["Class"].rsplit("/", 1)[1]


@pytest.mark.parametrize(
    "display", [d for d in MANAGER["Displays"] if "Topic" in d], ids=lambda d: d["Name"]
)
def test_a_display_shows_what_a_unit_publishes(display: dict) -> None:
    topic = display["Topic"]
    port = OUTPUTS[topic["Value"]]
    assert port.message_type.__name__ == MESSAGES[kind(display)]
    assert topic["Durability Policy"] == ("Transient Local" if port.qos.latched else "Volatile")


def test_goals_go_where_navigation_takes_them() -> None:
    (tool,) = [tool for tool in MANAGER["Tools"] if kind(tool) == "SetGoal"]
    port = PLACES["navigation"].subscriptions()[tool["Topic"]["Value"]]
    assert port.message_type.__name__ == MESSAGES["SetGoal"]


def test_all_that_navigation_draws_is_shown() -> None:
    shown = {d["Topic"]["Value"] for d in MANAGER["Displays"] if "Topic" in d}
    drawn = {
        topic
        for topic, port in PLACES["navigation"].outputs().items()
        if port.message_type.__name__ in ("OccupancyGrid", "Path", "Odometry")
    }
    assert drawn <= shown
