# SPDX-License-Identifier: Apache-2.0
"""The bus's own messages in diagnostic_msgs: events, command reports, housekeeping, ticks."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.stamps import to_header

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR
LEVEL_NAMES = {OK: "ok", WARN: "warning", ERROR: "error", DiagnosticStatus.STALE: "stale"}


def text(value: Any) -> str:
    """Write a value of housekeeping, events and commands: floats with nine digits."""
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class Pairs:
    """Key-value pairs that keep the message objects of values that did not change.

    Published messages are never written again, so the next one may share them.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, KeyValue]] = {}

    def of(self, values: dict[str, Any]) -> list[KeyValue]:
        """Return the pairs of ``values``."""
        kept = self._kept
        pairs = []
        for key, value in values.items():
            known = kept.get(key)
            if known is None or known[0] != value:
                known = kept[key] = (value, _pair(key, value))
            pairs.append(known[1])
        return pairs


def _pair(key: str, value: Any) -> KeyValue:
    pair = fresh(KeyValue)
    pair.key = key
    pair.value = text(value)
    return pair


def status_message(
    now: int,
    unit: str,
    name: str,
    level: bytes,
    sentence: str,
    values: dict[str, Any],
    pairs: Pairs | None = None,
) -> DiagnosticArray:
    """Make a DiagnosticArray of one status ``unit: name``."""
    status = fresh(DiagnosticStatus)
    status.level = level
    status.name = f"{unit}: {name}"
    status.message = sentence
    status.hardware_id = unit
    status.values = (pairs or Pairs()).of(values)
    message = fresh(DiagnosticArray)
    message.header = to_header(now)
    message.status = [status]
    return message


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    """Read the key-value pairs of a status."""
    return {pair.key: pair.value for pair in status.values}
