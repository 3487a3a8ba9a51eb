# SPDX-License-Identifier: Apache-2.0
"""A bench: some units of the system on a bus in memory, with a log of all messages."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

from lupex_nodes.bus.memory import MemoryBus
from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.stamps import SECOND, seconds
from lupex_nodes.system import load_system

START = int(datetime(2028, 10, 4, tzinfo=UTC).timestamp()) * SECOND


class Log(defaultdict):
    """An observer that keeps (seconds since the start, message) by topic.

    Apart from the bench, so that the hundred thousand messages go with their bench at once.
    """

    def __init__(self):
        super().__init__(list)

    def message(self, now, emission):
        self[emission.topic].append(((now - START) / SECOND, emission.message))

    def tick(self, now):
        pass


class Bench:
    """Units on a bus, and the log of what they said."""

    def __init__(self, *names, seed=1, housekeeping_period_s=1.0, **parameters):
        system = load_system()
        system = system.subset(names) if names else system
        self.log = Log()
        self.bus = MemoryBus(
            system, parameters, seed=seed, start=START, observers=[self.log],
            housekeeping_period_s=housekeeping_period_s,
        )  # fmt: skip
        self.bus.activate()

    def run(self, duration_s):
        # the tick at the end belongs to the next run
        self.bus.run(self.bus.now + seconds(duration_s) - 1)
        return self

    def unit(self, name):
        return self.bus.slots[name].unit

    def degrade(self, name, **changes):
        self.bus.slots[name].degrade(changes)

    def last(self, topic, schema=None):
        message = self.log[topic][-1][1]
        return schema.row(message) if schema else message

    def rows(self, topic, schema):
        return [schema.row(message) for _, message in self.log[topic]]

    def events(self):
        return [m.status[0].name.split(": ")[1] for _, m in self.log["events"]]

    def reports(self, name):
        """(stage, success, sentence) of a command's reports."""
        return [
            (values_of(s)["stage"], values_of(s)["success"] == "true", s.message)
            for _, message in self.log["commands"]
            for s in message.status
            if s.name == name
        ]
