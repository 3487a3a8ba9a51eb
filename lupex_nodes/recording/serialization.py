# SPDX-License-Identifier: Apache-2.0
"""rclpy's own serialiser, kept apart so that reading a bag never needs ROS."""

from __future__ import annotations

from typing import Any

from rclpy.serialization import serialize_message


def serialize(message: Any) -> bytes:
    """Return the CDR bytes of an rclpy message; works without `rclpy.init`."""
    return serialize_message(message)
