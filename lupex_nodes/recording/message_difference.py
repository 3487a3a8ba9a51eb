# SPDX-License-Identifier: Apache-2.0
"""Where two messages of one type first differ, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lupex_nodes.bus.records import RecordError, view


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
