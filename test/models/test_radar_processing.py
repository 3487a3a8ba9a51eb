# SPDX-License-Identifier: Apache-2.0
"""The radar's product beside the ground that it was made from, over many seeds."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp

from lupex_nodes.models.radar import LIGHT_M_NS, Rocks, Soil, Sounder
from lupex_nodes.models.radar_image import RadarRetrieval, aperture_sine, picture, sweeps
from lupex_nodes.models.radar_processing import Quality, RadarSection, product
from lupex_nodes.models.radar_receiver import ReceiverState, draw_constants, received

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

import radar_surveys  # noqa: E402
import scores  # noqa: E402
from radar_surveys import Ground, strongest, survey  # noqa: E402

SEEDS = range(1, 51)
STEP = Ground(0.8, 200.0)


@pytest.fixture(scope="module")
def surveyed():
    return radar_surveys.errors(SEEDS)


@pytest.mark.parametrize("what", ["depth", "reflection"])
def test_errors_cover_the_truth(surveyed, what):
    """Permittivity by its law and density, loss, gains and clutter drawn from the priors."""
    z = getattr(surveyed, what)
    spread = scores.coverage(z)
    assert surveyed.missed == 0
    for count, bounds in zip(spread.within, scores.sigma_bounds(spread.number), strict=True):
        assert scores.within(count, bounds)
    assert scores.within(spread.rms, scores.rms_bounds(spread.number))
    assert np.std(z) <= 1.3


def test_the_error_of_depth_is_that_of_permittivity(surveyed):
    """3 % of the law and 50 kg/m3 of density are 2.2 % of the depth."""
    assert RadarRetrieval().index_sigma == pytest.approx(0.022, abs=0.001)
    assert np.all(surveyed.depth_sigma_m > 0.022) and np.all(surveyed.depth_sigma_m < 0.05)


def test_denser_soil_and_ice_of_one_contrast_give_the_same_picks():
    dense, icy = radar_surveys.twins(SEEDS)
    assert len(dense) == len(icy) == len(SEEDS)
    for name in ("depth_m", "reflection_db", "depth_sigma_m"):
        pair = [[getattr(each, name) for each in side] for side in (dense, icy)]
        assert ks_2samp(*pair).pvalue > 0.01
    # the same comparison tells other contrasts apart
    other = [strongest(product(*survey(seed, Ground(0.8, 60.0))[:2])) for seed in range(20)]
    levels = [[each.reflection_db for each in side if each] for side in (icy, other)]
    assert ks_2samp(*levels).pvalue < 1e-4


def test_the_ice_behind_a_reflection_is_open_until_density_is_known():
    """More seeds than fifty, as what is too weak to be seen bounds nothing."""
    seeds = range(1, 60)
    ambiguous = radar_surveys.bounded(seeds, 100.0)
    control = radar_surveys.bounded(seeds, 0.0)
    for each in (ambiguous, control):
        assert each.number >= 50 and each.held >= 0.9 * each.number
    assert ambiguous.width_wt_percent >= 2.0 * control.width_wt_percent


def test_the_product_has_no_word_of_ice():
    names = " ".join(field.name for field in dataclasses.fields(RadarSection))
    assert "ice" not in names.split("_") and "water" not in names


def test_no_layers_are_picked_where_there_are_none():
    assert radar_surveys.false_layers(SEEDS) <= 2


def test_weak_ice_is_lost_in_clutter_and_strong_is_not():
    """1.2 wt% (-46 dB) among stones of -52 dB is seen now and then, 5.8 wt% (-32 dB) always."""
    seeds = range(1, 16)
    assert radar_surveys.detected_share(seeds, -46.0) < 0.8
    assert radar_surveys.detected_share(seeds, -52.0) < 0.3
    assert radar_surveys.detected_share(seeds, -32.0) == 1.0


@pytest.mark.parametrize(
    ("frequency_ghz", "spacing_m", "degrees"),
    [(4.0, 0.02, 33), (4.0, 0.03, 21), (4.0, 0.05, 13), (2.5, 0.03, 35), (2.5, 0.05, 20)],
)
def test_the_aperture_is_what_the_spacing_does_not_alias(frequency_ghz, spacing_m, degrees):
    sine = aperture_sine(Sounder(1.0, frequency_ghz), math.sqrt(3.0), spacing_m)
    assert math.degrees(math.asin(sine)) == pytest.approx(degrees, abs=0.7)


def rock_rows(depth_m, spacing_m=0.03):
    """Raw rows over one rock in plain soil, no clutter."""
    traces, samples, _ = survey(1, Ground(), spacing_m=spacing_m)
    rng, sounder = np.random.default_rng(1), Sounder()
    constants = draw_constants(rng, sounder)
    soil = Soil.of(*Ground().column(np.random.default_rng(3), RadarRetrieval())[:3])
    rocks = Rocks.of(sounder, soil, [1.0], [0.0], [depth_m], [0.1], [7.0])
    x = traces["x_m"][radar_surveys.LOOPS :].astype(float)
    echoes = rocks.echoes(sounder, x, np.zeros_like(x))
    # a surface, which the picture is hung from
    echoes += 0.2 / 0.3 * sounder.spreading_m * sounder.tones(np.array(sounder.surface_ns))
    codes = received(rng, sounder, constants, ReceiverState(), echoes, np.zeros_like(x))
    survey_rows = samples["trace"] >= radar_surveys.LOOPS
    samples["in_phase"][survey_rows] = codes[..., 0].ravel()
    samples["quadrature"][survey_rows] = codes[..., 1].ravel()
    return traces, samples


@pytest.mark.parametrize("depth_m", [0.5, 0.9])
def test_migration_draws_a_hyperbola_together(depth_m):
    traces, samples = rock_rows(depth_m)
    parameters = RadarRetrieval()
    taken = sweeps(traces, samples, parameters)
    way = traces["x_m"][radar_surveys.LOOPS :].astype(float)
    migrated = np.abs(picture(taken, way, parameters).reflection)
    depths = picture(taken, way, parameters).depth_m
    near = np.abs(depths - (depth_m - 0.05)) < 0.08
    column = migrated[:, near].max(axis=1)
    assert way[column.argmax()] == pytest.approx(1.0, abs=0.035)
    wide = np.ptp(way[column > 0.5 * column.max()])
    # an aperture of 21 deg in soil resolves about lambda/(4 sin) = 5 cm; raw it is decimetres
    profile = np.abs(np.fft.ifft(taken.echoes * np.hanning(301), 4096, axis=1))
    delay = np.arange(4096) / 4096 / taken.sounder.step_ghz
    top = 2.0 + 2.0 * 1.72 * (depth_m - 0.05) / LIGHT_M_NS
    raw = profile[:, (delay > top - 1.0) & (delay < top + 4.0)].max(axis=1)
    assert wide < 0.2 < np.ptp(way[raw > 0.5 * raw.max()])


def test_drift_of_gain_and_cable_is_taken_out_by_the_direct_wave():
    """60 K warmer than at the calibration: 0.6 dB and 0.06 ns, a centimetre, raw."""
    found = []
    for kelvin in (290.0, 350.0):
        traces, samples, _ = survey(4, STEP, state=ReceiverState(kelvin))
        made = product(traces, samples)
        found.append(strongest(made))
    assert found[1].depth_m == pytest.approx(found[0].depth_m, abs=0.001)
    assert found[1].reflection_db == pytest.approx(found[0].reflection_db, abs=0.1)


@pytest.mark.parametrize(
    ("state", "flag"),
    [
        (ReceiverState(dead_from_ghz=1.8, dead_to_ghz=2.1), Quality.DEAD_BAND),
        (ReceiverState(mismatch_db=6.0), Quality.DIRECT_WAVE),
        (ReceiverState(phase_noise_deg=5.0), Quality.NOISY),
        (ReceiverState(stuck_bits=256), Quality.NOISY),
    ],
)
def test_faults_are_flagged_and_a_sound_radar_is_not(state, flag):
    assert product(*survey(2, STEP)[:2]).quality == 0
    assert flag in product(*survey(2, STEP, state=state)[:2]).quality


def test_a_rock_alone_is_no_layer():
    made = product(*rock_rows(0.7))
    near = np.abs(made.pick_depth_m - 0.65) < 0.04
    assert near.any()
    assert np.all(made.pick_quality[near] & int(Quality.ISOLATED))


def test_wide_traces_still_find_a_layer():
    made = product(*survey(5, STEP, spacing_m=0.06, length_m=4.0)[:2])
    found = strongest(made)
    assert found is not None and found.depth_m == pytest.approx(0.8, abs=3 * found.depth_sigma_m)


def test_too_few_traces_are_refused_in_one_sentence():
    traces, samples, _ = survey(1, STEP, length_m=0.15)
    with pytest.raises(ValueError, match="it has 5 traces: drive at least 8"):
        product(traces, samples)


def test_a_rover_that_did_not_move_is_refused_in_one_sentence():
    traces, samples, _ = survey(1, STEP)
    traces["x_m"] = 5.0
    with pytest.raises(ValueError, match="apart in the median: drive while sounding"):
        product(traces, samples)
