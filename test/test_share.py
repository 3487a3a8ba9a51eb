# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import pytest

from lupex_nodes import share
from lupex_nodes.version import version

ROOT = Path(__file__).resolve().parent.parent
MARKER = "share/ament_index/resource_index/packages/lupex_nodes"


def install(prefix: Path, *, indexed: bool = True, release: str = "9.8.7") -> Path:
    folder = prefix / "share/lupex_nodes"
    folder.mkdir(parents=True)
    (folder / "package.xml").write_text(f"<package><version>{release}</version></package>")
    if indexed:
        (prefix / MARKER).parent.mkdir(parents=True)
        (prefix / MARKER).touch()
    return folder


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """A Python environment with nothing installed in it, and no ROS 2 sourced."""
    empty = tmp_path / "environment"
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(empty))
    return empty


def test_source_tree_is_the_last_resort(environment):
    assert share.share_folder() == ROOT


def test_environment_comes_before_source_tree(environment):
    assert share.share_folder() == ROOT
    folder = install(environment)
    assert share.share_folder() == folder


def test_first_indexed_prefix_comes_before_all(environment, tmp_path, monkeypatch):
    install(environment)
    install(tmp_path / "other_package", indexed=False)
    overlay = install(tmp_path / "overlay")
    install(tmp_path / "underlay")
    prefixes = [tmp_path / name for name in ("other_package", "overlay", "underlay")]
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join(map(str, prefixes)))
    assert share.share_folder() == overlay


def test_empty_prefix_is_not_the_root_folder(environment, monkeypatch):
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep)
    assert share.share_folder() == ROOT


def test_version_is_that_of_the_package_xml_found(environment):
    install(environment, release="3.2.1")
    assert version() == "3.2.1"


def test_missing_file_is_said_in_one_sentence(environment):
    with pytest.raises(FileNotFoundError, match="config/none.yaml is not in .*: install"):
        share.share_file("config/none.yaml")


def test_missing_folder_names_every_place_tried(environment, tmp_path, monkeypatch):
    monkeypatch.setattr(share, "__file__", str(tmp_path / "elsewhere/lupex_nodes/share.py"))
    with pytest.raises(FileNotFoundError) as caught:
        share.share_folder()
    assert str(environment) in str(caught.value) and "elsewhere" in str(caught.value)
    assert "\n" not in str(caught.value)
