# SPDX-License-Identifier: Apache-2.0
"""What a campaign found as plain data, campaign.json, and as rows of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from lupex_nodes.campaign.campaign_file import Campaign
from lupex_nodes.campaign.scores import (
    BOARD,
    DAY_S,
    GROUND,
    Result,
    by_fault,
    end,
    false_ones,
    judged,
    score,
)
from lupex_nodes.fault_catalogue import catalogue
from lupex_nodes.version import version

Row = tuple[str, ...]
HEAD = ("what", "found", "bound", "met")
FAULT_HEAD = (
    "fault", "unit", "flown in", "bound (s)", "on board: found", "right unit", "after (s)",
    "on ground: found", "right unit", "after (s)", "ended",
)  # fmt: skip
NOMINAL_HEAD = ("scenario", "days", "false on board", "false on ground")


def as_dict(campaign: Campaign, results: Sequence[Result]) -> dict[str, Any]:
    """Return the object of campaign.json."""
    total = score(results)
    return {
        "campaign": campaign.name,
        "version": version(),
        "seeds": campaign.seeds,
        "flights": len(results),
        "mission_days": round(sum(each.get("mission_time_s", 0.0) for each in results) / DAY_S, 2),
        "wall_s_of_flights": round(sum(each.get("wall_s", 0.0) for each in results), 1),
        "met": total.met,
        "targets": [
            {"what": what, "found": found, "bound": bound, "met": met}
            for what, found, bound, met in total.targets()
        ],
        "faults": [_fault(name, flights) for name, flights in by_fault(results).items()],
        "nominal": list(_nominal(results)),
        "ended_otherwise": total.otherwise,
        "died": total.died,
        "hung": total.hung,
        "raised": total.raised,
    }


def _fault(name: str, flights: Sequence[Result]) -> dict[str, Any]:
    run = flights[0]["run"]
    known = catalogue().get(name)
    row: dict[str, Any] = {
        "fault": name,
        "unit": run["unit"],
        "isolates_to": run["blamed"],
        "scenario": run["scenario"],
        "detect_within_s": run["detect_within_s"],
        "not_observable": known.not_observable if known else "",
        "flights": len(flights),
    }
    for side in (BOARD, GROUND):
        verdicts = [judged(each, side) for each in flights]
        delays = [v.first_s for v in verdicts if v.detected and v.first_s is not None]
        row[side] = {
            "detected": sum(v.detected for v in verdicts),
            "isolated": sum(v.isolated for v in verdicts),
            "delay_s": round(median(delays), 1) if delays else None,
            "missed": [
                {
                    "seed": flight["run"]["seed"],
                    "after_s": None if v.first_s is None else round(v.first_s, 1),
                    "blamed": v.blamed,
                    "said": v.said,
                }
                for flight, v in zip(flights, verdicts, strict=True)
                if run["detect_within_s"] is not None and not (v.detected and v.isolated)
            ],
        }
    row["ended"] = _counted([end(each) for each in flights])
    return row


def _nominal(results: Sequence[Result]) -> Iterator[dict[str, Any]]:
    flights: dict[str, list[Result]] = {}
    for each in results:
        if not each["run"]["fault"] and each["ended"] == "flown":
            flights.setdefault(each["run"]["scenario"], []).append(each)
    for scenario, found in flights.items():
        yield {
            "scenario": scenario,
            "days": round(sum(each["mission_time_s"] for each in found) / DAY_S, 2),
            "outcomes": _counted([each["outcome"] for each in found]),
            BOARD: _counted([name for each in found for name in false_ones(each, BOARD)]),
            GROUND: _counted([name for each in found for name in false_ones(each, GROUND)]),
        }


def _counted(names: Sequence[str]) -> dict[str, int]:
    return {name: names.count(name) for name in sorted(set(names))}


# --- rows ------------------------------------------------------------------------------------


def target_rows(found: Mapping[str, Any]) -> list[Row]:
    """Write the targets of campaign.json."""
    met = {True: "yes", False: "**no**", None: ""}
    return [(row["what"], row["found"], row["bound"], met[row["met"]]) for row in found["targets"]]


def fault_rows(found: Mapping[str, Any]) -> list[Row]:
    """Write the faults of campaign.json."""
    rows = []
    for row in found["faults"]:
        number, bound = row["flights"], row["detect_within_s"]
        cells = [row["fault"], row["isolates_to"], row["scenario"]]
        if bound is None:
            cells += [f"not observable: {row['not_observable']}"] + 6 * [""]
        else:
            cells.append(f"{bound:g}")
            for side in (row[BOARD], row[GROUND]):
                delay = "" if side["delay_s"] is None else f"{side['delay_s']:.0f}"
                cells += [f"{side['detected']}/{number}", f"{side['isolated']}/{number}", delay]
        cells.append(_listed(row["ended"]))
        rows.append(tuple(cells))
    return rows


def nominal_rows(found: Mapping[str, Any]) -> list[Row]:
    """Write what was flown without faults of campaign.json."""
    return [
        (row["scenario"], f"{row['days']:.1f}", _listed(row[BOARD]) or "none",
         _listed(row[GROUND]) or "none")
        for row in found["nominal"]
    ]  # fmt: skip


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(name if n == 1 else f"{n} x {name}" for name, n in counts.items())
