# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest

from lupex_nodes.models.orbital_map import orbital_map
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.terrain import Terrain


def site(height, size=600):
    x = np.arange(size + 1) - size / 2
    fine = Terrain(height(*np.meshgrid(x, x)), 1.0, -size / 2, -size / 2)
    far = Terrain(np.zeros((8, 8)), 1000.0, -3500.0, -3500.0)
    return SiteTerrain((fine, far))


def test_a_plane_is_mapped_as_it_is():
    known = orbital_map(site(lambda x, y: 0.1 * x - 0.05 * y), 1, noise_m=0.0)
    height, east, north = known.surface(np.array([0.0, 120.0]), np.array([10.0, -77.0]))
    np.testing.assert_allclose(height, [-0.5, 15.85], atol=1e-3)
    np.testing.assert_allclose(east, 0.1, atol=1e-4)
    np.testing.assert_allclose(north, -0.05, atol=1e-4)
    assert known.levels[0].pixel_m == 5.0


@pytest.mark.parametrize("wavelength_m", [15.0, 30.0, 60.0])
def test_detail_is_lost_as_a_gaussian_of_its_resolution_says(wavelength_m):
    def wave(x, y):
        return np.sin(2.0 * math.pi * x / wavelength_m)

    known = orbital_map(site(wave), 1, noise_m=0.0).levels[0].heights_m[20:-20, 20:-20]
    # transfer function of a Gaussian with a full width at half maximum of 10 m
    left = math.exp(-((math.pi * 10.0 / wavelength_m) ** 2) / (4.0 * math.log(2.0)))
    assert math.sqrt(2.0) * known.std() == pytest.approx(left, rel=0.03)


def test_errors_have_their_size_and_length_and_come_from_the_seed():
    flat = site(lambda x, y: 0.0 * x, 1500)
    noise = orbital_map(flat, 1, noise_m=0.4, noise_correlation_m=15.0).levels[0].heights_m
    assert noise.std() == pytest.approx(0.4, rel=0.1)
    alike = np.mean(noise[:, 3:] * noise[:, :-3]) / noise.var()
    assert alike == pytest.approx(math.exp(-1.0), abs=0.08), "3 postings are one length"
    again = orbital_map(flat, 1, noise_m=0.4, noise_correlation_m=15.0).levels[0].heights_m
    other = orbital_map(flat, 2, noise_m=0.4, noise_correlation_m=15.0).levels[0].heights_m
    assert (noise == again).all() and abs(np.corrcoef(noise.flat, other.flat)[0, 1]) < 0.1


def test_what_is_coarse_already_stays():
    whole = site(lambda x, y: 0.0 * x)
    known = orbital_map(whole, 1)
    assert known.levels[1] is whole.levels[1]
    assert known.rocks.near(0.0, 0.0, 100.0).size == 0
