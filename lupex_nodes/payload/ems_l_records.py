# SPDX-License-Identifier: Apache-2.0
"""The records of the exosphere's mass spectrometer. Gases are numbered as in models/exosphere.

A raw spectrum and its conditions have the same stamp; `partial_pressures.product` makes the product
again from the rows of one co-addition and those of the last calibration before it.
"""

from __future__ import annotations

from enum import IntFlag

from lupex_nodes.bus.records import Schema


class Quality(IntFlag):
    """What is to be known of a raw spectrum."""

    SPACE_CHARGE = 1
    WEAK_EMISSION = 2
    MOVED = 4
    WORN_FILAMENT = 8


SPECTRUM = Schema(
    "mass_spectrum",
    ("mass_u", "f4", "mass over charge by the nominal scale"),
    ("counts", "u4", "of ions at this mass"),
)
CONDITIONS = Schema(
    "mass_spectrum_conditions",
    ("time_s", "f8", "since power-on"),
    ("since_touchdown_h", "f8", "at the end of the spectrum"),
    ("x_m", "f4", "map east of the lander, as navigation believes; 0 before its first word"),
    ("y_m", "f4", "map north of the lander, as navigation believes"),
    ("duration_s", "f4", "of the spectrum"),
    ("emission_ratio", "f4", "filament's emission over its nominal value, measured"),
    ("trap_temperature_k", "f4", "measured"),
    ("total_pressure_pa", "f4", "of the ionisation gauge, as of nitrogen; 0 without a beam"),
    ("coadd", "u4", "number of the co-addition, from 1; of a calibration, of the next"),
    ("segment", "u1", "0 beam off, 1 measurement"),
    ("quality", "u1", "1 space charge, 2 weak emission, 4 the rover moved, 8 worn filament"),
)
PRESSURES = Schema(
    "partial_pressures",
    ("species", "u1", "number of the gas"),
    ("pressure_pa", "f4", "best, never negative"),
    ("sigma_pa", "f4", "1 sigma, with sensitivity"),
    ("lower_pa", "f4", "95 % set; 0 when not detected"),
    ("upper_pa", "f4", "95 % set; the upper limit when not detected"),
    ("native_lower_pa", "f4", "95 % set of what is not the rover's or the lander's"),
    ("native_upper_pa", "f4", "95 % set of what is not the rover's or the lander's"),
    ("group", "u1", "gases of one number are not told apart; 0: resolved"),
    ("group_pressure_pa", "f4", "sum of the group, of the gas itself when resolved"),
    ("group_sigma_pa", "f4", "1 sigma of the sum"),
    ("flags", "u2", "1 detected (its group), 2 may be rover's or lander's, 4 only the group's sum "
     "is claimed, 8 space charge, 16 mass scale off, 32 weak emission, 64 poor fit"),
)  # fmt: skip
FIT = Schema(
    "mass_spectrum_fit",
    ("coadd", "u4", "number of the co-addition"),
    ("exposure_s", "f4", "duration of the spectra"),
    ("total_pressure_pa", "f4", "of the ionisation gauge, mean"),
    ("gauge_ratio", "f4", "what the fitted gases would make the gauge say over what it says"),
    ("mass_offset_u", "f4", "by how much peaks lie too high"),
    ("background_per_u_s", "f4", "counts of a mass in a second without ions"),
    ("reduced_chi_square", "f4", "misfit, about 1"),
    ("since_touchdown_h", "f4", "mean"),
    ("lander_distance_m", "f4", "least, as navigation believes"),
)
