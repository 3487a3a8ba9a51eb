# SPDX-License-Identifier: Apache-2.0
"""Surveys of one line over several deposits, whose constants are drawn and hidden from them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from lupex_nodes.models import neutron
from lupex_nodes.models.neutron_possibilities import DEEP_G_CM2, possibilities
from lupex_nodes.models.neutron_profile import DETECTION_SIGMA, running_water, significance
from lupex_nodes.models.neutron_survey import survey_product, survey_profile

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

import neutron_surveys  # noqa: E402
from neutron_surveys import (  # noqa: E402
    BURIED,
    DRY_KM,
    FOUND_WITHIN_M,
    POOR,
    PRIOR,
    SHALLOW,
    THIN,
    A,
    B,
    Disc,
    ambiguous,
    apparent,
    claims,
    survey,
)

# --- A line over several deposits ---------------------------------------------------------------


def test_each_deposit_of_a_line_is_found_for_itself() -> None:
    judged = neutron_surveys.lines(range(200, 206))
    claimed = judged.claimed
    assert claimed["A"] == claimed["B"] == 6
    assert claimed["C"] >= 4
    assert claimed["D"] == claimed["decoy"] == claimed["nothing"] == 0
    assert judged.limits_hold >= 4, "of 95 % each"


@pytest.mark.slow
def test_fifty_lines_find_what_is_there_and_claim_no_more() -> None:
    judged = neutron_surveys.lines(range(50))
    claimed = judged.claimed
    print(claimed, "limit of D holds", judged.limits_hold, "of 50")
    assert claimed["A"] + claimed["B"] + claimed["C"] >= 144
    assert claimed["D"] + claimed["beside D"] <= 2
    assert claimed["decoy"] <= 2
    assert claimed["nothing"] <= 0.05 * 50 * DRY_KM
    assert judged.limits_hold >= 43
    # Deposits of one seed share its calibration: the bounds are those of 50.
    for z in (judged.water_z, judged.place_z):
        assert 0.75 <= np.sqrt(np.mean(np.square(z))) <= 1.26


def test_dry_line_has_no_claim_and_a_limit_everywhere() -> None:
    for seed in range(300, 303):
        product = survey_product(survey(seed, length_m=1000.0, warm_at_m=500.0).raw)
        (nothing,) = product.deposits
        assert not nothing.detected
        assert nothing.upper_limit_wt_percent < 0.5
        assert product.profile.probability.max() < 0.5
        assert 0.0 < product.profile.upper_limit_wt_percent.max() < 0.6


@pytest.mark.slow
def test_false_alarms_of_dry_lines() -> None:
    """40 km with topography and warm tubes: 0.05 a kilometre would be 2."""
    alarms = 0
    for seed in range(10_000, 10_040):
        alarms += len(claims(survey_product(survey(seed, length_m=1000.0, warm_at_m=500.0).raw)))
    assert alarms <= 2


def test_profile_follows_the_ratio_along_the_track() -> None:
    z = []
    for seed in range(4):
        record = survey(seed, (A, B), length_m=150.0)
        seen = survey_profile(record.raw)
        ratio = np.ones(seen.x_m.size)
        for disc in (A, B):
            share = neutron.disc_fraction(np.hypot(seen.x_m - disc.x_m, disc.y_m), disc.radius_m)
            ratio += (disc.ratios(record.world)[0] - 1.0) * share
        inside = np.abs(seen.x_m - A.x_m) < 8.0
        assert np.median(seen.probability[inside]) > 0.99
        assert seen.probability[inside].min() > 0.9
        # every third cell: windows of 6 m share no counts; not where the ratio bends
        flat = np.abs(np.gradient(ratio)) < 0.01
        z.append(((seen.epithermal_ratio - ratio) / seen.epithermal_ratio_sigma)[flat][::3])
    assert 0.8 <= np.sqrt(np.mean(np.square(np.concatenate(z)))) <= 1.25


def test_deposits_close_to_each_other_are_two_and_a_turning_track_sees_one() -> None:
    close = Disc(40.0, 0.0, 9.0, 3.0, 15.0), Disc(75.0, 0.0, 9.0, 3.0, 15.0)
    found = claims(survey_product(survey(5, close, length_m=120.0).raw))
    assert sorted(round(each.x_m / 5.0) for each in found) == [8, 15]
    # there and back: the same place twice
    raw = survey(6, (A,), length_m=80.0).raw
    back = raw[raw["segment"] == 1][::-1].copy()
    back["time_s"] = raw["time_s"][-1] + 1.0 + np.arange(back.size)
    (one,) = claims(survey_product(np.concatenate([raw, back])))
    assert abs(one.x_m - A.x_m) < FOUND_WITHIN_M


def test_product_is_a_pure_function_of_its_record() -> None:
    raw = survey(7, (A, B), length_m=150.0).raw
    before = raw.tobytes()
    raw.flags.writeable = False
    first, second = survey_product(raw), survey_product(raw)
    assert raw.tobytes() == before
    for a, b in zip(first.profile, second.profile, strict=True):
        assert a.tobytes() == b.tobytes()
    assert [each.x_m for each in first.deposits] == [each.x_m for each in second.deposits]


# --- Detection while driving ----------------------------------------------------------------------


def test_half_a_percent_is_seen_within_six_metres_and_dry_ground_is_not() -> None:
    """58 s at 0.1 m/s: 0.95 detection at 0.01 false alarms per km, and the reference measured."""
    assert DETECTION_SIGMA == 4.4
    share, alarms = neutron_surveys.detection(np.random.default_rng(11), 40_000, 2000)
    assert share >= 0.947  # 0.95 less 3 sigma of the trials
    assert alarms <= 0.01


def test_significance_is_that_of_the_running_product() -> None:
    raw = survey(1, length_m=100.0).raw[-58:]
    raw["tube_temperature_k"] = 290.0
    counts, live_s = float(raw["epithermal_counts"].sum()), float(raw["live_time_s"].sum())
    _, _, lacking = running_water(raw, 20.0, np.hypot(0.1, 0.1))
    assert lacking == pytest.approx(float(significance(counts, live_s, 21.0, 0.1)), rel=1e-5)


# --- What neutrons can't tell apart ---------------------------------------------------------------


def test_thin_wet_layer_looks_dry_and_deep_rich_soil_like_poor() -> None:
    seeds = range(400, 406)
    thin, buried, poor, clear = (ambiguous(each, seeds) for each in (THIN, BURIED, POOR, SHALLOW))
    assert not any(claims(product) for product in thin[2])
    assert np.mean([apparent(product, THIN) for product in thin[2]]) < 0.05
    waters = [
        np.mean([apparent(p, d) for p in case[2]]) for case, d in ((buried, BURIED), (poor, POOR))
    ]
    assert waters[0] == pytest.approx(waters[1], abs=0.12)
    assert min(thin[1], buried[1], poor[1]) > 2.0 * clear[1]
    assert min(thin[0], buried[0], poor[0]) >= 4


@pytest.mark.slow
def test_fifty_ambiguous_sets_hold_the_truth_and_are_wide() -> None:
    seeds = range(50)
    _, control, _ = ambiguous(SHALLOW, seeds)
    for disc in (THIN, BURIED, POOR):
        held, width, _ = ambiguous(disc, seeds)
        print(disc, "held", held, "of 50, decades", width, "against", control)
        assert held >= 45
        assert width >= 2.0 * control


def test_sets_of_68_percent_lie_within_those_of_95() -> None:
    soils = possibilities((0.83, 0.01), (1.59, 0.03), PRIOR)
    assert np.all(np.diff(soils[:, 3]) > 0.0)
    least = soils[soils[:, 3] <= 0.68]
    assert 0 < len(least) < 0.6 * len(soils)
    assert len(np.unique(soils[:, 2] == DEEP_G_CM2)) in (1, 2)
