# SPDX-License-Identifier: Apache-2.0
"""Bounded histories: what a page can show of hours or weeks without keeping every sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

#: Buckets of a history; a chart is seldom wider in pixels.
BUCKETS = 600
#: Points of a track.
POINTS = 1500
#: No chart shows numbers as large as this, and their sum might be none.
_BEYOND = 1e30


class Place(NamedTuple):
    """How far a reader has read: ``generation`` changes when what was read is no longer so."""

    generation: int = -1
    read: int = 0


class Histories:
    """Least, mean and greatest value of every signal in equal spans of time.

    All signals share the spans. They begin ``span_s`` long; when the time runs out of them, two
    neighbours become one and all are twice as long, so that a peak stays whatever the age.
    """

    def __init__(self, signals: Sequence[str], span_s: float = 1.0, buckets: int = BUCKETS) -> None:
        self.signals = tuple(signals)
        self.span_s = span_s
        self._generation = 0
        self._used = 0
        shape = (len(self.signals), buckets + buckets % 2)
        self._least = np.full(shape, np.inf)
        self._greatest = np.full(shape, -np.inf)
        self._sum = np.zeros(shape)
        self._count = np.zeros(shape, int)

    def add(self, time_s: float, rows: Sequence[int], values: Sequence[float]) -> None:
        """Take in ``values`` of the signals with the numbers ``rows`` at ``time_s`` since start."""
        buckets = self._sum.shape[1]
        while time_s >= buckets * self.span_s:
            self._halve()
        column = max(0, int(time_s / self.span_s))
        self._used = max(self._used, column + 1)
        for row, value in zip(rows, values, strict=True):
            if abs(value) < _BEYOND:  # and not NaN
                self._least[row, column] = min(self._least[row, column], value)
                self._greatest[row, column] = max(self._greatest[row, column], value)
                self._sum[row, column] += value
                self._count[row, column] += 1

    def since(self, place: Place) -> tuple[Place, dict[str, Any] | None]:
        """Return the new place and what came since the old one, None for nothing new.

        ``first`` is the number of the first span told, ``count`` how many there are, ``span_s`` how
        long each is, ``signals``
        their least, mean and greatest values by name, None where a span has none. The last span
        of the last time is told again: it was still being filled.
        """
        now = Place(self._generation, self._used)
        first = max(0, place.read - 1) if place.generation == self._generation else 0
        if first >= self._used:
            return now, None
        part = np.s_[:, first : self._used]
        count = self._count[part]
        held = count > 0
        tables = (self._least[part], self._sum[part] / np.maximum(count, 1), self._greatest[part])
        told = {
            name: [
                [rounded(v) if is_held else None for v, is_held in zip(row, held[i], strict=True)]
                for row in (table[i].tolist() for table in tables)
            ]
            for i, name in enumerate(self.signals)
            if held[i].any()
        }
        head = {"first": first, "count": self._used, "span_s": self.span_s}
        return now, {**head, "signals": told}

    def _halve(self) -> None:
        half = self._sum.shape[1] // 2
        for table, join, empty in (
            (self._least, np.minimum, np.inf),
            (self._greatest, np.maximum, -np.inf),
            (self._sum, np.add, 0.0),
            (self._count, np.add, 0),
        ):
            table[:, :half] = join(table[:, ::2], table[:, 1::2])
            table[:, half:] = empty
        self.span_s *= 2.0
        self._used = (self._used + 1) // 2
        self._generation += 1


class Track:
    """The way of the rover: points at least ``step_m`` apart; when full, every second one goes."""

    def __init__(self, step_m: float = 0.25, points: int = POINTS) -> None:
        self._step_m = step_m
        self._most = points
        self._generation = 0
        self._points: list[tuple[float, float]] = []

    def add(self, x_m: float, y_m: float) -> None:
        """Take in a place if it is far enough from the last one kept."""
        if self._points:
            last_x, last_y = self._points[-1]
            if math.hypot(x_m - last_x, y_m - last_y) < self._step_m:
                return
        self._points.append((round(x_m, 2), round(y_m, 2)))
        if len(self._points) > self._most:
            self._points = self._points[::2]
            self._step_m *= 2.0
            self._generation += 1

    def since(self, place: Place) -> tuple[Place, dict[str, Any] | None]:
        """Return the new place, and the points from number ``first`` on, None for nothing new."""
        now = Place(self._generation, len(self._points))
        if now == place:
            return now, None
        first = place.read if place.generation == self._generation else 0
        return now, {"first": first, "points": self._points[first:]}


def rounded(value: float) -> float:
    """Return a number with as many digits as a page can show: JSON is shorter for it."""
    return float(f"{value:.5g}")
