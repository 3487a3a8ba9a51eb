# SPDX-License-Identifier: Apache-2.0
"""A slot that takes the place of one whose process died: what it keeps, and what it tells."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from toy_units import START, toy_system

from lupex_nodes.bus.memory import MemoryBus
from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.slot import Emission
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.system import load_system


class Log:
    """An observer that keeps the statuses of a topic."""

    def __init__(self) -> None:
        self.said: list[tuple[str, Any]] = []

    def message(self, now: int, emission: Emission) -> None:
        if emission.topic in ("events", "commands"):
            self.said.append((emission.topic, emission.message.status[0]))

    def tick(self, now: int) -> None:
        """Pass."""


def after_death_of(bus: MemoryBus, unit: str) -> tuple[MemoryBus, Log]:
    """Return another bus whose unit has what the one of this bus has kept."""
    log = Log()
    again = MemoryBus(toy_system(), {}, seed=1, start=bus.now, observers=[log])
    again.slots[unit].restore(bus.slots[unit].kept())
    again.activate()
    return again, log


@pytest.fixture
def bus() -> MemoryBus:
    bus = MemoryBus(toy_system(), {}, seed=1, start=START)
    bus.activate()
    bus.run(START + 3 * SECOND)
    return bus


def test_the_command_that_ran_has_failed_and_the_unit_takes_the_next(bus: MemoryBus) -> None:
    call = bus.request("second", "travel", steps=50)
    bus.run(bus.now + 3 * SECOND)
    again, log = after_death_of(bus, "second")
    again.run(again.now)
    ((_, event),) = [each for each in log.said if each[1].name == "second: PROCESS_RESTARTED"]
    assert event.message == "The unit was started again after its process had died."
    reports = [values_of(s) for topic, s in log.said if topic == "commands"]
    assert [(r["command_id"], r["stage"], r["success"], r["arguments"]) for r in reports] == [
        (call.command_id, "completion", "false", "steps=50")
    ]
    # its id is none of those that the dead process gave
    assert again.request("second", "travel", steps=1).command_id == "second-2-1"


def test_who_ran_nothing_tells_of_the_restart_alone_and_once(bus: MemoryBus) -> None:
    again, log = after_death_of(bus, "second")
    again.run(again.now + 3 * SECOND)
    assert again.request("second", "reset").accepted
    again.run(again.now + 3 * SECOND)
    told = [status.name for topic, status in log.said if topic == "events"]
    assert told.count("second: PROCESS_RESTARTED") == 1
    assert not [s for topic, s in log.said if topic == "commands" and s.level != b"\0"]


def test_memory_is_there_again_and_the_noise_is_new(bus: MemoryBus) -> None:
    bus.slots["first"]._memory["pose"] = (1.0, 2.0)
    again, _ = after_death_of(bus, "first")
    unit = again.slots["first"].unit
    assert unit is not None
    assert unit.context.memory == {"pose": (1.0, 2.0)}
    assert unit.context.activation == 2


def test_a_process_keeps_what_its_units_have_in_files(bus: MemoryBus, tmp_path: Path) -> None:
    from lupex_nodes.bus.ros.non_volatile import NonVolatile

    slots = list(bus.slots.values())
    keeps = NonVolatile(tmp_path, slots)
    bus.slots["first"]._memory["pose"] = 1.0
    keeps.save()
    again = MemoryBus(toy_system(), {}, seed=1, start=bus.now)
    NonVolatile(tmp_path, list(again.slots.values()))
    assert again.slots["first"]._memory == {"pose": 1.0}
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    keeps.save()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times
    for path in list(tmp_path.iterdir()):
        path.unlink()
    tmp_path.rmdir()
    bus.slots["first"]._memory["pose"] = 2.0
    keeps.save()  # there is no room: the flight goes on


def test_what_the_units_of_the_system_keep_survives_and_the_rover_stays_where_it_is() -> None:
    def moon(start: int) -> MemoryBus:
        return MemoryBus(load_system(), {}, seed=1, start=start)

    bus = moon(START)
    bus.activate()
    bus.run(START + 10 * SECOND)
    bus.request("navigation", "go_to", x_m=20.0, y_m=0.0, speed_m_s=0.05, tolerance_m=0.5)
    bus.run(START + 60 * SECOND)
    vehicle, navigation = (bus.slots[name].unit for name in ("vehicle", "navigation"))
    assert vehicle.driven_m > 1.0
    again = moon(bus.now)
    for name, slot in again.slots.items():
        slot.restore(bus.slots[name].kept())
    again.activate()
    again.run(again.now)
    stands, believes = (again.slots[name].unit for name in ("vehicle", "navigation"))
    assert (stands.x_m, stands.y_m, stands.yaw_rad) == (vehicle.x_m, vehicle.y_m, vehicle.yaw_rad)
    assert stands.driven_m == vehicle.driven_m
    before, after = (unit.localisation.save()["state"] for unit in (navigation, believes))
    assert math.dist(before[:2], after[:2]) < 0.1
    joints = [b.slots["mobility"].unit._travel_m for b in (bus, again)]
    assert joints[0] == joints[1] and min(joints[0]) > 1.0
    charge = [b.slots["power"].unit.state_of_charge for b in (bus, again)]
    assert charge[0] == pytest.approx(charge[1], abs=1e-3)
    assert charge[0] != 0.8
