# SPDX-License-Identifier: Apache-2.0
"""Faults over real DDS: the same as in memory, message for message, and true silence."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
from faulted_units import FAULTS
from processes import finish, fly, node, wait_for
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import Trigger
from toy_units import START

from lupex_nodes.bus.commands import Command
from lupex_nodes.bus.memory import MemoryBus
from lupex_nodes.bus.ros.interfaces import write_request
from lupex_nodes.bus.slot import Emission
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.bus.unit_faults import COMMANDS
from lupex_nodes.recording.bag_reader import open_bag
from lupex_nodes.recording.cdr import to_cdr
from lupex_nodes.recording.message_types import jazzy
from lupex_nodes.system import load_system

SYSTEM = Path(__file__).parents[1] / "bus/faulted_system.yaml"
SECONDS = 55
Said = dict[str, list[tuple[int, str]]]


class Memory:
    """An observer that keeps all that units say, as it would be read from a bag."""

    def __init__(self) -> None:
        self.said: Said = defaultdict(list)

    def message(self, now: int, emission: Emission) -> None:
        package = emission.message_type.__module__.partition(".")[0]
        kind = f"{package}/msg/{emission.message_type.__name__}"
        message = jazzy().deserialize_cdr(to_cdr(emission.message), kind)
        keep(self.said, "/" + emission.topic.lstrip("/"), now, message)

    def tick(self, now: int) -> None:
        """Pass."""


def keep(said: Said, topic: str, now: int, message: object) -> None:
    """Keep a message without what memory alone knows: who called, and whose call came first."""
    if topic == "/commands":
        for status in message.status:  # type: ignore[attr-defined]
            status.values = [
                pair for pair in status.values if pair.key not in ("source", "command_id")
            ]
    said[topic].append((now, repr(message)))


@pytest.fixture(scope="module")
def in_memory() -> Said:
    memory = Memory()
    bus = MemoryBus(load_system(SYSTEM), {}, seed=1, start=START, observers=[memory])
    bus.activate()
    bus.run(START + SECONDS * SECOND)
    return memory.said


def test_all_faults_are_injected_and_restored(in_memory: Said) -> None:
    begun = [text for _, text in in_memory["/commands"] if ": inject'" in text]
    ended = [text for _, text in in_memory["/commands"] if ": restore'" in text]
    for found in begun, ended:
        assert sum("value='completion'" in text for text in found) == len(FAULTS)
        assert not any("value='false'" in text for text in found)
    assert not any("saboteur: REFUSED" in text for _, text in in_memory["/events"])


@pytest.mark.parametrize("composition", ["all", "unit"])
def test_faults_on_ros_do_what_they_do_in_memory(
    ros_domain: int, tmp_path: Path, in_memory: Said, composition: str
) -> None:
    flight = fly(
        tmp_path, "--composition", composition, "--system", str(SYSTEM),
        "--duration", str(SECONDS),
    )  # fmt: skip
    code, out, err = finish(flight, 120)
    assert code == 0, err
    facts = json.loads(out)
    assert (facts["outcome"], facts["lost_messages"], facts["struck_off"]) == (
        "complete", 0, 0
    ), (facts, err)  # fmt: skip
    found: Said = defaultdict(list)
    with open_bag(tmp_path / "bag") as bag:
        for message in bag.messages():
            if message.topic in in_memory:
                keep(found, message.topic, message.log_time_ns, bag.decode(message))
    for topic, said in in_memory.items():
        # several units say something on one topic in one tick, in whatever order
        assert sorted(found[topic]) == sorted(said), topic


@pytest.fixture
def alone(ros_domain: int) -> Iterator[None]:
    process = node("first")
    try:
        yield
    finally:
        process.terminate()
        finish(process)


@pytest.mark.usefixtures("alone")
def test_a_lost_command_gets_no_answer_and_a_late_one_a_late_answer() -> None:
    context = rclpy.Context()
    rclpy.init(context=context)
    client = rclpy.create_node("client", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(client)

    def spin(future: object, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not future.done() and time.monotonic() < deadline:  # type: ignore[attr-defined]
            executor.spin_once(timeout_sec=0.05)
        return future.done()  # type: ignore[attr-defined]

    def tell(name: str, **values: object) -> object:
        kind = Trigger if name in ("noop", "arm_injection") else SetParametersAtomically
        service = client.create_client(kind, f"/rover/first/{name}")
        wait_for(service.service_is_ready)
        model = COMMANDS[name] if name in COMMANDS else Command(name, "", None, "")
        return service.call_async(write_request(model, values))

    def inject(*settings: str) -> None:
        assert spin(tell("arm_injection"), 5)
        accepted = False

        def done() -> bool:
            # arming takes a tick
            nonlocal accepted
            future = tell("inject", fault="it", act="command", settings=list(settings))
            accepted = spin(future, 5) and future.result().result.successful
            return accepted

        wait_for(done, 10)
        time.sleep(1.2)  # and so does the injection

    def answers() -> bool:
        future = tell("noop")
        return spin(future, 5) and future.result().success  # type: ignore[attr-defined]

    try:
        wait_for(answers, 30)
        inject("name=noop", "kind=off")
        lost = tell("noop")
        assert not spin(lost, 2.5)
        assert spin(tell("restore", fault="it"), 5)
        time.sleep(1.2)
        assert spin(tell("noop"), 5)
        assert not lost.done()
        inject("name=noop", "kind=delayed", "delay_s=2")
        late = tell("noop")
        assert not spin(late, 0.8)
        assert spin(late, 5) and late.result().success
    finally:
        executor.shutdown()
        client.destroy_node()
        context.try_shutdown()
