# SPDX-License-Identifier: Apache-2.0
"""The map on board of where the water is, and of where to drill."""

from __future__ import annotations

import math
import operator
from array import array
from itertools import chain
from typing import Any

import numpy as np
from nav_msgs.msg import OccupancyGrid
from scipy.spatial import KDTree
from scipy.special import ndtr
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.messages import OK
from lupex_nodes.bus.parameters import parameter
from lupex_nodes.bus.ports import InPort, Input, Output, Qos
from lupex_nodes.bus.records import Schema
from lupex_nodes.bus.stamps import seconds, to_header, to_stamp
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.fused_possibilities import FusionPrior, Sounding, fused_possibilities
from lupex_nodes.models.neutron_record import RetrievalParameters
from lupex_nodes.models.prospecting_map import (
    Cells,
    MapPrior,
    Site,
    SiteWishes,
    kernel_length_m,
    rank_sites,
    water_map,
)
from lupex_nodes.models.radar_image import RadarRetrieval
from lupex_nodes.payload.alis_records import SURFACE_ICE
from lupex_nodes.payload.gpr_records import PICKS, SECTION
from lupex_nodes.payload.records import DEPOSIT, POSSIBILITIES, PROFILE, possibility_rows
from lupex_nodes.rover.prospecting_records import CELLS, SITES
from lupex_nodes.rover.sky_forecast import SkyForecast
from lupex_nodes.rover.uplinked_map import MapParameters, uplinked_map

_PERIOD = seconds(60.0)
_KEPT = 5000
#: Places whose light is worked out, for each that is told: dark ones fall behind.
_CANDIDATES = 3
#: Light and contact are those of the middle of a square, and hold for a day: a horizon takes long.
_SQUARE_M = 20.0
_DAY = seconds(86400.0)
_SEEN_WITHIN_M = 1.5
#: As many as a row of possibilities can name.
_DEPOSITS = 256
_ICE = ("x_m", "y_m", "ice_wt_percent", "ice_sigma_wt_percent", "detected")
_REFLECTOR = (
    "x", "y", "depth_m", "depth_sigma_m", "reflection_db", "reflection_sigma_db",
)  # fmt: skip
_SOUNDED = ("x_m", "y_m", "traces", "spacing_m")


class ProspectingMap(Unit):
    """Fuses what the survey instruments found, in cells of the map, and ranks places to drill.

    Apparent water is made from the neutrons' profile alone: of the others, light sees the top
    millimetre and radar sees contrasts that need not be ice. Which contents and covers a deposit
    may have, all three say together. Slopes come from the uplinked map, light and contact from the
    forecast there.
    """

    class Parameters(MapParameters):
        """Cells, prior and what a good place to drill is."""

        cell_m: float = parameter(1.0, "of the map", "m", ge=0.25, le=5.0, live=False)
        reach_m: float = parameter(
            4.0, "from the track to the last cell", "m", ge=1.0, le=20.0, live=False
        )
        suppression_sigma: float = parameter(
            0.15, "of the ground's epithermal suppression, prior", ge=0.01, le=1.0, live=False,
            assumed=True,
        )  # fmt: skip
        correlation_m: float = parameter(
            6.0, "over which water is alike, prior", "m", ge=0.5, le=100.0, live=False,
            assumed=True,
        )  # fmt: skip
        worth_wt_percent: float = parameter(
            0.5, "water that is worth a hole", "wt%", ge=0.05, le=20.0, assumed=True
        )
        even_deg: float = parameter(
            8.0, "slopes as good as level ground", "deg", ge=0.0, le=30.0, assumed=True
        )
        steep_deg: float = parameter(
            15.0, "slopes on which nobody drills", "deg", ge=1.0, le=40.0, assumed=True
        )
        frozen_share: float = parameter(
            0.5, "probability that a deposit's hydrogen is ice with sharp boundaries", ge=0.0,
            le=1.0, assumed=True,
        )  # fmt: skip
        sites: int = parameter(5, "drill sites told", ge=1, le=20)
        array_height_m: float = parameter(
            2.0, "middle of the solar array above ground", "m", ge=0.1, le=20.0, live=False
        )

    kind = Kind.SOFTWARE
    period_s = 600.0
    profile = Input("payload/neutron_spectrometer/profile", PointCloud2, Qos.STATE,
                    schema=PROFILE, wake=True)  # fmt: skip
    # one that was not detected has no place
    deposits = Input("payload/neutron_spectrometer/deposits", PointCloud2, Qos.STATE,
                     schema=DEPOSIT, wake=True, finite=False)  # fmt: skip
    surface_ice = Input("payload/alis/surface_ice", PointCloud2, schema=SURFACE_ICE, queue=100,
                        wake=True, finite=False)  # fmt: skip
    picks = Input("payload/gpr/picks", PointCloud2, schema=PICKS, queue=100)
    sections = Input("payload/gpr/section", PointCloud2, schema=SECTION, queue=100)
    cells = Output("~/cells", PointCloud2, Qos.STATE, CELLS, "map")
    possibilities = Output("~/possibilities", PointCloud2, Qos.STATE, POSSIBILITIES)
    sites = Output("~/sites", PointCloud2, Qos.STATE, SITES, "map")
    map = Output("~/map", OccupancyGrid, Qos.STATE, frame_id="map")

    def setup(self) -> None:
        """Take the uplinked map; begin without any find."""
        p = self.parameters
        self.ground = uplinked_map(p, self.context.seed)
        self.forecast = SkyForecast(self.ground, p.latitude_deg, p.longitude_deg, p.array_height_m)
        known = RetrievalParameters()
        self._window = max(1, round(known.window_m / known.cell_m))
        self._prior = MapPrior(
            cell_m=p.cell_m, reach_m=p.reach_m, suppression_sigma=p.suppression_sigma,
            correlation_m=p.correlation_m, detector_height_m=known.detector_height_m,
            k_e=known.prior.k_e, k_e_sigma=known.prior.k_e_sigma,
        )  # fmt: skip
        self._kernel_m = kernel_length_m(known.detector_height_m)
        memory = self.context.memory
        self._ice: np.ndarray = memory.setdefault("ice", np.empty((0, len(_ICE))))
        self._reflectors: np.ndarray = memory.setdefault(
            "reflectors", np.empty((0, len(_REFLECTOR)))
        )
        self._sounded: np.ndarray = memory.setdefault("sounded", np.empty((0, len(_SOUNDED))))
        self._seen: tuple[Any, ...] = (None, None)
        self._behind = False
        self._told_at: int | None = None
        self._skies: dict[tuple[int, int], tuple[int, tuple[float, float]]] = {}
        self._best: Site | None = None
        self._count = 0

    def step(self, now: int) -> int | None:
        """Make the map anew from what has come, at most once a minute."""
        looks = [
            row
            for message in self.surface_ice.drain()
            for row in SURFACE_ICE.rows(message)
            if row["target"] == 0 and np.isfinite(row["x_m"])
        ]
        sounded = _without_flags(self.sections, SECTION)
        self._ice = self._keep("ice", looks, _ICE)
        self._sounded = self._keep("sounded", sounded, _SOUNDED)
        self._reflectors = self._keep("reflectors", _without_flags(self.picks, PICKS), _REFLECTOR)
        told = (self.profile.value, self.deposits.value)
        self._behind |= bool(looks or sounded) or not all(map(operator.is_, told, self._seen))
        self._seen = told
        if self.profile.value is None or not self._behind:
            return None
        if self._told_at is not None and now < self._told_at + _PERIOD:
            return self._told_at + _PERIOD
        self._behind, self._told_at = False, now
        self._publish(now)
        return None

    def housekeeping(self) -> dict[str, Any]:
        """Say how large the map is and the best place to drill."""
        best = self._best
        return {
            "cells": self._count,
            "site_x_m": best.x_m if best else math.nan,
            "site_y_m": best.y_m if best else math.nan,
            "site_score": best.score if best else math.nan,
        }

    def _keep(self, name: str, rows: list[Any], columns: tuple[str, ...]) -> np.ndarray:
        """Add columns of rows to the table in memory and return it, the latest _KEPT rows."""
        table: np.ndarray = self.context.memory[name]
        if rows:
            fresh = np.array([[float(row[column]) for column in columns] for row in rows])
            table = self.context.memory[name] = np.concatenate([table, fresh])[-_KEPT:]
        return table

    # --- the map -----------------------------------------------------------------------------

    def _publish(self, now: int) -> None:
        found = self._water()
        if found is None:
            return
        rows = np.zeros(found.x_m.size, CELLS.dtype)
        rows["x_m"], rows["y_m"] = found.x_m, found.y_m
        rows["water_wt_percent"] = found.water_wt_percent
        rows["water_sigma_wt_percent"] = found.water_sigma_wt_percent
        beyond = found.water_wt_percent - self.parameters.worth_wt_percent
        rows["probability"] = ndtr(beyond / found.water_sigma_wt_percent)
        rows["correlation_m"] = self._kernel_m
        self._add_sets(now, rows)
        self._add_nearest(rows, ("surface_ice_wt_percent", "surface_ice_sigma_wt_percent"),
                          self._ice[:, :4])  # fmt: skip
        strongest = self._reflectors[np.argsort(self._reflectors[:, 4], kind="stable")]
        self._add_nearest(rows, ("reflector_m", "reflector_sigma_m"),
                          strongest[:, :4])  # fmt: skip
        self.cells.publish_rows(now, rows)
        self.map.publish(_grid(now, rows, self.parameters.cell_m))
        self._count = rows.size
        self._rank(now, found)

    def _water(self) -> Cells | None:
        """Return the water of the cells along the profile, each count taken once."""
        told = PROFILE.rows(self.profile.value)
        number = np.round(told["distance_m"] / np.float32(RetrievalParameters().cell_m) - 0.5)
        middle = np.flatnonzero(number % self._window == self._window // 2)
        half = self._window // 2
        middle = middle[(middle >= half) & (middle < told.size - half)]
        middle = middle[np.isfinite(told["epithermal_ratio"][middle])]
        if not middle.size:
            return None
        window = middle[:, None] + np.arange(-half, half + 1)
        places = np.stack([told["x_m"][window], told["y_m"][window]], axis=-1).astype(float)
        ratio, sigma = (
            told[name][middle].astype(float)
            for name in ("epithermal_ratio", "epithermal_ratio_sigma")
        )
        return water_map(places, ratio, sigma, self._prior)

    def _add_sets(self, now: int, rows: np.ndarray) -> None:
        """Say of each deposit which covers and contents all instruments allow together."""
        names = {"cover": "cover_g_cm2", "content": "content_wt_percent"}
        for name, unit in (("cover", "g_cm2"), ("content", "wt_percent")):
            rows[f"{name}_low_{unit}"] = rows[f"{name}_high_{unit}"] = math.nan
        if self.deposits.value is None:
            return
        found = DEPOSIT.rows(self.deposits.value)[:_DEPOSITS]
        allowed = possibility_rows([self._possible(deposit) for deposit in found])
        if allowed.size:
            self.possibilities.publish_rows(now, allowed)
        for number, deposit in enumerate(found):
            own = allowed[allowed["deposit"] == number]
            if not own.size:
                continue
            away = np.hypot(rows["x_m"] - deposit["x_m"], rows["y_m"] - deposit["y_m"])
            inside = away <= deposit["radius_m"]
            for name, column in names.items():
                unit = column.removeprefix(f"{name}_")
                rows[f"{name}_low_{unit}"][inside] = own[column].min()
                rows[f"{name}_high_{unit}"][inside] = own[column].max()

    def _possible(self, deposit: np.void) -> np.ndarray:
        """Return the soils of a deposit that neutrons, radar and light leave together, (n, 4)."""
        if not deposit["detected"]:
            return np.empty((0, 4))

        def inside(table: np.ndarray) -> np.ndarray:
            away = np.hypot(table[:, 0] - deposit["x_m"], table[:, 1] - deposit["y_m"])
            return table[away <= deposit["radius_m"]]

        looks = inside(self._ice)
        way_m = float(inside(self._sounded)[:, 2:].prod(axis=1).sum())
        picks = inside(self._reflectors)[:, 2:]
        epithermal, thermal = (
            (float(deposit[f"{name}_ratio"]), float(deposit[f"{name}_ratio_sigma"]))
            for name in ("epithermal", "thermal")
        )
        return fused_possibilities(
            epithermal, thermal,
            Sounding(way_m / RadarRetrieval().cell_m, *picks.T),
            bool(looks[:, 4].any()) if len(looks) else None,
            RetrievalParameters().prior,
            FusionPrior(frozen_share=self.parameters.frozen_share),
        )  # fmt: skip

    @staticmethod
    def _add_nearest(rows: np.ndarray, names: tuple[str, str], found: np.ndarray) -> None:
        """Write a value and its error, of rows x, y, value, error, into the cells about them.

        Of several near a cell the last rules.
        """
        for name in names:
            rows[name] = math.nan
        if not len(found):
            return
        cells = KDTree(np.column_stack([rows["x_m"], rows["y_m"]]))
        near = cells.query_ball_point(found[:, :2], _SEEN_WITHIN_M)
        of = np.repeat(np.arange(len(found)), [len(each) for each in near])
        cell = np.fromiter(chain.from_iterable(near), np.int64, of.size)
        for name, value in zip(names, found[of, 2:].T, strict=True):
            rows[name][cell] = value

    def _sky(self, x_m: float, y_m: float, now: int) -> tuple[float, float]:
        """Return the shares of Sun and Earth of the square about a place."""
        square = math.floor(x_m / _SQUARE_M), math.floor(y_m / _SQUARE_M)
        known = self._skies.get(square)
        if known is None or now > known[0] + _DAY:
            east_m, north_m = ((each + 0.5) * _SQUARE_M for each in square)
            known = self._skies[square] = now, self.forecast.shares(east_m, north_m, now)
        return known[1]

    # --- drill sites -------------------------------------------------------------------------

    def _rank(self, now: int, found: Cells) -> None:
        """Rank by water and slope first, then the best of these by light and contact too."""
        p = self.parameters
        wishes = SiteWishes(p.worth_wt_percent, p.even_deg, max(p.steep_deg, p.even_deg + 0.1))
        slope = np.asarray(self.ground.slope_deg(found.x_m, found.y_m))
        always = np.ones(slope.size)
        near = rank_sites(found, slope, always, always, wishes, _CANDIDATES * p.sites)
        if not near:
            return
        index = [int(np.argmin(np.hypot(found.x_m - s.x_m, found.y_m - s.y_m))) for s in near]
        sky = np.array([self._sky(site.x_m, site.y_m, now) for site in near])
        few = Cells(*(column[index] for column in found))
        sites = rank_sites(few, slope[index], sky[:, 0], sky[:, 1], wishes, p.sites)
        rows = []
        for site in sites:
            at = int(np.argmin(np.hypot(found.x_m - site.x_m, found.y_m - site.y_m)))
            known = found.water_wt_percent[at], found.water_sigma_wt_percent[at], slope[at]
            rows.append((*site, *known))
        self.sites.publish_rows(now, rows)
        best, before = sites[0], self._best
        self._best = best
        if best.worth >= 0.5 and (before is None or math.dist(best[:2], before[:2]) > 1.0):
            water, sigma, steepness = rows[0][len(Site._fields) :]
            self.event(
                "DRILL_SITE",
                f"The best place to drill is ({best.x_m:.1f}, {best.y_m:.1f}) m: "
                f"{water:.2f} +/- {sigma:.2f} wt% "
                f"apparent, slope {steepness:.0f} deg, Sun {2 * best.light - 1:.0%} and "
                f"Earth {2 * best.contact - 1:.0%} of the next 16 days.",
                level=OK, **{name: getattr(best, name) for name in Site._fields},
            )  # fmt: skip


def _without_flags(port: InPort, schema: Schema) -> list[Any]:
    """Return the rows that came of which nothing is said to be wrong."""
    rows = [row for message in port.drain() for row in schema.rows(message)]
    return [row for row in rows if row["quality"] == 0]


def _grid(now: int, rows: np.ndarray, cell_m: float) -> OccupancyGrid:
    """Show the probability of water that is worth a hole (%), -1 where nothing was measured."""
    column = np.floor(rows["x_m"] / cell_m).astype(int)
    row = np.floor(rows["y_m"] / cell_m).astype(int)
    first = int(column.min()), int(row.min())
    shape = (int(row.max()) - first[1] + 1, int(column.max()) - first[0] + 1)
    cells = np.full(shape, -1, np.int8)
    cells[row - first[1], column - first[0]] = np.round(100.0 * rows["probability"])
    message = OccupancyGrid()
    message.header = to_header(now, "map")
    info = message.info
    info.map_load_time = to_stamp(now)
    info.resolution = cell_m
    info.height, info.width = shape
    info.origin.position.x, info.origin.position.y = (each * cell_m for each in first)
    info.origin.orientation.w = 1.0
    message.data = array("b", cells.tobytes())
    return message
