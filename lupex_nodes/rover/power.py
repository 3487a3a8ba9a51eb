# SPDX-License-Identifier: Apache-2.0
"""The rover's power: array, battery, bus and channels."""

from __future__ import annotations

import math
from typing import Any

from nav_msgs.msg import Odometry
from sensor_msgs.msg import BatteryState, PointCloud2

from lupex_nodes.bus.commands import command
from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.messages import ERROR, OK, WARN
from lupex_nodes.bus.parameters import Degradation, Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND, to_stamp
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.battery import Battery
from lupex_nodes.models.solar_array import SolarArray, incidence_cosine, slew
from lupex_nodes.rover.attitude import yaw_of
from lupex_nodes.rover.channel_bank import ChannelBank
from lupex_nodes.rover.records import BUS
from lupex_nodes.world.records import LOAD, SUN, SURFACE


class Power(Unit):
    """Feeds the rover: a vertical array that follows the Sun, a battery, switched channels.

    A channel behind an over-current limiter trips and stays off until switched on. Below a state
    of charge loads are shed one by one in the given order; nothing is switched on by itself.
    """

    class Parameters(Parameters):
        """Loads and limits; none of the figures is public."""

        start_state_of_charge: float = parameter(
            0.8, "of the battery at power-on", ge=0.0, le=1.0, live=False
        )
        battery_temperature_k: float = parameter(
            288.0, "held by its heater", "K", ge=230.0, le=330.0, assumed=True
        )
        base_load_w: float = parameter(
            90.0, "computers, heaters and all that has no channel", "W", ge=0.0, assumed=True
        )
        array_rate_deg_s: float = parameter(
            1.0, "turning of the array", "deg/s", ge=0.0, assumed=True
        )
        channels_off: list[str] = parameter([], "channels that are off at power-on", live=False)
        channel_limit_a: float = parameter(10.0, "of each channel", "A", ge=0.1, assumed=True)
        trip_s: float = parameter(
            1.5, "a channel above its limit for longer trips", "s", ge=0.0, live=False
        )
        shed_below: float = parameter(0.2, "state of charge at which loads go", ge=0.0, le=1.0)
        shed_interval_s: float = parameter(60.0, "between two loads shed", "s", ge=1.0)
        shed_order: list[str] = parameter(
            ["neutron_spectrometer", "mobility"], "channels, first to go first"
        )

    class Degradation(Degradation):
        """What goes wrong in the sources."""

        array_output_factor: float = parameter(
            1.0, "of what the array would give", ge=0.0, le=1.0
        )
        battery_capacity_fade: float = parameter(
            0.0, "part of the capacity lost", ge=0.0, le=0.95
        )

    kind = Kind.HARDWARE
    modes = {"nominal": ("low",), "low": ("nominal",)}
    sun = Input("world/sun", PointCloud2, Qos.STATE, schema=SUN)
    surface = Input("world/surface", PointCloud2, Qos.STATE, schema=SURFACE)
    vehicle = Input("world/vehicle/odometry", Odometry)
    rover_loads = Input("rover/*/load", PointCloud2, schema=LOAD)
    payload_loads = Input("payload/*/load", PointCloud2, schema=LOAD)
    battery = Output("rover/power/battery", BatteryState, frame_id="rover/base_link")
    channels = Output("rover/power/channels", PointCloud2, Qos.STATE)
    bus = Output("rover/power/bus", PointCloud2, schema=BUS)

    def setup(self) -> None:
        """Charge as the parameters say, point the array at north."""
        p = self.parameters
        self.bank = ChannelBank(self.context.channels, p.channels_off, p.trip_s)
        self.array = SolarArray()
        self.state_of_charge = p.start_state_of_charge
        self._fade = -1.0
        self._array_azimuth_deg = 0.0
        self._yaw_rad: float | None = None
        self._energies_j = [0.0, 0.0, 0.0]
        self._bus_v = 28.0
        self._powers_w = (0.0, 0.0)
        self._shed_at: int | None = None
        self._show_channels = True
        self._last: int | None = None

    @command("switches a channel on or off", bool, name="channels/*/switch")
    def switch(self, now: int, on: bool, channel: str) -> None:
        """Switch; an over-current trip is reset by switching on."""
        if self.bank.switch(channel, on):
            self._show_channels = True
            state = "on" if on else "off"
            self.event("CHANNEL_SWITCHED", f"Channel {channel} is {state}.", level=OK,
                       channel=channel, on=on)

    def step(self, now: int) -> int | None:
        """Balance the bus over the time since the last step."""
        dt_s = 0.0 if self._last is None else (now - self._last) / SECOND
        self._last = now
        loads = self._loads()
        load_w = self.parameters.base_load_w + sum(loads.values())
        array_w = self._array_w(dt_s)
        step = self._battery().step(
            self.state_of_charge, load_w - array_w, self.parameters.battery_temperature_k, dt_s
        )
        self.state_of_charge, self._bus_v = step.state_of_charge, max(step.voltage_v, 1.0)
        # an array whose power nobody takes is turned down
        array_w -= step.refused_power_w
        served_w = load_w - step.unmet_power_w
        for i, power_w in enumerate((array_w, served_w, step.heat_w)):
            self._energies_j[i] += power_w * dt_s
        self._powers_w = (array_w, load_w)
        self._guard(now, loads, step.unmet_power_w, dt_s)
        self._publish(now, step, array_w, served_w)
        return None

    def housekeeping(self) -> dict[str, Any]:
        """Say how the bus is."""
        return {
            "state_of_charge": self.state_of_charge,
            "bus_voltage_v": self._bus_v,
            "array_w": self._powers_w[0],
            "load_w": self._powers_w[1],
            "channels_off": " ".join(n for n, on in self.bank.on.items() if not on) or "none",
        }

    def _loads(self) -> dict[str, float]:
        """Return the power of every unit that is not behind an open channel, by unit."""
        loads = {}
        for port in (self.rover_loads, self.payload_loads):
            for unit, message in list(port.values.items()):
                if self.bank.on.get(unit, True):
                    loads[unit] = LOAD.row(message).power_w
                else:
                    # what it drew before says nothing of what it will draw when on again
                    del port.values[unit]
        return loads

    def _array_w(self, dt_s: float) -> float:
        p, sun, surface = self.parameters, self.sun.row(), self.surface.row()
        if self.vehicle.value is not None:
            turn = self.vehicle.value.pose.pose.orientation
            yaw_rad = yaw_of((turn.x, turn.y, turn.z, turn.w))
            if self._yaw_rad is not None:
                # azimuth runs the other way than yaw
                self._array_azimuth_deg -= math.degrees(yaw_rad - self._yaw_rad)
            self._yaw_rad = yaw_rad
        if sun is None:
            return 0.0
        self._array_azimuth_deg = slew(
            self._array_azimuth_deg, sun.azimuth_deg, p.array_rate_deg_s, dt_s
        )
        cosine = incidence_cosine(sun.azimuth_deg, sun.elevation_deg, self._array_azimuth_deg)
        sink_k = surface.surface_temperature_k if surface else 100.0
        cell_k = self.array.cell_temperature_k(sun.irradiance_w_m2, cosine, sink_k)
        power_w = self.array.power_w(sun.irradiance_w_m2, cosine, cell_k)
        return power_w * self.degradation.array_output_factor

    def _battery(self) -> Battery:
        fade = self.degradation.battery_capacity_fade
        if fade != self._fade:
            self._cells, self._fade = Battery(capacity_fade=fade), fade
        return self._cells

    def _guard(self, now: int, loads: dict[str, float], unmet_w: float, dt_s: float) -> None:
        """Trip limiters and shed loads."""
        p = self.parameters
        currents_a = {unit: power_w / self._bus_v for unit, power_w in loads.items()}
        for name in self.bank.trip(currents_a, p.channel_limit_a, dt_s):
            self._show_channels = True
            self.event(
                "CHANNEL_TRIPPED",
                f"Channel {name} drew {currents_a[name]:.1f} A and was switched off.",
                level=ERROR, channel=name, current_a=currents_a[name],
            )  # fmt: skip
        low = self.state_of_charge < p.shed_below
        self.set_mode("low" if low else "nominal")
        if unmet_w > 0.0:
            self.health = (ERROR, f"{unmet_w:.0f} W of the loads are not served")
        elif low:
            self.health = (WARN, "the state of charge is low")
        else:
            self.health = (OK, "ok")
        due = self._shed_at is None or now - self._shed_at >= p.shed_interval_s * SECOND
        if low and due:
            for name in p.shed_order:
                if self.bank.on.get(name):
                    self.bank.switch(name, False)
                    self._shed_at, self._show_channels = now, True
                    self.event(
                        "LOAD_SHED",
                        f"Channel {name} was switched off because the battery is low.",
                        level=WARN, channel=name, state_of_charge=self.state_of_charge,
                    )  # fmt: skip
                    break

    def _publish(self, now: int, step: Any, array_w: float, served_w: float) -> None:
        battery = fresh(BatteryState)
        battery.header.stamp = to_stamp(now)
        battery.header.frame_id = "rover/base_link"
        battery.voltage = step.voltage_v
        battery.current = -step.current_a  # sensor_msgs: negative when discharging
        battery.temperature = self.parameters.battery_temperature_k - 273.15
        battery.percentage = self.state_of_charge
        cells = self._battery()
        battery.design_capacity = cells.cell_capacity_ah * cells.strings_in_parallel
        battery.capacity = cells.capacity_c / 3600.0
        battery.charge = battery.capacity * self.state_of_charge
        battery.power_supply_technology = BatteryState.POWER_SUPPLY_TECHNOLOGY_LION
        battery.power_supply_status = (
            BatteryState.POWER_SUPPLY_STATUS_CHARGING
            if step.current_a < 0.0
            else BatteryState.POWER_SUPPLY_STATUS_DISCHARGING
        )
        battery.power_supply_health = BatteryState.POWER_SUPPLY_HEALTH_GOOD
        battery.present = True
        self.battery.publish(battery)
        flow = (array_w, served_w, step.delivered_power_w, step.unmet_power_w)
        self.bus.publish_rows(now, [(*flow, *self._energies_j)])
        if self._show_channels and self.bank.names:
            self.channels.publish(self.bank.message(now))
            self._show_channels = False
