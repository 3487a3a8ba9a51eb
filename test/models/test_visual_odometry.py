# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lupex_nodes.models.visual_odometry import Texture, direction_factor, light_factor

part = st.floats(0.0, 1.0)


@given(lit=part, more=part, lamps=part)
def test_more_light_never_hides_features(lit, more, lamps):
    brighter = lit + more * (1.0 - lit)
    assert 0.0 <= light_factor(lit, lamps) <= light_factor(brighter, lamps) + 1e-12
    assert light_factor(lit, lamps) <= 1.0 + 1e-12
    assert light_factor(0.0, lamps) == lamps
    assert light_factor(1.0, lamps) == pytest.approx(1.0)


@given(axis=st.floats(-720.0, 720.0), sun=st.floats(0.0, 360.0), seen=part)
def test_direction_leaves_a_part_and_is_mirrored_about_the_sun(axis, sun, seen):
    left = direction_factor(axis, sun, seen)
    assert -1e-9 <= left <= 1.0 + 1e-9
    assert direction_factor(2.0 * sun - axis, sun, seen) == pytest.approx(left, abs=1e-9)
    assert direction_factor(axis, sun, 0.0) == 1.0


def test_sun_in_view_blinds_and_sun_behind_washes_out():
    toward, across, away = (direction_factor(axis, 90.0, 1.0) for axis in (90.0, 0.0, 270.0))
    assert toward == 0.0
    assert across > 0.98
    assert 0.2 < away < 0.4
    assert direction_factor(90.0 + 31.0, 90.0, 1.0) > 0.95


def test_texture_has_the_stated_spread_and_median():
    rng = np.random.default_rng(3)
    logs = []
    for _ in range(40):
        texture = Texture.drawn(rng, 0.4)
        logs += [math.log(texture.at(*rng.uniform(-500.0, 500.0, 2))) for _ in range(50)]
    # 40 sites of a few tens of independent places each
    assert np.mean(logs) == pytest.approx(0.0, abs=0.04)
    assert np.std(logs) == pytest.approx(0.4, abs=0.03)


def test_texture_belongs_to_the_place():
    texture = Texture.drawn(np.random.default_rng(1), 0.5)
    again = Texture.drawn(np.random.default_rng(1), 0.5)
    assert texture.at(12.0, -7.0) == again.at(12.0, -7.0)
    assert texture.at(12.0, -7.0) == pytest.approx(texture.at(12.05, -7.0), rel=0.1)
