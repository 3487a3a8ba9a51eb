# SPDX-License-Identifier: Apache-2.0
"""Damaged copies of a YAML file: each kind makes one, the same for the same random numbers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import yaml

#: What no key of any of our files takes, or few do.
ODD_VALUES = (
    None, True, -1, 0, 10**30, -1e308, 1e308, float("nan"), float("inf"), "", "text", "\t", "é\0",
    "{unit}", "*", "../..", [], [[]], {}, {"": None}, [None], {"a": {"b": 1}}, "2028-13-40",
    b"\xff",
)  # fmt: skip
LAUGHS = "a0: &a0 [ha, ha]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


def _places(data: Any, above: tuple = ()) -> Iterator[tuple]:
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*above, key))


def _changed(change: Callable[[Any, Any, Random], None]) -> Callable[[bytes, Random], bytes]:
    def make(whole: bytes, random: Random) -> bytes:
        data = copy.deepcopy(yaml.safe_load(whole))
        *way, last = random.choice(list(_places(data)))
        inner = data
        for key in way:
            inner = inner[key]
        change(inner, last, random)
        return yaml.safe_dump(data, sort_keys=False).encode()

    return make


def _odd(inner: Any, key: Any, random: Random) -> None:
    inner[key] = random.choice(ODD_VALUES)


def _missing(inner: Any, key: Any, random: Random) -> None:
    del inner[key]


def _unknown(inner: Any, key: Any, random: Random) -> None:
    if isinstance(inner, dict):
        inner[f"{key}_"] = inner[key]
    else:
        inner.insert(random.randrange(len(inner) + 1), random.choice(ODD_VALUES))


def _in_list(inner: Any, key: Any, random: Random) -> None:
    inner[key] = [inner[key]]


def _in_mapping(inner: Any, key: Any, random: Random) -> None:
    inner[key] = {str(key): inner[key]}


def _not_text(inner: Any, key: Any, random: Random) -> None:
    if isinstance(inner, dict):
        inner[random.choice((1, 2.5, True, None))] = inner.pop(key)


def _cut(whole: bytes, random: Random) -> bytes:
    return whole[: random.randrange(len(whole))]


def _flipped(whole: bytes, random: Random) -> bytes:
    changed = bytearray(whole)
    for _ in range(random.choice((1, 8))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _lines(change: Callable[[list[bytes], int, Random], None]) -> Callable[[bytes, Random], bytes]:
    def make(whole: bytes, random: Random) -> bytes:
        lines = whole.splitlines(keepends=True)
        change(lines, random.randrange(len(lines)), random)
        return b"".join(lines)

    return make


def _twice(lines: list[bytes], at: int, random: Random) -> None:
    lines.insert(at, lines[at])


def _swapped(lines: list[bytes], at: int, random: Random) -> None:
    other = random.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]


def _tabbed(lines: list[bytes], at: int, random: Random) -> None:
    lines[at] = b"\t" + lines[at]


def _bytes(lines: list[bytes], at: int, random: Random) -> None:
    lines[at] = random.randbytes(20) + b"\n"


def _tagged(lines: list[bytes], at: int, random: Random) -> None:
    key, colon, value = lines[at].partition(b":")
    tag = random.choice((b"!!python/object/apply:os.getcwd []", b"!!binary '?'", b"!!set {a}",
                         b"!!float x", b"!!timestamp x", b"!new x", b"&a *a", b"!!omap [1]"))
    lines[at] = key + colon + b" " + tag + b"\n"


#: How each kind makes a damaged file of a whole one.
KINDS: dict[str, Callable[[bytes, Random], bytes]] = {
    "odd_value": _changed(_odd),
    "missing_key": _changed(_missing),
    "unknown_key": _changed(_unknown),
    "list_around": _changed(_in_list),
    "mapping_around": _changed(_in_mapping),
    "key_that_is_no_text": _changed(_not_text),
    "cut": _cut,
    "bits_flipped": _flipped,
    "line_twice": _lines(_twice),
    "lines_swapped": _lines(_swapped),
    "tab": _lines(_tabbed),
    "bytes": _lines(_bytes),
    "tag": _lines(_tagged),
}
#: Files of which nothing is right, whatever they should be.
HOPELESS: dict[str, bytes] = {
    "empty": b"",
    "blank": b"\n# nothing\n",
    "null": b"null\n",
    "number": b"1\n",
    "text": b"text\n",
    "list": b"- 1\n- 2\n",
    "empty_list": b"[]\n",
    "empty_mapping": b"{}\n",
    "not_utf_8": b"\xff\xfe\x00\x81",
    "utf_16": "a: 1\n".encode("utf-16"),
    "zeros": bytes(1000),
    "two_documents": b"a: 1\n---\nb: 2\n",
    "nothing_but_braces": b"{" * 300,
    "deep": b"[" * 400 + b"]" * 400,
    "deep_mapping": b"".join(b" " * i + b"a:\n" for i in range(200)),
    "alias_of_itself": b"a: &a [*a]\n",
    "laughs": LAUGHS.encode(),
    "merge_of_laughs": (LAUGHS + "<<: *a11\n").encode(),
    "merge_of_text": b"<<: text\n",
    "key_that_is_a_list": b"? [1, 2]\n: 3\n",
    "python": b"!!python/object/apply:os.getcwd []\n",
}
