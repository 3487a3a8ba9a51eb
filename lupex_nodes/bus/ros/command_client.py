# SPDX-License-Identifier: Apache-2.0
"""Sending one command from outside the units and watching how it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from lupex_nodes.bus.commands import Command, Stage
from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.place import COMMANDS, Place
from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.ros.interfaces import (
    qos_profile,
    read_reply,
    ros_name,
    service_type,
    write_request,
)

DISCOVERY_S = 5.0


def send(
    place: Place, command: Command, values: dict[str, Any], timeout_s: float, *, root: str = ""
) -> tuple[bool, str]:
    """Send a command; return whether it completed, and one sentence about its end.

    ``timeout_s`` is wall time and counts from acceptance.
    """
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node("command_client", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        return _send(node, executor, place, command, values, timeout_s, root)
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


def _send(
    node: Node,
    executor: SingleThreadedExecutor,
    place: Place,
    command: Command,
    values: dict[str, Any],
    timeout_s: float,
    root: str,
) -> tuple[bool, str]:
    what = f"{place.name} {command.name}"
    reports: list[DiagnosticArray] = []
    node.create_subscription(
        DiagnosticArray,
        ros_name(root, COMMANDS),
        reports.append,
        qos_profile(Qos.COMMAND, reader=True),
    )
    service = ros_name(root, f"{place.namespace}/{place.name}/{command.name}")
    client = node.create_client(service_type(command), service)
    if not client.wait_for_service(DISCOVERY_S):
        return False, (
            f"{what}: nobody answers on {service}: is the system running with this ROS_DOMAIN_ID "
            "and --root?"
        )
    future = client.call_async(write_request(command, values))
    if not _spin(executor, future.done, DISCOVERY_S):
        return False, f"{what}: no reply within {DISCOVERY_S:g} s"
    accepted, text = read_reply(future.result())
    if not accepted:
        return False, f"{what}: refused: {text}"

    def end() -> tuple[bool, str] | None:
        for message in reports:
            status = message.status[0]
            report = values_of(status)
            failed = report["success"] == "false"
            if report["command_id"] == text and (
                failed or report["stage"] == Stage.COMPLETION.value
            ):
                return not failed, status.message
        return None

    if not _spin(executor, lambda: end() is not None, timeout_s):
        return False, (
            f"{what}: accepted as {text}, not complete after {timeout_s:g} s; its end will be "
            f"reported on {ros_name(root, COMMANDS)}"
        )
    completed, sentence = end() or (False, "")
    return completed, f"{what}: {text} {'completed' if completed else f'failed: {sentence}'}"


def _spin(
    executor: SingleThreadedExecutor, done: Callable[[], bool], timeout_s: float
) -> bool:
    """Spin until ``done``; spin_once, because spinning until a future slows with every call."""
    deadline = time.monotonic() + timeout_s
    while not done():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        executor.spin_once(timeout_sec=min(left, 0.1))
    return True
