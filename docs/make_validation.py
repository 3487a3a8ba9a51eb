# SPDX-License-Identifier: Apache-2.0
"""Regenerates docs/validation.md: flies the sorties in memory and judges what they found.

``.venv/bin/python docs/make_validation.py``, or ``make validation``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anchors
import leg_flights
import localisation_flights
import nights
import numpy as np
import scipy
import scores

from lupex_nodes.analysis.plots import POSSIBILITIES
from lupex_nodes.analysis.summary import DEPOSIT, summary, truth
from lupex_nodes.analysis.tables import Tables, read_tables
from lupex_nodes.campaign import campaign_tables
from lupex_nodes.flight import COMPLETE, fly_memory
from lupex_nodes.recording.profiles import profile
from lupex_nodes.scenario import load_scenario
from lupex_nodes.system import load_system

#: Seeds from here on are kept for this page: nothing is tested or tuned on them.
FIRST_SEED = 5001
#: Legs have their own: planning was tuned on some of those.
FIRST_LEG_SEED = 6001
COMMAND = "docs/make_validation.py"
#: The faults take too long for this page: `make campaign` flies them and leaves their summary here.
CAMPAIGN = Path(__file__).with_name("campaign.json")
CAMPAIGN_COMMAND = "lupex campaign config/campaigns/single_faults.yaml"
#: Half a step of the grid of possibilities: log10 of the content, and g/cm2 of cover.
GRID = np.log10(200.0) / 99.0 / 2.0, 150.0 / 100.0 / 2.0


@dataclass(frozen=True)
class Found:
    """What one flight found, beside the truth; wt% and m."""

    seed: int
    outcome: str
    wall_s: float
    real_time_factor: float
    detected: bool = False
    deviance: float = float("nan")
    estimate: float = float("nan")
    standard_error: float = float("nan")
    upper_limit: float = float("nan")
    true: float = float("nan")
    position_error_m: float | None = None
    truth_is_possible: bool | None = None

    @property
    def z(self) -> float:
        """Error of the estimate over its standard error."""
        return (self.estimate - self.true) / self.standard_error


def fly(seed: int, scenario: str) -> Found:
    """Fly a scenario in memory, as `lupex run` does, and read from its bag what it found."""
    checked = load_scenario(scenario, load_system(), overrides={"seed": seed})
    with tempfile.TemporaryDirectory() as folder:
        facts = fly_memory(checked, Path(folder), profile("science"))
        tables = read_tables(Path(folder) / "bag")
    run = Found(seed, facts.outcome, facts.wall_time_s, facts.real_time_factor)
    return judged(run, tables, summary(tables, asdict(facts))["water"])


def judged(run: Found, tables: Tables, water: dict[str, Any] | None) -> Found:
    """Return a flight with what its bag says of water; as it is when there was no product."""
    record = tables.record(DEPOSIT)
    if water is None or record is None:
        return run
    possible = tables.record(POSSIBILITIES)
    known = truth(tables)
    return Found(
        run.seed,
        run.outcome,
        run.wall_s,
        run.real_time_factor,
        detected=water["detected"],
        deviance=float(record.rows[-1]["deviance"]),
        estimate=water["estimate_wt_percent"],
        standard_error=water["standard_error"],
        upper_limit=water["upper_limit_wt_percent"],
        true=water["truth_wt_percent"],
        position_error_m=water["position_error_m"],
        truth_is_possible=None if possible is None else holds(
            possible.rows, known["content_wt_percent"], known["cover_g_cm2"]
        ),
    )  # fmt: skip


def holds(rows: np.ndarray, content_wt_percent: float, cover_g_cm2: float) -> bool:
    """Return whether the node of the grid nearest to the truth is in a set of possibilities."""
    content = np.abs(np.log10(rows["content_wt_percent"] / content_wt_percent))
    cover = np.abs(rows["cover_g_cm2"] - cover_g_cm2)
    return bool(np.any((content <= 1.0001 * GRID[0]) & (cover <= 1.0001 * GRID[1])))


# --- The page --------------------------------------------------------------------------------


def sortie_table(flights: Sequence[Found]) -> list[tuple[str, str, str, str]]:
    """Judge flights over a patch: (what, found, bound, whether it is met)."""
    number = len(flights)
    made = [each for each in flights if each.outcome == COMPLETE and np.isfinite(each.estimate)]
    seen = [each for each in made if each.position_error_m is not None]
    rows = [
        _row("flights complete", len(made), (number, number), f"of {number}"),
        _row("patch detected", sum(f.detected for f in made), (number, number), f"of {number}"),
        ("deviance, least", f"{min((f.deviance for f in made), default=np.nan):.0f}",
         "above 25 counts as detected", ""),
    ]  # fmt: skip
    if not seen:
        return rows
    place = np.array([each.position_error_m for each in seen], float)
    error = max(each.standard_error for each in seen)
    spread = scores.coverage([each.z for each in seen])
    rows += [
        _row("position error, median (m)", np.median(place), (0.0, 1.5)),
        _row("position error, 90th percentile (m)", np.quantile(place, 0.9), (0.0, 5.0)),
        ("position error, greatest (m)", f"{place.max():.2f}", "", ""),
        _row("standard error of the water, greatest (wt%)", error, (0.0, 0.15)),
    ]
    bounds = scores.sigma_bounds(spread.number)
    for k, (count, limit) in enumerate(zip(spread.within, bounds, strict=True), 1):
        what = f"estimates within {k} standard error{'s' if k > 1 else ''} of the truth"
        rows.append(_row(what, count, limit, f"of {spread.number}"))
    rows.append(_row("rms of error over standard error", spread.rms,
                     scores.rms_bounds(spread.number)))  # fmt: skip
    held = sum(bool(each.truth_is_possible) for each in seen)
    limit = scores.share_bounds(len(seen), 0.95)
    rows.append(_row("true content and cover in the 95 % set", held, limit, f"of {len(seen)}"))
    return rows


def blank_table(flights: Sequence[Found]) -> list[tuple[str, str, str, str]]:
    """Judge flights over dry ground: (what, found, bound, whether it is met)."""
    number = len(flights)
    made = [each for each in flights if each.outcome == COMPLETE and np.isfinite(each.estimate)]
    limit = max((each.upper_limit for each in made), default=np.nan)
    return [
        _row("flights complete", len(made), (number, number), f"of {number}"),
        _row("false detections", sum(f.detected for f in made), (0, 0), f"of {number}"),
        ("deviance, greatest", f"{max((f.deviance for f in made), default=np.nan):.1f}",
         "above 25 counts as detected", ""),
        _row("upper limit of the water at 95 %, greatest (wt%)", limit, (0.0, 0.2)),
    ]  # fmt: skip


def localisation_rows(
    flown: dict[str, Sequence[localisation_flights.Drift]],
) -> list[tuple[str, str, str, str]]:
    """Judge flights of each condition: (what, found, bound, whether it is met)."""
    rows = []
    for condition, drifts in flown.items():
        square = np.mean([each.square for each in drifts])
        legs = np.array([leg for each in drifts for leg in each.legs])
        honest = scores.mean_square_bounds(len(drifts), 2)
        most = 100.0 * localisation_flights.MOST[condition]
        rows += [
            _row(f"{condition}: mean normalised error squared, 2-D", square, honest),
            _row(f"{condition}: error of a leg over its length, 95th percentile (%)",
                 100.0 * np.quantile(legs, 0.95), (0.0, most)),
        ]  # fmt: skip
    return rows


def fly_to_localise(case: tuple[str, int]) -> localisation_flights.Drift:
    """Fly one condition with one seed."""
    return localisation_flights.fly(*case)


def _row(
    what: str, value: float, bounds: tuple[float, float], of: str = ""
) -> tuple[str, str, str, str]:
    low, high = bounds
    if of:
        found = f"{value} {of}"
        bound = f"{low} to {high}" if low != high else f"{low}"
    else:
        found = f"{value:.2f}"
        bound = f"{low:.2f} to {high:.2f}" if low else f"at most {high:g}"
    return what, found, bound, "yes" if scores.within(float(value), bounds) else "**no**"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def made_by(command: str, wall_s: float) -> str:
    """Say what made a table and how long that took."""
    return f"Made by `{command}` in {wall_s:.{0 if wall_s >= 10 else 1}f} s."


def flights_text(
    scenario: str, flights: Sequence[Found], wall_s: float, processes: int, judge: Callable
) -> str:
    """Write the part of one scenario."""
    seeds = f"{flights[0].seed} to {flights[-1].seed}"
    each = np.array([flight.wall_s for flight in flights])
    factor = np.median([flight.real_time_factor for flight in flights])
    bad = [f"seed {f.seed}: {f.outcome}" for f in flights if f.outcome != COMPLETE]
    parts = [
        made_by(COMMAND, wall_s)
        + f" Flown on the memory bus, seeds {seeds}, {processes} at a time; one flight took "
        f"{np.median(each):.1f} s in the median, {factor:.0f} times real time. One alone: "
        f"`lupex run {scenario} --bus memory --record science --seed {flights[0].seed}`.",
        table(("what", "found", "bound", "met"), judge(flights)),
    ]
    if bad:
        parts.append("Not complete: " + "; ".join(bad) + ".")
    return "\n\n".join(parts)


def campaign_text(path: Path = CAMPAIGN) -> str:
    """Write the part of the faults from the summary that the campaign left."""
    if not path.is_file():
        return f"Not flown yet with what flies now: `{CAMPAIGN_COMMAND}`."
    found = json.loads(path.read_text(encoding="utf-8"))
    seeds = ", ".join(map(str, found["seeds"]))
    parts = [
        f"Made by `{CAMPAIGN_COMMAND}`: {found['flights']} flights, {found['mission_days']:.0f} "
        f"mission days, seeds {seeds}, {found['wall_s_of_flights'] / 3600.0:.1f} h of wall time "
        "of all flights together.",
        table(campaign_tables.HEAD, campaign_tables.target_rows(found)),
        table(campaign_tables.FAULT_HEAD, campaign_tables.fault_rows(found)),
        table(campaign_tables.NOMINAL_HEAD, campaign_tables.nominal_rows(found)),
    ]
    wrong = [
        f"{what}: {name}"
        for what, key in (("ended otherwise", "ended_otherwise"), ("raised", "raised"))
        for name in found[key]
    ]
    return "\n\n".join([*parts, *(["; ".join(wrong) + "."] if wrong else [])])


def page(sections: dict[str, str]) -> str:
    """Write the whole page; `sections` are its tables by name."""
    text = (Path(__file__).parent / "validation.md.in").read_text(encoding="utf-8")
    for name, section in sections.items():
        text = text.replace(f"@{name}@", section)
    return text


def machine() -> str:
    """Say what the page was made on."""
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}"
    )


def main() -> None:
    """Fly, judge and write the page."""
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--seeds", type=int, default=40, help="flights of each scenario")
    parse.add_argument("--processes", type=int, default=2, help="flights at a time")
    parse.add_argument("--out", type=Path, default=Path(__file__).with_name("validation.md"))
    options = parse.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    sections = {"machine": machine(), "campaign": campaign_text()}
    # A forked child would inherit the threads of numpy's libraries half-way.
    context = multiprocessing.get_context("spawn")
    for scenario, judge in (("sortie", sortie_table), ("sortie_blank", blank_table)):
        began = time.monotonic()
        with context.Pool(options.processes) as pool:
            flights = pool.map(partial(fly, scenario=scenario), seeds, chunksize=1)
        wall_s = time.monotonic() - began
        sections[scenario] = flights_text(scenario, flights, wall_s, options.processes, judge)
    began = time.monotonic()
    few = seeds[:20]
    far = range(FIRST_LEG_SEED, FIRST_LEG_SEED + len(few))
    with context.Pool(options.processes) as pool:
        flown = {
            condition: pool.map(fly_to_localise, [(condition, seed) for seed in few], chunksize=1)
            for condition in localisation_flights.WITHOUT
        }
    sections["localisation"] = "\n\n".join([
        made_by(COMMAND, time.monotonic() - began) + f" Seeds {few[0]} to {few[-1]}.",
        table(("what", "found", "bound", "met"), localisation_rows(flown)),
    ])  # fmt: skip
    began = time.monotonic()
    with context.Pool(options.processes) as pool:
        legs = [leg for each in pool.map(leg_flights.fly, far, chunksize=1) for leg in each]
    sections["legs"] = "\n\n".join([
        made_by(COMMAND, time.monotonic() - began) + f" Seeds {far[0]} to {far[-1]}.",
        table(("what", "found", "bound", "met"),
              [_row(*row)[: None if len(few) > 2 else 3] for row in leg_flights.judged(legs)]),
        table(("legs", ""), leg_flights.counted(legs)),
    ])  # fmt: skip
    began = time.monotonic()
    with context.Pool(options.processes) as pool:
        found = pool.map(nights.fly, nights.charges(options.seeds), chunksize=1)
    sections["nights"] = "\n\n".join([
        made_by(COMMAND, time.monotonic() - began),
        table(("what", "found", "by hand", "bound", "met"), nights.judged(found, nights.DARK_H)),
        table(("start", "outcome", "least", "empty after (h)", "lost after (h)", "awake after (h)"),
              nights.swept(found)),
        table(("by hand", ""), nights.hand_rows()),
    ])  # fmt: skip
    for name, rows in (
        ("neutron", anchors.neutron_rows),
        ("slip", anchors.slip_rows),
        ("heat", anchors.heat_rows),
        ("ice", anchors.ice_rows),
        ("ephemeris", anchors.ephemeris_rows),
    ):
        began = time.monotonic()
        made = table(("what", "model", "reference", "source of the reference"), rows())
        sections[name] = made_by(COMMAND, time.monotonic() - began) + "\n\n" + made
    options.out.write_text(page(sections), encoding="utf-8")
    print(f"{options.out} written")


if __name__ == "__main__":
    main()
