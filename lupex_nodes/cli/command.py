# SPDX-License-Identifier: Apache-2.0
"""``lupex command``: tell a unit on ROS 2 what to do."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, get_args

from lupex_nodes.bus.commands import Command
from lupex_nodes.bus.parameters import Refused
from lupex_nodes.cli import COMPLETE, ENDED_OTHERWISE, BadInput, inputs
from lupex_nodes.located_yaml import suggestion


def command(options: argparse.Namespace) -> int:
    """Send a command and say how it ended."""
    places = inputs.system().places
    if options.unit not in places:
        raise BadInput(f"there is no unit {options.unit}: {suggestion(options.unit, places)}")
    known = places[options.unit].commands()
    if options.name not in known:
        raise BadInput(
            f"{options.unit} has no command {options.name}: {suggestion(options.name, known)}"
        )
    try:
        values = read_arguments(known[options.name], options.arguments)
        known[options.name].parse(values)
    except Refused as error:
        raise BadInput(str(error)) from None
    with inputs.needs_ros():
        from lupex_nodes.bus.ros.command_client import send
    ended_well, sentence = send(
        places[options.unit], known[options.name], values, options.timeout, root=options.root
    )
    print(sentence)
    return COMPLETE if ended_well else ENDED_OTHERWISE


def read_arguments(command: Command, texts: Sequence[str]) -> dict[str, Any]:
    """Read ``key=value`` texts as the types that the command's arguments have."""
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise Refused(f"{text!r} is no argument: write key=value")
        if key in values:
            raise Refused(f"{key} is given twice: give it once")
        values[key] = _read(_kind(command, key), value)
    return values


def _kind(command: Command, key: str) -> Any:
    if command.arguments is bool:
        return bool
    fields = getattr(command.arguments, "model_fields", {})
    return fields[key].annotation if key in fields else str


def _read(kind: Any, text: str) -> Any:
    """Read one value; what does not fit stays a text, which the command's model then refuses."""
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return text
    if getattr(kind, "__origin__", None) is list:
        return [_read(get_args(kind)[0], item) for item in text.split(",") if item]
    return text
