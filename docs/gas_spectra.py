# SPDX-License-Identifier: Apache-2.0
"""Mass spectra of gas mixtures, judged against the mixture; their part of validation.md.

Without a flight: an instrument is drawn from its prior (sensitivities, fragments, width, drift,
background), counts are made by the model of the trap, and the product that the mass spectrometer
makes on board is made of these alone.

``python docs/gas_spectra.py OUT.png`` draws one spectrum with its peaks and pressures.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import scores
from matplotlib.figure import Figure

from lupex_nodes.models.exosphere import (
    SPECIES,
    WATER,
    OutgassingPrior,
    contamination_pa,
    draw_outgassing,
    pressure_pa,
)
from lupex_nodes.models.mass_spectrometry import (
    FRAGMENTS,
    IonTrap,
    draw_instrument,
    expected_counts,
    gauge_pressure_pa,
    mass_shift_u,
)
from lupex_nodes.models.partial_pressures import DARK, OPEN, Flag, Gas, Product, product

TRAP = IonTrap()
CONDITIONS = np.dtype([
    ("since_touchdown_h", "f8"), ("x_m", "f4"), ("y_m", "f4"), ("duration_s", "f4"),
    ("emission_ratio", "f4"), ("trap_temperature_k", "f4"), ("total_pressure_pa", "f4"),
    ("segment", "u1"),
])  # fmt: skip
#: Rover's gas, some days after touchdown, with that of ices; Pa.
MIXTURE = {
    "h2o": 2e-8, "h2s": 2e-9, "nh3": 3e-9, "so2": 1e-9, "co2": 2e-9, "ch3oh": 1e-9, "c2h4": 1e-9,
    "n2": 2e-9, "co": 1.5e-9, "ar": 3e-10, "no": 5e-10, "h2": 2e-9, "he": 5e-11,
}  # fmt: skip
RESOLVED = ("h2o", "h2s", "nh3", "so2", "co2", "ch3oh", "c2h4", "ar", "no")
#: What lies at 28 u, and what lies alone.
AT_28 = {"n2": 4e-11, "co": 4e-11, "c2h4": 2e-11}
ALONE = {"ar": 4e-11}
NATIVE_WATER_PA = 2e-8
#: Near the lander, and where and when nothing foreign is left.
NEAR = {"distance_m": 15.0, "since_touchdown_h": 72.0}
FAR = {"distance_m": 300.0, "since_touchdown_h": 5000.0}


def spectra(
    seed: int,
    pressures_pa: Mapping[str, float],
    *,
    count: int = 2,
    spectrum_s: float = 300.0,
    distance_m: float = 300.0,
    since_touchdown_h: float = 5000.0,
    trap_k: float = 305.0,
    dark_spectra: int = 0,
    shift_u: float = 0.0,
    multiplier: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return counts (n, points) and conditions (n,) of an instrument of this seed.

    The first spectra are dark, ``count`` have the beam on.
    """
    rng = np.random.default_rng(seed)
    instrument = draw_instrument(rng, TRAP)
    gas = np.array([pressures_pa.get(name, 0.0) for name in SPECIES])
    shift_u += mass_shift_u(instrument, trap_k, gas.sum())
    beam = expected_counts(TRAP, instrument, gas * spectrum_s, spectrum_s, shift_u)
    dark = expected_counts(TRAP, instrument, 0.0 * gas, spectrum_s, shift_u)
    conditions = np.zeros(dark_spectra + count, CONDITIONS)
    conditions["segment"] = np.repeat([DARK, OPEN], [dark_spectra, count])
    conditions["x_m"], conditions["since_touchdown_h"] = distance_m, since_touchdown_h
    conditions["duration_s"], conditions["trap_temperature_k"] = spectrum_s, trap_k
    measured = conditions["segment"] == OPEN
    conditions["emission_ratio"] = measured
    conditions["total_pressure_pa"] = instrument.gauge_factor * gauge_pressure_pa(gas) * measured
    mean = multiplier * np.where(measured[:, None], beam, dark)
    return rng.poisson(mean), conditions


def fitted(seed: int, pressures_pa: Mapping[str, float], **others: float) -> Product:
    """Return the product of ten minutes, or of what `spectra` is told."""
    return product(*spectra(seed, pressures_pa, **others))  # type: ignore[arg-type]


def by_name(found: Product) -> dict[str, Gas]:
    """Return the gases of a product by their names."""
    return {SPECIES[gas.species]: gas for gas in found.gases}


def holds(gas: Gas, true_pa: float) -> bool:
    """Return whether the 95 % set of a gas holds the truth."""
    return gas.lower_pa <= true_pa <= gas.upper_pa


def widths_pa(gases: Sequence[Gas]) -> float:
    """Return the mean width of their 95 % sets."""
    return float(np.mean([gas.upper_pa - gas.lower_pa for gas in gases]))


def errors(found: Sequence[Mapping[str, Gas]], name: str) -> np.ndarray:
    """Return the errors of a gas of `MIXTURE` over their sigma."""
    return np.array([(f[name].pressure_pa - MIXTURE[name]) / f[name].sigma_pa for f in found])


def detected_share(name: str, pressure_pa: float, seeds: Sequence[int]) -> float:
    """Return in what share of ten minutes so much of a gas, alone, is detected."""
    flags = [by_name(fitted(seed, {name: pressure_pa}))[name].flags for seed in seeds]
    return float(np.mean([bool(each & Flag.DETECTED) for each in flags]))


def least_pa(name: str, seeds: Sequence[int]) -> float:
    """Return the least pressure of a gas, alone, that is detected in half of all cases.

    By bisection in the logarithm between 1e-12 and 1e-9 Pa, to 3 %.
    """
    low, high = -12.0, -9.0
    while high - low > 0.012:
        middle = 0.5 * (low + high)
        if detected_share(name, 10.0**middle, seeds) < 0.5:
            low = middle
        else:
            high = middle
    return float(10.0**high)


def lander_water(seeds: Sequence[int]) -> list[tuple[Gas, float]]:
    """Return what is told of water near the lander, none of it native, and how much there is."""
    told = []
    for seed in seeds:
        drawn = draw_outgassing(np.random.default_rng([seed, 1]), OutgassingPrior())
        foreign = contamination_pa(drawn, NEAR["since_touchdown_h"], NEAR["distance_m"])
        gas = dict(zip(SPECIES, foreign.tolist(), strict=True))
        told.append((by_name(fitted(seed, gas, **NEAR))["h2o"], float(foreign[WATER])))
    return told


def native_water(seeds: Sequence[int]) -> list[Gas]:
    """Return what is told of native water where nothing foreign is left."""
    return [by_name(fitted(seed, {"h2o": NATIVE_WATER_PA}, **FAR))["h2o"] for seed in seeds]


Row = tuple[str, float, tuple[float, float], str]


def judged(seeds: Sequence[int]) -> list[Row]:
    """Return rows of (what, found, bounds, of how many)."""
    found = [by_name(fitted(seed, MIXTURE)) for seed in seeds]
    rows: list[Row] = []
    for name in RESOLVED:
        spread = scores.coverage(errors(found, name).tolist())
        for k, (count, limit) in enumerate(
            zip(spread.within, scores.sigma_bounds(spread.number), strict=True), 1
        ):
            rows.append((f"{name} within {k} sigma", count, limit, f"of {spread.number}"))
        bounds = scores.rms_bounds(spread.number)
        rows.append((f"{name}: rms of error over sigma", spread.rms, bounds, ""))
        worst = max(each[name].sigma_pa / each[name].pressure_pa for each in found)
        rows.append((f"{name}: sigma over pressure, greatest", worst, (0.0, 0.3), ""))
    number, true_pa = len(seeds), MIXTURE["n2"] + MIXTURE["co"]
    sums = [(each["n2"].group_pressure_pa, each["n2"].group_sigma_pa) for each in found]
    spread = scores.coverage([(value - true_pa) / sigma for value, sigma in sums])
    # two sensitivities of their own, of which the error of the sum knows the worst case
    bounds = 0.0, scores.rms_bounds(number)[1]
    rows.append(("n2 + co: rms of error over sigma", spread.rms, bounds, ""))
    return [*rows, *ambiguities(seeds)]


def ambiguities(seeds: Sequence[int]) -> list[Row]:
    """Return how many 95 % sets hold the truth, and their width over that of a clear case."""
    most = len(seeds)
    bounds, least, share = (math.ceil(0.9 * most), most), (2.0, math.inf), f"of {most}"
    at_28 = [by_name(fitted(seed, AT_28)) for seed in seeds]
    rows: list[Row] = []
    for name, value in AT_28.items():
        clear = [by_name(fitted(seed, {"ar": value}))["ar"] for seed in seeds]
        told = [each[name] for each in at_28]
        rows.append((f"{name} among what lies at 28 u: in its 95 % set",
                     sum(holds(gas, value) for gas in told), bounds, share))  # fmt: skip
        # ethylene has 26 and 27 u to itself, and shall not be wider
        width = widths_pa(told) / widths_pa(clear)
        rows.append((f"{name}: width of the set over that of as much argon", width,
                     least if name != "c2h4" else (0.0, 2.0), ""))  # fmt: skip
    near, far = lander_water(seeds), native_water(seeds)
    inside = sum(gas.native_lower_pa <= 0.0 <= gas.native_upper_pa for gas, _ in near)
    rows.append(("native water near the lander, none: in its 95 % set", inside, bounds, share))
    flagged = sum(bool(gas.flags & Flag.CONTAMINATED) for gas, _ in near)
    rows.append(("and flagged", flagged, (most, most), share))
    inside = sum(gas.native_lower_pa <= NATIVE_WATER_PA <= gas.native_upper_pa for gas in far)
    limits = scores.share_bounds(most, 0.95)
    rows.append(("native water where it is all there is: in its 95 % set", inside, limits, share))
    wide = np.mean([(gas.native_upper_pa - gas.native_lower_pa) / true for gas, true in near])
    narrow = np.mean([gas.native_upper_pa - gas.native_lower_pa for gas in far]) / NATIVE_WATER_PA
    rows.append(("width of the set over the water, near the lander over there",
                 float(wide / narrow), least, ""))  # fmt: skip
    return rows


def limit_rows(seeds: Sequence[int]) -> list[tuple[str, str]]:
    """Return a row a gas: the pressure that half of all ten minutes detect."""
    names = [SPECIES[gas.species] for gas in fitted(seeds[0], {}).gases]
    return [(name, f"{least_pa(name, seeds):.1e}") for name in names]


def anchor_rows() -> list[tuple[str, str, str, str]]:
    """Return the models beside published numbers that they were not fitted to."""
    rows = []
    for density, reference in ((1e4, "1.4e-11"), (1e5, "1.4e-10"), (1e6, "1.4e-09")):
        rows.append((f"pressure of {density:.0e} cm-3 at 100 K (Pa)",
                     f"{float(pressure_pa(density, 100.0)):.1e}", reference, "n k T"))  # fmt: skip
    isotopes = (
        ("n2", 29, 28, 0.0073), ("ne", 22, 20, 0.102), ("ar", 36, 40, 0.0034),
        ("co2", 45, 44, 0.0116), ("so2", 66, 64, 0.049),
    )  # fmt: skip
    for name, heavy, light, ratio in isotopes:
        intensity = {round(mass): value for mass, value in FRAGMENTS[name]}
        model = intensity[heavy] / intensity[light]
        rows.append((f"{name}: {heavy} over {light} u", f"{model:.4f}", f"{ratio:.4f}",
                     "natural isotopes, IUPAC"))  # fmt: skip
    k, background = 3.5, TRAP.background_per_u_s * 600.0
    counts = 0.5 * (k**2 + math.sqrt(k**4 + 4.0 * k**2 * background))
    inside = math.erf(0.5 / TRAP.fwhm_u * math.sqrt(4.0 * math.log(2.0)))
    limit = counts / (600.0 * TRAP.counts_per_pa_s * 1.3 * 100.0 / 115.3 * inside)
    rows.append(("argon detected in half of all ten minutes (Pa)",
                 f"{least_pa('ar', range(5001, 5101)):.1e}", f"{limit:.1e}",
                 "Currie 1968, doi:10.1021/ac60259a007, of one peak"))  # fmt: skip
    return rows


def draw(out: Path, seed: int = 5001) -> None:
    """Draw ten minutes of `MIXTURE`, and true and told pressures."""
    counts, conditions = spectra(seed, MIXTURE)
    found = by_name(product(counts, conditions))
    figure = Figure(figsize=(9.0, 6.0), layout="constrained")
    above, below = figure.subplots(2, 1)
    above.step(TRAP.masses_u, counts.sum(axis=0) + 0.3, where="mid", lw=0.8, color="#1b1f24")
    above.set(yscale="log", xlim=(10, 80), xlabel="mass over charge (u)", ylabel="counts")
    for at, (name, gas) in enumerate(found.items()):
        told = bool(gas.flags & Flag.DETECTED) and not gas.group
        grouped = bool(gas.group)
        colour = "#0072B2" if told else "#D55E00" if grouped else "#8a929c"
        below.plot([at, at], [max(gas.lower_pa, 1e-12), gas.upper_pa], color=colour, lw=4)
        below.plot(at, MIXTURE.get(name, 1e-12), "_", color="#1b1f24", ms=16)
    below.set(yscale="log", ylabel="pressure (Pa)", ylim=(1e-12, 1e-7))
    below.set_xticks(range(len(found)), list(found))
    below.set_title(
        "95 % sets: blue detected, orange told in their group's sum alone, grey upper limits; "
        "black: true", fontsize=9,
    )  # fmt: skip
    figure.savefig(out, dpi=100)


if __name__ == "__main__":
    matplotlib.use("Agg")
    draw(Path(sys.argv[1]))
