# SPDX-License-Identifier: Apache-2.0
"""The catalogue of faults, config/faults.yaml: what can be injected, and what it should look like.

A row::

    - id: imu_frozen
      unit: imu
      act: {port: {output: rover/imu/data, kind: stuck}}
      magnitude: all six axes
      resembles: what happened in flight
      signature: what a reader of telemetry sees
      detect_within_s: 20
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lupex_nodes import located_yaml
from lupex_nodes.bus.fault_acts import ACTS, Act, read_act, written
from lupex_nodes.bus.parameters import Refused
from lupex_nodes.bus.place import Place
from lupex_nodes.located_yaml import Located, suggestion
from lupex_nodes.model_errors import explain
from lupex_nodes.share import share_file

FILE = "config/faults.yaml"
#: More than these would make a catalogue of faults that nobody can find.
MOST_NOT_OBSERVABLE = 5


class Fault(BaseModel):
    """One row of the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    id: str = Field(description="name, unique in the catalogue", pattern=r"^[a-z][a-z0-9_]*$")
    unit: str = Field(description="the unit that the fault is put into", min_length=1)
    act: dict[str, dict[str, Any]] = Field(
        description=f"what it does, one of {', '.join(ACTS)}, with its settings"
    )
    magnitude: str = Field(description="how large it is, and why so", min_length=1)
    resembles: str = Field(description="the event in flight that it is like", min_length=1)
    signature: str = Field(description="what a reader of telemetry should see", min_length=1)
    isolates_to: str = Field("", description="the unit to blame; left out: the faulted one")
    detect_within_s: float | None = Field(
        None, description="from the injection to its detection at the latest (s)", gt=0
    )
    not_observable: str = Field("", description="the physical reason why nobody can detect it")

    @model_validator(mode="after")
    def _one_act(self) -> Fault:
        if len(self.act) != 1 or self.act_name not in ACTS:
            raise ValueError(f"act is a mapping with one key, one of {', '.join(ACTS)}")
        if (self.detect_within_s is None) == (not self.not_observable):
            raise ValueError("give either detect_within_s or the reason under not_observable")
        return self

    @property
    def act_name(self) -> str:
        """Which act it is."""
        return next(iter(self.act), "")

    @property
    def blamed(self) -> str:
        """The unit that a detection should name."""
        return self.isolates_to or self.unit

    def settings(self, magnitude: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the act's settings, some of them replaced."""
        return {**self.act[self.act_name], **(magnitude or {})}

    def read(self, place: Place, magnitude: Mapping[str, Any] | None = None) -> Act:
        """Make the act for the unit's place; raise Refused when it would do nothing."""
        return read_act(place, self.act_name, self.settings(magnitude))

    def arguments(self, magnitude: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the arguments of the unit's command ``inject``."""
        settings = [written(key, value) for key, value in self.settings(magnitude).items()]
        return {"fault": self.id, "act": self.act_name, "settings": settings}


@cache
def catalogue() -> dict[str, Fault]:
    """Return the faults of the package's catalogue by id; raise BadFile with every error."""
    return read_catalogue(share_file(FILE))


def read_catalogue(
    path: Path, places: Mapping[str, Place] | None = None
) -> dict[str, Fault]:
    """Read a catalogue; with ``places`` of a system, also what its units cannot suffer is refused.

    Raises :class:`~lupex_nodes.located_yaml.BadFile` with every error at once.
    """
    located = located_yaml.read(path)
    data = located.data if isinstance(located.data, dict) else {}
    rows = data.get("faults")
    if set(data) != {"faults"} or not isinstance(rows, list):
        located.problem((), "a catalogue is a mapping with the one key faults, a list of rows")
        rows = []
    found: dict[str, Fault] = {}
    for index, row in enumerate(rows):
        try:
            fault = Fault.model_validate(row)
        except ValidationError as error:
            for place, sentence in explain(error, Fault, row):
                located.problem(("faults", index, *place), sentence)
            continue
        if fault.id in found:
            located.problem(
                ("faults", index, "id"), f"{fault.id} is there already: give each fault its own id"
            )
        found[fault.id] = fault
        if places is not None:
            _check(located, index, fault, places)
    hidden = [fault.id for fault in found.values() if fault.not_observable]
    if len(hidden) > MOST_NOT_OBSERVABLE:
        located.problem(
            ("faults",),
            f"{', '.join(hidden)} have not_observable: at most {MOST_NOT_OBSERVABLE} may have",
        )
    located.check()
    return found


def _check(
    located: Located, index: int, fault: Fault, places: Mapping[str, Place]
) -> None:
    for key, unit in ("unit", fault.unit), ("isolates_to", fault.blamed):
        if unit not in places:
            place = ("faults", index, key)
            located.problem(place, f"there is no unit {unit}: {suggestion(unit, places)}")
            return
    try:
        fault.read(places[fault.unit])
    except Refused as reason:
        located.problem(("faults", index, "act"), str(reason))
