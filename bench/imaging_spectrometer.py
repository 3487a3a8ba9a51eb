# SPDX-License-Identifier: Apache-2.0
"""What a look of the imaging spectrometer and the search for ice in it cost."""

from __future__ import annotations

import math
from itertools import count

import numpy as np

from bench.cpu_seconds import least_cpu_s
from lupex_nodes.models.context_image import context_image, draw_texture
from lupex_nodes.models.infrared_spectrometer import InfraredSpectrometer
from lupex_nodes.models.reflectance import draw_constants, draw_soil, soil_reflectance
from lupex_nodes.models.reflectance_retrieval import (
    SUNLIGHT,
    TARGET,
    TARGET_DARK,
    WHITE,
    WHITE_DARK,
    RetrievalParameters,
    product,
)
from lupex_nodes.payload.alis_records import SPECTRA

_FRAMES = 10
_RANGE_M, _HEIGHT_M = 3.0, 1.2


def imaging_spectrometer_cost() -> tuple[float, float]:
    """Return CPU seconds of one look, dark frames and image with it, and of its product.

    In sunlight, which is never the same twice: the prior of dry soil is made anew for each.
    """
    rng, instrument = np.random.default_rng(1), InfraredSpectrometer()
    retrieval = RetrievalParameters(instrument=instrument)
    constants, soil = draw_constants(rng), draw_soil(rng, 1.0)
    texture = draw_texture(rng)
    dark = np.full(instrument.band_count, instrument.dark_current_e_s(instrument.detector_k))
    white = np.full(instrument.band_count, retrieval.white_reflectance)
    white = instrument.lamp_radiance(white, retrieval.white_range_m, 1.0) * instrument.responsivity
    incidence, emission = math.sin(math.radians(1.5)), _HEIGHT_M / _RANGE_M

    def rows(segment: int, electrons_s: np.ndarray, **columns: float) -> np.ndarray:
        exposure_s = instrument.best_exposure_s(electrons_s + dark, 1.0)
        raw = np.zeros(instrument.band_count, SPECTRA.dtype)
        raw["wavelength_um"] = instrument.wavelength_um
        seen = instrument.expose(rng, electrons_s + dark, exposure_s, _FRAMES)
        raw["counts_dn"], raw["saturated"] = seen
        raw["segment"], raw["frames"], raw["exposure_s"] = segment, _FRAMES, exposure_s
        raw["lamp_monitor"], raw["range_m"] = 1.0, _RANGE_M
        raw["cos_incidence"], raw["cos_emission"] = incidence, emission
        for name, value in columns.items():
            raw[name] = value
        return raw

    def look() -> list[np.ndarray]:
        seen = soil_reflectance(instrument.wavelength_um, soil, incidence, emission, constants)
        light = instrument.sun_radiance(seen, 1.0, incidence) * instrument.responsivity
        context_image(rng, texture, _HEIGHT_M, _RANGE_M, in_sunlight=True)
        return [
            rows(TARGET_DARK, 0.0 * light, measurement=2, light=SUNLIGHT),
            rows(TARGET, light, measurement=2, light=SUNLIGHT),
        ]

    reference = [rows(WHITE_DARK, 0.0 * white, measurement=1), rows(WHITE, white, measurement=1)]
    raw = np.concatenate([*reference, *look()])
    turn = count()

    def find() -> None:
        raw["cos_incidence"] = incidence * (1.0 + 1e-3 * next(turn))
        product(raw, retrieval)

    return least_cpu_s(look), least_cpu_s(find, 5)
