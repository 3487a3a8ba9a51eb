# SPDX-License-Identifier: Apache-2.0
"""What battery, bus and array tell, against the models of battery, regulators and array."""

from __future__ import annotations

import numpy as np

from lupex_nodes.analysis.operating_modes import held, of_message, standing_s
from lupex_nodes.analysis.tables import Series, Tables
from lupex_nodes.models.battery import FREEZING_K, Battery, capacity_factor
from lupex_nodes.models.illumination import SOLAR_CONSTANT_W_M2
from lupex_nodes.models.solar_array import SolarArray

BATTERY, BUS, SKY = "rover/power/battery", "rover/power/bus", "rover/navigation/sky"
_CHANNELS = "rover/power/channels"
_WINDOW_S = 1800.0
_FACING_W = SolarArray().power_of_strips_w(SOLAR_CONSTANT_W_M2, (1.0, 1.0, 1.0), 1.0)


def battery_voltage_v(tables: Tables) -> Series | None:
    """Return voltage told less that of sound cells at this charge, current and temperature, V."""
    found = of_message(tables, BATTERY, "voltage", "current", "percentage", "temperature")
    if found is None:
        return None
    time_s, voltage_v, current_a, fraction, celsius = found
    cells = Battery()
    kelvin = np.clip(celsius + FREEZING_K, 150.0, 400.0)
    sound_v = [
        cells.open_circuit_voltage_v(cells.state_of_usable(min(max(part, 0.0), 1.0), at_k))
        + amperes * cells.resistance_ohm(at_k)
        for part, at_k, amperes in zip(
            fraction.tolist(), kelvin.tolist(), current_a.tolist(), strict=True
        )
    ]
    return Series(time_s, voltage_v - np.array(sound_v))


def cell_imbalance_v(tables: Tables) -> Series | None:
    """Return the highest less the lowest voltage of the cells, V."""
    columns = tables.scalars.get(tables.topic(BATTERY) or "", {})
    cells = [each for path, each in columns.items() if path.startswith("cell_voltage[")]
    if not cells:
        return None
    return Series(cells[0].time_s, np.ptp([each.values for each in cells], axis=0))


def capacity_ratio(tables: Tables) -> Series | None:
    """Return capacity told over that of new cells at this temperature: 1 when new."""
    found = of_message(tables, BATTERY, "capacity", "design_capacity", "temperature")
    if found is None:
        return None
    time_s, told_ah, design_ah, celsius = found
    whole_ah = design_ah * _factor(celsius)
    return Series(time_s, told_ah / np.where(whole_ah > 0.0, whole_ah, np.nan))


def charge_books_fraction(tables: Tables) -> Series | None:
    """Return charge told less charge counted from the current in half an hour, over capacity."""
    found = of_message(tables, BATTERY, "percentage", "current", "capacity", "temperature")
    if found is None:
        return None
    time_s, fraction, current_a, capacity_ah, celsius = found
    factor = _factor(celsius)
    whole_ah = capacity_ah / np.maximum(factor, 0.1)
    counted_ah = np.cumsum(current_a * np.diff(time_s, prepend=time_s[0])) / 3600.0
    told = 1.0 - factor + factor * fraction - counted_ah / whole_ah
    before = held(Series(time_s, told), time_s - _WINDOW_S)
    same = np.abs(held(Series(time_s, whole_ah), time_s - _WINDOW_S) / whole_ah - 1.0) < 0.01
    return Series(time_s, np.where(same, np.abs(told - before), np.nan))


def battery_stuck_s(tables: Tables) -> Series | None:
    """Return for how long (s) the charge told has stood still while the bus moved charge."""
    return _stuck_s(tables, BATTERY, BUS)


def lander_battery_stuck_s(tables: Tables) -> Series | None:
    """Return the same of the lander."""
    return _stuck_s(tables, "lander/lander_power/battery", "lander/lander_power/bus")


def _stuck_s(tables: Tables, battery: str, bus: str) -> Series | None:
    found, flow = of_message(tables, battery, "percentage"), tables.series(bus, "battery_w")
    if found is None or flow is None or not len(flow.values):
        return None
    time_s, fraction = found
    moves = np.abs(held(flow, time_s)) > 10.0
    changed = np.append(True, np.diff(fraction) != 0.0) | ~moves
    last = np.maximum.accumulate(np.where(changed, np.arange(len(time_s)), 0))
    return Series(time_s, time_s - time_s[last])


def unaccounted_load_w(tables: Tables) -> Series | None:
    """Return power that the bus gave less what the units say they took, W."""
    found = of_message(tables, BUS, "load_w", "alive", "unmet_w")
    loads = {
        topic.rpartition("/load")[0].rpartition("/")[2]: topic
        for topic in tables.records
        if topic.endswith("/load") and ("/rover/" in topic or "/payload/" in topic)
    }
    if found is None or "power" not in loads:
        return None
    time_s, load_w, alive, unmet_w = found
    taken_w = np.zeros(len(time_s))
    for unit, topic in loads.items():
        power = Series(tables.records[topic].time_s, tables.records[topic].rows["power_w"])
        if not len(power.values):
            continue
        power_w = np.nan_to_num(held(power, time_s))
        switch = tables.series(_CHANNELS, unit)
        on = held(switch, time_s) != 0.0 if switch is not None else True
        taken_w += np.where(on, power_w, 0.0)
    sound = (alive != 0.0) & (unmet_w <= 0.01)
    return Series(time_s, np.where(sound, load_w - taken_w, np.nan))


def power_balance_fraction(tables: Tables) -> Series | None:
    """Return what the powers of one message of the bus leave over, as part of what came in."""
    found = of_message(
        tables, BUS, "array_w", "load_w", "battery_w", "converter_w", "resistive_w",
        "open_circuit_w",
    )  # fmt: skip
    if found is None:
        return None
    time_s, array_w, load_w, battery_w, converter_w, resistive_w, cells_w = found
    left_w = array_w - load_w - converter_w - resistive_w - cells_w
    came_w = array_w + np.maximum(battery_w, 0.0)
    return Series(time_s, np.where(came_w > 5.0, np.abs(left_w) / np.maximum(came_w, 5.0), np.nan))


def regulator_loss_fraction(tables: Tables) -> Series | None:
    """Return the part of the array's power that its regulator loses: 0.08."""
    found = of_message(tables, BUS, "converter_w", "battery_w", "array_w")
    if found is None:
        return None
    time_s, converter_w, battery_w, array_w = found
    kept = Battery.discharge_efficiency
    lost_w = converter_w - np.maximum(battery_w, 0.0) * (1.0 - kept) / kept
    return Series(time_s, np.where(array_w > 100.0, lost_w / np.maximum(array_w, 1.0), np.nan))


def array_turned_ratio(tables: Tables) -> Series | None:
    """Return what the array could give over what a panel that faces the Sun gives, in the light.

    Told where light is forecast, and only of a rover that has turned by over 20 deg since the array
    gave its best: the shade of a place not on the map stays, a panel that does not follow turns.
    """
    found = of_message(tables, BUS, "array_limit_w")
    lit = of_message(tables, SKY, "lit_fraction", "lit_for_s")
    yaw = tables.housekeeping.get("navigation", {}).get("yaw_deg")
    if found is None or lit is None or yaw is None:
        return None
    time_s, limit_w = found
    sky_s, lit_fraction, lit_for_s = lit
    left_s = held(Series(sky_s, sky_s + lit_for_s), time_s) - time_s
    known = (held(Series(sky_s, lit_fraction), time_s) > 0.99) & (left_s > 1800.0)
    ratio, yaw_deg = limit_w / _FACING_W, held(yaw, time_s)
    good = np.maximum.accumulate(np.where(ratio > 0.85, np.arange(len(time_s)), -1))
    turned_deg = np.abs((yaw_deg - yaw_deg[np.maximum(good, 0)] + 180.0) % 360.0 - 180.0)
    return Series(time_s, np.where(known & (good >= 0) & (turned_deg > 20.0), ratio, np.nan))


def array_drop_ratio(tables: Tables) -> Series | None:
    """Return what the array could give over what it could 5 min ago, of a rover that stands.

    The Sun's disc takes an hour to set behind a ridge.
    """
    found = of_message(tables, BUS, "array_limit_w")
    if found is None:
        return None
    time_s, limit_w = found
    before_w = held(Series(time_s, limit_w), time_s - 300.0)
    stood = (standing_s(tables, time_s) > 600.0) & (before_w > 0.3 * _FACING_W)
    return Series(time_s, np.where(stood, limit_w / np.maximum(before_w, 1.0), np.nan))


def _factor(celsius: np.ndarray) -> np.ndarray:
    return np.array([capacity_factor(each) for each in (celsius + FREEZING_K).tolist()])
