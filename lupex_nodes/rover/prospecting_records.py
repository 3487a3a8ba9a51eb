# SPDX-License-Identifier: Apache-2.0
"""The records of the prospecting map."""

from __future__ import annotations

from lupex_nodes.bus.records import Schema

CELLS = Schema(
    "prospecting_cells",
    ("x_m", "f4", "centre, map east"),
    ("y_m", "f4", "centre, map north"),
    ("water_wt_percent", "f4", "apparent water, of homogeneous soil with this suppression"),
    ("water_sigma_wt_percent", "f4", "1 sigma"),
    ("probability", "f4", "that there is more water than is worth a hole"),
    ("cover_low_g_cm2", "f4", "least dry cover of the 95 % set; NaN away from deposits"),
    ("cover_high_g_cm2", "f4", "greatest of it"),
    ("content_low_wt_percent", "f4", "least content of the 95 % set; NaN away from deposits"),
    ("content_high_wt_percent", "f4", "greatest of it"),
    ("surface_ice_wt_percent", "f4", "seen by the imaging spectrometer near; NaN where it was not"),
    ("surface_ice_sigma_wt_percent", "f4", "1 sigma"),
    ("reflector_m", "f4", "depth of the radar's strongest interface, whatever it is; NaN for none"),
    ("reflector_sigma_m", "f4", "1 sigma"),
    ("correlation_m", "f4", "cells nearer than this are no two measurements of the neutrons"),
)
SITES = Schema(
    "drill_sites",
    ("x_m", "f4", "map east"),
    ("y_m", "f4", "map north"),
    ("score", "f4", "product of the five parts"),
    ("worth", "f4", "probability that there is more water than is worth a hole"),
    ("certainty", "f4", "1 / (1 + relative error of the water)"),
    ("evenness", "f4", "1 on gentle slopes, 0 where nobody drills"),
    ("light", "f4", "1 when the Sun is always in sight in the next 16 days, 0.5 when never"),
    ("contact", "f4", "1 when the Earth is always in sight in the next 16 days, 0.5 when never"),
    ("water_wt_percent", "f4", "apparent water"),
    ("water_sigma_wt_percent", "f4", "1 sigma"),
    ("slope_deg", "f4", "by the uplinked map"),
)
