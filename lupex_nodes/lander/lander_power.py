# SPDX-License-Identifier: Apache-2.0
"""The lander's power after touchdown."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import BatteryState, PointCloud2

from lupex_nodes.bus.commands import command
from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.messages import ERROR, OK, WARN
from lupex_nodes.bus.parameters import Degradation, Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND, to_stamp
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.battery import Battery
from lupex_nodes.models.solar_array import SolarArray
from lupex_nodes.rover.channel_bank import ChannelBank
from lupex_nodes.rover.records import BUS
from lupex_nodes.world.records import LOAD, SUN


class LanderPower(Unit):
    """Feeds the lander from upright panels on its sides, a battery and switched channels."""

    class Parameters(Parameters):
        """Loads and sources; none of the figures is public."""

        start_state_of_charge: float = parameter(
            0.9, "of the battery at power-on", ge=0.0, le=1.0, live=False
        )
        battery_temperature_k: float = parameter(
            288.0, "held by its heater", "K", ge=230.0, le=330.0, assumed=True
        )
        fixed_load_w: float = parameter(
            150.0, "all that has no channel", "W", ge=0.0, assumed=True
        )
        panel_area_m2: float = parameter(
            2.0, "of the panels, projected to the Sun at any azimuth", "m2", ge=0.0, live=False,
            assumed=True,
        )  # fmt: skip
        channels_off: list[str] = parameter([], "channels that are off at power-on", live=False)
        channel_limit_a: float = parameter(5.0, "of each channel", "A", ge=0.1, assumed=True)
        trip_s: float = parameter(
            1.5, "a channel above its limit for longer trips", "s", ge=0.0, live=False
        )

    class Degradation(Degradation):
        """What goes wrong in the sources."""

        array_output_factor: float = parameter(1.0, "of what the panels would give", ge=0.0, le=1.0)

    kind = Kind.HARDWARE
    period_s = 10.0
    sun = Input("world/sun", PointCloud2, Qos.STATE, schema=SUN)
    loads = Input("lander/*/load", PointCloud2, schema=LOAD)
    battery = Output("lander/lander_power/battery", BatteryState, frame_id="lander/base_link")
    channels = Output("lander/lander_power/channels", PointCloud2, Qos.STATE)
    bus = Output("lander/lander_power/bus", PointCloud2, schema=BUS)

    def setup(self) -> None:
        """Charge as the parameters say."""
        p = self.parameters
        self.bank = ChannelBank(self.context.channels, p.channels_off, p.trip_s)
        self.array = SolarArray(area_m2=p.panel_area_m2)
        self.cells = Battery(strings_in_parallel=20)
        self.state_of_charge = p.start_state_of_charge
        self._energies_j = [0.0, 0.0, 0.0]
        self._flow_w = (0.0, 0.0)
        self._bus_v = 28.0
        self._show_channels = True
        self._last: int | None = None

    @command("switches a channel on or off", bool, name="channels/*/switch")
    def switch(self, now: int, on: bool, channel: str) -> None:
        """Switch; an over-current trip is reset by switching on."""
        if self.bank.switch(channel, on):
            self._show_channels = True
            self.event("CHANNEL_SWITCHED", f"Channel {channel} is {'on' if on else 'off'}.",
                       level=OK, channel=channel, on=on)  # fmt: skip

    def step(self, now: int) -> int | None:
        """Balance the bus over the time since the last step."""
        p = self.parameters
        dt_s = 0.0 if self._last is None else (now - self._last) / SECOND
        self._last = now
        loads = {}
        for unit, message in list(self.loads.values.items()):
            if self.bank.on.get(unit, True):
                loads[unit] = LOAD.row(message).power_w
            else:
                del self.loads.values[unit]
        load_w, array_w = p.fixed_load_w + sum(loads.values()), self._array_w()
        step = self.cells.step(
            self.state_of_charge, load_w - array_w, p.battery_temperature_k, dt_s
        )
        self.state_of_charge, self._bus_v = step.state_of_charge, max(step.voltage_v, 1.0)
        flow = (array_w - step.refused_power_w, load_w - step.unmet_power_w)
        for i, power_w in enumerate((*flow, step.heat_w)):
            self._energies_j[i] += power_w * dt_s
        self._flow_w = flow
        currents_a = {unit: power_w / self._bus_v for unit, power_w in loads.items()}
        for name in self.bank.trip(currents_a, p.channel_limit_a, dt_s):
            self._show_channels = True
            self.event("CHANNEL_TRIPPED", f"Channel {name} drew too much and was switched off.",
                       level=ERROR, channel=name, current_a=currents_a[name])  # fmt: skip
        low = self.state_of_charge < 0.2
        self.health = (WARN, "the state of charge is low") if low else (OK, "ok")
        self._publish(now, step, flow)
        return None

    def housekeeping(self) -> dict[str, Any]:
        """Say how the bus is."""
        return {
            "state_of_charge": self.state_of_charge,
            "bus_voltage_v": self._bus_v,
            "array_w": self._flow_w[0],
            "load_w": self._flow_w[1],
        }

    def _array_w(self) -> float:
        sun = self.sun.row()
        if sun is None:
            return 0.0
        cell_k = self.array.cell_temperature_k(sun.lander_irradiance_w_m2, 1.0)
        power_w = self.array.power_w(sun.lander_irradiance_w_m2, 1.0, cell_k)
        return power_w * self.degradation.array_output_factor

    def _publish(self, now: int, step: Any, flow: tuple[float, float]) -> None:
        battery = fresh(BatteryState)
        battery.header.stamp = to_stamp(now)
        battery.header.frame_id = "lander/base_link"
        battery.voltage, battery.current = step.voltage_v, -step.current_a
        battery.temperature = self.parameters.battery_temperature_k - 273.15
        battery.percentage, battery.present = self.state_of_charge, True
        battery.design_capacity = battery.capacity = self.cells.capacity_c / 3600.0
        battery.charge = battery.capacity * self.state_of_charge
        battery.power_supply_technology = BatteryState.POWER_SUPPLY_TECHNOLOGY_LION
        self.battery.publish(battery)
        rest = (step.delivered_power_w, step.unmet_power_w)
        self.bus.publish_rows(now, [(*flow, *rest, *self._energies_j)])
        if self._show_channels and self.bank.names:
            self.channels.publish(self.bank.message(now))
            self._show_channels = False
