# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from lupex_nodes.analysis import plots, summary
from lupex_nodes.analysis.survey_plots import (
    CELLS,
    PRESSURES,
    SITES,
    gas_pressures,
    prospecting_map,
)
from lupex_nodes.analysis.tables import Rows, Tables
from lupex_nodes.models.exosphere import SPECIES
from lupex_nodes.payload import ems_l_records, records
from lupex_nodes.rover import prospecting_records


def tables_of(records):
    topics = {f"/{topic}": rows for topic, rows in records.items()}
    arrivals = {topic: rows.time_s for topic, rows in topics.items()}
    return Tables(Path("bag"), arrivals=arrivals, records=topics)


def words(figure):
    return re.findall(r">([^<>]+)</text>", figure)


def cells(wet, time_s):
    rows = np.zeros(60, prospecting_records.CELLS.dtype)
    rows["x_m"], rows["y_m"] = 0.5 + np.arange(60) % 20, 0.5 + np.arange(60) // 20
    rows["water_wt_percent"] = wet
    return Rows(np.full(60, time_s), rows)


def both(*parts):
    return Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def sites(count, time_s):
    rows = np.zeros(count, prospecting_records.SITES.dtype)
    rows["x_m"] = 2.0 + np.arange(count)
    return Rows(np.full(count, time_s), rows)


def test_the_last_map_and_its_sites_are_drawn():
    early = {CELLS: cells(0.1, 60.0), SITES: sites(4, 60.0)}
    late = {CELLS: cells(2.0, 120.0), SITES: sites(2, 120.0)}
    together = {topic: both(early[topic], late[topic]) for topic in early}
    figure = prospecting_map(tables_of(together))
    assert figure == prospecting_map(tables_of(late)) != prospecting_map(tables_of(early))
    assert "Apparent water (wt%)" in words(figure)
    assert {"1", "2"} <= set(words(figure))


def deposits(*x_m):
    rows = np.zeros(len(x_m), records.DEPOSIT.dtype)
    rows["detected"], rows["x_m"], rows["radius_m"], rows["x_sigma_m"] = 1, x_m, 10.0, 2.0
    rows["estimate_wt_percent"], rows["standard_error_wt_percent"] = 0.5, 0.1
    return Rows(np.full(len(x_m), 90.0), rows)


def surveyed(found_m, true_m, possible=None):
    truth = {"deposits": [{"patch_x_m": x_m, "patch_y_m": 3.0, "patch_radius_m": 12.0,
                           "content_wt_percent": 2.0, "cover_g_cm2": 15.0} for x_m in true_m]}
    counts = np.zeros(3, records.COUNTS.dtype)
    counts["x_m"] = -200.0, 0.0, 200.0
    told = {summary.DEPOSIT: deposits(found_m[0]), summary.DEPOSITS: deposits(*found_m),
            plots.COUNTS: Rows(np.arange(3.0), counts)}  # fmt: skip
    if possible is not None:
        told[plots.POSSIBILITIES] = Rows(np.full(len(possible), 90.0), possible)
    tables = tables_of(told)
    tables.custom_data["truth"] = json.dumps(truth)
    return tables


def test_every_deposit_is_told_with_the_nearest_true_one():
    told = summary.water(surveyed((100.0, -90.0), (-94.0, 100.0, 170.0)))["deposits"]
    assert [each["x_m"] for each in told] == [100.0, -90.0]
    assert [each["from_true_m"] for each in told] == [3.0, 5.0]


def test_every_deposit_is_drawn_and_named_once_on_a_map_no_higher_than_its_ground():
    one, three = (plots.track_map(surveyed(x_m, x_m)) for x_m in ((0.0,), (0.0, 90.0, 150.0)))
    assert words(one).count("estimated disc") == words(three).count("estimated disc") == 1
    assert words(three).count("true patch") == 1
    assert three.count("<path") >= one.count("<path") + 4
    assert float(re.search(r'height="([\d.]+)pt"', three)[1]) < 200.0


def test_what_the_counts_allow_is_that_of_the_estimate_alone():
    rows = np.zeros(6, records.POSSIBILITIES.dtype)
    rows["content_wt_percent"], rows["deposit"] = 2.0, (0, 0, 1, 1, 1, 1)
    rows["cover_g_cm2"] = 10.0, 12.0, 90.0, 91.0, 92.0, 93.0
    every, first, one_row = (
        plots.water_result(surveyed((0.0, 90.0), (0.0,), part), {})
        for part in (rows, rows[:2], rows[:1])
    )
    assert every == first != one_row


def test_without_a_map_there_is_no_figure():
    assert prospecting_map(tables_of({})) is None and gas_pressures(tables_of({})) is None


def test_gases_are_named_and_groups_told():
    rows = np.zeros(3, ems_l_records.PRESSURES.dtype)
    rows["species"] = [SPECIES.index(name) for name in ("h2o", "co", "ar")]
    rows["pressure_pa"] = rows["group_pressure_pa"] = (1e-8, 1e-10, 0.0)
    rows["lower_pa"], rows["upper_pa"] = (8e-9, 0.0, 0.0), (1.2e-8, 5e-10, 0.0)
    rows["flags"], rows["group"] = (3, 4, 0), (0, 1, 0)
    shown = words(gas_pressures(tables_of({PRESSURES: Rows(np.full(3, 9.0), rows)})))
    assert "H2O" in shown and "CO (group 1)" in shown and "Ar" not in shown
