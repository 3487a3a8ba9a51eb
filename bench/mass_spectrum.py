# SPDX-License-Identifier: Apache-2.0
"""What a spectrum of the mass spectrometer and its product of ten minutes cost."""

from __future__ import annotations

import numpy as np

from bench.cpu_seconds import least_cpu_s
from lupex_nodes.models.exosphere import SPECIES
from lupex_nodes.models.mass_spectrometry import IonTrap, draw_instrument, expected_counts
from lupex_nodes.models.partial_pressures import OPEN, product
from lupex_nodes.payload.ems_l_records import CONDITIONS

_SPECTRUM_S, _COADDED = 30.0, 20
_WATER_PA = 2e-8


def mass_spectrum_cost() -> tuple[float, float]:
    """Return CPU seconds of one spectrum and of the product of twenty, the least of 20 each."""
    rng, trap = np.random.default_rng(1), IonTrap()
    instrument = draw_instrument(rng, trap)
    dose = np.full(len(SPECIES), 0.05 * _WATER_PA * _SPECTRUM_S)
    dose[SPECIES.index("h2o")] = _WATER_PA * _SPECTRUM_S

    def spectrum() -> np.ndarray:
        return rng.poisson(expected_counts(trap, instrument, dose, _SPECTRUM_S, 0.01))

    counts = np.array([spectrum() for _ in range(_COADDED)])
    rows = np.zeros(_COADDED, CONDITIONS.dtype)
    rows["segment"], rows["duration_s"], rows["emission_ratio"] = OPEN, _SPECTRUM_S, 1.0
    rows["trap_temperature_k"], rows["total_pressure_pa"] = 290.0, 2.0 * _WATER_PA
    return least_cpu_s(spectrum), least_cpu_s(lambda: product(counts, rows))
