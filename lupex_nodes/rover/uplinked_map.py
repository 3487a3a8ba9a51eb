# SPDX-License-Identifier: Apache-2.0
"""The map that was uplinked before the traverse: all that the rover's software knows of the ground
beyond what its cameras see. This is the one place where software touches the true terrain.
"""

from __future__ import annotations

from functools import lru_cache
from zlib import crc32

from lupex_nodes.bus.parameters import parameter
from lupex_nodes.models.orbital_map import orbital_map
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.world.ground import GroundParameters, ground


class MapParameters(GroundParameters):
    """The site, and how well it is known from orbit."""

    latitude_deg: float = parameter(-89.45, "of the site", "deg", ge=-90.0, le=90.0, live=False)
    longitude_deg: float = parameter(
        222.7, "of the site, east", "deg", ge=-360.0, le=360.0, live=False
    )
    map_posting_m: float = parameter(
        5.0, "node distance of the uplinked map", "m", ge=1.0, le=100.0, live=False
    )
    map_resolution_m: float = parameter(
        10.0, "smallest features of the uplinked map", "m", ge=0.0, le=200.0, live=False
    )
    map_noise_m: float = parameter(
        0.4, "1 sigma of its heights", "m", ge=0.0, le=10.0, live=False, assumed=True
    )
    map_noise_correlation_m: float = parameter(
        15.0, "over which these errors are alike", "m", ge=1.0, le=200.0, live=False, assumed=True
    )


def uplinked_map(p: MapParameters, seed: int) -> SiteTerrain:
    """Return the map; ValueError when the terrain's file is no use."""
    known = (p.map_posting_m, p.map_resolution_m, p.map_noise_m, p.map_noise_correlation_m)
    return _mapped(ground(p, seed), seed, *known)


@lru_cache(maxsize=2)
def _mapped(
    site: SiteTerrain, seed: int, posting_m: float, resolution_m: float, noise_m: float,
    correlation_m: float,
) -> SiteTerrain:  # fmt: skip
    return orbital_map(
        site,
        crc32(b"orbital map") + seed,
        posting_m=posting_m,
        resolution_m=resolution_m,
        noise_m=noise_m,
        noise_correlation_m=correlation_m,
    )
