# SPDX-License-Identifier: Apache-2.0
"""The terrain of a run, the same for every unit of nature that stands on it or looks past it."""

from __future__ import annotations

from functools import lru_cache

from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.models.site_terrain import SiteTerrain, in_plain
from lupex_nodes.models.synthetic_site import synthetic_site
from lupex_nodes.world.site_cache import cached


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
    terrain_seed: int = parameter(
        -1, "of the synthetic terrain; -1: the run's seed", ge=-1, le=2**31 - 1, live=False
    )
    terrain_relief_scale: float = parameter(
        1.0, "relief of the synthetic terrain over that of the polar highlands; 0 is level",
        ge=0.0, le=4.0, live=False, assumed=True,
    )  # fmt: skip
    terrain_crater_density: float = parameter(
        0.0,
        "craters of the synthetic terrain over those of an old surface; above 0.05 times the "
        "square of the relief scale the ground gets rougher than the relief says",
        ge=0.0,
        le=1.0,
        live=False,
    )
    terrain_rock_abundance: float = parameter(
        0.0, "k of the rocks' sizes: 0.003 on old highlands, 0.03 on fresh ejecta, 0 none",
        ge=0.0, le=0.1, live=False,
    )  # fmt: skip


def ground(parameters: GroundParameters, seed: int) -> SiteTerrain:
    """Return the terrain that the parameters describe; ValueError when its file is no use.

    The same object for all who ask for the same, as long as a process keeps a few sites.
    """
    p = parameters
    if p.terrain_geotiff:
        return _from_file(p.terrain_geotiff)
    return _synthetic(
        seed if p.terrain_seed < 0 else p.terrain_seed,
        p.terrain_size_m,
        p.terrain_pixel_m,
        p.terrain_relief_scale,
        p.terrain_crater_density,
        p.terrain_rock_abundance,
    )


@lru_cache(maxsize=2)
def _from_file(path: str) -> SiteTerrain:
    from lupex_nodes.models.geotiff import load

    return in_plain(load(path).terrain)


@lru_cache(maxsize=3)
def _synthetic(
    seed: int,
    size_m: float,
    pixel_m: float,
    relief_scale: float,
    crater_density: float,
    rock_abundance: float,
) -> SiteTerrain:
    def make() -> SiteTerrain:
        return synthetic_site(
            seed,
            size_m,
            pixel_m,
            relief_scale=relief_scale,
            crater_density=crater_density,
            rock_abundance=rock_abundance,
        )

    asked = (seed, size_m, pixel_m, relief_scale, crater_density, rock_abundance)
    return cached(make, *asked)
