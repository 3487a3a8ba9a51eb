# SPDX-License-Identifier: Apache-2.0
"""YAML whose every value knows its file and line, so that an error can point at it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

#: Where a value is: the keys and list positions that lead to it.
Place = tuple[str | int, ...]


class Mark(NamedTuple):
    """A line of a file, counted from 1."""

    file: Path
    line: int


class Problem(NamedTuple):
    """One error: where it is and a sentence that says how to write it right."""

    mark: Mark
    place: Place
    sentence: str

    def __str__(self) -> str:
        where = f"{dotted(self.place)}: " if self.place else ""
        return f"{self.mark.file}:{self.mark.line}: {where}{self.sentence}"


class BadFile(ValueError):
    """A file with errors: all of them, in the order of their lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda each: (str(each.mark.file), each.mark.line))
        super().__init__("\n".join(map(str, self.problems)))


def dotted(place: Place) -> str:
    """Write a place as in ``plan[2].arguments.x_m``."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)
    return text.removeprefix(".")


def suggestion(name: object, known: Iterable[str]) -> str:
    """Say what may have been meant, or else everything that is known."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    if close:
        return f"did you mean {close[0]}?"
    rest = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"known are {', '.join(names[:_MOST_NAMES]) or 'none'}{rest}"


@dataclass
class Located:
    """Plain data of a YAML file with the marks of its keys, and what was wrong with the form."""

    data: Any
    marks: dict[Place, Mark]
    problems: list[Problem] = field(default_factory=list)

    def mark(self, place: Place) -> Mark:
        """Return the mark of a place, or of the nearest place above it."""
        while place not in self.marks:
            place = place[:-1]
        return self.marks[place]

    def problem(self, place: Place, sentence: str) -> None:
        """Note that the value at ``place`` is wrong."""
        self.problems.append(Problem(self.mark(place), place, sentence))

    def check(self) -> None:
        """Raise :class:`BadFile` if there is any problem."""
        if self.problems:
            raise BadFile(self.problems)

    def over(self, base: Located) -> Located:
        """Return ``base`` with this on top: mappings are merged, everything else replaced."""
        marks = dict(base.marks)
        data = self._merge((), base.data, self.data, marks)
        return Located(data, marks, [*base.problems, *self.problems])

    def _merge(self, place: Place, below: Any, above: Any, marks: dict[Place, Mark]) -> Any:
        marks[place] = self.marks[place]
        if isinstance(below, Mapping) and isinstance(above, Mapping):
            merged = dict(below)
            for key, value in above.items():
                merged[key] = self._merge((*place, key), below.get(key), value, marks)
            return merged
        inside = len(place)
        for old in [each for each in marks if each[:inside] == place and len(each) > inside]:
            del marks[old]
        marks.update(
            {each: mark for each, mark in self.marks.items() if each[:inside] == place}
        )
        return above


#: Beyond these a file is an accident or an attack: aliases can make billions of values of a line.
_MOST_VALUES, _MOST_DEPTH = 100_000, 50
_PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
#: How many names at most are told when none is close.
_MOST_NAMES = 40


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as everywhere in ROS 2, but ``1e-3`` is a number, not a text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*)(?:\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def read(path: Path) -> Located:
    """Read a YAML file; raise :class:`BadFile` when it cannot be read or is no YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise _unreadable(path, "the file is not UTF-8 text: give a YAML file") from None
    except OSError as error:
        sentence = f"the file cannot be read ({error.strerror}): give the path of a YAML file"
        raise _unreadable(path, sentence) from None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        reader = _Reader(path, loader)
        data = reader.value((), node) if node else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = f"{error.problem or error.context}".rstrip(".")
        sentence = f"this is not YAML ({said}): correct the indentation, brackets or quotes here"
        raise BadFile([Problem(Mark(path, mark.line + 1 if mark else 1), (), sentence)]) from None
    except RecursionError:
        raise _unreadable(path, f"values lie more than {_MOST_DEPTH} deep: write it flat") from None
    except yaml.YAMLError as error:
        said = str(error).splitlines()[0]
        raise _unreadable(path, f"this is not YAML ({said}): remove what is not text") from None
    reader.marks.setdefault((), Mark(path, 1))
    return Located(data, reader.marks, reader.problems)


def _unreadable(path: Path, sentence: str) -> BadFile:
    return BadFile([Problem(Mark(path, 1), (), sentence)])


class _Reader:
    """Turns YAML nodes into plain data and notes each one's line."""

    def __init__(self, path: Path, loader: _Loader) -> None:
        self.path = path
        self.loader = loader
        self.marks: dict[Place, Mark] = {}
        self.problems: list[Problem] = []
        self._above: list[yaml.Node] = []
        self._values = 0

    def value(self, place: Place, node: yaml.Node) -> Any:
        mark = Mark(self.path, node.start_mark.line + 1)
        self._values += 1
        if self._values > _MOST_VALUES:
            sentence = f"there are more than {_MOST_VALUES} values: leave out aliases of aliases"
            raise BadFile([Problem(mark, (), sentence)])
        if len(self._above) > _MOST_DEPTH:
            raise RecursionError
        self.marks.setdefault(place, mark)
        if any(node is each for each in self._above):
            sentence = "the value contains itself: write it out instead of the alias"
            self.problems.append(Problem(mark, place, sentence))
            return None
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _PLAIN_TAGS:
            sentence = f"{node.tag} is not known here: leave it out"
            self.problems.append(Problem(mark, place, sentence))
            return None
        self._above.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(place, node)
            if isinstance(node, yaml.SequenceNode):
                return [self.value((*place, i), each) for i, each in enumerate(node.value)]
            return self._scalar(place, node)
        finally:
            self._above.pop()

    def _scalar(self, place: Place, node: yaml.Node) -> Any:
        try:
            return self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
            said = getattr(error, "problem", None) or str(error)
            mark = Mark(self.path, node.start_mark.line + 1)
            sentence = f"{node.value!r} cannot be read ({said}): write a number, a text or a date"
            self.problems.append(Problem(mark, place, sentence))
            return None

    def _mapping(self, place: Place, node: yaml.MappingNode) -> dict[str, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name, line = key.value, key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if name in lines:
                sentence = f"the key stands here again after line {lines[name]}: keep one of them"
                self.problems.append(Problem(Mark(self.path, line), (*place, name), sentence))
            lines.setdefault(name, line)
        self.loader.flatten_mapping(node)
        data: dict[str, Any] = {}
        for key, value in node.value:
            mark = Mark(self.path, key.start_mark.line + 1)
            if not isinstance(key, yaml.ScalarNode):
                sentence = "a key must be a name: write `name: value`"
                self.problems.append(Problem(mark, place, sentence))
                continue
            self.marks[(*place, key.value)] = mark
            data[key.value] = self.value((*place, key.value), value)
        return data
