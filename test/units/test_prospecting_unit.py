# SPDX-License-Identifier: Apache-2.0
"""The map on board, fed with the products of instruments as they publish them."""

from __future__ import annotations

import numpy as np
import pytest
from unit_bench import Bench

from lupex_nodes.bus.ports import Qos
from lupex_nodes.models.neutron import epithermal_ratio, thermal_ratio
from lupex_nodes.payload.alis_records import SURFACE_ICE
from lupex_nodes.payload.gpr_records import PICKS, SECTION
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


def deposits_of(bench):
    """One under 60 g/cm2 at 75 m, and one that is none."""
    rows = np.zeros(2, DEPOSIT.dtype)
    rows["detected"], rows["x_m"], rows["radius_m"] = (1, 0), (75.0, 20.0), 10.0
    rows["epithermal_ratio"] = epithermal_ratio(5.0, 60.0)
    rows["thermal_ratio"] = thermal_ratio(5.0, 60.0)
    rows["epithermal_ratio_sigma"] = rows["thermal_ratio_sigma"] = 0.02
    return DEPOSIT.message(bench.bus.now, rows)


def sounded(bench, x_m, depth_m, quality=0):
    """Radar over 20 m of track about a place, with one layer in all of it."""
    sections = np.zeros(10, SECTION.dtype)
    sections["x_m"] = x_m + np.arange(-9.0, 10.0, 2.0)
    sections["traces"], sections["spacing_m"], sections["quality"] = 67, 0.03, quality
    for row in sections:
        tell(bench, "gpr/section", Qos.TELEMETRY, SECTION.message(bench.bus.now, row[None]))
    picks = np.zeros(80, PICKS.dtype)
    picks["x"] = x_m + np.linspace(-9.8, 9.8, 80)
    picks["depth_m"], picks["depth_sigma_m"] = depth_m, 0.01
    picks["reflection_db"], picks["reflection_sigma_db"] = -33.5, 1.2
    picks["quality"] = quality
    tell(bench, "gpr/picks", Qos.TELEMETRY, PICKS.message(bench.bus.now, picks))


def possible(bench):
    """The map's cells and the soils of its deposits."""
    tell(bench, "neutron_spectrometer/deposits", Qos.STATE, deposits_of(bench))
    rows = mapped(bench)
    return rows, POSSIBILITIES.rows(bench.last("rover/prospecting_map/possibilities"))


def test_deposits_bring_the_sets_that_all_instruments_allow():
    rows, soils = possible(bench())
    assert np.all(soils["deposit"] == 0), "what is not detected has none"
    inside = np.hypot(rows["x_m"] - 75.0, rows["y_m"]) <= 10.0
    for name in ("cover_{}_g_cm2", "content_{}_wt_percent"):
        told = soils[name.replace("_{}", "")]
        assert np.all(rows[name.format("low")][inside] == told.min())
        assert np.all(rows[name.format("high")][inside] == told.max())
    assert np.all(np.isnan(rows["cover_low_g_cm2"][~inside]))
    assert soils["cover_g_cm2"].min() < 30.0 and soils["cover_g_cm2"].max() > 60.0


def test_a_layer_that_radar_picks_within_a_deposit_narrows_its_set():
    def near_60(b):
        _, soils = possible(b)
        inner = soils[soils["credibility"] <= 0.5]
        return np.mean(np.abs(inner["cover_g_cm2"] - 60.0) < 3.0)

    apart, flagged, there = bench(), bench(), bench()
    sounded(apart, 30.0, 0.38)
    sounded(flagged, 75.0, 0.38, quality=4)
    sounded(there, 75.0, 0.38)
    plain = near_60(bench())
    assert near_60(apart) == near_60(flagged) == plain < 0.5
    assert near_60(there) > plain + 0.3


def test_a_look_within_a_deposit_tells_soil_that_is_wet_up_to_the_surface():
    def at_surface(detected):
        b = bench()
        ice = np.zeros(1, SURFACE_ICE.dtype)
        ice["x_m"], ice["detected"] = 75.0, detected
        tell(b, "alis/surface_ice", Qos.TELEMETRY, SURFACE_ICE.message(b.bus.now, ice))
        return np.sum(possible(b)[1]["cover_g_cm2"] == 0.0)

    assert at_surface(1) > at_surface(0)


def test_ice_and_reflectors_stand_beside_the_water_and_do_not_change_it():
    without = mapped(bench())
    b = bench()
    ice = np.zeros(1, SURFACE_ICE.dtype)
    ice["x_m"], ice["ice_wt_percent"], ice["ice_sigma_wt_percent"] = 30.0, 4.0, 1.0
    picks = np.zeros(3, PICKS.dtype)
    picks["x"], picks["depth_m"] = 30.0, (0.4, 0.9, 1.2)
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


def test_a_look_after_the_survey_comes_into_the_map_too():
    b = bench()
    assert np.all(np.isnan(mapped(b)["surface_ice_wt_percent"]))
    ice = np.zeros(1, SURFACE_ICE.dtype)
    ice["x_m"], ice["ice_wt_percent"] = 30.0, 4.0
    b.run(90)
    tell(b, "alis/surface_ice", Qos.TELEMETRY, SURFACE_ICE.message(b.bus.now, ice))
    b.run(3)
    rows = CELLS.rows(b.last("rover/prospecting_map/cells"))
    assert np.nanmax(rows["surface_ice_wt_percent"]) == 4.0


def test_what_radar_and_light_told_outlives_a_time_without_power():
    b = bench()
    ice, picks = np.zeros(2, SURFACE_ICE.dtype), np.zeros(1, PICKS.dtype)
    ice["x_m"], ice["ice_wt_percent"] = (30.0, np.nan), 4.0
    picks["x"], picks["depth_m"] = 30.0, 0.9
    tell(b, "alis/surface_ice", Qos.TELEMETRY, SURFACE_ICE.message(b.bus.now, ice))
    tell(b, "gpr/picks", Qos.TELEMETRY, PICKS.message(b.bus.now, picks))
    first = mapped(b)
    slot = b.bus.slots["prospecting_map"]
    slot.deactivate()
    b.run(5)
    slot.activate(b.bus.now)
    again = mapped(b)
    for name in ("surface_ice_wt_percent", "reflector_m"):
        assert np.nanmax(first[name]) > 0.0
        assert np.array_equal(again[name], first[name], equal_nan=True)


def test_a_survey_without_a_find_takes_back_what_one_before_found():
    b = bench()
    rows, _ = possible(b)
    assert np.isfinite(rows["cover_high_g_cm2"]).any()
    none = np.zeros(1, DEPOSIT.dtype)
    none["x_m"] = none["y_m"] = np.nan
    b.run(70)
    tell(b, "neutron_spectrometer/deposits", Qos.STATE, DEPOSIT.message(b.bus.now, none))
    b.run(3)
    again = CELLS.rows(b.last("rover/prospecting_map/cells"))
    assert np.isnan(again["cover_high_g_cm2"]).all()
    assert "INPUT_REFUSED" not in b.events()
