# SPDX-License-Identifier: Apache-2.0
"""What the installed commands call.

The real entry points are imported inside the functions, after the check of pydantic: with
pydantic 1 their modules could not even be imported.
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

OLDEST_PYDANTIC = 2


def require_pydantic() -> None:
    """Exit with one sentence if pydantic is missing or too old, as on a bare Ubuntu 24.04."""
    try:
        found = importlib.metadata.version("pydantic")
    except importlib.metadata.PackageNotFoundError:
        found = "none"
    if found == "none" or int(found.split(".")[0]) < OLDEST_PYDANTIC:
        sys.exit(
            f"lupex_nodes needs pydantic {OLDEST_PYDANTIC} or newer and {sys.executable} has "
            f"{found}: install requirements/workstation.txt into a virtual environment "
            "made with --system-site-packages, and build in it with `python -m colcon build`"
        )


def lupex() -> int | None:
    """Run the command line, `lupex`."""
    require_pydantic()
    from lupex_nodes.cli import main

    return main()


def lupex_node() -> int | None:
    """Run a process of the units named on the command line, `lupex_node NAME [NAME...]`."""
    require_pydantic()
    from lupex_nodes.bus.ros.process import main

    return main()


def unit() -> int | None:
    """Run the one unit that the script is named after, as in `ros2 run lupex_nodes imu`."""
    sys.argv.insert(1, Path(sys.argv[0]).stem)
    return lupex_node()
