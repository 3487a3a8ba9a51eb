# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

import lupex_nodes.models.synthetic_site as synthetic_site_module
from lupex_nodes.models.illumination import horizon
from lupex_nodes.models.site_terrain import in_plain
from lupex_nodes.models.synthetic_site import daylight, synthetic_site
from lupex_nodes.models.terrain import Terrain

SITE = synthetic_site(7, 200.0, 1.0, crater_density=0.3)
coordinate = st.floats(-150.0, 150.0)


@given(x=coordinate, y=coordinate)
def test_fast_and_vectorised_paths_agree_on_every_grid(x, y):
    for factor in (1.0, 50.0, 900.0):
        fast = SITE.surface_at(factor * x, factor * y)
        slow = SITE.surface(np.array([factor * x]), np.array([factor * y]))
        assert list(fast) == pytest.approx([value[0] for value in slow], abs=1e-9)


@pytest.mark.parametrize("level", [0, 1])
def test_there_is_no_step_where_one_grid_ends(level):
    grid = SITE.levels[level]
    rows, columns = grid.heights_m.shape
    along = np.linspace(2.0, columns - 3.0, 200) * grid.pixel_m + grid.x0_m
    for column in (1.0, columns - 2.0):
        edge = grid.x0_m + column * grid.pixel_m
        inner, outer = (SITE.surface(np.full(200, edge + step), along) for step in (-1e-6, 1e-6))
        # the coarser cubic between its nodes against the finer one through points on it
        assert np.abs(inner[0] - outer[0]).max() < 0.003 * grid.pixel_m
        assert np.abs(inner[1] - outer[1]).max() < 0.01


def test_heights_count_from_the_landing_site():
    assert SITE.height_at(0.0, 0.0) == 0.0
    assert SITE.contains(100.0, -100.0) and not SITE.contains(100.5, 0.0)
    far = SITE.levels[-1]
    assert -far.x0_m > 100e3 and far.x0_m + (far.heights_m.shape[1] - 1) * far.pixel_m > 100e3


def test_the_same_seed_gives_the_same_bytes():
    def digest(seed):
        synthetic_site_module._surroundings.cache_clear()
        site = synthetic_site(seed, 200.0, 1.0, crater_density=0.3, rock_abundance=0.01)
        data = b"".join(level.heights_m.tobytes() for level in site.levels)
        return hashlib.sha256(data + site.rocks.rows.tobytes()).hexdigest()

    assert digest(8) == digest(8)
    other = synthetic_site(8, 200.0).levels[0]
    assert not np.array_equal(SITE.levels[0].heights_m, other.heights_m)


@pytest.mark.parametrize(("count", "wide"), [(60, 60), (101, 121), (64, 90)])
def test_noise_made_in_place_is_the_plain_formula_s(count, wide):
    module, pixel_m = synthetic_site_module, 2.0
    made = module._noise(
        np.random.default_rng(3), count, wide, pixel_m, 1.3, 0.0, np.inf, finest=True
    )
    along = np.geomspace(0.5 / (wide * pixel_m), 1.0 / pixel_m, 400)
    k = np.hypot(np.fft.fftfreq(wide, pixel_m)[:, None], np.fft.rfftfreq(wide, pixel_m)[None, :])
    half = 0.5 * np.log(1.3**2 * module.target_spectrum_m4(along))
    amplitude = np.exp(np.interp(np.log(np.maximum(k, along[0])), np.log(along), half)) / pixel_m
    amplitude[0, 0] = 0.0
    white = np.fft.rfft2(np.random.default_rng(3).standard_normal((wide, wide)))
    plain = np.fft.irfft2(white * amplitude, s=(wide, wide))[:count, :count]
    assert made.shape == (count, count) and made.flags.c_contiguous
    assert np.array_equal(module._above(made, 0.5), module._above(plain, 0.5))
    quantum = module._HEIGHT_QUANTUM_M
    assert np.array_equal(module._above(plain, 0.5), np.round((plain - 0.5) / quantum) * quantum)


def test_a_site_survives_a_trip_to_another_process():
    copy = pickle.loads(pickle.dumps(SITE))
    assert copy.surface_at(3.0, 4.0) == SITE.surface_at(3.0, 4.0)


def test_without_relief_the_ground_is_a_plain():
    level = synthetic_site(1, 200.0, 1.0, relief_scale=0.0)
    x = np.linspace(-100.0, 100.0, 21)
    assert level.slope_deg(*np.meshgrid(x, x)).max() < 1e-6


@pytest.mark.parametrize("relief_scale", [1.0, 1.8])
def test_the_origin_has_the_daylight_of_the_ridge(relief_scale):
    """Glaser et al. 2014: 92 % lit, 3 to 5 days; asked for 90 to 96 %."""
    for seed in (1, 2):
        site = synthetic_site(seed, 400.0, 1.0, relief_scale=relief_scale)
        found = daylight(horizon(site, 0.0, 0.0, 2.0).elevation_deg)
        assert 0.90 <= found.lit_share <= 0.96
        assert 3.0 <= found.longest_dark_days <= 5.0


@pytest.mark.parametrize("seed", [9, 105])
def test_a_rover_does_not_come_to_stand_on_a_crater_s_wall(seed):
    """The highest places of these seeds with the daylight wanted lie at rims of 25 deg."""
    site = synthetic_site(seed, 100.0, 1.0, crater_density=0.05)
    at = np.linspace(-20.0, 20.0, 41)
    assert site.slope_deg(*np.meshgrid(at, at)).max() < 15.0


def test_where_nothing_is_gentle_one_lands_all_the_same():
    assert synthetic_site(1, 60.0, 1.0, relief_scale=4.0, crater_density=1.0).height_at(0, 0) == 0


def test_a_files_grid_stands_in_a_plain_with_a_level_horizon():
    site = in_plain(Terrain(np.zeros((100, 100)), 5.0, -250.0, -250.0))
    seen = horizon(site, 0.0, 0.0, 0.0, 36).elevation_deg
    np.testing.assert_allclose(seen, np.maximum(-1.7, seen), atol=0.01)
    assert site.contains(0.0, 0.0) and not site.contains(300.0, 0.0)


def test_bad_input_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="nodes a side"):
        synthetic_site(1, 1e6, 1.0)
    with pytest.raises(ValueError, match="relief scale"):
        synthetic_site(1, 100.0, 1.0, relief_scale=9.0)


def test_scalar_height_is_fast():
    def once() -> float:
        begin = time.process_time()
        for step in range(1000):
            SITE.height_at(0.05 * step, 3.3)
        return (time.process_time() - begin) / 1000

    assert min(once() for _ in range(20)) < 20e-6


LOLA = Path(__file__).parents[3] / "shared/data/dem/Shoemaker_final_adj_5mpp_surf_1k.tif"


def spectrum(heights, pixel_m):
    """Rings' mean power, best plane removed and Hann window, and their wavelengths."""
    rows, columns = heights.shape
    y, x = np.mgrid[:rows, :columns]
    plane = np.column_stack([np.ones(heights.size), x.ravel(), y.ravel()])
    fit = np.linalg.lstsq(plane, heights.ravel(), rcond=None)[0]
    flat = heights - (plane @ fit).reshape(heights.shape)
    window = np.outer(np.hanning(rows), np.hanning(columns))
    power = np.abs(np.fft.fft2(flat * window)) ** 2 * pixel_m**2 / np.sum(window**2)
    k = np.hypot(np.fft.fftfreq(rows, pixel_m)[:, None], np.fft.fftfreq(columns, pixel_m))
    edges = np.geomspace(1 / 400, 1 / 20, 9)
    rings = [power[(k >= a) & (k < b)].mean() for a, b in zip(edges, edges[1:], strict=False)]
    return 1.0 / np.sqrt(edges[1:] * edges[:-1]), np.array(rings)


@pytest.mark.parametrize("seeds", [(1, 2, 3), pytest.param(range(4, 14), marks=pytest.mark.slow)])
def test_spectrum_and_slopes_are_those_of_the_real_ground(seeds):
    if not LOLA.is_file():
        pytest.skip(f"the elevation model {LOLA} is not there to compare with")
    real = tifffile.imread(LOLA).astype(float)
    at = (np.arange(256) - 128) * 5.0
    made = [
        synthetic_site(seed, 1400.0, 2.5).height(*np.meshgrid(at, at)) for seed in seeds
    ]
    wavelength_m, real_power = spectrum(real, 5.0)
    power = np.exp(np.mean([np.log(spectrum(one, 5.0)[1]) for one in made], axis=0))
    ratio = power / real_power
    # one crop is one sample: its longest waves are few
    assert np.exp(np.abs(np.log(ratio[wavelength_m < 150.0])).mean()) < 1.4
    assert np.all((ratio > 0.3) & (ratio < 3.5))
    steep = [np.polyfit(np.log(wavelength_m), np.log(p), 1)[0] for p in (power, real_power)]
    assert steep[0] == pytest.approx(steep[1], abs=0.5)

    def slopes_deg(heights):
        rise = np.hypot(*np.gradient(heights, 5.0))
        return np.percentile(np.degrees(np.arctan(rise)), [25, 50, 75, 95])

    found = np.mean([slopes_deg(one) for one in made], axis=0)
    # a landing site lies on smoother ground than the crop's mean, which holds a crater's wall
    np.testing.assert_allclose(found, slopes_deg(real), rtol=0.4)


def test_craters_bring_no_power_on_top_of_the_noise():
    """At the density whose craters alone make the spectrum, it stays that of the noise."""
    at = (np.arange(256) - 128) * 5.0
    powers = []
    for density in (0.0, 0.04):
        made = [
            synthetic_site(seed, 1400.0, 2.5, crater_density=density).height(*np.meshgrid(at, at))
            for seed in (1, 3)
        ]
        powers.append(np.exp(np.mean([np.log(spectrum(one, 5.0)[1]) for one in made], axis=0)))
    ratio = powers[1] / powers[0]
    assert 0.4 < np.exp(np.log(ratio).mean()) < 2.5
