# SPDX-License-Identifier: Apache-2.0
"""Two hours of the whole system: calibrate, three lines over a hidden patch, park."""

from __future__ import annotations

import math

import numpy as np
import pytest
from unit_bench import Bench

from lupex_nodes.models.neutron import epithermal_ratio, response_within
from lupex_nodes.models.neutron_survey import survey_product
from lupex_nodes.payload.records import COUNTS, DEPOSIT, POSSIBILITIES
from lupex_nodes.scenario import load_scenario
from lupex_nodes.system import load_system
from lupex_nodes.world.records import TRUTH


def fly(seed=1, **parameters):
    given = load_scenario("sortie", load_system()).parameters
    given = {name: {**values, **parameters.get(name, {})} for name, values in given.items()}
    return Bench(seed=seed, **given).run(7200)


@pytest.fixture(scope="module")
def sortie():
    return fly()


@pytest.fixture(scope="module")
def deposit(sortie):
    return sortie.last("payload/neutron_spectrometer/deposit", DEPOSIT)


def test_the_plan_is_complete_in_time(sortie):
    assert "PLAN_COMPLETE" in sortie.events()
    assert sortie.unit("executive").mode == "complete"
    off = {name for name, slot in sortie.bus.slots.items() if slot.state.value != "active"}
    assert off == {"alis", "ems_l", "gpr"}, "all but what the scenario has off"
    assert not {"INPUT_OVERFLOW", "INPUT_REFUSED", "UNIT_FAILED"} & set(sortie.events())


def test_navigation_knows_where_it_is(sortie):
    believed = {t: m.pose.pose.position for t, m in sortie.log["rover/odometry"]}
    true = {t: m.pose.pose.position for t, m in sortie.log["world/vehicle/odometry"]}
    # parked, the two speak at different times
    both = believed.keys() & true.keys()
    errors = [math.hypot(believed[t].x - true[t].x, believed[t].y - true[t].y) for t in both]
    assert len(errors) > 3000
    assert max(errors) < 1.2, "twice the 0.6 m of one sigma"


def test_the_lines_are_straight(sortie):
    for y_m in (-15.0, 0.0, 15.0):
        line = np.array([
            (p.x, p.y)
            for p in (m.pose.pose.position for _, m in sortie.log["world/vehicle/odometry"])
            if 47.0 < p.x < 83.0 and abs(p.y - y_m) < 2.0
        ])  # fmt: skip
        fit = np.polyval(np.polyfit(*line.T, 1), line[:, 0])
        assert len(line) > 500 and np.abs(line[:, 1] - fit).max() < 0.3


def test_the_patch_is_found(sortie, deposit):
    truth = sortie.last("world/truth", TRUTH)
    assert deposit.detected and deposit.deviance > 25.0
    assert math.hypot(deposit.x_m - truth.patch_x_m, deposit.y_m - truth.patch_y_m) < 5.0
    wet = epithermal_ratio(
        truth.content_wt_percent, truth.cover_g_cm2, truth.k_e, truth.lambda_e_g_cm2
    )
    ratio = 1.0 - (1.0 - wet) * response_within(truth.patch_radius_m)
    apparent = (1.0 / ratio - 1.0) / truth.k_e
    assert deposit.standard_error_wt_percent <= 0.15
    assert abs(deposit.estimate_wt_percent - apparent) < 3.0 * deposit.standard_error_wt_percent


def test_the_product_made_again_from_the_record_is_the_one_published(sortie, deposit):
    at = sortie.log["payload/neutron_spectrometer/deposit"][0][0]
    raw = np.concatenate([
        COUNTS.rows(m) for t, m in sortie.log["payload/neutron_spectrometer/counts"] if t < at
    ])  # fmt: skip
    begins = np.flatnonzero(np.diff(raw["time_s"], prepend=np.inf) < 0.0)[-1]
    _, (again,) = survey_product(raw[begins:])
    for name in DEPOSIT.dtype.names:
        assert np.float32(getattr(again, name)) == np.float32(getattr(deposit, name)), name
    nodes = POSSIBILITIES.rows(sortie.last("payload/neutron_spectrometer/possibilities"))
    assert np.array_equal(
        np.column_stack([nodes[n] for n in nodes.dtype.names[:-1]]),
        again.possibilities.astype(np.float32),
    )


def test_dry_ground_raises_no_alarm():
    blank = fly(seed=2, subsurface={"patch_present": False})
    deposit = blank.last("payload/neutron_spectrometer/deposit", DEPOSIT)
    assert not deposit.detected and deposit.upper_limit_wt_percent <= 0.2
    assert math.isnan(deposit.x_m)


@pytest.mark.slow
def test_many_seeds():
    """Navigation and the coverage of the retrieval over the whole chain, 20 seeds."""
    z, places, navigation = [], [], []
    for seed in range(101, 121):
        bench = fly(seed)
        assert bench.unit("executive").mode == "complete"
        d = bench.last("payload/neutron_spectrometer/deposit", DEPOSIT)
        t = bench.last("world/truth", TRUTH)
        assert d.detected
        wet = epithermal_ratio(t.content_wt_percent, t.cover_g_cm2, t.k_e, t.lambda_e_g_cm2)
        ratio = 1.0 - (1.0 - wet) * response_within(t.patch_radius_m)
        apparent = (1.0 / ratio - 1.0) / t.k_e
        z.append(float((d.estimate_wt_percent - apparent) / d.standard_error_wt_percent))
        places.append(math.hypot(d.x_m - t.patch_x_m, d.y_m - t.patch_y_m))
        e, v = bench.unit("navigation").localisation, bench.unit("vehicle")
        navigation.append(math.hypot(e.x_m - v.x_m, e.y_m - v.y_m))
    inside = [sum(abs(each) <= k for each in z) for k in (1, 2, 3)]
    # 99 % binomial and chi bounds for 20
    assert 8 <= inside[0] <= 18 and inside[1] >= 16 and inside[2] >= 19
    assert 0.61 <= np.sqrt(np.mean(np.square(z))) <= 1.41
    assert np.median(places) <= 1.5 and np.quantile(places, 0.9) <= 5.0
    # rms of the distance is the 1-sigma radius in the plane
    assert np.sqrt(np.mean(np.square(navigation))) < 0.6
