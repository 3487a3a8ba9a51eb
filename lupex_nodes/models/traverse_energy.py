# SPDX-License-Identifier: Apache-2.0
"""Electric energy that driving costs, by slope: what a planner believes before it has driven.

Force and slip are those of steady motion on soil (`terramechanics`), power that of the motors
(`drive_train`), which take nothing back downhill. Slopes up to 25 deg; beyond, the value there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d, map_coordinates

from lupex_nodes.models.drive_train import DriveTrain
from lupex_nodes.models.terramechanics import Soil, Track, traverse

STEEPEST_DEG = 25.0
_STEP_DEG = 1.0
_SLIP_MAX = 0.9  # where the tracks find no hold, so that numbers stay finite


@dataclass(frozen=True)
class TraverseEnergy:
    """Energy and time per metre over ground, at a wanted speed over ground.

    `roughness_deg` is the root mean square of slopes that the map smooths away: the rover climbs
    and descends them all the same, and what it costs uphill is not given back downhill. Tracks run
    faster than the ground passes, by the slip, up to `track_speed_max_m_s`. Turns on the spot take
    `turning_w` at `turn_rate_rad_s`, and `settling_s` before and after; these are assumed.
    """

    speed_m_s: float
    mass_kg: float = 350.0
    roughness_deg: float = 0.0
    track_speed_max_m_s: float = 0.14
    train: DriveTrain = DriveTrain()
    soil: Soil = Soil()
    track: Track = Track()
    turn_rate_rad_s: float = math.radians(2.5)
    turning_w: float = 75.0
    settling_s: float = 12.0
    _joule_per_m: np.ndarray = field(init=False, repr=False)
    _seconds_per_m: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.speed_m_s <= self.track_speed_max_m_s:
            raise ValueError(
                f"speed over ground is {self.speed_m_s} m/s: give more than 0 and at most"
                f" {self.track_speed_max_m_s} m/s"
            )
        force_n, slip = _hold(self.mass_kg, self.soil, self.track)
        kept = 1.0 - np.minimum(slip, _SLIP_MAX)
        track_speed = np.minimum(self.speed_m_s / kept, self.track_speed_max_m_s)
        seconds_per_m = 1.0 / (track_speed * kept)
        watts = self.train.driving_w + 4.0 * self.train.motor_w(force_n, track_speed)
        joule_per_m = watts * seconds_per_m
        if self.roughness_deg > 0.0:
            joule_per_m = gaussian_filter1d(
                joule_per_m, self.roughness_deg / _STEP_DEG, axis=0, mode="nearest"
            )
        object.__setattr__(self, "_joule_per_m", joule_per_m)
        object.__setattr__(self, "_seconds_per_m", seconds_per_m)

    def joule_per_m(self, climb_deg: Any, cross_deg: Any) -> Any:
        """Return J per metre of way on slopes along (positive uphill) and across the way."""
        return _read(self._joule_per_m, climb_deg, cross_deg)

    def seconds_per_m(self, climb_deg: Any, cross_deg: Any) -> Any:
        """Return s per metre of way."""
        return _read(self._seconds_per_m, climb_deg, cross_deg)

    def turn_s(self, angle_rad: float) -> float:
        """Return how long a turn on the spot takes."""
        return abs(angle_rad) / self.turn_rate_rad_s + self.settling_s


@lru_cache(maxsize=8)
def _hold(mass_kg: float, soil: Soil, track: Track) -> tuple[np.ndarray, np.ndarray]:
    """Force at one sprocket (N) and slip, shape (climbs, cross slopes), steep places included."""
    climbs = np.arange(-STEEPEST_DEG, STEEPEST_DEG + 0.5 * _STEP_DEG, _STEP_DEG)
    crosses = np.arange(0.0, STEEPEST_DEG + 0.5 * _STEP_DEG, _STEP_DEG)
    force_n, slip = np.empty((2, climbs.size, crosses.size))
    for i, climb in enumerate(climbs.tolist()):
        for j, cross in enumerate(crosses.tolist()):
            footing = traverse(mass_kg, climb, cross, 0.1, soil, track)
            # mechanical power into the tracks over their speed
            force_n[i, j] = footing.power_w / 0.1 / 4.0
            slip[i, j] = footing.slip if not footing.stalled else math.copysign(1.0, climb)
    return force_n, np.clip(slip, -0.5, _SLIP_MAX)


def _read(table: np.ndarray, climb_deg: Any, cross_deg: Any) -> Any:
    climb, cross = np.broadcast_arrays(np.atleast_1d(climb_deg), cross_deg)
    place = [(climb + STEEPEST_DEG) / _STEP_DEG, np.abs(cross) / _STEP_DEG]
    found = map_coordinates(table, place, order=1, mode="nearest")
    return found if np.ndim(climb_deg) or np.ndim(cross_deg) else found[0]
