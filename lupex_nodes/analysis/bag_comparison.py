# SPDX-License-Identifier: Apache-2.0
"""Two bags side by side: which signals differ, from when on, and by how much for their scatter.

Times are counted from each bag's own start. A value is compared with the last one that the other
bag has at that time; medians of nine samples, so that one odd sample is no difference. Scatter is
that of a signal's steps from sample to sample, the larger of both bags, robustly (median absolute
step): noise and steady motion are within it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import median_filter

from lupex_nodes.analysis.evidence import evidence
from lupex_nodes.analysis.operating_modes import held
from lupex_nodes.analysis.signals import publishers, signals
from lupex_nodes.analysis.tables import Occurrence, Series, Tables, read_tables

_SAMPLES = 9
#: A difference is one that is so many times the scatter.
LEAST_SCATTERS = 5.0
# Steps of a normal distribution: median absolute step to standard deviation of a sample.
_STEP_TO_SIGMA = 1.4826 / np.sqrt(2.0)
_ROUNDING = 1e-6
_MOST_LINES = 60


@dataclass(frozen=True)
class Difference:
    """A signal, topic, mode or event that is not the same in both bags.

    `scatters` is the largest difference over the signal's own scatter, None of what is no number.
    A signal that never scatters is counted in millionths of its size.
    """

    first_time_s: float
    unit: str
    signal: str
    scatters: float | None
    message: str


@dataclass(frozen=True)
class Comparison:
    """All differences of two bags, the first on top."""

    path: Path
    other: Path
    compared: int
    differences: list[Difference]

    def as_dict(self) -> dict[str, Any]:
        """Return plain objects, times to the microsecond."""
        return {
            "bag": self.path.name,
            "other": self.other.name,
            "signals_compared": self.compared,
            "differences": [
                {**asdict(each), "first_time_s": round(each.first_time_s, 6)}
                for each in self.differences
            ],
        }

    def text(self) -> str:
        """Return lines for a terminal."""
        number = len(self.differences)
        head = f"{self.path} against {self.other}: {self.compared} signals compared, "
        lines = [head + (f"{number} differences" if number else "no difference")]
        lines += [
            f"{each.first_time_s:10.1f} s  {each.unit}: {each.message}"
            for each in self.differences[:_MOST_LINES]
        ]
        if number > _MOST_LINES:
            lines.append(f"{number - _MOST_LINES} more; --json prints all of them")
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """Write comparison.json into a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.as_dict(), indent=2, allow_nan=False, ensure_ascii=False)
        (folder / "comparison.json").write_text(text + "\n", encoding="utf-8")


def compare(path: Path | str, other: Path | str) -> Comparison:
    """Compare two bags; raises BagError, one sentence, if one of them cannot be read."""
    first, second = read_tables(path), read_tables(other)
    compared, differences = compared_tables(first, second)
    return Comparison(first.path, second.path, compared, differences)


def compared_tables(first: Tables, second: Tables) -> tuple[int, list[Difference]]:
    """Return how many signals both have, and what differs."""
    ours, theirs = evidence(first), evidence(second)
    mine, others = dict(signals(ours)), dict(signals(theirs))
    both = [key for key in mine if key in others]
    found = [each for key in both if (each := _numbers(*key, mine[key], others[key])) is not None]
    found += _lacking(ours, theirs)
    found += _words(ours, theirs)
    found += _events(ours, theirs)
    found.sort(key=lambda each: (each.first_time_s, -(each.scatters or 0.0), each.signal))
    return len(both), found


def _numbers(unit: str, signal: str, mine: Series, other: Series) -> Difference | None:
    within = mine.time_s <= (other.time_s[-1] if len(other.time_s) else -1.0) + 60.0
    time_s, values = mine.time_s[within], mine.values[within]
    gap = values - held(other, time_s)
    known = np.isfinite(gap)
    if not known.any():
        return None
    time_s, gap = time_s[known], gap[known]
    size = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
    scatter = max(_scatter(mine.values), _scatter(other.values), _ROUNDING * size, 1e-12)
    with np.errstate(over="ignore", invalid="ignore"):
        apart = np.abs(median_filter(gap, min(_SAMPLES, len(gap)), mode="nearest")) / scatter
    differs = apart > LEAST_SCATTERS
    if not differs.any():
        return None
    first, worst = int(np.argmax(differs)), int(np.argmax(apart))
    scatters = min(float(apart[worst]), 1e12)
    return Difference(
        float(time_s[first]), unit, signal, scatters,
        f"{signal} differs by {gap[first]:+.3g}, at most by {gap[worst]:+.3g} at "
        f"{time_s[worst]:.1f} s, {scatters:.3g} times its scatter of {scatter:.2g}",
    )  # fmt: skip


def _scatter(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    if len(finite) < 2:
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.nan_to_num(np.median(np.abs(np.diff(finite))) * _STEP_TO_SIGMA))


def _lacking(mine: Tables, other: Tables) -> Iterator[Difference]:
    unit_behind = publishers()
    for has, lacks, which in ((mine, other, "the other bag"), (other, mine, "this bag")):
        for topic in sorted(set(has.arrivals) - set(lacks.arrivals)):
            first_s = float(has.arrivals[topic][0])
            sentence = f"{topic} is not in {which}"
            yield Difference(first_s, unit_behind(topic), topic, None, sentence)


def _words(mine: Tables, other: Tables) -> Iterator[Difference]:
    """Yield the first mode or other word of a unit's housekeeping that is not the same."""
    period_s = max((_beat_s(tables) for tables in (mine, other)), default=0.0)
    for unit in sorted(set(mine.texts) & set(other.texts)):
        for key in sorted(set(mine.texts[unit]) & set(other.texts[unit])):
            ours, theirs = mine.texts[unit][key], other.texts[unit][key]
            for at in range(max(len(ours), len(theirs))):
                a = ours[at] if at < len(ours) else None
                b = theirs[at] if at < len(theirs) else None
                if a and b and a[1] == b[1] and abs(a[0] - b[0]) <= 2.0 * period_s:
                    continue
                told = " and ".join(
                    f"{which} {each[1]} from {each[0]:.1f} s" if each else f"{which} no more"
                    for which, each in (("here", a), ("there", b))
                )
                first_s = min(each[0] for each in (a, b) if each)
                yield Difference(first_s, unit, f"/diagnostics {key}", None, f"{key}: {told}")
                break


def _beat_s(tables: Tables) -> float:
    steps = [float(np.median(np.diff(b))) for b in tables.heartbeats.values() if len(b) > 1]
    return max(steps, default=0.0)


def _events(mine: Tables, other: Tables) -> Iterator[Difference]:
    """Yield kinds of events of which the bags do not hold the same number."""

    def counted(tables: Tables) -> dict[tuple[str, str], list[Occurrence]]:
        found: dict[tuple[str, str], list[Occurrence]] = {}
        for event in tables.events:
            found.setdefault((event.unit, event.name), []).append(event)
        return found

    ours, theirs = counted(mine), counted(other)
    for key in sorted(set(ours) | set(theirs)):
        a, b = ours.get(key, []), theirs.get(key, [])
        if len(a) != len(b):
            longer, shorter = (a, b) if len(a) > len(b) else (b, a)
            extra = longer[len(shorter)]
            yield Difference(
                extra.time_s, key[0], key[1], None,
                f"{key[1]} {len(a)} times here and {len(b)} times there: {extra.message}",
            )  # fmt: skip
