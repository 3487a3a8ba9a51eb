# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lupex_nodes.analysis.expected_rates import (
    Expected,
    latencies,
    load_expected,
    rates,
    repeated,
)
from lupex_nodes.analysis.limits import LimitsError
from lupex_nodes.analysis.operating_modes import mode_spans
from lupex_nodes.analysis.tables import Series, Tables

TOPIC = "/rover/imu/data"
DRIVING = Expected(
    unit="imu", topic="rover/imu/data", every_s=1, mode_of="mobility", modes=("driving",),
    settled_s=5, latency_s=2, varies=("angular_velocity.x",), repeats=4,
)  # fmt: skip
ALWAYS = Expected(unit="imu", topic="rover/imu/data", every_s=60)


def tables_of(times: np.ndarray, beat_s: float = 2.0) -> Tables:
    """Parked to 600 s, driving to 1200 s, parked to 1800 s."""
    beats = np.arange(0.0, 1800.1, beat_s)
    rate = np.random.default_rng(1).normal(size=len(times))
    return Tables(
        Path("b"),
        duration_s=1800.0,
        types={TOPIC: "sensor_msgs/msg/Imu"},
        arrivals={TOPIC: times},
        stamp_lag_s={TOPIC: np.ones(len(times))},
        scalars={TOPIC: {"angular_velocity.x": Series(times, rate)}},
        heartbeats={"mobility": beats, "imu": beats},
        texts={"mobility": {"mode": [(0.0, "stopped"), (600.0, "driving"), (1200.0, "stopped")]}},
    )


def sound() -> np.ndarray:
    parked, driving = np.arange(0.0, 600.0, 60.0), np.arange(600.0, 1200.0)
    return np.concatenate([parked, driving, np.arange(1200.0, 1801.0, 60.0)])


def without(times: np.ndarray, from_s: float, to_s: float) -> np.ndarray:
    return times[(times <= from_s) | (times >= to_s)]


def found(times: np.ndarray, beat_s: float = 2.0) -> list[float]:
    findings = rates(tables_of(times, beat_s), [ALWAYS, DRIVING], {})
    return [finding.first_time_s for finding in findings]


def test_a_parked_unit_may_be_slow_and_a_driving_one_may_not() -> None:
    assert found(sound()) == []
    assert found(without(sound(), 700.0, 720.0)) == [700.0]
    assert found(without(sound(), 1260.0, 1380.0)) == []
    assert found(without(sound(), 1260.0, 1560.0)) == [1260.0]


def test_a_stop_that_nobody_told_of_is_no_gap_unless_there_are_many() -> None:
    short = without(sound(), 700.0, 706.0)
    assert found(short, beat_s=10.0) == []
    slow = sound()
    slow = slow[(slow < 800.0) | (slow >= 1200.0) | (slow % 8 == 0)]
    assert found(slow, beat_s=10.0) == [800.0]


def test_messages_of_old_or_coming_times_are_told_once_there_are_several() -> None:
    tables = tables_of(sound())
    assert list(latencies(tables, [DRIVING])) == []
    lags = tables.stamp_lag_s[TOPIC]
    lags[tables.arrivals[TOPIC] == 800.0] = 7.0
    assert list(latencies(tables, [DRIVING])) == []
    lags[tables.arrivals[TOPIC] >= 900.0] = -3.0
    (late,) = latencies(tables, [DRIVING])
    assert late.first_time_s == 900.0 and "3 s ahead" not in late.message.split(";")[1]


def test_the_same_value_bit_for_bit_is_frozen_and_zeros_are_not() -> None:
    tables = tables_of(sound())
    values = tables.scalars[TOPIC]["angular_velocity.x"].values
    times = tables.arrivals[TOPIC]
    assert list(repeated(tables, [DRIVING])) == []
    values[(times >= 700.0) & (times < 800.0)] = 0.0
    values[(times >= 900.0) & (times < 920.0)] = 0.25
    (frozen,) = repeated(tables, [DRIVING])
    assert frozen.first_time_s == 900.0 and "20 times in a row" in frozen.message


def test_a_mode_is_known_from_its_first_to_its_last_word() -> None:
    tables = tables_of(sound(), beat_s=7.0)
    (span,) = mode_spans(tables, "mobility", ["driving"])
    assert span == (600.0, 1197.0)
    assert mode_spans(tables, "power", ["on"]) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("expected: [{unit: u, topic: t}]", r"yaml:1: expected\[0\]: give every_s, lat"),
        ("expected: [{unit: u, topic: t, every_s: 0}]", r"expected\[0\].every_s"),
        ("expected: [{unit: u, topic: t, every_s: 1, modes: [driving]}]", "go together"),
        ("expected: [{unit: u, topic: t, varies: [x]}]", "repeats being 2 or more"),
        ("expected: [{unit: u, topic: t, every_s: 1, other: 1}]", "other: Extra inputs"),
        ("rows: []", "must have a list named expected"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text(text)
    with pytest.raises(LimitsError, match=sentence):
        load_expected(path)


def test_every_topic_expected_is_one_that_its_unit_publishes() -> None:
    from lupex_nodes.system import load_system

    system = load_system()
    for row in load_expected():
        assert row.unit in system.publishers.get(row.topic, []), row.topic
        assert not row.mode_of or row.mode_of in system.places
