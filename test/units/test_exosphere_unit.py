# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from unit_bench import Bench

from lupex_nodes.bus.ports import Qos
from lupex_nodes.models.volatiles import vapour_pressure_pa
from lupex_nodes.world.records import COLUMN, GAS, SUN, SURFACE

NAME, TOPIC = "exosphere", "world/gas"


def sun(bench, lit=0.0, azimuth_deg=180.0):
    row = (azimuth_deg, 0.5, lit, 1361.0 * lit, lit, lit, lit, 0.0, 0.0)
    bench.bus.publish("world/sun", Qos.STATE, SUN.message(bench.bus.now, [row]))


def ground(bench, kelvin=100.0):
    row = (kelvin, 50.0, 80.0)
    bench.bus.publish("world/surface", Qos.STATE, SURFACE.message(bench.bus.now, [row]))


def stand_at(bench, x_m):
    message = Odometry()
    message.pose.pose.position.x = x_m
    bench.bus.publish("world/vehicle/odometry", Qos.TELEMETRY, message)


def alone(seed=1, **parameters):
    bench = Bench(NAME, seed=seed, exosphere=parameters)
    bench.run(1)
    sun(bench)
    ground(bench)
    stand_at(bench, 50.0)
    return bench.run(61)


def gas(bench, index=-1):
    return GAS.row(bench.log[TOPIC][index][1])


def test_gas_is_told_once_a_minute_and_not_before_there_is_a_sky():
    bench = Bench(NAME).run(30)
    assert not bench.log[TOPIC]
    sun(bench)
    ground(bench)
    bench.run(600)
    times = [t for t, _ in bench.log[TOPIC]]
    assert 10 <= len(times) <= 12 and np.allclose(np.diff(times)[1:], 60.0)


def test_the_total_is_the_sum_and_near_the_lander_there_is_more_of_it():
    bench = alone()
    here = gas(bench)
    assert here.total_pa == pytest.approx(sum(here[:-2]), rel=1e-5)
    assert here.native_water_share < 1e-3
    stand_at(bench, 5.0)
    bench.run(60)
    assert gas(bench).h2o_pa > 3.0 * here.h2o_pa
    stand_at(bench, 500.0)
    bench.run(60)
    assert gas(bench).h2o_pa < here.h2o_pa
    assert gas(bench).ar_pa == pytest.approx(here.ar_pa), "argon is the Moon's"


def test_outgassing_decays_between_the_inverse_and_its_power_of_one_and_a_half():
    early = gas(alone(touchdown_before_start_h=24.0)).h2o_pa
    late = gas(alone(touchdown_before_start_h=240.0)).h2o_pa
    assert 10.0**-1.5 < late / early < 10.0**-1.0 * 1.01


def test_light_drives_off_what_was_adsorbed_in_the_dark_and_only_once():
    bench = alone()
    dark = gas(bench).h2o_pa
    sun(bench, lit=1.0)
    bench.run(60)
    surge = gas(bench).h2o_pa / dark
    bench.run(8 * 3600)
    later = gas(bench).h2o_pa / dark
    assert 1.5 < surge < 3.1 and later < 1.0


def test_ice_at_the_surface_gives_its_vapour_and_a_dry_cover_holds_it_back():
    bench = alone()
    rows = np.zeros(3, COLUMN.dtype)
    rows["depth_m"], rows["temperature_k"] = (0.0, 0.1, 0.2), 140.0
    rows["density_kg_m3"], rows["permittivity"] = 1300.0, 2.0
    before = gas(bench).h2o_pa
    rows["ice_wt_percent"] = (5.0, 5.0, 5.0)
    bench.bus.publish("world/column", Qos.STATE, COLUMN.message(bench.bus.now, rows))
    bench.run(61)
    bare = gas(bench)
    assert bare.h2o_pa - before == pytest.approx(0.5 * float(vapour_pressure_pa(140.0)), rel=0.02)
    assert bare.native_water_share > 0.7
    rows["ice_wt_percent"] = (0.0, 5.0, 5.0)
    bench.bus.publish("world/column", Qos.STATE, COLUMN.message(bench.bus.now, rows))
    bench.run(61)
    covered = gas(bench).h2o_pa - before
    assert 3e-4 < covered / (bare.h2o_pa - before) < 3e-3


def test_bursts_of_water_are_the_same_over_a_reset():
    bench = alone(water_bursts_per_day=24.0, water_burst_cm3=1e8)
    before, told = gas(bench).h2o_pa, len(bench.log[TOPIC])
    assert gas(bench).native_water_share > 0.0
    bench.bus.request(NAME, "reset")
    bench.run(2)
    stand_at(bench, 50.0)
    bench.run(61)
    assert len(bench.log[TOPIC]) > told
    assert gas(bench).h2o_pa == pytest.approx(before, rel=1e-3)
    quiet = alone(water_bursts_per_day=0.0)
    assert gas(quiet).h2o_pa < before


def test_other_seeds_have_other_rovers():
    assert gas(alone(seed=1)).h2o_pa != gas(alone(seed=2)).h2o_pa
