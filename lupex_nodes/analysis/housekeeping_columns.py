# SPDX-License-Identifier: Apache-2.0
"""What /diagnostics and bus/tick say over time, gathered batch by batch."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lupex_nodes.analysis.diagnostic_columns import DiagnosticBatch, Index, Runs

Floats = NDArray[np.float64]


class Column:
    """A growing series, which has times of its own only if some statuses lack it."""

    def __init__(self) -> None:
        self._times: array[float] | None = None
        self._values = array("d")

    def add(
        self, before: array[float], time_s: Floats, rows: Index | None, values: Floats
    ) -> None:
        """Append the values of some `rows` of statuses at `time_s`, None for all of them.

        `before` are the times of all statuses before these.
        """
        if self._times is None and (rows is not None or len(self._values) != len(before)):
            self._times = before[: len(self._values)]
        if self._times is not None:
            extend(self._times, time_s if rows is None else time_s[rows])
        extend(self._values, values)

    def series(self, every: array[float]) -> tuple[Floats, Floats]:
        """Return times and values; `every` are the times of all statuses."""
        complete = self._times is None and len(self._values) == len(every)
        times = self._times if self._times is not None else every[: len(self._values)]
        return np.frombuffer(every if complete else times), np.frombuffer(self._values)


def extend(column: array[float], values: Floats) -> None:
    """Append numbers to a column that grows in place: no list of parts to be joined."""
    column.frombytes(values.astype(float, copy=False).tobytes())


class HealthChange(NamedTuple):
    """A unit's first status, or one whose level is not the one before."""

    time_s: float
    level: int
    sentence: str


class Housekeeping:
    """The statuses of units: heartbeats, levels, and values that are numbers or words."""

    def __init__(self) -> None:
        self.beats: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self.health: dict[str, list[HealthChange]] = defaultdict(list)
        self.texts: dict[str, dict[str, list[tuple[float, str]]]] = {}
        self._numbers: dict[str, dict[str, Column]] = {}

    def add(self, time_s: Floats, batch: DiagnosticBatch) -> bool:
        """Take messages logged at `time_s`, shape (n,), if all are whole; return whether."""
        groups = batch.groups(lambda name: name.partition(": ")[0])
        if not batch.whole.all():
            return False
        for label, group in groups.items():
            unit = str(label)
            beats = time_s[group.message]
            health = self.health[unit]
            before = health[-1].level if health else -1
            changed = np.diff(group.level.astype(int), prepend=before) != 0
            for row in np.flatnonzero(changed).tolist():
                level = int(group.level[row])
                health.append(HealthChange(float(beats[row]), level, group.sentence(row)))
            numbers = self._numbers.setdefault(unit, {})
            for key, runs in group.values.items():
                self._add_values(unit, key, beats, runs, numbers)
            extend(self.beats[unit], beats)
        return True

    def _add_values(
        self, unit: str, key: str, beats: Floats, runs: Runs, numbers: dict[str, Column]
    ) -> None:
        values, words = _as_numbers(runs.texts)
        rows = runs.rows
        spread = runs.spread(values)
        if words:
            changes = self.texts.setdefault(unit, {}).setdefault(key, [])
            for index, text in words.items():
                if not changes or changes[-1][1] != text:
                    changes.append((float(beats[rows[runs.starts[index]]]), text))
            is_number = np.ones(len(values))
            is_number[list(words)] = 0.0
            kept = runs.spread(is_number) > 0.0
            rows, spread = rows[kept], spread[kept]
        if len(rows):
            some = None if len(rows) == len(beats) else rows
            numbers.setdefault(key, Column()).add(self.beats[unit], beats, some, spread)

    def columns(self) -> Iterator[tuple[str, Floats, dict[str, tuple[Floats, Floats]]]]:
        """Yield unit, its heartbeats, and by key times and values of its numbers."""
        for unit, beats in self.beats.items():
            found = {key: column.series(beats) for key, column in self._numbers[unit].items()}
            yield unit, np.frombuffer(beats), found


class Ticks:
    """What the ticks say has been published before them."""

    def __init__(self) -> None:
        self._times = array("d")
        self._counts: dict[tuple[str, str], Column] = {}

    def add(self, time_s: Floats, batch: DiagnosticBatch) -> bool:
        """Take messages logged at `time_s`, shape (n,), if all are whole; return whether."""
        groups = batch.groups(lambda name: "")
        if not batch.whole.all():
            return False
        for group in groups.values():
            memberships, member = _codes(group.values.pop("membership", None), len(group.message))
            group.values.pop("sequence", None)
            times = time_s[group.message]
            for key, runs in group.values.items():
                texts = [text.decode(errors="replace") for text in runs.texts]
                counted = np.array([text.isdecimal() for text in texts], float)
                values = np.array([int(t) if t.isdecimal() else 0 for t in texts], float)
                is_count, counts = runs.spread(counted) > 0.0, runs.spread(values)
                for code, membership in enumerate(memberships):
                    chosen = is_count & (member[runs.rows] == code)
                    if chosen.any():
                        every = chosen.all() and len(runs.rows) == len(times)
                        column = self._counts.setdefault((key.lstrip("/"), membership), Column())
                        some = None if every else runs.rows[chosen]
                        column.add(self._times, times, some, counts[chosen])
            extend(self._times, times)
        return True

    def columns(self) -> dict[tuple[str, str], tuple[Floats, Floats]]:
        """Return times and counts by topic and membership."""
        return {key: column.series(self._times) for key, column in self._counts.items()}


def _codes(runs: Runs | None, count: int) -> tuple[list[str], Floats]:
    """Return the different texts, and for each status which it has; the empty one if none."""
    codes: dict[str, int] = {"": 0}
    found = np.zeros(count)
    if runs is not None:
        texts = [text.decode(errors="replace") for text in runs.texts]
        starts = np.array([codes.setdefault(text, len(codes)) for text in texts], float)
        found[runs.rows] = runs.spread(starts)
    return list(codes), found


def _as_numbers(texts: list[bytes]) -> tuple[Floats, dict[int, str]]:
    """Return texts as numbers, and by index those that are words (0.0 stands for them)."""
    try:
        return np.fromiter(map(float, texts), float, len(texts)), {}
    except ValueError:
        pass
    values, words = np.zeros(len(texts)), {}
    known: dict[bytes, float | str] = {}
    for index, raw in enumerate(texts):
        if raw not in known:
            known[raw] = _number_or_word(raw.decode(errors="replace"))
        value = known[raw]
        if isinstance(value, str):
            words[index] = value
        else:
            values[index] = value
    return values, words


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return {"true": 1.0, "false": 0.0}.get(text.lower(), text)
