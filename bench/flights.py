# SPDX-License-Identifier: Apache-2.0
"""What a sortie costs on each bus and composition, measured from outside the processes."""

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


def fly(*arguments: str, seed: int = 1) -> Flight:
    """Run `lupex run sortie ARGUMENTS` and watch its processes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "lupex_nodes", "run", "sortie", "--seed", str(seed)),
            *("--out", folder, *arguments),
        ]
        before = os.times()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        watch = _Watch(process.pid)
        watch.start()
        process.wait()
        watch.join()
        after = os.times()
        cpu_s = sum(after[2:4]) - sum(before[2:4])
        summary = json.loads((Path(folder) / "summary.json").read_text())
        return Flight(summary, cpu_s, watch.peak, watch.peak_below)


def share_of_core(wall_s: float) -> float:
    """Return the cores used by the sortie at rate 1, composition unit, once all are active."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "lupex_nodes", "run", "sortie", "--bus", "ros"),
            *("--composition", "unit", "--rate", "1", "--out", folder),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(20.0)  # an interpreter a unit starts on two cores
        first, began = _cpu_s(process.pid), time.monotonic()
        time.sleep(wall_s)
        used = (_cpu_s(process.pid) - first) / (time.monotonic() - began)
        process.terminate()
        process.wait()
        return used


class _Watch(threading.Thread):
    """Looks ten times a second how much memory a process and those below it hold."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.peak = 0
        self.peak_below = 0

    def run(self) -> None:
        """Look until the process is gone."""
        while Path(f"/proc/{self._pid}").exists() and not _is_zombie(self._pid):
            below = sum(_resident(pid) for pid in _below(self._pid))
            self.peak_below = max(self.peak_below, below)
            self.peak = max(self.peak, below + _resident(self._pid))
            time.sleep(0.1)


def _below(pid: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(entry.name))
        if fields:
            parents[int(entry.name)] = int(fields[1])
    return [child for child, parent in parents.items() if parent == pid]


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
    total = 0.0
    for each in (pid, *_below(pid)):
        fields = _stat(each)
        total += (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0
    return total
