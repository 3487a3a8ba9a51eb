# SPDX-License-Identifier: Apache-2.0
"""Where the files that are not Python are: config, launch, gazebo, rviz and package.xml."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "lupex_nodes"


def candidates() -> Iterator[Path]:
    """Yield the folders that may be the package's share folder, the most specific first.

    The ament index comes first, so that an overlay wins as everywhere in ROS 2; it is read from
    the environment because the ROS 2 wheels set no AMENT_PREFIX_PATH and a plain Python has no
    ament_index_python. Next the environment that pip installed into, last the source tree.
    """
    for prefix in filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)):
        if Path(prefix, "share/ament_index/resource_index/packages", PACKAGE).is_file():
            yield Path(prefix, "share", PACKAGE)
    yield Path(sysconfig.get_path("data"), "share", PACKAGE)
    yield Path(__file__).resolve().parent.parent


def share_folder() -> Path:
    """Return the package's share folder: the first candidate that has a package.xml.

    Raises FileNotFoundError if there is none.
    """
    tried = list(candidates())
    for folder in tried:
        if (folder / "package.xml").is_file():
            return folder
    raise FileNotFoundError(
        f"the share folder of {PACKAGE} is not in {', '.join(map(str, tried))}: "
        "install the package again, or source the workspace that it was built in"
    )


def share_file(relative: str | os.PathLike[str]) -> Path:
    """Return the path of a shared file, for example ``share_file("config/system.yaml")``.

    Raises FileNotFoundError if the share folder has no such file.
    """
    folder = share_folder()
    path = folder / relative
    if not path.is_file():
        raise FileNotFoundError(
            f"{relative} is not in {folder}: install the package again, or give the file's path"
        )
    return path
