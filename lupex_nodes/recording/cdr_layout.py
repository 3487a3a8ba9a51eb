# SPDX-License-Identifier: Apache-2.0
"""Where the numbers of a serialised message lie (OMG DDS-RTPS 2.5, section 10; XCDR1).

The lengths of strings and sequences decide where everything else in a message is. Messages of one
size and with the same lengths in the same places so share one layout, and each of their numbers
is a column: one strided view over all of them, in place of an object a message.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Nodetype
from rosbags.typesys.store import Typestore

#: The encapsulation of plain CDR, little endian: the only one that is laid out here.
PLAIN = b"\x00\x01"
_HEADER = 4
_KINDS = {
    "bool": "?", "byte": "u1", "char": "u1", "int8": "i1", "uint8": "u1", "int16": "<i2",
    "uint16": "<u2", "int32": "<i4", "uint32": "<u4", "int64": "<i8", "uint64": "<u8",
    "float32": "<f4", "float64": "<f8",
}  # fmt: skip
# Layouts of a topic that are tried before another one is made.
_KNOWN = 8


class LayoutError(ValueError):
    """A message that cannot be laid out: it is torn, big-endian, or of an unusual type."""


class Place(NamedTuple):
    """Bytes from the message's start, numpy kind, length of an array: None for a lone number."""

    offset: int
    kind: str
    length: int | None


class Layout:
    """The places of one message's numbers, by dotted path in the order of its definition.

    `texts` has its sequences of strings, such as a JointState's names. Numbers in sequences of
    messages have no place.
    """

    def __init__(
        self, type_name: str, data: bytes, store: Typestore, equal: tuple[str, str] | None = None
    ) -> None:
        """Lay out a whole message, encapsulation header included; raises LayoutError.

        With `equal`, two paths of numbers, messages alike must also be equal from the first
        number to the second.
        """
        self.size = len(data)
        self.places: dict[str, Place] = {}
        self.texts: dict[str, list[str]] = {}
        self._lengths: list[int] = []
        self._data, self._fields = data, store.fielddefs
        if data[:2] != PLAIN:
            raise LayoutError("it is not plain little-endian CDR")
        try:
            end = self._message(_HEADER, type_name, "")
        except (struct.error, UnicodeDecodeError, KeyError, IndexError) as error:
            raise LayoutError(str(error)) from None
        if not end <= len(data) <= end + 3:
            raise LayoutError("its size does not fit its type")
        self._same = (np.array(self._lengths, int)[:, None] + np.arange(4)).ravel()
        if equal is not None:
            span = np.arange(*(self.places[path].offset for path in equal))
            self._same = np.append(self._same, span)
        self._template = np.frombuffer(data, np.uint8)[self._same]
        del self._data, self._fields

    def fits(self, block: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return which messages (rows of bytes, shape (n, size)) have this layout."""
        plain = np.all(block[:, :2] == np.frombuffer(PLAIN, np.uint8), axis=1)
        return plain & np.all(block[:, self._same] == self._template, axis=1)

    def column(self, block: NDArray[np.uint8], path: str, index: int = 0) -> NDArray[Any]:
        """View a number, or one of an array of numbers, in every row of `block`, shape (n,)."""
        offset, kind, _ = self.places[path]
        dtype = np.dtype(kind)
        return np.ndarray(
            len(block), dtype, block, offset + index * dtype.itemsize, block.strides[:1]
        )

    def _message(self, at: int, type_name: str, path: str) -> int:
        prefix = path and path + "."
        for name, kind in self._fields[type_name][1]:
            at = self._value(at, kind, prefix + name)
        return at

    def _value(self, at: int, kind: Any, path: str) -> int:
        node, what = kind
        if node == Nodetype.NAME:
            return self._message(at, what, path)
        if node == Nodetype.BASE:
            if what[0] == "string":
                return self._string(at)[0]
            return self._numbers(at, _KINDS[what[0]], None, path)
        element, count = what
        if node == Nodetype.SEQUENCE:
            at, count = self._length(at)
        if element[0] == Nodetype.BASE:
            if element[1][0] != "string":
                return self._numbers(at, _KINDS[element[1][0]], count, path)
            self.texts[path] = texts = []
            for _ in range(count):
                at, text = self._string(at)
                texts.append(text)
            return at
        places, texts_so_far = dict(self.places), dict(self.texts)
        for _ in range(count):
            at = self._value(at, element, path)
        self.places, self.texts = places, texts_so_far
        return at

    def _numbers(self, at: int, kind: str, count: int | None, path: str) -> int:
        size = np.dtype(kind).itemsize
        if count != 0:
            at = _aligned(at, size)
        self.places[path] = Place(at, kind, count)
        return at + size * (1 if count is None else count)

    def _length(self, at: int) -> tuple[int, int]:
        at = _aligned(at, 4)
        (length,) = struct.unpack_from("<I", self._data, at)
        if length > self.size:
            raise LayoutError("it names a length beyond its end")
        self._lengths.append(at)
        return at + 4, length

    def _string(self, at: int) -> tuple[int, str]:
        at, length = self._length(at)
        return at + length, self._data[at : at + max(0, length - 1)].decode()


class Alike(NamedTuple):
    """Messages of one layout: where they stand in their batch, and their bytes as rows."""

    layout: Layout
    indices: NDArray[np.intp]
    block: NDArray[np.uint8]


class Layouts:
    """Sorts the messages of one topic by layout."""

    def __init__(
        self,
        type_name: str,
        stores: Sequence[Typestore],
        equal: tuple[str, str] | None = None,
    ) -> None:
        """Prepare for messages of a type, which is looked up in the stores in turn."""
        self._type_name = type_name
        self._stores = stores
        self._equal = equal
        self._known: dict[int, list[Layout]] = {}

    def sorted(self, messages: Sequence[bytes]) -> Iterator[Alike | int]:
        """Yield groups of messages alike, and the index of every one that has no layout."""
        sizes: dict[int, list[int]] = {}
        for index, data in enumerate(messages):
            sizes.setdefault(len(data), []).append(index)
        for size, indices in sizes.items():
            left = np.array(indices, np.intp)
            joined = b"".join([messages[i] for i in indices])
            block = np.frombuffer(joined, np.uint8).reshape(len(left), size)
            known = self._known.setdefault(size, [])
            tried = 0
            while len(left):
                if tried < len(known):
                    layout = known[tried]
                    tried += 1
                elif made := self._made(block[0].tobytes()):
                    layout = made
                    if len(known) < _KNOWN:
                        known.append(made)
                        tried += 1
                else:
                    yield int(left[0])
                    left, block = left[1:], block[1:]
                    continue
                fits = layout.fits(block)
                if fits.all():
                    yield Alike(layout, left, block)
                    break
                if fits.any():
                    yield Alike(layout, left[fits], block[fits])
                    left, block = left[~fits], block[~fits]

    def _made(self, data: bytes) -> Layout | None:
        for store in self._stores:
            try:
                return Layout(self._type_name, data, store, self._equal)
            except LayoutError:
                continue
        return None


def _aligned(at: int, size: int) -> int:
    return at + (_HEADER - at) % size
