# SPDX-License-Identifier: Apache-2.0
"""Draw terrain.png: the spectrum and the slopes of the synthetic ground beside the real one's.

``python docs/terrain_figure.py CROP.tif``: a LOLA elevation model of 5 m pixels, such as the
256 x 256 crop of NASA PGDA product 78 near Shoemaker crater that the constants were fitted to.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
import tifffile
from matplotlib.figure import Figure

from lupex_nodes.models.synthetic_site import FITTED_M, synthetic_site, target_spectrum_m4

PIXEL_M, NODES = 5.0, 256
SEEDS = range(1, 9)
REAL, MADE, ROUGH, TARGET = "#1b1f24", "#0072B2", "#D55E00", "#8a929c"


def level(heights_m: np.ndarray) -> np.ndarray:
    """Return the heights with their best plane removed."""
    y, x = np.mgrid[: heights_m.shape[0], : heights_m.shape[1]]
    plane = np.column_stack([np.ones(heights_m.size), x.ravel(), y.ravel()])
    fit = np.linalg.lstsq(plane, heights_m.ravel(), rcond=None)[0]
    return heights_m - (plane @ fit).reshape(heights_m.shape)


def spectrum(heights_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return wavelengths and mean power of rings, best plane removed, Hann window."""
    window = np.outer(*(np.hanning(n) for n in heights_m.shape))
    flat = level(heights_m) * window
    power = np.abs(np.fft.fft2(flat)) ** 2 * PIXEL_M**2 / np.sum(window**2)
    frequencies = (np.fft.fftfreq(n, PIXEL_M) for n in heights_m.shape)
    k = np.hypot(*np.meshgrid(*frequencies, indexing="ij"))
    edges = np.geomspace(1 / 700, 1 / 11, 18)
    rings = [power[(k >= a) & (k < b)].mean() for a, b in zip(edges, edges[1:], strict=False)]
    return 1.0 / np.sqrt(edges[1:] * edges[:-1]), np.array(rings)


def slopes_deg(heights_m: np.ndarray) -> np.ndarray:
    """Return the slopes over 5 m, flat."""
    return np.degrees(np.arctan(np.hypot(*np.gradient(heights_m, PIXEL_M)))).ravel()


def quantiles(heights_m: np.ndarray) -> str:
    """Write median and 95th percentile of the slopes, deg."""
    return " and ".join(f"{q:.1f}" for q in np.percentile(slopes_deg(heights_m), (50, 95)))


def draw(crop: Path, out: Path) -> None:
    """Write the figure."""
    real = tifffile.imread(crop).astype(float)
    at_m = (np.arange(NODES) - NODES // 2) * PIXEL_M
    grid = np.meshgrid(at_m, at_m)
    made = {
        scale: [synthetic_site(s, 1400.0, 2.5, relief_scale=scale).height(*grid) for s in SEEDS]
        for scale in (1.0, 1.8)
    }
    matplotlib.rcParams.update({"font.size": 9.0, "axes.grid": True, "grid.color": "#e3e7ec"})
    figure = Figure(figsize=(10.5, 4.4), dpi=140, layout="constrained")
    left, right = figure.subplots(1, 2)
    wavelength_m, power = spectrum(real)
    for colour, scale in ((MADE, 1.0), (ROUGH, 1.8)):
        all_power = np.array([spectrum(one)[1] for one in made[scale]])
        left.fill_between(wavelength_m, all_power.min(0), all_power.max(0), color=colour, alpha=0.2,
                          lw=0)  # fmt: skip
        mean = np.exp(np.log(all_power).mean(0))
        left.plot(wavelength_m, mean, color=colour, label=f"{len(SEEDS)} sites, relief {scale:g}")
        bins = np.arange(0.0, 40.0, 0.5)
        flat = [level(one) for one in made[scale]]
        each = [np.histogram(slopes_deg(one), bins, density=True)[0] for one in flat]
        right.fill_between(bins[1:] - 0.25, np.min(each, 0), np.max(each, 0), color=colour,
                           alpha=0.2, lw=0)  # fmt: skip
        label = f"relief {scale:g}: {quantiles(np.concatenate(flat))}"
        right.plot(bins[1:] - 0.25, np.mean(each, 0), color=colour, label=label)
    left.plot(wavelength_m, power, color=REAL, lw=2.0, label="LOLA near Shoemaker")
    smooth_m = np.geomspace(11.0, 700.0, 100)
    law_m4 = target_spectrum_m4(1.0 / smooth_m)
    left.plot(smooth_m, law_m4, "--", color=TARGET, label="law, relief 1")
    left.axvspan(FITTED_M[0], FITTED_M[-1], color="#f3f5f7", zorder=-5)
    left.set(xscale="log", yscale="log", xlabel="wavelength, m (grey: fitted)",
             ylabel="power of heights, m² per (cycle/m)²", title="Spectrum")  # fmt: skip
    left.set_xticks([400, 200, 100, 50, 20], ["400", "200", "100", "50", "20"], minor=False)
    left.minorticks_off()
    left.invert_xaxis()
    left.legend(frameon=False)
    real_density = np.histogram(slopes_deg(level(real)), bins, density=True)[0]
    label = f"LOLA near Shoemaker: {quantiles(level(real))}"
    right.plot(bins[1:] - 0.25, real_density, color=REAL, lw=2.0, label=label)
    right.set(xlim=(0, 30), ylim=(0, None), xlabel="slope over 5 m, deg", ylabel="share per deg",
              title="Slopes, mean tilt removed (median and 95 %, deg)")  # fmt: skip
    right.legend(frameon=False)
    figure.savefig(out)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("give the elevation model: python docs/terrain_figure.py CROP.tif")
    draw(Path(sys.argv[1]), Path(__file__).with_name("terrain.png"))
