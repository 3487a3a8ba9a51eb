# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bag_samples import START_NS, STRING, write_talker
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from lupex_nodes.recording.bag_reader import BagError, open_bag
from lupex_nodes.recording.recover import recover

RECORDER = f"""
import sys, time
from lupex_nodes.recording import bag_writer, message_types
bag_writer.FLUSH_PERIOD_S = 0.1
writer = bag_writer.BagWriter(sys.argv[1], {{"scenario": "sortie"}}, flush=True)
index = 0
while True:
    message = message_types.make({STRING!r}, data=str(index))
    writer.write("/talk", {STRING!r}, message_types.to_cdr({STRING!r}, message), {START_NS} + index)
    writer.maybe_flush()
    index += 1
    if index % 100 == 0:
        print(index, time.monotonic(), flush=True)
        time.sleep(0.002)
"""


def killed_bag(folder: Path) -> list[tuple[int, float]]:
    """Record, kill -9, and return how many messages were written by when."""
    process = subprocess.Popen(
        [sys.executable, "-c", RECORDER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(150)]
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.readlines()
    process.wait()
    pairs = [line.split() for line in lines if line.count(" ") == 1 and line.endswith("\n")]
    return [(int(count), float(wall)) for count, wall in pairs]


def test_a_bag_killed_while_recording_loses_at_most_its_last_flush(tmp_path: Path) -> None:
    progress = killed_bag(tmp_path / "bag")
    assert not (tmp_path / "bag/metadata.yaml").exists()
    report = recover(tmp_path / "bag")
    # Twice the flush period of 0.1 s before the kill everything must be there.
    safe = max((n for n, wall in progress if wall < progress[-1][1] - 0.2), default=0)
    assert report.changed and report.message_count >= safe > 0
    assert report.last_ns == START_NS + report.message_count - 1
    with AnyReader([tmp_path / "bag"]) as reader:
        read = [reader.deserialize(raw, STRING).data for _, _, raw in reader.messages()]
    assert read == [str(index) for index in range(report.message_count)]
    with (tmp_path / "bag/bag_0.mcap").open("rb") as stream:
        assert sum(1 for _ in make_reader(stream).iter_messages()) == report.message_count
    with open_bag(tmp_path / "bag") as bag:
        assert bag.custom_data == {"scenario": "sortie"} and not bag.skipped
    assert report.kept == tmp_path / "bag_unfinished" and report.kept.exists()
    again = recover(tmp_path / "bag")
    assert not again.changed and again.message_count == report.message_count


def test_a_bag_without_metadata_gets_it_back_as_it_was(tmp_path: Path) -> None:
    folder = write_talker(tmp_path / "bag", custom_data={"seed": "2"})
    before = (folder / "metadata.yaml").read_bytes()
    (folder / "metadata.yaml").unlink()
    assert recover(folder).message_count == 20
    assert (folder / "metadata.yaml").read_bytes() == before


def test_out_leaves_the_original_alone(tmp_path: Path) -> None:
    folder = write_talker(tmp_path / "bag")
    (folder / "bag_0.mcap").write_bytes((folder / "bag_0.mcap").read_bytes()[:-40])
    report = recover(folder, tmp_path / "mended")
    assert report.path == tmp_path / "mended"
    with open_bag(tmp_path / "mended") as bag:
        assert bag.message_count == 20 and not bag.skipped


def test_a_single_file_becomes_a_folder(tmp_path: Path) -> None:
    folder = write_talker(tmp_path / "bag")
    single = tmp_path / "alone.mcap"
    single.write_bytes((folder / "bag_0.mcap").read_bytes()[:-40])
    assert recover(single).path == tmp_path / "alone_recovered"
    with pytest.raises(BagError, match="exists already"):
        recover(single)
    with open_bag(tmp_path / "alone_recovered") as bag:
        assert bag.message_count == 20


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("none", None, "there is no bag"),
        ("a.db3", b"x", "only unfinished .mcap files"),
        ("a.mcap", b"not an mcap file", "holds no message"),
    ],
)
def test_what_cannot_be_recovered_is_one_sentence(
    tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BagError, match=sentence):
        recover(tmp_path / name)
    assert {p.name for p in tmp_path.iterdir()} <= {name}
