# SPDX-License-Identifier: Apache-2.0
"""The command line, ``lupex``. Each command's module is imported only when it runs."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from importlib import import_module

COMPLETE = 0
ENDED_OTHERWISE = 1
BAD_INPUT = 2


class BadInput(Exception):
    """Input that cannot be used: one sentence a line, each saying what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``lupex``; return the exit status."""
    options = parser().parse_args(arguments)
    module = import_module(f"lupex_nodes.cli.{options.module}")
    try:
        return getattr(module, options.function)(options)
    except BadInput as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; a flush at exit would complain again.
        sys.stdout = None
        return COMPLETE
    except KeyboardInterrupt:
        print("stopped by the user", file=sys.stderr)
        return ENDED_OTHERWISE


def parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    top = argparse.ArgumentParser(
        prog="lupex",
        description="Fly the LUPEX lander and rover on a ROS 2 data bus, record and analyse it.",
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_looking(commands)
    _add_bags(commands)
    return top


class _Version(argparse.Action):
    """Reads the version only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from lupex_nodes.version import version

        print(f"lupex {version()}")
        parser.exit()


def _add(commands: argparse._SubParsersAction, name: str, module: str, text: str):
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    command.set_defaults(module=module, function=name)
    return command


def _add_run(commands: argparse._SubParsersAction) -> None:
    run = _add(
        commands, "run", "run",
        "fly a scenario and leave DIR/bag, DIR/report.html and DIR/summary.json; "
        "exit 0 complete or stopped by a signal, 1 ended otherwise, 2 bad input",
    )
    run.add_argument("scenario", nargs="?", metavar="SCENARIO",
                     help="name or path of a scenario (default: sortie)")
    run.add_argument("--units", metavar="A,B",
                     help="with --from: fly these units again, alone, in memory; exit 0 when they "
                     "say what was recorded")
    run.add_argument("--from", dest="source", metavar="BAG",
                     help="a bag of a whole flight, recorded with profile all; for products of "
                     "survey instruments with profile science")
    run.add_argument("--bus", choices=["ros", "memory"], default="ros",
                     help="ROS 2, or in this process without it (default: ros)")
    run.add_argument("--composition", choices=["all", "vehicle", "unit"],
                     help="with --bus ros: one process for all, one a vehicle, or one a unit "
                     "(default: all)")
    run.add_argument("--rate", type=_rate, default=None, metavar="N|max",
                     help="mission time per wall time (default: max)")
    run.add_argument("--duration", type=float, metavar="S", help="mission time to fly, s")
    run.add_argument("--seed", type=int, metavar="N", help="seed of all randomness")
    run.add_argument("--record", default="all", metavar="PROFILE",
                     help="recording profile (default: all)")
    run.add_argument("--split-size", type=_amount, default=math.inf, metavar="MB",
                     help="go on in a new file of the bag when one has this size")
    run.add_argument("--split-duration", type=_amount, default=math.inf, metavar="S",
                     help="go on in a new file of the bag after this much mission time")
    run.add_argument("--no-black-box", action="store_true",
                     help="do not keep the last two minutes of everything in memory, which "
                     "otherwise DIR/black_box gets after a confirmed fault")
    run.add_argument("--out", metavar="DIR", help="where the results go "
                     "(default: runs/SCENARIO-SEED, with a number when that is taken)")
    run.add_argument("--overwrite", action="store_true",
                     help="replace the bag, report and summary that are in DIR")
    run.add_argument("--terrain", metavar="FILE", help="GeoTIFF of heights, such as LOLA's")
    run.add_argument("--params-file", metavar="FILE", help="ROS parameter file of the units")
    run.add_argument("--faults", metavar="FILE", action="append", default=[],
                     help="faults to inject besides the scenario's own, a list as there")
    run.add_argument("--fault", metavar="ID@T[+D]", action="append", default=[],
                     help="inject a fault at T s of mission time, for D s: lupex faults tells "
                     "the ids")
    run.add_argument("--live", action="store_true",
                     help="show the flight on a page of this computer, at the address printed")
    run.add_argument("--live-port", type=_port, metavar="N",
                     help="with --live: the page's port (default: one that is free)")
    run.add_argument("--live-stay", action="store_true",
                     help="with --live: keep serving the page after the flight, until Ctrl-C")


def _add_looking(commands: argparse._SubParsersAction) -> None:
    check = _add(
        commands, "check", "check",
        "check scenarios and ROS parameter files, every error at once; exit 2 if there is any",
    )
    check.add_argument("files", nargs="*", metavar="FILE",
                       help="scenarios by name or path, parameter files (default: all scenarios)")
    units = _add(commands, "units", "units", "list the units, or tell all about one")
    units.add_argument("name", nargs="?", metavar="NAME", help="a unit")
    faults = _add(
        commands, "faults", "faults",
        "list the faults that can be injected and what each unit can suffer, or tell about one",
    )
    faults.add_argument("id", nargs="?", metavar="ID", help="a fault")
    chart = _add(
        commands, "map", "map",
        "draw the light and the slopes of a scenario's ground, and print where and when it is dark",
    )
    chart.add_argument("scenario", nargs="?", default="sortie", metavar="SCENARIO",
                       help="name or path of a scenario (default: sortie)")
    chart.add_argument("--out", metavar="FILE",
                       help="the picture, a PNG (default: SCENARIO-map.png)")
    chart.add_argument("--date", metavar="DATE",
                       help="first day of the light drawn (default: the scenario's start)")
    chart.add_argument("--days", type=_days, metavar="N",
                       help="days of light drawn (default: a lunar day, 29.53)")
    flights = _add(
        commands, "campaign", "campaign",
        "fly faults and nominal days in parallel and score how the faults were found; goes on "
        "where it was ended; exit 0 all targets met, 1 not, 2 bad input",
    )
    flights.add_argument("file", metavar="FILE", help="what is flown, such as "
                         "config/campaigns/single_faults.yaml")
    flights.add_argument("--out", metavar="DIR", help="where the results go, and are looked for "
                         "(default: runs/NAME)")
    flights.add_argument("--seeds", type=_seeds, metavar="A,B", help="instead of the file's")
    flights.add_argument("--only", default="*", metavar="PATTERN",
                         help="flights whose name, FAULT-SEED, matches a shell pattern")
    flights.add_argument("--processes", type=_number, metavar="N",
                         help="flights at a time (default: one a core)")
    flights.add_argument("--keep-bags", action="store_true",
                         help="keep the bags of all flights, not only of those with a fault missed")
    live = _add(
        commands, "live", "live",
        "show a system that runs on ROS 2 on a page of this computer, until Ctrl-C",
    )
    live.add_argument("scenario", nargs="?", metavar="SCENARIO",
                      help="what is flown, by name or path, for its ground, goals and length "
                      "(default: not known)")
    live.add_argument("--seed", type=int, metavar="N", help="seed of the run, for its ground")
    live.add_argument("--port", type=_port, default=0, metavar="N",
                      help="the page's port (default: one that is free)")
    live.add_argument("--root", default="", metavar="R", help="root of the system's names")
    command = _add(
        commands, "command", "command", "send a command to a unit on ROS 2 and wait for its end"
    )
    command.add_argument("unit", metavar="UNIT")
    command.add_argument("name", metavar="NAME", help="a command of the unit: lupex units UNIT")
    command.add_argument("arguments", nargs="*", metavar="key=value")
    command.add_argument("--timeout", type=float, default=10.0, metavar="S",
                         help="longest wait for the command's end, s of wall time "
                         "(default: 10)")
    command.add_argument("--root", default="", metavar="R", help="root of the system's names")


def _add_bags(commands: argparse._SubParsersAction) -> None:
    analyze = _add(
        commands, "analyze", "bags",
        "find what went wrong in any rosbag2 bag; exit 0 nothing at warning or above, 1 findings, "
        "2 the bag could not be read",
    )
    analyze.add_argument("bag", metavar="BAG", help="a bag folder, or a folder with one in `bag`")
    analyze.add_argument("--out", metavar="DIR", help="write report.html and findings.json there")
    analyze.add_argument("--json", action="store_true", help="print one JSON object")
    analyze.add_argument("--vs", metavar="BAG", help="tell what differs from this bag instead: "
                         "which signals, from when on, by how much; exit 1 if any")
    analyze.add_argument("--nominal", metavar="BAG", help="learn limits from this bag, known to "
                         "be nominal, and tell also what leaves them, in any signal")
    recover = _add(commands, "recover", "bags", "make a readable bag of what a kill left")
    recover.add_argument("bag", metavar="BAG")
    recover.add_argument("--out", metavar="DIR", help="write there, leave the bag as it is")
    replay = _add(
        commands, "replay", "bags",
        "play a bag onto the ROS 2 bus with its /clock; space, SIGUSR1 or the service "
        "/lupex_replay/pause pauses; with --unit, fly a unit again instead and exit 0 if it says "
        "what was recorded, 1 if not, 2 if that cannot be done",
    )
    replay.add_argument("bag", metavar="BAG")
    replay.add_argument("--rate", type=lambda text: _rate(text) or 0.0, metavar="N|max",
                        help="bag time per wall time (default: 1)")
    replay.add_argument("--start", type=_amount, metavar="S",
                        help="begin this much after the bag's beginning; what was latched by then "
                        "is played first")
    replay.add_argument("--topics", nargs="+", metavar="PATTERN",
                        help="only the topics that match a shell pattern")
    replay.add_argument("--paused", action="store_true", help="begin paused")
    replay.add_argument("--loop", action="store_true", help="play again and again")
    replay.add_argument("--unit", metavar="U",
                        help="fly this unit (or U,V) again over what it heard, alone and in "
                        "memory, and compare what it says")
    replay.add_argument("--terrain", metavar="FILE",
                        help="with --unit: the GeoTIFF that the flight was over")


def _days(text: str) -> float:
    """Read a number of days."""
    try:
        days = float(text)
    except ValueError:
        days = float("nan")
    if not 1.0 <= days <= 400.0:
        raise argparse.ArgumentTypeError(f"{text!r} days: give a number from 1 to 400")
    return days


def _seeds(text: str) -> list[int]:
    """Read seeds with commas between them."""
    parts = text.split(",")
    if not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise argparse.ArgumentTypeError(f"{text!r}: give different whole numbers, such as 1,2,3")
    return [int(part) for part in parts]


def _number(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number of at least 1")
    return int(text)


def _amount(text: str) -> float:
    """Read a size or a time."""
    try:
        amount = float(text)
    except ValueError:
        amount = float("nan")
    if not 0 < amount < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: give a number above 0")
    return amount


def _port(text: str) -> int:
    """Read a TCP port; 0 stands for any that is free."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 0 to 65535")
    return int(text)


def _rate(text: str) -> float | None:
    """Read a rate; ``max`` is None."""
    if text == "max":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = float("nan")
    if not 0 < rate < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no rate: give a number above 0, or max")
    return rate
