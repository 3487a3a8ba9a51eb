# SPDX-License-Identifier: Apache-2.0
"""Findings: what a detector says is wrong, when first, and where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lupex_nodes.recording import message_types
from lupex_nodes.recording.bag_writer import BagWriter

SEVERITIES = ("info", "warning", "error")
FINDINGS_TOPIC = "/findings"
_DIAGNOSTIC_TYPE = "diagnostic_msgs/msg/DiagnosticArray"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    `first_time_s` is in seconds since the bag's start; `signal` is the topic, key or event it
    shows in; `kind` is what the detector looks for; `cause` is the best explanation, empty while
    there is none.
    """

    first_time_s: float
    unit: str
    signal: str
    kind: str
    severity: str
    cause: str
    message: str

    @property
    def is_fault(self) -> bool:
        """Whether it is a warning or worse."""
        return self.severity != "info"


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Sort by first time, the worst first among equals; what went wrong first is on top."""
    return sorted(
        findings,
        key=lambda f: (f.first_time_s, -SEVERITIES.index(f.severity), f.unit, f.signal, f.kind),
    )


def as_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return plain objects, times to the microsecond."""
    return [{**asdict(f), "first_time_s": round(f.first_time_s, 6)} for f in findings]


def write_findings_bag(folder: Path, findings: Sequence[Finding], start_ns: int) -> None:
    """Write the findings as a bag of DiagnosticArrays, to overlay on the bag they are about."""
    make = message_types.make
    with BagWriter(folder) as writer:
        writer.topic(FINDINGS_TOPIC, _DIAGNOSTIC_TYPE, "command")
        for finding in findings:
            time_ns = start_ns + round(finding.first_time_s * 1e9)
            values = {
                "signal": finding.signal,
                "kind": finding.kind,
                "severity": finding.severity,
                "cause": finding.cause,
            }
            status = make(
                "diagnostic_msgs/msg/DiagnosticStatus",
                level=SEVERITIES.index(finding.severity),
                name=f"{finding.unit}: {finding.kind}",
                message=finding.message,
                hardware_id=finding.unit,
                values=[
                    make("diagnostic_msgs/msg/KeyValue", key=key, value=value)
                    for key, value in values.items()
                ],
            )
            stamp = make(
                "builtin_interfaces/msg/Time", sec=time_ns // 10**9, nanosec=time_ns % 10**9
            )
            header = make("std_msgs/msg/Header", stamp=stamp, frame_id="")
            message = make(_DIAGNOSTIC_TYPE, header=header, status=[status])
            data = message_types.to_cdr(_DIAGNOSTIC_TYPE, message)
            writer.write(FINDINGS_TOPIC, _DIAGNOSTIC_TYPE, data, time_ns)
