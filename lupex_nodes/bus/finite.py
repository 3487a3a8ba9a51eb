# SPDX-License-Identifier: Apache-2.0
"""Numbers of messages that are none: NaN and infinities, which no unit computes with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any

import numpy as np
from rosidl_parser.definition import AbstractNestedType, Array, BasicType, NamespacedType

from lupex_nodes.bus.single_precision import class_of

_FLOATS = ("float", "double")


@cache
def not_finite(message_type: type) -> Callable[[Any], str]:
    """Return what names the first field of a message with a number that is not finite, or none.

    Fields of messages in lists are not looked at.
    """
    paths = list(_paths(message_type, ""))
    # one getter each: most messages pass at once. Slots are quicker than properties; those of the
    # class keep the getter's answer a tuple.
    read = {
        size: attrgetter("__class__", "__class__", *[path for path, of in paths if of is size])
        for size in _Size
    }
    scalars, fixed, lists = read[_Size.ONE], read[_Size.FIXED], read[_Size.LIST]

    def name(message: Any) -> str:
        total = sum(scalars(message)[2:])
        for part in fixed(message)[2:]:
            total += sum(part.tolist())
        for part in lists(message)[2:]:
            total += sum(part)
        if math.isfinite(total):
            return ""
        # a sum may be beyond what numbers reach while none of its parts is
        for path, _ in paths:
            if not np.isfinite(attrgetter(path)(message)).all():
                return path.replace("._", ".").removeprefix("_")
        return ""

    return name


class _Size(Enum):
    """How many numbers a field has, and so what holds them: a float, numpy, or an array."""

    ONE = 1
    FIXED = 2
    LIST = 3


def _paths(message_type: Any, above: str) -> Iterator[tuple[str, _Size]]:
    """Yield the slot path of each field of numbers."""
    for slot, kind in zip(message_type.__slots__, message_type.SLOT_TYPES, strict=False):
        many = isinstance(kind, AbstractNestedType)
        inner = kind.value_type if many else kind
        if isinstance(inner, BasicType) and inner.typename in _FLOATS:
            size = _Size.ONE if not many else _Size.FIXED if isinstance(kind, Array) else _Size.LIST
            yield f"{above}{slot}", size
        elif isinstance(inner, NamespacedType) and not many:
            yield from _paths(class_of(inner), f"{above}{slot}.")
