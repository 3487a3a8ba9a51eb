# SPDX-License-Identifier: Apache-2.0
"""Builds the package with colcon, as a ROS 2 workstation does, and uses what was installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
UNITS = {u["name"] for u in yaml.safe_load((ROOT / "config/system.yaml").read_text())["units"]}


@pytest.fixture(scope="module", params=[(), ("--symlink-install",)], ids=["copy", "symlink"])
def workspace(request, tmp_path_factory):
    """A workspace in which the package has been built, by copy or with --symlink-install."""
    pytest.importorskip("colcon_ros", reason="colcon is not installed: pip install colcon-ros")
    folder = tmp_path_factory.mktemp("workspace")
    done = subprocess.run(
        [sys.executable, "-m", "colcon", "--log-base", "log", "build", "--paths", ROOT,
         *request.param],
        cwd=folder, env=outside(folder), capture_output=True, text=True, timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def outside(folder: Path) -> dict[str, str]:
    """Return an environment with no source tree and no other workspace in it."""
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("AMENT_", "COLCON_", "PYTEST_")) and name != "PYTHONPATH"
    }
    return kept | {"HOME": str(folder)}


def sourced(workspace: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that has sourced the workspace."""
    return subprocess.run(
        ["bash", "-c", '. install/local_setup.bash && "$@"', "bash", *command],
        cwd=workspace, env=outside(workspace), capture_output=True, text=True, timeout=60,
    )


def test_lupex_is_on_path_and_lists_the_units(workspace):
    done = sourced(workspace, "lupex", "units")
    assert done.returncode == 0, done.stderr
    assert all(unit in done.stdout for unit in UNITS)


def test_commands_are_where_ros2_run_looks_and_nowhere_else(workspace):
    prefix = workspace / "install/lupex_nodes"
    assert {path.name for path in prefix.glob("lib/lupex_nodes/*")} == {
        "lupex", "lupex_node", *UNITS,
    }
    assert {path.name for path in prefix.glob("bin/*")} == {"lupex"}


def test_unit_script_takes_the_arguments_of_a_process(workspace):
    unit = "install/lupex_nodes/lib/lupex_nodes/" + min(UNITS)
    done = sourced(workspace, unit, "--clock", "sundial")
    assert done.returncode == 2
    assert "invalid choice: 'sundial'" in done.stderr


def test_package_runs_from_the_workspace_and_finds_its_files_there(workspace):
    done = sourced(
        workspace, sys.executable, "-c",
        "import lupex_nodes.share as s; print(s.__file__); print(s.share_folder())",
    )
    code, share = map(Path, done.stdout.split())
    assert workspace in code.parents
    assert share == workspace / "install/lupex_nodes/share/lupex_nodes"
    for folder in ("launch", "config", "gazebo", "rviz"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                installed = share / path.relative_to(ROOT)
                assert installed.read_bytes() == path.read_bytes()


def test_data_beside_the_code_is_installed(workspace):
    done = sourced(workspace, sys.executable, "-c", "import lupex_nodes as n; print(n.__path__[0])")
    package = Path(done.stdout.strip())
    for path in (ROOT / "lupex_nodes").rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert (package / path.relative_to(ROOT / "lupex_nodes")).is_file(), path
