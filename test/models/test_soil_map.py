# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.stats import kstest

from lupex_nodes.models.soil_map import SoilMap

HARD = {"patch_share": 0.0}


def test_the_friction_angle_is_normal_over_seeds_at_any_place():
    for place in ((0.0, 0.0), (3.7, -11.2), (-401.3, 87.9)):
        angles = [SoilMap(seed, **HARD).friction_deg(*place) for seed in range(200)]
        assert kstest(angles, "norm", args=(29.0, 2.5)).pvalue > 0.01


def test_the_friction_angle_is_normal_over_a_site_and_changes_slowly():
    soil = SoilMap(3, **HARD)
    far = np.random.default_rng(1).uniform(-2000.0, 2000.0, (500, 2)).tolist()
    assert kstest([soil.friction_deg(x, y) for x, y in far], "norm", (29.0, 2.5)).pvalue > 0.01
    here = np.array([soil.friction_deg(x, y) for x, y in far])
    near = np.array([soil.friction_deg(x + 1.0, y) for x, y in far])
    away = np.array([soil.friction_deg(x + 60.0, y) for x, y in far])
    assert np.corrcoef(here, near)[0, 1] > 0.9
    assert abs(np.corrcoef(here, away)[0, 1]) < 0.1


def test_patches_cover_their_share_and_are_soft():
    soil = SoilMap(5, sigma_deg=0.0, patch_share=0.10)
    places = np.random.default_rng(2).uniform(-1000.0, 1000.0, (1500, 2)).tolist()
    angles = np.array([soil.friction_deg(x, y) for x, y in places])
    assert np.mean(angles < 29.0) == pytest.approx(0.10, abs=0.03)
    assert angles.min() >= 22.0
    x, y, radius, soft = soil.patches_near(0.0, 0.0)[0]
    assert 2.0 <= radius <= 6.0 and 22.0 <= soft <= 24.0
    assert soil.friction_deg(x, y) <= soft


def test_the_same_seed_is_the_same_soil_whatever_was_asked_before():
    places = np.random.default_rng(3).uniform(-300.0, 300.0, (50, 2)).tolist()
    forward = [SoilMap(7).friction_deg(x, y) for x, y in places]
    walked = SoilMap(7)
    backward = [walked.friction_deg(x, y) for x, y in reversed(places)]
    assert forward == backward[::-1]
    assert forward != [SoilMap(8).friction_deg(x, y) for x, y in places]


def test_asking_takes_a_few_microseconds():
    soil = SoilMap(1)

    def once() -> float:
        begin = time.process_time()
        for step in range(1000):
            soil.friction_deg(0.1 * step, 3.0)
        return (time.process_time() - begin) / 1000

    assert min(once() for _ in range(5)) < 30e-6


def test_bad_figures_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match="both must be above 0"):
        SoilMap(1, scale_m=0.0)
    with pytest.raises(ValueError, match="cover"):
        SoilMap(1, patch_share=0.7)
