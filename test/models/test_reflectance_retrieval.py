# SPDX-License-Identifier: Apache-2.0
"""The search for ice in spectra whose soil, constants and noise are drawn and hidden from it."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lupex_nodes.models import reflectance_retrieval as retrieval
from lupex_nodes.models.infrared_spectrometer import InfraredSpectrometer
from lupex_nodes.models.reflectance_retrieval import (
    LAMPLIGHT,
    SUNLIGHT,
    TARGET,
    TARGET_DARK,
    WHITE,
    RetrievalParameters,
    SurfaceIce,
    product,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

import infrared_looks  # noqa: E402
import scores  # noqa: E402
from infrared_looks import INSTRUMENT, Look, look  # noqa: E402


@lru_cache(maxsize=2)
def fifty(light: int) -> list[tuple[SurfaceIce, Look]]:
    return infrared_looks.fifty(range(50), light)


@pytest.mark.parametrize("light", [LAMPLIGHT, SUNLIGHT])
def test_fifty_spectra_cover_their_sets_of_content(light: int) -> None:
    for share, count in zip((0.68, 0.95), infrared_looks.held(fifty(light)), strict=True):
        assert scores.within(count, scores.share_bounds(50, share))
    for found, _ in fifty(light):
        assert found.ice_sigma_wt_percent <= 0.8 * found.ice_wt_percent + 0.5


@pytest.mark.parametrize("light", [LAMPLIGHT, SUNLIGHT])
def test_fifty_spectra_cover_their_band_depths(light: int) -> None:
    found = fifty(light)
    assert max(each.band_depth_sigma[2] for each, _ in found) < 0.01
    for z in infrared_looks.depth_errors(found).T:
        spread = scores.coverage(z.tolist())
        for count, bounds in zip(spread.within, scores.sigma_bounds(50), strict=True):
            assert scores.within(count, bounds)
        assert scores.within(spread.rms, scores.rms_bounds(50))


def test_a_depth_of_two_percent_is_three_standard_errors_at_a_signal_to_noise_of_100() -> None:
    found = [product(look(seed, 0.0, frames=2).raw) for seed in range(600, 606)]
    assert np.mean([each.spectrum.snr for each in found]) == pytest.approx(100.0, rel=0.05)
    assert np.mean([each.band_depth_sigma[2] for each in found]) < 0.02 / 3.0


def test_temperature_is_told_only_when_it_is_known_and_then_with_honest_errors() -> None:
    told = [(found, seen) for found, seen in fifty(LAMPLIGHT) if found.temperature_known]
    z = np.array(
        [(f.temperature_k - s.soil.temperature_k) / f.temperature_sigma_k for f, s in told]
    )
    assert 10 <= len(told) < 50
    assert all(found.detected for found, _ in told)
    assert np.count_nonzero(np.abs(z) < 2.0) >= 0.86 * len(told)
    assert np.sqrt(np.mean(z**2)) < 1.4
    dry = product(look(7, 0.0).raw)
    assert not dry.temperature_known and dry.temperature_sigma_k > 45.0


def test_fifty_dry_soils_raise_at_most_one_alarm_and_have_a_limit() -> None:
    found = [product(look(seed, 0.0).raw) for seed in range(500, 550)]
    assert sum(each.detected for each in found) <= 1
    assert all(each.lower_95_wt_percent == 0.0 for each in found if not each.detected)
    assert np.median([each.upper_95_wt_percent for each in found]) < 2.0


@pytest.mark.parametrize("seed", range(4))
def test_a_tenth_of_ice_is_seen_in_one_second_at_three_metres(seed: int) -> None:
    found = product(look(seed, 10.0, ice_grain_um=60.0).raw)
    assert found.detected
    assert found.band_depth[2] > 0.1
    # grain sizes are not known: no better than a third
    assert 0.15 < found.ice_sigma_wt_percent / found.ice_wt_percent < 0.6


def test_grain_sizes_keep_the_content_open() -> None:
    """With ten times the light the set hardly shrinks: it is not noise that makes it wide."""
    once, often = (product(look(3, 5.0, frames=n).raw) for n in (1, 100))
    assert often.spectrum.snr > 5.0 * once.spectrum.snr
    for found in (once, often):
        ratio = found.upper_95_wt_percent / found.lower_95_wt_percent
        assert 2.0 < ratio < 12.0


def test_the_band_at_1_65_um_is_measured_when_it_is_covered() -> None:
    wide = InfraredSpectrometer(band_count=100, first_um=0.76, last_um=1.75)
    parameters = RetrievalParameters(instrument=wide)
    cold, warm = (
        product(look(5, 20.0, temperature_k=t, frames=20, instrument=wide).raw, parameters)
        for t in (70.0, 245.0)
    )
    assert cold.band_depth[3] > 5.0 * cold.band_depth_sigma[3] > 0.0
    assert warm.band_depth[3] < 0.3 * cold.band_depth[3]
    assert cold.temperature_k < 110.0 and warm.temperature_k > 190.0
    narrow = product(look(5, 20.0).raw)
    assert narrow.band_depth[3] == 0.0 and np.isinf(narrow.band_depth_sigma[3])


def test_product_is_a_pure_function_of_its_record() -> None:
    raw = look(0, 3.0).raw
    before = raw.tobytes()
    raw.flags.writeable = False
    first, second = product(raw), product(raw)
    retrieval._minerals.cache_clear()
    third = product(raw)
    assert raw.tobytes() == before
    assert first.ice_wt_percent == second.ice_wt_percent == third.ice_wt_percent
    assert first.band_depth.tolist() == second.band_depth.tolist() == third.band_depth.tolist()


def test_only_the_last_target_and_the_white_before_it_count() -> None:
    first, second = look(1, 0.0).raw.copy(), look(2, 10.0).raw.copy()
    second["measurement"] += 2
    later = look(3, 0.0).raw.copy()
    later["measurement"] += 4
    alone = product(second)
    both = product(np.concatenate([first, second, later[np.isin(later["segment"], (0, 1))]]))
    assert both.ice_wt_percent == alone.ice_wt_percent


def test_saturated_bands_do_not_count() -> None:
    seen = look(4, 5.0)
    whole = product(seen.raw)
    raw = seen.raw.copy()
    bright = (raw["segment"] == TARGET) & (raw["wavelength_um"] < 0.90)
    raw["saturated"][bright], raw["counts_dn"][bright] = 1, INSTRUMENT.full_scale_dn
    found = product(raw)
    assert found.spectrum.saturated == bright.sum()
    assert found.detected and found.band_depth[2] == pytest.approx(whole.band_depth[2], abs=0.02)


@pytest.mark.parametrize(
    ("segment", "sentence"),
    [(TARGET, "no spectrum of a target"), (WHITE, "no white reference"), (TARGET_DARK, "the dark")],
)
def test_a_record_with_something_missing_gives_one_sentence(segment: int, sentence: str) -> None:
    raw = look(0, 1.0).raw
    with pytest.raises(ValueError, match=sentence):
        product(raw[raw["segment"] != segment])


def test_a_mirror_that_stands_elsewhere_gives_one_sentence_and_no_product() -> None:
    raw = look(0, 1.0).raw.copy()
    raw["mirror_error_deg"][raw["segment"] == TARGET] = 30.0
    with pytest.raises(ValueError, match="the mirror did not stand at the target"):
        product(raw)


def test_the_lamp_warms_and_costs_frost_only_where_it_shines() -> None:
    lit, dark = (
        product(look(3, 10.0, frames=10, light=each).raw) for each in (LAMPLIGHT, SUNLIGHT)
    )
    assert 0.1 < lit.lamp_warming_k < 10.0 and lit.frost_loss_kg_m2 > 0.0
    assert (dark.lamp_warming_k, dark.frost_loss_kg_m2) == (0.0, 0.0)


def test_no_light_gives_one_sentence_and_no_product() -> None:
    raw = look(0, 1.0).raw.copy()
    dark, target = raw["segment"] == TARGET_DARK, raw["segment"] == TARGET
    raw["counts_dn"][target] = raw["counts_dn"][dark]
    with pytest.raises(ValueError, match="0 of 90 bands have signal"):
        product(raw)


def test_columns_that_are_missing_are_named() -> None:
    with pytest.raises(ValueError, match="lack measurement"):
        product(np.zeros(3, [("segment", "u1")]))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 60.0), st.sampled_from([LAMPLIGHT, SUNLIGHT]))
def test_whatever_the_soil_the_product_is_in_order(seed: int, content: float, light: int) -> None:
    found = product(look(seed, content, light=light).raw)
    assert 0.0 <= found.lower_95_wt_percent <= found.lower_68_wt_percent
    assert found.lower_68_wt_percent < found.upper_68_wt_percent <= found.upper_95_wt_percent
    assert 60.0 <= found.temperature_k <= 250.0
    assert np.isfinite(found.band_depth).all() and np.isfinite(found.spectrum.reflectance).all()
