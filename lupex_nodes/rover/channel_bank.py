# SPDX-License-Identifier: Apache-2.0
"""The switched outputs of a power unit, each behind a latching current limiter.

A limiter that sees too much current for its trip time switches its channel off and stays off
until it is switched on again (ECSS-E-ST-20-20C).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lupex_nodes.bus.records import Schema


class ChannelBank:
    """Which channels are on, and how long each has been above its limit."""

    def __init__(self, names: Iterable[str], off: Iterable[str], trip_s: float) -> None:
        self.names = tuple(names)
        self.trip_s = trip_s
        self.on = {name: True for name in self.names}
        unknown = [name for name in off if name not in self.on]
        if unknown:
            known = ", ".join(self.names) or "none"
            raise ValueError(f"there is no channel {', '.join(unknown)}; the channels are {known}")
        self.on.update(dict.fromkeys(off, False))
        self._over_s = dict.fromkeys(self.names, 0.0)
        self._schema = Schema("channels", *((name, "u1", "1 when on") for name in self.names))

    def switch(self, name: str, on: bool) -> bool:
        """Switch a channel; return whether that changed it."""
        changed = self.on[name] != on
        self.on[name] = on
        self._over_s[name] = 0.0
        return changed

    def trip(self, currents_a: dict[str, float], limit_a: float, dt_s: float) -> list[str]:
        """Switch off and return the channels that drew more than the limit for the trip time."""
        tripped = []
        for name in self.names:
            over = self.on[name] and currents_a.get(name, 0.0) > limit_a
            self._over_s[name] = self._over_s[name] + dt_s if over else 0.0
            if self._over_s[name] > self.trip_s:
                self.switch(name, False)
                tripped.append(name)
        return tripped

    def message(self, now: int) -> Any:
        """Make the record of all channels' states."""
        return self._schema.message(now, [tuple(int(self.on[name]) for name in self.names)])
