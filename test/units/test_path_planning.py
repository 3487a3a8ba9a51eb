# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest

from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.terrain import Terrain
from lupex_nodes.models.traverse_energy import TraverseEnergy
from lupex_nodes.rover.path_planning import Grid, NoPath, PathPlanner, PlanningParameters

DRIVE = TraverseEnergy(0.1)
P = PlanningParameters()
HOUR = 3600 * SECOND


def site(height, half_m=400.0, pixel_m=5.0):
    x = np.arange(-half_m, half_m + 1.0, pixel_m)
    return SiteTerrain((Terrain(height(*np.meshgrid(x, x)), pixel_m, -half_m, -half_m),))


def flat(x, y):
    return 0.0 * x


def hill(x, y, height_m=40.0, width_m=60.0):
    # steepest 22 deg, at width / sqrt(2) from the top
    return height_m * np.exp(-(x**2 + y**2) / width_m**2)


def along(corners):
    pieces = [np.linspace(a, b, 200) for a, b in zip(corners, corners[1:], strict=False)]
    return np.concatenate(pieces)


class Shadow:
    """A band x0 < x < x1 that is dark until a time."""

    def __init__(self, x0=40.0, x1=120.0, until=5 * HOUR, y_max=math.inf):
        self.band, self.until, self.y_max = (x0, x1), until, y_max

    def dark(self, x, y, at):
        return (x > self.band[0]) & (x < self.band[1]) & (y < self.y_max) & (at < self.until)

    def silent(self, x, y, at):
        return np.zeros(x.shape, bool)


@pytest.mark.parametrize("goal", [(200.0, 0.0), (120.0, 151.0), (-3.0, 40.0), (7.0, 1.0)])
def test_over_benign_ground_the_way_is_the_straight_line(goal):
    def waves(x, y):
        return 0.8 * np.sin(x / 13.0) + 0.6 * np.cos(y / 17.0)

    for ground in (flat, waves):
        way = PathPlanner(site(ground), P).plan((0.0, 0.0), goal, 0, DRIVE)
        np.testing.assert_allclose(way.corners_m, [(0.0, 0.0), goal], atol=1e-9)
    level = PathPlanner(site(flat), P).plan((0.0, 0.0), goal, 0, DRIVE)
    length_m = math.hypot(*goal)
    assert level.length_m == pytest.approx(length_m)
    assert level.energy_j == pytest.approx(length_m * DRIVE.joule_per_m(0.0, 0.0))
    assert level.drive_s == pytest.approx(length_m / 0.1)


def test_around_a_round_obstacle_the_way_is_nearly_the_shortest_there_is():
    way = PathPlanner(site(flat), P).plan((-100.0, 0.0), (100.0, 0.0), 0, DRIVE,
                                          marks=[(0.0, 0.0, 30.0)])  # fmt: skip
    # two tangents and an arc
    shortest = 2.0 * math.sqrt(100.0**2 - 30.0**2) + 2.0 * 30.0 * math.asin(0.3)
    assert shortest <= way.length_m < 1.05 * shortest
    assert np.hypot(*along(way.corners_m).T).min() > 29.9


def test_a_hill_is_gone_around_where_it_is_too_steep():
    planner = PathPlanner(site(hill), P)
    way = planner.plan((-150.0, 3.0), (150.0, 3.0), 0, DRIVE)
    points = along(way.corners_m)
    slope = planner.ground.slope_deg(*points.T)
    assert slope.max() < P.slope_plan_deg + 3.0
    assert len(way.corners_m) > 2 and way.length_m < 370.0


def test_no_random_bend_makes_the_way_cheaper():
    rng = np.random.default_rng(3)
    phase = rng.uniform(0.0, 6.0, (6, 2))

    def rough(x, y):
        return sum(
            2.0 * np.sin(x / (17.0 + 5 * i) + a) * np.cos(y / (19.0 + 4 * i) + b)
            for i, (a, b) in enumerate(phase.tolist())
        )

    planner = PathPlanner(site(rough), P)
    way = planner.plan((-150.0, -60.0), (150.0, 80.0), 0, DRIVE)
    assert planner.ground.slope_deg(*along(way.corners_m).T).max() < P.slope_limit_deg
    costs = []
    for _ in range(1000):
        middle = rng.uniform((-150.0, -150.0), (150.0, 150.0))
        corners = np.array([(-150.0, -60.0), middle, (150.0, 80.0)])
        if planner.ground.slope_deg(*along(corners).T).max() > P.slope_limit_deg:
            continue
        costs.append(planner._way(corners, 0, DRIVE, 0.0).cost_j)
    assert len(costs) > 20
    # what pulling straight may give away, and the grid's directions
    assert way.cost_j <= (1.0 + P.detour_gain) * min(costs)


def test_the_cheapest_way_on_a_small_grid_is_that_of_trying_all():
    rng = np.random.default_rng(8)
    bumps = rng.uniform(-1.0, 1.0, (200, 200))

    def rough(x, y):
        return bumps[: x.shape[0], : x.shape[1]]

    from lupex_nodes.rover.path_planning import _Search

    grid = Grid(site(rough, 150.0), (0.0, 0.0), (15.0, 5.0), 5.0, 3, [], P)
    search = _Search(grid, DRIVE, P)
    # Bellman and Ford: every edge again and again until nothing changes
    best = np.full(grid.x_m.size, math.inf)
    best[np.ravel_multi_index(grid.start, grid.shape)] = 0.0
    for _ in range(best.size):
        through = best[search._start] + search._cost_j
        new = best.copy()
        np.minimum.at(new, search._end, through)
        if (new == best).all():
            break
        best = new
    goal = np.ravel_multi_index(grid.goal, grid.shape)
    assert search.least_cost_j == pytest.approx(best[goal], rel=1e-12)


def test_uphill_and_downhill_differ():
    planner = PathPlanner(site(lambda x, y: x * math.tan(math.radians(8.0))), P)
    up = planner.plan((-100.0, 0.0), (100.0, 0.0), 0, DRIVE)
    down = planner.plan((100.0, 0.0), (-100.0, 0.0), 0, DRIVE)
    way_m = 200.0 / math.cos(math.radians(8.0))
    assert up.energy_j == pytest.approx(way_m * DRIVE.joule_per_m(8.0, 0.0), rel=1e-3)
    assert down.energy_j == pytest.approx(way_m * DRIVE.joule_per_m(-8.0, 0.0), rel=1e-3)
    assert up.energy_j > 1.3 * down.energy_j


def test_turns_on_the_spot_are_counted():
    planner = PathPlanner(site(flat), P)
    ahead = planner.plan((0.0, 0.0), (50.0, 0.0), 0, DRIVE, yaw_rad=0.0)
    behind = planner.plan((0.0, 0.0), (50.0, 0.0), 0, DRIVE, yaw_rad=math.pi)
    more_s = 180.0 / 2.5 + DRIVE.settling_s
    assert behind.drive_s - ahead.drive_s == pytest.approx(more_s)
    assert behind.energy_j - ahead.energy_j == pytest.approx(more_s * DRIVE.turning_w)


def test_waits_for_light_when_the_dark_part_is_limited():
    planner = PathPlanner(site(flat), P, Shadow())
    start, goal = (0.0, 0.0), (160.0, 0.0)
    dark = planner.plan(start, goal, 0, DRIVE)
    assert dark.depart == 0 and dark.dark_m == pytest.approx(80.0, abs=4.0)
    with pytest.raises(NoPath, match=r"at least \d+ m of the way are dark, and the limit is 10 m"):
        planner.plan(start, goal, 0, DRIVE, dark_max_m=10.0)
    later = planner.plan(start, goal, 0, DRIVE, dark_max_m=10.0, wait_max_s=8 * 3600.0)
    # the shadow is reached 400 s after the start and left 800 s later
    assert later.depart in (4 * HOUR + HOUR * k for k in (0, 1)) and later.dark_m <= 10.0
    with pytest.raises(NoPath, match="within 2 h"):
        planner.plan(start, goal, 0, DRIVE, dark_max_m=10.0, wait_max_s=7200.0)


def test_goes_around_a_shadow_when_that_costs_less_than_darkness():
    planner = PathPlanner(site(flat), P, Shadow(y_max=15.0, until=100 * HOUR))
    way = planner.plan((0.0, 0.0), (160.0, 0.0), 0, DRIVE)
    assert way.dark_m < 20.0 and 160.0 < way.length_m < 175.0
    indifferent = PathPlanner(site(flat), P.model_copy(update={"dark_w": 0.0}), planner.sky)
    assert len(indifferent.plan((0.0, 0.0), (160.0, 0.0), 0, DRIVE).corners_m) == 2


def test_says_why_there_is_no_way():
    planner = PathPlanner(site(flat, 200.0), P)
    ring = [(60.0 * math.cos(a), 60.0 * math.sin(a), 12.0) for a in np.arange(0.0, 6.3, 0.2)]
    with pytest.raises(NoPath, match="no way to .* keeps to slopes under 20 deg"):
        planner.plan((0.0, 0.0), (120.0, 0.0), 0, DRIVE, marks=ring)
    with pytest.raises(NoPath, match="off the map"):
        planner.plan((0.0, 0.0), (300.0, 0.0), 0, DRIVE)
    with pytest.raises(NoPath, match="lies where the rover was blocked"):
        planner.plan((0.0, 0.0), (90.0, 0.0), 0, DRIVE, marks=[(91.0, 0.0, 2.0)])
    steep = PathPlanner(site(lambda x, y: np.maximum(x, 0.0) * 0.5), P)
    with pytest.raises(NoPath, match="lies on a slope of 27 deg, and 20 deg is the limit"):
        steep.plan((-20.0, 0.0), (60.0, 0.0), 0, DRIVE)


def test_a_rover_right_before_what_blocked_it_finds_a_way_past():
    planner = PathPlanner(site(flat), P)
    way = planner.plan((0.0, 0.0), (100.0, 0.0), 0, DRIVE, marks=[(1.2, 0.0, 2.0)])
    points = along(way.corners_m)
    assert np.hypot(points[:, 0] - 1.2, points[:, 1]).min() > 1.1
    assert way.length_m < 106.0, "one cell aside, then straight"


def test_the_cost_map_shows_what_is_closed_and_what_is_dark():
    planner = PathPlanner(site(hill), P, Shadow(80.0, 120.0, 100 * HOUR))
    planner.plan((-150.0, 3.0), (150.0, 3.0), 0, DRIVE)
    cells, grid = planner.occupancy(), planner.grid
    assert cells.shape == grid.shape and max(cells.shape) <= 500
    assert (cells[grid.closed] == 100).all() and (cells[~grid.closed] < 100).all()
    lit = cells[(grid.x_m < -120.0)].mean()
    assert cells[(grid.x_m > 90.0) & (grid.x_m < 110.0)].mean() > lit + 20


def test_steep_ground_is_crossed_only_to_get_away_from_where_the_rover_stands():
    def band(x, y):
        # a slope of 23 deg between x = -30 and 30, level elsewhere
        return np.clip(x, -30.0, 30.0) * math.tan(math.radians(23.0))

    planner = PathPlanner(site(band), P)
    with pytest.raises(NoPath, match="keeps to slopes under 20 deg"):
        planner.plan((100.0, 0.0), (-100.0, 0.0), 0, DRIVE)
    way = planner.plan((5.0, 0.0), (100.0, 0.0), 0, DRIVE)
    assert way.corners_m[-1].tolist() == pytest.approx([100.0, 0.0])


def test_near_will_do_when_the_goal_itself_cannot_be_reached():
    planner = PathPlanner(site(lambda x, y: np.maximum(x - 60.0, 0.0)), P)
    with pytest.raises(NoPath, match="lies on a slope of 45 deg"):
        planner.plan((0.0, 0.0), (70.0, 0.0), 0, DRIVE, tolerance_m=5.0)
    way = planner.plan((0.0, 0.0), (70.0, 0.0), 0, DRIVE, tolerance_m=30.0)
    assert 45.0 < way.corners_m[-1][0] < 61.0


def test_who_stands_as_near_to_a_closed_goal_as_can_be_stays_there():
    closed = [(11.0, 0.0, 7.0)]
    planner = PathPlanner(site(flat), P)
    way = planner.plan(
        (3.0, 0.0), (8.0, 0.0), 0, DRIVE, tolerance_m=15.0, yaw_rad=2.0, marks=closed
    )
    assert way.corners_m.tolist() == [[3.0, 0.0], [3.0, 0.0]]
    assert way.length_m == way.energy_j == way.drive_s == 0.0
    with pytest.raises(NoPath, match="where the rover was blocked"):
        planner.plan((3.0, 0.0), (8.0, 0.0), 0, DRIVE, tolerance_m=3.0, marks=closed)
