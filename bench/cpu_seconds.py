# SPDX-License-Identifier: Apache-2.0
"""How long a piece of work keeps a core."""

from __future__ import annotations

import time
from collections.abc import Callable


def least_cpu_s(work: Callable[[], object], times: int = 20) -> float:
    """Return the CPU seconds of the quickest of some runs, which others disturbed least."""
    spent = []
    for _ in range(times):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)
