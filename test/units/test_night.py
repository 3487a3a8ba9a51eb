# SPDX-License-Identifier: Apache-2.0
"""Five days of darkness, with all that decides whether the rover sees the morning."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from thermal_bench import HOUR, StandingRover
from unit_bench import START

from lupex_nodes.analysis.summary import summary
from lupex_nodes.bus.place import EVENTS
from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.slot import Emission
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.flight import Statistics, fly_memory
from lupex_nodes.recording.profiles import profile
from lupex_nodes.rover.records import BUS
from lupex_nodes.scenario import load_scenario
from lupex_nodes.system import load_system

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

from night_balance import NightBalance  # noqa: E402

DARK_H = 120
TOO_LATE = {"dark_h": 90, "after_h": 4}
HAND = NightBalance(surroundings_k=70.0)


@lru_cache
def night(charge: float, dark_h: int = DARK_H, after_h: int = 8) -> StandingRover:
    rover = StandingRover(power={"start_state_of_charge": charge})
    rover.sleep()
    rover.run(dark_h * HOUR)
    rover.left = rover.charge
    rover.sky(1.0, 190.0)
    rover.run(after_h * HOUR)
    return rover


def test_a_full_battery_leaves_what_the_hand_balance_says_and_the_rover_wakes():
    rover = night(1.0)
    assert rover.left == pytest.approx(0.18, abs=0.04)
    assert rover.left == pytest.approx(HAND.left(DARK_H), abs=0.03)
    assert not rover.when("BROWN_OUT")
    assert DARK_H < rover.when("WOKEN")[0] < DARK_H + 8
    assert rover.bus.slots["executive"].state.value == "active"


def test_half_a_charge_is_lost_after_three_days():
    rover = night(0.5, **TOO_LATE)
    assert rover.when("BROWN_OUT")[0] == pytest.approx(76.0, abs=8.0)
    assert rover.when("BROWN_OUT")[0] == pytest.approx(HAND.lasts_h(0.5), rel=0.1)
    lost_h = rover.when("ELECTRONICS_LOST")[0]
    assert lost_h == pytest.approx(76.0, abs=8.0)
    assert lost_h - rover.when("BROWN_OUT")[0] == pytest.approx(HAND.coasts_h, rel=0.15)
    assert not rover.when("WOKEN"), "light comes too late"


def test_the_outcome_of_a_lost_vehicle_is_lost_and_says_why():
    def outcome(rover, until=1e9):
        statistics = Statistics()
        for time, message in rover.log["events"]:
            now = START + round(time * SECOND)
            if time < until * HOUR:
                emission = Emission(EVENTS, Qos.COMMAND, DiagnosticArray, message, "")
                statistics.message(now, emission)
            statistics.tick(now)
        return statistics.outcome

    lost = outcome(night(0.5, **TOO_LATE))
    assert lost.name == "lost"
    assert "The bus collapsed" in lost.cause and "the vehicle is lost" in lost.cause
    assert outcome(night(0.5, **TOO_LATE), until=78.0).name == "energy"
    assert outcome(night(1.0)) is None


def test_light_in_time_brings_a_collapsed_rover_back_warm_first():
    rover = night(0.5, dark_h=78, after_h=14)
    assert [len(rover.when(e)) for e in ("BROWN_OUT", "BUS_BACK", "WOKEN")] == [1, 1, 1]
    rows = [
        (time / HOUR, row)
        for (time, _), row in zip(
            rover.log["rover/power/bus"], rover.rows("rover/power/bus", BUS), strict=True
        )
        if time / HOUR > 78.0
    ]
    charged_from = next(time for time, row in rows if row.battery_w < -100.0)
    assert rover.when("BUS_BACK")[0] < charged_from + 0.1 < rover.when("WOKEN")[0]
    assert rover.charge > 0.25 and len(rover.channels) == 4


def test_the_night_costs_little_time():
    rover = night(1.0)
    ticks = [time for time, _ in rover.log["bus/tick"] if HOUR <= time < DARK_H * HOUR]
    assert len(ticks) == (DARK_H - 1) * 60, "one tick a minute"


@pytest.mark.slow
def test_survival_is_monotonic_in_charge_with_the_threshold_of_the_hand_balance():
    charges = [0.4, 0.5, 0.6, 0.65, 0.7, 0.72, 0.74, 0.76, 0.8, 0.9, 1.0]
    woken = [bool(night(charge).when("WOKEN")) for charge in charges]
    assert woken == sorted(woken) and not woken[0] and woken[-1]
    first = woken.index(True)
    threshold = 0.5 * (charges[first - 1] + charges[first])
    assert threshold == pytest.approx(HAND.threshold(DARK_H), rel=0.1)
    lasted = [night(c).when("BROWN_OUT")[0] for c in charges if night(c).when("BROWN_OUT")]
    assert lasted == sorted(lasted)


@pytest.mark.slow
def test_the_scenario_has_five_dark_days_and_a_morning(tmp_path):
    checked = load_scenario("night_survival", load_system())
    facts = fly_memory(checked, tmp_path, profile("housekeeping"))
    told = summary(tmp_path / "bag", asdict(facts))
    assert told["outcome"] == "complete"
    assert told["battery_min_fraction"] == pytest.approx(0.18, abs=0.04)
    assert told["energy_residual_fraction"] < 1e-3
    assert told["energy"]["deviation_fraction"] < 2e-3
