# SPDX-License-Identifier: Apache-2.0
"""``lupex analyze``, ``lupex recover`` and ``lupex replay``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path

from lupex_nodes.cli import BAD_INPUT, COMPLETE, ENDED_OTHERWISE, BadInput, inputs
from lupex_nodes.recording.bag_reader import BagError, open_bag
from lupex_nodes.recording.bag_writer import RecordingError


def analyze(options: argparse.Namespace) -> int:
    """Print the findings of a bag, or what differs from another one."""
    from lupex_nodes.analysis.bag_analysis import analyze as run_analysis

    if options.vs:
        if options.nominal:
            raise BadInput("--vs and --nominal cannot be given together: --vs tells all that "
                           "differs, --nominal what never was so in a nominal flight")
        return _compare(options)
    try:
        analysis = run_analysis(
            options.bag, Path(options.out) if options.out else None, nominal=options.nominal
        )
    except (BagError, OSError) as error:
        raise BadInput(str(error)) from None
    if options.json:
        print(json.dumps(analysis.as_dict(), indent=2, ensure_ascii=False))
    else:
        print(analysis.text())
    return analysis.exit_code


def _compare(options: argparse.Namespace) -> int:
    from lupex_nodes.analysis.bag_comparison import compare

    try:
        comparison = compare(options.bag, options.vs)
        if options.out:
            comparison.write(Path(options.out))
    except (BagError, OSError) as error:
        raise BadInput(str(error)) from None
    if options.json:
        print(json.dumps(comparison.as_dict(), indent=2, ensure_ascii=False))
    else:
        print(comparison.text())
    return ENDED_OTHERWISE if comparison.differences else COMPLETE


def recover(options: argparse.Namespace) -> int:
    """Say what became of a bag that a kill left."""
    from lupex_nodes.recording.recover import recover as run_recovery

    try:
        report = run_recovery(options.bag, options.out)
    except (BagError, RecordingError) as error:
        raise BadInput(str(error)) from None
    if report.changed:
        print(f"{report.path}: {report.message_count} messages recovered; "
              f"the bag as it was is {report.kept}")
    else:
        print(f"{report.path}: whole, {report.message_count} messages; nothing had to be done")
    for remark in report.remarks:
        print(remark)
    return COMPLETE


def _replay_unit(options: argparse.Namespace) -> int:
    """Fly one unit again over a bag, in memory, and say whether it is what was recorded."""
    import tempfile

    from lupex_nodes.cli.rerun import compare

    of_players = ("rate", "start", "topics", "paused", "loop")
    given = [name for name in of_players if getattr(options, name) not in (None, False)]
    if given:
        raise BadInput(
            f"--{given[0]} cannot be given with --unit, which plays nothing: it compares as fast "
            "as it goes, from the start of the flight"
        )
    with tempfile.TemporaryDirectory(prefix="lupex_replay_") as folder:
        return compare(options.bag, options.unit.split(","), Path(folder), options.terrain)


def replay(options: argparse.Namespace) -> int:
    """Play a bag onto the ROS 2 bus, or compare a unit with its recording."""
    if options.unit:
        return _replay_unit(options)
    with inputs.needs_ros():
        from lupex_nodes.recording import replay as player
    pace = player.Pace(1.0 if options.rate is None else options.rate or None, options.paused)
    before = {
        number: signal.signal(number, action)
        for number, action in {
            signal.SIGUSR1: pace.toggle, signal.SIGINT: pace.stop, signal.SIGTERM: pace.stop
        }.items()
    }
    try:
        with (
            open_bag(options.bag) as bag,
            player.replay_node() as node,
            player.keys(lambda key: pace.toggle() if key == " " else None) as pressed,
            player.pause_service(node, pace) as asked,
        ):
            playing = player.Player(node, bag, options.topics or ["*"])
            for sentence in playing.skipped:
                print(sentence, file=sys.stderr)
            if not playing.topics:
                print(f"nothing of {options.bag} can be played", file=sys.stderr)
                return BAD_INPUT
            time.sleep(player.DISCOVERY_S)
            playing.play(
                pace, lambda: (pressed(), asked()), start_s=options.start or 0.0, loop=options.loop
            )
    except BagError as error:
        raise BadInput(str(error)) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    print(f"{playing.played} messages played on {len(playing.topics)} topics")
    return ENDED_OTHERWISE if pace.stopped else COMPLETE
