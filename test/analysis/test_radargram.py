# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from lupex_nodes.analysis.radargram import PICKS, PROFILE, radargram
from lupex_nodes.analysis.tables import Rows, Tables
from lupex_nodes.payload import gpr_records

TRACES, DEPTHS = 60, 70


def tables_of(**records):
    topics = {f"/{topic}": rows for topic, rows in records.items()}
    arrivals = {topic: rows.time_s for topic, rows in topics.items()}
    return Tables(Path("bag"), arrivals=arrivals, records=topics)


def profile(start_m=0.0, time_s=20.0):
    rows = np.zeros((TRACES, DEPTHS), gpr_records.PROFILE.dtype)
    rows["x"] = start_m + 0.06 * np.arange(TRACES)[:, None]
    rows["depth_m"] = 0.01 + 0.02 * np.arange(DEPTHS)
    rows["z"] = 5.0 - rows["depth_m"]
    rows["two_way_time_ns"] = 11.7 * rows["depth_m"]
    rows["amplitude_db"] = np.where(np.abs(rows["depth_m"] - 0.7) < 0.03, -30.0, -55.0)
    return Rows(np.full(rows.size, time_s), rows.ravel())


def picks(quality=0, time_s=20.0):
    rows = np.zeros(3, gpr_records.PICKS.dtype)
    rows["x"], rows["depth_m"], rows["depth_sigma_m"] = [0.5, 1.0, 1.5], 0.7, 0.02
    rows["quality"] = quality
    return Rows(np.full(3, time_s), rows)


def test_the_radargram_shows_profile_and_picks():
    figure = radargram(tables_of(**{PROFILE: profile(), PICKS: picks()}))
    assert figure is not None and figure.startswith("<svg")
    words = " ".join(re.findall(r">([^<>]+)</text>", figure))
    assert "interface, 1 sigma" in words and "a rock" not in words
    assert "Depth (m)" in words and "Two-way time (ns)" in words


def test_rocks_are_told_apart_and_the_same_tables_give_the_same_figure():
    tables = tables_of(**{PROFILE: profile(), PICKS: picks(quality=64)})
    figure = radargram(tables)
    assert figure == radargram(tables)
    assert "alone: a rock or no layer" in figure and "interface, 1 sigma" not in figure


def test_the_way_between_two_soundings_is_cut_short():
    first, second = profile(), profile(start_m=200.0, time_s=900.0)
    both = Rows(*(np.concatenate(pair) for pair in zip(first, second, strict=True)))
    figure = radargram(tables_of(**{PROFILE: both}))
    ticks = [float(t) for t in re.findall(r">(\d+(?:\.\d+)?)</text>", figure)]
    assert max(ticks) < 50.0


def test_without_a_radar_there_is_no_figure():
    assert radargram(tables_of()) is None
