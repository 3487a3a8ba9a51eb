# SPDX-License-Identifier: Apache-2.0
"""Starting our programs as a user's shell would, and looking at what they leave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.killed_processes import processes_below as children

__all__ = ["children"]

TEST = Path(__file__).parents[1]
TOY_SYSTEM = TEST / "bus/toy_system.yaml"


def environment() -> dict[str, str]:
    paths = [str(TEST.parent), str(TEST / "bus"), str(TEST / "ros")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def start(*arguments: str, **options: object) -> subprocess.Popen[str]:
    """Start `python ARGUMENTS` with the toy units on its path."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )


def node(*arguments: str) -> subprocess.Popen[str]:
    """Start `lupex_node` with the toy system."""
    module = "lupex_nodes.bus.ros.process"
    return start("-m", module, "--system", str(TOY_SYSTEM), *arguments)


def fly(out: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a flight of the toy system."""
    return start(str(TEST / "ros/fly_toy.py"), str(out), *arguments)


def finish(process: subprocess.Popen[str], timeout_s: float = 60.0) -> tuple[int, str, str]:
    """Wait for a process; kill it and fail when it does not end."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"still running after {timeout_s} s:\n{out}\n{err}") from None
    return process.returncode, out, err


def wait_for(condition: Callable[[], object], timeout_s: float = 30.0) -> object:
    """Wait until a condition gives something true, and return that."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"did not happen within {timeout_s} s")
