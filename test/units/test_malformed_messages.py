# SPDX-License-Identifier: Apache-2.0
"""No message makes a unit or an observer raise; what cannot be used is counted and said.

Every kind of malformed message goes to every topic that a unit of the flying system reads, and to
every observer.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from malformed_messages import KINDS, UNUSABLE
from unit_bench import START, Bench

from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.ports import Input, Qos
from lupex_nodes.bus.slot import Emission
from lupex_nodes.flight import Statistics
from lupex_nodes.live.view import LiveView, Reader
from lupex_nodes.progress import Progress
from lupex_nodes.recording.profiles import BlackBoxLimits, profile
from lupex_nodes.recording.recorder import Recorder, RecorderSettings
from lupex_nodes.scenario import load_scenario
from lupex_nodes.system import load_system

pytestmark = pytest.mark.malformed

SYSTEM = load_system()
INPUTS: dict[str, Input] = {
    topic: port
    for place in SYSTEM.places.values()
    for topic, port in place.subscriptions().items()
}
OUTPUTS = {
    topic: port for place in SYSTEM.places.values() for topic, port in place.outputs().items()
}


def flying() -> Bench:
    """A rover that drives and counts neutrons."""
    flight = Bench(housekeeping_period_s=5.0).run(70)
    flight.bus.request("navigation", "go_to", x_m=60.0, y_m=5.0, speed_m_s=0.08)
    flight.bus.request("neutron_spectrometer", "acquire")
    return flight.run(60)


@cache
def messages() -> dict[str, Any]:
    """A message of each topic as it should be: the last of a flight, or an empty one."""
    log = flying().log
    found = {}
    for topic, port in {**OUTPUTS, **INPUTS}.items():
        if log.get(topic):
            found[topic] = log[topic][-1][1]
        elif port.schema:
            found[topic] = port.schema.message(START, np.zeros(1, port.schema.dtype))
        else:
            found[topic] = port.message_type()
    return found


@pytest.fixture
def whole() -> dict[str, Any]:
    return messages()


def made(whole: dict[str, Any], topic: str) -> Iterator[tuple[str, Any]]:
    """Yield each kind's message for a topic, what no unit takes first."""
    for kind in sorted(KINDS, key=lambda each: each not in UNUSABLE):
        message = KINDS[kind](whole[topic])
        if message is not None:
            yield kind, message


def raised(flight: Bench) -> list[str]:
    return [
        status.message
        for _, message in flight.log["events"]
        for status in message.status[:10]
        if status.name.endswith(": UNIT_FAILED")
    ]


def refused(flight: Bench, topic: str) -> dict[str, int]:
    """How many messages of a topic each unit has refused."""
    slots = flight.bus.slots
    return {name: slot._refused[topic].count for name, slot in slots.items()
            if topic in slot._refused}  # fmt: skip


@pytest.mark.parametrize("namespace", sorted({topic.partition("/")[0] for topic in INPUTS}))
def test_no_message_makes_a_unit_raise(namespace: str, whole: dict[str, Any]) -> None:
    flight = flying()
    for topic in [topic for topic in INPUTS if topic.partition("/")[0] == namespace]:
        for kind, message in made(whole, topic):
            before = refused(flight, topic)
            flight.bus.publish(topic, INPUTS[topic].qos, message)
            flight.run(1)
            assert not raised(flight), f"{kind} on {topic}"
            after = refused(flight, topic)
            deaf = {
                name for name in SYSTEM.subscribers[topic]
                if flight.bus.slots[name].unit is not None
                and not _usable(kind, SYSTEM.places[name].subscriptions()[topic], whole[topic])
                and after.get(name, 0) <= before.get(name, 0)
            }  # fmt: skip
            assert not deaf, f"{kind} on {topic} was taken by {deaf}"
    flight.run(60)
    assert not raised(flight)


def _usable(kind: str, port: Input, message: Any) -> bool:
    """Whether a unit may take this: nothing is wrong with it, or it says that it looks itself."""
    if kind in ("nan", "infinite", "minus_infinite"):
        numbers = KINDS["infinite"](message) != message  # switches are none
        return not port.finite or isinstance(message, DiagnosticArray) or not numbers
    if port.schema is None and kind in ("wrong_field", "other_record"):
        return True  # states of channels have the channels' names
    return kind not in UNUSABLE


def test_what_is_refused_is_said_once_a_minute_with_its_count(whole: dict[str, Any]) -> None:
    flight = flying()
    for _ in range(130):
        flight.bus.publish("rover/thermal/nodes", Qos.TELEMETRY,
                           KINDS["nan"](whole["rover/thermal/nodes"]))  # fmt: skip
        flight.run(1)
    said = [m.status[0] for _, m in flight.log["events"]
            if m.status[0].name == "power: INPUT_REFUSED"]  # fmt: skip
    assert [int(values_of(status)["refused"]) for status in said] == [1, 61, 121]
    assert said[0].message == (
        "A message on rover/thermal/nodes was not used: battery_k is not finite."
    )


@pytest.mark.parametrize("kind", ["nan", "infinite"])
def test_no_unit_passes_on_what_is_no_number(kind: str, whole: dict[str, Any]) -> None:
    flight = flying()
    for topic, port in INPUTS.items():
        flight.bus.publish(topic, port.qos, KINDS[kind](whole[topic]))
    flight.run(1)
    begun = {topic: len(messages) for topic, messages in flight.log.items()}
    flight.run(120)
    for topic, port in OUTPUTS.items():
        for _, message in flight.log[topic][begun.get(topic, 0) :]:
            reading = Input(topic, type(message), port.qos, schema=port.schema)
            assert not reading.refusal(message) or reading.refusal(message) == "it has no rows"


@settings(max_examples=3, deadline=None, database=None, phases=[Phase.generate],
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(st.lists(st.tuples(st.sampled_from(sorted(INPUTS)), st.sampled_from(sorted(KINDS)),
                          st.integers(0, 5)), min_size=5, max_size=40))  # fmt: skip
def test_no_order_of_messages_makes_a_unit_raise(
    sent: list[tuple[str, str, int]],
) -> None:
    flight = flying()
    for topic, kind, wait_s in sent:
        message = KINDS[kind](messages()[topic])
        if message is not None:
            flight.bus.publish(topic, INPUTS[topic].qos, message)
        if wait_s:
            flight.run(wait_s)
    flight.run(60)
    assert not raised(flight)


def test_no_message_makes_an_observer_raise(whole: dict[str, Any], tmp_path: Path) -> None:
    checked = load_scenario("sortie", SYSTEM)
    view, printed = LiveView(SYSTEM, checked.scenario), io.StringIO()
    settings = RecorderSettings(black_box=BlackBoxLimits(memory_bytes=10_000_000))
    recorder = Recorder(tmp_path, {}, profile("all"), settings=settings)
    observers = [view, Progress(checked, printed), Statistics(), recorder]
    page, now = Reader(), START
    for topic, port in {**INPUTS, **OUTPUTS}.items():
        for kind, message in made(whole, topic):
            if kind == "huge" and topic not in ("/diagnostics", "world/truth", "rover/path"):
                continue  # a bag of all would have gigabytes
            now += 1_000_000_000
            for observer in observers:
                observer.message(now, Emission(topic, port.qos, type(message), message, "power"))
                observer.tick(now)
            assert json.dumps(view.since(page), allow_nan=False), f"{kind} on {topic}"
    recorder.close({"outcome": "complete"})
    assert "nan" not in printed.getvalue()


ODD_ARGUMENTS = (
    None, True, -1, 10**30, 1e308, -1e308, float("nan"), float("inf"), "", "text", "\0", b"\xff",
    [], [None], [1, "a"], {}, {"a": 1}, ["x"] * 10_000,
)  # fmt: skip


def test_no_argument_makes_a_command_raise() -> None:
    flight = flying()
    cases = refused_ones = 0
    for name, place in SYSTEM.places.items():
        for command in place.commands().values():
            model = command.arguments
            keys = ["data"] if model in (None, bool) else list(model.model_fields)
            for odd in ODD_ARGUMENTS:
                for values in (dict.fromkeys(keys, odd), {keys[-1]: odd}, {"none": odd}):
                    call = flight.bus.request(name, command.name, **values)
                    cases += 1
                    assert call.done and (call.accepted or call.reason)
                    refused_ones += not call.accepted
        flight.run(5)
        assert not raised(flight), name
    assert cases > 3000 and refused_ones > 0.9 * cases


def test_every_kind_is_of_some_topic(whole: dict[str, Any]) -> None:
    made_of = [kind for topic in INPUTS for kind, _ in made(whole, topic)]
    assert set(made_of) == set(KINDS)
    assert len(made_of) > 1000
