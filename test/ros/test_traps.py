# SPDX-License-Identifier: Apache-2.0
"""What this rclpy and Fast DDS are known to do wrong must not reach a user."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from processes import TEST, finish, node, start, wait_for
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import SetBool, Trigger

from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.ros import transport
from lupex_nodes.bus.stamps import SECOND, from_stamp, to_stamp

SOURCES = sorted((TEST.parent / "lupex_nodes").rglob("*.py"))


class Client:
    """An engineer's tools: services, topics and parameters of running nodes."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node("engineer", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def spin(self, done: Any, timeout_s: float = 20.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < deadline, "no answer"
            self.executor.spin_once(timeout_sec=0.1)

    def call(self, kind: type, service: str, **fields: Any) -> Any:
        client = self.node.create_client(kind, service)
        assert client.wait_for_service(20.0), f"{service} did not appear"
        future = client.call_async(kind.Request(**fields))
        self.spin(future.done)
        return future.result()

    def transition(self, node: str, identity: int) -> bool:
        wanted = Transition(id=identity)
        return self.call(ChangeState, f"{node}/change_state", transition=wanted).success

    def state(self, node: str) -> str:
        return self.call(GetState, f"{node}/get_state").current_state.label

    def listen(self, kind: type, topic: str) -> list[Any]:
        heard: list[Any] = []
        self.node.create_subscription(kind, topic, heard.append, QoSProfile(depth=100))
        return heard

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def client(ros_domain: int) -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


@pytest.fixture
def alone(client: Client) -> Iterator[Any]:
    """One unit run alone on the wall clock, as `ros2 run` does."""
    process = node("first")
    wait_for(lambda: client.state("/rover/first") == "active")
    yield process
    process.terminate()
    code, _, err = finish(process, 5)
    assert code == 0
    assert "Traceback" not in err


def test_t1_an_idle_process_uses_no_core_and_ends_at_a_signal(client: Client, alone: Any) -> None:
    def cpu_s() -> float:
        fields = Path(f"/proc/{alone.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = cpu_s()
    time.sleep(2.0)
    assert cpu_s() - before < 0.6  # spin() would burn 2.0
    began = time.monotonic()
    alone.send_signal(signal.SIGINT)
    assert alone.wait(3) == 0
    assert time.monotonic() - began < 3.0


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"\.spin\(\)", "T1: EventsExecutor.spin() burns a core and ignores signals"),
        (r"MultiThreadedExecutor", "T2: collapses to a few messages a second"),
        (r"rclpy\.spin_until_future_complete|executor\.spin_until_future_complete\(f",
         "T3: slows down with every call"),
        (r"StoragePlugin\.SQLITE3", "T9: a killed writer leaves nothing"),
        (r"MessageInfo|destroy_publisher|destroy_subscription", "T11: crashes the executor"),
    ],
)
def test_calls_that_are_traps_stand_nowhere(pattern: str, why: str) -> None:
    found = [str(path) for path in SOURCES if re.search(pattern, path.read_text())]
    assert found == [], why


def test_t4_a_half_made_port_hangs_nobody(client: Client, ros_domain: int) -> None:
    # the engineer's own participant is there; the next process meets the port of the one after
    base = 7400 + 250 * ros_domain
    half_made = [Path(f"/dev/shm/fastrtps_port{base + 11 + 2 * n}") for n in range(1, 8)]
    half_made = [path for path in half_made if not path.exists()]
    for path in half_made:
        path.touch()
    process = node("first")
    try:
        wait_for(lambda: client.state("/rover/first") == "active", 20)
    finally:
        process.terminate()
        for path in half_made:
            if path.exists() and not path.stat().st_size:
                path.unlink()
    assert finish(process, 5)[0] == 0


def test_t4_only_half_made_ports_of_the_own_domain_go(tmp_path: Path) -> None:
    base = 7400 + 250 * 5
    mine, whole, other = (tmp_path / f"fastrtps_port{n}" for n in (base + 11, base + 13, 7411))
    mine.touch()
    whole.write_bytes(b"x")
    other.touch()
    assert transport.remove_half_made_ports(5, tmp_path) == [mine.name]
    assert whole.exists() and other.exists()


def test_t4_only_ports_of_the_own_domain_that_nobody_reads_go(tmp_path: Path) -> None:
    base = 7400 + 250 * 5
    names = [f"fastrtps_port{n}" for n in (base + 11, base + 13, base + 15, 7411)]
    dead, read, bare, other = (tmp_path / name for name in names)
    for path in (dead, read, bare, other):
        path.write_bytes(b"x")
        (tmp_path / f"sem.{path.name}_mutex").touch()
        if path != bare:
            (tmp_path / f"{path.name}_el").touch()
    with (tmp_path / f"{read.name}_el").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        transport.remove_abandoned_ports(5, tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {
        name for path in (read, other)
        for name in (path.name, f"{path.name}_el", f"sem.{path.name}_mutex")
    }  # fmt: skip


def test_t5_the_profile_lets_more_than_33_processes_meet(ros_domain: int) -> None:
    profile = Path(os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"]).read_text()
    assert int(re.search(r"<maxInitialPeersRange>(\d+)", profile)[1]) >= 100
    assert "<address>127.0.0.1</address>" in profile


def test_t6_an_illegal_transition_is_answered_and_the_node_lives(
    client: Client, alone: Any
) -> None:
    assert client.transition("/rover/first", Transition.TRANSITION_CONFIGURE) is False
    assert client.transition("/rover/first", 99) is False
    assert client.state("/rover/first") == "active"
    assert client.transition("/rover/first", Transition.TRANSITION_DEACTIVATE) is True
    assert client.transition("/rover/first", Transition.TRANSITION_CLEANUP) is True
    assert client.transition("/rover/first", Transition.TRANSITION_CONFIGURE) is True
    assert client.transition("/rover/first", Transition.TRANSITION_ACTIVATE) is True
    assert client.call(Trigger, "/rover/first/noop").success


def test_t7_large_messages_have_room_and_a_quiet_allocator(ros_domain: int) -> None:
    profile = Path(os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"]).read_text()
    segment = int(re.search(r"<segment_size>(\d+)", profile)[1])
    assert segment >= 8 * 1_600_000
    assert int(os.environ["MALLOC_MMAP_THRESHOLD_"]) > 2 * 1_600_000


def test_t8_an_exception_is_an_event_and_a_safe_unit(client: Client, alone: Any) -> None:
    events = client.listen(DiagnosticArray, "/events")
    health = client.listen(DiagnosticArray, "/diagnostics")
    client.spin(lambda: health)
    assert client.call(Trigger, "/rover/first/break_down").success
    client.spin(lambda: any(m.status[0].name == "first: UNIT_FAILED" for m in events))
    client.spin(lambda: client.state("/rover/first") == "inactive")
    client.spin(lambda: health[-1].status[0].level == DiagnosticStatus.ERROR)
    reply = client.call(Trigger, "/rover/first/acquire")
    assert not reply.success and "reset it first" in reply.message
    assert client.call(Trigger, "/rover/first/reset").success
    client.spin(lambda: client.state("/rover/first") == "active")
    assert alone.poll() is None


def _started(target: Callable[..., None], *arguments: object) -> BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    process.start()
    return process


def _ignore_sigterm(ready: Path) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready.touch()
    time.sleep(60)


def test_t10_a_process_that_ignores_sigterm_is_killed(ros_domain: int, tmp_path: Path) -> None:
    from lupex_nodes.bus.ros.supervisor import Supervisor

    ready = tmp_path / "ready"
    supervisor = Supervisor(lambda name, units: _started(_ignore_sigterm, ready))
    supervisor.start({"deaf": ["first"]})
    wait_for(ready.exists)
    began = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - began < 3.0
    assert supervisor.processes["deaf"].child.exitcode == -signal.SIGKILL


def test_t10_a_process_that_hangs_at_its_start_is_started_again(
    ros_domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lupex_nodes.bus.ros import supervisor as module

    monkeypatch.setattr(module, "STARTUP_S", 0.2)
    supervisor = module.Supervisor(lambda name, units: _started(time.sleep, 60))
    supervisor.start({"slow": ["first"]})
    failure = wait_for(lambda: supervisor.watch(lambda name: False), 10)
    supervisor.stop()
    assert failure == "process slow did not come up in 3 tries"


def test_t11_a_unit_without_power_keeps_its_ros_entities(client: Client) -> None:
    process = node("supply", "first", "second")
    try:
        wait_for(lambda: client.state("/rover/first") == "active")
        values = client.listen(DiagnosticArray, "/diagnostics")
        switch = "/rover/supply/channels/first/switch"
        assert client.call(SetBool, switch, data=False).success
        client.spin(lambda: client.state("/rover/first") == "inactive")
        reply = client.call(Trigger, "/rover/first/noop")
        assert not reply.success and "channel first is off" in reply.message
        assert client.transition("/rover/first", Transition.TRANSITION_ACTIVATE) is False
        publishers = client.node.count_publishers("/rover/first/value")
        assert publishers == 1
        assert client.call(SetBool, switch, data=True).success
        client.spin(lambda: client.state("/rover/first") == "active")
        values.clear()
        client.spin(lambda: any(m.status[0].hardware_id == "first" for m in values))
    finally:
        process.terminate()
        assert finish(process, 5)[0] == 0


def test_t12_a_namespace_for_the_whole_system_is_a_root_not_a_remap(client: Client) -> None:
    process = node("first", "second", "--root", "moon")
    try:
        wait_for(lambda: client.state("/moon/rover/first") == "active")
        assert client.state("/moon/rover/second") == "active"
        assert client.node.count_publishers("/moon/rover/first/value") == 1
        assert client.node.count_publishers("/moon/events") >= 2
        assert client.node.count_publishers("/diagnostics") >= 2
    finally:
        process.terminate()
        assert finish(process, 5)[0] == 0


def test_t13_config_is_found_without_an_ament_index(tmp_path: Path) -> None:
    program = (
        "import os; os.environ.pop('AMENT_PREFIX_PATH', None)\n"
        "from lupex_nodes.system import load_system; print(len(load_system().units))"
    )
    code, out, err = finish(start("-c", program, cwd=tmp_path))
    assert code == 0, err
    assert int(out) > 5


# --- parameters ---------------------------------------------------------------------------


def _set(client: Client, **values: Any) -> list[Any]:
    parameters = [Parameter(n, value=v).to_parameter_msg() for n, v in values.items()]
    return client.call(SetParameters, "/rover/first/set_parameters", parameters=parameters).results


def _get(client: Client, name: str) -> Any:
    reply = client.call(GetParameters, "/rover/first/get_parameters", names=[name])
    return parameter_value_to_python(reply.values[0])


def test_parameters_are_described_and_refused_with_the_way_to_write_them(
    client: Client, alone: Any
) -> None:
    names = ["gain", "count"]
    described = client.call(
        DescribeParameters, "/rover/first/describe_parameters", names=names
    ).descriptors
    assert described[0].description == "gain"
    assert described[0].floating_point_range[0].to_value == 2.0
    assert described[0].additional_constraints == "a number from 0 to 2 (V); live"
    assert described[1].integer_range[0].to_value == 5
    assert "structural" in described[1].additional_constraints

    refused = _set(client, gain=3.0)[0]
    assert not refused.successful
    assert refused.reason == "gain = 3.0 is refused: give a number from 0 to 2 (V)"
    assert "give a number" in _set(client, gain="much")[0].reason
    assert "structural" not in _set(client, count=1)[0].reason
    assert "cannot change while the unit is active" in _set(client, count=1)[0].reason
    assert _get(client, "gain") == 1.0

    assert _get(client, "names") == []
    assert _set(client, names=["a", "b"])[0].successful
    assert _get(client, "names") == ["a", "b"]
    assert _set(client, gain=2)[0].successful  # as people type it
    assert _get(client, "gain") == 2.0


def test_every_parameter_of_every_unit_is_declared_with_its_type(ros_domain: int) -> None:
    program = """
from lupex_nodes.bus.ros import spinning
from lupex_nodes.bus.ros.node import UnitNode
from lupex_nodes.system import load_system
spinning.init()
system = load_system()
for name, place in system.places.items():
    node = UnitNode(place, {}, seed=1, root="", housekeeping_period_s=1.0,
                    publishers=system.publishers, use_sim_time=False)
    for parameter in place.unit_class.Parameters.model_fields:
        declared, described = node.get_parameter(parameter), node.describe_parameter(parameter)
        assert declared.type_.value == described.type, (name, parameter)
        assert described.description and described.additional_constraints, (name, parameter)
    print(name)
"""
    code, out, err = finish(start("-c", program))
    assert code == 0, err
    assert len(out.split()) > 5


def test_parameters_together_are_checked_as_one(client: Client, alone: Any) -> None:
    together = [Parameter(n, value=v).to_parameter_msg()
                for n, v in {"offset": 0.5, "gain": 9.0}.items()]
    service = "/rover/first/set_parameters_atomically"
    reply = client.call(SetParametersAtomically, service, parameters=together)
    assert not reply.result.successful
    assert (_get(client, "offset"), _get(client, "gain")) == (0.0, 1.0)


def test_parameters_from_the_command_line_and_files(ros_domain: int, tmp_path: Path) -> None:
    process = node("first", "--ros-args", "-p", "gain:=7.0")
    code, _, err = finish(process, 20)
    assert code == 2
    assert err == "lupex_node first: gain = 7.0 is refused: give a number from 0 to 2 (V)\n"


# --- free-running -------------------------------------------------------------------------


@pytest.fixture
def on_a_clock(client: Client) -> Iterator[Callable[[int], None]]:
    """One unit on /clock, as under Gazebo or a bag; call to set the clock (ns)."""
    process = node("first", "--clock", "free")
    clock = client.node.create_publisher(ClockMessage, "/clock", 10)
    wait_for(clock.get_subscription_count)

    def set_clock(now: int) -> None:
        clock.publish(ClockMessage(clock=to_stamp(now)))
        client.executor.spin_once(timeout_sec=0.05)

    yield set_clock
    process.terminate()
    code, _, err = finish(process, 5)
    assert code == 0
    assert "Traceback" not in err and "Error" not in err


def test_a_clock_that_goes_back_resets_the_unit_and_it_goes_on(
    client: Client, on_a_clock: Callable[[int], None]
) -> None:
    events = client.listen(DiagnosticArray, "/events")
    values = client.listen(PointCloud2, "/rover/first/value")
    start_ns = 1_900_000_000 * SECOND
    for later in (3600 * SECOND, 0):
        begun, values[:] = start_ns + later, []
        for tick in range(400):
            on_a_clock(begun + tick * SECOND // 10)
            times = {from_stamp(each.header.stamp) for each in values}
            if len(times) > 5:
                break
        assert len(times) > 5 and min(times) >= begun and max(times) <= begun + 40 * SECOND
    said = [status for message in events for status in message.status]
    back = [each for each in said if each.name == "first: CLOCK_BACK"]
    assert [each.message for each in back] == ["The clock went back and the unit was reset."]
    assert client.state("/rover/first") == "active"


def test_commands_reach_a_unit_that_runs_alone(client: Client, alone: Any) -> None:
    reports = client.listen(DiagnosticArray, "/commands")
    arguments = [Parameter("steps", value=1).to_parameter_msg()]
    service = "/rover/first/travel"
    wrong = client.call(SetParametersAtomically, service).result
    assert not wrong.successful and "steps is missing" in wrong.reason
    reply = client.call(SetParametersAtomically, service, parameters=arguments).result
    assert reply.successful and reply.reason.startswith("first-1-")
    client.spin(
        lambda: any(
            values_of(m.status[0])["command_id"] == reply.reason
            and values_of(m.status[0])["stage"] == "completion"
            for m in reports
        )
    )
