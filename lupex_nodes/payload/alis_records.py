# SPDX-License-Identifier: Apache-2.0
"""The records of the infrared spectrometer."""

from __future__ import annotations

from lupex_nodes.bus.records import Schema

SPECTRA = Schema(
    "infrared_spectra",
    ("time_s", "f8", "since power-on"),
    ("measurement", "u4", "number of the calibration or look since power-on"),
    ("segment", "u1", "0 dark and 1 light of the white reference, 2 dark and 3 light of a target"),
    ("target", "u1", "0 surface, 1 cuttings"),
    ("light", "u1", "0 lamp, 1 Sun"),
    ("wavelength_um", "f4", "centre of the band"),
    ("counts_dn", "u4", "sum over the frames"),
    ("frames", "u2", "added up"),
    ("exposure_s", "f4", "of each frame"),
    ("saturated", "u1", "1 when a frame was at full scale"),
    ("lamp_monitor", "f4", "light of the lamp over that of a new one; 0 when it is off"),
    ("range_m", "f4", "to what is seen"),
    ("cos_incidence", "f4", "on level ground"),
    ("cos_emission", "f4", "on level ground"),
    ("mirror_error_deg", "f4", "between where the mirror should and does stand"),
    ("detector_temperature_k", "f4", "measured"),
    ("x_m", "f4", "of the rover, map east, as navigation believes"),
    ("y_m", "f4", "of the rover, map north, as navigation believes"),
    ("quality", "u2", "flags: 1 saturated, 4 detector warm, 16 rover moved, 32 mirror, 64 lamp"),
)
REFLECTANCE = Schema(
    "reflectance",
    ("wavelength_um", "f4", "centre of the band"),
    ("reflectance", "f4", "reflectance factor; 0 where the band is not usable"),
    ("standard_error", "f4", "1 sigma"),
    ("usable", "u1", "1 when the band has signal and was not saturated"),
)
SURFACE_ICE = Schema(
    "surface_ice",
    ("measurement", "u4", "number of the look since power-on"),
    ("target", "u1", "0 surface, 1 cuttings"),
    ("light", "u1", "0 lamp, 1 Sun"),
    ("x_m", "f4", "of the rover, map east, as navigation believes"),
    ("y_m", "f4", "of the rover, map north, as navigation believes"),
    ("snr", "f4", "signal over noise, median of the bands"),
    ("depth_1030", "f4", "band depth at 1.03 um against the mineral continuum"),
    ("sigma_1030", "f4", "1 sigma; 1 when the band was not seen"),
    ("depth_1250", "f4", "band depth at 1.25 um"),
    ("sigma_1250", "f4", "1 sigma; 1 when the band was not seen"),
    ("depth_1500", "f4", "band depth at 1.50 um"),
    ("sigma_1500", "f4", "1 sigma; 1 when the band was not seen"),
    ("depth_1650", "f4", "band depth at 1.65 um, of cold crystalline ice"),
    ("sigma_1650", "f4", "1 sigma; 1 when the band was not seen"),
    ("detected", "u1", "1 when the depth at 1.50 um is 0.02 and three standard errors or more"),
    ("ice_wt_percent", "f4", "of the topmost millimetre, mean"),
    ("ice_sigma_wt_percent", "f4", "standard deviation, with unknown grain sizes"),
    ("lower_68_wt_percent", "f4", "of the 68 % set"),
    ("upper_68_wt_percent", "f4", "of the 68 % set"),
    ("lower_95_wt_percent", "f4", "of the 95 % set; 0 when there need be no ice"),
    ("upper_95_wt_percent", "f4", "of the 95 % set"),
    ("temperature_known", "u1", "1 when the bands tell the temperature of the ice"),
    ("temperature_k", "f4", "of the ice; without knowledge the mean of what may be"),
    ("temperature_sigma_k", "f4", "1 sigma"),
    ("reduced_chi_square", "f4", "misfit of the best icy soil, about 1"),
    ("lamp_warming_k", "f4", "of the surface by the lamp, as worked out"),
    ("frost_loss_g_m2", "f4", "by the lamp, were all the surface ice, as worked out"),
    ("quality", "u2", "flags as in the spectra, and 2 weak signal, 8 bands lost, 128 frost lost"),
)
