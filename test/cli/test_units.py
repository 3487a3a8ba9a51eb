# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import pytest

from lupex_nodes.bus.ports import Output
from lupex_nodes.bus.unit import ports
from lupex_nodes.cli import BAD_INPUT, COMPLETE, main
from lupex_nodes.system import load_system

SYSTEM = load_system()
NAMES = [entry.name for entry in SYSTEM.units]


def test_the_table_has_every_unit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["units"]) == COMPLETE
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:] if not line.startswith(" ")] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_tells_all_it_has(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["units", name]) == COMPLETE
    printed = capsys.readouterr().out
    place = SYSTEM.places[name]
    for topic in (*place.inputs(), *place.outputs()):
        assert f"/{topic}".replace("//", "/") in printed
    for _, port in ports(place.unit_class, Output):
        for field in port.schema.fields if port.schema else ():
            assert re.search(rf"^ +{field.name} +{field.kind} ", printed, re.MULTILINE)
    for command in place.commands():
        assert command in printed
    for parameter, field in place.unit_class.Parameters.model_fields.items():
        assert f"  {parameter} " in printed
        assert " ".join(field.description.split()[:2]) in printed


def test_an_unknown_unit_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["units", "rador"]) == BAD_INPUT
    assert "there is no unit rador" in capsys.readouterr().err
