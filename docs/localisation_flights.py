# SPDX-License-Identifier: Apache-2.0
"""Flights by which the rover's estimate of its place is judged against the truth.

Two legs of more than 100 m on the memory bus, in light, in darkness with lamps, without cameras,
and with map fixes and ranges. The terrain is the same in all flights, so that its goals can be
reached; soil, texture of the ground, start and all errors of sensors are drawn by the seed.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import NamedTuple

from lupex_nodes.bus.memory import MemoryBus
from lupex_nodes.bus.stamps import SECOND, seconds
from lupex_nodes.system import load_system

UNITS = (
    "environment", "vehicle", "mobility", "imu", "star_tracker", "stereo_camera", "ranging",
    "localisation", "navigation",
)  # fmt: skip
#: The conditions, and which units are missing in each; without Sun only lamps light the ground.
WITHOUT = {
    "lit": ("ranging", "localisation"),
    "dark": ("environment", "ranging", "localisation"),
    "blind": ("environment", "ranging", "localisation", "stereo_camera"),
    "fixes": (),
}
#: 95th percentile of the error over a leg's length that is wanted.
MOST = {"lit": 0.02, "dark": 0.08, "blind": 0.08, "fixes": 0.08}
GOALS = ((-40.0, 90.0), (20.0, -60.0))
_START = int(datetime(2028, 10, 4, tzinfo=UTC).timestamp()) * SECOND
_GROUND = {"terrain_seed": 3, "terrain_relief_scale": 1.0}
_STANDS_ON_GROUND = {"environment", "vehicle", "stereo_camera", "ranging", "navigation"}


class Drift(NamedTuple):
    """What a flight says: error squared over its covariance at the end (2-D), and per leg the
    change of the error over the length.
    """

    square: float
    legs: tuple[float, ...]


def fly(condition: str, seed: int, goals: tuple[tuple[float, float], ...] = GOALS) -> Drift:
    """Drive to the goals; RuntimeError when one is not reached."""
    names = [name for name in UNITS if name not in WITHOUT[condition]]
    bus = MemoryBus(
        load_system().subset(names),
        {name: _GROUND for name in names if name in _STANDS_ON_GROUND},
        seed=seed,
        start=_START,
        housekeeping_period_s=60.0,
    )
    bus.activate()

    def run(duration_s: float) -> None:
        bus.run(bus.now + seconds(duration_s) - 1)

    run(1200)
    navigation, vehicle = bus.slots["navigation"].unit, bus.slots["vehicle"].unit
    e = navigation.localisation

    def error() -> tuple[float, float]:
        return e.x_m - vehicle.x_m, e.y_m - vehicle.y_m

    legs = []
    for x_m, y_m in goals:
        before, driven_m = error(), vehicle.driven_m
        bus.request("navigation", "go_to", x_m=x_m, y_m=y_m, speed_m_s=0.1, tolerance_m=2.0)
        run(60)
        while navigation.mode == "going":
            run(60)
        run(2700 if condition == "fixes" else 60)
        if math.dist((e.x_m, e.y_m), (x_m, y_m)) > 12.0:
            raise RuntimeError(f"{condition}, seed {seed}: ({x_m}, {y_m}) m was not reached")
        legs.append(math.dist(before, error()) / (vehicle.driven_m - driven_m))
    (xx, xy, _, yy, *_), (dx, dy) = e.covariance, error()
    square = (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / (xx * yy - xy * xy)
    return Drift(square, tuple(legs))
