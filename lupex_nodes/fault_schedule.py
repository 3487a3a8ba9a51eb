# SPDX-License-Identifier: Apache-2.0
"""When faults are injected: the list under ``faults`` of a scenario, or in a file of its own.

Such as::

    faults:
      - {fault: imu_frozen, at_s: 300, for_s: 60}
      - {fault: crawler_drag, when: {driven_above_m: 20}, magnitude: {drag_n: 400}}
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from lupex_nodes import located_yaml
from lupex_nodes.bus.parameters import Refused
from lupex_nodes.bus.place import Place
from lupex_nodes.fault_catalogue import catalogue
from lupex_nodes.located_yaml import BadFile, Located, Mark, Problem, suggestion

KEY = "faults"
_COMMAND_LINE = Mark(Path("command line"), 1)


class Circumstances(NamedTuple):
    """What is so in the world at a moment; a NaN is a value that nobody has told yet."""

    driven_m: float
    tilt_deg: float
    lit_fraction: float
    modes: Mapping[str, str]


class FaultConditions(BaseModel):
    """What must hold, all of it, for a fault to begin; what is left out does not matter."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    driven_above_m: float | None = Field(None, description="way of the rover over ground (m)")
    tilt_above_deg: float | None = Field(None, description="tilt of the rover (deg)")
    lit_below: float | None = Field(None, description="part of the Sun's disc in sight (0 to 1)")
    lit_above: float | None = Field(None, description="part of the Sun's disc in sight (0 to 1)")
    mode_of: str | None = Field(None, description="a unit, whose mode is told with mode")
    mode: str | None = Field(None, description="the mode in which that unit must be")

    @field_validator("mode", mode="before")
    @classmethod
    def _on(cls, value: Any) -> Any:
        # YAML 1.1 reads the modes on and off as true and false
        return ("off", "on")[value] if isinstance(value, bool) else value

    @model_validator(mode="after")
    def _something(self) -> FaultConditions:
        if not self.model_dump(exclude_none=True):
            raise ValueError(f"give at least one of {', '.join(type(self).model_fields)}")
        if (self.mode is None) != (self.mode_of is None):
            raise ValueError("mode_of and mode go together: a unit and the mode it must be in")
        return self

    def hold(self, now: Circumstances) -> bool:
        """Return whether all of it is so; what is not known does not hold."""
        rows = (
            (self.driven_above_m, now.driven_m, 1.0),
            (self.tilt_above_deg, now.tilt_deg, 1.0),
            (self.lit_below, now.lit_fraction, -1.0),
            (self.lit_above, now.lit_fraction, 1.0),
        )
        return all(
            bound is None or sign * (value - bound) > 0.0 for bound, value, sign in rows
        ) and (self.mode_of is None or now.modes.get(self.mode_of) == self.mode)


class ScheduledFault(BaseModel):
    """One fault of the catalogue and when it begins and ends."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    fault: str = Field(description="id of a fault of the catalogue: lupex faults")
    at_s: float | None = Field(
        None, description="mission time from which on it begins (s), with when: at the earliest",
        ge=0,
    )  # fmt: skip
    when: FaultConditions | None = Field(None, description="conditions for it to begin")
    for_s: float | None = Field(
        None, description="how long it lasts (s); left out: to the end", ge=1
    )
    magnitude: dict[str, bool | int | float | str] = Field(
        {}, description="settings of the fault's act that differ from the catalogue's"
    )

    @model_validator(mode="after")
    def _begins(self) -> ScheduledFault:
        if self.at_s is None and self.when is None:
            raise ValueError("give at_s or when: without one of them the fault never begins")
        return self

    def text(self) -> str:
        """Write it in one line."""
        data = self.model_dump(exclude_defaults=True)
        text = yaml.safe_dump(data, default_flow_style=True, sort_keys=False, width=math.inf)
        return text.strip()

    @classmethod
    def read(cls, text: str) -> ScheduledFault:
        """Read what :meth:`text` wrote; raise Refused."""
        try:
            return cls.model_validate(yaml.safe_load(text))
        except (yaml.YAMLError, ValidationError) as error:
            said = str(error).splitlines()[0]
            raise Refused(f"{text!r} is no fault with its time ({said})") from None


def read_option(text: str) -> dict[str, Any]:
    """Read ``ID@T`` or ``ID@T+D`` of the command line; raise Refused."""
    number = r"\d+(?:\.\d*)?"
    found = re.fullmatch(rf"(\w+)@({number})(?:\+({number}))?", text)
    if not found:
        raise Refused(
            f"{text!r} is no fault with its time: write ID@T or ID@T+D, T and D in seconds"
        )
    entry: dict[str, Any] = {"fault": found[1], "at_s": float(found[2])}
    if found[3]:
        entry["for_s"] = float(found[3])
    return entry


def add(located: Located, files: Sequence[Path], options: Sequence[str]) -> None:
    """Add to a scenario's faults those of files and those of options like ``imu_frozen@300+60``."""
    if not isinstance(located.data, dict):
        return
    own = located.data.setdefault(KEY, [])
    located.marks.setdefault((KEY,), located.mark(()))
    if not isinstance(own, list):
        return  # told with the rest of the form
    for path in files:
        layer = located_yaml.read(path)
        data, place = layer.data, ()
        if isinstance(data, dict) and set(data) == {KEY}:
            data, place = data[KEY], (KEY,)  # type: ignore[assignment]
        if not isinstance(data, list):
            layer.problem((), f"this is no list of faults: write it under {KEY}, one a row")
        located.problems += layer.problems
        for index, entry in enumerate(data if isinstance(data, list) else ()):
            for inner, mark in layer.marks.items():
                if inner[: len(place) + 1] == (*place, index):
                    located.marks[(KEY, len(own), *inner[len(place) + 1 :])] = mark
            own.append(entry)
    for text in options:
        try:
            entry = read_option(text)
        except Refused as reason:
            located.problems.append(Problem(_COMMAND_LINE, (), str(reason)))
            continue
        located.marks[KEY, len(own)] = _COMMAND_LINE
        own.append(entry)


def check(located: Located, places: Mapping[str, Place], duration_s: float) -> None:
    """Note as problems what is wrong in a scenario's faults beyond their form."""
    data = located.data.get(KEY) if isinstance(located.data, dict) else None
    if not isinstance(data, list) or not data:
        return
    if not any(place.injects for place in places.values()):
        located.problem((KEY,), "this system has no unit that injects faults: leave them out")
        return
    try:
        known = catalogue()
    except BadFile as error:
        located.problems += error.problems
        return
    for index, item in enumerate(data):
        try:
            entry = ScheduledFault.model_validate(item)
        except ValidationError:
            continue  # told with the rest of the form
        where = (KEY, index)
        fault = known.get(entry.fault)
        if fault is None:
            sentence = f"there is no fault {entry.fault}: {suggestion(entry.fault, known)}"
            located.problem((*where, "fault"), sentence)
            continue
        if entry.at_s is not None and entry.at_s >= duration_s:
            located.problem(
                (*where, "at_s"), f"the flight is over after {duration_s:g} s: begin earlier"
            )
        if entry.when and entry.when.mode_of:
            _check_mode(located, (*where, "when"), entry.when, places)
        if fault.unit not in places:
            located.problem((*where, "fault"), f"there is no unit {fault.unit} in this system")
            continue
        try:
            fault.read(places[fault.unit], entry.magnitude)
        except Refused as reason:
            key = "magnitude" if entry.magnitude else "fault"
            located.problem((*where, key), str(reason))


def _check_mode(
    located: Located,
    where: located_yaml.Place,
    conditions: FaultConditions,
    places: Mapping[str, Place],
) -> None:
    unit = conditions.mode_of or ""
    if unit not in places:
        located.problem((*where, "mode_of"), f"there is no unit {unit}: {suggestion(unit, places)}")
        return
    modes = places[unit].unit_class.modes
    if conditions.mode not in modes:
        located.problem(
            (*where, "mode"),
            f"{unit} has no mode {conditions.mode}: {suggestion(conditions.mode, modes)}",
        )
