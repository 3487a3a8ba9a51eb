# SPDX-License-Identifier: Apache-2.0
"""Message definitions and their hashes, without ROS: the Jazzy type store of rosbags."""

from __future__ import annotations

from functools import cache
from typing import Any

from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore


@cache
def jazzy() -> Typestore:
    """Return the type store of ROS 2 Jazzy's own message packages."""
    return get_typestore(Stores.ROS2_JAZZY)


def full_name(type_name: str) -> str:
    """Return `package/msg/Type`, also for the short form `package/Type`."""
    package, _, name = type_name.partition("/")
    return type_name if "/" in name else f"{package}/msg/{name}"


@cache
def definition(type_name: str) -> str:
    """Return the concatenated `ros2msg` text of a type; KeyError if Jazzy does not know it."""
    if type_name not in jazzy().fielddefs:
        raise KeyError(type_name)
    return jazzy().generate_msgdef(type_name, ros_version=2)[0]


@cache
def type_hash(type_name: str) -> str:
    """Return the RIHS01 type hash (REP-2016); KeyError if Jazzy does not know the type."""
    if type_name not in jazzy().fielddefs:
        raise KeyError(type_name)
    return jazzy().hash_rihs01(type_name)


def make(type_name: str, **fields: Any) -> Any:
    """Return a message of the Jazzy type store; every field must be given."""
    return jazzy().types[type_name](**fields)


def to_cdr(type_name: str, message: Any) -> bytes:
    """Serialise a message made by `make` (not one of rclpy's)."""
    return bytes(jazzy().serialize_cdr(message, type_name))
