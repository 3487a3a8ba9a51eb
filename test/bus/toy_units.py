# SPDX-License-Identifier: Apache-2.0
"""Small units for tests of the bus."""

from __future__ import annotations

from pathlib import Path

from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.commands import RUNNING, CommandFailed, command
from lupex_nodes.bus.messages import ERROR
from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.records import Schema
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.system import System, load_system

START = 1_854_230_400 * SECOND
VALUE = Schema("value", ("value", "f8", "a number"), ("steps", "u4", "steps of the unit"))


class SourceParameters(Parameters):
    """Parameters of a source."""

    gain: float = parameter(1.0, "gain", "V", ge=0, le=2)
    offset: float = parameter(0.0, "offset", "V", ge=-1, le=1)
    names: list[str] = parameter([], "names")
    count: int = parameter(3, "how many", ge=0, le=5, live=False)


class SourceDegradation(Parameters):
    """What a fault changes."""

    factor: float = parameter(1.0, "output factor", ge=0)


class Travel(Parameters):
    """Arguments of travel."""

    steps: int = parameter(..., "how long", ge=1, le=100)


class Source(Unit):
    """Publishes noise; can be told to travel, to fail and to raise."""

    kind = Kind.HARDWARE
    Parameters = SourceParameters
    Degradation = SourceDegradation
    modes = {"standby": ("acquire",), "acquire": ("standby",)}
    out = Output("~/value", PointCloud2, Qos.TELEMETRY, VALUE)
    state = Output("~/state", PointCloud2, Qos.STATE, VALUE)

    def setup(self) -> None:
        self.steps = 0
        self.left = 0
        self.broken = False

    def step(self, now: int) -> int | None:
        if self.broken:
            raise ZeroDivisionError("the source is broken")
        self.steps += 1
        value = self.parameters.gain * self.rng.random() * self.degradation.factor
        self.out.publish_rows(now, [(value, self.steps)])
        if self.steps == 1:
            self.state.publish_rows(now, [(0.0, 0)])
            self.state.publish_rows(now, [(1.0, 1)])
        if self.left:
            self.left -= 1
            self.report_progress(0.5)
            if not self.left:
                self.finish_command()
        return None

    def housekeeping(self) -> dict:
        return {"value": 1 / 3, "steps": self.steps}

    @command("travels for some steps", Travel)
    def travel(self, now: int, arguments: Travel) -> object:
        self.left = arguments.steps
        return RUNNING

    @command("stops travelling", interrupts=True)
    def stop(self, now: int, arguments: None) -> None:
        self.left = 0

    @command("goes to acquire")
    def acquire(self, now: int, arguments: None) -> None:
        self.set_mode("acquire")

    @command("cannot start")
    def refuse(self, now: int, arguments: None) -> None:
        raise CommandFailed("it is never possible")

    @command("breaks the unit")
    def break_down(self, now: int, arguments: None) -> None:
        self.broken = True

    @command("says that all is not well", bool)
    def complain(self, now: int, arguments: bool) -> None:
        if arguments:
            self.health = (ERROR, "not well")


class Sink(Unit):
    """Sums what sources publish; asks the first source to travel."""

    kind = Kind.SOFTWARE
    Parameters = Parameters
    values = Input("rover/*/value", PointCloud2, Qos.TELEMETRY, schema=VALUE)
    all_values = Input("rover/first/value", PointCloud2, Qos.TELEMETRY, queue=2, schema=VALUE)
    latched = Input("rover/first/state", PointCloud2, Qos.STATE, schema=VALUE)
    out = Output("~/sum", PointCloud2, Qos.TELEMETRY, VALUE)

    def setup(self) -> None:
        self.steps = 0
        self.seen: list[int] = []
        self.asked = None

    def step(self, now: int) -> int | None:
        self.steps += 1
        total = sum(VALUE.row(value).value for value in self.values.values.values())
        self.seen += [VALUE.row(message).steps for message in self.all_values.drain()]
        self.out.publish_rows(now, [(total, self.steps)])
        if self.steps % 5 == 3:
            self.asked = self.call("first", "travel", steps=2)
        return None


class Supply(Unit):
    """Feeds the sources."""

    kind = Kind.HARDWARE
    Parameters = Parameters
    channels = Output("~/channels", PointCloud2, Qos.STATE)

    def setup(self) -> None:
        self.on = dict.fromkeys(self.context.channels, 1)
        self.schema = Schema("channels", *((name, "u1", "1 is on") for name in self.on))
        self.changed = True

    def step(self, now: int) -> int | None:
        if self.changed:
            self.channels.publish(self.schema.message(now, [tuple(self.on.values())]))
            self.changed = False
        return None

    @command("switches a channel", bool, name="channels/*/switch")
    def switch(self, now: int, on: bool, channel: str) -> None:
        self.on[channel] = int(on)
        self.changed = True


def toy_system() -> System:
    """Two sources, fed by a supply, and a sink."""
    return load_system(Path(__file__).with_name("toy_system.yaml"))
