# SPDX-License-Identifier: Apache-2.0
"""Journeys of a kinematic rover with perfect senses among obstacles, without a bus."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.terrain import Terrain
from lupex_nodes.models.traverse_energy import TraverseEnergy
from lupex_nodes.rover.hazard_map import HazardMap, HazardParameters
from lupex_nodes.rover.journey import Goal, Journey, JourneyParameters, Phase, Situation
from lupex_nodes.rover.path_following import Pose
from lupex_nodes.rover.path_planning import NoPath, PathPlanner, PlanningParameters

P = JourneyParameters()
FLAT = SiteTerrain((Terrain(np.zeros((161, 161)), 5.0, -400.0, -400.0),))
DRIVE = TraverseEnergy(0.1)


class World:
    """A rover that drives exactly as told, past obstacles (x, y, radius) that its cameras see."""

    def __init__(self, goal, obstacles=(), *, tolerance_m=0.5, parameters=P, **limits):
        self.x = self.y = self.yaw = self.driven_m = 0.0
        self.now, self.still_s = 0, 100.0
        self.obstacles = np.array(obstacles, float).reshape(-1, 3)
        self.hazards = HazardMap(HazardParameters())
        self.marks, self.events, self.places = [], [], []
        self.planner = PathPlanner(FLAT, PlanningParameters())
        self.blocked = self.stuck = False
        self.tilt_rad = 0.0
        self.seen_from = None

        def find(start, now, marks):
            return self.planner.plan(start, goal, now, DRIVE, marks=marks, **limits)

        way = find((0.0, 0.0), 0, [])
        self.journey = Journey(
            Goal(*goal, 0.1, tolerance_m), way, 0, self.situation(), parameters, self.hazards,
            self.marks, find, lambda event, sentence, values: self.events.append((event, sentence)),
        )  # fmt: skip

    def situation(self):
        pose = Pose(self.x, self.y, self.yaw)
        return Situation(pose, self.tilt_rad, self.still_s, self.blocked, self.driven_m)

    def look(self):
        here = (self.x, self.y, self.yaw)
        if self.seen_from:
            x, y, yaw = self.seen_from
            near = math.dist((x, y), here[:2]) < 0.8
            if near and abs(math.remainder(yaw - self.yaw, 2.0 * math.pi)) < 0.26:
                return
        self.seen_from = here
        reach, angle = np.meshgrid(
            np.arange(0.6, 6.0, 0.18), np.radians(np.arange(-40.0, 40.1, 2.5)) + self.yaw
        )
        x = self.x + (reach * np.cos(angle)).ravel()
        y = self.y + (reach * np.sin(angle)).ravel()
        height = np.zeros(x.size)
        for east, north, radius in self.obstacles:
            height[np.hypot(x - east, y - north) < radius] = 0.6
        sigma = 0.005 + 0.001 * reach.ravel() ** 2
        self.hazards.look(self.x, self.y, np.column_stack([x, y, height, sigma]))
        self.journey.look(self.now, self.situation())

    def run(self, limit_s=20000, each=None):
        while not self.journey.ended:
            self.now += SECOND
            assert self.now < limit_s * SECOND, "the journey does not end"
            if each:
                each(self)
            self.look()
            ahead, turn = self.journey.steer(self.now, self.situation()) or (0.0, 0.0)
            if self.stuck:
                ahead = turn = 0.0
            self.yaw += turn
            self.x += ahead * math.cos(self.yaw)
            self.y += ahead * math.sin(self.yaw)
            self.driven_m += abs(ahead)
            self.still_s = 0.0 if ahead or turn else self.still_s + 1.0
            self.places.append((self.x, self.y))
        return self.journey.ended

    def clearance_m(self):
        x, y = np.array(self.places).T
        return min(np.hypot(x - a, y - b).min() - r for a, b, r in self.obstacles)


def test_over_open_ground_a_journey_is_a_line():
    world = World((30.0, 10.0))
    assert world.run() == (True, "")
    x, y = np.array(world.places).T
    assert np.abs(30.0 * y - 10.0 * x).max() / math.hypot(30.0, 10.0) < 0.1
    assert not world.events and world.journey.replans == 0


@pytest.mark.parametrize("seed", range(4))
def test_drives_around_what_it_sees(seed):
    rng = np.random.default_rng(seed)
    field = [(*place, 0.4) for place in rng.uniform((5.0, -8.0), (50.0, 8.0), (25, 2))]
    world = World((55.0, 0.0), field)
    assert world.run() == (True, "")
    assert math.dist(world.places[-1], (55.0, 0.0)) < 0.5
    assert world.clearance_m() > 0.4, "half the rover's width less what cells and corners take"
    assert world.driven_m < 75.0


def test_a_long_wall_makes_a_new_path_that_gets_there():
    wall = [(20.0, y, 0.5) for y in np.arange(-12.0, 12.1, 0.7)]
    world = World((40.0, 0.0), wall)
    assert world.run() == (True, "")
    assert world.clearance_m() > 0.4
    assert {name for name, _ in world.events} == {"NEW_PATH"} and 1 <= world.journey.replans


def test_what_blocked_earlier_drives_does_not_end_one_that_must_go_around():
    wall = [(20.0, y, 0.5) for y in np.arange(-12.0, 12.1, 0.7)]
    world = World((40.0, 0.0), wall)
    world.marks += [
        (40.0 + 8.0 * math.cos(a), 8.0 * math.sin(a), 2.0) for a in np.arange(0.0, 6.3, 0.2)
    ]
    assert world.run() == (True, "")
    assert world.clearance_m() > 0.4


def test_where_there_is_no_way_the_goal_is_given_up_as_blocked():
    cage = [(25.0 + 9.0 * math.cos(a), 9.0 * math.sin(a), 0.6) for a in np.arange(0.0, 6.3, 0.08)]
    world = World((25.0, 0.0), cage)
    success, reason = world.run()
    assert not success and "obstacles close the way" in reason
    assert "new paths did not help: blocked" in reason or "no way to" in reason
    assert world.clearance_m() > 0.4


def test_a_goal_on_a_rock_is_reached_within_its_tolerance_or_not_at_all():
    rock = [(20.0, 0.0, 0.4)]
    near = World((20.0, 0.0), rock, tolerance_m=3.0)
    assert near.run() == (True, "") and near.clearance_m() > 0.4
    success, reason = World((20.0, 0.0), rock, tolerance_m=0.5).run()
    assert not success and "where the rover was blocked" in reason


def test_what_stops_the_drive_is_backed_off_from_and_kept_away_from():
    def soft(world):
        # a pit that the cameras do not see stops the drive until the command pauses
        inside = math.dist((world.x, world.y), (15.0, 0.0)) < 1.3
        commanded = world.journey.phase in (Phase.DRIVING,)
        world.blocked = inside and commanded

    world = World((40.0, 0.0))
    assert world.run(each=soft) == (True, "")
    (event, sentence), *more = world.events
    assert event == "NEW_PATH" and "the drive stopped itself" in sentence and not more
    x, y = np.array(world.places).T
    stop = int(np.argmax(np.hypot(x - 15.0, y) < 1.3))
    assert x[stop : stop + 80].min() < x[stop] - 1.4, "backed off"
    assert np.hypot(x[stop + 80 :] - 15.0, y[stop + 80 :]).min() > 1.3
    (mark,) = world.marks
    assert math.dist(mark[:2], (15.0, 0.0)) < 0.5


def test_a_rover_that_cannot_back_off_lets_its_drive_pause_and_goes_another_way():
    def pit(world):
        # soft ahead and behind: the drive stops itself both ways, until the command pauses
        if world.still_s >= 2.0:
            world.blocked = False
        elif math.dist((world.x, world.y), (15.0, 0.0)) < 1.3:
            ahead = abs(world.yaw) < 0.5 and math.dist(*world.places[-2:]) > 0.01
            world.blocked |= ahead or world.journey.phase is Phase.BACKING

    world = World((40.0, 0.0))
    assert world.run(each=pit) == (True, "")
    assert len(world.events) == 1


def test_a_tilt_beyond_the_limit_is_backed_off_from():
    def rim(world):
        world.tilt_rad = math.radians(25.5 if math.dist((world.x, world.y), (15.0, 0.0)) < 1.5
                                      else 8.0)  # fmt: skip

    world = World((40.0, 0.0))
    assert world.run(each=rim) == (True, "")
    assert "the rover tilted by 26 deg" in world.events[0][1]


def test_a_rover_that_stands_too_tilted_may_leave_but_not_tilt_more():
    def start_on_slope(steeper):
        def tilt(world):
            deg = 22.0 + steeper if world.x < 4.0 else 10.0
            world.tilt_rad = math.radians(deg if world.driven_m > 0.5 else 22.0)

        return tilt

    world = World((30.0, 0.0))
    world.tilt_rad = math.radians(22.0)
    world.journey._stand(world.situation())
    assert world.run(each=start_on_slope(0.5)) == (True, "") and not world.events
    world = World((30.0, 0.0))
    world.tilt_rad = math.radians(22.0)
    world.journey._stand(world.situation())
    assert not world.run(each=start_on_slope(4.0))[0] and "tilted by 26" in world.events[0][1]


def test_a_rover_that_never_moves_again_gives_up_in_minutes():
    def stuck(world):
        world.stuck = world.x > 5.0

    world = World((40.0, 0.0))
    success, reason = world.run(each=stuck)
    assert not success and "has not moved for" in reason and "3 new paths did not help" in reason
    assert world.now < 900 * SECOND and world.journey.replans == P.replans_max


def test_new_paths_are_counted_anew_after_some_way():
    pits = [(x, 0.0) for x in (20.0, 60.0, 100.0, 140.0, 180.0)]

    def soft(world):
        near = min(math.dist((world.x, world.y), pit) for pit in pits)
        world.blocked = near < 1.3 and world.journey.phase is Phase.DRIVING

    world = World((200.0, 0.0), parameters=P.model_copy(update={"replans_max": 2}))
    assert world.run(each=soft) == (True, "")


def test_a_jump_of_the_estimate_at_the_goal_is_driven_after():
    def jump(world):
        if world.journey.follower.arrived and not world.events:
            world.y += 2.0

    world = World((20.0, 0.0))
    assert world.run(each=jump) == (True, "")
    assert "from the goal" in world.events[0][1] and math.dist(world.places[-1], (20.0, 0.0)) < 0.5


def test_waits_without_commanding_until_the_departure():
    class Night:
        def dark(self, x, y, at):
            return at < 2 * 3600 * SECOND

        def silent(self, x, y, at):
            return np.zeros(x.shape, bool)

    planner = PathPlanner(FLAT, PlanningParameters(), Night())
    way = planner.plan((0.0, 0.0), (20.0, 0.0), 0, DRIVE, dark_max_m=0.0, wait_max_s=4 * 3600.0)
    journey = Journey(
        Goal(20.0, 0.0, 0.1, 0.5), way, 0, Situation(Pose(0.0, 0.0, 0.0)), P,
        HazardMap(HazardParameters()), [], lambda *a: way, lambda *a: None,
    )  # fmt: skip
    assert way.depart == 2 * 3600 * SECOND and journey.phase is Phase.WAITING
    assert journey.steer(SECOND, Situation(Pose(0.0, 0.0, 0.0))) is None
    assert journey.steer(way.depart, Situation(Pose(0.0, 0.0, 0.0)))[0] > 0.05


def test_a_new_path_that_is_refused_ends_the_journey_with_both_reasons():
    def none(*args):
        raise NoPath("it got too dark")

    world = World((40.0, 0.0))
    world.journey._find = none
    success, reason = world.run(each=lambda w: setattr(w, "blocked", w.x > 5.0 and w.still_s < 3))
    assert not success and reason == "the drive stopped itself, and it got too dark"
