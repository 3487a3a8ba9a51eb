# SPDX-License-Identifier: Apache-2.0
"""A unit that publishes more than any mission: what a recorder must keep."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import BatteryState, PointCloud2

from lupex_nodes.bus.parameters import Parameters
from lupex_nodes.bus.ports import Output
from lupex_nodes.bus.records import Schema
from lupex_nodes.bus.stamps import SECOND, to_stamp
from lupex_nodes.bus.unit import Kind, Unit

#: Ticks, small messages and bytes of large messages, each in a second.
TICKS = 100
SMALL = 20_000
LARGE_BYTES = 100_000_000
SMALL_TOPICS = 20
LARGE = Schema("large", *((name, "f4", "noise") for name in "xyzi"))

_SMALL_A_TICK = SMALL // TICKS // SMALL_TOPICS
#: More than any chunk holds, so that no two messages of a chunk are equal.
_BLOCKS = 16
_ROWS = LARGE_BYTES // TICKS // LARGE.dtype.itemsize


class _Flood(Unit):
    """Publishes batteries on twenty topics and noise that no compression makes smaller."""

    kind = Kind.HARDWARE
    Parameters = Parameters
    large = Output("~/large", PointCloud2, schema=LARGE)

    def setup(self) -> None:
        noise = np.random.default_rng(1).bytes(_BLOCKS * _ROWS * LARGE.dtype.itemsize)
        self.rows = np.frombuffer(noise, LARGE.dtype).reshape(_BLOCKS, _ROWS)
        self.small = [getattr(self, f"small_{index}") for index in range(SMALL_TOPICS)]
        self.count = 0

    def step(self, now: int) -> int:
        stamp = to_stamp(now)
        for port in self.small:
            for _ in range(_SMALL_A_TICK):
                message = BatteryState(voltage=float(self.count % 1000))
                message.header.stamp = stamp
                port.publish(message)
                self.count += 1
        self.large.publish_rows(now, self.rows[self.count // (SMALL // TICKS) % _BLOCKS])
        return now + SECOND // TICKS


Flood = type(
    "Flood",
    (_Flood,),
    {
        "__doc__": _Flood.__doc__,
        **{
            f"small_{index}": Output(f"~/small_{index}", BatteryState)
            for index in range(SMALL_TOPICS)
        },
    },
)
