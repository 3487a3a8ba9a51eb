# SPDX-License-Identifier: Apache-2.0
"""The numbers of one topic's messages as columns, gathered batch by batch."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lupex_nodes.recording.cdr_layout import Alike, Layout

_LONGEST_ARRAY = 16
_STAMP = ("header.stamp.sec", "header.stamp.nanosec")
# PointField datatypes, sensor_msgs/PointField.
_NUMPY_KINDS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}


class RecordLayoutError(ValueError):
    """A PointCloud2 whose fields and data do not fit each other."""


def stamps_ns(groups: Sequence[Alike], count: int) -> NDArray[np.int64] | None:
    """Return the header stamps of a batch, shape (count,); None if it has none."""
    found = np.zeros(count, np.int64)
    for alike in groups:
        if not all(path in alike.layout.places for path in _STAMP):
            return None
        seconds, nanoseconds = (alike.layout.column(alike.block, path) for path in _STAMP)
        found[alike.indices] = seconds.astype(np.int64) * 10**9 + nanoseconds
    return found


class Scalars:
    """Every number of a message, as the topic's first one has them, but header and covariance."""

    def __init__(self, first: Layout) -> None:
        self._columns = _columns(first)
        self._values = [array("d") for _ in self._columns]

    def add(self, groups: Sequence[Alike], count: int) -> None:
        """Take a batch; what a message lacks of the first one's arrays is NaN."""
        for values, (path, index) in zip(self._values, self._columns.values(), strict=True):
            column = np.full(count, np.nan)
            for alike in groups:
                place = alike.layout.places.get(path)
                if place is not None and (place.length is None or index < place.length):
                    column[alike.indices] = alike.layout.column(alike.block, path, index)
            values.frombytes(column.tobytes())

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """Return the columns by dotted path, elements of arrays by label or number."""
        return dict(zip(self._columns, map(np.frombuffer, self._values), strict=True))


class Records:
    """The rows of a topic of PointCloud2 records that have the first one's fields."""

    def __init__(self) -> None:
        self.changed = False
        self._dtype: np.dtype[Any] | None = None
        self._times = array("d")
        self._rows = bytearray()

    def add(
        self, groups: Sequence[tuple[Alike, np.dtype[Any]]], time_s: NDArray[np.float64]
    ) -> None:
        """Take the records of a batch, each group with the layout of its rows."""
        of_message: dict[int, bytes] = {}
        for alike, dtype in sorted(groups, key=lambda group: int(group[0].indices[0])):
            self._dtype = self._dtype or dtype
            if dtype != self._dtype:
                self.changed = True
                continue
            offset, _, size = alike.layout.places["data"]
            rows = alike.block[:, offset : offset + (size or 0)]
            of_message.update(zip(alike.indices.tolist(), map(bytes, rows), strict=True))
        for index in sorted(of_message):
            rows_of_one = of_message[index]
            self._rows += rows_of_one
            assert self._dtype is not None
            self._times.extend([float(time_s[index])] * (len(rows_of_one) // self._dtype.itemsize))

    def columns(self) -> tuple[NDArray[np.float64], NDArray[Any]] | None:
        """Return the time of each row, and the rows; None without any record."""
        if self._dtype is None:
            return None
        return np.frombuffer(self._times), np.frombuffer(self._rows, self._dtype)


def record_dtype(message: Any) -> np.dtype[Any]:
    """Return the layout of a record's rows; RecordLayoutError if its data do not fit it."""
    fields = tuple((f.name, f.offset, f.datatype, f.count) for f in message.fields)
    dtype = _record_dtype(fields, message.point_step, bool(message.is_bigendian))
    count = message.width * message.height
    if not dtype.itemsize or len(message.data) != count * dtype.itemsize:
        raise RecordLayoutError(
            f"a record of {count} rows of {dtype.itemsize} bytes has {len(message.data)} bytes"
        )
    return dtype


@lru_cache(maxsize=256)
def _record_dtype(
    fields: tuple[tuple[str, int, int, int], ...], point_step: int, big_endian: bool
) -> np.dtype[Any]:
    order = ">" if big_endian else "<"
    try:
        kinds = [order + _NUMPY_KINDS[datatype] for _, _, datatype, _ in fields]
        return np.dtype(
            {
                "names": [name for name, *_ in fields],
                "formats": [
                    kind if count == 1 else (kind, (count,))
                    for kind, (*_, count) in zip(kinds, fields, strict=True)
                ],
                "offsets": [offset for _, offset, *_ in fields],
                "itemsize": point_step,
            }
        )
    except (KeyError, ValueError, TypeError) as error:
        raise RecordLayoutError(f"a record's fields do not fit its rows: {error}") from None


def _columns(first: Layout) -> dict[str, tuple[str, int]]:
    """Return by name of the column the path of its number and the index in an array."""
    found = {}
    for path, place in first.places.items():
        if path.startswith("header.") or any(p.endswith("covariance") for p in path.split(".")):
            continue
        if place.length is None:
            found[path] = path, 0
        elif place.length <= _LONGEST_ARRAY:
            above = path.rpartition(".")[0]
            labels = first.texts.get(f"{above}.name" if above else "name", [])
            if len(labels) != place.length:
                labels = [str(index) for index in range(place.length)]
            found |= {f"{path}[{label}]": (path, i) for i, label in enumerate(labels)}
    return found
