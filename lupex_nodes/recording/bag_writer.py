# SPDX-License-Identifier: Apache-2.0
"""Writes rosbag2 bags: MCAP files, one unless split, and their metadata.yaml (version 9).

Nothing of the machine goes into the file (no path, host, wall time or library version), so two
runs that publish the same messages leave the same bytes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, BinaryIO, NamedTuple, cast

import mcap.writer
import yaml
import zstandard
from mcap.writer import CompressionType, Writer

from lupex_nodes.recording import message_types
from lupex_nodes.recording.storage_stream import StorageStream

METADATA_NAME = "metadata.yaml"
CUSTOM_DATA_RECORD = "custom_data"
FLUSH_PERIOD_S = 1.0
NO_MESSAGE_NS = 2**63 - 1
# The writer compresses at zstd's default level and takes no other. Level 1 makes bags of our
# records 2 % smaller in half the time, and those of images or radar in a fifth.
mcap.writer.zstandard = SimpleNamespace(  # type: ignore[assignment]
    compress=partial(zstandard.compress, level=1)
)
_INFINITE = {"sec": 9223372036, "nsec": 854775807}


class RecordingError(Exception):
    """A bag could not be written; the text is one sentence for the user."""


class OfferedQos(NamedTuple):
    """What a publisher offers, in the words of rosbag2's metadata (REP-2003)."""

    reliability: str = "reliable"
    durability: str = "volatile"
    depth: int = 10


QOS = {
    "command": OfferedQos(depth=50),
    "state": OfferedQos(durability="transient_local", depth=1),
    "telemetry": OfferedQos(),
    "sensor": OfferedQos(reliability="best_effort", depth=5),
}


class Split(NamedTuple):
    """When a bag goes on in a new file: at a size (bytes), after a time (s), whichever is first.

    A file exceeds its size by less than one chunk, 1 MB before compression, and its index.
    """

    size_bytes: float = math.inf
    duration_s: float = math.inf


#: One file, however large.
WHOLE = Split()


class _Topic:
    """One (topic, type) of the bag; ``id`` is its channel in the file being written."""

    __slots__ = ("count", "encoding", "id", "name", "profiles", "text", "type_hash", "type_name")

    def __init__(
        self,
        name: str,
        type_name: str,
        type_hash: str,
        profiles: list[dict[str, Any]],
        encoding: str,
        text: bytes,
    ) -> None:
        self.id = 0
        self.name = name
        self.type_name = type_name
        self.type_hash = type_hash
        self.profiles = profiles
        self.encoding = encoding
        self.text = text
        self.count = 0


class BagWriter:
    """A new rosbag2 bag.

    `folder` is made, parents too; it may exist but must be empty. `custom_data` goes into
    metadata.yaml and, so that a bag killed half-way still has it, to the head of every MCAP file.
    With `flush`, `maybe_flush` ends the open chunk once a wall second: what a kill then costs is
    at most the last second.

    Raises RecordingError, one sentence, when the folder or the disk refuses. A full disk loses
    nothing that was accepted: the file is ended properly, and `resume` goes on in a new one.
    """

    def __init__(
        self,
        folder: Path | str,
        custom_data: Mapping[str, str] | None = None,
        flush: bool = False,
        split: Split = WHOLE,
    ) -> None:
        self.folder = Path(folder)
        self.custom_data = dict(custom_data or {})
        for key, value in self.custom_data.items():
            if not isinstance(value, str):
                raise RecordingError(
                    f"custom data {key!r} of bag {self.folder} is {type(value).__name__}; "
                    "bags hold text there, so pass a string"
                )
        self.message_count = 0
        self._flush = flush
        self._split = split
        # a float holds today's nanoseconds to 256 only
        duration_s = split.duration_s
        self._duration_ns = round(duration_s * 1e9) if math.isfinite(duration_s) else duration_s
        self._next_flush = time.monotonic() + FLUSH_PERIOD_S
        self._topics: dict[tuple[str, str], _Topic] = {}
        self._files: list[tuple[str, int, int, int]] = []
        self._number = 0
        self._failure: RecordingError | None = None
        self._stream: StorageStream | None = None
        self._make_folder()
        self._open()

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            taken = any(self.folder.iterdir())
        except OSError as error:
            raise self._refused(error) from None
        if taken:
            raise RecordingError(
                f"bag folder {self.folder} already holds files; "
                "name another folder or remove this one"
            )

    def _refused(self, error: OSError) -> RecordingError:
        return RecordingError(
            f"cannot record to {self.folder}: {error.strerror}; name a folder that can be written"
        )

    @property
    def path(self) -> Path:
        """The file being written, or the last one."""
        return self.folder / f"bag_{self._number}.mcap"

    def _open(self) -> None:
        """Begin a file, with everything a reader needs to know of the topics so far."""
        try:
            self._stream = StorageStream(self.path, self._split.size_bytes)
        except OSError as error:
            raise self._refused(error) from None
        self._writer = Writer(
            cast(BinaryIO, self._stream), compression=CompressionType.ZSTD
        )
        self._schemas: dict[str, int] = {}
        self._start_ns = NO_MESSAGE_NS
        self._end_ns = 0
        self._begun_at = self.message_count
        self._counts_before = {topic: topic.count for topic in self._distinct_topics()}
        self._next_file_ns: float = math.inf
        try:
            self._writer.start(profile="ros2", library="")
            if self.custom_data:
                self._writer.add_metadata(CUSTOM_DATA_RECORD, self.custom_data)
            for topic in self._distinct_topics():
                self._register(topic)
        except OSError as error:
            raise self._failed(error) from None

    def topic(
        self,
        topic: str,
        type_name: str,
        qos: OfferedQos | str | list[dict[str, Any]] = "telemetry",
        *,
        definition: str | None = None,
        type_hash: str | None = None,
        encoding: str = "ros2msg",
    ) -> None:
        """Register a topic, so that it is in the bag even if nothing is published on it.

        `qos` is a key of `QOS`, an OfferedQos, or rosbag2's own list of profiles. `definition`
        and `type_hash` are needed only for types that ROS 2 Jazzy's packages do not have.
        """
        type_name = message_types.full_name(type_name)
        if (topic, type_name) in self._topics:
            return
        if definition is None:
            try:
                definition = message_types.definition(type_name)
                type_hash = message_types.type_hash(type_name)
            except KeyError:
                raise RecordingError(
                    f"cannot record {topic}: {type_name} is not a message type of ROS 2 Jazzy's "
                    "common packages; leave the topic out of the profile"
                ) from None
        known = _Topic(
            topic, type_name, type_hash or "", _profiles(qos), encoding, definition.encode()
        )
        self._topics[topic, type_name] = known
        if self._stream is not None:
            try:
                self._register(known)
            except OSError as error:
                raise self._failed(error) from None

    def _register(self, topic: _Topic) -> None:
        if topic.type_name not in self._schemas:
            self._schemas[topic.type_name] = self._writer.register_schema(
                topic.type_name, topic.encoding, topic.text
            )
        topic.id = self._writer.register_channel(
            topic.name,
            "cdr",
            self._schemas[topic.type_name],
            {
                "offered_qos_profiles": yaml.safe_dump(topic.profiles, sort_keys=False).strip(),
                "topic_type_hash": topic.type_hash,
            },
        )

    def write(
        self,
        topic: str,
        type_name: str,
        data: bytes,
        log_time_ns: int,
        publish_time_ns: int | None = None,
    ) -> None:
        """Append one serialised message; log time and publish time are the tick."""
        if self._failure is not None:
            raise self._failure
        known = self._topics.get((topic, type_name))
        if known is None:
            self.topic(topic, type_name)
            known = self._topics[topic, message_types.full_name(type_name)]
            self._topics[topic, type_name] = known
        if log_time_ns >= self._next_file_ns:
            self._next_file()
        try:
            self._writer.add_message(
                known.id,
                log_time_ns,
                data,
                log_time_ns if publish_time_ns is None else publish_time_ns,
            )
        except OSError as error:
            raise self._failed(error) from None
        known.count += 1
        self.message_count += 1
        if log_time_ns < self._start_ns:
            self._start_ns = log_time_ns
            self._next_file_ns = log_time_ns + self._duration_ns
        if log_time_ns > self._end_ns:
            self._end_ns = log_time_ns
        if self._stream.due:  # type: ignore[union-attr]
            self._next_file()

    def maybe_flush(self) -> None:
        """Put everything so far on disk if a wall second has passed since the last time."""
        if not self._flush or time.monotonic() < self._next_flush:
            return
        if self._failure is not None:
            raise self._failure
        try:
            self._writer.flush()
        except OSError as error:
            raise self._failed(error) from None
        self._next_flush = time.monotonic() + FLUSH_PERIOD_S
        if self._stream.due:  # type: ignore[union-attr]
            self._next_file()

    def _next_file(self) -> None:
        """End the file; begin the next, unless the disk is full."""
        assert self._stream is not None
        error = self._end_file()
        if error is not None:
            raise self._failed(error)
        self._number += 1
        try:
            self._open()
        except RecordingError as error:
            self._failure = self._failure or error
            raise

    def _end_file(self) -> OSError | None:
        """Write the file's index and the bag's metadata.yaml; return why it had to be, if so."""
        assert self._stream is not None
        stream = self._stream
        self._files.append(
            (self.path.name, self._start_ns, self._end_ns, self.message_count - self._begun_at)
        )
        try:
            # rosbag2 keeps its metadata in the MCAP file as well, for files opened alone.
            self._writer.add_metadata(
                "rosbag2", {"serialized_metadata": _plain_yaml(self._information())}
            )
            self._writer.finish()
            stream.close()
            self._stream = None
            write_metadata(self.folder, self._information())
        except OSError as error:
            if self._stream is not None:
                self._files.pop()
            raise self._failed(error) from None
        return stream.error

    def resume(self) -> None:
        """Go on in a new file after a failure; RecordingError if that is not possible yet."""
        if self._failure is None:
            return
        if self.path.exists():
            self._number += 1
        self._open()
        self._failure = None

    def close(self) -> None:
        """Write the index and metadata.yaml.

        After a failure the files that were ended properly stay as they are; one that was torn is
        left for `lupex recover`.
        """
        if self._stream is not None and self._files and self.message_count == self._begun_at:
            self._stream.close()
            self._stream = None
            self.path.unlink()
            write_metadata(self.folder, self._information())
        elif self._stream is not None:
            self._end_file()
        elif self._failure is not None and self._files:
            with suppress(OSError):
                write_metadata(self.folder, self._information())

    def _distinct_topics(self) -> list[_Topic]:
        # The short form of a type name is a second key for the same topic.
        return list(dict.fromkeys(self._topics.values()))

    def _information(self) -> dict[str, Any]:
        return bag_information(
            [
                {
                    "topic_metadata": {
                        "name": topic.name,
                        "type": topic.type_name,
                        "serialization_format": "cdr",
                        "offered_qos_profiles": topic.profiles,
                        "type_description_hash": topic.type_hash,
                    },
                    "message_count": topic.count,
                }
                for topic in self._distinct_topics()
            ],
            self._files,
            self.custom_data,
        )

    def _failed(self, error: OSError) -> RecordingError:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.close()
            self._stream = None
            # metadata.yaml tells of files that were ended, not of this one
            self.message_count = self._begun_at
            for topic in self._distinct_topics():
                topic.count = self._counts_before.get(topic, 0)
            advice = ", and `lupex recover` opens what was written"
        else:
            advice = ""
        self._failure = RecordingError(
            f"recording to {self.path} stopped: {error.strerror}; "
            f"free space or record a smaller profile{advice}"
        )
        return self._failure

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def bag_information(
    topics: list[dict[str, Any]],
    files: list[tuple[str, int, int, int]],
    custom_data: Mapping[str, str],
) -> dict[str, Any]:
    """Return `rosbag2_bagfile_information`; `files` has (name, first ns, last ns, messages)."""

    def span(start_ns: int, end_ns: int) -> dict[str, Any]:
        return {
            "starting_time": {"nanoseconds_since_epoch": start_ns},
            "duration": {"nanoseconds": max(0, end_ns - start_ns)},
        }

    return {
        "version": 9,
        "storage_identifier": "mcap",
        **span(min(f[1] for f in files), max(f[2] for f in files)),
        "message_count": sum(f[3] for f in files),
        "topics_with_message_count": topics,
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [f[0] for f in files],
        "files": [
            {"path": name, **span(start_ns, end_ns), "message_count": count}
            for name, start_ns, end_ns, count in files
        ],
        "custom_data": dict(custom_data) or None,
        "ros_distro": "jazzy",
    }


def write_metadata(folder: Path, information: Mapping[str, Any]) -> None:
    """Write metadata.yaml at one stroke, so that a kill leaves either none or a whole one."""
    part = folder / f"{METADATA_NAME}.part"
    part.write_text(
        _plain_yaml({"rosbag2_bagfile_information": dict(information)}), encoding="utf-8"
    )
    part.replace(folder / METADATA_NAME)


class _PlainDumper(yaml.SafeDumper):
    """rosbag2's YAML reader is happier without anchors for shared QoS profiles."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _plain_yaml(data: Any) -> str:
    return yaml.dump(data, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True)


def _profiles(qos: OfferedQos | str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(qos, list):
        return qos
    if isinstance(qos, str):
        if qos not in QOS:
            raise RecordingError(f"unknown QoS class {qos!r}; choose one of {', '.join(QOS)}")
        qos = QOS[qos]
    return [
        {
            "history": "keep_last",
            "depth": qos.depth,
            "reliability": qos.reliability,
            "durability": qos.durability,
            "deadline": dict(_INFINITE),
            "lifespan": dict(_INFINITE),
            "liveliness": "automatic",
            "liveliness_lease_duration": dict(_INFINITE),
            "avoid_ros_namespace_conventions": False,
        }
    ]
