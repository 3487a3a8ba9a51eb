# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest
from mission_bag import BATTERY, DIAGNOSTIC, START_NS, battery_cdr, header

from lupex_nodes.analysis.diagnostic_columns import DiagnosticBatch
from lupex_nodes.analysis.tables import read_tables
from lupex_nodes.recording import message_types as types
from lupex_nodes.recording.bag_writer import BagWriter


def array_of(now: int, statuses: list[tuple[str, int, list[tuple[str, str]]]]) -> object:
    return types.make(
        DIAGNOSTIC,
        header=header(now, "map" * (now % 3)),
        status=[
            types.make(
                "diagnostic_msgs/msg/DiagnosticStatus",
                level=level,
                name=name,
                message=f"level {level}",
                hardware_id="",
                values=[
                    types.make("diagnostic_msgs/msg/KeyValue", key=key, value=value)
                    for key, value in pairs
                ],
            )
            for name, level, pairs in statuses
        ],
    )


def some_statuses(rng: random.Random) -> list[tuple[str, int, list[tuple[str, str]]]]:
    texts = ["1", "-2.5e3", "nan", "true", "False", "idle", "", "été", "12" * 150]
    return [
        (
            f"{rng.choice(['a', 'bb', 'ccc'])}: {rng.choice(['x', 'yy'])}",
            rng.randrange(3),
            [(rng.choice("klmn") * rng.randrange(1, 6), rng.choice(texts))
             for _ in range(rng.randrange(5))],
        )
        for _ in range(rng.randrange(4))
    ]  # fmt: skip


def test_columns_are_what_reading_message_by_message_gives(tmp_path: Path) -> None:
    rng = random.Random(4)
    sent = [some_statuses(rng) for _ in range(300)]
    with BagWriter(tmp_path / "bag") as writer:
        for second, statuses in enumerate(sent):
            now = START_NS + second * 10**9
            data = types.to_cdr(DIAGNOSTIC, array_of(now, statuses))
            if second % 7 == 0:
                data = bytes(types.jazzy().serialize_cdr(
                    array_of(now, statuses), DIAGNOSTIC, little_endian=False
                ))  # fmt: skip
            writer.write("/diagnostics", DIAGNOSTIC, data, now)
    tables = read_tables(tmp_path / "bag")
    beats: dict[str, list[float]] = {}
    numbers: dict[tuple[str, str], list[tuple[float, float]]] = {}
    words: dict[tuple[str, str], list[tuple[float, str]]] = {}
    levels: dict[str, list[tuple[float, int]]] = {}
    for second, statuses in enumerate(sent):
        for name, level, pairs in statuses:
            unit, time_s = name[: name.index(":")], second * 10**9 * 1e-9
            beats.setdefault(unit, []).append(time_s)
            if not (known := levels.setdefault(unit, [])) or known[-1][1] != level:
                known.append((time_s, level))
            for key, text in dict(pairs).items():
                try:
                    value = float({"true": "1", "False": "0"}.get(text, text))
                    numbers.setdefault((unit, key), []).append((time_s, value))
                except ValueError:
                    changes = words.setdefault((unit, key), [])
                    if not changes or changes[-1][1] != text:
                        changes.append((time_s, text))
    assert not tables.skipped
    assert {unit: times.tolist() for unit, times in tables.heartbeats.items()} == beats
    assert {u: [(c.time_s, c.level) for c in cs] for u, cs in tables.health.items()} == levels
    assert {(u, k): c for u, keys in tables.texts.items() for k, c in keys.items()} == words
    series = {(u, k): s for u, keys in tables.housekeeping.items() for k, s in keys.items()}
    assert set(series) == set(numbers)
    for key, expected in numbers.items():
        found = np.column_stack([series[key].time_s, series[key].values])
        assert np.array_equal(found, np.array(expected), equal_nan=True), key


@pytest.mark.parametrize("seed", range(20))
def test_torn_arrays_are_no_whole_ones(seed: int) -> None:
    rng = random.Random(seed)
    statuses = [("a: x", 1, [("key", "value"), ("other", "2")])]
    data = bytearray(types.to_cdr(DIAGNOSTIC, array_of(START_NS, statuses)))
    whole, torn = bytes(data), bytes(data[: rng.randrange(len(data) - 4)])
    for at in range(12, len(data) - 4, 4):
        if rng.random() < 0.3:
            struct.pack_into("<I", data, at, rng.choice([0, 2**31, 2**32 - 1, 40]))
    left = [bytes(data), torn, b"", whole]
    for _ in range(len(left)):
        batch = DiagnosticBatch(left)
        groups = batch.groups(lambda name: name)
        left = [each for each, good in zip(left, batch.whole, strict=True) if good]
    assert torn not in left and b"" not in left and whole in left
    assert groups["a: x"].values["key"].texts[-1] == b"value"


def test_big_endian_numbers_are_read(tmp_path: Path) -> None:
    plain = battery_cdr(START_NS, 0.5, 28.0)
    message = types.jazzy().deserialize_cdr(plain, BATTERY)
    swapped = bytes(types.jazzy().serialize_cdr(message, BATTERY, little_endian=False))
    with BagWriter(tmp_path / "bag") as writer:
        for index, data in enumerate([plain, swapped, plain[:40]]):
            writer.write("/battery", BATTERY, data, START_NS + index * 10**9)
    tables = read_tables(tmp_path / "bag")
    voltage = tables.series("battery", "voltage")
    assert voltage is not None and voltage.values.tolist() == [28.0, 28.0]
    assert voltage.time_s.tolist() == [0.0, 1.0]
    assert any("/battery: 1 messages unusable" in sentence for sentence in tables.skipped)
