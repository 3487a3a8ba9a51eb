# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from lupex_nodes.bus.commands import Command
from lupex_nodes.bus.parameters import Parameters, parameter
from lupex_nodes.plan import PlanError, Problem, build_plan, check_commands, load_plan


class Target(Parameters):
    x_m: float = parameter(..., "east", "m", ge=-100.0, le=100.0)


COMMANDS = {"navigation": {"go_to": Command("go_to", "drives", Target, "go_to")}}


def test_defaults_and_target():
    (first, second) = build_plan(
        [
            {"activity": "a", "command": "power/channels/imu/switch", "arguments": {"data": True}},
            {"activity": "b", "wait_s": 3},
        ]
    )
    assert first.target == ("power", "channels/imu/switch")
    assert (first.retries, first.mandatory, first.on_failure) == (0, True, "abort")
    assert second.wait_s == 3.0 and second.command is None


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ({"activity": "a"}, "give either command or wait_s"),
        ({"activity": "a", "wait_s": 1.0, "command": "x/y"}, "give either command or wait_s"),
        ({"activity": "a", "command": "x"}, "must be UNIT/COMMAND"),
        ({"wait_s": 1.0}, "activity is missing"),
        ({"activity": "a", "wait_s": -1.0}, "wait_s = -1.0 is refused"),
        ({"activity": "a", "wait_s": 1.0, "on_fail": "abort"}, "on_fail is not known here"),
        ({"activity": "a", "command": "x/y", "on_failure": "stop"}, "on_failure = 'stop'"),
        ("drive", "activity 1"),
    ],
)
def test_says_what_is_wrong(item, sentence):
    with pytest.raises(PlanError, match="activity 1") as caught:
        build_plan([item])
    assert sentence in str(caught.value)


def test_all_errors_at_once():
    with pytest.raises(PlanError) as caught:
        build_plan([{"activity": "a"}, {"wait_s": 1.0}, *[{"activity": "b", "wait_s": 1.0}] * 2])
    assert len(str(caught.value).splitlines()) == 3


def test_commands_are_checked_against_the_units():
    plan = build_plan(
        [
            {"activity": "a", "command": "navigation/go_to", "arguments": {"x_m": 1}},
            {"activity": "b", "command": "navigation/go_to", "arguments": {"x_m": 101.0}},
            {"activity": "c", "command": "navigation/fly"},
            {"activity": "d", "command": "nobody/fly"},
        ]
    )
    problems = list(check_commands(plan, COMMANDS))
    keys = [(1, "arguments"), (2, "command"), (3, "command")]
    assert [(p.place, p.key) for p in problems] == keys
    assert isinstance(problems[0], Problem) and "from -100 to 100" in problems[0].sentence


def test_a_plan_is_inherited(tmp_path):
    (tmp_path / "base.yaml").write_text("plan: [{activity: a, wait_s: 1.0}]\n")
    (tmp_path / "blank.yaml").write_text("extends: base\n")
    assert load_plan(str(tmp_path / "blank.yaml"))[0].activity == "a"
    (tmp_path / "one.yaml").write_text("extends: two\n")
    (tmp_path / "two.yaml").write_text("extends: one\n")
    with pytest.raises(PlanError, match="extends itself"):
        load_plan(str(tmp_path / "one.yaml"))


@pytest.mark.parametrize("text", ["[1, 2]", "name: x", "plan: []", "plan: {", "plan: 3"])
def test_a_broken_file_is_said(tmp_path, text):
    (tmp_path / "broken.yaml").write_text(text)
    with pytest.raises(PlanError, match="broken.yaml"):
        load_plan(str(tmp_path / "broken.yaml"))


def test_an_unknown_name_is_said():
    with pytest.raises(PlanError, match="there is no plan nowhere"):
        load_plan("nowhere")
