# SPDX-License-Identifier: Apache-2.0
"""What is under the rover."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.neutron import (
    DETECTOR_HEIGHT_M,
    draw_constants,
    epithermal_ratio,
    equal_response_radii,
    thermal_ratio,
)
from lupex_nodes.models.regolith import (
    density_carrier_kg_m3,
    permittivity,
    temperature_at_depth_k,
)
from lupex_nodes.world.constants import generator_of_run
from lupex_nodes.world.records import COLUMN, LEAKAGE, SURFACE, TRUTH

_RINGS, _AZIMUTHS = 20, 16
_DEPTHS_M = np.concatenate([np.arange(0.0, 0.2, 0.02), np.arange(0.2, 2.01, 0.1)])


class Subsurface(Unit):
    """One stratigraphy for all instruments: density, temperature, permittivity and water.

    Dry soil holds, perhaps, a disc of wet soil under a dry cover, whose centre is drawn within a
    rectangle. The constants of neutron leakage are drawn from their prior. Published as the column
    under the rover and as the leakage on rings around it, when the rover has moved.
    """

    class Parameters(Parameters):
        """The patch; background water is of all soil."""

        patch_present: bool = parameter(True, "whether there is a wet patch", live=False)
        patch_radius_m: float = parameter(10.0, "of the disc", "m", ge=0.5, le=500.0, live=False)
        patch_content_wt_percent: float = parameter(
            2.0, "water-equivalent hydrogen", "wt%", ge=0.0, le=100.0, live=False
        )
        patch_cover_g_cm2: float = parameter(
            15.0, "dry soil above", "g/cm2", ge=0.0, le=300.0, live=False
        )
        patch_x_min_m: float = parameter(45.0, "rectangle of the centre", "m", live=False)
        patch_x_max_m: float = parameter(85.0, "rectangle of the centre", "m", live=False)
        patch_y_min_m: float = parameter(-15.0, "rectangle of the centre", "m", live=False)
        patch_y_max_m: float = parameter(15.0, "rectangle of the centre", "m", live=False)
        background_water_wt_percent: float = parameter(
            0.0, "of all other soil", "wt%", ge=0.0, le=10.0, live=False
        )
        mean_surface_temperature_k: float = parameter(
            110.0, "over a year", "K", ge=30.0, le=400.0, live=False, assumed=True
        )
        edge_m: float = parameter(
            0.5, "width of the patch's edge", "m", ge=0.01, le=10.0, live=False, assumed=True
        )
        leakage_step_m: float = parameter(
            0.05, "leakage is renewed after so much motion", "m", ge=0.01, le=1.0
        )
        column_step_m: float = parameter(
            0.5, "the column is renewed after so much motion", "m", ge=0.05, le=50.0
        )

    kind = Kind.NATURE
    vehicle = Input("world/vehicle/odometry", Odometry)
    surface = Input("world/surface", PointCloud2, Qos.STATE, schema=SURFACE)
    column = Output("world/column", PointCloud2, Qos.STATE, schema=COLUMN)
    leakage = Output("world/neutron_leakage", PointCloud2, Qos.STATE, LEAKAGE, "map")
    truth = Output("world/truth", PointCloud2, Qos.STATE, TRUTH, "map")

    def setup(self) -> None:
        """Draw the patch and the constants of this world."""
        p = self.parameters
        if p.patch_x_min_m > p.patch_x_max_m or p.patch_y_min_m > p.patch_y_max_m:
            raise ValueError("the patch's rectangle is empty: give minima not above the maxima")
        rng = generator_of_run(self.context)
        self.x_m = rng.uniform(p.patch_x_min_m, p.patch_x_max_m)
        self.y_m = rng.uniform(p.patch_y_min_m, p.patch_y_max_m)
        self.constants = draw_constants(rng)
        dry = self._ratios(p.background_water_wt_percent, 0.0)
        wet = self._ratios(p.patch_content_wt_percent, p.patch_cover_g_cm2)
        self._epithermal, self._thermal = zip(dry, wet, strict=True)
        radius = np.repeat(equal_response_radii(_RINGS, DETECTOR_HEIGHT_M), _AZIMUTHS)
        ring = np.repeat(np.arange(_RINGS), _AZIMUTHS)
        # each ring is turned by the golden angle so that samples don't line up
        azimuth = np.tile(np.arange(_AZIMUTHS) * 2.0 * math.pi / _AZIMUTHS, _RINGS) + 2.39996 * ring
        self._dx, self._dy = radius * np.cos(azimuth), radius * np.sin(azimuth)
        self._rows = np.zeros(radius.size, LEAKAGE.dtype)
        self._rows["radius_m"] = radius
        # a sample stands for its cell: the patch's edge is blurred over the cell's width
        self._blur = np.maximum(2.0 * math.pi * radius / _AZIMUTHS, p.edge_m)
        self._density = np.asarray(density_carrier_kg_m3(_DEPTHS_M))
        layer = 0.5 * (self._density[1:] + self._density[:-1]) * np.diff(_DEPTHS_M)
        self._overburden_g_cm2 = 0.1 * np.concatenate([[0.0], np.cumsum(layer)])
        self._leakage_at: tuple[float, float] | None = None
        self._column_at: tuple[float, float] | None = None
        self._told = False

    def step(self, now: int) -> int | None:
        """Publish what the rover's motion made new."""
        if not self._told:
            self._publish_truth(now)
            self._told = True
        if self.vehicle.value is None:
            return None
        place = self.vehicle.value.pose.pose.position
        here, p = (place.x, place.y), self.parameters
        if self._leakage_at is None or math.dist(here, self._leakage_at) >= p.leakage_step_m:
            self._leakage_at = here
            self._publish_leakage(now, *here)
        if self._column_at is None or math.dist(here, self._column_at) >= p.column_step_m:
            self._column_at = here
            self._publish_column(now, *here)
        return None

    def housekeeping(self) -> dict[str, Any]:
        """Say how far the patch is."""
        at = self._leakage_at
        return {"patch_distance_m": math.dist(at, (self.x_m, self.y_m)) if at else math.nan}

    def _ratios(self, water_wt_percent: float, cover_g_cm2: float) -> tuple[float, float]:
        c = self.constants
        epithermal = epithermal_ratio(water_wt_percent, cover_g_cm2, c.k_e, c.lambda_e_g_cm2)
        thermal = thermal_ratio(water_wt_percent, cover_g_cm2, c.thermal_amplitude)
        return float(epithermal), float(thermal)

    def _publish_truth(self, now: int) -> None:
        p, c = self.parameters, self.constants
        patch = (self.x_m, self.y_m, p.patch_radius_m, p.patch_content_wt_percent)
        row = (int(p.patch_present), *patch, p.patch_cover_g_cm2, c.k_e, c.lambda_e_g_cm2)
        self.truth.publish_rows(now, [row])

    def _publish_leakage(self, now: int, x_m: float, y_m: float) -> None:
        rows, x, y = self._rows, self._dx + x_m, self._dy + y_m
        rows["x_m"], rows["y_m"] = x, y
        share = 0.0
        if self.parameters.patch_present:
            inside = self.parameters.patch_radius_m - np.hypot(x - self.x_m, y - self.y_m)
            share = np.clip(inside / self._blur + 0.5, 0.0, 1.0)
        for name, (dry, wet) in (
            ("epithermal_ratio", self._epithermal),
            ("thermal_ratio", self._thermal),
        ):
            rows[name] = dry + (wet - dry) * share
        self.leakage.publish_rows(now, rows)

    def _publish_column(self, now: int, x_m: float, y_m: float) -> None:
        p, surface = self.parameters, self.surface.row()
        rows = np.zeros(_DEPTHS_M.size, COLUMN.dtype)
        rows["depth_m"], rows["density_kg_m3"] = _DEPTHS_M, self._density
        rows["temperature_k"] = temperature_at_depth_k(
            _DEPTHS_M,
            p.mean_surface_temperature_k,
            surface.surface_temperature_k if surface else None,
        )
        rows["permittivity"] = permittivity(self._density)
        rows["water_wt_percent"] = p.background_water_wt_percent
        if p.patch_present and math.dist((x_m, y_m), (self.x_m, self.y_m)) <= p.patch_radius_m:
            wet = self._overburden_g_cm2 >= p.patch_cover_g_cm2
            rows["water_wt_percent"][wet] = p.patch_content_wt_percent
        self.column.publish_rows(now, rows)
