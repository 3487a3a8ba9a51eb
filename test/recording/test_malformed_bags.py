# SPDX-License-Identifier: Apache-2.0
"""Damaged bags give one clear sentence, or a correct part with what was skipped."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from bag_samples import START_NS, STRING, string_cdr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as RosbagsWriter
from rosbags.typesys import Stores, get_typestore

from lupex_nodes.cli import BAD_INPUT, COMPLETE, ENDED_OTHERWISE, main
from lupex_nodes.recording.bag_reader import BagError, open_bag
from lupex_nodes.recording.bag_writer import BagWriter, Split
from lupex_nodes.recording.recover import recover

COUNT = 300
TIMEOUT_S = 20
SEEDS = range(14)


def text(index: int) -> str:
    return f"{index} {random.Random(index).randbytes(40).hex()}"


def write_mcap(folder: Path, flush_every: int = 50, split: Split | None = None) -> None:
    with BagWriter(folder, {"seed": "4"}, split=split or Split()) as writer:
        for index in range(COUNT):
            writer.write("/talk", STRING, string_cdr(text(index)), START_NS + index * 10**7)
            if index % flush_every == flush_every - 1:
                writer._writer.flush()


def write_sqlite(folder: Path) -> None:
    writer = RosbagsWriter(folder, version=9, storage_plugin=StoragePlugin.SQLITE3)
    with writer:
        store = get_typestore(Stores.ROS2_JAZZY)
        connection = writer.add_connection("/talk", STRING, typestore=store)
        for index in range(COUNT):
            writer.write(connection, START_NS + index * 10**7, string_cdr(text(index)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("whole")
    write_mcap(folder / "mcap")
    write_mcap(folder / "split", split=Split(duration_s=1.0))
    write_sqlite(folder / "sqlite")
    return {name: folder / name for name in ("mcap", "split", "sqlite")}


@contextmanager
def no_hang() -> Iterator[None]:
    """Fail, rather than wait, when reading does not end."""

    def ring(*_: object) -> None:
        raise AssertionError(f"still reading after {TIMEOUT_S} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(TIMEOUT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def one_sentence(error: BagError) -> str:
    said = str(error)
    assert said and "\n" not in said and "Traceback" not in said
    return said


def read(path: Path) -> tuple[list[str], list[str]]:
    """Return the texts that can be read and what was said of the rest."""
    texts, said = [], []
    with no_hang():
        try:
            with open_bag(path) as bag:
                for message in bag.messages():
                    try:
                        texts.append(bag.decode(message).data)
                    except BagError as error:
                        said.append(one_sentence(error))
                said += bag.skipped
        except BagError as error:
            said.append(one_sentence(error))
    assert all("\n" not in sentence for sentence in said)
    return texts, said


def check(path: Path) -> None:
    """What is read is what was written; what is not is said."""
    texts, said = read(path)
    expected = {text(index) for index in range(COUNT)}
    assert set(texts) <= expected
    assert len(texts) == COUNT or said


def damaged(folder: Path, target: Path, damage: Callable[[bytearray, random.Random], None],
            seed: int) -> Path:
    """Copy a bag and damage one of its storage files."""
    shutil.copytree(folder, target)
    chance = random.Random(seed)
    files = sorted(p for p in target.iterdir() if p.suffix in (".mcap", ".db3"))
    path = files[seed % len(files)]
    data = bytearray(path.read_bytes())
    damage(data, chance)
    path.write_bytes(data)
    return target


def cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice([1, 1, 3, 20])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def zero(data: bytearray, chance: random.Random) -> None:
    first = chance.randrange(len(data))
    last = min(len(data), first + chance.randrange(1, 5000))
    data[first:last] = bytes(last - first)


def insert(data: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(data))
    data[place:place] = chance.randbytes(chance.randrange(1, 300))


def remove(data: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(data))
    del data[place : place + chance.randrange(1, 300)]


DAMAGES = [cut, flip, zero, insert, remove]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("kind", ["mcap", "split"])
def test_a_damaged_mcap_is_read_rightly_in_part(
    whole: dict[str, Path], tmp_path: Path, kind: str, damage: Callable, seed: int
) -> None:
    check(damaged(whole[kind], tmp_path / "bag", damage, seed))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_sqlite_file_ends_in_sentences(
    whole: dict[str, Path], tmp_path: Path, damage: Callable, seed: int
) -> None:
    # SQLite has no checksums: a flipped bit in a text cannot be known, a lost message can
    read(damaged(whole["sqlite"], tmp_path / "bag", damage, seed))


# --- the rest of the folder ------------------------------------------------------------------

METADATA = {
    "no table": lambda known: "- 1\n- 2\n",
    "text": lambda known: "rosbag2_bagfile_information: none\n",
    "a tag of Python": lambda known: "!!python/object/apply:os.system [ls]\n",
    "bytes": lambda known: b"\x00\xff\xfe" * 40,
    "aliases without end": lambda known: "a: &a [*a]\nrosbag2_bagfile_information: *a\n",
    "version": lambda known: {**known, "version": "ninety"},
    "count": lambda known: {**known, "message_count": 7},
    "count of no number": lambda known: {**known, "message_count": "many"},
    "other storage": lambda known: {**known, "storage_identifier": "sqlite3"},
    "no files": lambda known: {**known, "relative_file_paths": []},
    "files of no list": lambda known: {**known, "relative_file_paths": 7},
    "files of numbers": lambda known: {**known, "relative_file_paths": [1, None, {}]},
    "another file": lambda known: {**known, "relative_file_paths": ["bag_7.mcap"]},
    "a path elsewhere": lambda known: {**known, "relative_file_paths": ["../../etc/passwd"]},
    "custom data": lambda known: {**known, "custom_data": ["a", "b"]},
    "topics": lambda known: {**known, "topics_with_message_count": "x"},
    "topic of nothing": lambda known: {**known, "topics_with_message_count": [None, 3, {}]},
    "compression": lambda known: {**known, "compression_mode": ["message"]},
    "unknown compression": lambda known: {
        **known, "compression_mode": "message", "compression_format": "lzma",
    },
}


@pytest.mark.parametrize("kind", ["mcap", "sqlite"])
@pytest.mark.parametrize("name", METADATA)
def test_metadata_that_is_wrong_is_said_or_does_not_matter(
    whole: dict[str, Path], tmp_path: Path, name: str, kind: str
) -> None:
    shutil.copytree(whole[kind], tmp_path / "bag")
    path = tmp_path / "bag/metadata.yaml"
    known = yaml.safe_load(path.read_text())["rosbag2_bagfile_information"]
    changed = METADATA[name](known)
    if isinstance(changed, dict):
        changed = yaml.safe_dump({"rosbag2_bagfile_information": changed})
    path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    texts, said = read(tmp_path / "bag")
    if name in ("unknown compression", "compression"):
        assert len(texts) == COUNT or said
    else:
        assert len(texts) == COUNT
    report = tmp_path / "out"
    if kind == "mcap":
        assert recover(tmp_path / "bag", report).message_count == COUNT
        assert len(read(report)[0]) == COUNT


def make_empty_file(folder: Path) -> None:
    (folder / "bag_0.mcap").write_bytes(b"")


def make_folder_in_place(folder: Path) -> None:
    (folder / "bag_0.mcap").mkdir()


def make_dangling_link(folder: Path) -> None:
    (folder / "bag_0.mcap").symlink_to(folder / "gone")


def make_link_to_itself(folder: Path) -> None:
    (folder / "bag_0.mcap").symlink_to(folder / "bag_0.mcap")


def make_magic_only(folder: Path) -> None:
    (folder / "bag_0.mcap").write_bytes(b"\x89MCAP0\r\n")


def make_sqlite_without_tables(folder: Path) -> None:
    import sqlite3

    with sqlite3.connect(folder / "bag_0.db3") as base:
        base.execute("CREATE TABLE other (id INTEGER)")


def make_wrong_zstd(folder: Path) -> None:
    (folder / "bag_0.mcap.zstd").write_bytes(b"no zstd at all")


def make_other_kind(folder: Path) -> None:
    (folder / "bag_0.db3").write_bytes(b"\x89MCAP0\r\n" + bytes(100))


def make_only_metadata(folder: Path) -> None:
    (folder / "metadata.yaml").write_text("rosbag2_bagfile_information: {version: 9}\n")


def make_nothing(folder: Path) -> None:
    pass


EMPTY = [
    make_empty_file, make_folder_in_place, make_dangling_link, make_link_to_itself,
    make_magic_only, make_sqlite_without_tables, make_wrong_zstd, make_other_kind,
    make_only_metadata, make_nothing,
]  # fmt: skip


@pytest.mark.parametrize("make", EMPTY, ids=lambda make: make.__name__)
def test_every_command_says_one_sentence_of_a_bag_with_nothing_in_it(
    tmp_path: Path, make: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "bag"
    folder.mkdir()
    make(folder)
    assert read(folder)[0] == []
    for arguments in (
        ["analyze", str(folder)],
        ["recover", str(folder)],
        ["replay", str(folder), "--rate", "max"],
        ["run", "--units", "imu", "--from", str(folder), "--out", str(tmp_path / "out")],
    ):
        with no_hang():
            code = main(arguments)
        said = capsys.readouterr()
        assert code == BAD_INPUT, (arguments, said)
        assert said.err.count("\n") == 1 and "Traceback" not in said.err, (arguments, said)


def test_a_file_in_place_of_a_folder_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bag").write_text("a file")
    for command in ("analyze", "recover", "replay"):
        assert main([command, str(tmp_path / "bag")]) == BAD_INPUT
        assert capsys.readouterr().err.count("\n") == 1


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be no superuser, for whom there are no permissions."""
    if os.geteuid():
        yield
        return
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.mark.parametrize("closed", ["", "bag_0.mcap", "metadata.yaml"])
@pytest.mark.parametrize("command", ["analyze", "recover", "replay"])
def test_what_may_not_be_read_is_one_sentence(
    whole: dict[str, Path], command: str, closed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path("/tmp") / f"lupex-closed-{os.getpid()}"
    shutil.copytree(whole["mcap"], folder)
    try:
        folder.chmod(0o777)
        for path in folder.iterdir():
            path.chmod(0o666)
        (folder / closed).chmod(0)
        with as_nobody():
            texts, said = read(folder)
            assert said and len(texts) == (COUNT if closed == "metadata.yaml" else 0)
            if closed != "metadata.yaml":
                assert main([command, str(folder)]) == BAD_INPUT
                printed = capsys.readouterr().err
                assert "Permission denied" in printed and printed.count("\n") == 1
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)


def test_unknown_types_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.topic("/odd", "my_msgs/msg/Odd", definition="far_msgs/Gone gone\n", type_hash="")
        writer.topic("/bad", "my_msgs/msg/Bad", definition="}{ not a definition", type_hash="")
        writer.topic("/none", "my_msgs/msg/None", definition="", type_hash="", encoding="")
        for topic, kind in (("odd", "Odd"), ("bad", "Bad"), ("none", "None")):
            writer.write(f"/{topic}", f"my_msgs/msg/{kind}", b"\0\1\0\0", START_NS)
        for index in range(COUNT):
            writer.write("/talk", STRING, string_cdr(text(index)), START_NS + index)
    texts, said = read(tmp_path / "bag")
    assert len(texts) == COUNT
    assert {sentence.split()[1] for sentence in said} == {"/odd", "/bad", "/none"}


# --- recovery --------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.0, 1.0))
def test_a_bag_cut_at_any_byte_is_recovered(
    whole: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    folder = tmp_path_factory.mktemp("cut") / "bag"
    folder.mkdir()
    data = (whole["mcap"] / "bag_0.mcap").read_bytes()
    kept = data[: round(share * len(data))]
    (folder / "bag_0.mcap").write_bytes(kept)
    texts, _ = read(folder)
    # chunks of 50 messages; one is there when all its bytes are
    assert texts == [text(index) for index in range(len(texts))] and len(texts) % 50 == 0
    with no_hang():
        if not texts:
            with pytest.raises(BagError, match="holds no message|cannot be read"):
                recover(folder)
            assert (folder / "bag_0.mcap").read_bytes() == kept
            return
        report = recover(folder)
    assert report.message_count == len(texts)
    with AnyReader([folder]) as reader:
        again = [reader.deserialize(raw, STRING).data for _, _, raw in reader.messages()]
    assert again == texts
    with open_bag(folder) as bag:
        assert not bag.skipped and bag.custom_data["seed"] == "4"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_recovering_a_damaged_bag_keeps_what_was_right(
    whole: dict[str, Path], tmp_path: Path, damage: Callable, seed: int
) -> None:
    folder = damaged(whole["split"], tmp_path / "bag", damage, seed + 100)
    before, _ = read(folder)
    with no_hang():
        try:
            report = recover(folder, tmp_path / "out")
        except BagError as error:
            one_sentence(error)
            assert not (tmp_path / "out").exists()
            return
    after, said = read(tmp_path / "out")
    assert not said and len(after) == report.message_count
    assert set(after) <= {text(index) for index in range(COUNT)}
    assert len(after) >= COUNT - 100  # the two other files are whole
    assert len(after) == COUNT or report.remarks or len(before) < COUNT


def test_the_shell_sees_a_sentence_and_no_traceback(tmp_path: Path, whole: dict) -> None:
    folder = damaged(whole["mcap"], tmp_path / "bag", cut, 3)
    for command, codes in (("analyze", {COMPLETE, ENDED_OTHERWISE}), ("recover", {COMPLETE})):
        result = subprocess.run(
            [sys.executable, "-m", "lupex_nodes", command, str(folder)],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert result.returncode in codes, result.stderr
        assert "Traceback" not in result.stdout + result.stderr
