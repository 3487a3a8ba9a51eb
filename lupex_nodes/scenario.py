# SPDX-License-Identifier: Apache-2.0
"""A scenario: what is flown. A YAML file, checked as a whole before anything starts.

Every error is found at once and says its file, its line and how to write it right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator

from lupex_nodes import fault_schedule, located_yaml
from lupex_nodes.bus.parameters import Parameters, Refused, build, parameter
from lupex_nodes.bus.stamps import EpochError, check_epoch, seconds
from lupex_nodes.fault_schedule import ScheduledFault
from lupex_nodes.located_yaml import BadFile, Located, Mark, Problem, suggestion
from lupex_nodes.model_errors import explain
from lupex_nodes.plan import Activity, check_commands
from lupex_nodes.share import share_folder
from lupex_nodes.system import System
from lupex_nodes.unit_parameters import check_units, read_parameter_file

FOLDER = "config/scenarios"
_COMMAND_LINE = Path("command line")


class Site(Parameters):
    """Where the lander stands: the origin of the map."""

    latitude_deg: float = parameter(-89.45, "selenographic latitude", "deg", ge=-90, le=90)
    longitude_deg: float = parameter(222.7, "selenographic longitude", "deg", ge=-180, le=360)


class Terrain(Parameters):
    """The ground: a GeoTIFF of heights, or else a synthetic one drawn from the seed."""

    geotiff: str | None = parameter(None, "a GeoTIFF of heights; its place rules over the site's")
    size_m: float | None = parameter(None, "side of the synthetic terrain", "m", ge=1)
    pixel_m: float | None = parameter(None, "node distance of the synthetic terrain", "m", ge=0.01)
    seed: int | None = parameter(None, "of the synthetic terrain; -1: the scenario's", ge=-1)
    relief_scale: float | None = parameter(
        None, "relief over that of the polar highlands; 0 is level", ge=0, le=4
    )
    crater_density: float | None = parameter(
        None, "craters over those of an old surface", ge=0, le=1
    )
    rock_abundance: float | None = parameter(
        None, "k of the rocks' sizes: 0.003 on old highlands, 0.03 on fresh ejecta", ge=0, le=0.1
    )


class Scenario(Parameters):
    """What is flown, when, where and with which parameters."""

    name: str = Field(description="short name, as in results and bags", min_length=1)
    description: str = parameter("", "what the scenario is for, in a sentence")
    start: datetime = parameter(..., "first moment, UTC")
    duration_s: float = parameter(..., "length of the run", "s", ge=1)
    seed: int = parameter(1, "from which all randomness is drawn", ge=0, le=2**63 - 1)
    housekeeping_period_s: float = parameter(1.0, "period of /diagnostics", "s", ge=0.1, le=3600)
    site: Site = parameter(Site(), "place of the landing")
    terrain: Terrain = parameter(Terrain(), "the ground")
    parameters: dict[str, dict[str, Any]] = parameter(
        {}, "parameters of units that differ from their defaults, by unit"
    )
    plan: list[Activity] = parameter([], "activities that the executive carries out")
    faults: list[ScheduledFault] = parameter([], "faults that the injector puts into units")

    @field_validator("start", mode="before")
    @classmethod
    def _utc(cls, value: Any) -> Any:
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                return value
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        if isinstance(value, datetime) and value.tzinfo is None:
            value = value.replace(tzinfo=UTC)
        return value.astimezone(UTC) if isinstance(value, datetime) else value

    @property
    def start_ns(self) -> int:
        """The first moment in ns of UTC since 1970."""
        since = self.start - datetime(1970, 1, 1, tzinfo=UTC)
        return ((since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds) * 1000

    @property
    def end_ns(self) -> int:
        """The last moment in ns of UTC since 1970."""
        return self.start_ns + seconds(self.duration_s)

    def text(self) -> str:
        """Write the whole scenario, defaults and overrides included, as YAML."""
        data = self.model_dump(exclude_none=True)
        for key, rows in ("plan", self.plan), (fault_schedule.KEY, self.faults):
            data[key] = [row.model_dump(exclude_defaults=True) for row in rows]
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


@dataclass(frozen=True)
class CheckedScenario:
    """A scenario that can be flown, with the files it stands on; what a host flies.

    ``plan_file`` is how the executive finds the plan: the scenario's name or path, empty without a
    plan. ``site`` is the scenario's, or that of the terrain's file when it has one.
    """

    scenario: Scenario
    system: System
    plan_file: str
    site: Site
    geotiff: Path | None = None

    def portable_text(self) -> str:
        """Write the scenario as YAML that can be read from another folder."""
        if self.geotiff is None:
            return self.scenario.text()
        terrain = self.scenario.terrain.model_copy(update={"geotiff": str(self.geotiff.resolve())})
        return self.scenario.model_copy(update={"terrain": terrain}).text()

    @cached_property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """The parameters of each unit that differ from the unit's own defaults.

        Site and terrain reach every unit that declares them (``latitude_deg``, ``longitude_deg``,
        ``terrain_*``); the executive gets its plan. What the scenario says of a unit rules.
        """
        terrain = self.scenario.terrain.model_dump(exclude_none=True)
        if self.geotiff:
            terrain["geotiff"] = str(self.geotiff)
        shared = {
            **self.site.model_dump(), **{f"terrain_{key}": value for key, value in terrain.items()}
        }
        found: dict[str, dict[str, Any]] = {}
        for entry in self.system.units:
            fields = entry.load().Parameters.model_fields
            given = {name: value for name, value in shared.items() if name in fields}
            if entry.name == "executive" and self.plan_file:
                given["plan"] = self.plan_file
            if self.scenario.faults and self.system.places[entry.name].injects:
                given["schedule"] = [fault.text() for fault in self.scenario.faults]
            found[entry.name] = {**given, **self.scenario.parameters.get(entry.name, {})}
        return found


def scenario_names() -> list[str]:
    """Return the names of the scenarios that are installed with the package."""
    return sorted(path.stem for path in (share_folder() / FOLDER).glob("*.yaml"))


def find_scenario(name: str, beside: Path | None = None) -> Path:
    """Return a scenario's file by path or by name; raise FileNotFoundError with a sentence."""
    tried = [beside / name, beside / f"{name}.yaml"] if beside else [Path(name)]
    tried.append(share_folder() / FOLDER / f"{name}.yaml")
    for path in tried:
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"there is no scenario {name}: {suggestion(name, scenario_names())}; "
        "or give the path of a YAML file"
    )


def load_scenario(
    name: str,
    system: System,
    *,
    overrides: Mapping[str, Any] | None = None,
    parameter_file: Path | None = None,
    fault_files: Sequence[Path] = (),
    faults: Sequence[str] = (),
) -> CheckedScenario:
    """Read and check a scenario with what is put over it.

    ``overrides`` are values of the command line by key (``{"seed": 3, "terrain": {...}}``);
    ``parameter_file`` is a ROS parameter file. ``fault_files`` and ``faults`` (``ID@T+D``) are
    added to the scenario's own faults. Raises :class:`BadFile` with every error.
    """
    located = _read_with_bases(name)
    if overrides:
        located = _located(dict(overrides)).over(located)
    if parameter_file:
        located = read_parameter_file(parameter_file, system).over(located)
    if fault_files or faults:
        fault_schedule.add(located, fault_files, faults)
    return check(located, system, name)


def check(located: Located, system: System, plan_file: str) -> CheckedScenario:
    """Check a scenario's data against the models of the system's units, or raise BadFile."""
    data = located.data if isinstance(located.data, dict) else {}
    if not isinstance(located.data, dict):
        located.problem((), "a scenario is a mapping: write name, start, duration_s, site, plan")
    scenario = None
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        for place, sentence in explain(error, Scenario, data):
            located.problem(place, sentence)
    geotiff, site = _terrain_file(located, data)
    if scenario:
        _check_epochs(located, scenario)
    check_units(located, system)
    _check_plan(located, data, system)
    if scenario:
        fault_schedule.check(located, system.places, scenario.duration_s)
    located.check()
    assert scenario is not None
    plan_file = plan_file if scenario.plan else ""
    checked = CheckedScenario(scenario, system, plan_file, site or scenario.site, geotiff)
    # Site and terrain are put together with the unit's own values only now.
    for unit, values in checked.parameters.items():
        try:
            build(system.entry(unit).load().Parameters, values)
        except Refused as error:
            located.problem(("parameters", unit), f"{unit} refuses what it is given: {error}")
    located.check()
    return checked


def _read_with_bases(name: str) -> Located:
    """Read a scenario and what it extends, the nearest on top."""
    try:
        path = find_scenario(name)
    except FileNotFoundError as error:
        raise BadFile([Problem(Mark(_COMMAND_LINE, 1), (), str(error))]) from None
    layers = []
    seen = set()
    while True:
        seen.add(path.resolve())
        layer = located_yaml.read(path)
        layers.append(layer)
        base = layer.data.pop("extends", None) if isinstance(layer.data, dict) else None
        if base is None:
            break
        try:
            path = find_scenario(str(base), path.parent)
        except FileNotFoundError as error:
            layer.problem(("extends",), str(error))
            break
        if path.resolve() in seen:
            layer.problem(("extends",), f"{base} extends this file again: break the circle")
            break
    located = layers.pop()
    while layers:
        located = layers.pop().over(located)
    return located


def _located(data: dict[str, Any]) -> Located:
    """Give values of the command line marks of their own."""
    marks: dict[tuple[str | int, ...], Mark] = {}

    def mark(place: tuple[str | int, ...], value: Any) -> None:
        marks[place] = Mark(_COMMAND_LINE, 1)
        if isinstance(value, dict):
            for key, inner in value.items():
                mark((*place, key), inner)

    mark((), data)
    return Located(data, marks)


def _check_epochs(located: Located, scenario: Scenario) -> None:
    for place, moment in (("start",), scenario.start_ns), (("duration_s",), scenario.end_ns):
        try:
            check_epoch(moment)
        except EpochError as error:
            located.problem(place, str(error))
            return


def _terrain_file(located: Located, data: Mapping[str, Any]) -> tuple[Path | None, Site | None]:
    """Return the terrain's file and place; a relative path is from the file that names it."""
    terrain = data.get("terrain")
    name = terrain.get("geotiff") if isinstance(terrain, dict) else None
    if not isinstance(name, str):
        return None, None
    from lupex_nodes.models import geotiff

    place = ("terrain", "geotiff")
    path = located.mark(place).file.parent / name
    if not path.is_file():
        located.problem(place, f"there is no file {path}: give the path of a GeoTIFF of heights")
        return None, None
    try:
        landing = geotiff.load(path)
    except (ValueError, OSError) as error:
        located.problem(place, str(error))
        return None, None
    return path, Site(
        latitude_deg=landing.latitude_deg, longitude_deg=landing.longitude_deg
    )


def _check_plan(located: Located, data: Mapping[str, Any], system: System) -> None:
    items = data.get("plan")
    if not isinstance(items, list):
        return
    activities: dict[int, Activity] = {}
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        try:
            activity = Activity.model_validate(item)
        except ValidationError:
            continue  # told with the rest of the form
        activities[index] = activity
        earlier = first.setdefault(activity.activity, index)
        if earlier != index:
            line = located.mark(("plan", earlier)).line
            located.problem(
                ("plan", index, "activity"),
                f"{activity.activity} is also the name of the activity in line {line}: "
                "give each a name of its own",
            )
    commands = {name: place.commands() for name, place in system.places.items()}
    indices = list(activities)
    for index, key, sentence in check_commands(list(activities.values()), commands):
        located.problem(("plan", indices[index], key), sentence)

