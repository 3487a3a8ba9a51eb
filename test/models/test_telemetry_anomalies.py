# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest

from lupex_nodes.models.telemetry_anomalies import Anomaly, learn

PERIOD = 50
RANDOM = np.random.default_rng


def nominal(samples=2000, seed=1):
    """A level that swings with a period of 50 samples, with noise."""
    swing = np.sin(2 * np.pi * np.arange(samples) / PERIOD)
    return swing + 0.05 * RANDOM(seed).normal(size=samples)


def found_in(values, train=None, **context):
    learnt = learn(nominal() if train is None else train)
    return learnt.anomalies(np.arange(len(values)) * 2.0, values, **context)


def overlap(anomaly, first, last):
    return anomaly.first <= last and first <= anomaly.last


def test_what_goes_on_as_in_training_is_no_anomaly():
    for seed in range(10, 20):
        assert found_in(nominal(seed=seed)) == []


def test_a_frozen_value_is_found_by_its_activity():
    values = nominal(seed=2)
    values[700:760] = values[700]
    (anomaly,) = found_in(values)
    assert (anomaly.statistic, anomaly.side) == ("activity", "below")
    assert 700 < anomaly.first <= 700 + 8 < anomaly.last
    assert anomaly.severity > 1.0


def test_a_jumping_value_is_found_by_its_steps_though_its_level_is_in_range():
    values = nominal(seed=3)
    values[900:920] = np.where(np.arange(20) % 2, 1.0, -1.0)
    (anomaly,) = found_in(values)
    assert (anomaly.statistic, anomaly.side) == ("step", "above")
    assert 900 <= anomaly.first < 908


def test_a_drift_within_the_range_of_values_is_found_by_its_mean():
    values = nominal(seed=4) * 0.5
    quiet = nominal() * 0.5
    assert found_in(values, quiet) == []
    values[600:1000] += np.linspace(0.0, 0.4, 400)
    assert values.max() < 1.1
    (anomaly,) = found_in(values, quiet)
    assert (anomaly.statistic, anomaly.side, anomaly.window) == ("level", "above", 128)
    assert overlap(anomaly, 600, 999)


def test_an_anomaly_lasts_until_the_signal_is_back_where_training_was():
    values = nominal(seed=5)
    values[500:1200] += 3.0
    (anomaly,) = found_in(values)
    assert 500 <= anomaly.first < 508
    assert 1199 <= anomaly.last < 1199 + 128
    assert (anomaly.start_s, anomaly.end_s) == (2.0 * anomaly.first, 2.0 * anomaly.last)


def test_what_is_further_apart_than_the_longest_window_is_two():
    # what lies 300 samples before leaves a rest of 300 - 128 in the longest window
    far, near = nominal(seed=6), nominal(seed=6)
    for values, second in ((far, 900), (near, 700)):
        values[500:520] += 9.0
        values[second : second + 20] += 9.0
    assert len(found_in(far)) == 2
    assert len(found_in(near)) == 1


def test_the_margin_shrinks_with_the_length_of_training():
    def margin(samples):
        learnt = learn(nominal(samples))
        return {(limit.statistic, limit.window): limit for limit in learnt.limits}["level", 8]

    short, long = margin(500), margin(8000)
    assert short.margin / (short.high - short.low) == pytest.approx(2 * math.sqrt(8 / 500))
    assert long.margin / (long.high - long.low) == pytest.approx(2 * math.sqrt(8 / 8000))


def test_any_change_of_what_never_changed_is_an_anomaly():
    values = np.full(400, 0.1)
    assert found_in(values, np.full(400, 0.1)) == []
    values[200] += 1e-3
    (anomaly,) = found_in(values, np.full(400, 0.1))
    assert anomaly.first == 200
    assert anomaly.severity == math.inf


def test_what_is_found_depends_on_no_later_sample():
    values = nominal(seed=7)
    values[400:410] += 4.0
    values[1000:1300] += np.linspace(0.0, 2.0, 300)
    whole = {i for a in found_in(values) for i in range(a.first, a.last + 1)}
    for end, count in ((400, 0), (405, 1), (450, 1), (1000, 1), (1150, 2), (1290, 2)):
        found = found_in(values[:end])
        assert len(found) == count
        assert whole.issuperset(i for a in found for i in range(a.first, a.last + 1))


def test_samples_that_are_no_numbers_are_passed_over():
    values = nominal(seed=8)
    values[1500:1520] += 9.0
    (clean,) = found_in(values)
    values = np.insert(values, 300, [np.nan, np.inf, -np.inf])
    (anomaly,) = found_in(values)
    assert (anomaly.first, anomaly.last) == (clean.first + 3, clean.last + 3)
    assert found_in(np.full(50, np.nan)) == []


def test_before_a_window_is_full_nothing_is_found():
    assert found_in(np.full(7, 99.0)) == []
    assert found_in(np.array([])) == []
    assert [type(a) for a in found_in(np.full(8, 99.0))] == [Anomaly]


def test_what_the_context_explains_is_no_anomaly():
    random = RANDOM(9)
    loads = np.repeat(random.integers(0, 2, size=(60, 2)), 40, axis=0).astype(float)
    current = 1.0 + loads @ [0.5, 2.0] + 0.01 * random.normal(size=len(loads))
    now = np.ones((400, 2))
    now[:200] = 0.0
    expected = 1.0 + now @ [0.5, 2.0] + 0.01 * random.normal(size=400)
    broken = expected.copy()
    broken[300:340] -= 0.5  # a load that takes nothing though it is on; still in range
    learnt = learn(current, loads)
    assert learnt.gain == pytest.approx([0.5, 2.0], abs=0.01)
    times = np.arange(400.0)
    assert learnt.anomalies(times, expected, now) == []
    (anomaly,) = learnt.anomalies(times, broken, now)
    assert anomaly.statistic in ("level", "step")
    assert 300 <= anomaly.first < 308
    assert learn(current).anomalies(times, broken) == []


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: learn(np.zeros(15)), "15 finite samples are too few"),
        (lambda: learn(np.full(50, np.nan)), "0 finite samples are too few"),
        (lambda: learn(np.zeros((50, 2))), r"shape \(50, 2\); give one column"),
        (lambda: learn(np.zeros(50), np.zeros(50)), r"give \(50, k\)"),
        (lambda: learn(np.zeros(50), windows=(1, 8)), "2 samples or more"),
        (lambda: learn(np.zeros(50)).anomalies(np.zeros(3), np.zeros(4)), "one time a value"),
        (
            lambda: learn(np.zeros(50)).anomalies(np.zeros(4), np.zeros(4), np.zeros((4, 1))),
            "1 context columns, but 0 in training",
        ),
    ],
)
def test_input_that_does_not_fit_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_limits_of_another_flight_reach_to_where_it_starts_and_no_further():
    random = np.random.default_rng(5)
    learnt = learn(random.normal(size=2000))
    other = random.normal(size=2000) + 30.0
    flight = learnt.of_flight(other[:100])
    assert learnt.anomalies(np.arange(2000), other) != []
    assert flight.anomalies(np.arange(2000), other) == []
    for before, after in zip(learnt.limits, flight.limits, strict=True):
        assert after.low <= before.low and after.high >= before.high
        assert after.margin == before.margin
        if before.statistic == "level":
            assert after.low == pytest.approx(before.low, abs=1e-6)
            assert after.high == pytest.approx(before.high + 30.0, abs=1.0)
    other[1000:] += 10.0
    (found,) = flight.anomalies(np.arange(2000), other)
    assert 1000 <= found.first <= 1008 and found.last == 1999
    # equal samples of another value than training's are no change
    still = learn(np.zeros(100)).of_flight(np.full(40, 0.1))
    assert still.anomalies(np.arange(500), np.full(500, 0.1)) == []
    for start in ([], [np.nan, 1.0]):
        with pytest.raises(ValueError, match="finite samples are no start; give 2 or more"):
            learnt.of_flight(start)
    with pytest.raises(ValueError, match="context columns, but 0 in training"):
        learnt.of_flight(np.zeros(9), np.zeros((9, 1)))
