# SPDX-License-Identifier: Apache-2.0
"""Anomalies in one column of telemetry, against limits learnt from a part known to be nominal.

Three statistics over trailing windows say how a signal behaves: its mean (*level*), the mean size
of its steps (*step*: jumps, noise) and the share of samples that differ from the one before
(*activity*: 0 when frozen). Windows are 8 and 128 samples long. Limits of a statistic are its
extremes in training. An anomaly goes beyond them by more than a margin, and lasts as long as the
statistic stays outside the training's extremes. Anomalies no further apart than the longest
window are one.

The margin is ``2 r sqrt(w / n)``, with the range r that the statistic had in n samples of training
and the window w. n / w windows are independent, and like a standard error the doubt about what
they have not shown falls with the root of their number. A signal that never varied in training has
no margin: any change is an anomaly.

It is causal: what is found at a sample depends on no later one, except that an anomaly may yet be
continued by the next. So an anomaly is dated when the window shows it, not when its cause began.
Samples are taken as evenly spaced.

Judged on 27 channels of the Mars Science Laboratory with 36 labelled anomalies, by event as in
Hundman et al., Detecting Spacecraft Anomalies Using LSTMs and Nonparametric Dynamic Thresholding
(KDD 2018), with one setting for all channels: F1 0.77 (28 found, 9 false, 8 missed). Their
network, whose thresholds come from the telemetry under test, is reported there with 0.79.
``bench/real_telemetry.py`` makes these figures:

===============================================  ======  =====  ======  =====
channels                                         found   false  missed  F1
===============================================  ======  =====  ======  =====
C, F, M (13): windows and margin chosen on them  14      5      3       0.78
D, P, S, T (14)                                  14      4      5       0.76
===============================================  ======  =====  ======  =====
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import find_objects, label

#: Samples; one for what happens at once, one for what builds up.
WINDOWS = (8, 128)
MARGIN = 2.0
# Rounding in means of equal samples is no change.
_ROUNDING = 1e-9

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Anomaly:
    """A span of samples, first and last included, in which a signal behaved as never in training.

    `statistic` (level, step or activity), the `window` in samples and `side` (above or below) are
    of its worst moment. `severity` counts margins beyond what training had; it is over 1, and
    infinite if the signal never varied in training.
    """

    start_s: float
    end_s: float
    first: int
    last: int
    severity: float
    statistic: str
    window: int
    side: str


@dataclass(frozen=True)
class Limit:
    """Extremes of a statistic in training, and how far beyond them is an anomaly."""

    statistic: str
    window: int
    low: float
    high: float
    margin: float


@dataclass(frozen=True)
class LearntLimits:
    """What a signal did in its training part: made by `learn`, asked by `anomalies`."""

    limits: tuple[Limit, ...]
    gain: Values
    """How the level follows each context column; empty if there are none."""

    def anomalies(
        self, time_s: ArrayLike, values: ArrayLike, context: ArrayLike | None = None
    ) -> list[Anomaly]:
        """Return the anomalies of another part of the signal, in order of time.

        `time_s` and `values` have shape (n,), `context` (n, k) with the k columns of training.
        Samples that are not finite are passed over. Nothing is found before a window is full.
        Raises ValueError if the shapes do not fit.
        """
        times = np.asarray(time_s, np.float64)
        if times.shape != np.shape(values):
            raise ValueError(
                f"times have shape {times.shape}, values {np.shape(values)}; give one time a value"
            )
        signal, columns, kept = _finite(values, context)
        if columns.shape[1] != len(self.gain):
            raise ValueError(
                f"{columns.shape[1]} context columns, but {len(self.gain)} in training; give the "
                "same columns"
            )
        found = [
            replace(
                a, first=first, last=last, start_s=float(times[first]), end_s=float(times[last])
            )
            for limit in self.limits
            for a in _beyond(_statistic(signal, signal - columns @ self.gain, limit), limit)
            for first, last in [(int(kept[a.first]), int(kept[a.last]))]
        ]
        return list(_joined(found, max(limit.window for limit in self.limits)))


def learn(
    values: ArrayLike,
    context: ArrayLike | None = None,
    windows: Iterable[int] = WINDOWS,
    margin: float = MARGIN,
) -> LearntLimits:
    """Learn the limits from a part known to be nominal, of which windows take half at most.

    `values` has shape (n,). `context` (n, k), if given, has columns that the signal is expected to
    follow at once and in proportion, such as loads switched on for a bus current: level and steps
    are then those of what a least-squares fit on them leaves over. Commands as context make more
    false alarms on the telemetry named above, where the effect of a command is neither.

    Raises ValueError if no window fits into the finite samples, or the shapes do not fit.
    """
    signal, columns, _ = _finite(values, context)
    fitting = [w for w in sorted(windows) if 2 * w <= len(signal)]
    if not fitting:
        raise ValueError(
            f"{len(signal)} finite samples are too few to learn from; give {2 * min(windows)} or "
            "more"
        )
    centred = columns - columns.mean(axis=0)
    gain = np.linalg.lstsq(centred, signal - signal.mean(), rcond=None)[0]
    rest = signal - columns @ gain
    limits = []
    for window in fitting:
        for statistic in ("level", "step", "activity"):
            seen = _statistic(signal, rest, Limit(statistic, window, 0.0, 0.0, 0.0))
            low, high = float(seen.min()), float(seen.max())
            rounding = _ROUNDING * float(np.abs(signal).max())
            doubt = (high - low) * np.sqrt(window / len(signal))
            if statistic == "activity":
                # No share of changes is known better than to one change.
                doubt = max(doubt, 1.0 / (window - 1))
            limits.append(
                Limit(statistic, window, low - rounding, high + rounding, margin * float(doubt))
            )
    return LearntLimits(tuple(limits), gain)


def _finite(values: ArrayLike, context: ArrayLike | None) -> tuple[Values, Values, NDArray]:
    """Return the samples that are finite in all columns, and where they were."""
    signal = np.asarray(values, np.float64)
    if signal.ndim != 1:
        raise ValueError(f"values have shape {signal.shape}; give one column")
    columns = np.empty((len(signal), 0)) if context is None else np.asarray(context, np.float64)
    if columns.ndim != 2 or len(columns) != len(signal):
        raise ValueError(
            f"context has shape {columns.shape}; give ({len(signal)}, k), one row a value"
        )
    kept = np.flatnonzero(np.isfinite(signal) & np.isfinite(columns).all(axis=1))
    return signal[kept], columns[kept], kept


def _statistic(signal: Values, rest: Values, limit: Limit) -> Values:
    """Return the statistic of every full window; element i is that of the window from i on."""
    if len(signal) < limit.window:
        return np.empty(0)
    if limit.statistic == "level":
        return sliding_window_view(rest, limit.window).mean(axis=1)
    # Whether a sensor is frozen shows in what it sent, not in what the context leaves of it.
    steps = np.abs(np.diff(rest)) if limit.statistic == "step" else np.diff(signal) != 0.0
    return sliding_window_view(steps, limit.window - 1).mean(axis=1)


def _beyond(statistic: Values, limit: Limit) -> Iterator[Anomaly]:
    """Yield the runs outside the training's extremes that somewhere are beyond the margin."""
    above, below = statistic - limit.high, limit.low - statistic
    outside = np.maximum(above, below)
    for (run,) in find_objects(label(outside > 0.0)[0]):
        worst = run.start + int(outside[run].argmax())
        if outside[worst] > limit.margin:
            yield Anomaly(
                start_s=np.nan,
                end_s=np.nan,
                first=run.start + limit.window - 1,
                last=run.stop + limit.window - 2,
                severity=float(outside[worst] / limit.margin) if limit.margin else np.inf,
                statistic=limit.statistic,
                window=limit.window,
                side="above" if above[worst] > 0.0 else "below",
            )


def _joined(found: Iterable[Anomaly], reach: int) -> Iterator[Anomaly]:
    """Yield anomalies with those joined that leave `reach` samples or fewer between them."""
    joined: Anomaly | None = None
    for anomaly in sorted(found, key=lambda a: a.first):
        if joined is None or anomaly.first - joined.last - 1 > reach:
            if joined is not None:
                yield joined
            joined = anomaly
            continue
        last = max(joined, anomaly, key=lambda a: a.last)
        worst = max(joined, anomaly, key=lambda a: a.severity)
        joined = replace(
            worst,
            first=joined.first,
            start_s=joined.start_s,
            last=last.last,
            end_s=last.end_s,
        )
    if joined is not None:
        yield joined
