# SPDX-License-Identifier: Apache-2.0
"""``lupex faults``, and faults that are given to ``lupex run`` and to launch files."""

from __future__ import annotations

from pathlib import Path

import pytest

from lupex_nodes.bus.fault_acts import Support
from lupex_nodes.bus.ros import process
from lupex_nodes.cli import BAD_INPUT, COMPLETE, main
from lupex_nodes.fault_catalogue import catalogue, read_catalogue
from lupex_nodes.launch_plan import ARGUMENTS, LaunchArgumentError, plan
from lupex_nodes.located_yaml import BadFile
from lupex_nodes.recording.bag_reader import open_bag
from lupex_nodes.scenario import load_scenario
from lupex_nodes.system import load_system

SYSTEM = load_system()


def test_the_table_has_every_fault_and_what_each_unit_can_suffer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["faults"]) == COMPLETE
    text = capsys.readouterr().out
    words = set(text.replace(",", " ").replace(":", " ").split())
    assert words >= set(catalogue())
    for place in SYSTEM.places.values():
        if not place.injects:
            support = Support(place)
            topics = {"/" + topic.lstrip("/") for topic in support.outputs}
            assert words >= {place.name, *topics, *support.commands, *support.degradation}


def test_one_fault_is_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    for fault in catalogue().values():
        assert main(["faults", fault.id]) == COMPLETE
        text = " ".join(capsys.readouterr().out.split())
        for each in fault.signature, fault.magnitude, fault.resembles, fault.unit, fault.act_name:
            assert " ".join(each.split()) in text
        assert f"lupex run --fault {fault.id}@600+300" in text


def test_an_unknown_fault_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "imu_frosen"]) == BAD_INPUT
    assert capsys.readouterr().err == "there is no fault imu_frosen: did you mean imu_frozen?\n"


# --- files that are wrong ------------------------------------------------------------------

ROW = """\
  - id: {id}
    unit: {unit}
    act: {act}
    magnitude: some
    resembles: one
    signature: seen
    {end}
"""


def row(
    id: str = "one", unit: str = "imu", act: str = "{process: {kind: hang}}",
    end: str = "detect_within_s: 10",
) -> str:  # fmt: skip
    return ROW.format(id=id, unit=unit, act=act, end=end)


@pytest.mark.parametrize(
    ("rows", "sentences"),
    [
        ([row(unit="imo")], ["3: faults[0].unit: there is no unit imo: did you mean imu?"]),
        ([row(), row()], ["9: faults[1].id: one is there already"]),
        ([row(act="{process: {kind: hung}}")], ["4: faults[0].act: kind = 'hung' is refused"]),
        ([row(act="{port: {output: rover/imu/data, kind: off, x: 1}}")], ["x is not known here"]),
        ([row(act="{}")], ["act is a mapping with one key"]),
        ([row(act="{process: {kind: hang}, memory: {kind: lost}}")], ["one key, one of port"]),
        ([row(end="detect_within_s: -1")], ["8: faults[0].detect_within_s: -1 is refused"]),
        ([row(end="colour: red")], ["8: faults[0].colour: is not known here"]),
        ([row(end="isolates_to: imo\n    detect_within_s: 1")], ["there is no unit imo"]),
        ([row(id="a b"), row(unit="vehicle")], ["faults[0].id", "vehicle is nature"]),
        ([row(id=f"f{i}", end="not_observable: dark") for i in range(6)], ["at most 5 may have"]),
    ],
)
def test_a_wrong_catalogue_is_told_with_file_and_line(
    tmp_path: Path, rows: list[str], sentences: list[str]
) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("faults:\n" + "".join(rows))
    with pytest.raises(BadFile) as found:
        read_catalogue(path, SYSTEM.places)
    for sentence in sentences:
        assert sentence in str(found.value)
    assert str(found.value).startswith(f"{path}:")


def test_a_row_may_say_off_without_quotes(tmp_path: Path) -> None:
    """YAML 1.1 reads it as false."""
    path = tmp_path / "faults.yaml"
    path.write_text("faults:\n" + row(act="{port: {output: rover/imu/data, kind: off}}"))
    (fault,) = read_catalogue(path, SYSTEM.places).values()
    assert fault.arguments()["settings"] == ["output=rover/imu/data", "kind=off"]


SCENARIO = "name: some\nstart: 2028-10-04T00:00:00Z\nduration_s: 100\nfaults:\n"


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("{fault: imu_frosen, at_s: 1}", "there is no fault imu_frosen: did you mean imu_frozen?"),
        ("{fault: imu_frozen, at_s: 100}", "the flight is over after 100 s: begin earlier"),
        ("{fault: imu_frozen}", "give at_s or when"),
        ("{fault: imu_frozen, at_s: -1}", "-1 is refused"),
        ("{fault: imu_frozen, at_s: 1, for: 3}", "did you mean for_s?"),
        ("{fault: imu_frozen, when: {}}", "give at least one of driven_above_m"),
        ("{fault: imu_frozen, when: {mode_of: imu}}", "mode_of and mode go together"),
        ("{fault: imu_frozen, when: {mode_of: imu, mode: mad}}", "imu has no mode mad"),
        ("{fault: imu_frozen, when: {mode_of: imo, mode: on}}", "there is no unit imo"),
        ("{fault: imu_frozen, at_s: 1, magnitude: {speed: 1}}", "speed is not known here"),
        ("{fault: ranging_bias, at_s: 1, magnitude: {bias_m: 0.0}}", "changes nothing in ranging"),
        ("{fault: ranging_bias, at_s: 1, magnitude: {bias_m: 1e9}}", "from -1000 to 1000 (m)"),
    ],
)
def test_wrong_faults_of_a_scenario_are_told_with_file_and_line(
    tmp_path: Path, entry: str, sentence: str
) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(f"{SCENARIO}  - {entry}\n")
    with pytest.raises(BadFile) as found:
        load_scenario(str(path), SYSTEM)
    assert sentence in str(found.value)
    assert str(found.value).startswith(f"{path}:5: faults[0]")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--fault", "imu_frozen"], "'imu_frozen' is no fault with its time: write ID@T or ID@T+D"),
        (["--fault", "imu_frozen@1e3"], "write ID@T or ID@T+D"),
        (["--fault", "imu_frosen@10"], "did you mean imu_frozen?"),
        (["--fault", "imu_frozen@10+0.1"], "0.1 is refused"),
        (["--faults", "no/such.yaml"], "no/such.yaml:1: the file cannot be read"),
    ],
)
def test_wrong_faults_of_the_command_line_are_refused_before_the_flight(
    tmp_path: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["run", "--bus", "memory", "--out", str(out), *arguments]) == BAD_INPUT
    assert sentence in capsys.readouterr().err
    assert not out.exists()


def test_faults_of_scenario_file_and_option_are_flown_together(tmp_path: Path) -> None:
    scenario = tmp_path / "some.yaml"
    scenario.write_text(f"{SCENARIO}  - {{fault: relay_hang, at_s: 20, for_s: 5}}\n")
    listed = tmp_path / "more.yaml"
    listed.write_text("- {fault: ranging_bias, at_s: 30, magnitude: {bias_m: 3.5}}\n")
    out = tmp_path / "out"
    arguments = ["run", str(scenario), "--bus", "memory", "--record", "all", "--out", str(out)]
    arguments += ["--faults", str(listed), "--fault", "temperature_frozen@40+10"]
    assert main(arguments) == COMPLETE
    begun, ended = [], []
    with open_bag(out / "bag") as bag:
        for message in bag.messages(["/events"]):
            (status,) = bag.decode(message).status
            values = {pair.key: pair.value for pair in status.values}
            if status.name == "fault_injector: FAULT_INJECTED":
                begun.append((values["fault"], values["act"]))
            elif status.name == "fault_injector: FAULT_RESTORED":
                ended.append(values["fault"])
    assert begun == [
        ("relay_hang", "process kind=hang resets=1"),
        ("ranging_bias", "degradation bias_m=3.5"),
        ("temperature_frozen", "port output=rover/thermal/temperatures kind=stuck"),
    ]
    assert ended == ["relay_hang", "temperature_frozen"]
    # what was flown can be flown again from what the bag says of itself
    again = tmp_path / "again.yaml"
    with open_bag(out / "bag") as bag:
        again.write_text(bag.custom_data["scenario_yaml"])
    assert len(load_scenario(str(again), SYSTEM).scenario.faults) == 3


def test_launch_files_take_a_file_of_faults(tmp_path: Path) -> None:
    listed = tmp_path / "faults.yaml"
    listed.write_text("faults: [{fault: imu_frozen, at_s: 5}]\n")
    values = {argument.name: argument.default for argument in ARGUMENTS}
    for each in plan(SYSTEM, "world", values | {"faults": str(listed)}):
        options = process.parser().parse_args(list(each.arguments))
        assert options.faults == listed
    with pytest.raises(LaunchArgumentError, match="give the path of a list of faults"):
        plan(SYSTEM, "world", values | {"faults": str(tmp_path / "none.yaml")})


def test_processes_of_a_launch_inject_what_the_file_says(tmp_path: Path) -> None:
    from lupex_nodes.bus.ros.roles import flown

    listed = tmp_path / "faults.yaml"
    listed.write_text("faults: [{fault: imu_frozen, at_s: 5}]\n")
    options = process.parser().parse_args(["fault_injector", "--faults", str(listed)])
    checked = flown(options, SYSTEM)
    assert checked.parameters["fault_injector"]["schedule"] == ["{fault: imu_frozen, at_s: 5.0}"]
