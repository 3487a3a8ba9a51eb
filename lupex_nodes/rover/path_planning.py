# SPDX-License-Identifier: Apache-2.0
"""The way to a goal over an uplinked map: cheapest in energy, light and Earth, in time.

A directed graph over a grid whose first axis is the line from start to goal, so that a straight
way is a way of the grid. Each cell knows whether it is dark when the rover would come by; the
cheapest way (Dijkstra 1959) is then pulled straight wherever a straight line costs hardly more.
Later departures are tried as long as waiting can pay.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.traverse_energy import TraverseEnergy
from lupex_nodes.rover.attitude import wrapped
from lupex_nodes.rover.path_following import BEGINNING_RAD, CORNER_RAD

Point = tuple[float, float]
#: A place that turned out impassable: east, north and radius, metres.
Mark = tuple[float, float, float]

_MARGIN_CELLS = (12, 35)
_WIDER_CELLS = 90
_ESCAPE_M = 40.0
_CELLS_MAX = 250  # from start to goal
_SAMPLE_M = 2.5
_NEAR = 0.7  # of the tolerance, for what replaces a goal that cannot be reached
_DEPARTURE_STEP_S = 3600.0
_DARK_AVERSION = (1.0, 10.0)
_SHOWN_SLOPE, _SHOWN_DARK = 70.0, 29.0
#: Steps between cells with the cells they pass, as (rows, columns); each is used both ways.
_STEPS: tuple[tuple[tuple[int, int], tuple[tuple[int, int], ...]], ...] = (
    ((0, 1), ()),
    ((1, 0), ()),
    ((1, 1), ((0, 1), (1, 0))),
    ((1, -1), ((0, -1), (1, 0))),
    ((1, 2), ((0, 1), (1, 1))),
    ((1, -2), ((0, -1), (1, -1))),
    ((2, 1), ((1, 0), (1, 1))),
    ((2, -1), ((1, 0), (1, -1))),
)


class NoPath(Exception):
    """There is no way to a goal; the text is the reason as one clause."""


class Sky(Protocol):
    """What is expected of Sun and Earth at places and times (ns), arrays of one shape."""

    def dark(self, x_m: np.ndarray, y_m: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return where less than half the Sun's disc will be in sight."""

    def silent(self, x_m: np.ndarray, y_m: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return where the Earth will not be in sight."""


class PlanningParameters(Parameters):
    """What a way costs; everything but energy as the power that is worth the same."""

    cell_m: float = parameter(5.0, "of the planning grid", "m", ge=1.0, le=50.0)
    cell_far_m: float = parameter(
        10.0, "of the planning grid for goals beyond far_m", "m", ge=1.0, le=100.0
    )
    far_m: float = parameter(600.0, "where the planning grid gets coarser", "m", ge=10.0)
    under_way_w: float = parameter(
        90.0, "power of the rover without its drive", "W", ge=0.0, assumed=True
    )
    dark_w: float = parameter(
        300.0, "worth of light while driving: what darkness costs", "W", ge=0.0, assumed=True
    )
    no_earth_w: float = parameter(
        20.0, "worth of being in contact while driving", "W", ge=0.0, assumed=True
    )
    slope_plan_deg: float = parameter(11.0, "steeper ground is avoided", "deg", ge=1.0, le=25.0)
    slope_limit_deg: float = parameter(
        20.0, "steeper ground is never planned, but to get away", "deg", ge=1.0, le=25.0
    )
    slope_hard_deg: float = parameter(
        25.0, "steeper ground is not planned even near a start with no other way out", "deg",
        ge=1.0, le=30.0,
    )  # fmt: skip
    steep_j_m_deg: float = parameter(
        1500.0, "energy that a metre is worth per degree beyond slope_plan_deg", "J/m/deg", ge=0.0,
        assumed=True,
    )  # fmt: skip
    detour_gain: float = parameter(
        0.05, "a bend must save this part of the cost, else the way goes straight", ge=0.0, le=1.0
    )


class Way(NamedTuple):
    """A way to a goal: corners (n, 2) in the map frame, when to leave, and what is expected.

    `energy_j` is that of the drive, `cost_j` all that was weighed, waiting included.
    """

    corners_m: np.ndarray
    depart: int
    length_m: float
    energy_j: float
    drive_s: float
    dark_m: float
    cost_j: float


class Grid:
    """Cells along the line from start to goal, and what the map says of them.

    Arrays have shape (rows, columns): columns along the line, rows to its left.
    """

    def __init__(
        self,
        ground: SiteTerrain,
        start: Point,
        goal: Point,
        cell_m: float,
        margin: int | None,
        marks: Iterable[Mark],
        p: PlanningParameters,
        escape_m: float = 0.0,
    ) -> None:
        dx, dy = goal[0] - start[0], goal[1] - start[1]
        length_m = math.hypot(dx, dy)
        count = max(1, round(length_m / cell_m))
        self.pitch_m = length_m / count
        if margin is None:
            margin = min(max(count // 3, _MARGIN_CELLS[0]), _MARGIN_CELLS[1])
        self.shape = (2 * margin + 1, count + 2 * margin + 1)
        self.start, self.goal = (margin, margin), (margin, margin + count)
        self.origin, self.axis = start, (dx / length_m, dy / length_m)
        self.x_m, self.y_m = self.places(*np.indices(self.shape, float))
        self.height_m, east, north = ground.surface(self.x_m, self.y_m)
        c, s = self.axis
        self.rise, self.rise_left = c * east + s * north, c * north - s * east
        self.slope_deg = np.degrees(np.arctan(np.hypot(east, north)))
        self.steep_deg = np.maximum(self.slope_deg - p.slope_plan_deg, 0.0)
        near = np.hypot(self.x_m - start[0], self.y_m - start[1]) < escape_m
        self.closed = self.slope_deg > np.where(near, p.slope_hard_deg, p.slope_limit_deg)
        self.closed |= ~ground.levels[0].within(self.x_m, self.y_m)
        # the rover stands outside of what blocked it, however near
        self.marks = [(x, y, min(r, 0.95 * math.dist((x, y), start))) for x, y, r in marks]
        for x, y, radius in self.marks:
            self.closed |= np.hypot(self.x_m - x, self.y_m - y) < radius
        # where it stands it can stand
        self.closed[self.start] = False

    def places(self, row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return map coordinates of grid coordinates."""
        along, left = (column - self.start[1]) * self.pitch_m, (row - self.start[0]) * self.pitch_m
        c, s = self.axis
        return self.origin[0] + c * along - s * left, self.origin[1] + s * along + c * left

    def marked(self, a: tuple[Any, Any], b: tuple[Any, Any]) -> Any:
        """Tell which lines between points (x, y) pass a place that is blocked."""
        ax, ay, bx, by = np.broadcast_arrays(*a, *b)
        found = np.zeros(ax.shape, bool)
        longest = float(np.hypot(bx - ax, by - ay).max(initial=0.0))
        for x, y, radius in self.marks:
            reach = radius + longest
            near = (np.abs(ax - x) < reach) & (np.abs(ay - y) < reach)
            if not near.any():
                continue
            px, py = ax[near] - x, ay[near] - y
            dx, dy = bx[near] - ax[near], by[near] - ay[near]
            square = np.maximum(dx * dx + dy * dy, 1e-12)
            part = np.clip(-(px * dx + py * dy) / square, 0.0, 1.0)
            found[near] |= np.hypot(px + part * dx, py + part * dy) < radius
        return found


class PathPlanner:
    """Finds ways over a ground that a map shows, under a sky that is forecast."""

    def __init__(self, ground: SiteTerrain, p: PlanningParameters, sky: Sky | None = None) -> None:
        self.ground, self.p, self.sky = ground, p, sky
        self.grid: Grid | None = None
        self._dark: np.ndarray | None = None
        self._yaw_rad: float | None = None

    def plan(
        self,
        start: Point,
        goal: Point,
        now: int,
        drive: TraverseEnergy,
        *,
        tolerance_m: float = 0.0,
        yaw_rad: float | None = None,
        marks: Sequence[Mark] = (),
        dark_max_m: float = math.inf,
        wait_max_s: float = 0.0,
    ) -> Way:
        """Return the cheapest way that keeps to the limits, or raise NoPath with the reason.

        A goal that cannot be reached is replaced by the nearest place well within `tolerance_m`
        that can. `yaw_rad` is how the rover stands, None if it need not turn.
        """
        self._yaw_rad = yaw_rad
        for x, y in (start, goal):
            if not self.ground.contains(x, y):
                raise NoPath(f"({x:.1f}, {y:.1f}) m is off the map")
        length_m = math.dist(start, goal)
        if length_m < 1.0:
            corners = np.array([start, goal])
            return self._way(corners, now, drive, 0.0)
        cell_m = self.p.cell_m if length_m <= self.p.far_m else self.p.cell_far_m
        cell_m = max(cell_m, length_m / _CELLS_MAX)
        search = None
        # a rover on steep ground must be able to leave it
        for margin, escape_m in ((None, 0.0), (_WIDER_CELLS, 0.0), (_WIDER_CELLS, _ESCAPE_M)):
            grid = Grid(self.ground, start, goal, cell_m, margin, marks, self.p, escape_m)
            search = _Search(grid, drive, self.p, _NEAR * tolerance_m)
            if search.reaches_goal:
                break
        assert search is not None
        self.grid, self._dark = search.grid, None
        if search.reaches_goal:
            return self._best_departure(search, now, drive, dark_max_m, wait_max_s)
        if grid.closed[grid.goal]:
            raise NoPath(self._why_closed(grid))
        raise NoPath(
            f"no way to ({goal[0]:.1f}, {goal[1]:.1f}) m keeps to slopes under "
            f"{self.p.slope_limit_deg:g} deg and around what is blocked"
        )

    def occupancy(self) -> np.ndarray:
        """Return how costly each cell of the last plan's grid was: 100 closed, 0 level and lit."""
        assert self.grid is not None
        share = _SHOWN_SLOPE * self.grid.slope_deg / self.p.slope_limit_deg
        if self._dark is not None:
            share = share + _SHOWN_DARK * self._dark
        return np.where(self.grid.closed, 100.0, np.minimum(share, 99.0)).astype(np.int8)

    def _best_departure(
        self, search: _Search, now: int, drive: TraverseEnergy, dark_max_m: float, wait_s: float
    ) -> Way:
        best: Way | None = None
        darkest_m = math.inf
        for offset_s in np.arange(0.0, wait_s + 1.0, _DEPARTURE_STEP_S).tolist():
            waiting_j = offset_s * self.p.under_way_w
            if best and waiting_j + search.least_cost_j >= best.cost_j:
                break
            depart = now + round(offset_s * SECOND)
            for way in self._ways(search, depart, drive, waiting_j):
                darkest_m = min(darkest_m, way.dark_m)
                if way.dark_m <= dark_max_m:
                    if best is None or way.cost_j < best.cost_j:
                        best = way
                    break
        if best is None:
            when = f" within {wait_s / 3600.0:.0f} h" if wait_s >= 3600.0 else ""
            raise NoPath(
                f"at least {darkest_m:.0f} m of the way are dark{when}, and the limit is "
                f"{dark_max_m:.0f} m"
            )
        return best

    def _ways(
        self, search: _Search, depart: int, drive: TraverseEnergy, waiting_j: float
    ) -> Iterator[Way]:
        """Give the way as weighed, then one that shuns the dark more."""
        grid = search.grid
        dark = silent = None
        if self.sky:
            at = depart + (search.arrival_s * SECOND).astype(np.int64)
            # light changes little from cell to cell: every other one is asked
            dark = _at_every_other(self.sky.dark, grid, at)
            silent = _at_every_other(self.sky.silent, grid, at)
            self._dark = dark
        for aversion in _DARK_AVERSION:
            extra_w = np.zeros(grid.shape)
            if dark is not None and silent is not None:
                extra_w = aversion * self.p.dark_w * dark + self.p.no_earth_w * silent
            cells = search.cheapest(extra_w)
            corners = np.column_stack(grid.places(*cells.T.astype(float)))
            if len(corners) == 1:
                # no place that can be reached is nearer to the goal than where the rover stands
                corners = corners.repeat(2, axis=0)
            way = self._way(corners, depart, drive, waiting_j)
            yield way
            if way.dark_m == 0.0:
                return

    def _way(
        self, corners_m: np.ndarray, depart: int, drive: TraverseEnergy, waiting_j: float
    ) -> Way:
        """Say what the way is expected to take, sampled finer than the grid."""
        x, y, heading, way_m = _sampled(corners_m)
        _, east, north = self.ground.surface(x, y)
        climb = np.degrees(np.arctan(np.cos(heading) * east + np.sin(heading) * north))
        cross = np.degrees(np.arctan(np.cos(heading) * north - np.sin(heading) * east))
        way_m = way_m / np.cos(np.radians(climb))
        energy_j = way_m * drive.joule_per_m(climb, cross)
        drive_s = way_m * drive.seconds_per_m(climb, cross)
        steep_deg = np.maximum(np.degrees(np.arctan(np.hypot(east, north))) - self.p.slope_plan_deg,
                               0.0)  # fmt: skip
        cost_j = energy_j + drive_s * self.p.under_way_w + way_m * steep_deg * self.p.steep_j_m_deg
        dark = np.zeros(x.shape, bool)
        if self.sky:
            at = depart + (np.cumsum(drive_s) * SECOND).astype(np.int64)
            dark = self.sky.dark(x, y, at)
            cost_j += drive_s * self.p.dark_w * dark
            cost_j += drive_s * self.p.no_earth_w * self.sky.silent(x, y, at)
        turns_s = sum(map(drive.turn_s, _turns_rad(corners_m, self._yaw_rad)))
        turns_j = turns_s * drive.turning_w
        return Way(
            corners_m,
            depart,
            float(way_m.sum()),
            float(energy_j.sum()) + turns_j,
            float(drive_s.sum()) + turns_s,
            float(way_m[dark].sum()),
            float(cost_j.sum()) + turns_j + turns_s * self.p.under_way_w + waiting_j,
        )

    def _why_closed(self, grid: Grid) -> str:
        x, y = float(grid.x_m[grid.goal]), float(grid.y_m[grid.goal])
        slope_deg = float(grid.slope_deg[grid.goal])
        if slope_deg > self.p.slope_limit_deg:
            return (
                f"the goal ({x:.1f}, {y:.1f}) m lies on a slope of {slope_deg:.0f} deg, and "
                f"{self.p.slope_limit_deg:g} deg is the limit"
            )
        return f"the goal ({x:.1f}, {y:.1f}) m lies where the rover was blocked"


class _Search:
    """The graph of a grid's cells and the cheapest way through it."""

    def __init__(
        self, grid: Grid, drive: TraverseEnergy, p: PlanningParameters, reach_m: float = 0.0
    ) -> None:
        self.grid, self.drive, self.p = grid, drive, p
        number = np.arange(grid.x_m.size).reshape(grid.shape)
        starts, ends, costs, times = [], [], [], []
        for step, passed in _STEPS:
            here, there = _pairs(grid.shape, step)
            free = ~(grid.closed[here] | grid.closed[there])
            for way in passed:
                free &= ~grid.closed[_shifted(here, way)]
            if grid.marks:
                ends_m = [(grid.x_m[cells], grid.y_m[cells]) for cells in (here, there)]
                free &= ~grid.marked(*ends_m)
            for a, b, sign in ((here, there, 1.0), (there, here, -1.0)):
                cost, time_s = self._edges(a, b, step, sign)
                starts.append(number[a][free])
                ends.append(number[b][free])
                costs.append(cost[free])
                times.append(time_s[free])
        start, end = np.concatenate(starts), np.concatenate(ends)
        order = np.lexsort((end, start))
        self._end, self._start = end[order], start[order]
        self._first = np.searchsorted(self._start, np.arange(number.size + 1))
        self._cost_j = np.concatenate(costs)[order]
        self._time_s = np.concatenate(times)[order]
        self._from = int(number[grid.start])
        reach_j, self._before = self._run(self._cost_j)
        self._to = self._nearest(np.isfinite(reach_j).reshape(grid.shape), reach_m)
        self.least_cost_j = float(reach_j[self._to])
        self.reaches_goal = math.isfinite(self.least_cost_j)
        self._arrival_s: np.ndarray | None = None

    def _nearest(self, reached: np.ndarray, reach_m: float) -> int:
        """Return the number of the nearest cell to the goal that is reached, or the goal's."""
        g = self.grid
        away_m = np.hypot(g.x_m - g.x_m[g.goal], g.y_m - g.y_m[g.goal])
        away_m[~reached] = math.inf
        best = int(away_m.argmin())
        if away_m.flat[best] <= reach_m + 1e-6:
            return best
        return int(np.ravel_multi_index(g.goal, g.shape))

    @property
    def arrival_s(self) -> np.ndarray:
        """How long the quickest way to each cell takes; the longest one where there is none."""
        if self._arrival_s is None:
            time_s, _ = self._run(self._time_s)
            longest = time_s[np.isfinite(time_s)].max()
            self._arrival_s = np.minimum(time_s, longest).reshape(self.grid.shape)
        return self._arrival_s

    def cheapest(self, extra_w: np.ndarray) -> np.ndarray:
        """Return the corners (n, 2), as (row, column), of the cheapest way when being in a cell
        costs a power more.
        """
        before = self._before
        if extra_w.any():
            flat = extra_w.reshape(-1)
            mean_w = 0.5 * (flat[self._start] + flat[self._end])
            _, before = self._run(self._cost_j + self._time_s * mean_w)
        cells = [self._to]
        while cells[-1] != self._from:
            cells.append(int(before[cells[-1]]))
        path = np.column_stack(np.unravel_index(cells[::-1], self.grid.shape))
        return self._pulled(path, extra_w)

    def _run(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size = self.grid.x_m.size
        graph = csr_array((weights, self._end, self._first), shape=(size, size))
        return dijkstra(graph, indices=self._from, return_predecessors=True)

    def _edges(
        self, here: tuple, there: tuple, step: tuple[int, int], sign: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cost without light (J) and time (s) of one step from each cell."""
        g, p = self.grid, self.p
        level_m = g.pitch_m * math.hypot(*step)
        gain_m = g.height_m[there] - g.height_m[here]
        across, along = sign * step[0], sign * step[1]
        norm = math.hypot(*step)
        left = along * (g.rise_left[here] + g.rise_left[there])
        left -= across * (g.rise[here] + g.rise[there])
        climb_deg = np.degrees(np.arctan(gain_m / level_m))
        cross_deg = np.degrees(np.arctan(0.5 * left / norm))
        way_m = np.hypot(level_m, gain_m)
        time_s = way_m * self.drive.seconds_per_m(climb_deg, cross_deg)
        cost_j = way_m * self.drive.joule_per_m(climb_deg, cross_deg) + time_s * p.under_way_w
        cost_j += way_m * p.steep_j_m_deg * 0.5 * (g.steep_deg[here] + g.steep_deg[there])
        return cost_j, time_s

    def _pulled(self, path: np.ndarray, extra_w: np.ndarray) -> np.ndarray:
        """Leave out cells of a path wherever the straight line costs hardly more."""
        path_cost = self._line_costs(path[:-1], path[1:], extra_w)
        so_far = np.concatenate([[0.0], np.cumsum(path_cost)])
        kept, last = [0], len(path) - 1
        while kept[-1] < last:
            i = kept[-1]
            later = np.arange(i + 2, last + 1)
            straight = self._line_costs(path[i : i + 1], path[later], extra_w)
            allowed = (1.0 + self.p.detour_gain) * (so_far[later] - so_far[i])
            good = later[straight <= allowed]
            kept.append(int(good[-1]) if good.size else i + 1)
        return path[kept]

    def _line_costs(self, a: np.ndarray, b: np.ndarray, extra_w: np.ndarray) -> np.ndarray:
        """Return the cost of straight lines between grid points, shapes (n, 2); inf if closed."""
        if not len(b):
            return np.zeros(0)
        g, p = self.grid, self.p
        vector = (b - a).astype(float)
        length = np.hypot(*vector.T)
        count = max(2, math.ceil(2.0 * float(length.max())))
        part = (np.arange(count) + 0.5) / count
        row = a[:, :1] + vector[:, :1] * part
        column = a[:, 1:] + vector[:, 1:] * part
        across, along = vector[:, :1] / length[:, None], vector[:, 1:] / length[:, None]
        place = [row, column]
        rise = map_coordinates(g.rise, place, order=1)
        rise_left = map_coordinates(g.rise_left, place, order=1)
        steep_deg = map_coordinates(g.steep_deg, place, order=1)
        climb = along * rise + across * rise_left
        climb_deg = np.degrees(np.arctan(climb))
        cross_deg = np.degrees(np.arctan(along * rise_left - across * rise))
        way_m = np.hypot(1.0, climb) * (g.pitch_m * length / count)[:, None]
        time_s = way_m * self.drive.seconds_per_m(climb_deg, cross_deg)
        cost_j = way_m * self.drive.joule_per_m(climb_deg, cross_deg)
        cost_j += way_m * steep_deg * p.steep_j_m_deg
        nearest = np.rint(row).astype(int), np.rint(column).astype(int)
        cost_j += time_s * (p.under_way_w + extra_w[nearest])
        total = cost_j.sum(axis=1)
        closed = g.closed[nearest].any(axis=1)
        if g.marks:
            closed |= g.marked(g.places(*a.T.astype(float)), g.places(*b.T.astype(float)))
        total[closed] = math.inf
        return total


def _pairs(shape: tuple[int, int], step: tuple[int, int]) -> tuple[tuple, tuple]:
    """Slices of all cells that have a cell one step on, and of those cells."""
    here = tuple(slice(max(0, -d), n - max(0, d)) for n, d in zip(shape, step, strict=True))
    return here, _shifted(here, step)


def _shifted(cells: tuple, step: tuple[int, int]) -> tuple:
    return tuple(slice(c.start + d, c.stop + d) for c, d in zip(cells, step, strict=True))


def _turns_rad(corners_m: np.ndarray, yaw_rad: float | None) -> list[float]:
    """Return the angles that are turned on the spot."""
    steps = np.diff(corners_m, axis=0)
    dx, dy = steps[steps.any(axis=1)].T
    headings = np.arctan2(dy, dx).tolist()
    turns = [abs(wrapped(b - a)) for a, b in zip(headings, headings[1:], strict=False)]
    found = [turn for turn in turns if turn > CORNER_RAD]
    if headings and yaw_rad is not None and abs(wrapped(headings[0] - yaw_rad)) > BEGINNING_RAD:
        found.append(abs(wrapped(headings[0] - yaw_rad)))
    return found


def _sampled(corners_m: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return x, y, heading (rad) and length of evenly spaced pieces of each straight part."""
    pieces = []
    for a, b in zip(corners_m[:-1], corners_m[1:], strict=True):
        length_m = math.dist(a, b)
        count = max(1, math.ceil(length_m / _SAMPLE_M))
        part = (np.arange(count) + 0.5)[:, None] / count
        heading = math.atan2(b[1] - a[1], b[0] - a[0])
        places = a + (b - a) * part
        pieces.append(
            np.column_stack([places, np.full(count, heading), np.full(count, length_m / count)])
        )
    return tuple(np.concatenate(pieces).T)


def _at_every_other(ask: object, grid: Grid, at: np.ndarray) -> np.ndarray:
    coarse = ask(grid.x_m[::2, ::2], grid.y_m[::2, ::2], at[::2, ::2])  # type: ignore[operator]
    rows, columns = grid.shape
    return coarse.repeat(2, axis=0).repeat(2, axis=1)[:rows, :columns]
