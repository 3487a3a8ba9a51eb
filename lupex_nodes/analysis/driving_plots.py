# SPDX-License-Identifier: Apache-2.0
"""Figures of the drive: slip of the tracks against slope, planned against driven energy."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lupex_nodes.analysis.plots import BLACK, BLUE, GREY, STYLE, VERMILION, sampled, svg
from lupex_nodes.analysis.summary import ESTIMATED_ODOMETRY, LEG, MOBILITY
from lupex_nodes.analysis.tables import Tables
from lupex_nodes.models.terramechanics import Soil, Track, traverse

_MOST_POINTS = 4000
_LEAST_LEG_M = 100.0


def climb_and_slip(
    tables: Tables,
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return climb (deg, positive uphill) and slip while the rover drove, each shape (n,)."""
    state = tables.record(MOBILITY)
    parts = [
        tables.series(ESTIMATED_ODOMETRY, f"pose.pose.orientation.{axis}") for axis in "xyzw"
    ]
    if state is None or any(part is None for part in parts):
        return None
    moved = np.diff(state.rows["travel_m"], prepend=state.rows["travel_m"][:1]) > 0.01
    # a slip of exactly zero was not measured: the drive has just begun
    moved &= state.rows["slip"] != 0.0
    if not moved.any():
        return None
    at = state.time_s[moved]
    x, y, z, w = (np.interp(at, *part) for part in parts if part is not None)
    climb = -np.arcsin(np.clip(2.0 * (w * y - z * x), -1.0, 1.0))
    return np.degrees(climb), state.rows["slip"][moved].astype(float)


def slip_against_slope(tables: Tables) -> str | None:
    """Draw what the tracks slipped against the climb, beside the law for the mean soil."""
    found = climb_and_slip(tables)
    if found is None:
        return None
    climb_deg, slip = found
    chosen = sampled(len(climb_deg), _MOST_POINTS)
    reach = max(5.0, float(np.abs(climb_deg).max()) + 1.0)
    slopes = np.linspace(-reach, min(reach, 26.0), 60)
    law = [traverse(350.0, float(s), 0.0, 0.1, Soil(), Track()).slip for s in slopes]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.1, 3.2), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(climb_deg[chosen], slip[chosen], ".", ms=2.5, color=BLUE, alpha=0.35,
                  label="measured")  # fmt: skip
        axes.plot(slopes, law, color=BLACK, lw=1.2, label="soil of 27° friction")
        axes.axhline(0.0, color=GREY, lw=0.6)
        axes.set_xlabel("Climb along the heading (°)")
        axes.set_ylabel("Slip of the tracks")
        lowest, highest = float(slip.min()), float(slip.max())
        axes.set_ylim(max(-1.0, min(-0.1, lowest)), min(1.0, max(0.3, highest)) + 0.02)
        axes.legend(loc="upper left")
        return svg(figure)


def leg_energy(tables: Tables) -> str | None:
    """Draw the drive's energy of each leg of at least 100 m against what was planned."""
    legs = tables.record(LEG)
    if legs is None:
        return None
    rows = legs.rows[(legs.rows["length_m"] >= _LEAST_LEG_M) & (legs.rows["reached"] == 1)]
    if not len(rows):
        return None
    planned_wh, driven_wh = (rows[f"{name}_energy_j"] / 3600.0 for name in ("planned", "driven"))
    top = 1.1 * float(max(planned_wh.max(), driven_wh.max()))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.1, 3.6), layout="constrained")
        axes = figure.add_subplot()
        line = np.array([0.0, top])
        axes.fill_between(line, 0.7 * line, 1.3 * line, color=GREY, alpha=0.12, lw=0, label="±30 %")
        axes.fill_between(line, 0.85 * line, 1.15 * line, color=GREY, alpha=0.2, lw=0,
                          label="±15 %")  # fmt: skip
        axes.plot(line, line, color=BLACK, lw=0.8)
        axes.plot(planned_wh, driven_wh, "o", ms=5, color=VERMILION, label="leg")
        axes.set_xlabel("Planned energy of the drive (Wh)")
        axes.set_ylabel("Driven (Wh)")
        axes.set_xlim(0.0, top)
        axes.set_ylim(0.0, top)
        axes.legend(loc="upper left")
        return svg(figure)
