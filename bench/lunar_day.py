# SPDX-License-Identifier: Apache-2.0
"""How many seconds of a lunar day with all survey instruments a second of one core flies.

`python -m bench.lunar_day` flies all fourteen days and prints one line of JSON; `make bench` flies
the first of them.
"""

from __future__ import annotations

import argparse
import json

from bench.flights import Flight, fly

#: Check-out, the first leg, a survey of 20 h, and a wait for light with the radar on.
FIRST_HOURS = 36.0


def fly_lunar_day(hours: float | None = None) -> Flight:
    """Fly so many hours of it in memory, recorded as housekeeping; all of it by default."""
    duration = () if hours is None else ("--duration", f"{3600.0 * hours:g}")
    return fly(
        "--bus", "memory", "--record", "housekeeping", *duration, scenario="lunar_day"
    )  # fmt: skip


def per_cpu_second(flight: Flight) -> float:
    """Return the mission time (s) by the processor time (s) of all processes, report and all."""
    return float(flight.summary["mission_time_s"]) / flight.cpu_s


def main() -> None:
    """Fly and print."""
    parse = argparse.ArgumentParser(prog="python -m bench.lunar_day", description=__doc__)
    parse.add_argument("--hours", type=float, help="only the first of them")
    flight = fly_lunar_day(parse.parse_args().hours)
    told = {name: flight.summary[name] for name in ("outcome", "mission_time_s")}
    found = {"cpu_s": flight.cpu_s, "factor": per_cpu_second(flight)}
    print(json.dumps({**told, **found, "resident_mb": flight.resident_bytes / 1e6}))


if __name__ == "__main__":
    main()
