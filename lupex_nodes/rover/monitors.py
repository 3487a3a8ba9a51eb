# SPDX-License-Identifier: Apache-2.0
"""Detections: each tells of one row of the fault table whether its symptom is there now."""

from __future__ import annotations

import math
import operator
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from lupex_nodes.bus.place import DIAGNOSTICS
from lupex_nodes.bus.stamps import SECOND, seconds
from lupex_nodes.rover.fault_table import Detection, Fault
from lupex_nodes.rover.residuals import Residual
from lupex_nodes.rover.telemetry import Telemetry

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq,
}  # fmt: skip


class Monitor:
    """One row's detection; `value` is what was compared last, for the report."""

    def __init__(self, fault: Fault) -> None:
        self.unit = fault.unit
        self.detection: Detection = fault.detection
        self.value: Any = ""
        self.since: int | None = None
        #: Before this time (ns) the clock alone does not bring the symptom.
        self.quiet_until = 0
        self._settling = seconds(fault.detection.settling_s)
        self._valid_after = seconds(fault.detection.valid_after_s)

    def sample(self, now: int, seen: Telemetry, confirmed: bool) -> bool | None:
        """Return whether the symptom is there, None when nothing can be said."""
        raise NotImplementedError

    def judged_since(self, now: int, seen: Telemetry) -> int | None:
        """Return since when (ns) the row may be judged, None when it may not be now."""
        # what has no channel of its own is known from its first heartbeat on
        powered = seen.powered_since.get(
            self.unit, seen.start if self.unit in seen.beats else None
        )
        awake = seen.conditions["awake"]
        if powered is None or awake is None:
            return None
        latest = max(seen.start, powered, awake) + self._settling
        for name in self.detection.valid_in_modes:
            since = seen.conditions.get(name)
            if since is None:
                return None
            latest = max(latest, since + self._valid_after)
        return latest if latest <= now else None


class _Compared(Monitor):
    """A number against a bound, with another bound to be healthy again."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        d = self.detection
        self._bad = _COMPARE[d.operator]
        self._limit = d.limit
        self._clear = d.limit if d.clear_limit is None else d.clear_limit

    def compare(self, value: float, confirmed: bool) -> bool:
        """Return whether the value is out; what is no finite number is."""
        self.value = value
        if not math.isfinite(value):
            return True
        return self._bad(value, self._clear if confirmed else self._limit)


class Limit(_Compared):
    """A field of the latest message, or UNIT.KEY of the latest housekeeping."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.topic, _, path = self.detection.signal.partition(".")
        self._get = operator.attrgetter(path)
        self._unit, _, self._key = path.partition(".")

    def sample(self, now: int, seen: Telemetry, confirmed: bool) -> bool | None:
        """Compare; a value that is old tells nothing."""
        if self.topic == DIAGNOSTICS:
            beat = seen.beats.get(self._unit)
            told = None if beat is None else beat.number(self._key)
            return None if told is None else self.compare(told, confirmed)
        source = seen.sources[self.topic]
        if source.row is None or source.age_s(now) > self.detection.stale_after_s:
            return None
        return self.compare(self._get(source.row), confirmed)


class Difference(_Compared):
    """A named residual."""

    def __init__(self, fault: Fault, residual: Residual) -> None:
        super().__init__(fault)
        self._residual = residual

    def sample(self, now: int, seen: Telemetry, confirmed: bool) -> bool | None:
        """Compare, when the two channels tell something."""
        value = self._residual.value
        return None if value is None else self.compare(value, confirmed)


def _whole(row: Any) -> Any:
    return row


class Frozen(Monitor):
    """A field that is the same in one message after the other, and not zero; `*`: all fields."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.topic, _, path = self.detection.signal.partition(".")
        self._get = operator.attrgetter(path) if path != "*" else _whole
        self._before: Any = None
        self._same: bool | None = None

    def sample(self, now: int, seen: Telemetry, confirmed: bool) -> bool | None:
        """Compare a new message with the one before."""
        source = seen.sources[self.topic]
        if source.fresh and source.row is not None:
            value = self._get(source.row)
            if not isinstance(value, int | float | tuple):
                value = bytes(memoryview(value)) if hasattr(value, "tobytes") else repr(value)
            # what has nothing to tell tells zero, time after time
            self._same = value == self._before and value != 0
            self._before = value
            self.value = value if isinstance(value, int | float) else "the same"
        return self._same


class Stale(Monitor):
    """Stamps that are older than allowed when the message comes, or not yet over."""

    def sample(self, now: int, seen: Telemetry, confirmed: bool) -> bool | None:
        """Compare stamp and arrival of a new message."""
        source = seen.sources[self.detection.signal]
        if source.fresh and source.time is not None:
            self.value = (source.time - source.stamp) / SECOND
        return None if self.value == "" else not -0.5 <= self.value <= self.detection.stale_after_s


class Silence(Monitor):
    """No message for too long while there should be some."""

    def sample(self, now: int, seen: Telemetry, confirmed: bool) -> bool | None:
        """Compare the age of the latest message, or of the unit's heartbeat."""
        topic = self.detection.signal
        if topic == DIAGNOSTICS:
            beat, limit_s = seen.beats.get(self.unit), seen.silent_after_s
            time = None if beat is None else beat.time
        else:
            time, limit_s = seen.sources[topic].time, self.detection.stale_after_s
        begun = self.judged_since(now, seen)
        if begun is None:
            return None
        # what was silent while it had no reason to speak is silent from now on only
        heard = max(time or 0, begun)
        self.value = (now - heard) / SECOND
        self.quiet_until = heard + (0 if math.isinf(limit_s) else seconds(limit_s))
        return self.value > limit_s


class Told(Monitor):
    """Events, so many within a time."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self._unit, _, event = self.detection.signal.partition(": ")
        self._event, _, self._value = event.partition(" ")
        self._times: deque[int] = deque()

    def take(self, now: int, seen: Telemetry) -> None:
        """Note the events of this step, whether the row may be judged or not."""
        for unit, event, values in seen.events:
            if event == self._event and unit == self._unit:
                if not self._value or any(f"{v.key}={v.value}" == self._value for v in values):
                    self._times.append(now)

    def sample(self, now: int, seen: Telemetry, confirmed: bool) -> bool | None:
        """Count; one that lies back as long as the healing takes is over."""
        keep = seconds(self.detection.within_s)
        while self._times and now - self._times[0] > keep:
            self._times.popleft()
        self.value = len(self._times)
        if confirmed:
            return bool(self._times) and now - self._times[-1] <= SECOND
        return self.value >= self.detection.count

    def forget(self) -> None:
        """Start counting anew after a confirmation."""
        self._times.clear()


class Mode(Monitor):
    """The mode that a unit's heartbeat tells."""

    def there(self, seen: Telemetry) -> bool:
        """Return whether it is one of those looked for; quicker than sampling."""
        beat = seen.beats.get(self.unit)
        return beat is not None and beat.mode in self.detection.one_of

    def sample(self, now: int, seen: Telemetry, confirmed: bool) -> bool | None:
        """Compare the last heartbeat."""
        beat = seen.beats.get(self.unit)
        if beat is None:
            return None
        self.value = beat.mode
        return beat.mode in self.detection.one_of


def monitor(fault: Fault, residuals: Mapping[str, Residual]) -> Monitor:
    """Return what watches for a row."""
    kinds: dict[str, type[Monitor]] = {
        "limit": Limit, "frozen": Frozen, "stale": Stale, "silence": Silence, "event": Told,
        "mode": Mode,
    }  # fmt: skip
    if fault.detection.kind == "residual":
        return Difference(fault, residuals[fault.detection.signal])
    return kinds[fault.detection.kind](fault)
