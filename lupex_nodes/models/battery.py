# SPDX-License-Identifier: Apache-2.0
"""Lithium-ion battery as an equivalent circuit: open-circuit voltage, resistance, cold capacity.

Open-circuit voltage: Chen and Rincon-Mora 2006, IEEE Trans. Energy Conversion 21, 504,
doi:10.1109/TEC.2006.874229. Its two RC pairs, which settle within minutes, are folded into one
resistance, so voltages are those of slow loads. Cold costs capacity, which comes back on warming,
and forbids charging below 0 deg C. Fade by cycles and by time adds up (Vetter et al. 2005, J. Power
Sources 147, 269). Range: 230 to 330 K cell temperature, up to 1 C.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

FREEZING_K = 273.15
_MONTH_S = 30.44 * 86400.0
_FULLEST_SUBSTEP = 0.01  # state of charge; keeps voltage nearly constant within a sub-step

# Usable part of the capacity against cell temperature (typical of 18650 cells).
_CAPACITY_TEMPERATURE_K = (223.15, 233.15, 243.15, 253.15, 273.15, 298.15)
_CAPACITY_FACTOR = (0.0, 0.25, 0.5, 0.7, 0.9, 1.0)


class BatteryStep(NamedTuple):
    """What a battery did during one step; powers and current are means over it.

    Power and current are positive out of the battery. `unmet_power_w` is the load that could not
    be served, `refused_power_w` the charging power that could not be taken, both >= 0.
    `limited_by` is "" or the last reason for either: "empty", "full", "cold", "current", "voltage".
    `voltage_v` is the bus-side voltage of the cells at the end of the step.

    `open_circuit_w` is open-circuit voltage times the current that flows: what the cells give up
    to the outside and to their resistance (`resistive_w`). `regulator_w` is lost on the way to the
    loads; `self_discharge_w` leaks inside, without a current. `heat_w` is the three losses.
    """

    state_of_charge: float
    voltage_v: float
    current_a: float
    delivered_power_w: float
    unmet_power_w: float
    refused_power_w: float
    open_circuit_w: float
    resistive_w: float
    regulator_w: float
    self_discharge_w: float
    limited_by: str

    @property
    def heat_w(self) -> float:
        """All that is lost."""
        return self.resistive_w + self.regulator_w + self.self_discharge_w


@dataclass(frozen=True)
class Battery:
    """A pack of equal cells; every default is assumed, none is a published LUPEX figure.

    The defaults make 10.0 kWh at 25 deg C on a bus of 28 to 33 V. State of charge, 0 to 1, counts
    against the capacity at 25 deg C.
    """

    cells_in_series: int = 8
    strings_in_parallel: int = 66
    cell_capacity_ah: float = 5.0
    cell_resistance_ohm: float = 0.045
    cell_voltage_min_v: float = 2.6
    cell_voltage_max_v: float = 4.2
    discharge_rate_max_per_h: float = 1.0
    charge_rate_max_per_h: float = 0.5
    discharge_efficiency: float = 0.96
    self_discharge_per_month: float = 0.02
    capacity_fade: float = 0.0

    def __post_init__(self) -> None:
        positive = {
            "cells_in_series": self.cells_in_series,
            "strings_in_parallel": self.strings_in_parallel,
            "cell_capacity_ah": self.cell_capacity_ah,
            "cell_resistance_ohm": self.cell_resistance_ohm,
            "discharge_efficiency": self.discharge_efficiency,
            "1 - capacity_fade": 1.0 - self.capacity_fade,
        }
        for name, value in positive.items():
            if not value > 0:
                raise ValueError(f"battery {name} is {value}: it must be above 0")

    @property
    def capacity_c(self) -> float:
        """Charge from empty to full at 25 deg C, coulombs."""
        cell_c = self.cell_capacity_ah * 3600.0 * (1.0 - self.capacity_fade)
        return cell_c * self.strings_in_parallel

    def open_circuit_voltage_v(self, state_of_charge: float) -> float:
        """Return the pack's voltage without load."""
        return self.cells_in_series * cell_open_circuit_voltage_v(state_of_charge)

    def resistance_ohm(self, temperature_k: float) -> float:
        """Return the pack's resistance: constant above 0 deg C, doubled per 15 K below."""
        below_k = min(max(FREEZING_K - temperature_k, 0.0), 150.0)
        cell_ohm = self.cell_resistance_ohm * 2.0 ** (below_k / 15.0)
        return cell_ohm * self.cells_in_series / self.strings_in_parallel

    def stored_energy_j(self, state_of_charge: float) -> float:
        """Return the energy of all charge down to empty, before any loss."""
        return self.capacity_c * self.cells_in_series * _cell_voltage_integral(state_of_charge)

    def usable_fraction(self, state_of_charge: float, temperature_k: float) -> float:
        """Return the part left of the charge that can be drawn at this temperature, 0 to 1."""
        floor = 1.0 - capacity_factor(temperature_k)
        return (state_of_charge - floor) / (1.0 - floor) if state_of_charge > floor else 0.0

    def state_of_usable(self, fraction: float, temperature_k: float) -> float:
        """Return the state of charge at which `fraction` is left; undoes `usable_fraction`."""
        factor = capacity_factor(temperature_k)
        return 1.0 - factor + factor * fraction

    def usable_energy_j(self, state_of_charge: float, temperature_k: float) -> float:
        """Return what a slow load could draw at this temperature, after the discharge loss."""
        floor = 1.0 - capacity_factor(temperature_k)
        if state_of_charge <= floor:
            return 0.0
        stored_j = self.stored_energy_j(state_of_charge) - self.stored_energy_j(floor)
        return self.discharge_efficiency * stored_j

    def step(
        self, state_of_charge: float, power_w: float, temperature_k: float, dt_s: float
    ) -> BatteryStep:
        """Serve `power_w` (negative: charge) for `dt_s` as far as the cells can.

        Stored energy lost = delivered energy + heat, to rounding. ValueError for numbers that are
        not finite, a negative duration, or a state of charge outside 0..1.
        """
        if not (math.isfinite(power_w) and 0.0 < temperature_k < math.inf and 0.0 <= dt_s < 1e9):
            raise ValueError(
                f"battery step of {dt_s} s with {power_w} W at {temperature_k} K: give finite"
                " numbers, a positive temperature and a duration >= 0"
            )
        if not 0.0 <= state_of_charge <= 1.0:
            raise ValueError(f"battery state of charge is {state_of_charge}: it lies in 0..1")
        resistance_ohm = self.resistance_ohm(temperature_k)
        soc, limited_by, current_a = state_of_charge, "", 0.0
        delivered_j = open_j = resistive_j = regulator_j = leaked_j = moved_c = 0.0
        fastest = max(self.discharge_rate_max_per_h, self.charge_rate_max_per_h) / 3600.0
        substeps = max(1, math.ceil(dt_s * fastest / _FULLEST_SUBSTEP))
        h = dt_s / substeps
        for _ in range(substeps):
            leaked = soc * -math.expm1(-self.self_discharge_per_month * h / _MONTH_S)
            leaked_j += self.stored_energy_j(soc) - self.stored_energy_j(soc - leaked)
            soc -= leaked
            soc, voltage_v, current_a, reason = self._move_charge(
                soc, power_w, temperature_k, resistance_ohm, h
            )
            limited_by = reason or limited_by
            terminal_w = (voltage_v - current_a * resistance_ohm) * current_a
            efficiency = self.discharge_efficiency if current_a > 0.0 else 1.0
            delivered_j += efficiency * terminal_w * h
            regulator_j += (1.0 - efficiency) * terminal_w * h
            resistive_j += current_a**2 * resistance_ohm * h
            open_j += voltage_v * current_a * h
            moved_c += current_a * h
        rate = 1.0 / dt_s if dt_s else 0.0
        delivered_w = delivered_j * rate
        short_w = power_w - delivered_w if limited_by else 0.0
        return BatteryStep(
            state_of_charge=soc,
            voltage_v=self.open_circuit_voltage_v(soc) - current_a * resistance_ohm,
            current_a=moved_c * rate,
            delivered_power_w=delivered_w,
            unmet_power_w=max(0.0, short_w),
            refused_power_w=max(0.0, -short_w),
            open_circuit_w=open_j * rate,
            resistive_w=resistive_j * rate,
            regulator_w=regulator_j * rate,
            self_discharge_w=leaked_j * rate,
            limited_by=limited_by,
        )

    def _move_charge(
        self, soc: float, power_w: float, temperature_k: float, resistance_ohm: float, h: float
    ) -> tuple[float, float, float, str]:
        """One sub-step: new state of charge, mean open-circuit voltage, current, limit."""
        open_v = self.open_circuit_voltage_v(soc)
        limit_a, reason = self._current_limit(
            soc, power_w, temperature_k, resistance_ohm, open_v, h
        )
        cells_w = power_w / self.discharge_efficiency if power_w > 0.0 else power_w
        mean_v, end = open_v, soc
        # The mean voltage over the sub-step makes charge times voltage equal the energy taken.
        for _ in range(8):
            current_a, limited = _current_for_power(cells_w, mean_v, resistance_ohm, limit_a)
            before, end = end, soc - current_a * h / self.capacity_c
            end = min(max(end, 0.0), 1.0)
            mean_v = self.cells_in_series * _mean_cell_voltage_v(soc, end)
            if abs(end - before) < 1e-16:
                break
        return end, mean_v, current_a, reason if limited else ""

    def _current_limit(
        self,
        soc: float,
        power_w: float,
        temperature_k: float,
        resistance_ohm: float,
        open_v: float,
        h: float,
    ) -> tuple[float, str]:
        """Largest magnitude of current in the direction of `power_w`, and what sets it."""
        per_h_a = self.capacity_c / 3600.0
        if power_w > 0.0:
            floor = 1.0 - capacity_factor(temperature_k)
            spare_v = open_v - self.cells_in_series * self.cell_voltage_min_v
            room_a = max(0.0, soc - floor) * self.capacity_c / h if h else math.inf
            rate_a, room = self.discharge_rate_max_per_h * per_h_a, "empty"
        else:
            if temperature_k < FREEZING_K:
                return 0.0, "cold"
            spare_v = self.cells_in_series * self.cell_voltage_max_v - open_v
            room_a = (1.0 - soc) * self.capacity_c / h if h else math.inf
            rate_a, room = self.charge_rate_max_per_h * per_h_a, "full"
        voltage_a = max(0.0, spare_v) / resistance_ohm
        return min((room_a, room), (rate_a, "current"), (voltage_a, "voltage"))


def cell_open_circuit_voltage_v(state_of_charge: float) -> float:
    """Return the voltage of one cell at rest: 2.65 V empty, 3.80 V half full, 4.10 V full."""
    s = state_of_charge
    return -1.031 * math.exp(-35.0 * s) + 3.685 + s * (0.2156 + s * (-0.1178 + s * 0.3201))


def capacity_factor(temperature_k: float) -> float:
    """Return the usable part of the capacity: 1 at 25 deg C, 0.9 at 0, 0.25 at -40, 0 at -50."""
    knots = _CAPACITY_TEMPERATURE_K
    if temperature_k >= knots[-1]:
        return 1.0
    for i in range(len(knots) - 1, 0, -1):
        if temperature_k >= knots[i - 1]:
            u = (temperature_k - knots[i - 1]) / (knots[i] - knots[i - 1])
            return _CAPACITY_FACTOR[i - 1] + u * (_CAPACITY_FACTOR[i] - _CAPACITY_FACTOR[i - 1])
    return 0.0


def _cell_voltage_integral(soc: float) -> float:
    s = soc
    exponential = 1.031 / 35.0 * math.expm1(-35.0 * s)
    return exponential + s * (3.685 + s * (0.2156 / 2 + s * (-0.1178 / 3 + s * 0.3201 / 4)))


def _mean_cell_voltage_v(start: float, end: float) -> float:
    if abs(start - end) < 1e-3:
        # Simpson's rule is exact to 1e-10 here, where the difference of integrals cancels.
        middle = cell_open_circuit_voltage_v((start + end) / 2)
        ends = cell_open_circuit_voltage_v(start) + cell_open_circuit_voltage_v(end)
        return (ends + 4.0 * middle) / 6.0
    return (_cell_voltage_integral(start) - _cell_voltage_integral(end)) / (start - end)


def _current_for_power(
    power_w: float, open_v: float, resistance_ohm: float, limit_a: float
) -> tuple[float, bool]:
    discriminant = open_v**2 - 4.0 * resistance_ohm * power_w
    if discriminant >= 0.0:
        wanted_a = 2.0 * power_w / (open_v + math.sqrt(discriminant))
        if abs(wanted_a) <= limit_a:
            return wanted_a, False
    return math.copysign(limit_a, power_w), True
