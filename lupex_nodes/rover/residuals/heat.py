# SPDX-License-Identifier: Apache-2.0
"""Residuals of heaters, heat pipe and thermistors."""

from __future__ import annotations

from collections import deque

from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.rover.residuals.residual import Residual
from lupex_nodes.rover.telemetry import Telemetry

_BUS = "rover/power/bus"
_HEAT = "rover/thermal/temperatures"


class HeaterDuty(Residual):
    """Heater power told less what the thermostats ask for at these temperatures, W."""

    topics = (_HEAT,)
    #: Node, set point (K), largest power (W) while the rover works.
    thermostats = (
        ("battery_k", 278.65, 60.0), ("box_k", 273.15, 120.0), ("motors_k", 218.15, 80.0),
        ("mast_k", 243.15, 30.0),
    )  # fmt: skip

    def update(self, now: int, seen: Telemetry) -> None:
        """Ask each thermostat of 1 K width."""
        heat, bus = seen.row(_HEAT), seen.row(_BUS)
        if heat.hibernating or (bus is not None and bus.unmet_w > 0.0):
            self.value = None
            return
        asked_w = sum(
            most_w * min(max(set_k + 0.5 - getattr(heat, node), 0.0), 1.0)
            for node, set_k, most_w in self.thermostats
        )
        self.value = heat.heater_w - asked_w


class HeatPipe(Residual):
    """How far (K) the box is beyond the temperature at which its heat pipe should have switched.

    Positive: shut and too warm; negative: open and too cold; 0 when it is as it should be.
    """

    topics = (_HEAT,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Opens above 293 K, shuts below 283 K."""
        heat = seen.row(_HEAT)
        if heat.heat_pipe_on:
            self.value = min(heat.box_k - 283.15, 0.0)
        else:
            self.value = max(heat.box_k - 293.15, 0.0)


class TemperatureStep(Residual):
    """Greatest change of box or battery from one message to the next in ten minutes, K."""

    topics = (_HEAT,)

    def __init__(self) -> None:
        super().__init__()
        self._before: tuple[float, float] | None = None
        self._steps: deque[tuple[int, float]] = deque()

    def update(self, now: int, seen: Telemetry) -> None:
        """Hold the greatest; a change that has minutes of time is none."""
        source = seen.sources[_HEAT]
        here = (source.row.battery_k, source.row.box_k)
        if self._before is not None:
            step_k = max(abs(a - b) for a, b in zip(here, self._before, strict=True))
            self._steps.append((now, step_k))
        self._before = here
        while self._steps and now - self._steps[0][0] > 600 * SECOND:
            self._steps.popleft()
        self.value = max((step for _, step in self._steps), default=None)
