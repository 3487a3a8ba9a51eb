# SPDX-License-Identifier: Apache-2.0
"""The map on board, fed with the products of instruments as they publish them."""

from __future__ import annotations

import numpy as np
import pytest
from unit_bench import Bench

from lupex_nodes.bus.ports import Qos
from lupex_nodes.models.neutron import epithermal_ratio
from lupex_nodes.payload.alis_records import SURFACE_ICE
from lupex_nodes.payload.gpr_records import PICKS
from lupex_nodes.payload.records import DEPOSIT, POSSIBILITIES, PROFILE
from lupex_nodes.rover.prospecting_records import CELLS, SITES

LEVEL = {"terrain_relief_scale": 0.0, "terrain_size_m": 400.0, "terrain_seed": 1}
PAYLOAD = "payload"


def bench(**parameters):
    return Bench("prospecting_map", prospecting_map={**LEVEL, **parameters}).run(2)


def profile_of(bench):
    """A track to the east with 2 wt% in its ground from 60 to 90 m."""
    rows = np.zeros(75, PROFILE.dtype)
    rows["distance_m"] = rows["x_m"] = 2.0 * np.arange(75) + 1.0
    wet = (rows["x_m"] > 60.0) & (rows["x_m"] < 90.0)
    rows["epithermal_ratio"] = np.where(wet, epithermal_ratio(2.0), 1.0)
    rows["epithermal_ratio_sigma"] = 0.01
    return PROFILE.message(bench.bus.now, rows, "map")


def tell(bench, topic, qos, message):
    bench.bus.publish(f"{PAYLOAD}/{topic}", qos, message)


def mapped(bench):
    tell(bench, "neutron_spectrometer/profile", Qos.STATE, profile_of(bench))
    bench.run(2)
    return CELLS.rows(bench.last("rover/prospecting_map/cells"))


def test_water_is_where_the_profile_says():
    b = bench()
    rows = mapped(b)
    on = np.abs(rows["y_m"]) < 1.0
    wet = on & (np.abs(rows["x_m"] - 75.0) < 8.0)
    dry = on & (rows["x_m"] < 50.0) & (rows["x_m"] > 6.0)
    assert rows["water_wt_percent"][wet].mean() == pytest.approx(2.0, abs=0.3)
    z = rows["water_wt_percent"][dry] / rows["water_sigma_wt_percent"][dry]
    assert np.abs(z).max() < 2.0 and np.all(rows["probability"][dry] < 0.1)
    assert np.all(rows["probability"][wet] > 0.95)
    assert np.all(np.isnan(rows["cover_low_g_cm2"]) & np.isnan(rows["reflector_m"]))


def test_the_grid_shows_the_probability_and_what_is_unknown():
    b = bench()
    rows = mapped(b)
    grid = b.last("rover/prospecting_map/map")
    cells = np.array(grid.data, np.int8).reshape(grid.info.height, grid.info.width)
    assert np.sum(cells >= 0) == rows.size and cells.min() >= -1 and cells.max() > 95
    for row in rows[:: rows.size // 7]:
        column = round((row["x_m"] - grid.info.origin.position.x) / grid.info.resolution - 0.5)
        line = round((row["y_m"] - grid.info.origin.position.y) / grid.info.resolution - 0.5)
        assert cells[line, column] == round(100.0 * float(row["probability"]))


def test_sites_are_ranked_with_reasons_and_said_once():
    b = bench()
    mapped(b)
    sites = SITES.rows(b.last("rover/prospecting_map/sites"))
    assert 1 <= sites.size <= 5 and np.all(np.diff(sites["score"]) <= 0.0)
    assert 60.0 < sites["x_m"][0] < 90.0 and sites["worth"][0] > 0.95
    parts = ("worth", "certainty", "evenness", "light", "contact")
    assert sites["score"] == pytest.approx(np.prod([sites[n] for n in parts], axis=0), rel=1e-5)
    assert 0.5 <= sites["light"][0] <= 1.0 and 0.5 < sites["contact"][0] < 1.0
    assert b.events() == ["DRILL_SITE"]
    b.run(120)
    tell(b, "neutron_spectrometer/profile", Qos.STATE, profile_of(b))
    b.run(2)
    assert b.events() == ["DRILL_SITE"], "the same place is not said again"


def test_steep_ground_has_no_sites():
    b = bench(even_deg=0.0, steep_deg=1.0, map_noise_m=10.0, map_noise_correlation_m=5.0)
    mapped(b)
    assert not b.log["rover/prospecting_map/sites"]


def test_deposits_bring_the_sets_that_the_neutrons_allow():
    b = bench()
    deposits = np.zeros(2, DEPOSIT.dtype)
    deposits["detected"], deposits["x_m"], deposits["radius_m"] = (1, 0), (75.0, 20.0), 10.0
    sets = np.zeros(3, POSSIBILITIES.dtype)
    sets["deposit"] = (0, 0, 1)
    sets["cover_g_cm2"], sets["content_wt_percent"] = (10.0, 60.0, 5.0), (0.5, 5.0, 1.0)
    tell(b, "neutron_spectrometer/deposits", Qos.STATE, DEPOSIT.message(b.bus.now, deposits))
    tell(b, "neutron_spectrometer/possibilities", Qos.STATE,
         POSSIBILITIES.message(b.bus.now, sets))  # fmt: skip
    rows = mapped(b)
    inside = np.hypot(rows["x_m"] - 75.0, rows["y_m"]) <= 10.0
    assert np.all(rows["cover_low_g_cm2"][inside] == 10.0)
    assert np.all(rows["content_high_wt_percent"][inside] == 5.0)
    assert np.all(np.isnan(rows["cover_low_g_cm2"][~inside]))


def test_ice_and_reflectors_stand_beside_the_water_and_do_not_change_it():
    without = mapped(bench())
    b = bench()
    ice = np.zeros(1, SURFACE_ICE.dtype)
    ice["x_m"], ice["ice_wt_percent"], ice["ice_sigma_wt_percent"] = 30.0, 4.0, 1.0
    picks = np.zeros(3, PICKS.dtype)
    picks["x_m"], picks["depth_m"] = 30.0, (0.4, 0.9, 1.2)
    picks["reflection_db"], picks["quality"] = (-40.0, -30.0, -10.0), (0, 0, 64)
    tell(b, "alis/surface_ice", Qos.TELEMETRY, SURFACE_ICE.message(b.bus.now, ice))
    tell(b, "gpr/picks", Qos.TELEMETRY, PICKS.message(b.bus.now, picks))
    rows = mapped(b)
    near = np.hypot(rows["x_m"] - 30.0, rows["y_m"]) <= 1.5
    assert np.all(rows["surface_ice_wt_percent"][near] == 4.0)
    assert rows["reflector_m"][near] == pytest.approx(0.9), "the strongest that is a layer"
    assert np.all(np.isnan(rows["reflector_m"][~near]))
    assert np.array_equal(rows["water_wt_percent"], without["water_wt_percent"])


def test_the_map_is_made_at_most_once_a_minute():
    b = bench()
    for _ in range(5):
        tell(b, "neutron_spectrometer/profile", Qos.STATE, profile_of(b))
        b.run(10)
    assert len(b.log["rover/prospecting_map/cells"]) == 1
    b.run(20)
    assert len(b.log["rover/prospecting_map/cells"]) == 2
