# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import setuptools
import yaml

from lupex_nodes import console_scripts

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ElementTree.parse(ROOT / "package.xml").getroot()
UNITS = [u["name"] for u in yaml.safe_load((ROOT / "config/system.yaml").read_text())["units"]]

# What an import is called by rosdep and by PyPI; a ROS 2 package is called the same by rosdep.
ROSDEP_KEYS = {
    "aiohttp": "python3-aiohttp",
    "jinja2": "python3-jinja2",
    "markupsafe": "python3-jinja2",  # a part of jinja2's interface, always with it
    "matplotlib": "python3-matplotlib",
    "mcap": "mcap-ros2-support",
    "numpy": "python3-numpy",
    "pydantic": "python3-pydantic",
    "rich": "python3-rich",
    "rosbags": "python3-rosbags-pip",
    "scipy": "python3-scipy",
    "yaml": "python3-yaml",
}
PYPI_NAMES = {
    "markupsafe": "jinja2",
    "py_trees": "py-trees",
    "skyfield_data": "skyfield-data",
    "yaml": "pyyaml",
}
# rosdep has no key for these: the README's workstation route installs them by pip.
WITHOUT_KEY = {"skyfield_data", "spiceypy", "tifffile", "zstandard"}
# Not among the ROS 2 wheels: used where they are installed.
WITHOUT_WHEEL = {"ament_index_python", "launch", "launch_ros", "tf2_msgs"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(name: str) -> dict[str, str]:
    """Return the distributions of a requirements file with what follows their names."""
    found = {}
    for line in (ROOT / "requirements" / name).read_text().splitlines():
        if line and line[0] not in "#-":
            distribution, constraint = re.fullmatch(r"([\w.-]+)(.*)", line).groups()
            found[normal(distribution)] = constraint
    return found


def setup_arguments(monkeypatch, *command: str) -> dict:
    captured: dict = {}
    monkeypatch.setattr(setuptools, "setup", lambda **arguments: captured.update(arguments))
    monkeypatch.setattr(sys, "argv", ["setup.py", *command])
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    return captured


def scripts(arguments: dict) -> set[str]:
    return {line.split(" = ")[0] for line in arguments["entry_points"]["console_scripts"]}


def imports() -> dict[str, str]:
    """Return the top-level modules that the package imports, each with a file that does."""
    found = {}
    for path in [*ROOT.glob("lupex_nodes/**/*.py"), *ROOT.glob("launch/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            else:
                continue
            found |= {name.split(".")[0]: str(path.relative_to(ROOT)) for name in names}
    own = {"lupex_nodes", *sys.stdlib_module_names}
    return {name: path for name, path in found.items() if name not in own}


def test_manifest_is_an_ament_python_package_of_format_3():
    assert MANIFEST.get("format") == "3"
    assert MANIFEST.findtext("export/build_type") == "ament_python"
    assert MANIFEST.findtext("license") == "Apache-2.0"
    assert (ROOT / MANIFEST.find("license").get("file")).read_text().split()[:2] == [
        "Apache", "License",
    ]


def test_version_stands_in_the_manifest_alone(monkeypatch):
    version = MANIFEST.findtext("version")
    assert setup_arguments(monkeypatch, "install")["version"] == version
    for path in [ROOT / "setup.py", ROOT / "pyproject.toml", *ROOT.glob("lupex_nodes/*.py")]:
        assert f'"{version}"' not in path.read_text().replace('example ``"', ""), path


def test_every_import_is_declared_for_ros():
    declared = {element.text for element in MANIFEST if element.tag.endswith("depend")}
    workstation = requirements("workstation.txt")
    missing = {
        name: path
        for name, path in imports().items()
        if ROSDEP_KEYS.get(name, name) not in declared
        and not (name in WITHOUT_KEY and normal(name) in workstation)
    }
    assert not missing


def test_every_import_is_declared_for_pip():
    run = requirements("run.txt")
    missing = {
        name: path
        for name, path in imports().items()
        if name not in WITHOUT_WHEEL
        and not {normal(PYPI_NAMES.get(name, name)), normal(f"ros-jazzy-{name}")} & run.keys()
    }
    assert not missing


def test_pip_is_told_of_no_ros_package(monkeypatch):
    required = setup_arguments(monkeypatch, "install")["install_requires"]
    assert required and not [name for name in required if name.startswith("ros-")]


def test_every_distribution_of_the_wheel_route_is_pinned():
    pinned = requirements("constraints.txt")
    wanted = requirements("run.txt") | requirements("test.txt")
    assert wanted.keys() <= pinned.keys()
    assert all(re.fullmatch(r"==[\w.]+", version) for version in pinned.values())
    assert "-c constraints.txt" in (ROOT / "requirements/run.txt").read_text()


def test_floor_is_what_setup_promises(monkeypatch):
    floor = requirements("floor.txt")
    for required in setup_arguments(monkeypatch, "install")["install_requires"]:
        name, _, oldest = required.partition(">=")
        if name in ("numpy", "scipy"):
            assert floor[name].startswith(f"=={oldest}.")


@pytest.mark.parametrize("command", ["dist_info", "bdist_wheel", "editable_wheel", "egg_info"])
def test_pip_installs_no_command_but_two(monkeypatch, command):
    arguments = setup_arguments(monkeypatch, command)
    assert scripts(arguments) == {"lupex", "lupex_node"}
    assert not [folder for folder, _ in arguments["data_files"] if not folder.startswith("share/")]


@pytest.mark.parametrize(
    "command",
    [["egg_info", "--egg-base", "x", "build", "install", "--record", "y"], ["develop"], []],
    ids=["install", "develop", "introspection"],
)
def test_colcon_installs_a_script_for_each_unit(monkeypatch, command):
    arguments = setup_arguments(monkeypatch, *command)
    assert scripts(arguments) == {"lupex", "lupex_node", *UNITS}
    assert ("bin", ["bin/lupex"]) in arguments["data_files"]


def test_every_shared_file_is_installed(monkeypatch):
    installed = {
        path for _, paths in setup_arguments(monkeypatch, "install")["data_files"] for path in paths
    }
    folders = ("launch", "config", "gazebo", "rviz")
    present = {
        str(path.relative_to(ROOT))
        for folder in folders
        for path in ROOT.glob(f"{folder}/**/*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert present <= installed and "package.xml" in installed


@pytest.mark.parametrize("found", ["1.10.14", None])
def test_old_or_missing_pydantic_is_said_in_one_sentence(monkeypatch, found):
    def version(name: str) -> str:
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)
    for command in (console_scripts.lupex, console_scripts.lupex_node):
        with pytest.raises(SystemExit) as stopped:
            command()
        assert f"needs pydantic 2 or newer and {sys.executable} has {found or 'none'}" in str(
            stopped.value
        )
        assert "requirements/workstation.txt" in str(stopped.value)
        assert "\n" not in str(stopped.value)


def test_unit_script_runs_the_unit_it_is_named_after(monkeypatch):
    import lupex_nodes.bus.ros.process as process

    seen = []
    monkeypatch.setattr(process, "main", lambda: seen.append(sys.argv[1:]))
    monkeypatch.setattr(sys, "argv", ["/ws/lib/lupex_nodes/imu", "--clock", "wall"])
    console_scripts.unit()
    assert seen == [["imu", "--clock", "wall"]]


def install_script(tmp_path: Path, *, path: str = "", **environment: str):
    return subprocess.run(
        [ROOT / "requirements/install.sh", tmp_path / "venv", "run"],
        env=os.environ | environment | {"PATH": path + os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_setup_says_in_one_sentence_that_python_is_missing(tmp_path):
    done = install_script(tmp_path, PYTHON="python3.9")
    assert done.returncode != 0
    assert done.stderr.startswith("setup: Python 3.11 to 3.13 is missing:")
    assert done.stderr.count("\n") == 1


def test_setup_says_in_one_sentence_that_there_are_no_wheels(tmp_path):
    uname = tmp_path / "uname"
    uname.write_text('#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo aarch64\n')
    uname.chmod(0o755)
    done = install_script(tmp_path, path=f"{tmp_path}{os.pathsep}", PYTHON=sys.executable)
    assert done.returncode != 0
    assert "for Linux x86_64 only, and this is Linux aarch64" in done.stderr
    assert done.stderr.count("\n") == 1
