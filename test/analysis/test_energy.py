# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lupex_nodes.analysis.energy import energy, energy_books
from lupex_nodes.analysis.summary import summary
from lupex_nodes.analysis.tables import Rows, Tables
from lupex_nodes.models.battery import Battery
from lupex_nodes.models.power_balance import PowerBalance
from lupex_nodes.rover.bus_reports import bus_row
from lupex_nodes.rover.records import BUS

TOPIC = "/rover/power/bus"


def flown(count: int = 400) -> Tables:
    """A bus with changing light, loads and steps, as its record tells it."""
    rng = np.random.default_rng(3)
    balance = PowerBalance(Battery(), 0.6)
    times, rows = [0.0], [bus_row(balance, balance.step(0.0, 0.0, 280.0, 0.0), 0.0, True)]
    for _ in range(count):
        dt_s = float(rng.choice([1.0, 10.0, 60.0]))
        array_w = float(rng.choice([0.0, 850.0]))
        flow = balance.step(array_w, float(rng.uniform(60.0, 400.0)), 280.0, dt_s)
        times.append(times[-1] + dt_s)
        rows.append(bus_row(balance, flow, array_w, True))
    return tables(np.array(times), np.array(rows, BUS.dtype))


def tables(time_s, rows) -> Tables:
    return Tables(
        Path("bag"), duration_s=float(time_s[-1]), message_count=len(time_s),
        arrivals={TOPIC: time_s}, records={TOPIC: Rows(time_s, rows)},
    )  # fmt: skip


def test_integrated_powers_are_the_counted_energies() -> None:
    found = energy(flown())
    assert found is not None
    assert found.deviation_fraction < 1e-6
    assert found.on_board.residual_fraction < 1e-9
    assert found.from_powers.residual_fraction < 1e-6
    assert found.on_board.array_j > 1e6 and found.on_board.discharge_j > 1e5
    assert list(energy_books(flown())) == []
    told = summary(flown(), {"outcome": "complete"})
    assert told["energy_residual_fraction"] == found.from_powers.residual_fraction
    assert told["energy"]["deviation_fraction"] == found.deviation_fraction


def test_a_part_of_a_flight_balances_too() -> None:
    record = flown().records[TOPIC]
    found = energy(tables(record.time_s[100:], record.rows[100:]))
    assert found is not None and found.deviation_fraction < 1e-6


def test_a_loss_that_nobody_counted_is_found() -> None:
    record = flown().records[TOPIC]
    wrong = record.rows.copy()
    wrong["converter_w"] *= 0.9
    findings = list(energy_books(tables(record.time_s, wrong)))
    assert [finding.unit for finding in findings] == ["power", "power"]
    assert "recorded powers leave over" in findings[0].message
    assert "counted on board differ" in findings[1].message


def test_messages_that_are_missing_are_found() -> None:
    record = flown().records[TOPIC]
    kept = np.r_[0:100, 200:401]
    findings = list(energy_books(tables(record.time_s[kept], record.rows[kept])))
    assert any("differ" in finding.message for finding in findings)


def test_a_bag_without_the_books_has_no_energy() -> None:
    record = flown().records[TOPIC]
    few = record.rows[["array_w", "load_w"]]
    assert energy(tables(record.time_s, few)) is None
    assert summary(tables(record.time_s, few), {})["energy_residual_fraction"] is None
    assert energy(Tables(Path("bag"))) is None


@pytest.mark.parametrize("power", ["array_w", "load_w", "resistive_w", "open_circuit_w"])
def test_every_term_matters(power: str) -> None:
    record = flown().records[TOPIC]
    wrong = record.rows.copy()
    wrong[power] = 0.0
    found = energy(tables(record.time_s, wrong))
    assert found is not None and found.from_powers.residual_fraction > 1e-4
