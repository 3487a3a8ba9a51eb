# SPDX-License-Identifier: Apache-2.0
"""The hardware timer that power-cycles a computer whose software fell silent.

It arms itself with the first stroke after power-on, so a computer on which nobody strokes is left
alone, and one that was switched off by somebody else is not watched. Two minutes are given for
the first stroke after a power cycle.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from lupex_nodes.bus.stamps import SECOND, seconds

_OFF_S = 5.0
_BOOT_S = 120.0
_DAY = 86400 * SECOND


class Deed(Enum):
    """What the timer does to the computer's channel."""

    NOTHING = "nothing"
    OFF = "off"
    ON = "on"
    GIVE_UP = "give up"


class Watchdog:
    """Times strokes; `cycles_max` power cycles within a day, then it gives up."""

    def __init__(self) -> None:
        self._limit: int | None = None  # when the next stroke is overdue, ns
        self._on_at: int | None = None
        self._off_at = -1
        self._cycles: deque[int] = deque()
        self._renew = False

    def restarted(self) -> None:
        """Begin the silence anew: what timed it was off, and strokes went unseen."""
        self._renew = True

    @property
    def cycles(self) -> int:
        """How many power cycles of the last day count."""
        return len(self._cycles)

    def watch(
        self,
        now: int,
        stroke: int | None,
        on: bool,
        asleep: bool,
        timeout_s: float,
        cycles_max: int,
    ) -> Deed:
        """Return what to do at ``now``; ``stroke`` is when the last one came (ns)."""
        if self._on_at is not None:
            if now < self._on_at:
                return Deed.NOTHING
            self._on_at = None
            if asleep:
                return Deed.NOTHING
            self._limit = now + seconds(_BOOT_S)
            return Deed.ON
        if not on:
            # whoever switches it on again means it: it counts as new
            self._limit, self._off_at = None, now
            self._cycles.clear()
            return Deed.NOTHING
        if stroke is not None and stroke > self._off_at:
            limit = stroke + seconds(timeout_s)
            self._limit = limit if self._limit is None else max(limit, self._limit)
        if self._renew and self._limit is not None:
            self._limit = now + seconds(timeout_s)
        self._renew = False
        if self._limit is None or now < self._limit:
            return Deed.NOTHING
        while self._cycles and now - self._cycles[0] > _DAY:
            self._cycles.popleft()
        self._limit, self._off_at = None, now
        if len(self._cycles) >= cycles_max:
            return Deed.GIVE_UP
        self._cycles.append(now)
        self._on_at = now + seconds(_OFF_S)
        return Deed.OFF

    def due(self, now: int) -> int | None:
        """Return when the timer must be looked at, None while a look at the next step will do."""
        if self._on_at is not None:
            return self._on_at
        if self._limit is None or self._limit - now > 20 * SECOND:
            return None
        return max(self._limit, now + SECOND)
