# SPDX-License-Identifier: Apache-2.0
"""``lupex run --units A,B --from BAG``: fly units again over a recorded flight."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from lupex_nodes.cli import COMPLETE, ENDED_OTHERWISE, BadInput, inputs
from lupex_nodes.recording.bag_reader import BagError
from lupex_nodes.recording.bag_writer import RecordingError

#: Options that the bag answers.
_OF_FLIGHTS = ("scenario", "composition", "rate", "duration", "seed", "params_file")


def rerun(options: argparse.Namespace) -> int:
    """Fly the units again, leave DIR/bag and say whether it is what was recorded."""
    if not options.units or not options.source:
        raise BadInput("--units and --from go together: lupex run --units A,B --from BAG")
    given = [name for name in _OF_FLIGHTS if getattr(options, name) is not None]
    if given:
        raise BadInput(
            f"{given[0].replace('_', '-')} cannot be given with --from: it is the bag's"
        )
    names = list(dict.fromkeys(options.units.split(",")))
    folder = Path(options.out or Path("runs", "rerun-" + "-".join(names)))
    code = compare(options.source, names, folder, options.terrain, options.overwrite)
    print(f"results  {folder / 'bag'}")
    return code


def compare(
    source: str, names: Sequence[str], folder: Path, terrain: str | None, overwrite: bool = False
) -> int:
    """Fly units again over a bag into a folder, and print how they compare; return the status."""
    with inputs.needs_ros():
        from lupex_nodes.recording.rerun import RerunError
        from lupex_nodes.recording.rerun import rerun as fly_again
    if (folder / "bag").exists():
        if not overwrite:
            raise BadInput(
                f"{folder / 'bag'} is there already: name another folder with --out, or add "
                "--overwrite"
            )
        shutil.rmtree(folder / "bag")
    heights = str(Path(terrain).absolute()) if terrain else ""
    try:
        found = fly_again(source, names, folder, inputs.system(), terrain=heights)
    except (BagError, RerunError) as error:
        raise BadInput(str(error)) from None
    except RecordingError as error:
        print(error, file=sys.stderr)
        return ENDED_OTHERWISE
    for each in found:
        print(each)
    return ENDED_OTHERWISE if any(each.difference for each in found) else COMPLETE
