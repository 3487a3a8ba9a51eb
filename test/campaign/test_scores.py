# SPDX-License-Identifier: Apache-2.0
"""How flights of a campaign are judged."""

from __future__ import annotations

from typing import Any

import pytest

from lupex_nodes.campaign import campaign_tables
from lupex_nodes.campaign.campaign_file import Campaign
from lupex_nodes.campaign.scores import (
    BOARD,
    EARLIER_S,
    GROUND,
    end,
    false_ones,
    judged,
    missed,
    score,
)

INJECTED_S, BOUND_S = 500.0, 60.0


def told(time_s: float, unit: str = "imu", muted_s: float | None = None) -> dict[str, Any]:
    return {
        "time_s": time_s, "unit": unit, "id": f"{unit.upper()}_WRONG", "severity": "warning",
        "muted_s": muted_s, "healed_s": None,
    }  # fmt: skip


def finding(time_s: float, unit: str = "imu") -> dict[str, Any]:
    return {
        "time_s": time_s, "unit": unit, "signal": "rover/imu/data", "kind": "frozen",
        "severity": "warning", "message": "It stands.",
    }  # fmt: skip


def flight(fault: str = "imu_frozen", seed: int = 1, **changed: Any) -> dict[str, Any]:
    run = {
        "id": f"{fault or 'nominal-sortie'}-{seed}", "scenario": "sortie", "seed": seed,
        "fault": fault, "unit": "imu" if fault else "", "blamed": "imu" if fault else "",
        "at_s": INJECTED_S, "detect_within_s": BOUND_S if fault else None, "nature": [],
    }  # fmt: skip
    last = {
        "safe_mode_s": None,
        "driven_m": 0.0,
        "tipped": False,
        "brown_out_s": None,
        "charge": 0.8,
    }
    result = {
        "run": run, "key": "k", "ended": "flown", "injected_s": INJECTED_S if fault else None,
        "refused": "", "outcome": "complete", "cause": "", "mission_time_s": 43200.0,
        "messages": 1, "board": [], "findings": [], "findings_number": 0, "causes": None,
        "raised": [], "end": last, "wall_s": 1.0,
    }  # fmt: skip
    for name, value in changed.items():
        place = next(p for p in (result, run, last) if name in p)
        place[name] = value
    return result


def test_what_is_said_within_the_bound_is_detected_and_later_is_late() -> None:
    early = judged(flight(board=[told(INJECTED_S + BOUND_S)]), BOARD)
    assert (early.first_s, early.detected, early.isolated) == (BOUND_S, True, True)
    late = judged(flight(board=[told(INJECTED_S + BOUND_S + 1.0)]), BOARD)
    assert (late.first_s, late.detected, late.isolated) == (BOUND_S + 1.0, False, True)
    too_late = judged(flight(board=[told(INJECTED_S + 2.0 * BOUND_S + 1.0)]), BOARD)
    assert (too_late.detected, too_late.isolated) == (False, False)


def test_what_was_said_before_the_injection_does_not_count() -> None:
    assert judged(flight(board=[told(INJECTED_S - 1.0)]), BOARD).first_s is None
    before = flight(findings=[finding(INJECTED_S - EARLIER_S - 1.0)])
    assert judged(before, GROUND).first_s is None


def test_what_is_muted_when_it_is_told_is_not_said_on_board() -> None:
    at_s = INJECTED_S + 5.0
    assert judged(flight(board=[told(at_s, muted_s=at_s)]), BOARD).first_s is None


def test_the_first_unit_not_muted_is_blamed() -> None:
    symptom = told(INJECTED_S + 5.0, "navigation", muted_s=INJECTED_S + 20.0)
    root = told(INJECTED_S + 20.0, "imu")
    verdict = judged(flight(board=[symptom, root]), BOARD)
    assert (verdict.first_s, verdict.blamed, verdict.isolated) == (5.0, "imu", True)
    symptom["muted_s"] = None
    verdict = judged(flight(board=[symptom, root]), BOARD)
    assert (verdict.blamed, verdict.isolated) == ("navigation", False)
    # what is muted only after twice the bound comes too late
    symptom["muted_s"] = INJECTED_S + 2.0 * BOUND_S + 1.0
    assert judged(flight(board=[symptom, root]), BOARD).blamed == "navigation"


def test_a_fault_may_be_isolated_to_another_unit_than_the_faulted() -> None:
    verdict = judged(flight(board=[told(INJECTED_S + 5.0, "power")], blamed="power"), BOARD)
    assert verdict.isolated


def test_without_causes_the_earliest_finding_is_blamed() -> None:
    found = [finding(INJECTED_S + 3.0, "navigation"), finding(INJECTED_S + 4.0)]
    verdict = judged(flight(findings=found), GROUND)
    assert (verdict.first_s, verdict.detected, verdict.isolated) == (3.0, True, False)


def test_with_causes_the_first_of_them_is_blamed_whatever_came_first() -> None:
    found = [finding(INJECTED_S + 3.0, "navigation"), finding(INJECTED_S + 4.0)]
    causes = [
        {"time_s": INJECTED_S + 4.0, "unit": "imu", "score": 2.0},
        {"time_s": INJECTED_S + 3.0, "unit": "navigation", "score": 1.0},
    ]
    assert judged(flight(findings=found, causes=causes), GROUND).isolated
    assert not judged(flight(findings=found, causes=causes[::-1]), GROUND).isolated
    assert not judged(flight(findings=found, causes=[]), GROUND).isolated
    causes[0]["time_s"] = 10.0  # of something else, long before
    assert not judged(flight(findings=found, causes=causes), GROUND).isolated


def test_what_only_repeats_the_fault_manager_is_not_found_on_ground() -> None:
    repeated = [finding(INJECTED_S + 3.0, "fault_manager")]
    assert judged(flight(findings=repeated), GROUND).first_s is None
    assert judged(flight(findings=repeated, unit="fault_manager"), GROUND).first_s == 3.0
    assert false_ones(flight(fault="", findings=repeated), GROUND) == []


def test_a_gap_dated_from_the_last_message_before_it_counts_from_the_injection() -> None:
    verdict = judged(flight(findings=[finding(INJECTED_S - 60.0)]), GROUND)
    assert (verdict.first_s, verdict.detected, verdict.isolated) == (0.0, True, True)


@pytest.mark.parametrize(
    ("changed", "how"),
    [
        ({}, "recovered"),
        ({"outcome": "failed"}, "safe"),
        ({"outcome": "safe_mode", "safe_mode_s": 520.0}, "safe"),
        ({"outcome": "time", "driven_m": 3.0}, "drives on"),
        ({"outcome": "failed", "charge": 0.01}, "empty"),
        ({"tipped": True}, "tipped over"),
        ({"outcome": "lost"}, "lost"),
        ({"brown_out_s": 600.0}, "brown-out"),
        ({"brown_out_s": 100.0}, "recovered"),
        ({"injected_s": None}, "not injected"),
        ({"refused": "imu_frozen was refused by imu"}, "not injected"),
    ],
)
def test_flights_end_recovered_or_safe_or_wrong(changed: dict[str, Any], how: str) -> None:
    assert end(flight(**changed)) == how


def test_what_is_said_without_faults_is_false_unless_nature_did_it() -> None:
    nominal = flight(fault="", board=[told(10.0), told(20.0, "power", muted_s=20.0)])
    assert false_ones(nominal, BOARD) == ["IMU_WRONG"]
    assert missed(nominal)
    nominal["run"]["nature"] = ["IMU_WRONG"]
    assert false_ones(nominal, BOARD) == []
    assert not missed(nominal)
    found = flight(fault="", findings=[finding(3.0)])
    assert false_ones(found, GROUND) == ["imu frozen rover/imu/data"]
    found["run"]["nature"] = ["rover/imu/data"]
    assert false_ones(found, GROUND) == []


def found_by_both(**changed: Any) -> dict[str, Any]:
    at_s = INJECTED_S + 10.0
    return flight(**{"board": [told(at_s)], "findings": [finding(at_s)], **changed})


def test_the_score_is_met_at_its_bounds_and_not_below() -> None:
    good = [found_by_both(seed=seed) for seed in range(1, 20)]
    days = [flight(fault="", seed=seed, mission_time_s=86400.0) for seed in range(1, 11)]
    one_missed = flight(seed=20)
    days[0]["board"] = [told(5.0)]
    days[0]["findings"] = [finding(5.0)]
    total = score([*good, one_missed, *days])
    assert (total.board.detected, total.board.number, total.faults) == (19, 20, 20)
    assert total.board.false_per_day == pytest.approx(0.1)
    assert total.board.delay_s == total.ground.delay_s == 10.0
    assert total.met
    assert not score([*good[1:], one_missed, *days]).met
    days[1]["findings"] = [finding(5.0)]
    assert not score([*good, one_missed, *days]).met


@pytest.mark.parametrize(
    "bad",
    [
        {"run": flight()["run"], "key": "k", "ended": "died", "reason": "exit code -9"},
        {"run": flight()["run"], "key": "k", "ended": "hung", "reason": "not over"},
        found_by_both(raised=["navigation"]),
        found_by_both(tipped=True),
    ],
)
def test_one_bad_end_among_many_misses_the_targets(bad: dict[str, Any]) -> None:
    good = [found_by_both(seed=seed) for seed in range(2, 40)]
    assert score(good).met
    total = score([*good, bad])
    assert not total.met
    found = campaign_tables.as_dict(Campaign(name="test", seeds=[1]), [*good, bad])
    assert found["died"] or found["hung"] or found["raised"] or found["ended_otherwise"]


def test_a_failure_of_the_faulted_unit_itself_is_its_fault() -> None:
    assert score([found_by_both(raised=["imu"])]).raised == []


def test_what_nobody_can_observe_is_judged_by_its_end_alone() -> None:
    hidden = flight(detect_within_s=None)
    total = score([found_by_both(), hidden])
    assert (total.faults, total.board.number, total.ground.number) == (2, 1, 1)
    assert not missed(hidden)
    assert missed(flight(detect_within_s=None, tipped=True))


def test_the_tables_tell_each_fault_and_each_scenario() -> None:
    campaign = Campaign(name="test", seeds=[1, 2])
    results = [found_by_both(), flight(seed=2), flight(fault="", board=[told(3.0), told(9.0)])]
    found = campaign_tables.as_dict(campaign, results)
    (row,) = campaign_tables.fault_rows(found)
    assert row == (
        "imu_frozen", "imu", "sortie", "60", "1/2", "1/2", "10", "1/2", "1/2", "10", "2 x recovered"
    )  # fmt: skip
    assert len(row) == len(campaign_tables.FAULT_HEAD)
    assert found["faults"][0]["board"]["missed"] == [
        {"seed": 2, "after_s": None, "blamed": "", "said": ""}
    ]
    assert campaign_tables.nominal_rows(found) == [("sortie", "0.5", "2 x IMU_WRONG", "none")]
    met = {row[0]: row[3] for row in campaign_tables.target_rows(found)}
    assert met["detected on board"] == "**no**"
    assert met["recovered or safe"] == "yes"
