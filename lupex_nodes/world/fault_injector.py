# SPDX-License-Identifier: Apache-2.0
"""What makes things go wrong: faults of the catalogue, at their times, under their conditions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.commands import RUNNING, Call, CommandFailed, Running, command
from lupex_nodes.bus.messages import OK, values_of
from lupex_nodes.bus.parameters import Parameters, Refused, parameter
from lupex_nodes.bus.place import DIAGNOSTICS
from lupex_nodes.bus.ports import Input, Qos
from lupex_nodes.bus.stamps import SECOND, next_minute, seconds
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.bus.unit_faults import ARMED_FOR_S
from lupex_nodes.fault_catalogue import Fault, catalogue
from lupex_nodes.fault_schedule import Circumstances, ScheduledFault
from lupex_nodes.located_yaml import BadFile, suggestion
from lupex_nodes.world.records import SUN, VEHICLE

# A command of one tick is accepted in it and carried out at the next: so arming begins two seconds
# before a fault, and restoring one before its end.
_ARM_AHEAD = 2 * SECOND
_RESTORE_AHEAD = SECOND


class Inject(Parameters):
    """Arguments of inject."""

    fault: str = parameter(..., "id of a fault of the catalogue: lupex faults")
    for_s: float = parameter(0.0, "how long it lasts; 0: until clear", "s", ge=0.0)


class Clear(Parameters):
    """Arguments of clear."""

    fault: str = parameter("", "id of a fault; empty: all")


@dataclass
class _Job:
    """One fault on its way: armed, injected, and at last restored."""

    fault: Fault
    magnitude: Mapping[str, Any]
    for_s: float | None
    begin: int
    commanded: bool = False
    arm: Call | None = None
    inject: Call | None = None
    restore: Call | None = None
    injected: bool = False
    end: int | None = None
    over: bool = False


class FaultInjector(Unit):
    """Injects faults of the catalogue by schedule, by conditions and by command.

    It tells the faulted unit, whose slot does the rest, and says what it did as FAULT_INJECTED and
    FAULT_RESTORED: the truth against which detections are scored, and no evidence for them.
    """

    class Parameters(Parameters):
        """What is injected when."""

        schedule: list[str] = parameter(
            [], "faults with their times, as in a scenario under faults, one a text", live=False
        )

    kind = Kind.NATURE
    modes = {"safe": ("armed",), "armed": ("safe",)}
    vehicle = Input("world/vehicle/state", PointCloud2, schema=VEHICLE)
    sun = Input("world/sun", PointCloud2, Qos.STATE, schema=SUN)
    diagnostics = Input(DIAGNOSTICS, DiagnosticArray, queue=4000)

    def setup(self) -> None:
        """Read the schedule; what was injected before a reset is not injected again."""
        self._memory: dict[str, Any] = self.context.memory
        self._jobs: list[_Job] = []
        self._modes: dict[str, str] = {}
        self._armed_until = -1
        self._waiting = self._schedule()
        for name in self._memory.setdefault("injected", {}):
            # what is in a unit stays there while this one is reset
            self._jobs.append(self._kept(name))

    def _schedule(self) -> dict[int, ScheduledFault]:
        """Return what has not begun yet by its place in the schedule; raise Refused."""
        done = self._memory.setdefault("done", [])
        entries = [ScheduledFault.read(text) for text in self.parameters.schedule]
        for entry in entries:
            if entry.fault not in catalogue():
                known = suggestion(entry.fault, catalogue())
                raise Refused(f"there is no fault {entry.fault}: {known}")
        return {place: entry for place, entry in enumerate(entries) if place not in done}

    def _kept(self, name: str) -> _Job:
        job = _Job(catalogue()[name], {}, None, 0, injected=True)
        job.end = self._memory["injected"][name]
        return job

    @command(f"allows injections for {ARMED_FOR_S} s")
    def arm(self, now: int, arguments: None) -> None:
        """Make inject possible."""
        self._armed_until = now + ARMED_FOR_S * SECOND
        self.set_mode("armed")

    @command("injects a fault of the catalogue; arm first", Inject)
    def inject(self, now: int, arguments: Inject) -> Running:
        """Begin at once; completion when the fault is in the unit."""
        if self._armed_until < now:
            raise CommandFailed(f"not armed: send arm first, at most {ARMED_FOR_S} s before")
        try:
            fault = catalogue().get(arguments.fault)
        except BadFile as error:
            raise CommandFailed(str(error).replace("\n", "; ")) from None
        if fault is None:
            known = suggestion(arguments.fault, catalogue())
            raise CommandFailed(f"there is no fault {arguments.fault}: {known}")
        self._jobs.append(_Job(fault, {}, arguments.for_s or None, now, commanded=True))
        return RUNNING

    @command("takes a fault off, or all", Clear, interrupts=True)
    def clear(self, now: int, arguments: Clear) -> None:
        """End faults now; those that are scheduled stay so."""
        jobs = [job for job in self._jobs if arguments.fault in ("", job.fault.id)]
        if arguments.fault and not jobs:
            known = ", ".join(job.fault.id for job in self._jobs) or "none"
            raise CommandFailed(f"{arguments.fault} is not injected; injected are {known}")
        for job in jobs:
            if job.arm is None:
                job.over = True
            job.end = now

    def step(self, now: int) -> int | None:
        """Begin what has come, end what is over, follow the commands under way."""
        start = self._memory.setdefault("start", now)
        if self.mode == "armed" and self._armed_until < now:
            self.set_mode("safe")
        for message in self.diagnostics.drain():
            for status in message.status:
                if status.name.endswith(": housekeeping"):
                    self._modes[status.hardware_id] = values_of(status).get("mode", "")
        self._begin(now, start)
        for job in self._jobs:
            self._follow(now, job)
        self._jobs = [job for job in self._jobs if not job.over]
        return self._next(now, start)

    def housekeeping(self) -> dict[str, Any]:
        """Tell how many faults are there and how many are to come."""
        return {
            "faults_active": sum(job.injected for job in self._jobs),
            "faults_scheduled": len(self._waiting),
        }

    # --- inside ------------------------------------------------------------------------------

    def _begin(self, now: int, start: int) -> None:
        """Take from the schedule what begins now."""
        circumstances = self._circumstances()
        for place, entry in list(self._waiting.items()):
            begin = max(now, start + seconds(entry.at_s or 0.0))
            if begin - _ARM_AHEAD > now:
                continue
            if entry.when is None or entry.when.hold(circumstances):
                del self._waiting[place]
                self._memory["done"].append(place)
                fault = catalogue()[entry.fault]
                self._jobs.append(_Job(fault, entry.magnitude, entry.for_s, begin))

    def _circumstances(self) -> Circumstances:
        vehicle, sun = self.vehicle.row(), self.sun.row()
        return Circumstances(
            driven_m=vehicle.driven_m if vehicle else math.nan,
            tilt_deg=vehicle.tilt_deg if vehicle else math.nan,
            lit_fraction=sun.lit_fraction if sun else math.nan,
            modes=self._modes,
        )

    def _follow(self, now: int, job: _Job) -> None:
        """Take a fault one step further."""
        if job.restore is not None:
            if job.restore.done:
                self._restored(job)
        elif job.injected:
            if job.end is not None and job.end - _RESTORE_AHEAD <= now:
                job.restore = self.call(job.fault.unit, "restore", fault=job.fault.id)
        elif job.inject is not None:
            if job.inject.done:
                self._injected(now, job)
        elif job.arm is None:
            job.arm = self.call(job.fault.unit, "arm_injection")
        elif job.arm.done and job.arm.accepted and now >= job.begin - SECOND:
            arguments = job.fault.arguments(job.magnitude)
            job.inject = self.call(job.fault.unit, "inject", **arguments)
        elif job.arm.done and not job.arm.accepted:
            self._refused(job, job.arm.reason)

    def _injected(self, now: int, job: _Job) -> None:
        assert job.inject is not None
        if not job.inject.accepted:
            self._refused(job, job.inject.reason)
            return
        fault = job.fault
        job.injected = True
        if job.end is None and job.for_s is not None:
            job.end = now + seconds(job.for_s)
        self._memory["injected"][fault.id] = job.end
        arguments = fault.arguments(job.magnitude)
        self.event(
            "FAULT_INJECTED", f"{fault.id} is in {fault.unit}.", level=OK,
            fault=fault.id, unit=fault.unit,
            act=" ".join([fault.act_name, *arguments["settings"]]),
        )  # fmt: skip
        if job.commanded:
            self.finish_command()

    def _refused(self, job: _Job, reason: str) -> None:
        job.over = True
        fault = job.fault
        self.event(
            "FAULT_REFUSED", f"{fault.id} could not be injected: {reason}.",
            fault=fault.id, unit=fault.unit,
        )  # fmt: skip
        if job.commanded:
            self.finish_command(False, reason)

    def _restored(self, job: _Job) -> None:
        assert job.restore is not None
        job.over = True
        fault = job.fault
        self._memory["injected"].pop(fault.id, None)
        # a unit whose process was started again has lost its faults, too
        how = "was taken off" if job.restore.accepted else f"was gone from ({job.restore.reason})"
        self.event(
            "FAULT_RESTORED", f"{fault.id} {how} {fault.unit}.", level=OK,
            fault=fault.id, unit=fault.unit,
        )  # fmt: skip

    def _next(self, now: int, start: int) -> int:
        """Return when there is something to do again; conditions are looked at each second."""
        return max(now + SECOND, min([next_minute(now), *self._dues(now, start)]))

    def _dues(self, now: int, start: int) -> Iterator[int]:
        for entry in self._waiting.values():
            yield start + seconds(entry.at_s or 0.0) - _ARM_AHEAD
        for job in self._jobs:
            if not job.injected or job.restore is not None:
                yield now + SECOND
            elif job.end is not None:
                yield job.end - _RESTORE_AHEAD
        if self.mode == "armed":
            yield self._armed_until + SECOND

