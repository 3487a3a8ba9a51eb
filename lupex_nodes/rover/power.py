# SPDX-License-Identifier: Apache-2.0
"""The rover's power: array, battery, bus and channels."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from nav_msgs.msg import Odometry
from sensor_msgs.msg import BatteryState, PointCloud2

from lupex_nodes.bus.commands import CommandFailed, command
from lupex_nodes.bus.messages import ERROR, OK, WARN
from lupex_nodes.bus.parameters import Degradation, Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND, next_minute, seconds
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.battery import Battery
from lupex_nodes.models.power_balance import Flow, PowerBalance
from lupex_nodes.models.solar_array import SolarArray, incidence_cosine, slew
from lupex_nodes.rover.attitude import yaw_of
from lupex_nodes.rover.bus_reports import battery_message, bus_row
from lupex_nodes.rover.channel_bank import ChannelBank, read_limits
from lupex_nodes.rover.records import BUS, TEMPERATURES, WATCHDOG
from lupex_nodes.rover.watchdog import Deed, Watchdog
from lupex_nodes.world.load_report import LoadReport, loads_behind
from lupex_nodes.world.records import LOAD, SUN, SURFACE, VEHICLE

_SOLAR_CONSTANT_W_M2 = 1361.0
_DAY_S = 86400.0
_YEAR_S = 365.25 * _DAY_S
_MONTH_S = _YEAR_S / 12.0
# A load that is not served by less than this is rounding, not undervoltage.
_UNMET_W = 0.01


class Power(Unit):
    """Feeds the rover: a vertical array that follows the Sun, a battery, switched channels.

    A channel behind an over-current limiter trips and stays off until switched on. Below a state
    of charge loads are shed one by one in the given order; nothing is switched on by itself. The
    state of charge told is the part left of what the cells hold at their temperature.

    When the battery is empty and the array does not carry the loads, the bus collapses: every
    channel goes off, the heaters die, the rover cools. An array that gets enough light brings the
    bus back, first for what has no channel and the heaters alone; channels may be switched on
    again when the battery is warm and has some charge. Cells or electronics that fell below what
    they survive are damaged for good, and the vehicle is lost.
    """

    class Parameters(Parameters):
        """Loads, sources and limits; none of the figures is public."""

        start_state_of_charge: float = parameter(
            0.8, "part of the usable charge at power-on", ge=0.0, le=1.0, live=False
        )
        battery_temperature_k: float = parameter(
            288.0, "until the thermal unit tells it", "K", ge=230.0, le=330.0, assumed=True
        )
        base_load_w: float = parameter(
            15.0, "power distribution, receiver and all that is always on", "W", ge=0.0,
            assumed=True,
        )  # fmt: skip
        computer_w: float = parameter(
            40.0, "taken on the channel computer", "W", ge=0.0, assumed=True
        )
        array_rate_deg_s: float = parameter(
            1.0, "turning of the array", "deg/s", ge=0.0, assumed=True
        )
        regulator_efficiency: float = parameter(
            0.92, "of the array's regulator", ge=0.5, le=1.0, live=False, assumed=True
        )
        array_age_years: float = parameter(
            0.3, "since launch, at power-on", "yr", ge=0.0, le=30.0, assumed=True
        )
        dust_at_start: float = parameter(
            0.02, "part of the light that dust keeps from the cells", ge=0.0, le=1.0, assumed=True
        )
        dust_per_month: float = parameter(0.01, "more of it", ge=0.0, le=1.0, assumed=True)
        dust_per_km: float = parameter(
            0.002, "more of it by driving", "1/km", ge=0.0, le=1.0, assumed=True
        )
        fade_per_cycle: float = parameter(
            0.00035, "part of the capacity lost by a full cycle", ge=0.0, le=0.1, assumed=True
        )
        fade_per_year: float = parameter(
            0.02, "part of the capacity lost by time", "1/yr", ge=0.0, le=1.0, assumed=True
        )
        channels_off: list[str] = parameter([], "channels that are off at power-on", live=False)
        channel_limit_a: float = parameter(
            3.0, "of a channel that channel_limits does not name", "A", ge=0.1, live=False,
            assumed=True,
        )  # fmt: skip
        channel_limits: list[str] = parameter(
            ["mobility=15", "computer=5", "imu=1", "star_tracker=1", "ranging=1",
             "neutron_spectrometer=1", "gpr=2", "alis=2", "ems_l=1"],
            "limiters of another class, as CHANNEL=AMPERES", live=False, assumed=True,
        )  # fmt: skip
        trip_s: float = parameter(
            1.5, "a channel above its limit for longer trips", "s", ge=0.0, live=False
        )
        shed_below: float = parameter(0.15, "state of charge at which loads go", ge=0.0, le=1.0)
        shed_interval_s: float = parameter(60.0, "between two loads shed", "s", ge=1.0)
        shed_order: list[str] = parameter(
            ["alis", "ems_l", "gpr", "neutron_spectrometer", "ranging", "star_tracker",
             "stereo_camera", "mobility"],
            "channels, first to go first",
        )
        watchdog_s: float = parameter(
            30.0, "silence of the fault manager after which the computer is switched off and on",
            "s", ge=5.0, le=3600.0,
        )  # fmt: skip
        watchdog_cycles: int = parameter(
            3, "so often in a day; then every channel goes off", ge=0, le=100
        )
        revive_w: float = parameter(
            60.0, "array power, beyond the base load, that brings a dead bus back", "W", ge=1.0,
            assumed=True,
        )  # fmt: skip
        channels_from: float = parameter(
            0.05, "state of charge from which a bus that came back carries channels", ge=0.0, le=1.0
        )
        cells_survive_k: float = parameter(
            233.15, "cells below it are damaged for good", "K", ge=0.0, le=273.0, assumed=True
        )
        electronics_survive_k: float = parameter(
            233.15, "electronics below it are damaged for good", "K", ge=0.0, le=273.0,
            assumed=True,
        )  # fmt: skip

    class Degradation(Degradation):
        """What goes wrong in array, battery, regulator and switches."""

        array_output_factor: float = parameter(
            1.0, "of what the array would give", ge=0.0, le=1.0
        )
        array_drive_stuck: bool = parameter(False, "the array no longer turns on its mast")
        battery_capacity_fade: float = parameter(
            0.0, "part of the capacity lost", ge=0.0, le=0.95
        )
        battery_resistance_factor: float = parameter(
            1.0, "of the cells' resistance", ge=1.0, le=50.0
        )
        weak_cell_lack: float = parameter(
            0.0, "part of the charge that one group of cells in series lacks", ge=0.0, le=0.5
        )
        regulator_efficiency_factor: float = parameter(
            1.0, "of the efficiency of the array's regulator", ge=0.3, le=1.0
        )
        bus_leak_w: float = parameter(
            0.0, "lost to the structure by a soft short of the bus", "W", ge=0.0, le=1000.0
        )
        shorted_channel: str = parameter("", "behind whose switch something is shorted")
        short_w: float = parameter(0.0, "that the short takes", "W", ge=0.0, le=3000.0)
        open_channel: str = parameter("", "whose switch no longer closes")

    kind = Kind.HARDWARE
    modes = {
        "nominal": ("low", "dead", "lost"),
        "low": ("nominal", "dead", "lost"),
        "dead": ("recovering", "lost"),
        "recovering": ("nominal", "low", "dead", "lost"),
        "lost": (),
    }
    period_s = 60.0
    sun = Input("world/sun", PointCloud2, Qos.STATE, wake=True, schema=SUN)
    surface = Input("world/surface", PointCloud2, Qos.STATE, schema=SURFACE)
    vehicle = Input("world/vehicle/odometry", Odometry)
    vehicle_state = Input("world/vehicle/state", PointCloud2, schema=VEHICLE)
    temperatures = Input("rover/thermal/nodes", PointCloud2, schema=TEMPERATURES)
    rover_loads = Input("rover/*/load", PointCloud2, wake=True, schema=LOAD)
    payload_loads = Input("payload/*/load", PointCloud2, wake=True, schema=LOAD)
    strokes = Input("rover/watchdog", PointCloud2, schema=WATCHDOG)
    battery = Output("rover/power/battery", BatteryState, frame_id="rover/base_link")
    channels = Output("rover/power/channels", PointCloud2, Qos.STATE)
    bus = Output("rover/power/bus", PointCloud2, schema=BUS)
    flows = Output("~/flows", PointCloud2, schema=BUS, physical=True)
    load = Output("~/load", PointCloud2, schema=LOAD, physical=True)

    def setup(self) -> None:
        """Charge as the parameters say, point the array at north; a reset changes neither."""
        p, memory = self.parameters, self.context.memory
        self.bank = ChannelBank(
            self.context.channels, p.channels_off, p.trip_s, p.channel_limit_a,
            read_limits(p.channel_limits),
        )  # fmt: skip
        self.array = SolarArray()
        cells = Battery()
        charge = cells.state_of_usable(p.start_state_of_charge, p.battery_temperature_k)
        # what the battery holds, how the array stands and what broke outlive a reset
        self.balance: PowerBalance = memory.setdefault(
            "balance", PowerBalance(cells, charge, p.regulator_efficiency)
        )
        self._body: dict[str, Any] = memory.setdefault(
            "body", {"azimuth_deg": 0.0, "age_s": 0.0, "moved_c": 0.0, "mode": self.mode}
        )
        self.mode = self._body["mode"]
        self._watchdog: Watchdog = memory.setdefault("watchdog", Watchdog())
        self._watchdog.restarted()
        self._yaw_rad: float | None = None
        self._sunlight_w_m2 = _SOLAR_CONSTANT_W_M2
        self._array_w = self._load_w = 0.0
        self._currents_a: dict[str, float] = {}
        self._flow = self.balance.step(0.0, 0.0, p.battery_temperature_k, 0.0)
        self._shed_at: int | None = None
        self._show_channels = True
        self._load = LoadReport(self.load)
        self._last: int | None = None

    @command("switches a channel on or off", bool, name="channels/*/switch")
    def switch(self, now: int, on: bool, channel: str) -> None:
        """Switch; an over-current trip is reset by switching on."""
        if on and not self._carries_channels:
            raise CommandFailed(f"channel {channel} cannot be switched on: the bus is {self.mode}")
        if self.bank.switch(channel, on):
            self._show_channels = True
            state = "on" if on else "off"
            self.event("CHANNEL_SWITCHED", f"Channel {channel} is {state}.", level=OK,
                       channel=channel, on=on)  # fmt: skip

    def step(self, now: int) -> int | None:
        """Balance the bus over the time since the last step, with what was known then."""
        dt_s = 0.0 if self._last is None else (now - self._last) / SECOND
        self._last = now
        cells_k = self.battery_k
        self.balance.regulator_efficiency = (
            self.parameters.regulator_efficiency * self.degradation.regulator_efficiency_factor
        )
        self._flow = self.balance.step(self._array_w, self._load_w, cells_k, dt_s)
        self._trip(now, dt_s)
        if self.bank.on.get(self.degradation.open_channel, False):
            self.bank.switch(self.degradation.open_channel, False)
            self._show_channels = True
        self._age(dt_s)
        self._follow(now, dt_s)
        self._shed(now)
        self._watch(now)
        self._hold(dt_s)
        self._body["mode"] = self.mode
        self._publish(now, cells_k)
        if any(self.bank.exceeded(name, self._currents_a) for name in self.bank.names):
            return now + SECOND
        due = next_minute(now)
        if self._shed_at is not None:
            next_shed = self._shed_at + seconds(self.parameters.shed_interval_s)
            due = min(max(next_shed, now + SECOND), due)
        return min(self._watchdog.due(now) or due, due)

    def housekeeping(self) -> dict[str, Any]:
        """Say how the bus is."""
        return {
            "state_of_charge": self.state_of_charge,
            "bus_voltage_v": self._flow.voltage_v,
            "array_w": self._flow.array_w,
            "load_w": self._flow.load_w,
            "residual_fraction": self.balance.residual_fraction(),
            "watchdog_cycles": self._watchdog.cycles,
            "channels_off": " ".join(n for n, on in self.bank.on.items() if not on) or "none",
        }

    @property
    def battery_k(self) -> float:
        """Temperature of the cells: told by the thermal unit, a parameter's value until then."""
        told = self.temperatures.row()
        # cells know no temperature below absolute zero, whatever is told
        return max(told.battery_k, 1.0) if told else self.parameters.battery_temperature_k

    @property
    def state_of_charge(self) -> float:
        """The part left of what the cells hold at their temperature."""
        return self.balance.usable_fraction(self.battery_k)

    @property
    def alive(self) -> bool:
        """Whether the bus carries loads."""
        return self.mode not in ("dead", "lost")

    @property
    def _carries_channels(self) -> bool:
        return self.mode in ("nominal", "low")

    # --- what is held until the next step ----------------------------------------------------

    def _hold(self, dt_s: float) -> None:
        """Take up loads and light; both are held until the next step."""
        p = self.parameters
        # channels that went off take their loads with them, also those of a dead bus
        loads = loads_behind(self.bank.on, self.rover_loads, self.payload_loads)
        powers_w = {name: row.power_w for name, row in loads.items() if name != self.context.name}
        if self.bank.on.get("computer", False):
            powers_w["computer"] = p.computer_w
        if self.bank.on.get(self.degradation.shorted_channel, False):
            shorted = self.degradation.shorted_channel
            powers_w[shorted] = powers_w.get(shorted, 0.0) + self.degradation.short_w
        always_w = p.base_load_w + self.degradation.bus_leak_w
        self._load_w = always_w + sum(powers_w.values()) if self.alive else 0.0
        volts = max(self._flow.voltage_v, 1.0)
        self._currents_a = {name: power_w / volts for name, power_w in powers_w.items()}
        self._array_w = 0.0 if self.mode == "lost" else self._light(dt_s)

    def _light(self, dt_s: float) -> float:
        """Turn the array to the Sun and return what its cells can give, W."""
        p, body, sun, surface = self.parameters, self._body, self.sun.row(), self.surface.row()
        if self.vehicle.value is not None:
            turn = self.vehicle.value.pose.pose.orientation
            yaw_rad = yaw_of((turn.x, turn.y, turn.z, turn.w))
            if self._yaw_rad is not None:
                # azimuth runs the other way than yaw
                body["azimuth_deg"] -= math.degrees(yaw_rad - self._yaw_rad)
            self._yaw_rad = yaw_rad
        if sun is None:
            return 0.0
        if self.alive and not self.degradation.array_drive_stuck:
            body["azimuth_deg"] = slew(
                body["azimuth_deg"], sun.azimuth_deg, p.array_rate_deg_s, dt_s
            )
        if sun.lit_fraction > 0.01:
            self._sunlight_w_m2 = sun.irradiance_w_m2 / sun.lit_fraction
        cosine = incidence_cosine(sun.azimuth_deg, sun.elevation_deg, body["azimuth_deg"])
        power_w = self.array.power_of_strips_w(
            self._sunlight_w_m2,
            (sun.lit_lower, sun.lit_fraction, sun.lit_upper),
            cosine,
            surface.terrain_temperature_k if surface else 100.0,
            self._dust(),
            p.array_age_years + body["age_s"] / _YEAR_S,
        )
        return power_w * self.degradation.array_output_factor

    def _dust(self) -> float:
        p, vehicle = self.parameters, self.vehicle_state.row()
        driven_km = vehicle.driven_m / 1000.0 if vehicle else 0.0
        return (
            p.dust_at_start
            + p.dust_per_month * self._body["age_s"] / _MONTH_S
            + p.dust_per_km * driven_km
        )

    def _age(self, dt_s: float) -> None:
        """Let array and battery grow old, and take up what broke in the cells."""
        p, body, cells = self.parameters, self._body, self.balance.battery
        faults = self.degradation
        body["age_s"] += dt_s
        body["moved_c"] += abs(self._flow.current_a) * dt_s
        new_c = cells.cell_capacity_ah * 3600.0 * cells.strings_in_parallel
        # a group that lacks charge is empty first, and the pack with it
        fade = min(
            faults.battery_capacity_fade
            + faults.weak_cell_lack
            + p.fade_per_cycle * body["moved_c"] / (2.0 * new_c)
            + p.fade_per_year * body["age_s"] / _YEAR_S,
            0.99,
        )
        cell_ohm = Battery.cell_resistance_ohm * faults.battery_resistance_factor
        if abs(fade - cells.capacity_fade) > 1e-5 or cell_ohm != cells.cell_resistance_ohm:
            self.balance.battery = replace(
                cells, capacity_fade=fade, cell_resistance_ohm=cell_ohm
            )

    # --- what protects, and what happens when that was not enough ------------------------------

    def _trip(self, now: int, dt_s: float) -> None:
        for name in self.bank.trip(self._currents_a, dt_s):
            self._show_channels = True
            self.event(
                "CHANNEL_TRIPPED",
                f"Channel {name} drew {self._currents_a[name]:.1f} A and was switched off.",
                level=ERROR, channel=name, current_a=self._currents_a[name],
            )  # fmt: skip

    def _follow(self, now: int, dt_s: float) -> None:
        """Change the mode by what the bus does; collapse, come back, or be lost."""
        p, flow, charge = self.parameters, self._flow, self.state_of_charge
        self._look_for_damage()
        if self.mode == "lost":
            return
        short = flow.unmet_w > _UNMET_W
        if self.mode == "dead":
            array_w = p.regulator_efficiency * self._array_w
            if array_w >= p.base_load_w + p.revive_w:
                self.set_mode("recovering")
                self.event("BUS_BACK", f"The array carries the bus again with {array_w:.0f} W.",
                           array_w=array_w)  # fmt: skip
        elif self.mode == "recovering":
            # heaters take what the array leaves; only without the base load the bus is gone
            if flow.load_w < p.base_load_w - _UNMET_W and dt_s and short:
                self._collapse()
            elif not short and charge >= p.channels_from:
                self.set_mode("low")
        elif short:
            self._collapse()
        if self._carries_channels:
            low = charge < p.shed_below
            self.set_mode("low" if low else "nominal")
            self.health = (WARN, "the state of charge is low") if low else (OK, "ok")
        else:
            self.health = (ERROR, f"the bus is {self.mode}")

    def _collapse(self) -> None:
        flow = self._flow
        self.set_mode("dead")
        if self.bank.all_off():
            self._show_channels = True
        self.event(
            "BROWN_OUT",
            f"The bus collapsed: {flow.load_w + flow.unmet_w:.0f} W were wanted, the battery is "
            f"{flow.limited_by} and the array gave {flow.array_w:.0f} W.",
            level=ERROR, wanted_w=flow.load_w + flow.unmet_w, array_w=flow.array_w,
            state_of_charge=self.state_of_charge,
        )  # fmt: skip

    def _look_for_damage(self) -> None:
        p, told = self.parameters, self.temperatures.row()
        if told is None or self.mode == "lost":
            return
        for what, event, kelvin, least_k in (
            ("battery", "BATTERY_LOST", told.battery_k, p.cells_survive_k),
            ("electronics", "ELECTRONICS_LOST", told.box_k, p.electronics_survive_k),
        ):
            if kelvin < least_k and self.mode != "lost":
                self.set_mode("lost")
                if self.bank.all_off():
                    self._show_channels = True
                self.event(
                    event,
                    f"The {what} fell to {kelvin - 273.15:.0f} deg C, which it does not survive: "
                    "the vehicle is lost.",
                    level=ERROR, temperature_k=kelvin,
                )  # fmt: skip

    def _shed(self, now: int) -> None:
        """Switch off one load after the other while the charge is low."""
        p = self.parameters
        due = self._shed_at is None or now - self._shed_at >= p.shed_interval_s * SECOND
        if self.mode != "low":
            self._shed_at = None
        if self.mode != "low" or not due:
            return
        for name in p.shed_order:
            if self.bank.on.get(name):
                self.bank.switch(name, False)
                self._shed_at, self._show_channels = now, True
                self.event(
                    "LOAD_SHED",
                    f"Channel {name} was switched off because the battery is low.",
                    level=WARN, channel=name, state_of_charge=self.state_of_charge,
                )  # fmt: skip
                return
        self._shed_at = None

    def _watch(self, now: int) -> None:
        """Switch a computer off and on whose fault manager fell silent."""
        p, told = self.parameters, self.temperatures.row()
        deed = self._watchdog.watch(
            now, self.strokes.time, self.bank.on.get("computer", False),
            bool(told and told.hibernating), p.watchdog_s, p.watchdog_cycles,
        )  # fmt: skip
        if deed is Deed.NOTHING or not self._carries_channels:
            return
        self._show_channels = True
        if deed is Deed.GIVE_UP:
            self.bank.all_off()
            self.event(
                "WATCHDOG_GAVE_UP",
                f"The computer fell silent again after {p.watchdog_cycles} power cycles: only the "
                "loads for survival stay on.", level=ERROR,
            )  # fmt: skip
            return
        self.bank.switch("computer", deed is Deed.ON)
        if deed is Deed.OFF:
            self.event(
                "WATCHDOG",
                f"The computer was silent for {p.watchdog_s:g} s and is switched off and on.",
                level=ERROR, cycle=self._watchdog.cycles,
            )  # fmt: skip

    def _publish(self, now: int, cells_k: float) -> None:
        flow: Flow = self._flow
        self.battery.publish(
            battery_message(
                now, "rover/base_link", self.balance, flow, cells_k,
                self.degradation.weak_cell_lack,
            )  # fmt: skip
        )
        row = bus_row(self.balance, flow, self._array_w, self.alive)
        self.flows.publish_rows(now, [row])
        self.bus.publish_rows(now, [row])
        own_w = self.parameters.base_load_w if self.alive else 0.0
        if self.bank.on.get("computer", False):
            own_w += self.parameters.computer_w
        self._load.report(now, own_w)
        if self._show_channels:
            if self.bank.names:
                self.channels.publish(self.bank.message(now))
            self._show_channels = False
