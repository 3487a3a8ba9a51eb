# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from sensor_msgs.msg import PointCloud2
from unit_bench import Bench

from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.records import view
from lupex_nodes.rover.records import BUS
from lupex_nodes.world.records import LOAD

UNITS = ("environment", "power", "imu", "neutron_spectrometer", "mobility")


def load(bench, unit, power_w):
    message: PointCloud2 = LOAD.message(bench.bus.now, [(power_w, power_w, 0.0)])
    bench.bus.publish(f"rover/{unit}/load", Qos.TELEMETRY, message, unit)


@pytest.mark.parametrize("base_load_w", [90.0, 2500.0])
def test_energy_is_conserved(base_load_w):
    bench = Bench(*UNITS, power={"base_load_w": base_load_w, "start_state_of_charge": 0.5})
    unit = bench.unit("power")
    before = unit._battery().stored_energy_j(unit.state_of_charge)
    bench.run(3000)
    stored = unit._battery().stored_energy_j(unit.state_of_charge) - before
    row = bench.last("rover/power/bus", BUS)
    residual = row.array_energy_j - row.load_energy_j - row.loss_energy_j - stored
    assert abs(residual) < 1e-9 * (abs(row.array_energy_j) + abs(row.load_energy_j))
    assert row.array_energy_j > 1e6 and row.load_energy_j > 1e5


def test_a_channel_feeds_its_unit_and_its_load_goes_with_it():
    bench = Bench(*UNITS).run(10)
    loaded = bench.last("rover/power/bus", BUS).load_w
    bench.bus.request("power", "channels/imu/switch", data=False)
    bench.run(5)
    assert view(bench.last("rover/power/channels"))["imu"][0] == 0
    assert bench.bus.slots["imu"].state.value == "unpowered"
    assert loaded - bench.last("rover/power/bus", BUS).load_w == pytest.approx(12.0, abs=0.01)
    bench.bus.request("power", "channels/imu/switch", data=True)
    bench.run(5)
    assert bench.bus.slots["imu"].state.value == "active"
    assert bench.last("rover/power/bus", BUS).load_w == pytest.approx(loaded, abs=0.01)


def test_an_overload_trips_its_channel_until_it_is_switched_on():
    bench = Bench(*UNITS).run(5)
    load(bench, "mobility", 900.0)
    bench.run(1)
    assert "CHANNEL_TRIPPED" not in bench.events(), "one second is within the trip time"
    for _ in range(3):
        load(bench, "mobility", 900.0)
        bench.run(1)
    assert bench.events().count("CHANNEL_TRIPPED") == 1
    assert bench.bus.slots["mobility"].state.value == "unpowered"
    bench.bus.request("power", "channels/mobility/switch", data=True)
    bench.run(5)
    assert bench.bus.slots["mobility"].state.value == "active"


def test_loads_are_shed_in_order_when_the_battery_is_low():
    bench = Bench(*UNITS, power={"start_state_of_charge": 0.19}).run(30)
    assert view(bench.last("rover/power/channels"))["neutron_spectrometer"][0] == 0
    assert view(bench.last("rover/power/channels"))["mobility"][0] == 1
    assert bench.unit("power").mode == "low"


def test_a_degraded_array_gives_less_and_is_restored():
    bench = Bench(*UNITS, power={"base_load_w": 1000.0}).run(400)
    full = bench.last("rover/power/bus", BUS).array_w
    bench.degrade("power", array_output_factor=0.25)
    bench.run(2)
    assert bench.last("rover/power/bus", BUS).array_w == pytest.approx(0.25 * full, rel=1e-3)
    bench.degrade("power")
    bench.run(2)
    assert bench.last("rover/power/bus", BUS).array_w == pytest.approx(full, rel=1e-3)
    assert 600.0 < full < 950.0


def test_an_unknown_channel_is_said():
    bench = Bench(*UNITS, power={"channels_off": ["radar"]}).run(1)
    assert bench.bus.slots["power"].state.value == "failed"
    sentences = [m.status[0].message for _, m in bench.log["events"]]
    assert any("there is no channel radar" in sentence for sentence in sentences)
