# SPDX-License-Identifier: Apache-2.0
"""What is under the rover."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from scipy.special import ndtri
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import next_minute
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.neutron import (
    DETECTOR_HEIGHT_M,
    draw_constants,
    epithermal_ratio,
    equal_response_radii,
    thermal_ratio,
)
from lupex_nodes.models.stratigraphy import Ground, Layers, SmoothField, layers
from lupex_nodes.models.volatiles import VOLATILES
from lupex_nodes.world.constants import generator_of_run
from lupex_nodes.world.records import COLUMN, GROUND, LEAKAGE, TRUTH

_RINGS, _AZIMUTHS = 20, 16
_DEPTHS_M = np.concatenate([np.arange(0.0, 0.2, 0.02), np.arange(0.2, 2.01, 0.1)])
_DAY_S = 86400.0


class Subsurface(Unit):
    """One stratigraphy for all instruments: density, temperature, permittivity, water, ices.

    Dry soil as the environment warms it holds, perhaps, a disc of wet soil under a dry cover, whose
    centre is drawn within a rectangle, and in permanent shadow patches of wet soil of their own.
    Water is ice where ice lasts at the temperatures of that depth, with frozen gases where they
    last too; elsewhere it is bound. The constants of neutron leakage are drawn from their prior.
    Published as the column under the rover and as the leakage on rings around it, when the rover
    has moved; whether its surroundings lie in shadow is taken from where it stands.
    """

    class Parameters(Parameters):
        """The patch, what is in permanent shadow, and how ice keeps."""

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
        edge_m: float = parameter(
            0.5, "width of a patch's edge", "m", ge=0.01, le=10.0, live=False, assumed=True
        )
        psr_content_wt_percent: float = parameter(
            5.0, "water-equivalent hydrogen of wet soil in permanent shadow", "wt%",
            ge=0.0, le=30.0, live=False, assumed=True,
        )  # fmt: skip
        psr_cover_g_cm2: float = parameter(
            3.0, "dry soil above it", "g/cm2", ge=0.0, le=300.0, live=False, assumed=True
        )
        psr_share: float = parameter(
            0.4, "part of the area in permanent shadow that is wet", ge=0.0, le=1.0,
            live=False, assumed=True,
        )  # fmt: skip
        psr_patch_m: float = parameter(
            30.0, "size of wet and dry patches there", "m", ge=1.0, le=1000.0,
            live=False, assumed=True,
        )  # fmt: skip
        scenario_days: float = parameter(
            14.0, "in which ice must not lose a millimetre", "d", ge=0.01, le=400.0, live=False
        )
        pore_radius_m: float = parameter(
            80e-6, "through which vapour leaves", "m", ge=1e-6, le=1e-2, live=False, assumed=True
        )
        iron_titanium_percent: float = parameter(
            5.0, "FeO and TiO2 of the soil, highlands 5, maria 20", "wt%", ge=0.0, le=30.0,
            live=False,
        )  # fmt: skip
        leakage_step_m: float = parameter(
            0.05, "leakage is renewed after so much motion", "m", ge=0.01, le=1.0
        )
        column_step_m: float = parameter(
            0.5, "the column is renewed after so much motion", "m", ge=0.05, le=50.0
        )

    kind = Kind.NATURE
    period_s = 60.0
    vehicle = Input("world/vehicle/odometry", Odometry, wake=True)
    ground = Input("world/ground_temperature", PointCloud2, Qos.STATE, wake=True, schema=GROUND)
    column = Output("world/column", PointCloud2, Qos.STATE, schema=COLUMN)
    leakage = Output("world/neutron_leakage", PointCloud2, Qos.STATE, LEAKAGE, "map")
    truth = Output("world/truth", PointCloud2, Qos.STATE, TRUTH, "map")

    def setup(self) -> None:
        """Draw the patches and the constants of this world."""
        p = self.parameters
        if p.patch_x_min_m > p.patch_x_max_m or p.patch_y_min_m > p.patch_y_max_m:
            raise ValueError("the patch's rectangle is empty: give minima not above the maxima")
        rng = generator_of_run(self.context)
        self.x_m = rng.uniform(p.patch_x_min_m, p.patch_x_max_m)
        self.y_m = rng.uniform(p.patch_y_min_m, p.patch_y_max_m)
        self.constants = draw_constants(rng)
        self._wetness = SmoothField(rng, p.psr_patch_m)
        self._wet_above = float(-ndtri(p.psr_share))
        dry = self._ratios(p.background_water_wt_percent, 0.0)
        wet = self._ratios(p.patch_content_wt_percent, p.patch_cover_g_cm2)
        shadowed = self._ratios(p.psr_content_wt_percent, p.psr_cover_g_cm2)
        self._epithermal, self._thermal = zip(dry, wet, shadowed, strict=True)
        radius = np.repeat(equal_response_radii(_RINGS, DETECTOR_HEIGHT_M), _AZIMUTHS)
        ring = np.repeat(np.arange(_RINGS), _AZIMUTHS)
        # each ring is turned by the golden angle so that samples don't line up
        azimuth = np.tile(np.arange(_AZIMUTHS) * 2.0 * math.pi / _AZIMUTHS, _RINGS) + 2.39996 * ring
        self._dx, self._dy = radius * np.cos(azimuth), radius * np.sin(azimuth)
        self._rows = np.zeros(radius.size, LEAKAGE.dtype)
        self._rows["radius_m"] = radius
        # a sample stands for its cell: a patch's edge is blurred over the cell's width
        self._blur = np.maximum(2.0 * math.pi * radius / _AZIMUTHS, p.edge_m)
        self._place: Ground | None = None
        self._in_shadow = False
        self._ground_at: int | None = None
        self._leakage_at: tuple[float, float] | None = None
        self._column_at: tuple[float, float] | None = None
        self._told = False

    def step(self, now: int) -> int | None:
        """Publish what the rover's motion made new, or other ground."""
        if not self._told:
            self._publish_truth(now)
            self._told = True
        if self.vehicle.value is None:
            return next_minute(now)
        place = self.vehicle.value.pose.pose.position
        here, p = (place.x, place.y), self.parameters
        if self.ground.time != self._ground_at:
            self._ground_at = self.ground.time
            self._take_ground()
            self._column_at = None
        if self._leakage_at is None or math.dist(here, self._leakage_at) >= p.leakage_step_m:
            self._leakage_at = here
            self._publish_leakage(now, *here)
        if self._place is not None and (
            self._column_at is None or math.dist(here, self._column_at) >= p.column_step_m
        ):
            self._column_at = here
            self._publish_column(now, *here, self._place)
        return next_minute(now)

    def housekeeping(self) -> dict[str, Any]:
        """Say how far the patch is and whether the rover stands in permanent shadow."""
        at = self._leakage_at
        return {
            "patch_distance_m": math.dist(at, (self.x_m, self.y_m)) if at else math.nan,
            "permanent_shadow": int(self._in_shadow),
        }

    def _ratios(self, water_wt_percent: float, cover_g_cm2: float) -> tuple[float, float]:
        c = self.constants
        epithermal = epithermal_ratio(water_wt_percent, cover_g_cm2, c.k_e, c.lambda_e_g_cm2)
        thermal = thermal_ratio(water_wt_percent, cover_g_cm2, c.thermal_amplitude)
        return float(epithermal), float(thermal)

    def _take_ground(self) -> None:
        """Take the dry ground that the environment says, at the depths of the column."""
        rows: Any = self.ground.rows()
        told = {name: rows[name].astype(float) for name in GROUND.dtype.names or ()}
        self._place = Ground(
            told["depth_m"],
            told["density_kg_m3"],
            told["temperature_k"],
            told["warmest_k"],
            {name: told[f"{name}_loss_kg_m2_s"] for name in VOLATILES},
        ).at(_DEPTHS_M)
        dark = float(rows["lit_share"][0]) == 0.0
        if dark != self._in_shadow:
            self._in_shadow = dark
            self._leakage_at = None
        density = self._place.density_kg_m3
        layer = 0.5 * (density[1:] + density[:-1]) * np.diff(_DEPTHS_M)
        self._overburden_g_cm2 = 0.1 * np.concatenate([[0.0], np.cumsum(layer)])

    def _publish_truth(self, now: int) -> None:
        p, c = self.parameters, self.constants
        patch = (self.x_m, self.y_m, p.patch_radius_m, p.patch_content_wt_percent)
        row = (int(p.patch_present), *patch, p.patch_cover_g_cm2, c.k_e, c.lambda_e_g_cm2)
        self.truth.publish_rows(now, [row])

    def _publish_leakage(self, now: int, x_m: float, y_m: float) -> None:
        rows, x, y = self._rows, self._dx + x_m, self._dy + y_m
        rows["x_m"], rows["y_m"] = x, y
        patch: Any = 0.0
        if self.parameters.patch_present:
            inside = self.parameters.patch_radius_m - np.hypot(x - self.x_m, y - self.y_m)
            patch = np.clip(inside / self._blur + 0.5, 0.0, 1.0)
        shadow: Any = 0.0
        if self._in_shadow:
            shadow = (1.0 - patch) * (self._wetness.at(x, y) > self._wet_above)
        for name, (dry, wet, shadowed) in (
            ("epithermal_ratio", self._epithermal),
            ("thermal_ratio", self._thermal),
        ):
            rows[name] = dry + (wet - dry) * patch + (shadowed - dry) * shadow
        self.leakage.publish_rows(now, rows)

    def _water_wt_percent(self, x_m: float, y_m: float) -> np.ndarray:
        """Water-equivalent hydrogen by depth: the patch rules over what is in shadow."""
        p = self.parameters
        water = np.full(_DEPTHS_M.size, p.background_water_wt_percent)
        if p.patch_present and math.dist((x_m, y_m), (self.x_m, self.y_m)) <= p.patch_radius_m:
            content, cover = p.patch_content_wt_percent, p.patch_cover_g_cm2
        elif self._in_shadow and self._wetness.at(x_m, y_m) > self._wet_above:
            content, cover = p.psr_content_wt_percent, p.psr_cover_g_cm2
        else:
            return water
        water[self._overburden_g_cm2 >= cover] = content
        return water

    def _publish_column(self, now: int, x_m: float, y_m: float, place: Ground) -> None:
        p = self.parameters
        water = self._water_wt_percent(x_m, y_m)
        filled: Layers = layers(
            place, water, scenario_s=p.scenario_days * _DAY_S, pore_radius_m=p.pore_radius_m,
            iron_titanium_percent=p.iron_titanium_percent,
        )  # fmt: skip
        rows = np.zeros(_DEPTHS_M.size, COLUMN.dtype)
        rows["depth_m"], rows["density_kg_m3"] = _DEPTHS_M, filled.density_kg_m3
        rows["temperature_k"] = place.temperature_k
        rows["permittivity"], rows["loss_tangent"] = filled.permittivity, filled.loss_tangent
        rows["water_wt_percent"] = filled.water_wt_percent
        for name, content in filled.frozen_wt_percent.items():
            rows["ice_wt_percent" if name == "h2o" else f"{name}_wt_percent"] = content
        self.column.publish_rows(now, rows)
