# SPDX-License-Identifier: Apache-2.0
"""Messages as they are expected in a mode: how often, how old, and never twice the same.

The rows are config/expected_rates.yaml, checked at load.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lupex_nodes.analysis.findings import Finding
from lupex_nodes.analysis.limits import read_rows
from lupex_nodes.analysis.operating_modes import (
    Span,
    held,
    mode_spans,
    of_message,
    within,
)
from lupex_nodes.analysis.power_supply import Installed, powered_s
from lupex_nodes.analysis.tables import Tables
from lupex_nodes.share import share_file

SILENT_PERIODS = 3.0
# A late message may be one; a clock that runs away makes all of them late.
_LATE_MESSAGES = 3
# So many short silences within this time of each other are no accident.
_OFTEN, _OFTEN_S = 5, 300.0
_EDGE_S = 1e-6
_ALWAYS = (-np.inf, np.inf)


class Expected(BaseModel):
    """What is expected of a topic's messages in some modes; config/expected_rates.yaml tells."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: str
    topic: str
    every_s: float | None = Field(None, gt=0.0)
    mode_of: str = ""
    modes: tuple[str, ...] = ()
    told: str = ""
    settled_s: float = Field(0.0, ge=0.0)
    latency_s: float | None = Field(None, gt=0.0)
    varies: tuple[str, ...] = ()
    repeats: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> Expected:
        if bool(self.mode_of) != bool(self.modes):
            raise ValueError("mode_of and modes go together")
        if bool(self.varies) != (self.repeats >= 2):
            raise ValueError("varies and repeats go together, repeats being 2 or more")
        if self.every_s is None and self.latency_s is None and not self.varies:
            raise ValueError("give every_s, latency_s or varies")
        return self


def load_expected(path: Path | None = None) -> list[Expected]:
    """Read the rows; the package's config/expected_rates.yaml without `path`.

    Raises LimitsError: what, where, what to do.
    """
    return read_rows(path or share_file("config/expected_rates.yaml"), "expected", Expected)


def rates(
    tables: Tables, expected: Sequence[Expected], units: Mapping[str, Installed]
) -> Iterator[Finding]:
    """Yield topics that were silent for three times what their mode lets them."""
    for row in expected:
        topic = tables.topic(row.topic)
        if row.every_s is None or topic is None:
            continue
        times = tables.arrivals[topic]
        edges = np.append(times, tables.duration_s)
        longest_s = SILENT_PERIODS * row.every_s * (1 + 1e-9) + _EDGE_S
        found = []
        spans = mode_spans(tables, row.mode_of, row.modes) if row.mode_of else [_ALWAYS]
        for index in np.flatnonzero(np.diff(edges) > longest_s):
            start_s, end_s = float(edges[index]), float(edges[index + 1])
            if any(
                last_s - first_s > longest_s
                and powered_s(tables, row.unit, units, first_s, last_s) > longest_s
                and _beats(tables, row.unit, first_s, last_s)
                for first_s, last_s in _held_spans(tables, row, spans, start_s, end_s)
            ):
                found.append((start_s, end_s))
        found = _sure(tables, row, found)
        if found:
            start_s, end_s = found[0]
            more = f", {len(found)} times in all" if len(found) > 1 else ""
            mode = f" while {row.mode_of} is {' or '.join(row.modes)}" if row.mode_of else ""
            yield Finding(
                start_s, row.unit, topic, "rate", "warning", "",
                f"{topic} was silent for {end_s - start_s:.4g} s{more}; one is due every "
                f"{row.every_s:g} s{mode}",
            )  # fmt: skip


def _held_spans(
    tables: Tables, row: Expected, spans: Sequence[Span], start_s: float, end_s: float
) -> Iterator[Span]:
    """Yield the parts of a silence in which the row holds."""
    if row.told:
        series = tables.housekeeping.get(row.unit, {}).get(row.told)
        if series is None or not len(series.values):
            return
        inside = (series.time_s >= start_s) & (series.time_s <= end_s)
        if not np.any(inside) or not np.all(series.values[inside] != 0.0):
            return
    for first_s, last_s in spans:
        begun_s, ended_s = max(first_s + row.settled_s, start_s), min(last_s, end_s)
        if ended_s > begun_s:
            yield begun_s, ended_s


def _sure(
    tables: Tables, row: Expected, found: list[Span]
) -> list[Span]:
    """Return the silences without those that a mode explains that nobody told of.

    Between two words of its housekeeping a unit may have been in another mode, now and then.
    """
    beats = tables.heartbeats.get(row.mode_of)
    if beats is None or len(beats) < 2:
        return found
    often = np.array([start_s for start_s, _ in found])
    near = np.searchsorted(often, often + _OFTEN_S) - np.searchsorted(often, often - _OFTEN_S)
    unseen_s = 2.0 * float(np.median(np.diff(beats)))
    return [
        (start_s, end_s) for (start_s, end_s), number in zip(found, near, strict=True)
        if end_s - start_s > unseen_s or number >= _OFTEN
    ]  # fmt: skip


def _beats(tables: Tables, unit: str, start_s: float, end_s: float) -> bool:
    """Return whether the unit lives meanwhile: when it does not, that is the finding."""
    beats = tables.heartbeats.get(unit)
    if beats is None or len(beats) < 2:
        return True
    expected = end_s - start_s > SILENT_PERIODS * float(np.median(np.diff(beats)))
    return not expected or bool(np.any((beats > start_s) & (beats <= end_s)))


def latencies(tables: Tables, expected: Sequence[Expected]) -> Iterator[Finding]:
    """Yield topics whose messages are older when they come than their mode lets them, or ahead."""
    for row in expected:
        topic = tables.topic(row.topic) or ""
        lags = tables.stamp_lag_s.get(topic)
        if row.latency_s is None or lags is None or len(lags) != len(tables.arrivals[topic]):
            continue
        times = tables.arrivals[topic]
        late = ((lags > row.latency_s) | (lags < -0.5)) & _holds(tables, row, times)
        first = _first_run(late, _LATE_MESSAGES)
        if first is None:
            continue
        worst_s = lags[late][np.argmax(np.abs(lags[late]))]
        yield Finding(
            float(times[first]), row.unit, topic, "latency", "warning",
            "its clock is off, or messages wait on their way",
            f"{topic} came with stamps {abs(worst_s):.3g} s {'old' if worst_s > 0 else 'ahead'} at "
            f"worst, {int(late.sum())} messages in all; {row.latency_s:g} s is the most expected",
        )  # fmt: skip


def repeated(tables: Tables, expected: Sequence[Expected]) -> Iterator[Finding]:
    """Yield topics that told the same bit for bit where noise or motion should be."""
    for row in expected:
        found = of_message(tables, row.topic, *row.varies) if row.varies else None
        if found is None:
            continue
        times, columns = found[0], np.stack(found[1:])
        same = np.zeros(len(times), bool)
        same[1:] = np.all(columns[:, 1:] == columns[:, :-1], axis=0) & np.any(
            columns[:, 1:] != 0.0, axis=0
        )
        # Of a record with many rows all rows of one message are of one time.
        same &= np.append(False, np.diff(times) > 0.0) & _holds(tables, row, times)
        first = _first_run(same, row.repeats)
        if first is not None:
            end = first + int(np.argmin(np.append(same[first:], False)))
            yield Finding(
                float(times[max(first - 1, 0)]), row.unit, tables.topic(row.topic) or row.topic,
                "frozen", "error", "a sensor or its converter is stuck",
                f"{row.topic} told the same {end - first + 1} times in a row, bit for bit, where "
                f"{', '.join(row.varies)} should vary",
            )  # fmt: skip


def _holds(tables: Tables, row: Expected, times: NDArray[np.float64]) -> NDArray[np.bool_]:
    if row.mode_of:
        return within(times, mode_spans(tables, row.mode_of, row.modes), row.settled_s)
    if row.told:
        series = tables.housekeeping.get(row.unit, {}).get(row.told)
        if series is not None and len(series.values):
            return held(series, times) != 0.0
    return np.ones(len(times), bool)


def _first_run(bad: NDArray[np.bool_], length: int) -> int | None:
    """Return where the first run of at least `length` bad messages begins."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], bad, [False]]).astype(np.int8)))
    runs = edges.reshape(-1, 2)
    long = np.flatnonzero(runs[:, 1] - runs[:, 0] >= length)
    return int(runs[long[0], 0]) if len(long) else None
