# SPDX-License-Identifier: Apache-2.0
"""What a campaign flies, and what is refused in its file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lupex_nodes.campaign.campaign_file import drawn_s, read_campaign
from lupex_nodes.cli import BAD_INPUT, main
from lupex_nodes.fault_catalogue import catalogue
from lupex_nodes.models.ephemeris import earth
from lupex_nodes.scenario import Scenario, load_scenario
from lupex_nodes.share import share_folder
from lupex_nodes.system import load_system

CAMPAIGNS = share_folder() / "config/campaigns"
START = "name: broken\nseeds: [1]\n"
BROKEN = {
    "no_seeds": ("name: broken\n", 1, "seeds: is missing"),
    "unknown_key": (START + "trails: []\n", 3, "trails: is not known here: did you mean trials?"),
    "unknown_fault": (
        START + "trials:\n  - {scenario: sortie, at_s: [1, 2], faults: [imu_frosen]}\n",
        4, "trials[0].faults[0]: there is no fault imu_frosen: did you mean imu_frozen?",
    ),
    "unknown_scenario": (
        START + "nominal:\n  - {scenario: sorty}\n", 4, "nominal[0].scenario: there is no scenario",
    ),
    "window": (
        START + "trials:\n  - {scenario: sortie, at_s: [5, 2], faults: [imu_frozen]}\n",
        4, "trials[0].at_s: ",
    ),
    "twice": (
        START + "trials:\n  - {scenario: sortie, at_s: [1, 2], faults: [imu_frozen]}\n"
        "  - {scenario: sortie, at_s: [1, 2], faults: [imu_frozen]}\n",
        5, "trials[1].faults[0]: imu_frozen is in the trial of line 4 already",
    ),
    "nominal_twice": (
        START + "nominal:\n  - {scenario: sortie}\n  - {scenario: sortie}\n",
        5, "nominal[1]: sortie is flown by a row above already",
    ),
    "too_late": (
        START + "trials:\n  - {scenario: sortie, at_s: [9000, 9000], faults: [imu_frozen]}\n",
        1, "faults[0].at_s: the flight is over after 7200 s",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_campaign_is_one_clear_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, line, sentence = BROKEN[name]
    path = tmp_path / f"{name}.yaml"
    path.write_text(text)
    assert main(["campaign", str(path), "--out", str(tmp_path / "out")]) == BAD_INPUT
    said = capsys.readouterr().err
    where = "command line" if name == "too_late" else str(path)
    assert said.startswith(f"{where}:{line}: {sentence}"), said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no_such.yaml"], "cannot be read"),
        ([str(CAMPAIGNS / "smoke.yaml"), "--only", "x*"], "no flight is called x*"),
        ([str(CAMPAIGNS / "smoke.yaml"), "--out", "/proc/none"], "name another folder"),
    ],
)
def test_bad_arguments_are_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["campaign", *arguments]) == BAD_INPUT
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("seeds", ["1,,2", "one", "1,1", "-3"])
def test_seeds_are_different_whole_numbers(seeds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["campaign", str(CAMPAIGNS / "smoke.yaml"), f"--seeds={seeds}"])
    assert "give different whole numbers" in capsys.readouterr().err


def test_every_fault_is_flown_once_with_every_seed() -> None:
    campaign, runs = read_campaign(CAMPAIGNS / "single_faults.yaml")
    assert len(campaign.seeds) == 5
    flown = Counter((run.fault, run.seed) for run in runs if run.fault)
    assert set(flown) == {(name, seed) for name in catalogue() for seed in campaign.seeds}
    assert set(flown.values()) == {1}
    assert len({run.id for run in runs}) == len(runs)


def test_thirty_nominal_days_have_a_particle_event_a_sleep_and_the_setting_of_the_earth() -> None:
    _, runs = read_campaign(CAMPAIGNS / "single_faults.yaml")
    system = load_system()
    flown = {run.scenario: run.load(system) for run in runs if not run.fault}
    days = sum(flown[run.scenario].scenario.duration_s / 86400.0 for run in runs if not run.fault)
    assert days >= 30.0
    scenarios = [checked.scenario for checked in flown.values()]
    assert any(
        0.0 < each.parameters.get("environment", {}).get("solar_event_after_h", -1.0)
        for each in scenarios
    )
    assert any(
        activity.arguments.get("mode") == "hibernate"
        for each in scenarios for activity in each.plan
    )  # fmt: skip
    assert any(
        earth_deg(each, each.start_ns) > 0.0 > earth_deg(each, each.end_ns) for each in scenarios
    )


def earth_deg(scenario: Scenario, moment_ns: int) -> float:
    site = scenario.site
    return earth(moment_ns, site.latitude_deg, site.longitude_deg).elevation_deg


def test_every_injection_is_in_its_flight_and_leaves_time_to_find_the_fault() -> None:
    _, runs = read_campaign(CAMPAIGNS / "single_faults.yaml")
    system = load_system()
    durations = {
        run.scenario: load_scenario(run.scenario, system).scenario.duration_s
        for run in runs if run.fault
    }  # fmt: skip
    for run in runs:
        if run.fault and run.detect_within_s is not None:
            left_s = durations[run.scenario] - run.at_s
            assert left_s >= run.detect_within_s, run


def test_other_seeds_draw_other_times_and_the_same_seed_the_same() -> None:
    path = CAMPAIGNS / "single_faults.yaml"
    seeds = list(range(101, 106))
    tuned = [run for run in read_campaign(path, seeds)[1] if run.fault == "imu_frozen"]
    again = [run for run in read_campaign(path, seeds)[1] if run.fault == "imu_frozen"]
    assert [run.seed for run in tuned] == seeds
    assert tuned == again
    assert len({run.at_s for run in tuned}) > 2


def test_times_are_whole_seconds_over_the_whole_window() -> None:
    drawn = {drawn_s("imu_frozen", seed, [400, 402]) for seed in range(50)}
    assert drawn == {400.0, 401.0, 402.0}
