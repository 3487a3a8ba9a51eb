# SPDX-License-Identifier: Apache-2.0
"""Records: sensor_msgs/PointCloud2 with named, typed fields, one row a sample.

A record opens in every ROS 2 tool without our package sourced, and is a numpy structured array
without a copy of any row.
"""

from __future__ import annotations

import math
import struct
import sys
from collections import namedtuple
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField

from lupex_nodes.bus.stamps import stamped

_CODES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}
_STRUCT = {"i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "f4": "f", "f8": "d"}
_DTYPES = {code: name for name, code in _CODES.items()}
_BIG_ENDIAN = sys.byteorder == "big"


class RecordError(ValueError):
    """A message that does not hold the record it should."""


class KeptList(list):
    """A list of messages that never changes, so that its serialized form may be kept in it.

    Only for messages without 8-byte numbers: their form depends on where it begins.
    """

    cdr: bytes | None = None


class Field(NamedTuple):
    """One column of a record: its name carries the unit, its kind is a numpy type code."""

    name: str
    kind: str
    description: str


class Schema:
    """The columns of a record.

    ``Schema("counts", ("time_s", "f8", "since the start of the record"), ...)``
    """

    def __init__(self, name: str, *fields: tuple[str, str, str]) -> None:
        self.name = name
        self.fields = tuple(Field(*field) for field in fields)
        self.dtype = np.dtype([(field.name, field.kind) for field in self.fields])
        self._floats = [field.name for field in self.fields if field.kind[0] == "f"]
        self._struct = struct.Struct("=" + "".join(_STRUCT[f.kind] for f in self.fields))
        # mypy knows named tuples of literal columns only
        row: Any = namedtuple("Row", [field.name for field in self.fields])  # type: ignore[misc]
        self._make_row = row._make
        self._point_fields = KeptList()
        offset = 0
        for field in self.fields:
            point_field = PointField(
                name=field.name, offset=offset, datatype=_CODES[field.kind], count=1
            )
            self._point_fields.append(point_field)
            offset += self.dtype[field.name].itemsize

    def message(
        self, now: int, rows: np.ndarray | Sequence[tuple], frame_id: str = ""
    ) -> PointCloud2:
        """Pack ``rows`` (structured array of this dtype, shape (n,), or a list of tuples)."""
        if not isinstance(rows, np.ndarray):
            if len(rows) == 1:
                try:
                    return self._pack(now, self._struct.pack(*rows[0]), 1, frame_id)
                except OverflowError:
                    pass  # beyond single precision, which numpy tells as infinite
            with np.errstate(over="ignore"):
                rows = np.array(rows, self.dtype)
        elif rows.dtype != self.dtype:
            raise RecordError(
                f"rows of {rows.dtype} do not fit the record {self.name} of {self.dtype}"
            )
        return self._pack(now, rows.tobytes(), rows.size, frame_id)

    def _pack(self, now: int, data: bytes, count: int, frame_id: str) -> PointCloud2:
        message = stamped(PointCloud2, now, frame_id)
        message.height = 1
        message.width = count
        message.fields = self._point_fields
        message.is_bigendian = _BIG_ENDIAN
        message.point_step = self._struct.size
        message.row_step = self._struct.size * count
        # bytes, never numpy or a list: those are copied value by value, 1000 times slower
        message.data = data
        message.is_dense = True
        return message

    def rows(self, message: PointCloud2) -> np.ndarray:
        """View the rows of a message of this schema, shape (n,), read-only, no copy."""
        self._check(message)
        rows = np.frombuffer(message.data, self.dtype, count=message.width * message.height)
        rows.flags.writeable = False
        return rows

    def row(self, message: PointCloud2) -> Any:
        """Read the first row as a named tuple of Python numbers; quicker than :meth:`rows`."""
        self._check(message)
        if not message.width:
            raise RecordError(f"the record {self.name} has no rows")
        return self._make_row(self._struct.unpack_from(message.data))

    def fits(self, message: PointCloud2) -> bool:
        """Return whether a message holds rows of this schema."""
        if message.fields is self._point_fields:
            return True
        try:
            return view(message).dtype == self.dtype
        except RecordError:
            return False

    def refusal(self, message: PointCloud2, finite: bool = True) -> str:
        """Say why a message is no record of this schema with rows of finite numbers, or nothing."""
        if not self.fits(message):
            return f"it is not the record {self.name}"
        count = message.width * message.height
        if not count:
            return "it has no rows"
        if not finite or (
            count == 1 and math.isfinite(sum(self._struct.unpack_from(message.data)))
        ):
            return ""
        rows = self.rows(message)
        wrong = next((n for n in self._floats if not np.isfinite(rows[n]).all()), None)
        return f"{wrong} is not finite" if wrong else ""

    def _check(self, message: PointCloud2) -> None:
        if not self.fits(message):
            raise RecordError(
                f"expected the record {self.name} with fields {', '.join(self.dtype.names or ())}; "
                f"got {', '.join(field.name for field in message.fields) or 'none'}"
            )


def view(message: PointCloud2) -> np.ndarray:
    """View the rows of any record, shape (n,), read-only, no copy of rows."""
    dtype = _layout(message)
    size = dtype.itemsize
    count = message.width * message.height
    if not size or len(message.data) != count * size:
        raise RecordError(
            f"a record of {count} rows of {size} bytes must have {count * size} bytes of data; "
            f"this one has {len(message.data)}"
        )
    rows = np.frombuffer(message.data, dtype, count=count)
    rows.flags.writeable = False
    return rows


def form_refusal(message: PointCloud2) -> str:
    """Say why a message is no record, of whatever schema, with rows; or nothing."""
    try:
        return "" if len(view(message)) else "it has no rows"
    except RecordError as error:
        return str(error)


def _layout(message: PointCloud2) -> np.dtype:
    key = tuple((f.name, f.offset, f.datatype, f.count) for f in message.fields)
    return _dtype(key, message.point_step, bool(message.is_bigendian))


@lru_cache(maxsize=256)
def _dtype(
    fields: tuple[tuple[str, int, int, int], ...], point_step: int, big_endian: bool
) -> np.dtype:
    order = ">" if big_endian else "<"
    formats = []
    for name, _, datatype, count in fields:
        if datatype not in _DTYPES:
            raise RecordError(f"field {name} of a record has the unknown datatype {datatype}")
        kind = order + _DTYPES[datatype]
        formats.append(kind if count == 1 else (kind, (count,)))
    layout: Any = {
        "names": [name for name, *_ in fields],
        "formats": formats,
        "offsets": [offset for _, offset, *_ in fields],
        "itemsize": point_step,
    }
    try:
        return np.dtype(layout)
    except ValueError as error:
        raise RecordError(f"a record's fields do not fit its point_step: {error}") from None
