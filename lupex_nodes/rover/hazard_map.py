# SPDX-License-Identifier: Apache-2.0
"""What the stereo cameras saw of the ground around the rover, and the way around what is in it.

A grid that rolls along with the rover, in the map frame. Heights seen several times are averaged
by their errors, of which old ones grow, because the believed pose drifts. A cell is a hazard where
the ground steps by more than the rover climbs or slopes more than it stands on; closed is what lies
within half a rover's width of one. Ground not seen yet counts as free.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy.ndimage import distance_transform_edt, maximum_filter, minimum_filter, uniform_filter
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from lupex_nodes.bus.parameters import Parameters, parameter

Point = tuple[float, float]

_OLD_GROWS = 4.0  # factor on the variance of what is there when the ground is seen again
_HALF_BASE = 3  # cells: slopes are felt over twice this, about the base of the crawlers
_SURE = 4.0  # standard errors that a step or slope must exceed its limit by
_WIDE = 9  # cells over which the slope of the surroundings is averaged
_MARGIN = 4  # cells around what was seen whose judgement may change
_FREE_START_M = 0.9
_SPARE_M = 0.3
_COMFORT_M = 0.6  # beyond the half width: nearer to hazards a way counts more
_UNEASY = 3.0
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1), (1, 2), (1, -2), (2, 1), (2, -1))


class HazardParameters(Parameters):
    """What stops the rover."""

    hazard_cell_m: float = parameter(0.2, "of the hazard map", "m", ge=0.05, le=1.0, live=False)
    hazard_span_m: float = parameter(
        20.0, "side of the hazard map", "m", ge=5.0, le=100.0, live=False
    )
    step_max_m: float = parameter(0.20, "that the rover climbs", "m", ge=0.05, le=1.0)
    hazard_slope_deg: float = parameter(23.0, "that the rover stands on", "deg", ge=5.0, le=30.0)
    half_width_m: float = parameter(
        0.75, "of the rover, kept free of hazards", "m", ge=0.1, le=3.0
    )


class HazardMap:
    """The rolling grid; arrays have shape (rows, columns), rows to the north, columns east."""

    def __init__(self, p: HazardParameters) -> None:
        self.p = p
        self.cell_m = p.hazard_cell_m
        count = round(p.hazard_span_m / p.hazard_cell_m)
        self.shape = (count, count)
        self.corner = (0, 0)  # row and column of cell [0, 0], counted from the map's origin
        self.height_m = np.full(self.shape, np.nan)
        self.variance_m2 = np.full(self.shape, np.inf)
        self.hazard = np.zeros(self.shape, bool)
        self.slope_max_deg = p.hazard_slope_deg
        self._measure_clearance()

    @property
    def origin_m(self) -> Point:
        """East and north of the grid's south-west corner."""
        return self.corner[1] * self.cell_m, self.corner[0] * self.cell_m

    def look(self, x_m: float, y_m: float, points: np.ndarray) -> None:
        """Take what was seen from a place: rows (east, north, height, 1 sigma of it), map frame."""
        self._roll(x_m, y_m)
        (row, column), inside = self._cells(points[:, 0], points[:, 1])
        if not inside.any():
            return
        row, column, points = row[inside], column[inside], points[inside]
        cells, where = np.unique(row * self.shape[1] + column, return_inverse=True)
        weight = points[:, 3] ** -2.0
        total = np.bincount(where, weight)
        seen_m = np.bincount(where, weight * points[:, 2])
        old = 1.0 / (_OLD_GROWS * self.variance_m2.flat[cells])
        old_m = np.nan_to_num(self.height_m.flat[cells])
        self.height_m.flat[cells] = (seen_m + old * old_m) / (total + old)
        self.variance_m2.flat[cells] = 1.0 / (total + old)
        self._judge(
            slice(max(0, int(row.min()) - _MARGIN), int(row.max()) + _MARGIN + 1),
            slice(max(0, int(column.min()) - _MARGIN), int(column.max()) + _MARGIN + 1),
        )

    def bear(self, slope_deg: float) -> None:
        """Take no slope below this for a hazard, if it is more than the rover's limit."""
        wanted = max(slope_deg, self.p.hazard_slope_deg)
        if wanted != self.slope_max_deg:
            self.slope_max_deg = wanted
            self._judge(slice(0, self.shape[0]), slice(0, self.shape[1]))

    def closed_at(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        """Tell which points lie too near to a hazard; what is off the grid is free."""
        (row, column), inside = self._cells(x_m, y_m)
        found = np.zeros(np.shape(x_m), bool)
        found[inside] = self.closed[row[inside], column[inside]]
        return found

    def way_around(self, start: Point, goals: np.ndarray) -> np.ndarray | None:
        """Return corners (n, 2) of a short free way to the first of `goals` that can be reached.

        None when none can, inside the grid. Close to the start all is free, or else a rover that
        stands beside a hazard could never leave. A way with room to spare is looked for first, so
        that what is seen later of the same hazards does not close it.
        """
        for spare_m in (_SPARE_M, 0.0):
            found = self._way(start, goals, self.clearance_m < self.p.half_width_m + spare_m)
            if found is not None:
                return found
        return None

    def _way(self, start: Point, goals: np.ndarray, closed: np.ndarray) -> np.ndarray | None:
        x, y = self._centres()
        closed = closed & (np.hypot(x - start[0], y - start[1]) > _FREE_START_M)
        (rows, columns), inside = self._cells(*np.vstack([[start], goals]).T)
        if not inside[0]:
            return None
        reach, before = self._ways_from(int(rows[0]) * self.shape[1] + int(columns[0]), closed)
        for i in range(1, len(rows)):
            end = int(rows[i]) * self.shape[1] + int(columns[i])
            if not inside[i] or closed.flat[end] or not math.isfinite(reach[end]):
                continue
            cells = [end]
            while before[cells[-1]] >= 0:
                cells.append(int(before[cells[-1]]))
            path = np.column_stack([x.flat[cells[::-1]], y.flat[cells[::-1]]])
            path[0], path[-1] = start, goals[i - 1]
            return self._pulled(path, closed)
        return None

    def places(self, x_m: float, y_m: float, reach_m: float, apart_m: float) -> list[Point]:
        """Return where hazards lie within a reach, one place for each square of `apart_m`."""
        x, y = (v[self.hazard] for v in self._centres())
        near = np.hypot(x - x_m, y - y_m) <= reach_m
        x, y = x[near], y[near]
        squares = np.floor(np.column_stack([x, y]) / apart_m)
        _, where, count = np.unique(squares, axis=0, return_inverse=True, return_counts=True)
        middles = [np.bincount(where.ravel(), v) / count for v in (x, y)]
        return list(zip(*(v.tolist() for v in middles), strict=True)) if x.size else []

    def occupancy(self) -> np.ndarray:
        """Return 100 for hazards, 80 for what is too near to one, 0 for free, -1 for not seen."""
        seen = np.where(np.isfinite(self.height_m), 0, -1)
        return np.where(self.hazard, 100, np.where(self.closed, 80, seen)).astype(np.int8)

    def _cells(self, x_m: Any, y_m: Any) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        row = np.floor(np.asarray(y_m) / self.cell_m).astype(int) - self.corner[0]
        column = np.floor(np.asarray(x_m) / self.cell_m).astype(int) - self.corner[1]
        rows, columns = self.shape
        return (row, column), (row >= 0) & (row < rows) & (column >= 0) & (column < columns)

    def _centres(self) -> tuple[np.ndarray, np.ndarray]:
        row, column = np.indices(self.shape)
        return (
            (column + self.corner[1] + 0.5) * self.cell_m,
            (row + self.corner[0] + 0.5) * self.cell_m,
        )

    def _roll(self, x_m: float, y_m: float) -> None:
        """Keep the rover near the middle."""
        place = (math.floor(y_m / self.cell_m), math.floor(x_m / self.cell_m))
        corner = tuple(at - n // 2 for at, n in zip(place, self.shape, strict=True))
        shift = [new - old for new, old in zip(corner, self.corner, strict=True)]
        if max(map(abs, shift)) <= self.shape[0] // 10:
            return
        self.corner = (corner[0], corner[1])
        for name, blank in (("height_m", np.nan), ("variance_m2", np.inf), ("hazard", False)):
            old = getattr(self, name)
            new = np.full_like(old, blank)
            pairs = [_overlap(d, n) for d, n in zip(shift, self.shape, strict=True)]
            new[pairs[0][0], pairs[1][0]] = old[pairs[0][1], pairs[1][1]]
            setattr(self, name, new)
        self._measure_clearance()

    def _judge(self, rows: slice, columns: slice) -> None:
        """Find the hazards of a window again."""
        height = self.height_m[rows, columns]
        known = np.isfinite(height)
        sigma_m = np.sqrt(np.where(known, self.variance_m2[rows, columns], 0.0))
        gradient = self._gradient(height, known)
        high = maximum_filter(np.where(known, height, -np.inf), 3)
        low = minimum_filter(np.where(known, height, np.inf), 3)
        # what the slope of the wider surroundings makes over two cells is no step
        slant_m = 2.0 * self.cell_m * np.abs(uniform_filter(gradient, (0, _WIDE, _WIDE))).sum(0)
        hazard = known & (high - low - slant_m > self.p.step_max_m + _SURE * sigma_m)
        # a slope is that of two averages of nine cells
        sigma_slope = sigma_m * (math.sqrt(2.0) / 3.0) / (2 * _HALF_BASE * self.cell_m)
        steepest = math.tan(math.radians(self.slope_max_deg))
        hazard |= np.hypot(*gradient) > steepest + _SURE * sigma_slope
        changed = (hazard != self.hazard[rows, columns]).any()
        self.hazard[rows, columns] = hazard
        if changed:
            self._measure_clearance()

    def _gradient(self, height: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Slopes to the north and east of averages of nine cells; 0 where too little is known."""
        part = uniform_filter(known.astype(float), 3, mode="constant")
        mean = uniform_filter(np.where(known, height, 0.0), 3, mode="constant")
        mean = np.where(part > 0.5, mean / np.maximum(part, 0.5), np.nan)
        d = _HALF_BASE
        gradient = np.zeros((2, *height.shape))
        span_m = 2 * d * self.cell_m
        if height.shape[0] > 2 * d and height.shape[1] > 2 * d:
            gradient[0, d:-d] = (mean[2 * d :] - mean[: -2 * d]) / span_m
            gradient[1, :, d:-d] = (mean[:, 2 * d :] - mean[:, : -2 * d]) / span_m
        return np.nan_to_num(gradient)

    def _measure_clearance(self) -> None:
        if self.hazard.any():
            self.clearance_m = distance_transform_edt(~self.hazard) * self.cell_m
        else:
            self.clearance_m = np.full(self.shape, np.inf)
        self.closed = self.clearance_m < self.p.half_width_m

    def _ways_from(self, start: int, closed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        uneasy = self.clearance_m < self.p.half_width_m + _COMFORT_M
        cost = np.where(closed, math.inf, np.where(uneasy, _UNEASY, 1.0)).reshape(-1)
        links = _links(self.shape)
        weights = links.way * (cost[links.start] + cost[links.end])
        graph = csr_array((weights, links.end, links.first), shape=(cost.size, cost.size))
        return dijkstra(graph, indices=start, return_predecessors=True)

    def _pulled(self, path: np.ndarray, closed: np.ndarray) -> np.ndarray:
        """Leave out corners wherever the straight line is free."""
        kept, last = [0], len(path) - 1
        while kept[-1] < last:
            i = kept[-1]
            j = last
            while j > i + 1 and self._crosses(path[i], path[j], closed):
                j -= 1
            kept.append(j)
        return path[kept]

    def _crosses(self, a: np.ndarray, b: np.ndarray, closed: np.ndarray) -> bool:
        count = max(2, math.ceil(math.dist(a, b) / (0.5 * self.cell_m)))
        part = np.linspace(0.0, 1.0, count)
        x_m, y_m = a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part
        (row, column), inside = self._cells(x_m, y_m)
        return bool(closed[row[inside], column[inside]].any())


class _Links(NamedTuple):
    """The steps between cells, sorted by where they start: ends, starts, where the steps of each
    cell begin, and half the way in cells.
    """

    end: np.ndarray
    start: np.ndarray
    first: np.ndarray
    way: np.ndarray


@lru_cache(maxsize=2)
def _links(shape: tuple[int, int]) -> _Links:
    number = np.arange(shape[0] * shape[1]).reshape(shape)
    starts: list[np.ndarray] = []
    ends: list[np.ndarray] = []
    ways: list[np.ndarray] = []
    for step in _NEIGHBOURS:
        here = tuple(slice(max(0, -d), n - max(0, d)) for d, n in zip(step, shape, strict=True))
        there = tuple(slice(s.start + d, s.stop + d) for s, d in zip(here, step, strict=True))
        pair = number[here].reshape(-1), number[there].reshape(-1)
        starts += pair
        ends += pair[::-1]
        ways += 2 * [np.full(pair[0].size, 0.5 * math.hypot(*step))]
    start, end, way = np.concatenate(starts), np.concatenate(ends), np.concatenate(ways)
    order = np.argsort(start, kind="stable")
    first = np.searchsorted(start[order], np.arange(number.size + 1))
    return _Links(end[order].astype(np.int32), start[order], first.astype(np.int32), way[order])


def _overlap(shift: int, count: int) -> tuple[slice, slice]:
    """Slices of what stays when a grid of `count` cells moves on by `shift`: new, old."""
    if abs(shift) >= count:
        return slice(0, 0), slice(0, 0)
    if shift >= 0:
        return slice(0, count - shift), slice(shift, count)
    return slice(-shift, count), slice(0, count + shift)
