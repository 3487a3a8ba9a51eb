# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from thermal_bench import HOUR, StandingRover

from lupex_nodes.bus.ports import Qos
from lupex_nodes.rover.records import TEMPERATURES
from lupex_nodes.world.records import LOAD


def test_sleep_switches_off_all_channels_after_a_grace_and_stays_warm():
    rover = StandingRover().run(120)
    before = rover.channels
    assert before == {"imu", "mobility", "neutron_spectrometer", "computer"}
    rover.sleep()
    rover.run(8)
    assert rover.channels == before, "the grace is not over"
    assert rover.reports("thermal: set_mode")[-1][:2] == ("completion", True)
    rover.run(120)
    assert rover.channels == set()
    assert rover.bus.slots["executive"].state.value == "unpowered"
    rover.run(14 * HOUR)
    assert rover.warmth.hibernating == 1
    assert rover.warmth.battery_k > 278.15
    assert rover.warmth.box_k == pytest.approx(263.15, abs=0.5)
    # all that is taken becomes heat and leaves through blankets, mounts, harness and pipe
    assert rover.power.load_w == pytest.approx(63.0, abs=3.0)
    assert rover.power.load_w == pytest.approx(15.0 + rover.warmth.heater_w, abs=0.1)


def test_light_wakes_the_rover_warm_first_then_all_that_was_on():
    rover = StandingRover(power={"channels_off": ["neutron_spectrometer"]}).run(120)
    rover.sleep()
    rover.run(16 * HOUR)
    asleep = rover.warmth
    assert asleep.motors_k < 160.0
    rover.sky(1.0, 190.0)
    rover.run(8 * 60)
    assert not rover.when("WAKING"), "ten minutes of light are needed"
    rover.run(12 * HOUR)
    assert rover.channels == {"imu", "mobility", "computer"}
    assert [len(rover.when(e)) for e in ("HIBERNATING", "WAKING", "WOKEN")] == [1, 1, 1]
    woken = rover.when("WOKEN")[0]
    at_waking = [
        row
        for (time, _), row in zip(
            rover.log["rover/thermal/temperatures"],
            rover.rows("rover/thermal/temperatures", TEMPERATURES), strict=True,
        )
        if time / HOUR >= woken
    ][0]  # fmt: skip
    assert at_waking.battery_k >= 278.15 and at_waking.box_k >= 268.15
    assert at_waking.motors_k >= 217.6 and at_waking.mast_k >= 242.6
    assert rover.bus.slots["executive"].state.value == "active"


def test_hibernation_by_command_in_the_light_lasts_through_the_light_and_the_dark():
    rover = StandingRover(lit=1.0, terrain_k=190.0).run(120)
    rover.sleep()
    rover.run(3 * HOUR)
    assert not rover.when("WAKING"), "the light that was there does not wake"
    rover.sky(0.0, 120.0)
    rover.run(2 * HOUR)
    rover.sky(1.0, 190.0)
    rover.run(0.5 * HOUR)
    assert rover.when("WAKING")


def test_a_timer_wakes_in_the_dark_if_there_is_charge():
    rover = StandingRover().run(120)
    rover.sleep(wake_after_s=2 * HOUR)
    rover.run(8 * HOUR)
    assert rover.when("WAKING")[0] == pytest.approx(2.03, abs=0.05)
    assert len(rover.when("WOKEN")) == 1 and len(rover.channels) == 4
    rover = StandingRover(power={"start_state_of_charge": 0.2}).run(120)
    rover.sleep(wake_after_s=2 * HOUR)
    rover.run(4 * HOUR)
    assert not rover.when("WAKING"), "too little charge to live in the dark"


def test_the_ground_wakes_it_and_calls_the_sleep_off():
    rover = StandingRover().run(120)
    rover.sleep()
    rover.run(4)
    rover.bus.request("thermal", "set_mode", mode="operate")
    rover.run(120)
    assert len(rover.channels) == 4
    rover.sleep()
    rover.run(HOUR)
    rover.bus.request("thermal", "set_mode", mode="operate")
    rover.run(3 * HOUR)
    assert len(rover.when("WOKEN")) == 1


def test_little_charge_sends_the_rover_to_sleep_and_shed_loads_come_back():
    rover = StandingRover(
        power={"start_state_of_charge": 0.18}, thermal={"wake_state_of_charge": 0.16}
    ).run(5 * HOUR)
    assert len(rover.when("LOAD_SHED")) == 2
    rover.run(10 * HOUR)
    assert len(rover.when("HIBERNATING")) == 1 and not rover.channels
    assert rover.charge < 0.10
    rover.sky(1.0, 190.0)
    rover.run(16 * HOUR)
    assert len(rover.when("WOKEN")) == 1
    assert rover.channels == {"imu", "mobility", "neutron_spectrometer", "computer"}


def test_the_heat_pipe_opens_when_the_box_is_hot_and_never_in_sleep():
    rover = StandingRover(lit=1.0, terrain_k=250.0, thermal={"start_box_k": 295.0}).run(120)
    assert rover.warmth.heat_pipe_on == 1
    rover.run(3 * HOUR)
    assert rover.warmth.box_k < 294.0
    assert rover.warmth.radiator_k > 200.0
    rover.sleep()
    rover.run(HOUR)
    assert rover.warmth.heat_pipe_on == 0


def test_a_heat_pipe_stuck_open_empties_the_battery_through_the_night():
    good, stuck = StandingRover(), StandingRover()
    stuck.degrade("thermal", heat_pipe_stuck="open")
    for rover in (good, stuck):
        rover.sleep()
        rover.run(12 * HOUR)
    # the box cannot be held: its heater is at its end and the box falls all the same
    assert stuck.warmth.box_k < 250.0 < good.warmth.box_k
    assert stuck.power.load_w > 120.0 > good.power.load_w
    assert stuck.charge < good.charge - 0.05


def test_without_its_heater_the_box_falls_and_the_battery_holds():
    rover = StandingRover()
    rover.degrade("thermal", box_heater_factor=0.0)
    rover.sleep()
    rover.run(22 * HOUR)
    assert rover.warmth.box_k < 233.15
    assert rover.when("ELECTRONICS_LOST")


def test_without_its_heater_the_battery_may_not_be_charged_when_it_froze():
    cold = {"start_battery_k": 270.0, "start_box_k": 255.0}
    rover = StandingRover(thermal=cold, power={"start_state_of_charge": 0.5})
    rover.degrade("thermal", battery_heater_factor=0.0)
    rover.sleep()
    rover.run(20 * HOUR)
    assert rover.warmth.battery_k < 273.15
    rover.sky(1.0, 190.0)
    rover.run(2 * HOUR)
    assert rover.power.array_limit_w > 700.0 and rover.power.battery_w > -1.0
    assert rover.warmth.battery_k < 273.15 and not rover.when("WOKEN")


def test_a_reset_keeps_temperatures_and_sleep():
    rover = StandingRover()
    rover.sleep()
    rover.run(10 * HOUR)
    before = rover.warmth
    rover.bus.request("thermal", "reset")
    rover.run(120)
    assert rover.warmth.hibernating == 1
    assert rover.warmth.box_k == pytest.approx(before.box_k, abs=0.3)


def test_the_drive_warms_its_motors_not_the_box():
    rover = StandingRover(units=("power", "thermal", "mobility"), lit=1.0, terrain_k=200.0)
    rover.run(HOUR)
    box_k, motors_k = rover.warmth.box_k, rover.warmth.motors_k
    for _ in range(30):
        message = LOAD.message(rover.bus.now, [(130.0, 130.0, 0.0)])
        rover.bus.publish("rover/mobility/load", Qos.TELEMETRY, message, "mobility")
        rover.run(60)
    # 130 W for half an hour into 8 kJ/K, less what motors that warm up let go
    assert rover.warmth.motors_k - motors_k == pytest.approx(26.0, abs=4.0)
    assert rover.warmth.box_k == pytest.approx(box_k, abs=2.0)


def test_a_heater_that_no_thermostat_switches_off_costs_its_power():
    rover = StandingRover()
    rover.degrade("thermal", heater_stuck_on="battery")
    rover.run(HOUR)
    assert rover.warmth.heater_w >= 60.0
    assert rover.warmth.battery_k > 284.0
    rover.degrade("thermal")
    rover.run(120)
    assert rover.warmth.heater_w < 60.0


def test_dust_on_the_radiator_lets_the_box_grow_hot():
    hot = {"lit": 1.0, "terrain_k": 250.0, "thermal": {"start_box_k": 295.0}}
    clean, dusty = StandingRover(**hot), StandingRover(**hot)
    dusty.degrade("thermal", radiator_dust=0.8)
    for rover in (clean, dusty):
        rover.run(8 * HOUR)
    assert dusty.warmth.box_k > clean.warmth.box_k + 5.0
    assert dusty.warmth.heat_pipe_on == 1
