# SPDX-License-Identifier: Apache-2.0
"""Looks of the infrared spectrometer at made-up soil, judged against it for validation.md.

Without a flight: soil, its constants, slopes, the lamp's colour and noise are drawn from the stated
priors, the models make raw rows of them, and the product that the spectrometer makes on board is
made of these alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scores

from lupex_nodes.models import ice_optics
from lupex_nodes.models.infrared_spectrometer import (
    InfraredSpectrometer,
    solar_irradiance_w_m2_um,
)
from lupex_nodes.models.reflectance import (
    Soil,
    SoilConstants,
    draw_constants,
    draw_soil,
    soil_reflectance,
)
from lupex_nodes.models.reflectance_retrieval import (
    BAND_WINDOWS_UM,
    LAMPLIGHT,
    SUNLIGHT,
    TARGET,
    TARGET_DARK,
    WHITE,
    WHITE_DARK,
    SurfaceIce,
    product,
)

RAW = np.dtype(
    [("measurement", "u4"), ("segment", "u1"), ("light", "u1"), ("wavelength_um", "f4"),
     ("counts_dn", "u4"), ("frames", "u2"), ("exposure_s", "f4"), ("saturated", "u1"),
     ("lamp_monitor", "f4"), ("range_m", "f4"), ("cos_incidence", "f4"), ("cos_emission", "f4"),
     ("mirror_error_deg", "f4")]
)  # fmt: skip
INSTRUMENT = InfraredSpectrometer()


@dataclass(frozen=True)
class Look:
    """A raw record and what is true of it."""

    raw: np.ndarray
    soil: Soil
    band_depth: np.ndarray


def expose(
    rng: np.random.Generator,
    instrument: InfraredSpectrometer,
    measurement: int,
    segment: int,
    electrons_s: np.ndarray,
    frames: int,
    **columns: Any,
) -> np.ndarray:
    """Return the raw rows of frames; `brightest` sets the exposure of dark ones."""
    exposure_s = instrument.best_exposure_s(
        columns.pop("brightest", electrons_s) + instrument.dark_e_s, 1.0
    )
    seen = instrument.expose(rng, electrons_s + instrument.dark_e_s, exposure_s, frames)
    rows = np.zeros(instrument.band_count, RAW)
    rows["wavelength_um"] = instrument.wavelength_um
    rows["counts_dn"], rows["saturated"] = seen
    rows["measurement"], rows["segment"], rows["frames"] = measurement, segment, frames
    rows["exposure_s"], rows["lamp_monitor"] = exposure_s, 1.0
    for name, value in columns.items():
        rows[name] = value
    return rows


def look(
    seed: int,
    ice_wt_percent: float,
    *,
    frames: int = 1,
    light: int = LAMPLIGHT,
    temperature_k: float | None = None,
    instrument: InfraredSpectrometer = INSTRUMENT,
    **changes: float,
) -> Look:
    """Take the white reference, then a target at 3 m."""
    rng = np.random.default_rng(seed)
    constants = draw_constants(rng)
    soil = replace(draw_soil(rng, ice_wt_percent, temperature_k), **changes)
    # slopes change the level, and no lamp has quite its nominal colour
    level = float(np.exp(0.1 * rng.standard_normal()))
    lamp = replace(instrument, lamp_temperature_k=2900.0 + 50.0 * float(rng.standard_normal()))
    cosines = (0.05 if light == SUNLIGHT else 0.4), 0.4
    wavelength, responsivity = instrument.wavelength_um, instrument.responsivity
    reflectance = level * soil_reflectance(wavelength, soil, *cosines, constants)
    white = lamp.lamp_radiance(np.full(wavelength.size, 0.99), 0.5, 1.0) * responsivity
    if light == SUNLIGHT:
        target = lamp.sun_radiance(reflectance, 1.0, cosines[0]) * responsivity
    else:
        target = lamp.lamp_radiance(reflectance, 3.0, cosines[0]) * responsivity
    near: dict[str, Any] = {"range_m": 0.5, "cos_incidence": 1.0, "cos_emission": 1.0}
    far: dict[str, Any] = {
        "range_m": 3.0,
        "cos_incidence": cosines[0],
        "cos_emission": cosines[1],
        "light": light,
    }
    none = np.zeros(wavelength.size)
    raw = [
        expose(rng, instrument, 1, WHITE_DARK, none, 10, brightest=white, **near),
        expose(rng, instrument, 1, WHITE, white, 10, **near),
        expose(rng, instrument, 2, TARGET_DARK, none, frames, brightest=target, **far),
        expose(rng, instrument, 2, TARGET, target, frames, **far),
    ]
    return Look(np.concatenate(raw), soil, true_depth(wavelength, soil, constants, cosines))


def true_depth(
    wavelength: np.ndarray, soil: Soil, constants: SoilConstants, cosines: tuple[float, float]
) -> np.ndarray:
    """Against the same soil whose ice absorbs nothing."""
    seen, clear = (
        np.log(soil_reflectance(wavelength, soil, *cosines, constants, absorbing))
        for absorbing in (True, False)
    )
    windows = [(wavelength >= low) & (wavelength <= high) for low, high in BAND_WINDOWS_UM[:3]]
    return np.array([1.0 - np.exp((seen - clear)[each].mean()) for each in windows])


def fifty(seeds: range, light: int) -> list[tuple[SurfaceIce, Look]]:
    """Return products and looks of contents log-uniform from 0.3 to 30 wt%, one frame each."""
    contents = np.exp(np.random.default_rng(seeds.start).uniform(*np.log([0.3, 30.0]), len(seeds)))
    looks = [look(s, float(c), light=light) for s, c in zip(seeds, contents, strict=True)]
    return [(product(each.raw), each) for each in looks]


def held(found: list[tuple[SurfaceIce, Look]]) -> tuple[int, int]:
    """Return how many 68 and 95 % sets of content hold the truth."""
    contents = [seen.soil.ice_wt_percent for _, seen in found]
    return (
        sum(f.lower_68_wt_percent <= c <= f.upper_68_wt_percent
            for (f, _), c in zip(found, contents, strict=True)),
        sum(f.lower_95_wt_percent <= c <= f.upper_95_wt_percent
            for (f, _), c in zip(found, contents, strict=True)),
    )  # fmt: skip


def depth_errors(found: list[tuple[SurfaceIce, Look]]) -> np.ndarray:
    """Return error over standard error of the depths at 1.03, 1.25 and 1.50 um, shape (n, 3)."""
    depth = np.array([each.band_depth[:3] for each, _ in found])
    sigma = np.array([each.band_depth_sigma[:3] for each, _ in found])
    return (depth - [seen.band_depth for _, seen in found]) / sigma


Row = tuple[str, float, tuple[float, float], str]


def judged(seeds: range) -> list[Row]:
    """Return rows of (what, found, bounds, of how many)."""
    rows: list[Row] = []
    number = len(seeds)
    for light, name in ((LAMPLIGHT, "lamp"), (SUNLIGHT, "Sun")):
        found = fifty(seeds, light)
        for share, count in zip((0.68, 0.95), held(found), strict=True):
            rows.append((f"{name}: content in its {100 * share:.0f} % set", count,
                         scores.share_bounds(number, share), f"of {number}"))  # fmt: skip
        for band, z in zip(("1.03", "1.25", "1.50"), depth_errors(found).T, strict=True):
            spread = scores.coverage(z.tolist())
            for k, (count, limit) in enumerate(
                zip(spread.within, scores.sigma_bounds(number), strict=True), 1
            ):
                rows.append((f"{name}: depth at {band} um within {k} sigma", count, limit,
                             f"of {number}"))  # fmt: skip
            rows.append((f"{name}: depth at {band} um, rms of error over sigma", spread.rms,
                         scores.rms_bounds(number), ""))  # fmt: skip
    dry = [product(look(seed, 0.0).raw) for seed in seeds]
    rows.append(("ice claimed in dry soil", sum(each.detected for each in dry), (0, 1),
                 f"of {number}"))  # fmt: skip
    return rows


def anchor_rows() -> list[tuple[str, str, str, str]]:
    """Return optics, reflectance and instrument beside published numbers."""
    absorption = float(ice_optics.absorption_coefficient_m(1.5)) / 100.0
    rows = [
        ("absorption of ice at 1.50 um and 266 K (1/cm)", f"{absorption:.1f}", "45 to 50",
         "Warren and Brandt 2008, doi:10.1029/2007JD009744, to whose table it was fitted"),
    ]  # fmt: skip
    for um, k in ((1.494, 6.96e-4), (1.576, 4.53e-4), (1.646, 3.13e-4), (1.700, 1.35e-4)):
        model = float(ice_optics.absorption_index(um, 163.0))
        rows.append((f"absorption index of ice at {um:g} um and 163 K", f"{model:.2e}",
                     f"{k:.2e}", "film, Toon et al. 1994, doi:10.1029/94JD02388"))  # fmt: skip
    span = np.arange(1.63, 1.69, 0.0005)
    peak = span[np.argmax(ice_optics.absorption_index(span, 80.0))]
    rows.append(("cold band of crystalline ice (um)", f"{peak:.3f}", "1.65",
                 "6056 1/cm, Grundy and Schmitt 1998, doi:10.1029/98JE00738"))  # fmt: skip
    for content, reference in ((1.0, "0.02 to 0.05"), (10.0, "0.12 to 0.30")):
        depths = []
        for grain_um in (10.0, 30.0, 100.0, 300.0):
            soil = Soil(content, grain_um, 60.0, 0.6, 5.0, 110.0)
            seen, clear = (
                float(soil_reflectance([1.5], soil, 0.87, 1.0, absorbing=each)[0])
                for each in (True, False)
            )
            depths.append(1.0 - seen / clear)
        rows.append((f"depth at 1.50 um of {content:g} wt%, grains of 10 to 300 um",
                     f"{min(depths):.3f} to {max(depths):.3f}", reference,
                     "icy dark soils as commonly quoted"))  # fmt: skip
    for um, irradiance in ((1.0, 742.6), (1.5, 300.8)):
        rows.append((f"sunlight at {um:g} um (W/m2/um)",
                     f"{float(solar_irradiance_w_m2_um(um)):.1f}", f"{irradiance:g}",
                     "ASTM G173, above the atmosphere"))  # fmt: skip
    return rows
