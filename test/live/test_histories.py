# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lupex_nodes.live.histories import Histories, Place, Track


def read(histories: Histories) -> dict:
    _, told = histories.since(Place())
    assert told is not None
    return told


@given(
    st.lists(
        st.tuples(st.floats(0, 5000), st.floats(-1e3, 1e3, allow_nan=False)),
        min_size=1,
        max_size=300,
    )
)
def test_no_peak_is_lost_and_the_mean_stays(samples: list[tuple[float, float]]) -> None:
    histories = Histories(["a"], span_s=1.0, buckets=16)
    for time_s, value in sorted(samples):
        histories.add(time_s, [0], [value])
    told = read(histories)
    least, mean, greatest = ([v for v in row if v is not None] for row in told["signals"]["a"])
    values = [value for _, value in samples]
    assert np.isclose(min(least), min(values), rtol=1e-4)
    assert np.isclose(max(greatest), max(values), rtol=1e-4)
    assert told["count"] <= 16
    latest_s = max(time_s for time_s, _ in samples)
    assert told["count"] * told["span_s"] >= latest_s - 1e-9
    assert all(lo <= hi for lo, hi in zip(least, greatest, strict=True))
    assert len(least) == len(mean) == len(greatest)


def test_a_reader_that_follows_has_what_one_has_that_comes_late() -> None:
    histories = Histories(["a", "b"], span_s=1.0, buckets=8)
    place, kept = Place(), {"a": [[], [], []], "b": [[], [], []]}
    for second in range(100):
        histories.add(second, [0], [float(second % 7)])
        if second % 5 == 0:
            histories.add(second, [1], [float(second)])
        if second % 3 == 0:
            place, told = histories.since(place)
            assert told is not None
            for name, columns in kept.items():
                for column, fresh in zip(
                    columns, told["signals"].get(name, [[], [], []]), strict=True
                ):
                    del column[told["first"] :]
                    column += [None] * (told["first"] - len(column))
                    column += fresh
                    column += [None] * (told["count"] - len(column))
    whole = read(histories)
    assert kept == whole["signals"]
    assert whole["span_s"] == 16.0


def test_what_is_not_a_number_is_left_out_of_the_history() -> None:
    histories = Histories(["a"])
    histories.add(0.0, [0], [float("nan")])
    histories.add(2.0, [0], [1.0])
    assert read(histories)["signals"]["a"][1] == [None, None, 1.0]
    json.dumps(read(histories), allow_nan=False)


def test_a_track_keeps_its_ends_and_stays_bounded() -> None:
    track = Track(step_m=1.0, points=100)
    place = Place()
    points: list[tuple[float, float]] = []
    for i in range(5000):
        track.add(0.5 * i, 0.0)
        if i % 11 == 0:
            place, told = track.since(place)
            if told:
                points[told["first"] :] = told["points"]
    _, told = track.since(Place())
    assert told is not None and len(told["points"]) <= 100
    place, rest = track.since(place)
    if rest:
        points[rest["first"] :] = rest["points"]
    assert points == told["points"]
    assert points[0] == (0.0, 0.0) and points[-1][0] > 2400.0
    assert track.since(place)[1] is None
