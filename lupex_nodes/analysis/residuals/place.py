# SPDX-License-Identifier: Apache-2.0
"""Ranges, map fixes and the place believed against each other."""

from __future__ import annotations

import numpy as np

from lupex_nodes.analysis.operating_modes import held, of_message, stamps_s
from lupex_nodes.analysis.tables import Series, Tables

RANGE, FIX, ODOMETRY = "rover/ranging/range", "ground/map_fix", "rover/odometry"
_POSITION = tuple(f"pose.pose.position.{axis}" for axis in "xyz")
# Fastest way of the rover, and errors of a map and of a fix on it.
_SPEED_M_S, _MAP_M, _FIX_M = 0.15, 3.0, 3.0


def range_misfit_sigma(tables: Tables) -> Series | None:
    """Return range to the lander less the distance believed, over what both may err.

    The lander is the origin of the map.
    """
    found = of_message(tables, RANGE, "range", "variance")
    place = of_message(tables, ODOMETRY, *_POSITION)
    if found is None or place is None:
        return None
    time_s, range_m, variance = found
    believed = Series(place[0], np.sqrt(sum(each * each for each in place[1:])))
    sigma_m = _sigma_m(tables, time_s)
    off_m = np.abs(range_m - held(believed, time_s))
    misfit = off_m / np.sqrt(np.abs(variance) + sigma_m**2 + _MAP_M**2)
    return Series(time_s, np.where(np.isfinite(range_m), misfit, np.nan))


def fix_misfit_sigma(tables: Tables) -> Series | None:
    """Return map fixes less the place believed where they were made, over what both may err."""
    found = of_message(tables, FIX, *_POSITION[:2])
    place = of_message(tables, ODOMETRY, *_POSITION[:2])
    made_s = stamps_s(tables, FIX)
    if found is None or place is None or made_s is None:
        return None
    time_s, x_m, y_m = found
    there = [held(Series(place[0], each), made_s) for each in place[1:]]
    sigma_m = _sigma_m(tables, made_s)
    off_m = np.hypot(x_m - there[0], y_m - there[1])
    return Series(time_s, off_m / np.sqrt(sigma_m**2 + _FIX_M**2 + 1.0))


def pose_jump_sigma(tables: Tables) -> Series | None:
    """Return the step of the believed position beyond any way, over its believed error."""
    place = of_message(tables, ODOMETRY, *_POSITION[:2])
    if place is None:
        return None
    time_s, x_m, y_m = place
    step_m = np.hypot(np.diff(x_m), np.diff(y_m)) - _SPEED_M_S * np.diff(time_s)
    sigma_m = _sigma_m(tables, time_s)
    largest_m = np.maximum(sigma_m[1:], sigma_m[:-1])
    return Series(time_s[1:], np.maximum(step_m, 0.0) / (largest_m + 1.0))


def position_sigma_m(tables: Tables) -> Series | None:
    """Return the believed error of the position, m."""
    return tables.housekeeping.get("navigation", {}).get("position_sigma_m")


def _sigma_m(tables: Tables, time_s: np.ndarray) -> np.ndarray:
    sigma = position_sigma_m(tables)
    if sigma is None or not len(sigma.values):
        return np.full(len(time_s), 10.0)
    # A fix makes it small from one message to the next: the larger of before and after counts.
    after = np.minimum(np.searchsorted(sigma.time_s, time_s), len(sigma.values) - 1)
    before = held(sigma, time_s)
    return np.fmax(np.nan_to_num(before), sigma.values[after])
