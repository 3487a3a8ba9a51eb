# SPDX-License-Identifier: Apache-2.0
"""The system: which units there are, where they run, and what connects them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from lupex_nodes import located_yaml
from lupex_nodes.bus.place import COMMANDS, DIAGNOSTICS, EVENTS, Place
from lupex_nodes.bus.unit import Unit
from lupex_nodes.located_yaml import BadFile, Mark
from lupex_nodes.share import share_file

COMPOSITIONS = ("all", "vehicle", "unit")
#: Topics on which every slot publishes; all others have one publisher.
SHARED_TOPICS = (DIAGNOSTICS, EVENTS, COMMANDS)


class SystemFileError(ValueError):
    """A list of units that does not make a system."""


@dataclass(frozen=True)
class UnitEntry:
    """One row of system.yaml; ``supply`` feeds ``channel``, ``where`` is its file and line."""

    name: str
    class_path: str
    namespace: str
    process: str
    supply: str | None = None
    channel: str | None = None
    where: str = field(default="the list of units", compare=False)

    def load(self) -> type[Unit]:
        """Import the unit's class."""
        module, _, name = self.class_path.partition(":")
        try:
            found = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise self._unusable(str(error)) from error
        if not (isinstance(found, type) and issubclass(found, Unit)):
            raise self._unusable("that is no class of units")
        return found

    def _unusable(self, reason: str) -> SystemFileError:
        return SystemFileError(
            f"{self.where}: unit {self.name} cannot be loaded from {self.class_path}: {reason}; "
            "write MODULE:CLASS"
        )


@dataclass(frozen=True)
class System:
    """The units of the system and the graph between them; ``path`` if a user gave the list."""

    units: tuple[UnitEntry, ...]
    path: Path | None = None

    def entry(self, name: str) -> UnitEntry:
        """Return the entry of a unit by its leaf name."""
        for entry in self.units:
            if entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in self.units)
        raise SystemFileError(f"there is no unit {name}; the units are {known}")

    def processes(self, composition: str) -> dict[str, list[str]]:
        """Return the process names of a composition and the units in each, in system order."""
        if composition not in COMPOSITIONS:
            raise SystemFileError(
                f"composition {composition} is unknown: choose one of {', '.join(COMPOSITIONS)}"
            )
        members: dict[str, list[str]] = {}
        for unit in self.units:
            process = {"all": "lupex", "vehicle": unit.process, "unit": unit.name}[composition]
            members.setdefault(process, []).append(unit.name)
        return members

    def subset(self, names: Sequence[str]) -> System:
        """Return the system of the named units alone."""
        chosen = [self.entry(name) for name in names]
        return System(tuple(chosen), self.path)

    @cached_property
    def places(self) -> dict[str, Place]:
        """Return each unit's place, sorted by name: the order in which ticks run."""
        classes = {entry.name: entry.load() for entry in self.units}
        bare = {
            entry.name: Place(entry.name, entry.namespace, classes[entry.name])
            for entry in self.units
        }
        published = [topic for place in bare.values() for topic in place.outputs()]
        places = {}
        for entry in sorted(self.units, key=lambda each: each.name):
            inputs = bare[entry.name].inputs()
            supply = next((u for u in self.units if u.name == entry.supply), None)
            places[entry.name] = Place(
                entry.name,
                entry.namespace,
                classes[entry.name],
                entry.channel,
                f"{supply.namespace}/{supply.name}/channels" if supply else None,
                tuple(dict.fromkeys(
                    u.channel for u in self.units if u.supply == entry.name and u.channel
                )),
                {
                    pattern: tuple(t for t in published if fnmatchcase(t, pattern))
                    for pattern, port in inputs.items() if port.many
                },
            )
        return places

    @cached_property
    def publishers(self) -> dict[str, list[str]]:
        """Return the units that publish each topic."""
        found: dict[str, list[str]] = defaultdict(list)
        for place in self.places.values():
            for topic in (*place.outputs(), *SHARED_TOPICS):
                found[topic].append(place.name)
        return dict(found)

    @cached_property
    def subscribers(self) -> dict[str, list[str]]:
        """Return the units that read each topic."""
        found: dict[str, list[str]] = defaultdict(list)
        for place in self.places.values():
            for topic in place.subscriptions():
                found[topic].append(place.name)
        return dict(found)


def load_system(path: Path | None = None) -> System:
    """Read a list of units; the system.yaml installed with the package when no path is given."""
    given, path = path, path or share_file("config/system.yaml")
    try:
        located = located_yaml.read(path)
        located.check()
    except BadFile as error:
        raise SystemFileError(str(error)) from None
    rows = located.data.get("units") if isinstance(located.data, dict) else None
    if not isinstance(rows, list) or not rows:
        raise SystemFileError(f"{path} has no list of units: write it under units, one a row")
    units = tuple(_entry(row, located.mark(("units", i))) for i, row in enumerate(rows))
    _check(units)
    return System(units, given)


def _entry(row: Any, mark: Mark) -> UnitEntry:
    where = f"{mark.file}:{mark.line}"
    required = {"name", "class", "namespace", "process"}
    if not isinstance(row, dict) or not required <= set(row) <= required | {"channel"}:
        raise SystemFileError(
            f"{where}: a unit must have name, class, namespace, process and may have channel, "
            "nothing else"
        )
    for key, value in row.items():
        if not isinstance(value, str) or not value:
            raise SystemFileError(f"{where}: {key} {value!r} is refused: give a text")
    supply, _, channel = row.get("channel", "").partition("/")
    return UnitEntry(
        row["name"],
        row["class"],
        row["namespace"],
        row["process"],
        supply or None,
        channel or None,
        where,
    )


def _check(units: Sequence[UnitEntry]) -> None:
    names = [unit.name for unit in units]
    for unit in units:
        if names.count(unit.name) > 1:
            raise SystemFileError(
                f"{unit.where}: the unit name {unit.name} stands twice: names are unique"
            )
        if unit.supply and (unit.supply not in names or not unit.channel):
            raise SystemFileError(
                f"{unit.where}: channel of {unit.name} must be SUPPLY/CHANNEL with a unit as supply"
            )
