# SPDX-License-Identifier: Apache-2.0
"""Conditions on light, energy, temperature and Earth that an activity of a plan waits for."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

#: Groups of conditions, and how a plan ends that waited for one of them in vain.
OUTCOMES = {
    "light": "energy",
    "energy": "energy",
    "temperature": "thermal",
    "earth": "communication",
}


class Situation(NamedTuple):
    """What the executive knows; a NaN is a value that nobody has told yet."""

    lit_for_s: float
    state_of_charge: float
    battery_c: float
    box_c: float
    earth_for_s: float


class Unmet(NamedTuple):
    """A condition that does not hold: its group, and what is so instead."""

    group: str
    sentence: str


class Conditions(BaseModel):
    """What must hold, all of it; what is left out does not matter."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    lit_for_s: float | None = Field(
        None, description="the rover's place stays lit for at least so long (s)", ge=0
    )
    state_of_charge: float | None = Field(
        None, description="of the battery, at least (0 to 1)", ge=0, le=1
    )
    battery_above_c: float | None = Field(
        None, description="temperature of the battery, at least (deg C)", ge=-100, le=100
    )
    box_above_c: float | None = Field(
        None, description="temperature of the electronics box, at least (deg C)", ge=-100, le=100
    )
    earth_for_s: float | None = Field(
        None, description="the Earth stays in sight for at least so long (s)", ge=0
    )

    def unmet(self, situation: Situation, ignored: Container[str] = ()) -> Iterator[Unmet]:
        """Yield what does not hold, save the groups that are ignored."""
        rows = (
            ("light", "it stays lit for {:.0f} s", situation.lit_for_s, self.lit_for_s),
            ("energy", "the state of charge is {:.2f}", situation.state_of_charge,
             self.state_of_charge),
            ("temperature", "the battery has {:.1f} deg C", situation.battery_c,
             self.battery_above_c),
            ("temperature", "the box has {:.1f} deg C", situation.box_c, self.box_above_c),
            ("earth", "the Earth stays in sight for {:.0f} s", situation.earth_for_s,
             self.earth_for_s),
        )  # fmt: skip
        for group, words, value, least in rows:
            # a value that is not known does not fulfil anything
            if least is not None and group not in ignored and not value >= least:
                yield Unmet(group, f"{words.format(value)}, {least:g} is asked for")
