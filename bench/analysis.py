# SPDX-License-Identifier: Apache-2.0
"""What the analysis of a bag costs, beside only reading and decoding it with the bag library."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lupex_nodes.recording import message_types
from lupex_nodes.recording.bag_writer import BagWriter

_START_NS = 1_854_230_400 * 10**9
_KIND = "geometry_msgs/msg/PointStamped"
_DECODE = """
import sys
from pathlib import Path
from rosbags.highlevel import AnyReader
with AnyReader([Path(sys.argv[1])]) as reader:
    for connection, _, data in reader.messages():
        reader.deserialize(data, connection.msgtype)
"""


@dataclass(frozen=True)
class Cost:
    """Processor time, and the most memory that was held."""

    cpu_s: float
    resident_bytes: int


def analysis_and_decoding(bag: Path) -> tuple[Cost, Cost]:
    """Analyse a bag, report and all, and decode every message of it, each in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        analysis = _cost("-m", "lupex_nodes", "analyze", str(bag), "--out", folder)
    return analysis, _cost("-c", _DECODE, str(bag))


def fly_housekeeping(scenario: str, folder: Path) -> Path:
    """Fly a scenario in memory, recorded as housekeeping; return its bag."""
    subprocess.run(
        [sys.executable, "-m", "lupex_nodes", "run", scenario, "--bus", "memory",
         "--record", "housekeeping", "--out", str(folder)],
        stdout=subprocess.DEVNULL,
        check=False,
    )  # fmt: skip
    return folder / "bag"


def write_small_messages(folder: Path, count: int = 300_000) -> Path:
    """Write a bag of stamped points at 10 Hz on ten topics in turn."""
    make = message_types.make
    places = np.random.default_rng(1).normal(size=(count, 3)).tolist()
    with BagWriter(folder) as writer:
        for index, (x, y, z) in enumerate(places):
            now = _START_NS + index * 10**7
            stamp = make("builtin_interfaces/msg/Time", sec=now // 10**9, nanosec=now % 10**9)
            header = make("std_msgs/msg/Header", stamp=stamp, frame_id="map")
            point = make("geometry_msgs/msg/Point", x=x, y=y, z=z)
            data = message_types.to_cdr(_KIND, make(_KIND, header=header, point=point))
            writer.write(f"/points/p{index % 10}", _KIND, data, now)
    return folder


def _cost(*arguments: str) -> Cost:
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
