# SPDX-License-Identifier: Apache-2.0
"""Observers: they see every message and publish nothing; they are not units."""

from __future__ import annotations

from typing import Protocol

from lupex_nodes.bus.slot import Emission


class Observer(Protocol):
    """What a recorder, a progress display or a statistic is to a host."""

    def message(self, now: int, emission: Emission) -> None:
        """See a message published at tick ``now`` (ns)."""

    def tick(self, now: int) -> None:
        """See that tick ``now`` is over."""
