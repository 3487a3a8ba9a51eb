# SPDX-License-Identifier: Apache-2.0
"""Which unit to look at first: findings weighed as evidence, and symptoms led back to their cause.

A finding speaks the more against its own unit the less another one can bring it about: a heart
that stops or a value that never changes is the unit's own, a failed command is anybody's. A finding
is a *symptom* of another unit's when that one has stronger evidence against it that began no later,
and lies upstream: it feeds the unit's power channel, publishes what the unit reads, directly or
through one more, or is the other side of the comparison that failed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lupex_nodes.analysis.findings import Finding
from lupex_nodes.analysis.residuals import RESIDUALS

#: How much a finding says against its own unit, 0 to 1, by kind.
WEIGHTS = {
    "heartbeat": 1.0, "frozen": 1.0, "failed": 1.0, "unanswered": 0.95, "rate": 0.9,
    "latency": 0.9, "reset": 0.9, "opened": 0.9, "residual": 0.8, "limit": 0.5, "gap": 0.5,
    "learnt": 0.4, "energy": 0.4, "event": 0.3, "health": 0.2, "log": 0.2, "command": 0.1,
    "loss": 0.1,
}  # fmt: skip
#: From this weight on a finding is the unit's own doing unless a comparison has another side.
OWN = 0.7
# Software that watches others repeats what is wrong with them.
_WATCHERS = ("fault_manager", "executive", "relay")
_HALVES_IN_S = 600.0
# Residuals look back over minutes, and housekeeping comes once a minute at most.
_SLACK_S = 61.0
_SYMPTOM, _MOST_EXPLAINED = 0.15, 0.3
#: As many units are worth looking at.
MOST_CAUSES = 5
Upstream = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Cause:
    """A unit that may be the cause: `score` ranks it, `why` says what speaks against it."""

    unit: str
    score: float
    first_time_s: float
    why: str


def upstream_units() -> dict[str, frozenset[str]]:
    """Return by unit those that can bring its troubles about: who it reads from and who feeds it.

    Through one more unit too. Empty where the units cannot be loaded, as without ROS 2's messages.
    """
    from lupex_nodes.system import SystemFileError, load_system

    try:
        system = load_system()
        places, publishers = system.places, system.publishers
    except (ImportError, OSError, SystemFileError):
        return {}
    direct: dict[str, set[str]] = {}
    for name, place in places.items():
        # What all share, and what a load draws, say nothing of who depends on whom.
        read = [
            topic for topic in place.subscriptions()
            if topic.count("/") > 1 and not topic.endswith("/load")
        ]  # fmt: skip
        direct[name] = {unit for topic in read for unit in publishers.get(topic, ())}
        supply = system.entry(name).supply
        direct[name] |= {supply} if supply else set()
        direct[name].discard(name)
    return {
        name: frozenset((near | {far for unit in near for far in direct[unit]}) - {name})
        for name, near in direct.items()
    }


def ranked(
    findings: Sequence[Finding], upstream: Upstream | None = None
) -> tuple[list[Finding], list[Cause]]:
    """Return the findings, symptoms with their cause, and the causes, the first to look at first.

    Without `upstream` the package's units are asked, if there is anything to rank.
    """
    faults = [finding for finding in findings if finding.is_fault]
    if not faults:
        return list(findings), []
    graph = upstream_units() if upstream is None else upstream
    own: dict[str, list[Finding]] = defaultdict(list)
    for finding in faults:
        if weight(finding) >= OWN:
            own[finding.unit].append(finding)
    explained = {id(f): _explains(f, own, graph) for f in faults}
    causes = _scores(faults, explained)
    told = [
        replace(f, cause=f"follows from {by.unit}: {by.message}")
        if (by := explained.get(id(f))) is not None else f
        for f in findings
    ]  # fmt: skip
    return told, causes


def weight(finding: Finding) -> float:
    """Return how much a finding says against its own unit."""
    found = WEIGHTS.get(finding.kind, 0.3)
    if finding.kind == "event" and finding.severity == "error":
        found += 0.1
    if finding.kind in ("event", "health", "command", "learnt") and finding.unit in _WATCHERS:
        found = 0.05
    return found


def _explains(
    finding: Finding, own: Mapping[str, Sequence[Finding]], graph: Upstream
) -> Finding | None:
    """Return the finding of another unit that this one follows from, None if it has none."""
    heavy = weight(finding)
    others = RESIDUALS[finding.signal].others if finding.kind == "residual" else ()
    best: Finding | None = None
    for unit, evidence in own.items():
        if unit == finding.unit:
            continue
        beside, above = unit in others, unit in graph.get(finding.unit, ())
        for cause in evidence:
            first_s = cause.first_time_s - (_SLACK_S if heavy < OWN or beside else 0.0)
            earlier = first_s <= finding.first_time_s
            surer = weight(cause) > heavy or (heavy < OWN and weight(cause) >= OWN)
            if earlier and surer and (beside or above or finding.unit in _WATCHERS):
                if best is None or cause.first_time_s < best.first_time_s:
                    best = cause
    return best


def _scores(
    faults: Sequence[Finding], explained: Mapping[int, Finding | None]
) -> list[Cause]:
    """Return the units by score: evidence of several kinds adds up, later evidence counts less."""
    by_unit: dict[str, dict[tuple[str, str], tuple[float, Finding]]] = defaultdict(dict)
    symptoms: dict[str, set[str]] = defaultdict(set)
    begun_s = min(
        (f.first_time_s for f in faults if weight(f) >= OWN and explained[id(f)] is None),
        default=min(f.first_time_s for f in faults),
    )
    for finding in faults:
        by = explained[id(finding)]
        late_s = max(finding.first_time_s - begun_s, 0.0)
        value = weight(finding) * 0.5 ** (late_s / _HALVES_IN_S)
        if by is not None:
            symptoms[by.unit].add(finding.unit)
            value *= _SYMPTOM
        key = finding.kind, finding.signal
        if value > by_unit[finding.unit].get(key, (-1.0, finding))[0]:
            by_unit[finding.unit][key] = value, finding
    causes = []
    for unit, evidence in by_unit.items():
        values = sorted(evidence.values(), key=lambda each: (-each[0], each[1].first_time_s))
        score = sum(value * 0.3**rank for rank, (value, _) in enumerate(values))
        score += min(0.1 * len(symptoms[unit]), _MOST_EXPLAINED)
        strongest = values[0][1]
        why = strongest.message
        if symptoms[unit]:
            why += f"; it explains what is wrong with {', '.join(sorted(symptoms[unit]))}"
        first_s = min(f.first_time_s for value, f in values if value >= 0.5 * values[0][0])
        causes.append(Cause(unit, round(score, 4), first_s, why))
    return sorted(causes, key=lambda cause: (-cause.score, cause.first_time_s, cause.unit))
