# SPDX-License-Identifier: Apache-2.0
"""Every fault that the support table of the real system names acts, and restore takes it off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from stand_ins import Flight, example, other_value, sample, stand_in
from toy_units import START

from lupex_nodes.bus.commands import INJECTION
from lupex_nodes.bus.fault_acts import Support, read_act
from lupex_nodes.bus.message_fields import garbled, numeric_fields, scaled
from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.parameters import Refused
from lupex_nodes.bus.place import DIAGNOSTICS, EVENTS
from lupex_nodes.bus.records import view
from lupex_nodes.bus.slot import State
from lupex_nodes.bus.stamps import SECOND, from_stamp
from lupex_nodes.bus.unit import Kind
from lupex_nodes.bus.unit_faults import flipped, tells_of_injection
from lupex_nodes.recording.cdr import to_cdr
from lupex_nodes.system import load_system

PLACES = {name: place for name, place in load_system().places.items() if not place.injects}
SUPPORT = {name: Support(place) for name, place in PLACES.items()}
#: Seconds of the fault; it is there in between.
BEGIN, END, STOP = 5, 25, 35

PORTS = [
    (name, topic, kind)
    for name, support in SUPPORT.items()
    for act, target in support.acts() if act == "port"
    for topic, kind in [target.split()]
]  # fmt: skip


def targets(act: str) -> list[tuple[str, str]]:
    return [(name, t) for name, support in SUPPORT.items() for a, t in support.acts() if a == act]


def fly(name: str, act: str, **settings: Any) -> tuple[Flight, Flight]:
    """Fly a unit with a fault from BEGIN to END, and without."""
    flight = Flight(stand_in(PLACES[name])).run(BEGIN - 1)
    flight.inject(act, **settings)
    flight.run(END - BEGIN)
    assert flight.command("restore", fault="it")[0]
    return flight.run(STOP - END), Flight(stand_in(PLACES[name])).run(STOP)


def first_number(name: str, topic: str) -> str:
    port = SUPPORT[name].outputs[topic]
    known = numeric_fields(port.message_type, port.schema)
    if known is None:
        return {DIAGNOSTICS: "steps"}.get(
            topic, "value" if port.message_type is DiagnosticArray else "first"
        )
    return known[0]


def off(nominal: list, said: list) -> None:
    assert said == []


def stuck(nominal: list, said: list) -> None:
    assert len(said) == len(nominal)
    # the stamp is the first eight bytes after the encapsulation
    assert {data[12:] for _, data in said} == {nominal[0][1]}
    assert [data[4:12] for _, data in said] != [said[0][1][4:12]] * len(said)


def delayed(nominal: list, said: list) -> None:
    assert [(at - 2.5, data) for at, data in said] == nominal[: len(said)]
    assert len(said) > len(nominal) // 2


def slow(nominal: list, said: list) -> None:
    assert said == nominal[2::3]


def intermittent(nominal: list, said: list) -> None:
    assert 0 < len(said) < len(nominal)
    assert set(said) < set(nominal)


def garbage(nominal: list, said: list) -> None:
    assert [at for at, _ in said] == [at for at, _ in nominal]
    assert all(new[4:12] == old[4:12] for (_, new), (_, old) in zip(said, nominal, strict=True))
    assert all(new != old for (_, new), (_, old) in zip(said, nominal, strict=True))


SETTINGS: dict[str, dict[str, Any]] = {
    "off": {},
    "stuck": {},
    "delayed": {"delay_s": 2.5},
    "slow": {"one_of": 3},
    "intermittent": {"mean_on_s": 3.0, "mean_off_s": 3.0},
    "garbage": {},
    "wrong": {"gain": 2.0, "offset": 5.0},
}
CHECKS: dict[str, Callable[[list, list], None]] = {
    "off": off, "stuck": stuck, "delayed": delayed, "slow": slow, "intermittent": intermittent,
    "garbage": garbage, "wrong": garbage,
}  # fmt: skip


@pytest.mark.parametrize(("name", "topic", "kind"), PORTS, ids=" ".join)
def test_a_port_fault_acts_on_its_output_alone_and_is_restored(
    name: str, topic: str, kind: str
) -> None:
    settings = dict(SETTINGS[kind])
    if kind == "wrong":
        settings["field"] = first_number(name, topic)
    flight, nominal = fly(name, "port", output=topic, kind=kind, **settings)
    latched = SUPPORT[name].outputs[topic].qos.latched
    assert flight.of(topic, until=BEGIN) == nominal.of(topic, until=BEGIN)
    before, said = nominal.of(topic, BEGIN, END), flight.of(topic, BEGIN, END)
    if kind == "stuck":
        # what it held last before the fault
        last = nominal.of(topic, until=BEGIN)[-1]
        CHECKS[kind]([(last[0], last[1][12:]), *before[1:]], said)
    else:
        CHECKS[kind](before, said)
    # what was held comes with the restoration, and then all is as it was
    after = END + 1 if kind == "delayed" else END
    assert flight.of(topic, after) == nominal.of(topic, after)
    if kind == "delayed" and not latched:
        assert [data for _, data in flight.of(topic)] == [data for _, data in nominal.of(topic)]
    others = set(nominal.said) - {topic, "commands"}
    assert all(flight.of(each) == nominal.of(each) for each in others)


def test_a_latched_output_shows_the_fault_and_its_end_at_once() -> None:
    """A state that is told once would else never be wrong, and never right again."""
    place = PLACES["executive"]
    (topic,) = place.outputs()
    flight = Flight(stand_in(place)).run(2)
    flight.slot.unit.step = lambda now: now + 60 * SECOND
    flight.run(2)
    flight.inject("port", output=topic, kind="wrong", field="state", gain=3.0)
    flight.run(3)
    flight.command("restore")
    flight.run(3)
    assert [at for at, _ in flight.of(topic)] == [0, 1, 5, 8]
    states = [view(message)["state"][0] for _, message in flight.messages[topic]]
    assert states == [states[0], states[1], 3 * states[1], states[1]]


@pytest.mark.parametrize(("name", "target"), targets("command"), ids=" ".join)
def test_a_command_is_lost_or_late_and_comes_again_after_restore(name: str, target: str) -> None:
    command, kind = target.split()
    settings = {"delay_s": 4.0} if kind == "delayed" else {}
    flight = Flight(stand_in(PLACES[name])).run(BEGIN - 1)
    flight.inject("command", name=command, kind=kind, **settings)
    flight.run(1)
    arguments = example(flight.slot.commands[command])
    replies: list[tuple[bool, str]] = []

    def reports() -> list[tuple[float, str]]:
        found = []
        for at, message in flight.messages.get("commands", []):
            if message.status[0].name == f"{name}: {command}":
                found.append((at, values_of(message.status[0])["stage"]))
        return found

    answer = lambda *reply: replies.append(reply)  # noqa: E731
    assert flight.slot.request(command, arguments, "test", answer) is None
    flight.run(10)
    if kind == "off":
        assert reports() == replies == []
    else:
        at = reports()[0][0]
        assert reports()[:2] == [(at, "acceptance"), (at, "start")]
        # the delay counts from the tick before the command came
        assert at == BEGIN + 4.0
        assert [accepted for accepted, _ in replies] == [True]
    flight.command("restore")
    flight.run(1)
    known = len(reports())
    assert flight.command(command, **arguments)[0]
    flight.run(1)
    assert [stage for _, stage in reports()[known:]][:2] == ["acceptance", "start"]


@pytest.mark.parametrize(("name", "field"), targets("degradation"), ids=" ".join)
def test_a_degradation_reaches_the_unit_and_is_restored(name: str, field: str) -> None:
    model = PLACES[name].unit_class.Degradation
    value, default = other_value(model.model_fields[field]), getattr(model(), field)
    flight = Flight(stand_in(PLACES[name])).run(BEGIN - 1)
    flight.inject("degradation", **{field: value})
    flight.run(1)
    assert getattr(flight.slot.unit.degradation, field) == value
    flight.command("reset")
    flight.run(2)
    assert getattr(flight.slot.unit.degradation, field) == value, "physics outlives a reset"
    flight.command("restore")
    flight.run(1)
    assert getattr(flight.slot.unit.degradation, field) == default
    if isinstance(value, float):
        flight.inject("degradation", **{field: value, "ramp_s": 10.0})
        flight.run(6)
        # five seconds after its first tick
        assert getattr(flight.slot.unit.degradation, field) == pytest.approx((value + default) / 2)
        flight.run(10)
        assert getattr(flight.slot.unit.degradation, field) == value


@pytest.mark.parametrize(("name", "kind"), targets("process"), ids=" ".join)
def test_a_process_crashes_hangs_or_resets_itself_and_works_again(name: str, kind: str) -> None:
    flight = Flight(stand_in(PLACES[name])).run(BEGIN - 1)
    settings = {"period_s": 4.0} if kind == "reset_loop" else {"resets": 2}
    flight.inject("process", kind=kind, **settings)
    flight.run(11)
    slot = flight.slot
    outputs = [topic for topic in PLACES[name].outputs()]
    if kind == "reset_loop":
        assert slot.activation == 1 + 2
        assert [name_of(m) for _, m in flight.messages[EVENTS]] == [f"{name}: RESET"] * 2
    else:
        assert not any(flight.of(topic, BEGIN) for topic in outputs)
        if kind == "crash":
            assert slot.state is State.FAILED
            assert flight.of(DIAGNOSTICS, BEGIN + 1), "the host says that the unit failed"
        else:
            assert not flight.of(DIAGNOSTICS, BEGIN)
            assert flight.command("noop") is None
        # the first reset does not help, the second does
        for works in (False, True):
            assert flight.command("reset")[0]
            flight.run(3)
            assert (slot.state is State.ACTIVE and not slot.faults.hung) is works
    flight.command("restore")
    activation = slot.activation
    flight.run(10)
    assert slot.activation == activation
    assert all(len(flight.of(topic, flight.second - 5)) == 5 for topic in outputs)


def name_of(message: Any) -> str:
    return message.status[0].name


@pytest.mark.parametrize("kind", ["crash", "hang"])
def test_restore_alone_brings_a_process_back(kind: str) -> None:
    flight = Flight(stand_in(PLACES["imu"])).run(BEGIN - 1)
    flight.inject("process", kind=kind, resets=0)
    flight.run(5)
    flight.command("reset")
    flight.run(5)
    assert not flight.of("rover/imu/data", BEGIN)
    flight.command("restore")
    flight.run(5)
    assert flight.slot.state is State.ACTIVE
    assert flight.of("rover/imu/data", flight.second - 1)


@pytest.mark.parametrize(("name", "kind"), targets("memory"), ids=" ".join)
def test_memory_is_lost_or_garbled_at_the_next_start(name: str, kind: str) -> None:
    flight = Flight(stand_in(PLACES[name])).run(BEGIN - 1)
    flight.command("reset")
    flight.run(2)
    assert flight.slot.unit.context.memory["starts"] == 2
    flight.inject("memory", kind=kind)
    flight.run(3)
    starts = flight.slot.unit.context.memory["starts"]
    assert starts == 1 if kind == "lost" else starts != 3
    flight.command("restore")
    flight.run(2)
    flight.command("reset")
    flight.run(2)
    assert flight.slot.unit.context.memory["starts"] == starts + 1


@pytest.mark.parametrize(("name", "field"), targets("clock"), ids=" ".join)
def test_a_clock_is_off_in_what_the_unit_stamps_and_nowhere_else(name: str, field: str) -> None:
    flight, nominal = fly(name, "clock", **{field: -0.25})
    for topic in PLACES[name].outputs():
        assert flight.of(topic, until=BEGIN) == nominal.of(topic, until=BEGIN)
        assert flight.of(topic, END) == nominal.of(topic, END)
        for at, message in flight.messages[topic]:
            if BEGIN <= at < END:
                error_s = -0.25 if field == "offset_s" else -0.25 * (at - BEGIN)
                stamp = from_stamp(message.header.stamp)
                assert stamp == START + round((at + error_s) * SECOND)
    assert flight.of(DIAGNOSTICS) == nominal.of(DIAGNOSTICS)


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "act", "settings", "sentence"),
    [
        ("imu", "magic", {}, "there is no act magic: write one of port, command"),
        ("imu", "port", {"output": "rover/imu/dta", "kind": "off"}, "'rover/imu/dta' is no output"),
        ("imu", "port", {"output": "rover/imu/load", "kind": "off"}, "is no output of imu"),
        ("vehicle", "port", {"output": "world/vehicle/state", "kind": "off"}, "is no output of"),
        ("imu", "port", {"output": "rover/imu/data", "kind": "loud"}, "'loud' is no kind of fault"),
        ("imu", "port", {"output": "rover/imu/data", "kind": "slow"}, "one_of is missing: give"),
        ("imu", "port", {"output": "rover/imu/data", "kind": "slow", "one_of": 1}, "at least 2"),
        ("imu", "port", {"output": "rover/imu/data", "kind": "off", "x": 1}, "x is not known here"),
        ("imu", "port", {"output": "rover/imu/data", "kind": "wrong", "field": "rate", "gain": 2.0},
         "rover/imu/data has no number rate; it has orientation.x"),
        ("imu", "port", {"output": "rover/imu/data", "kind": "wrong", "field": "orientation.x"},
         "gain 1 and offset 0 changes nothing"),
        ("imu", "command", {"name": "inject", "kind": "off"}, "'inject' is no command of imu"),
        ("imu", "command", {"name": "noop", "kind": "delayed"}, "delay_s is missing"),
        ("imu", "degradation", {"dust": 1.0}, "dust is not known here"),
        ("imu", "degradation", {}, "this degradation changes nothing in imu"),
        ("ranging", "degradation", {"bias_m": 0.0}, "changes nothing in ranging"),
        ("mobility", "degradation", {"jammed_crawler": "rear_left", "ramp_s": 5.0}, "ramp_s needs"),
        ("navigation", "degradation", {"x": 1.0}, "no physical fault changes anything"),
        ("vehicle", "process", {"kind": "hang"}, "vehicle is nature, which no processor runs"),
        ("thermal", "memory", {"kind": "lost"}, "thermal keeps nothing in memory"),
        ("imu", "clock", {}, "a clock without offset_s and drift_s_per_s is right"),
        ("vehicle", "clock", {"offset_s": 1.0}, "vehicle stamps nothing by a clock of its own"),
    ],
)  # fmt: skip
def test_what_would_do_nothing_is_refused_with_one_sentence(
    name: str, act: str, settings: dict, sentence: str
) -> None:
    with pytest.raises(Refused, match=r".+") as refused:
        read_act(PLACES[name], act, settings)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_injector_suffers_no_faults() -> None:
    place = load_system().places["fault_injector"]
    with pytest.raises(Refused, match="injects faults and suffers none"):
        read_act(place, "process", {"kind": "hang"})


def test_injection_needs_arming_within_a_minute_and_restoring_does_not() -> None:
    flight = Flight(stand_in(PLACES["imu"])).run(2)
    act = {"fault": "it", "act": "clock", "settings": ["offset_s=1"]}
    accepted, reason = flight.command("inject", **act)
    assert not accepted
    assert reason == "imu is not armed: send arm_injection first, at most 60 s before"
    flight.command("arm_injection")
    flight.run(70)
    assert not flight.command("inject", **act)[0]
    flight.inject("clock", offset_s=1)
    flight.run(1)
    assert not flight.command("inject", **{**act, "fault": "other"})[0], "armed for one only"
    flight.command("arm_injection")
    flight.run(1)
    assert "has the fault it in the same place" in flight.command(
        "inject", **{**act, "fault": "other"}
    )[1]
    assert "it is in imu already" in flight.command("inject", **act)[1]
    assert "imu has no fault fault" in flight.command("restore", fault="fault")[1]
    assert flight.command("restore", fault="it")[0]
    flight.run(1)
    assert flight.slot.faults.active == []
    assert (flight.slot.counters.accepted, flight.slot.counters.rejected) == (0, 0)


def test_of_two_faults_for_one_place_at_once_the_second_is_refused() -> None:
    flight = Flight(stand_in(PLACES["imu"])).run(2)
    for _ in range(2):
        flight.command("arm_injection")
    flight.run(1)
    act = {"act": "clock", "settings": ["offset_s=1"]}
    assert flight.command("inject", fault="one", **act)[0]
    accepted, reason = flight.command("inject", fault="two", **act)
    assert not accepted and "imu has the fault one in the same place" in reason
    flight.run(1)
    assert flight.slot.faults.active == ["one"]


def test_a_fault_is_put_into_a_unit_that_is_off_or_failed() -> None:
    flight = Flight(stand_in(PLACES["ranging"])).run(2)
    flight.slot._power(False)
    flight.run(2)
    assert flight.slot.state is State.UNPOWERED
    flight.inject("degradation", bias_m=30.0)
    flight.run(2)
    flight.slot._power(True)
    flight.run(2)
    assert flight.slot.unit.degradation.bias_m == 30.0


def test_degradations_add_up_and_come_off_one_by_one() -> None:
    flight = Flight(stand_in(PLACES["mobility"])).run(2)
    flight.inject("degradation", drag_n=100.0)
    flight.run(2)
    flight.command("arm_injection")
    flight.run(1)
    settings = ["jammed_crawler=rear_left", "drag_n=300"]
    flight.command("inject", fault="two", act="degradation", settings=settings)
    flight.run(1)
    found = flight.slot.unit.degradation
    assert (found.drag_n, found.jammed_crawler) == (300.0, "rear_left")
    flight.command("restore", fault="two")
    flight.run(1)
    found = flight.slot.unit.degradation
    assert (found.drag_n, found.jammed_crawler) == (100.0, "none")


def test_random_faults_are_the_same_for_a_seed_and_others_for_another() -> None:
    def said(seed: int) -> list[tuple[float, bytes]]:
        flight = Flight(stand_in(PLACES["imu"], seed)).run(BEGIN - 1)
        flight.inject("port", output="rover/imu/data", kind="garbage")
        return flight.run(10).of("rover/imu/data", BEGIN)

    assert said(1) == said(1)
    assert said(1) != said(2)


def test_what_an_injection_leaves_can_be_told_from_evidence() -> None:
    flight = Flight(stand_in(PLACES["imu"])).run(BEGIN - 1)
    flight.inject("process", kind="crash")
    flight.run(5)
    flight.command("restore")
    flight.run(5)
    messages = flight.messages["commands"]
    assert messages and all(tells_of_injection(m.status[0]) for _, m in messages)
    assert not any(tells_of_injection(m.status[0]) for _, m in flight.messages[EVENTS])
    assert not any(tells_of_injection(m.status[0]) for _, m in flight.messages[DIAGNOSTICS])


def test_no_fault_survives_a_clock_that_goes_back() -> None:
    flight = Flight(stand_in(PLACES["imu"])).run(BEGIN - 1)
    flight.inject("process", kind="hang", resets=0)
    flight.run(2)
    flight.slot.clock_jumped_back(START)
    flight.second = 0
    flight.said.clear()
    flight.run(3)
    assert len(flight.of("rover/imu/data")) == 3


# --- messages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "topic"),
    [(name, topic) for name, support in SUPPORT.items() for topic in support.outputs],
    ids=" ".join,
)
def test_every_number_of_a_message_can_be_wrong_alone(name: str, topic: str) -> None:
    port = SUPPORT[name].outputs[topic]
    message = sample(port, START, 5)
    before = to_cdr(message)
    fields = numeric_fields(port.message_type, port.schema) or []
    changed = {to_cdr(scaled(message, field, 1.0, 3.0)) for field in fields}
    assert len(changed - {before}) == len(fields)
    assert to_cdr(message) == before
    noise = garbled(message, np.random.default_rng(1))
    assert to_cdr(noise) != before
    assert to_cdr(message) == before


def test_wrong_stays_within_what_the_type_holds() -> None:
    port = SUPPORT["power"].outputs["rover/power/battery"]
    message = sample(port, START, 5)
    assert scaled(message, "power_supply_status", 1.0, 1e9).power_supply_status == 255
    assert scaled(message, "power_supply_status", 1.0, -1e9).power_supply_status == 0
    assert scaled(message, "voltage", 1e300, 0.0).voltage == np.finfo(np.float32).max
    third = scaled(message, "voltage", 1 / 3, 0.0).voltage
    assert third == float(np.float32(third)), "as it arrives on ROS 2"
    cells = scaled(message, "cell_voltage.1", 1.0, 2.0).cell_voltage
    assert list(cells) == [7.0, 9.0, 7.0]
    with pytest.raises(KeyError):
        scaled(message, "cell_voltage.9", 1.0, 2.0)
    with pytest.raises(KeyError):
        scaled(message, "present", 1.0, 2.0)


def test_flipped_memory_keeps_its_form_and_stays_finite() -> None:
    kept = {
        "state": [1.0, 2.5], "name": "plan", "mode": None, "on": True, "count": 3,
        "pair": (1, 0.5), "grid": np.zeros((2, 2)),
    }  # fmt: skip
    for seed in range(50):
        other = flipped(kept, np.random.default_rng(seed))
        assert other.keys() == kept.keys()
        assert [type(each) for each in other.values()] == [type(each) for each in kept.values()]
        assert other["mode"] is None and other["on"] is False
        assert all(np.isfinite(other["state"])) and other["state"] != kept["state"]
        assert np.isfinite(other["grid"]).all() and other["grid"].shape == (2, 2)
        assert other["name"] != "plan" and other["count"] != 3


def test_the_support_table_is_that_of_the_code() -> None:
    for name, support in SUPPORT.items():
        place = PLACES[name]
        nature = place.unit_class.kind is Kind.NATURE
        data = {t for t, port in place.outputs().items() if not (port.physical or nature)}
        assert set(support.outputs) == data | {DIAGNOSTICS}
        assert set(support.commands) == set(place.commands()) - set(INJECTION)
        assert support.process is not nature
    assert {n for n, s in SUPPORT.items() if s.memory} >= {"navigation", "executive"}
