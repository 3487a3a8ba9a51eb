# SPDX-License-Identifier: Apache-2.0
"""Units flown again over a recorded flight say what they said; changed ones show it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from bag_samples import write_talker

from lupex_nodes.cli import BAD_INPUT, COMPLETE, ENDED_OTHERWISE, main
from lupex_nodes.flight import fly_memory
from lupex_nodes.payload import gpr
from lupex_nodes.payload.neutron_spectrometer import NeutronSpectrometer
from lupex_nodes.recording.bag_reader import open_bag
from lupex_nodes.recording.bag_writer import BagWriter
from lupex_nodes.recording.profiles import profile
from lupex_nodes.recording.rerun import RerunError, rerun
from lupex_nodes.rover.imu import InertialUnit
from lupex_nodes.scenario import load_scenario
from lupex_nodes.system import load_system

SYSTEM = load_system()
#: Commands with and without arguments, a refusal, power off and on, and resets.
FLIGHT = """
extends: sortie
name: switching
duration_s: 150
parameters: {power: {channels_off: []}}

plan:
  - {activity: calibrate, command: neutron_spectrometer/calibrate, arguments: {duration_s: 60}}
  - {activity: drive, command: navigation/go_to, arguments: {x_m: 17.0, y_m: 0.5}, timeout_s: 20,
     on_failure: continue}
  - {activity: switch off, command: power/channels/imu/switch, arguments: {data: false}}
  - {activity: rest, wait_s: 5}
  - {activity: refused, command: imu/noop, on_failure: continue}
  - {activity: switch on, command: power/channels/imu/switch, arguments: {data: true}}
  - {activity: rest again, wait_s: 5}
  - {activity: reset, command: neutron_spectrometer/reset}
"""

SURVEY = Path(__file__).parents[1] / "scenario/short_survey.yaml"
#: The instruments, and how many products each makes in that flight.
PRODUCTS = {"gpr": 12, "neutron_spectrometer": 10, "alis": 2, "ems_l": 2}


@pytest.fixture(scope="module")
def surveys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same survey, recorded with and without nature."""
    found = {}
    for name in ("all", "science"):
        folder = found[name] = tmp_path_factory.mktemp(name)
        facts = fly_memory(load_scenario(str(SURVEY), SYSTEM), folder, profile(name))
        assert facts.outcome == "complete"
    return found


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flown")
    scenario = folder / "switching.yaml"
    scenario.write_text(FLIGHT)
    facts = fly_memory(load_scenario(str(scenario), SYSTEM), folder, profile("all"))
    assert facts.outcome != "failed"
    return folder


def test_the_flight_has_what_makes_it_hard(flown: Path) -> None:
    with open_bag(flown / "bag") as bag:
        statuses = [bag.decode(m).status[0] for m in bag.messages(["/commands", "/events"])]
    told = {(s.name, s.message) for s in statuses}
    assert ("imu: noop", "channel imu is off: switch it on first") in told
    assert ("neutron_spectrometer: RESET", "The unit was reset.") in told


@pytest.mark.parametrize(
    "names",
    [
        ["imu", "neutron_spectrometer"],
        ["executive"],
        ["navigation", "power"],
        list(SYSTEM.places),
    ],
    ids=["instruments", "caller", "called", "all"],
)
def test_unchanged_units_say_again_what_was_recorded(
    flown: Path, tmp_path: Path, names: list[str]
) -> None:
    found = rerun(flown / "bag", names, tmp_path, SYSTEM)
    assert {each.unit: each.difference for each in found} == dict.fromkeys(names, "")
    few = {each.unit: each.messages for each in found if each.messages < 100}
    assert not few, "compared next to nothing"


def test_the_bag_that_is_left_holds_the_units_messages(flown: Path, tmp_path: Path) -> None:
    rerun(flown / "bag", ["imu", "neutron_spectrometer"], tmp_path, SYSTEM)
    compared = 0
    with open_bag(flown / "bag") as before, open_bag(tmp_path / "bag") as again:
        for name in ("imu", "neutron_spectrometer"):
            outputs = [f"/{topic}" for topic in SYSTEM.places[name].outputs()]
            first, second = (
                [(m.log_time_ns, m.topic, repr(bag.decode(m))) for m in bag.messages(outputs)]
                for bag in (before, again)
            )
            assert sorted(first) == sorted(second)
            compared += len(first)
        assert again.custom_data["rerun"] == "imu neutron_spectrometer"
        assert set(again.topics) < set(before.topics)
    assert compared > 100


def test_instruments_that_survey_say_again_what_was_recorded(
    surveys: dict[str, Path], tmp_path: Path
) -> None:
    found = rerun(surveys["all"] / "bag", [*PRODUCTS, "prospecting_map"], tmp_path, SYSTEM)
    assert all(each.messages > 200 and not each.of_raw for each in found)
    assert [each.difference for each in found] == [""] * 5


@pytest.mark.parametrize("name", PRODUCTS)
def test_without_nature_products_are_made_again_from_raw(
    surveys: dict[str, Path], tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = surveys["science"] / "bag"
    arguments = ["run", "--units", name, "--from", str(bag), "--out", str(tmp_path)]
    assert main(arguments) == COMPLETE
    said = capsys.readouterr().out.splitlines()[0]
    count = int(said.removeprefix(f"{name}: ").split()[0])
    assert said == f"{name}: {count} products made again from raw, as recorded"
    assert count >= PRODUCTS[name]
    with open_bag(bag) as before, open_bag(tmp_path / "bag") as again:
        topics = [f"/payload/{name}/{each}" for each in SYSTEM.places[name].unit_class.made]
        assert set(again.topics) == set(topics) & set(before.topics)
        first, second = (
            sorted((m.log_time_ns, m.topic, bytes(m.data)) for m in bag.messages(topics))
            for bag in (before, again)
        )
    assert first == second and len(first) == count


def test_a_changed_product_shows_in_what_it_differs(
    surveys: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = gpr.product
    monkeypatch.setattr(gpr, "product", lambda *raw: replace(made(*raw), noise_db=-1.0))
    (found,) = rerun(surveys["science"] / "bag", ["gpr"], tmp_path, SYSTEM)
    assert re.match(r"/payload/gpr/section at .*: noise_db of row 0 is -1.0 instead of -",
                    found.difference)  # fmt: skip


def test_products_of_an_instrument_that_did_not_measure_are_not_called_equal(
    flown: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_bag(flown / "bag") as bag:
        heard = [topic for topic in bag.topics if not topic.startswith("/world/")]
        without_nature = list(bag.messages(heard))
        with BagWriter(tmp_path / "bag", bag.custom_data) as writer:
            for message in without_nature:
                writer.topic(message.topic, message.type_name, "telemetry")
                writer.write(message.topic, message.type_name, message.data, message.log_time_ns)
    arguments = ["run", "--units", "gpr", "--from", str(tmp_path / "bag")]
    assert main([*arguments, "--out", str(tmp_path / "again")]) == BAD_INPUT
    assert "has nothing of /payload/gpr/traces" in capsys.readouterr().err


def test_a_unit_whose_inputs_were_not_recorded_says_so(
    surveys: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = str(surveys["science"])
    arguments = ["run", "--units", "gpr,imu", "--from", bag, "--out", str(tmp_path)]
    assert main(arguments) == ENDED_OTHERWISE
    radar, inertial, _ = capsys.readouterr().out.splitlines()
    assert radar.endswith("made again from raw, as recorded")
    assert inertial.endswith(
        "; the bag has nothing of /world/vehicle/odometry, which imu hears"
    )


def test_a_changed_unit_shows_in_what_it_differs(
    flown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = InertialUnit.step

    def noisier(unit: InertialUnit, now: int) -> int | None:
        unit.rng.random()
        return step(unit, now)

    monkeypatch.setattr(InertialUnit, "step", noisier)
    arguments = ["run", "--units", "imu,power", "--from", str(flown), "--out", str(tmp_path)]
    assert main(arguments) == ENDED_OTHERWISE
    imu, power, _ = capsys.readouterr().out.splitlines()
    assert "differs first on /" in imu and " instead of " in imu
    assert power.endswith("messages, as recorded")


def test_a_unit_that_says_less_differs(
    flown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NeutronSpectrometer, "step", lambda unit, now: None)
    (found,) = rerun(flown / "bag", ["neutron_spectrometer"], tmp_path, SYSTEM)
    assert "said 0 times instead of" in found.difference


def test_the_command_line_flies_again_and_keeps_what_is_there(
    flown: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", "--units", "imu", "--from", str(flown), "--out", str(tmp_path / "out")]
    assert main(arguments) == COMPLETE
    assert capsys.readouterr().out.splitlines()[0].endswith("messages, as recorded")
    assert main(arguments) == BAD_INPUT
    assert "is there already" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == COMPLETE


def test_replay_compares_a_unit_and_says_topic_time_and_field(
    flown: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(flown.rglob("*"))
    assert main(["replay", str(flown), "--unit", "imu"]) == COMPLETE
    assert capsys.readouterr().out.endswith("messages, as recorded\n")
    step = InertialUnit.step

    def later(unit: InertialUnit, now: int) -> int | None:
        if unit.context.activation == 2:
            unit.rng.random()
        return step(unit, now)

    monkeypatch.setattr(InertialUnit, "step", later)
    assert main(["replay", str(flown), "--unit", "imu"]) == ENDED_OTHERWISE
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"imu: \d+ messages, differs first on /[\w/]+ at \d+\.\d{3} s "
        r"\(2028-10-04T00:0\d:\d\dZ\): [\w.\[\] ]+ is \S+ instead of \S+",
        line,
    ), line
    assert sorted(flown.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--units", "imu"], "--units and --from go together"),
        (["--units", "imu", "--from", "{bag}", "--seed", "3"], "seed cannot be given with --from"),
        (["--units", "rador", "--from", "{bag}"], "there is no unit rador"),
        (["--units", "imu", "--from", "{talker}"], "is no bag of a lock-step flight"),
        (["--units", "imu", "--from", "none"], "there is no bag at none"),
    ],
)
def test_what_cannot_be_flown_again_is_one_sentence(
    flown: Path,
    tmp_path: Path,
    arguments: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {"bag": flown / "bag", "talker": write_talker(tmp_path / "talker")}
    texts = [each.format(**places) for each in arguments]
    assert main(["run", *texts, "--out", str(tmp_path / "out")]) == BAD_INPUT
    printed = capsys.readouterr().err
    assert sentence in printed and printed.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_terrain_that_the_bag_does_not_hold_is_asked_for(tmp_path: Path) -> None:
    dem = Path(__file__).parents[3] / "shared/data/dem/Shoemaker_final_adj_5mpp_surf_1k.tif"
    if not dem.is_file():
        pytest.skip("the real elevation model is not in ../shared/data")
    overrides = {"terrain": {"geotiff": str(dem)}, "duration_s": 20}
    checked = load_scenario("sortie", SYSTEM, overrides=overrides)
    fly_memory(checked, tmp_path, profile("all"))
    with pytest.raises(RerunError, match="give the file with --terrain"):
        rerun(tmp_path / "bag", ["vehicle"], tmp_path / "a", SYSTEM)
    (found,) = rerun(tmp_path / "bag", ["vehicle"], tmp_path / "b", SYSTEM, terrain=str(dem))
    assert found.difference == "" and found.messages > 20
