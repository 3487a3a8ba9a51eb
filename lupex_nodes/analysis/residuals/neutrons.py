# SPDX-License-Identifier: Apache-2.0
"""Rates of the two tubes against dry ground, against each other and against the same place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lupex_nodes.analysis.operating_modes import moving, of_message
from lupex_nodes.analysis.tables import Series, Tables
from lupex_nodes.models.neutron import NeutronPrior

COUNTS = "payload/neutron_spectrometer/counts"
_PRIOR = NeutronPrior()
_WINDOW_S, _LEAST_S = 120.0, 60.0
Column = NDArray[np.float64]


def epithermal_rate_ratio(tables: Tables) -> Series | None:
    """Return the cadmium tube's rate over that of dry ground: down to a third over much ice."""
    rates = _rates(tables)
    return None if rates is None else Series(rates[0], rates[1])


def thermal_rate_ratio(tables: Tables) -> Series | None:
    """Return the tin tube's rate over that of dry ground."""
    rates = _rates(tables)
    return None if rates is None else Series(rates[0], rates[2])


def tubes_together_ratio(tables: Tables) -> Series | None:
    """Return the lower of both: above 1.5 only when particles come from the Sun."""
    rates = _rates(tables)
    return None if rates is None else Series(rates[0], np.minimum(rates[1], rates[2]))


def tubes_apart_ratio(tables: Tables) -> Series | None:
    """Return the cadmium tube's rate over the tin tube's: discharges of one alone."""
    rates = _rates(tables)
    if rates is None:
        return None
    time_s, epithermal, thermal = rates
    sound = thermal > 0.1
    return Series(time_s, np.where(sound, epithermal / np.where(sound, thermal, 1.0), np.nan))


def tube_change_ratio(tables: Tables) -> Series | None:
    """Return the rates of a rover that stands over those of the first minutes of this stop."""
    rates, tracks = _rates(tables), moving(tables)
    if rates is None or tracks is None:
        return None
    time_s, epithermal, thermal = rates
    ran = tracks.time_s[tracks.values > 0.0]
    stops = np.searchsorted(ran, time_s, side="right")
    change = np.full(len(time_s), np.nan)
    together = np.minimum(epithermal, thermal)
    for stop in np.unique(stops):
        stood_s = float(ran[stop - 1]) if stop else -np.inf
        here = np.flatnonzero(
            (stops == stop) & (time_s > stood_s + _WINDOW_S + 5.0) & np.isfinite(together)
        )
        here = here[np.maximum.accumulate(together[here]) < 1.4]
        if len(here) < 2:
            continue
        change[here] = np.minimum(
            *(rate[here] / max(rate[here[0]], 0.05) for rate in (epithermal, thermal))
        )
    return Series(time_s, change)


def counts_implausible(tables: Tables) -> Series | None:
    """Return 1 where counts are told that no tube makes, else 0."""
    found = of_message(
        tables, COUNTS, "live_time_s", "time_s", "segment", "tube_temperature_k",
        "epithermal_counts", "thermal_counts",
    )  # fmt: skip
    if found is None:
        return None
    log_s, live_s, time_s, segment, kelvin, epithermal, thermal = found
    most = 1e5 * np.maximum(live_s, 1.0)
    sound = (
        (live_s >= 0.0) & (live_s < 3600.0) & (time_s >= 0.0) & (time_s < 1e9) & (segment <= 2)
        & (kelvin > 100.0) & (kelvin < 400.0) & (epithermal < most) & (thermal < most)
    )  # fmt: skip
    return Series(log_s, (~sound).astype(float))


def _rates(tables: Tables) -> tuple[Column, Column, Column] | None:
    """Return time, and rates over two minutes of live time over those of dry ground."""
    found = of_message(tables, COUNTS, "live_time_s", "epithermal_counts", "thermal_counts")
    if found is None:
        return None
    time_s, live_s, epithermal, thermal = found
    sound = (live_s > 0.0) & (live_s < 1e4) & (epithermal < 1e9) & (thermal < 1e9)
    time_s, live_s = time_s[sound], live_s[sound]
    if not len(time_s):
        return None
    sums = [np.cumsum(each) for each in (live_s, epithermal[sound], thermal[sound])]
    begin = np.searchsorted(sums[0], sums[0] - _WINDOW_S - 1e-6, side="right") - 1
    live, e, t = (
        each - np.where(begin >= 0, each[np.maximum(begin, 0)], 0.0) for each in sums
    )  # fmt: skip
    live = np.where(live >= _LEAST_S, live, np.nan)
    background = _PRIOR.background_cps
    return (
        time_s,
        e / live / (_PRIOR.epithermal_dry_rate_cps + background),
        t / live / (_PRIOR.thermal_dry_rate_cps + background),
    )
