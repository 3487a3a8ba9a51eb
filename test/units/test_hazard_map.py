# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest

from lupex_nodes.rover.hazard_map import HazardMap, HazardParameters

P = HazardParameters()


def seen(height, x=0.0, y=0.0, yaw=0.0, rng=None):
    """What stereo cameras see of a height function: rows (east, north, height, 1 sigma)."""
    reach, angle = np.meshgrid(
        np.arange(0.6, 6.0, 0.18), np.radians(np.arange(-40.0, 40.1, 2.5)) + yaw
    )
    east, north = x + (reach * np.cos(angle)).ravel(), y + (reach * np.sin(angle)).ravel()
    sigma = 0.005 + 0.0015 * reach.ravel() ** 2
    noise = 0.0 if rng is None else sigma * rng.standard_normal(sigma.size)
    return np.column_stack([east, north, height(east, north) + noise, sigma])


def looked(height, *, places=((0.0, 0.0, 0.0),), seed=None):
    hazards = HazardMap(P)
    rng = None if seed is None else np.random.default_rng(seed)
    for x, y, yaw in places:
        hazards.look(x, y, seen(height, x, y, yaw, rng))
    return hazards


def rock(height_m, x0=4.0, y0=0.0, radius=0.35):
    return lambda x, y: height_m * (np.hypot(x - x0, y - y0) < radius)


def slope(deg):
    return lambda x, y: x * math.tan(math.radians(deg))


def nearest_hazard_m(hazards, x, y):
    rows, columns = np.nonzero(hazards.hazard)
    east = hazards.origin_m[0] + (columns + 0.5) * hazards.cell_m
    north = hazards.origin_m[1] + (rows + 0.5) * hazards.cell_m
    return np.hypot(east - x, north - y).min(initial=math.inf)


def test_steps_that_the_rover_climbs_are_none_and_higher_ones_are_hazards():
    assert not looked(rock(0.15)).hazard.any()
    high = looked(rock(0.35))
    assert high.hazard.any() and nearest_hazard_m(high, 4.0, 0.0) < 0.5
    assert high.closed_at(np.array([4.0, 4.0, 2.0]), np.array([0.0, 0.9, 0.0])).tolist() == [
        True, True, False,
    ]  # fmt: skip
    assert looked(rock(-0.35)).hazard.any(), "a hole is a step too"


@pytest.mark.parametrize(("deg", "hazardous"), [(0.0, False), (18.0, False), (28.0, True)])
def test_slopes_beyond_the_limit_are_hazards(deg, hazardous):
    hazards = looked(slope(deg), seed=1)
    share = hazards.hazard[np.isfinite(hazards.height_m)].mean()
    assert (share > 0.5) if hazardous else (share == 0.0)


def test_noise_makes_no_hazards_on_rolling_ground():
    def rolling(x, y):
        return 0.15 * np.sin(x / 1.5) + 0.1 * np.cos(y / 1.1)

    places = [(0.8 * i, 0.1 * i, 0.02 * i) for i in range(20)]
    assert not any(looked(rolling, places=places, seed=s).hazard.any() for s in range(3))


def test_what_was_seen_rolls_along_in_place_and_ends_at_the_edge():
    hazards = looked(rock(0.4))
    for i in range(1, 5):
        hazards.look(float(i), 0.0, seen(rock(0.4), float(i)))
    assert nearest_hazard_m(hazards, 4.0, 0.0) < 0.5
    assert hazards.closed_at(np.array([4.0]), np.array([0.0])).all()
    hazards.look(40.0, 0.0, seen(slope(0.0), 40.0))
    assert not hazards.hazard.any()


def test_a_hazard_that_turns_out_to_be_none_is_taken_back():
    hazards = looked(rock(0.4))
    for _ in range(6):
        hazards.look(1.0, 0.0, seen(slope(0.0), 1.0))
    assert not hazards.hazard.any()


def wall(y_low, y_high, x0=4.0):
    return lambda x, y: 0.6 * ((np.abs(x - x0) < 0.3) & (y > y_low) & (y < y_high))


def around(height, goals, places):
    hazards = looked(height, places=places)
    way = hazards.way_around((0.0, 0.0), np.array(goals))
    if way is not None:
        pieces = [np.linspace(a, b, 100) for a, b in zip(way[:-1], way[1:], strict=True)]
        points = np.concatenate(pieces)
        far = points[np.hypot(*points.T) > 1.2]
        assert not hazards.closed_at(*far.T).any()
    return way


LOOKS = [(0.0, 0.0, yaw) for yaw in np.radians([-60.0, -30.0, 0.0, 30.0, 60.0])]


def test_a_wall_is_gone_around_at_its_nearer_end():
    way = around(wall(-1.0, 3.0), [(8.0, 0.0)], LOOKS)
    assert way[0].tolist() == [0.0, 0.0] and way[-1].tolist() == [8.0, 0.0]
    assert -3.0 < way[:, 1].min() < -1.6 and way[:, 1].max() < 0.5
    assert len(way) <= 6
    length_m = np.hypot(*np.diff(way, axis=0).T).sum()
    # to the corner of what is closed and back: no more than a sixth beyond the taut string
    assert length_m < 1.17 * 2.0 * math.hypot(4.0, 1.75)


def test_the_first_goal_that_can_be_reached_is_taken():
    goals = [(4.0, 0.0), (30.0, 0.0), (7.0, 0.0)]
    assert around(wall(-1.0, 1.0), goals, LOOKS)[-1].tolist() == [7.0, 0.0]


def test_a_closed_circle_has_no_way_out():
    def circle(x, y):
        return 0.6 * (np.abs(np.hypot(x, y) - 4.0) < 0.3)

    places = [(0.0, 0.0, yaw) for yaw in np.arange(0.0, 6.3, 0.7)]
    assert around(circle, [(8.0, 0.0)], places) is None


def test_the_map_for_display_tells_seen_from_not_seen():
    cells = looked(rock(0.4)).occupancy()
    assert set(np.unique(cells)) == {-1, 0, 80, 100} and cells.dtype == np.int8


def test_a_slope_that_must_be_borne_is_no_hazard_for_as_long():
    hazards = looked(slope(23.0))
    assert hazards.hazard.mean() > 0.0
    hazards.bear(25.0)
    assert not hazards.hazard.any()
    hazards.bear(0.0)
    assert hazards.hazard.any()


def test_places_of_hazards_are_told_apart_by_squares():
    hazards = looked(lambda x, y: rock(0.5, 3.0, 1.0)(x, y) + rock(0.5, 4.0, -1.5)(x, y))
    places = hazards.places(0.0, 0.0, 7.0, 1.0)
    for at in ((3.0, 1.0), (4.0, -1.5)):
        assert min(math.dist(at, place) for place in places) < 0.6
    assert hazards.places(0.0, 0.0, 1.0, 1.0) == []
