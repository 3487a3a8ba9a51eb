# SPDX-License-Identifier: Apache-2.0
"""Flights in processes of their own: whatever becomes of one, the campaign goes on.

A result is one file, OUT/runs/ID.json, written at once or not at all, so that a campaign that was
killed goes on with what is missing. A result of other code, catalogue or scenario is flown again.
"""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from lupex_nodes.campaign.campaign_file import Run
from lupex_nodes.campaign.flown_run import fly
from lupex_nodes.campaign.scores import missed
from lupex_nodes.system import load_system

FLOWN, DIED, HUNG = "flown", "died", "hung"
RUNS, BAGS, FLYING = "runs", "bags", "flying"
#: A worker that nobody watches any more ends itself so long after its limit.
_GRACE_S = 30.0

Result = dict[str, Any]


@dataclass(frozen=True)
class Flying:
    """A worker and its flight."""

    run: Run
    process: BaseProcess
    since: float


def kept(out: Path, run: Run, key: str) -> Result | None:
    """Return the result of a flight from an earlier campaign, None if there is none that counts."""
    try:
        result = json.loads((out / RUNS / f"{run.id}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and result.get("key") == key else None


def fly_all(
    runs: Sequence[Run],
    keys: Mapping[str, str],
    out: Path,
    *,
    processes: int,
    wall_limit_s: float,
    keep_bags: bool = False,
    work: Callable[[Run, str, Path, bool, float], None] | None = None,
) -> Generator[Result, None, None]:
    """Fly what has no result yet, so many at a time; yield each result as it comes.

    ``work`` is what a worker does, by default :func:`fly_one`. A worker that dies, or is not done
    within the limit and is killed, leaves a result that says so. When the generator is closed the
    workers end.
    """
    for name in (RUNS, FLYING):
        (out / name).mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    waiting = list(runs)[::-1]
    flying: list[Flying] = []
    try:
        while waiting or flying:
            while waiting and len(flying) < processes:
                run = waiting.pop()
                process = context.Process(
                    target=work or fly_one,
                    args=(run, keys[run.id], out, keep_bags, wall_limit_s),
                    daemon=True,
                )
                process.start()
                flying.append(Flying(run, process, time.monotonic()))
            wait([each.process.sentinel for each in flying], timeout=1.0)
            for each in list(flying):
                over = time.monotonic() - each.since > wall_limit_s
                if each.process.is_alive() and not over:
                    continue
                hung = each.process.is_alive()
                _end(each.process)
                flying.remove(each)
                yield _result(each, keys[each.run.id], out, hung)
    finally:
        for each in flying:
            _end(each.process)


def fly_one(run: Run, key: str, out: Path, keep_bag: bool, wall_limit_s: float) -> None:
    """Fly in this process, a worker's, and write the result; its bag stays if asked or needed."""
    watched(wall_limit_s)
    folder = out / FLYING / run.id
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        checked = run.load(load_system())
        found = {"ended": FLOWN, **fly(run, checked, folder)}
    except Exception:
        found = {"ended": DIED, "reason": traceback.format_exc()}
    result = {"run": asdict(run), "key": key, **found}
    bag = out / BAGS / run.id
    shutil.rmtree(bag, ignore_errors=True)
    if keep_bag or missed(result):
        bag.parent.mkdir(exist_ok=True)
        folder.rename(bag)
        result["bag"] = f"{BAGS}/{run.id}/bag"
    else:
        shutil.rmtree(folder)
    write(out, result)


def write(out: Path, result: Result) -> None:
    """Write a result at once or not at all."""
    path = out / RUNS / f"{result['run']['id']}.json"
    beside = path.with_suffix(f".{os.getpid()}.part")
    beside.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)


def watched(wall_limit_s: float) -> None:
    """Leave interrupts to the campaign, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.dump_traceback_later(wall_limit_s + _GRACE_S, exit=True)
    campaign = multiprocessing.parent_process()
    assert campaign is not None

    def follow() -> None:
        campaign.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _end(process: BaseProcess) -> None:
    if process.is_alive():
        process.kill()
    process.join()


def _result(each: Flying, key: str, out: Path, hung: bool) -> Result:
    """Return what a worker wrote; if it wrote nothing, write in its place how it ended."""
    written = kept(out, each.run, key)
    if written is not None:
        return written
    wall_s = round(time.monotonic() - each.since, 2)
    code = each.process.exitcode
    reason = f"not over after {wall_s:.0f} s of wall time" if hung else f"exit code {code}"
    result = {
        "run": asdict(each.run), "key": key, "ended": HUNG if hung else DIED, "reason": reason,
        "wall_s": wall_s,
    }  # fmt: skip
    write(out, result)
    return result
