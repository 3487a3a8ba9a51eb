# SPDX-License-Identifier: Apache-2.0
"""The sky over the site and what it does to the ground."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.parameters import parameter
from lupex_nodes.bus.ports import Output, Qos
from lupex_nodes.bus.stamps import seconds
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.ephemeris import EphemerisTable
from lupex_nodes.models.illumination import (
    Horizon,
    horizon,
    irradiance_w_m2,
    lit_fraction,
    sun_angular_radius_deg,
)
from lupex_nodes.models.neutron import NeutronPrior
from lupex_nodes.models.regolith import surface_temperature_k
from lupex_nodes.world.constants import generator_of_run
from lupex_nodes.world.ground import GroundParameters, ground
from lupex_nodes.world.records import EARTH, RADIATION, SUN, SURFACE

_TABLE_STEP_S = 1800.0
_TABLE_SPAN_S = 10 * 86400.0
_ARRAY_HEIGHT_M = 2.0


class Environment(Unit):
    """Sun, Earth, horizon, temperatures of ground and sky, cosmic rays.

    Directions come from the ephemeris, sampled once for ten days. The horizon is level, and with
    terrain from a file that of the file too. Ground is in radiative balance, without inertia.
    """

    class Parameters(GroundParameters):
        """Site and horizon."""

        latitude_deg: float = parameter(
            -89.45, "of the site", "deg", ge=-90.0, le=90.0, live=False
        )
        longitude_deg: float = parameter(
            222.7, "of the site, east", "deg", ge=-360.0, le=360.0, live=False
        )
        horizon_elevation_deg: float = parameter(
            -1.7, "of the far horizon", "deg", ge=-5.0, le=30.0, live=False, assumed=True
        )
        slope_to_sun_deg: float = parameter(
            0.0, "of the ground at the site toward the Sun", "deg", ge=-30.0, le=30.0, assumed=True
        )
        sky_temperature_k: float = parameter(
            3.0, "with the terrain that a radiator sees", "K", ge=2.7, le=200.0, assumed=True
        )
        cosmic_ray_sigma: float = parameter(
            NeutronPrior().dry_rate_sigma, "of the flux, relative to its mean", ge=0.0, le=0.3,
            live=False, assumed=True,
        )  # fmt: skip

    kind = Kind.NATURE
    period_s = 60.0
    sun = Output("world/sun", PointCloud2, Qos.STATE, SUN, "map")
    earth = Output("world/earth", PointCloud2, Qos.STATE, EARTH, "map")
    surface = Output("world/surface", PointCloud2, Qos.STATE, SURFACE, "map")
    radiation = Output("world/radiation", PointCloud2, Qos.STATE, RADIATION, "map")

    def setup(self) -> None:
        """Draw the horizon and the flux of cosmic rays."""
        p = self.parameters
        self.horizon = Horizon(np.full(2, p.horizon_elevation_deg))
        if p.terrain_geotiff:
            near = horizon(ground(p, self.context.seed), 0.0, 0.0, _ARRAY_HEIGHT_M)
            self.horizon = near.behind(self.horizon)
        drawn = float(np.clip(generator_of_run(self.context).standard_normal(), -4.0, 4.0))
        self.cosmic_ray_factor = max(1.0 + p.cosmic_ray_sigma * drawn, 0.05)
        self._table: EphemerisTable | None = None
        self._told = False
        self._shown: dict[str, float] = {}

    def step(self, now: int) -> int | None:
        """Publish the sky."""
        p = self.parameters
        if self._table is None or now > self._table.end_ns:
            self._table = EphemerisTable(
                now, now + seconds(_TABLE_SPAN_S), _TABLE_STEP_S, p.latitude_deg, p.longitude_deg
            )
        sun, earth = self._table.sun(now), self._table.earth(now)
        radius_deg = sun_angular_radius_deg(sun.distance_m)
        lit = lit_fraction(sun.elevation_deg, self.horizon.at(sun.azimuth_deg), radius_deg)
        flux_w_m2 = irradiance_w_m2(sun.distance_m, lit)
        cosine = math.sin(math.radians(sun.elevation_deg + p.slope_to_sun_deg))
        ground_k = float(surface_temperature_k(flux_w_m2, cosine))
        visible = earth.elevation_deg > self.horizon.at(earth.azimuth_deg)
        self.sun.publish_rows(now, [
            (sun.azimuth_deg, sun.elevation_deg, lit, flux_w_m2, lit, lit, lit,
             self.horizon.at(sun.azimuth_deg), flux_w_m2)
        ])
        self.earth.publish_rows(now, [(*earth, int(visible), self.horizon.at(earth.azimuth_deg))])
        self.surface.publish_rows(now, [(ground_k, p.sky_temperature_k, ground_k)])
        if not self._told:
            self.radiation.publish_rows(now, [(self.cosmic_ray_factor,)])
            self._told = True
        self._shown = {
            "sun_elevation_deg": sun.elevation_deg,
            "lit_fraction": lit,
            "earth_elevation_deg": earth.elevation_deg,
            "surface_temperature_k": ground_k,
        }
        return None

    def housekeeping(self) -> dict[str, Any]:
        """Say how Sun, Earth and ground are."""
        return dict(self._shown)
