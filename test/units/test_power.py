# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from sensor_msgs.msg import PointCloud2
from unit_bench import Bench

from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.records import view
from lupex_nodes.rover.records import BUS, TEMPERATURES
from lupex_nodes.world.records import LOAD, SUN, VEHICLE

UNITS = ("environment", "power", "imu", "neutron_spectrometer", "mobility")
# Without an environment the tests are the Sun.
DARK_UNITS = ("power", "imu", "neutron_spectrometer", "mobility")


def load(bench, unit, power_w):
    message: PointCloud2 = LOAD.message(bench.bus.now, [(power_w, power_w, 0.0)])
    bench.bus.publish(f"rover/{unit}/load", Qos.TELEMETRY, message, unit)


def shine(bench, *, lower=1.0, middle=1.0, upper=1.0, whole_w_m2=1361.0):
    row = dict.fromkeys((field.name for field in SUN.fields), 0.0) | {
        "lit_fraction": middle, "irradiance_w_m2": whole_w_m2 * middle, "lit_lower": lower,
        "lit_upper": upper,
    }  # fmt: skip
    bench.bus.publish(
        "world/sun", Qos.STATE, SUN.message(bench.bus.now, [tuple(row.values())])
    )


def warm(bench, battery_k, box_k=283.0):
    row = TEMPERATURES.message(
        bench.bus.now, [(battery_k, box_k, 200.0, 200.0, 200.0, 0.0, 0, 0)]
    )
    bench.bus.publish("rover/thermal/nodes", Qos.TELEMETRY, row)


def charge(bench):
    return bench.last("rover/power/battery").percentage


@pytest.mark.parametrize("base_load_w", [90.0, 2500.0])
def test_energy_is_conserved(base_load_w):
    young = {"fade_per_cycle": 0.0, "fade_per_year": 0.0}
    loaded = {"base_load_w": base_load_w, "start_state_of_charge": 0.5}
    bench = Bench(*UNITS, power=young | loaded)
    balance = bench.unit("power").balance
    before = balance.battery.stored_energy_j(balance.state_of_charge)
    bench.run(3000)
    stored = balance.battery.stored_energy_j(balance.state_of_charge) - before
    row = bench.last("rover/power/bus", BUS)
    turned_over = row.array_energy_j + row.discharge_energy_j
    left = (
        row.array_energy_j - row.load_energy_j - row.converter_energy_j
        - row.resistive_energy_j - row.open_circuit_energy_j
    )  # fmt: skip
    assert abs(left) < 1e-9 * turned_over
    # what the current brought into the cells and did not leak away is stored in them
    assert stored == pytest.approx(
        row.open_circuit_energy_j - row.self_discharge_energy_j, rel=1e-6
    )
    assert row.array_energy_j > 1e6 and row.load_energy_j > 1e5


def test_powers_are_means_that_sum_up_to_the_energies():
    bench = Bench(*UNITS, power={"start_state_of_charge": 0.97}).run(20)
    load(bench, "mobility", 150.0)
    bench.run(4000)
    times = [time for time, _ in bench.log["rover/power/bus"]]
    rows = bench.rows("rover/power/bus", BUS)
    for power, energy in (("array_w", "array_energy_j"), ("converter_w", "converter_energy_j"),
                          ("open_circuit_w", "open_circuit_energy_j")):  # fmt: skip
        summed = sum(
            getattr(row, power) * (end - start)
            for row, start, end in zip(rows[1:], times, times[1:], strict=False)
        )
        assert summed == pytest.approx(getattr(rows[-1], energy), rel=1e-6), power


def test_a_channel_feeds_its_unit_and_its_load_goes_with_it():
    bench = Bench(*UNITS).run(130)
    loaded = bench.last("rover/power/bus", BUS).load_w
    bench.bus.request("power", "channels/imu/switch", data=False)
    bench.run(130)
    assert view(bench.last("rover/power/channels"))["imu"][0] == 0
    assert bench.bus.slots["imu"].state.value == "unpowered"
    assert loaded - bench.last("rover/power/bus", BUS).load_w == pytest.approx(12.0, abs=0.01)
    bench.bus.request("power", "channels/imu/switch", data=True)
    bench.run(130)
    assert bench.bus.slots["imu"].state.value == "active"
    assert bench.last("rover/power/bus", BUS).load_w == pytest.approx(loaded, abs=0.01)


def test_the_computer_draws_its_power_while_its_channel_is_on():
    bench = Bench("power", "executive").run(65)
    assert bench.last("rover/power/bus", BUS).load_w == pytest.approx(55.0)
    assert bench.last("rover/power/load", LOAD).power_w == pytest.approx(55.0)
    bench.bus.request("power", "channels/computer/switch", data=False)
    bench.run(130)
    assert bench.bus.slots["executive"].state.value == "unpowered"
    assert bench.last("rover/power/bus", BUS).load_w == pytest.approx(15.0)


def test_an_overload_trips_its_channel_until_it_is_switched_on():
    bench = Bench(*UNITS).run(5)
    load(bench, "mobility", 900.0)
    bench.run(2)
    assert "CHANNEL_TRIPPED" not in bench.events(), "one second is within the trip time"
    for _ in range(3):
        load(bench, "mobility", 900.0)
        bench.run(1)
    assert bench.events().count("CHANNEL_TRIPPED") == 1
    assert bench.bus.slots["mobility"].state.value == "unpowered"
    bench.bus.request("power", "channels/mobility/switch", data=True)
    bench.run(5)
    assert bench.bus.slots["mobility"].state.value == "active"


def test_every_limiter_has_the_limit_of_its_class():
    # 60 W are 2 A: within the class of the drive, above that of the gyros
    bench = Bench(*UNITS).run(5)
    for _ in range(5):
        load(bench, "mobility", 60.0)
        load(bench, "imu", 60.0)
        bench.run(1)
    on = view(bench.last("rover/power/channels"))[0]
    assert (on["mobility"], on["imu"]) == (1, 0)
    limits = {"channel_limits": ["imu=3"]}
    bench = Bench(*UNITS, power=limits).run(5)
    for _ in range(5):
        load(bench, "imu", 60.0)
        bench.run(1)
    assert view(bench.last("rover/power/channels"))["imu"][0] == 1


def test_a_limit_that_is_none_is_said():
    bench = Bench(*UNITS, power={"channel_limits": ["imu:3"]}).run(1)
    assert bench.bus.slots["power"].state.value == "failed"
    assert "CHANNEL=AMPERES" in bench.log["events"][0][1].status[0].message


def test_loads_are_shed_in_order_when_the_battery_is_low():
    bench = Bench(*UNITS, power={"start_state_of_charge": 0.14}).run(30)
    assert view(bench.last("rover/power/channels"))["neutron_spectrometer"][0] == 0
    assert view(bench.last("rover/power/channels"))["mobility"][0] == 1
    assert bench.unit("power").mode == "low"
    bench = Bench(*DARK_UNITS, power={"start_state_of_charge": 0.14}).run(200)
    shed = [m.status[0] for _, m in bench.log["events"] if "LOAD_SHED" in m.status[0].name]
    assert [status.values[0].value for status in shed] == ["neutron_spectrometer", "mobility"]


def test_a_degraded_array_gives_less_and_is_restored():
    bench = Bench(*UNITS, power={"base_load_w": 1000.0}).run(400)
    full = bench.last("rover/power/bus", BUS).array_w
    bench.degrade("power", array_output_factor=0.25)
    bench.run(130)
    assert bench.last("rover/power/bus", BUS).array_w == pytest.approx(0.25 * full, rel=1e-3)
    bench.degrade("power")
    bench.run(130)
    assert bench.last("rover/power/bus", BUS).array_w == pytest.approx(full, rel=1e-3)
    assert 650.0 < full < 950.0


def test_a_horizon_that_hides_the_lower_third_costs_a_third():
    bench = Bench(*DARK_UNITS).run(1)
    shine(bench)
    bench.run(1)
    whole = bench.last("rover/power/bus", BUS).array_limit_w
    shine(bench, lower=0.0)
    bench.run(1)
    assert bench.last("rover/power/bus", BUS).array_limit_w == pytest.approx(whole * 2 / 3)
    shine(bench, lower=0.0, middle=0.0, upper=0.5)
    bench.run(1)
    # half the light leaves the strip colder, so it gives a little more than half of a third
    assert 1 / 6 < bench.last("rover/power/bus", BUS).array_limit_w / whole < 0.19


def test_dust_takes_light_by_time_and_by_driving():
    bench = Bench("power", power={"dust_per_month": 1.0, "dust_per_km": 0.5}).run(1)
    shine(bench)
    bench.run(1)
    clean = bench.last("rover/power/bus", BUS).array_limit_w
    bench.run(7200)
    lost = 1.0 - bench.last("rover/power/bus", BUS).array_limit_w / clean
    assert lost == pytest.approx(7200.0 / (30.4375 * 86400.0) / 0.98, rel=0.05)
    driven = np.zeros(1, VEHICLE.dtype)
    driven["driven_m"] = 400.0
    message = VEHICLE.message(bench.bus.now, driven)
    bench.bus.publish("world/vehicle/state", Qos.TELEMETRY, message)
    bench.run(130)
    lost = 1.0 - bench.last("rover/power/bus", BUS).array_limit_w / clean
    assert lost == pytest.approx(0.2 / 0.98, rel=0.02)


def test_a_cold_battery_is_not_charged_until_it_is_warm():
    bench = Bench(*DARK_UNITS, power={"start_state_of_charge": 0.5}).run(1)
    shine(bench)
    for battery_k, charging in ((272.0, False), (274.0, True)):
        warm(bench, battery_k)
        bench.run(130)
        warm(bench, battery_k)
        bench.run(130)
        row = bench.last("rover/power/bus", BUS)
        assert (row.battery_w < -100.0) is charging
        assert (row.array_w < 0.5 * row.array_limit_w) is not charging
        assert bench.last("rover/power/battery").temperature == pytest.approx(battery_k - 273.15)


def test_an_empty_battery_in_the_dark_takes_the_bus_down():
    bench = Bench(*DARK_UNITS, power={"start_state_of_charge": 0.002}).run(3600)
    assert bench.events().count("BROWN_OUT") == 1
    row = bench.last("rover/power/bus", BUS)
    assert (row.alive, row.load_w, row.array_w) == (0, 0.0, 0.0)
    assert not any(view(bench.last("rover/power/channels"))[0].tolist())
    for unit in ("imu", "mobility", "neutron_spectrometer"):
        assert bench.bus.slots[unit].state.value == "unpowered"
    bench.bus.request("power", "channels/imu/switch", data=True)
    bench.run(5)
    assert bench.bus.slots["imu"].state.value == "unpowered"
    stage, success, why = bench.reports("power: channels/imu/switch")[-1]
    assert (stage, success) == ("start", False) and "the bus is dead" in why


def test_light_brings_a_dead_bus_back_but_channels_only_with_charge():
    bench = Bench(*DARK_UNITS, power={"start_state_of_charge": 0.002}).run(3600)
    shine(bench)
    bench.run(130)
    assert "BUS_BACK" in bench.events()
    assert bench.unit("power").mode == "recovering"
    bench.run(3600)
    assert bench.unit("power").mode == "low"
    bench.bus.request("power", "channels/imu/switch", data=True)
    bench.run(5)
    assert bench.bus.slots["imu"].state.value == "active"


@pytest.mark.parametrize(
    ("battery_k", "box_k", "event"),
    [(233.0, 240.0, "BATTERY_LOST"), (250.0, 233.0, "ELECTRONICS_LOST")],
)
def test_what_got_too_cold_is_lost_for_good(battery_k, box_k, event):
    bench = Bench(*DARK_UNITS).run(5)
    warm(bench, battery_k, box_k)
    bench.run(130)
    assert bench.events().count(event) == 1
    warm(bench, 283.0)
    shine(bench)
    bench.bus.request("power", "reset")
    bench.run(130)
    assert bench.unit("power").mode == "lost"
    assert bench.last("rover/power/bus", BUS).alive == 0


def test_a_reset_charges_nothing():
    bench = Bench("power", power={"start_state_of_charge": 0.5, "base_load_w": 90.0}).run(7200)
    before = charge(bench)
    assert before < 0.495
    bench.bus.request("power", "reset")
    bench.run(5)
    assert charge(bench) == pytest.approx(before, abs=1e-3)


def test_an_unknown_channel_is_said():
    bench = Bench(*UNITS, power={"channels_off": ["radar"]}).run(1)
    assert bench.bus.slots["power"].state.value == "failed"
    sentences = [m.status[0].message for _, m in bench.log["events"]]
    assert any("there is no channel radar" in sentence for sentence in sentences)


# --- what breaks -----------------------------------------------------------------------------


def test_a_stuck_array_loses_the_sun_as_the_rover_turns_and_finds_it_again():
    bench = Bench(*DARK_UNITS).run(1)
    shine(bench)
    bench.run(120)
    facing = bench.last("rover/power/bus", BUS).array_limit_w
    bench.degrade("power", array_drive_stuck=True)
    for yaw_rad in (0.0, np.pi / 3):
        turn_rover(bench, yaw_rad)
        bench.run(120)
    # the cosine of 60 deg; the cells, less heated, make up for some of it
    turned = bench.last("rover/power/bus", BUS).array_limit_w
    assert turned == pytest.approx(0.54 * facing, rel=0.08)
    bench.degrade("power")
    bench.run(180)
    assert bench.last("rover/power/bus", BUS).array_limit_w == pytest.approx(facing, rel=0.01)


def turn_rover(bench, yaw_rad):
    message = Odometry()
    message.pose.pose.orientation.z = float(np.sin(0.5 * yaw_rad))
    message.pose.pose.orientation.w = float(np.cos(0.5 * yaw_rad))
    bench.bus.publish("world/vehicle/odometry", Qos.TELEMETRY, message)


def test_resistive_cells_sag_under_load_and_turn_it_into_heat():
    loaded = {"base_load_w": 1500.0, "start_state_of_charge": 0.6}
    good = Bench(*DARK_UNITS, power=loaded).run(120)
    worn = Bench(*DARK_UNITS, power=loaded)
    worn.degrade("power", battery_resistance_factor=6.0)
    worn.run(120)
    volts = [b.last("rover/power/battery").voltage for b in (good, worn)]
    current_a = -good.last("rover/power/battery").current
    # eight in series, sixty-six in parallel, 45 mOhm each
    assert volts[0] - volts[1] == pytest.approx(5.0 * 0.045 * 8 / 66 * current_a, rel=0.1)
    heat_w = [b.last("rover/power/bus", BUS).resistive_w for b in (good, worn)]
    assert heat_w[1] == pytest.approx(6.0 * heat_w[0], rel=0.12)
    assert worn.unit("power").balance.residual_fraction() < 1e-9


def test_a_weak_cell_shows_in_its_voltage_and_in_what_the_pack_holds():
    bench = Bench(*DARK_UNITS, power={"start_state_of_charge": 0.5}).run(70)
    before = bench.last("rover/power/battery")
    bench.degrade("power", weak_cell_lack=0.2)
    bench.run(130)
    after = bench.last("rover/power/battery")
    assert max(before.cell_voltage) - min(before.cell_voltage) < 1e-6
    # Chen and Rincon-Mora: 3.803 V half full, 3.748 V at three tenths
    assert max(after.cell_voltage) - min(after.cell_voltage) == pytest.approx(0.055, abs=0.005)
    assert sum(after.cell_voltage) == pytest.approx(after.voltage, abs=1e-4)
    assert after.capacity == pytest.approx(0.8 * before.capacity, rel=0.001)


def test_a_worn_regulator_turns_light_into_heat_and_the_books_still_close():
    bench = Bench(*DARK_UNITS, power={"start_state_of_charge": 0.3}).run(1)
    bench.degrade("power", regulator_efficiency_factor=0.7)
    shine(bench)
    bench.run(300)
    row = bench.last("rover/power/bus", BUS)
    assert row.converter_w == pytest.approx((1.0 - 0.7 * 0.92) * row.array_w, rel=0.05)
    assert bench.unit("power").balance.residual_fraction() < 1e-9
    bench.degrade("power")
    bench.run(130)
    row = bench.last("rover/power/bus", BUS)
    assert row.converter_w == pytest.approx(0.08 * row.array_w, rel=0.05)


def test_a_leak_to_the_structure_is_a_load_without_a_channel():
    bench = Bench(*DARK_UNITS).run(120)
    before_w = bench.last("rover/power/bus", BUS).load_w
    bench.degrade("power", bus_leak_w=60.0)
    bench.run(130)
    assert bench.last("rover/power/bus", BUS).load_w == pytest.approx(before_w + 60.0)
    assert bench.last("rover/power/load", LOAD).power_w == pytest.approx(15.0)


def test_a_short_trips_its_channel_each_time_it_is_switched_on():
    bench = Bench(*UNITS).run(5)
    bench.degrade("power", shorted_channel="imu", short_w=120.0)
    bench.run(70)
    assert bench.events().count("CHANNEL_TRIPPED") == 1
    bench.bus.request("power", "channels/imu/switch", data=True)
    bench.run(10)
    assert bench.events().count("CHANNEL_TRIPPED") == 2
    bench.degrade("power")
    bench.bus.request("power", "channels/imu/switch", data=True)
    bench.run(70)
    assert bench.bus.slots["imu"].state.value == "active"


def test_a_switch_that_no_longer_closes_leaves_its_unit_dark():
    bench = Bench(*UNITS).run(5)
    bench.degrade("power", open_channel="imu")
    bench.run(70)
    assert bench.bus.slots["imu"].state.value == "unpowered"
    bench.bus.request("power", "channels/imu/switch", data=True)
    bench.run(70)
    assert bench.bus.slots["imu"].state.value == "unpowered"
    bench.degrade("power")
    bench.bus.request("power", "channels/imu/switch", data=True)
    bench.run(5)
    assert bench.bus.slots["imu"].state.value == "active"
