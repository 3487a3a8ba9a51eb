# SPDX-License-Identifier: Apache-2.0
"""The bus's own messages in diagnostic_msgs: events, command reports, housekeeping, ticks."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from lupex_nodes.bus.stamps import blank, to_header

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


def status_message(
    now: int, unit: str, name: str, level: bytes, sentence: str, values: dict[str, Any]
) -> DiagnosticArray:
    """Make a DiagnosticArray of one status ``unit: name``."""
    pairs = []
    for key, value in values.items():
        pair = blank(KeyValue)
        pair.key = key
        pair.value = text(value)
        pairs.append(pair)
    status = blank(DiagnosticStatus)
    status.level = level
    status.name = f"{unit}: {name}"
    status.message = sentence
    status.hardware_id = unit
    status.values = pairs
    message = blank(DiagnosticArray)
    message.header = to_header(now)
    message.status = [status]
    return message


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    """Read the key-value pairs of a status."""
    return {pair.key: pair.value for pair in status.values}
