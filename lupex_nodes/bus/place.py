# SPDX-License-Identifier: Apache-2.0
"""Where a unit is in the system, and what every unit has: three topics and some commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.commands import Command
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.unit import Kind, Unit, commands, ports, topic_of
from lupex_nodes.bus.unit_faults import COMMANDS as FAULT_COMMANDS

DIAGNOSTICS = "/diagnostics"
EVENTS = "events"
COMMANDS = "commands"
HEARTBEAT = Output(DIAGNOSTICS, DiagnosticArray, Qos.TELEMETRY)


@dataclass(frozen=True)
class Place:
    """Where a slot is in the system: what system.yaml says of one instance."""

    name: str
    namespace: str
    unit_class: type[Unit]
    channel: str | None = None
    channels_topic: str | None = None
    feeds: tuple[str, ...] = ()
    matches: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def outputs(self) -> dict[str, Output]:
        """Return the unit's outputs by topic."""
        return {
            topic_of(port.topic, self.namespace, self.name): port
            for _, port in ports(self.unit_class, Output)
        }

    def fault_outputs(self) -> dict[str, Output]:
        """Return what a fault can be put on: the outputs that carry data, and the heartbeat.

        What nature does is no data.
        """
        nature = self.unit_class.kind is Kind.NATURE
        data = {
            topic: port
            for topic, port in self.outputs().items()
            if not (port.physical or nature)
        }
        return {**data, DIAGNOSTICS: HEARTBEAT}

    @property
    def injects(self) -> bool:
        """Whether the unit itself puts faults into others."""
        return "inject" in commands(self.unit_class)

    def inputs(self) -> dict[str, Input]:
        """Return the unit's inputs by topic or pattern."""
        return {
            topic_of(port.topic, self.namespace, self.name): port
            for _, port in ports(self.unit_class, Input)
        }

    def subscriptions(self) -> dict[str, Input]:
        """Return what the slot subscribes to by topic: inputs, patterns resolved, its channel."""
        found: dict[str, Input] = {}
        if self.channels_topic:
            found[self.channels_topic] = Input(self.channels_topic, PointCloud2, Qos.STATE)
        for topic, port in self.inputs().items():
            for match in self.matches.get(topic, (topic,)):
                found[match] = port
        return found

    def commands(self) -> dict[str, Command]:
        """Return the unit's commands by name, those of every unit included."""
        return {**COMMON, **commands(self.unit_class, self.feeds)}


COMMON = {
    name: Command(name, description, None, "")
    for name, description in {
        "noop": "does nothing but answer",
        "reset": "switches the unit off and on",
        "reset_counters": "sets the counters of commands to zero",
    }.items()
} | FAULT_COMMANDS
