# SPDX-License-Identifier: Apache-2.0
"""Residuals of array, regulator, bus, battery and channels."""

from __future__ import annotations

from collections import deque

from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.models.battery import FREEZING_K, Battery, capacity_factor
from lupex_nodes.models.solar_array import SolarArray
from lupex_nodes.rover.residuals.residual import Residual
from lupex_nodes.rover.telemetry import Telemetry
from lupex_nodes.world.load_report import loads_behind

_BATTERY = "rover/power/battery"
_BUS = "rover/power/bus"
_SKY = "rover/navigation/sky"
_CHANNELS = "rover/power/channels"
_LANDER_BATTERY = "lander/lander_power/battery"
_LANDER_BUS = "lander/lander_power/bus"


class BatteryVoltage(Residual):
    """Voltage told less that of a sound battery at this charge, current and temperature, V."""

    topics = (_BATTERY,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Use the curve of open-circuit voltage and the resistance of new cells."""
        b, cells = seen.row(_BATTERY), Battery()
        kelvin = b.temperature + FREEZING_K
        charge = cells.state_of_usable(min(max(b.percentage, 0.0), 1.0), kelvin)
        sound_v = cells.open_circuit_voltage_v(charge)
        sound_v += b.current * cells.resistance_ohm(min(max(kelvin, 150.0), 400.0))
        self.value = b.voltage - sound_v


class CellImbalance(Residual):
    """Highest less lowest voltage of the cells, V."""

    topics = (_BATTERY,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Use the cells' own voltages."""
        cells_v = seen.row(_BATTERY).cell_voltage
        self.value = float(max(cells_v) - min(cells_v)) if len(cells_v) else None


class Capacity(Residual):
    """Capacity told over that of new cells at this temperature: 1 when new."""

    topics = (_BATTERY,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Take off what the cold takes."""
        b = seen.row(_BATTERY)
        whole_ah = b.design_capacity * capacity_factor(b.temperature + FREEZING_K)
        self.value = b.capacity / whole_ah if whole_ah > 0.0 else None


class ChargeBooks(Residual):
    """Charge told less charge counted from the current in the last half hour, over capacity."""

    topics = (_BATTERY,)

    def __init__(self) -> None:
        super().__init__()
        self._counted_ah = 0.0
        self._last: tuple[int, float] | None = None
        self._past: deque[tuple[int, float]] = deque()

    def update(self, now: int, seen: Telemetry) -> None:
        """Carry the count on, and compare it with what was told half an hour ago."""
        source = seen.sources[_BATTERY]
        b, at = source.row, source.time or now
        kelvin = b.temperature + FREEZING_K
        whole_ah = b.capacity / max(capacity_factor(kelvin), 0.1)
        if self._last is not None:
            self._counted_ah += b.current * (at - self._last[0]) / (3600.0 * SECOND)
        if self._last is None or abs(whole_ah - self._last[1]) > 0.01 * whole_ah:
            self._past.clear()
        self._last = (at, whole_ah)
        told_ah = Battery().state_of_usable(b.percentage, kelvin) * whole_ah
        self._past.append((at, told_ah - self._counted_ah))
        while at - self._past[0][0] > 1800 * SECOND and len(self._past) > 2:
            self._past.popleft()
        if whole_ah > 0.0:
            self.value = abs(self._past[-1][1] - self._past[0][1]) / whole_ah


class UnaccountedLoad(Residual):
    """Power that the bus gave less what the units say they took, W."""

    topics = (_BUS,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Add the loads of all that is on."""
        bus = seen.row(_BUS)
        ports = [seen.sources[topic].port for topic in ("rover/*/load", "payload/*/load")]
        loads = loads_behind(seen.channels, *ports)
        if not loads or not bus.alive or bus.unmet_w > 0.01:
            self.value = None
            return
        self.value = bus.load_w - sum(row.power_w for row in loads.values())


class Regulator(Residual):
    """Part of the array's power that its regulator loses: 0.08."""

    topics = (_BUS,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Take off what the battery's own regulator loses."""
        bus, kept = seen.row(_BUS), Battery.discharge_efficiency
        lost_w = bus.converter_w - max(bus.battery_w, 0.0) * (1.0 - kept) / kept
        self.value = lost_w / bus.array_w if bus.array_w > 100.0 else None


class ArrayOutput(Residual):
    """Power that the array could give over that of a clean one in full light: 1.

    A hill that the map does not show takes the light slowly of a rover that stands, or is there
    from the start: then nothing is said until the light is back or the rover drives.
    """

    topics = (_BUS, _SKY)
    sound, weak = 0.8, 0.65
    #: The Sun's disc takes an hour to set behind a steep edge; a string is lost at once.
    fall_s = 300.0

    def __init__(self) -> None:
        super().__init__()
        self._shaded = True
        self._sound_at = 0

    def update(self, now: int, seen: Telemetry) -> None:
        """Expect what a panel that faces the Sun gives."""
        bus, lit = seen.row(_BUS), seen.conditions.get("lit") is not None
        if bus is None or not lit:
            self.value = None
            return
        ratio = bus.array_limit_w / FACING_W
        if ratio >= self.sound or seen.conditions.get("driving") is not None:
            self._shaded, self._sound_at = False, now
        elif ratio > self.weak and now - self._sound_at > self.fall_s * SECOND:
            self._shaded = True
        self.value = None if self._shaded else ratio


#: Of a clean array that faces the Sun at one astronomical unit.
FACING_W = SolarArray().power_of_strips_w(1361.0, (1.0, 1.0, 1.0), 1.0)


class LoadMismatch(Residual):
    """Load told less that by which the ledger of the bus grew, over it: 0."""

    topics = (_BUS,)

    def __init__(self) -> None:
        super().__init__()
        self._before: tuple[int, float] | None = None

    def update(self, now: int, seen: Telemetry) -> None:
        """Divide the energy since the message before by the time."""
        source = seen.sources[_BUS]
        at, bus, before = source.stamp, source.row, self._before
        self._before = (at, bus.load_energy_j)
        if before is None or at <= before[0]:
            return
        mean_w = (bus.load_energy_j - before[1]) * SECOND / (at - before[0])
        self.value = abs(bus.load_w - mean_w) / mean_w if mean_w > 10.0 else None


class ChannelsOpened(Residual):
    """Channels that went off although nobody switched, shed or tripped them, and still are."""

    topics = (_CHANNELS,)

    def __init__(self) -> None:
        super().__init__()
        self._before: dict[str, bool] = {}
        self._open: set[str] = set()
        self.value = 0.0

    def update(self, now: int, seen: Telemetry) -> None:
        """Look for an event that names the channel."""
        named = {v.value for unit, _, values in seen.events if unit == "power"
                 for v in values if v.key == "channel"}  # fmt: skip
        on, bus = seen.channels, seen.row(_BUS)
        alive = seen.conditions["awake"] is not None and (bus is None or bool(bus.alive))
        for name, was in self._before.items():
            if was and not on.get(name, True) and name not in named and alive:
                self._open.add(name)
        self._open = {name for name in self._open if not on.get(name, True)} - named
        self._before = dict(on)
        self.value = float(len(self._open))


class EnergyBooks(Residual):
    """What the ledger of the bus leaves over, as part of what was turned over: 0."""

    topics = (_BUS,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Add the energies since the start."""
        e = seen.row(_BUS)
        over = e.array_energy_j + e.discharge_energy_j
        left = (
            e.array_energy_j - e.load_energy_j - e.converter_energy_j - e.resistive_energy_j
            - e.open_circuit_energy_j
        )  # fmt: skip
        self.value = abs(left) / over if over > 1e3 else None


class BatteryStuck(Residual):
    """For how long (s) the charge told has stood still while the bus moves charge."""

    topics = (_BATTERY,)
    _charge, _flow, _least_w = _BATTERY, _BUS, 10.0

    def __init__(self) -> None:
        super().__init__()
        self._before: float | None = None
        self._changed: int | None = None

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare with the message before."""
        told, bus = seen.row(self._charge).percentage, seen.row(self._flow)
        moves = bus is not None and abs(bus.battery_w) > self._least_w
        if told != self._before or not moves or self._changed is None:
            self._changed = now
        self._before = told
        self.value = (now - self._changed) / SECOND


class LanderBatteryStuck(BatteryStuck):
    """The same of the lander."""

    topics = (_LANDER_BATTERY,)
    _charge, _flow = _LANDER_BATTERY, _LANDER_BUS
