# SPDX-License-Identifier: Apache-2.0
"""Parameters of units as files give them: the check, and ROS parameter files as a layer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lupex_nodes import located_yaml
from lupex_nodes.located_yaml import Located, Place, suggestion
from lupex_nodes.model_errors import explain
from lupex_nodes.system import System, UnitEntry

VALUES = "ros__parameters"
#: What every ROS 2 node has; the host sets it itself.
_OF_EVERY_NODE = {"use_sim_time"}


def check_units(located: Located, system: System) -> None:
    """Note as problems what is wrong in ``parameters: {unit: {name: value}}``."""
    given = located.data.get("parameters") if isinstance(located.data, dict) else None
    if not isinstance(given, dict):
        return
    known = {entry.name: entry for entry in system.units}
    for unit, values in given.items():
        place = ("parameters", unit)
        if unit not in known:
            located.problem(place, f"there is no unit {unit}: {suggestion(unit, known)}")
        elif isinstance(values, dict):
            model = known[unit].load().Parameters
            try:
                model.model_validate(values)
            except ValidationError as error:
                for inner, sentence in explain(error, model, values):
                    located.problem((*place, *inner), sentence)


def check_parameter_file(path: Path, system: System) -> int:
    """Check a ROS parameter file alone; return how many values it sets, or raise BadFile."""
    layer = read_parameter_file(path, system)
    check_units(layer, system)
    layer.check()
    return sum(len(values) for values in layer.data["parameters"].values())


def read_parameter_file(path: Path, system: System) -> Located:
    """Read a parameter file as the layer ``{"parameters": {unit: {name: value}}}``.

    Nodes are named as in ROS 2 (``/rover/imu``, ``/**``, ``/rover/*``, nested namespaces) or by
    the unit alone. What ``/**`` sets goes to every unit that declares it. Later entries rule.
    What is wrong is in the layer's problems; raises BadFile when it is no YAML.
    """
    located = located_yaml.read(path)
    layer = Located({"parameters": {}}, {(): located.mark(())}, located.problems)
    layer.marks["parameters",] = located.mark(())
    if not isinstance(located.data, dict) or not located.data:
        located.problem((), f"write nodes with {VALUES}, as in `imu: {{{VALUES}: {{}}}}`")
        located.check()
    for place, pattern, values in _nodes(located, (), "", located.data):
        entries = [entry for entry in system.units if _matches(pattern, entry)]
        if not entries:
            names = [entry.name for entry in system.units]
            located.problem(place, f"no unit is {pattern}: {suggestion(place[-1], names)}")
        for name, value in values.items():
            _give(located, layer, (*place, VALUES, name), entries, value)
    return layer


def _nodes(
    located: Located, place: Place, namespace: str, data: dict[str, Any]
) -> Iterator[tuple[Place, str, dict[str, Any]]]:
    for key, value in data.items():
        inner = (*place, key)
        pattern = f"{namespace}/{key.strip('/')}"
        if not isinstance(value, dict):
            located.problem(inner, f"this must be a mapping with {VALUES}")
        elif VALUES not in value:
            yield from _nodes(located, inner, pattern, value)
        elif not isinstance(value[VALUES], dict):
            located.problem((*inner, VALUES), "this must be a mapping of parameters: `name: value`")
        else:
            yield inner, pattern, value[VALUES]


def _matches(pattern: str, entry: UnitEntry) -> bool:
    """Match as rcl does: ``*`` is one name, ``**`` any number of them; or the unit's name."""
    return pattern == f"/{entry.name}" or _match(
        pattern.strip("/").split("/"), [*entry.namespace.split("/"), entry.name]
    )


def _match(pattern: list[str], names: list[str]) -> bool:
    if not pattern:
        return not names
    if pattern[0] == "**":
        return any(_match(pattern[1:], names[i:]) for i in range(len(names) + 1))
    return bool(names) and pattern[0] in ("*", names[0]) and _match(pattern[1:], names[1:])


def _give(
    located: Located, layer: Located, place: Place, entries: list[UnitEntry], value: Any
) -> None:
    name = str(place[-1])
    if name in _OF_EVERY_NODE or not entries:
        return
    fields = {entry.name: entry.load().Parameters.model_fields for entry in entries}
    # A wildcard reaches those that have the parameter; a node that is named must have it.
    wanted = [unit for unit in fields if name in fields[unit]]
    if not wanted:
        known = {each for unit in fields for each in fields[unit]}
        located.problem(place, f"no unit that this reaches has it: {suggestion(name, known)}")
    for unit in wanted:
        layer.data["parameters"].setdefault(unit, {})[name] = value
        layer.marks["parameters", unit] = located.mark(place)
        layer.marks["parameters", unit, name] = located.mark(place)
