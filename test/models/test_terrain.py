# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import pickle
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lupex_nodes.models.synthetic_site import synthetic_site
from lupex_nodes.models.terrain import Terrain

GROUND = synthetic_site(7, 200.0, 1.0).levels[0]
coordinate = st.floats(-130.0, 130.0)


def quadratic(rotation_deg: float = 0.0) -> tuple[Terrain, callable]:
    """Catmull-Rom reproduces quadratics, so this has an exact answer."""
    turn = math.radians(rotation_deg)
    u, v = np.meshgrid(np.arange(40) * 2.0, np.arange(30) * 2.0)
    x = -30.0 + math.cos(turn) * u - math.sin(turn) * v
    y = -25.0 + math.sin(turn) * u + math.cos(turn) * v

    def exact(x, y):
        height = 3.0 + 0.2 * x - 0.1 * y + 0.004 * x**2 - 0.003 * x * y + 0.002 * y**2
        return height, 0.2 + 0.008 * x - 0.003 * y, -0.1 - 0.003 * x + 0.004 * y

    return Terrain(exact(x, y)[0], 2.0, -30.0, -25.0, rotation_deg), exact


@pytest.mark.parametrize("rotation_deg", [0.0, 62.84, 222.7])
def test_quadratic_surface_is_exact_in_the_map_frame(rotation_deg):
    terrain, exact = quadratic(rotation_deg)
    turn = math.radians(rotation_deg)
    rng = np.random.default_rng(0)
    u, v = rng.uniform(2.0, 76.0, 50), rng.uniform(2.0, 56.0, 50)
    x = -30.0 + math.cos(turn) * u - math.sin(turn) * v
    y = -25.0 + math.sin(turn) * u + math.cos(turn) * v
    for ours, true in zip(terrain.surface(x, y), exact(x, y), strict=True):
        np.testing.assert_allclose(ours, true, atol=2e-5)


@given(x=coordinate, y=coordinate)
def test_fast_and_vectorised_paths_agree_everywhere(x, y):
    fast = GROUND.surface_at(x, y)
    slow = GROUND.surface(np.array([x]), np.array([y]))
    assert list(fast) == pytest.approx([value[0] for value in slow], abs=1e-9)
    assert GROUND.height_at(x, y) == fast.height_m


@given(x=st.floats(-95.0, 95.0), y=st.floats(-95.0, 95.0))
def test_slope_is_the_derivative_of_height(x, y):
    h = 1e-4
    point = GROUND.surface_at(x, y)
    east = (GROUND.height_at(x + h, y) - GROUND.height_at(x - h, y)) / (2 * h)
    north = (GROUND.height_at(x, y + h) - GROUND.height_at(x, y - h)) / (2 * h)
    assert (point.east_slope, point.north_slope) == pytest.approx((east, north), abs=1e-4)


@given(node=st.integers(-90, 90), y=st.floats(-90.0, 90.0))
def test_slope_has_no_jump_across_a_grid_line(node, y):
    before, after = GROUND.surface_at(node - 1e-9, y), GROUND.surface_at(node + 1e-9, y)
    assert list(before) == pytest.approx(list(after), abs=1e-7)


def test_surface_passes_through_the_nodes_and_goes_on_level_beyond():
    x, y = np.meshgrid(np.arange(-100.0, 101.0), np.arange(-100.0, 101.0))
    np.testing.assert_allclose(GROUND.height(x, y), GROUND.heights_m, atol=1e-6)
    far = GROUND.surface_at(500.0, 3.0)
    assert far.height_m == pytest.approx(GROUND.height_at(100.0, 3.0))
    assert far.east_slope == 0.0
    assert GROUND.contains(100.0, -100.0) and not GROUND.contains(100.1, 0.0)


def test_terrain_survives_a_trip_to_another_process():
    copy = pickle.loads(pickle.dumps(quadratic(30.0)[0]))
    assert copy.surface_at(3.0, 4.0) == quadratic(30.0)[0].surface_at(3.0, 4.0)
    assert not copy.heights_m.flags.writeable


def test_normals_and_slopes_on_a_plane():
    y, x = np.mgrid[0:10, 0:10]
    plane = Terrain(x * math.tan(math.radians(10.0)), 1.0, 0.0, 0.0)
    normal = plane.normal(np.array([4.5]), np.array([5.2]))[0]
    s, c = math.sin(math.radians(10.0)), math.cos(math.radians(10.0))
    assert normal == pytest.approx([-s, 0.0, c], abs=1e-6)
    assert plane.slope_deg(4.5, 5.2) == pytest.approx(10.0, abs=1e-4)


def test_bad_input_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="not all finite"):
        Terrain(np.full((5, 5), np.nan), 1.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="4 x 4"):
        Terrain(np.zeros((3, 5)), 1.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="read-only"):
        GROUND.heights_m[0, 0] = 1.0


def test_scalar_height_is_fast():
    def once() -> float:
        begin = time.process_time()
        for step in range(1000):
            GROUND.height_at(0.05 * step, 3.3)
        return (time.process_time() - begin) / 1000

    assert min(once() for _ in range(20)) < 20e-6
