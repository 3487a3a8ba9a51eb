# SPDX-License-Identifier: Apache-2.0
"""Limits: config/limits.yaml, one row a signal, checked at load."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lupex_nodes.analysis.residuals import RESIDUALS
from lupex_nodes.share import share_file

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
    path = path or share_file("config/limits.yaml")
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))["limits"]
    except OSError as error:
        raise LimitsError(f"cannot read {path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise LimitsError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    except (KeyError, TypeError):
        raise LimitsError(f"{path} must have a list named limits") from None
    limits = []
    for number, row in enumerate(rows or [], 1):
        try:
            limits.append(Limit.model_validate(row))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "row"
            raise LimitsError(
                f"limit {number} in {path}: {where}: {first['msg'].removeprefix('Value error, ')}"
            ) from None
    return limits
