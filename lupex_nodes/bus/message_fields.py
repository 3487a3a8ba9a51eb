# SPDX-License-Identifier: Apache-2.0
"""Numbers inside messages, reached by name: copies with one field changed, or with all garbled.

A published message is never written again, so everything here returns copies; what is not changed
is shared. Header, frames, names and the layout of records and grids stay as they are.
"""

from __future__ import annotations

import copy
import re
from array import array
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from lupex_nodes.bus.messages import text
from lupex_nodes.bus.records import Schema, view
from lupex_nodes.bus.stamps import LAST_EPOCH, from_stamp, to_stamp

_INTEGERS = {
    name: np.iinfo(name)
    for name in (f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
}
_FLOATS = {"float": np.float32, "double": np.float64}
_KEPT_TYPES = ("std_msgs/Header", "builtin_interfaces/Time", "builtin_interfaces/Duration")
#: They say how the data lie, as a record's fields do; with others the message could not be read.
_LAYOUT = ("child_frame_id", "width", "height", "step", "point_step", "row_step")
_PRINTABLE = "".join(map(chr, range(33, 127)))


def has_header(message_type: type) -> bool:
    """Return whether messages of a type carry a stamp and a frame."""
    return message_type.get_fields_and_field_types().get("header") == "std_msgs/Header"  # type: ignore[attr-defined]


def with_stamp(message: Any, stamp: Any) -> Any:
    """Return a message with another stamp; the same one when its type has no header."""
    if not has_header(type(message)):
        return message
    changed = copy.copy(message)
    changed.header = Header(stamp=stamp, frame_id=message.header.frame_id)
    return changed


def shifted(message: Any, error_ns: int) -> Any:
    """Return a message whose stamp is off by ``error_ns``, within what a stamp can carry."""
    if not has_header(type(message)):
        return message
    stamp = from_stamp(message.header.stamp) + error_ns
    return with_stamp(message, to_stamp(min(max(stamp, 0), LAST_EPOCH)))


def numeric_fields(message_type: type, schema: Schema | None = None) -> list[str] | None:
    """List the fields that :func:`scaled` can change, as dotted paths; None: not known before.

    The fields of a record are those of its schema; a record without one, and the keys of a
    DiagnosticArray, are known only by the messages themselves.
    """
    if message_type is PointCloud2:
        return [field.name for field in schema.fields] if schema else None
    if message_type is DiagnosticArray:
        return None
    return list(_paths(message_type))


def _paths(message_type: Any) -> Iterator[str]:
    for name, declared in message_type.get_fields_and_field_types().items():
        kind = _element(declared)
        if name in _LAYOUT or kind in _KEPT_TYPES:
            continue
        if kind in _INTEGERS or kind in _FLOATS:
            yield name
        elif "/" in kind:
            for inner in _paths(_class(message_type, name)):
                yield f"{name}.{inner}"


def _element(declared: str) -> str:
    """Return the type of one element: ``double`` of ``sequence<double, 3>`` and ``double[36]``."""
    inside = re.fullmatch(r"sequence<([^,>]+)(?:, \d+)?>|(.+?)\[\d+\]", declared)
    return (inside[1] or inside[2]) if inside else declared


def _class(message_type: Any, name: str) -> Any:
    """Return the class of a nested message, from the type support."""
    from importlib import import_module

    package, _, kind = _element(message_type.get_fields_and_field_types()[name]).partition("/")
    return getattr(import_module(f"{package}.msg"), kind)


def scaled(message: Any, field: str, gain: float, offset: float) -> Any:
    """Return a message with ``gain * value + offset`` in one field, within its type's range.

    ``field`` is a record's field, a DiagnosticArray's key, or a dotted path; in a list it is every
    element's, or that of the one whose place follows: ``position.0``. Raises KeyError with the
    field when the message has no such number.
    """

    def change(value: Any) -> Any:
        return gain * value + offset

    if isinstance(message, PointCloud2):
        rows = view(message).copy()
        if field not in (rows.dtype.names or ()):
            raise KeyError(field)
        rows[field] = _numpy_within(change(rows[field].astype(float)), rows.dtype[field].base)
        return _with_rows(message, rows)
    if isinstance(message, DiagnosticArray):
        return _scaled_value(message, field, change)
    return _scaled(message, field.split("."), change, field)


def _scaled_value(
    message: DiagnosticArray, key: str, change: Callable[[Any], Any]
) -> DiagnosticArray:
    found = False
    changed = copy.copy(message)
    changed.status = []
    for status in message.status:
        other = copy.copy(status)
        other.values = list(status.values)
        for index, pair in enumerate(status.values):
            if pair.key == key and (number := _number(pair.value)) is not None:
                other.values[index] = KeyValue(key=key, value=text(change(number)))
                found = True
        changed.status.append(other)
    if not found:
        raise KeyError(key)
    return changed


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _scaled(
    message: Any, path: list[str], change: Callable[[Any], Any], field: str
) -> Any:
    name, *rest = path
    declared = type(message).get_fields_and_field_types().get(name)
    if declared is None:
        raise KeyError(field)
    kind = _element(declared)
    value = getattr(message, name)
    changed = copy.copy(message)
    if kind == declared:
        new = _scaled_element(value, kind, rest, change, field)
    else:
        only = int(rest.pop(0)) if rest and rest[0].isdecimal() else None
        if only is not None and only >= len(value):
            raise KeyError(field)
        new = _like(value, [
            _scaled_element(each, kind, rest, change, field) if only in (None, index) else each
            for index, each in enumerate(value)
        ])
    setattr(changed, name, new)
    return changed


def _scaled_element(
    value: Any, kind: str, rest: list[str], change: Callable[[Any], Any], field: str
) -> Any:
    if rest:
        if "/" not in kind:
            raise KeyError(field)
        return _scaled(value, rest, change, field)
    if kind in _INTEGERS:
        return int(min(max(round(change(value)), _INTEGERS[kind].min), _INTEGERS[kind].max))
    if kind in _FLOATS:
        return float(_numpy_within(np.array(change(value)), np.dtype(_FLOATS[kind])))
    raise KeyError(field)


def _like(value: Any, elements: list[Any]) -> Any:
    """Return ``elements`` in a list of the kind that a message holds."""
    if isinstance(value, np.ndarray):
        return np.array(elements, value.dtype)
    return array(value.typecode, elements) if isinstance(value, array) else elements


def _numpy_within(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Round and limit numbers to what a type holds; NaN stays where a type has it."""
    if dtype.kind == "f":
        limit = np.finfo(dtype)
        return np.clip(values, limit.min, limit.max).astype(dtype)
    info = np.iinfo(dtype)
    # the largest 64-bit numbers are no floats: stay one step inside
    top = np.nextafter(float(info.max), 0.0) if dtype.itemsize == 8 else info.max
    return np.clip(np.round(np.nan_to_num(values)), info.min, top).astype(dtype)


def _with_rows(message: PointCloud2, rows: np.ndarray) -> PointCloud2:
    changed = copy.copy(message)
    changed.data = rows.tobytes()
    return changed


def garbled(message: Any, rng: np.random.Generator) -> Any:
    """Return a message whose numbers are random bits, finite and within their types' ranges.

    In a DiagnosticArray the level, sentence and values are garbled, the names are not.
    """
    if isinstance(message, PointCloud2):
        rows = view(message).copy()
        for name in rows.dtype.names or ():
            rows[name] = _random(rows[name].dtype, rows[name].shape, rng)
        return _with_rows(message, rows)
    changed = copy.copy(message)
    for name, declared in type(message).get_fields_and_field_types().items():
        kind = _element(declared)
        if name in _LAYOUT or kind in _KEPT_TYPES:
            continue
        value = getattr(message, name)
        if kind == declared:
            new = _garbled_element(value, kind, message, name, rng)
        elif kind in _INTEGERS or kind in _FLOATS:
            dtype = np.dtype(_FLOATS.get(kind, kind))
            new = _like(value, _random(dtype, (len(value),), rng).tolist())
        else:
            new = [_garbled_element(each, kind, message, name, rng) for each in value]
        setattr(changed, name, new)
    return changed


def _garbled_element(
    value: Any, kind: str, holder: Any, name: str, rng: np.random.Generator
) -> Any:
    if kind in _INTEGERS or kind in _FLOATS:
        return _random(np.dtype(_FLOATS.get(kind, kind)), (), rng).item()
    if kind == "boolean":
        return bool(rng.integers(2))
    if kind == "octet":
        # the one octet on the bus is a level, of which there are four
        return bytes([int(rng.integers(4))])
    if "/" in kind:
        return garbled(value, rng)
    spoken = (isinstance(holder, KeyValue) and name == "value") or (
        isinstance(holder, DiagnosticStatus) and name == "message"
    )
    if not spoken:
        return value
    return "".join(_PRINTABLE[i] for i in rng.integers(len(_PRINTABLE), size=len(value)))


def _random(dtype: np.dtype, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw random bits; what is no finite number becomes 0."""
    count = int(np.prod(shape, dtype=int))
    drawn = np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).reshape(shape)
    return np.where(np.isfinite(drawn), drawn, 0).astype(dtype)
