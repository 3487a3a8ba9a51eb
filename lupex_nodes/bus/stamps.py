# SPDX-License-Identifier: Apache-2.0
"""Time on the bus: int nanoseconds of UTC since 1970."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from lupex_nodes.bus.fresh import fresh

T = TypeVar("T")
SECOND = 1_000_000_000
#: The last moment a 32-bit stamp can carry is 2038-01-19T03:14:07Z; a day is kept for the margin.
LAST_EPOCH = int(datetime(2038, 1, 18, tzinfo=UTC).timestamp()) * SECOND


class EpochError(ValueError):
    """A time that the bus's 32-bit stamps cannot carry."""


def check_epoch(now: int) -> int:
    """Return ``now`` (ns) if a message stamp can carry it, else raise :class:`EpochError`."""
    if not 0 <= now <= LAST_EPOCH:
        raise EpochError(
            f"time {now / SECOND:.0f} s is outside 1970-01-01 to 2038-01-18, which message stamps "
            "can carry: choose a start and duration within these dates"
        )
    return now


def seconds(duration_s: float) -> int:
    """Turn a duration in seconds into ns."""
    return round(duration_s * SECOND)


def next_minute(now: int) -> int:
    """Return the next whole minute: units that idle until then share their ticks."""
    return now - now % (60 * SECOND) + 60 * SECOND


def to_stamp(now: int) -> Time:
    """Turn ns into a message stamp."""
    stamp = fresh(Time)
    stamp.sec, stamp.nanosec = divmod(now, SECOND)
    return stamp


def to_header(now: int, frame_id: str = "") -> Header:
    """Make the header of a message of ``now`` (ns)."""
    return _stamp(fresh(Header), now, frame_id)


def stamped(message_type: type[T], now: int, frame_id: str = "") -> T:
    """Make a message of a type with a header of ``now`` (ns), all else at its default."""
    message: Any = fresh(message_type)
    _stamp(message.header, now, frame_id)
    return message


def _stamp(header: Header, now: int, frame_id: str) -> Header:
    stamp = header.stamp
    stamp.sec, stamp.nanosec = divmod(now, SECOND)
    header.frame_id = frame_id
    return header


def from_stamp(stamp: Time) -> int:
    """Turn a message stamp into ns."""
    return stamp.sec * SECOND + stamp.nanosec


def iso(now: int) -> str:
    """Write ns as ISO 8601 UTC with milliseconds."""
    moment = datetime.fromtimestamp(now // SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{now % SECOND // 1_000_000:03d}Z"
