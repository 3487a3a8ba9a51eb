# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lupex_nodes.located_yaml import BadFile, dotted, read, suggestion


def written(folder: Path, text: str) -> Path:
    path = folder / "file.yaml"
    path.write_text(text)
    return path


def test_every_value_knows_its_line(tmp_path: Path) -> None:
    located = read(written(tmp_path, "a: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\n"))
    assert located.data == {"a": 1, "b": ["x", {"c": 2, "d": 3}]}
    lines = {dotted(place): mark.line for place, mark in located.marks.items()}
    assert lines == {"": 1, "a": 1, "b": 2, "b[0]": 3, "b[1]": 4, "b[1].c": 4, "b[1].d": 5}


def test_every_duplicate_key_is_told_with_both_lines(tmp_path: Path) -> None:
    located = read(written(tmp_path, "a: 1\nb: {x: 1, x: 2}\na: 2\n"))
    with pytest.raises(BadFile) as error:
        located.check()
    lines = [str(each).partition("file.yaml:")[2] for each in error.value.problems]
    assert [line.partition(": the key")[0] for line in lines] == ["2: b.x", "3: a"]
    assert "line 1" in lines[1]


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: [1\nb: 2\n", 2), ("a: 1\n b: 2\n", 2), ("a: 'x\n", 2), ("a: \x01\n", 1), ("a: *x\n", 1)],
)
def test_what_is_no_yaml_is_one_line_with_its_place(tmp_path: Path, text: str, line: int) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadFile) as error:
        read(path)
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_binary_file_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="cannot be read"):
        read(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(BadFile, match="UTF-8"):
        read(tmp_path / "b.yaml")


def test_a_value_in_itself_is_told(tmp_path: Path) -> None:
    located = read(written(tmp_path, "a: &a\n  b: *a\n"))
    assert "contains itself" in str(located.problems[0])


def test_an_impossible_date_is_told(tmp_path: Path) -> None:
    located = read(written(tmp_path, "a: 1\nstart: 2028-13-04\n"))
    assert str(located.problems[0]).partition("file.yaml:")[2].startswith("2: start: ")


def test_a_number_with_an_exponent_alone_is_a_number(tmp_path: Path) -> None:
    assert read(written(tmp_path, "a: 1e-3\nb: x1e3\n")).data == {"a": 1e-3, "b": "x1e3"}


def test_a_layer_merges_mappings_and_replaces_lists_with_their_marks(tmp_path: Path) -> None:
    base = read(written(tmp_path, "a: {x: 1, y: 2}\nb: [1,\n 2,\n 3]\n"))
    above = tmp_path / "above.yaml"
    above.write_text("b:\n  - 9\na: {y: 5}\n")
    merged = read(above).over(base)
    assert merged.data == {"a": {"x": 1, "y": 5}, "b": [9]}
    assert merged.mark(("a", "x")).file.name == "file.yaml"
    assert merged.mark(("a", "y")) == (above, 3)
    assert merged.mark(("b", 0)) == (above, 2)
    assert ("b", 2) not in merged.marks


def test_a_close_name_is_suggested_and_else_all_are_told() -> None:
    assert suggestion("sedd", ["seed", "start"]) == "did you mean seed?"
    assert suggestion("qqq", ["start", "seed"]) == "known are seed, start"


KEYS = st.text("abcxyz_", min_size=1, max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abc :{}[]#'\"", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_reads_what_pyyaml_writes(tmp_path_factory: pytest.TempPathFactory, data: dict) -> None:
    path = tmp_path_factory.mktemp("yaml") / "file.yaml"
    path.write_text(yaml.safe_dump(data))
    located = read(path)
    assert located.data == data
    assert not located.problems
