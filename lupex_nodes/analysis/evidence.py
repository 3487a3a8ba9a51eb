# SPDX-License-Identifier: Apache-2.0
"""What detectors may use of a bag: telemetry, and neither nature's truth nor what injects faults.

A bag of a simulation may hold what no flight has. The tables keep it for figures and scores; here
it is left out once for all detectors.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from lupex_nodes.analysis.tables import Tables

#: Units of nature, and the one that breaks others; their words are the truth of a test.
NATURE = ("environment", "subsurface", "vehicle", "fault_injector")
#: What hardware does to nature, beside the telemetry of the same.
_FLOWS = ("rover/power/flows", "rover/thermal/nodes", "rover/mobility/drive")
_INJECTION = ("arm_injection", "inject", "restore")
_T = TypeVar("_T")


def evidence(tables: Tables) -> Tables:
    """Return the tables without nature, without flows between units and nature, and injections."""

    def of_topics(columns: dict[str, _T]) -> dict[str, _T]:
        return {
            topic: each for topic, each in columns.items()
            if "/world/" not in topic and not topic.endswith(_FLOWS)
        }  # fmt: skip

    def of_units(columns: dict[str, _T]) -> dict[str, _T]:
        return {unit: each for unit, each in columns.items() if unit not in NATURE}

    def told(occurrences: list) -> list:
        return [
            each for each in occurrences
            if each.unit not in NATURE and each.name not in _INJECTION
        ]  # fmt: skip

    return replace(
        tables,
        arrivals=of_topics(tables.arrivals),
        stamp_lag_s=of_topics(tables.stamp_lag_s),
        records=of_topics(tables.records),
        scalars=of_topics(tables.scalars),
        housekeeping=of_units(tables.housekeeping),
        heartbeats=of_units(tables.heartbeats),
        texts=of_units(tables.texts),
        health=of_units(tables.health),
        events=told(tables.events),
        commands=told(tables.commands),
    )
