# SPDX-License-Identifier: Apache-2.0
"""Print the benchmark's table and write it as JSON."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.analysis import analysis_and_decoding, fly_housekeeping, write_small_messages
from bench.flights import fly, share_of_core
from bench.imaging_spectrometer import imaging_spectrometer_cost
from bench.lunar_day import FIRST_HOURS, fly_lunar_day, per_cpu_second
from bench.mass_spectrum import mass_spectrum_cost
from bench.neutrons import neutron_cost
from bench.radar import radar_cost
from bench.recording import Recorded, record
from bench.records import pack_and_view

COMPOSITIONS = ("all", "vehicle", "unit")


def main() -> None:
    """Measure everything in one run."""
    parse = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parse.add_argument("--out", type=Path, default=Path("bench/results.json"))
    options = parse.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", str(100 + os.getpid() % 100))
    rows = []

    def row(name: str, value: float, unit: str, target: str = "", ratio: float | None = None):
        rows.append({"name": name, "value": value, "unit": unit, "target": target, "ratio": ratio})
        shown = f"{ratio:8.3f}" if ratio is not None else " " * 8
        print(f"{name:52} {value:12.4g} {unit:12} {target:12} {shown}", flush=True)

    print(f"{'what':52} {'value':>12} {'unit':12} {'target':12} {'ratio':>8}")
    memory = fly("--bus", "memory", "--rate", "max")
    reference = memory.summary["real_time_factor"]
    _flight(row, "memory", memory, reference, ">= 1000")
    for composition in COMPOSITIONS:
        flight = fly("--bus", "ros", "--rate", "max", "--composition", composition)
        target = {"all": ">= 200", "vehicle": "", "unit": ">= 30"}[composition]
        _flight(row, f"ros {composition}", flight, reference, target)
        target = "< 3" if composition == "all" else ""
        row(f"ros {composition}: start-up to all active", flight.summary["startup_s"], "s", target)
        target = "< 250" if composition == "all" else ""
        megabytes = flight.units_resident_bytes / 1e6
        row(f"ros {composition}: resident memory of the units", megabytes, "MB", target)
    cores, end_s = share_of_core(30.0)
    row("ros unit: share of a core at rate 1", cores, "cores", "< 0.4")
    row("ros unit: from SIGTERM to its end", end_s, "s", "< 3")
    day = fly_lunar_day(FIRST_HOURS)
    name = f"lunar_day, its first {FIRST_HOURS:g} h: mission to CPU time"
    row(name, per_cpu_second(day), "x", ">= 1000")
    # of the CPU time that a second of the mission takes
    second_s = memory.cpu_s / memory.summary["mission_time_s"]
    for name, cpu_s in _instruments():
        row(name, cpu_s * 1e3, "ms CPU", "", cpu_s / second_s)
    both, copy = pack_and_view()
    row("record of 100,000 x 4 float32 and back", both * 1e3, "ms", "< 2", both / copy)
    with tempfile.TemporaryDirectory() as folder:
        small = write_small_messages(Path(folder) / "small")
        flown = fly_housekeeping("sortie", Path(folder) / "sortie")
        for name, bag in (("small messages", small), ("housekeeping of a sortie", flown)):
            analysis, decoding = analysis_and_decoding(bag)
            of_decoding = analysis.cpu_s / decoding.cpu_s
            row(f"analysis, {name}: CPU to that of decoding", analysis.cpu_s, "s", "<= 3 x",
                of_decoding)  # fmt: skip
            row(f"analysis, {name}: peak memory", analysis.resident_bytes / 1e6, "MB", "< 500")
    for bus in ("memory", "ros"):
        _recorder(row, record(bus))
    options.out.write_text(json.dumps({"cores": os.cpu_count(), "rows": rows}, indent=2) + "\n")


def _instruments() -> Iterator[tuple[str, float]]:
    """Yield what a measurement of each survey instrument and its product cost (s of CPU)."""
    for cost, measurement, product in (
        (radar_cost, "radar: a trace", "radar: the product of a section of 2 m"),
        (neutron_cost, "neutrons: counts of a second", "neutrons: the product of an hour's line"),
        (
            imaging_spectrometer_cost,
            "imaging spectrometer: a look",
            "imaging spectrometer: its product",
        ),
        (
            mass_spectrum_cost,
            "mass spectrometer: a spectrum",
            "mass spectrometer: the product of ten minutes",
        ),
    ):
        yield from zip((measurement, product), cost(), strict=True)


def _flight(row, name: str, flight, reference: float, target: str) -> None:
    summary = flight.summary
    factor = summary["real_time_factor"]
    row(f"{name}: real-time factor", factor, "x", target, factor / reference)
    row(f"{name}: messages", summary["messages_per_s"], "1/s")
    hours = summary["mission_time_s"] / 3600.0
    row(f"{name}: CPU with start-up and report", flight.cpu_s / hours, "s per hour")
    row(f"{name}: resident memory of all processes", flight.resident_bytes / 1e6, "MB")


def _recorder(row, flood: Recorded) -> None:
    name = f"recorder, {flood.bus}: 20,000 small and 100 MB a second"
    row(name, flood.factor, "x", ">= 1")
    row(f"recorder, {flood.bus}: its process at that rate", flood.cores, "cores")
    row(f"recorder, {flood.bus}: messages in the bag", flood.small + flood.large, "")
    row(f"recorder, {flood.bus}: messages dropped", flood.dropped, "", "0")
    row(f"recorder, {flood.bus}: size of the bag", flood.bag_mb, "MB")


if __name__ == "__main__":
    main()
