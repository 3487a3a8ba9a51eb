# SPDX-License-Identifier: Apache-2.0
"""The switched outputs of a power unit, each behind a latching current limiter.

A limiter that sees more current than its class for its trip time switches its channel off and
stays off until it is switched on again (ECSS-E-ST-20-20C).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lupex_nodes.bus.records import Schema


class ChannelBank:
    """Which channels are on, and how long each has been above its limit.

    `limits_a` holds the limits that differ from `limit_a`, by channel; those of channels that
    this bank does not have are passed over.
    """

    def __init__(
        self,
        names: Iterable[str],
        off: Iterable[str],
        trip_s: float,
        limit_a: float,
        limits_a: Mapping[str, float] | None = None,
    ) -> None:
        self.names = tuple(names)
        self.trip_s = trip_s
        self.limits_a = {name: (limits_a or {}).get(name, limit_a) for name in self.names}
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

    def all_off(self) -> bool:
        """Switch every channel off; return whether that changed any."""
        return any([self.switch(name, False) for name in self.names])

    def trip(self, currents_a: Mapping[str, float], dt_s: float) -> list[str]:
        """Switch off and return the channels that drew more than their limit for the trip time."""
        tripped = []
        for name in self.names:
            over = self.exceeded(name, currents_a)
            self._over_s[name] = self._over_s[name] + dt_s if over else 0.0
            if self._over_s[name] > self.trip_s:
                self.switch(name, False)
                tripped.append(name)
        return tripped

    def exceeded(self, name: str, currents_a: Mapping[str, float]) -> bool:
        """Return whether a channel is on and draws more than its limit."""
        return self.on[name] and currents_a.get(name, 0.0) > self.limits_a[name]

    def message(self, now: int) -> Any:
        """Make the record of all channels' states."""
        return self._schema.message(now, [tuple(int(self.on[name]) for name in self.names)])


def read_limits(rows: Sequence[str]) -> dict[str, float]:
    """Read limits written as CHANNEL=AMPERES."""
    limits = {}
    for row in rows:
        name, _, amperes = row.partition("=")
        try:
            limits[name.strip()] = float(amperes)
        except ValueError:
            raise ValueError(
                f"the limit {row!r} is no limit: write CHANNEL=AMPERES, such as mobility=15"
            ) from None
    return limits
