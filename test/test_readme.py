# SPDX-License-Identifier: Apache-2.0
"""What README.md and docs/ tell a reader to type, open or look at is there, and works."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from lupex_nodes import cli
from lupex_nodes.bus.memory import MemoryBus
from lupex_nodes.bus.place import DIAGNOSTICS
from lupex_nodes.bus.ros.interfaces import service_type
from lupex_nodes.bus.slot import Emission, State
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.cli.command import read_arguments
from lupex_nodes.launch_plan import ARGUMENTS, REPLAY_ARGUMENTS
from lupex_nodes.launch_plan import check as check_launch
from lupex_nodes.recording.recorder import absolute_name, type_name
from lupex_nodes.scenario import load_scenario, scenario_names
from lupex_nodes.system import load_system

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
SYSTEM = load_system(ROOT / "config/system.yaml")
EXAMPLE = "lupex_nodes/rover/sun_sensor.py"
#: Where a path in the text may be meant from.
FROM = [ROOT / part for part in (".", "lupex_nodes", "launch")]


def blocks(language: str = "") -> list[str]:
    """Return the fenced blocks of one language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.M | re.S)
    return [text for kind, text in found if kind == language]


def lines(program: str) -> list[list[str]]:
    """Return the words of every line that a reader types for one program."""
    return [
        shlex.split(line)[1:]
        for block in blocks()
        for line in block.splitlines()
        if line.startswith(f"{program} ")
    ]


def quoted(text: str) -> list[str]:
    """Return what stands between single backticks, outside of blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))


TOPICS = {
    absolute_name(topic): type_name(port.message_type)
    for place in SYSTEM.places.values()
    for topic, port in place.outputs().items()
} | {
    name: "diagnostic_msgs/msg/DiagnosticArray" for name in (DIAGNOSTICS, "/events", "/commands")
}
NODES = {f"/{place.namespace}/{place.name}": place for place in SYSTEM.places.values()}


# --- The example of a unit --------------------------------------------------------------------


class Light:
    """An observer of the Sun sensor."""

    def __init__(self) -> None:
        self.lux: list[float] = []

    def message(self, now: int, emission: Emission) -> None:
        if emission.topic == "rover/sun_sensor/light":
            self.lux.append(emission.message.illuminance)

    def tick(self, now: int) -> None:
        """Pass."""


@pytest.fixture
def flown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[MemoryBus, Light]:
    """Return the whole system with the README's unit, made from the README's text alone."""
    (code,), (line,) = blocks("python"), blocks("yaml")
    module = ModuleType(EXAMPLE.removesuffix(".py").replace("/", "."))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(code, "README.md", "exec"), module.__dict__)
    units = yaml.safe_load((ROOT / "config/system.yaml").read_text())["units"]
    (tmp_path / "system.yaml").write_text(yaml.safe_dump({"units": units + yaml.safe_load(line)}))
    system = load_system(tmp_path / "system.yaml")
    checked = load_scenario("sortie", system)
    light = Light()
    bus = MemoryBus(
        system, checked.parameters, seed=1, start=checked.scenario.start_ns, observers=[light]
    )
    bus.activate()
    return bus, light


def test_the_unit_of_the_readme_measures_obeys_and_loses_its_power(
    flown: tuple[MemoryBus, Light],
) -> None:
    bus, light = flown

    def run(steps: int) -> None:
        bus.run(bus.now + steps * SECOND)

    run(10)
    # 133 klx outside of the atmosphere, and the Sun is up and almost whole
    assert 100e3 < min(light.lux) < max(light.lux) < 140e3
    assert len(set(light.lux)) == len(light.lux)
    assert bus.request("sun_sensor", "tare").accepted
    run(2)
    assert abs(light.lux[-1]) < 1000.0
    assert bus.request("power", "channels/sun_sensor/switch", data=False).accepted
    run(3)
    assert bus.slots["sun_sensor"].state is State.UNPOWERED
    before = len(light.lux)
    run(5)
    assert len(light.lux) == before
    assert not bus.request("sun_sensor", "tare").accepted


def test_the_unit_of_the_readme_is_not_longer_than_it_says(flown: Any) -> None:
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 32
    assert not (ROOT / EXAMPLE).exists()


# --- What is typed ----------------------------------------------------------------------------


@pytest.mark.parametrize("words", lines("lupex"), ids=" ".join)
def test_a_lupex_command_is_one(words: list[str]) -> None:
    options = cli.parser().parse_args(words)
    if options.function == "command":
        command = SYSTEM.places[options.unit].commands()[options.name]
        command.parse(read_arguments(command, options.arguments))
    if options.function == "run":
        assert options.scenario in scenario_names()


def test_commands_in_the_text_are_of_the_parser() -> None:
    words = [text.split() for text in quoted(README + ARCHITECTURE) if text.startswith("lupex ")]
    assert words
    for _, name, *_ in words:
        assert f" {name} " in cli.parser().format_help(), name


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {words[0] for words in lines("make")}
    named |= {text.split()[1] for text in quoted(README) if text.startswith("make ")}
    assert {"demo", "test"} <= named <= targets


@pytest.mark.parametrize(
    "words", [w for w in lines("ros2") if w[0] in ("launch", "run")], ids=" ".join
)
def test_launch_and_run_find_what_they_name(words: list[str]) -> None:
    kind, package, name, *given = words
    assert package == "lupex_nodes"
    if kind == "run":
        assert name in SYSTEM.places
        return
    assert (ROOT / "launch" / name).is_file()
    values = {argument.name: argument.default for argument in ARGUMENTS}
    for text in given:
        key, value = text.split(":=")
        if name == "replay.launch.py":
            assert key in {"rviz", *(argument.name for argument in REPLAY_ARGUMENTS)}
            continue
        argument = next(each for each in ARGUMENTS if each.name == key)
        assert not argument.choices or value in argument.choices
        values[key] = value
    check_launch(values)


@pytest.mark.parametrize(
    "words", [w for w in lines("ros2") if w[0] not in ("launch", "run")], ids=" ".join
)
def test_what_is_watched_with_ros2_exists(words: list[str]) -> None:
    tool, verb, name, *rest = words
    if tool == "topic":
        assert verb in ("echo", "hz") and name in TOPICS
    elif tool == "lifecycle":
        assert name in NODES
    elif tool == "param":
        fields = NODES[name].unit_class.Parameters.model_fields
        assert rest[0] in fields
        if verb == "set":
            values = {rest[0]: yaml.safe_load(rest[1])}
            assert NODES[name].unit_class.Parameters(**values)
    else:
        assert (tool, verb) == ("service", "call")
        node = next(each for each in NODES if name.startswith(each + "/"))
        kind = service_type(NODES[node].commands()[name.removeprefix(node + "/")])
        assert rest[0] == f"{kind.__module__.partition('.')[0]}/srv/{kind.__name__}"


# --- What is named ----------------------------------------------------------------------------


def test_the_table_of_topics_is_right() -> None:
    rows = re.findall(r"^\| `(/[\w/]+)` \| `([\w/]+)` \|", README, re.M)
    assert len(rows) >= 9
    assert {name: TOPICS.get(name) for name, _ in rows} == dict(rows)


@pytest.mark.parametrize("text", [README, ARCHITECTURE], ids=["README", "architecture"])
def test_paths_that_are_named_exist(text: str) -> None:
    top = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"demo", "runs", "build"}
    named = {word for word in quoted(text) if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", word)}
    paths = {
        word
        for word in named
        if word.split("/")[0] in top or re.search(r"\.(py|yaml|xml|md|txt|rviz)$", word)
    } - {EXAMPLE, "metadata.yaml"}
    assert len(paths) > 5
    inner = [*FROM, *(ROOT / "lupex_nodes").glob("*/")]
    places = [*inner, ROOT / "lupex_nodes/bus/ros"]
    missing = [word for word in paths if not any((place / word).exists() for place in places)]
    assert missing == []


@pytest.mark.parametrize("file", ["README.md", "docs/architecture.md", "docs/validation.md"])
def test_links_lead_somewhere(file: str) -> None:
    path = ROOT / file
    for link in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).is_file(), link


def test_names_in_the_architecture_stand_in_the_sources() -> None:
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("lupex_nodes", "launch", "config", "test")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".yaml", ".xml") and path != Path(__file__)
    )
    names = {word for word in quoted(ARCHITECTURE) if re.fullmatch(r"[A-Za-z_]\w{3,}", word)}
    assert len(names) > 20
    assert [name for name in sorted(names) if not re.search(rf"\b{name}", sources)] == []


def test_the_picture_is_a_small_png() -> None:
    picture = ROOT / "docs/sortie.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 300_000
