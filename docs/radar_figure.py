# SPDX-License-Identifier: Apache-2.0
"""Draw radar.png: depths against the truth, what is seen of weak layers, and what looks the same.

``python docs/radar_figure.py``; surveys of docs/radar_surveys.py, which see for what is drawn.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import radar_surveys
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lupex_nodes.models.radar_causes import reflection_of
from lupex_nodes.models.radar_processing import product

SEEDS = range(5001, 5051)
LEVELS_DB = np.arange(-54.0, -33.0, 2.0)
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#8a929c"


def draw_depths(axes: Axes) -> None:
    """Draw the error of depth over depth, with the sigma that was told."""
    for seed in SEEDS:
        ground = radar_surveys.drawn_ground(seed)
        traces, samples, _ = radar_surveys.survey(seed, ground)
        found = radar_surveys.strongest(product(traces, samples))
        if found is not None:
            error_cm = 100.0 * (found.depth_m - ground.boundary_m)
            axes.errorbar(ground.boundary_m, error_cm, 100.0 * found.depth_sigma_m, fmt="o",
                          ms=3, lw=0.8, color=BLUE)  # fmt: skip
    axes.axhline(0.0, color=GREY, lw=0.8)
    axes.set_xlabel("True depth (m)")
    axes.set_ylabel("Depth told less true depth (cm), 1 sigma")
    axes.set_title("One boundary, fifty grounds")


def draw_detection(axes: Axes) -> None:
    """Draw in what share of sections a boundary is picked, by its reflection."""
    shares = [radar_surveys.detected_share(SEEDS, level) for level in LEVELS_DB]
    axes.plot(LEVELS_DB, shares, "o-", ms=3, color=BLUE)
    for content in (1.0, 2.0, 5.0):
        level = 20.0 * np.log10(-float(reflection_of(1700.0, 0.0, content)))
        axes.axvline(level, color=GREY, lw=0.8)
        axes.text(level, 1.03, f"{content:g} wt%", ha="center", fontsize=8)
    axes.set_xlabel("Reflection (dB); lines: ice in dry soil")
    axes.set_ylabel("Picked in a section of 2 m")


def draw_twins(axes: Axes) -> None:
    """Draw the reflections told of denser and of icy layers of one contrast."""
    sides = radar_surveys.twins(SEEDS)
    for side, colour, name in zip(sides, (GREY, VERMILION), ("denser", "icy"), strict=True):
        levels = np.sort([each.reflection_db for each in side])
        axes.step(levels, (np.arange(levels.size) + 1.0) / levels.size, color=colour, label=name)
    axes.set_xlabel("Reflection told (dB)")
    axes.set_ylabel("Share of picks below")
    axes.set_title("Two causes, one contrast")
    axes.legend(frameon=False)


def main() -> None:
    """Draw the three panels."""
    with matplotlib.rc_context({"font.size": 9.0, "axes.spines.top": False,
                                "axes.spines.right": False}):  # fmt: skip
        figure = Figure(figsize=(10.5, 3.4), layout="constrained")
        panels = figure.subplots(1, 3)
        for draw, axes in zip((draw_depths, draw_detection, draw_twins), panels, strict=True):
            draw(axes)
        path = Path(__file__).with_name("radar.png")
        figure.savefig(path, dpi=110, metadata={"Software": None})
    print(path)


if __name__ == "__main__":
    main()
