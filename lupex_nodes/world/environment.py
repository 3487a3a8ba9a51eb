# SPDX-License-Identifier: Apache-2.0
"""The sky over the rover and what it does to the ground."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.parameters import parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND, next_minute, seconds
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.ephemeris import Direction, EphemerisTable
from lupex_nodes.models.ground_history import (
    Facet,
    GroundYear,
    SunTrack,
    history_start_s,
    spun_up,
    sun_track,
    surroundings_k,
)
from lupex_nodes.models.heat_column import HeatColumn
from lupex_nodes.models.illumination import (
    horizon,
    horizon_deg,
    irradiance_w_m2,
    lit_fraction,
    sun_angular_radius_deg,
)
from lupex_nodes.models.neutron import NeutronPrior
from lupex_nodes.models.regolith import DENSITY_SCALE_M, density_hayne_kg_m3
from lupex_nodes.models.stratigraphy import SmoothField
from lupex_nodes.models.volatiles import VOLATILES, mean_sublimation_kg_m2_s
from lupex_nodes.world.constants import generator_of_run
from lupex_nodes.world.ground import GroundParameters, ground
from lupex_nodes.world.records import EARTH, GROUND, RADIATION, SUN, SURFACE

_TABLE_STEP_S = 1800.0
_TABLE_SPAN_S = 10 * 86400.0
_TRACK_AHEAD_S = 40 * 86400.0
_GROUND_PERIOD_S = 3600.0
_STRIDE_M = 2.0  # what the rover does within is no reason to look again
_GROUND_EYE_M = 0.1
_ACROSS_DISC = (-0.5, 0.0, 0.5)  # of its radius, where the horizon is looked at
_SAME_VIEW_DEG = 0.05  # the Sun's way in six minutes, a tenth of its disc


class Environment(Unit):
    """Sun, Earth and horizon at the rover and the lander, heat of the ground, cosmic rays.

    Directions come from the ephemeris; the horizon is that of the true terrain from where the rover
    stands, at the heights of its array, its antenna and the ground. The temperature of the ground
    follows from a year of Sun over its own horizon and slope, made anew where the rover stops and
    every so many metres, and carried on in between. Parked it looks once a minute.
    """

    class Parameters(GroundParameters):
        """Site, what looks at the sky, and the ground's heat."""

        latitude_deg: float = parameter(
            -89.45, "of the site", "deg", ge=-90.0, le=90.0, live=False
        )
        longitude_deg: float = parameter(
            222.7, "of the site, east", "deg", ge=-360.0, le=360.0, live=False
        )
        array_bottom_m: float = parameter(
            1.0, "lower edge of the rover's array over ground", "m", ge=0.1, le=10.0,
            live=False, assumed=True,
        )  # fmt: skip
        array_top_m: float = parameter(
            3.0, "upper edge of the rover's array over ground", "m", ge=0.1, le=10.0,
            live=False, assumed=True,
        )  # fmt: skip
        antenna_height_m: float = parameter(
            2.0, "of the rover's antenna over ground", "m", ge=0.1, le=10.0,
            live=False, assumed=True,
        )  # fmt: skip
        lander_array_height_m: float = parameter(
            2.0, "of the middle of the lander's array over ground", "m", ge=0.1, le=10.0,
            live=False, assumed=True,
        )  # fmt: skip
        albedo: float = parameter(
            0.14, "of a facet of the ground", ge=0.0, le=0.5, live=False, assumed=True
        )
        background_w_m2: float = parameter(
            0.1, "absorbed by ground beside the Sun and the terrain in view", "W/m2",
            ge=0.0, le=10.0, live=False, assumed=True,
        )  # fmt: skip
        density_scale_sigma: float = parameter(
            0.25, "spread of the density's scale depth from place to place, in its logarithm",
            ge=0.0, le=0.7, live=False, assumed=True,
        )  # fmt: skip
        density_length_m: float = parameter(
            80.0, "over which the density's scale depth varies", "m", ge=1.0, le=1000.0,
            live=False, assumed=True,
        )  # fmt: skip
        ground_renewal_m: float = parameter(
            25.0, "the ground's heat is made anew after so much way", "m", ge=2.0, le=500.0
        )
        moving_period_s: float = parameter(
            10.0, "between looks at the sky while the rover moves", "s", ge=1.0, le=60.0
        )
        cosmic_ray_sigma: float = parameter(
            NeutronPrior().dry_rate_sigma, "of the flux, relative to its mean", ge=0.0, le=0.3,
            live=False, assumed=True,
        )  # fmt: skip

        solar_event_after_h: float = parameter(
            -1.0, "of the run's first moment a solar particle event begins; negative: none", "h",
            ge=-1.0, le=1e5, live=False,
        )  # fmt: skip
        solar_event_h: float = parameter(
            6.0, "until a solar particle event has faded to a third", "h", ge=0.1, le=240.0,
            live=False, assumed=True,
        )  # fmt: skip
        solar_event_factor: float = parameter(
            10.0, "of the neutron rate at the event's height", ge=1.0, le=1000.0, live=False,
            assumed=True,
        )  # fmt: skip

    kind = Kind.NATURE
    period_s = 60.0
    vehicle = Input("world/vehicle/odometry", Odometry, wake=True)
    sun = Output("world/sun", PointCloud2, Qos.STATE, SUN, "map")
    earth = Output("world/earth", PointCloud2, Qos.STATE, EARTH, "map")
    surface = Output("world/surface", PointCloud2, Qos.STATE, SURFACE, "map")
    ground = Output("world/ground_temperature", PointCloud2, Qos.STATE, GROUND, "map")
    radiation = Output("world/radiation", PointCloud2, Qos.STATE, RADIATION, "map")

    def setup(self) -> None:
        """Look round at the lander; draw the flux of cosmic rays and how loose the soil is."""
        p = self.parameters
        if p.array_top_m <= p.array_bottom_m:
            raise ValueError("the array's upper edge is not above the lower: raise array_top_m")
        self.site = ground(p, self.context.seed)
        self.lander_horizon = horizon(self.site, 0.0, 0.0, p.lander_array_height_m, 360)
        rng = generator_of_run(self.context)
        drawn = float(np.clip(rng.standard_normal(), -4.0, 4.0))
        self.cosmic_ray_factor = max(1.0 + p.cosmic_ray_sigma * drawn, 0.05)
        self._looseness = SmoothField(rng, p.density_length_m)
        third = (p.array_top_m - p.array_bottom_m) / 3.0
        middle = 0.5 * (p.array_bottom_m + p.array_top_m)
        self._eyes_m = (middle, middle - third, middle + third, _GROUND_EYE_M)
        self._table: EphemerisTable | None = None
        self._track: SunTrack | None = None
        self._at: tuple[float, float] | None = None
        self._moved = False
        self._views: dict[str, tuple[tuple[float, float], float, list[list[float]]]] = {}
        self._next = 0
        self._heat: GroundHeat | None = None
        self._ground_told = 0
        self._told: float | None = None
        self._shown: dict[str, float] = {}

    def step(self, now: int) -> int | None:
        """Look at the sky when it is time, or when the rover is elsewhere or has just stopped."""
        x_m, y_m, moves = self._rover()
        strode = self._at is None or math.dist(self._at, (x_m, y_m)) >= _STRIDE_M
        stopped = self._moved and not moves
        if now < self._next and not strode and not stopped:
            return self._next
        self._at, self._moved = (x_m, y_m), moves
        self._next = now + seconds(self.parameters.moving_period_s) if moves else next_minute(now)
        if self._table is None or now > self._table.end_ns:
            self._table = self._ephemeris(now)
        sun = self._table.sun(now)
        self._look_at_sun(now, sun)
        self._look_at_earth(now)
        self._warm_ground(now, sun)
        solar = self._solar_particles(now)
        if solar != self._told:
            self.radiation.publish_rows(now, [(self.cosmic_ray_factor, solar)])
            self._told = solar
        return self._next

    def housekeeping(self) -> dict[str, Any]:
        """Say how Sun, Earth and ground are."""
        return dict(self._shown)

    def _rover(self) -> tuple[float, float, bool]:
        """Where the rover is and whether it moves; at the lander before its first word."""
        if self.vehicle.value is None:
            return 0.0, 0.0, False
        place, twist = self.vehicle.value.pose.pose.position, self.vehicle.value.twist.twist
        if not self.site.levels[-1].contains(place.x, place.y):
            # there is no ground to stand on
            return *(self._at or (0.0, 0.0)), False
        return place.x, place.y, bool(twist.linear.x or twist.linear.y or twist.angular.z)

    def _solar_particles(self, now: int) -> float:
        """Return the neutron rate over that without solar particles: a sudden rise, slow decay."""
        p = self.parameters
        first: int = self.context.memory.setdefault("first", now)
        since_h = (now - first) / (3600.0 * SECOND) - p.solar_event_after_h
        if p.solar_event_after_h < 0.0 or since_h < 0.0:
            return 1.0
        excess = (p.solar_event_factor - 1.0) * math.exp(-since_h / p.solar_event_h)
        # the tail is lost in the counting noise
        return 1.0 + excess if excess > 0.01 else 1.0

    def _ephemeris(self, now: int) -> EphemerisTable:
        p = self.parameters
        end = now + seconds(_TABLE_SPAN_S)
        return EphemerisTable(now, end, _TABLE_STEP_S, p.latitude_deg, p.longitude_deg)

    def _look_at_sun(self, now: int, sun: Direction[float]) -> None:
        radius_deg = sun_angular_radius_deg(sun.distance_m)
        across = tuple(radius_deg * part for part in _ACROSS_DISC)
        horizons = self._horizons("sun", sun.azimuth_deg, across, self._eyes_m)
        middle, lower, upper, on_ground = (
            sum(lit_fraction(sun.elevation_deg, each, radius_deg) for each in eye) / len(eye)
            for eye in horizons
        )
        lander = lit_fraction(
            sun.elevation_deg, self.lander_horizon.at(sun.azimuth_deg), radius_deg
        )
        full = irradiance_w_m2(sun.distance_m)
        self.sun.publish_rows(now, [
            (sun.azimuth_deg, sun.elevation_deg, middle, full * middle, lower, upper, on_ground,
             horizons[0][len(_ACROSS_DISC) // 2], full * lander)
        ])  # fmt: skip
        self._shown |= {"sun_elevation_deg": sun.elevation_deg, "lit_fraction": middle}

    def _look_at_earth(self, now: int) -> None:
        assert self._table is not None
        earth = self._table.earth(now)
        antenna = (self.parameters.antenna_height_m,)
        horizon = self._horizons("earth", earth.azimuth_deg, (0.0,), antenna)[0][0]
        self.earth.publish_rows(now, [(*earth, int(earth.elevation_deg > horizon), horizon)])
        self._shown["earth_elevation_deg"] = earth.elevation_deg

    def _horizons(
        self, body: str, azimuth_deg: float, beside_deg: tuple[float, ...], eyes_m: tuple
    ) -> list[list[float]]:
        """Horizon by eye and azimuth at the rover; what was seen last while that is the same."""
        assert self._at is not None
        last = self._views.get(body)
        if last and last[0] == self._at and abs(last[1] - azimuth_deg) < _SAME_VIEW_DEG:
            return last[2]
        around = azimuth_deg + np.array(beside_deg)
        seen = horizon_deg(self.site, *self._at, eyes_m, around).tolist()
        self._views[body] = (self._at, azimuth_deg, seen)
        return seen

    def _warm_ground(self, now: int, sun: Direction[float]) -> None:
        assert self._at is not None
        heat = self._heat
        away_m = math.inf if heat is None else math.dist(heat.place, self._at)
        enough_m = self.parameters.ground_renewal_m if self._moved else _STRIDE_M
        now_s = now / SECOND
        if heat is None or away_m >= enough_m:
            heat = self._heat = self._history(now_s)
            self._ground_told = 0
        else:
            heat.carry_on(self._sun_until(now_s), now_s)
        ground_k = float(heat.column.surface_k[0])
        sky_k, side_k = surroundings_k(heat.facet.horizon, sun.elevation_deg, heat.facet, ground_k)
        self.surface.publish_rows(now, [(ground_k, sky_k, side_k)])
        self._shown["surface_temperature_k"] = ground_k
        if now >= self._ground_told:
            self._ground_told = now + seconds(_GROUND_PERIOD_S)
            self.ground.publish_rows(now, heat.rows())

    def _history(self, now_s: float) -> GroundHeat:
        assert self._at is not None
        p = self.parameters
        x_m, y_m = self._at
        point = self.site.surface_at(x_m, y_m)
        around = horizon(self.site, x_m, y_m, _GROUND_EYE_M, 120)
        facet = Facet(
            around, point.east_slope, point.north_slope, p.albedo,
            background_w_m2=p.background_w_m2,
        )  # fmt: skip
        looseness = float(np.clip(self._looseness.at(x_m, y_m), -3.0, 3.0))
        scale = DENSITY_SCALE_M * math.exp(p.density_scale_sigma * looseness)
        scale_m = min(max(scale, 0.02), 0.15)  # the range of the maps of the Moon
        column, year = spun_up(facet, self._sun_until(now_s), now_s, scale_m)
        return GroundHeat(self._at, facet, column, year, scale_m, now_s)

    def _sun_until(self, now_s: float) -> SunTrack:
        p = self.parameters
        if self._track is None or now_s > self._track.end_s:
            self._track = sun_track(
                history_start_s(now_s), now_s + _TRACK_AHEAD_S, p.latitude_deg, p.longitude_deg
            )
        return self._track


class GroundHeat:
    """The column at one place and the year that made it."""

    def __init__(
        self,
        place: tuple[float, float],
        facet: Facet,
        column: HeatColumn,
        year: GroundYear,
        scale_m: float,
        now_s: float,
    ) -> None:
        self.place, self.facet, self.column = place, facet, column
        self._now_s = now_s
        rows = np.zeros(column.depth_m.size, GROUND.dtype)
        rows["depth_m"] = column.depth_m
        rows["density_kg_m3"] = density_hayne_kg_m3(column.depth_m, scale_m=scale_m)
        rows["mean_k"], rows["warmest_k"] = year.mean_k, year.warmest_k
        rows["lit_share"] = year.lit_share
        for name in VOLATILES:
            rows[f"{name}_loss_kg_m2_s"] = mean_sublimation_kg_m2_s(year.temperature_k, name)
        self._rows = rows

    def carry_on(self, track: SunTrack, now_s: float) -> None:
        """Advance the column to a time under the Sun of the step's middle."""
        dt_s = now_s - self._now_s
        if dt_s > 0.0:
            middle = np.array([self._now_s + 0.5 * dt_s])
            self.column.step(self.facet.absorbed_w_m2(track, middle)[0], dt_s)
            self._now_s = now_s

    def rows(self) -> np.ndarray:
        """Return the rows of the record."""
        self._rows["temperature_k"] = self.column.temperature_k[0]
        return self._rows
