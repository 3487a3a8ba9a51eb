# SPDX-License-Identifier: Apache-2.0
"""Draw infrared.png: spectra of icy soil, the optics of cold ice, and contents beside the truth.

``python docs/infrared_figure.py``; looks of docs/infrared_looks.py, which see for what is drawn.
"""

from __future__ import annotations

from pathlib import Path

import infrared_looks
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lupex_nodes.models.ice_optics import absorption_index
from lupex_nodes.models.reflectance_retrieval import LAMPLIGHT, product

SEEDS = range(8001, 8051)
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#8a929c"
#: A film at 163 K, Toon et al. 1994, doi:10.1029/94JD02388.
FILM = (
    (1.452, 2.04e-4), (1.469, 3.82e-4), (1.486, 6.40e-4), (1.503, 6.88e-4), (1.521, 6.27e-4),
    (1.539, 6.14e-4), (1.557, 5.54e-4), (1.576, 4.53e-4), (1.595, 4.16e-4), (1.616, 3.53e-4),
    (1.636, 3.40e-4), (1.657, 2.75e-4), (1.678, 1.87e-4), (1.700, 1.35e-4),
)  # fmt: skip


def draw_spectra(axes: Axes) -> None:
    """Draw one-second spectra at 3 m of a few contents, with their errors."""
    for content, colour in zip((0.0, 1.0, 3.0, 10.0, 30.0),
                               matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, 5)),
                               strict=True):  # fmt: skip
        seen = product(infrared_looks.look(SEEDS[0], content, ice_grain_um=50.0).raw).spectrum
        axes.errorbar(seen.wavelength_um, seen.reflectance, seen.sigma, fmt=".", ms=2, lw=0.6,
                      color=colour, label=f"{content:g} wt%")  # fmt: skip
    axes.set_xlabel("Wavelength (um)")
    axes.set_ylabel("Reflectance factor")
    axes.set_title("One soil, one second at 3 m")
    axes.legend(fontsize=8, loc="upper left")


def draw_optics(axes: Axes) -> None:
    """Draw the absorption index of ice by temperature."""
    wavelength = np.linspace(1.40, 1.75, 300)
    for kelvin, colour in ((80.0, BLUE), (163.0, GREY), (266.0, VERMILION)):
        axes.semilogy(wavelength, absorption_index(wavelength, kelvin), color=colour,
                      label=f"{kelvin:g} K")  # fmt: skip
    axes.semilogy(*np.array(FILM).T, "o", ms=3, color=GREY, label="film at 163 K")
    axes.set_xlabel("Wavelength (um)")
    axes.set_ylabel("Absorption index of ice")
    axes.set_title("Cold ice")
    axes.legend(fontsize=8)


def draw_contents(axes: Axes) -> None:
    """Draw the 95 % sets of fifty soils over their contents."""
    for found, seen in infrared_looks.fifty(SEEDS, LAMPLIGHT):
        truth = seen.soil.ice_wt_percent
        ends = max(found.lower_95_wt_percent, 0.1), found.upper_95_wt_percent
        axes.plot((truth, truth), ends, lw=1.0, color=BLUE if found.detected else GREY)
        axes.plot(truth, found.ice_wt_percent, ".", ms=4, color=BLUE if found.detected else GREY)
    axes.plot((0.1, 60.0), (0.1, 60.0), lw=0.8, color=VERMILION)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("True ice (wt%)")
    axes.set_ylabel("Ice told, 95 % set (wt%); grey: not detected")
    axes.set_title("Fifty soils, grains unknown")


def main() -> None:
    """Draw the page's picture."""
    figure = Figure(figsize=(13.5, 4.2), layout="constrained")
    for axes, draw in zip(figure.subplots(1, 3), (draw_spectra, draw_optics, draw_contents),
                          strict=True):  # fmt: skip
        draw(axes)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(Path(__file__).with_name("infrared.png"), dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
