# SPDX-License-Identifier: Apache-2.0
"""The rules of ticks, power and commands on the bus in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from sensor_msgs.msg import PointCloud2
from toy_units import START, VALUE, toy_system

from lupex_nodes.bus.faults import Delayed, Off
from lupex_nodes.bus.memory import MemoryBus
from lupex_nodes.bus.messages import ERROR, WARN, values_of
from lupex_nodes.bus.parameters import Refused
from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.slot import Emission, State
from lupex_nodes.bus.stamps import SECOND, EpochError, from_stamp
from lupex_nodes.recording.cdr import to_cdr
from lupex_nodes.system import load_system


class Log:
    """An observer that keeps everything."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, Emission]] = []
        self.bytes: list[tuple[Emission, bytes]] = []

    def message(self, now: int, emission: Emission) -> None:
        self.seen.append((now, emission))
        self.bytes.append((emission, to_cdr(emission.message)))

    def tick(self, now: int) -> None:
        """Check that what was published has not been written to since."""
        for emission, before in self.bytes:
            assert to_cdr(emission.message) == before, f"{emission.topic} was changed"
        self.bytes.clear()

    def of(self, topic: str) -> list[tuple[int, Any]]:
        return [(now, e.message) for now, e in self.seen if e.topic == topic]

    def statuses(self, topic: str, unit: str) -> list[Any]:
        found = [message.status[0] for _, message in self.of(topic)]
        return [status for status in found if status.hardware_id == unit]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def bus(log: Log) -> MemoryBus:
    bus = MemoryBus(toy_system(), {}, seed=1, start=START, observers=[log])
    bus.activate()
    return bus


def run(bus: MemoryBus, steps: int) -> None:
    bus.run(bus.now + (steps - 1) * SECOND)


def reports(log: Log, unit: str) -> list[tuple[str, str, str]]:
    """Return (command, stage, success) of a unit's reports."""
    found = []
    for status in log.statuses("commands", unit):
        values = values_of(status)
        found.append((status.name.split(": ")[1], values["stage"], values["success"]))
    return found


def test_what_is_published_at_a_tick_is_seen_after_it(bus: MemoryBus) -> None:
    run(bus, 1)
    assert bus.slots["sink"].unit.seen == []
    run(bus, 1)
    assert bus.slots["sink"].unit.seen == [1]


def test_a_queue_that_overflows_is_counted_and_an_event(bus: MemoryBus, log: Log) -> None:
    sink = bus.slots["sink"]
    for steps in range(4):
        message = VALUE.message(START, [(0.0, 90 + steps)])
        bus.publish("rover/first/value", Qos.TELEMETRY, message)
    run(bus, 1)
    assert sink.unit.seen == [92, 93]
    assert [s.name for s in log.statuses("events", "sink")] == ["sink: INPUT_OVERFLOW"] * 2


def test_the_same_seed_gives_the_same_messages() -> None:
    def digest(seed: int) -> str:
        log = Log()
        bus = MemoryBus(toy_system(), {}, seed=seed, start=START, observers=[log])
        bus.activate()
        run(bus, 50)
        all_bytes = b"".join(e.topic.encode() + to_cdr(e.message) for _, e in log.seen)
        return hashlib.sha256(all_bytes).hexdigest()

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


def test_a_state_topic_carries_the_last_of_a_tick(bus: MemoryBus, log: Log) -> None:
    run(bus, 2)
    states = log.of("rover/first/state")
    assert [VALUE.row(message).value for _, message in states] == [1.0]


def test_a_command_is_accepted_started_reported_and_completed(bus: MemoryBus, log: Log) -> None:
    run(bus, 1)
    call = bus.request("second", "travel", steps=2)
    assert call.accepted and call.command_id == "second-1-1"
    run(bus, 3)
    assert reports(log, "second") == [
        ("travel", "acceptance", "true"),
        ("travel", "start", "true"),
        ("travel", "progress", "true"),
        ("travel", "progress", "true"),
        ("travel", "completion", "true"),
    ]


@pytest.mark.parametrize(
    ("command", "values", "reason"),
    [
        ("travel", {"steps": 200}, "steps = 200 is refused: give a whole number from 1 to 100"),
        ("travel", {}, "steps is missing: give a whole number from 1 to 100"),
        ("travel", {"steps": 2, "far": 1}, "far is not known here; known are steps"),
        ("stop", {"now": True}, "stop takes no arguments; got now"),
        ("complain", {}, "complain takes data=true or data=false"),
        ("fly", {}, "first has no command fly"),
    ],
)
def test_a_wrong_command_is_refused_with_the_reason(
    bus: MemoryBus, log: Log, command: str, values: dict, reason: str
) -> None:
    run(bus, 1)
    call = bus.request("first", command, **values)
    assert not call.accepted
    assert reason in call.reason
    run(bus, 1)
    assert reports(log, "first") == [(command, "acceptance", "false")]
    assert bus.slots["first"].counters.rejected == 1


def test_a_second_command_waits_its_turn_and_stop_ends_the_first(bus: MemoryBus, log: Log) -> None:
    run(bus, 1)
    bus.request("first", "travel", steps=50)
    run(bus, 1)
    busy = bus.request("first", "travel", steps=1)
    assert "first is busy with travel (first-1-1)" in busy.reason
    assert bus.request("first", "noop").accepted
    assert bus.request("first", "stop").accepted
    run(bus, 1)
    ends = [r for r in reports(log, "first") if r[1] == "completion"]
    assert ends == [
        ("noop", "completion", "true"),
        ("travel", "completion", "false"),
        ("stop", "completion", "true"),
    ]


def test_a_command_that_cannot_start_fails_with_the_reason(bus: MemoryBus, log: Log) -> None:
    run(bus, 1)
    bus.request("first", "refuse")
    run(bus, 1)
    assert reports(log, "first")[-1] == ("refuse", "start", "false")
    assert log.statuses("commands", "first")[-1].message == "it is never possible"


def test_modes_change_only_as_declared(bus: MemoryBus) -> None:
    run(bus, 1)
    unit = bus.slots["first"].unit
    unit.set_mode("acquire")
    with pytest.raises(Exception, match="first cannot change from acquire to safe; allowed"):
        unit.set_mode("safe")


def test_one_unit_calls_another_and_polls(bus: MemoryBus) -> None:
    run(bus, 3)
    call = bus.slots["sink"].unit.asked
    assert call.done and call.accepted
    run(bus, 1)
    assert bus.slots["first"].unit.left == 1


def test_power_off_drops_the_unit_and_on_makes_a_new_one(bus: MemoryBus, log: Log) -> None:
    run(bus, 2)
    first = bus.slots["first"]
    bus.request("supply", "channels/first/switch", data=False)
    run(bus, 2)
    assert first.state is State.UNPOWERED and first.unit is None
    refused = bus.request("first", "travel", steps=1)
    assert refused.reason == "channel first is off: switch it on first"
    with pytest.raises(Refused, match="channel first is off"):
        first.activate(bus.now)
    before = len(log.of("rover/first/value"))
    run(bus, 3)
    assert len(log.of("rover/first/value")) == before
    bus.request("supply", "channels/first/switch", data=True)
    run(bus, 2)
    assert first.state is State.ACTIVE
    assert first.unit.context.activation == 2
    assert first.unit.steps == 1


def test_a_unit_that_raises_is_inactive_until_reset(bus: MemoryBus, log: Log) -> None:
    run(bus, 1)
    bus.request("first", "break_down")
    run(bus, 2)
    first = bus.slots["first"]
    assert first.state is State.FAILED
    event = log.statuses("events", "first")[-1]
    assert (event.level, event.name) == (ERROR, "first: UNIT_FAILED")
    assert "ZeroDivisionError: the source is broken" in event.message
    run(bus, 2)
    alive = log.statuses("/diagnostics", "first")[-1]
    assert alive.level == ERROR
    assert "reset it first" in bus.request("first", "travel", steps=1).reason
    assert bus.request("first", "reset").accepted
    run(bus, 2)
    assert first.state is State.ACTIVE
    assert bus.slots["second"].state is State.ACTIVE


def ask(bus: MemoryBus) -> list[str]:
    return [bus.request("first", name).command_id for name in ("acquire", "noop")]


def switch_off(bus: MemoryBus) -> tuple[list[str], str]:
    ids = ask(bus)
    channels = bus.slots["supply"].unit.schema.message(bus.now, [(0,) * 2])
    bus.publish("rover/supply/channels", Qos.STATE, channels)
    return ids, "channel first went off"


def reset(bus: MemoryBus) -> tuple[list[str], str]:
    bus.request("first", "reset")
    run(bus, 1)
    return ask(bus), "first was reset"


def raise_at_start(bus: MemoryBus) -> tuple[list[str], str]:
    bus.slots["first"].unit.set_mode = lambda mode: 1 / 0
    return ask(bus), "first raised ZeroDivisionError: division by zero"


def inactivate(bus: MemoryBus) -> tuple[list[str], str]:
    ids = ask(bus)
    bus.slots["first"].deactivate()
    return ids, "first went inactive"


def clock_back(bus: MemoryBus) -> tuple[list[str], str]:
    ids = ask(bus)
    bus.slots["first"].clock_jumped_back(bus.now)
    return ids, "first was reset because the clock went back"


@pytest.mark.parametrize("end", [switch_off, reset, raise_at_start, inactivate, clock_back])
def test_accepted_commands_that_never_begin_are_reported_as_failed(
    bus: MemoryBus, log: Log, end: Callable[[MemoryBus], tuple[list[str], str]]
) -> None:
    run(bus, 1)
    ids, reason = end(bus)
    assert all(ids)
    run(bus, 2)
    ends = {
        values_of(status)["command_id"]: (
            values_of(status)["stage"], values_of(status)["success"], status.message
        )
        for status in log.statuses("commands", "first")
    }  # fmt: skip
    assert [ends[command_id] for command_id in ids] == [("start", "false", reason)] * 2


def test_housekeeping_comes_each_period_and_when_the_level_changes(log: Log) -> None:
    bus = MemoryBus(
        toy_system(), {}, seed=1, start=START, housekeeping_period_s=10, observers=[log]
    )
    bus.activate()
    run(bus, 4)
    bus.request("second", "complain", data=True)
    run(bus, 1)
    run(bus, 16)
    times = [(t - START) // SECOND for t, m in log.of("/diagnostics")
             if m.status[0].hardware_id == "second"]
    assert times == [0, 4, 10, 20]
    status = log.statuses("/diagnostics", "second")[0]
    assert values_of(status)["value"] == "0.333333333"
    assert len(status.values) <= 10


def test_parameters_change_as_one_or_not_at_all(bus: MemoryBus) -> None:
    first = bus.slots["first"]
    with pytest.raises(Refused, match=r"gain = 3.0 is refused: give a number from 0 to 2 \(V\)"):
        first.set_parameters({"offset": 0.5, "gain": 3.0})
    assert first.parameters.offset == 0.0
    with pytest.raises(Refused, match="count cannot change while the unit is active"):
        first.set_parameters({"count": 1})
    first.set_parameters({"gain": 0.0})
    run(bus, 1)
    assert first.unit.parameters.gain == 0.0


def test_degradation_changes_the_physics_and_is_restored(bus: MemoryBus, log: Log) -> None:
    first = bus.slots["first"]
    first.degrade({"factor": 0.0})
    run(bus, 2)
    first.degrade({})
    run(bus, 2)
    values = [VALUE.row(message).value for _, message in log.of("rover/first/value")]
    assert values[:2] == [0.0, 0.0]
    assert all(value > 0 for value in values[2:])


def test_a_port_that_is_off_says_nothing(bus: MemoryBus, log: Log) -> None:
    bus.slots["first"].inject("rover/first/value", Off())
    run(bus, 3)
    assert log.of("rover/first/value") == []
    bus.slots["first"].inject("rover/first/value", None)
    run(bus, 1)
    assert len(log.of("rover/first/value")) == 1


def test_a_delayed_port_keeps_stamps_and_order(bus: MemoryBus, log: Log) -> None:
    bus.slots["first"].inject("rover/first/value", Delayed(2.5))
    run(bus, 8)
    found = log.of("rover/first/value")
    stamps = [from_stamp(message.header.stamp) for _, message in found]
    assert stamps == sorted(stamps)
    assert {now - stamp for (now, _), stamp in zip(found, stamps, strict=True)} == {
        round(2.5 * SECOND)
    }
    with pytest.raises(Refused, match="first has no output rover/first/nothing"):
        bus.slots["first"].inject("rover/first/nothing", Off())


def test_a_clock_that_goes_back_resets_every_unit(bus: MemoryBus) -> None:
    run(bus, 3)
    for slot in bus.slots.values():
        slot.clock_jumped_back(START - SECOND)
    bus.now = START - SECOND
    run(bus, 1)
    assert bus.slots["first"].unit.steps == 1


def test_a_record_of_another_shape_is_refused_and_said(bus: MemoryBus, log: Log) -> None:
    bus.publish("rover/first/value", Qos.TELEMETRY, PointCloud2())
    run(bus, 1)
    event = log.statuses("events", "sink")[0]
    assert (event.level, event.name) == (WARN, "sink: INPUT_REFUSED")


@pytest.mark.parametrize("start", [-SECOND, (2**31) * SECOND])
def test_a_time_that_stamps_cannot_carry_is_refused(start: int) -> None:
    with pytest.raises(EpochError, match="1970-01-01 to 2038-01-18"):
        MemoryBus(toy_system(), {}, seed=1, start=start)


def test_degradation_is_apart_from_the_parameters() -> None:
    for place in load_system().places.values():
        shared = set(place.unit_class.Degradation.model_fields) & set(
            place.unit_class.Parameters.model_fields
        )
        assert not shared, place.name
