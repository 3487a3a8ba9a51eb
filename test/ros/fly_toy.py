# SPDX-License-Identifier: Apache-2.0
"""Flies the toy system on ROS 2, as `lupex run` flies the real one, and prints the facts."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from lupex_nodes.bus.ros.supervisor import fly
from lupex_nodes.recording.profiles import black_box_limits, profile
from lupex_nodes.recording.recorder import RecorderSettings
from lupex_nodes.scenario import load_scenario
from lupex_nodes.system import load_system

TOY_SYSTEM = Path(__file__).parents[1] / "bus/toy_system.yaml"


def main() -> None:
    parse = argparse.ArgumentParser()
    parse.add_argument("out", type=Path)
    parse.add_argument("--composition", default="all")
    parse.add_argument("--rate", type=float, default=0.0)
    parse.add_argument("--duration", type=float, default=60.0)
    parse.add_argument("--respawn", action="store_true")
    parse.add_argument("--record", default="all")
    parse.add_argument("--black-box", action="store_true")
    parse.add_argument("--system", type=Path, default=TOY_SYSTEM)
    options = parse.parse_args()

    system = load_system(options.system)
    scenario = options.out / "toy.yaml"
    scenario.write_text(
        f"name: toy\nstart: 2028-10-04T00:00:00Z\nduration_s: {options.duration:g}\n"
    )
    facts = fly(
        load_scenario(str(scenario), system),
        options.out,
        profile(options.record),
        rate=options.rate or None,
        composition=options.composition,
        respawn=options.respawn,
        settings=RecorderSettings(black_box=black_box_limits() if options.black_box else None),
    )
    print(json.dumps(asdict(facts)))


# the processes of units import this file again
if __name__ == "__main__":
    main()
