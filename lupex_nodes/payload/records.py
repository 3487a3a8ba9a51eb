# SPDX-License-Identifier: Apache-2.0
"""The records of the rover's instruments."""

from __future__ import annotations

from lupex_nodes.bus.records import Schema

COUNTS = Schema(
    "neutron_counts",
    ("time_s", "f8", "since the record began, at power-on or at a calibration"),
    ("x_m", "f4", "map east, as navigation believes"),
    ("y_m", "f4", "map north, as navigation believes"),
    ("epithermal_counts", "u4", "of the cadmium tube"),
    ("thermal_counts", "u4", "of the tin tube, less the epithermal"),
    ("live_time_s", "f4", "in which the tubes could count"),
    ("tube_temperature_k", "f4", "measured"),
    ("segment", "u1", "0 calibration, 1 survey, 2 neither"),
)
WATER = Schema(
    "water",
    ("apparent_water_wt_percent", "f4", "of homogeneous soil that gives the recent rate"),
    ("standard_error_wt_percent", "f4", "1 sigma"),
    ("epithermal_rate_cps", "f4", "recent, with background"),
    ("thermal_rate_cps", "f4", "recent, with background"),
)
DEPOSIT = Schema(
    "deposit",
    ("detected", "u1", "1 when the deviance is above its threshold"),
    ("deviance", "f4", "twice the log-likelihood ratio of the best disc to none"),
    ("x_m", "f4", "centre, map east"),
    ("y_m", "f4", "centre, map north"),
    ("x_sigma_m", "f4", "1 sigma"),
    ("y_sigma_m", "f4", "1 sigma"),
    ("radius_m", "f4", "of the disc"),
    ("radius_sigma_m", "f4", "1 sigma"),
    ("estimate_wt_percent", "f4", "apparent water at the centre"),
    ("standard_error_wt_percent", "f4", "1 sigma"),
    ("upper_limit_wt_percent", "f4", "95 %"),
    ("dry_rate_cps", "f4", "epithermal, of dry ground, without background"),
    ("dry_rate_sigma_cps", "f4", "1 sigma"),
    ("reduced_chi_square", "f4", "misfit of the best disc, about 1"),
)
POSSIBILITIES = Schema(
    "possibilities",
    ("content_wt_percent", "f4", "water-equivalent hydrogen of the wet soil"),
    ("cover_g_cm2", "f4", "dry soil above it"),
)
