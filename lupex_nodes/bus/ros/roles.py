# SPDX-License-Identifier: Apache-2.0
"""What a process can be: units, the clock, or the recorder."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lupex_nodes.bus.ros.clock import ClockNode
from lupex_nodes.bus.ros.member import FreeRunning, UnitsInStep
from lupex_nodes.bus.ros.node import UnitNode
from lupex_nodes.bus.ros.observing import ObserverNode, watched_topics
from lupex_nodes.bus.ros.spinning import Spinner
from lupex_nodes.bus.ros.transport import clock_lock
from lupex_nodes.scenario import CheckedScenario, load_scenario
from lupex_nodes.system import System

DEFAULT_SCENARIO = "sortie"


class Role(NamedTuple):
    """A running role; ``close`` ends what must be ended before the process does."""

    close: Callable[[], None] = lambda: None


def flown(options: argparse.Namespace, system: System) -> CheckedScenario:
    """Return the scenario that a process was told to fly."""
    overrides = {} if options.seed is None else {"seed": options.seed}
    return load_scenario(
        options.scenario or DEFAULT_SCENARIO,
        system,
        overrides=overrides,
        fault_files=[options.faults] if options.faults else [],
    )


def make_units(options: argparse.Namespace, system: System, spinner: Spinner) -> Role:
    """Make and configure the nodes of units; they activate at the first tick.

    A unit that runs alone, without a scenario, has its own defaults.
    """
    alone = options.scenario is None and options.clock != "lockstep"
    checked = None if alone else flown(options, system)
    nodes = [
        UnitNode(
            system.places[name],
            checked.parameters.get(name, {}) if checked else {},
            seed=checked.scenario.seed if checked else options.seed or 1,
            root=options.root,
            housekeeping_period_s=checked.scenario.housekeeping_period_s if checked else 1.0,
            publishers=system.publishers,
            use_sim_time=options.clock != "wall",
        )
        for name in sorted(system.entry(name).name for name in options.names)
    ]
    if not options.no_autostart or options.clock == "lockstep":
        for node in nodes:
            node.trigger_configure()
    if options.clock == "lockstep":
        process = options.process or options.names[0]
        UnitsInStep(nodes, process, options.root, system, options.memory)
    else:
        wall = not nodes[0].get_parameter("use_sim_time").value
        FreeRunning(nodes, system, wall=wall, autostart=not options.no_autostart)
    spinner.add(nodes)
    return Role()


def make_clock(options: argparse.Namespace, system: System, spinner: Spinner) -> Role:
    """Make the clock of the system."""
    scenario = flown(options, system).scenario
    lock = clock_lock(options.root)
    node = ClockNode(
        root=options.root,
        start=scenario.start_ns,
        end=scenario.end_ns,
        rate=options.rate,
        expected=options.members.split(",") if options.members else [],
        finished=spinner.stop,
    )
    spinner.add([node])
    return Role(lock.close)


def make_recorder(options: argparse.Namespace, system: System, spinner: Spinner) -> Role:
    """Make the recorder of the system, which writes OUT/bag and OUT/black_box."""
    from lupex_nodes.flight import Statistics, custom_data, unfinished
    from lupex_nodes.recording.bag_writer import Split
    from lupex_nodes.recording.profiles import black_box_limits, profile
    from lupex_nodes.recording.recorder import Recorder, RecorderSettings, absolute_name

    checked = flown(options, system)
    chosen = profile(options.record)
    statistics = Statistics()
    settings = RecorderSettings(
        Split(options.split_size * 1e6, options.split_duration),
        None if options.no_black_box else black_box_limits(),
    )
    recorder = Recorder(
        *(Path(options.out), custom_data(checked), chosen, options.root, settings),
        flush=True,
        required=False,
    )
    topics = watched_topics(
        system,
        lambda topic: (
            recorder.sees_everything
            or chosen.selects(absolute_name(topic, options.root), options.root)
        ),
    )
    node = ObserverNode(options.root, topics, [recorder, statistics])
    recorder.tell = node.tell
    spinner.add([node])

    def close() -> None:
        node.drain()
        ended = statistics.outcome or unfinished(checked, "by the end of the recorder")
        recorder.close({"outcome": ended.name, "cause": ended.cause})

    return Role(close)
