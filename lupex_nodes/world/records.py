# SPDX-License-Identifier: Apache-2.0
"""The records of nature, and the one by which hardware says what it does to nature."""

from __future__ import annotations

from lupex_nodes.bus.records import Schema

SUN = Schema(
    "sun",
    ("azimuth_deg", "f8", "from north through east"),
    ("elevation_deg", "f8", "of the disc's centre"),
    ("lit_fraction", "f4", "part of the disc above the horizon"),
    ("irradiance_w_m2", "f4", "normal to the rays, of the part above the horizon"),
)
EARTH = Schema(
    "earth",
    ("azimuth_deg", "f8", "from north through east"),
    ("elevation_deg", "f8", "of the centre"),
    ("distance_m", "f8", "from the site"),
    ("visible", "u1", "1 when the centre is above the horizon"),
)
SURFACE = Schema(
    "surface",
    ("surface_temperature_k", "f4", "of the ground at the site"),
    ("sky_temperature_k", "f4", "of what a radiator to the zenith faces"),
)
RADIATION = Schema(
    "radiation",
    ("cosmic_ray_factor", "f4", "flux of galactic cosmic rays over its mean"),
)
COLUMN = Schema(
    "column",
    ("depth_m", "f4", "below the surface"),
    ("density_kg_m3", "f4", "bulk density"),
    ("temperature_k", "f4", "of the soil"),
    ("permittivity", "f4", "relative, real part"),
    ("water_wt_percent", "f4", "water-equivalent hydrogen"),
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
    ("patch_present", "u1", "1 when there is a patch of wet soil"),
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
    ("power_w", "f4", "mechanical power into the track"),
)
LOAD = Schema(
    "load",
    ("power_w", "f4", "electric power taken"),
    ("heat_w", "f4", "heat left at the unit's place"),
    ("gas_kg_s", "f8", "gas let out"),
)
