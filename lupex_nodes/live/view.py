# SPDX-License-Identifier: Apache-2.0
"""What a page shows of a flight: an observer that keeps the state and bounded histories.

The flight's thread writes and the server's thread reads, under one lock. Only signals with a
history are decoded as they come; of all else the last message is kept, and decoded when a page
asks. So a flight that nobody looks at pays a look into a dictionary for most of its messages.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Any

from sensor_msgs.msg import PointCloud2

from lupex_nodes.analysis import plots
from lupex_nodes.analysis.limits import Limit, load_limits
from lupex_nodes.analysis.plots import COUNTS, POWER_PANELS, WATER, Line
from lupex_nodes.analysis.summary import BATTERY, DEPOSIT, ESTIMATED_ODOMETRY
from lupex_nodes.bus.commands import Stage
from lupex_nodes.bus.finite import not_finite
from lupex_nodes.bus.messages import LEVEL_NAMES, values_of
from lupex_nodes.bus.place import COMMANDS, DIAGNOSTICS, EVENTS
from lupex_nodes.bus.records import form_refusal, view
from lupex_nodes.bus.slot import Emission
from lupex_nodes.bus.stamps import SECOND, iso
from lupex_nodes.live.histories import Histories, Place, Track, rounded
from lupex_nodes.scenario import Scenario
from lupex_nodes.system import System

FAULTS = "faults"
SUN = "world/sun"
EARTH = "world/earth"
SKY = "rover/navigation/sky"
PATH = "rover/path"
PLAN = "rover/executive/plan"
PLAN_STATES = ("no plan", "loaded", "running", "paused", "complete", "failed")

LOG_ENTRIES = 400
_MOST_PATH_POINTS = 200
#: What the rate is measured over, wall time.
_RATE_S, _RATE_MARKS = 0.5, 8
#: Ticks are a minute apart at most; farther ahead is another clock.
_LEAP = 86400 * SECOND
#: A unit is silent when it missed this many heartbeats.
_MISSED = 3
_COLOUR_NAMES = {
    getattr(plots, name): name.lower()
    for name in ("BLUE", "ORANGE", "GREEN", "SKY", "VERMILION", "PURPLE", "GREY")
}
PANELS: dict[str, tuple[Line, ...]] = {
    **{title.replace("\n", " "): lines for title, lines in POWER_PANELS.items()},
    "Neutrons (1/s)": (
        Line("epithermal", COUNTS, "epithermal_counts", plots.BLUE),
        Line("thermal", COUNTS, "thermal_counts", plots.ORANGE),
    ),
    "Apparent water (wt%)": (
        Line("running estimate", WATER, "apparent_water_wt_percent", plots.BLUE),
        Line("standard error", WATER, "standard_error_wt_percent", plots.GREY),
    ),
}


@dataclass
class Reader:
    """How far one page has read."""

    generation: int = -1
    version: int = -1
    histories: Place = Place()
    track: Place = Place()
    log: int = 0
    sections: dict[str, Any] = field(default_factory=dict)


class LiveView:
    """An observer that keeps what a page shows.

    ``scenario`` is what is flown, None if that is not known; ``goals`` are its places to go: name,
    x and y in m. ``bus`` is the bus's name for the reader.
    """

    def __init__(
        self,
        system: System,
        scenario: Scenario | None = None,
        goals: Sequence[tuple[str, float, float]] = (),
        bus: str = "",
    ) -> None:
        self.version = 0
        self.ended = False
        self._system = system
        self._scenario = scenario
        self._goals = [[name, x_m, y_m] for name, x_m, y_m in goals]
        self._bus = bus
        self._lock = threading.Lock()
        self._generation = 0
        self._closing: dict[str, Any] = {}
        self._lines = [
            (title, line, _limit(line, load_limits()))
            for title, lines in PANELS.items()
            for line in lines
        ]
        self._rows: dict[str, list[int]] = {}
        for row, (_, line, _) in enumerate(self._lines):
            self._rows.setdefault(line.topic, []).append(row)
        self._loads, self._spectra, channels = _outputs(system)
        self._schemas = {
            topic: port.schema
            for place in system.places.values()
            for topic, port in place.outputs().items()
        }
        self._kept = {
            SUN, EARTH, SKY, PATH, PLAN, DEPOSIT, ESTIMATED_ODOMETRY,
            *self._loads, *self._spectra, *channels,
        }  # fmt: skip
        self._handlers: dict[str, Callable[[int, Emission], None]] = {
            **dict.fromkeys(self._kept, self._keep),
            **dict.fromkeys(self._rows, self._sample),
            ESTIMATED_ODOMETRY: self._move,
            DIAGNOSTICS: self._beat,
            EVENTS: self._event,
            FAULTS: self._fault,
            COMMANDS: self._report,
        }
        self._start_over()

    @cached_property
    def topics(self) -> tuple[str, ...]:
        """What it looks at, for a host that must subscribe."""
        return tuple(self._handlers)

    def _start_over(self) -> None:
        self._generation += 1
        self._start = self._scenario.start_ns if self._scenario else None
        self._now = self._start or 0
        self._messages = 0
        self._histories = Histories([str(row) for row in range(len(self._lines))])
        self._track = Track()
        self._latest: dict[str, Any] = {}
        self._last: dict[int, float] = {}
        # every unit beats once in a period, so the newest few of each are among these
        self._beats: deque[tuple[int, Any]] = deque(maxlen=_MISSED * len(self._system.units))
        self._units: dict[str, tuple[int, Any]] = {}
        self._log: deque[dict[str, Any]] = deque(maxlen=LOG_ENTRIES)
        self._logged = 0
        self._faults: dict[str, dict[str, Any]] = {}
        self._activity = ""
        self._marks: deque[tuple[float, int]] = deque(maxlen=_RATE_MARKS)

    # --- the flight's thread -----------------------------------------------------------------

    def message(self, now: int, emission: Emission) -> None:
        """Take in what a message says, if it is one that can be shown."""
        self._messages += 1
        handler = self._handlers.get(emission.topic)
        if handler is None:
            return
        message, schema = emission.message, self._schemas.get(emission.topic)
        if isinstance(message, PointCloud2):
            if not schema.fits(message) if schema else form_refusal(message):
                return
        elif emission.topic == ESTIMATED_ODOMETRY and not_finite(emission.message_type)(message):
            return
        with self._lock:
            self._follow(now)
            handler(now, emission)

    def tick(self, now: int) -> None:
        """Note the time."""
        wall = time.monotonic()
        with self._lock:
            self._follow(now)
            if self._start is None:
                self._start = now
            self._now = now
            self.version += 1
            if not self._marks or wall - self._marks[-1][0] >= _RATE_S:
                self._marks.append((wall, now))

    def end(self, outcome: str, cause: str, results: Sequence[str]) -> None:
        """Say how the flight ended and where its results are; nothing changes afterwards."""
        with self._lock:
            self._closing = {"outcome": outcome, "cause": cause, "results": list(results)}
            self.version += 1
            self.ended = True

    def _follow(self, now: int) -> None:
        """Begin anew when the clock leaps: what was seen belongs to another time."""
        if not self._now <= now <= self._now + _LEAP:
            self._start_over()
            self._now = now

    def _time_s(self, now: int) -> float:
        if self._start is None or now < self._start:
            self._start = now
        return (now - self._start) / SECOND

    def _keep(self, now: int, emission: Emission) -> None:
        self._latest[emission.topic] = emission

    def _sample(self, now: int, emission: Emission) -> None:
        rows = self._rows[emission.topic]
        lines = [self._lines[row][1] for row in rows]
        message = emission.message
        if emission.topic == COUNTS:
            values = _rates(message, lines)
        elif isinstance(message, PointCloud2):
            record = view(message)
            if not len(record):
                return
            values = [float(record[-1][line.path]) for line in lines]
        else:
            values = [float(attrgetter(line.path)(message)) for line in lines]
        self._last.update(zip(rows, values, strict=True))
        self._histories.add(
            self._time_s(now),
            rows,
            [line.factor * v + line.offset for line, v in zip(lines, values, strict=True)],
        )
        if emission.topic == BATTERY:
            self._latest[BATTERY] = emission

    def _move(self, now: int, emission: Emission) -> None:
        self._latest[ESTIMATED_ODOMETRY] = emission
        place = emission.message.pose.pose.position
        self._track.add(place.x, place.y)

    def _beat(self, now: int, emission: Emission) -> None:
        if emission.message.status:
            self._beats.append((now, emission))

    def _event(self, now: int, emission: Emission) -> None:
        for status in emission.message.status:
            if status.name == "executive: ACTIVITY_STARTED":
                self._activity = values_of(status).get("activity", "")
            elif status.name.startswith("executive: PLAN_"):
                self._activity = ""
            self._note(now, "event", status, status.message)

    def _fault(self, now: int, emission: Emission) -> None:
        for status in emission.message.status:
            level = LEVEL_NAMES.get(status.level, "stale")
            known = self._faults.get(status.name)
            active = level != "ok"
            since = known["since_s"] if known and known["active"] and active else self._time_s(now)
            self._faults[status.name] = {
                "unit": status.hardware_id or status.name.partition(":")[0],
                "name": status.name.partition(": ")[2],
                "level": level if active or not known else known["level"],
                "active": active,
                "since_s": since,
                "message": status.message,
            }
            if not known or known["active"] != active:
                self._note(now, "fault", status, status.message)

    def _report(self, now: int, emission: Emission) -> None:
        for status in emission.message.status:
            values = values_of(status)
            failed = values.get("success") == "false"
            if failed or values.get("stage") in (Stage.START, Stage.COMPLETION):
                arguments = values.get("arguments", "")
                sentence = status.message + (f" ({arguments})" if arguments else "")
                self._note(now, "command", status, sentence)

    def _note(self, now: int, kind: str, status: Any, sentence: str) -> None:
        unit, _, name = status.name.partition(": ")
        self._logged += 1
        self._log.append(
            {
                "number": self._logged,
                "time_s": self._time_s(now),
                "kind": kind,
                "level": LEVEL_NAMES.get(status.level, "stale"),
                "unit": unit,
                "name": name,
                "message": sentence,
            }
        )

    # --- the server's thread -----------------------------------------------------------------

    def since(self, reader: Reader) -> dict[str, Any] | None:
        """Return what is new to a reader, and note that it has read it; None for nothing new."""
        with self._lock:
            if reader.version == self.version and reader.generation == self._generation:
                return None
            update: dict[str, Any] = {}
            if reader.generation != self._generation:
                reader.histories = reader.track = Place()
                reader.log, reader.sections = 0, {}
                reader.generation = self._generation
                update["begin"] = self._constant()
            reader.version = self.version
            reader.histories, update["histories"] = self._histories.since(reader.histories)
            reader.track, update["track"] = self._track.since(reader.track)
            update["log"] = [each for each in self._log if each["number"] > reader.log]
            reader.log = self._logged
            sections = self._sections()
        for name, section in sections.items():
            if reader.sections.get(name) != section:
                update[name] = reader.sections[name] = section
        return {key: value for key, value in update.items() if value not in (None, [])}

    def sun(self) -> tuple[float, float] | None:
        """Return azimuth and elevation (deg) of the Sun, None before anybody said."""
        with self._lock:
            sun = self._row(SUN)
        return None if sun is None else (sun["azimuth_deg"], sun["elevation_deg"])

    def _constant(self) -> dict[str, Any]:
        scenario = self._scenario
        return {
            "name": scenario.name if scenario else "",
            "description": scenario.description if scenario else "",
            "seed": scenario.seed if scenario else None,
            "duration_s": scenario.duration_s if scenario else None,
            "bus": self._bus,
            "goals": self._goals,
            "panels": [
                {
                    "title": title,
                    "lines": [
                        {"row": row, "name": line.name, "colour": _COLOUR_NAMES[line.colour],
                         "if_any": line.if_any}
                        for row, (of, line, _) in enumerate(self._lines) if of == title
                    ],
                }
                for title in PANELS
            ],
        }  # fmt: skip

    def _sections(self) -> dict[str, Any]:
        return {
            "mission": self._mission(),
            "units": self._all_units(),
            "rover": self._rover(),
            "path": self._path(),
            "sky": self._sky(),
            "power": self._power(),
            "values": self._values(),
            "deposit": self._row(DEPOSIT),
            "spectra": self._spectrum_tables(),
            "faults": list(self._faults.values()),
        }

    def _mission(self) -> dict[str, Any]:
        plan = self._row(PLAN)
        return {
            "time_s": round(self._time_s(self._now), 1),
            "utc": iso(self._now)[:19],
            "rate": self._rate(),
            "messages": self._messages,
            "activity": self._activity,
            "done": plan["activities_done"] if plan else None,
            "total": plan["activities_total"] if plan else None,
            "plan": dict(enumerate(PLAN_STATES)).get(plan["state"], "") if plan else "",
            **self._closing,
        }

    def _rate(self) -> float | None:
        if self.ended or not self._marks:
            return None
        wall, now = self._marks[0]
        elapsed_s = time.monotonic() - wall
        return rounded((self._now - now) / SECOND / elapsed_s) if elapsed_s > 0.1 else None

    def _all_units(self) -> dict[str, Any]:
        for now, emission in self._beats:
            status = emission.message.status[0]
            self._units[status.hardware_id] = now, status
        self._beats.clear()
        period_s = self._scenario.housekeeping_period_s if self._scenario else 10.0
        told = {}
        for name, place in self._system.places.items():
            channels = self._row(place.channels_topic or "")
            powered = None if channels is None else bool(channels.get(place.channel or "", 1))
            now, status = self._units.get(name, (0, None))
            age_s = (self._now - now) / SECOND
            values = values_of(status) if status else {}
            if powered is False:
                level, sentence = "off", f"channel {place.channel} is off"
            elif status is None:
                level, sentence = "stale", "no heartbeat yet"
            elif age_s > _MISSED * period_s:
                level, sentence = "stale", f"no heartbeat for {age_s:.0f} s"
            else:
                level, sentence = LEVEL_NAMES.get(status.level, "stale"), status.message
            told[name] = {
                "group": place.namespace,
                "mode": "" if powered is False else values.pop("mode", ""),
                "level": level,
                "message": sentence,
                "values": values,
            }
        return told

    def _rover(self) -> dict[str, Any] | None:
        odometry = self._message(ESTIMATED_ODOMETRY)
        if odometry is None:
            return None
        place, turn = odometry.pose.pose.position, odometry.pose.pose.orientation
        yaw = math.atan2(
            2.0 * (turn.w * turn.z + turn.x * turn.y),
            1.0 - 2.0 * (turn.y * turn.y + turn.z * turn.z),
        )
        sigma_m = math.sqrt(max(0.0, odometry.pose.covariance[0], odometry.pose.covariance[7]))
        return {
            "x_m": round(place.x, 2),
            "y_m": round(place.y, 2),
            "yaw_rad": _number(yaw),
            "speed_m_s": round(odometry.twist.twist.linear.x, 4),
            "sigma_m": _number(sigma_m),
        }

    def _path(self) -> list[tuple[float, float]]:
        path = self._message(PATH)
        poses = path.poses if path else []
        every = max(1, math.ceil(len(poses) / _MOST_PATH_POINTS))
        chosen = [*poses[:-1:every], *poses[-1:]]
        places = [pose.pose.position for pose in chosen]
        return [
            (round(place.x, 1), round(place.y, 1))
            for place in places if math.isfinite(place.x) and math.isfinite(place.y)
        ]

    def _sky(self) -> dict[str, Any]:
        return {"sun": self._row(SUN), "earth": self._row(EARTH), "forecast": self._row(SKY)}

    def _power(self) -> dict[str, Any]:
        battery = self._message(BATTERY)
        loads = {
            unit: row["power_w"]
            for topic, unit in self._loads.items()
            if (row := self._row(topic)) is not None
        }
        return {
            "loads": loads,
            "current_a": _number(battery.current) if battery else None,
            "battery_c": _number(battery.temperature) if battery else None,
        }

    def _values(self) -> dict[str, Any]:
        """Return the last value of every line with what the analysis's limits say of it."""
        told = {}
        for row, raw in self._last.items():
            _, line, limit = self._lines[row]
            level, bound = judged(raw, limit)
            told[str(row)] = {
                "value": _number(line.factor * raw + line.offset),
                "level": level,
                "limit": None if bound is None else _number(line.factor * bound + line.offset),
            }
        return told

    def _spectrum_tables(self) -> dict[str, Any]:
        told = {}
        for topic in self._spectra:
            message = self._message(topic)
            if message is not None and (rows := view(message)).dtype.names:
                told[topic] = {
                    name: [_number(value) for value in rows[name].tolist()]
                    for name in rows.dtype.names
                }
        return told

    def _message(self, topic: str) -> Any:
        emission = self._latest.get(topic)
        return None if emission is None else emission.message

    def _row(self, topic: str) -> dict[str, Any] | None:
        """Return the first row of the last record on a topic."""
        message = self._message(topic)
        if message is None or not message.width:
            return None
        row = view(message)[0]
        return {name: _number(row[name].item()) for name in row.dtype.names}


def judged(value: float, limit: Limit | None) -> tuple[str, float | None]:
    """Return ``ok``, ``warning`` or ``error`` and the bound that a value is beyond."""
    if limit is not None:
        for level, below, above in (
            ("error", limit.error_below, limit.error_above),
            ("warning", limit.warn_below, limit.warn_above),
        ):
            if below is not None and value < below:
                return level, below
            if above is not None and value > above:
                return level, above
    return "ok", None


def _limit(line: Line, limits: Sequence[Limit]) -> Limit | None:
    return next((x for x in limits if (x.topic, x.signal) == (line.topic, line.path)), None)


def _outputs(system: System) -> tuple[dict[str, str], list[str], list[str]]:
    """Return the topics of loads with their units, of spectra, and of channel states."""
    loads, spectra, channels = {}, [], []
    for place in system.places.values():
        for topic in place.outputs():
            leaf = topic.rpartition("/")[2]
            if leaf == "load":
                loads[topic] = place.name
            elif leaf.endswith("spectrum"):
                spectra.append(topic)
            elif leaf == "channels":
                channels.append(topic)
    return loads, spectra, channels


def _rates(message: PointCloud2, lines: Sequence[Line]) -> list[float]:
    """Return counts a second over all rows of a message."""
    rows = view(message)
    live_s = float(rows["live_time_s"].sum())
    return [float(rows[line.path].sum()) / live_s if live_s else math.nan for line in lines]


def _number(value: Any) -> Any:
    """Return a number that JSON can carry; what is not finite is None."""
    if isinstance(value, float):
        number = rounded(value)
        return number if math.isfinite(number) else None
    return value
