# SPDX-License-Identifier: Apache-2.0
"""A site as a picture: its light on the shaded ground, permanent shadow, slopes, places to go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, LightSource, ListedColormap
from matplotlib.figure import Figure

from lupex_nodes.models.site_terrain import SiteTerrain

Waypoint = tuple[str, float, float]
Extent = tuple[float, float, float, float]

_SHADE_FROM_DEG, _SHADE_ELEVATION_DEG = 315.0, 35.0
#: the rover's limits: planned up to 15 deg, caution to 20, never above 25
_SLOPE_EDGES_DEG = [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 40.0]
_SLOPE_COLOURS = ["#f2f5f3", "#cfe3d4", "#f4dfa0", "#efae5c", "#d9603b", "#7c2233"]
_SHADOW_COLOUR = "#2f5fd0"


def draw(
    out: Path,
    title: str,
    site: SiteTerrain,
    x_m: np.ndarray,
    y_m: np.ndarray,
    lit: np.ndarray,
    shadow: np.ndarray,
    start: tuple[float, float],
    waypoints: Sequence[Waypoint],
) -> None:
    """Write a PNG with the mean lit part of the disc (rows, columns) and with the slopes."""
    cell_m = x_m[1] - x_m[0]
    half_m = 0.5 * (x_m[-1] - x_m[0] + cell_m)
    edge = (x_m[0] - 0.5 * cell_m, x_m[-1] + 0.5 * cell_m)
    extent = (*edge, y_m[0] - 0.5 * cell_m, y_m[-1] + 0.5 * cell_m)
    count = int(min(1000.0, max(200.0, 2.0 * half_m / site.levels[0].pixel_m)))
    fine_x = np.linspace(*edge, count)
    fine_y = np.linspace(extent[2], extent[3], count)
    height_m, east, north = site.surface(*np.meshgrid(fine_x, fine_y))
    slope_deg = np.degrees(np.arctan(np.hypot(east, north)))
    shade = hillshade(height_m, fine_x[1] - fine_x[0])

    with matplotlib.rc_context({"font.size": 9.0, "axes.titlesize": 10.0}):
        figure = Figure(figsize=(15.0, 6.7), dpi=120, layout="constrained")
        light, slopes = figure.subplots(1, 2)
        figure.suptitle(title, fontweight="bold")
        image = light.imshow(
            lit, extent=extent, origin="lower", cmap="inferno", vmin=0.0, vmax=1.0
        )
        _shaded(light, shade, extent, 0.45)
        if shadow.any():
            mark = np.ma.masked_where(~shadow, np.ones(shadow.shape))
            light.imshow(mark, extent=extent, origin="lower", alpha=0.85,
                         cmap=ListedColormap([_SHADOW_COLOUR]))  # fmt: skip
        light.set_title("Light at 2 m, and permanent shadow of the ground (blue)")
        figure.colorbar(image, ax=light, shrink=0.8, label="mean lit part of the Sun's disc")

        norm = BoundaryNorm(_SLOPE_EDGES_DEG, len(_SLOPE_COLOURS))
        image = slopes.imshow(
            slope_deg, extent=extent, origin="lower", cmap=ListedColormap(_SLOPE_COLOURS), norm=norm
        )
        _shaded(slopes, shade, extent, 0.35)
        lines = slopes.contour(
            fine_x, fine_y, height_m, levels=contour_levels(height_m), colors="#20242a",
            linewidths=0.4,
        )  # fmt: skip
        slopes.clabel(lines, fontsize=6.5, fmt="%g m")
        slopes.set_title("Slope and height over the origin")
        figure.colorbar(image, ax=slopes, shrink=0.8, label="slope, deg")
        for axes in (light, slopes):
            _places(axes, start, waypoints, half_m)
            _bar_and_north(axes, extent, half_m)
            axes.set(xlim=extent[:2], ylim=extent[2:], xlabel="east, m", ylabel="north, m")
        figure.savefig(out)


def _shaded(axes: Axes, shade: np.ndarray, extent: Extent, strength: float) -> None:
    """Darken and lighten what is drawn by the shaded relief."""
    layer = np.zeros((*shade.shape, 4))
    flat = np.median(shade)
    layer[..., :3] = (shade > flat)[..., None]
    layer[..., 3] = np.clip(np.abs(shade - flat) * 1.6 * strength, 0.0, strength)
    axes.imshow(layer, extent=extent, origin="lower", interpolation="bilinear")


def hillshade(height_m: np.ndarray, pixel_m: float) -> np.ndarray:
    """Return the brightness, 0 to 1, of heights whose rows run north, lit from the north-west."""
    light = LightSource(_SHADE_FROM_DEG, _SHADE_ELEVATION_DEG)
    return light.hillshade(height_m[::-1], vert_exag=2.0, dx=pixel_m, dy=pixel_m)[::-1]


def contour_levels(height_m: np.ndarray) -> np.ndarray:
    """Return round heights, about a dozen over the span of `height_m`."""
    span = float(np.ptp(height_m))
    steps = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]
    step = next((s for s in steps if span / s <= 14.0), 1000.0)
    return np.arange(np.floor(height_m.min() / step), height_m.max() / step + 1.0) * step


def _places(
    axes: Axes, start: tuple[float, float], waypoints: Sequence[Waypoint], half_m: float
) -> None:
    if waypoints:
        x = [start[0], *(w[1] for w in waypoints)]
        y = [start[1], *(w[2] for w in waypoints)]
        axes.plot(x, y, color="black", lw=2.2, alpha=0.6)
        axes.plot(x, y, color="#8ff0d0", lw=0.9)
        axes.plot(x[1:], y[1:], "o", ms=8.5, mfc="#8ff0d0", mec="black", mew=0.8)
        for number, (_, at_x, at_y) in enumerate(waypoints, 1):
            axes.annotate(str(number), (at_x, at_y), ha="center", va="center", fontsize=6.0)
    for name, marker, (at_x, at_y) in (("lander", "^", (0.0, 0.0)), ("start", "s", start)):
        axes.plot(at_x, at_y, marker, ms=8, mfc="white", mec="black", mew=1.0)
        near = name == "start" and np.hypot(at_x, at_y) < 0.08 * half_m
        axes.annotate(
            name, (at_x, at_y), (7, -11 if near else 6), textcoords="offset points", fontsize=8.5,
            color="black", bbox={"fc": "white", "ec": "none", "alpha": 0.75, "pad": 0.8},
        )  # fmt: skip


def _bar_and_north(axes: Axes, extent: Extent, half_m: float) -> None:
    length_m = next(s for s in (2000, 1000, 500, 200, 100, 50, 20, 10, 5, 2, 1) if s <= half_m / 2)
    left, low = extent[0] + 0.1 * half_m, extent[2] + 0.1 * half_m
    box = {"fc": "white", "ec": "none", "alpha": 0.75, "pad": 2.0}
    axes.plot([left, left + length_m], [low, low], color="white", lw=6, solid_capstyle="butt")
    axes.plot([left, left + length_m], [low, low], color="black", lw=3, solid_capstyle="butt")
    axes.text(left + 0.5 * length_m, low + 0.04 * half_m, f"{length_m} m", ha="center", bbox=box)
    x, y = extent[1] - 0.1 * half_m, extent[3] - 0.1 * half_m
    axes.annotate(
        "N", (x, y), (x, y - 0.2 * half_m), ha="center", va="center", fontweight="bold", bbox=box,
        arrowprops={"arrowstyle": "<-", "lw": 0.0},
    )  # fmt: skip
    axes.annotate(
        "", (x, y), (x, y - 0.17 * half_m),
        arrowprops={"arrowstyle": "-|>", "color": "black", "lw": 1.6},
    )  # fmt: skip
