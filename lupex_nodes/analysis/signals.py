# SPDX-License-Identifier: Apache-2.0
"""Every column of numbers of a bag under one name, and the unit that speaks in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from lupex_nodes.analysis.expected_rates import load_expected
from lupex_nodes.analysis.power_supply import installed_units, unit_of
from lupex_nodes.analysis.tables import Series, Tables

#: Unit and name: topic and path, with one space between.
Signal = tuple[str, str]


def signals(tables: Tables) -> Iterator[tuple[Signal, Series]]:
    """Yield every column of numbers by unit and name."""
    unit_behind = publishers()
    for unit, keys in tables.housekeeping.items():
        for key, series in keys.items():
            yield (unit, f"/diagnostics {key}"), series
    for topic, columns in tables.scalars.items():
        for path, series in columns.items():
            yield (unit_behind(topic), f"{topic} {path}"), series
    for topic, rows in tables.records.items():
        if not len(rows.rows):
            continue
        # Of a record of many rows the mean is taken.
        time_s, first, number = np.unique(rows.time_s, return_index=True, return_counts=True)
        for name in rows.rows.dtype.names or ():
            column = rows.rows[name]
            if column.ndim == 1:
                with np.errstate(over="ignore", invalid="ignore"):
                    means = np.add.reduceat(column.astype(float), first) / number
                yield (unit_behind(topic), f"{topic} {name}"), Series(time_s, means)


def publishers() -> Callable[[str], str]:
    """Return what names the unit behind a topic, also of those that have names of their own."""
    units, known = installed_units(), {f"/{row.topic}": row.unit for row in load_expected()}

    def unit_behind(topic: str) -> str:
        return next(
            (unit for tail, unit in known.items() if topic.endswith(tail)), unit_of(topic, units)
        )

    return unit_behind
