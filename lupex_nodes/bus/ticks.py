# SPDX-License-Identifier: Apache-2.0
"""The tick message: what time it is, and how many messages each topic has carried so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticArray

from lupex_nodes.bus.messages import OK, status_message, values_of
from lupex_nodes.bus.stamps import from_stamp

TICK = "bus/tick"
DONE = "bus/done"


class Tick(NamedTuple):
    """One tick: counts are cumulative since the epoch of the membership began.

    Only the topics that changed since the last tick are named; a new ``membership`` names all.
    """

    now: int
    sequence: int
    membership: int
    counts: Mapping[str, int]

    def message(self) -> DiagnosticArray:
        """Write the tick as a message."""
        values = {"sequence": self.sequence, "membership": self.membership, **self.counts}
        return status_message(self.now, "clock", "tick", OK, "", values)

    @classmethod
    def read(cls, message: DiagnosticArray) -> Tick:
        """Read a tick from its message."""
        values = values_of(message.status[0])
        sequence = int(values.pop("sequence"))
        membership = int(values.pop("membership"))
        counts = {topic: int(count) for topic, count in values.items()}
        return cls(from_stamp(message.header.stamp), sequence, membership, counts)
