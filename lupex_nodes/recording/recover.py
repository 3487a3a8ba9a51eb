# SPDX-License-Identifier: Apache-2.0
"""Makes a readable bag of what a kill left: no index, no footer, no metadata.yaml."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from mcap.records import Channel, Message, Metadata, Schema

from lupex_nodes.recording.bag_reader import (
    BagError,
    custom_data_of,
    drain,
    open_bag,
    read_metadata,
    read_torn_mcap,
    storage_paths,
    stored_topic,
)
from lupex_nodes.recording.bag_writer import METADATA_NAME, BagWriter


@dataclass(frozen=True)
class RecoverReport:
    """What became of a bag.

    `path` is the readable bag; `kept` is where the damaged one now is, None if nothing had to be
    done. `first_ns` and `last_ns` are log times, None without a message. `remarks` are sentences
    on what is not in the new bag.
    """

    path: Path
    kept: Path | None
    message_count: int
    first_ns: int | None
    last_ns: int | None
    remarks: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether a new bag was written."""
        return self.kept is not None


def recover(bag_path: Path | str, out: Path | str | None = None) -> RecoverReport:
    """Rewrite an unfinished MCAP bag as a whole one, with index and metadata.yaml.

    Without `out` a folder is replaced, and what it was is kept beside it as NAME_unfinished; a
    single file FILE.mcap becomes the folder FILE_recovered. A bag that is whole is left alone,
    unless `out` asks for a copy. Raises BagError or RecordingError, one sentence.
    """
    try:
        return _recover(Path(bag_path), out)
    except OSError as error:
        raise BagError(
            f"{bag_path} cannot be recovered: {error.strerror} ({error.filename or 'no file'}); "
            "see who may read and write there, or name another folder with --out"
        ) from None


def _recover(path: Path, out: Path | str | None) -> RecoverReport:
    if not path.exists():
        raise BagError(f"there is no bag at {path}; name a bag folder or an .mcap file")
    if path.is_dir() and not storage_paths(path) and (path / "bag").is_dir():
        path = path / "bag"
    files = storage_paths(path) if path.is_dir() else [path]
    if not files:
        raise BagError(f"{path} holds no .mcap file; name the folder of a bag")
    if any(file.suffix != ".mcap" for file in files):
        raise BagError(
            f"{path} is not plain MCAP and cannot be recovered; only unfinished .mcap files keep "
            "the messages written before a kill"
        )
    if out is None and path.is_dir() and _is_whole(path):
        with open_bag(path) as bag:
            times = [message.log_time_ns for message in bag.messages()]
        return _report(path, None, times, [])
    target = Path(out) if out is not None else _beside(path, "recovering")
    if out is None:
        shutil.rmtree(target, ignore_errors=True)
    times, remarks = _rewrite(path, files, target)
    if out is not None:
        return _report(target, path, times, remarks)
    if path.is_dir():
        kept = _beside(path, "unfinished")
        if kept.exists():
            shutil.rmtree(target)
            raise BagError(f"{kept} exists already; move it away, it would be overwritten")
        path.rename(kept)
        target.rename(path)
        return _report(path, kept, times, remarks)
    final = path.with_name(f"{path.stem}_recovered")
    try:
        target.rename(final)
    except OSError:
        shutil.rmtree(target)
        raise BagError(f"{final} exists already; move it away or name an output folder") from None
    return _report(final, path, times, remarks)


def _is_whole(folder: Path) -> bool:
    if not (folder / METADATA_NAME).exists():
        return False
    with open_bag(folder) as bag:
        return not bag.skipped


def _beside(path: Path, word: str) -> Path:
    return path.with_name(f"{path.name}_{word}")


def _report(
    path: Path, kept: Path | None, times: list[int], remarks: list[str]
) -> RecoverReport:
    return RecoverReport(
        path,
        kept,
        len(times),
        min(times, default=None),
        max(times, default=None),
        tuple(remarks),
    )


def _rewrite(path: Path, files: list[Path], target: Path) -> tuple[list[int], list[str]]:
    custom_data: dict[str, str] = {}
    for file in files:
        custom_data |= _custom_data_at_head(file)
    if path.is_dir():
        stated = read_metadata(path, []).get("custom_data") or {}
        custom_data |= {str(key): str(value) for key, value in stated.items()}
    times: list[int] = []
    remarks: list[str] = []
    with BagWriter(target, custom_data) as writer:
        for file in files:
            reason = _copy(file, writer, times, remarks)
            if reason:
                remarks.append(f"{file.name} breaks off in a record ({reason})")
    if not times:
        shutil.rmtree(target)
        raise BagError(f"{path} holds no message that can be recovered; {'; '.join(remarks)}")
    return times, remarks


def _custom_data_at_head(file: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    records: Iterator[Any] = read_torn_mcap(file)
    for record in records:
        if isinstance(record, Metadata):
            custom_data_of(record, found)
        elif isinstance(record, Message):
            break
    return found


def _copy(file: Path, writer: BagWriter, times: list[int], remarks: list[str]) -> str:
    schemas: dict[int, Schema] = {}
    topics: dict[int, tuple[str, str]] = {}

    def take(record: Schema | Channel | Message | Metadata) -> None:
        if isinstance(record, Schema):
            schemas[record.id] = record
        elif isinstance(record, Channel) and record.id not in topics:
            topic = stored_topic(record, schemas.get(record.schema_id))
            if topic.encoding != "cdr":
                sentence = f"topic {topic.name} is left out: {topic.encoding} is not CDR"
                if sentence not in remarks:
                    remarks.append(sentence)
                return
            writer.topic(
                topic.name,
                topic.type_name,
                yaml.safe_load(record.metadata.get("offered_qos_profiles", "")) or [],
                definition=topic.definition,
                type_hash=record.metadata.get("topic_type_hash", ""),
                encoding=topic.format,
            )
            topics[record.id] = (topic.name, topic.type_name)
        elif isinstance(record, Message) and record.channel_id in topics:
            name, type_name = topics[record.channel_id]
            writer.write(name, type_name, record.data, record.log_time, record.publish_time)
            times.append(record.log_time)

    return drain(read_torn_mcap(file), take)
