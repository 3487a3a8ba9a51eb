# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from lupex_nodes.models import prospecting_map
from lupex_nodes.models.neutron import disc_fraction, epithermal_ratio, response_within
from lupex_nodes.models.prospecting_map import (
    Cells,
    MapPrior,
    SiteWishes,
    kernel_length_m,
    rank_sites,
    water_map,
)

PRIOR = MapPrior()
LINE = np.arange(0.5, 60.0, 1.0)


def along(y_m, ratio, sigma, x_m=LINE):
    """The map of ratios that are each of one place."""
    points = np.column_stack([x_m, np.broadcast_to(y_m, x_m.shape)])[:, None, :]
    return water_map(points, np.broadcast_to(ratio, x_m.shape), np.full(x_m.size, sigma), PRIOR)


def test_dry_ground_is_dry_and_far_cells_keep_the_prior():
    cells = along(0.5, 1.0, 0.02)
    assert np.abs(cells.water_wt_percent).max() < 1e-9
    on = (np.abs(cells.y_m - 0.5) < 0.1) & (np.abs(cells.x_m - 30.0) < 25.0)
    off = np.abs(cells.y_m - 0.5) > 3.9
    assert cells.suppression_sigma[on].max() < 0.6 * cells.suppression_sigma[off].min()
    assert cells.suppression_sigma[off].max() <= PRIOR.suppression_sigma


def test_a_wide_deposit_is_seen_with_its_water():
    """Ground that is all alike far about: the map must give the water that makes its ratio."""
    cells = along(0.5, float(epithermal_ratio(1.0)), 0.002)
    middle = (np.abs(cells.y_m - 0.5) < 0.1) & (np.abs(cells.x_m - 30.0) < 15.0)
    assert cells.water_wt_percent[middle] == pytest.approx(1.0, abs=0.05)
    z = (cells.water_wt_percent[middle] - 1.0) / cells.water_sigma_wt_percent[middle]
    assert np.abs(z).max() < 1.0


def test_errors_hold_for_discs_that_the_prior_does_not_know():
    """50 seeds: a disc of any size anywhere about the line, seen through the exact footprint."""
    z = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        depth, radius = 0.3 * rng.random(), rng.uniform(4.0, 12.0)
        x, y = rng.uniform(20.0, 40.0), rng.uniform(-6.0, 6.0)
        seen = depth * disc_fraction(np.hypot(LINE - x, y), radius)
        ratio = 1.0 - seen + 0.02 * rng.standard_normal(LINE.size)
        cells = along(0.0, ratio, 0.02)
        cell = np.argmin(np.hypot(cells.x_m - 30.0, cells.y_m))
        inside = np.hypot(cells.x_m[cell] - x, cells.y_m[cell] - y) < radius
        z.append((cells.suppression[cell] - depth * inside) / cells.suppression_sigma[cell])
        assert cells.suppression_sigma[cell] < 0.1
    z = np.array(z)
    # 99 % bounds of 50 draws
    assert [np.sum(np.abs(z) < k) for k in (1, 2)] >= [25, 43] and np.sum(np.abs(z) < 3) >= 48
    low, high = np.sqrt(chi2.ppf([0.005, 0.995], 50) / 50)
    assert np.sqrt(np.mean(z**2)) < high
    assert np.sqrt(np.mean(z**2)) > 0.5 * low


def test_two_lines_know_more_than_one():
    one = along(0.5, 1.0, 0.02)
    two = along(np.repeat([0.5, 4.5], LINE.size), 1.0, 0.02, np.concatenate([LINE, LINE]))
    at = (30.5, 2.5)
    widths = [
        each.suppression_sigma[np.argmin(np.hypot(each.x_m - at[0], each.y_m - at[1]))]
        for each in (one, two)
    ]
    assert widths[1] < 0.9 * widths[0]


def test_tiles_meet_without_a_seam(monkeypatch):
    rng = np.random.default_rng(4)
    ratio = 1.0 + 0.05 * rng.standard_normal(LINE.size)
    tiled = along(0.5, ratio, 0.02)
    monkeypatch.setattr(prospecting_map, "_TILE_M", 1000.0)
    whole = along(0.5, ratio, 0.02)
    order = np.lexsort((tiled.x_m, tiled.y_m)), np.lexsort((whole.x_m, whole.y_m))
    for one, other in zip(tiled[:2], whole[:2], strict=True):
        assert np.array_equal(one[order[0]], other[order[1]])
    gap = np.abs(tiled.suppression[order[0]] - whole.suppression[order[1]])
    assert gap.max() < 0.1 * tiled.suppression_sigma.min()


def test_a_map_made_anew_at_known_places_tells_what_was_counted_since():
    dry, wet = along(0.5, 1.0, 0.02), along(0.5, 0.9, 0.02)
    assert wet.suppression.mean() > dry.suppression.mean() + 0.02
    prospecting_map._sight.cache_clear()
    for one, other in zip(wet, along(0.5, 0.9, 0.02), strict=True):
        assert np.array_equal(one, other)


def test_a_mean_over_the_track_tells_its_cells_apart_less_well():
    """Windows of three places, each count once, know as much of the sum and less of each."""
    points = np.column_stack([LINE, 0.0 * LINE])
    one = water_map(points[:, None], np.ones(60), np.full(60, 0.03 * 3.0**0.5), PRIOR)
    windows = points.reshape(20, 3, 2)
    three = water_map(windows, np.ones(20), np.full(20, 0.03), PRIOR)
    on = (np.abs(one.y_m) < 0.6) & (np.abs(one.x_m - 30.0) < 20.0)
    wider = three.suppression_sigma[on] / one.suppression_sigma[on]
    assert np.all(wider > 1.0) and wider.mean() < 1.3


def test_the_kernels_length_is_that_of_its_footprint():
    """Most of what two places 1.6 heights apart see is the same ground."""
    assert kernel_length_m(1.0) == pytest.approx(2.0 * kernel_length_m(0.5))
    assert 0.5 < response_within(kernel_length_m(0.6)) < 0.8


def test_a_site_is_worth_what_its_worst_part_allows():
    x = np.array([0.0, 10.0, 20.0, 30.0, 31.0])
    water = np.array([2.0, 2.0, 2.0, 2.0, 1.9])
    cells = Cells(x, 0.0 * x, 0.0 * x, 0.0 * x, water, np.array([0.1, 0.1, 0.1, 1.9, 0.1]))
    slope = np.array([2.0, 16.0, 12.0, 2.0, 2.0])
    light = np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    sites = rank_sites(cells, slope, light, 0.0 * x + 1.0, SiteWishes())
    assert [site.x_m for site in sites] == [0.0, 31.0, 20.0], "steep is out, near is left out"
    assert sites[0].score > 0.9 and sites[1].light == 0.5
    assert sites[2].evenness == pytest.approx(3.0 / 7.0)
    for site in sites:
        assert site.score == pytest.approx(np.prod(site[3:]))


def test_dry_ground_is_no_place_to_drill():
    cells = Cells(*(np.zeros(3) for _ in range(5)), np.full(3, 0.05))
    assert rank_sites(cells, np.zeros(3), np.ones(3), np.ones(3), SiteWishes())[0].worth < 1e-9
