# SPDX-License-Identifier: Apache-2.0
"""Reads any rosbag2 bag: MCAP or SQLite, whole, split, unfinished, or with wrong metadata.

Storage files are opened one by one and metadata.yaml is believed only for what the storage does
not say (custom data, compression): topics are matched by QoS text when rosbags opens a folder,
and a bag whose metadata.yaml words its QoS differently would then yield no message at all.
"""

from __future__ import annotations

import heapq
import struct
import tempfile
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol

import yaml
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Channel, Chunk, Message, Metadata, Schema
from mcap.stream_reader import StreamReader, get_chunk_data_stream
from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinitionFormat
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from lupex_nodes.recording import message_types
from lupex_nodes.recording.bag_writer import CUSTOM_DATA_RECORD, METADATA_NAME

STORAGE_SUFFIXES = (".mcap", ".db3")
_IDL_SEPARATOR = "=" * 80 + "\n"
_LOG_TIME = attrgetter("log_time_ns")
# MCAP: opcode and size of a record; channel, sequence, log and publish time of a message.
_RECORD, _MESSAGE = struct.Struct("<BQ"), struct.Struct("<HIQQ")
# What a torn record can make mcap, struct and zstd say.
_TORN = (McapError, struct.error, zstandard.ZstdError, ValueError, KeyError, MemoryError)


class BagError(Exception):
    """Nothing can be read; the text is one sentence for the user."""


class Topic(NamedTuple):
    """One topic of a bag: `message_count` is what the storage holds, not what metadata says."""

    name: str
    type_name: str
    message_count: int


class BagMessage(NamedTuple):
    """One serialised message."""

    topic: str
    type_name: str
    log_time_ns: int
    data: bytes


@dataclass(frozen=True)
class StoredTopic:
    """A topic as one storage file describes it; `format` is ros2msg, ros2idl, or empty."""

    name: str
    type_name: str
    message_count: int
    encoding: str
    format: str
    definition: str


class StorageFile(Protocol):
    """One open .mcap or .db3."""

    topics: list[StoredTopic]
    custom_data: dict[str, str]
    remark: str

    def messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        """Yield the messages of the named topics in log-time order."""

    def close(self) -> None:
        """Let go of the file."""


class Bag:
    """An open bag; close it or use it as a context manager.

    `topics` has the topics that can be decoded, by name, of the type most of its messages have;
    `skipped` says in sentences what cannot be used, and grows while messages are read.
    """

    def __init__(
        self,
        path: Path,
        files: Sequence[StorageFile],
        custom_data: dict[str, str],
        skipped: Iterable[str],
        inflate: Callable[[bytes], bytes] | None,
        resources: ExitStack,
    ) -> None:
        self.path = path
        self.custom_data = custom_data
        self.skipped = list(skipped)
        self._files = files
        self._inflate = inflate
        self._resources = resources
        stored = [topic for file in files for topic in file.topics]
        self._typestore, unknown = _typestore(stored)
        self.topics: dict[str, Topic] = {}
        self._readable: set[tuple[str, str]] = set()
        counts: dict[tuple[str, str], int] = {}
        for topic in stored:
            key = (topic.name, topic.type_name)
            counts[key] = counts.get(key, 0) + topic.message_count
        for topic in stored:
            key = (topic.name, topic.type_name)
            if key not in counts:
                continue
            count = counts.pop(key)
            reason = unknown.get(topic.type_name, "")
            if topic.encoding != "cdr":
                reason = f"its messages are {topic.encoding or 'of no named encoding'}, not CDR"
            if reason:
                self._skip(f"topic {topic.name} ({topic.type_name}, {count} messages): {reason}")
                continue
            self._readable.add(key)
            known = self.topics.get(topic.name)
            if known is None or known.message_count < count:
                self.topics[topic.name] = Topic(topic.name, topic.type_name, count)

    @property
    def message_count(self) -> int:
        """Messages the storage holds on the topics that can be decoded."""
        return sum(topic.message_count for topic in self.topics.values())

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Yield messages in log-time order, of all topics or of the named ones."""
        wanted = set(self.topics) if topics is None else set(topics) & set(self.topics)
        sources = [self._guarded(file, wanted) for file in self._files]
        merged = (
            sources[0] if len(sources) == 1 else heapq.merge(*sources, key=lambda m: m.log_time_ns)
        )
        for message in merged:
            if (message.topic, message.type_name) not in self._readable:
                continue
            if self._inflate is not None:
                try:
                    message = message._replace(data=self._inflate(message.data))
                except zstandard.ZstdError as error:
                    self._skip(f"messages on {message.topic} cannot be decompressed: {error}")
                    continue
            yield message

    def decode(self, message: BagMessage) -> Any:
        """Return the message object; BagError if its bytes do not fit its type."""
        return self._decoded(message)[0]

    def plain(self, message: BagMessage) -> bytes:
        """Return the message serialised anew, little-endian and nothing missing, or BagError."""
        decoded, store = self._decoded(message)
        return bytes(store.serialize_cdr(decoded, message.type_name))

    @property
    def typestores(self) -> list[Typestore]:
        """Where to look for a type, in turn: the bag's definitions, then Jazzy's.

        Converted bags may carry a stub instead of the definition.
        """
        jazzy = message_types.jazzy()
        return [jazzy] if self._typestore is jazzy else [self._typestore, jazzy]

    def _decoded(self, message: BagMessage) -> tuple[Any, Typestore]:
        reason = ""
        for store in self.typestores:
            try:
                return store.deserialize_cdr(message.data, message.type_name), store
            except Exception as error:  # generated code raises whatever a short buffer provokes
                reason = reason or str(error)
        raise BagError(
            f"a message on {message.topic} at {message.log_time_ns} ns is not a valid "
            f"{message.type_name}: {reason}"
        )

    def close(self) -> None:
        """Close the files."""
        self._resources.close()

    def __enter__(self) -> Bag:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _guarded(self, file: StorageFile, topics: set[str]) -> Iterator[BagMessage]:
        last_ns: int | None = None
        try:
            for message in file.messages(topics):
                last_ns = message.log_time_ns
                yield message
        except Exception as error:  # rosbags passes on what three decompressors raise
            where = "at its start" if last_ns is None else f"after {last_ns} ns"
            self._skip(f"a storage file is damaged {where}; the rest of it is not used: {error}")

    def _skip(self, sentence: str) -> None:
        sentence = " ".join(sentence.split())
        if sentence not in self.skipped:
            self.skipped.append(sentence)


def open_bag(path: Path | str) -> Bag:
    """Open a bag folder, a single .mcap or .db3 file, or a folder that has a `bag` in it.

    Raises BagError with one sentence if there is nothing in it that can be read.
    """
    try:
        return _open_bag(Path(path))
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path | str, error: OSError) -> BagError:
    return BagError(
        f"{error.filename or path} cannot be read: {error.strerror}; see who may read it"
    )


def _open_bag(path: Path) -> Bag:
    if not path.exists():
        raise BagError(f"there is no bag at {path}; name a bag folder, an .mcap or a .db3 file")
    if path.is_dir() and not storage_paths(path) and (path / "bag").is_dir():
        path = path / "bag"
    skipped: list[str] = []
    information = read_metadata(path, skipped) if path.is_dir() else {}
    paths = storage_paths(path) if path.is_dir() else [path]
    if not paths:
        raise BagError(f"{path} holds no .mcap or .db3 file; name the folder of a rosbag2 bag")
    for name in information.get("relative_file_paths") or []:
        if not (path / Path(str(name)).name).exists():
            skipped.append(f"{name}: metadata.yaml names this file, but it is not there")
    resources = ExitStack()
    files: list[StorageFile] = []
    reasons = []
    for storage_path in paths:
        try:
            file = _open_storage(_inflated(storage_path, resources))
        except (BagError, OSError, zstandard.ZstdError) as error:
            reasons.append(f"{storage_path.name}: {error}")
            continue
        resources.callback(file.close)
        files.append(file)
        if file.remark:
            skipped.append(f"{storage_path.name}: {file.remark}")
    if not files:
        resources.close()
        raise BagError(f"{path} cannot be read: {'; '.join(reasons)}")
    custom_data = {key: value for file in files for key, value in file.custom_data.items()}
    custom_data |= {str(k): str(v) for k, v in (information.get("custom_data") or {}).items()}
    by_message = str(information.get("compression_mode", "")).lower() == "message"
    bag = Bag(
        path,
        files,
        custom_data,
        [*skipped, *reasons],
        zstandard.ZstdDecompressor().decompress if by_message else None,
        resources,
    )
    stated = information.get("message_count")
    found = sum(topic.message_count for file in files for topic in file.topics)
    if isinstance(stated, int) and stated != found:
        bag.skipped.append(
            f"metadata.yaml states {stated} messages, the storage holds {found}; "
            "the storage is believed"
        )
    return bag


def read_torn_mcap(path: Path) -> Generator[Schema | Channel | Message | Metadata, None, str]:
    """Yield the records of an MCAP file up to where it ends or breaks, never raising.

    The generator's return value is the reason it broke off, empty for a complete file.
    """
    with path.open("rb") as stream:
        try:
            for record in StreamReader(stream, validate_crcs=True).records:
                if isinstance(record, (Schema, Channel, Message, Metadata)):
                    yield record
        except _TORN as error:
            return str(error) or type(error).__name__
    return ""


def storage_paths(folder: Path) -> list[Path]:
    """Return the storage files of a bag folder in the order they were recorded."""
    try:
        found = {
            path.name.removesuffix(".zstd"): path
            for path in folder.iterdir()
            if Path(path.name.removesuffix(".zstd")).suffix in STORAGE_SUFFIXES and path.is_file()
        }
    except OSError as error:
        raise _unreadable(folder, error) from None
    return sorted(found.values(), key=_split_order)


def _split_order(path: Path) -> tuple[int, str]:
    number = path.name.split(".")[0].rpartition("_")[2]
    return (int(number) if number.isdecimal() else 0, path.name)


def read_metadata(folder: Path, skipped: list[str]) -> dict[str, Any]:
    """Return what metadata.yaml says, empty and a sentence in `skipped` if it cannot be used."""
    path = folder / METADATA_NAME
    if not path.exists():
        skipped.append("metadata.yaml is missing; the storage is read without it")
        return {}
    try:
        information = yaml.safe_load(path.read_text(encoding="utf-8"))
        information = information["rosbag2_bagfile_information"]
        if not isinstance(information, dict):
            raise TypeError("it is not a table")
        for key, kind in (("relative_file_paths", list), ("custom_data", dict)):
            if not isinstance(information.get(key), kind | None):
                skipped.append(f"metadata.yaml: {key} is not a {kind.__name__} and is not used")
                information[key] = None
        return information
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        skipped.append(f"metadata.yaml cannot be used ({reason}); the storage is read without it")
        return {}


def _inflated(path: Path, resources: ExitStack) -> Path:
    if path.suffix != ".zstd":
        return path
    folder = resources.enter_context(tempfile.TemporaryDirectory(prefix="lupex_bag_"))
    plain = Path(folder) / path.stem
    with path.open("rb") as packed, plain.open("wb") as unpacked:
        zstandard.ZstdDecompressor().copy_stream(packed, unpacked)
    return plain


def _open_storage(path: Path) -> StorageFile:
    if path.suffix not in STORAGE_SUFFIXES:
        raise BagError(f"{path.suffix or 'no suffix'} is not a bag's; expected .mcap or .db3")
    try:
        return _IndexedFile(path)
    except Exception as error:  # apsw, struct, KeyError, ...: whatever a foreign file provokes
        if path.suffix == ".db3":
            reason = " ".join(str(error).split())
            raise BagError(f"not a readable SQLite bag ({reason})") from None
    return _ScannedFile(path)


class _IndexedFile:
    """A complete file, through rosbags."""

    remark = ""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = Reader(path)
        self._reader.open()
        try:
            if path.suffix == ".mcap" and not getattr(self._reader.storage, "chunks", None):
                raise BagError("an MCAP file without chunk index must be scanned")
            self.custom_data = _mcap_custom_data(path) if path.suffix == ".mcap" else {}
            self.topics = [_stored(connection) for connection in self._reader.connections]
        except BaseException:
            self._reader.close()
            raise

    def messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        connections = [c for c in self._reader.connections if c.topic in topics]
        if not connections:
            return
        chunks = sorted(
            getattr(self._reader.storage, "chunks", ()), key=lambda c: c.chunk_start_offset
        )
        if chunks and all(a.message_end_time <= b.message_start_time for a, b in pairwise(chunks)):
            yield from _in_turn(self._path, chunks, {c.id: c for c in connections})
            return
        for connection, log_time_ns, data in self._reader.messages(connections):
            yield BagMessage(connection.topic, connection.msgtype, log_time_ns, bytes(data))

    def close(self) -> None:
        self._reader.close()


def _in_turn(
    path: Path, chunks: list[Any], connections: dict[int, Connection]
) -> Iterator[BagMessage]:
    """Yield the messages of an MCAP file whose chunks, as its index has them, follow in time.

    One after the other needs no merging, which costs more than all else of reading.
    """
    kinds = {key: (each.topic, each.msgtype) for key, each in connections.items()}
    with path.open("rb") as stream:
        for indexed in chunks:
            stream.seek(indexed.chunk_start_offset + _RECORD.size)
            chunk = Chunk.read(ReadDataStream(stream))
            unpacked, size = get_chunk_data_stream(chunk, validate_crc=True)
            if not size == chunk.uncompressed_size == indexed.uncompressed_size:
                raise BagError("a chunk is not as large as it says")
            records = unpacked.read(size)
            found = [
                BagMessage(*kinds[channel], log_time_ns, data)
                for channel, log_time_ns, data in _messages_of(records)
                if channel in kinds
            ]
            found.sort(key=_LOG_TIME)
            yield from found


def _messages_of(records: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (channel, log time, data) of the message records of a chunk."""
    at, end = 0, len(records)
    while at < end:
        opcode, size = _RECORD.unpack_from(records, at)
        at += _RECORD.size
        if opcode == Opcode.MESSAGE:
            channel, _, log_time_ns, _ = _MESSAGE.unpack_from(records, at)
            if at + size > end:
                raise BagError("a message is cut off by the end of its chunk")
            yield channel, log_time_ns, records[at + _MESSAGE.size : at + size]
        at += size
    if at != end:
        raise BagError("a record is cut off by the end of its chunk")


class _ScannedFile:
    """An unfinished or foreign MCAP file, read from its head as far as it goes, into memory."""

    def __init__(self, path: Path) -> None:
        schemas: dict[int, Schema] = {}
        channels: dict[int, tuple[Channel, StoredTopic]] = {}
        counts: dict[int, int] = {}
        self.custom_data: dict[str, str] = {}
        self._messages: list[BagMessage] = []
        records = read_torn_mcap(path)
        reason = drain(
            records, lambda record: self._take(record, schemas, channels, counts)
        )
        self.topics = [
            replace(topic, message_count=counts.get(key, 0))
            for key, (_, topic) in channels.items()
        ]
        if reason and not self._messages:
            raise BagError(f"no message can be read ({reason})")
        self._messages.sort(key=lambda message: message.log_time_ns)
        self.remark = (
            f"the file was never finished; {len(self._messages)} messages are read as far as it "
            "goes, and `lupex recover` repairs it"
            if reason
            else ""
        )

    def _take(
        self,
        record: Schema | Channel | Message | Metadata,
        schemas: dict[int, Schema],
        channels: dict[int, tuple[Channel, StoredTopic]],
        counts: dict[int, int],
    ) -> None:
        if isinstance(record, Message):
            _, topic = channels[record.channel_id]
            counts[record.channel_id] = counts.get(record.channel_id, 0) + 1
            self._messages.append(
                BagMessage(topic.name, topic.type_name, record.log_time, record.data)
            )
        elif isinstance(record, Schema):
            schemas[record.id] = record
        elif isinstance(record, Channel):
            channels[record.id] = (record, stored_topic(record, schemas.get(record.schema_id)))
        else:
            custom_data_of(record, self.custom_data)

    def messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        return (message for message in self._messages if message.topic in topics)

    def close(self) -> None:
        self._messages.clear()


def drain(
    records: Iterator[Schema | Channel | Message | Metadata],
    take: Callable[[Schema | Channel | Message | Metadata], None],
) -> str:
    """Give every record to `take` and return the reader's reason for stopping."""
    while True:
        try:
            record = next(records)
        except StopIteration as end:
            return end.value or ""
        take(record)


def stored_topic(channel: Channel, schema: Schema | None) -> StoredTopic:
    """Describe an MCAP channel."""
    return StoredTopic(
        channel.topic,
        message_types.full_name(schema.name) if schema else "",
        0,
        channel.message_encoding,
        schema.encoding if schema else "",
        schema.data.decode(errors="replace") if schema else "",
    )


def _stored(connection: Connection) -> StoredTopic:
    formats = {MessageDefinitionFormat.MSG: "ros2msg", MessageDefinitionFormat.IDL: "ros2idl"}
    extension = connection.ext
    assert isinstance(extension, ConnectionExtRosbag2)
    return StoredTopic(
        connection.topic,
        connection.msgtype,
        connection.msgcount,
        extension.serialization_format,
        formats.get(connection.msgdef.format, ""),
        connection.msgdef.data,
    )


def _mcap_custom_data(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    with path.open("rb") as stream:
        for record in make_reader(stream).iter_metadata():
            custom_data_of(record, found)
    return found


def custom_data_of(record: Metadata, found: dict[str, str]) -> None:
    """Add the custom data that an MCAP metadata record holds, ours or rosbag2's."""
    if record.name == CUSTOM_DATA_RECORD:
        found.update(record.metadata)
    elif record.name == "rosbag2":
        try:
            information = yaml.safe_load(record.metadata["serialized_metadata"])
            found.update(information.get("custom_data") or {})
        except (yaml.YAMLError, KeyError, AttributeError, ValueError):
            return


def _typestore(topics: Sequence[StoredTopic]) -> tuple[Typestore, dict[str, str]]:
    """Return a store for the bag's own definitions, and why each unknown type is unknown."""
    types: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    jazzy = message_types.jazzy().fielddefs
    for topic in topics:
        if topic.type_name in types or topic.type_name in reasons:
            continue
        try:
            types = {**_parsed(topic), **types}
        except Exception as error:  # any text may stand in a foreign bag's definition
            reasons[topic.type_name] = f"its definition cannot be read ({error})"
        if topic.type_name not in types and topic.type_name not in jazzy:
            reasons.setdefault(
                topic.type_name, "the bag has no definition of its type and ROS 2 Jazzy neither"
            )
    if all(jazzy.get(name) == fields for name, fields in types.items()):
        return message_types.jazzy(), reasons
    store = get_typestore(Stores.EMPTY)
    store.register({**jazzy, **types})
    for name in types:
        try:
            store.generate_msgdef(name, ros_version=2)
        except Exception:  # rosbags has no one error for a type named but nowhere defined
            reasons[name] = "its definition names types that are defined nowhere"
    return store, reasons


def _parsed(topic: StoredTopic) -> dict[str, Any]:
    if topic.format == "ros2msg":
        return dict(get_types_from_msg(topic.definition, topic.type_name))
    if topic.format in ("ros2idl", "omgidl"):
        types: dict[str, Any] = {}
        for part in topic.definition.split(_IDL_SEPARATOR):
            if part.strip():
                types.update(get_types_from_idl(part.partition("\n")[2]))
        return types
    return {}
