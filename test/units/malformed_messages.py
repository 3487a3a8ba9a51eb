# SPDX-License-Identifier: Apache-2.0
"""Messages that nobody should send: each kind makes one of a whole message, the same each time."""

from __future__ import annotations

import copy
import math
import re
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import PointCloud2, PointField

from lupex_nodes.bus.message_fields import has_header, with_stamp
from lupex_nodes.bus.records import view

MANY, MANY_PARTS = 1_000_000, 100_000
LARGEST = {"float": 3.4028234663852886e38, "double": 1.7976931348623157e308}
_BITS = re.compile(r"(u?)int(\d+)")


def _limit(kind: str, sign: int) -> int:
    unsigned, bits = _BITS.fullmatch(kind).groups()
    top = 2 ** (int(bits) - (not unsigned)) - 1
    return top if sign > 0 else (0 if unsigned else -top - 1)


def _filled(message: Any, number: float, whole: int) -> Any:
    """Return a copy with every floating number set to one, and every integer to a limit."""
    changed = copy.deepcopy(message)
    if isinstance(changed, PointCloud2):
        rows = view(changed).copy()
        for name in rows.dtype.names:
            kind = rows.dtype[name]
            if kind.kind == "f":
                bound = float(np.finfo(kind).max)
                finite = math.isfinite(number)
                rows[name] = min(max(number, -bound), bound) if finite else number
            elif whole:
                rows[name] = np.iinfo(kind).max if whole > 0 else np.iinfo(kind).min
        changed.data = rows.tobytes()
        return changed
    _fill(changed, number, whole)
    return changed


def _fill(message: Any, number: float, whole: int) -> None:
    if isinstance(message, KeyValue):
        message.value = repr(number)
    for name, kind in message.get_fields_and_field_types().items():
        value = getattr(message, name)
        if name == "header":
            continue
        element = kind.partition("[")[0].removeprefix("sequence<").partition(",")[0].rstrip(">")
        bound = LARGEST.get(element)
        if bound is not None:
            one = min(max(number, -bound), bound) if math.isfinite(number) else number
        elif whole and _BITS.fullmatch(element):
            one = _limit(element, whole)
        elif "/" in element:
            for inner in value if isinstance(value, list) else [value]:
                _fill(inner, number, whole)
            continue
        else:
            continue
        if isinstance(value, int | float):
            setattr(message, name, one)
        elif isinstance(value, np.ndarray):
            setattr(message, name, np.full_like(value, one))
        else:
            setattr(message, name, array(value.typecode, [one] * len(value)))


def _sized(message: Any, count: int) -> Any | None:
    """Return a copy whose sequences have so many elements; None when it has no sequence."""
    changed = copy.deepcopy(message)
    if isinstance(changed, PointCloud2):
        changed.data = bytes(changed.data)[: changed.point_step] * count
        changed.width, changed.height = count, 1
        changed.row_step = (count * changed.point_step) % 2**32
        return changed
    found = False
    for name, kind in changed.get_fields_and_field_types().items():
        if not kind.startswith("sequence<"):
            continue
        found = True
        value = getattr(changed, name)
        if isinstance(value, array):
            setattr(changed, name, array(value.typecode, [value[0] if value else 0] * count))
        else:
            one = value[0] if value else _element(kind)
            setattr(changed, name, [one] * min(count, MANY_PARTS))
    return changed if found else None


def _element(kind: str) -> Any:
    name = kind.removeprefix("sequence<").rstrip(">")
    return {"string": ""}.get(name, DiagnosticStatus() if "Status" in name else 0)


def _record(change: Callable[[PointCloud2], None]) -> Callable[[Any], Any]:
    def make(message: Any) -> Any:
        if not isinstance(message, PointCloud2):
            return None
        changed = copy.deepcopy(message)
        changed.fields = [copy.deepcopy(each) for each in message.fields]
        change(changed)
        return changed

    return make


def _with_fields(message: PointCloud2) -> None:
    message.fields[0].name = "wrong"


def _with_kinds(message: PointCloud2) -> None:
    for each in message.fields:
        each.datatype = 99


def _with_counts(message: PointCloud2) -> None:
    for each in message.fields:
        each.count = 2**31


def _with_offsets(message: PointCloud2) -> None:
    for each in message.fields:
        each.offset = 2**32 - 1


def _with_twins(message: PointCloud2) -> None:
    message.fields = [*message.fields, copy.deepcopy(message.fields[0])]


def _with_step(message: PointCloud2) -> None:
    message.point_step += 1


def _with_no_step(message: PointCloud2) -> None:
    message.point_step = 0


def _cut(message: PointCloud2) -> None:
    message.data = bytes(message.data)[:-3]


def _with_width(message: PointCloud2) -> None:
    message.width = 2**32 - 1


def _with_height(message: PointCloud2) -> None:
    message.height = 2**32 - 1


def _other_record(message: PointCloud2) -> None:
    message.fields = [PointField(name="mass_u", offset=0, datatype=8, count=1)]
    message.point_step, message.width, message.height = 8, 1, 1
    message.data = b"\0" * 8


def _stamped(sec: int, nanosec: int = 0) -> Callable[[Any], Any]:
    def make(message: Any) -> Any:
        if not has_header(type(message)):
            return None
        return with_stamp(message, Time(sec=sec, nanosec=nanosec))

    return make


def _earlier(message: Any) -> Any:
    return _stamped(max(message.header.stamp.sec - 3600, 0))(message)


def _later(message: Any) -> Any:
    return _stamped(min(message.header.stamp.sec + 3600, 2**31 - 1))(message)


def _framed(message: Any) -> Any:
    changed = copy.deepcopy(message)
    changed.header.frame_id = "nowhere\n/base_link\0"
    return changed


def _of_default(message: Any) -> Any:
    return type(message)()


def _nameless(message: Any) -> Any:
    if not isinstance(message, DiagnosticArray):
        return None
    changed = copy.deepcopy(message)
    for status in changed.status:
        status.name = status.hardware_id = status.message = ""
        status.values = []
    return changed


def _of_noise(message: Any) -> Any:
    if not isinstance(message, DiagnosticArray):
        return None
    changed = copy.deepcopy(message)
    for status in changed.status:
        status.level = b"\xff"
        status.name = f"{status.name}: : \x00\n"
        status.values = [KeyValue(key=each.key, value="\x00 é: ") for each in status.values]
    return changed


#: How each kind makes a malformed message of a whole one; None: it has nothing of that kind.
KINDS: dict[str, Callable[[Any], Any]] = {
    "nan": lambda message: _filled(message, math.nan, 0),
    "infinite": lambda message: _filled(message, math.inf, 0),
    "minus_infinite": lambda message: _filled(message, -math.inf, 0),
    "largest": lambda message: _filled(message, 1.7976931348623157e308, 1),
    "lowest": lambda message: _filled(message, -1.7976931348623157e308, -1),
    "zero": lambda message: _filled(message, 0.0, 0),
    "negative": lambda message: _filled(message, -1.0, 0),
    "default": _of_default,
    "empty": lambda message: _sized(message, 0),
    "huge": lambda message: _sized(message, MANY),
    "wrong_frame": _framed,
    "stamp_earlier": _earlier,
    "stamp_later": _later,
    "stamp_negative": _stamped(-1),
    "stamp_last": _stamped(2**31 - 1, 4294967295),
    "wrong_field": _record(_with_fields),
    "unknown_datatype": _record(_with_kinds),
    "huge_field": _record(_with_counts),
    "far_offset": _record(_with_offsets),
    "field_twice": _record(_with_twins),
    "wrong_point_step": _record(_with_step),
    "no_point_step": _record(_with_no_step),
    "data_cut": _record(_cut),
    "huge_width": _record(_with_width),
    "huge_height": _record(_with_height),
    "other_record": _record(_other_record),
    "no_names": _nameless,
    "noise": _of_noise,
}

#: Of these no unit takes any number.
UNUSABLE = frozenset({
    "nan", "infinite", "minus_infinite", "wrong_field", "unknown_datatype", "huge_field",
    "far_offset", "field_twice", "wrong_point_step", "no_point_step", "data_cut", "huge_width",
    "huge_height", "other_record",
})  # fmt: skip
