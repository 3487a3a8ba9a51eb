# SPDX-License-Identifier: Apache-2.0
"""Nights of the scenario night_survival from several charges, beside hand balances."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from night_balance import NightBalance

from lupex_nodes.analysis.energy import energy
from lupex_nodes.analysis.summary import BATTERY, summary
from lupex_nodes.analysis.tables import Tables, read_tables
from lupex_nodes.flight import fly_memory
from lupex_nodes.recording.profiles import profile
from lupex_nodes.scenario import load_scenario
from lupex_nodes.system import load_system

SCENARIO = "night_survival"
CHARGES = (0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0)
Row = tuple[str, ...]


def charges(most: int) -> tuple[float, ...]:
    """Return at most so many of the charges, half and full always among them."""
    return CHARGES if most >= len(CHARGES) else (0.5, 1.0)


@dataclass(frozen=True)
class Night:
    """What one night left; hours since its start, NaN for what did not happen."""

    charge: float
    outcome: str
    least: float
    collapsed_h: float
    lost_h: float
    woken_h: float
    residual_fraction: float
    deviation_fraction: float
    real_time_factor: float


def fly(charge: float) -> Night:
    """Fly the scenario from this charge in memory and read its bag."""
    over = {"parameters": {"power": {"start_state_of_charge": charge}}}
    checked = load_scenario(SCENARIO, load_system(), overrides=over)
    with tempfile.TemporaryDirectory() as folder:
        facts = fly_memory(checked, Path(folder), profile("housekeeping"))
        tables = read_tables(Path(folder) / "bag")
    books = energy(tables)
    assert books is not None
    told = summary(tables, asdict(facts))
    left = tables.series(BATTERY, "percentage")
    assert left is not None
    return Night(
        charge, facts.outcome, float(np.min(left.values)), _hours(tables, "BROWN_OUT"),
        _hours(tables, "ELECTRONICS_LOST"), _hours(tables, "WOKEN", "thermal"),
        told["energy_residual_fraction"], books.deviation_fraction, facts.real_time_factor,
    )  # fmt: skip


def _hours(tables: Tables, name: str, unit: str = "power") -> float:
    times = [e.time_s / 3600.0 for e in tables.events if (e.unit, e.name) == (unit, name)]
    return times[0] if times else float("nan")


def judged(nights: Sequence[Night], dark_h: float) -> list[Row]:
    """Judge nights of rising charge: (what, found, by hand or bound, whether it is met)."""
    hand = NightBalance()
    full = max(nights, key=lambda night: night.charge)
    half = min(nights, key=lambda night: abs(night.charge - 0.5))
    survived = [night.outcome == "complete" for night in nights]
    first = survived.index(True) if any(survived) else len(nights)
    rows = [
        _row("least charge after a full start", full.least, hand.left(dark_h), (0.14, 0.22)),
        _row("half a charge is empty after (h)", half.collapsed_h, hand.lasts_h(0.5), (68, 84)),
        _row("half a charge is lost after (h)", half.lost_h,
             hand.lasts_h(0.5) + hand.coasts_h, (68, 84)),
        ("survival grows with the charge", "yes" if survived == sorted(survived) else "no",
         "", "yes", "yes" if survived == sorted(survived) else "**no**"),
    ]  # fmt: skip
    if 0 < first < len(nights):
        found = 0.5 * (nights[first - 1].charge + nights[first].charge)
        by_hand = hand.threshold(dark_h)
        rows.append(_row("least charge that survives", found, by_hand,
                         (0.9 * by_hand, 1.1 * by_hand)))  # fmt: skip
    worst = max(night.residual_fraction for night in nights)
    apart = max(night.deviation_fraction for night in nights)
    slowest = min(night.real_time_factor for night in nights)
    rows += [
        ("energy left over, greatest", f"{worst:.1e}", "", "below 1e-3", _yes(worst < 1e-3)),
        ("bag's powers off the counted energies, greatest", f"{apart:.1e}", "", "below 2e-3",
         _yes(apart < 2e-3)),
        ("times real time, least", f"{slowest:.0f}", "", "at least 5000", _yes(slowest >= 5000)),
    ]  # fmt: skip
    return rows


def _row(what: str, found: float, by_hand: float, bounds: tuple[float, float]) -> Row:
    low, high = bounds
    digits = 0 if found > 20 else 2
    return (what, f"{found:.{digits + (digits == 0)}f}", f"{by_hand:.{digits + (digits == 0)}f}",
            f"{low:.{digits}f} to {high:.{digits}f}", _yes(low <= found <= high))  # fmt: skip


def _yes(met: bool) -> str:
    return "yes" if met else "**no**"


def swept(nights: Sequence[Night]) -> list[Row]:
    """List the nights: (charge, outcome, least charge, empty, lost and woken after hours)."""
    return [
        (f"{night.charge:.2f}", night.outcome, f"{night.least:.2f}",
         *("" if np.isnan(hours) else f"{hours:.1f}"
           for hours in (night.collapsed_h, night.lost_h, night.woken_h)))
        for night in nights
    ]  # fmt: skip


def hand_rows() -> list[Row]:
    """Write the hand balance: (what, W or Wh or h)."""
    hand = NightBalance()
    return [
        ("lost by the box at -10 deg C to 50 K: blankets, mounts, harness, heat pipe",
         f"{hand.loss_w(hand.box_k):.1f} W"),
        ("base load outside of the box", f"{hand.outside_w:.1f} W"),
        ("heat that box and battery give up at first", f"{hand.stored_heat_wh:.0f} Wh"),
        ("from the cells in 120 h, with 4 % lost in the regulator",
         f"{hand.needed_wh(120.0):.0f} Wh"),
        ("held by full cells at +5 deg C", f"{hand.usable_wh:.0f} Wh"),
        ("left after 120 h", f"{hand.left(120.0):.2f}"),
        ("half of it lasts", f"{hand.lasts_h(0.5):.0f} h"),
        ("a box without power reaches -40 deg C after", f"{hand.coasts_h:.1f} h"),
        ("least charge to survive 120 h", f"{hand.threshold(120.0):.2f}"),
    ]  # fmt: skip


#: From the last to the first array power worth the name in the scenario.
DARK_H = 119.4
