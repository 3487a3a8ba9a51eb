# SPDX-License-Identifier: Apache-2.0
"""Regenerates docs/validation.md: flies the sorties in memory and judges what they found.

``.venv/bin/python docs/make_validation.py``, or ``make validation``; one section alone with
``--only SECTION``, the others then stay as they are.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import anchors
import fused_sets
import gas_spectra
import infrared_looks
import leg_flights
import localisation_flights
import neutron_surveys
import nights
import numpy as np
import radar_surveys
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
#: Grounds for all instruments, of which the first thousands were looked at for one of them.
FIRST_FUSED_SEED = 7001
#: Of what takes long.
FEW = 20
PAGE = Path(__file__).resolve().with_name("validation.md")
TEMPLATE = PAGE.with_name("validation.md.in")
COMMAND = "docs/make_validation.py"
MSL_COMMAND = "MSL_TELEMETRY=FOLDER docs/make_validation.py --only msl"
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
         "above 19.4 counts as detected", ""),
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
         "above 19.4 counts as detected", ""),
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
        f"of all flights together. {found.get('remark', '')}".rstrip(),
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
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, section in sections.items():
        text = text.replace(f"@{name}@", section)
    return text


def machine() -> str:
    """Say what the page was made on."""
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}"
    )


def kept(name: str, path: Path = PAGE) -> str:
    """Return a section as it stands in the page; SystemExit, one sentence, if it has none.

    It stands between the line of the template before it and the one after it.
    """
    before, _, after = TEMPLATE.read_text(encoding="utf-8").partition(f"@{name}@")
    line_before = re.search(r"[^\n]*\n*\Z", before)
    line_after = re.match(r"\n*[^\n]*\n?", after)
    assert line_before is not None and line_after is not None
    end = re.escape(line_after[0]) if line_after[0].strip() else r"\s*\Z"
    page = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = re.search(f"{re.escape(line_before[0])}(.*?){end}", page, re.DOTALL)
    if found is None:
        raise SystemExit(
            f"{path} has no section {name} to keep: make the whole page, without --only"
        )
    return found[1]


def flights_section(options: argparse.Namespace, pool: Pool, scenario: str, judge: Callable) -> str:
    """Fly a scenario with all seeds."""
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    began = time.monotonic()
    flights = pool.map(partial(fly, scenario=scenario), seeds, chunksize=1)
    wall_s = time.monotonic() - began
    return flights_text(scenario, flights, wall_s, options.processes, judge)


def localisation_section(options: argparse.Namespace, pool: Pool) -> str:
    """Fly each condition with some of the seeds."""
    seeds = range(FIRST_SEED, FIRST_SEED + min(options.seeds, FEW))
    began = time.monotonic()
    flown = {
        condition: pool.map(fly_to_localise, [(condition, seed) for seed in seeds], chunksize=1)
        for condition in localisation_flights.WITHOUT
    }
    return "\n\n".join([
        made_by(COMMAND, time.monotonic() - began) + f" Seeds {seeds[0]} to {seeds[-1]}.",
        table(("what", "found", "bound", "met"), localisation_rows(flown)),
    ])  # fmt: skip


def legs_section(options: argparse.Namespace, pool: Pool) -> str:
    """Fly legs with some seeds of their own."""
    seeds = range(FIRST_LEG_SEED, FIRST_LEG_SEED + min(options.seeds, FEW))
    began = time.monotonic()
    legs = [leg for each in pool.map(leg_flights.fly, seeds, chunksize=1) for leg in each]
    return "\n\n".join([
        made_by(COMMAND, time.monotonic() - began) + f" Seeds {seeds[0]} to {seeds[-1]}.",
        table(("what", "found", "bound", "met"),
              [_row(*row)[: None if len(seeds) > 2 else 3] for row in leg_flights.judged(legs)]),
        table(("legs", ""), leg_flights.counted(legs)),
    ])  # fmt: skip


def nights_section(options: argparse.Namespace, pool: Pool) -> str:
    """Fly nights from several charges."""
    began = time.monotonic()
    found = pool.map(nights.fly, nights.charges(options.seeds), chunksize=1)
    return "\n\n".join([
        made_by(COMMAND, time.monotonic() - began),
        table(("what", "found", "by hand", "bound", "met"), nights.judged(found, nights.DARK_H)),
        table(("start", "outcome", "least", "empty after (h)", "lost after (h)", "awake after (h)"),
              nights.swept(found)),
        table(("by hand", ""), nights.hand_rows()),
    ])  # fmt: skip


def killed_section(options: argparse.Namespace, pool: Pool) -> str:
    """Fly once on ROS 2 and kill every process of units."""
    began = time.monotonic()
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [sys.executable, "-m", "bench.killed_processes", folder],
            capture_output=True, cwd=root, text=True,
        )  # fmt: skip
    if ran.returncode:
        raise SystemExit(ran.stderr.strip())
    wall_s = time.monotonic() - began
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    return made_by(COMMAND, wall_s) + "\n\n" + killed_text(lines)


def killed_text(lines: Sequence[dict[str, Any]]) -> str:
    """Write what bench/killed_processes.py prints as a table and a sentence."""
    *killed, ended = lines
    summary = ended["summary"]

    def s(value: float | None) -> str:
        return "never" if value is None else f"{value:.1f}"

    def others(each: dict[str, Any]) -> str:
        own = f"{each['process']}: PROCESS_RESTARTED"
        return ", ".join(name for name in each["told"] if name != own) or "nothing"

    rows = [
        (each["process"], s(each["known_s"]), s(each["back_s"]), s(each["drives_s"]), others(each))
        for each in killed
    ]
    files = [each["shared_memory_files"] for each in killed]
    return "\n\n".join([
        table(("process", "known (s)", "back (s)", "drives (s)", "warned of besides"), rows),
        f"The flight ended as `{summary['outcome']}` with exit code {ended['exit_code']}, "
        f"{ended['from_goal_m']:.1f} m from its goal, {summary['struck_off']} members struck off "
        f"and {summary['lost_messages']} messages lost. In shared memory its processes had "
        f"{min(files)} to {max(files)} files, and left {ended['shared_memory_files']}.",
    ])  # fmt: skip


def msl_section(options: argparse.Namespace, pool: Pool) -> str:
    """Score the detector on labelled telemetry, which is not ours to bring along."""
    if options.msl is None:
        print("no labelled telemetry was given, by --msl or MSL_TELEMETRY: its section is kept")
        return kept("msl")
    script = Path(__file__).resolve().parent.parent / "bench/real_telemetry.py"
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, script, options.msl, "--table"], capture_output=True, text=True
    )
    if ran.returncode:
        raise SystemExit(ran.stderr.strip())
    wall_s = time.monotonic() - began
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    return made_by(MSL_COMMAND, wall_s) + "\n\n" + msl_text(lines)


def msl_text(lines: Sequence[dict[str, Any]]) -> str:
    """Write what bench/real_telemetry.py prints with --table as a table and a sentence."""

    def row(what: str, line: dict[str, Any]) -> tuple[str, ...]:
        found, missed = line["true_positive"], line["false_negative"]
        return what, str(found + missed), str(found), str(line["false_positive"]), str(missed)

    *more, whole = lines
    chance = next(line for line in more if "chance_f1" in line)
    halves = next(line for line in more if "f1_on_the_others" in line)
    rows = [row(line["channel"], line) for line in more if "channel" in line]
    sums = [
        row(f"{line['channels']}, F1 {line['f1']:.2f}", line) for line in more if "channels" in line
    ]
    return "\n\n".join([
        table(("channel", "anomalies", "found", "false", "missed"),
              [*rows, *sums, row(f"all, F1 {whole['f1']:.2f}", whole)]),
        f"The same detections turned round in time at random score {chance['chance_f1']:.2f}. "
        "Windows and margin chosen anew on random halves of the channels score "
        f"{halves['f1_on_the_others']:.2f} on the others.",
    ])  # fmt: skip


def anchors_section(options: argparse.Namespace, pool: Pool, rows: Callable) -> str:
    """Compare a model with its references."""
    began = time.monotonic()
    made = table(("what", "model", "reference", "source of the reference"), rows())
    return made_by(COMMAND, time.monotonic() - began) + "\n\n" + made


def judged_section(options: argparse.Namespace, pool: Pool, rows: Callable) -> str:
    """Judge an instrument's products of fifty made-up measurements; they are no flights."""
    began = time.monotonic()
    made = table(("what", "found", "bound", "met"), rows())
    return made_by(COMMAND, time.monotonic() - began) + "\n\n" + made


def held_back(judged: Callable, first: int = FIRST_SEED) -> list[tuple[str, str, str, str]]:
    """Judge seeds that were first looked at after the last change of what they judge."""
    return [_row(*row) for row in judged(range(first, first + 50))]


def fused_section(options: argparse.Namespace, pool: Pool) -> str:
    """Judge what all instruments leave possible of fifty made-up grounds."""
    seeds = range(FIRST_FUSED_SEED, FIRST_FUSED_SEED + 50)
    began = time.monotonic()
    ambiguities, prior = fused_sets.rows(seeds), fused_sets.judged(seeds)
    return "\n\n".join([
        made_by(COMMAND, time.monotonic() - began) + f" Seeds {seeds[0]} to {seeds[-1]}.",
        table(fused_sets.HEAD, ambiguities),
        table(("soils of the whole prior", "found", "bound", "met"),
              [_row(*row) for row in prior]),
    ])  # fmt: skip


#: What makes each section, in the order of the page.
SECTIONS: dict[str, Callable[[argparse.Namespace, Pool], str]] = {
    "machine": lambda options, pool: machine(),
    "sortie": partial(flights_section, scenario="sortie", judge=sortie_table),
    "sortie_blank": partial(flights_section, scenario="sortie_blank", judge=blank_table),
    "localisation": localisation_section,
    "legs": legs_section,
    "nights": nights_section,
    "campaign": lambda options, pool: campaign_text(),
    "killed": killed_section,
    "msl": msl_section,
    "neutron": partial(anchors_section, rows=anchors.neutron_rows),
    "line": partial(judged_section, rows=neutron_surveys.rows),
    "radar": partial(judged_section, rows=partial(held_back, radar_surveys.judged, 6001)),
    "radar_anchors": partial(anchors_section, rows=radar_surveys.anchor_rows),
    "infrared": partial(judged_section, rows=partial(held_back, infrared_looks.judged, 8001)),
    "infrared_anchors": partial(anchors_section, rows=infrared_looks.anchor_rows),
    "gas": partial(judged_section, rows=partial(held_back, gas_spectra.judged)),
    "gas_anchors": partial(anchors_section, rows=gas_spectra.anchor_rows),
    "fused": fused_section,
    "slip": partial(anchors_section, rows=anchors.slip_rows),
    "heat": partial(anchors_section, rows=anchors.heat_rows),
    "ice": partial(anchors_section, rows=anchors.ice_rows),
    "ephemeris": partial(anchors_section, rows=anchors.ephemeris_rows),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Fly, judge and write the page."""
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--seeds", type=int, default=40, help="flights of each scenario")
    parse.add_argument("--processes", type=int, default=2, help="flights at a time")
    parse.add_argument("--out", type=Path, default=PAGE)
    parse.add_argument(
        "--only",
        action="append",
        choices=SECTIONS,
        metavar="SECTION",
        help="make this section and keep the others: " + ", ".join(SECTIONS),
    )
    parse.add_argument(
        "--msl",
        type=Path,
        default=os.environ.get("MSL_TELEMETRY") or None,
        metavar="FOLDER",
        help="labelled telemetry, as bench/real_telemetry.py "
        "takes it (default: MSL_TELEMETRY; without, its section is kept)",
    )
    options = parse.parse_args(arguments)
    # A forked child would inherit the threads of numpy's libraries half-way.
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        sections = {
            name: kept(name) if options.only and name not in options.only else make(options, pool)
            for name, make in SECTIONS.items()
        }
    options.out.write_text(page(sections), encoding="utf-8")
    print(f"{options.out} written")


if __name__ == "__main__":
    main()
