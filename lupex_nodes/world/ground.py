# SPDX-License-Identifier: Apache-2.0
"""The terrain of a run, the same for every unit of nature that stands on it or looks past it."""

from __future__ import annotations

from functools import lru_cache

from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.models.terrain import Terrain, synthetic


class GroundParameters(Parameters):
    """Which terrain there is."""

    terrain_geotiff: str = parameter(
        "", "LOLA GeoTIFF of the terrain; empty: synthetic terrain", live=False
    )
    terrain_size_m: float = parameter(
        400.0, "side of the synthetic terrain", "m", ge=50.0, le=4000.0, live=False
    )
    terrain_pixel_m: float = parameter(
        1.0, "node distance of the synthetic terrain", "m", ge=0.1, le=20.0, live=False
    )
    terrain_rms_slope_deg: float = parameter(
        4.0, "slope of the synthetic terrain", "deg", ge=0.0, le=20.0, live=False, assumed=True
    )
    terrain_crater_density: float = parameter(
        0.0,
        "craters of the synthetic terrain over those of an old surface; a drive without hazard "
        "avoidance needs ground without",
        ge=0.0,
        le=1.0,
        live=False,
    )


def ground(parameters: GroundParameters, seed: int) -> Terrain:
    """Return the terrain that the parameters describe; ValueError when its file is no use."""
    if parameters.terrain_geotiff:
        return _from_file(parameters.terrain_geotiff)
    return _synthetic(
        seed,
        parameters.terrain_size_m,
        parameters.terrain_pixel_m,
        parameters.terrain_rms_slope_deg,
        parameters.terrain_crater_density,
    )


@lru_cache(maxsize=2)
def _from_file(path: str) -> Terrain:
    from lupex_nodes.models.geotiff import load

    return load(path).terrain


@lru_cache(maxsize=2)
def _synthetic(
    seed: int, size_m: float, pixel_m: float, rms_slope_deg: float, crater_density: float
) -> Terrain:
    return synthetic(
        seed,
        size_m,
        pixel_m,
        rms_slope_deg,
        crater_density=crater_density,
        crater_diameter_max_m=size_m / 4.0,
    )
