# SPDX-License-Identifier: Apache-2.0
"""The bus's own messages in diagnostic_msgs: events, command reports, housekeeping, ticks."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.records import KeptList
from lupex_nodes.bus.stamps import stamped

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


class RepeatedStatus:
    """Messages of one status that is said again and again: what did not change is shared.

    Published messages are never written again, so the next one may share their parts, and the
    serialized form of a status that stays is kept with it.
    """

    def __init__(self, unit: str, name: str) -> None:
        self._unit = unit
        self._name = name
        self._pairs: dict[str, tuple[Any, KeyValue]] = {}
        self._said: tuple[bytes, str, dict[str, Any]] | None = None
        self._status = KeptList()

    def message(
        self, now: int, level: bytes, sentence: str, values: dict[str, Any]
    ) -> DiagnosticArray:
        """Make the message of ``now`` (ns); ``values`` belongs to it from then on."""
        said = (level, sentence, values)
        if said != self._said:
            self._said = said
            status = _status(self._unit, self._name, level, sentence, self._pairs_of(values))
            self._status = KeptList([status])
        return _array(now, self._status)

    def _pairs_of(self, values: dict[str, Any]) -> list[KeyValue]:
        kept = self._pairs
        pairs = []
        for key, value in values.items():
            known = kept.get(key)
            if known is None or known[0] != value:
                known = kept[key] = (value, _pair(key, value))
            pairs.append(known[1])
        return pairs


def status_message(
    now: int, unit: str, name: str, level: bytes, sentence: str, values: dict[str, Any]
) -> DiagnosticArray:
    """Make a DiagnosticArray of one status ``unit: name``."""
    pairs = [_pair(key, value) for key, value in values.items()]
    return _array(now, [_status(unit, name, level, sentence, pairs)])


def _pair(key: str, value: Any) -> KeyValue:
    pair: Any = fresh(KeyValue)
    # the slots: the properties cost as much again as all else here, thirty times a tick
    pair._key, pair._value = key, text(value)
    return pair


def _status(
    unit: str, name: str, level: bytes, sentence: str, pairs: list[KeyValue]
) -> DiagnosticStatus:
    status = fresh(DiagnosticStatus)
    status.level = level
    status.name = f"{unit}: {name}"
    status.message = sentence
    status.hardware_id = unit
    status.values = pairs
    return status


def _array(now: int, status: list[DiagnosticStatus]) -> DiagnosticArray:
    message = stamped(DiagnosticArray, now)
    message.status = status
    return message


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    """Read the key-value pairs of a status."""
    return {pair.key: pair.value for pair in status.values}
