# SPDX-License-Identifier: Apache-2.0
"""What a campaign flies: a YAML file with scenarios, and the faults that are flown in each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lupex_nodes import located_yaml
from lupex_nodes.fault_catalogue import Fault, catalogue
from lupex_nodes.located_yaml import BadFile, Located, suggestion
from lupex_nodes.model_errors import explain
from lupex_nodes.scenario import CheckedScenario, find_scenario, load_scenario
from lupex_nodes.system import System

#: Stands for all faults of the catalogue that no other trial names.
OTHERS = "others"
_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Trial(BaseModel):
    """A scenario, and the faults that are flown in it, one a flight."""

    model_config = _STRICT

    scenario: str = Field(description="name or path of the scenario")
    at_s: list[float] = Field(
        description="earliest and latest mission time of the injection (s), drawn for each flight",
        min_length=2, max_length=2,
    )  # fmt: skip
    faults: list[str] = Field(
        description=f"ids of faults of the catalogue; {OTHERS}: all that no other trial has",
        min_length=1,
    )

    @field_validator("at_s")
    @classmethod
    def _in_order(cls, window: list[float]) -> list[float]:
        if not 0.0 <= window[0] <= window[1]:
            raise ValueError("write the earliest time first, in s of mission time")
        return window


class Nominal(BaseModel):
    """A scenario that is flown without faults."""

    model_config = _STRICT

    scenario: str = Field(description="name or path of the scenario")
    duration_s: float | None = Field(None, description="how much of it is flown (s)", ge=1)
    nature: list[str] = Field(
        [],
        description="rows of the fault manager's table and signals of findings that tell of nature,"
        " and are right here",
    )


class Campaign(BaseModel):
    """All flights of a campaign: each fault and each nominal row with each seed."""

    model_config = _STRICT

    name: str = Field(description="short name", min_length=1, pattern=r"^[a-z][a-z0-9_]*$")
    description: str = Field("", description="what it is for, in a sentence")
    seeds: list[int] = Field(description="of the flights", min_length=1)
    wall_limit_s: float = Field(600.0, description="wall time after which a flight hangs (s)", gt=0)
    trials: list[Trial] = Field([], description="scenarios with faults")
    nominal: list[Nominal] = Field([], description="scenarios without faults")


@dataclass(frozen=True)
class Run:
    """One flight; ``fault`` is empty when nothing is injected, ``blamed`` the unit to be told."""

    id: str
    scenario: str
    seed: int
    fault: str = ""
    unit: str = ""
    blamed: str = ""
    at_s: float = 0.0
    detect_within_s: float | None = None
    duration_s: float | None = None
    nature: list[str] = field(default_factory=list)

    def load(self, system: System) -> CheckedScenario:
        """Read and check what is flown; raise :class:`BadFile`."""
        over: dict[str, float] = {"seed": self.seed}
        if self.duration_s is not None:
            over["duration_s"] = self.duration_s
        faults = [f"{self.fault}@{self.at_s:.3f}"] if self.fault else []
        return load_scenario(self.scenario, system, overrides=over, faults=faults)


def read_campaign(path: Path, seeds: Sequence[int] | None = None) -> tuple[Campaign, list[Run]]:
    """Read a campaign and list its flights, seed by seed; ``seeds`` replace its own.

    Raises :class:`BadFile` with every error at once.
    """
    located = located_yaml.read(path)
    try:
        campaign = Campaign.model_validate(located.data)
    except ValidationError as error:
        for place, sentence in explain(error, Campaign, located.data):
            located.problem(place, sentence)
        located.check()
        raise
    flown = _faults(located, campaign)
    paths = {
        place: _scenario(located, place, row.scenario, path.parent)
        for place, row in _rows(campaign)
    }
    for index, row in enumerate(campaign.nominal):
        if row.scenario in [each.scenario for each in campaign.nominal[:index]]:
            located.problem(("nominal", index), f"{row.scenario} is flown by a row above already")
    located.check()
    campaign = campaign.model_copy(update={"seeds": list(seeds or campaign.seeds)})
    runs = []
    for seed in campaign.seeds:
        for index, fault in flown:
            at_s = drawn_s(fault.id, seed, campaign.trials[index].at_s)
            runs.append(Run(
                f"{fault.id}-{seed}", paths["trials", index], seed, fault.id, fault.unit,
                fault.blamed, at_s, fault.detect_within_s,
            ))  # fmt: skip
        for index, nominal in enumerate(campaign.nominal):
            scenario = paths["nominal", index]
            runs.append(Run(
                f"nominal-{Path(scenario).stem}-{seed}", scenario, seed,
                duration_s=nominal.duration_s, nature=nominal.nature,
            ))  # fmt: skip
    return campaign, runs


def _rows(campaign: Campaign) -> Iterator[tuple[located_yaml.Place, Trial | Nominal]]:
    for index, trial in enumerate(campaign.trials):
        yield ("trials", index), trial
    for index, nominal in enumerate(campaign.nominal):
        yield ("nominal", index), nominal


def drawn_s(fault: str, seed: int, window: Sequence[float]) -> float:
    """Draw a whole second of a window, for a fault and a seed always the same."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, crc32(fault.encode())]))
    low, high = window
    return float(low + np.floor((high - low + 1.0) * rng.random()))


def _faults(located: Located, campaign: Campaign) -> list[tuple[int, Fault]]:
    """Return the faults with the place of their trial."""
    try:
        known = catalogue()
    except BadFile as error:
        located.problems += error.problems
        return []
    trials: dict[str, int] = {}
    for index, trial in enumerate(campaign.trials):
        for number, name in enumerate(trial.faults):
            place = ("trials", index, "faults", number)
            if name in trials:
                line = located.mark(("trials", trials[name])).line
                located.problem(place, f"{name} is in the trial of line {line} already")
            elif name != OTHERS and name not in known:
                located.problem(place, f"there is no fault {name}: {suggestion(name, known)}")
            else:
                trials[name] = index
    flown = [(trials.get(name, trials.get(OTHERS)), fault) for name, fault in known.items()]
    return [(index, fault) for index, fault in flown if index is not None]


def _scenario(located: Located, place: located_yaml.Place, name: str, beside: Path) -> str:
    try:
        path = find_scenario(name, beside)
    except FileNotFoundError as error:
        located.problem((*place, "scenario"), str(error))
        return name
    # those of the package are called by name, so that results do not tell paths
    return name if path.parent.name == "scenarios" and path.stem == name else str(path)
