# SPDX-License-Identifier: Apache-2.0
"""How well faults were found: each flight judged from its result, and all of them together.

On board is what the fault manager confirmed on `faults` and did not mute; on ground is what the
analysis of the same flight's bag found by itself: what only repeats the fault manager's own words
does not count. A fault is *detected* when something was said of it within the row's bound,
*isolated* when the unit that is blamed first within twice the bound is the right one. A flight
without faults counts what is said in it as false.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

DETECTED_SHARE = 0.95
ISOLATED_SHARE = 0.85
FALSE_PER_DAY = 0.1
DAY_S = 86400.0
#: A rover stands that moves less than this within the last minutes of its flight (m).
STANDS_M = 0.05
#: What the drives and heaters of a safe rover may not go below.
LEAST_CHARGE = 0.05
#: Analysis dates a gap from the last message before it: units that stand still speak once a minute.
EARLIER_S = 61.0

BOARD, GROUND = "board", "ground"
_FAULT_MANAGER = "fault_manager"
Result = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """How a fault was found in one flight, by one of the two; times since its injection (s)."""

    first_s: float | None = None
    detected: bool = False
    isolated: bool = False
    blamed: str = ""
    said: str = ""


def judged(result: Result, side: str) -> Verdict:
    """Judge a flight with a fault by what was said on board or on ground."""
    injected_s, bound_s = result.get("injected_s"), result["run"]["detect_within_s"]
    if injected_s is None or bound_s is None:
        return Verdict()
    said = (
        _on_board(result, injected_s, bound_s)
        if side == BOARD
        else _on_ground(result, injected_s, bound_s)
    )
    if not said.times:
        return Verdict(blamed=said.unit, said=said.text)
    first_s = max(0.0, min(said.times) - injected_s)
    return Verdict(
        first_s, first_s <= bound_s, said.unit == result["run"]["blamed"], said.unit, said.text
    )


@dataclass(frozen=True)
class _Said:
    """Times at which something was said of a fault, and the unit that is blamed first."""

    times: list[float]
    unit: str
    text: str


def _on_board(result: Result, injected_s: float, bound_s: float) -> _Said:
    def muted(each: Mapping[str, Any], by_s: float) -> bool:
        return each["muted_s"] is not None and each["muted_s"] <= by_s

    since = [each for each in result["board"] if each["time_s"] >= injected_s]
    told = [each for each in since if not muted(each, each["time_s"])]
    until_s = injected_s + 2.0 * bound_s
    ranked = [each for each in told if each["time_s"] <= until_s]
    ranked.sort(key=lambda each: (muted(each, until_s), each["time_s"]))
    return _Said(
        [each["time_s"] for each in told],
        ranked[0]["unit"] if ranked else "",
        ", ".join(each["id"] for each in (ranked or told)[:3]),
    )


def _on_ground(result: Result, injected_s: float, bound_s: float) -> _Said:
    since_s, until_s = injected_s - EARLIER_S, injected_s + 2.0 * bound_s
    found = [each for each in _own(result) if each["time_s"] >= since_s]
    causes = result["causes"]
    ranked = found if causes is None else causes
    first = ranked[0] if ranked and since_s <= ranked[0]["time_s"] <= until_s else None
    return _Said(
        [each["time_s"] for each in found],
        first["unit"] if first else "",
        "; ".join(f"{each['unit']} {each['kind']} {each['signal']}" for each in found[:3]),
    )


def _own(result: Result) -> list[Mapping[str, Any]]:
    """Return the findings of the analysis without what they repeat of the fault manager's words."""
    repeats = {_FAULT_MANAGER} - {result["run"]["unit"]}
    return [each for each in result["findings"] if each["unit"] not in repeats]


def end(result: Result) -> str:
    """Say how a flight with a fault ended: recovered, safe, or what is wrong with it.

    Recovered is who carried out the plan. Safe is who did not, but stands upright with power.
    """
    if "end" not in result:
        return result["ended"]
    if result["refused"] or result["injected_s"] is None:
        return "not injected"
    last = result["end"]
    if last["tipped"]:
        return "tipped over"
    if result["outcome"] == "lost":
        return "lost"
    if last["brown_out_s"] is not None and last["brown_out_s"] > result["injected_s"]:
        return "brown-out"
    if result["outcome"] == "complete":
        return "recovered"
    if abs(last["driven_m"]) > STANDS_M:
        return "drives on"
    if last["charge"] is not None and last["charge"] < LEAST_CHARGE:
        return "empty"
    return "safe"


def false_ones(result: Result, side: str) -> list[str]:
    """Return what was wrongly said in a flight without faults."""
    nature = result["run"]["nature"]
    if side == GROUND:
        return [
            f"{each['unit']} {each['kind']} {each['signal']}" for each in _own(result)
            if each["signal"] not in nature
        ]  # fmt: skip
    return [
        each["id"] for each in result["board"]
        if each["muted_s"] != each["time_s"] and each["id"] not in nature
    ]  # fmt: skip


def missed(result: Result) -> bool:
    """Return whether somebody will want to look at the flight's bag."""
    if result["ended"] != "flown":
        return True
    if not result["run"]["fault"]:
        return any(false_ones(result, side) for side in (BOARD, GROUND)) or bool(result["raised"])
    if end(result) not in ("recovered", "safe"):
        return True
    if result["run"]["detect_within_s"] is None:
        return False
    verdicts = [judged(result, side) for side in (BOARD, GROUND)]
    return not all(each.detected and each.isolated for each in verdicts)


@dataclass
class Side:
    """All flights, by what was said on board or on ground."""

    number: int = 0
    detected: int = 0
    isolated: int = 0
    delays_s: list[float] = field(default_factory=list)
    false_number: int = 0
    days: float = 0.0

    @property
    def false_per_day(self) -> float:
        """Return what was wrongly said in a day of mission time without faults."""
        return self.false_number / self.days if self.days else math.nan

    @property
    def delay_s(self) -> float:
        """Return the median of the times from injections to detections."""
        return median(self.delays_s) if self.delays_s else math.nan

    def share(self, count: int) -> float:
        """Return a count over the number of faults flown."""
        return count / self.number if self.number else math.nan


@dataclass
class Score:
    """What a campaign found."""

    board: Side = field(default_factory=Side)
    ground: Side = field(default_factory=Side)
    faults: int = 0
    recovered: int = 0
    safe: int = 0
    otherwise: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)

    def targets(self) -> list[tuple[str, str, str, bool | None]]:
        """Return (what, found, bound, whether it is met); None is not judged."""
        rows: list[tuple[str, str, str, bool | None]] = []
        for name, side in (("on board", self.board), ("on ground", self.ground)):
            rows += [
                _share(f"detected {name}", side.detected, side.number, DETECTED_SHARE),
                _share(f"isolated {name}", side.isolated, side.number, ISOLATED_SHARE),
                (
                    f"delay of detection {name}, median (s)",
                    f"{side.delay_s:.0f}" if side.delays_s else "none",
                    "",
                    None,
                ),
                (
                    f"false alarms {name} in a mission day without faults",
                    f"{side.false_per_day:.2f} ({side.false_number} in {side.days:.1f} days)"
                    if side.days
                    else "none flown",
                    f"at most {FALSE_PER_DAY}",
                    side.false_per_day <= FALSE_PER_DAY if side.days else None,
                ),
            ]
        rows += [
            _share("recovered or safe", self.recovered + self.safe, self.faults, 1.0),
            ("recovered", f"{self.recovered} of {self.faults}", "", None),
            ("processes that died", f"{len(self.died)}", "0", not self.died),
            ("flights that hung", f"{len(self.hung)}", "0", not self.hung),
            ("flights in which the code of another unit raised", f"{len(self.raised)}", "0",
             not self.raised),
        ]  # fmt: skip
        return rows

    @property
    def met(self) -> bool:
        """Whether no target is missed."""
        return all(met is not False for *_, met in self.targets())


def _share(what: str, count: int, number: int, least: float) -> tuple[str, str, str, bool | None]:
    share = f" ({100.0 * count / number:.1f} %)" if number else ""
    bound = f"at least {100.0 * least:g} %" if least < 1.0 else "all"
    return what, f"{count} of {number}{share}", bound, count >= least * number if number else None


def score(results: Iterable[Result]) -> Score:
    """Judge all flights together."""
    total = Score()
    for result in results:
        run = result["run"]
        if result["ended"] != "flown":
            (total.hung if result["ended"] == "hung" else total.died).append(run["id"])
        others = [unit for unit in result.get("raised", []) if unit != run["unit"]]
        if others:
            total.raised.append(f"{run['id']}: {', '.join(sorted(set(others)))}")
        (_fault if run["fault"] else _nominal)(total, result)
    return total


def _fault(total: Score, result: Result) -> None:
    total.faults += 1
    how = end(result)
    if how == "recovered":
        total.recovered += 1
    elif how == "safe":
        total.safe += 1
    else:
        total.otherwise.append(f"{result['run']['id']}: {how}")
    if result["run"]["detect_within_s"] is None:
        return
    for side, name in ((total.board, BOARD), (total.ground, GROUND)):
        verdict = judged(result, name)
        side.number += 1
        side.detected += verdict.detected
        side.isolated += verdict.isolated
        if verdict.detected and verdict.first_s is not None:
            side.delays_s.append(verdict.first_s)


def _nominal(total: Score, result: Result) -> None:
    if result["ended"] != "flown":
        return
    for side, name in ((total.board, BOARD), (total.ground, GROUND)):
        side.days += result["mission_time_s"] / DAY_S
        side.false_number += len(false_ones(result, name))


def by_fault(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the flights with a fault, by fault."""
    found: dict[str, list[Result]] = {}
    for result in results:
        if result["run"]["fault"]:
            found.setdefault(result["run"]["fault"], []).append(result)
    return found
