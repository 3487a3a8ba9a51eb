# SPDX-License-Identifier: Apache-2.0
"""Writes rosbag2 bags: one MCAP file and its metadata.yaml (version 9).

Nothing of the machine goes into the file (no path, host, wall time or library version), so two
runs that publish the same messages leave the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

import yaml
from mcap.writer import CompressionType, Writer

from lupex_nodes.recording import message_types

FILE_NAME = "bag_0.mcap"
METADATA_NAME = "metadata.yaml"
CUSTOM_DATA_RECORD = "custom_data"
FLUSH_PERIOD_S = 1.0
NO_MESSAGE_NS = 2**63 - 1
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


class _Channel:
    """One (topic, type) of the bag."""

    __slots__ = ("count", "id", "profiles", "topic", "type_hash", "type_name")

    def __init__(
        self, id: int, topic: str, type_name: str, type_hash: str, profiles: list[dict[str, Any]]
    ):
        self.id = id
        self.topic = topic
        self.type_name = type_name
        self.type_hash = type_hash
        self.profiles = profiles
        self.count = 0


class BagWriter:
    """A new rosbag2 bag.

    `folder` is made, parents too; it may exist but must be empty. `custom_data` goes into
    metadata.yaml and, so that a bag killed half-way still has it, to the head of the MCAP file.
    With `flush`, `maybe_flush` ends the open chunk once a wall second: what a kill then costs is
    at most the last second.

    Raises RecordingError, one sentence, when the folder or the disk refuses.
    """

    def __init__(
        self,
        folder: Path | str,
        custom_data: Mapping[str, str] | None = None,
        flush: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self.path = self.folder / FILE_NAME
        self.custom_data = dict(custom_data or {})
        for key, value in self.custom_data.items():
            if not isinstance(value, str):
                raise RecordingError(
                    f"custom data {key!r} of bag {self.folder} is {type(value).__name__}; "
                    "bags hold text there, so pass a string"
                )
        self.message_count = 0
        self._flush = flush
        self._next_flush = time.monotonic() + FLUSH_PERIOD_S
        self._channels: dict[tuple[str, str], _Channel] = {}
        self._schemas: dict[str, int] = {}
        self._start_ns = NO_MESSAGE_NS
        self._end_ns = 0
        self._failure: RecordingError | None = None
        self._stream: BinaryIO | None = self._open()
        self._writer = Writer(self._stream, compression=CompressionType.ZSTD)
        try:
            self._writer.start(profile="ros2", library="")
            if self.custom_data:
                self._writer.add_metadata(CUSTOM_DATA_RECORD, self.custom_data)
            self._stream.flush()
        except OSError as error:
            raise self._failed(error) from None

    def _open(self) -> BinaryIO:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if any(self.folder.iterdir()):
                raise RecordingError(
                    f"bag folder {self.folder} already holds files; "
                    "name another folder or remove this one"
                )
            return self.path.open("xb")
        except OSError as error:
            raise RecordingError(
                f"cannot record to {self.folder}: {error.strerror}; "
                "name a folder that can be written"
            ) from None

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
        if (topic, type_name) in self._channels:
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
        profiles = _profiles(qos)
        try:
            if type_name not in self._schemas:
                self._schemas[type_name] = self._writer.register_schema(
                    type_name, encoding, definition.encode()
                )
            channel_id = self._writer.register_channel(
                topic,
                "cdr",
                self._schemas[type_name],
                {
                    "offered_qos_profiles": yaml.safe_dump(profiles, sort_keys=False).strip(),
                    "topic_type_hash": type_hash or "",
                },
            )
        except OSError as error:
            raise self._failed(error) from None
        self._channels[topic, type_name] = _Channel(
            channel_id, topic, type_name, type_hash or "", profiles
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
        channel = self._channels.get((topic, type_name))
        if channel is None:
            self.topic(topic, type_name)
            channel = self._channels[topic, message_types.full_name(type_name)]
            self._channels[topic, type_name] = channel
        try:
            self._writer.add_message(
                channel.id,
                log_time_ns,
                data,
                log_time_ns if publish_time_ns is None else publish_time_ns,
            )
        except OSError as error:
            raise self._failed(error) from None
        channel.count += 1
        self.message_count += 1
        if log_time_ns < self._start_ns:
            self._start_ns = log_time_ns
        if log_time_ns > self._end_ns:
            self._end_ns = log_time_ns

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

    def close(self) -> None:
        """Write the index and metadata.yaml; a bag that failed is left for `lupex recover`."""
        if self._stream is None:
            return
        try:
            # rosbag2 keeps its metadata in the MCAP file as well, for files opened alone.
            self._writer.add_metadata(
                "rosbag2", {"serialized_metadata": _plain_yaml(self._information())}
            )
            self._writer.finish()
            self._stream.close()
            self._stream = None
            write_metadata(self.folder, self._information())
        except OSError as error:
            raise self._failed(error) from None

    def _information(self) -> dict[str, Any]:
        # The short form of a type name is a second key for the same channel.
        channels = {channel.id: channel for channel in self._channels.values()}.values()
        return bag_information(
            [
                {
                    "topic_metadata": {
                        "name": channel.topic,
                        "type": channel.type_name,
                        "serialization_format": "cdr",
                        "offered_qos_profiles": channel.profiles,
                        "type_description_hash": channel.type_hash,
                    },
                    "message_count": channel.count,
                }
                for channel in channels
            ],
            [(FILE_NAME, self._start_ns, self._end_ns, self.message_count)],
            self.custom_data,
        )

    def _failed(self, error: OSError) -> RecordingError:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.close()
            self._stream = None
        self._failure = RecordingError(
            f"recording to {self.path} stopped: {error.strerror}; "
            "free space or record a smaller profile, and `lupex recover` opens what was written"
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
