# SPDX-License-Identifier: Apache-2.0
"""Which topics a bag gets: the profiles of config/recording.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lupex_nodes import located_yaml
from lupex_nodes.located_yaml import BadFile
from lupex_nodes.share import share_file


class ProfileError(ValueError):
    """The recording file is wrong or has no such profile; the text is one sentence."""


@dataclass(frozen=True)
class BlackBoxLimits:
    """How much the black box keeps: mission time before a fault and after it, and memory."""

    history_s: float = 120.0
    after_s: float = 60.0
    memory_bytes: int = 128_000_000


@dataclass(frozen=True)
class Profile:
    """A named choice of topics.

    Patterns are fnmatch patterns: with a leading `/` they mean the whole topic name, without one
    the name below the system's root. `never` wins over `patterns`.
    """

    name: str
    description: str
    patterns: tuple[str, ...]
    never: tuple[str, ...] = ()

    def refuses(self, topic: str, root: str = "") -> bool:
        """Return whether no bag gets `topic`, whatever the profile."""
        return _matches(self.never, topic, _below(topic, root))

    def selects(self, topic: str, root: str = "") -> bool:
        """Return whether the bag gets `topic`, an absolute name, in a system at `root`."""
        return not self.refuses(topic, root) and _matches(
            self.patterns, topic, _below(topic, root)
        )


def load_profiles(path: Path | None = None) -> dict[str, Profile]:
    """Read the profiles by name; the package's config/recording.yaml without `path`.

    Raises ProfileError with one sentence: what, where, what to do.
    """
    table, path = _read(path)
    always = _patterns(table.get("always", []), path, "always")
    never = _patterns(table.get("never", []), path, "never")
    rows = _table(table.get("profiles"), path, "profiles")
    profiles = {}
    for name in rows:
        row = _table(rows[name], path, f"profile {name}")
        _refuse_unknown(row, {"description", "includes", "topics"}, path, f"profile {name}")
        profiles[name] = Profile(
            name,
            str(row.get("description", "")),
            always + _topics(name, rows, path, ()),
            never,
        )
    return profiles


def black_box_limits(path: Path | None = None) -> BlackBoxLimits:
    """Read how much the black box keeps; ProfileError as `load_profiles`."""
    table, path = _read(path)
    row = _table(table.get("black_box"), path, "black_box")
    _refuse_unknown(row, {"history_s", "after_s", "memory_mb"}, path, "black_box")
    numbers = {}
    for key in ("history_s", "after_s", "memory_mb"):
        value = row.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
            raise ProfileError(f"{path}: black_box, {key} must be a number above 0")
        numbers[key] = float(value)
    return BlackBoxLimits(
        numbers["history_s"], numbers["after_s"], round(numbers["memory_mb"] * 1e6)
    )


def _read(path: Path | None) -> tuple[dict[str, Any], Path]:
    path = path or share_file("config/recording.yaml")
    try:
        located = located_yaml.read(path)
        located.check()
    except BadFile as error:
        raise ProfileError(str(error)) from None
    table = _table(located.data, path, "the file")
    _refuse_unknown(table, {"always", "never", "profiles", "black_box"}, path, "the file")
    return table, path


def profile(name: str, path: Path | None = None) -> Profile:
    """Return one profile by name; ProfileError names the ones there are."""
    profiles = load_profiles(path)
    if name not in profiles:
        raise ProfileError(
            f"there is no recording profile {name!r}; choose one of {', '.join(profiles)}"
        )
    return profiles[name]


def _below(topic: str, root: str) -> str | None:
    """Return a topic's name below a root, None if it is not below it."""
    prefix = "/" + root.strip("/")
    if prefix != "/" and not topic.startswith(prefix + "/"):
        return None
    return topic[len(prefix) :].lstrip("/")


def _matches(patterns: tuple[str, ...], topic: str, below: str | None) -> bool:
    return any(
        fnmatchcase(topic, pattern)
        if pattern.startswith("/")
        else below is not None and fnmatchcase(below, pattern)
        for pattern in patterns
    )


def _topics(name: str, rows: dict[str, Any], path: Path, chain: tuple[str, ...]) -> tuple[str, ...]:
    where = f"profile {name}"
    if name in chain:
        raise ProfileError(f"{path}: {where} includes itself; take one include out")
    row = _table(rows[name], path, where)
    found = _patterns(row.get("topics", []), path, f"{where}, topics")
    for included in _patterns(row.get("includes", []), path, f"{where}, includes"):
        if included not in rows:
            raise ProfileError(
                f"{path}: {where} includes {included!r}, which is no profile; "
                f"choose one of {', '.join(rows)}"
            )
        found += _topics(included, rows, path, (*chain, name))
    return found


def _table(value: Any, path: Path, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise ProfileError(f"{path}: {where} must be a table of names and values")
    return value


def _patterns(value: Any, path: Path, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ProfileError(f"{path}: {where} must be a list of topic patterns, such as rover/*")
    return tuple(value)


def _refuse_unknown(table: dict[str, Any], known: set[str], path: Path, where: str) -> None:
    unknown = [str(key) for key in table if key not in known]
    if unknown:
        raise ProfileError(
            f"{path}: {where} has the unknown key {unknown[0]!r}; "
            f"choose one of {', '.join(sorted(known))}"
        )
