# SPDX-License-Identifier: Apache-2.0
"""One flight of a campaign: what it was, how it ended, what was said on board and on ground.

Nothing is judged here; :mod:`lupex_nodes.campaign.scores` does that from what is returned.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import lupex_nodes
from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.place import EVENTS
from lupex_nodes.bus.slot import Emission
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.bus.unit_faults import INJECTOR
from lupex_nodes.campaign.campaign_file import Run
from lupex_nodes.flight import PLAN_ENDS, Stop, fly_memory
from lupex_nodes.recording.profiles import Profile, profile
from lupex_nodes.scenario import CheckedScenario
from lupex_nodes.share import share_folder
from lupex_nodes.world.records import VEHICLE

#: A flight is over so long after its plan, or safe mode, and all that is scored could be said.
_AFTER_S = 300.0
#: Who has not moved within this time stands; it is how often a parked vehicle is looked at.
_STANDS_S = 120.0
_MOST_FINDINGS = 100


class Witness:
    """An observer of one flight: the truth of the fault, and what the fault manager says."""

    def __init__(self, start_ns: int, run: Run, stop: Stop) -> None:
        self.injected_s: float | None = None
        self.refused = ""
        self.board: list[dict[str, Any]] = []
        self.raised: list[str] = []
        self.safe_s: float | None = None
        self.tipped = False
        self.brown_out_s: float | None = None
        self.charge: float | None = None
        self._open: dict[str, dict[str, Any]] = {}
        self._start = start_ns
        self._run = run
        self._stop = stop
        self._over_s: float | None = None
        self._ways: list[tuple[float, float]] = []

    def message(self, now: int, emission: Emission) -> None:
        """Take in a fault that was told, an event, or where the vehicle is."""
        time_s = (now - self._start) / SECOND
        if emission.topic == "faults":
            for status in emission.message.status:
                self._told(time_s, status.name, status.hardware_id, values_of(status))
        elif emission.topic == EVENTS:
            for status in emission.message.status:
                self._event(time_s, status.name, status.hardware_id, values_of(status))
        elif emission.topic == "world/vehicle/state":
            self._ways.append((time_s, VEHICLE.row(emission.message).driven_m))
            del self._ways[:-1000]
        elif emission.topic == "rover/power/battery":
            self.charge = emission.message.percentage

    def tick(self, now: int) -> None:
        """End a flight in which nothing more can be learnt."""
        if self.injected_s is None or self._over_s is None:
            return
        looked_s = self.injected_s + 2.0 * (self._run.detect_within_s or 0.0)
        if (now - self._start) / SECOND > max(looked_s, self._over_s) + _AFTER_S:
            self._stop.ask("nothing more can be learnt")

    def driven_at_end_m(self) -> float:
        """Return how far the vehicle moved in the last minutes."""
        if not self._ways:
            return 0.0
        last_s, last_m = self._ways[-1]
        before = [way for time_s, way in self._ways if time_s <= last_s - _STANDS_S]
        return last_m - (before[-1] if before else self._ways[0][1])

    def _told(self, time_s: float, name: str, unit: str, values: dict[str, str]) -> None:
        muted = values["muted_by"] != "none"
        episode = self._open.get(name)
        if values["state"] == "healed":
            if episode is not None:
                episode["healed_s"] = time_s
                del self._open[name]
        elif episode is None:
            episode = self._open[name] = {
                "time_s": time_s, "unit": unit, "id": name.partition(": ")[2],
                "severity": values["severity"], "muted_s": time_s if muted else None,
                "healed_s": None,
            }  # fmt: skip
            self.board.append(episode)
        elif muted and episode["muted_s"] is None:
            episode["muted_s"] = time_s

    def _event(self, time_s: float, name: str, unit: str, values: dict[str, str]) -> None:
        event = name.partition(": ")[2]
        if unit == INJECTOR:
            if event == "FAULT_INJECTED":
                self.injected_s = time_s
            elif event == "FAULT_REFUSED":
                self.refused = f"{values['fault']} was refused by {values['unit']}"
        elif name in PLAN_ENDS:
            self._over_s = self._over_s or time_s
        elif event == "UNIT_FAILED":
            self.raised.append(unit)
        elif event == "SAFE_MODE":
            self.safe_s = self._over_s = time_s
        elif event == "TIPPED_OVER":
            self.tipped = True
        elif event == "BROWN_OUT" and self.brown_out_s is None:
            self.brown_out_s = time_s


def recorded() -> Profile:
    """Return what is recorded: all that was on the bus but nature's own, which no detector has."""
    whole = profile("all")
    return replace(whole, name="campaign", never=(*whole.never, "world/*"))


def fly(run: Run, checked: CheckedScenario, folder: Path) -> dict[str, Any]:
    """Fly in memory, leave ``folder``/bag, analyse it, and return all that can be scored.

    Times are in s since the start of the flight.
    """
    from lupex_nodes.analysis.bag_analysis import analyze

    began_cpu, began = time.process_time(), time.monotonic()
    stop = Stop()
    witness = Witness(checked.scenario.start_ns, run, stop)
    facts = fly_memory(checked, folder, recorded(), observers=[witness], stop=stop)
    flown_cpu = time.process_time()
    analysis = analyze(folder / "bag")
    ended_early = facts.outcome == "interrupted"
    return {
        "injected_s": witness.injected_s,
        "refused": witness.refused,
        "outcome": "safe_mode" if ended_early else facts.outcome,
        "cause": facts.cause,
        "mission_time_s": facts.mission_time_s,
        "messages": facts.messages,
        "board": witness.board,
        **_ground(analysis),
        "raised": witness.raised,
        "end": {
            "safe_mode_s": witness.safe_s,
            "driven_m": round(witness.driven_at_end_m(), 3),
            "tipped": witness.tipped,
            "brown_out_s": witness.brown_out_s,
            "charge": witness.charge,
        },
        "wall_s": round(time.monotonic() - began, 2),
        "flight_cpu_s": round(flown_cpu - began_cpu, 2),
        "analysis_cpu_s": round(time.process_time() - flown_cpu, 2),
    }


def _ground(analysis: Any) -> dict[str, Any]:
    """Return what the analysis of the bag says: its faults in order, and causes by rank."""
    faults = [each for each in analysis.findings if each.is_fault]
    causes = getattr(analysis, "causes", None)
    return {
        "findings_number": len(faults),
        "findings": [
            {
                "time_s": round(each.first_time_s, 3), "unit": each.unit, "signal": each.signal,
                "kind": each.kind, "severity": each.severity, "message": each.message,
            }
            for each in faults[:_MOST_FINDINGS]
        ],
        "causes": None if causes is None else [
            {
                "time_s": round(float(each.first_time_s), 3), "unit": each.unit,
                "score": float(each.score),
            }
            for each in causes
        ],
    }  # fmt: skip


def key(run: Run, checked: CheckedScenario) -> str:
    """Return a digest of all that a flight depends on: code, catalogue, limits, scenario, seed."""
    text = f"{_code()}\n{asdict(run)}\n{checked.scenario.text()}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@cache
def _code() -> str:
    """Return a digest of the package's code and configuration."""
    package, config = Path(lupex_nodes.__file__).parent, share_folder() / "config"
    digest = hashlib.sha256()
    files = [*package.rglob("*.py"), *config.glob("*.yaml")]
    for path in sorted(files):
        digest.update(f"{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()
