# SPDX-License-Identifier: Apache-2.0
"""Flying a scenario, and what a run leaves: DIR/bag, DIR/summary.json, DIR/report.html."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.observers import Observer
from lupex_nodes.bus.place import EVENTS
from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.slot import Emission
from lupex_nodes.bus.stamps import SECOND, check_epoch
from lupex_nodes.recording.profiles import Profile
from lupex_nodes.recording.recorder import PLAIN, Recorder, RecorderSettings
from lupex_nodes.scenario import CheckedScenario
from lupex_nodes.version import version

COMPLETE = "complete"
INTERRUPTED = "interrupted"
PLAN_ENDS = ("executive: PLAN_COMPLETE", "executive: PLAN_FAILED")
#: Events of the rover's power after which no executive may be there to speak.
LOSSES = ("power: BATTERY_LOST", "power: ELECTRONICS_LOST")
BROWN_OUT = "power: BROWN_OUT"


@dataclass(frozen=True)
class Outcome:
    """How a run ended: ``complete``, or one word for what ended it, with the first cause."""

    name: str
    cause: str = ""


@dataclass(frozen=True)
class RunFacts:
    """What only the run itself knows; everything else is read from its bag.

    On ROS, ``lost_messages`` did not arrive though published, and ``struck_off`` members of the
    barrier went silent.
    """

    outcome: str
    cause: str
    bus: str
    mission_time_s: float
    wall_time_s: float
    real_time_factor: float
    messages: int
    messages_per_s: float
    lost_messages: int = 0
    struck_off: int = 0
    startup_s: float = 0.0


class Stopped(Exception):
    """Raised out of a bus, between two ticks, when a run is asked to end."""


class Stop:
    """An observer that ends the run at the end of a tick after it was asked to."""

    def __init__(self) -> None:
        self.reason = ""

    def ask(self, reason: str) -> None:
        """Ask for the end; safe in a signal handler."""
        self.reason = reason

    def message(self, now: int, emission: Emission) -> None:
        """Pass over the message."""

    def tick(self, now: int) -> None:
        """End the run if asked."""
        if self.reason:
            raise Stopped(self.reason)


class Pace:
    """An observer that holds mission time to ``rate`` times wall time."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._origin: tuple[int, float] | None = None

    def message(self, now: int, emission: Emission) -> None:
        """Pass over the message."""

    def tick(self, now: int) -> None:
        """Sleep until the wall clock has caught up."""
        wall = time.monotonic()
        if self._origin is None:
            self._origin = now, wall
        first, began = self._origin
        ahead_s = began + (now - first) / SECOND / self._rate - wall
        if ahead_s > 0:
            time.sleep(ahead_s)


class Statistics:
    """An observer that counts messages and learns the outcome.

    The executive names it. A vehicle that is lost afterwards, or before, is lost all the same; a
    plan during which the bus collapsed is not complete, even if the rover came back.
    """

    def __init__(self) -> None:
        self.messages = 0
        self.now = 0
        self._named: Outcome | None = None
        self._brown_out: Outcome | None = None
        self._first_ns: int | None = None
        self._began = time.monotonic()

    @property
    def outcome(self) -> Outcome | None:
        """The outcome as far as it is known."""
        if self._brown_out and (self._named is None or self._named.name == COMPLETE):
            return self._brown_out
        return self._named

    def message(self, now: int, emission: Emission) -> None:
        """Count the message; read how the plan ended."""
        self.messages += 1
        if emission.topic == EVENTS:
            for status in emission.message.status:
                self._event(now, status)

    def _event(self, now: int, status: Any) -> None:
        if status.name in PLAN_ENDS and self._named is None:
            values = values_of(status)
            if "outcome" in values:
                self._named = Outcome(values["outcome"], values.get("cause", ""))
        elif status.name == BROWN_OUT and self._brown_out is None:
            self._brown_out = Outcome("energy", self._at(now, status.message))
        elif status.name in LOSSES and (self._named is None or self._named.name == COMPLETE):
            first = f"{self._brown_out.cause} " if self._brown_out else ""
            self._named = Outcome("lost", first + self._at(now, status.message))

    def tick(self, now: int) -> None:
        """Note the time."""
        if self._first_ns is None:
            self._first_ns = now
        self.now = now

    def _at(self, now: int, sentence: str) -> str:
        hours = (now - (self._first_ns or now)) / (3600 * SECOND)
        return f"After {hours:.1f} h: {sentence}"

    def facts(self, checked: CheckedScenario, bus: str, stopped: str = "") -> RunFacts:
        """Return the facts of the run that ends now; ``stopped`` says who ended it early."""
        wall_s = time.monotonic() - self._began
        flown_s = max(0, self.now - checked.scenario.start_ns) / SECOND
        outcome = self.outcome or unfinished(checked, stopped)
        return RunFacts(
            outcome=outcome.name,
            cause=outcome.cause,
            bus=bus,
            mission_time_s=flown_s,
            wall_time_s=round(wall_s, 3),
            real_time_factor=round(flown_s / wall_s, 2),
            messages=self.messages,
            messages_per_s=round(self.messages / wall_s, 1),
        )


def unfinished(checked: CheckedScenario, stopped: str = "") -> Outcome:
    """Name the outcome of a run in which the executive said none."""
    if stopped:
        return Outcome(INTERRUPTED, stopped)
    if not checked.scenario.plan:
        return Outcome(COMPLETE)
    return Outcome("time", f"the plan was not over after {checked.scenario.duration_s:g} s")


def custom_data(checked: CheckedScenario) -> dict[str, str]:
    """Return what a bag says of itself; files by name only, so that bags do not tell paths."""
    parameters = {
        unit: {
            name: Path(value).name if name in ("plan", "terrain_geotiff") else value
            for name, value in values.items()
        }
        for unit, values in checked.parameters.items()
    }
    return {
        "scenario": checked.scenario.name,
        "scenario_yaml": checked.scenario.text(),
        "seed": str(checked.scenario.seed),
        "version": version(),
        "start_parameters": yaml.safe_dump(parameters),
    }


def fly_memory(
    checked: CheckedScenario,
    folder: Path,
    chosen: Profile,
    *,
    rate: float | None = None,
    observers: Iterable[Observer] = (),
    stop: Stop | None = None,
    settings: RecorderSettings = PLAIN,
) -> RunFacts:
    """Fly a scenario on the bus in memory and leave ``folder``/bag.

    ``rate`` is mission time per wall time, None as fast as possible. Two runs of one scenario and
    seed leave the same bytes. Raises RecordingError when the bag cannot be written.
    """
    from lupex_nodes.bus.memory import MemoryBus

    scenario = checked.scenario
    recorder = Recorder(folder, custom_data(checked), chosen, settings=settings)
    stop = stop or Stop()
    pace = [] if rate is None else [Pace(rate)]
    statistics = Statistics()
    stopped = ""
    try:
        bus = MemoryBus(
            checked.system,
            checked.parameters,
            seed=scenario.seed,
            start=scenario.start_ns,
            housekeeping_period_s=scenario.housekeeping_period_s,
            observers=[recorder, statistics, *observers, *pace, stop],
        )
        recorder.tell = lambda message: bus.publish(EVENTS, Qos.COMMAND, message, "recorder")
        bus.activate()
        bus.run(check_epoch(scenario.end_ns))
    except Stopped as reason:
        stopped = str(reason)
    finally:
        facts = statistics.facts(checked, "memory", stopped)
        recorder.close({"outcome": facts.outcome, "cause": facts.cause})
    return facts


def finish(folder: Path, facts: RunFacts) -> dict[str, Any]:
    """Analyse ``folder``/bag, write summary.json and report.html; return the summary.

    Whoever stopped a run wants it to end now: then the summary is what the run itself knows, and
    the report is left to ``lupex analyze``. So it is when the run ended before its first message.
    """
    found: dict[str, Any] = asdict(facts)
    if facts.outcome != INTERRUPTED and facts.messages:
        from lupex_nodes.analysis.report import write_report
        from lupex_nodes.analysis.summary import summary
        from lupex_nodes.analysis.tables import read_tables

        tables = read_tables(folder / "bag")
        found = summary(tables, asdict(facts))
        write_report(tables, folder / "report.html", asdict(facts))
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    (folder / "summary.json").write_text(text, encoding="utf-8")
    return found
