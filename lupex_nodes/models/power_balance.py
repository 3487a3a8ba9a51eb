# SPDX-License-Identifier: Apache-2.0
"""The balance of a regulated bus: solar array, its regulator, battery, loads.

The array's regulator passes a fixed part of the array's power; the battery gives what is missing
through its own regulator or takes what is left over, and an array whose power nobody takes is
turned down. Every term of the balance

    array - loads - regulators - resistance - into the cells at open-circuit voltage = 0

is accumulated on its own, so what is left of the sum tells an error of the bookkeeping.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from lupex_nodes.models.battery import Battery


class Flow(NamedTuple):
    """What flowed during one step; means over it, W.

    `array_w` was drawn from the array before its regulator; `converter_w` is the loss of both
    regulators; `open_circuit_w` goes into the cells, negative out of them; `battery_w` comes out of
    the battery behind its regulator, negative into it; `discharge_w` is its positive part.
    """

    array_w: float
    load_w: float
    battery_w: float
    converter_w: float
    resistive_w: float
    open_circuit_w: float
    discharge_w: float
    self_discharge_w: float
    unmet_w: float
    voltage_v: float
    current_a: float
    limited_by: str


class Ledger(NamedTuple):
    """The energies since the start, J; each is the integral of the power of its name."""

    array_j: float = 0.0
    load_j: float = 0.0
    converter_j: float = 0.0
    resistive_j: float = 0.0
    open_circuit_j: float = 0.0
    discharge_j: float = 0.0
    self_discharge_j: float = 0.0

    def plus(self, flow: Flow, dt_s: float) -> Ledger:
        """Return the ledger after `flow` for `dt_s`."""
        return Ledger(
            self.array_j + flow.array_w * dt_s,
            self.load_j + flow.load_w * dt_s,
            self.converter_j + flow.converter_w * dt_s,
            self.resistive_j + flow.resistive_w * dt_s,
            self.open_circuit_j + flow.open_circuit_w * dt_s,
            self.discharge_j + flow.discharge_w * dt_s,
            self.self_discharge_j + flow.self_discharge_w * dt_s,
        )


def residual_fraction(
    array: float, loads: float, converters: float, resistance: float, cells: float, discharge: float
) -> float:
    """Return what the balance leaves over, as part of all that came from array and battery."""
    turned_over = array + discharge
    left = abs(array - loads - converters - resistance - cells)
    return left / turned_over if turned_over > 0.0 else 0.0


@dataclass
class PowerBalance:
    """The state of a bus: its battery's charge (0 to 1, of that at 25 deg C) and its ledger."""

    battery: Battery
    state_of_charge: float
    regulator_efficiency: float = 0.92
    ledger: Ledger = field(default_factory=Ledger)

    def step(self, array_w: float, load_w: float, temperature_k: float, dt_s: float) -> Flow:
        """Serve `load_w` for `dt_s` with an array that could give `array_w` before its regulator.

        `temperature_k` is that of the cells.
        """
        offered_w = self.regulator_efficiency * array_w
        step = self.battery.step(
            self.state_of_charge, load_w - offered_w, temperature_k, dt_s
        )
        self.state_of_charge = step.state_of_charge
        taken_w = (offered_w - step.refused_power_w) / self.regulator_efficiency
        if not dt_s:
            taken_w, load_w = 0.0, 0.0
        flow = Flow(
            array_w=taken_w,
            load_w=load_w - step.unmet_power_w,
            battery_w=step.delivered_power_w,
            converter_w=(1.0 - self.regulator_efficiency) * taken_w + step.regulator_w,
            resistive_w=step.resistive_w,
            open_circuit_w=-step.open_circuit_w,
            discharge_w=max(0.0, step.delivered_power_w),
            self_discharge_w=step.self_discharge_w,
            unmet_w=step.unmet_power_w,
            voltage_v=step.voltage_v,
            current_a=step.current_a,
            limited_by=step.limited_by,
        )
        self.ledger = self.ledger.plus(flow, dt_s)
        return flow

    def usable_fraction(self, temperature_k: float) -> float:
        """Return the part left of what the cells hold at this temperature."""
        return self.battery.usable_fraction(self.state_of_charge, temperature_k)

    def residual_fraction(self) -> float:
        """Return what the ledger leaves over."""
        e = self.ledger
        return residual_fraction(
            e.array_j, e.load_j, e.converter_j, e.resistive_j, e.open_circuit_j, e.discharge_j
        )
