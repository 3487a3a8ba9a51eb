# SPDX-License-Identifier: Apache-2.0
"""The black box: the last minutes of everything, written out when something is broken.

Every message is kept in memory for a while. A confirmed fault makes a bag of what is there, which
then goes on for some time after the fault. A second fault while that bag is open extends it, so
each fault has its time before and after it in one bag and no message is in two. What triggers is a
status at level ERROR on ``faults`` whose value ``state`` is ``confirmed``, once until it is
``healed``; and, so that it depends on no fault manager, the events of the hosts when a unit
raises or a process is lost.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from lupex_nodes.bus.messages import ERROR, OK, WARN, values_of
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.recording import message_types
from lupex_nodes.recording.bag_writer import QOS, BagWriter, RecordingError
from lupex_nodes.recording.profiles import BlackBoxLimits

FAULTS = "faults"
#: Events of the hosts, by which no fault manager need live for a record.
LOSSES = (": UNIT_FAILED", ": MEMBER_LOST")
#: What the interpreter adds to the bytes of a message: bytes object, time, tuple, place in line.
OVERHEAD_BYTES = 160
#: How much of the history is written at a tick; a message costs as much as so many bytes.
SLICE_BYTES = 32_000_000
SLICE_MESSAGE_BYTES = 2_000

#: Tells an event: its id, level, sentence and values.
Say = Callable[[str, bytes, str, dict[str, Any]], None]


class Kept:
    """What is kept of one topic."""

    __slots__ = ("before", "left_out_until", "name", "qos", "size", "told", "type_name")

    def __init__(self, name: str, type_name: str, qos: str) -> None:
        self.name = name
        self.type_name = type_name
        self.qos = qos
        self.size = 0
        self.told = False
        self.left_out_until = 0
        self.before: tuple[int, bytes] | None = None


class BlackBox:
    """Keeps messages, and writes ``folder``/NAME when a fault is confirmed.

    Times are ns of mission time. When memory runs out the topic with most bytes is left out for as
    long as the history reaches back; an event and the record's metadata say so. Of a latched topic
    the last message from before the history is kept too: it is the state at its beginning.
    """

    def __init__(
        self,
        folder: Path,
        limits: BlackBoxLimits,
        custom_data: Mapping[str, str],
        say: Say,
        *,
        flush: bool = False,
    ) -> None:
        self.size = 0
        self._folder = folder
        self._limits = limits
        self._history_ns = round(limits.history_s * SECOND)
        self._after_ns = round(limits.after_s * SECOND)
        self._custom_data = custom_data
        self._say = say
        self._flush = flush
        self._line: deque[tuple[int, Kept, bytes]] = deque()
        self._topics: list[Kept] = []
        self._confirmed: set[str] = set()
        self._left_out: deque[tuple[int, int, str]] = deque()
        self._record: BagWriter | None = None
        self._backlog: deque[tuple[int, int, Kept, bytes]] = deque()
        self._until_ns = 0
        self._causes: list[str] = []
        self._missing = ""

    # --- what is kept ------------------------------------------------------------------------

    def keep(self, name: str, type_name: str, qos: str) -> Kept | None:
        """Begin to keep a topic; None, with an event, if no bag could hold its type."""
        try:
            message_types.definition(type_name)
        except KeyError:
            self._say(
                "BLACK_BOX_LIMITED",
                WARN,
                f"The black box leaves out {name}: {type_name} is not a message type of ROS 2 "
                "Jazzy's common packages.",
                {"topic": name},
            )
            return None
        kept = Kept(name, type_name, qos)
        self._topics.append(kept)
        if self._record is not None:
            self._guarded(lambda record: record.topic(name, type_name, qos))
        return kept

    def take(self, kept: Kept, data: bytes, now: int) -> None:
        """Keep a serialized message, and write it if a record is open."""
        if self._record is not None:
            self._backlog.append((now, now, kept, data))
        if now < kept.left_out_until:
            return
        line = self._line
        line.append((now, kept, data))
        size = len(data) + OVERHEAD_BYTES
        kept.size += size
        self.size += size
        oldest = now - self._history_ns
        while line[0][0] < oldest:
            time, old, data = line.popleft()
            self._forget(old, data)
            if QOS[old.qos].durability == "transient_local":
                self._supersede(old, time, data)
        while self.size > self._limits.memory_bytes:
            self._leave_out(now)

    def _forget(self, kept: Kept, data: bytes) -> None:
        size = len(data) + OVERHEAD_BYTES
        kept.size -= size
        self.size -= size

    def _supersede(self, kept: Kept, time: int, data: bytes) -> None:
        if kept.before is not None:
            self._forget(kept, kept.before[1])
        kept.before = time, data
        size = len(data) + OVERHEAD_BYTES
        kept.size += size
        self.size += size

    def _leave_out(self, now: int) -> None:
        """Forget the largest topic, and take none of it until the history is another."""
        largest = max(self._topics, key=lambda kept: (kept.size, kept.name))
        size = largest.size
        times = [time for time, kept, _ in self._line if kept is largest]
        self._line = deque(each for each in self._line if each[1] is not largest)
        self.size -= size
        largest.size = 0
        largest.before = None
        largest.left_out_until = now + self._history_ns
        self._left_out.append((min(times, default=now), largest.left_out_until, largest.name))
        if not largest.told:
            largest.told = True
            self._say(
                "BLACK_BOX_LIMITED",
                WARN,
                f"The black box left out {largest.name}, its largest topic with "
                f"{size / 1e6:.0f} MB, to stay within {self._limits.memory_bytes / 1e6:.0f} MB.",
                {"topic": largest.name, "size_mb": size / 1e6},
            )

    # --- what triggers -----------------------------------------------------------------------

    def watch(self, message: DiagnosticArray, now: int) -> None:
        """Look for a fault in a message of ``events`` or ``faults``, already kept."""
        for status in message.status:
            if self._is_new_fault(status):
                self._trigger(status, now)

    def _is_new_fault(self, status: DiagnosticStatus) -> bool:
        state = values_of(status).get("state")
        if state == "healed":
            self._confirmed.discard(status.name)
            return False
        if status.level != ERROR:
            return False
        if status.name.endswith(LOSSES):
            return True
        if state != "confirmed" or status.name in self._confirmed:
            return False
        self._confirmed.add(status.name)
        return True

    def _trigger(self, status: DiagnosticStatus, now: int) -> None:
        self._causes.append(f"{_utc(now):%Y-%m-%dT%H:%M:%SZ} {status.name}: {status.message}")
        self._until_ns = now + self._after_ns
        if self._record is not None:
            self._record.custom_data = self._description()
            return
        name = f"{_utc(now):%Y%m%dT%H%M%SZ}_{re.sub('[^A-Za-z0-9.-]+', '_', status.name)}"
        first_ns = self._line[0][0] if self._line else now
        self._missing = self._missing_since(first_ns, now)
        try:
            self._record = BagWriter(
                _free(self._folder / name), self._description(), flush=self._flush
            )
        except RecordingError as error:
            self._failed(error)
            return
        self._guarded(lambda record: self._begin_with_history(record, first_ns))

    # --- records -----------------------------------------------------------------------------

    def _begin_with_history(self, record: BagWriter, first_ns: int) -> None:
        for kept in self._topics:
            record.topic(kept.name, kept.type_name, kept.qos)
        for kept in self._topics:
            if kept.before is not None:
                published_ns, data = kept.before
                self._backlog.append((first_ns, published_ns, kept, data))
        self._backlog.extend((time, time, kept, data) for time, kept, data in self._line)

    def _write_backlog(self, record: BagWriter, slice_bytes: float = math.inf) -> None:
        """Write what waits, or a slice of it."""
        backlog = self._backlog
        while backlog and slice_bytes > 0:
            log_ns, published_ns, kept, data = backlog.popleft()
            record.write(kept.name, kept.type_name, data, log_ns, published_ns)
            slice_bytes -= len(data) + SLICE_MESSAGE_BYTES

    def _missing_since(self, first_ns: int, now: int) -> str:
        """Return which topics memory had no place for, and when."""
        while self._left_out and self._left_out[0][1] < first_ns:
            self._left_out.popleft()
        return "; ".join(
            f"{name} from {_utc(first):%Y-%m-%dT%H:%M:%SZ} "
            f"to {_utc(min(now, last)):%Y-%m-%dT%H:%M:%SZ}"
            for first, last, name in self._left_out
        )

    def _description(self) -> dict[str, str]:
        return {
            **self._custom_data,
            "black_box_causes": "\n".join(self._causes),
            "black_box_left_out": self._missing,
        }

    def tick(self, now: int) -> None:
        """Write a slice of what waits, so that no tick lasts long; end the record in time."""
        record = self._record
        if record is None:
            return
        if now < self._until_ns:
            self._guarded(lambda record: self._write_backlog(record, SLICE_BYTES))
            self._guarded(BagWriter.maybe_flush)
            return
        self._guarded(self._write_backlog)
        self._guarded(BagWriter.close)
        if self._record is not None:
            self._say(
                "BLACK_BOX_WRITTEN",
                OK,
                f"The black box wrote {record.message_count} messages to {record.folder.name}.",
                {"record": record.folder.name, "messages": record.message_count},
            )
        self._over()

    def close(self) -> None:
        """End the record that is open when the flight ends, wherever in its time that is."""
        if self._record is not None:
            self._record.custom_data = self._description()
        self._guarded(self._write_backlog)
        self._guarded(BagWriter.close)
        self._over()

    def _over(self) -> None:
        self._record = None
        self._causes = []
        self._backlog.clear()

    def _guarded(self, write: Callable[[BagWriter], None]) -> None:
        """Write to the open record; one that fails is given up and said so."""
        if self._record is None:
            return
        try:
            write(self._record)
        except RecordingError as error:
            record, self._record = self._record, None
            self._backlog.clear()
            with suppress(RecordingError):
                record.close()
            self._failed(error)

    def _failed(self, error: RecordingError) -> None:
        causes, self._causes = self._causes, []
        self._say(
            "RECORDING_FAILED",
            ERROR,
            f"The black box could not be written: {error}.",
            {"reason": str(error), "faults": "; ".join(causes)},
        )


def _utc(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // SECOND, UTC)


def _free(wanted: Path) -> Path:
    folder, number = wanted, 1
    while folder.exists():
        number += 1
        folder = wanted.with_name(f"{wanted.name}_{number}")
    return folder
