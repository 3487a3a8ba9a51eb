# SPDX-License-Identifier: Apache-2.0
"""Heaters, heat pipe and temperatures against thermostats and masses."""

from __future__ import annotations

import numpy as np

from lupex_nodes.analysis.operating_modes import held, of_message
from lupex_nodes.analysis.residuals.power import BUS
from lupex_nodes.analysis.tables import Series, Tables

HEAT = "rover/thermal/temperatures"
#: Node, set point (K), largest power (W) while the rover works.
_THERMOSTATS = (
    ("battery_k", 278.65, 60.0), ("box_k", 273.15, 120.0), ("motors_k", 218.15, 80.0),
    ("mast_k", 243.15, 30.0),
)  # fmt: skip


def heater_duty_w(tables: Tables) -> Series | None:
    """Return heater power told less what thermostats of 1 K width ask for, W."""
    found = of_message(
        tables, HEAT, "heater_w", "hibernating", *(node for node, _, _ in _THERMOSTATS)
    )
    if found is None:
        return None
    time_s, heater_w, asleep, *nodes = found
    asked_w = sum(
        most_w * np.clip(set_k + 0.5 - kelvin, 0.0, 1.0)
        for (_, set_k, most_w), kelvin in zip(_THERMOSTATS, nodes, strict=True)
    )
    known = asleep == 0.0
    unmet = tables.series(BUS, "unmet_w")
    if unmet is not None and len(unmet.values):
        known &= ~(held(unmet, time_s) > 0.0)
    return Series(time_s, np.where(known, heater_w - asked_w, np.nan))


def heat_pipe_k(tables: Tables) -> Series | None:
    """Return how far (K) the box is beyond where its heat pipe should have switched.

    It opens above 293 K and shuts below 283 K. Positive: shut and too warm; negative: open and too
    cold.
    """
    found = of_message(tables, HEAT, "box_k", "heat_pipe_on")
    if found is None:
        return None
    time_s, box_k, on = found
    open_k, shut_k = np.minimum(box_k - 283.15, 0.0), np.maximum(box_k - 293.15, 0.0)
    return Series(time_s, np.where(on != 0.0, open_k, shut_k))


def temperature_step_k(tables: Tables) -> Series | None:
    """Return the greater step of box or battery from one message to the next, K."""
    found = of_message(tables, HEAT, "box_k", "battery_k")
    if found is None:
        return None
    time_s, box_k, battery_k = found
    step_k = np.maximum(np.abs(np.diff(box_k)), np.abs(np.diff(battery_k)))
    near = np.diff(time_s) < 200.0
    return Series(time_s[1:], np.where(near, step_k, np.nan))
