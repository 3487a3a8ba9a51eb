# SPDX-License-Identifier: Apache-2.0
"""Which topics a bag gets: the profiles of config/recording.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from lupex_nodes.share import share_file


class ProfileError(ValueError):
    """The recording file is wrong or has no such profile; the text is one sentence."""


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

    def selects(self, topic: str, root: str = "") -> bool:
        """Return whether the bag gets `topic`, an absolute name, in a system at `root`."""
        prefix = "/" + root.strip("/")
        below = topic[len(prefix) :].lstrip("/") if _is_below(topic, prefix) else None
        return not _matches(self.never, topic, below) and _matches(self.patterns, topic, below)


def load_profiles(path: Path | None = None) -> dict[str, Profile]:
    """Read the profiles by name; the package's config/recording.yaml without `path`.

    Raises ProfileError with one sentence: what, where, what to do.
    """
    path = path or share_file("config/recording.yaml")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"cannot read {path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ProfileError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    table = _table(content, path, "the file")
    _refuse_unknown(table, {"always", "never", "profiles"}, path, "the file")
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


def profile(name: str, path: Path | None = None) -> Profile:
    """Return one profile by name; ProfileError names the ones there are."""
    profiles = load_profiles(path)
    if name not in profiles:
        raise ProfileError(
            f"there is no recording profile {name!r}; choose one of {', '.join(profiles)}"
        )
    return profiles[name]


def _is_below(topic: str, prefix: str) -> bool:
    return prefix == "/" or topic.startswith(prefix + "/")


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
