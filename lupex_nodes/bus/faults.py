# SPDX-License-Identifier: Apache-2.0
"""Faults of a port, put between a unit's output and the bus, so that all readers agree."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from lupex_nodes.bus.stamps import seconds


class PortFault(Protocol):
    """Takes what a unit emits and gives what the bus shall see."""

    def take(self, now: int, message: Any) -> list[Any]:
        """Take a message emitted at ``now``; return what goes out at once."""

    def release(self, now: int) -> list[Any]:
        """Return what was held and is due at ``now``."""

    def due(self) -> int | None:
        """Return when the next held message is due, None when nothing is held."""


class Off:
    """Nothing goes out."""

    def take(self, now: int, message: Any) -> list[Any]:
        """Drop the message."""
        return []

    def release(self, now: int) -> list[Any]:
        """Release nothing: nothing is held."""
        return []

    def due(self) -> int | None:
        """Nothing is ever due."""
        return None


class Delayed:
    """Each message goes out ``delay_s`` later with its old stamp, in the old order."""

    def __init__(self, delay_s: float) -> None:
        if not delay_s > 0:
            raise ValueError(f"a delay of {delay_s} s is refused: give a number above 0")
        self._delay = seconds(delay_s)
        self._held: deque[tuple[int, Any]] = deque()

    def take(self, now: int, message: Any) -> list[Any]:
        """Hold the message."""
        self._held.append((now + self._delay, message))
        return []

    def release(self, now: int) -> list[Any]:
        """Release what has waited long enough."""
        messages = []
        while self._held and self._held[0][0] <= now:
            messages.append(self._held.popleft()[1])
        return messages

    def due(self) -> int | None:
        """Return when the oldest held message goes out."""
        return self._held[0][0] if self._held else None
