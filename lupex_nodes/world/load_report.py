# SPDX-License-Identifier: Apache-2.0
"""How hardware says what it does to nature, and how those who feed or cool it read that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lupex_nodes.bus.ports import InPort, OutPort
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.world.records import LOAD

_REPEAT = 60 * SECOND


class LoadReport:
    """Publishes a unit's electric power on its ``~/load``, all of it as heat unless told.

    A change of less than 1 % waits for the next repetition, every 60 s.
    """

    def __init__(self, port: OutPort) -> None:
        self._port = port
        self._power_w = -1.0
        self._time = 0

    def report(self, now: int, power_w: float, heat_w: float | None = None) -> None:
        """Publish if there is something new to say; `heat_w` where some power leaves the place."""
        changed = abs(power_w - self._power_w) > 0.01 * abs(self._power_w)
        if changed or now - self._time >= _REPEAT:
            self._power_w, self._time = power_w, now
            self._port.publish_rows(now, [(power_w, power_w if heat_w is None else heat_w, 0.0)])


def loads_behind(on: Mapping[str, bool], *ports: InPort) -> dict[str, Any]:
    """Return the last ~/load row of every unit that is not behind an open channel, by unit.

    `on` tells the state of each channel; a channel has the name of the unit that it feeds.
    """
    loads: dict[str, Any] = {}
    for port in ports:
        for unit, message in list(port.values.items()):
            if on.get(unit, True):
                loads[unit] = LOAD.row(message)
            else:
                # what it drew before says nothing of what it will draw when on again
                del port.values[unit]
    return loads
