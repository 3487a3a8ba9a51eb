# SPDX-License-Identifier: Apache-2.0
"""A process of units, `lupex_node NAME [NAME...]`; also `lupex_node clock` and `recorder`."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from lupex_nodes.bus.parameters import Refused
from lupex_nodes.located_yaml import BadFile
from lupex_nodes.system import SystemFileError, load_system

CLOCKS = ("lockstep", "free", "wall")


def parser() -> argparse.ArgumentParser:
    """Describe the command line of a process."""
    parse = argparse.ArgumentParser(
        "lupex_node", description=__doc__, epilog="ROS arguments may follow after --ros-args."
    )
    add = parse.add_argument
    add("names", nargs="+", metavar="NAME", help="units of this process, or clock, or recorder")
    add("--process", help="name of the process in the barrier; the first unit's by default")
    add("--scenario", help="scenario by name or path; the units' own defaults without")
    add("--seed", type=int, help="seed in place of the scenario's")
    add("--faults", type=Path, help="file with faults to inject besides the scenario's")
    add("--clock", choices=CLOCKS, default="wall",
        help="lockstep: the system's clock with barrier; free: /clock; wall: UTC, or /clock with "
        "use_sim_time (default)")
    add("--root", default="", help="namespace of the whole system")
    add("--system", type=Path, help="list of units in place of the package's config/system.yaml")
    add("--units", help="comma-separated units of the whole system, when not all of them fly")
    add("--memory", type=Path, help="folder that keeps the units' memory if this process dies")
    add("--no-autostart", action="store_true", help="leave configuring and activating to others")
    add("--rate", type=_rate, default=1.0, help="clock: mission time per wall time, or max")
    add("--members", help="clock: comma-separated processes to wait for")
    add("--record", default="science", help="recorder: profile of config/recording.yaml")
    add("--out", default="lupex_run", help="recorder: folder that gets bag/ and black_box/")
    add("--no-black-box", action="store_true", help="recorder: keep no black box")
    add("--split-size", type=float, default=math.inf, help="recorder: end a file at MB")
    add("--split-duration", type=float, default=math.inf,
        help="recorder: end a file after s of mission time")
    return parse


def _rate(text: str) -> float:
    """Read a rate; 0 stands for as fast as it goes."""
    return 0.0 if text == "max" else float(text)


def main(arguments: list[str] | None = None) -> int:
    """Run the process until SIGINT or SIGTERM; return the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    cut = arguments.index("--ros-args") if "--ros-args" in arguments else len(arguments)
    options = parser().parse_args(arguments[:cut])
    try:
        return run(options, arguments[cut:])
    except (BadFile, Refused, SystemFileError) as error:
        sys.stderr.write(f"lupex_node {' '.join(options.names)}: {error}\n")
        return 2


def run(options: argparse.Namespace, ros_arguments: list[str]) -> int:
    """Make the nodes and spin them."""
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException

    from lupex_nodes.bus.ros import spinning, transport
    from lupex_nodes.bus.ros.roles import make_clock, make_recorder, make_units

    transport.remove_half_made_ports()
    spinning.init(ros_arguments)
    spinner = spinning.Spinner()
    system = load_system(options.system)
    if options.units:
        system = system.subset(options.units.split(","))
    make = {"clock": make_clock, "recorder": make_recorder}.get(options.names[0], make_units)
    try:
        role = make(options, system, spinner)
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        raise Refused(str(error)) from None
    spinning.stop_on_signals(spinner)
    try:
        spinner.run()
    finally:
        role.close()
    spinning.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
