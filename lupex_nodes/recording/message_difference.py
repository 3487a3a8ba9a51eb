# SPDX-License-Identifier: Apache-2.0
"""Where two messages of one type first differ, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rclpy.serialization import deserialize_message

from lupex_nodes.bus.records import RecordError, view
from lupex_nodes.bus.stamps import SECOND


@dataclass
class Comparison:
    """What a unit said again: how many messages, and in what they first differ, if in anything.

    ``of_raw``: products alone, made from the raw records. ``unheard``: topics that the unit hears
    and of which the bag has nothing.
    """

    unit: str
    messages: int = 0
    difference: str = ""
    of_raw: bool = False
    unheard: list[str] = field(default_factory=list)

    def differs(self, difference: str) -> None:
        """Note a difference; the first one stays."""
        self.difference = self.difference or difference

    def __str__(self) -> str:
        what = "products made again from raw" if self.of_raw else "messages"
        if not self.difference:
            return f"{self.unit}: {self.messages} {what}, as recorded"
        said = f"{self.unit}: {self.messages} {what}, differs first on {self.difference}"
        if self.unheard and not self.of_raw:
            said += f"; the bag has nothing of {', '.join(self.unheard)}, which {self.unit} hears"
        return said


def difference_at(
    topic: str, time_ns: int, kind: type, now: list[bytes], before: list[bytes]
) -> str:
    """Say in what the serialized messages of one topic and tick differ; some do."""
    if len(now) != len(before):
        change = f"said {len(now)} times instead of {len(before)}"
    else:
        found = (
            first_difference(deserialize_message(new, kind), deserialize_message(old, kind))
            for new, old in zip(now, before, strict=True)
            if new != old
        )
        change = next(found) or "other bytes of the same values"
    utc = f"{datetime.fromtimestamp(time_ns // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return f"{topic} at {time_ns / SECOND:.3f} s ({utc}): {change}"


def first_difference(now: Any, before: Any) -> str:
    """Return ``field is X instead of Y`` of the first field that differs, empty if none does.

    Rows of records are named by column, values of diagnostics by key.
    """
    return next(_differences("", now, before), "")


def _differences(path: str, now: Any, before: Any) -> Iterator[str]:
    if hasattr(now, "get_fields_and_field_types"):
        if _is_record(now) and _is_record(before):
            yield from _differences(_below(path, "header"), now.header, before.header)
            yield from _row_differences(path, now, before)
        for name in now.get_fields_and_field_types():
            yield from _differences(_below(path, name), getattr(now, name), getattr(before, name))
    elif isinstance(now, str | bytes | bool | int | float):
        if now != before and not (now != now and before != before):
            yield f"{path} is {now!r} instead of {before!r}"
    else:
        yield from _sequence_differences(path, now, before)


def _sequence_differences(path: str, now: Any, before: Any) -> Iterator[str]:
    keys = [[getattr(each, "key", None) for each in side] for side in (now, before)]
    if len(now) != len(before):
        yield f"{path} has {len(now)} entries instead of {len(before)}"
    elif keys[0] == keys[1] and None not in keys[0]:
        for key, new, old in zip(keys[0], now, before, strict=True):
            yield from _differences(f"{path}[{key}]", new.value, old.value)
    for index, (new, old) in enumerate(zip(now, before, strict=False)):
        yield from _differences(f"{path}[{index}]", _plain(new), _plain(old))


def _row_differences(path: str, now: Any, before: Any) -> Iterator[str]:
    new, old = view(now), view(before)
    if new.dtype != old.dtype:
        yield f"{path or 'fields'} has the columns {new.dtype.names} instead of {old.dtype.names}"
    elif len(new) != len(old):
        yield f"{path or 'data'} has {len(new)} rows instead of {len(old)}"
    else:
        for row in range(len(new)):
            for name in new.dtype.names or ():
                column = f"{name} of row {row}"
                yield from _differences(column, new[name][row].item(), old[name][row].item())


def _is_record(message: Any) -> bool:
    try:
        view(message)
    except (RecordError, AttributeError, TypeError, ValueError):
        return False
    return True


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "dtype") else value


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
