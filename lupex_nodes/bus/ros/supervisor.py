# SPDX-License-Identifier: Apache-2.0
"""The supervisor of a flight on ROS 2: starts the processes of units, sees that they come up,
tells the clock when one dies, starts it again if wished, and leaves nothing behind.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from rclpy.clock import Clock, ClockType

from lupex_nodes.bus.observers import Observer
from lupex_nodes.bus.ros import spinning, transport
from lupex_nodes.bus.ros.clock import ClockNode
from lupex_nodes.bus.ros.forking import fork
from lupex_nodes.bus.ros.observing import PROCESS, ObserverNode, watched_topics
from lupex_nodes.bus.stamps import SECOND, check_epoch
from lupex_nodes.flight import (
    Outcome,
    RunFacts,
    Statistics,
    Stop,
    custom_data,
    unfinished,
)
from lupex_nodes.recording.profiles import Profile
from lupex_nodes.recording.recorder import (
    ODOMETRY,
    PLAIN,
    TRUTH,
    Recorder,
    RecorderSettings,
    absolute_name,
)
from lupex_nodes.scenario import CheckedScenario
from lupex_nodes.system import System

STARTUP_S = 15.0
STARTUP_TRIES = 3
RESPAWNS = 5
TERMINATE_S = 2.0


@dataclass
class Process:
    """One process of units and how often it was started."""

    name: str
    units: Sequence[str]
    child: BaseProcess
    starts: int = 1
    since: float = field(default_factory=time.monotonic)
    up: bool = False


class Supervisor:
    """The processes of units of one flight.

    ``start`` starts the process of a name with its units; ``died`` is told the name of a process
    that ended by itself.
    """

    def __init__(
        self,
        start: Callable[[str, Sequence[str]], BaseProcess],
        *,
        respawn: bool = False,
        died: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._start = start
        self._respawn = respawn
        self._died = died
        self.processes: dict[str, Process] = {}
        self.remarks: list[str] = []

    def start(self, members: dict[str, list[str]]) -> None:
        """Start every process."""
        transport.remove_half_made_ports()
        transport.remove_abandoned_ports()
        transport.remove_abandoned_segments()
        for name, units in members.items():
            self.processes[name] = Process(name, units, self._start(name, units))

    def watch(self, up: Callable[[str], bool]) -> str:
        """Look after every process; return a sentence when the flight cannot go on."""
        for process in self.processes.values():
            process.up = process.up or up(process.name)
            code = process.child.exitcode
            if code is not None:
                sentence = self._ended(process, code)
                if sentence:
                    return sentence
            elif not process.up and time.monotonic() - process.since > STARTUP_S:
                if process.starts >= STARTUP_TRIES:
                    return f"process {process.name} did not come up in {process.starts} tries"
                self.remarks.append(f"process {process.name} hung at its start; started again")
                process.child.kill()
                process.child.join()
                self._again(process)
        if not any(process.starts for process in self.processes.values()):
            return "every process of units has ended"
        return ""

    def _ended(self, process: Process, code: int) -> str:
        if not process.up and process.starts == 1:
            return f"process {process.name} ended with code {code} before it came up"
        if process.starts > 0:
            self._died(process.name)
        if self._respawn and 0 < process.starts <= RESPAWNS:
            self.remarks.append(f"process {process.name} ended with code {code}; started again")
            self._again(process)
        else:
            process.starts = 0
        return ""

    def _again(self, process: Process) -> None:
        transport.remove_half_made_ports()
        transport.remove_abandoned_segments()
        process.child = self._start(process.name, process.units)
        process.starts += 1
        process.since = time.monotonic()
        process.up = False

    def stop(self) -> None:
        """End every process: SIGTERM, and SIGKILL for whoever is still there after 2 s."""
        children = [p.child for p in self.processes.values() if p.child.exitcode is None]
        for child in children:
            child.terminate()
        deadline = time.monotonic() + TERMINATE_S
        for child in children:
            child.join(max(0.0, deadline - time.monotonic()))
            if child.exitcode is None:
                self.remarks.append(f"process {child.name} had to be killed")
                child.kill()
                child.join()
        transport.remove_abandoned_segments()


def starter(
    scenario: Path, root: str, system: System, memory: str
) -> Callable[[str, Sequence[str]], BaseProcess]:
    """Return what starts a process of units that flies the scenario in ``scenario``.

    ``memory`` is the folder of what units keep when their process dies.
    """
    flown = ",".join(entry.name for entry in system.units)
    own = ["--system", str(system.path)] if system.path else []

    def start(name: str, units: Sequence[str]) -> BaseProcess:
        return fork(name, [
            *units,
            *("--process", name, "--scenario", str(scenario), "--clock", "lockstep"),
            *("--root", root, "--units", flown, "--memory", memory, *own),
            *("--ros-args", "--log-level", "warn"),
        ])  # fmt: skip

    return start


def fly(
    checked: CheckedScenario,
    folder: Path,
    chosen: Profile,
    *,
    rate: float | None = None,
    composition: str = "all",
    root: str = "",
    respawn: bool = False,
    observers: Iterable[Observer] = (),
    stop: Stop | None = None,
    settings: RecorderSettings = PLAIN,
) -> RunFacts:
    """Fly a scenario on ROS 2 with the clock and the recorder in this process.

    ``rate`` is mission time per wall time, None as fast as possible. Leaves ``folder``/bag and
    ``folder``/scenario.yaml, which the processes of units read. Raises RecordingError when the
    bag cannot be written.
    """
    began = time.monotonic()
    lock = transport.clock_lock(root)
    os.environ.update(transport.loopback_environment())
    transport.keep_memory()
    scenario = checked.scenario
    check_epoch(scenario.end_ns)
    members = checked.system.processes(composition)
    recorder = Recorder(folder, custom_data(checked), chosen, root, settings, flush=True)
    scenario_file = folder / "scenario.yaml"
    scenario_file.write_text(checked.portable_text(), encoding="utf-8")
    stop = stop or Stop()
    statistics = Statistics()
    transport.remove_half_made_ports()
    spinning.init()
    spinner = spinning.Spinner()
    spinning.stop_on_signals(spinner)
    memory = tempfile.TemporaryDirectory(prefix="lupex_memory_")
    supervisor = Supervisor(
        starter(scenario_file, root, checked.system, memory.name),
        respawn=respawn,
        died=lambda name: clock.member_died(name),
    )
    supervisor.start(members)
    try:
        clock = ClockNode(
            root=root,
            start=scenario.start_ns,
            end=scenario.end_ns,
            rate=rate or 0.0,
            expected=[*members, PROCESS],
            startup_s=STARTUP_S * STARTUP_TRIES + 5,
            finished=spinner.stop,
        )
        wanted = (topic for each in observers for topic in getattr(each, "topics", ()))
        also = {"events", TRUTH, ODOMETRY, *wanted}
        topics = watched_topics(
            checked.system,
            lambda topic: (
                recorder.sees_everything
                or topic in also
                or chosen.selects(absolute_name(topic, root), root)
            ),
        )
        node = ObserverNode(root, topics, [recorder, statistics, *observers])
        recorder.tell = node.tell

        def watch() -> None:
            failure = supervisor.watch(clock.is_up)
            if failure or stop.reason:
                spinner.stop(f"hardware: {failure}" if failure else stop.reason)

        clock.create_timer(
            0.1, spinning.guarded(watch), clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        spinner.add([clock, node])
        spinner.run()
        node.drain()
    finally:
        supervisor.stop()
        facts = _facts(checked, clock, statistics, spinner.reason, began)
        recorder.close({"outcome": facts.outcome, "cause": facts.cause})
        spinning.shutdown()
        transport.remove_abandoned_ports()
        memory.cleanup()
        lock.close()
    return facts


def _facts(
    checked: CheckedScenario, clock: ClockNode, statistics: Statistics, reason: str, began: float
) -> RunFacts:
    """Return the facts of the run; the speed counts from the first tick to the last."""
    counted = clock.statistics
    wall_s = max(1e-9, (counted.last_wall or 0.0) - (counted.first_wall or 0.0))
    flown_s = (clock.now - checked.scenario.start_ns) / SECOND
    kind, _, cause = reason.partition(": ")
    if kind == "hardware":
        outcome = Outcome(kind, cause)
    else:
        outcome = statistics.outcome or unfinished(checked, "" if reason == "time" else reason)
    return RunFacts(
        outcome=outcome.name,
        cause=outcome.cause,
        bus="ros",
        mission_time_s=flown_s,
        wall_time_s=round(wall_s, 3),
        real_time_factor=round(flown_s / wall_s, 2),
        messages=counted.messages,
        messages_per_s=round(counted.messages / wall_s, 1),
        lost_messages=sum(counted.lost.values()),
        struck_off=len(counted.struck_off),
        startup_s=round((counted.active_wall or began) - began, 3),
    )
