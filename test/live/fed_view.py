# SPDX-License-Identifier: Apache-2.0
"""A live view that a test feeds by hand."""

from __future__ import annotations

from typing import Any

from nav_msgs.msg import Odometry
from sensor_msgs.msg import BatteryState

from lupex_nodes.bus.messages import status_message
from lupex_nodes.bus.place import DIAGNOSTICS
from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.slot import Emission
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.live.view import LiveView
from lupex_nodes.rover.records import BUS
from lupex_nodes.system import load_system
from lupex_nodes.world.records import SUN

START = 1_853_000_000 * SECOND
GOALS = [("<b>first</b>", 40.0, 10.0), ("second", -20.0, 30.0)]


class FedView(LiveView):
    """A view of a system whose scenario is not known, with what a test says of it."""

    def __init__(self) -> None:
        super().__init__(load_system(), None, GOALS, "test")

    def put(self, time_s: float, topic: str, message: Any, source: str = "") -> None:
        """Show a message of a time since the start."""
        now = START + round(time_s * SECOND)
        self.message(now, Emission(topic, Qos.TELEMETRY, type(message), message, source))

    def say(
        self, time_s: float, topic: str, unit: str, name: str, level: int, text: str, **values: Any
    ) -> None:
        """Show a status."""
        self.put(
            time_s, topic, status_message(0, unit, name, bytes([level]), text, values), unit
        )

    def pass_time(self, time_s: float) -> None:
        """End the tick of a time since the start."""
        self.tick(START + round(time_s * SECOND))

    def fly(self, first_s: int, last_s: int) -> None:
        """Show a rover that drives east under a setting Sun, second by second."""
        for t in range(first_s, last_s):
            odometry = Odometry()
            odometry.pose.pose.position.x = 0.1 * t
            odometry.pose.pose.orientation.w = 1.0
            self.put(t, "rover/odometry", odometry)
            self.put(t, "rover/power/battery", BatteryState(percentage=0.9, voltage=31.0))
            watts = (300.0 + t % 10, 400.0, 120.0, -80.0, 9.0, 1.0, 70.0, 0.1, 0.0, 1)
            self.put(t, "rover/power/bus", BUS.message(0, [(*watts, *([0.0] * 7))]))
            sun = (130.0, 1.0, 0.7, 900.0, 0.6, 0.8, 0.5, 0.2, 900.0)
            self.put(t, "world/sun", SUN.message(0, [sun]))
            for unit in ("power", "imu"):
                self.say(t, DIAGNOSTICS, unit, "housekeeping", 0, "ok", mode="on", number=t)
            self.pass_time(t)


