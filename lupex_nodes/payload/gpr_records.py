# SPDX-License-Identifier: Apache-2.0
"""The records of the ground-penetrating radar."""

from __future__ import annotations

from lupex_nodes.bus.records import Schema

TRACES = Schema(
    "radar_traces",
    ("trace", "u4", "number since power-on, as in the samples"),
    ("section", "u4", "of the product that it goes into; 0: the chain's own loop"),
    ("time_s", "f8", "since power-on"),
    ("x_m", "f4", "map east, as navigation believes"),
    ("y_m", "f4", "map north, as navigation believes"),
    ("z_m", "f4", "height of the ground, as navigation believes"),
    ("temperature_k", "f4", "of the electronics, measured"),
    ("segment", "u1", "0 the chain's own loop, 1 survey"),
    ("quality", "u1", "bits: 1 saturated, 2 spacing too wide"),
)
SAMPLES = Schema(
    "radar_samples",
    ("trace", "u4", "number since power-on, as in the traces"),
    ("frequency_mhz", "f4", "of the step"),
    ("in_phase", "i2", "8192 is full scale"),
    ("quadrature", "i2", "8192 is full scale"),
)
PROFILE = Schema(
    "radar_profile",
    ("x", "f4", "map east (m)"),
    ("y", "f4", "map north (m)"),
    ("z", "f4", "map up (m)"),
    ("depth_m", "f4", "below the surface, by the permittivity of the prior"),
    ("two_way_time_ns", "f4", "from the surface"),
    ("amplitude_db", "f4", "migrated, of a plane's coefficient of reflection"),
)
PICKS = Schema(
    "radar_picks",
    ("x", "f4", "map east (m)"),
    ("y", "f4", "map north (m)"),
    ("z", "f4", "map up (m)"),
    ("depth_m", "f4", "below the surface, by the permittivity of the prior"),
    ("depth_sigma_m", "f4", "1 sigma, permittivity included"),
    ("reflection_db", "f4", "coefficient of reflection, whatever changes the permittivity"),
    ("reflection_sigma_db", "f4", "1 sigma"),
    ("quality", "u1", "bits: 1 saturated, 2 spacing too wide, 4 uncalibrated, 8 steps of "
     "frequency dead, 16 direct wave not as known, 32 noisy, 64 isolated: a rock or no layer"),
)  # fmt: skip
SECTION = Schema(
    "radar_section",
    ("section", "u4", "number since power-on"),
    ("traces", "u4", "in it"),
    ("x_m", "f4", "of its last trace, map east"),
    ("y_m", "f4", "of its last trace, map north"),
    ("spacing_m", "f4", "of its traces"),
    ("picks", "u4", "interfaces found"),
    ("background_db", "f4", "median reflection where no interface is: clutter and noise"),
    ("direct_wave_db", "f4", "over transmitted"),
    ("surface_db", "f4", "reflection of the surface, roughness included"),
    ("noise_db", "f4", "of a profile over transmitted, where no echo is"),
    ("dead_share", "f4", "of the steps of frequency"),
    ("quality", "u1", "bits, as of the picks"),
)
