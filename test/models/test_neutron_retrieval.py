# SPDX-License-Identifier: Apache-2.0
"""The deposit search on simulated sorties whose constants are drawn and hidden from it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.lib import recfunctions

from lupex_nodes.models import neutron
from lupex_nodes.models.neutron_possibilities import possibilities
from lupex_nodes.models.neutron_profile import running_water
from lupex_nodes.models.neutron_record import (
    RAW_DTYPE,
    STANDING,
    SURVEY,
    RetrievalParameters,
)
from lupex_nodes.models.neutron_retrieval import Deposit, product

LINES_M = ((0.0, 0.0), (40.0, 0.0), (40.0, 15.0), (0.0, 15.0), (0.0, 30.0), (40.0, 30.0))


@dataclass(frozen=True)
class Sortie:
    """A raw record and what is true of it."""

    raw: np.ndarray
    centre_m: np.ndarray
    apparent_water_wt_percent: float
    constants: neutron.NeutronConstants
    content_wt_percent: float
    cover_g_cm2: float


def fly(
    seed: int,
    *,
    patch: bool = True,
    centre_m: tuple[float, float] | None = None,
    radius_m: float = 10.0,
    content_wt_percent: float = 2.0,
    cover_g_cm2: float = 15.0,
    lines_m: tuple[tuple[float, float], ...] = LINES_M,
    heading_deg: float = 0.0,
    speed_m_s: float = 0.045,
    standing_s: int = 1200,
) -> Sortie:
    """Stand on dry ground, then drive the lines; one row a second."""
    rng = np.random.default_rng(seed)
    world = neutron.draw_constants(rng)
    track = [np.array([lines_m[0]])]
    for start, end in zip(np.array(lines_m)[:-1], np.array(lines_m)[1:], strict=True):
        steps = int(np.hypot(*(end - start)) / speed_m_s)
        track.append(start + (end - start) * (np.arange(1, steps + 1) / steps)[:, None])
    place = np.concatenate([np.full((standing_s, 2), -40.0), *track])
    drawn = rng.uniform((0.0, 0.0), (40.0, 30.0))
    centre = drawn if centre_m is None else np.array(centre_m)

    share = np.zeros(len(place))
    if patch:
        share = neutron.disc_fraction(np.hypot(*(place - centre).T), radius_m)
        share[:standing_s] = 0.0
    wet = neutron.epithermal_ratio(content_wt_percent, cover_g_cm2, world.k_e, world.lambda_e_g_cm2)
    wet_thermal = neutron.thermal_ratio(content_wt_percent, cover_g_cm2, world.thermal_amplitude)

    turn = np.radians(heading_deg)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    navigated = place @ rotation + rng.normal(0.0, 0.2, 2) + rng.normal(0.0, 0.05, place.shape)
    navigated += np.cumsum(rng.normal(0.0, 0.3 / np.sqrt(3000.0), place.shape), axis=0)

    raw = np.zeros(len(place), RAW_DTYPE)
    raw["time_s"] = np.arange(len(place))
    raw["x_m"], raw["y_m"] = navigated.T
    raw["segment"] = np.where(raw["time_s"] < standing_s, STANDING, SURVEY)
    phase = rng.uniform(0.0, 2.0 * np.pi)
    raw["tube_temperature_k"] = 285.0 + 10.0 * np.sin(raw["time_s"] / 3000.0 + phase)
    gain = neutron.tube_gain(raw["tube_temperature_k"])
    for name, ratio, dry, background in (
        (
            "epithermal_counts",
            1.0 - (1.0 - wet) * share,
            world.epithermal_dry_rate_cps,
            world.epithermal_background_cps,
        ),
        (
            "thermal_counts",
            1.0 + (wet_thermal - 1.0) * share,
            world.thermal_dry_rate_cps,
            world.thermal_background_cps,
        ),
    ):
        expected = neutron.expected_counts(ratio, dry, background, 1.0, gain)
        raw[name] = neutron.draw_counts(rng, expected)
    raw["live_time_s"] = neutron.live_time(raw["epithermal_counts"], 1.0)

    at_centre = 1.0 - (1.0 - wet) * neutron.response_within(radius_m)
    return Sortie(
        raw,
        centre @ rotation,
        float(neutron.apparent_water(at_centre, world.k_e)) if patch else 0.0,
        world,
        content_wt_percent,
        cover_g_cm2,
    )


def position_error_m(deposit: Deposit, sortie: Sortie) -> float:
    return float(np.hypot(deposit.x_m - sortie.centre_m[0], deposit.y_m - sortie.centre_m[1]))


def z_of(deposit: Deposit, sortie: Sortie) -> float:
    error = deposit.estimate_wt_percent - sortie.apparent_water_wt_percent
    return error / deposit.standard_error_wt_percent


def holds_truth(deposit: Deposit, sortie: Sortie) -> bool:
    """Whether the grid node nearest the truth is in the set of possibilities."""
    content, cover = deposit.possibilities[:, :2].T
    content_steps = np.log(content / sortie.content_wt_percent) / (np.log(200.0) / 99)
    cover_steps = (cover - sortie.cover_g_cm2) / 1.5
    return bool(np.any((np.abs(content_steps) <= 0.5) & (np.abs(cover_steps) <= 0.5)))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_patch_is_found_with_honest_errors(seed: int) -> None:
    sortie = fly(seed)
    deposit = product(sortie.raw)
    assert deposit.detected
    assert deposit.deviance > 25.0
    assert deposit.reduced_chi_square == pytest.approx(1.0, abs=0.4)
    assert position_error_m(deposit, sortie) < 5.0
    assert abs(z_of(deposit, sortie)) < 3.5
    assert deposit.standard_error_wt_percent <= 0.15
    assert abs(deposit.radius_m - 10.0) < 4.0 * deposit.radius_sigma_m + 0.3
    dry_error = deposit.dry_rate_cps - sortie.constants.epithermal_dry_rate_cps
    assert abs(dry_error) < 4.0 * deposit.dry_rate_sigma_cps
    assert deposit.dry_rate_sigma_cps < 0.02 * deposit.dry_rate_cps


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_blank_gives_a_limit_and_no_position(seed: int) -> None:
    deposit = product(fly(seed, patch=False).raw)
    assert not deposit.detected
    assert 0.0 < deposit.upper_limit_wt_percent <= 0.2
    assert np.isnan([deposit.x_m, deposit.radius_m, deposit.epithermal_ratio]).all()
    assert deposit.possibilities.shape == (0, 4)
    assert deposit.exceedance[1] < 0.01


@pytest.mark.slow
def test_forty_sorties_cover_their_errors() -> None:
    # 99 % binomial and chi-square intervals for n = 40
    sorties = [fly(seed) for seed in range(40)]
    deposits = [product(sortie.raw) for sortie in sorties]
    assert all(deposit.detected for deposit in deposits)
    pairs = list(zip(deposits, sorties, strict=True))
    error = np.array([position_error_m(*pair) for pair in pairs])
    assert np.median(error) <= 1.5
    assert np.quantile(error, 0.9) <= 5.0
    assert max(deposit.standard_error_wt_percent for deposit in deposits) <= 0.15
    z = np.abs([z_of(*pair) for pair in pairs])
    assert 19 <= np.count_nonzero(z < 1.0) <= 34
    assert 34 <= np.count_nonzero(z < 2.0) <= 40
    assert np.count_nonzero(z < 3.0) >= 38
    assert 0.72 <= np.sqrt(np.mean(z**2)) <= 1.29
    assert sum(holds_truth(*pair) for pair in pairs) >= 34
    place = [
        (value - truth) / sigma
        for deposit, sortie in pairs
        for value, truth, sigma in (
            (deposit.x_m, sortie.centre_m[0], deposit.x_sigma_m),
            (deposit.y_m, sortie.centre_m[1], deposit.y_sigma_m),
        )
    ]
    assert 0.72 <= np.sqrt(np.mean(np.square(place))) <= 1.29


@pytest.mark.slow
def test_forty_blank_sorties_raise_at_most_one_alarm() -> None:
    deposits = [product(fly(seed, patch=False).raw) for seed in range(1000, 1040)]
    assert sum(deposit.detected for deposit in deposits) <= 1
    assert max(deposit.upper_limit_wt_percent for deposit in deposits) <= 0.2


@pytest.mark.slow
def test_coverage_holds_away_from_the_default_sortie() -> None:
    # Small and large patches, slow and fast, short standing, any heading.
    rng = np.random.default_rng(8)
    z = []
    for seed in range(2000, 2040):
        sortie = fly(
            seed,
            radius_m=float(np.exp(rng.uniform(*np.log([8.0, 18.0])))),
            content_wt_percent=float(rng.uniform(1.5, 5.0)),
            cover_g_cm2=float(rng.uniform(0.0, 30.0)),
            speed_m_s=float(rng.uniform(0.04, 0.05)),
            standing_s=600,
            heading_deg=float(rng.uniform(0.0, 360.0)),
        )
        deposit = product(sortie.raw)
        assert deposit.detected
        z.append(abs(z_of(deposit, sortie)))
    z = np.array(z)
    assert 19 <= np.count_nonzero(z < 1.0) <= 34
    assert 34 <= np.count_nonzero(z < 2.0) <= 40
    assert np.count_nonzero(z < 3.0) >= 38
    assert 0.72 <= np.sqrt(np.mean(z**2)) <= 1.29


def test_single_crossing_does_not_tell_left_from_right() -> None:
    # The middle line cuts a chord 4 m off the centre; its neighbours see nothing of the disc.
    left, right = (product(fly(4, centre_m=(20.0, y), radius_m=9.0).raw) for y in (19.0, 11.0))
    for deposit in (left, right):
        assert deposit.detected
        assert deposit.y_sigma_m > 1.5
        assert abs(deposit.y_m - 15.0) < 2.5
    two_lines = product(fly(4, centre_m=(20.0, 22.5), radius_m=9.0).raw)
    assert two_lines.y_sigma_m < 1.0


def test_one_line_alone_finds_the_chord_but_not_the_side() -> None:
    sortie = fly(6, centre_m=(20.0, 5.0), lines_m=((0.0, 0.0), (40.0, 0.0)))
    deposit = product(sortie.raw)
    assert deposit.detected
    assert abs(deposit.x_m - sortie.centre_m[0]) < 1.5
    assert deposit.y_sigma_m > 3.0
    assert abs(deposit.y_m - sortie.centre_m[1]) < 3.0 * deposit.y_sigma_m


def test_grazed_small_patch_has_a_wide_but_finite_error() -> None:
    # Its rim passes 0.5 m off the line: a small rich patch and a wide poor one look the same.
    sortie = fly(3, centre_m=(20.0, 5.5), radius_m=5.0, content_wt_percent=10.0, cover_g_cm2=0.0)
    deposit = product(sortie.raw)
    assert deposit.detected
    assert 0.3 < deposit.standard_error_wt_percent < 20.0
    assert abs(z_of(deposit, sortie)) < 3.5
    assert 0.0 <= deposit.epithermal_ratio <= 1.0


def test_heading_of_the_lines_does_not_matter() -> None:
    along = product(fly(1).raw)
    sortie = fly(1, heading_deg=37.0)
    across = product(sortie.raw)
    assert position_error_m(across, sortie) < 3.0
    assert across.estimate_wt_percent == pytest.approx(along.estimate_wt_percent, abs=0.02)


def test_product_is_a_pure_function_of_its_record() -> None:
    raw = fly(0).raw
    before = raw.tobytes()
    raw.flags.writeable = False
    first, second = product(raw), product(raw)
    assert raw.tobytes() == before
    assert np.array_equal(first.possibilities, second.possibilities)
    assert first.x_m == second.x_m
    assert first.estimate_wt_percent == second.estimate_wt_percent


def test_fits_in_a_step_of_its_unit() -> None:
    raw = fly(0, speed_m_s=150.0 / 4800.0, standing_s=1200).raw
    assert raw.size > 5900
    cost = []
    for _ in range(5):
        start = time.process_time()
        product(raw)
        cost.append(time.process_time() - start)
    assert min(cost) < 0.2


def test_wrong_k_e_prior_widens_the_error() -> None:
    raw = fly(0).raw
    prior = neutron.NeutronPrior(k_e_sigma=0.15)
    sure, unsure = product(raw), product(raw, RetrievalParameters(prior=prior))
    assert unsure.standard_error_wt_percent > 1.5 * sure.standard_error_wt_percent


def test_short_standing_is_carried_in_the_dry_rate_error() -> None:
    long, short = (product(fly(3, patch=False, standing_s=s).raw) for s in (1200, 60))
    assert short.dry_rate_sigma_cps > long.dry_rate_sigma_cps
    assert short.upper_limit_wt_percent > 0.0


def test_solar_particle_event_is_not_taken_for_dry_or_wet_ground() -> None:
    raw = fly(0, patch=False).raw
    hit = slice(2000, 3000)
    raw["epithermal_counts"][hit] *= 10
    deposit = product(raw)
    assert not deposit.detected
    assert deposit.reduced_chi_square > 3.0
    assert np.isnan(deposit.upper_limit_wt_percent)


def test_dead_thermal_tube_leaves_the_epithermal_product() -> None:
    sortie = fly(0)
    whole = product(sortie.raw)
    sortie.raw["thermal_counts"] = 0
    deposit = product(sortie.raw)
    assert (deposit.thermal_ratio, deposit.thermal_ratio_sigma) == (1.0, 100.0)
    assert deposit.estimate_wt_percent == whole.estimate_wt_percent
    assert len(deposit.possibilities) > len(whole.possibilities)
    assert holds_truth(deposit, sortie)


def test_possibilities_keep_both_branches() -> None:
    # At an epithermal ratio of 0.83, (0.86 wt%, 20 g/cm2) and (2.54, 50) differ by 1 % thermally.
    found = possibilities((0.83, 0.01), (1.59, 0.03), neutron.NeutronPrior())
    cover = found[:, 1]
    shallow, deep = found[cover < 25.0], found[cover > 45.0]
    assert len(shallow) > 0
    assert len(deep) > 0
    assert np.median(shallow[:, 0]) < 1.2
    assert np.median(deep[:, 0]) > 2.0
    sure = neutron.NeutronPrior(
        k_e_sigma=0.01, lambda_e_sigma=0.01, thermal_amplitude_sigma=0.01, form_sigma=0.01
    )
    known = possibilities((0.83, 0.003), (1.59, 0.01), sure)
    assert not np.any((known[:, 1] > 28.0) & (known[:, 1] < 40.0))  # two islands


def test_running_water_of_wet_and_dry_rows() -> None:
    rng = np.random.default_rng(2)
    z = []
    for true in (0.0, 1.0):
        for _ in range(20):
            raw = np.zeros(300, RAW_DTYPE)
            raw["live_time_s"], raw["tube_temperature_k"] = 1.0, 300.0
            gain = neutron.tube_gain(300.0)
            ratio = neutron.epithermal_ratio(true, k_e=0.42 * (1.0 + 0.05 * rng.normal()))
            mean = neutron.expected_counts(ratio, 20.0, 1.0, np.ones(300), gain)
            raw["epithermal_counts"] = neutron.draw_counts(rng, mean)
            water, error, _ = running_water(raw, 20.0, 0.1)
            z.append((water - true) / error)
    assert 0.72 <= np.sqrt(np.mean(np.square(z))) <= 1.29


def test_running_water_without_counts_is_unknown() -> None:
    assert np.isnan(running_water(np.zeros(5, RAW_DTYPE), 20.0, 0.1)).all()


def test_rows_without_position_or_live_time_are_left_out() -> None:
    sortie = fly(0)
    raw = sortie.raw
    raw["x_m"][1500:1510] = np.nan
    raw["live_time_s"][2000:2010] = 0.0
    raw["tube_temperature_k"][100:110] = np.nan
    deposit = product(raw)
    assert deposit.detected
    assert abs(z_of(deposit, sortie)) < 3.5


def test_unusable_records_are_named() -> None:
    raw = fly(0, lines_m=((0.0, 0.0), (5.0, 0.0)), standing_s=100).raw
    with pytest.raises(ValueError, match="segment 0"):
        product(raw[raw["segment"] == SURVEY])
    with pytest.raises(ValueError, match="segment 1"):
        product(raw[raw["segment"] == STANDING])
    with pytest.raises(ValueError, match="live_time_s"):
        product(recfunctions.drop_fields(raw, "live_time_s"))
    raw["epithermal_counts"] = 0
    with pytest.raises(ValueError, match="background"):
        product(raw)
