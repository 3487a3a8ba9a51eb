# SPDX-License-Identifier: Apache-2.0
"""Each survey instrument and the map alone, as `ros2 run` starts it, on what a bag plays."""

from __future__ import annotations

import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from processes import finish, start
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import SetBool

from lupex_nodes.bus.commands import Stage
from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.place import COMMANDS, DIAGNOSTICS, Place
from lupex_nodes.bus.ports import Output, Qos
from lupex_nodes.bus.records import view
from lupex_nodes.bus.ros.interfaces import (
    qos_profile,
    read_reply,
    ros_name,
    service_type,
    write_request,
)
from lupex_nodes.bus.unit import ports, topic_of
from lupex_nodes.flight import fly_memory
from lupex_nodes.recording.profiles import profile
from lupex_nodes.scenario import load_scenario
from lupex_nodes.system import load_system

SYSTEM = load_system()
FLIGHT = """
extends: sortie
name: four_metres
duration_s: 200
parameters: {power: {channels_off: []}}

plan:
  - {activity: calibrate, command: neutron_spectrometer/calibrate, arguments: {duration_s: 90}}
  - {activity: count, command: neutron_spectrometer/acquire}
  - {activity: drive, command: navigation/go_to, timeout_s: 80, arguments:
      {x_m: 20.0, y_m: 0.0, speed_m_s: 0.1}}
  - {activity: end, command: neutron_spectrometer/stop}
"""
DRIVES_AT_S = 95.0
RATE = 30.0
SCRIPT = "import sys; sys.argv[0] = {!r}; from lupex_nodes.console_scripts import unit; unit()"


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("four_metres")
    scenario = folder / "four_metres.yaml"
    scenario.write_text(FLIGHT)
    facts = fly_memory(load_scenario(str(scenario), SYSTEM), folder, profile("all"))
    assert facts.outcome == "complete"
    return folder / "bag"


class Operator(Node):
    """Somebody at another terminal: hears what a unit says, commands it, pauses the player."""

    def __init__(self, context: rclpy.Context, place: Place) -> None:
        super().__init__("operator", context=context)
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self.reports: list[dict[str, str]] = []
        self._place = place
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self)
        self.outputs = {
            name: topic_of(port.topic, place.namespace, place.name)
            for name, port in ports(place.unit_class, Output)
        }
        for name, port in ports(place.unit_class, Output):
            qos = qos_profile(port.qos, reader=True)
            topic = ros_name("", self.outputs[name])
            self.create_subscription(port.message_type, topic, self.heard[name].append, qos)
        command = qos_profile(Qos.COMMAND, reader=True)
        self.create_subscription(DiagnosticArray, ros_name("", COMMANDS), self._report, command)
        self.beats: list[DiagnosticArray] = []
        self.create_subscription(DiagnosticArray, DIAGNOSTICS, self.beats.append, 10)
        self._pause = self.create_client(SetBool, "/lupex_replay/pause")

    def _report(self, message: DiagnosticArray) -> None:
        self.reports.append(values_of(message.status[0]))

    def until(self, condition: Callable[[], Any], timeout_s: float = 60.0) -> Any:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if found := condition():
                return found
            self._executor.spin_once(timeout_sec=0.05)
        heard = {name: len(messages) for name, messages in self.heard.items()}
        raise AssertionError(f"did not happen within {timeout_s} s; heard {heard}")

    def finds(self, unit: str) -> bool:
        """Whether the unit is up and hears the player, as far as the graph tells."""
        return unit in self.get_node_names() and self.count_subscribers("/clock") >= 2

    def pause(self, paused: bool) -> None:
        assert self._pause.wait_for_service(timeout_sec=20.0)
        reply = self._pause.call_async(SetBool.Request(data=paused))
        self.until(reply.done)

    def command(self, name: str, **values: Any) -> None:
        """Command while the player pauses, then see the command to its end; again if refused."""
        command = self._place.commands()[name]
        service = f"/{self._place.namespace}/{self._place.name}/{name}"
        client = self.create_client(service_type(command), service)
        assert client.wait_for_service(timeout_sec=20.0)

        def ended() -> dict[str, str] | None:
            return next(
                (each for each in self.reports if each["command_id"] == text
                 and (each["stage"] == Stage.COMPLETION.value or each["success"] == "false")), None
            )  # fmt: skip

        for _ in range(10):
            self.pause(True)
            reply = client.call_async(write_request(command, values))
            self.until(reply.done)
            accepted, text = read_reply(reply.result())
            self.pause(False)
            if accepted and self.until(ended)["success"] == "true":
                return
            self.until_wall(0.2)
        raise AssertionError(f"{name} never succeeded: {text}; {self.reports}")

    def until_wall(self, duration_s: float) -> None:
        end = time.monotonic() + duration_s
        self.until(lambda: time.monotonic() > end)

    def rows(self, name: str) -> np.ndarray:
        return np.concatenate([view(message) for message in self.heard[name]])


@pytest.fixture
def alone(ros_domain: int, bag: Path) -> Iterator[Callable[..., Operator]]:
    """Start a unit and the player, which pauses; at the end see both go."""
    context = rclpy.Context()
    rclpy.init(context=context)
    started: list[Any] = []

    def begin(name: str, start_s: float, *parameters: str) -> Operator:
        ros = [word for each in ("use_sim_time:=true", *parameters) for word in ("-p", each)]
        place = SYSTEM.places[name]
        # time goes on as long as something is played
        inputs = {"/rover/odometry", *(f"/{topic}" for topic in place.subscriptions())}
        started.append(start("-c", SCRIPT.format(name), "--ros-args", *ros))
        began = ("--start", str(start_s)) if start_s else ()
        started.append(start("-m", "lupex_nodes", "replay", str(bag), "--rate", str(RATE),
                             *began, "--paused", "--topics", *inputs))  # fmt: skip
        operator = Operator(context, place)
        operator.until(lambda: operator.finds(name))
        # the first of /clock that it gets activates it, which may take longer than the bag lasts
        while not operator.beats:
            operator.pause(False)
            operator.pause(True)
            operator.until_wall(0.5)
        operator.pause(False)
        return operator

    try:
        yield begin
        unit, player = started
        assert unit.poll() is None, unit.communicate()
        unit.send_signal(signal.SIGINT)
        code, _, err = finish(unit, 30)
        assert code == 0 and "Traceback" not in err, err
        player.terminate()
        assert "Traceback" not in finish(player, 30)[2]
    finally:
        for process in started:
            process.kill()
            process.wait()
        context.try_shutdown()


def test_the_radar(alone: Callable[..., Operator]) -> None:
    radar = alone("gpr", DRIVES_AT_S - 15.0)
    radar.command("calibrate", sweeps=8)
    radar.command("acquire")
    radar.until(lambda: radar.heard["profile"] and radar.heard["section"])
    radar.command("stop")
    assert len(radar.rows("samples")) == 301 * len(radar.rows("traces"))
    profile = radar.rows("profile")
    assert len(profile) > 1000 and np.isfinite(profile["amplitude_db"]).all()


def test_the_neutron_spectrometer(alone: Callable[..., Operator]) -> None:
    neutrons = alone("neutron_spectrometer", 0.0)
    neutrons.command("calibrate", duration_s=60.0)
    neutrons.command("acquire")
    neutrons.until(lambda: np.ptp(neutrons.rows("counts")["x_m"]) > 4.0)
    neutrons.command("stop")
    neutrons.until(lambda: neutrons.heard["deposit"] and neutrons.heard["profile"])
    counts = neutrons.rows("counts")
    still = counts[counts["segment"] == 0]
    assert still["live_time_s"].sum() > 55.0 and neutrons.heard["water"]
    assert 8.0 < counts["epithermal_counts"].sum() / counts["live_time_s"].sum() < 40.0


def test_the_imaging_spectrometer(alone: Callable[..., Operator]) -> None:
    alis = alone("alis", 0.0)
    alis.command("calibrate")
    alis.command("acquire")
    alis.until(lambda: alis.heard["surface_ice"] and alis.heard["image"])
    assert len(alis.heard["spectra"]) == 4
    assert alis.rows("reflectance")["usable"].mean() > 0.9


def test_the_mass_spectrometer(alone: Callable[..., Operator]) -> None:
    gas = alone("ems_l", 0.0, "warm_up_s:=10", "spectrum_s:=10.0")
    gas.command("acquire")
    gas.until(lambda: len(gas.heard["spectrum"]) >= 2)
    gas.command("stop")
    gas.until(lambda: gas.heard["pressures"] and gas.heard["fit"])
    assert gas.rows("spectrum")["counts"].max() > 10
    assert gas.rows("conditions")["duration_s"] == pytest.approx(10.0, abs=1.5)


def test_the_prospecting_map(alone: Callable[..., Operator]) -> None:
    chart = alone("prospecting_map", DRIVES_AT_S + 25.0)
    (grid,) = chart.until(lambda: chart.heard["map"])
    cells = chart.rows("cells")
    assert len(cells) > 20 and sum(each >= 0 for each in grid.data) == len(cells)
