# SPDX-License-Identifier: Apache-2.0
"""Numbers that messages carry with 32 bits, although Python holds them with 64.

Whoever reads a message in memory shall know no more than a reader on ROS 2, who gets it serialized.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from rosidl_parser.definition import AbstractNestedType, BasicType, NamespacedType


@cache
def rounding(message_type: type) -> Callable[[Any], None] | None:
    """Return what rounds the 32-bit numbers of a new message in place; None: it has none.

    What 32 bits cannot reach becomes infinite, as it does on ROS 2. Sequences of numbers are arrays
    of the right width already.
    """
    scalars: list[str] = []
    parts: list[tuple[str, bool, Callable[[Any], None]]] = []
    names = message_type.__slots__  # type: ignore[attr-defined]
    for name, kind in zip(names, message_type.SLOT_TYPES, strict=False):  # type: ignore[attr-defined]
        many = isinstance(kind, AbstractNestedType)
        inner = kind.value_type if many else kind
        if isinstance(inner, BasicType) and inner.typename == "float" and not many:
            scalars.append(name)
        elif isinstance(inner, NamespacedType) and (deeper := rounding(class_of(inner))):
            parts.append((name, many, deeper))
    if not scalars and not parts:
        return None
    packed = struct.Struct(f"{len(scalars)}f")

    def round_in_place(message: Any) -> None:
        values = packed.unpack(packed.pack(*[getattr(message, name) for name in scalars]))
        for name, value in zip(scalars, values, strict=True):
            setattr(message, name, value)
        for name, many, deeper in parts:
            value = getattr(message, name)
            for each in value if many else (value,):
                deeper(each)

    return round_in_place


def class_of(kind: NamespacedType) -> type:
    """Return the class of a nested message."""
    return getattr(import_module(".".join(kind.namespaces)), kind.name)
