# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from unit_bench import START, Bench

from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.records import view
from lupex_nodes.bus.stamps import from_stamp
from lupex_nodes.lander.records import LINK
from lupex_nodes.rover.records import BUS
from lupex_nodes.world.records import COLUMN, EARTH, RADIATION, SUN, SURFACE, TRUTH

DATA = Path(__file__).parents[3] / "shared/data/dem"


def test_the_sky_over_the_site():
    """Sun near 1.2 deg and Earth near 5.9 deg high on 2028-10-04 (JPL Horizons' geometry)."""
    bench = Bench("environment").run(3600)
    sun, earth = bench.last("world/sun", SUN), bench.last("world/earth", EARTH)
    assert sun.elevation_deg == pytest.approx(1.2, abs=0.15)
    assert earth.elevation_deg == pytest.approx(5.9, abs=0.15) and earth.visible
    assert sun.lit_fraction == 1.0 and 1300.0 < sun.irradiance_w_m2 < 1420.0
    first = bench.rows("world/sun", SUN)[0]
    turned = (sun.azimuth_deg - first.azimuth_deg + 180.0) % 360.0 - 180.0
    hours = (len(bench.log["world/sun"]) - 1) / 60.0
    assert abs(turned) / hours == pytest.approx(360.0 / (29.53 * 24.0), rel=0.02)
    assert len(bench.log["world/radiation"]) == 1


def test_a_high_horizon_hides_the_sun_and_cools_the_ground():
    lit = Bench("environment").run(2)
    dark = Bench("environment", environment={"horizon_elevation_deg": 3.0}).run(2)
    assert dark.last("world/sun", SUN).irradiance_w_m2 == 0.0
    warm, cold = (b.last("world/surface", SURFACE).surface_temperature_k for b in (lit, dark))
    assert 25.0 < cold < 70.0 < warm < 260.0


def test_cosmic_rays_vary_from_seed_to_seed():
    factors = [
        Bench("environment", seed=s).run(1).last("world/radiation", RADIATION).cosmic_ray_factor
        for s in range(1, 13)
    ]
    assert len(set(factors)) == 12 and 0.03 < np.std(factors) < 0.2


def test_the_column_shows_wet_soil_under_its_cover_in_the_patch_alone():
    patch = {"patch_x_min_m": 20.0, "patch_x_max_m": 20.0,
             "patch_y_min_m": 0.0, "patch_y_max_m": 0.0}  # fmt: skip
    bench = Bench("environment", "subsurface", subsurface=patch).run(3)
    columns = []
    for x_m in (20.0, 40.0):
        message = Odometry()
        message.pose.pose.position.x = x_m
        bench.bus.publish("world/vehicle/odometry", Qos.TELEMETRY, message)
        bench.run(2)
        columns.append(COLUMN.rows(bench.last("world/column")))
    wet, dry = columns
    assert not dry["water_wt_percent"].any()
    top = wet["depth_m"][wet["water_wt_percent"] > 0.0][0]
    # 15 g/cm2 of soil of 1.3 to 1.5 g/cm3
    assert 0.10 <= top <= 0.12 and wet["water_wt_percent"][-1] == 2.0
    assert np.all(np.diff(wet["density_kg_m3"]) > 0.0)
    assert 2.0 < wet["permittivity"][0] < wet["permittivity"][-1] < 3.6


def test_the_patch_is_drawn_all_over_its_rectangle():
    centres = np.array([
        (t.patch_x_m, t.patch_y_m)
        for t in (Bench("subsurface", seed=s).run(1).last("world/truth", TRUTH) for s in range(60))
    ])  # fmt: skip
    for values, low, high in zip(centres.T, (45.0, -15.0), (85.0, 15.0), strict=True):
        u = np.sort((values - low) / (high - low))
        assert 0.0 <= u[0] and u[-1] <= 1.0
        # Kolmogorov and Smirnov, 0.1 % level for 60 values
        assert np.abs(u - (np.arange(60) + 0.5) / 60).max() < 0.25


def test_an_empty_rectangle_is_said():
    bench = Bench("subsurface", subsurface={"patch_x_min_m": 90.0}).run(1)
    assert "the patch's rectangle is empty" in bench.log["events"][0][1].status[0].message


def rover_at(bench, x_m):
    message = Odometry()
    message.pose.pose.position.x = x_m
    bench.bus.publish("world/vehicle/odometry", Qos.TELEMETRY, message)


RELAYED = ("environment", "relay", "lander_power", "power")


def test_the_relay_forwards_the_rover_and_nothing_else():
    bench = Bench(*RELAYED).run(1)
    rover_at(bench, 100.0)
    bench.run(119)
    down = [m for _, m in bench.log["lander/relay/downlink"]]
    assert {s.hardware_id for m in down for s in m.status} == {"power"}
    stamps = [(from_stamp(m.header.stamp) - START) / 1e9 for m in down]
    assert stamps == [float(i) for i in range(len(stamps))] and len(stamps) > 100
    link = bench.last("lander/relay/link", LINK)
    assert link.range_m == 100.0 and link.earth_visible and link.forwarded_bytes > 1e4


def test_the_relay_stores_while_the_earth_is_down_and_loses_nothing():
    hidden = {"horizon_elevation_deg": 10.0}
    bench = Bench(*RELAYED, environment=hidden).run(1)
    rover_at(bench, 100.0)
    bench.run(300)
    assert not bench.log["lander/relay/downlink"]
    link = bench.last("lander/relay/link", LINK)
    assert link.queued_bytes > 3e4 and not link.earth_visible
    earth = EARTH.message(bench.bus.now, [(0.0, 5.0, 4e8, 1, 0.0)])
    bench.bus.publish("world/earth", Qos.STATE, earth)
    bench.run(50)
    first = bench.log["lander/relay/downlink"][0][1]
    assert (from_stamp(first.header.stamp) - START) / 1e9 == 0.0, "the oldest comes first"
    assert max(
        sum(1 for at, _ in bench.log["lander/relay/downlink"] if at == t)
        for t, _ in bench.log["lander/relay/downlink"]
    ) <= 10


def test_a_slow_link_forwards_as_much_as_it_can():
    slow = {"earth_rate_bit_s": 800.0}
    bench = Bench(*RELAYED, relay=slow).run(1)
    rover_at(bench, 100.0)
    bench.run(600)
    link = bench.last("lander/relay/link", LINK)
    assert 0.6 * 100.0 * 600 < link.forwarded_bytes <= 100.0 * 605
    assert link.queued_bytes > 0.0


def test_a_full_store_drops_the_oldest():
    small = {"store_bytes": 5000.0}
    bench = Bench(*RELAYED, environment={"horizon_elevation_deg": 10.0}, relay=small).run(1)
    rover_at(bench, 100.0)
    bench.run(300)
    assert bench.last("lander/relay/link", LINK).queued_bytes <= 5000.0
    assert bench.unit("relay").housekeeping()["dropped_bytes"] > 1e4


def test_beyond_the_horizon_nothing_is_heard():
    bench = Bench(*RELAYED).run(1)
    rover_at(bench, 6000.0)
    bench.run(60)
    assert not [m for t, m in bench.log["lander/relay/downlink"] if t > 10.0]
    assert math.isclose(bench.last("lander/relay/link", LINK).range_m, 6000.0)


def test_the_lander_conserves_energy_and_feeds_its_relay():
    bench = Bench(*RELAYED)
    unit = bench.unit("lander_power")
    before = unit.cells.stored_energy_j(unit.state_of_charge)
    bench.run(1800)
    row = bench.last("lander/lander_power/bus", BUS)
    stored = unit.cells.stored_energy_j(unit.state_of_charge) - before
    residual = row.array_energy_j - row.load_energy_j - row.loss_energy_j - stored
    assert abs(residual) < 1e-9 * row.load_energy_j
    bench.bus.request("lander_power", "channels/relay/switch", data=False)
    bench.run(15)
    assert view(bench.last("lander/lander_power/channels"))["relay"][0] == 0
    assert bench.bus.slots["relay"].state.value == "unpowered"


def test_terrain_of_a_file_carries_the_rover_and_hides_the_sun():
    path = DATA / "Shoemaker_final_adj_5mpp_surf_1k.tif"
    if not path.is_file():
        pytest.skip(f"the terrain file {path} is not there")
    file = {"terrain_geotiff": str(path)}
    bench = Bench("environment", "vehicle", environment=file, vehicle=file).run(5)
    assert bench.unit("environment").horizon.elevation_deg.max() > 1.0
    place = bench.last("world/vehicle/odometry").pose.pose.position
    assert abs(place.z) < 5.0, "heights count from the landing site"


def test_a_terrain_file_that_is_no_use_is_said(tmp_path):
    (tmp_path / "broken.tif").write_bytes(b"II*")
    bench = Bench("vehicle", vehicle={"terrain_geotiff": str(tmp_path / "broken.tif")}).run(1)
    assert "broken.tif" in bench.log["events"][0][1].status[0].message
