# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from mission_bag import write_mission

from lupex_nodes.analysis import Analysis, analyze


@pytest.fixture(scope="session")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Analysis]:
    """A sortie over a patch in which a unit dies; analysed once."""
    folder = tmp_path_factory.mktemp("troubled")
    write_mission(folder / "bag")
    return folder, analyze(folder / "bag", folder)


@pytest.fixture(scope="session")
def nominal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Analysis]:
    """A short blank sortie below a root, without trouble."""
    folder = tmp_path_factory.mktemp("nominal")
    write_mission(
        folder / "bag", duration_s=900, standing_s=300, trouble=False, patch=False, root="/sim"
    )
    return folder, analyze(folder / "bag", folder)
