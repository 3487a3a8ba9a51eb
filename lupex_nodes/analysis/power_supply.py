# SPDX-License-Identifier: Apache-2.0
"""Which units had power, and when: an unpowered unit's silence is not a fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from lupex_nodes.analysis.tables import Tables
from lupex_nodes.share import share_file


@dataclass(frozen=True)
class Installed:
    """One unit of system.yaml: where its topics are and what feeds it."""

    name: str
    namespace: str
    supply: str
    channel: str


def installed_units(path: Path | None = None) -> dict[str, Installed]:
    """Read the units by name from system.yaml without importing any; empty if it is not there."""
    try:
        path = path or share_file("config/system.yaml")
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))["units"]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return {}
    units = {}
    for row in rows:
        supply, _, channel = (row.get("channel") or "").partition("/")
        units[row["name"]] = Installed(row["name"], row.get("namespace", ""), supply, channel)
    return units


def unit_of(topic: str, units: Mapping[str, Installed]) -> str:
    """Return the unit whose topic this is, else the last name before the topic's own."""
    for unit in units.values():
        if f"/{unit.namespace}/{unit.name}/" in topic:
            return unit.name
    parts = topic.strip("/").split("/")
    return parts[-2] if len(parts) > 1 else parts[-1]


def powered_s(
    tables: Tables, unit: str, units: Mapping[str, Installed], start_s: float, end_s: float
) -> float:
    """Return for how many seconds of a span the unit's channel was on.

    The channel's last state holds; before the first one a unit counts as powered, and one
    without channel always is.
    """
    installed = units.get(unit)
    if installed is None or not installed.channel:
        return end_s - start_s
    supply = units.get(installed.supply)
    prefix = f"{supply.namespace}/{supply.name}" if supply else installed.supply
    states = tables.series(f"{prefix}/channels", installed.channel)
    if states is None:
        return end_s - start_s
    edges = np.concatenate([[-np.inf], states.time_s, [np.inf]])
    on = np.concatenate([[True], states.values > 0])
    spans = np.minimum(edges[1:], end_s) - np.maximum(edges[:-1], start_s)
    return float(np.sum(np.maximum(spans, 0.0)[on]))
