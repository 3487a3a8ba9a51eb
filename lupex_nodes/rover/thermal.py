# SPDX-License-Identifier: Apache-2.0
"""The rover's heat: heaters, radiator, loop heat pipe, and the sleep through the dark."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from sensor_msgs.msg import BatteryState, PointCloud2

from lupex_nodes.bus.commands import Call, CommandFailed, command
from lupex_nodes.bus.messages import ERROR, OK, WARN
from lupex_nodes.bus.parameters import Degradation, Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.records import view
from lupex_nodes.bus.stamps import SECOND, next_minute, seconds
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.models.thermal_network import Link, ThermalNetwork
from lupex_nodes.rover.records import BUS, TEMPERATURES
from lupex_nodes.world.load_report import LoadReport, loads_behind
from lupex_nodes.world.records import LOAD, SUN, SURFACE

_NODES = ("battery", "box", "radiator", "motors", "mast")
_HEATED = ("battery", "box", "motors", "mast")
_HEAT_PIPE, _TO_SKY = 2, 3  # numbers of their links
_DUST_ABSORPTANCE = 0.85
# Whose heat is left elsewhere than in the box.
_OUTSIDE = {"mobility": "motors", "star_tracker": "mast", "stereo_camera": "mast"}


class SetMode(Parameters):
    """Whether the rover works or sleeps."""

    mode: Literal["operate", "hibernate"] = parameter(..., "what the rover shall do")
    wake_after_s: float = parameter(
        0.0, "wakes after so long, light or not; 0: light alone wakes", "s", ge=0.0, le=1e8
    )


class Thermal(Unit):
    """Keeps the rover warm and cool, and puts it to sleep where it cannot live from light.

    The battery is held above +5 deg C always, the box by its own heater; motors and mast head are
    warmed only while the rover works. The loop heat pipe to the radiator opens above a temperature
    of the box and is shut while the rover sleeps.

    Hibernation switches off every channel ten seconds after it is told. This unit, the power unit
    and what has no channel stay on: power distribution, receiver, heaters of battery and box. It
    comes by command, or by itself when little charge is left or the bus collapsed. A timer wakes
    the rover, or light: array power for ten minutes, after it was dark if the hibernation was
    commanded. First battery and box are warmed, so that charging is allowed; when the battery
    holds enough, motors and mast; when all are warm, every channel that was on is switched on.
    What was shed because little charge was left counts as on.
    """

    class Parameters(Parameters):
        """Network, set points and what wakes; none of the figures is public."""

        start_battery_k: float = parameter(283.15, "at power-on", "K", ge=50.0, le=350.0,
                                           live=False)  # fmt: skip
        start_box_k: float = parameter(283.15, "at power-on", "K", ge=50.0, le=350.0, live=False)
        start_outside_k: float = parameter(
            240.0, "of radiator, motors and mast head at power-on", "K", ge=30.0, le=350.0,
            live=False,
        )  # fmt: skip
        battery_j_k: float = parameter(
            40e3, "heat capacity of 40 kg of cells", "J/K", ge=1.0, live=False, assumed=True
        )
        box_j_k: float = parameter(
            60e3, "heat capacity of 80 kg of electronics and structure", "J/K", ge=1.0,
            live=False, assumed=True,
        )  # fmt: skip
        battery_to_box_w_k: float = parameter(
            0.05, "", "W/K", ge=0.0, live=False, assumed=True
        )
        insulation_m2: float = parameter(
            6.0, "blankets around the box", "m2", ge=0.0, live=False, assumed=True
        )
        insulation_emittance: float = parameter(
            0.02, "effective, of the blankets", ge=0.0, le=1.0, live=False, assumed=True
        )
        mounts_w_k: float = parameter(
            0.08, "four mounts of the legs", "W/K", ge=0.0, live=False, assumed=True
        )
        harness_w_k: float = parameter(
            0.05, "harness and mast", "W/K", ge=0.0, live=False, assumed=True
        )
        radiator_m2: float = parameter(
            0.7, "facing the zenith", "m2", ge=0.0, live=False, assumed=True
        )
        radiator_emittance: float = parameter(
            0.85, "of the radiator", ge=0.0, le=1.0, live=False, assumed=True
        )
        heat_pipe_on_w_k: float = parameter(
            20.0, "loop heat pipe, open", "W/K", ge=0.0, assumed=True
        )
        heat_pipe_off_w_k: float = parameter(
            0.02, "loop heat pipe, shut", "W/K", ge=0.0, live=False, assumed=True
        )
        heat_pipe_opens_k: float = parameter(293.15, "box", "K", ge=250.0, le=330.0, assumed=True)
        heat_pipe_shuts_k: float = parameter(283.15, "box", "K", ge=250.0, le=330.0, assumed=True)
        sunlit_side_m2: float = parameter(
            2.0, "of the blankets, across the rays of the Sun", "m2", ge=0.0, assumed=True
        )
        blanket_absorptance: float = parameter(
            0.4, "of the blankets' outer layer, of 0.8 emittance", ge=0.0, le=1.0, assumed=True
        )
        radiator_absorptance: float = parameter(
            0.15, "of the radiator, with some dust", ge=0.0, le=1.0, assumed=True
        )
        mast_share_w: float = parameter(
            3.0, "part of the base load that is left at the mast: receiver's preamplifier", "W",
            ge=0.0, assumed=True,
        )  # fmt: skip
        battery_set_k: float = parameter(278.65, "heater, always", "K", ge=200.0, le=330.0)
        box_operate_k: float = parameter(273.15, "heater, working", "K", ge=200.0, le=330.0)
        box_hibernate_k: float = parameter(263.15, "heater, asleep", "K", ge=200.0, le=330.0)
        box_wake_k: float = parameter(268.15, "lowest to work", "K", ge=200.0, le=330.0)
        motors_set_k: float = parameter(218.15, "heater, working", "K", ge=100.0, le=330.0)
        mast_set_k: float = parameter(243.15, "heater, working", "K", ge=100.0, le=330.0)
        battery_heater_w: float = parameter(60.0, "largest", "W", ge=0.0, assumed=True)
        box_heater_w: float = parameter(120.0, "largest", "W", ge=0.0, assumed=True)
        motors_heater_w: float = parameter(80.0, "largest", "W", ge=0.0, assumed=True)
        mast_heater_w: float = parameter(30.0, "largest", "W", ge=0.0, assumed=True)
        grace_s: float = parameter(
            10.0, "between telling of the hibernation and switching off", "s", ge=1.0, le=600.0
        )
        hibernate_below: float = parameter(
            0.10, "state of charge at which the rover goes to sleep by itself", ge=0.0, le=1.0
        )
        wake_array_w: float = parameter(
            100.0, "array power that counts as light", "W", ge=1.0, assumed=True
        )
        wake_light_s: float = parameter(600.0, "of light before waking begins", "s", ge=0.0)
        wake_state_of_charge: float = parameter(
            0.25, "needed before the channels come back", ge=0.0, le=1.0
        )

    class Degradation(Degradation):
        """What goes wrong with heaters, heat pipe and radiator."""

        battery_heater_factor: float = parameter(
            1.0, "of its power that the battery's heater still has", ge=0.0, le=1.0
        )
        box_heater_factor: float = parameter(
            1.0, "of its power that the box heater still has", ge=0.0, le=1.0
        )
        heater_stuck_on: Literal["none", "battery", "box", "motors", "mast"] = parameter(
            "none", "whose heater no thermostat switches off"
        )
        heat_pipe_stuck: Literal["no", "open", "shut"] = parameter(
            "no", "where the loop heat pipe stays"
        )
        radiator_dust: float = parameter(
            0.0, "part of the radiator that dust covers: dark to the Sun, an insulation to the sky",
            ge=0.0, le=1.0,
        )  # fmt: skip

    kind = Kind.HARDWARE
    modes = {
        "operate": ("falling_asleep",),
        "falling_asleep": ("hibernate", "operate"),
        "hibernate": ("waking",),
        "waking": ("operate", "hibernate"),
    }
    period_s = 60.0
    sun = Input("world/sun", PointCloud2, Qos.STATE, schema=SUN)
    surface = Input("world/surface", PointCloud2, Qos.STATE, schema=SURFACE)
    bus = Input("rover/power/flows", PointCloud2, schema=BUS)
    battery = Input("rover/power/battery", BatteryState)
    channels = Input("rover/power/channels", PointCloud2, Qos.STATE)
    rover_loads = Input("rover/*/load", PointCloud2, schema=LOAD)
    payload_loads = Input("payload/*/load", PointCloud2, schema=LOAD)
    temperatures = Output("rover/thermal/temperatures", PointCloud2, schema=TEMPERATURES)
    nodes = Output("~/nodes", PointCloud2, schema=TEMPERATURES, physical=True)
    load = Output("~/load", PointCloud2, schema=LOAD, physical=True)

    def setup(self) -> None:
        """Take the start temperatures; a reset changes neither them nor the sleep."""
        p = self.parameters
        self.network = ThermalNetwork(
            {"battery": p.battery_j_k, "box": p.box_j_k, "radiator": 8e3, "motors": 8e3,
             "mast": 3e3},
            ("terrain", "sky"),
            [
                Link("battery", "box", p.battery_to_box_w_k),
                Link("box", "terrain", p.mounts_w_k + p.harness_w_k,
                     p.insulation_m2 * p.insulation_emittance),
                Link("box", "radiator", p.heat_pipe_off_w_k),
                Link("radiator", "sky", 0.0, p.radiator_m2 * p.radiator_emittance),
                Link("motors", "terrain", 0.10, 0.05),
                Link("mast", "terrain", 0.03, 0.03),
            ],
        )  # fmt: skip
        outside_k = [p.start_outside_k] * 3
        self._body: dict[str, Any] = self.context.memory.setdefault("body", {
            "temperatures_k": np.array([p.start_battery_k, p.start_box_k, *outside_k]),
            "mode": self.mode, "heat_pipe_on": False, "channels": [], "armed": False,
            "wake_at": None,
        })  # fmt: skip
        self.mode = self._body["mode"]
        self._heat_w = np.zeros(len(_NODES))
        self._sinks_k = (100.0, 3.0)
        self._heaters_w = dict.fromkeys(_HEATED, 0.0)
        self._sleep_at: int | None = None
        self._light_since: int | None = None
        self._by_order = False
        self._calls: list[Call] = []
        self._load = LoadReport(self.load)
        self._last: int | None = None

    @command("lets the rover work or sleep", SetMode, name="set_mode")
    def set_mode_of_rover(self, now: int, arguments: SetMode) -> None:
        """Begin to work or to sleep; the command is complete when that has been told."""
        if not self._alive:
            raise CommandFailed("the bus is dead: only light brings the rover back")
        if arguments.mode == "hibernate":
            wake_after_s = arguments.wake_after_s
            self._body["wake_at"] = now + seconds(wake_after_s) if wake_after_s else None
            if self.mode in ("operate", "waking"):
                self._begin_sleep(now, "by command", armed=False)
        elif self.mode == "falling_asleep":
            self._sleep_at = None
            self.set_mode("operate")
        elif self.mode == "hibernate":
            self._begin_waking("by command", by_order=True)

    def step(self, now: int) -> int | None:
        """Carry heat over the time since the last step, then set heaters and look for the hour."""
        dt_s = 0.0 if self._last is None else (now - self._last) / SECOND
        self._last = now
        body = self._body
        body["temperatures_k"], _ = self.network.step(
            body["temperatures_k"], self._sinks_k, self._heat_w, dt_s
        )
        self._report_refusals()
        self._sleep_or_wake(now)
        self._set_heat_pipe()
        self._hold()
        body["mode"] = self.mode
        self._publish(now)
        if self._sleep_at is not None:
            return min(max(self._sleep_at, now + SECOND), next_minute(now))
        # calls are started at the next tick, and answered the one after
        return now + SECOND if self._calls else next_minute(now)

    def housekeeping(self) -> dict[str, Any]:
        """Say how warm everything is."""
        values = {f"{name}_k": float(self._kelvin(name)) for name in _NODES}
        return {**values, "heater_w": sum(self._heaters_w.values())}

    # --- heat ----------------------------------------------------------------------------------

    def _kelvin(self, node: str) -> float:
        return self._body["temperatures_k"][_NODES.index(node)]

    @property
    def _alive(self) -> bool:
        bus = self.bus.row()
        return bus is None or bool(bus.alive)

    def _set_heat_pipe(self) -> None:
        """Open above one temperature of the box, shut below another, shut while asleep."""
        p, stuck, box_k = self.parameters, self.degradation.heat_pipe_stuck, self._kelvin("box")
        on = self._body["heat_pipe_on"]
        on = box_k > (p.heat_pipe_shuts_k if on else p.heat_pipe_opens_k)
        on = (on and self.mode == "operate") if stuck == "no" else stuck == "open"
        self._body["heat_pipe_on"] = on
        extra_w_k = p.heat_pipe_on_w_k - p.heat_pipe_off_w_k if on else 0.0
        self.network.conduct(_HEAT_PIPE, max(extra_w_k, 0.0))
        self.network.radiate(_TO_SKY, 1.0 - self.degradation.radiator_dust)

    def _hold(self) -> None:
        """Set heaters and take up losses, light and sinks; all are held until the next step."""
        p, surface, bus, sun = (
            self.parameters, self.surface.row(), self.bus.row(), self.sun.row()
        )  # fmt: skip
        if surface:
            self._sinks_k = (surface.terrain_temperature_k, surface.sky_temperature_k)
        self._heaters_w = self._heaters(bus)
        heat_w = dict.fromkeys(_NODES, 0.0) | self._heaters_w
        for name, row in self._loads().items():
            if name == "power":
                share_w = min(p.mast_share_w, row.heat_w)
                heat_w["mast"] += share_w
                heat_w["box"] += row.heat_w - share_w
            else:
                heat_w[_OUTSIDE.get(name, "box")] += row.heat_w
        if bus:
            heat_w["battery"] += bus.resistive_w + bus.self_discharge_w
            # the regulators stand on the radiator, so that they need no heat pipe at noon
            heat_w["radiator"] += bus.converter_w
        if sun:
            light_w_m2 = sun.irradiance_w_m2
            through = p.blanket_absorptance * p.insulation_emittance / 0.8
            heat_w["box"] += through * light_w_m2 * p.sunlit_side_m2
            upward = max(0.0, math.sin(math.radians(sun.elevation_deg)))
            dust = self.degradation.radiator_dust
            absorptance = p.radiator_absorptance + dust * (
                _DUST_ABSORPTANCE - p.radiator_absorptance
            )
            heat_w["radiator"] += absorptance * light_w_m2 * upward * p.radiator_m2
        self._heat_w = np.array([heat_w[name] for name in _NODES])

    def _loads(self) -> dict[str, Any]:
        loads = loads_behind(self._on(), self.rover_loads, self.payload_loads)
        loads.pop(self.context.name, None)
        return loads

    def _heaters(self, bus: Any) -> dict[str, float]:
        """Return the power of each heater: thermostats of 1 K width, the battery's first."""
        p, faults = self.parameters, self.degradation
        awake = self.mode in ("operate", "falling_asleep")
        box_k = p.box_operate_k if awake else p.box_hibernate_k
        if self.mode == "waking" and self._kelvin("battery") > p.battery_set_k - 0.5:
            box_k = p.box_wake_k + 1.0
        outside = awake or (self.mode == "waking" and self._enough_charge)
        heaters = (
            ("battery", p.battery_set_k, p.battery_heater_w * faults.battery_heater_factor, True),
            ("box", box_k, p.box_heater_w * faults.box_heater_factor, True),
            ("motors", p.motors_set_k, p.motors_heater_w, outside),
            ("mast", p.mast_set_k, p.mast_heater_w, outside),
        )
        left_w = math.inf
        if not self._alive:
            left_w = 0.0
        elif bus and bus.unmet_w > 0.0:
            # a bus that the array alone carries gives heaters what is left
            left_w = max(0.0, sum(self._heaters_w.values()) - bus.unmet_w)
        powers_w = {}
        for name, set_k, most_w, wanted in heaters:
            share = min(max(set_k + 0.5 - self._kelvin(name), 0.0), 1.0) if wanted else 0.0
            if name == faults.heater_stuck_on:
                share = 1.0
            powers_w[name] = min(share * most_w, left_w)
            left_w -= powers_w[name]
        return powers_w

    # --- sleep -----------------------------------------------------------------------------------

    @property
    def _charge(self) -> float:
        return 1.0 if self.battery.value is None else self.battery.value.percentage

    @property
    def _enough_charge(self) -> bool:
        return self._charge >= self.parameters.wake_state_of_charge

    def _sleep_or_wake(self, now: int) -> None:
        p, body = self.parameters, self._body
        lit = self._lit_for_s(now)
        if lit == 0.0:
            body["armed"] = True
        timer = body["wake_at"] is not None and now >= body["wake_at"] and self._enough_charge
        if self.mode in ("operate", "falling_asleep"):
            self._remember_channels()
        if self.mode == "operate":
            if not self._alive:
                self._begin_sleep(now, "because the bus collapsed", armed=True)
            elif self._charge < p.hibernate_below:
                self._begin_sleep(now, "because little charge is left", armed=True)
        elif self.mode == "falling_asleep":
            if self._sleep_at is not None and now >= self._sleep_at:
                self._switch_off()
        elif self.mode == "hibernate":
            if timer and self._alive:
                self._begin_waking("by its timer", by_order=True)
            elif lit > p.wake_light_s and body["armed"] and self._alive:
                self._begin_waking("by light", by_order=False)
        elif not self._alive or (lit == 0.0 and not self._by_order):
            self.set_mode("hibernate")
            self.event("ASLEEP_AGAIN", "The rover sleeps on, the light was too short.", level=OK)
        elif self._warm and self._enough_charge:
            self._switch_on()

    def _lit_for_s(self, now: int) -> float:
        """Return for how long the array could have given the power that counts as light."""
        bus = self.bus.row()
        if bus is None or bus.array_limit_w < self.parameters.wake_array_w:
            self._light_since = None
            return 0.0
        if self._light_since is None:
            self._light_since = now
        return (now - self._light_since) / SECOND + 1e-9

    @property
    def _warm(self) -> bool:
        p = self.parameters
        return (
            self._kelvin("battery") >= p.battery_set_k - 0.5
            and self._kelvin("box") >= p.box_wake_k
            and self._kelvin("motors") >= p.motors_set_k - 0.5
            and self._kelvin("mast") >= p.mast_set_k - 0.5
        )

    def _begin_sleep(self, now: int, why: str, *, armed: bool) -> None:
        if self.mode == "waking":
            self.set_mode("hibernate")
            return
        self.set_mode("falling_asleep")
        self._body["armed"] = armed
        self._sleep_at = now + seconds(self.parameters.grace_s)
        self.health = (OK, "ok") if why == "by command" else (WARN, f"asleep {why}")
        self.event("HIBERNATING", f"The rover goes to sleep {why}.",
                   level=OK if why == "by command" else WARN,
                   state_of_charge=self._charge)  # fmt: skip

    def _on(self) -> dict[str, bool]:
        """Return which channels are on; empty until the power unit told."""
        if self.channels.value is None:
            return {}
        row = view(self.channels.value)[0]
        return {name: bool(row[name]) for name in row.dtype.names or ()}

    def _remember_channels(self) -> None:
        """Keep what is on while there is charge: loads shed later shall come back on waking."""
        on = [name for name, state in self._on().items() if state]
        if self._alive and on and (self._enough_charge or not self._body["channels"]):
            self._body["channels"] = on

    def _switch_off(self) -> None:
        self._sleep_at = None
        self._switch([name for name, state in self._on().items() if state], False)
        self.set_mode("hibernate")

    def _begin_waking(self, why: str, *, by_order: bool) -> None:
        self.set_mode("waking")
        self._by_order = by_order
        self._body["wake_at"] = None
        self.event(
            "WAKING", f"The rover warms up, woken {why}.", level=OK,
            battery_k=float(self._kelvin("battery")), box_k=float(self._kelvin("box")),
        )  # fmt: skip

    def _switch_on(self) -> None:
        self._switch(self._body["channels"], True)
        self.set_mode("operate")
        self.health = (OK, "ok")
        self.event("WOKEN", "The rover is warm and works again.", level=OK,
                   state_of_charge=self._charge)  # fmt: skip

    def _switch(self, names: list[str], on: bool) -> None:
        self._calls = [self.call("power", f"channels/{name}/switch", data=on) for name in names]

    def _report_refusals(self) -> None:
        for call in self._calls:
            if call.done and not call.accepted:
                self.event("SWITCH_REFUSED", f"{call.command} was refused: {call.reason}.",
                           level=ERROR)  # fmt: skip
        self._calls = [call for call in self._calls if not call.done]

    def _publish(self, now: int) -> None:
        heaters_w = sum(self._heaters_w.values())
        asleep = self.mode in ("hibernate", "waking")
        row = (
            *(float(self._kelvin(name)) for name in _NODES),
            heaters_w, int(self._body["heat_pipe_on"]), int(asleep),
        )  # fmt: skip
        self.nodes.publish_rows(now, [row])
        self.temperatures.publish_rows(now, [row])
        self._load.report(now, heaters_w)
