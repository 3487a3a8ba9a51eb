# SPDX-License-Identifier: Apache-2.0
"""``lupex live``, and the page of ``lupex run --live``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lupex_nodes.cli import COMPLETE, BadInput, inputs

if TYPE_CHECKING:
    from lupex_nodes.live.view import LiveView
    from lupex_nodes.scenario import CheckedScenario
    from lupex_nodes.system import System


def live(options: argparse.Namespace) -> int:
    """Listen to a system that runs on ROS 2, and show it until told to end."""
    system = inputs.system()
    if options.seed is not None and not options.scenario:
        raise BadInput("--seed is for the ground of a SCENARIO: name it")
    overrides = {} if options.seed is None else {"seed": options.seed}
    checked = inputs.scenario(options.scenario, system, overrides) if options.scenario else None
    with inputs.needs_ros():
        from lupex_nodes.bus.ros.watching import watch
    with _page(system, checked, "ROS 2", options.port, "--port") as page:
        watch(system, options.root, page)
    return COMPLETE


@contextmanager
def flight_page(options: argparse.Namespace, checked: CheckedScenario) -> Iterator[LiveView]:
    """Serve the page of a flight; it is an observer."""
    bus = "ROS 2" if options.bus == "ros" else "memory"
    port = options.live_port or 0
    with _page(checked.system, checked, bus, port, "--live-port") as page:
        yield page


@contextmanager
def _page(
    system: System, checked: CheckedScenario | None, bus: str, port: int, option: str
) -> Iterator[LiveView]:
    """Serve a page and print where it is."""
    try:
        from lupex_nodes.live.server import LiveServer
    except ImportError as error:
        raise BadInput(
            f"the live view needs {error.name}: install the packages of requirements/"
        ) from None
    from lupex_nodes.cli.map import ground, half_size, waypoints
    from lupex_nodes.live.site_picture import Ground, SitePicture
    from lupex_nodes.live.view import LiveView

    def make(flown: CheckedScenario) -> Ground:
        site, _ = ground(flown)
        return Ground(site, half_size(site))

    picture = SitePicture(lambda: make(checked)) if checked else None
    goals = waypoints(checked) if checked else []
    view = LiveView(system, checked.scenario if checked else None, goals, bus)
    try:
        server = LiveServer(view, picture, port)
    except OSError as error:
        # Python adds the address to `strerror`, in some versions
        reason = os.strerror(error.errno or 0)
        raise BadInput(
            f"port {port} cannot be used for the live view ({reason}): give another with "
            f"{option}, or leave it out for one that is free"
        ) from None
    print(f"live     {server.url}", flush=True)
    try:
        yield view
    finally:
        server.close()
