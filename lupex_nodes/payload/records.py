# SPDX-License-Identifier: Apache-2.0
"""The records of the rover's instruments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
    ("pulse_gain", "f4", "of the cadmium tube in the last spectrum; NaN not known yet"),
    ("quality", "u1", "of the last spectrum: 1 gain off, 2 not neutrons, 4 particles"),
)
SPECTRUM = Schema(
    "neutron_spectrum",
    ("energy_kev", "f4", "of the channel's middle at nominal gain; the last holds all above"),
    ("cadmium_counts", "u4", "of the cadmium tube since the last spectrum"),
    ("tin_counts", "u4", "of the tin tube, less the epithermal"),
)
WATER = Schema(
    "water",
    ("apparent_water_wt_percent", "f4", "of homogeneous soil that gives the recent rate"),
    ("standard_error_wt_percent", "f4", "1 sigma"),
    ("epithermal_rate_cps", "f4", "recent, with background"),
    ("thermal_rate_cps", "f4", "recent, with background"),
    ("significance", "f4", "standard deviations that counts lack to dry ground"),
)
PROFILE = Schema(
    "neutron_profile",
    ("distance_m", "f4", "along the track, to the middle of the cell"),
    ("x_m", "f4", "map east"),
    ("y_m", "f4", "map north"),
    ("epithermal_ratio", "f4", "to dry ground, of the window of track about the cell"),
    ("epithermal_ratio_sigma", "f4", "1 sigma"),
    ("thermal_ratio", "f4", "as the epithermal; 1 +- 100 when that tube is dead"),
    ("thermal_ratio_sigma", "f4", "1 sigma"),
    ("apparent_water_wt_percent", "f4", "of homogeneous soil with this epithermal ratio"),
    ("standard_error_wt_percent", "f4", "1 sigma"),
    ("upper_limit_wt_percent", "f4", "95 %"),
    ("probability", "f4", "that the cell's apparent water is above 0.1 wt%"),
)
DEPOSIT = Schema(
    "deposit",
    ("detected", "u1", "1 when deviance and probability are above their thresholds"),
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
    ("probability", "f4", "that the apparent water is above 0.1 wt%"),
    ("epithermal_ratio", "f4", "to dry ground, of the deposit alone; NaN when none is detected"),
    ("epithermal_ratio_sigma", "f4", "1 sigma"),
    ("thermal_ratio", "f4", "as the epithermal; 1 +- 100 when that tube is dead"),
    ("thermal_ratio_sigma", "f4", "1 sigma"),
)
POSSIBILITIES = Schema(
    "possibilities",
    ("content_wt_percent", "f4", "water-equivalent hydrogen of the wet soil"),
    ("cover_g_cm2", "f4", "dry soil above it"),
    ("layer_g_cm2", "f4", "mass of the wet soil; 300 where it goes deeper than neutrons tell"),
    ("credibility", "f4", "of the least set that holds this row: up to 0.68 is the 68 % set"),
    ("deposit", "u1", "row of the deposit in the record of all"),
)


def possibility_rows(sets: Sequence[np.ndarray]) -> np.ndarray:
    """Return rows of `POSSIBILITIES` of the sets of all deposits, each of shape (n, 4)."""
    rows = np.zeros(sum(map(len, sets)), POSSIBILITIES.dtype)
    rows["deposit"] = np.repeat(np.arange(len(sets)), list(map(len, sets)))
    for column, field in enumerate(POSSIBILITIES.fields[:-1]):
        rows[field.name] = np.concatenate([each[:, column] for each in sets])
    return rows
