# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
import zstandard
from bag_samples import START_NS, STRING, string_cdr, write_talker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.records import Chunk
from mcap.stream_reader import StreamReader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader

from lupex_nodes.recording.bag_writer import QOS, BagWriter, OfferedQos, RecordingError


def test_rosbags_reads_the_folder_with_all_its_messages(tmp_path: Path) -> None:
    write_talker(tmp_path / "bag")
    with AnyReader([tmp_path / "bag"]) as reader:
        assert reader.message_count == 20
        words = [
            reader.deserialize(raw, connection.msgtype).data
            for connection, _, raw in reader.messages()
        ]
        assert {c.topic for c in reader.connections} == {"/talk", "/silent"}
    assert words == [f"word {index}" for index in range(20)]


def test_mcap_decodes_the_file_from_its_own_definitions(tmp_path: Path) -> None:
    write_talker(tmp_path / "bag")
    with (tmp_path / "bag/bag_0.mcap").open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        decoded = list(reader.iter_decoded_messages())
        assert reader.get_header().profile == "ros2"
    assert [message.data for *_, message in decoded][:2] == ["word 0", "word 1"]
    assert all(message.log_time == message.publish_time for _, _, message, _ in decoded)


def test_a_transform_decodes_in_mcap(tmp_path: Path) -> None:
    from lupex_nodes.recording import message_types as types

    with BagWriter(tmp_path / "bag") as writer:
        empty = types.to_cdr("tf2_msgs/msg/TFMessage", types.make("tf2_msgs/msg/TFMessage",
                                                                 transforms=[]))
        writer.write("/tf", "tf2_msgs/msg/TFMessage", empty, START_NS)
    with (tmp_path / "bag/bag_0.mcap").open("rb") as stream:
        (*_, message), = make_reader(
            stream, decoder_factories=[DecoderFactory()]
        ).iter_decoded_messages()
    assert message.transforms == []


def test_chunks_are_compressed_at_the_quickest_level(tmp_path: Path) -> None:
    folder = write_talker(tmp_path / "bag", 300)
    with (folder / "bag_0.mcap").open("rb") as file:
        records = StreamReader(file, emit_chunks=True).records
        chunk = next(each for each in records if isinstance(each, Chunk))
    plain = zstandard.decompress(chunk.data)
    assert chunk.data == zstandard.compress(plain, level=1)
    assert chunk.data != zstandard.compress(plain)


def test_metadata_says_what_rosbag2_wants(tmp_path: Path) -> None:
    write_talker(tmp_path / "bag", custom_data={"scenario": "sortie", "seed": "7"})
    text = (tmp_path / "bag/metadata.yaml").read_text()
    metadata = yaml.safe_load(text)["rosbag2_bagfile_information"]
    assert metadata["version"] == 9
    assert metadata["storage_identifier"] == "mcap"
    assert metadata["message_count"] == 20
    assert metadata["starting_time"]["nanoseconds_since_epoch"] == START_NS
    assert metadata["duration"]["nanoseconds"] == 19 * 10**8
    assert metadata["custom_data"] == {"scenario": "sortie", "seed": "7"}
    assert metadata["relative_file_paths"] == ["bag_0.mcap"]
    assert metadata["ros_distro"] == "jazzy"
    topics = {t["topic_metadata"]["name"]: t for t in metadata["topics_with_message_count"]}
    # The hash ROS 2 Jazzy itself prints for this type (ros2 topic info --verbose).
    assert topics["/talk"]["topic_metadata"]["type_description_hash"] == (
        "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"
    )
    (silent_qos,) = topics["/silent"]["topic_metadata"]["offered_qos_profiles"]
    assert (silent_qos["durability"], silent_qos["depth"]) == ("transient_local", 1)
    assert "&id" not in text


def test_two_identical_runs_leave_identical_bytes_wherever_they_are(tmp_path: Path) -> None:
    one = write_talker(tmp_path / "here/bag", 500, {"seed": "1"})
    time.sleep(0.01)
    two = write_talker(tmp_path / "elsewhere/deeper/run", 500, {"seed": "1"})
    for name in ("bag_0.mcap", "metadata.yaml"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert b"elsewhere" not in (two / "bag_0.mcap").read_bytes()


@settings(
    max_examples=25, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2**62), st.text(max_size=30))))
def test_what_is_written_is_what_rosbags_reads(tmp_path: Path, rows: list) -> None:
    folder = tmp_path / str(time.perf_counter_ns())
    with BagWriter(folder) as writer:
        for name, log_time_ns, text in rows:
            writer.write(f"/{name}", STRING, string_cdr(text), log_time_ns)
    with AnyReader([folder]) as reader:
        read = [(c.topic[1:], t, reader.deserialize(raw, STRING).data)
                for c, t, raw in reader.messages()] if rows else []
    assert sorted(read) == sorted(rows)
    assert [t for _, t, _ in read] == sorted(t for _, t, _ in rows)


def test_the_short_type_name_is_the_same_topic(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.write("/a", "std_msgs/String", string_cdr("x"), START_NS)
        writer.write("/a", STRING, string_cdr("y"), START_NS + 1)
    with AnyReader([tmp_path / "bag"]) as reader:
        assert [(c.topic, c.msgcount) for c in reader.connections] == [("/a", 2)]


def test_a_used_folder_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag/notes.txt").write_text("mine")
    with pytest.raises(RecordingError, match="already holds files; name another folder"):
        BagWriter(tmp_path / "bag")
    assert [p.name for p in (tmp_path / "bag").iterdir()] == ["notes.txt"]


def test_a_folder_below_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="cannot record to .*Not a directory"):
        BagWriter(tmp_path / "file/bag")


@pytest.mark.parametrize(
    ("type_name", "qos", "sentence"),
    [("my_msgs/msg/Odd", "state", "not a message type"), (STRING, "quick", "unknown QoS class")],
)
def test_a_wrong_topic_is_one_sentence(
    tmp_path: Path, type_name: str, qos: str, sentence: str
) -> None:
    with BagWriter(tmp_path / "bag") as writer, pytest.raises(RecordingError, match=sentence):
        writer.topic("/odd", type_name, qos)


def test_custom_data_must_be_text(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="'seed' .* is int"):
        BagWriter(tmp_path / "bag", {"seed": 3})  # type: ignore[dict-item]


def test_a_full_disk_is_one_sentence_and_what_was_flushed_is_recovered(tmp_path: Path) -> None:
    program = f"""
import os, resource
from lupex_nodes.recording import bag_writer
bag_writer.FLUSH_PERIOD_S = 0.0
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
writer = bag_writer.BagWriter({str(tmp_path / "bag")!r}, flush=True)
try:
    for index in range(100_000):
        writer.write("/noise", {STRING!r}, b"\\0\\1\\0\\0" + os.urandom(1000), index)
        writer.maybe_flush()
except bag_writer.RecordingError as error:
    print(error)
try:
    writer.write("/noise", {STRING!r}, b"", 1)
except bag_writer.RecordingError as error:
    print("again:", error)
writer.close()
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    first, again = result.stdout.splitlines()
    assert first.startswith("recording to ") and "File too large; free space" in first
    assert again == f"again: {first}"
    from lupex_nodes.recording.recover import recover

    assert recover(tmp_path / "bag").message_count > 100


def test_qos_classes_are_those_of_the_bus() -> None:
    ports = pytest.importorskip("lupex_nodes.bus.ports")
    for name, offered in QOS.items():
        qos = ports.Qos[name.upper()]
        assert offered == OfferedQos(
            "reliable" if qos.reliable else "best_effort",
            "transient_local" if qos.latched else "volatile",
            qos.depth,
        )
