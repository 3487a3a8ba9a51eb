# SPDX-License-Identifier: Apache-2.0
"""The lander's power after touchdown."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import BatteryState, PointCloud2

from lupex_nodes.bus.commands import CommandFailed, command
from lupex_nodes.bus.messages import ERROR, OK, WARN
from lupex_nodes.bus.parameters import Degradation, Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND, next_minute
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.battery import Battery
from lupex_nodes.models.power_balance import PowerBalance
from lupex_nodes.models.solar_array import SolarArray
from lupex_nodes.rover.bus_reports import battery_message, bus_row
from lupex_nodes.rover.channel_bank import ChannelBank
from lupex_nodes.rover.records import BUS
from lupex_nodes.world.load_report import loads_behind
from lupex_nodes.world.records import LOAD, SUN


class LanderPower(Unit):
    """Feeds the lander from upright panels on its sides, a battery and switched channels.

    When its charge runs low it sleeps: all channels go off, and only a clock, a receiver and the
    heater of its battery stay on. It wakes when its panels have charged it, and switches on what
    was on. A battery that empties all the same is the event BROWN_OUT; light revives the lander.
    """

    class Parameters(Parameters):
        """Loads and sources; none of the figures is public."""

        start_state_of_charge: float = parameter(
            0.9, "part of the usable charge at power-on", ge=0.0, le=1.0, live=False
        )
        battery_temperature_k: float = parameter(
            288.0, "held by its heater", "K", ge=230.0, le=330.0, assumed=True
        )
        fixed_load_w: float = parameter(
            150.0, "all that has no channel", "W", ge=0.0, assumed=True
        )
        sleep_load_w: float = parameter(
            10.0, "clock, receiver and heater of the battery", "W", ge=0.0, assumed=True
        )
        sleep_below: float = parameter(0.5, "state of charge", ge=0.0, le=1.0, assumed=True)
        wake_above: float = parameter(0.7, "state of charge", ge=0.0, le=1.0, assumed=True)
        panel_area_m2: float = parameter(
            2.0, "of the panels, projected to the Sun at any azimuth", "m2", ge=0.0, live=False,
            assumed=True,
        )  # fmt: skip
        channels_off: list[str] = parameter([], "channels that are off at power-on", live=False)
        channel_limit_a: float = parameter(
            5.0, "of each channel", "A", ge=0.1, live=False, assumed=True
        )
        trip_s: float = parameter(
            1.5, "a channel above its limit for longer trips", "s", ge=0.0, live=False
        )

    class Degradation(Degradation):
        """What goes wrong in the sources."""

        array_output_factor: float = parameter(1.0, "of what the panels would give", ge=0.0, le=1.0)

    kind = Kind.HARDWARE
    modes = {"awake": ("asleep", "dead"), "asleep": ("awake", "dead"), "dead": ("asleep",)}
    period_s = 60.0
    sun = Input("world/sun", PointCloud2, Qos.STATE, schema=SUN)
    loads = Input("lander/*/load", PointCloud2, wake=True, schema=LOAD)
    battery = Output("lander/lander_power/battery", BatteryState, frame_id="lander/base_link")
    channels = Output("lander/lander_power/channels", PointCloud2, Qos.STATE)
    bus = Output("lander/lander_power/bus", PointCloud2, schema=BUS)

    def setup(self) -> None:
        """Charge as the parameters say; a reset changes neither charge nor mode."""
        p, memory = self.parameters, self.context.memory
        self.bank = ChannelBank(
            self.context.channels, p.channels_off, p.trip_s, p.channel_limit_a
        )
        self.array = SolarArray(area_m2=p.panel_area_m2)
        cells = Battery(strings_in_parallel=20)
        charge = cells.state_of_usable(p.start_state_of_charge, p.battery_temperature_k)
        self.balance: PowerBalance = memory.setdefault("balance", PowerBalance(cells, charge))
        self._kept: dict[str, Any] = memory.setdefault("sleep", {"mode": self.mode, "on": []})
        self.mode = self._kept["mode"]
        if self.mode != "awake":
            self.bank.all_off()
        self._array_w = self._load_w = 0.0
        self._currents_a: dict[str, float] = {}
        self._flow = self.balance.step(0.0, 0.0, p.battery_temperature_k, 0.0)
        self._show_channels = True
        self._last: int | None = None

    @command("switches a channel on or off", bool, name="channels/*/switch")
    def switch(self, now: int, on: bool, channel: str) -> None:
        """Switch; an over-current trip is reset by switching on."""
        if on and self.mode != "awake":
            raise CommandFailed(f"channel {channel} cannot be switched on: the lander is asleep")
        if self.bank.switch(channel, on):
            self._show_channels = True
            self.event("CHANNEL_SWITCHED", f"Channel {channel} is {'on' if on else 'off'}.",
                       level=OK, channel=channel, on=on)  # fmt: skip

    def step(self, now: int) -> int | None:
        """Balance the bus over the time since the last step, with what was known then."""
        p = self.parameters
        dt_s = 0.0 if self._last is None else (now - self._last) / SECOND
        self._last = now
        self._flow = self.balance.step(
            self._array_w, self._load_w, p.battery_temperature_k, dt_s
        )
        for name in self.bank.trip(self._currents_a, dt_s):
            self._show_channels = True
            self.event("CHANNEL_TRIPPED", f"Channel {name} drew too much and was switched off.",
                       level=ERROR, channel=name, current_a=self._currents_a[name])  # fmt: skip
        self._sleep_or_wake()
        self._hold()
        self.battery.publish(battery_message(
            now, "lander/base_link", self.balance, self._flow, p.battery_temperature_k
        ))  # fmt: skip
        alive = self.mode != "dead"
        self.bus.publish_rows(now, [bus_row(self.balance, self._flow, self._array_w, alive)])
        if self._show_channels:
            if self.bank.names:
                self.channels.publish(self.bank.message(now))
            self._show_channels = False
        hurry = any(self.bank.exceeded(name, self._currents_a) for name in self.bank.names)
        return now + SECOND if hurry else next_minute(now)

    def housekeeping(self) -> dict[str, Any]:
        """Say how the bus is."""
        return {
            "state_of_charge": self.state_of_charge,
            "bus_voltage_v": self._flow.voltage_v,
            "array_w": self._flow.array_w,
            "load_w": self._flow.load_w,
        }

    @property
    def state_of_charge(self) -> float:
        """The part left of what the cells hold at their temperature."""
        return self.balance.usable_fraction(self.parameters.battery_temperature_k)

    def _sleep_or_wake(self) -> None:
        p, charge = self.parameters, self.state_of_charge
        gives_w = self.balance.regulator_efficiency * self._array_w
        if self.mode == "awake" and charge < p.sleep_below and gives_w < self._load_w:
            self._kept["on"] = [name for name, on in self.bank.on.items() if on]
            self._change("asleep", "ASLEEP", f"The lander sleeps at a charge of {charge:.2f}.")
            self._show_channels |= self.bank.all_off()
        elif self.mode != "dead" and self._flow.unmet_w > 0.01:
            self._change("dead", "BROWN_OUT", "The lander's battery is empty.", ERROR)
        elif self.mode == "dead" and gives_w > p.sleep_load_w:
            self._change("asleep", "BUS_BACK", "The panels carry the lander's bus again.")
        elif self.mode == "asleep" and charge >= p.wake_above:
            self._change("awake", "WOKEN", f"The lander woke at a charge of {charge:.2f}.")
            for name in self._kept["on"]:
                self._show_channels |= self.bank.switch(name, True)
        self.health = (OK, "ok") if self.mode == "awake" else (WARN, f"the lander is {self.mode}")

    def _change(self, mode: str, event: str, sentence: str, level: bytes = WARN) -> None:
        self.set_mode(mode)
        self._kept["mode"] = mode
        self.event(event, sentence, level=level, state_of_charge=self.state_of_charge)

    def _hold(self) -> None:
        """Take up loads and light; both are held until the next step."""
        p, sun = self.parameters, self.sun.row()
        powers_w = {
            name: row.power_w for name, row in loads_behind(self.bank.on, self.loads).items()
        }
        fixed_w = {"awake": p.fixed_load_w, "asleep": p.sleep_load_w, "dead": 0.0}[self.mode]
        self._load_w = fixed_w + sum(powers_w.values())
        volts = max(self._flow.voltage_v, 1.0)
        self._currents_a = {name: power_w / volts for name, power_w in powers_w.items()}
        self._array_w = 0.0
        if sun is not None:
            cell_k = self.array.cell_temperature_k(sun.lander_irradiance_w_m2, 1.0)
            power_w = self.array.power_w(sun.lander_irradiance_w_m2, 1.0, cell_k)
            self._array_w = power_w * self.degradation.array_output_factor
