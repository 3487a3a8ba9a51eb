# SPDX-License-Identifier: Apache-2.0
"""What a power unit says of its battery and its bus."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import BatteryState

from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.stamps import to_stamp
from lupex_nodes.models.battery import (
    FREEZING_K,
    capacity_factor,
    cell_open_circuit_voltage_v,
)
from lupex_nodes.models.power_balance import Flow, PowerBalance


def battery_message(
    now: int,
    frame_id: str,
    balance: PowerBalance,
    flow: Flow,
    temperature_k: float,
    weak_cell_lack: float = 0.0,
) -> Any:
    """Make the state of a battery.

    Charge, capacity and percentage are what the cells hold at their present temperature; the
    design capacity is that of new cells at 25 deg C. `cell_voltage` has one value a group in
    series; the last lacks `weak_cell_lack` of its charge.
    """
    cells = balance.battery
    charge = balance.state_of_charge
    lower_v = cell_open_circuit_voltage_v(charge) - cell_open_circuit_voltage_v(
        max(charge - weak_cell_lack, 0.0)
    )
    each_v = flow.voltage_v / cells.cells_in_series
    battery = fresh(BatteryState)
    battery.header.stamp = to_stamp(now)
    battery.header.frame_id = frame_id
    battery.voltage = flow.voltage_v - lower_v
    battery.cell_voltage = [each_v] * (cells.cells_in_series - 1) + [each_v - lower_v]
    battery.current = -flow.current_a  # sensor_msgs: negative when discharging
    battery.temperature = temperature_k - FREEZING_K
    battery.percentage = balance.usable_fraction(temperature_k)
    battery.design_capacity = cells.cell_capacity_ah * cells.strings_in_parallel
    battery.capacity = cells.capacity_c / 3600.0 * capacity_factor(temperature_k)
    battery.charge = battery.capacity * battery.percentage
    battery.power_supply_technology = BatteryState.POWER_SUPPLY_TECHNOLOGY_LION
    battery.power_supply_status = (
        BatteryState.POWER_SUPPLY_STATUS_CHARGING
        if flow.current_a < 0.0
        else BatteryState.POWER_SUPPLY_STATUS_DISCHARGING
    )
    battery.power_supply_health = (
        BatteryState.POWER_SUPPLY_HEALTH_GOOD
        if temperature_k >= FREEZING_K
        else BatteryState.POWER_SUPPLY_HEALTH_COLD
    )
    battery.present = True
    return battery


def bus_row(balance: PowerBalance, flow: Flow, array_limit_w: float, alive: bool) -> tuple:
    """Make the row of the record BUS."""
    return (
        flow.array_w, array_limit_w, flow.load_w, flow.battery_w, flow.converter_w,
        flow.resistive_w, flow.open_circuit_w, flow.self_discharge_w, flow.unmet_w, int(alive),
        *balance.ledger,
    )  # fmt: skip
