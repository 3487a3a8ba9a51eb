# SPDX-License-Identifier: Apache-2.0
"""What is written here, the mcap package reads back, checksums and indexes included."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from mcap.reader import NonSeekingReader, make_reader
from mcap.records import Message
from mcap.stream_reader import StreamReader

from lupex_nodes.recording import mcap_file
from lupex_nodes.recording.mcap_file import McapFile

MESSAGES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2**64 - 1), st.binary(max_size=40), st.booleans()),
    max_size=30,
)


@given(MESSAGES)
def test_every_message_is_read_back_in_log_time_order(messages: list) -> None:
    stream = io.BytesIO()
    writer = McapFile(stream, "ros2")
    writer.add_metadata("head", {"seed": "1"})
    schema = writer.register_schema("a/msg/B", "ros2msg", b"int32 x")
    channels = [writer.register_channel(f"/{n}", "cdr", schema, {"k": "v"}) for n in range(3)]
    for number, time_ns, data, flush in messages:
        writer.add_message(channels[number], time_ns, data, time_ns)
        if flush:
            writer.flush()
    writer.add_metadata("tail", {})
    writer.finish()

    stream.seek(0)
    reader = make_reader(stream, validate_crcs=True)
    read = [(c.topic, m.log_time, m.publish_time, m.data) for _, c, m in reader.iter_messages()]
    written = [(f"/{n}", t, t, data) for n, t, data, _ in messages]
    assert sorted(read) == sorted(written)
    assert [time_ns for _, time_ns, _, _ in read] == sorted(time_ns for _, time_ns, _, _ in written)
    statistics = reader.get_summary().statistics
    assert statistics.message_count == len(messages)
    assert statistics.message_end_time == max((t for _, t, _, _ in messages), default=0)
    assert statistics.message_start_time == min((t for _, t, _, _ in messages), default=0)
    assert [record.name for record in reader.iter_metadata()] == ["head", "tail"]
    stream.seek(0)
    in_order = NonSeekingReader(stream).iter_messages(log_time_order=False)
    assert [m.data for _, _, m in in_order] == [data for _, _, data, _ in messages]


def test_chunks_are_cut_at_their_size_and_one_topic_is_read_through_the_index() -> None:
    stream = io.BytesIO()
    writer = McapFile(stream, "ros2")
    schema = writer.register_schema("a/msg/B", "ros2msg", b"")
    channels = [writer.register_channel(name, "cdr", schema, {}) for name in ("/a", "/b")]
    size = mcap_file.CHUNK_BYTES // 10
    for step in range(25):
        writer.add_message(channels[step % 2], step, bytes(size), step)
    writer.finish()
    stream.seek(0)
    reader = make_reader(stream, validate_crcs=True)
    assert len(reader.get_summary().chunk_indexes) == 3
    times = [m.log_time for _, _, m in reader.iter_messages(topics=["/b"])]
    assert times == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23]


def test_what_was_flushed_is_read_without_an_end() -> None:
    stream = io.BytesIO()
    writer = McapFile(stream, "ros2")
    schema = writer.register_schema("a/msg/B", "ros2msg", b"")
    channel = writer.register_channel("/a", "cdr", schema, {})
    writer.add_message(channel, 1, b"flushed", 1)
    writer.flush()
    writer.add_message(channel, 2, b"lost", 2)
    records = StreamReader(io.BytesIO(stream.getvalue())).records
    message = next(record for record in records if isinstance(record, Message))
    assert message.data == b"flushed"
    assert b"lost" not in stream.getvalue()
