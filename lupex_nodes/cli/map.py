# SPDX-License-Identifier: Apache-2.0
"""``lupex map``: the light over a scenario's ground, as a picture and in figures."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from lupex_nodes.cli import COMPLETE, BadInput, inputs
from lupex_nodes.models import ephemeris
from lupex_nodes.models.illumination import dark_spells, horizon, lit_fractions
from lupex_nodes.models.illumination_map import horizon_map
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.scenario import CheckedScenario

LUNAR_DAY_DAYS = 29.53
ARRAY_HEIGHT_M = 2.0
_CELLS, _AZIMUTHS, _GROWTH = 170, 72, 0.04  # a side; a map of 2 km takes about 15 s
_STEP_S = 7200.0
_LONG_DARK_S = 6 * 3600.0


def map(options: argparse.Namespace) -> int:
    """Draw the map and print what the light does at the origin and at the start."""
    checked = inputs.scenario(options.scenario, inputs.system())
    site, start = ground(checked)
    begin = _moment(options.date) if options.date else checked.scenario.start
    days = options.days or LUNAR_DAY_DAYS
    name = checked.scenario.name
    print(f"{name}: terrain of seed {_seed(checked)}" if not checked.geotiff
          else f"{name}: terrain of {checked.geotiff}")  # fmt: skip
    for line in _figures(checked, site, start, begin):
        print(line)
    half_m = half_size(site)
    horizons = horizon_map(
        site, (0.0, 0.0), half_m, 2.0 * half_m / _CELLS, (ARRAY_HEIGHT_M, 0.0), _AZIMUTHS, _GROWTH,
        _progress,
    )  # fmt: skip
    year = _sun(checked, datetime(begin.year, 1, 1, tzinfo=UTC), 366.0)
    shadow = horizons.never_lit(year.azimuth_deg, year.elevation_deg, eye=1)
    print(f"permanent shadow: {100.0 * shadow.mean():.1f} % of the map, by the Sun of {begin.year}")
    sun = _sun(checked, begin, days)
    lit = horizons.mean_lit(sun.azimuth_deg, sun.elevation_deg)
    out = Path(options.out or f"{name}-map.png")
    title = f"{name}: {begin:%Y-%m-%d %H:%M} UTC and {days:g} days after"
    # matplotlib only when there is something to draw
    from lupex_nodes.analysis.site_map import draw

    try:
        draw(out, title, site, horizons.x_m, horizons.y_m, lit, shadow, start, waypoints(checked))
    except OSError as error:
        raise BadInput(f"the map can't be written: {error}; give another --out") from None
    print(out)
    return COMPLETE


def ground(checked: CheckedScenario) -> tuple[SiteTerrain, tuple[float, float]]:
    """Return the terrain under the vehicle, and where the vehicle starts."""
    from lupex_nodes.bus.parameters import build
    from lupex_nodes.world import ground as grounds

    given = checked.parameters["vehicle"]
    parameters: Any = build(checked.system.entry("vehicle").load().Parameters, given)
    try:
        site = grounds.ground(parameters, checked.scenario.seed)
    except ValueError as error:
        raise BadInput(str(error)) from None
    return site, (parameters.start_x_m, parameters.start_y_m)


def _seed(checked: CheckedScenario) -> int:
    seed = checked.parameters["vehicle"].get("terrain_seed", -1)
    return checked.scenario.seed if seed < 0 else seed


def _moment(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        raise BadInput(f"--date {text} is no date: write it as 2028-10-02") from None


def _sun(checked: CheckedScenario, begin: datetime, days: float) -> ephemeris.Direction[np.ndarray]:
    first_ns = int(begin.timestamp()) * 10**9
    times_ns = first_ns + (np.arange(0.0, days * 86400.0, _STEP_S) * 1e9).astype(np.int64)
    try:
        return ephemeris.sun(times_ns, checked.site.latitude_deg, checked.site.longitude_deg)
    except ValueError as error:
        raise BadInput(str(error)) from None


def half_size(site: SiteTerrain) -> float:
    """Return half the side of the widest square about the origin inside the finest grid."""
    near = site.levels[0]
    rows, columns = near.heights_m.shape
    column, row = near.grid_coordinates(0.0, 0.0)
    across = min(column, columns - 1 - column, row, rows - 1 - row) * near.pixel_m
    turn = np.radians(near.rotation_deg)
    return float(across / (abs(np.cos(turn)) + abs(np.sin(turn)))) * 0.999


def _figures(
    checked: CheckedScenario, site: SiteTerrain, start: tuple[float, float], begin: datetime
) -> list[str]:
    """What is printed: light of year and scenario, dark spells, slopes."""
    lines = []
    january = datetime(begin.year, 1, 1, tzinfo=UTC)
    year = _sun(checked, january, 366.0)
    run_days = checked.scenario.duration_s / 86400.0
    run = _sun(checked, checked.scenario.start, max(run_days, 2.0 * _STEP_S / 86400.0))
    for name, (x_m, y_m) in {"origin": (0.0, 0.0), "start": start}.items():
        around = horizon(site, x_m, y_m, ARRAY_HEIGHT_M)
        lit = lit_fractions(year.elevation_deg, around.at_many(year.azimuth_deg))
        spells = dark_spells(lit, _STEP_S * np.arange(lit.size))
        longest_s = max((b - a for a, b in spells), default=0.0)
        here = lit_fractions(run.elevation_deg, around.at_many(run.azimuth_deg))
        lines.append(
            f"{name} ({x_m:g}, {y_m:g}) m at {ARRAY_HEIGHT_M:g} m: {begin.year} lit "
            f"{100.0 * lit.mean():.1f} % (mean part of the disc), longest darkness "
            f"{longest_s / 86400.0:.1f} days (under half the disc); scenario lit "
            f"{100.0 * here.mean():.1f} %"
        )
    spells = dark_spells(here, _STEP_S * np.arange(here.size))
    for a, b in spells:
        if b - a >= _LONG_DARK_S:
            at = [checked.scenario.start + timedelta(seconds=t) for t in (a, b)]
            lines.append(
                f"dark at the start: {at[0]:%m-%d %H:%M} to {at[1]:%m-%d %H:%M}, "
                f"{(b - a) / 3600.0:.0f} h"
            )
    half_m = half_size(site)
    at_m = np.arange(-half_m, half_m, max(1.0, half_m / 250.0))
    slopes = np.percentile(site.slope_deg(*np.meshgrid(at_m, at_m)), [50, 95, 99])
    lines.append(
        f"slopes over {2 * half_m:.0f} m: median {slopes[0]:.1f}, 95 % below {slopes[1]:.1f}, "
        f"99 % below {slopes[2]:.1f} deg; {len(site.rocks.rows)} rocks"
    )
    return lines


def waypoints(checked: CheckedScenario) -> list[tuple[str, float, float]]:
    """Return the goals of the plan's drives, with the names of their activities."""
    return [
        (item.activity, float(item.arguments["x_m"]), float(item.arguments["y_m"]))
        for item in checked.scenario.plan
        if item.command in ("navigation/go_to", "go_to")
        and {"x_m", "y_m"} <= set(item.arguments)
    ]


def _progress(part: float) -> None:
    """A line that fills on a terminal, one at each quarter elsewhere."""
    percent = round(100.0 * part)
    if sys.stderr.isatty():
        print(f"\rhorizons {percent:3d} %", end="\n" if part >= 1.0 else "", file=sys.stderr)
    elif round(part * _AZIMUTHS) % (_AZIMUTHS // 4) == 0:
        print(f"horizons {percent} %", file=sys.stderr)
