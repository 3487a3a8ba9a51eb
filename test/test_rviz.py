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
            "PointCloud2": "PointCloud2", "Image": "Image", "SetGoal": "PoseStamped"}  # fmt: skip
#: The map, and what /tf in a bag ties to it.
FRAMES = (MANAGER["Global Options"]["Fixed Frame"], "rover/base_link")
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
    assert port.qos.reliable or topic["Reliability Policy"] == "Best Effort"


@pytest.mark.parametrize(
    "display", [d for d in MANAGER["Displays"] if kind(d) == "PointCloud2"], ids=lambda d: d["Name"]
)
def test_a_cloud_has_places_and_the_channel_of_its_colours(display: dict) -> None:
    port = OUTPUTS[display["Topic"]["Value"]]
    kinds = {field.name: field.kind for field in port.schema.fields}
    assert [kinds.get(name) for name in "xyz"] == ["f4"] * 3
    assert port.frame_id in FRAMES
    if display["Color Transformer"] == "Intensity":
        assert display["Channel Name"] in kinds
        assert display["Decay Time"] > 3600, "each message is but a piece of the whole"


def test_goals_go_where_navigation_takes_them() -> None:
    (tool,) = [tool for tool in MANAGER["Tools"] if kind(tool) == "SetGoal"]
    port = PLACES["navigation"].subscriptions()[tool["Topic"]["Value"]]
    assert port.message_type.__name__ == MESSAGES["SetGoal"]


def test_all_that_is_drawn_is_shown() -> None:
    shown = {d["Topic"]["Value"] for d in MANAGER["Displays"] if "Topic" in d}
    drawn = {
        topic
        for topic, port in OUTPUTS.items()
        if port.message_type.__name__ in ("OccupancyGrid", "Path", "Odometry", "Image")
        or (port.schema and {"x", "y", "z"} <= {field.name for field in port.schema.fields})
    }
    assert {each for each in drawn if not each.startswith("world/")} <= shown
