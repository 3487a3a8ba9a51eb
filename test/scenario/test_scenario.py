# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scenario_units import small_system

from lupex_nodes.located_yaml import BadFile
from lupex_nodes.scenario import CheckedScenario, Scenario, load_scenario

DEM = Path(__file__).parents[3] / "shared/data/dem/Shoemaker_final_adj_5mpp_surf_1k.tif"
GOOD = """\
name: good
start: 2028-10-04T00:00:00Z
duration_s: 60
site: {latitude_deg: -89, longitude_deg: 10}
plan:
  - {activity: warm, command: heater/warm, arguments: {duration_s: 3}}
"""


def load(folder: Path, text: str, **more: object) -> CheckedScenario:
    path = folder / "scenario.yaml"
    path.write_text(text)
    return load_scenario(str(path), small_system(), **more)  # type: ignore[arg-type]


def errors(folder: Path, text: str, **more: object) -> list[str]:
    with pytest.raises(BadFile) as error:
        load(folder, text, **more)
    return [str(each).replace(f"{folder}/", "") for each in error.value.problems]


def test_site_reaches_the_units_that_declare_it_and_the_executive_gets_its_plan(
    tmp_path: Path,
) -> None:
    checked = load(tmp_path, GOOD)
    assert checked.parameters == {
        "heater": {"latitude_deg": -89, "longitude_deg": 10},
        "ground": {},
        "executive": {"plan": str(tmp_path / "scenario.yaml")},
    }
    assert checked.scenario.end_ns - checked.scenario.start_ns == 60 * 10**9


def test_what_is_said_of_a_unit_rules_over_the_site(tmp_path: Path) -> None:
    checked = load(tmp_path, GOOD + "parameters: {heater: {latitude_deg: 3, stages: 2}}\n")
    assert checked.parameters["heater"] == {"latitude_deg": 3, "longitude_deg": 10, "stages": 2}


def test_every_error_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
name: bad
start: tomorrow
duration_s: -5
duraton: 3
site: {latitude_deg: -99, longitude: 3}
terrain:
  geotiff: nothing.tif
parameters:
  heter: {power_w: 3}
  heater: {powr: 3, stages: 1.5, power_w: 51}
plan:
  - {activity: a, command: heater/worm}
  - {activity: a, command: heater/warm, arguments: {duration_s: abc}}
  - activity: c
    wait_s: -1
  - {activity: d, wait_s: 1, command: heater/warm}
  - {command: heater/switch, timeout_s: 0}
"""
    found = [line.split(": ")[:2] for line in errors(tmp_path, text)]
    assert sorted(map(tuple, found)) == sorted(
        (f"scenario.yaml:{line}", place)
        for line, place in [
            (2, "start"), (3, "duration_s"), (4, "duraton"), (5, "site.latitude_deg"),
            (5, "site.longitude"), (7, "terrain.geotiff"), (9, "parameters.heter"),
            (10, "parameters.heater.powr"), (10, "parameters.heater.stages"),
            (10, "parameters.heater.power_w"), (12, "plan[0].command"),
            (13, "plan[1].activity"), (13, "plan[1].arguments"), (15, "plan[2].wait_s"),
            (16, "plan[3]"), (17, "plan[4].activity"), (17, "plan[4].timeout_s"),
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("start: 1969-12-31T23:59:59Z", "3: start: time -1 s is outside 1970"),
        ("duration_s: 1e12", "3: duration_s: time"),
        ("duration_s: .nan", "3: duration_s: nan is refused: give a number of at least 1 (s)"),
        ("seed: -1", "3: seed: -1 is refused: give a whole number from 0"),
        ("plan: everything", "3: plan: 'everything' is refused: give a list"),
        ("site: south", "3: site: 'south' is refused: give a mapping with latitude_deg"),
        ("parameters: [1]", "3: parameters: [1] is refused: give a mapping"),
        ("extends: nowhere", "3: extends: there is no scenario nowhere"),
        ("extends: above", "above.yaml:1: extends: scenario extends this file again"),
    ],
)
def test_one_error_is_one_sentence(tmp_path: Path, change: str, sentence: str) -> None:
    (tmp_path / "base.yaml").write_text(GOOD)
    (tmp_path / "above.yaml").write_text("extends: scenario\n")
    base = "" if change.startswith("extends") else "extends: base\n"
    padding = "# two lines\n" * (2 - base.count("\n"))
    (found,) = [
        line for line in errors(tmp_path, base + padding + change + "\n" + ("" if base else GOOD))
        if "again after line" not in line
    ]  # fmt: skip
    assert sentence in found


def test_a_scenario_that_is_no_mapping_is_told(tmp_path: Path) -> None:
    assert "a scenario is a mapping" in errors(tmp_path, "- 1\n")[0]
    assert "a scenario is a mapping" in errors(tmp_path, "")[0]


def test_the_errors_of_two_files_name_each(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(GOOD.replace("duration_s: 60", "duration_s: 0"))
    found = errors(tmp_path, "extends: base\nseed: x\n")
    assert [line.partition(": ")[0] for line in found] == ["base.yaml:3", "scenario.yaml:2"]


def test_what_it_extends_stays_and_the_plan_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(GOOD + "parameters: {heater: {power_w: 9, stages: 3}}\n")
    text = "extends: base\nplan: [{activity: rest, wait_s: 1}]\nparameters: {heater: {stages: 2}}\n"
    checked = load(tmp_path, text)
    assert [activity.activity for activity in checked.scenario.plan] == ["rest"]
    assert checked.scenario.name == "good"
    assert checked.parameters["heater"]["power_w"] == 9
    assert checked.parameters["heater"]["stages"] == 2


def test_the_command_line_rules_and_is_checked_too(tmp_path: Path) -> None:
    checked = load(tmp_path, GOOD, overrides={"seed": 7, "duration_s": 5.0})
    assert (checked.scenario.seed, checked.scenario.duration_s) == (7, 5.0)
    (found,) = errors(tmp_path, GOOD, overrides={"duration_s": -5.0})
    assert found.startswith("command line:1: duration_s: -5.0 is refused")


def test_a_plan_without_activities_leaves_the_executive_alone(tmp_path: Path) -> None:
    checked = load(tmp_path, GOOD.partition("plan:")[0] + "plan: []\n")
    assert "plan" not in checked.parameters["executive"]


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2028-10-04", datetime(2028, 10, 4, tzinfo=UTC)),
        ("2028-10-04 06:30:00", datetime(2028, 10, 4, 6, 30, tzinfo=UTC)),
        ("2028-10-04T06:30:00+02:00", datetime(2028, 10, 4, 4, 30, tzinfo=UTC)),
        ("'2028-10-04T06:30Z'", datetime(2028, 10, 4, 6, 30, tzinfo=UTC)),
    ],
)
def test_a_start_may_be_written_as_a_date_or_with_a_zone(
    tmp_path: Path, written: str, moment: datetime
) -> None:
    checked = load(tmp_path, GOOD.replace("2028-10-04T00:00:00Z", written))
    assert checked.scenario.start == moment
    assert checked.scenario.start_ns == int(moment.timestamp()) * 10**9


def test_the_place_is_that_of_the_terrains_file(tmp_path: Path) -> None:
    if not DEM.is_file():
        pytest.skip("the real elevation model is not in ../shared/data")
    (tmp_path / "height.tif").symlink_to(DEM)
    checked = load(tmp_path, GOOD + "terrain: {geotiff: height.tif}\n")
    assert checked.parameters["ground"]["terrain_geotiff"] == str(tmp_path / "height.tif")
    assert checked.parameters["heater"]["latitude_deg"] == pytest.approx(-87.18, abs=0.01)
    assert checked.parameters["heater"]["longitude_deg"] == pytest.approx(62.84, abs=0.01)
    again = tmp_path / "elsewhere"
    again.mkdir()
    same = load(again, checked.portable_text()).parameters["ground"]["terrain_geotiff"]
    assert Path(same) == DEM.resolve()


def test_a_terrain_that_is_no_geotiff_is_told(tmp_path: Path) -> None:
    (tmp_path / "height.tif").write_text("no")
    (found,) = errors(tmp_path, GOOD + "terrain: {geotiff: height.tif}\n")
    assert found.startswith("scenario.yaml:7: terrain.geotiff: ")


def test_terrain_that_its_unit_refuses_is_told(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD + "terrain: {size_m: 90}\n").parameters["ground"] == {
        "terrain_size_m": 90.0
    }
    (found,) = errors(tmp_path, GOOD + "terrain: {size_m: 5}\n")
    assert "ground refuses what it is given: terrain_size_m = 5.0" in found


@given(
    st.builds(
        Scenario,
        name=st.text("ab", min_size=1),
        start=st.datetimes(
            datetime(1970, 1, 2), datetime(2037, 1, 1), timezones=st.just(UTC)
        ),
        duration_s=st.floats(1, 1e6),
        seed=st.integers(0, 2**63 - 1),
    )
)
def test_a_scenario_written_as_text_is_the_same_scenario(
    tmp_path_factory: pytest.TempPathFactory, scenario: Scenario
) -> None:
    assert load(tmp_path_factory.mktemp("text"), scenario.text()).scenario == scenario


def test_a_long_value_in_the_wrong_place_is_cut_short(tmp_path: Path) -> None:
    step = {"activity": "wait", "wait_s": 1.0}
    text = yaml.safe_dump({"name": "a", "start": "2028-10-04T00:00:00Z", "duration_s": 9,
                           "plan": [[step] * 100]})  # fmt: skip
    path = tmp_path / "long.yaml"
    path.write_text(text)
    with pytest.raises(BadFile, match=r"plan\[0\].* \.\.\. is refused: give a mapping") as told:
        load_scenario(str(path), small_system())
    assert len(str(told.value)) < 600
