# SPDX-License-Identifier: Apache-2.0
"""Which measurements an estimate takes: not the wild ones, unless they insist.

A gate alone would lock an estimate that went wrong out of every right measurement for ever. Here
refused measurements that agree with each other are believed in the end, and the estimate widens.
"""

from __future__ import annotations

from collections import deque
from enum import Enum


class Verdict(Enum):
    """What to do with a measurement."""

    TAKE = "take"
    REFUSE = "refuse"
    INSISTS = "insists"


class InnovationGate:
    """Refuses innovations beyond `limit` standard deviations until `patience` of them agree."""

    def __init__(self, limit: float, patience: int) -> None:
        self.limit = limit
        self._refused: deque[tuple[float, ...]] = deque(maxlen=patience)

    def judge(self, innovation: tuple[float, ...], deviation: float, noise: float) -> Verdict:
        """Judge by the `deviation` (standard deviations); `noise`: 1 sigma of one measurement."""
        if deviation <= self.limit:
            self._refused.clear()
            return Verdict.TAKE
        self._refused.append(innovation)
        if len(self._refused) < (self._refused.maxlen or 1):
            return Verdict.REFUSE
        spread = max(max(each) - min(each) for each in zip(*self._refused, strict=True))
        if spread > 2.0 * self.limit * noise:
            return Verdict.REFUSE
        self._refused.clear()
        return Verdict.INSISTS
