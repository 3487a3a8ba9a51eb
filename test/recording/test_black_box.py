# SPDX-License-Identifier: Apache-2.0
"""What the black box keeps, what makes it write, and recorders whose disk refuses."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bag_samples import STRING, string_cdr
from rosbags.highlevel import AnyReader
from toy_units import START, toy_system

from lupex_nodes.bus.memory import MemoryBus
from lupex_nodes.bus.messages import ERROR, OK, WARN, status_message, values_of
from lupex_nodes.bus.place import EVENTS
from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.slot import Emission
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.recording import black_box
from lupex_nodes.recording.bag_reader import open_bag
from lupex_nodes.recording.bag_writer import Split
from lupex_nodes.recording.black_box import (
    FAULTS,
    OVERHEAD_BYTES,
    BlackBox,
    BlackBoxLimits,
)
from lupex_nodes.recording.cdr import to_cdr
from lupex_nodes.recording.profiles import (
    Profile,
    ProfileError,
    black_box_limits,
    load_profiles,
    profile,
)
from lupex_nodes.recording.recorder import Recorder, RecorderSettings, absolute_name

SMALL = Profile("small", "", ("events",))


class All:
    """An observer that keeps everything, serialized."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int, bytes]] = []

    def message(self, now: int, emission: Emission) -> None:
        self.found.append((absolute_name(emission.topic), now, to_cdr(emission.message)))

    def tick(self, now: int) -> None:
        """Pass."""


class Flight:
    """The toy system in memory with a recorder, flown in parts."""

    def __init__(
        self,
        folder: Path,
        chosen: Profile = SMALL,
        settings: RecorderSettings | None = None,
        **more: Any,
    ) -> None:
        self.all = All()
        self.folder = folder
        settings = settings or RecorderSettings(black_box=BlackBoxLimits())
        self.recorder = Recorder(folder, {"seed": "1"}, chosen, settings=settings, **more)
        observers = [self.recorder, self.all]
        self.bus = MemoryBus(toy_system(), {}, seed=1, start=START, observers=observers)
        self.recorder.tell = lambda m: self.bus.publish(EVENTS, Qos.COMMAND, m, "recorder")
        self.bus.activate()

    def until(self, time_s: float) -> Flight:
        """Fly up to a time since the start, that tick left out."""
        self.bus.run(START + round(time_s * SECOND) - 1)
        return self

    def fault(self, name: str, state: str = "confirmed", level: bytes = ERROR) -> Flight:
        message = status_message(
            self.bus.now, "power", name, level, f"{name} it is.", {"state": state}
        )
        self.bus.publish(FAULTS, Qos.COMMAND, message, "fault_manager")
        return self

    def land(self) -> list[Path]:
        """End the flight; return the black box's records."""
        self.recorder.close({"outcome": "complete", "cause": ""})
        return sorted((self.folder / "black_box").glob("*"))

    def said(self, first: int, last: int) -> list[tuple[str, int, bytes]]:
        """Return what was published, but for the news that a record is over."""
        return [
            each
            for each in self.all.found
            if first <= each[1] <= last and b"BLACK_BOX_WRITTEN" not in each[2]
        ]

    def events(self) -> list[Any]:
        with open_bag(self.folder / "bag") as bag:
            return [bag.decode(m).status[0] for m in bag.messages(["/events"])]


def contents(folder: Path) -> list[tuple[str, int, bytes]]:
    with AnyReader([folder]) as reader:
        return [(c.topic, time, bytes(raw)) for c, time, raw in reader.messages()]


def at(time_s: float) -> int:
    return START + round(time_s * SECOND)


def test_a_record_has_everything_from_before_to_after_the_fault(tmp_path: Path) -> None:
    flight = Flight(tmp_path).until(200)
    (record,) = flight.fault("BUS_UNDERVOLTAGE").until(400).land()
    first, last = at(200 - 120), at(200 + 60)
    expected = flight.said(first, last)
    found = contents(record)
    assert {name for name, *_ in expected} > {"/rover/first/value", "/faults", "/bus/tick"}
    latched = [
        (name, first, data)
        for name, time, data in flight.all.found
        if name in ("/rover/first/state", "/rover/second/state", "/rover/supply/channels")
        and time < first
    ]
    assert len(latched) == 3  # the state at the beginning, said long before it
    assert sorted(found) == sorted(expected + latched)
    with open_bag(record) as bag:
        assert not bag.skipped
        assert bag.custom_data["seed"] == "1"
        assert bag.custom_data["black_box_left_out"] == ""
        assert "power: BUS_UNDERVOLTAGE: BUS_UNDERVOLTAGE it is." in (
            bag.custom_data["black_box_causes"]
        )
    assert record.name == "20281004T000320Z_power_BUS_UNDERVOLTAGE"
    written = [s for s in flight.events() if s.name == "recorder: BLACK_BOX_WRITTEN"]
    assert [values_of(s)["messages"] for s in written] == [str(len(found))]
    with open_bag(tmp_path / "bag") as bag:
        assert set(bag.topics) == {"/events"} | {"/tf", "/tf_static"} & set(bag.topics)


def test_a_second_fault_extends_the_record_and_a_late_one_gets_its_own(tmp_path: Path) -> None:
    flight = Flight(tmp_path).until(200).fault("FIRST").until(230).fault("SECOND").until(310)
    records = flight.fault("THIRD").until(500).land()
    assert [record.name.rpartition("_")[2] for record in records] == ["FIRST", "THIRD"]
    spans = [{time for _, time, _ in contents(record)} for record in records]
    assert [(min(span), max(span)) for span in spans] == [
        (at(80), at(290)),
        (at(190), at(370)),
    ]
    with open_bag(records[0]) as bag:
        causes = bag.custom_data["black_box_causes"].splitlines()
    assert len(causes) == 2 and "FIRST" in causes[0] and "SECOND" in causes[1]
    # whatever is near any fault is in some record
    together = {each for record in records for each in contents(record)}
    for fault_s in (200, 230, 310):
        near = set(flight.said(at(fault_s - 120), at(fault_s + 60)))
        assert len(near) > 1000 and near <= together


def test_a_fault_that_is_said_again_is_no_new_one_until_it_healed(tmp_path: Path) -> None:
    flight = Flight(tmp_path).until(100)
    for time_s in range(100, 300, 10):
        flight.until(time_s).fault("LASTING")
    flight.until(300).fault("LASTING", "healed", OK).until(310).fault("LASTING").until(500)
    records = flight.land()
    assert len(records) == 2
    ends = [max(time for _, time, _ in contents(record)) for record in records]
    assert ends == [at(160), at(370)]


def test_two_faults_of_one_second_and_name_get_two_folders(tmp_path: Path) -> None:
    kept, _ = box(tmp_path, BlackBoxLimits(after_s=0.1))
    for time_s in (20.0, 20.5):
        trigger(kept, at(time_s))
        kept.tick(at(time_s + 0.2))
        message = status_message(at(time_s), "camera", "BROKEN", OK, "", {"state": "healed"})
        kept.watch(message, at(time_s + 0.2))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["20281004T000020Z_camera_BROKEN", "20281004T000020Z_camera_BROKEN_2"]


@pytest.mark.parametrize(
    ("state", "level"), [("suspected", ERROR), ("confirmed", WARN), ("healed", ERROR)]
)
def test_what_is_not_a_confirmed_fault_is_not_written(
    tmp_path: Path, state: str, level: bytes
) -> None:
    assert Flight(tmp_path).until(100).fault("A", state, level).until(200).land() == []


def test_a_unit_that_raises_is_recorded_without_a_fault_manager(tmp_path: Path) -> None:
    flight = Flight(tmp_path, profile("housekeeping")).until(150)
    flight.bus.request("first", "break_down")
    (record,) = flight.until(300).land()
    assert record.name.endswith("_first_UNIT_FAILED")
    topics = {topic for topic, *_ in contents(record)}
    with open_bag(tmp_path / "bag") as bag:
        assert topics - set(bag.topics) >= {"/rover/first/value", "/ground/sink/sum"}


def test_a_lost_process_is_recorded_without_a_fault_manager(tmp_path: Path) -> None:
    flight = Flight(tmp_path).until(150)
    message = status_message(flight.bus.now, "clock", "MEMBER_LOST", ERROR, "Process a.", {})
    flight.bus.publish(EVENTS, Qos.COMMAND, message, "clock")
    (record,) = flight.until(300).land()
    assert record.name.endswith("_clock_MEMBER_LOST")


def test_the_end_of_the_flight_ends_the_record(tmp_path: Path) -> None:
    (record,) = Flight(tmp_path).until(100).fault("LATE").until(110).land()
    assert max(time for _, time, _ in contents(record)) == at(109)
    with open_bag(record) as bag:
        assert not bag.skipped and bag.custom_data["outcome"] == "complete"


def test_without_a_black_box_there_is_none(tmp_path: Path) -> None:
    flight = Flight(tmp_path, settings=RecorderSettings()).until(100).fault("A").until(200)
    assert flight.land() == [] and not (tmp_path / "black_box").exists()


def test_two_flights_leave_the_same_records(tmp_path: Path) -> None:
    found = []
    for name in "ab":
        flight = Flight(tmp_path / name).until(200).fault("A").until(300)
        (record,) = flight.land()
        found.append({path.name: path.read_bytes() for path in record.iterdir()})
    assert found[0] == found[1]


# --- memory ----------------------------------------------------------------------------------


class Said(list):
    """The events a black box told."""

    def __call__(self, event_id: str, level: bytes, sentence: str, values: dict) -> None:
        self.append((event_id, sentence))


def box(folder: Path, limits: BlackBoxLimits) -> tuple[BlackBox, Said]:
    said = Said()
    return BlackBox(folder, limits, {}, said), said


def trigger(kept: BlackBox, now: int) -> None:
    message = status_message(now, "camera", "BROKEN", ERROR, "It broke.", {"state": "confirmed"})
    kept.watch(message, now)


def test_the_largest_topic_gives_way_and_that_is_said(tmp_path: Path) -> None:
    kept, said = box(tmp_path, BlackBoxLimits(memory_bytes=2_000_000))
    large = kept.keep("/images", STRING, "telemetry")
    small = kept.keep("/small", STRING, "telemetry")
    assert large and small
    peak = 0
    for step in range(100):
        now = at(step)
        kept.take(small, string_cdr(f"{step} {'s' * 5000}"), now)
        kept.take(large, string_cdr("l" * 100_000), now)
        peak = max(peak, kept.size)
    assert peak <= 2_000_000
    ((event_id, sentence),) = said
    assert event_id == "BLACK_BOX_LIMITED" and "left out /images, its largest topic" in sentence
    trigger(kept, at(100))
    kept.close()
    (record,) = tmp_path.iterdir()
    assert [topic for topic, *_ in contents(record)] == ["/small"] * 100
    with open_bag(record) as bag:
        (left_out,) = bag.custom_data["black_box_left_out"].split("; ")
    assert left_out == "/images from 2028-10-04T00:00:00Z to 2028-10-04T00:01:40Z"


def test_a_topic_that_gave_way_is_kept_again_once_it_is_past(tmp_path: Path) -> None:
    kept, said = box(tmp_path, BlackBoxLimits(history_s=10.0, memory_bytes=1_000_000))
    topic = kept.keep("/images", STRING, "telemetry")
    assert topic
    for step in range(10):
        kept.take(topic, string_cdr("l" * 200_000), at(step / 10))
    assert said and kept.size == 0
    for step in range(12, 24):
        kept.take(topic, string_cdr("l" * 20_000), at(step))
    trigger(kept, at(24))
    kept.close()
    (record,) = tmp_path.iterdir()
    assert [time for _, time, _ in contents(record)] == [at(step) for step in range(13, 24)]
    with open_bag(record) as bag:
        assert bag.custom_data["black_box_left_out"] == ""


def test_what_python_holds_is_within_what_is_counted(tmp_path: Path) -> None:
    limit = 8_000_000
    kept, _ = box(tmp_path, BlackBoxLimits(memory_bytes=limit))
    topics = [kept.keep(f"/t{index}", STRING, "telemetry") for index in range(20)]
    tracemalloc.start()
    try:
        for step in range(60_000):
            topic = topics[step % 20]
            assert topic
            kept.take(topic, string_cdr("x" * (step % 20) * 16), at(step / 1000))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert limit / 2 < kept.size <= limit
    assert held < kept.size * 1.1
    assert OVERHEAD_BYTES > 0


def test_a_long_history_is_written_in_slices_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, _ = box(tmp_path, BlackBoxLimits(after_s=5.0))
    topic = kept.keep("/t", STRING, "telemetry")
    assert topic
    for step in range(100):
        kept.take(topic, string_cdr(str(step)), at(step / 10))
    monkeypatch.setattr(black_box, "SLICE_BYTES", 20 * black_box.SLICE_MESSAGE_BYTES)
    trigger(kept, at(10))
    written = []
    for step in range(100, 110):
        kept.take(topic, string_cdr(str(step)), at(step / 10))
        kept.tick(at(step / 10))
        assert kept._record is not None
        written.append(kept._record.message_count)
    assert written[:3] == [20, 40, 60] and written[-1] == 110
    kept.tick(at(20))
    (record,) = tmp_path.iterdir()
    with open_bag(record) as bag:
        assert [bag.decode(m).data for m in bag.messages()] == [str(n) for n in range(110)]


def test_a_superseded_latched_state_is_not_kept_twice(tmp_path: Path) -> None:
    kept, _ = box(tmp_path, BlackBoxLimits(history_s=10.0))
    state = kept.keep("/state", STRING, "state")
    other = kept.keep("/other", STRING, "telemetry")
    assert state and other
    for step in range(100):
        kept.take(state, string_cdr(f"{step:04d}"), at(step))
    for step in range(100, 200):
        kept.take(other, string_cdr(f"{step:04d}"), at(step))
    size = len(string_cdr("0000")) + OVERHEAD_BYTES
    assert kept.size == 12 * size  # 11 ticks of 10 s, and the last state from before
    trigger(kept, at(199))
    kept.close()
    (record,) = tmp_path.iterdir()
    assert ("/state", at(189), string_cdr("0099")) in contents(record)


def test_a_type_that_no_bag_can_hold_is_left_out_and_said(tmp_path: Path) -> None:
    kept, said = box(tmp_path, BlackBoxLimits())
    assert kept.keep("/odd", "my_msgs/msg/Odd", "telemetry") is None
    assert said[0][0] == "BLACK_BOX_LIMITED" and "/odd" in said[0][1]


# --- configuration ---------------------------------------------------------------------------


def test_the_packages_limits_are_two_minutes_one_minute_and_128_mb() -> None:
    assert black_box_limits() == BlackBoxLimits(120.0, 60.0, 128_000_000)
    assert list(load_profiles()) == ["housekeeping", "science", "black_box", "all"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{history_s: 0, after_s: 1, memory_mb: 1}", "history_s must be a number above 0"),
        ("{history_s: 1, after_s: yes, memory_mb: 1}", "after_s must be a number above 0"),
        ("{history_s: 1, after_s: 1}", "memory_mb must be a number above 0"),
        ("{history_s: 1, after: 1}", "unknown key 'after'"),
        ("7", "black_box must be a table"),
    ],
)
def test_wrong_limits_are_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "recording.yaml"
    path.write_text(f"black_box: {text}\n")
    with pytest.raises(ProfileError, match=sentence):
        black_box_limits(path)


# --- disks that refuse -----------------------------------------------------------------------


def test_a_folder_that_cannot_be_written_does_not_stop_the_flight(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    flight = Flight(tmp_path / "out", required=False).until(65)
    failed, = (
        m for name, _, m in flight.all.found if name == "/events" and b"RECORDING_FAILED" in m
    )
    assert b"cannot record to" in failed and b"Not a directory" in failed
    (tmp_path / "out").unlink()
    flight.until(200).land()
    resumed = [s for s in flight.events() if s.name == "recorder: RECORDING_RESUMED"]
    assert len(resumed) == 1
    with open_bag(tmp_path / "out/bag") as bag:
        assert "messages before" in bag.custom_data["recording_gaps"]


def test_a_black_box_that_cannot_be_written_is_an_event_and_the_bag_goes_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "black_box").write_text("a file")
    flight = Flight(tmp_path).until(100).fault("A").until(200)
    flight.recorder.close({})
    (failed,) = [s for s in flight.events() if s.name == "recorder: RECORDING_FAILED"]
    assert failed.level == ord(ERROR)
    assert "black box could not be written" in failed.message and "power: A" in (
        {pair.key: pair.value for pair in failed.values}["faults"]
    )


def test_a_disk_that_fails_in_flight_is_an_event_and_recording_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lupex_nodes.recording.storage_stream import StorageStream

    flight = Flight(tmp_path, profile("all"), RecorderSettings(Split(duration_s=30.0))).until(70)
    write: Callable = StorageStream.write

    def full(stream: StorageStream, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(StorageStream, "write", full)
    flight.until(200)
    failed = [each for each in flight.all.found if b"RECORDING_FAILED" in each[2]]
    assert [(name, time) for name, time, _ in failed] == [("/events", at(90))]
    monkeypatch.setattr(StorageStream, "write", write)
    flight.until(300).land()
    with open_bag(tmp_path / "bag") as bag:
        times = {m.log_time_ns for m in bag.messages(["/bus/tick"])}
        names = [bag.decode(m).status[0].name for m in bag.messages(["/events"])]
    assert at(59) in times and at(299) in times and at(150) not in times
    assert "recorder: RECORDING_RESUMED" in names


def test_a_topic_of_an_unknown_type_is_said_and_the_rest_is_recorded(tmp_path: Path) -> None:
    class Odd:
        __module__ = "my_msgs.msg._odd"

    recorder = Recorder(tmp_path, {}, profile("all"))
    told: list[Any] = []
    recorder.tell = told.append
    emission = Emission("odd", Qos.TELEMETRY, Odd, Odd(), "a")
    recorder.message(START, emission)
    recorder.message(START, emission)
    recorder.tick(START)
    recorder.close({})
    (message,) = told
    assert message.status[0].name == "recorder: RECORDING_FAILED"
    assert "leave the topic out of the profile" in message.status[0].message
