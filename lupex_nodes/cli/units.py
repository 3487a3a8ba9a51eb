# SPDX-License-Identifier: Apache-2.0
"""``lupex units``: what there is, from the code itself."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator

from lupex_nodes.bus.commands import Command
from lupex_nodes.bus.parameters import Parameters, how_to_write, is_live
from lupex_nodes.bus.place import COMMON, Place
from lupex_nodes.bus.ports import Input, Output
from lupex_nodes.cli import COMPLETE, BadInput, inputs
from lupex_nodes.cli.table import table
from lupex_nodes.recording.recorder import absolute_name, type_name
from lupex_nodes.system import SystemFileError, UnitEntry


def units(options: argparse.Namespace) -> int:
    """Print the table of units, or everything about one."""
    system = inputs.system()
    if options.name is None:
        head = ("UNIT", "KIND", "NODE", "CHANNEL", "WHAT IT IS")
        print("\n".join(table([_row(entry) for entry in system.units], head)))
        return COMPLETE
    try:
        entry = system.entry(options.name)
    except SystemFileError as error:
        raise BadInput(str(error)) from None
    print("\n".join(_about(entry, system.places[entry.name])))
    return COMPLETE


def _row(entry: UnitEntry) -> tuple[str, ...]:
    unit = entry.load()
    first = inspect.cleandoc(unit.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    node = f"/{entry.namespace}/{entry.name}"
    return entry.name, unit.kind.value, node, _channel(entry), first


def _channel(entry: UnitEntry) -> str:
    return f"{entry.supply}/{entry.channel}" if entry.supply else "-"


def _about(entry: UnitEntry, place: Place) -> Iterator[str]:
    unit = place.unit_class
    yield f"{entry.name}: {inspect.cleandoc(unit.__doc__ or '')}"
    yield ""
    changes = [f"{mode} -> {', '.join(to) or 'none'}" for mode, to in unit.modes.items()]
    yield from table([
        ("kind", unit.kind.value),
        ("node", f"/{entry.namespace}/{entry.name}"),
        ("class", entry.class_path),
        ("process", f"{entry.process} (when composition is vehicle)"),
        ("channel", _channel(entry)),
        ("period", f"{unit.period_s:g} s, at most {unit.max_period_s:g} s"),
        ("modes", "; ".join(changes)),
    ])
    yield from _ports("Inputs", place.inputs())
    yield from _ports("Outputs", place.outputs())
    yield from _commands(place)
    yield from _model("Parameters", unit.Parameters)
    yield from _model("Degradation (what physical faults change)", unit.Degradation)


def _ports(title: str, found: dict[str, Input] | dict[str, Output]) -> Iterator[str]:
    if not found:
        return
    yield f"\n{title}"
    for topic, port in found.items():
        how = port.qos.name
        if isinstance(port, Input) and port.queue:
            how += f", queue of {port.queue}"
        if isinstance(port, Input) and port.wake:
            how += ", wakes"
        yield f"  {absolute_name(topic)}  {type_name(port.message_type)}  {how}"
        if port.schema and isinstance(port, Output):
            yield from table([(f.name, f.kind, f.description) for f in port.schema.fields], (), 6)
        elif port.schema:
            yield f"      {', '.join(f.name for f in port.schema.fields)}"


def _commands(place: Place) -> Iterator[str]:
    yield "\nCommands"
    own = {name: each for name, each in place.commands().items() if name not in COMMON}
    for name, each in own.items():
        note = " (ends a running command)" if each.interrupts else ""
        yield f"  {name}: {each.description}{note}"
        yield from _arguments(each)
    yield f"  {', '.join(COMMON)}: as every unit"


def _arguments(command: Command) -> Iterator[str]:
    if command.arguments is bool:
        yield "      data: true or false"
    elif command.arguments:
        yield from table(_fields(command.arguments, False), (), 6)  # type: ignore[arg-type]


def _model(title: str, model: type[Parameters]) -> Iterator[str]:
    if not model.model_fields:
        return
    yield f"\n{title}"
    yield from table(_fields(model, model.__name__ == "Parameters"), (), 2)


def _fields(model: type[Parameters], show_live: bool) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, field in model.model_fields.items():
        value = "required" if field.is_required() else _value(field.default)
        fixed = "" if is_live(field) or not show_live else " [structural]"
        rows.append((name, value, how_to_write(field), f"{field.description or ''}{fixed}"))
    return rows


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    text = repr(value)
    return text if len(text) <= 24 else f"{text[:21]}..."
