# SPDX-License-Identifier: Apache-2.0
"""A bag as numpy columns: one series a scalar signal, one structured array a record topic."""

from __future__ import annotations

import ctypes
from array import array
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lupex_nodes.analysis.diagnostic_columns import DiagnosticBatch
from lupex_nodes.analysis.housekeeping_columns import Housekeeping, Ticks, extend
from lupex_nodes.analysis.message_columns import (
    RecordLayoutError,
    Records,
    Scalars,
    record_dtype,
    stamps_ns,
)
from lupex_nodes.recording.bag_reader import Bag, BagError, BagMessage, open_bag
from lupex_nodes.recording.cdr_layout import Alike, Layouts

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
# DiagnosticArrays by the last part of their topic, beside `diagnostics` and `tick`; others, such as
# a relay's copies of what other units sent, say nothing of their own.
OCCURRENCE_TOPICS = {"events", "commands", "faults"}
# Batches of this size are long enough for columns, and a few of them fit into memory.
_MOST_HELD_BYTES = 6_000_000


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


@dataclass
class Tables:
    """The columns of one bag; times are seconds of log time since its first message.

    Attributes:
        arrivals: by topic, when its messages were logged, shape (n,).
        stamp_lag_s: by topic with a header, log time less header stamp; not of DiagnosticArrays.
        housekeeping: by unit, by key, what /diagnostics says as numbers.
        texts: by unit, by key, the changes of what /diagnostics says in words: (time_s, text).
        health: by unit, the changes of its level: Occurrence.
        records: by topic of PointCloud2 records, their rows.
        scalars: by topic, by dotted path, the numbers of any other message type.
        published: by topic without its leading slash and membership of the barrier, how many
            messages a tick says have been published before it.
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
    published: dict[tuple[str, str], Series] = field(default_factory=dict)
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
    _give_back_memory()
    if not tables.message_count:
        reason = f": {'; '.join(tables.skipped)}" if tables.skipped else ""
        raise BagError(f"{source.path} holds no message that can be read{reason}")
    return tables


def _give_back_memory() -> None:
    """Let the C library return what batches took: of two weeks 100 MB, which it else keeps."""
    with suppress(AttributeError, OSError):  # only glibc has this
        ctypes.CDLL(None).malloc_trim(0)


class _Reader:
    """Gathers messages topic by topic and makes columns of them, a batch at a time."""

    def __init__(self, bag: Bag) -> None:
        self.bag = bag
        self.tables = Tables(bag.path, custom_data=dict(bag.custom_data))
        self.batches: dict[tuple[str, str], list[BagMessage]] = {}
        self.times_ns: dict[str, array[int]] = {}
        self.lags: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self.housekeeping = Housekeeping()
        self.ticks = Ticks()
        self.layouts: dict[tuple[str, str], Layouts] = {}
        self.scalars: dict[str, tuple[str, Scalars, array[float]]] = {}
        self.records: dict[str, Records] = {}
        self.unusable: dict[str, list[str]] = defaultdict(list)

    def read(self) -> Tables:
        tables = self.tables
        last_ns = held_bytes = 0
        for message in self.bag.messages():
            topic, kind, log_time_ns, data = message
            if topic not in self.times_ns:
                if not self.times_ns:
                    tables.start_ns = log_time_ns
                self.times_ns[topic] = array("q")
            last_ns = max(last_ns, log_time_ns)
            tables.message_count += 1
            tables.types[topic] = kind
            self.times_ns[topic].append(log_time_ns)
            if kind in BULK_TYPES:
                continue
            if kind == DIAGNOSTIC_TYPE:
                leaf = topic.rpartition("/")[2]
                if leaf in OCCURRENCE_TOPICS:
                    self._take_occurrence(message, leaf)
                    continue
                if leaf not in ("diagnostics", "tick"):
                    continue
                topic = leaf
            elif kind == LOG_TYPE:
                self._take_occurrence(message, "")
                continue
            self.batches.setdefault((topic, kind), []).append(message)
            held_bytes += len(data)
            if held_bytes > _MOST_HELD_BYTES:
                self._take_batches()
                held_bytes = 0
        self._take_batches()
        tables.duration_s = (last_ns - tables.start_ns) * 1e-9 if tables.message_count else 0.0
        self._finish()
        return tables

    def _seconds(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        return (times_ns - self.tables.start_ns).astype(float) * 1e-9

    def _take_occurrence(self, message: BagMessage, leaf: str) -> None:
        """Take one of the few messages that are read one by one."""
        tables = self.tables
        time_s = (message.log_time_ns - tables.start_ns) * 1e-9
        try:
            decoded = self.bag.decode(message)
        except BagError as error:
            self.unusable[message.topic].append(str(error))
            return
        if message.type_name == LOG_TYPE:
            level = ERROR if decoded.level >= LOG_ERROR else WARN if decoded.level >= 30 else OK
            unit = decoded.name.rpartition(".")[2]
            tables.logs.append(Occurrence(time_s, unit, "log", level, decoded.msg, {}))
            return
        lists = {"events": tables.events, "commands": tables.commands, "faults": tables.faults}
        for status in decoded.status:
            unit, _, name = status.name.partition(": ")
            unit = status.hardware_id or unit
            values = {pair.key: pair.value for pair in status.values}
            lists[leaf].append(
                Occurrence(time_s, unit, name, int(status.level), status.message, values)
            )

    def _take_batches(self) -> None:
        for (topic, kind), messages in self.batches.items():
            if messages and kind == DIAGNOSTIC_TYPE:
                into = self.ticks if topic == "tick" else self.housekeeping
                self._take_diagnostics(into, messages)
            elif messages:
                self._take_messages(topic, kind, messages)
            messages.clear()

    def _take_diagnostics(self, into: Housekeeping | Ticks, messages: list[BagMessage]) -> None:
        batch = DiagnosticBatch([message.data for message in messages])
        if into.add(self._seconds(_times_ns(messages)), batch):
            return
        bad = np.flatnonzero(~batch.whole).tolist()
        left = self._renewed(messages, bad)
        if left:
            self._take_diagnostics(into, left)

    def _renewed(self, messages: list[BagMessage], bad: list[int]) -> list[BagMessage]:
        """Return the messages, the bad ones serialised anew; those that are torn are counted."""
        renewed: dict[int, BagMessage | None] = {}
        for index in bad:
            message = messages[index]
            try:
                renewed[index] = message._replace(data=self.bag.plain(message))
                if renewed[index] == message:
                    raise BagError(
                        f"a message on {message.topic} at {message.log_time_ns} ns has parts that "
                        "are not read"
                    )
            except BagError as error:
                self.unusable[message.topic].append(str(error))
                renewed[index] = None
        changed = [renewed.get(index, message) for index, message in enumerate(messages)]
        return [message for message in changed if message is not None]

    def _take_messages(self, topic: str, kind: str, messages: list[BagMessage]) -> None:
        record = kind == RECORD_TYPE
        if (topic, kind) not in self.layouts:
            equal = ("height", "data") if record else None
            self.layouts[topic, kind] = Layouts(kind, self.bag.typestores, equal)
        found = list(self.layouts[topic, kind].sorted([message.data for message in messages]))
        bad = [index for index in found if isinstance(index, int)]
        if bad:
            left = self._renewed(messages, bad)
            if left:
                self._take_messages(topic, kind, left)
            return
        groups = [alike for alike in found if not isinstance(alike, int)]
        times_ns = _times_ns(messages)
        stamped_ns = stamps_ns(groups, len(messages))
        if stamped_ns is not None:
            extend(self.lags[topic], (times_ns - stamped_ns).astype(float) * 1e-9)
        if record:
            self._take_records(topic, messages, groups, self._seconds(times_ns))
            return
        if topic not in self.scalars:
            first = min(groups, key=lambda alike: int(alike.indices[0]))
            self.scalars[topic] = kind, Scalars(first.layout), array("d")
        known, scalars, column_times = self.scalars[topic]
        if known != kind:
            self.unusable[topic] += [f"they are {kind} and not {known}"] * len(messages)
            return
        scalars.add(groups, len(messages))
        extend(column_times, self._seconds(times_ns))

    def _take_records(
        self,
        topic: str,
        messages: list[BagMessage],
        groups: list[Alike],
        time_s: NDArray[np.float64],
    ) -> None:
        usable = []
        for alike in groups:
            try:
                dtype = record_dtype(self.bag.decode(messages[int(alike.indices[0])]))
                usable.append((alike, dtype))
            except (BagError, RecordLayoutError) as error:
                self.unusable[topic] += [str(error)] * len(alike.indices)
        if usable:
            self.records.setdefault(topic, Records()).add(usable, time_s)

    def _finish(self) -> None:
        tables = self.tables
        for topic, times in self.times_ns.items():
            tables.arrivals[topic] = self._seconds(np.frombuffer(times, np.int64))
        tables.stamp_lag_s = {topic: np.frombuffer(lags) for topic, lags in self.lags.items()}
        for unit, beats, numbers in self.housekeeping.columns():
            tables.heartbeats[unit] = beats
            tables.housekeeping[unit] = {key: Series(*found) for key, found in numbers.items()}
        tables.texts = self.housekeeping.texts
        for unit, changes in self.housekeeping.health.items():
            tables.health[unit] = [
                Occurrence(change.time_s, unit, "health", change.level, change.sentence, {})
                for change in changes
            ]
        tables.published = {key: Series(*found) for key, found in self.ticks.columns().items()}
        for topic, (_, scalars, column_times) in self.scalars.items():
            time_s = np.frombuffer(column_times)
            tables.scalars[topic] = {
                path: Series(time_s, column) for path, column in scalars.columns().items()
            }
        for topic, records in self.records.items():
            if records.changed:
                tables.skipped.append(
                    f"topic {topic}: its records change their fields; only those like the first "
                    "are used"
                )
            columns = records.columns()
            if columns is not None:
                tables.records[topic] = Rows(*columns)
        for topic, reasons in self.unusable.items():
            tables.skipped.append(f"topic {topic}: {len(reasons)} messages unusable; {reasons[0]}")
        tables.skipped += [sentence for sentence in self.bag.skipped]


def _times_ns(messages: list[BagMessage]) -> NDArray[np.int64]:
    return np.array([message.log_time_ns for message in messages], np.int64)
