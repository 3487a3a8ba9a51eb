# SPDX-License-Identifier: Apache-2.0
"""The raw record that the neutron spectrometer keeps on board, row by row as it was published."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

import numpy as np

from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.models.neutron_profile import running_water
from lupex_nodes.models.neutron_record import RetrievalParameters, exposure
from lupex_nodes.payload.records import COUNTS


class CountRecord:
    """Rows since power-on or since the last calibration began."""

    def __init__(
        self, retrieval: RetrievalParameters, recent_rows: int, began: int | None = None
    ) -> None:
        self.retrieval = retrieval
        self._began = began
        self._rows: list[bytes] = []
        self._recent: deque[bytes] = deque(maxlen=recent_rows)
        self._dry_rate: tuple[float, float] | None = None

    def time_s(self, now: int) -> float:
        """Return the seconds since the record began, which is now if it has not begun."""
        if self._began is None:
            self._began = now
        return (now - self._began) / SECOND

    def append(self, row: bytes) -> None:
        """Take the bytes of one published row."""
        self._rows.append(row)
        self._recent.append(row)

    def rows(self) -> np.ndarray:
        """Return all rows, shape (n,)."""
        return _joined(self._rows)

    def recent(self) -> tuple[float, float, float, float, float] | None:
        """Return apparent water and its error (wt%), both rates (cps), and the significance.

        Of the last rows, against the calibration; None without a calibration.
        """
        if self._dry_rate is None:
            self._dry_rate = self._calibrated()
        if self._dry_rate is None:
            return None
        tail = _joined(self._recent)
        water, error, significance = running_water(tail, *self._dry_rate, self.retrieval)
        live_s = float(tail["live_time_s"].sum())
        counts = (float(tail[f"{name}_counts"].sum()) for name in ("epithermal", "thermal"))
        epithermal, thermal = (each / live_s for each in counts)
        return water, error, epithermal, thermal, significance

    def _calibrated(self) -> tuple[float, float] | None:
        """Return the dry rate without background (cps) and its error, None without rows of it."""
        record = self.rows()
        still = record[record["segment"] == 0]
        counts = float(still["epithermal_counts"].sum())
        if not counts:
            return None
        exposure_s = float(exposure(still, self.retrieval).sum())
        prior = self.retrieval.prior
        background_sigma = prior.background_sigma * prior.background_cps
        sigma = math.hypot(math.sqrt(counts) / exposure_s, background_sigma)
        return counts / exposure_s - prior.background_cps, sigma


def _joined(pieces: Iterable[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(pieces), COUNTS.dtype)
