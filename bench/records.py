# SPDX-License-Identifier: Apache-2.0
"""How long a large record takes to be packed and read."""

from __future__ import annotations

import time

import numpy as np

from lupex_nodes.bus.records import Schema, view


def pack_and_view(rows: int = 100_000) -> tuple[float, float]:
    """Return the best of 20 in seconds: a record of four float32 and back; one plain copy."""
    schema = Schema("bench", *((name, "f4", "a number") for name in "abcd"))
    data = np.zeros(rows, schema.dtype)
    both = min(_timed(lambda: view(schema.message(0, data))) for _ in range(20))
    copy = min(_timed(data.tobytes) for _ in range(20))
    return both, copy


def _timed(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
