# SPDX-License-Identifier: Apache-2.0
"""What the fault manager can do: each response is a few commands to units, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray

from lupex_nodes.bus.commands import Call
from lupex_nodes.bus.stamps import SECOND, seconds
from lupex_nodes.rover.fault_table import Deed, Fault
from lupex_nodes.rover.telemetry import outcome_of

_REPLY_S = 30.0
_PAUSE_S = 5.0
#: Given up first; the drive is not among them, because it may be needed to reach light.
PAYLOAD = ("alis", "ems_l", "gpr", "neutron_spectrometer")
SHEDDABLE = (*PAYLOAD, "ranging", "star_tracker")


class Order(NamedTuple):
    """A command of a response; one that is not `vital` may be refused, as by who is off."""

    unit: str
    command: str
    arguments: Mapping[str, Any] = {}
    vital: bool = True
    after_s: float = 0.0


#: Light wakes the rover only after it was dark; where it is light the timer does.
SLEEP = Order("thermal", "set_mode", {"mode": "hibernate", "wake_after_s": 43200.0})


def switch(channel: str, on: bool, *, vital: bool = True, after_s: float = 0.0) -> Order:
    """Switch a channel."""
    return Order("power", f"channels/{channel}/switch", {"data": on}, vital, after_s)


_STAND = (
    Order("mobility", "stop", vital=False),
    Order("navigation", "hold", vital=False),
)


def orders(deed: Deed, fault: Fault, on: Mapping[str, bool]) -> Sequence[Order]:
    """Return the commands of a response; `on` tells which channels are on."""
    unit = fault.unit
    channel = fault.response.channel or unit
    if deed == "reset":
        return (Order(unit, "reset"),)
    if deed == "power_cycle":
        return (switch(channel, False), switch(channel, True, after_s=_PAUSE_S))
    if deed == "switch_on":
        return (switch(channel, True),)
    if deed == "switch_off":
        return (switch(channel, False),)
    if deed == "ignore_sensor":
        return (ignore(fault, True),)
    if deed == "stop_motion":
        return _STAND
    if deed == "shed_loads":
        return tuple(switch(name, False) for name in SHEDDABLE if on.get(name))
    if deed == "safe_mode":
        return (
            Order("executive", "hold"),
            *_STAND,
            *(switch(name, False, vital=False) for name in PAYLOAD if on.get(name)),
        )
    if deed == "hibernate":
        return (*_STAND, SLEEP)
    return ()


def ignore(fault: Fault, ignored: bool) -> Order:
    """Leave a sensor out of the estimate, or take it in again."""
    return Order(
        "navigation", "ignore", {"sensor": fault.response.sensor, "ignored": ignored}
    )


@dataclass
class Response:
    """A response under way: sends its commands one by one and follows their verification."""

    fault: Fault
    deed: str
    attempt: int
    steps: Iterator[Order]
    send: Callable[..., Call]
    refused: list[str] = field(default_factory=list)
    _order: Order | None = None
    _call: Call | None = None
    _at: int = 0

    def step(self, now: int, reports: list[DiagnosticArray]) -> tuple[bool, str] | None:
        """Go on; return how it ended, None while it runs."""
        while True:
            if self._order is None:
                self._order = next(self.steps, None)
                if self._order is None:
                    return True, "; ".join(self.refused)
                self._call, self._at = None, now + seconds(self._order.after_s)
            order = self._order
            if self._call is None:
                if now < self._at:
                    return None
                self._call = self.send(order.unit, order.command, **order.arguments)
                self._at = now
                return None
            ended = self._ended(now, self._call, order, reports)
            if ended is None:
                return None
            success, why = ended
            if not success:
                sentence = f"{order.unit}/{order.command}: {why}"
                if order.vital:
                    return False, sentence
                self.refused.append(sentence)
            self._order = None

    def _ended(
        self, now: int, call: Call, order: Order, reports: list[DiagnosticArray]
    ) -> tuple[bool, str] | None:
        if call.done and not call.accepted:
            return False, call.reason
        ended = outcome_of(reports, call.command_id) if call.done else None
        if ended is None and now - self._at > _REPLY_S * SECOND:
            return False, f"no {'completion' if call.done else 'reply'} within {_REPLY_S:g} s"
        return ended
