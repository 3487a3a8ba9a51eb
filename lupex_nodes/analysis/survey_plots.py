# SPDX-License-Identifier: Apache-2.0
"""What the survey of a line found: the map of water with places to drill, and the gases."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lupex_nodes.analysis.plots import GREY, SKY, STYLE, VERMILION, fit_height, svg
from lupex_nodes.analysis.tables import Rows, Tables
from lupex_nodes.models.exosphere import SPECIES

CELLS = "rover/prospecting_map/cells"
SITES = "rover/prospecting_map/sites"
PRESSURES = "payload/ems_l/pressures"

_MOST_SHOWN_WT_PERCENT = 3.0
_NOBLE = ("he", "ne", "ar")
_FLAG_OURS, _FLAG_GROUP = 2, 4


def prospecting_map(tables: Tables) -> str | None:
    """Draw the last map of apparent water, with the drill sites by rank."""
    rows = _last(tables.record(CELLS))
    if rows is None or rows.size < 2:
        return None
    x_m, y_m = rows["x_m"].astype(float), rows["y_m"].astype(float)
    sides = np.diff(np.unique(x_m))
    cell_m = float(sides.min()) if sides.size else 1.0
    column = np.round((x_m - x_m.min()) / cell_m).astype(int)
    line = np.round((y_m - y_m.min()) / cell_m).astype(int)
    water = np.full((line.max() + 1, column.max() + 1), np.nan)
    water[line, column] = rows["water_wt_percent"]
    half = 0.5 * cell_m
    extent = (x_m.min() - half, x_m.max() + half, y_m.min() - half, y_m.max() + half)
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(7.1, 3.6), layout="constrained")
        axes = figure.add_subplot()
        image = axes.imshow(
            water, origin="lower", extent=extent, cmap="cividis", vmin=0.0,
            vmax=min(_MOST_SHOWN_WT_PERCENT, max(0.5, float(np.nanmax(water)))),
            interpolation="nearest",
        )  # fmt: skip
        bar = figure.colorbar(image, ax=axes, pad=0.02, extend="max")
        bar.set_label("Apparent water (wt%)")
        bar.outline.set_visible(False)
        sites = _last(tables.record(SITES))
        if sites is not None:
            _draw_sites(axes, sites)
        axes.set_aspect("equal", adjustable="datalim")
        fit_height(figure, axes, 3.6)
        axes.set_xlabel("East of the landing site (m)")
        axes.set_ylabel("North of the landing site (m)")
        return svg(figure)


def _draw_sites(axes: Axes, sites: NDArray[np.void]) -> None:
    axes.plot(sites["x_m"], sites["y_m"], "o", ms=9, mfc="white", mec=VERMILION)
    for rank, site in enumerate(sites, 1):
        axes.annotate(
            str(rank), (site["x_m"], site["y_m"]), ha="center", va="center", fontsize=7,
            color="black",
        )  # fmt: skip


def gas_pressures(tables: Tables) -> str | None:
    """Draw the last partial pressures: 95 % sets, arrows for what has an upper limit alone."""
    rows = _last(tables.record(PRESSURES))
    if rows is None or not rows.size:
        return None
    shown = rows[rows["group_pressure_pa"] > 0.0]
    if not shown.size:
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.1, 0.24 * shown.size + 1.0), layout="constrained")
        axes = figure.add_subplot()
        place = np.arange(shown.size)[::-1]
        floor = 0.3 * float(shown["upper_pa"][shown["upper_pa"] > 0.0].min())
        for y, row in zip(place, shown, strict=True):
            low, high = max(float(row["lower_pa"]), floor), float(row["upper_pa"])
            ours = int(row["flags"]) & _FLAG_OURS
            colour = GREY if ours else SKY
            axes.plot([low, high], [y, y], color=colour, lw=3, solid_capstyle="butt")
            if row["lower_pa"] > 0.0:
                axes.plot(float(row["pressure_pa"]), y, "o", ms=4, color=VERMILION)
            else:
                axes.plot(floor, y, "<", ms=4, color=colour)
        axes.set_xscale("log")
        axes.set_yticks(place, [_name(row) for row in shown])
        axes.set_ylim(-0.7, shown.size - 0.3)
        axes.set_xlabel("Partial pressure (Pa)")
        return svg(figure)


def _name(row: np.void) -> str:
    name = SPECIES[int(row["species"])]
    name = name.capitalize() if name in _NOBLE else name.upper()
    group = f" (group {row['group']})" if int(row["flags"]) & _FLAG_GROUP else ""
    return f"{name}{group}"


def _last(rows: Rows | None) -> NDArray[np.void] | None:
    """Return the rows of the last message."""
    if rows is None or not len(rows.rows):
        return None
    return rows.rows[rows.time_s == rows.time_s[-1]]
