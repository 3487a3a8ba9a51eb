# SPDX-License-Identifier: Apache-2.0
"""Small bags for tests, made without ROS."""

from __future__ import annotations

from pathlib import Path

from lupex_nodes.recording import message_types
from lupex_nodes.recording.bag_writer import BagWriter

START_NS = 1_900_000_000 * 10**9
STRING = "std_msgs/msg/String"


def string_cdr(text: str) -> bytes:
    return message_types.to_cdr(STRING, message_types.make(STRING, data=text))


def write_talker(folder: Path, count: int = 20, custom_data: dict[str, str] | None = None) -> Path:
    with BagWriter(folder, custom_data) as writer:
        writer.topic("/silent", STRING, "state")
        for index in range(count):
            writer.write("/talk", STRING, string_cdr(f"word {index}"), START_NS + index * 10**8)
    return folder
