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
from functools import cache
from importlib import import_module
from typing import Any

from rosidl_parser.definition import (
    AbstractGenericString,
    AbstractNestedType,
    Array,
    BasicType,
    NamespacedType,
)

HEADER = b"\x00\x01\x00\x00"
_CODES = {
    "boolean": "?", "octet": "c", "char": "B", "int8": "b", "uint8": "B", "int16": "h",
    "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q", "float": "f",
    "double": "d",
}  # fmt: skip
_ZEROS = [bytes(count) for count in range(8)]


def to_cdr(message: Any) -> bytes:
    """Serialize a ROS 2 message object."""
    out = bytearray()
    writer(type(message))(message, out)
    return HEADER + out


@cache
def writer(message_class: type) -> Callable[[Any, bytearray], None]:
    """Return the function ``write(message, out)`` that appends a message of a class."""
    source = _Source()
    names = [slot[1:] for slot in message_class.__slots__ if slot != "_check_fields"]  # type: ignore[attr-defined]
    for name, kind in zip(names, message_class.SLOT_TYPES, strict=True):  # type: ignore[attr-defined]
        source.value(f"m.{name}", kind)
    source.end()
    return source.compiled(message_class.__name__)


class _Source:
    """The lines of a writer: runs of numbers become one struct, aligned to its first number."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"Z": _ZEROS, "array": array, "raw": _raw}
        self._codes = ""
        self._values: list[str] = []
        self._size = 0

    def value(self, expression: str, kind: Any) -> None:
        """Write one field of any type."""
        if isinstance(kind, BasicType):
            self._number(expression, _CODES[kind.typename])
        elif isinstance(kind, NamespacedType):
            self._nested(expression, kind)
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

    def _nested(self, expression: str, kind: NamespacedType) -> None:
        nested = _class_of(kind)
        fixed = [_CODES.get(getattr(k, "typename", "")) for k in nested.SLOT_TYPES]  # type: ignore[attr-defined]
        if all(fixed):
            names = [slot[1:] for slot in nested.__slots__ if slot != "_check_fields"]  # type: ignore[attr-defined]
            for name, code in zip(names, fixed, strict=True):
                self._number(f"{expression}.{name}", str(code))
            return
        self.end()
        self.lines.append(f"{self._name(writer(nested))}({expression}, o)")

    def _string(self, expression: str) -> None:
        self.end()
        self.lines.append(f"b = {expression}.encode()")
        self._align(4)
        self.lines.append(f"o += {self._name(struct.Struct('<I').pack)}(len(b) + 1) + b + Z[1]")

    def _sequence(self, expression: str, kind: AbstractNestedType) -> None:
        self.end()
        inner = kind.value_type
        if not isinstance(kind, Array):
            self._align(4)
            self.lines.append(f"o += {self._name(struct.Struct('<I').pack)}(len({expression}))")
        if isinstance(inner, BasicType):
            code = _CODES[inner.typename]
            size = struct.calcsize("<" + code)
            if size > 1:
                self.lines.append(f"if len({expression}): o += Z[-len(o) % {size}]")
            self.lines.append(f"o += raw({expression}, {code!r})")
            return
        loop = _Source()
        loop.names = self.names
        loop.value("x", inner)
        loop.end()
        self.lines.append(f"for x in {expression}:")
        self.lines += ["    " + line for line in loop.lines]

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


def _class_of(kind: NamespacedType) -> type:
    return getattr(import_module(".".join(kind.namespaces)), kind.name)


def _raw(values: Any, code: str) -> bytes:
    """Return the little-endian bytes of a sequence of numbers."""
    if isinstance(values, bytes | bytearray):
        return bytes(values)
    if isinstance(values, array) or hasattr(values, "dtype"):
        swapped = values.byteswap() if sys.byteorder == "big" and hasattr(values, "dtype") else values
        return swapped.tobytes()
    return struct.pack(f"<{len(values)}{code}", *values)
