# SPDX-License-Identifier: Apache-2.0
"""Whether the recorder, black box included, keeps a flood: in memory, and over Fast DDS.

`python -m bench.recording` prints one line of JSON a bus.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.flood import LARGE_BYTES, SMALL, TICKS
from lupex_nodes.flight import fly_memory
from lupex_nodes.recording.profiles import black_box_limits, profile
from lupex_nodes.recording.recorder import RecorderSettings
from lupex_nodes.scenario import load_scenario
from lupex_nodes.system import load_system

_SYSTEM = """
units:
  - {name: flood, class: "bench.flood:Flood", namespace: bench, process: flood}
"""


@dataclass(frozen=True)
class Recorded:
    """What became of a flood.

    ``factor`` is its mission time per wall time: at 1 the recorder keeps ``SMALL`` messages and
    ``LARGE_BYTES`` a second. ``cores`` is the processor time, by mission time at factor 1, of the
    recorder's process; in memory that is also the publisher's, on ROS 2 also the clock's.
    ``dropped`` messages were published and are not in the bag.
    """

    bus: str
    factor: float
    cores: float
    small: int
    large: int
    dropped: int
    bag_mb: float


def record(bus: str, duration_s: float = 10.0) -> Recorded:
    """Fly a flood in a process of its own; on ROS 2 its publisher is another process."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "bench.recording", "--in", folder, bus, str(duration_s)],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        factor, cores = json.loads(done.stdout.splitlines()[-1])
        counts = _counts(Path(folder) / "bag")
        small = sum(count for topic, count in counts.items() if "small" in topic)
        large = counts.get("/bench/flood/large", 0)
        ticks = round(duration_s * TICKS) + 1
        published = ticks * (SMALL // TICKS + 1)
        size = sum(path.stat().st_size for path in (Path(folder) / "bag").iterdir())
    return Recorded(bus, factor, cores, small, large, published - small - large, size / 1e6)


def _counts(bag: Path) -> dict[str, int]:
    """Count what a reader that is not ours finds."""
    from rosbags.highlevel import AnyReader

    found: dict[str, int] = {}
    with AnyReader([bag]) as reader:
        for connection, _, _ in reader.messages():
            found[connection.topic] = found.get(connection.topic, 0) + 1
    return found


def _fly(folder: Path, bus: str, duration_s: float) -> tuple[float, float]:
    """Fly; return the mission time per wall time, and the process time per mission time."""
    system = folder / "system.yaml"
    system.write_text(_SYSTEM)
    scenario = folder / "flood.yaml"
    scenario.write_text(
        f"name: flood\nstart: 2028-10-04T00:00:00Z\nduration_s: {duration_s:g}\n"
    )
    checked = load_scenario(str(scenario), load_system(system))
    settings = RecorderSettings(black_box=black_box_limits())
    began, used_s = time.monotonic(), time.process_time()
    if bus == "memory":
        fly_memory(checked, folder, profile("all"), settings=settings)
        factor = duration_s / (time.monotonic() - began)
    else:
        from lupex_nodes.bus.ros.supervisor import fly

        factor = fly(checked, folder, profile("all"), settings=settings).real_time_factor
    return factor, (time.process_time() - used_s) / duration_s


def main() -> None:
    """Print what became of a flood on each bus."""
    parse = argparse.ArgumentParser(prog="python -m bench.recording", description=__doc__)
    parse.add_argument("--in", dest="inside", nargs=3, metavar=("DIR", "BUS", "S"),
                       help="only fly, in DIR")
    options = parse.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", str(100 + os.getpid() % 100))
    if options.inside:
        folder, bus, duration_s = options.inside
        print(json.dumps(_fly(Path(folder), bus, float(duration_s))))
        return
    print(json.dumps({"small_a_second": SMALL, "large_mb_a_second": LARGE_BYTES / 1e6}))
    for bus in ("memory", "ros"):
        print(json.dumps(asdict(record(bus))), flush=True)


if __name__ == "__main__":
    main()
