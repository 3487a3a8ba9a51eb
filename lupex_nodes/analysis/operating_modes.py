# SPDX-License-Identifier: Apache-2.0
"""When a unit was in which mode, as its housekeeping says, and values as they were at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lupex_nodes.analysis.tables import Series, Tables

Times = NDArray[np.float64]
Span = tuple[float, float]


def mode_spans(tables: Tables, unit: str, modes: Iterable[str]) -> list[Span]:
    """Return the spans (s) in which every housekeeping message of a unit told one of these modes.

    A span ends with the last message that told it: between two messages a mode is not known.
    """
    wanted, beats = set(modes), tables.heartbeats.get(unit)
    changes = tables.texts.get(unit, {}).get("mode", [])
    if beats is None or not changes:
        return []
    spans: list[Span] = []
    ends = [time_s for time_s, _ in changes[1:]] + [np.inf]
    for (start_s, mode), end_s in zip(changes, ends, strict=True):
        told = beats[(beats >= start_s) & (beats < end_s)]
        if mode not in wanted or not len(told):
            continue
        last_s = float(told[-1])
        if spans and end_s != np.inf and spans[-1][1] >= start_s:
            spans[-1] = (spans[-1][0], last_s)
        else:
            spans.append((float(start_s), last_s))
    return spans


def within(time_s: Times, spans: Iterable[Span], settled_s: float = 0.0) -> NDArray[np.bool_]:
    """Return which times lie in a span, and not in the first `settled_s` of it."""
    inside = np.zeros(len(time_s), bool)
    for start_s, end_s in spans:
        inside |= (time_s >= start_s + settled_s) & (time_s <= end_s)
    return inside


def held(series: Series, time_s: Times, no_older_s: float = np.inf) -> Times:
    """Return the last value at or before each time; nan before the first, or when it is older."""
    index = np.searchsorted(series.time_s, time_s + 1e-6, side="right") - 1
    values = np.where(index >= 0, series.values[np.maximum(index, 0)], np.nan)
    age_s = time_s - series.time_s[np.maximum(index, 0)]
    return np.where(age_s <= no_older_s, values, np.nan)


def moving(tables: Tables) -> Series | None:
    """Return 1 at each message of the joints, or of the drive, that tells of running tracks."""
    topic = tables.topic("rover/joint_states") or ""
    speeds = [
        each for path, each in tables.scalars.get(topic, {}).items()
        if path.startswith("velocity[") and path.endswith("_crawler]")
    ]  # fmt: skip
    if speeds:
        runs = np.any([each.values != 0.0 for each in speeds], axis=0)
        return Series(speeds[0].time_s, runs.astype(float))
    travel = tables.series("rover/mobility/state", "travel_m")
    if travel is None or not len(travel.values):
        return None
    went = np.diff(travel.values, prepend=travel.values[0]) != 0.0
    return Series(travel.time_s, went.astype(float))


def standing_s(tables: Tables, time_s: Times) -> Times:
    """Return for how long (s) the tracks had stood at each time, 0 while they run; nan unknown."""
    tracks = moving(tables)
    if tracks is None:
        return np.full(len(time_s), np.nan)
    ran = tracks.time_s[tracks.values > 0.0]
    index = np.searchsorted(ran, time_s, side="right") - 1
    # Until they first ran they stood since the bag's first message of them.
    since_s = np.concatenate([tracks.time_s[:1], ran])[index + 1]
    return np.maximum(time_s - since_s, 0.0)


def of_message(tables: Tables, topic: str, *paths: str) -> tuple[Times, ...] | None:
    """Return log times and columns of a topic, None if one of them is not in the bag."""
    found = [tables.series(topic, path) for path in paths]
    if not found or any(each is None or not len(each.values) for each in found):
        return None
    kept = [each for each in found if each is not None]
    return (kept[0].time_s, *(each.values for each in kept))


def stamps_s(tables: Tables, topic: str) -> Times | None:
    """Return what the headers of a topic say, in seconds since the bag's start."""
    name = tables.topic(topic) or ""
    lags = tables.stamp_lag_s.get(name)
    times = tables.arrivals.get(name)
    if lags is None or times is None or len(lags) != len(times):
        return None
    return times - lags
