# SPDX-License-Identifier: Apache-2.0
"""The radargram of a flight: reflection under the track, with the interfaces that were picked."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lupex_nodes.analysis.plots import SKY, STYLE, VERMILION, svg
from lupex_nodes.analysis.tables import Rows, Tables

PROFILE = "payload/gpr/profile"
PICKS = "payload/gpr/picks"

_ISOLATED = 64
_MOST_COLUMNS = 1200
_PAUSE_M = 0.5
_LEVELS_DB = -60.0, -25.0
_TICKS_NS = 2.5


def radargram(tables: Tables) -> str | None:
    """Draw depth against way along the track; where nothing was sounded the way is cut short."""
    profile, picks = tables.record(PROFILE), tables.record(PICKS)
    if profile is None:
        return None
    delay_ns = np.unique(profile.rows["two_way_time_ns"])
    if delay_ns.size < 2 or len(profile.rows) % delay_ns.size:
        return None  # not all messages have the same depths, as after other parameters
    grid = profile.rows.reshape(-1, delay_ns.size)
    depth_m = grid["depth_m"][0].astype(float)
    x_m, y_m = grid["x"][:, 0].astype(float), grid["y"][:, 0].astype(float)
    steps_m = np.minimum(np.hypot(np.diff(x_m), np.diff(y_m)), _PAUSE_M)
    way_m = np.concatenate([[0.0], np.cumsum(steps_m)])
    even_m = np.linspace(0.0, way_m[-1], min(len(way_m), _MOST_COLUMNS))
    nearest = np.searchsorted(way_m, even_m).clip(0, len(way_m) - 1)
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(7.1, 3.6), layout="constrained")
        axes = figure.add_subplot()
        image = axes.imshow(
            grid["amplitude_db"][nearest].T, cmap="Greys", aspect="auto",
            extent=(0.0, float(way_m[-1]), float(depth_m[-1]), float(depth_m[0])),
            vmin=_LEVELS_DB[0], vmax=_LEVELS_DB[1], interpolation="nearest",
        )  # fmt: skip
        bar = figure.colorbar(image, ax=axes, pad=0.02)
        bar.set_label("Reflection (dB), as of a level plane")
        bar.outline.set_visible(False)
        if picks is not None and {"x", "y"} <= set(picks.rows.dtype.names or ()):
            places = np.column_stack([x_m, y_m, _apart(profile.time_s[:: delay_ns.size])])
            _draw_picks(axes, picks, cKDTree(places), way_m)
        axes.set_xlim(0.0, float(way_m[-1]))
        axes.set_ylim(float(depth_m[-1]), 0.0)
        axes.set_xlabel("Way along the sounded track (m)")
        axes.set_ylabel("Depth (m), by assumed permittivity")
        times = axes.secondary_yaxis("right")
        ticks_ns = np.arange(_TICKS_NS, delay_ns[-1], _TICKS_NS)
        times.set_yticks(np.interp(ticks_ns, delay_ns, depth_m), [f"{t:g}" for t in ticks_ns])
        times.set_ylabel("Two-way time (ns)")
        return svg(figure)


def _apart(time_s: NDArray) -> NDArray:
    """Return times as a coordinate in which other messages are far, where the track crosses."""
    return 1e3 * np.asarray(time_s, float)


def _draw_picks(axes: Axes, picks: Rows, places: cKDTree, way_m: NDArray) -> None:
    """Draw picks with their 1 sigma at the way of the nearest trace of their message."""
    rows = picks.rows
    at = np.column_stack([rows["x"], rows["y"], _apart(picks.time_s)])
    pick_way_m = way_m[places.query(at)[1]]
    alone = (rows["quality"] & _ISOLATED) != 0
    for chosen, colour, name in (
        (~alone, VERMILION, "interface, 1 sigma"), (alone, SKY, "alone: a rock or no layer"),
    ):  # fmt: skip
        if chosen.any():
            axes.errorbar(
                pick_way_m[chosen], rows["depth_m"][chosen], rows["depth_sigma_m"][chosen],
                fmt="o", ms=2.2, lw=0.8, color=colour, label=name,
            )  # fmt: skip
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
