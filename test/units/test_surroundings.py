# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from unit_bench import START, Bench, Log

from lupex_nodes.bus.memory import MemoryBus
from lupex_nodes.bus.parameters import Refused, build
from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.records import view
from lupex_nodes.bus.stamps import from_stamp, seconds
from lupex_nodes.lander.records import LINK
from lupex_nodes.models.neutron import epithermal_ratio
from lupex_nodes.models.regolith import density_hayne_kg_m3
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.terrain import Terrain
from lupex_nodes.models.volatiles import VOLATILES, sublimation_kg_m2_s
from lupex_nodes.rover.records import BUS
from lupex_nodes.system import load_system
from lupex_nodes.world.records import (
    COLUMN,
    EARTH,
    GROUND,
    LEAKAGE,
    OPTICAL_SURFACE,
    RADIATION,
    ROCKS,
    SUN,
    SURFACE,
    TRUTH,
)
from lupex_nodes.world.subsurface_parameters import SubsurfaceParameters

#: ground without relief
LEVEL = {"terrain_relief_scale": 0.0, "terrain_size_m": 200.0, "terrain_seed": 1}
#: where the Earth never rises
FAR_SIDE = {"latitude_deg": 0.0, "longitude_deg": 180.0}
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


def test_the_far_side_has_midnight_at_full_moon():
    """The Moon was full on 2028-10-03: 95 to 105 K at the equator in the middle of the night."""
    bench = Bench("environment", environment={**LEVEL, **FAR_SIDE}).run(2)
    sun, earth = bench.last("world/sun", SUN), bench.last("world/earth", EARTH)
    assert sun.elevation_deg < -70.0 and sun.irradiance_w_m2 == 0.0 == sun.lit_upper
    assert earth.elevation_deg < -80.0 and not earth.visible
    assert 90.0 < bench.last("world/surface", SURFACE).surface_temperature_k < 110.0


def test_the_sky_is_that_of_the_rovers_place_and_height():
    """Beside a wall: dark at its foot, lit above; the lander's sky stays the lander's."""
    bench = Bench("environment", environment=LEVEL).run(1)
    open_sky = bench.last("world/sun", SUN)
    assert open_sky.lit_ground == open_sky.lit_fraction == 1.0
    unit = bench.unit("environment")
    # the wall's top stands at the height of the middle of the array, 40 m toward the Sun
    unit._views.clear()
    unit.site = walled(unit.site, 40.0, 2.0 + 40.0 * math.tan(math.radians(1.2)))
    rover_at(bench, 1.0, 3.0)
    bench.run(2)
    sun = bench.last("world/sun", SUN)
    assert sun.lit_ground == 0.0 == sun.lit_lower
    assert 0.05 < sun.lit_fraction < 0.95 and sun.lit_upper == 1.0
    assert sun.horizon_deg == pytest.approx(sun.elevation_deg, abs=0.27)
    assert sun.lander_irradiance_w_m2 == open_sky.lander_irradiance_w_m2 > 1300.0


def test_the_sky_is_looked_at_when_the_rover_moves_and_once_a_minute_when_not():
    bench = Bench("environment", environment=LEVEL)
    rover_at(bench, 0.0)
    bench.run(600)
    parked = len(bench.log["world/sun"])
    assert 10 <= parked <= 12
    for i in range(100):
        rover_at(bench, 0.1 * i, speed_m_s=0.1)
        bench.run(1)
    assert 9 <= len(bench.log["world/sun"]) - parked <= 13
    looks = len(bench.log["world/ground_temperature"])
    rover_at(bench, 10.0)
    bench.run(2)
    assert len(bench.log["world/ground_temperature"]) == looks + 1, "made anew where it stops"


def test_ground_follows_the_light():
    """Ground carried on by the minute for days is as ground made from its history at their end."""
    log = Log()
    system = load_system().subset(("environment",))
    bus = MemoryBus(
        system, {"environment": LEVEL}, seed=3, start=START, housekeeping_period_s=3600.0,
        observers=[log],
    )  # fmt: skip
    bus.activate()
    bus.run(START + seconds(4 * 86400))
    carried = SURFACE.row(log["world/surface"][-1][1]).surface_temperature_k
    kelvin = [SURFACE.row(m).surface_temperature_k for _, m in log["world/surface"]]
    assert 90.0 < min(kelvin) and 120.0 < max(kelvin) < 200.0
    late = MemoryBus(
        system, {"environment": LEVEL}, seed=3, start=START + seconds(4 * 86400), observers=[log]
    )
    late.activate()
    late.run(late.now)
    anew = SURFACE.row(log["world/surface"][-1][1]).surface_temperature_k
    assert carried == pytest.approx(anew, abs=1.0)


def test_radiators_face_a_cold_sky_and_sides_half_the_ground():
    row = Bench("environment", environment=LEVEL).run(1).last("world/surface", SURFACE)
    assert row.sky_temperature_k < 10.0
    assert row.terrain_temperature_k == pytest.approx(row.surface_temperature_k * 0.5**0.25, abs=2)


def test_cosmic_rays_vary_from_seed_to_seed():
    factors = [
        Bench("environment", seed=s, environment=LEVEL)
        .run(1)
        .last("world/radiation", RADIATION)
        .cosmic_ray_factor
        for s in range(1, 13)
    ]
    assert len(set(factors)) == 12 and 0.03 < np.std(factors) < 0.2


def test_the_column_shows_wet_soil_under_its_cover_in_the_patch_alone():
    patch = {"patch_x_min_m": 20.0, "patch_x_max_m": 20.0,
             "patch_y_min_m": 0.0, "patch_y_max_m": 0.0, "layer_count": 0}  # fmt: skip
    bench = Bench("environment", "subsurface", environment=LEVEL, subsurface=patch).run(3)
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
    assert np.all(np.diff(dry["density_kg_m3"]) >= 0.0)
    assert 2.0 < wet["permittivity"][0] < wet["permittivity"][-1] < 3.6
    # level ground at the pole is warmed to 110 to 115 K in the mean: only its depth keeps ice
    ground = GROUND.rows(bench.last("world/ground_temperature"))
    pores = 1.0 - wet["density_kg_m3"] / 3100.0
    path_m = 4.0 / 3.0 * pores / (1.0 - pores) * 80e-6
    loss = np.interp(wet["depth_m"], ground["depth_m"], ground["h2o_loss_kg_m2_s"])
    metres = loss / 920.0 * path_m / (path_m + wet["depth_m"]) * 1e9 * 365.25 * 86400.0
    assert np.all(wet["ice_wt_percent"][metres > 1.5] == 0.0)
    assert np.all(wet["ice_wt_percent"] <= wet["water_wt_percent"])
    frozen = wet["ice_wt_percent"] > 0.0
    assert frozen.any() and not frozen.all(), "level ground keeps ice under a cover alone"


def buried(seed=1, **parameters):
    """A bench with cold ground in the Sun, and what is buried in it."""
    values = {"patch_present": False, "layer_count": 0, "rocks_per_m3": 0.0, **parameters}
    bench = Bench("subsurface", seed=seed, subsurface=values).run(1)
    bench.bus.publish("world/ground_temperature", Qos.STATE, ground_of(60.0, 0.5))
    return bench


def column_at(bench, x_m):
    rover_at(bench, x_m)
    bench.run(2)
    return COLUMN.rows(bench.last("world/column"))


def test_deposits_lie_where_the_scenario_says_and_the_first_rules():
    bench = buried(
        deposit_x_m=[20.0, 26.0], deposit_y_m=[0.0, 0.0], deposit_radius_m=[5.0, 5.0],
        deposit_content_wt_percent=[1.0, 4.0], deposit_cover_g_cm2=[15.0, 60.0],
    )  # fmt: skip
    deepest = [column_at(bench, x_m)["water_wt_percent"][-1] for x_m in (14.0, 16.0, 23.0, 29.0)]
    assert deepest == [0.0, 1.0, 1.0, 4.0]
    truth = TRUTH.rows(bench.last("world/truth"))
    assert truth["patch_present"].tolist() == [0, 1, 1]
    assert truth["cover_g_cm2"].tolist() == [15.0, 15.0, 60.0]
    known = bench.unit("subsurface").constants
    middle = column_at(bench, 20.0), LEAKAGE.rows(bench.last("world/neutron_leakage"))
    near = middle[1]["radius_m"] < 1.0
    exact = float(epithermal_ratio(1.0, 15.0, known.k_e, known.lambda_e_g_cm2))
    assert middle[1]["epithermal_ratio"][near] == pytest.approx(exact, abs=1e-6)


def test_a_dense_disc_is_a_step_that_neutrons_do_not_see():
    bench = buried(dense_x_m=[20.0], dense_y_m=[0.0], dense_radius_m=[5.0],
                   dense_depth_m=[0.62], dense_extra_kg_m3=[100.0])  # fmt: skip
    rows = column_at(bench, 20.0)
    twice = rows["depth_m"] == np.float32(0.62)
    above, below = rows["density_kg_m3"][twice]
    assert below - above == pytest.approx(100.0, abs=0.1) and not rows["water_wt_percent"].any()
    # the published reflection of a step from 1.7 to 1.8 g/cm3, about -36 dB
    upper, lower = np.sqrt(rows["permittivity"][twice])
    assert 20.0 * np.log10((lower - upper) / (lower + upper)) == pytest.approx(-36.0, abs=0.5)
    assert np.all(LEAKAGE.rows(bench.last("world/neutron_leakage"))["epithermal_ratio"] == 1.0)
    assert not np.any(np.diff(column_at(bench, 30.0)["depth_m"]) == 0.0)


def test_layers_undulate_and_are_the_same_after_a_reset():
    bench = buried(layer_count=3)
    depths = []
    for x_m in (0.0, 1.0, 2.0, 0.0):
        depth = column_at(bench, x_m)["depth_m"]
        depths.append(depth[1:][np.diff(depth) == 0.0])
    assert [each.size for each in depths] == [3, 3, 3, 3]
    assert 0.0 < np.abs(depths[0] - depths[1]).max() < 0.1
    assert np.array_equal(depths[0], depths[3])


def test_rocks_and_boulders_are_told_near_the_rover():
    bench = buried(rocks_per_m3=2.0, boulder_x_m=[1.0], boulder_y_m=[0.5], boulder_depth_m=[0.4],
                   boulder_diameter_m=[0.3])  # fmt: skip
    column_at(bench, 0.0)
    rows = ROCKS.rows(bench.last("world/rocks"))
    assert np.float32(0.3) in rows["diameter_m"] and rows.size > 20
    assert np.all(np.hypot(rows["x_m"], rows["y_m"]) <= 3.0)
    alone = buried()
    column_at(alone, 0.0)
    assert ROCKS.rows(alone.last("world/rocks"))["diameter_m"].tolist() == [0.0]


def test_light_meets_the_ice_of_the_top_row_and_grains_of_the_run():
    values = {"deposit_x_m": [20.0], "deposit_y_m": [0.0], "deposit_radius_m": [5.0],
              "deposit_content_wt_percent": [4.0], "deposit_cover_g_cm2": [0.0]}  # fmt: skip
    grains = set()
    for seed in range(3):
        bench = buried(seed=seed, **values)
        row = column_at(bench, 20.0)[0]
        told = bench.last("world/optical_surface", OPTICAL_SURFACE)
        assert 0.0 < told.ice_wt_percent == row["ice_wt_percent"] <= 4.0
        assert told.temperature_k == row["temperature_k"] and 10.0 <= told.ice_grain_um <= 300.0
        column_at(bench, 40.0)
        away = bench.last("world/optical_surface", OPTICAL_SURFACE)
        assert away.ice_wt_percent == 0.0 and away.ice_grain_um == told.ice_grain_um
        grains.add(told.ice_grain_um)
    assert len(grains) == 3


def test_lists_of_unlike_length_are_said():
    with pytest.raises(Refused, match="deposit_cover_g_cm2 are of different lengths: give a value"):
        build(SubsurfaceParameters, {"deposit_x_m": [1.0]})


def test_permanent_shadow_holds_ice_under_its_cover_and_gases_where_they_last():
    """A ground that the environment would say of a crater's floor, told from outside."""
    always = {"patch_present": False, "psr_share": 0.999}
    bench = Bench("subsurface", subsurface=always).run(1)
    ice = {}
    for kelvin, lit_share in ((45.0, 0.0), (85.0, 0.0), (150.0, 0.0), (45.0, 0.3)):
        bench.bus.publish("world/ground_temperature", Qos.STATE, ground_of(kelvin, lit_share))
        rover_at(bench, 5.0)
        bench.run(2)
        ice[kelvin, lit_share] = COLUMN.rows(bench.last("world/column"))[10]
    cold, cool, warm, lit = ice.values()
    weh = 9.0 * (2.0 / 18.0 + 0.3169 * 2.0 / 34.1 + 0.0570 * 3.0 / 17.0 + 0.0276 * 4.0 / 32.0)
    assert cold["ice_wt_percent"] == pytest.approx(5.0 / weh, rel=0.02)
    assert cold["h2s_wt_percent"] == pytest.approx(0.3169 * cold["ice_wt_percent"], rel=0.001)
    assert min(cold[f"{name}_wt_percent"] for name in ("nh3", "so2", "co2", "ch3oh")) > 0.0
    assert cool["ice_wt_percent"] > 4.5 and cool["ch3oh_wt_percent"] > 0.0
    assert cool["co2_wt_percent"] == cool["h2s_wt_percent"] == 0.0
    assert warm["ice_wt_percent"] == 0.0 and warm["water_wt_percent"] == 5.0
    assert lit["water_wt_percent"] == lit["ice_wt_percent"] == 0.0


def test_ice_in_shadow_is_seen_by_neutrons_as_patches():
    share = {"patch_present": False, "psr_share": 0.4}
    bench = Bench("subsurface", subsurface=share).run(1)
    bench.bus.publish("world/ground_temperature", Qos.STATE, ground_of(60.0, 0.0))
    found = []
    for i in range(100):
        rover_at(bench, 17.0 * i)
        bench.run(1)
        found.append(LEAKAGE.rows(bench.last("world/neutron_leakage"))["epithermal_ratio"].mean())
    found = np.array(found)
    wet = bench.unit("subsurface")._shadow_ratios[0]
    assert wet - 1e-6 <= found.min() < wet + 0.1 and found.max() > 0.95
    assert 0.2 < np.mean(found < 0.5 * (1.0 + wet)) < 0.6


def ground_of(kelvin, lit_share):
    depth = np.linspace(0.0, 2.6, 40)
    rows = np.zeros(depth.size, GROUND.dtype)
    rows["depth_m"], rows["density_kg_m3"] = depth, density_hayne_kg_m3(depth)
    rows["temperature_k"] = rows["mean_k"] = rows["warmest_k"] = kelvin
    rows["lit_share"] = lit_share
    for name in VOLATILES:
        rows[f"{name}_loss_kg_m2_s"] = sublimation_kg_m2_s(kelvin, name)
    return GROUND.message(START, rows)


def walled(site, distance_m, height_m):
    """A level site with a wall all round from a distance on, 10 m thick."""
    level = site.levels[0]
    rows, columns = level.heights_m.shape
    x = level.x0_m + level.pixel_m * np.arange(columns)
    y = level.y0_m + level.pixel_m * np.arange(rows)[:, None]
    far = np.hypot(x, y)
    heights = np.where((far >= distance_m) & (far < distance_m + 10.0), height_m, 0.0)
    wall = Terrain(heights, level.pixel_m, level.x0_m, level.y0_m)
    return SiteTerrain((wall, *site.levels[1:]))


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


def rover_at(bench, x_m, y_m=0.0, speed_m_s=0.0):
    message = Odometry()
    message.pose.pose.position.x, message.pose.pose.position.y = x_m, y_m
    message.twist.twist.linear.x = speed_m_s
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
    bench = Bench(*RELAYED, environment=FAR_SIDE).run(1)
    rover_at(bench, 100.0)
    bench.run(305)
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
    bench = Bench(*RELAYED, environment=FAR_SIDE, relay=small).run(1)
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
    bench.run(1800)
    row = bench.last("lander/lander_power/bus", BUS)
    lost = row.converter_energy_j + row.resistive_energy_j
    residual = row.array_energy_j - row.load_energy_j - lost - row.open_circuit_energy_j
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
    assert bench.unit("environment").lander_horizon.elevation_deg.max() > 1.0
    place = bench.last("world/vehicle/odometry").pose.pose.position
    assert abs(place.z) < 5.0, "heights count from the landing site"


def test_a_terrain_file_that_is_no_use_is_said(tmp_path):
    (tmp_path / "broken.tif").write_bytes(b"II*")
    bench = Bench("vehicle", vehicle={"terrain_geotiff": str(tmp_path / "broken.tif")}).run(1)
    assert "broken.tif" in bench.log["events"][0][1].status[0].message


def test_a_solar_particle_event_rises_at_once_and_fades():
    event = {"solar_event_after_h": 1.0, "solar_event_h": 2.0, "solar_event_factor": 10.0}
    bench = Bench("environment", environment={**LEVEL, **event}).run(4 * 3600)
    told = [
        (time / 3600.0, RADIATION.row(message).solar_particle_factor)
        for time, message in bench.log["world/radiation"]
    ]
    assert told[0][1] == 1.0
    assert max(factor for _, factor in told) == pytest.approx(10.0, rel=0.02)
    at_3h = next(factor for hours, factor in told if hours >= 3.0)
    assert at_3h == pytest.approx(1.0 + 9.0 / np.e, rel=0.02)
