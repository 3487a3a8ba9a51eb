# SPDX-License-Identifier: Apache-2.0
"""Makes the products of a survey instrument again from the raw records in a bag.

For bags without nature, such as of the profile science: what the instrument saw is not in them, so
it cannot measure again, but what it measured is.
"""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.ports import Output
from lupex_nodes.bus.records import RecordError
from lupex_nodes.bus.slot import Slot
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.bus.unit import ports, topic_of
from lupex_nodes.recording.bag_reader import Bag, BagMessage
from lupex_nodes.recording.bag_writer import BagWriter
from lupex_nodes.recording.cdr import to_cdr
from lupex_nodes.recording.message_difference import Comparison, difference_at
from lupex_nodes.recording.recorder import absolute_name, type_name


class ProductsAgain:
    """One instrument, which is given its raw records and asked for the products of that time."""

    def __init__(self, bag: Bag, root: str, slot: Slot, writer: BagWriter) -> None:
        place = slot.place
        instrument: Any = place.unit_class
        self._bag, self._slot, self._writer = bag, slot, writer
        self._raw: tuple[str, ...] = instrument.raw
        self._outputs: dict[str, tuple[str, Output]] = {}
        for name, port in ports(instrument, Output):
            if name in (*instrument.raw, *instrument.made):
                topic = topic_of(port.topic, place.namespace, place.name)
                self._outputs[absolute_name(topic, root)] = name, port
        #: Raw outputs of which the bag has nothing.
        self.missing = [
            topic
            for topic, (name, _) in self._outputs.items()
            if name in instrument.raw and topic not in bag.topics
        ]
        self._on_since_s = np.inf
        self._found = Comparison(place.name, of_raw=True)

    def make(self) -> Comparison:
        """Make all products of the bag; write them, and compare with what was recorded."""
        for now, messages in groupby(self._bag.messages(self._outputs), attrgetter("log_time_ns")):
            try:
                self._tick(now, list(messages))
            except (RecordError, ValueError) as error:
                self._found.differs(f"the raw records at {now} ns give no product: {error}")
        return self._found

    def _tick(self, now: int, messages: list[BagMessage]) -> None:
        raw: dict[str, np.ndarray] = {}
        told: dict[str, list[Any]] = {}
        for message in messages:
            name, port = self._outputs[message.topic]
            decoded = deserialize_message(message.data, PointCloud2)
            if name in self._raw:
                raw[name] = _rows(port, decoded)
            else:
                told.setdefault(name, []).append((message.topic, port, decoded))
        if len(raw) == len(self._raw):
            self._instrument(now, raw).keep(now, raw)
        if told:
            made = self._unit().products(now, list(told))
            for name, each in told.items():
                self._compare(now, made.get(name), each)

    def _instrument(self, now: int, raw: dict[str, np.ndarray]) -> Any:
        """Return the instrument, a new one when it had been switched off or its time began anew."""
        (time_s,) = (float(each["time_s"][0]) for each in raw.values()
                     if "time_s" in (each.dtype.names or ()))  # fmt: skip
        on_since_s = now / SECOND - time_s
        if not abs(on_since_s - self._on_since_s) < 1.0:
            self._slot.deactivate()
            self._slot.activate(now)
        self._on_since_s = on_since_s
        return self._unit()

    def _unit(self) -> Any:
        if self._slot.unit is None:
            raise ValueError(f"{self._slot.name} has none to make it of")
        return self._slot.unit

    def _compare(self, now: int, rows: Any, told: list[tuple[str, Output, PointCloud2]]) -> None:
        topic, port, _ = told[0]
        kind = type_name(port.message_type)
        again = []
        if rows is not None:
            assert port.schema is not None
            again.append(to_cdr(port.schema.message(now, rows, port.frame_id)))
            self._writer.topic(topic, kind, port.qos.name.lower())
            self._writer.write(topic, kind, again[0], now)
        before = [to_cdr(message) for *_, message in told]
        self._found.messages += len(before)
        if again != before:
            self._found.differs(difference_at(topic, now, port.message_type, again, before))


def _rows(port: Output, message: PointCloud2) -> np.ndarray:
    assert port.schema is not None
    if refusal := port.schema.refusal(message, finite=False):
        raise RecordError(refusal)
    return port.schema.rows(message)
