# SPDX-License-Identifier: Apache-2.0
"""What every process of units imports, imported once, in the fork server: see ``forking``."""

from __future__ import annotations

from lupex_nodes.bus.ros import process, roles
from lupex_nodes.system import load_system

__all__ = ["process", "roles"]

# the units' own modules
_ = load_system().places
