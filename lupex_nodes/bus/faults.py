# SPDX-License-Identifier: Apache-2.0
"""Faults of a port, put between a unit's output and the bus, so that all readers agree.

Header stamp and frame are as the unit gave them, but that ``stuck`` renews the stamp.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from lupex_nodes.bus.message_fields import garbled, has_header, scaled, with_stamp
from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.stamps import seconds


class PortFault(Protocol):
    """Takes what a unit emits and gives what the bus shall see."""

    #: Whether messages go out with other content; a latched one then does at once.
    alters: ClassVar[bool]

    def take(self, now: int, message: Any) -> list[Any]:
        """Take a message emitted at ``now``; return what goes out at once."""

    def release(self, now: int) -> list[Any]:
        """Return what was held and is due at ``now``."""

    def due(self) -> int | None:
        """Return when the next held message is due, None when nothing is held."""


class _HoldingNothing:
    """Base of faults that hold no message back for later."""

    alters: ClassVar[bool] = False

    def release(self, now: int) -> list[Any]:
        """Release nothing: nothing is held."""
        return []

    def due(self) -> int | None:
        """Nothing is ever due."""
        return None


class Off(_HoldingNothing):
    """Nothing goes out."""

    def take(self, now: int, message: Any) -> list[Any]:
        """Drop the message."""
        return []


class Stuck(_HoldingNothing):
    """The last message goes out again in place of each new one, with the new one's stamp.

    ``keep_stamp`` leaves the old stamp. Without a last message the first new one takes its place.
    """

    def __init__(self, last: Any = None, keep_stamp: bool = False) -> None:
        self._last = last
        self._keep_stamp = keep_stamp

    def take(self, now: int, message: Any) -> list[Any]:
        """Give the old message."""
        if self._last is None:
            self._last = message
        if self._keep_stamp or not has_header(type(message)):
            return [self._last]
        return [with_stamp(self._last, message.header.stamp)]


class Delayed:
    """Each message goes out ``delay_s`` later with its old stamp, in the old order."""

    alters: ClassVar[bool] = False

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


class Slow(_HoldingNothing):
    """One of ``one_of`` messages goes out, the last of them."""

    def __init__(self, one_of: int) -> None:
        self._one_of = one_of
        self._seen = 0

    def take(self, now: int, message: Any) -> list[Any]:
        """Let every n-th message pass."""
        self._seen += 1
        return [message] if self._seen % self._one_of == 0 else []


class Intermittent(_HoldingNothing):
    """Gaps without any message; how long they and what is between last is exponential.

    The first message falls into the first gap.
    """

    def __init__(self, rng: np.random.Generator, mean_on_s: float, mean_off_s: float) -> None:
        self._rng = rng
        self._means_s = (mean_off_s, mean_on_s)
        self._on = False
        self._until: int | None = None

    def take(self, now: int, message: Any) -> list[Any]:
        """Let the message pass outside the gaps."""
        if self._until is None:
            self._until = now + self._draw()
        while self._until < now:
            self._on = not self._on
            self._until += self._draw()
        return [message] if self._on else []

    def _draw(self) -> int:
        return seconds(float(self._rng.exponential(self._means_s[self._on])))


class Garbage(_HoldingNothing):
    """All numbers are random bits."""

    alters: ClassVar[bool] = True

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def take(self, now: int, message: Any) -> list[Any]:
        """Give the message with other content."""
        return [garbled(message, self._rng)]


class Wrong(_HoldingNothing):
    """One number is ``gain`` times itself plus ``offset``."""

    alters: ClassVar[bool] = True

    def __init__(self, field: str, gain: float, offset: float) -> None:
        self._field = field
        self._gain = gain
        self._offset = offset

    def take(self, now: int, message: Any) -> list[Any]:
        """Change the number; a message that does not have it passes as it is."""
        try:
            return [scaled(message, self._field, self._gain, self._offset)]
        except KeyError:
            return [message]


class NoSettings(Parameters):
    """Nothing to set."""


class StuckSettings(Parameters):
    """How an output is stuck."""

    keep_stamp: bool = parameter(False, "repeat the old stamp, too")


class DelaySettings(Parameters):
    """How late messages or commands are."""

    delay_s: float = parameter(..., "how late", "s", ge=0.001)


class SlowSettings(Parameters):
    """How many messages are left."""

    one_of: int = parameter(..., "so many messages become one", ge=2)


class IntermittentSettings(Parameters):
    """How long messages come and how long they do not."""

    mean_on_s: float = parameter(..., "mean time with messages", "s", ge=0.001)
    mean_off_s: float = parameter(..., "mean time without", "s", ge=0.001)


class WrongSettings(Parameters):
    """Which number is wrong, and how."""

    field: str = parameter(..., "dotted path of the number, a record's field, or a value's key")
    gain: float = parameter(1.0, "by which the number is multiplied")
    offset: float = parameter(0.0, "that is then added, in the number's own unit")


@dataclass(frozen=True)
class PortKind:
    """One kind of fault of an output: what can be set, and how it is made."""

    settings: type[Parameters]
    #: ``make(settings, rng, last message or None)``
    make: Callable[[Any, np.random.Generator, Any], PortFault]
    description: str


KINDS = {
    "off": PortKind(NoSettings, lambda s, rng, last: Off(), "no message goes out"),
    "stuck": PortKind(
        StuckSettings, lambda s, rng, last: Stuck(last, s.keep_stamp),
        "the last message is repeated with new stamps",
    ),
    "delayed": PortKind(
        DelaySettings, lambda s, rng, last: Delayed(s.delay_s), "messages go out later, stamps kept"
    ),
    "slow": PortKind(SlowSettings, lambda s, rng, last: Slow(s.one_of), "one of n goes out"),
    "intermittent": PortKind(
        IntermittentSettings, lambda s, rng, last: Intermittent(rng, s.mean_on_s, s.mean_off_s),
        "gaps of random length",
    ),
    "garbage": PortKind(NoSettings, lambda s, rng, last: Garbage(rng), "numbers are random bits"),
    "wrong": PortKind(
        WrongSettings, lambda s, rng, last: Wrong(s.field, s.gain, s.offset),
        "gain and offset on one number",
    ),
}
