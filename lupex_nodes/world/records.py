# SPDX-License-Identifier: Apache-2.0
"""The records of nature, and the one by which hardware says what it does to nature."""

from __future__ import annotations

from lupex_nodes.bus.records import Schema
from lupex_nodes.models.exosphere import SPECIES

SUN = Schema(
    "sun",
    ("azimuth_deg", "f8", "from north through east"),
    ("elevation_deg", "f8", "of the disc's centre"),
    ("lit_fraction", "f4", "part of the disc above the horizon, at the middle of the array"),
    ("irradiance_w_m2", "f4", "normal to the rays, of the part above the horizon, there"),
    ("lit_lower", "f4", "as lit_fraction, in the lower third of the array"),
    ("lit_upper", "f4", "as lit_fraction, in the upper third of the array"),
    ("lit_ground", "f4", "as lit_fraction, on the ground at the rover"),
    ("horizon_deg", "f4", "elevation of the horizon under the Sun, at the middle of the array"),
    ("lander_irradiance_w_m2", "f4", "as irradiance_w_m2, at the lander"),
)
EARTH = Schema(
    "earth",
    ("azimuth_deg", "f8", "from north through east"),
    ("elevation_deg", "f8", "of the centre"),
    ("distance_m", "f8", "from the site"),
    ("visible", "u1", "1 when the centre is above the horizon"),
    ("horizon_deg", "f4", "elevation of the horizon under the Earth, at the antenna"),
)
SURFACE = Schema(
    "surface",
    ("surface_temperature_k", "f4", "of the ground at the rover"),
    ("sky_temperature_k", "f4", "of what a radiator to the zenith faces"),
    ("terrain_temperature_k", "f4", "of what a side of the rover faces, half of it sky"),
)
GROUND = Schema(
    "ground",
    ("depth_m", "f4", "below the surface"),
    ("density_kg_m3", "f4", "bulk density of dry soil"),
    ("temperature_k", "f4", "of the soil"),
    ("mean_k", "f4", "temperature's mean over a year"),
    ("warmest_k", "f4", "greatest temperature of a year"),
    ("lit_share", "f4", "part of a year with some Sun on the ground, the same in all rows"),
    ("h2o_loss_kg_m2_s", "f4", "sublimation of bare water ice at this depth, mean of a year"),
    ("h2s_loss_kg_m2_s", "f4", "of hydrogen sulphide"),
    ("nh3_loss_kg_m2_s", "f4", "of ammonia"),
    ("so2_loss_kg_m2_s", "f4", "of sulphur dioxide"),
    ("co2_loss_kg_m2_s", "f4", "of carbon dioxide"),
    ("ch3oh_loss_kg_m2_s", "f4", "of methanol"),
)
RADIATION = Schema(
    "radiation",
    ("cosmic_ray_factor", "f4", "flux of galactic cosmic rays over its mean"),
    ("solar_particle_factor", "f4", "all neutrons over those without a solar particle event"),
)
COLUMN = Schema(
    "column",
    ("depth_m", "f4", "below the surface; told twice, above and below, where the soil changes"),
    ("density_kg_m3", "f4", "bulk density"),
    ("temperature_k", "f4", "of the soil"),
    ("permittivity", "f4", "relative, real part"),
    ("loss_tangent", "f4", "at 1 GHz and above"),
    ("water_wt_percent", "f4", "water-equivalent hydrogen, ice included"),
    ("ice_wt_percent", "f4", "water ice"),
    ("h2s_wt_percent", "f4", "frozen hydrogen sulphide"),
    ("nh3_wt_percent", "f4", "frozen ammonia"),
    ("so2_wt_percent", "f4", "frozen sulphur dioxide"),
    ("co2_wt_percent", "f4", "frozen carbon dioxide"),
    ("ch3oh_wt_percent", "f4", "frozen methanol"),
)
ROCKS = Schema(
    "rocks",
    ("x_m", "f4", "centre, map east"),
    ("y_m", "f4", "centre, map north"),
    ("depth_m", "f4", "of the centre below the surface"),
    ("diameter_m", "f4", "0 in the one row that says that there is none"),
    ("permittivity", "f4", "relative, real part"),
)
LEAKAGE = Schema(
    "neutron_leakage",
    ("x_m", "f4", "map east"),
    ("y_m", "f4", "map north"),
    ("radius_m", "f4", "of the sample's ring around the rover"),
    ("epithermal_ratio", "f4", "leakage over that of dry soil"),
    ("thermal_ratio", "f4", "leakage over that of dry soil"),
)
TRUTH = Schema(
    "truth",
    ("patch_present", "u1", "1 when there is this patch of wet soil; the drawn one comes first"),
    ("patch_x_m", "f4", "centre, map east"),
    ("patch_y_m", "f4", "centre, map north"),
    ("patch_radius_m", "f4", "of the disc"),
    ("content_wt_percent", "f4", "water-equivalent hydrogen of the wet soil"),
    ("cover_g_cm2", "f4", "dry soil above it"),
    ("k_e", "f4", "epithermal suppression per wt%"),
    ("lambda_e_g_cm2", "f4", "escape mass of epithermal neutrons"),
)
TRACKS = Schema(
    "tracks",
    ("slip", "f4", "1 - speed over ground / track speed; negative when braking"),
    ("sinkage_m", "f4", "of the track into the soil"),
    ("normal_force_n", "f4", "load on the track"),
    ("tractive_force_n", "f4", "thrust of the soil along the track"),
    ("power_w", "f4", "mechanical power into the track; negative when the slope drives it"),
    ("steering_torque_nm", "f4", "with which the soil resists steering the track on the spot"),
)
VEHICLE = Schema(
    "vehicle",
    ("tilt_deg", "f4", "between the rover's vertical and the plumb line"),
    ("tipped", "u1", "1 when the rover lies on its side"),
    ("obstructed", "u1", "1 when a rock or step stops the motion"),
    ("embedded_m", "f4", "how far the tracks have dug themselves in beyond static sinkage"),
    ("driven_m", "f8", "way over ground since the start"),
    ("track_energy_j", "f8", "into tracks and steering since the start; braking is negative"),
)
LOAD = Schema(
    "load",
    ("power_w", "f4", "electric power taken"),
    ("heat_w", "f4", "heat left at the unit's place"),
    ("gas_kg_s", "f8", "gas let out"),
)
OPTICAL_SURFACE = Schema(
    "optical_surface",
    ("ice_wt_percent", "f4", "water ice in the topmost millimetre"),
    ("ice_grain_um", "f4", "diameter of the grains of ice"),
    ("regolith_grain_um", "f4", "diameter of the mineral grains that light meets"),
    ("maturity", "f4", "0 fresh to 1 mature: space weathering darkens and reddens the soil"),
    ("pyroxene_percent", "f4", "of the minerals' volume"),
    ("temperature_k", "f4", "of the topmost millimetre"),
)
GAS = Schema(
    "gas",
    *((f"{name}_pa", "f4", "partial pressure at the rover's mast") for name in SPECIES),
    ("total_pa", "f4", "sum of all"),
    ("native_water_share", "f4", "part of the water's pressure that is the Moon's own"),
)
