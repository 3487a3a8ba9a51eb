# SPDX-License-Identifier: Apache-2.0
"""Only nature publishes on world/, and software never reads it: the graph of the system says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from geometry_msgs.msg import PoseStamped

from lupex_nodes.bus.parameters import Parameters
from lupex_nodes.bus.ports import Input, Output
from lupex_nodes.bus.unit import Kind, Unit
from lupex_nodes.system import System, UnitEntry, load_system

NATURE = "world/"


def breaches(system: System) -> list[str]:
    """Return every unit that publishes or reads what its kind may not."""
    found = []
    for place in system.places.values():
        kind = place.unit_class.kind
        if kind is not Kind.NATURE:
            found += [
                f"{place.name} publishes {topic}"
                for topic in place.outputs()
                if topic.startswith(NATURE)
            ]
        if kind is Kind.SOFTWARE:
            found += [
                f"{place.name} reads {topic}"
                for topic in place.subscriptions()
                if topic.startswith(NATURE)
            ]
        if (kind is Kind.NATURE) != (place.namespace == "world"):
            found.append(f"{place.name} of kind {kind.value} lives in {place.namespace}")
    return found


def test_the_truth_wall_stands() -> None:
    assert breaches(load_system()) == []


class Telepath(Unit):
    """Software that reads nature."""

    kind = Kind.SOFTWARE
    Parameters = Parameters
    pose = Input("world/pose", PoseStamped)


class Liar(Unit):
    """Hardware that publishes as nature."""

    kind = Kind.HARDWARE
    Parameters = Parameters
    pose = Output("world/pose", PoseStamped)


class Eavesdropper(Unit):
    """Software that reads nature by a pattern."""

    kind = Kind.SOFTWARE
    Parameters = Parameters
    all_of_it = Input("*/pose", PoseStamped)


class Nature(Unit):
    """Nature itself."""

    kind = Kind.NATURE
    Parameters = Parameters
    pose = Output("world/pose", PoseStamped)


@pytest.mark.parametrize(
    ("offender", "namespace"),
    [("Telepath", "rover"), ("Liar", "rover"), ("Eavesdropper", "rover"), ("Nature", "rover")],
)
def test_an_offender_is_found(offender: str, namespace: str) -> None:
    entries = (
        UnitEntry("nature", f"{__name__}:Nature", "world", "world"),
        UnitEntry("offender", f"{__name__}:{offender}", namespace, "rover"),
    )
    assert len(breaches(System(entries))) >= 1


def test_every_input_of_a_unit_is_counted_by_the_barrier() -> None:
    system = load_system()
    unreliable = [
        (place.name, topic)
        for place in system.places.values()
        for topic, port in place.subscriptions().items()
        if not port.qos.reliable
    ]
    assert unreliable == []


def test_publishers_and_readers_agree_on_type_and_quality() -> None:
    system = load_system()
    for place in system.places.values():
        for topic, output in place.outputs().items():
            for reader in system.subscribers.get(topic, ()):
                port = system.places[reader].subscriptions()[topic]
                assert port.message_type is output.message_type, (topic, reader)
                assert port.qos.latched <= output.qos.latched, (topic, reader)
                assert port.qos.reliable <= output.qos.reliable, (topic, reader)


def readers_of_the_ground() -> set[str]:
    """Return the files outside of nature that can make the true terrain."""
    package = Path(__file__).parent.parent / "lupex_nodes"
    return {
        str(path.relative_to(package))
        for folder in ("rover", "payload", "lander", "ground")
        for path in (package / folder).glob("*.py")
        if "world.ground import" in path.read_text()
    }


def test_software_knows_of_the_ground_only_what_the_uplinked_map_shows() -> None:
    software = {
        place.unit_class.__module__.replace("lupex_nodes.", "").replace(".", "/") + ".py"
        for place in load_system().places.values()
        if place.unit_class.kind is Kind.SOFTWARE
    }
    readers = readers_of_the_ground()
    assert "rover/uplinked_map.py" in readers and not readers & software
    package = Path(__file__).parent.parent / "lupex_nodes/rover"
    users = [p.name for p in package.glob("*.py") if "import uplinked_map" in p.read_text()]
    assert users == ["navigation.py"]
