# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.image import imread

from lupex_nodes.cli import BAD_INPUT, COMPLETE, main

SCENARIO = """
name: small
start: 2028-10-02T00:00:00Z
duration_s: 864000
seed: 5
terrain: {size_m: 120, relief_scale: 1.8}
parameters: {vehicle: {start_x_m: -30, start_y_m: 20}}
plan:
  - {activity: there, command: navigation/go_to, arguments: {x_m: 40.0, y_m: 10.0}}
"""


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("lupex_nodes.cli.map._CELLS", 16)
    monkeypatch.setattr("lupex_nodes.cli.map._AZIMUTHS", 12)
    monkeypatch.setattr("lupex_nodes.cli.map._GROWTH", 0.2)
    path = tmp_path / "small.yaml"
    path.write_text(SCENARIO)
    return path


def test_a_map_is_drawn_and_its_figures_are_printed(
    scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "light.png"
    assert main(["map", str(scenario), "--out", str(out), "--days", "10"]) == COMPLETE
    picture = imread(out)
    assert picture.shape[0] > 500 and picture.std() > 0.1
    printed = capsys.readouterr()
    origin = next(line for line in printed.out.splitlines() if line.startswith("origin"))
    share = float(origin.split("2028 lit ")[1].split(" %")[0])
    days = float(origin.split("longest darkness ")[1].split(" days")[0])
    assert 90.0 <= share <= 96.0 and 3.0 <= days <= 5.0
    assert "start (-30, 20) m" in printed.out and "slopes over" in printed.out
    assert "permanent shadow:" in printed.out and "horizons 100 %" in printed.err


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["--date", "soon"], "write it as 2028-10-02"),
        (["--date", "2090-01-01"], "1900 to 2050"),
        (["--out", "/nowhere/map.png"], "give another --out"),
    ],
)
def test_bad_input_is_a_sentence(
    scenario: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["map", str(scenario), *arguments]) == BAD_INPUT
    error = capsys.readouterr().err
    assert says in error and "Traceback" not in error
