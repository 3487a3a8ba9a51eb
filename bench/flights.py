# SPDX-License-Identifier: Apache-2.0
"""What a flight costs on each bus and composition, measured from outside the processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Flight:
    """One flight: its summary, and the cost of all its processes together."""

    summary: dict
    cpu_s: float
    resident_bytes: int
    units_resident_bytes: int


def fly(*arguments: str, scenario: str = "sortie", seed: int = 1) -> Flight:
    """Run `lupex run SCENARIO ARGUMENTS` and watch its processes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "lupex_nodes", "run", scenario, "--seed", str(seed)),
            *("--out", folder, *arguments),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        watch = _Watch(process.pid)
        watch.start()
        process.wait()
        watch.join()
        summary = json.loads((Path(folder) / "summary.json").read_text())
        return Flight(summary, sum(watch.cpu_s.values()), watch.peak, watch.peak_below)


def share_of_core(wall_s: float) -> tuple[float, float]:
    """Return the cores used by the sortie at rate 1, composition unit, once all are active.

    And how long it took to end after SIGTERM, s.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "lupex_nodes", "run", "sortie", "--bus", "ros"),
            *("--composition", "unit", "--rate", "1", "--out", folder),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(20.0)  # an interpreter a unit starts on two cores
        all_of_them = (process.pid, *_below(process.pid))
        first, began = sum(map(_cpu_s, all_of_them)), time.monotonic()
        time.sleep(wall_s)
        used = (sum(map(_cpu_s, all_of_them)) - first) / (time.monotonic() - began)
        told = time.monotonic()
        process.terminate()
        process.wait()
        return used, time.monotonic() - told


class _Watch(threading.Thread):
    """Looks ten times a second at what a process and those below it hold and have used."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        #: by process, also of those that ended; the fork server's children have nobody else
        self.cpu_s: dict[int, float] = {}
        self.peak = 0
        self.peak_below = 0

    def run(self) -> None:
        """Look until the process is gone."""
        while Path(f"/proc/{self._pid}").exists() and not _is_zombie(self._pid):
            others = _below(self._pid)
            for pid in (self._pid, *others):
                self.cpu_s[pid] = max(self.cpu_s.get(pid, 0.0), _cpu_s(pid))
            below = sum(_resident(pid) for pid in others)
            self.peak_below = max(self.peak_below, below)
            self.peak = max(self.peak, below + _resident(self._pid))
            time.sleep(0.1)


def _below(pid: int) -> list[int]:
    """Return the children of a process, and theirs."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(entry.name))
        if fields:
            parents[int(entry.name)] = int(fields[1])
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return []


def _is_zombie(pid: int) -> bool:
    fields = _stat(pid)
    return not fields or fields[0] == "Z"


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _cpu_s(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0
