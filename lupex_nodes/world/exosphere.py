# SPDX-License-Identifier: Apache-2.0
"""The gas around the rover."""

from __future__ import annotations

import math
from typing import Any
from zlib import crc32

import numpy as np
from nav_msgs.msg import Odometry
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND, next_minute
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.exosphere import (
    LANDER_REFERENCE_M,
    SPECIES,
    WATER,
    OutgassingPrior,
    adsorbed_share,
    contamination_pa,
    draw_outgassing,
    local_hour,
    native_pa,
    soil_vapour_pa,
    vent_pressure_pa,
)
from lupex_nodes.models.volatiles import VOLATILES
from lupex_nodes.world.constants import generator_of_run
from lupex_nodes.world.records import COLUMN, GAS, LOAD, SUN, SURFACE

_HOUR = 3600 * SECOND
_MOST_KG_S = 1.0


class Exosphere(Unit):
    """What a mass spectrometer on the rover's mast is in: native gas, and the rover's and lander's.

    Native atoms swing with the local time, meteoroids bring short bursts of water, ices at or near
    the surface give the vapour of their temperature. Rover and lander, drawn from their prior, let
    out gas that decays with the time since touchdown, the lander's also with distance, and so does
    what its plume left on the soil; what cold surfaces have adsorbed comes off when light returns.
    Told once a minute. The lander is at the map's origin.
    """

    class Parameters(Parameters):
        """Time since touchdown, native gas, and what rover and lander let out."""

        latitude_deg: float = parameter(-89.45, "of the site", "deg", ge=-90.0, le=90.0, live=False)
        touchdown_before_start_h: float = parameter(
            72.0, "from touchdown to the run's first moment", "h", ge=0.1, le=10000.0,
            live=False, assumed=True,
        )  # fmt: skip
        local_time_contrast: float = parameter(
            0.5, "part of the equator's swing with local time that is left near a pole",
            ge=0.0, le=1.0, live=False, assumed=True,
        )  # fmt: skip
        water_bursts_per_day: float = parameter(
            0.5, "hours with water from meteoroids", "1/d", ge=0.0, le=24.0, live=False,
            assumed=True,
        )  # fmt: skip
        water_burst_cm3: float = parameter(
            100.0, "mean density of such water", "1/cm3", ge=0.0, le=1e9, live=False,
            assumed=True,
        )  # fmt: skip
        pore_radius_m: float = parameter(
            80e-6, "through which vapour leaves", "m", ge=1e-6, le=1e-2, live=False, assumed=True
        )
        porosity: float = parameter(
            0.5, "of the dry soil over ice", ge=0.2, le=0.8, live=False, assumed=True
        )
        rover_water_pa: float = parameter(
            OutgassingPrior().rover_water_pa, "of the rover an hour after touchdown", "Pa",
            ge=0.0, le=1.0, live=False, assumed=True,
        )  # fmt: skip
        lander_water_pa: float = parameter(
            OutgassingPrior().lander_water_pa, "of the lander then, 10 m away", "Pa",
            ge=0.0, le=1.0, live=False, assumed=True,
        )  # fmt: skip
        deposit_water_pa: float = parameter(
            OutgassingPrior().deposit_water_pa, "of the plume's deposit then, at the lander", "Pa",
            ge=0.0, le=1.0, live=False, assumed=True,
        )  # fmt: skip
        vent_distance_m: float = parameter(
            1.0, "from where units let out gas to the spectrometer", "m", ge=0.1, le=10.0,
            live=False, assumed=True,
        )  # fmt: skip

    kind = Kind.NATURE
    period_s = 60.0
    sun = Input("world/sun", PointCloud2, Qos.STATE, schema=SUN)
    surface = Input("world/surface", PointCloud2, Qos.STATE, schema=SURFACE)
    column = Input("world/column", PointCloud2, Qos.STATE, schema=COLUMN)
    vehicle = Input("world/vehicle/odometry", Odometry)
    loads = Input("payload/*/load", PointCloud2, schema=LOAD)
    gas = Output("world/gas", PointCloud2, Qos.STATE, schema=GAS)

    def setup(self) -> None:
        """Draw what rover and lander let out in this run."""
        p = self.parameters
        self.prior = OutgassingPrior(
            rover_water_pa=p.rover_water_pa,
            lander_water_pa=p.lander_water_pa,
            deposit_water_pa=p.deposit_water_pa,
        )
        self.outgassing = draw_outgassing(generator_of_run(self.context), self.prior)
        self._shown: dict[str, float] = {}

    def step(self, now: int) -> int | None:
        """Tell the gas of now."""
        memory = self.context.memory
        first: int = memory.setdefault("first", now)
        sun, surface = self.sun.row(), self.surface.row()
        if sun is None or surface is None:
            return now + SECOND
        p = self.parameters
        since_h = p.touchdown_before_start_h + (now - first) / _HOUR
        lit = sun.lit_fraction > 0.0
        # surfaces have been in the dark of space or the site, or not, until the first moment
        share, then = memory.get("adsorbed", (0.0 if lit else 0.5, now))
        share = adsorbed_share(share, lit, (now - then) / _HOUR)
        memory["adsorbed"] = share, now
        surge = 1.0 + (self.prior.surge_factor - 1.0) * share * lit

        hour = local_hour(sun.azimuth_deg, sun.elevation_deg, p.latitude_deg)
        gas_k = min(max(surface.surface_temperature_k, 20.0), 500.0)
        native = native_pa(
            hour, gas_k, p.local_time_contrast, self._burst_cm3(now)
        ) + soil_vapour_pa(self._frozen(), p.porosity, p.pore_radius_m)
        distance_m = self._lander_distance_m()
        foreign = contamination_pa(self.outgassing, since_h, distance_m, surge)
        vented_kg_s = sum(LOAD.row(each).gas_kg_s for each in self.loads.values.values())
        vented_kg_s = min(max(vented_kg_s, 0.0), _MOST_KG_S)
        foreign[WATER] += vent_pressure_pa(vented_kg_s, p.vent_distance_m)
        gas = native + foreign
        native_share = native[WATER] / gas[WATER]
        self.gas.publish_rows(now, [(*gas.tolist(), float(gas.sum()), float(native_share))])
        self._shown = {
            "local_hour": hour,
            "total_pa": float(gas.sum()),
            "water_pa": float(gas[WATER]),
            "native_water_share": float(native_share),
            "surge_factor": surge,
            "lander_distance_m": distance_m,
        }
        return next_minute(now)

    def housekeeping(self) -> dict[str, Any]:
        """Say how much gas there is, of what kind, and why."""
        return dict(self._shown)

    def _lander_distance_m(self) -> float:
        if self.vehicle.value is None:
            return LANDER_REFERENCE_M
        place = self.vehicle.value.pose.pose.position
        return math.hypot(place.x, place.y)

    def _burst_cm3(self, now: int) -> float:
        """Return the water that meteoroids brought in this hour, the same whenever it is asked."""
        p = self.parameters
        seeds = [self.context.seed, crc32(self.context.name.encode()), now // _HOUR]
        rng = np.random.default_rng(np.random.SeedSequence(seeds))
        if rng.random() >= p.water_bursts_per_day / 24.0:
            return 0.0
        return float(rng.exponential(p.water_burst_cm3))

    def _frozen(self) -> dict[str, tuple[float, float]]:
        """Return depth (m) and temperature (K) of the topmost ice of each volatile."""
        rows = self.column.rows()
        found: dict[str, tuple[float, float]] = {}
        if rows is None:
            return found
        for name in VOLATILES:
            ice = rows["ice_wt_percent" if name == "h2o" else f"{name}_wt_percent"] > 0.0
            if name in SPECIES and ice.any():
                top = rows[int(np.argmax(ice))]
                kelvin = min(max(float(top["temperature_k"]), 30.0), 273.0)
                found[name] = max(float(top["depth_m"]), 0.0), kelvin
        return found
