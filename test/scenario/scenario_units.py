# SPDX-License-Identifier: Apache-2.0
"""A system of three small units, so that these tests stand on nothing but the bus."""

from __future__ import annotations

from lupex_nodes.bus.commands import command
from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.system import System, UnitEntry


class Warm(Parameters):
    duration_s: float = parameter(..., "how long", "s", ge=0, le=100)


class Heater(Unit):
    """Warms a box."""

    kind = Kind.HARDWARE

    class Parameters(Parameters):
        latitude_deg: float = parameter(0.0, "of the box", "deg", ge=-90, le=90)
        longitude_deg: float = parameter(0.0, "of the box", "deg")
        power_w: float = parameter(3.0, "electric", "W", ge=0, le=50)
        stages: int = parameter(1, "of the heater", ge=1, le=4)

    def step(self, now: int) -> None:
        pass

    @command("warms for a while", Warm)
    def warm(self, now: int, arguments: Warm) -> None:
        pass

    @command("on or off", bool, name="switch")
    def switch(self, now: int, on: bool) -> None:
        pass


class Ground(Heater):
    """Has terrain."""

    kind = Kind.NATURE

    class Parameters(Parameters):
        terrain_geotiff: str = parameter("", "file")
        terrain_size_m: float = parameter(400.0, "side", "m", ge=50, le=4000)


class Executive(Heater):
    """Has a plan."""

    kind = Kind.SOFTWARE

    class Parameters(Parameters):
        plan: str = parameter("", "file")


def small_system() -> System:
    names = {"heater": "rover", "ground": "world", "executive": "rover"}
    return System(
        tuple(
            UnitEntry(name, f"{__name__}:{name.capitalize()}", namespace, namespace)
            for name, namespace in names.items()
        )
    )
