# SPDX-License-Identifier: Apache-2.0
"""Flies units again, alone, over what the bag of a lock-step flight holds for them.

A unit knows nothing but its inputs, commands, parameters and seed, and such a bag has them all.
What was published at a tick is delivered after it, commands come before the tick that reported
their acceptance, and calls to other units get the replies that were recorded. So a unit whose code
is the recorded one says again, message for message, what it said then; a unit that was changed
shows in what it differs.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.serialization import deserialize_message

from lupex_nodes.bus.commands import Call, Command, Stage, no_answer
from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.parameters import Refused
from lupex_nodes.bus.place import COMMANDS
from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.slot import Emission, Slot
from lupex_nodes.bus.ticks import TICK, Tick
from lupex_nodes.payload.survey_instrument import SurveyInstrument
from lupex_nodes.recording.bag_reader import Bag, BagMessage, open_bag
from lupex_nodes.recording.bag_writer import BagWriter
from lupex_nodes.recording.cdr import to_cdr
from lupex_nodes.recording.message_difference import Comparison, difference_at
from lupex_nodes.recording.products_again import ProductsAgain
from lupex_nodes.recording.recorder import absolute_name, type_name
from lupex_nodes.system import SHARED_TOPICS, System, SystemFileError

#: The source of every command that came as a ROS 2 service call, a unit's included.
_SERVICE = "service"


class RerunError(ValueError):
    """Units that cannot be flown again over a bag; the text is one sentence."""


class _Report(NamedTuple):
    """The acceptance or refusal of a command, as it was recorded at a tick."""

    time_ns: int
    unit: str
    command: str
    source: str
    accepted: bool
    text: str
    arguments: str


@dataclass
class _Recording:
    """What a bag says of a flight besides its messages."""

    bag: Bag
    root: str
    system: System
    requests: dict[int, list[_Report]] = field(default_factory=lambda: defaultdict(list))
    replies: dict[tuple[str, str], list[_Report]] = field(
        default_factory=lambda: defaultdict(list)
    )
    names_callers: bool = True
    types: dict[str, type] = field(default_factory=dict)

    def topic(self, message: BagMessage) -> str:
        """Return a message's topic as units name it."""
        prefix = f"/{self.root}/" if self.root else "/"
        name = message.topic.removeprefix(prefix)
        return name if name in self.system.publishers else message.topic

    def emission(self, message: BagMessage) -> Emission:
        """Return a recorded message as its unit emitted it."""
        topic = self.topic(message)
        if topic in SHARED_TOPICS:
            decoded = deserialize_message(message.data, DiagnosticArray)
            source = decoded.status[0].hardware_id if decoded.status else ""
            return Emission(topic, Qos.COMMAND, DiagnosticArray, decoded, source)
        (source,) = self.system.publishers[topic]
        port = self.system.places[source].outputs()[topic]
        decoded = deserialize_message(message.data, port.message_type)
        return Emission(topic, port.qos, port.message_type, decoded, source)


def rerun(
    path: Path | str,
    names: Collection[str],
    folder: Path,
    system: System,
    *,
    terrain: str = "",
) -> list[Comparison]:
    """Fly the named units over the bag at ``path``; leave ``folder``/bag and compare.

    Begins where the bag begins, which must be the start of the flight. Parameters that were set in
    flight are in no bag, and what a member of the barrier missed while it was struck off is not
    known, so such flights differ from their re-run. Of a survey instrument the products are made
    again from the raw records when the bag has not all that it saw of nature.

    ``terrain`` is the file of heights for units that need one: a bag holds only its name. Raises
    BagError, RecordingError, RerunError.
    """
    with open_bag(path) as bag:
        recording = _open(bag, system, names)
        unheard = {name: _unheard(recording, name) for name in names}
        from_raw = {
            name
            for name, topics in unheard.items()
            if issubclass(system.places[name].unit_class, SurveyInstrument)
            and any("/world/" in topic for topic in topics)
        }
        _read_commands(recording, set(names) - from_raw)
        parameters = _parameters(bag, names, terrain, folder)
        custom_data = {**bag.custom_data, "rerun": " ".join(sorted(names))}
        slots = _slots(recording, parameters)
        with BagWriter(folder / "bag", custom_data) as writer:
            found = [
                _of_raw(ProductsAgain(bag, recording.root, slots.pop(name), writer), bag, name)
                for name in sorted(from_raw)
            ]
            if slots:
                found += _Rerun(recording, slots, writer).fly()
    for each in found:
        each.unheard = unheard[each.unit]
    return sorted(found, key=attrgetter("unit"))


def _of_raw(again: ProductsAgain, bag: Bag, name: str) -> Comparison:
    if again.missing:
        raise RerunError(
            f"{bag.path} has nothing of {', '.join(again.missing)}, of which {name} makes its "
            "products: it did not measure, or the flight was not recorded with profile science"
        )
    return again.make()


def _open(bag: Bag, system: System, names: Collection[str]) -> _Recording:
    for name in names:
        try:
            system.entry(name)
        except SystemFileError as error:
            raise RerunError(str(error)) from None
    ticks = [topic for topic in bag.topics if topic.endswith(f"/{TICK}")]
    if not ticks or "start_parameters" not in bag.custom_data:
        raise RerunError(
            f"{bag.path} is no bag of a lock-step flight of this package: units can be flown again "
            "over what `lupex run` or the launch files recorded"
        )
    first = next(bag.messages(ticks), None)
    if first is None or Tick.read(deserialize_message(first.data, DiagnosticArray)).sequence:
        raise RerunError(f"{bag.path} does not begin with its flight: units need their past")
    return _Recording(bag, ticks[0].removesuffix(TICK).strip("/"), system)


def _read_commands(recording: _Recording, names: Collection[str]) -> None:
    """Note which commands the named units got and which replies to theirs."""
    for message in recording.bag.messages([absolute_name(COMMANDS, recording.root)]):
        (status,) = deserialize_message(message.data, DiagnosticArray).status
        values = values_of(status)
        if values["stage"] != Stage.ACCEPTANCE.value:
            continue
        accepted = values["success"] == "true"
        report = _Report(
            time_ns=message.log_time_ns,
            unit=status.hardware_id,
            command=status.name.removeprefix(f"{status.hardware_id}: "),
            source=values["source"],
            accepted=accepted,
            text=values["command_id"] if accepted else status.message,
            arguments=values["arguments"],
        )
        if report.source == _SERVICE:
            recording.names_callers = False
        if report.unit not in names and report.source in (*names, _SERVICE):
            recording.replies[report.unit, report.command].append(report)
        elif report.unit in names and report.source not in names:
            recording.requests[report.time_ns].append(report)


def _unheard(recording: _Recording, name: str) -> list[str]:
    """Return the topics that a unit hears and of which the bag has nothing."""
    publishers, place = recording.system.publishers, recording.system.places[name]
    topics = [absolute_name(topic, recording.root) for topic in place.subscriptions()
              if topic in publishers]  # fmt: skip
    return [topic for topic in topics if topic not in recording.bag.topics]


def _parameters(
    bag: Bag, names: Collection[str], terrain: str, folder: Path
) -> dict[str, dict[str, Any]]:
    """Return the units' parameters at the start of the flight."""
    recorded = yaml.safe_load(bag.custom_data["start_parameters"])
    found = {}
    for name in names:
        values = dict(recorded.get(name, {}))
        if values.get("terrain_geotiff"):
            if not Path(terrain).is_file():
                raise RerunError(
                    f"{name} flew over {values['terrain_geotiff']}, which the bag does not hold: "
                    "give the file with --terrain"
                )
            values["terrain_geotiff"] = terrain
        if values.get("plan"):
            # the bag has the plan in its scenario; the parameter was a path of then
            folder.mkdir(parents=True, exist_ok=True)
            plan = folder / "scenario.yaml"
            plan.write_text(bag.custom_data["scenario_yaml"], encoding="utf-8")
            values["plan"] = str(plan)
        found[name] = values
    return found


def _slots(
    recording: _Recording, parameters: Mapping[str, Mapping[str, Any]]
) -> dict[str, Slot]:
    data = recording.bag.custom_data
    period_s = float(yaml.safe_load(data["scenario_yaml"])["housekeeping_period_s"])
    slots = {}
    for name in sorted(parameters):
        place = recording.system.places[name]
        try:
            slots[name] = Slot(place, int(data["seed"]), parameters[name], period_s)
        except Refused as error:
            raise RerunError(f"{name} refuses the parameters it flew with: {error}") from None
    return slots


class _Rerun:
    """Some units on a bus whose other messages come from a bag."""

    def __init__(
        self, recording: _Recording, slots: dict[str, Slot], writer: BagWriter
    ) -> None:
        self._recording = recording
        self._writer = writer
        self._slots = slots
        self._routes = {
            topic: [self._slots[name] for name in readers if name in self._slots]
            for topic, readers in recording.system.subscribers.items()
        }
        self._called: list[tuple[str, str]] = []
        self._found = {name: Comparison(name) for name in self._slots}

    def fly(self) -> list[Comparison]:
        """Fly from the first tick to the last."""
        recording = self._recording
        topics = {
            topic
            for topic, readers in recording.system.subscribers.items()
            if self._routes[topic]
        }
        topics |= {
            topic for slot in self._slots.values() for topic in slot.place.outputs()
        } | {TICK, *SHARED_TOPICS}
        names = [absolute_name(topic, recording.root) for topic in topics]
        begun = False
        for now, messages in groupby(recording.bag.messages(names), attrgetter("log_time_ns")):
            recorded = [
                recording.emission(message)
                for message in messages
                if recording.topic(message) in recording.system.publishers
            ]
            if not begun:
                begun = True
                for slot in self._slots.values():
                    slot.activate(now)
            self._tick(now, recorded)
        return list(self._found.values())

    def _tick(self, now: int, recorded: list[Emission]) -> None:
        for report in self._recording.requests[now]:
            if report.source == _SERVICE and (report.unit, report.command) in self._called:
                self._called.remove((report.unit, report.command))
            else:
                self._request(report)
        self._called.clear()
        said: list[Emission] = []
        for slot in self._slots.values():
            if slot.woken or slot.due <= now:
                slot.tick(now)
            said += slot.outbox
            slot.outbox = []
        self._compare(now, said, [each for each in recorded if each.source in self._slots])
        others = [each for each in recorded if each.source not in self._slots]
        # the order of units within a tick is that of the bus in memory
        for each in sorted(said + others, key=attrgetter("source")):
            for slot in self._routes.get(each.topic, ()):
                slot.deliver(each.topic, each.qos, each.message, now, each.source)
        for slot in self._slots.values():
            while slot.calls:
                self._answer(now, slot.calls.pop(0))

    def _request(self, report: _Report) -> None:
        slot = self._slots[report.unit]
        values = _arguments(slot.commands.get(report.command), report.arguments)
        slot.request(report.command, values, report.source)

    def _answer(self, now: int, call: Call) -> None:
        """Reply to a call of a unit: from the unit that is called, or as it was recorded."""
        slot = self._slots.get(call.unit)
        replies = self._recording.replies[call.unit, call.command]
        sources = (call.source, _SERVICE)
        reply = next((r for r in replies if r.time_ns > now and r.source in sources), None)
        if slot is not None:
            source = call.source if self._recording.names_callers else _SERVICE
            answer = slot.request(call.command, call.arguments, source)
            call.reply(*(answer or no_answer(call.unit)))
            self._called.append((call.unit, call.command))
        elif call.unit not in self._recording.system.places:
            call.reply(False, f"there is no unit {call.unit} on this bus")
        elif reply is not None:
            replies.remove(reply)
            call.reply(reply.accepted, reply.text)
        else:
            call.reply(False, f"{call.unit} got no such command in the flight that was recorded")

    def _compare(self, now: int, said: list[Emission], recorded: list[Emission]) -> None:
        again, before = (_by_topic(each) for each in (said, recorded))
        for emission in (*said, *recorded):
            topic = absolute_name(emission.topic, self._recording.root)
            self._recording.types[topic] = emission.message_type
        for emission in said:
            topic = absolute_name(emission.topic, self._recording.root)
            kind = type_name(emission.message_type)
            self._writer.topic(topic, kind, emission.qos.name.lower())
            self._writer.write(topic, kind, to_cdr(emission.message), now)
            self._found[emission.source].messages += 1
        for unit, topic in sorted({*again, *before}):
            name = absolute_name(topic, self._recording.root)
            if self._found[unit].difference or name not in self._recording.bag.topics:
                continue
            new, old = again.get((unit, topic), []), before.get((unit, topic), [])
            if new != old:
                self._found[unit].differs(
                    difference_at(name, now, self._recording.types[name], new, old)
                )


def _arguments(command: Command | None, text: str) -> dict[str, Any]:
    """Read the arguments of a report, ``key=value`` by Python's ``str``, as they were given."""
    fields = getattr(command and command.arguments, "model_fields", {})
    values: dict[str, Any] = {}
    for part in re.split(r" (?=\w+=)", text) if text else ():
        key, _, value = part.partition("=")
        values[key] = value
        if key not in fields or fields[key].annotation is not str:
            try:
                values[key] = ast.literal_eval(value)
            except (ValueError, SyntaxError):
                continue  # a text where none belongs: the slot refuses it again
    return values


def _by_topic(emissions: list[Emission]) -> dict[tuple[str, str], list[bytes]]:
    """Return what each unit said on each topic, written the same way, whoever recorded it."""
    found: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    for each in emissions:
        found[each.source, each.topic].append(to_cdr(each.message))
    return dict(found)
