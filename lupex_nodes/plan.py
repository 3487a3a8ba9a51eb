# SPDX-License-Identifier: Apache-2.0
"""A plan: the activities that the rover's executive carries out, one after another.

In a scenario file it is the list under ``plan``::

    plan:
      - {activity: calibrate, command: neutron_spectrometer/calibrate,
         arguments: {duration_s: 1200.0}, timeout_s: 1300.0}
      - {activity: settle, wait_s: 60.0}
      - {activity: climb, command: navigation/go_to, arguments: {x_m: 90.0, y_m: 4.0},
         when: {lit_for_s: 7200.0, state_of_charge: 0.7}, when_timeout_s: 172800.0}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lupex_nodes.bus.commands import Command, no_command
from lupex_nodes.bus.parameters import Refused
from lupex_nodes.plan_conditions import Conditions
from lupex_nodes.share import share_file

ArgumentValue = bool | int | float | str


class PlanError(ValueError):
    """A plan that cannot be carried out; the text says where and why, one line an error."""


class Activity(BaseModel):
    """One step of a plan: a command with its completion awaited, or a wait."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    activity: str = Field(description="name, unique in the plan", min_length=1)
    command: str | None = Field(None, description="UNIT/COMMAND that the activity sends")
    arguments: dict[str, ArgumentValue] = Field(
        default_factory=dict, description="the command's arguments"
    )
    wait_s: float | None = Field(None, description="waits this long instead of a command (s)", ge=0)
    timeout_s: float | None = Field(
        None, description="longest time to the command's completion (s); none: no limit", gt=0
    )
    when: Conditions | None = Field(
        None, description="conditions that the activity waits for before it starts"
    )
    when_timeout_s: float | None = Field(
        None, description="longest wait for them (s); none: no limit", gt=0
    )
    keep: Conditions | None = Field(
        None, description="conditions that end the activity as failed when they no longer hold"
    )
    stop: str | None = Field(
        None, description="UNIT/COMMAND sent when the activity is ended before its command ended"
    )
    retries: int = Field(0, description="how often a failed command is sent again", ge=0)
    retry_after_s: float = Field(
        60.0, description="pause before that (s), in which what failed can be mended", ge=0
    )
    mandatory: bool = Field(True, description="whether the plan is complete only with it")
    on_failure: Literal["abort", "continue"] = Field(
        "abort", description="what becomes of the plan when the activity fails"
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Activity:
        if (self.command is None) == (self.wait_s is None):
            raise ValueError("give either command or wait_s")
        if self.command is not None and not all(self.target):
            raise ValueError(f"command {self.command} must be UNIT/COMMAND")
        if self.stop is not None and not all(target_of(self.stop)):
            raise ValueError(f"stop {self.stop} must be UNIT/COMMAND")
        if self.when_timeout_s is not None and self.when is None:
            raise ValueError("when_timeout_s goes with when")
        if self.wait_s is not None and (self.arguments or self.timeout_s is not None):
            raise ValueError("wait_s goes without arguments and timeout_s")
        return self

    @property
    def target(self) -> tuple[str, str]:
        """The unit and the command's name."""
        return target_of(self.command or "")


def target_of(command: str) -> tuple[str, str]:
    """Split UNIT/COMMAND; the command's name may hold slashes."""
    unit, _, name = command.partition("/")
    return unit, name


class Problem(NamedTuple):
    """An error in a plan: the activity's place in it (from 0), the key, and one sentence."""

    place: int
    key: str
    sentence: str


def check_commands(
    activities: Sequence[Activity], commands: Mapping[str, Mapping[str, Command]]
) -> Iterator[Problem]:
    """Yield what the units cannot do; ``commands`` is each unit's commands by name.

    For a system these are ``{name: place.commands() for name, place in system.places.items()}``.
    """
    for index, activity in enumerate(activities):
        for key, written, arguments in (
            ("command", activity.command, activity.arguments), ("stop", activity.stop, {})
        ):  # fmt: skip
            if written is None:
                continue
            unit, name = target_of(written)
            known = commands.get(unit)
            if known is None:
                units = ", ".join(sorted(commands))
                yield Problem(index, key, f"there is no unit {unit}; the units are {units}")
            elif name not in known:
                yield Problem(index, key, no_command(unit, name, known))
            else:
                try:
                    known[name].parse(dict(arguments))
                except Refused as reason:
                    key = "arguments" if key == "command" else key
                    yield Problem(index, key, str(reason))


def build_plan(items: Any) -> tuple[Activity, ...]:
    """Make the activities from a plan's list as YAML reads it, or raise :class:`PlanError`."""
    if not isinstance(items, list) or not items:
        raise PlanError("plan must be a list of at least one activity")
    activities: list[Activity] = []
    reasons: list[str] = []
    for number, item in enumerate(items, 1):
        try:
            activities.append(Activity.model_validate(item))
        except ValidationError as error:
            reasons += [f"activity {number}: {sentence}" for sentence in explain(error)]
    names = [activity.activity for activity in activities]
    reasons += [
        f"the activity {name} stands more than once: names are unique"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    if reasons:
        raise PlanError("\n".join(reasons))
    return tuple(activities)


def explain(error: ValidationError) -> list[str]:
    """Turn each validation error of an activity into one sentence."""
    sentences = []
    for item in error.errors(include_url=False):
        key = ".".join(map(str, item["loc"]))
        inside = len(item["loc"]) > 1
        fields = Conditions.model_fields if inside else Activity.model_fields
        name = str(item["loc"][-1]) if item["loc"] else ""
        if item["type"] == "extra_forbidden":
            known = ", ".join(fields)
            sentences.append(f"{key} is not known here; known are {known}")
        elif item["type"] == "missing":
            sentences.append(f"{key} is missing: {fields[name].description}")
        elif key:
            field = fields.get(name) or Activity.model_fields[str(item["loc"][0])]
            sentences.append(
                f"{key} = {item['input']!r} is refused ({item['msg']}): give {field.description}"
            )
        else:
            sentences.append(str(item.get("ctx", {}).get("error", item["msg"])))
    return sentences


def find_plan(name: str) -> Path:
    """Return the file of a plan: a path, or the name of a scenario of the package."""
    path = Path(name)
    if path.is_file():
        return path
    try:
        return share_file(f"config/scenarios/{name}.yaml")
    except FileNotFoundError:
        raise PlanError(
            f"there is no plan {name}: give the path of a YAML file with a plan, or the name of a "
            "scenario in config/scenarios"
        ) from None


def load_plan(name: str) -> tuple[Activity, ...]:
    """Read the plan of a YAML file, given by path or scenario name.

    A file without a plan has that of the file which it ``extends``. Raises :class:`PlanError`.
    """
    path, seen = find_plan(name), set()
    while True:
        seen.add(path)
        try:
            content = yaml.safe_load(path.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise PlanError(f"{path} cannot be read as YAML: {error}") from None
        if not isinstance(content, dict) or not {"plan", "extends"} & set(content):
            raise PlanError(f"{path} has no plan: give a list of activities under the key plan")
        if "plan" in content:
            try:
                return build_plan(content["plan"])
            except PlanError as error:
                raise PlanError(f"{path}: {error}") from None
        base = str(content["extends"])
        beside = [path.parent / base, path.parent / f"{base}.yaml"]
        path = next((each for each in beside if each.is_file()), None) or find_plan(base)
        if path in seen:
            raise PlanError(f"{path} extends itself: break the circle")
