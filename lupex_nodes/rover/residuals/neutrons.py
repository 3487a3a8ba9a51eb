# SPDX-License-Identifier: Apache-2.0
"""Residuals of the two neutron tubes."""

from __future__ import annotations

from collections import deque

from lupex_nodes.models.neutron import NeutronPrior
from lupex_nodes.rover.residuals.residual import Residual
from lupex_nodes.rover.telemetry import Telemetry

_COUNTS = "payload/neutron_spectrometer/counts"


_PRIOR = NeutronPrior()


class _TubeRates(Residual):
    """Rates of both tubes over two minutes, each over that of dry ground."""

    topics = (_COUNTS,)

    def __init__(self) -> None:
        super().__init__()
        self._rows: deque[tuple[float, int, int]] = deque()
        self._sums = [0.0, 0.0, 0.0]

    def update(self, now: int, seen: Telemetry) -> None:
        """Sum the last two minutes of live time."""
        rows, sums = self._rows, self._sums
        sound = [row for row in seen.sources[_COUNTS].rows if 0.0 < row.live_time_s < 1e4]
        if not sound:
            return
        new = (
            sum(row.live_time_s for row in sound),
            sum(row.epithermal_counts for row in sound),
            sum(row.thermal_counts for row in sound),
        )
        rows.append(new)
        for i in range(3):
            sums[i] += new[i]
        while sums[0] - rows[0][0] >= 120.0:
            old = rows.popleft()
            for i in range(3):
                sums[i] -= old[i]
        live_s = sums[0]
        if live_s < 60.0:
            return
        prior = _PRIOR
        background = prior.background_cps
        self.value = self.combine(
            sums[1] / live_s / (prior.epithermal_dry_rate_cps + background),
            sums[2] / live_s / (prior.thermal_dry_rate_cps + background),
        )

    def combine(self, epithermal: float, thermal: float) -> float | None:
        """Return the residual from both relative rates."""
        raise NotImplementedError


class EpithermalRate(_TubeRates):
    """Of the cadmium tube: 1 on dry ground, down to a third over much ice."""

    def combine(self, epithermal: float, thermal: float) -> float | None:
        """Take the one."""
        return epithermal


class ThermalRate(_TubeRates):
    """Of the tin tube: 1 on dry ground."""

    def combine(self, epithermal: float, thermal: float) -> float | None:
        """Take the other."""
        return thermal


class TubesTogether(_TubeRates):
    """The lower of both rates: above 1.5 only when particles come from the Sun."""

    def combine(self, epithermal: float, thermal: float) -> float | None:
        """Take the lower."""
        return min(epithermal, thermal)


class TubeChange(_TubeRates):
    """Rates of a rover that stands over those of the first minutes of this stop."""

    topics = (_COUNTS,)

    def __init__(self) -> None:
        super().__init__()
        self._first: tuple[float, float] | None = None
        self._stop: int | None = None
        self._standing: int | None = None

    def update(self, now: int, seen: Telemetry) -> None:
        """Begin anew with each stop: the soil is another."""
        self._standing = seen.conditions.get("standing")
        if self._standing is None or self._standing != self._stop:
            self._stop, self._first, self.value = self._standing, None, None
            self._rows.clear()
            self._sums = [0.0, 0.0, 0.0]
        if self._standing is not None:
            super().update(now, seen)

    def combine(self, epithermal: float, thermal: float) -> float | None:
        """Return the lower of both changes."""
        if self._first is None:
            self._first = (epithermal, thermal)
        before = self._first
        return min(epithermal / max(before[0], 0.05), thermal / max(before[1], 0.05))


class CountsImplausible(Residual):
    """1 when counts are told that no tube makes."""

    topics = (_COUNTS,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Look at each field's range."""
        c = seen.row(_COUNTS)
        most = 1e5 * max(c.live_time_s, 1.0)
        sound = (
            0.0 <= c.live_time_s < 3600.0 and 0.0 <= c.time_s < 1e9 and c.segment <= 2
            and 100.0 < c.tube_temperature_k < 400.0
            and c.epithermal_counts < most and c.thermal_counts < most
        )  # fmt: skip
        self.value = float(not sound)


class TubesApart(_TubeRates):
    """Rate of the cadmium tube over that of the tin tube: discharges of one alone."""

    def combine(self, epithermal: float, thermal: float) -> float | None:
        """Divide."""
        return epithermal / thermal if thermal > 0.5 else None


#: By the names that the table uses.
