# SPDX-License-Identifier: Apache-2.0
"""The map of a long flight: light over the ground that the rover drove on, and its track.

The ground is made again from what the bag says of its scenario; a bag without that has no map.
"""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lupex_nodes.analysis.plots import BLACK, STYLE, VERMILION, sampled, svg
from lupex_nodes.analysis.summary import ESTIMATED_ODOMETRY, LEG
from lupex_nodes.analysis.tables import Tables
from lupex_nodes.models import ephemeris
from lupex_nodes.models.illumination_map import horizon_map
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.world.ground import GroundParameters, ground

_SHORTEST_S = 6 * 3600.0
_CELLS = 110
_SUNS = 200
_MARGIN_M = 60.0
_ARRAY_HEIGHT_M = 2.0


def site_map(tables: Tables) -> str | None:
    """Draw the mean light at the array's height over the flight, heights, track and leg ends."""
    x = tables.series(ESTIMATED_ODOMETRY, "pose.pose.position.x")
    y = tables.series(ESTIMATED_ODOMETRY, "pose.pose.position.y")
    place = _place(tables)
    if x is None or y is None or place is None or tables.duration_s < _SHORTEST_S:
        return None
    site, latitude_deg, longitude_deg = place
    middle = 0.5 * (x.values.min() + x.values.max()), 0.5 * (y.values.min() + y.values.max())
    half_m = 0.5 * max(np.ptp(x.values), np.ptp(y.values)) + _MARGIN_M
    try:
        horizons = horizon_map(site, middle, half_m, 2.0 * half_m / _CELLS, (_ARRAY_HEIGHT_M,))
    except ValueError:
        # the rover drove off the ground that is known
        return None
    utc_ns = tables.start_ns + np.linspace(0.0, tables.duration_s * 1e9, _SUNS).astype(np.int64)
    sun = ephemeris.sun(utc_ns, latitude_deg, longitude_deg)
    lit = 100.0 * horizons.mean_lit(sun.azimuth_deg, sun.elevation_deg)
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(7.1, 6.2), layout="constrained")
        axes = figure.add_subplot()
        half_cell_m = half_m / _CELLS
        extent = (
            horizons.x_m[0] - half_cell_m, horizons.x_m[-1] + half_cell_m,
            horizons.y_m[0] - half_cell_m, horizons.y_m[-1] + half_cell_m,
        )  # fmt: skip
        image = axes.imshow(
            lit, extent=extent, origin="lower", cmap="cividis", vmin=0.0, vmax=100.0
        )
        bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02)
        bar.set_label("Mean lit part of the Sun's disc over the flight (%), 2 m above ground")
        bar.outline.set_visible(False)
        _heights(axes, site, horizons.x_m, horizons.y_m)
        chosen = sampled(len(x.values), 4000)
        axes.plot(x.values[chosen], y.values[chosen], color="white", lw=2.6, alpha=0.8)
        axes.plot(x.values[chosen], y.values[chosen], color=VERMILION, lw=1.3, label="track")
        _leg_ends(axes, tables)
        if abs(middle[0]) < half_m and abs(middle[1]) < half_m:
            axes.plot([0], [0], "^", ms=8, color=BLACK, mec="white", label="lander")
        axes.set_xlim(*extent[:2])
        axes.set_ylim(*extent[2:])
        axes.set_aspect("equal")
        axes.set_xlabel("East of the landing site (m)")
        axes.set_ylabel("North of the landing site (m)")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=4)
        return svg(figure)


def _place(tables: Tables) -> tuple[SiteTerrain, float, float] | None:
    """Return the ground of the flight and its latitude and longitude (deg)."""
    try:
        parameters = yaml.safe_load(tables.custom_data["start_parameters"])
        seed = int(tables.custom_data["seed"])
        known: dict[str, Any] = parameters["vehicle"]
        sky = parameters["environment"]
        chosen = {k: v for k, v in known.items() if k in GroundParameters.model_fields}
        if chosen.get("terrain_geotiff"):
            return None  # a bag names the file, but doesn't hold it
        site = ground(GroundParameters(**chosen), seed)
        return site, float(sky["latitude_deg"]), float(sky["longitude_deg"])
    except (KeyError, TypeError, ValueError, yaml.YAMLError):
        return None


def _heights(axes: Axes, site: SiteTerrain, x_m: np.ndarray, y_m: np.ndarray) -> None:
    """Draw contours of height."""
    heights_m = site.height(*np.meshgrid(x_m, y_m))
    lines = axes.contour(x_m, y_m, heights_m, levels=9, colors="white", linewidths=0.5, alpha=0.6)
    axes.clabel(lines, fontsize=7, fmt="%g m")


def _leg_ends(axes: Axes, tables: Tables) -> None:
    """Number the places where a leg ended at its goal, in turn."""
    legs = tables.record(LEG)
    if legs is None:
        return
    x = tables.series(ESTIMATED_ODOMETRY, "pose.pose.position.x")
    y = tables.series(ESTIMATED_ODOMETRY, "pose.pose.position.y")
    assert x is not None and y is not None
    times = legs.time_s[legs.rows["reached"] == 1]
    ends = np.interp(times, *x), np.interp(times, *y)
    axes.plot(*ends, "o", ms=11, color="white", mec=BLACK, mew=0.8, label="end of a leg")
    for number, (east, north) in enumerate(zip(*ends, strict=True), 1):
        axes.annotate(str(number), (east, north), ha="center", va="center", fontsize=7)
