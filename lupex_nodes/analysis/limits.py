# SPDX-License-Identifier: Apache-2.0
"""Limits: config/limits.yaml, one row a signal, checked at load."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lupex_nodes import located_yaml
from lupex_nodes.analysis.residuals import RESIDUALS
from lupex_nodes.located_yaml import BadFile, Problem
from lupex_nodes.share import share_file

Row = TypeVar("Row", bound=BaseModel)
BOUNDS = ("warn_below", "error_below", "warn_above", "error_above")


class LimitsError(ValueError):
    """The limits file is wrong; the text is one sentence."""


class Limit(BaseModel):
    """The bounds of one signal of a unit.

    Without `topic` the signal is a key of the unit's housekeeping; with it, a field of that
    record or a dotted path of that message, the topic named below the system's root. A `residual`
    in place of a signal is one of RESIDUALS. A value
    must be out of bounds for `persistence_s` to count, and back for as long to be clear.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: str
    signal: str = ""
    topic: str = ""
    residual: str = ""
    warn_below: float | None = None
    error_below: float | None = None
    warn_above: float | None = None
    error_above: float | None = None
    persistence_s: float = Field(0.0, ge=0.0)
    cause: str = ""
    source: str = ""

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Limit:
        if bool(self.signal) == bool(self.residual) or (self.residual and self.topic):
            raise ValueError("give a signal, with or without a topic, or a residual")
        if self.residual and self.residual not in RESIDUALS:
            raise ValueError(f"there is no residual {self.residual}: {', '.join(RESIDUALS)}")
        if all(getattr(self, name) is None for name in BOUNDS):
            raise ValueError(f"give at least one of {', '.join(BOUNDS)}")
        if self.warn_below is not None and self.error_below is not None:
            if self.error_below > self.warn_below:
                raise ValueError("error_below must not be above warn_below")
        if self.warn_above is not None and self.error_above is not None:
            if self.error_above < self.warn_above:
                raise ValueError("error_above must not be below warn_above")
        return self


def load_limits(path: Path | None = None) -> list[Limit]:
    """Read the limits; the package's config/limits.yaml without `path`.

    Raises LimitsError: what, where, what to do.
    """
    return read_rows(path or share_file("config/limits.yaml"), "limits", Limit)


def read_rows(path: Path, name: str, model: type[Row]) -> list[Row]:
    """Read a file whose list `name` has rows of one model.

    Raises LimitsError: what, where, what to do.
    """
    try:
        located = located_yaml.read(path)
        located.check()
    except BadFile as error:
        raise LimitsError(str(error)) from None
    rows = located.data.get(name) if isinstance(located.data, dict) else None
    if not isinstance(rows, list):
        raise LimitsError(f"{path} must have a list named {name}")
    found = []
    for number, row in enumerate(rows):
        try:
            found.append(model.model_validate(row))
        except ValidationError as error:
            first = error.errors()[0]
            place = (name, number, *first["loc"])
            said = first["msg"].removeprefix("Value error, ")
            raise LimitsError(str(Problem(located.mark(place), place, said))) from None
    return found
