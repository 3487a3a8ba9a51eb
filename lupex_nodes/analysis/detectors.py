# SPDX-License-Identifier: Apache-2.0
"""Detectors: each looks at the tables for one kind of wrong and yields findings.

A new one is a function of the tables and a line in `default_detectors`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import yaml
from numpy.typing import NDArray

from lupex_nodes.analysis.energy import energy_books
from lupex_nodes.analysis.evidence import evidence
from lupex_nodes.analysis.expected_rates import (
    SILENT_PERIODS,
    latencies,
    load_expected,
    rates,
    repeated,
)
from lupex_nodes.analysis.findings import SEVERITIES, Finding, in_order
from lupex_nodes.analysis.limits import Limit, load_limits
from lupex_nodes.analysis.power_supply import Installed, installed_units, powered_s, unit_of
from lupex_nodes.analysis.residuals import RESIDUALS
from lupex_nodes.analysis.tables import DIAGNOSTIC_TYPE, ERROR, LOG_TYPE, Occurrence, Series, Tables

Detector = Callable[[Tables], Iterable[Finding]]

# A topic counts as periodic if it has this many intervals and nine of ten are about the median.
_LEAST_INTERVALS = 20
_REGULAR = 1.5
# So many regular intervals before a silence make it one.
_STEADY_INTERVALS = 5
_EDGE_S = 1e-6
# To plan another way is what navigation is for.
_ROUTINE = ("NEW_PATH",)
_UNANSWERED = "COMMAND_UNANSWERED"
_DID_NOT_ANSWER = re.compile(r"^(?:\S+: )?(\w+) did not answer within ")
_SWITCHED_WITHIN_S = 5.0
# A parked unit ticks once a minute.
_RESET_WITHIN_S = 65.0
# Sent when there is something to say, and what the recorder makes of other topics.
_EITHER_WAY = ("/channels", "/tf")
_ONE_OF_A_SIGNAL = ("rate", "latency", "frozen")


def default_detectors() -> list[Detector]:
    """Return the detectors that run on every bag, with the package's configuration."""
    units, expected = installed_units(), load_expected()
    return [
        partial(out_of_limits, limits=load_limits()),
        partial(heartbeats, units=units),
        partial(rates, expected=expected, units=units),
        partial(gaps, units=units, known=tuple(row.topic for row in expected if row.every_s)),
        partial(latencies, expected=expected),
        partial(repeated, expected=expected),
        losses,
        energy_books,
        events,
        unanswered,
        resets,
        partial(opened, units=units),
        health,
        failed_commands,
        log_errors,
    ]


def find(tables: Tables, detectors: Sequence[Detector] | None = None) -> list[Finding]:
    """Run the detectors, the default ones if none are given; findings in order of first time."""
    chosen, seen = default_detectors() if detectors is None else detectors, evidence(tables)
    found = in_order(finding for detector in chosen for finding in detector(seen))
    # Rows for several modes tell the same of one topic; its first is enough.
    first: dict[tuple[str, ...], Finding] = {}
    return [
        f for f in found
        if f.kind not in _ONE_OF_A_SIGNAL
        or first.setdefault((f.unit, f.signal, f.kind, f.severity), f) is f
    ]  # fmt: skip


def out_of_limits(tables: Tables, limits: Sequence[Limit]) -> Iterator[Finding]:
    """Yield signals and residuals out of their bounds, with persistence both ways."""
    computed: dict[str, Series | None] = {}
    for limit in limits:
        if limit.residual:
            if limit.residual not in computed:
                with np.errstate(over="ignore", invalid="ignore"):
                    computed[limit.residual] = RESIDUALS[limit.residual].compute(tables)
            series = computed[limit.residual]
        elif limit.topic:
            series = tables.series(limit.topic, limit.signal)
        else:
            series = tables.housekeeping.get(limit.unit, {}).get(limit.signal)
        if series is None or not len(series.values):
            continue
        for severity, prefix in (("warning", "warn"), ("error", "error")):
            for side in ("below", "above"):
                bound = getattr(limit, f"{prefix}_{side}")
                if bound is not None:
                    yield from _beyond(tables, limit, series, severity, side, bound)


def _beyond(
    tables: Tables, limit: Limit, series: Series, severity: str, side: str, bound: float
) -> Iterator[Finding]:
    bad = series.values < bound if side == "below" else series.values > bound
    found = episodes(series.time_s, bad, limit.persistence_s, tables.duration_s)
    if not found:
        return
    start_s, end_s = found[0]
    during = series.values[(series.time_s >= start_s) & (series.time_s <= end_s)]
    worst = np.nanmin(during) if side == "below" else np.nanmax(during)
    times = f", {len(found)} times in all" if len(found) > 1 else ""
    name = limit.residual or f"{limit.topic.rpartition('/')[2]} {limit.signal}".strip()
    yield Finding(
        start_s,
        limit.unit,
        f"{limit.topic}:{limit.signal}" if limit.topic else limit.signal or limit.residual,
        "residual" if limit.residual else "limit",
        severity,
        limit.cause,
        f"{name} was {side} {bound:g} for {end_s - start_s:.4g} s, "
        f"at worst {worst:.4g}{times}",
    )


def heartbeats(tables: Tables, units: Mapping[str, Installed]) -> Iterator[Finding]:
    """Yield units whose housekeeping stopped for over three periods while they had power."""
    stated_s = housekeeping_period_s(tables)
    for unit, times in tables.heartbeats.items():
        period_s = stated_s or _median_interval_s(times)
        if period_s is None:
            continue
        found = list(_silences(tables, times, period_s, unit, units))
        if not found:
            continue
        start_s, end_s = found[0]
        more = f", and {len(found) - 1} times more" if len(found) > 1 else ""
        span = "to the end" if end_s >= tables.duration_s else f"for {end_s - start_s:.4g} s"
        yield Finding(
            start_s,
            unit,
            "/diagnostics",
            "heartbeat",
            "error",
            "",
            f"{unit} sent no housekeeping {span}{more}; one is due every {period_s:g} s",
        )


def gaps(
    tables: Tables, units: Mapping[str, Installed], known: Sequence[str] = ()
) -> Iterator[Finding]:
    """Yield periodic topics that fell silent though nothing in the system changed its state.

    Units send some topics only while they do something, so a silence that begins with a command
    or a change of mode is taken as meant. Topics in `known` have rates of their own.
    """
    changes = _changes_s(tables)
    for topic, times in tables.arrivals.items():
        if tables.types[topic] in (DIAGNOSTIC_TYPE, LOG_TYPE) or topic.endswith(_EITHER_WAY):
            continue
        period_s = regular_period_s(times)
        if period_s is None or topic.endswith(tuple(f"/{name}" for name in known)):
            continue
        unit = unit_of(topic, units)
        found = [
            (start_s, end_s)
            for start_s, end_s in _silences(tables, times, period_s, unit, units)
            if _was_steady(times, start_s, period_s)
            and not _any_within(changes, start_s, period_s)
            and not _heart_stopped(tables, unit, start_s, period_s)
        ]
        if not found:
            continue
        start_s, end_s = found[0]
        more = f", {len(found)} times in all" if len(found) > 1 else ""
        yield Finding(
            start_s,
            unit,
            topic,
            "gap",
            "warning",
            "",
            f"{topic} was silent for {end_s - start_s:.4g} s{more}; "
            f"its messages came every {period_s:.4g} s",
        )


def _changes_s(tables: Tables) -> NDArray[np.float64]:
    """Return when a command began or ended, or a unit's housekeeping said something new."""
    times = [c.time_s for c in tables.commands if c.values.get("stage") != "progress"]
    for keys in tables.texts.values():
        for changes in keys.values():
            times += [time_s for time_s, _ in changes[1:]]
    return np.array(sorted(times))


def _any_within(changes: NDArray[np.float64], start_s: float, period_s: float) -> bool:
    first_s, last_s = start_s - _REGULAR * period_s, start_s + SILENT_PERIODS * period_s
    return bool(np.any((changes >= first_s) & (changes <= last_s)))


def _was_steady(times: NDArray[np.float64], start_s: float, period_s: float) -> bool:
    before = times[times <= start_s][-_STEADY_INTERVALS - 1 :]
    intervals = np.diff(before)
    return len(intervals) == _STEADY_INTERVALS and bool(np.all(intervals <= _REGULAR * period_s))


def _heart_stopped(tables: Tables, unit: str, start_s: float, period_s: float) -> bool:
    """Return whether the unit went silent altogether: that is one finding, the heartbeat's."""
    beats = tables.heartbeats.get(unit)
    if beats is None or not len(beats):
        return False
    beat_s = housekeeping_period_s(tables) or _median_interval_s(beats) or period_s
    after = beats[beats > start_s + _EDGE_S]
    return not len(after) or bool(after[0] - start_s > SILENT_PERIODS * beat_s)


def losses(tables: Tables) -> Iterator[Finding]:
    """Yield topics of which the ticks count more messages than the bag holds."""
    for (name, _), counts in tables.published.items():
        recorded_topic = tables.topic(name)
        if recorded_topic is None or len(counts.values) < 2:
            continue
        first_s, last_s = float(counts.time_s[0]), float(counts.time_s[-1])
        first, last = int(counts.values[0]), int(counts.values[-1])
        times = tables.arrivals[recorded_topic]
        # What a tick counts was published before it, what is logged at its time comes after.
        recorded = int(
            np.searchsorted(times, last_s - _EDGE_S) - np.searchsorted(times, first_s - _EDGE_S)
        )
        if recorded < last - first:
            yield Finding(
                first_s,
                "recorder",
                recorded_topic,
                "loss",
                "warning",
                "",
                f"{last - first - recorded} of {last - first} messages on {recorded_topic} are "
                "not in the bag",
            )


def events(tables: Tables) -> Iterator[Finding]:
    """Yield events at WARN or ERROR; the same event of a unit is one finding with a count."""
    grouped: dict[tuple[str, str, int], list[Occurrence]] = defaultdict(list)
    for event in tables.events:
        if event.level > 0 and event.name != _UNANSWERED:
            grouped[event.unit, event.name, event.level].append(event)
    for (unit, name, level), same in grouped.items():
        message = same[0].message + _count(same)
        kind = "failed" if name == "UNIT_FAILED" else "event"
        severity = "info" if name in _ROUTINE else _severity(level)
        yield Finding(same[0].time_s, unit, name, kind, severity, "", message)


def unanswered(tables: Tables) -> Iterator[Finding]:
    """Yield units that did not answer a command, as the one says who sent it."""
    grouped: dict[str, list[Occurrence]] = defaultdict(list)
    for event in tables.events:
        silent = _DID_NOT_ANSWER.search(event.values.get("reason", ""))
        if event.name == _UNANSWERED and "unit" in event.values:
            grouped[event.values["unit"]].append(event)
        elif silent is not None:
            grouped[silent[1]].append(event)
    for unit, same in grouped.items():
        command = same[0].values.get("command", same[0].name)
        message = same[0].message + _count(same)
        yield Finding(same[0].time_s, unit, command, "unanswered", "warning", "", message)


def resets(tables: Tables) -> Iterator[Finding]:
    """Yield units that were reset though nobody commanded it."""
    grouped: dict[str, list[Occurrence]] = defaultdict(list)
    for event in tables.events:
        if event.name == "RESET":
            grouped[event.unit].append(event)
    for command in tables.commands:
        if command.name == "reset" and command.values.get("stage") == "acceptance":
            # A reset is told at the unit's next tick.
            for event in grouped.get(command.unit, []):
                if 0.0 <= event.time_s - command.time_s <= _RESET_WITHIN_S:
                    grouped[command.unit].remove(event)
                    break
    for unit, same in grouped.items():
        if same:
            message = f"{unit} was reset by itself{_count(same)}"
            yield Finding(same[0].time_s, unit, "RESET", "reset", "warning", "", message)


def opened(tables: Tables, units: Mapping[str, Installed]) -> Iterator[Finding]:
    """Yield channels that went off though their power unit tells of no switching."""
    for supply in {unit.supply: None for unit in units.values() if unit.supply}:
        told = [event.time_s for event in tables.events if event.unit == supply]
        told += [command.time_s for command in tables.commands if command.unit == supply]
        record = tables.record(f"{units[supply].namespace}/{supply}/channels")
        for name in (record.rows.dtype.names or ()) if record is not None else ():
            assert record is not None
            on = record.rows[name].astype(bool)
            for index in np.flatnonzero(on[:-1] & ~on[1:]):
                time_s = float(record.time_s[index + 1])
                if not any(abs(time_s - each) <= _SWITCHED_WITHIN_S for each in told):
                    message = f"channel {name} went off though nobody switched it"
                    yield Finding(time_s, supply, name, "opened", "warning", "", message)
                    break


def health(tables: Tables) -> Iterator[Finding]:
    """Yield units whose housekeeping says WARN or ERROR."""
    for unit, changes in tables.health.items():
        for level in sorted({change.level for change in changes if change.level > 0}):
            first = next(change for change in changes if change.level == level)
            severity = _severity(level)
            message = f"{unit} reports {severity}: {first.message}"
            yield Finding(first.time_s, unit, "/diagnostics", "health", severity, "", message)


def failed_commands(tables: Tables) -> Iterator[Finding]:
    """Yield commands refused or failed at any stage of verification (ECSS-E-ST-70-41C)."""
    for command in tables.commands:
        if command.level > 0 or command.values.get("success") == "false":
            stage = command.values.get("stage", "execution")
            message = f"{command.unit} {command.name} failed at {stage}: {command.message}"
            yield Finding(
                command.time_s, command.unit, command.name, "command", "warning", "", message
            )


def log_errors(tables: Tables) -> Iterator[Finding]:
    """Yield lines at ERROR or worse on /rosout; the same line of a node is one finding."""
    grouped: dict[tuple[str, str], list[Occurrence]] = defaultdict(list)
    for line in tables.logs:
        if line.level >= ERROR:
            grouped[line.unit, line.message].append(line)
    for (unit, message), same in grouped.items():
        first = next(iter(message.strip().splitlines()), "an empty line")
        yield Finding(
            same[0].time_s, unit, "/rosout", "log", "error", "", first + _count(same)
        )


def _count(same: Sequence[Occurrence]) -> str:
    return f" ({len(same)} times)" if len(same) > 1 else ""


def episodes(
    time_s: NDArray[np.float64],
    bad: NDArray[np.bool_],
    persistence_s: float,
    end_s: float,
) -> list[tuple[float, float]]:
    """Return the spans (start, end) in which a condition held, with persistence both ways.

    A sample holds until the next one, the last until `end_s`. A span begins with the first bad
    sample of a run of at least `persistence_s`, and ends where a good run of at least
    `persistence_s` begins.
    """
    found: list[tuple[float, float]] = []
    if not len(time_s):
        return found
    starts = np.concatenate([[0], np.flatnonzero(np.diff(bad.astype(np.int8))) + 1])
    edges = np.append(time_s[starts], max(end_s, float(time_s[-1])))
    begun: float | None = None
    for index, start in enumerate(starts):
        first_s, last_s = float(edges[index]), float(edges[index + 1])
        lasting = last_s - first_s >= persistence_s
        if bad[start] and begun is None and lasting:
            begun = first_s
        elif not bad[start] and begun is not None and lasting:
            found.append((begun, first_s))
            begun = None
    if begun is not None:
        found.append((begun, float(edges[-1])))
    return found


def housekeeping_period_s(tables: Tables) -> float | None:
    """Return the housekeeping period that the bag's custom data states, if it does."""
    for key in ("housekeeping_period_s", "scenario_yaml", "start_parameters"):
        try:
            content = yaml.safe_load(tables.custom_data.get(key, ""))
        except yaml.YAMLError:
            continue
        if isinstance(content, dict):
            content = content.get("housekeeping_period_s")
        if isinstance(content, (int, float)) and content > 0:
            return float(content)
    return None


def _silences(
    tables: Tables,
    times: NDArray[np.float64],
    period_s: float,
    unit: str,
    units: Mapping[str, Installed],
) -> Iterator[tuple[float, float]]:
    """Yield the spans without a message, longer than three periods of powered time."""
    edges = np.append(times, tables.duration_s)
    longest_s = SILENT_PERIODS * period_s * (1 + 1e-9) + _EDGE_S
    for index in np.flatnonzero(np.diff(edges) > longest_s):
        start_s, end_s = float(edges[index]), float(edges[index + 1])
        if powered_s(tables, unit, units, start_s, end_s) > longest_s:
            yield start_s, end_s


def _median_interval_s(times: NDArray[np.float64]) -> float | None:
    return float(np.median(np.diff(times))) or None if len(times) >= 4 else None


def regular_period_s(times: NDArray[np.float64]) -> float | None:
    """Return the median interval of times that are regular, None of others or of few."""
    if len(times) <= _LEAST_INTERVALS:
        return None
    intervals = np.diff(times)
    median_s = float(np.median(intervals))
    if median_s <= 0 or np.quantile(intervals, 0.9) > _REGULAR * median_s:
        return None
    return median_s


def _severity(level: int) -> str:
    return SEVERITIES[min(level, 2)]
