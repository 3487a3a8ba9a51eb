# SPDX-License-Identifier: Apache-2.0
"""What becomes of a flight on ROS 2 whose unit processes are killed, one after the other.

``python -m bench.killed_processes FOLDER`` flies at rate 1 with a process a unit until the plan is
complete, in about ten minutes, leaves the results of `lupex run` in FOLDER/out, and prints one line
of JSON a process, then one of the flight. All is seen from outside: by a node that listens, and in
`ps`, as an engineer would.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions

from lupex_nodes.bus.messages import OK, values_of
from lupex_nodes.bus.ros.transport import SHARED_MEMORY, loopback_environment
from lupex_nodes.system import load_system

GOAL_M = (32.0, -5.0)
#: Tracks run on for 3 s by what they were told before the kill.
COASTS_S = 4.0
SCENARIO = f"""
extends: sortie
parameters: {{power: {{channels_off: []}}}}
name: killed
description: A drive of 18 m
duration_s: 1800
plan:
  - activity: drive
    command: navigation/go_to
    arguments: {{x_m: {GOAL_M[0]}, y_m: {GOAL_M[1]}, speed_m_s: 0.05, tolerance_m: 1.0}}
    timeout_s: 1800
    retries: 3
  - activity: park
    command: navigation/hold
    timeout_s: 60
    retries: 2
"""


@dataclass
class Killed:
    """What became of a process: wall seconds after its kill, None for never.

    ``known_s`` to the event MEMBER_LOST, ``back_s`` to the unit's next heartbeat, ``drives_s``
    until the rover truly drives ``COASTS_S`` after that or later. ``told`` are the warnings and
    errors in between.
    """

    process: str
    known_s: float | None = None
    back_s: float | None = None
    drives_s: float | None = None
    told: tuple[str, ...] = ()
    shared_memory_files: int = 0


@dataclass
class Ended:
    """How the flight ended; files in shared memory are those that its processes had open."""

    exit_code: int
    summary: dict[str, Any]
    errors: str
    from_goal_m: float
    shared_memory_files: int


class Listener:
    """A node that notes when it hears what; it is no member of the barrier."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node("engineer", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.events: list[tuple[float, Any]] = []
        self.heartbeats: dict[str, float] = {}
        self.drove_at = 0.0
        self.place_m = (math.nan, math.nan)
        many = QoSProfile(depth=1000)
        hear = self.node.create_subscription
        hear(DiagnosticArray, "/events", self._on_event, many)
        hear(DiagnosticArray, "/diagnostics", self._on_heartbeat, many)
        hear(Odometry, "/world/vehicle/odometry", self._on_odometry, many)

    def _on_event(self, message: DiagnosticArray) -> None:
        self.events.append((time.monotonic(), message.status[0]))

    def _on_heartbeat(self, message: DiagnosticArray) -> None:
        self.heartbeats[message.status[0].hardware_id] = time.monotonic()

    def _on_odometry(self, message: Odometry) -> None:
        place = message.pose.pose.position
        self.place_m = (place.x, place.y)
        if abs(message.twist.twist.linear.x) > 0.01:
            self.drove_at = time.monotonic()

    def until(self, condition: Callable[[], Any], timeout_s: float) -> Any:
        """Listen until a condition gives something true; return that, or None."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if found := condition():
                return found
            self.executor.spin_once(timeout_sec=0.02)
        return None

    def lost(self, process: str, since: float) -> float | None:
        """Return when it was told, after ``since``, that the process was struck off."""
        for at, status in self.events:
            if at >= since and status.name == "clock: MEMBER_LOST":
                if values_of(status)["process"] == process:
                    return at
        return None

    def plan_is_complete(self) -> bool:
        """Return whether the executive has said so."""
        return any(status.name == "executive: PLAN_COMPLETE" for _, status in self.events)

    def close(self) -> None:
        """Leave the bus."""
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


def fly(folder: Path, said: Callable[[Killed], None] = lambda _: None) -> tuple[
    list[Killed], Ended
]:
    """Fly, kill each process while the rover drives, and wait for the end of the flight."""
    scenario, out = folder / "killed.yaml", folder / "out"
    scenario.write_text(SCENARIO)
    units = [entry.name for entry in load_system().units]
    listener = Listener()
    flight = subprocess.Popen(
        [
            *(sys.executable, "-m", "lupex_nodes", "run", str(scenario), "--bus", "ros"),
            *("--composition", "unit", "--rate", "1", "--out", str(out)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if not listener.until(lambda: listener.drove_at, 180.0):
            raise RuntimeError("the rover does not drive after three minutes")
        opened: set[str] = set()
        killed = []
        for unit in units:
            pids = processes_below(flight.pid)
            opened |= shared_memory_of([flight.pid, *pids.values()])
            there = sum((SHARED_MEMORY / name).exists() for name in opened)
            killed.append(kill(listener, unit, pids[unit[:15]]))
            killed[-1].shared_memory_files = there
            said(killed[-1])
        opened |= shared_memory_of([flight.pid, *processes_below(flight.pid).values()])
        listener.until(
            lambda: flight.poll() is not None or listener.plan_is_complete(), 2000.0
        )
        # the recorder is told of it a tick later
        listener.until(lambda: flight.poll() is not None, 3.0)
        flight.terminate()
        _, errors = flight.communicate(timeout=60.0)
        opened -= shared_memory_of([os.getpid()])  # the listener's
    finally:
        flight.kill()
        listener.close()
    return killed, Ended(
        flight.returncode,
        json.loads((out / "summary.json").read_text()),
        errors,
        round(math.dist(listener.place_m, GOAL_M), 2),
        sum((SHARED_MEMORY / name).exists() for name in opened),
    )


def kill(listener: Listener, unit: str, pid: int) -> Killed:
    """Kill a process and listen until its unit is back and the rover drives."""
    found = Killed(unit)
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)

    def after(at: float | None) -> float | None:
        return None if at is None else round(at - began, 2)

    known = listener.until(lambda: listener.lost(unit, began), 20.0)
    found.known_s = after(known)
    if known is not None:
        back = listener.until(lambda: _later(listener.heartbeats.get(unit), known), 60.0)
        found.back_s = after(back)
        if back is not None:
            drove = listener.until(lambda: _later(listener.drove_at, back + COASTS_S), 240.0)
            found.drives_s = after(drove)
    found.told = tuple(sorted({
        status.name for at, status in listener.events
        if at >= began and status.level != OK and not status.name.startswith("clock: ")
    }))  # fmt: skip
    return found


def _later(at: float | None, than: float) -> float | None:
    return at if at is not None and at > than else None


def processes_below(flight: int) -> dict[str, int]:
    """Return the pids of the unit processes of a flight by name, as `ps` shows it: 15 letters."""
    parents, names = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            head, _, tail = (entry / "stat").read_text().rpartition(")")
        except OSError:
            continue
        state, parent = tail.split()[:2]
        if state != "Z":
            parents[int(entry.name)] = int(parent)
            names[int(entry.name)] = head.partition("(")[2]
    return {
        names[child]: child
        for child, server in parents.items()
        if parents.get(server) == flight and names[child] != names[server]
    }


def shared_memory_of(pids: list[int]) -> set[str]:
    """Return the names of Fast DDS's shared memory that processes have open.

    Ports from 7000 on are left out: they belong to the machine, and whatever process starts next,
    in whatever domain, takes those of the dead.
    """
    found = set()
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        except OSError:
            continue
        # the last word is the path, or "(deleted)"
        paths = {Path(line.rsplit(maxsplit=1)[-1]) for line in lines}
        found |= {path.name for path in paths if path.parent == SHARED_MEMORY}
    return {
        name
        for name in found
        if "fastrtps" in name and not re.search(r"port7[0-3]\d\d(_|$)", name)
    }


def main() -> None:
    """Fly and print."""
    os.environ.update(loopback_environment())
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    _, ended = fly(folder, lambda each: print(json.dumps(asdict(each)), flush=True))
    print(json.dumps(asdict(ended)))


if __name__ == "__main__":
    main()
