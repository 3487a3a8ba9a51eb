# SPDX-License-Identifier: Apache-2.0
"""The lander's relay of the rover's telemetry to the Earth."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.place import DIAGNOSTICS
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND, from_stamp
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.lander.records import LINK
from lupex_nodes.world.load_report import LoadReport
from lupex_nodes.world.records import EARTH, LOAD

# A reliable TELEMETRY reader keeps ten messages: more at once could be lost.
_MOST_AT_ONCE = 10


class Relay(Unit):
    """Stores the rover's housekeeping and forwards it, oldest first, as the link allows.

    One message goes down per second of the rover's telemetry, with the stamp of that second. The
    rate is that to the rover, which falls with the square of the range, or to the Earth, whichever
    is lower; without the Earth in sight everything is kept, until the store is full.
    """

    class Parameters(Parameters):
        """Link and store; none of the figures is public."""

        forwarded_units: list[str] = parameter(
            ["executive", "imu", "mobility", "navigation", "neutron_spectrometer", "power"],
            "whose housekeeping goes to the Earth",
        )
        near_range_m: float = parameter(
            1000.0, "up to which the rover link has its full rate", "m", ge=1.0, assumed=True
        )
        far_range_m: float = parameter(
            5000.0, "beyond which the rover is over the horizon", "m", ge=1.0, assumed=True
        )
        rover_rate_bit_s: float = parameter(
            2e6, "from the rover when near", "bit/s", ge=1.0, assumed=True
        )
        earth_rate_bit_s: float = parameter(
            256e3, "to the Earth", "bit/s", ge=1.0, assumed=True
        )
        store_bytes: float = parameter(
            64e6, "of the store; the oldest is dropped when it is full", "byte", ge=1e3,
            assumed=True,
        )  # fmt: skip
        power_w: float = parameter(25.0, "taken", "W", ge=0.0, assumed=True)

    kind = Kind.HARDWARE
    period_s = 10.0
    modes = {"storing": ("forwarding",), "forwarding": ("storing",)}
    telemetry = Input(DIAGNOSTICS, DiagnosticArray, queue=1000)
    vehicle = Input("world/vehicle/odometry", Odometry)
    earth = Input("world/earth", PointCloud2, Qos.STATE, schema=EARTH)
    downlink = Output("lander/relay/downlink", DiagnosticArray)
    link = Output("lander/relay/link", PointCloud2, schema=LINK)
    load = Output("~/load", PointCloud2, schema=LOAD, physical=True)

    def setup(self) -> None:
        """Begin with an empty store."""
        self._stored: deque[tuple[DiagnosticArray, int]] = deque()
        self._open: DiagnosticArray | None = None
        self._open_second = -1
        self._queued = self._forwarded = self._dropped = 0
        self._rate_bit_s = self._sendable_bytes = 0.0
        self._range_m = math.nan
        self._load = LoadReport(self.load)
        self._last: int | None = None

    def step(self, now: int) -> int | None:
        """Store what came, forward what the rate allows."""
        dt_s = 0.0 if self._last is None else (now - self._last) / SECOND
        self._last = now
        visible = self._look()
        # what is out of reach of the rover link never gets into the store
        heard = self.telemetry.drain()
        if self._range_m <= self.parameters.far_range_m:
            self._store(heard)
        self._forward(dt_s)
        if math.isfinite(self._range_m):
            row = (self._range_m, self._rate_bit_s, self._queued, self._forwarded, int(visible))
            self.link.publish_rows(now, [row])
        self._load.report(now, self.parameters.power_w)
        return None

    def housekeeping(self) -> dict[str, Any]:
        """Say how the link is."""
        return {
            "range_m": self._range_m,
            "rate_bit_s": self._rate_bit_s,
            "queued_bytes": self._queued,
            "forwarded_bytes": self._forwarded,
            "dropped_bytes": self._dropped,
        }

    def _look(self) -> bool:
        """Work out range, rate and mode; return whether the Earth is in sight."""
        p, earth = self.parameters, self.earth.row()
        if self.vehicle.value is not None:
            place = self.vehicle.value.pose.pose.position
            self._range_m = math.hypot(place.x, place.y)
        visible = bool(earth and earth.visible)
        near = min(1.0, (p.near_range_m / max(self._range_m, 1.0)) ** 2)
        reach = self._range_m <= p.far_range_m
        rover_rate = p.rover_rate_bit_s * near if reach else 0.0
        self._rate_bit_s = min(rover_rate, p.earth_rate_bit_s) if visible else 0.0
        self.set_mode("forwarding" if self._rate_bit_s > 0.0 else "storing")
        return visible

    def _store(self, heard: list[DiagnosticArray]) -> None:
        units = set(self.parameters.forwarded_units)
        for message in heard:
            statuses = [each for each in message.status if each.hardware_id in units]
            if not statuses:
                continue
            second = from_stamp(message.header.stamp) // SECOND
            if self._open is None or second != self._open_second:
                self._close()
                self._open, self._open_second = DiagnosticArray(header=message.header), second
            self._open.status = [*self._open.status, *statuses]
        self._close()
        while self._queued > self.parameters.store_bytes and self._stored:
            _, size = self._stored.popleft()
            self._queued -= size
            self._dropped += size

    def _close(self) -> None:
        if self._open is not None:
            size = 16 + sum(map(_size, self._open.status))
            self._stored.append((self._open, size))
            self._queued += size
            self._open = None

    def _forward(self, dt_s: float) -> None:
        # a message on its way when the step ends goes on in the next
        self._sendable_bytes += self._rate_bit_s * dt_s / 8.0
        for _ in range(_MOST_AT_ONCE):
            if not self._stored or self._stored[0][1] > self._sendable_bytes:
                break
            message, size = self._stored.popleft()
            self._sendable_bytes -= size
            self._queued -= size
            self._forwarded += size
            self.downlink.publish(message)
        waiting = self._stored[0][1] if self._stored and self._rate_bit_s > 0.0 else 0.0
        self._sendable_bytes = min(self._sendable_bytes, waiting)


def _size(status: DiagnosticStatus) -> int:
    """Bytes of a status in CDR, without padding: a length before every string."""
    pairs = 10 * len(status.values)
    for pair in status.values:
        pairs += len(pair.key) + len(pair.value)
    return 20 + len(status.name) + len(status.message) + len(status.hardware_id) + pairs
