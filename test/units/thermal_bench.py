# SPDX-License-Identifier: Apache-2.0
"""A rover that stands in light or darkness as a test says, without a world around it."""

from __future__ import annotations

import numpy as np
from unit_bench import Bench

from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.records import view
from lupex_nodes.rover.records import BUS, TEMPERATURES
from lupex_nodes.world.records import SUN, SURFACE

ROVER = ("power", "thermal", "imu", "mobility", "neutron_spectrometer", "executive")
HOUR = 3600.0


class StandingRover(Bench):
    """The units of a rover; nature is what `sky` says, told again by nobody."""

    def __init__(self, lit=0.0, terrain_k=70.0, units=ROVER, **parameters):
        super().__init__(*units, housekeeping_period_s=60.0, **parameters)
        self.run(1)
        self.sky(lit, terrain_k)
        self.run(1)

    def sky(self, lit, terrain_k, sky_k=15.0):
        sun = np.zeros(1, SUN.dtype)
        for name in ("lit_fraction", "lit_lower", "lit_upper"):
            sun[name] = lit
        sun["irradiance_w_m2"] = 1361.0 * lit
        now = self.bus.now
        self.bus.publish("world/sun", Qos.STATE, SUN.message(now, sun))
        surface = SURFACE.message(now, [(terrain_k, sky_k, terrain_k)])
        self.bus.publish("world/surface", Qos.STATE, surface)

    def sleep(self, **arguments):
        return self.bus.request("thermal", "set_mode", mode="hibernate", **arguments)

    @property
    def warmth(self):
        return self.last("rover/thermal/temperatures", TEMPERATURES)

    @property
    def power(self):
        return self.last("rover/power/bus", BUS)

    @property
    def charge(self):
        return self.last("rover/power/battery").percentage

    @property
    def channels(self):
        row = view(self.last("rover/power/channels"))[0]
        return {name for name in row.dtype.names if row[name]}

    def when(self, event):
        """Hours at which an event was told."""
        return [
            time / HOUR
            for time, message in self.log["events"]
            if message.status[0].name.endswith(f": {event}")
        ]
