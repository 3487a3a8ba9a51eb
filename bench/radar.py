# SPDX-License-Identifier: Apache-2.0
"""What a trace of the ground-penetrating radar and the product of a section cost."""

from __future__ import annotations

import numpy as np

from bench.cpu_seconds import least_cpu_s
from lupex_nodes.models.radar import Rocks, Soil, Sounder, layer_echoes, surface_echo
from lupex_nodes.models.radar_processing import SAMPLE_DTYPE, TRACE_DTYPE, product
from lupex_nodes.models.radar_receiver import ReceiverState, VolumeClutter, draw_constants, received
from lupex_nodes.models.regolith import density_carrier_kg_m3, loss_tangent, permittivity

#: At 0.1 m/s: traces of a second, of a section, and between two columns of nature.
_STEP, _SECTION, _COLUMN = 3, 67, 8
_ROCKS = 28


def radar_cost() -> tuple[float, float]:
    """Return CPU seconds of one trace and of one section's product, the least of 20 each."""
    rng, sounder = np.random.default_rng(1), Sounder()
    constants, clutter = draw_constants(rng, sounder), VolumeClutter(rng, sounder)
    depth = np.concatenate([np.arange(0.0, 0.2, 0.02), np.arange(0.2, 2.01, 0.05)])
    density = density_carrier_kg_m3(depth)
    x, y, below = rng.uniform([[-3.0], [-3.0], [0.1]], [[3.0], [3.0], [2.0]], (3, _ROCKS))

    def ground() -> tuple[Soil, Rocks, np.ndarray]:
        soil = Soil.of(depth, np.asarray(permittivity(density)), np.asarray(loss_tangent(density)))
        rocks = Rocks.of(sounder, soil, x, y, below, np.full(_ROCKS, 0.1), np.full(_ROCKS, 7.0))
        return soil, rocks, surface_echo(sounder, soil, 0.004) + layer_echoes(sounder, soil)

    soil, rocks, layers = ground()

    def traces(count: int) -> np.ndarray:
        way = np.full(count, 0.03)
        echoes = layers + rocks.echoes(sounder, np.cumsum(way), np.zeros(count))
        echoes = echoes + clutter.echoes(soil, constants.clutter_db, way)
        return received(rng, sounder, constants, ReceiverState(), echoes, np.zeros(count))

    codes = traces(_SECTION)
    rows = np.zeros(_SECTION, TRACE_DTYPE)
    rows["segment"], rows["x_m"] = 1, 0.03 * np.arange(_SECTION)
    samples = np.zeros(_SECTION * sounder.steps, SAMPLE_DTYPE)
    samples["frequency_mhz"] = np.tile(1000.0 * sounder.frequency_ghz, _SECTION)
    samples["in_phase"], samples["quadrature"] = codes.reshape(-1, 2).T
    trace_s = least_cpu_s(lambda: traces(_STEP)) / _STEP + least_cpu_s(ground) / _COLUMN
    return trace_s, least_cpu_s(lambda: product(rows, samples))
