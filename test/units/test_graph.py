# SPDX-License-Identifier: Apache-2.0
"""What holds for every unit of the system."""

from __future__ import annotations

from collections import Counter

import pytest
from unit_bench import Bench

from lupex_nodes.bus.parameters import bounds, unit_of
from lupex_nodes.bus.unit import Kind
from lupex_nodes.recording.cdr import to_cdr as serialize
from lupex_nodes.system import SHARED_TOPICS, load_system

PLACES = load_system().places
#: What operators publish with tools such as rviz, and no unit does.
FROM_OUTSIDE = ("goal_pose",)
#: What a drill will bring up: without one, looks at cuttings are refused.
NOT_YET = ("world/cuttings",)


def test_software_does_not_read_nature_and_nature_alone_writes_it():
    for place in PLACES.values():
        kind = place.unit_class.kind
        reads = [topic for topic in place.subscriptions() if topic.startswith("world/")]
        writes = [topic for topic in place.outputs() if topic.startswith("world/")]
        assert kind is not Kind.SOFTWARE or not reads, place.name
        assert kind is Kind.NATURE or not writes, place.name


def test_every_input_has_one_writer_of_the_same_type_and_quality():
    writers = {topic: port for p in PLACES.values() for topic, port in p.outputs().items()}
    counts = Counter(topic for place in PLACES.values() for topic in place.outputs())
    assert max(counts.values()) == 1
    for place in PLACES.values():
        for topic, port in place.subscriptions().items():
            if topic in (*SHARED_TOPICS, *FROM_OUTSIDE, *NOT_YET, place.channels_topic):
                continue
            writer = writers[topic]
            assert writer.message_type is port.message_type, (place.name, topic)
            assert writer.qos is port.qos, (place.name, topic)
            assert writer.schema is port.schema, (place.name, topic)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_unit_says_what_it_is(place):
    unit = place.unit_class
    assert unit.__doc__ and len(place.commands()) >= 3
    for model in (unit.Parameters, unit.Degradation):
        for name, field in model.model_fields.items():
            assert field.description, name
            if name.rsplit("_", 1)[-1] in ("m", "s", "k", "w", "deg", "ohm"):
                assert unit_of(field), f"{name} has a unit in its name but not in its description"
            assert bounds(field) is not None


def test_no_more_than_ten_values_of_housekeeping_and_all_units_beat():
    bench = Bench().run(30)
    units = Counter()
    for _, message in bench.log["/diagnostics"]:
        (status,) = message.status
        units[status.hardware_id] += 1
        assert len(status.values) <= 10, status.hardware_id
    assert set(units) == set(PLACES) and set(units.values()) == {30}


def test_messages_are_never_changed_after_publication():
    bench = Bench(executive={"plan": "sortie"})
    before = []

    def message(now, emission):
        before.append((emission.message, serialize(emission.message)))

    bench.log.message = message
    bench.run(20)
    bench.bus.request("navigation", "go_to", x_m=17.0, y_m=1.0)
    bench.run(60)
    assert len(before) > 1500
    for each, data in before:
        assert serialize(each) == data, type(each)


def test_the_same_seed_gives_the_same_bytes():
    flights = []
    for seed in (7, 7, 8):
        bench = Bench(seed=seed)
        data = []
        bench.log.message = lambda now, e, data=data: data.append(
            (now, e.topic, serialize(e.message))
        )
        bench.bus.request("navigation", "go_to", x_m=17.0, y_m=1.0)
        bench.run(60)
        flights.append(data)
    assert flights[0] == flights[1] != flights[2]
