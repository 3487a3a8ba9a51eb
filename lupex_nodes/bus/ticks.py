# SPDX-License-Identifier: Apache-2.0
"""The tick message: what time it is, and how many messages each topic has carried so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray

from lupex_nodes.bus.messages import OK, status_message, values_of
from lupex_nodes.bus.stamps import from_stamp

TICK = "bus/tick"
DONE = "bus/done"


class Tick(NamedTuple):
    """One tick of the bus.

    ``counts`` are cumulative, of the topics that changed since the last tick. The phase is
    ``step``; or ``calls``, when units send their commands after everybody's step; or ``settle``,
    when nothing is under way and ``members`` start to count from zero.
    """

    now: int
    sequence: int
    counts: Mapping[str, int]
    phase: str = "step"
    members: tuple[str, ...] = ()

    def message(self) -> DiagnosticArray:
        """Write the tick as a message."""
        values: dict[str, Any] = {"sequence": self.sequence}
        if self.members:
            values["members"] = " ".join(self.members)
        return status_message(self.now, "clock", "tick", OK, self.phase, {**values, **self.counts})

    @classmethod
    def read(cls, message: DiagnosticArray) -> Tick:
        """Read a tick from its message."""
        status = message.status[0]
        values = values_of(status)
        sequence = int(values.pop("sequence"))
        members = tuple(values.pop("members", "").split())
        counts = {topic: int(count) for topic, count in values.items()}
        now = from_stamp(message.header.stamp)
        return cls(now, sequence, counts, status.message, members)
