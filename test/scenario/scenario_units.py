# SPDX-License-Identifier: Apache-2.0
"""A system of three small units, so that these tests stand on nothing but the bus."""

from __future__ import annotations

from sensor_msgs.msg import Temperature

from lupex_nodes.bus.commands import command
from lupex_nodes.bus.messages import OK, WARN
from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.ports import Output
from lupex_nodes.bus.stamps import to_stamp
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.system import System, UnitEntry


class Warm(Parameters):
    duration_s: float = parameter(..., "how long", "s", ge=0, le=100)


class Heater(Unit):
    """Warms a box."""

    kind = Kind.HARDWARE
    temperature = Output("~/temperature", Temperature)

    class Parameters(Parameters):
        latitude_deg: float = parameter(0.0, "of the box", "deg", ge=-90, le=90)
        longitude_deg: float = parameter(0.0, "of the box", "deg")
        power_w: float = parameter(3.0, "electric", "W", ge=0, le=50)
        stages: int = parameter(1, "of the heater", ge=1, le=4)

    def step(self, now: int) -> None:
        message = Temperature(temperature=20.0 + self.rng.normal())
        message.header.stamp = to_stamp(now)
        self.temperature.publish(message)

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
    """Has a plan, which ends at the given step as the outcome says."""

    kind = Kind.SOFTWARE

    class Parameters(Parameters):
        plan: str = parameter("", "file")
        end_step: int = parameter(0, "step of the end; 0: never")
        outcome: str = parameter("complete", "of the plan")

    def setup(self) -> None:
        self.steps = 0

    def step(self, now: int) -> None:
        self.steps += 1
        if self.steps == self.parameters.end_step:
            outcome = self.parameters.outcome
            complete = outcome == "complete"
            name = "PLAN_COMPLETE" if complete else "PLAN_FAILED"
            cause = "" if complete else "a wheel is stuck"
            self.event(name, "", level=OK if complete else WARN, outcome=outcome, cause=cause)


def small_system() -> System:
    names = {"heater": "rover", "ground": "world", "executive": "rover"}
    return System(
        tuple(
            UnitEntry(name, f"{__name__}:{name.capitalize()}", namespace, namespace)
            for name, namespace in names.items()
        )
    )
