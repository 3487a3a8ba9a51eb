# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from lupex_nodes.bus.commands import Command
from lupex_nodes.bus.parameters import Parameters, Refused, parameter
from lupex_nodes.cli.command import read_arguments


class Everything(Parameters):
    number: float = parameter(1.0, "")
    count: int = parameter(1, "")
    on: bool = parameter(False, "")
    name: str = parameter("", "")
    heights: list[float] = parameter([], "")


COMMAND = Command("all", "", Everything, "all")


def test_texts_become_what_the_command_takes() -> None:
    texts = ["number=3", "count=4", "on=True", "name=5", "heights=1,2.5"]
    values = read_arguments(COMMAND, texts)
    assert values == {"number": 3.0, "count": 4, "on": True, "name": "5", "heights": [1.0, 2.5]}
    assert isinstance(values["number"], float)
    COMMAND.parse(values)


def test_an_empty_list_and_an_equals_sign_in_a_text_can_be_given() -> None:
    assert read_arguments(COMMAND, ["heights=", "name=a=b"]) == {"heights": [], "name": "a=b"}


@pytest.mark.parametrize("text", ["number", "=3", "number=x", "count=1.5", "on=maybe", "what=1"])
def test_what_does_not_fit_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(Refused) as refused:
        COMMAND.parse(read_arguments(COMMAND, [text]))
    assert "\n" not in str(refused.value)


def test_an_argument_given_twice_is_refused() -> None:
    with pytest.raises(Refused, match="given twice"):
        read_arguments(COMMAND, ["count=1", "count=2"])


def test_a_switch_takes_data() -> None:
    switch = Command("switch", "", bool, "switch")
    assert switch.parse(read_arguments(switch, ["data=true"])) is True
