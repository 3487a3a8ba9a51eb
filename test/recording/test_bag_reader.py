# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from bag_samples import START_NS, STRING, string_cdr, write_talker
from mcap.writer import Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as RosbagsWriter
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from lupex_nodes.recording.bag_reader import BagError, open_bag
from lupex_nodes.recording.bag_writer import BagWriter

REAL_BAGS = Path(__file__).resolve().parents[3] / "shared/data/bags"


def texts(path: Path) -> list[str]:
    with open_bag(path) as bag:
        return [bag.decode(message).data for message in bag.messages(["/talk"])]


@pytest.mark.skipif(not REAL_BAGS.exists(), reason="the real talker bags are not there")
@pytest.mark.parametrize(
    "name",
    ["talker_mcap", "talker_mcap/talker.mcap", "talker_sqlite3", "talker_sqlite3/talker.db3"],
)
def test_a_real_bag_gives_all_twenty_messages(name: str) -> None:
    with open_bag(REAL_BAGS / name) as bag:
        messages = list(bag.messages())
        decoded = [bag.decode(message) for message in messages]
    assert len(messages) == 20 == bag.message_count
    assert [m.log_time_ns for m in messages] == sorted(m.log_time_ns for m in messages)
    assert decoded[1].data == "Hello, world! 0"
    assert decoded[0].name == "minimal_publisher"


def test_metadata_that_disagrees_is_not_believed(tmp_path: Path) -> None:
    folder = write_talker(tmp_path / "bag")
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text())
    information = metadata["rosbag2_bagfile_information"]
    information["message_count"] = 33
    information["topics_with_message_count"][0]["topic_metadata"]["offered_qos_profiles"] = []
    (folder / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    with open_bag(folder) as bag:
        assert sum(1 for _ in bag.messages()) == 20
        assert any("states 33 messages, the storage holds 20" in s for s in bag.skipped)


@pytest.mark.parametrize("damage", ["missing", "not: [yaml", "other: 1", "\xff\xfe"])
def test_unusable_metadata_is_said_and_read_around(tmp_path: Path, damage: str) -> None:
    folder = write_talker(tmp_path / "bag", custom_data={"seed": "5"})
    if damage == "missing":
        (folder / "metadata.yaml").unlink()
    else:
        (folder / "metadata.yaml").write_bytes(damage.encode("latin-1"))
    with open_bag(folder) as bag:
        assert sum(1 for _ in bag.messages()) == 20
        assert bag.custom_data == {"seed": "5"}
        assert "metadata.yaml" in bag.skipped[0]


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize("mode", list(CompressionMode))
def test_every_compression_of_rosbag2_is_read(
    tmp_path: Path, plugin: StoragePlugin, mode: CompressionMode
) -> None:
    if plugin is StoragePlugin.SQLITE3 and mode is CompressionMode.STORAGE:
        pytest.skip("SQLite has no compressed storage")
    writer = RosbagsWriter(tmp_path / "bag", version=9, storage_plugin=plugin)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        store = get_typestore(Stores.ROS2_JAZZY)
        connection = writer.add_connection("/talk", STRING, typestore=store)
        for index in range(5):
            writer.write(connection, START_NS + index, string_cdr(str(index)))
    assert texts(tmp_path / "bag") == list("01234")


def test_split_files_come_in_time_order(tmp_path: Path) -> None:
    for number, offset in ((10, 2), (9, 1), (2, 0)):
        with BagWriter(tmp_path / f"part{number}") as writer:
            for index in range(3):
                log_time_ns = START_NS + 10 * offset + index
                writer.write("/talk", STRING, string_cdr(f"{offset}{index}"), log_time_ns)
    whole = tmp_path / "bag"
    whole.mkdir()
    for number in (2, 9, 10):
        shutil.copy(tmp_path / f"part{number}/bag_0.mcap", whole / f"bag_{number}.mcap")
    assert texts(whole) == ["00", "01", "02", "10", "11", "12", "20", "21", "22"]


@pytest.mark.parametrize("kept_bytes", [0.3, 0.6, 0.9, 0.999])
def test_a_torn_file_gives_its_head(tmp_path: Path, kept_bytes: float) -> None:
    with BagWriter(tmp_path / "bag", {"seed": "1"}) as writer:
        for index in range(50):
            writer.write("/talk", STRING, string_cdr(f"{index}"), START_NS + index)
            if index % 10 == 9:
                writer._writer.flush()
    path = tmp_path / "bag/bag_0.mcap"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept_bytes)])
    got = texts(path)
    assert got == [str(index) for index in range(len(got))]
    assert len(got) % 10 == 0 and len(got) >= 10
    with open_bag(path) as bag:
        assert bag.custom_data == {"seed": "1"}
        assert "never finished" in bag.skipped[0]


def test_damage_in_the_middle_ends_reading_there_and_is_said(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        for index in range(50):
            writer.write("/talk", STRING, string_cdr(f"{index}"), START_NS + index)
            if index % 10 == 9:
                writer._writer.flush()
    path = tmp_path / "bag/bag_0.mcap"
    content = bytearray(path.read_bytes())
    middle = content.rfind(b"\x28\xb5\x2f\xfd")  # the last zstd frame
    content[middle + 8 : middle + 16] = b"\xff" * 8
    path.write_bytes(content)
    with open_bag(tmp_path / "bag") as bag:
        got = [bag.decode(message).data for message in bag.messages()]
        assert any("damaged" in sentence for sentence in bag.skipped)
    assert got == [str(index) for index in range(40)]


def test_an_unknown_type_is_skipped_and_said(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.topic("/odd", "odd_msgs/msg/Odd", definition="nobody_msgs/Knows this\n")
        writer.write("/odd", "odd_msgs/msg/Odd", b"\0\1\0\0", START_NS)
        writer.write("/talk", STRING, string_cdr("a"), START_NS)
    with open_bag(tmp_path / "bag") as bag:
        assert [message.topic for message in bag.messages()] == ["/talk"]
        assert set(bag.topics) == {"/talk"}
        (sentence,) = bag.skipped
    assert "/odd (odd_msgs/msg/Odd, 1 messages): its definition names types" in sentence


def test_a_type_of_ones_own_is_decoded_by_the_bags_definition(tmp_path: Path) -> None:
    definition = "float64 depth_m\nstring bit\n"
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(definition, "own_msgs/msg/Bite"))
    bite = store.types["own_msgs/msg/Bite"](depth_m=1.5, bit="auger")
    with BagWriter(tmp_path / "bag") as writer:
        writer.topic("/bite", "own_msgs/msg/Bite", definition=definition)
        raw = bytes(store.serialize_cdr(bite, "own_msgs/msg/Bite"))
        writer.write("/bite", "own_msgs/msg/Bite", raw, START_NS)
    with open_bag(tmp_path / "bag") as bag:
        (message,) = bag.messages()
        assert (bag.decode(message).depth_m, bag.decode(message).bit) == (1.5, "auger")


def test_a_foreign_mcap_with_other_encodings_gives_what_is_cdr(tmp_path: Path) -> None:
    path = tmp_path / "foreign.mcap"
    with path.open("wb") as stream:
        writer = Writer(stream)
        writer.start(profile="")
        schema = writer.register_schema("Pose", "jsonschema", b"{}")
        json = writer.register_channel("/json", "json", schema)
        writer.add_message(json, 5, b"{}", 5)
        schema = writer.register_schema(STRING, "ros2msg", b"string data")
        talk = writer.register_channel("/talk", "cdr", schema)
        writer.add_message(talk, 3, string_cdr("late"), 3)
        writer.finish()
    with open_bag(path) as bag:
        assert [bag.decode(m).data for m in bag.messages()] == ["late"]
        assert any("/json" in s and "not CDR" in s for s in bag.skipped)


def test_garbage_bytes_are_one_sentence(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.write("/talk", STRING, b"\0\1\0\0\xff\xff", START_NS)
    with open_bag(tmp_path / "bag") as bag:
        (message,) = bag.messages()
        with pytest.raises(BagError, match="on /talk at .* is not a valid std_msgs/msg/String"):
            bag.decode(message)


def test_the_folder_of_a_run_opens_its_bag(tmp_path: Path) -> None:
    write_talker(tmp_path / "run/bag")
    (tmp_path / "run/summary.json").write_text("{}")
    assert len(texts(tmp_path / "run")) == 20


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("nothing", None, "there is no bag at"),
        ("empty.mcap", b"", "cannot be read"),
        ("text.db3", b"hello" * 300, "cannot be read: text.db3: not a readable SQLite bag"),
        ("notes.txt", b"hello", "expected .mcap or .db3"),
    ],
)
def test_what_is_no_bag_is_one_sentence(
    tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BagError, match=sentence) as caught:
        open_bag(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_folder_without_storage_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="holds no .mcap or .db3 file"):
        open_bag(tmp_path)
