# SPDX-License-Identifier: Apache-2.0
"""What is under the rover."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from nav_msgs.msg import Odometry
from scipy.special import ndtri
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import next_minute
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.buried_rocks import BuriedRocks
from lupex_nodes.models.neutron import (
    DETECTOR_HEIGHT_M,
    draw_constants,
    epithermal_ratio,
    equal_response_radii,
    thermal_ratio,
)
from lupex_nodes.models.soil_layering import SoilLayering
from lupex_nodes.models.stratigraphy import (
    Ground,
    Layers,
    SmoothField,
    layers,
    overburden_g_cm2,
)
from lupex_nodes.models.volatiles import VOLATILES
from lupex_nodes.world.constants import generator_of_run
from lupex_nodes.world.records import (
    COLUMN,
    GROUND,
    LEAKAGE,
    OPTICAL_SURFACE,
    ROCKS,
    TRUTH,
)
from lupex_nodes.world.subsurface_parameters import SubsurfaceParameters

_RINGS, _AZIMUTHS = 20, 16
_DEPTHS_M = np.concatenate([np.arange(0.0, 0.2, 0.02), np.arange(0.2, 2.01, 0.05)])
_DAY_S = 86400.0
_ROCKS_WITHIN_M = 3.0
_ROCKS_STEP_M = 0.5
_DENSITIES_KG_M3 = 1000.0, 2200.0
#: Rows above and below a boundary are this far from it where they are worked out.
_BESIDE_M = 1e-6
#: Boundaries lie at depths that can be told, or the step would fall beside their two rows.
_DECIMALS = 4


class Wet(NamedTuple):
    """A disc of wet soil under a dry cover."""

    x_m: float
    y_m: float
    radius_m: float
    content_wt_percent: float
    cover_g_cm2: float


class Subsurface(Unit):
    """One stratigraphy for all instruments: density, temperature, permittivity, water, ices.

    Dry soil as the environment warms it, in layers, with rocks and denser discs, holds discs of wet
    soil under a dry cover: one whose centre is drawn within a rectangle, others where the scenario
    says; in permanent shadow it has patches of wet soil of their own. Of discs that overlap the
    first rules. Water is ice where ice lasts at the temperatures of that depth, with frozen gases
    where they last too; elsewhere it is bound. The constants of neutron leakage are drawn from
    their prior. Published as the column under the rover, the rocks near it and the leakage on rings
    around it, when the rover has moved; whether its surroundings lie in shadow is taken from where
    it stands.
    """

    Parameters = SubsurfaceParameters
    kind = Kind.NATURE
    period_s = 60.0
    vehicle = Input("world/vehicle/odometry", Odometry, wake=True)
    ground = Input("world/ground_temperature", PointCloud2, Qos.STATE, wake=True, schema=GROUND)
    column = Output("world/column", PointCloud2, Qos.STATE, schema=COLUMN)
    optical_surface = Output(
        "world/optical_surface", PointCloud2, Qos.STATE, schema=OPTICAL_SURFACE
    )
    rocks = Output("world/rocks", PointCloud2, Qos.STATE, ROCKS, "map")
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
        drawn = Wet(self.x_m, self.y_m, p.patch_radius_m, p.patch_content_wt_percent,
                    p.patch_cover_g_cm2)  # fmt: skip
        self._wet = [drawn] * p.patch_present + [Wet(*row) for row in p.buried("deposit")]
        self._drawn = drawn
        self._dry_ratios = self._ratios(p.background_water_wt_percent, 0.0)
        self._wet_ratios = [
            self._ratios(each.content_wt_percent, each.cover_g_cm2) for each in self._wet
        ]
        self._shadow_ratios = self._ratios(p.psr_content_wt_percent, p.psr_cover_g_cm2)
        self._dense = p.buried("dense")
        self._layering = SoilLayering(rng, p.layer_count, p.layer_step_kg_m3)
        self._buried_rocks = BuriedRocks(int(rng.integers(2**31)), p.rocks_per_m3)
        # what light meets, alike all over the site
        self._ice_grain_um = math.exp(
            rng.uniform(*np.log([p.ice_grain_min_um, max(p.ice_grain_min_um, p.ice_grain_max_um)]))
        )
        self._soil_grain_um = 70.0 * math.exp(0.3 * rng.standard_normal())
        self._maturity, self._pyroxene_percent = rng.uniform(0.3, 0.9), rng.uniform(3.0, 15.0)
        self._permittivity_factor = 1.0 + p.permittivity_sigma * float(
            np.clip(rng.standard_normal(), -3.0, 3.0)
        )
        self._boulders = np.array(p.buried("boulder")).reshape(-1, 4)
        radius = np.repeat(equal_response_radii(_RINGS, DETECTOR_HEIGHT_M), _AZIMUTHS)
        ring = np.repeat(np.arange(_RINGS), _AZIMUTHS)
        # each ring is turned by the golden angle so that samples don't line up
        azimuth = np.tile(np.arange(_AZIMUTHS) * 2.0 * math.pi / _AZIMUTHS, _RINGS) + 2.39996 * ring
        self._dx, self._dy = radius * np.cos(azimuth), radius * np.sin(azimuth)
        self._rows = np.zeros(radius.size, LEAKAGE.dtype)
        self._rows["radius_m"] = radius
        # a sample stands for its cell: a patch's edge is blurred over the cell's width
        self._blur = np.maximum(2.0 * math.pi * radius / _AZIMUTHS, p.edge_m)
        self._reach_m = float(radius[-1] + self._blur[-1])
        self._place: Ground | None = None
        self._in_shadow = False
        self._ground_at: int | None = None
        self._leakage_at: tuple[float, float] | None = None
        self._column_at: tuple[float, float] | None = None
        self._rocks_at: tuple[float, float] | None = None
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
        if self._rocks_at is None or math.dist(here, self._rocks_at) >= _ROCKS_STEP_M:
            self._rocks_at = here
            self._publish_rocks(now, *here)
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
        )
        dark = float(rows["lit_share"][0]) == 0.0
        if dark != self._in_shadow:
            self._in_shadow = dark
            self._leakage_at = None

    def _publish_truth(self, now: int) -> None:
        c = self.constants
        discs = [self._drawn, *self._wet[int(self.parameters.patch_present) :]]
        present = [int(self.parameters.patch_present)] + [1] * (len(discs) - 1)
        self.truth.publish_rows(
            now,
            [(there, *each, c.k_e, c.lambda_e_g_cm2)
             for there, each in zip(present, discs, strict=True)],
        )  # fmt: skip

    def _publish_leakage(self, now: int, x_m: float, y_m: float) -> None:
        rows, x, y = self._rows, self._dx + x_m, self._dy + y_m
        rows["x_m"], rows["y_m"] = x, y
        # of what the discs before have left
        free: Any = 1.0
        parts = []
        for disc, ratios in zip(self._wet, self._wet_ratios, strict=True):
            if math.dist((x_m, y_m), (disc.x_m, disc.y_m)) > disc.radius_m + self._reach_m:
                continue
            inside = disc.radius_m - np.hypot(x - disc.x_m, y - disc.y_m)
            share = free * np.clip(inside / self._blur + 0.5, 0.0, 1.0)
            free = free - share
            parts.append((share, ratios))
        if self._in_shadow:
            wet = self._wetness.at(x, y) > self._wet_above
            parts.append((free * wet, self._shadow_ratios))
        for index, name in enumerate(("epithermal_ratio", "thermal_ratio")):
            dry = self._dry_ratios[index]
            rows[name] = dry + sum(share * (ratios[index] - dry) for share, ratios in parts)
        self.leakage.publish_rows(now, rows)

    def _publish_rocks(self, now: int, x_m: float, y_m: float) -> None:
        near = self._buried_rocks.near(x_m, y_m, _ROCKS_WITHIN_M)
        away = np.hypot(self._boulders[:, 0] - x_m, self._boulders[:, 1] - y_m)
        near = np.concatenate([near, self._boulders[away <= _ROCKS_WITHIN_M]])
        rows = np.zeros(max(1, len(near)), ROCKS.dtype)
        for index, name in enumerate(("x_m", "y_m", "depth_m", "diameter_m")):
            rows[name][: len(near)] = near[:, index]
        rows["permittivity"] = self.parameters.rock_permittivity
        self.rocks.publish_rows(now, rows)

    # --- the column --------------------------------------------------------------------------

    def _wet_at(self, x_m: float, y_m: float) -> tuple[float, float] | None:
        """Return the content and cover of the wet soil at a place: discs rule over shadow."""
        for each in self._wet:
            if math.dist((x_m, y_m), (each.x_m, each.y_m)) <= each.radius_m:
                return each.content_wt_percent, each.cover_g_cm2
        p = self.parameters
        if self._in_shadow and self._wetness.at(x_m, y_m) > self._wet_above:
            return p.psr_content_wt_percent, p.psr_cover_g_cm2
        return None

    def _density_steps(self, x_m: float, y_m: float) -> list[tuple[float, float]]:
        """Return depths (m) and by how much the soil is denser below (kg/m3)."""
        boundaries = np.round(self._layering.boundaries_m(x_m, y_m), _DECIMALS)
        steps = list(zip(boundaries.tolist(), self._layering.step_kg_m3.tolist(), strict=True))
        for x, y, radius_m, depth_m, extra_kg_m3 in self._dense:
            if math.dist((x_m, y_m), (x, y)) <= radius_m:
                steps.append((round(depth_m, _DECIMALS), extra_kg_m3))
        return steps

    def _publish_column(self, now: int, x_m: float, y_m: float, place: Ground) -> None:
        p = self.parameters
        steps = self._density_steps(x_m, y_m)
        wet = self._wet_at(x_m, y_m)
        depth_m = _with_boundaries([depth for depth, _ in steps])
        if wet is not None:
            mass = overburden_g_cm2(depth_m, _denser(place.at(depth_m), steps).density_kg_m3)
            cover_m = round(float(np.interp(wet[1], mass, depth_m)), _DECIMALS)
            depth_m = _with_boundaries([*(depth for depth, _ in steps), cover_m])
        soil = _denser(place.at(depth_m), steps)
        water = np.full(depth_m.size, p.background_water_wt_percent)
        if wet is not None and wet[1] <= mass[-1]:
            water[depth_m > cover_m - (_BESIDE_M if cover_m == 0.0 else 0.0)] = wet[0]
        filled: Layers = layers(
            soil, water, scenario_s=p.scenario_days * _DAY_S, pore_radius_m=p.pore_radius_m,
            iron_titanium_percent=p.iron_titanium_percent,
        )  # fmt: skip
        rows = np.zeros(depth_m.size, COLUMN.dtype)
        rows["depth_m"], rows["density_kg_m3"] = np.round(depth_m, _DECIMALS), filled.density_kg_m3
        rows["temperature_k"] = soil.temperature_k
        rows["permittivity"] = filled.permittivity * self._permittivity_factor
        rows["loss_tangent"] = filled.loss_tangent
        rows["water_wt_percent"] = filled.water_wt_percent
        for name, content in filled.frozen_wt_percent.items():
            rows["ice_wt_percent" if name == "h2o" else f"{name}_wt_percent"] = content
        self.column.publish_rows(now, rows)
        soil_grains = self._soil_grain_um, self._maturity, self._pyroxene_percent
        top = rows[0]
        self.optical_surface.publish_rows(
            now, [(top["ice_wt_percent"], self._ice_grain_um, *soil_grains, top["temperature_k"])]
        )


def _with_boundaries(boundaries_m: list[float]) -> np.ndarray:
    """Return the depths of a column, two beside each boundary."""
    within = [each for each in boundaries_m if 0.0 < each < _DEPTHS_M[-1]]
    beside = [each + side for each in within for side in (-_BESIDE_M, _BESIDE_M)]
    return np.unique(np.concatenate([_DEPTHS_M, beside]))


def _denser(place: Ground, steps: list[tuple[float, float]]) -> Ground:
    """Return the ground with its steps of density, no denser than its grains allow."""
    density = place.density_kg_m3.copy()
    for depth_m, extra_kg_m3 in steps:
        density[place.depth_m > depth_m] += extra_kg_m3
    return replace(place, density_kg_m3=np.clip(density, *_DENSITIES_KG_M3))
