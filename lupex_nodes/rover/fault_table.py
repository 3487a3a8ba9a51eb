# SPDX-License-Identifier: Apache-2.0
"""The table of faults that the rover looks for and what it does: config/fault_responses.yaml.

A row with `units` stands for one row a unit: `{unit}` and `{UNIT}` in its texts become the unit's
name. Every error of the file is found at once and says its line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lupex_nodes import located_yaml
from lupex_nodes.located_yaml import Located, Place, suggestion
from lupex_nodes.model_errors import explain
from lupex_nodes.share import share_file

FILE = "config/fault_responses.yaml"
#: What a response may be; what each does is in `responses.py`.
Deed = Literal[
    "none", "reset", "power_cycle", "switch_on", "switch_off", "ignore_sensor", "stop_motion",
    "shed_loads", "safe_mode", "hibernate",
]  # fmt: skip
#: What may be true of the rover; a row may ask for any of them.
Condition = Literal["driving", "parked", "commanded", "standing", "lit", "quiet"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Persistence(_Part):
    """How long a symptom must last to count, and be away to be over."""

    up_s: float = Field(0.0, ge=0, description="lasting so long confirms (s)")
    down_s: float = Field(60.0, ge=0, description="away for so long heals (s)")


class Detection(_Part):
    """How a fault shows.

    limit: a number out of bounds; residual: the same for a named comparison of two channels;
    frozen: samples that do not change; stale: stamps that are not of now; silence: no message (of
    `/diagnostics`: three periods without a heartbeat); event: an event was told; mode: the unit's
    heartbeat tells one of these modes, or `raised`, which
    is its code's.
    """

    kind: Literal["limit", "residual", "frozen", "stale", "silence", "event", "mode"]
    signal: str = Field(
        description="TOPIC.FIELD (/diagnostics.UNIT.KEY: of a heartbeat), TOPIC, the name of a"
        " residual, `UNIT: EVENT` or `UNIT: EVENT KEY=VALUE`, or a UNIT"
    )
    operator: Literal["<", "<=", ">", ">=", "=="] = ">"
    limit: float | None = Field(None, description="the bound (limit, residual)")
    clear_limit: float | None = Field(None, description="back beyond this is healthy")
    one_of: tuple[str, ...] = Field((), description="modes (mode)")
    count: int = Field(1, ge=1, description="so many events confirm (event)")
    within_s: float = Field(3600.0, gt=0, description="within so long (event)")
    stale_after_s: float = Field(
        150.0, gt=0, description="without a message for so long (silence), or stamps so far off"
        " (stale); values older than it tell nothing (limit)",
    )  # fmt: skip
    persistence: Persistence = Persistence.model_validate({})
    valid_in_modes: tuple[Condition, ...] = Field(
        (), description="conditions that must all hold, besides: awake, unit powered and settled"
    )
    settling_s: float = Field(
        60.0, ge=0, description="after power-on of the unit, or of this one, to be judged (s)"
    )
    valid_after_s: float = Field(0.0, ge=0, description="they must have held for so long (s)")

    @model_validator(mode="after")
    def _whole(self) -> Detection:
        if (self.kind in ("limit", "residual")) != (self.limit is not None):
            raise ValueError(f"limit goes with limit and residual, here the kind is {self.kind}")
        if (self.kind == "mode") != bool(self.one_of):
            raise ValueError("one_of goes with the kind mode: name the modes that tell the fault")
        return self


class Response(_Part):
    """What is done, how often, and what comes after it did not help."""

    what: Deed = "none"
    sensor: str = Field("", description="that ignore_sensor leaves out")
    channel: str = Field("", description="to switch; empty: the unit's own")
    data: str = Field(
        "", description="topic; while messages come on it the unit works, and is left alone"
    )
    max_attempts: int = Field(1, ge=1, le=10)
    cooldown_s: float = Field(120.0, ge=1, description="between attempts (s)")
    escalate_to: tuple[Deed, ...] = Field((), description="tried once each, in turn, after that")

    @model_validator(mode="after")
    def _whole(self) -> Response:
        if ("ignore_sensor" in (self.what, *self.escalate_to)) != bool(self.sensor):
            raise ValueError("sensor goes with ignore_sensor: name what navigation shall leave out")
        return self

    @property
    def ladder(self) -> tuple[Deed, ...]:
        """What is tried, one after the other."""
        if self.what == "none":
            return self.escalate_to
        return (self.what,) * self.max_attempts + self.escalate_to


class Fault(_Part):
    """A row."""

    id: str = Field(pattern=r"^[A-Z][A-Z0-9_]+$", description="unique name")
    unit: str = Field(description="to which the fault is isolated")
    meaning: str = Field("", description="one sentence")
    detection: Detection
    severity: Literal["warning", "error"] = "warning"
    level: Literal["unit", "subsystem", "vehicle"] = "unit"
    response: Response = Response.model_validate({})
    latched: bool = Field(False, description="over only by the command clear")
    inhibits: tuple[str, ...] = Field((), description="rows not looked at while this is confirmed")
    explains: tuple[str, ...] = Field((), description="rows that are its symptoms; * is allowed")
    evidence: tuple[str, ...] = Field((), description="topics that show it")
    catches: tuple[str, ...] = Field((), description="faults of the catalogue that it finds")
    source: str = Field("", description="flight event or reason of the bound")


def load_faults(
    path: Path | None = None, *, signals: Collection[str] = (), residuals: Collection[str] = ()
) -> list[Fault]:
    """Read the table; the package's without `path`. Raises BadFile with every error at once.

    `signals` and `residuals` are what can be read; empty: they are not checked.
    """
    located = located_yaml.read(path or share_file(FILE))
    rows: list[tuple[Place, Fault]] = []
    for place, data in _rows(located):
        try:
            rows.append((place, Fault.model_validate(data)))
        except ValidationError as error:
            own = {e["loc"]: str(e["ctx"]["error"]) for e in error.errors()
                   if e["type"] == "value_error"}  # fmt: skip
            for where, sentence in explain(error, Fault, data):
                located.problem((*place, *where), own.get(where, sentence))
    ids = [fault.id for _, fault in rows]
    for place, fault in rows:
        if ids.count(fault.id) > 1:
            located.problem(place, f"the id {fault.id} stands more than once: ids are unique")
        for key in ("inhibits", "explains"):
            for pattern in getattr(fault, key):
                if not any(fnmatchcase(each, pattern) for each in ids):
                    hint = suggestion(pattern, ids)
                    located.problem((*place, key), f"there is no row {pattern}: {hint}")
        _check_signal(located, place, fault.detection, signals, residuals)
    located.check()
    return [fault for _, fault in rows]


def matching(faults: list[Fault], fault: Fault, patterns: Collection[str]) -> list[str]:
    """Return the ids of other rows that the patterns of a row mean."""
    return [
        each.id
        for each in faults
        if each.id != fault.id and any(fnmatchcase(each.id, pattern) for pattern in patterns)
    ]


def _rows(located: Located) -> Iterator[tuple[Place, Any]]:
    """Yield each row's place and data, rows of several units one by one."""
    data = located.data
    if not isinstance(data, dict) or not isinstance(data.get("faults"), list):
        located.problem((), "the file must have a list named faults: write `faults:`")
        return
    for key in data.keys() - {"faults", "shared"}:
        located.problem((key,), f"{key} is not known here: known are faults and shared")
    for number, row in enumerate(data["faults"]):
        place: Place = ("faults", number)
        if not isinstance(row, dict) or "units" not in row:
            yield place, row
            continue
        rest = {key: value for key, value in row.items() if key != "units"}
        units = row["units"]
        if not isinstance(units, list) or not all(isinstance(unit, str) for unit in units):
            located.problem((*place, "units"), "units must be a list of names")
            continue
        for unit in units:
            yield place, {"unit": unit, **_named(rest, unit)}


def _named(value: Any, unit: str) -> Any:
    """Put a unit's name into every text."""
    if isinstance(value, str):
        return value.replace("{unit}", unit).replace("{UNIT}", unit.upper())
    if isinstance(value, list):
        return [_named(each, unit) for each in value]
    if isinstance(value, dict):
        return {key: _named(each, unit) for key, each in value.items()}
    return value


def _check_signal(
    located: Located,
    place: Place,
    detection: Detection,
    signals: Collection[str],
    residuals: Collection[str],
) -> None:
    known, name = signals, detection.signal
    if detection.kind == "residual":
        known = residuals
    elif detection.kind in ("event", "mode"):
        return
    elif detection.kind in ("limit", "frozen"):
        name, dot, _ = name.partition(".")
        if not dot:
            located.problem((*place, "detection", "signal"), f"{name} has no field: TOPIC.FIELD")
    if known and name not in known:
        sentence = f"{name} cannot be read: {suggestion(name, known)}"
        located.problem((*place, "detection", "signal"), sentence)
