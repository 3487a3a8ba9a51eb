# SPDX-License-Identifier: Apache-2.0
"""Imports go one way: models <- bus <- units <- hosts, recording, analysis <- command line."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "lupex_nodes"
UNITS = ("world", "rover", "payload", "lander", "ground")
HOSTS = ("bus.memory", "bus.ros")
#: What may be known by everybody above models: files, versions, the form of plans and scenarios.
DESCRIPTIONS = (
    "share", "version", "plan", "plan_conditions", "fault_catalogue", "fault_schedule",
    "located_yaml", "model_errors",
)  # fmt: skip
BUS = ("bus",)


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, with names imported from packages."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def inside(names: set[str]) -> set[str]:
    return {n.removeprefix(PACKAGE + ".") for n in names if n.startswith(PACKAGE + ".")}


def under(name: str, parts: tuple[str, ...]) -> bool:
    return any(name == part or name.startswith(part + ".") for part in parts)


def is_unit(path: Path) -> bool:
    tree = ast.parse(path.read_text())
    return any(
        isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == "Unit" for base in node.bases)
        for node in tree.body
    )


def offences(root: Path) -> list[str]:
    """Return every import that goes the wrong way, as `file: why`."""
    package = root / PACKAGE
    units = {
        ".".join(path.relative_to(package).with_suffix("").parts)
        for folder in UNITS
        for path in package.glob(f"{folder}/*.py")
        if is_unit(path)
    }
    found = []
    for path in sorted(package.rglob("*.py")):
        me = ".".join(path.relative_to(package).with_suffix("").parts)
        names = imported(path)
        ours = inside(names)
        wrong = set()
        if under(me, ("models",)):
            wrong = {n for n in ours if not under(n, ("models",))}
            wrong |= {n for n in names if n.partition(".")[0] in ("rclpy", "pydantic")}
        elif under(me, HOSTS):
            wrong = {n for n in ours if under(n, ("cli",))}
        elif under(me, BUS):
            wrong = {n for n in ours if not under(n, ("models", "bus")) or under(n, HOSTS)}
        elif under(me, UNITS):
            allowed = ("models", "bus", *DESCRIPTIONS, *UNITS)
            wrong = {n for n in ours if not under(n, allowed) or under(n, HOSTS)}
            wrong |= {n for n in ours if n in units - {me}}
        elif not under(me, ("cli", "__main__", "console_scripts")):
            wrong = {n for n in ours if under(n, ("cli",))}
        if not under(me, ("bus.ros", "recording")):
            wrong |= {n for n in names if n.partition(".")[0] == "rclpy"}
        found += [f"{me} imports {name}" for name in sorted(wrong)]
    return found


def test_imports_go_one_way() -> None:
    assert offences(ROOT) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("models/bad.py", "from lupex_nodes.bus import records"),
        ("models/bad.py", "import pydantic"),
        ("bus/bad.py", "from lupex_nodes.rover.imu import InertialUnit"),
        ("bus/bad.py", "from lupex_nodes.bus.memory import MemoryBus"),
        ("bus/bad.py", "import rclpy"),
        ("rover/bad.py", "from lupex_nodes.rover.imu import InertialUnit"),
        ("rover/bad.py", "from lupex_nodes.rover import imu"),
        ("rover/bad.py", "from lupex_nodes.recording.bag_writer import BagWriter"),
        ("rover/bad.py", "from rclpy.node import Node"),
        ("analysis/bad.py", "from rclpy.node import Node"),
        ("analysis/bad.py", "from lupex_nodes.cli import run"),
    ],
)
def test_an_offender_is_found(tmp_path: Path, file: str, line: str) -> None:
    unit = "from lupex_nodes.bus.unit import Unit\nclass InertialUnit(Unit):\n    pass\n"
    for name, text in {"rover/imu.py": unit, file: line + "\n"}.items():
        path = tmp_path / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert len(offences(tmp_path)) >= 1
