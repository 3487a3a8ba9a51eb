# SPDX-License-Identifier: Apache-2.0
"""A bag as numpy columns: one series a scalar signal, one structured array a record topic."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lupex_nodes.recording.bag_reader import Bag, BagError, BagMessage, open_bag

DIAGNOSTIC_TYPE = "diagnostic_msgs/msg/DiagnosticArray"
RECORD_TYPE = "sensor_msgs/msg/PointCloud2"
LOG_TYPE = "rcl_interfaces/msg/Log"
# Nothing in these is a column: pictures, maps, parameters.
BULK_TYPES = {
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CompressedImage",
    "nav_msgs/msg/OccupancyGrid",
    "nav_msgs/msg/Path",
    "rcl_interfaces/msg/ParameterEvent",
    "tf2_msgs/msg/TFMessage",
}
OK, WARN, ERROR = 0, 1, 2
LOG_ERROR = 40
# DiagnosticArrays by the last part of their topic; others, such as a relay's copies of what other
# units sent, say nothing of their own.
DIAGNOSTIC_TOPICS = {"diagnostics", "events", "commands", "faults", "tick"}
# PointField datatypes, sensor_msgs/PointField.
_NUMPY_KINDS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
_LONGEST_ARRAY = 16


class Series(NamedTuple):
    """One scalar over time: `time_s` since the bag's start and `values`, both shape (n,)."""

    time_s: NDArray[np.float64]
    values: NDArray[np.float64]


class Rows(NamedTuple):
    """All rows of a record topic, shape (n,); `time_s` is the log time of each row's message."""

    time_s: NDArray[np.float64]
    rows: NDArray[Any]


class Occurrence(NamedTuple):
    """An event, fault, command report or log line; `level` as in DiagnosticStatus."""

    time_s: float
    unit: str
    name: str
    level: int
    message: str
    values: dict[str, str]


class Tick(NamedTuple):
    """What a tick says has been published before it, by topic without the leading slash."""

    time_s: float
    membership: str
    counts: dict[str, int]


@dataclass
class Tables:
    """The columns of one bag; times are seconds of log time since its first message.

    Attributes:
        arrivals: by topic, when its messages were logged, shape (n,).
        stamp_lag_s: by topic with a header, log time less header stamp.
        housekeeping: by unit, by key, what /diagnostics says as numbers.
        texts: by unit, by key, the changes of what /diagnostics says in words: (time_s, text).
        health: by unit, the changes of its level: Occurrence.
        records: by topic of PointCloud2 records, their rows.
        scalars: by topic, by dotted path, the numbers of any other message type.
    """

    path: Path
    start_ns: int = 0
    duration_s: float = 0.0
    message_count: int = 0
    custom_data: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    arrivals: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    stamp_lag_s: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    housekeeping: dict[str, dict[str, Series]] = field(default_factory=dict)
    heartbeats: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    texts: dict[str, dict[str, list[tuple[float, str]]]] = field(default_factory=dict)
    health: dict[str, list[Occurrence]] = field(default_factory=dict)
    records: dict[str, Rows] = field(default_factory=dict)
    scalars: dict[str, dict[str, Series]] = field(default_factory=dict)
    events: list[Occurrence] = field(default_factory=list)
    commands: list[Occurrence] = field(default_factory=list)
    faults: list[Occurrence] = field(default_factory=list)
    logs: list[Occurrence] = field(default_factory=list)
    ticks: list[Tick] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def topic(self, name: str) -> str | None:
        """Return the full name of the topic `name` below whatever root the system had."""
        tail = "/" + name.strip("/")
        matches = [topic for topic in self.arrivals if topic == tail or topic.endswith(tail)]
        return min(matches, key=len, default=None)

    def record(self, name: str) -> Rows | None:
        """Return a record topic's rows by its name below the root, None without any row."""
        rows = self.records.get(self.topic(name) or "")
        return rows if rows is not None and len(rows.rows) else None

    def series(self, name: str, path: str) -> Series | None:
        """Return one signal of a topic by its name below the root: a dotted path or a field."""
        topic = self.topic(name) or ""
        if topic in self.scalars:
            return self.scalars[topic].get(path)
        rows = self.records.get(topic)
        if rows is None or path not in (rows.rows.dtype.names or ()):
            return None
        return Series(rows.time_s, np.asarray(rows.rows[path], float))


def read_tables(source: Bag | Path | str) -> Tables:
    """Read a whole bag into columns; what cannot be used is named in `skipped`.

    Raises BagError, one sentence, if the bag cannot be opened or holds no message.
    """
    if not isinstance(source, Bag):
        with open_bag(source) as bag:
            return read_tables(bag)
    tables = _Reader(source).read()
    if not tables.message_count:
        reason = f": {'; '.join(tables.skipped)}" if tables.skipped else ""
        raise BagError(f"{source.path} holds no message that can be read{reason}")
    return tables


class _Reader:
    """Gathers lists message by message and makes arrays of them at the end."""

    def __init__(self, bag: Bag) -> None:
        self.bag = bag
        self.tables = Tables(bag.path, custom_data=dict(bag.custom_data))
        self.arrivals: dict[str, list[float]] = defaultdict(list)
        self.lags: dict[str, list[float]] = defaultdict(list)
        self.numbers: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
        self.heartbeats: dict[str, list[float]] = defaultdict(list)
        self.rows: dict[str, list[tuple[float, NDArray[Any]]]] = defaultdict(list)
        self.getters: dict[str, list[tuple[str, Callable[[Any], float]]]] = {}
        self.columns: dict[str, list[list[float]]] = {}
        self.column_times: dict[str, list[float]] = defaultdict(list)
        self.undecodable: dict[str, list[str]] = defaultdict(list)

    def read(self) -> Tables:
        tables = self.tables
        last_ns = 0
        for message in self.bag.messages():
            if not tables.message_count:
                tables.start_ns = message.log_time_ns
            last_ns = max(last_ns, message.log_time_ns)
            tables.message_count += 1
            tables.types[message.topic] = message.type_name
            time_s = (message.log_time_ns - tables.start_ns) * 1e-9
            self.arrivals[message.topic].append(time_s)
            if message.type_name in BULK_TYPES:
                continue
            leaf = message.topic.rpartition("/")[2]
            if message.type_name == DIAGNOSTIC_TYPE and leaf not in DIAGNOSTIC_TOPICS:
                continue
            try:
                self._take(message, time_s, self.bag.decode(message))
            except (BagError, RecordLayoutError) as error:
                self.undecodable[message.topic].append(str(error))
        tables.duration_s = (last_ns - tables.start_ns) * 1e-9 if tables.message_count else 0.0
        self._finish()
        return tables

    def _take(self, message: BagMessage, time_s: float, decoded: Any) -> None:
        header = getattr(decoded, "header", None)
        if header is not None:
            stamp_ns = header.stamp.sec * 10**9 + header.stamp.nanosec
            self.lags[message.topic].append((message.log_time_ns - stamp_ns) * 1e-9)
        if message.type_name == DIAGNOSTIC_TYPE:
            self._take_statuses(message.topic.rpartition("/")[2], time_s, decoded)
        elif message.type_name == RECORD_TYPE:
            self.rows[message.topic].append((time_s, record_rows(decoded)))
        elif message.type_name == LOG_TYPE:
            level = ERROR if decoded.level >= LOG_ERROR else WARN if decoded.level >= 30 else OK
            unit = decoded.name.rpartition(".")[2]
            self.tables.logs.append(Occurrence(time_s, unit, "log", level, decoded.msg, {}))
        else:
            self._take_scalars(message.topic, time_s, decoded)

    def _take_statuses(self, leaf: str, time_s: float, decoded: Any) -> None:
        lists = {
            "events": self.tables.events,
            "commands": self.tables.commands,
            "faults": self.tables.faults,
        }
        for status in decoded.status:
            unit, _, name = status.name.partition(": ")
            values = {pair.key: pair.value for pair in status.values}
            if leaf == "tick":
                membership = values.pop("membership", "")
                values.pop("sequence", None)
                counts = {k.lstrip("/"): int(v) for k, v in values.items() if v.isdecimal()}
                self.tables.ticks.append(Tick(time_s, membership, counts))
            elif leaf in lists:
                unit = status.hardware_id or unit
                lists[leaf].append(
                    Occurrence(time_s, unit, name, int(status.level), status.message, values)
                )
            else:
                self._take_housekeeping(unit, time_s, int(status.level), status.message, values)

    def _take_housekeeping(
        self, unit: str, time_s: float, level: int, message: str, values: dict[str, str]
    ) -> None:
        self.heartbeats[unit].append(time_s)
        health = self.tables.health.setdefault(unit, [])
        if not health or health[-1].level != level:
            health.append(Occurrence(time_s, unit, "health", level, message, {}))
        numbers = self.numbers.setdefault(unit, {})
        for key, text in values.items():
            value = _number(text)
            if value is None:
                changes = self.tables.texts.setdefault(unit, {}).setdefault(key, [])
                if not changes or changes[-1][1] != text:
                    changes.append((time_s, text))
            else:
                times, column = numbers.setdefault(key, ([], []))
                times.append(time_s)
                column.append(value)

    def _take_scalars(self, topic: str, time_s: float, decoded: Any) -> None:
        if topic not in self.getters:
            self.getters[topic] = list(_getters(decoded))
            self.columns[topic] = [[] for _ in self.getters[topic]]
        self.column_times[topic].append(time_s)
        for column, (_, get) in zip(self.columns[topic], self.getters[topic], strict=True):
            column.append(get(decoded))

    def _finish(self) -> None:
        tables = self.tables
        tables.arrivals = {topic: np.array(times) for topic, times in self.arrivals.items()}
        tables.stamp_lag_s = {topic: np.array(lags) for topic, lags in self.lags.items()}
        tables.heartbeats = {unit: np.array(times) for unit, times in self.heartbeats.items()}
        tables.housekeeping = {
            unit: {key: Series(np.array(t), np.array(v)) for key, (t, v) in keys.items()}
            for unit, keys in self.numbers.items()
        }
        for topic, columns in self.columns.items():
            time_s = np.array(self.column_times[topic])
            tables.scalars[topic] = {
                path: Series(time_s, np.array(column, float))
                for (path, _), column in zip(self.getters[topic], columns, strict=True)
            }
        for topic, parts in self.rows.items():
            layouts = {part.dtype for _, part in parts}
            dtype = parts[0][1].dtype
            if len(layouts) > 1:
                tables.skipped.append(
                    f"topic {topic}: its records change their fields; only those like the first "
                    "are used"
                )
            kept = [(time_s, part) for time_s, part in parts if part.dtype == dtype]
            tables.records[topic] = Rows(
                np.repeat([time_s for time_s, _ in kept], [len(part) for _, part in kept]),
                np.concatenate([part for _, part in kept]),
            )
        for topic, reasons in self.undecodable.items():
            tables.skipped.append(f"topic {topic}: {len(reasons)} messages unusable; {reasons[0]}")
        tables.skipped += [sentence for sentence in self.bag.skipped]


class RecordLayoutError(ValueError):
    """A PointCloud2 whose fields and data do not fit each other."""


def record_rows(message: Any) -> NDArray[Any]:
    """View a record's rows as a structured array, shape (n,); RecordLayoutError if it is torn."""
    layout = tuple((f.name, f.offset, f.datatype, f.count) for f in message.fields)
    dtype = _record_dtype(layout, message.point_step, bool(message.is_bigendian))
    count = message.width * message.height
    if len(message.data) != count * dtype.itemsize:
        raise RecordLayoutError(
            f"a record of {count} rows of {dtype.itemsize} bytes has {len(message.data)} bytes"
        )
    return np.frombuffer(message.data, dtype, count=count)


@lru_cache(maxsize=256)
def _record_dtype(
    layout: tuple[tuple[str, int, int, int], ...], point_step: int, big_endian: bool
) -> np.dtype[Any]:
    order = ">" if big_endian else "<"
    try:
        kinds = [order + _NUMPY_KINDS[datatype] for _, _, datatype, _ in layout]
        return np.dtype(
            {
                "names": [name for name, *_ in layout],
                "formats": [
                    kind if count == 1 else (kind, (count,))
                    for kind, (*_, count) in zip(kinds, layout, strict=True)
                ],
                "offsets": [offset for _, offset, *_ in layout],
                "itemsize": point_step,
            }
        )
    except (KeyError, ValueError, TypeError) as error:
        raise RecordLayoutError(f"a record's fields do not fit its rows: {error}") from None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return {"true": 1.0, "false": 0.0}.get(text.lower())


def _getters(message: Any, prefix: str = "") -> Iterator[tuple[str, Callable[[Any], float]]]:
    """Yield (dotted path, getter) of every number in a message, as its first one has them."""
    for each in dataclasses.fields(message):
        value = getattr(message, each.name)
        path = prefix + each.name
        if path == "header" or path.endswith("covariance"):
            continue
        if isinstance(value, (bool, int, float)):
            yield path, _scalar_getter(path.split("."))
        elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            if len(value) <= _LONGEST_ARRAY:
                labels: Any = getattr(message, "name", None)
                if not isinstance(labels, list) or len(labels) != len(value):
                    labels = range(len(value))
                for index, label in enumerate(labels):
                    yield f"{path}[{label}]", _element_getter(path.split("."), index)
        elif dataclasses.is_dataclass(value):
            yield from _getters(value, path + ".")


def _scalar_getter(parts: list[str]) -> Callable[[Any], float]:
    def get(message: Any) -> float:
        for part in parts:
            message = getattr(message, part)
        return float(message)

    return get


def _element_getter(parts: list[str], index: int) -> Callable[[Any], float]:
    def get(message: Any) -> float:
        for part in parts:
            message = getattr(message, part)
        return float(message[index]) if index < len(message) else math.nan

    return get
