# SPDX-License-Identifier: Apache-2.0
"""Flights by which planned ways are judged: what a leg was expected to cost, and what it took.

Six legs of 100 to 250 m on the memory bus, over ground with craters and rocks that the uplinked
map does not show; ground, soil, rocks and all errors are drawn by the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from lupex_nodes.bus.memory import MemoryBus
from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.observers import Observer
from lupex_nodes.bus.stamps import SECOND, seconds
from lupex_nodes.rover.records import LEG
from lupex_nodes.system import load_system

UNITS = (
    "environment", "vehicle", "mobility", "imu", "star_tracker", "stereo_camera", "ranging",
    "localisation", "navigation",
)  # fmt: skip
GOALS = (
    (140.0, 40.0), (230.0, -90.0), (110.0, -230.0), (-110.0, -200.0), (-200.0, -20.0),
    (-60.0, 150.0),
)  # fmt: skip
#: Shorter ones are mostly turning and stopping.
LONG_M = 100.0
_START = int(datetime(2028, 10, 4, tzinfo=UTC).timestamp()) * SECOND
_GROUND: dict[str, Any] = {
    "terrain_size_m": 1024.0,
    "terrain_crater_density": 0.05,
    "terrain_rock_abundance": 0.003,
}
_STANDS_ON_GROUND = {"environment", "vehicle", "stereo_camera", "ranging", "navigation"}


class Leg(NamedTuple):
    """A leg that was begun: lengths in m, mobility energies in J; `reason` says why it ended."""

    seed: int
    planned_m: float
    driven_m: float
    planned_j: float
    driven_j: float
    replans: int
    reached: bool
    reason: str

    @property
    def error(self) -> float:
        """Driven over planned mobility energy, less 1."""
        return self.driven_j / self.planned_j - 1.0


def judged(legs: Sequence[Leg]) -> list[tuple[str, float, tuple[float, float]]]:
    """Return what was found of planned and driven energy, with its bounds."""
    done = [each for each in legs if each.reached and each.planned_m >= LONG_M]
    error = 100.0 * np.abs([each.error for each in done])
    bias = 100.0 * np.median([each.error for each in done])
    return [
        ("driven less planned energy over the planned, median (%)", float(bias), (-15.0, 15.0)),
        ("size of that error, median (%)", float(np.median(error)), (0.0, 15.0)),
        ("size of that error, 90th percentile (%)", float(np.quantile(error, 0.9)), (0.0, 30.0)),
    ]


def counted(legs: Sequence[Leg]) -> list[tuple[str, str]]:
    """Return how many legs ended how."""
    begun = [each for each in legs if each.planned_m > 0.0]
    reached = [each for each in begun if each.reached]
    return [
        ("legs asked for", f"{len(legs)}"),
        ("refused, as the map shows no way", f"{len(legs) - len(begun)}"),
        ("reached", f"{len(reached)}"),
        ("given up as blocked", f"{len(begun) - len(reached)}"),
        ("new paths under way, in all", f"{sum(each.replans for each in begun)}"),
    ]


class _Listener(Observer):
    """Keeps the last leg and the last end of a drive."""

    def __init__(self) -> None:
        self.leg: Any = None
        self.ended: tuple[bool, str] | None = None

    def message(self, now: int, emission: Any) -> None:
        if emission.topic == "rover/navigation/leg":
            self.leg = LEG.row(emission.message)
        elif emission.topic == "commands":
            (status,) = emission.message.status
            values = values_of(status)
            if status.name == "navigation: go_to" and (
                values["stage"] == "completion" or values["success"] != "true"
            ):
                self.ended = (values["success"] == "true", status.message)

    def tick(self, now: int) -> None:
        pass


def fly(seed: int, goals: tuple[tuple[float, float], ...] = GOALS) -> list[Leg]:
    """Drive to the goals one after another, and on to the next when one is not reached."""
    listener = _Listener()
    bus = MemoryBus(
        load_system().subset(UNITS),
        {name: _GROUND for name in UNITS if name in _STANDS_ON_GROUND},
        seed=seed,
        start=_START,
        housekeeping_period_s=60.0,
        observers=[listener],
    )
    bus.activate()
    legs = []
    bus.run(bus.now + seconds(1200))
    for x_m, y_m in goals:
        listener.leg = listener.ended = None
        bus.request("navigation", "go_to", x_m=x_m, y_m=y_m, speed_m_s=0.08, tolerance_m=15.0)
        while listener.ended is None:
            bus.run(bus.now + seconds(60))
        row, (_, reason) = listener.leg, listener.ended
        if row is None:
            legs.append(Leg(seed, 0.0, 0.0, 0.0, 0.0, 0, False, reason))
            continue
        legs.append(Leg(seed, row.length_m, row.driven_m, row.planned_energy_j,
                        row.driven_energy_j, row.replans, bool(row.reached), reason))  # fmt: skip
        bus.run(bus.now + seconds(2700))
    return legs
