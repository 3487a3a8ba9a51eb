# SPDX-License-Identifier: Apache-2.0
"""``lupex campaign``: fly faults and nominal days in parallel, and score how faults were found."""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from collections.abc import Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lupex_nodes.campaign import campaign_tables
from lupex_nodes.campaign.campaign_file import Campaign, Run, read_campaign
from lupex_nodes.campaign.flown_run import key
from lupex_nodes.campaign.scores import BOARD, GROUND, Verdict, end, false_ones, judged
from lupex_nodes.campaign.workers import FLOWN, Result, fly_all, kept
from lupex_nodes.cli import COMPLETE, ENDED_OTHERWISE, BadInput, inputs
from lupex_nodes.cli.table import table
from lupex_nodes.located_yaml import BadFile

SUMMARY = "campaign.json"


def campaign(options: argparse.Namespace) -> int:
    """Fly what is missing, print the score, leave OUT/campaign.json."""
    try:
        chosen, runs = read_campaign(Path(options.file), options.seeds)
        runs = [run for run in runs if fnmatchcase(run.id, options.only)]
        if not runs:
            raise BadInput(f"no flight is called {options.only}: flights are FAULT-SEED")
        keys = _keys(runs)
    except BadFile as error:
        raise BadInput(str(error)) from None
    out = Path(options.out or Path("runs", chosen.name))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"{out} cannot be written ({error.strerror}): name another folder with --out"
        ) from None
    results = _fly(options, chosen, runs, keys, out)
    found = campaign_tables.as_dict(chosen, [results[run.id] for run in runs])
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    (out / SUMMARY).write_text(text, encoding="utf-8")
    print("\n".join(_told(found)))
    print(f"results  {out / SUMMARY}, {out / 'runs'}")
    return COMPLETE if found["met"] else ENDED_OTHERWISE


def _keys(runs: Sequence[Run]) -> dict[str, str]:
    system = inputs.system()
    return {run.id: key(run, run.load(system)) for run in runs}


def _fly(
    options: argparse.Namespace,
    chosen: Campaign,
    runs: Sequence[Run],
    keys: dict[str, str],
    out: Path,
) -> dict[str, Result]:
    """Return the result of each flight, those of an earlier campaign included."""
    found = {run.id: kept(out, run, keys[run.id]) for run in runs}
    results = {name: result for name, result in found.items() if result is not None}
    missing = [run for run in runs if run.id not in results]
    processes = options.processes or os.cpu_count() or 1
    print(
        f"{chosen.name}: {len(runs)} flights, {len(results)} of them flown already, "
        f"{processes} at a time", flush=True,
    )  # fmt: skip
    began = time.monotonic()
    flights = fly_all(
        *(missing, keys, out),
        processes=processes,
        wall_limit_s=chosen.wall_limit_s,
        keep_bags=options.keep_bags,
    )
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with closing(flights):
            for number, result in enumerate(flights, 1):
                results[result["run"]["id"]] = result
                left_s = (time.monotonic() - began) / number * (len(missing) - number)
                print(
                    f"{len(results):4d}/{len(runs)}  {result['run']['id']:34s} {_line(result)}; "
                    f"{_minutes(left_s)} left", flush=True,
                )  # fmt: skip
    except KeyboardInterrupt:
        print(f"{len(results)} of {len(runs)} flights have results: the same command goes on there")
        raise
    except OSError as error:
        raise BadInput(
            f"results cannot be written to {out} ({error.strerror}): free space or name another "
            f"folder with --out; {len(results)} of {len(runs)} flights have results"
        ) from None
    finally:
        signal.signal(signal.SIGTERM, before)
    return results


def _line(result: Result) -> str:
    """Say in a line how a flight went."""
    if result["ended"] != FLOWN:
        return f"{result['ended']}: {result['reason'].strip().splitlines()[-1]}"
    if not result["run"]["fault"]:
        false = ", ".join(
            f"{len(names)} on {side}" if (names := false_ones(result, side)) else f"none on {side}"
            for side in (BOARD, GROUND)
        )
        return f"{result['outcome']}, false alarms: {false}; {result['wall_s']:.0f} s"
    said = ", ".join(f"{side} {_found(judged(result, side))}" for side in (BOARD, GROUND))
    return f"{said}; {end(result)}; {result['wall_s']:.0f} s"


def _found(verdict: Verdict) -> str:
    if verdict.first_s is None:
        return "missed"
    blamed = "" if verdict.isolated else f" blames {verdict.blamed or 'nobody'}"
    return f"{verdict.first_s:.0f} s{'' if verdict.detected else ' late'}{blamed}"


def _minutes(duration_s: float) -> str:
    return f"{duration_s / 60.0:.0f} min" if duration_s >= 60.0 else f"{duration_s:.0f} s"


def _told(found: dict[str, Any]) -> list[str]:
    lines = [""]
    faults = campaign_tables.fault_rows(found)
    if faults:
        lines += [*table(faults, campaign_tables.FAULT_HEAD), ""]
    nominal = campaign_tables.nominal_rows(found)
    if nominal:
        lines += [*table(nominal, campaign_tables.NOMINAL_HEAD), ""]
    plain = [(*row[:3], row[3].strip("*")) for row in campaign_tables.target_rows(found)]
    lines += [*table(plain, campaign_tables.HEAD), ""]
    for what, names in (("ended otherwise", found["ended_otherwise"]), ("raised", found["raised"])):
        lines += [f"{what}: {name}" for name in names]
    return lines
