# SPDX-License-Identifier: Apache-2.0
"""The toy units with one that puts faults into the others, by the commands that every unit has."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import PointCloud2
from toy_units import VALUE

from lupex_nodes.bus.parameters import Parameters
from lupex_nodes.bus.ports import Output, Qos
from lupex_nodes.bus.unit import Kind, Unit

VALUES = "rover/first/value"
#: (step, unit, fault, act, settings); each is restored so many steps later.
FAULTS: list[tuple[int, str, str, str, list[str], int]] = [
    (2, "first", "stuck", "port", [f"output={VALUES}", "kind=stuck"], 3),
    (7, "first", "delayed", "port", [f"output={VALUES}", "kind=delayed", "delay_s=1.5"], 3),
    (12, "first", "slow", "port", [f"output={VALUES}", "kind=slow", "one_of=2"], 4),
    (18, "first", "garbage", "port", [f"output={VALUES}", "kind=garbage"], 3),
    (23, "first", "wrong", "port",
     [f"output={VALUES}", "kind=wrong", "field=value", "gain=0.3333"], 3),
    (28, "first", "off", "port", [f"output={VALUES}", "kind=off"], 3),
    (33, "first", "gaps", "port",
     [f"output={VALUES}", "kind=intermittent", "mean_on_s=2", "mean_off_s=2"], 8),
    (3, "second", "state", "port",
     ["output=rover/second/state", "kind=wrong", "field=value", "offset=7"], 4),
    (9, "second", "beat", "port", ["output=/diagnostics", "kind=garbage"], 4),
    (15, "second", "ramp", "degradation", ["factor=3.0", "ramp_s=4"], 8),
    (17, "second", "clock", "clock", ["offset_s=0.125", "drift_s_per_s=0.001"], 9),
    (28, "second", "crash", "process", ["kind=crash", "resets=0"], 4),
    (36, "second", "loop", "process", ["kind=reset_loop", "period_s=2.5"], 8),
    # the sink calls travel at its steps 3, 8, 13 ...
    (6, "first", "lost", "command", ["name=travel", "kind=off"], 4),
    (11, "first", "late", "command", ["name=travel", "kind=delayed", "delay_s=2.5"], 4),
    (5, "keeper", "hang", "process", ["kind=hang", "resets=0"], 5),
    (20, "keeper", "flips", "memory", ["kind=corrupt"], 3),
    (30, "keeper", "gone", "memory", ["kind=lost"], 3),
]  # fmt: skip


class Keeper(Unit):
    """Software that counts its steps in memory."""

    kind = Kind.SOFTWARE
    remembers = True
    Parameters = Parameters
    out = Output("~/value", PointCloud2, Qos.TELEMETRY, VALUE)

    def setup(self) -> None:
        self.context.memory.setdefault("steps", 0)

    def step(self, now: int) -> int | None:
        self.context.memory["steps"] += 1
        self.out.publish_rows(now, [(float(self.context.memory["steps"]), 0)])
        return None


class Saboteur(Unit):
    """Arms, injects and restores, and says what it was told."""

    kind = Kind.SOFTWARE
    Parameters = Parameters
    out = Output("~/replies", PointCloud2, Qos.TELEMETRY, VALUE)

    def setup(self) -> None:
        self.steps = 0
        self.calls: list[Any] = []

    def step(self, now: int) -> int | None:
        self.steps += 1
        for at, unit, fault, act, settings, length in FAULTS:
            if self.steps == at:
                self.calls.append(self.call(unit, "arm_injection"))
            elif self.steps == at + 1:
                arguments = {"fault": fault, "act": act, "settings": settings}
                self.calls.append(self.call(unit, "inject", **arguments))
            elif self.steps == at + 1 + length:
                self.calls.append(self.call(unit, "restore", fault=fault))
        answered = sum(call.done for call in self.calls)
        self.out.publish_rows(now, [(float(answered), sum(c.accepted for c in self.calls))])
        for call in self.calls:
            if call.done and not call.accepted:
                self.event("REFUSED", call.reason, unit=call.unit, command=call.command)
        self.calls = [call for call in self.calls if not call.done]
        return None
