# SPDX-License-Identifier: Apache-2.0
"""Writes message objects as CDR (OMG DDS-RTPS 2.5, section 10; XCDR1, little endian).

The middleware's own serializer leaves whatever was in memory in the padding between fields, so
the same message gives other bytes from run to run. Here padding is zero: two runs that publish
the same messages leave the same bag. A writer is compiled once for each message class.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

from rosidl_parser.definition import (
    AbstractGenericString,
    AbstractNestedType,
    Array,
    BasicType,
    NamespacedType,
)

from lupex_nodes.bus.records import KeptList

HEADER = b"\x00\x01\x00\x00"
_CODES = {
    "boolean": "?", "octet": "c", "char": "B", "int8": "b", "uint8": "B", "int16": "h",
    "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q", "float": "f",
    "double": "d",
}  # fmt: skip
_count = struct.Struct("<I").pack
_ZEROS = [bytes(count) for count in range(8)]


def to_cdr(message: Any) -> bytes:
    """Serialize a ROS 2 message object."""
    out = bytearray()
    kind: Any = type(message)
    writer(kind)(message, out)
    return HEADER + out


@cache
def writer(message_class: type) -> Callable[[Any, bytearray], None]:
    """Return the function ``write(message, out)`` that appends a message of a class."""
    source = _Source()
    source.message("m", message_class)
    source.end()
    return source.compiled(message_class.__name__)


class _Source:
    """The lines of a writer: runs of numbers become one struct, aligned to its first number."""

    def __init__(self, names: dict[str, Any] | None = None, depth: int = 0) -> None:
        self.lines: list[str] = []
        self.names = names or {
            "Z": _ZEROS, "KeptList": KeptList, "raw": _raw, "padded": _padded, "count": _count
        }  # fmt: skip
        self._depth = depth
        self._codes = ""
        self._values: list[str] = []
        self._first = self._size = 0

    def value(self, expression: str, kind: Any) -> None:
        """Write one field of any type."""
        if isinstance(kind, BasicType):
            self._number(expression, _CODES[kind.typename])
        elif isinstance(kind, NamespacedType):
            self.message(expression, _class_of(kind))
        elif isinstance(kind, AbstractGenericString):
            self._string(expression)
        elif isinstance(kind, AbstractNestedType):
            self._sequence(expression, kind)
        else:
            raise TypeError(f"no CDR writer for {kind}")

    def _number(self, expression: str, code: str) -> None:
        size = struct.calcsize("<" + code)
        if self._codes and (-self._size % size or size > self._first):
            self.end()
        if not self._codes:
            self._first = size
        self._codes += code
        self._values.append(expression)
        self._size += size

    def message(self, expression: str, message_class: type) -> None:
        """Write every field of a message, from its slots: the properties cost as much again."""
        kinds = message_class.SLOT_TYPES  # type: ignore[attr-defined]
        for name, kind in zip(_field_names(message_class), kinds, strict=True):
            self.value(f"{expression}._{name}", kind)

    def _string(self, expression: str) -> None:
        self.end()
        self.lines.append(f"b = {expression}.encode()")
        self._align(4)
        self.lines.append("o += count(len(b) + 1) + b + Z[1]")

    def _sequence(self, expression: str, kind: AbstractNestedType) -> None:
        self.end()
        inner = kind.value_type
        if not isinstance(kind, Array):
            self._align(4)
            self.lines.append(f"o += count(len({expression}))")
        if isinstance(inner, NamespacedType) and _all_strings(_class_of(inner)):
            self._string_rows(expression, _class_of(inner))
            return
        if isinstance(inner, BasicType):
            code = _CODES[inner.typename]
            size = struct.calcsize("<" + code)
            if size > 1:
                self.lines.append(f"if len({expression}): o += Z[-len(o) % {size}]")
            self.lines.append(f"o += raw({expression}, {code!r})")
            return
        loop = _Source(self.names, self._depth + 1)
        item = f"x{self._depth}"
        loop.value(item, inner)
        loop.end()
        rows, start = f"k{self._depth}", f"s{self._depth}"
        self.lines += [
            f"{rows}, {start} = {expression}, len(o)",
            f"if type({rows}) is KeptList and {rows}.cdr: o += {rows}.cdr; {rows} = ()",
            f"for {item} in {rows}:",
            *("    " + line for line in loop.lines),
            f"if type({rows}) is KeptList: {rows}.cdr = bytes(o[{start}:])",
        ]

    def _string_rows(self, expression: str, row: type) -> None:
        """Write rows of strings alone, such as the many key-value pairs of diagnostics."""
        fields = [f"x._{name}" for name in _field_names(row)]
        strings = " + ".join(f"padded({field})" for field in fields)
        self.lines.append(f"o += b''.join([{strings} for x in {expression}])")
        padding = f"(-len({fields[-1]}.encode()) - 1) % 4"
        self.lines.append(f"for x in {expression}[-1:]: del o[len(o) - {padding}:]")

    def end(self) -> None:
        """Write the run of numbers so far."""
        if self._codes:
            self._align(self._first)
            pack = self._name(struct.Struct("<" + self._codes).pack)
            self.lines.append(f"o += {pack}({', '.join(self._values)})")
        self._codes, self._values, self._size = "", [], 0

    def _align(self, size: int) -> None:
        if size > 1:
            self.lines.append(f"o += Z[-len(o) % {size}]")

    def _name(self, thing: Any) -> str:
        name = f"f{len(self.names)}"
        self.names[name] = thing
        return name

    def compiled(self, title: str) -> Callable[[Any, bytearray], None]:
        """Compile the lines into a function."""
        body = "\n".join("    " + line for line in self.lines) or "    pass"
        exec(compile(f"def write(m, o):\n{body}", f"<cdr {title}>", "exec"), self.names)
        return self.names["write"]


def _field_names(message_class: type) -> list[str]:
    slots = message_class.__slots__  # type: ignore[attr-defined]
    return [slot[1:] for slot in slots if slot != "_check_fields"]


def _all_strings(message_class: type) -> bool:
    kinds = message_class.SLOT_TYPES  # type: ignore[attr-defined]
    return all(isinstance(kind, AbstractGenericString) for kind in kinds)


@lru_cache(maxsize=16384)
def _padded(text: str) -> bytes:
    """Return a string in CDR, padded so that the next one can follow at once."""
    data = text.encode()
    size = len(data) + 1
    return _count(size) + data + _ZEROS[1 + -size % 4]


def _class_of(kind: NamespacedType) -> type:
    return getattr(import_module(".".join(kind.namespaces)), kind.name)


def _raw(values: Any, code: str) -> bytes:
    """Return the little-endian bytes of a sequence of numbers."""
    if isinstance(values, bytes | bytearray):
        return bytes(values)
    if isinstance(values, array) or hasattr(values, "dtype"):
        if sys.byteorder == "big" and hasattr(values, "dtype"):
            values = values.byteswap()
        return values.tobytes()
    return struct.pack(f"<{len(values)}{code}", *values)
