# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lupex_nodes.models.rocks import Rocks
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.stereo_view import StereoView, in_sight, turn_matrix
from lupex_nodes.models.terrain import MOON_RADIUS_M, Terrain
from lupex_nodes.rover.attitude import on_surface, quaternion


def site(height, rocks=(), half_m=60.0, pixel_m=0.5):
    axis = np.arange(-half_m, half_m + pixel_m, pixel_m)
    x, y = np.meshgrid(axis, axis)
    level = Terrain(height(x, y), pixel_m, -half_m, -half_m)
    return SiteTerrain((level,), Rocks(np.array(rocks, float).reshape(-1, 4)))


def plane(x, y):
    return 0.2 * x - 0.1 * y


def test_the_matrix_is_that_of_scipy():
    q = quaternion(0.2, -0.3, 2.0)
    assert np.allclose(turn_matrix(q), Rotation.from_quat(q).as_matrix())


def test_a_plane_that_the_rover_stands_on_is_flat_to_it():
    view, yaw = StereoView(), 0.7
    q = quaternion(*on_surface(0.2, -0.1, yaw), yaw)
    z = view.heights(site(plane), (3.0, 4.0, plane(3.0, 4.0)), turn_matrix(q))
    assert np.abs(z).max() < 2e-3


def test_points_lie_on_the_ground():
    def bowl(x, y):
        return 0.01 * (x**2 + y**2)

    view, place = StereoView(), (2.0, 1.0, bowl(2.0, 1.0))
    turn = turn_matrix(quaternion(*on_surface(0.04, 0.02, 1.0), 1.0))
    z = view.heights(site(bowl), place, turn)
    x, y, height = np.moveaxis(
        np.array(place) + np.stack([view.x_m, view.y_m, z], -1) @ turn.T, -1, 0
    )
    assert np.allclose(height, bowl(x, y), atol=0.01)


def test_a_rock_stands_out_and_hides_what_is_behind_it():
    flat = site(lambda x, y: 0.0 * x, rocks=[(3.0, 0.0, 0.4, 0.8)])
    view = StereoView()
    z = view.heights(flat, (0.0, 0.0, 0.0), np.eye(3))
    top = np.hypot(view.x_m - 3.0, view.y_m) < 0.1
    assert z[top].mean() == pytest.approx(0.4, abs=0.03)
    seen = view.seen(z)
    # the shadow of sight ends where the ray over the rock comes down: 3 * 1.5 / (1.5 - 0.4) m
    behind = (np.abs(view.y_m) < 0.1) & (view.x_m > 3.5) & (view.x_m < 3.9)
    beyond = view.x_m > 4.6
    assert behind.any() and not seen[behind].any()
    assert seen[beyond].all() and seen[view.x_m < 2.5].all()


def test_error_grows_with_the_range_squared():
    view = StereoView(eye_m=1e-6)
    steep = StereoView(eye_m=1e6)
    sigma = steep.sigma_m(0.002, 0.0)
    assert sigma == pytest.approx(0.002 * steep.range_m**2)
    assert view.sigma_m(0.002, 0.01) == pytest.approx(np.full(view.range_m.size, 0.01))


def test_sight_ends_at_a_wall_and_at_the_curve_of_the_sphere():
    flat = site(lambda x, y: 0.0 * x)
    wall = site(lambda x, y: 4.0 * (np.abs(x - 20.0) < 2.0))
    ends = (0.0, 0.0), (40.0, 0.0)
    assert in_sight(flat, *ends, 3.0, 2.0, MOON_RADIUS_M)
    assert not in_sight(wall, *ends, 3.0, 2.0, MOON_RADIUS_M)
    assert in_sight(wall, *ends, 6.0, 6.0, MOON_RADIUS_M)
    # two eyes at height h see each other up to 2 sqrt(2 R h)
    radius_m = 4000.0
    for distance_m, seen in ((100.0, True), (118.0, False)):
        h = 50.0**2 / (2.0 * radius_m) * 1.05
        a, b = (-distance_m / 2.0, 0.0), (distance_m / 2.0, 0.0)
        assert in_sight(flat, a, b, h, h, radius_m) is seen, math.dist(a, b)
