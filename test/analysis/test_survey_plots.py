# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from lupex_nodes.analysis.survey_plots import (
    CELLS,
    PRESSURES,
    SITES,
    gas_pressures,
    prospecting_map,
)
from lupex_nodes.analysis.tables import Rows, Tables
from lupex_nodes.models.exosphere import SPECIES
from lupex_nodes.payload import ems_l_records
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
