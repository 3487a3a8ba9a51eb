# SPDX-License-Identifier: Apache-2.0
"""Bags of several files, and disks that are full or refuse."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from bag_samples import START_NS, STRING, string_cdr
from rosbags.highlevel import AnyReader

from lupex_nodes.recording import storage_stream
from lupex_nodes.recording.bag_reader import open_bag
from lupex_nodes.recording.bag_writer import BagWriter, RecordingError, Split
from lupex_nodes.recording.recover import recover


def noise(index: int, size: int = 10_000) -> bytes:
    """A String that does not compress."""
    return string_cdr(f"{index} {os.urandom(size // 2).hex()}")


def metadata(folder: Path) -> dict:
    return yaml.safe_load((folder / "metadata.yaml").read_text())["rosbag2_bagfile_information"]


def numbers(folder: Path) -> list[int]:
    """What rosbags, which believes metadata.yaml, reads from the bag."""
    with AnyReader([folder]) as reader:
        return [
            int(reader.deserialize(raw, STRING).data.split()[0]) for _, _, raw in reader.messages()
        ]


def check_metadata(folder: Path) -> dict:
    """Hold metadata.yaml against every file, read alone."""
    stated = metadata(folder)
    names = stated["relative_file_paths"]
    assert names == [each["path"] for each in stated["files"]]
    assert sorted(names) == sorted(path.name for path in folder.glob("*.mcap"))
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    total = 0
    for each in stated["files"]:
        with open_bag(folder / each["path"]) as bag:
            assert not bag.skipped
            times = [message.log_time_ns for message in bag.messages()]
            assert set(bag.custom_data) == set(stated["custom_data"] or {})
        assert each["message_count"] == len(times) > 0
        assert each["starting_time"]["nanoseconds_since_epoch"] == min(times)
        assert each["duration"]["nanoseconds"] == max(times) - min(times)
        total += len(times)
    assert stated["message_count"] == total
    assert total == sum(each["message_count"] for each in stated["topics_with_message_count"])
    return stated


def test_a_bag_is_split_by_time(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", {"seed": "1"}, split=Split(duration_s=10.0)) as writer:
        writer.topic("/silent", STRING)
        for index in range(35):
            writer.write("/talk", STRING, string_cdr(f"{index}"), START_NS + index * 10**9)
    stated = check_metadata(tmp_path / "bag")
    assert [each["message_count"] for each in stated["files"]] == [10, 10, 10, 5]
    assert stated["duration"]["nanoseconds"] == 34 * 10**9
    assert numbers(tmp_path / "bag") == list(range(35))
    with open_bag(tmp_path / "bag/bag_3.mcap") as bag:
        assert set(bag.topics) == {"/silent", "/talk"}


def test_a_bag_is_split_by_size_and_no_file_exceeds_it_by_more_than_a_chunk(
    tmp_path: Path,
) -> None:
    with BagWriter(tmp_path / "bag", split=Split(size_bytes=3e6)) as writer:
        for index in range(1200):
            writer.write("/talk", STRING, noise(index), START_NS + index)
    stated = check_metadata(tmp_path / "bag")
    sizes = [(tmp_path / "bag" / name).stat().st_size for name in stated["relative_file_paths"]]
    # hexadecimal noise compresses to half its size
    assert len(sizes) == 2 or len(sizes) == 3
    assert all(3e6 <= size <= 3e6 + (1 << 20) + 100_000 for size in sizes[:-1])
    assert numbers(tmp_path / "bag") == list(range(1200))


def test_a_bag_that_ends_where_a_file_ends_has_no_empty_file(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", split=Split(size_bytes=1.0)) as writer:
        for index in range(3):
            writer.write("/talk", STRING, string_cdr(f"{index}"), START_NS + index)
    assert len(check_metadata(tmp_path / "bag")["files"]) == 3
    assert numbers(tmp_path / "bag") == [0, 1, 2]


def test_a_kill_leaves_the_ended_files_readable_by_everybody(tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "bag", split=Split(duration_s=10.0))
    for index in range(25):
        writer.write("/talk", STRING, string_cdr(f"{index}"), START_NS + index * 10**9)
    assert numbers(tmp_path / "bag") == list(range(20))
    writer._writer.flush()
    report = recover(tmp_path / "bag")
    assert report.message_count == 25
    assert numbers(tmp_path / "bag") == list(range(25))


# --- full disks ------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True
    ).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(writer: BagWriter, first: int = 0) -> tuple[int, str]:
    """Write until the disk is full; return how many messages were accepted, and why no more."""
    for index in range(first, first + 4000):
        try:
            writer.write("/talk", STRING, noise(index), START_NS + index)
        except RecordingError as error:
            return index + 1, str(error)
    raise AssertionError("the disk never was full")


def test_a_full_disk_leaves_a_whole_bag_and_recording_resumes(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(5 << 20))
    writer = BagWriter(small_disk / "bag", {"seed": "1"})
    count, sentence = fill(writer)
    assert "No space left on device; free space" in sentence and "recover" not in sentence
    # everything accepted is there, the message that met the full disk included
    assert numbers(small_disk / "bag") == list(range(count))
    with pytest.raises(RecordingError, match="No space left"):
        writer.write("/talk", STRING, noise(0), START_NS)
    with pytest.raises(RecordingError, match="cannot record to .*No space left"):
        writer.resume()
    ballast.unlink()
    writer.resume()
    for index in range(count, count + 10):
        writer.write("/talk", STRING, noise(index), START_NS + index)
    writer.custom_data["outcome"] = "complete"
    writer.close()
    assert numbers(small_disk / "bag") == list(range(count + 10))
    assert len(metadata(small_disk / "bag")["files"]) == 2


def test_a_disk_without_room_for_an_end_is_refused_at_once(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(9 << 20))
    with pytest.raises(RecordingError, match="cannot record to .*: No space left on device"):
        BagWriter(small_disk / "bag")
    assert list((small_disk / "bag").iterdir()) == []


def test_a_message_that_even_the_room_cannot_take_tears_one_file_only(small_disk: Path) -> None:
    writer = BagWriter(small_disk / "bag", split=Split(duration_s=1e-6))
    for index in range(1000, 2000):
        writer.write("/talk", STRING, string_cdr(str(index)), START_NS + index)
    writer.write("/talk", STRING, string_cdr("2000"), START_NS + 2000)
    with pytest.raises(RecordingError, match="No space left.*`lupex recover`"):
        writer.write("/talk", STRING, noise(3000, 40 << 20), START_NS + 2001)
    writer.close()
    assert numbers(small_disk / "bag") == list(range(1000, 2000))
    with open_bag(small_disk / "bag") as bag:
        assert bag.skipped and bag.message_count == 1000


class FullAfter:
    """Stands in for a raw file: ENOSPC after some bytes, as long as ``full`` is set."""

    full = True

    def __init__(self, file, left: int) -> None:
        self.file = file
        self.left = left

    def write(self, data) -> int:
        if self.full and not self.left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = min(self.left, len(data)) if self.full else len(data)
        self.left -= min(self.left, taken)
        return self.file.write(data[:taken])

    def close(self) -> None:
        self.file.close()


def test_a_write_that_is_taken_in_part_is_continued_in_the_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = BagWriter(tmp_path / "bag")
    stream = writer._stream
    assert stream is not None and stream._room.stat().st_size == storage_stream.ROOM_BYTES
    stream._file = FullAfter(stream._file, 1_234_567)  # type: ignore[assignment]
    unlink = Path.unlink

    def freeing(path: Path, missing_ok: bool = False) -> None:
        FullAfter.full = FullAfter.full and not path.name.endswith(".room")
        unlink(path, missing_ok)

    monkeypatch.setattr(FullAfter, "full", True)
    monkeypatch.setattr(Path, "unlink", freeing)
    count, sentence = fill(writer)
    assert "No space left on device" in sentence
    assert numbers(tmp_path / "bag") == list(range(count))


def test_a_disk_that_fails_otherwise_tears_the_file_and_the_rest_is_recovered(
    tmp_path: Path,
) -> None:
    class Broken(FullAfter):
        def write(self, data) -> int:
            if self.left < len(data):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            self.left -= len(data)
            return self.file.write(data)

    writer = BagWriter(tmp_path / "bag")
    assert writer._stream is not None
    writer._stream._file = Broken(writer._stream._file, 3_000_000)  # type: ignore[assignment]
    count, sentence = fill(writer)
    assert "Input/output error" in sentence and "`lupex recover` opens" in sentence
    writer.close()
    with open_bag(tmp_path / "bag") as bag:
        read = sum(1 for _ in bag.messages())
        assert 0 < read < count and any("never finished" in each for each in bag.skipped)
    assert recover(tmp_path / "bag").message_count == read
    assert numbers(tmp_path / "bag") == list(range(read))
