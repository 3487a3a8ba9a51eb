# SPDX-License-Identifier: Apache-2.0
"""What the user sees while a run flies: a live table on a terminal, plain lines in a pipe."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, TextIO

from lupex_nodes.bus.messages import OK, values_of
from lupex_nodes.bus.place import EVENTS
from lupex_nodes.bus.records import view
from lupex_nodes.bus.slot import Emission
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.flight import PLAN_ENDS
from lupex_nodes.payload import records
from lupex_nodes.scenario import CheckedScenario

REFRESH_S = 0.2
#: Plain lines come at each tenth of the run, and with each event.
PLAIN_PARTS = 10
BATTERY = "rover/power/battery"
COUNTS = "payload/neutron_spectrometer/counts"
WATER = "payload/neutron_spectrometer/water"


class Progress:
    """An observer that shows activity, mission time, rate, battery, counts and water.

    Enter it before the run, so that the terminal is put right whatever happens.
    """

    #: What it looks at, for a host that must subscribe.
    topics = (EVENTS, BATTERY, COUNTS, WATER)

    def __init__(self, checked: CheckedScenario, stream: TextIO) -> None:
        self._start = checked.scenario.start_ns
        self._duration_s = checked.scenario.duration_s
        self._stream = stream
        self._live: Any = None
        self._began = self._drawn = time.monotonic()
        self._now = self._start
        self._next_plain_s = self._duration_s / PLAIN_PARTS
        self._messages = 0
        self._activity = "-"
        self._warning = ""
        self._battery: Any = None
        self._counted = 0
        self._water: Any = None

    def __enter__(self) -> Progress:
        if self._stream.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                self._table(), console=Console(file=self._stream), auto_refresh=False
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.update(self._table(), refresh=True)
            self._live.stop()
            self._live = None

    def message(self, now: int, emission: Emission) -> None:
        """Take in what a message says of the mission."""
        self._messages += 1
        topic = emission.topic
        if topic == COUNTS and records.COUNTS.fits(emission.message):
            self._counted += int(view(emission.message)["epithermal_counts"].sum())
        elif topic == WATER and records.WATER.fits(emission.message) and emission.message.width:
            self._water = emission.message
        elif topic == BATTERY:
            self._battery = emission.message
        elif topic == EVENTS:
            for status in emission.message.status:
                self._event(now, status)

    def tick(self, now: int) -> None:
        """Draw, but not more often than eyes can follow."""
        self._now = now
        if self._live is None:
            if self._flown_s() >= self._next_plain_s:
                self._next_plain_s += self._duration_s / PLAIN_PARTS
                self._print(now, ", ".join(f"{key} {text}" for key, text in self._values()))
            return
        wall = time.monotonic()
        if wall - self._drawn >= REFRESH_S:
            self._drawn = wall
            self._live.update(self._table(), refresh=True)

    def _event(self, now: int, status: Any) -> None:
        if status.name == "executive: ACTIVITY_STARTED":
            self._activity = values_of(status).get("activity", "-")
        elif status.name in PLAN_ENDS:
            self._activity = "none, the plan has ended"
        if status.level != OK:
            self._warning = f"{status.name}: {status.message}"
        if self._live is None:
            self._print(now, f"{status.name}: {status.message}")

    def _print(self, now: int, text: str) -> None:
        self._now = now
        print(f"{clock(self._flown_s())}  {text}", file=self._stream, flush=True)

    def _flown_s(self) -> float:
        return (self._now - self._start) / SECOND

    def _values(self) -> list[tuple[str, str]]:
        flown_s = self._flown_s()
        wall_s = max(1e-9, time.monotonic() - self._began)
        values = [
            ("activity", self._activity),
            ("rate", f"{flown_s / wall_s:.0f} x"),
            ("messages", str(self._messages)),
        ]
        if self._battery is not None:
            values.append(("battery", f"{self._battery.percentage * 100:.1f} %"))
        if self._counted:
            values.append(("neutrons", str(self._counted)))
        if self._water is not None:
            row = view(self._water)[0]
            water, error = row["apparent_water_wt_percent"], row["standard_error_wt_percent"]
            values.append(("water", f"{water:.2f} +/- {error:.2f} wt%"))
        return values

    def _table(self) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        flown_s = min(self._flown_s(), self._duration_s)
        table = Table.grid(padding=(0, 2))
        table.add_row(
            "mission time",
            f"{clock(flown_s)} of {clock(self._duration_s)}",
        )
        table.add_row("", ProgressBar(self._duration_s, flown_s, width=40))
        for key, text in self._values():
            table.add_row(key, text)
        if self._warning:
            table.add_row(Text("last warning", "yellow"), Text(self._warning))
        return table


def clock(time_s: float) -> str:
    """Write seconds of mission time as ``HH:MM:SS``."""
    minutes, seconds = divmod(int(time_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}"
