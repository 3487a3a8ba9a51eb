# SPDX-License-Identifier: Apache-2.0
"""Limits learnt from a nominal bag: what no model describes, and signals of any other system.

Every column of numbers that comes regularly is learnt by `models/telemetry_anomalies`. What is
looked for happens in the flight; so some things are left alone, and said:

- A flight may start elsewhere than the nominal one: another place, another sensor's bias. Limits
  reach as much further, to that side, as the first samples differ (`LearntLimits.of_flight`). So
  what was wrong from the start on is not found here.
- While a unit tells a mode that it never told in the nominal bag, nothing is judged: limits learnt
  parked know nothing of driving. Each stretch between has a start of its own.
- Signals that only rise or only fall, as counters and clocks do, have no range to keep. One that
  never varied has none either, but any change of it is found.

The margin is 6, where one channel alone is judged by 2: here are nearly two hundred signals with
six limits each, and hours of telemetry that drifts are fewer independent windows than they look. Of
nine hours parked, with 172 signals and another seed's flight as the nominal one, false findings are
in the mean:

======================================  ====  ===  ===  ===
margin                                  2     3    4    6
======================================  ====  ===  ===  ===
12 pairs on which 6 was chosen          9.7   6.3  4.8  2.5
6 pairs of other seeds                  10.8  8.0  5.7  4.2
======================================  ====  ===  ===  ===

They are what a seed draws: where the estimate of place wanders, how a product turns out. Faults do
not tell the margins apart: of fifteen flown in such a flight each margin shows the same ten within
half an hour, in a signal of the faulted unit that the same flight without the fault keeps within
its limits; of four flown with another seed, three.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lupex_nodes.analysis.detectors import regular_period_s
from lupex_nodes.analysis.evidence import evidence
from lupex_nodes.analysis.expected_rates import SILENT_PERIODS
from lupex_nodes.analysis.findings import Finding
from lupex_nodes.analysis.operating_modes import Span, within
from lupex_nodes.analysis.signals import Signal, signals
from lupex_nodes.analysis.tables import Series, Tables, read_tables
from lupex_nodes.models.telemetry_anomalies import WINDOWS, Anomaly, LearntLimits, Limit, learn
from lupex_nodes.recording.bag_reader import BagError

MARGIN = 6.0
# What a unit says before it has heard from others.
_START_UP = WINDOWS[0]
_SAME_RATE = 1.2
# What comes sooner after the one before is the mean of a shorter time, and scatters more.
_IN_TURN = 0.7
_ROUNDING = 1e-12
_MOST_NAMED = 3
_WORDS = {
    "level": "its mean over {} samples",
    "step": "its mean step over {} samples",
    "activity": "its share of changes in {} samples",
}


@dataclass(frozen=True)
class _Learnt:
    limits: LearntLimits
    period_s: float
    varied: bool


@dataclass(frozen=True)
class NominalLimits:
    """The limits of every signal of a nominal bag that has some; a detector of other bags."""

    path: Path
    learnt: dict[Signal, _Learnt]
    left_out: dict[Signal, str]
    modes: dict[str, frozenset[str]]

    def __call__(self, tables: Tables) -> Iterator[Finding]:
        """Yield the signals that behaved as never in the nominal bag."""
        unknown = [span for span, _ in self._unknown_modes(tables)]
        for (unit, signal), series, learnt in self._pairs(tables)[0]:
            found = list(_anomalies(series, learnt, unknown))
            if found:
                yield _finding(unit, signal, found)

    def scope(self, tables: Tables) -> tuple[int, list[str]]:
        """Return how many signals of a bag are judged, and sentences on what is not, and why.

        Raises BagError, one sentence, if there are none, or if the bag is the nominal one.
        """
        if tables.path.resolve() == self.path.resolve():
            raise BagError(
                f"{tables.path} cannot be judged by limits learnt from itself: give another bag, "
                "of a nominal flight"
            )
        seen = evidence(tables)
        pairs, left_out = self._pairs(seen)
        reasons = list(_told(left_out))
        if not pairs:
            why = f" ({'; '.join(reasons)})" if reasons else ""
            raise BagError(
                f"no signal of {tables.path} can be judged by limits learnt from {self.path}{why}: "
                "give a nominal bag with the same topics at the same rates"
            )
        spans: dict[str, list[Span]] = defaultdict(list)
        for span, why in self._unknown_modes(seen):
            spans[why].append(span)
        for why, of_mode in spans.items():
            whole_s = sum(min(end_s, tables.duration_s) - start_s for start_s, end_s in of_mode)
            reasons.append(f"{whole_s:.4g} s from {of_mode[0][0]:.1f} s on, in which {why}")
        return len(pairs), [f"learnt limits: {each}" for each in reasons]

    def _pairs(
        self, tables: Tables
    ) -> tuple[list[tuple[Signal, Series, _Learnt]], dict[Signal, str]]:
        """Return the signals that can be judged, and why others cannot."""
        pairs, left_out = [], {}
        for key, series in signals(tables):
            learnt, period_s = self.learnt.get(key), regular_period_s(series.time_s)
            if learnt is None:
                left_out[key] = self.left_out.get(key, "are not in the nominal bag")
            elif period_s is None:
                left_out[key] = "are not sampled regularly"
            elif not 1.0 / _SAME_RATE < period_s / learnt.period_s < _SAME_RATE:
                left_out[key] = (
                    f"come every {period_s:.3g} s here and every {learnt.period_s:.3g} s in the "
                    "nominal bag"
                )
            else:
                settled = _settled(key, series, period_s)
                if not learnt.varied and _counts(settled.values):
                    left_out[key] = "only rise or only fall"
                else:
                    pairs.append((key, settled, learnt))
        return pairs, left_out

    def _unknown_modes(self, tables: Tables) -> Iterator[tuple[Span, str]]:
        """Yield the spans in modes that the nominal bag does not have, and what was told."""
        for unit, known in self.modes.items():
            changes = tables.texts.get(unit, {}).get("mode", [])
            beats = tables.heartbeats.get(unit, np.empty(0))
            ends = [time_s for time_s, _ in changes[1:]] + [np.inf]
            for (start_s, mode), end_s in zip(changes, ends, strict=True):
                if mode not in known:
                    # It changed after the last message that told the mode before.
                    before = beats[beats < start_s]
                    first_s = float(before[-1]) if len(before) else 0.0
                    yield (first_s, end_s), f"{unit} was {mode}, as never in the nominal bag"


def learn_nominal(bag: Tables | Path | str) -> NominalLimits:
    """Learn from a bag known to be nominal; raises BagError, one sentence, if it has no signal."""
    tables = bag if isinstance(bag, Tables) else read_tables(bag)
    seen = evidence(tables)
    learnt, left_out = {}, {}
    for key, series in signals(seen):
        period_s = regular_period_s(series.time_s)
        values = _settled(key, series, period_s or 0.0).values
        finite = values[np.isfinite(values)]
        if period_s is None or len(finite) < 2 * WINDOWS[0]:
            left_out[key] = "are not sampled regularly"
            continue
        varied = bool(np.ptp(finite) > 0.0)
        if varied and _one_way(finite):
            left_out[key] = "only rise or only fall"
            continue
        if "orientation." in key[1]:
            left_out[key] = "are parts of a quaternion, whose sign means nothing"
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            learnt[key] = _Learnt(learn(values, margin=MARGIN), period_s, varied)
    if not learnt:
        raise BagError(
            f"{tables.path} has no signal that limits can be learnt from: give a bag with numbers "
            f"that come regularly, {2 * WINDOWS[0] + _START_UP} times or more"
        )
    modes = {
        unit: frozenset(mode for _, mode in texts["mode"])
        for unit, texts in seen.texts.items() if "mode" in texts
    }  # fmt: skip
    return NominalLimits(tables.path, learnt, left_out, modes)


def _settled(signal: Signal, series: Series, period_s: float) -> Series:
    """Return a signal in its turn, settled, and without what rounding makes of zero."""
    kept = np.diff(series.time_s, prepend=-np.inf) > _IN_TURN * period_s
    time_s, values = series.time_s[kept][_START_UP:], series.values[kept][_START_UP:]
    with np.errstate(invalid="ignore"):
        values = np.where(np.abs(values) < _ROUNDING, 0.0, values)
        if signal[1].endswith("_deg"):
            # An angle may come round.
            known = np.isfinite(values)
            values[known] = np.unwrap(values[known], period=360.0)
        return Series(time_s, values)


def _one_way(finite: NDArray[np.float64]) -> bool:
    steps = np.diff(finite)
    return bool(np.all(steps >= 0.0) or np.all(steps <= 0.0))


def _counts(values: NDArray[np.float64]) -> bool:
    """Return whether a signal counts up in whole numbers."""
    finite = values[np.isfinite(values)]
    steps = np.diff(finite)
    return bool(np.any(steps) and np.all(steps >= 0.0) and np.all(finite == np.round(finite)))


def _anomalies(
    series: Series, learnt: _Learnt, unknown: Sequence[Span]
) -> Iterator[tuple[Anomaly, Limit]]:
    """Yield the anomalies of a signal, each stretch by itself, with the limit each left most."""
    kept = np.flatnonzero(~within(series.time_s, unknown) & np.isfinite(series.values))
    apart = np.diff(series.time_s[kept]) > SILENT_PERIODS * learnt.period_s
    for stretch in np.split(kept, np.flatnonzero(apart | (np.diff(kept) > 1)) + 1):
        if len(stretch) < WINDOWS[0]:
            continue
        values = series.values[stretch]
        with np.errstate(over="ignore", invalid="ignore"):
            limits = learnt.limits.of_flight(values)
            for anomaly in limits.anomalies(series.time_s[stretch], values):
                yield anomaly, next(
                    limit for limit in limits.limits
                    if (limit.statistic, limit.window) == (anomaly.statistic, anomaly.window)
                )  # fmt: skip


def _finding(unit: str, signal: str, found: Sequence[tuple[Anomaly, Limit]]) -> Finding:
    anomaly, limit = found[0]
    if np.isfinite(anomaly.severity):
        beyond = anomaly.severity * limit.margin
        low = limit.low if limit.statistic == "level" else max(limit.low, 0.0)
        worst = limit.high + beyond if anomaly.side == "above" else low - beyond
        told = (
            f"{_WORDS[limit.statistic].format(limit.window)} was {worst:.5g}, {anomaly.side} the "
            f"{low:.5g} to {limit.high:.5g} of the nominal bag by {anomaly.severity:.3g} margins"
        )
    else:
        told = "it changed, as it never did in the nominal bag"
    lasted_s = anomaly.end_s - anomaly.start_s
    lasted = f", for {lasted_s:.4g} s" if lasted_s > 0.0 else ""
    times = f", {len(found)} times in all" if len(found) > 1 else ""
    name = signal.removeprefix("/diagnostics ").rpartition("/")[2]
    message = f"{name}: {told}{lasted}{times}"
    return Finding(anomaly.start_s, unit, signal, "learnt", "warning", "", message)


def _told(left_out: dict[Signal, str]) -> Iterator[str]:
    """Yield a sentence a reason, with the first signals that it holds for."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for (_, signal), reason in left_out.items():
        by_reason[reason].append(signal)
    for reason, names in by_reason.items():
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        yield f"{len(names)} signals {reason}: {', '.join(names[:_MOST_NAMED])}{more}"
