# SPDX-License-Identifier: Apache-2.0
"""What a residual is."""

from __future__ import annotations

from typing import ClassVar

from lupex_nodes.rover.telemetry import Telemetry


class Residual:
    """One comparison; `update` is called when a message came on one of its topics."""

    topics: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self.value: float | None = None
        self.updated_at = -1

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare anew."""
        raise NotImplementedError
