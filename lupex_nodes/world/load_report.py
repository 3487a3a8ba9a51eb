# SPDX-License-Identifier: Apache-2.0
"""How hardware says what it does to nature: at once when it changes, and now and then."""

from __future__ import annotations

from lupex_nodes.bus.ports import OutPort
from lupex_nodes.bus.stamps import SECOND

_REPEAT = 10 * SECOND


class LoadReport:
    """Publishes a unit's electric power, all of it as heat, on its ``~/load``.

    A change of less than 1 % waits for the next repetition, every 10 s.
    """

    def __init__(self, port: OutPort) -> None:
        self._port = port
        self._power_w = -1.0
        self._time = 0

    def report(self, now: int, power_w: float) -> None:
        """Publish if there is something new to say."""
        changed = abs(power_w - self._power_w) > 0.01 * self._power_w
        if changed or now - self._time >= _REPEAT:
            self._power_w, self._time = power_w, now
            self._port.publish_rows(now, [(power_w, power_w, 0.0)])
