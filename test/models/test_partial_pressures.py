# SPDX-License-Identifier: Apache-2.0
"""Partial pressures from simulated spectra whose instrument is drawn and hidden from the fit."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

import gas_spectra  # noqa: E402
import scores  # noqa: E402
from gas_spectra import (  # noqa: E402
    AT_28,
    MIXTURE,
    NATIVE_WATER_PA,
    RESOLVED,
    TRAP,
    by_name,
    detected_share,
    errors,
    fitted,
    holds,
    spectra,
    widths_pa,
)

from lupex_nodes.models.exosphere import (  # noqa: E402
    SPECIES,
    OutgassingPrior,
    contamination_pa,
    draw_outgassing,
)
from lupex_nodes.models.mass_spectrometry import draw_instrument, mass_shift_u  # noqa: E402
from lupex_nodes.models.partial_pressures import Flag, product  # noqa: E402

SEEDS = range(50)


def group_of(gases, name):
    number = gases[name].group
    return tuple(other for other in gases if number and gases[other].group == number)


# --- errors are as large as they are said to be ---------------------------------------------------


@pytest.fixture(scope="module")
def fifty():
    return [by_name(fitted(seed, MIXTURE)) for seed in SEEDS]


@pytest.mark.parametrize("name", RESOLVED)
def test_resolved_gases_lie_within_their_errors_over_fifty_seeds(fifty, name):
    """Bounds of 99 %: counts within 1, 2, 3 sigma and the rms of z."""
    gases = [each[name] for each in fifty]
    spread = scores.coverage(errors(fifty, name))
    bounds = scores.sigma_bounds(len(fifty))
    assert all(scores.within(n, limit) for n, limit in zip(spread.within, bounds, strict=True))
    assert scores.within(spread.rms, scores.rms_bounds(len(fifty)))
    assert all(gas.flags & Flag.DETECTED and not gas.flags & Flag.UNRESOLVED for gas in gases)
    assert max(gas.sigma_pa / gas.pressure_pa for gas in gases) < 0.3, "the error's cap"
    assert sum(holds(gas, MIXTURE[name]) for gas in gases) >= 43


def test_of_nitrogen_and_carbon_monoxide_the_sum_is_claimed(fifty):
    true_pa = MIXTURE["n2"] + MIXTURE["co"]
    assert {group_of(each, "n2") for each in fifty} == {("n2", "co")}
    sums = [(each["n2"].group_pressure_pa, each["n2"].group_sigma_pa) for each in fifty]
    z = np.array([(value - true_pa) / sigma for value, sigma in sums])
    # each of both has a sensitivity of its own, of which the sum's error knows only the worst case
    assert np.sqrt((z**2).mean()) < 1.26 and (np.abs(z) < 2).sum() >= 43
    for name in ("n2", "co"):
        assert sum(holds(each[name], MIXTURE[name]) for each in fifty) >= 45
        assert all(each[name].flags & Flag.UNRESOLVED for each in fifty)


def test_what_is_not_there_is_not_detected_and_its_limit_holds():
    water_alone = {"h2o": 2e-8}
    for truth in ({}, water_alone):
        found = [by_name(fitted(seed, truth)) for seed in range(100)]
        claims = sum(
            bool(gas.flags & Flag.DETECTED)
            for gases in found for name, gas in gases.items() if name not in truth
        )  # fmt: skip
        assert claims <= 2
        if not truth:
            assert all(g.lower_pa == 0.0 < g.upper_pa for each in found for g in each.values())


def test_upper_limits_hold_in_nineteen_of_twenty():
    faint = {"h2o": 1e-9, "ar": 1.5e-11, "co2": 1.5e-11, "so2": 1e-11, "o2": 1.5e-11}
    below = [
        gases[name].upper_pa >= value
        for gases in (by_name(fitted(seed, faint)) for seed in SEEDS)
        for name, value in faint.items() if name != "h2o"
    ]  # fmt: skip
    assert np.mean(below) >= 0.93


# --- the least that is detected -------------------------------------------------------------------


def test_ten_minutes_detect_between_1e_11_and_1e_10_pa():
    for name in ("h2o", "co2", "ar", "so2", "h2s", "ch4"):
        assert detected_share(name, 1e-11, SEEDS) <= 0.1
        assert detected_share(name, 1e-10, SEEDS) >= 0.95, name


def test_the_limit_is_curries():
    """Argon alone: counts x of a single peak over a known background b with x = k sqrt(b + x)."""
    k, background = 3.5, 0.02 * 600.0
    x = 0.5 * (k**2 + math.sqrt(k**4 + 4.0 * k**2 * background))
    inside = math.erf(0.5 / 0.8 * math.sqrt(4.0 * math.log(2.0)))  # of the peak, within 1 u
    limit_pa = x / (600.0 * TRAP.counts_per_pa_s * 1.3 * 100.0 / 115.3 * inside)
    assert 2e-11 < limit_pa < 4e-11
    assert detected_share("ar", 0.6 * limit_pa, SEEDS) < 0.4
    assert detected_share("ar", 2.0 * limit_pa, SEEDS) > 0.8


# --- what can be mistaken -------------------------------------------------------------------------


def test_nitrogen_carbon_monoxide_and_ethylene_all_lie_at_28():
    """Their parts are less certain than the same pressure of argon, which lies alone."""
    found = [by_name(fitted(seed, AT_28)) for seed in SEEDS]
    clear = [by_name(fitted(seed, {"ar": 4e-11}))["ar"] for seed in SEEDS]
    assert sum(holds(gas, 4e-11) for gas in clear) >= 43
    for name in ("n2", "co"):
        told = [each[name] for each in found]
        assert sum(holds(gas, AT_28[name]) for gas in told) >= 45
        assert widths_pa(told) > 2.0 * widths_pa(clear)
        assert all(gas.flags & Flag.UNRESOLVED for gas in told)
    # 26 and 27 tell ethylene from both, when there is enough of it
    assert sum(holds(each["c2h4"], AT_28["c2h4"]) for each in found) >= 43


def test_groups_are_as_large_as_the_fragments_are_faint():
    def group(**truth):
        return group_of(by_name(fitted(3, truth)), "n2")

    assert group() == ("n2", "co", "c2h4")
    assert group(c2h4=1e-9) == ("n2", "co", "c2h4")
    assert group(n2=1e-9, co=1e-9, c2h4=2e-10) == ("n2", "co")


def test_gas_of_the_lander_passes_for_native_and_is_flagged():
    """Water near the lander, all of it foreign: its set of native water holds the truth, wide."""
    near, clear = gas_spectra.lander_water(SEEDS), gas_spectra.native_water(SEEDS)
    assert all(gas.flags & Flag.CONTAMINATED and gas.native_lower_pa == 0.0 for gas, _ in near)
    assert not any(gas.flags & Flag.CONTAMINATED for gas in clear)
    true_pa = NATIVE_WATER_PA
    assert sum(gas.native_lower_pa <= true_pa <= gas.native_upper_pa for gas in clear) >= 43
    wide = np.mean([gas.native_upper_pa / water_pa for gas, water_pa in near])
    narrow = np.mean([(gas.native_upper_pa - gas.native_lower_pa) / true_pa for gas in clear])
    assert wide > 2.0 * narrow


def test_the_native_part_over_the_rovers_gas_is_bounded():
    """A rover of each seed, drawn from the prior, with as much native water or with ten times."""
    rovers = draw_outgassing(np.random.default_rng(12), OutgassingPrior(), (len(SEEDS),))
    foreign = contamination_pa(rovers, 240.0, 200.0)
    for native_pa in (1e-9, 1e-8):
        inside = 0
        for seed, each in zip(SEEDS, foreign, strict=True):
            gas = dict(zip(SPECIES, each.tolist(), strict=True))
            gas["h2o"] += native_pa
            told = by_name(fitted(seed, gas, since_touchdown_h=240.0, distance_m=200.0))["h2o"]
            inside += told.native_lower_pa <= native_pa <= told.native_upper_pa
        assert inside >= 45


def test_far_from_the_lander_gas_counts_as_the_rovers_while_that_is_likely():
    flags = [
        by_name(fitted(1, {"h2o": 1e-8}, since_touchdown_h=hours))["h2o"].flags & Flag.CONTAMINATED
        for hours in (24.0, 240.0, 5000.0)
    ]
    assert flags == [Flag.CONTAMINATED, Flag.CONTAMINATED, 0]
    argon = by_name(fitted(1, {"ar": 1e-9}, since_touchdown_h=24.0, distance_m=10.0))["ar"]
    assert not argon.flags & Flag.CONTAMINATED, "nobody lets out argon"


# --- instrument -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shift_u", [-0.5, -0.3, 0.0, 0.3, 0.55])
def test_a_shifted_mass_scale_is_found_and_corrected(shift_u):
    found = [fitted(seed, MIXTURE, shift_u=shift_u) for seed in range(20)]
    true_u = [
        shift_u + mass_shift_u(draw_instrument(np.random.default_rng(seed), TRAP), 305.0, 0.0)
        for seed in range(20)
    ]
    assert [each.mass_offset_u for each in found] == pytest.approx(true_u, abs=0.02)
    assert all(bool(each.gases[0].flags & Flag.MASS_SCALE) == (shift_u != 0.0) for each in found)
    water = np.array([(by_name(e)["h2o"].pressure_pa - 2e-8) / 3e-9 for e in found])
    assert np.abs(water).max() < 3.5


def test_a_faint_spectrum_shows_a_shift_and_an_empty_one_invents_none():
    faint = {"h2o": 2e-9, "n2": 3e-10, "co": 2e-10, "co2": 2e-10}
    for seed in range(20):
        assert fitted(seed, faint, shift_u=0.3).mass_offset_u == pytest.approx(0.33, abs=0.06)
        assert abs(fitted(seed, {}, shift_u=0.3).mass_offset_u) < 0.06


def test_a_weak_multiplier_shows_against_the_gauge():
    ratios = [
        [fitted(seed, MIXTURE, multiplier=m).gauge_ratio for seed in range(20)] for m in (1.0, 0.3)
    ]
    assert np.median(ratios[0]) == pytest.approx(1.0, abs=0.15)
    assert np.array(ratios[1]) / ratios[0] == pytest.approx(0.3, rel=0.1)


def test_dark_spectra_tell_the_background():
    without, given = (
        [fitted(seed, MIXTURE, dark_spectra=n).background_per_u_s for seed in range(20)]
        for n in (0, 2)
    )
    true = [draw_instrument(np.random.default_rng(s), TRAP).background_per_u_s for s in range(20)]
    assert np.abs(np.array(given) / true - 1.0).max() < 0.1
    assert np.abs(np.array(without) / true - 1.0).max() < 0.2


def test_an_unknown_gas_is_a_poor_fit():
    counts, conditions = spectra(1, MIXTURE)
    assert not product(counts, conditions).gases[0].flags & Flag.POOR_FIT
    counts[:, np.abs(TRAP.masses_u - 46.0) < 0.4] += 200  # nitrogen dioxide
    assert product(counts, conditions).gases[0].flags & Flag.POOR_FIT


def test_the_product_is_a_function_of_its_record():
    raw = spectra(4, MIXTURE, dark_spectra=3)
    assert product(*raw) == product(raw[0].copy(), raw[1].copy())


def test_records_without_a_measurement_are_refused():
    counts, conditions = spectra(1, {}, count=0, dark_spectra=2)
    with pytest.raises(ValueError, match="no spectrum was taken with the filament on"):
        product(counts, conditions)
    with pytest.raises(ValueError, match="do not fit 2 conditions"):
        product(counts[:, :10], conditions)
