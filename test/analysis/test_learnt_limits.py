# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mission_bag import write_mission
from rosbags.highlevel import AnyReader

from lupex_nodes.analysis import analyze
from lupex_nodes.analysis.learnt_limits import learn_nominal
from lupex_nodes.analysis.tables import Series, Tables
from lupex_nodes.cli import main
from lupex_nodes.recording.bag_reader import BagError

COUNT = 600
TIME_S = np.arange(COUNT, dtype=float)
TOPIC = "/other/pump/state"


def noise(seed: int, count: int = COUNT) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=count)


def flight(name: str, period_s: float = 1.0, modes=(), **columns: np.ndarray) -> Tables:
    """A bag of another system, with one unit whose mode its housekeeping tells."""
    return Tables(
        Path(name),
        duration_s=COUNT * period_s,
        scalars={TOPIC: {k: Series(TIME_S[: len(v)] * period_s, v) for k, v in columns.items()}},
        texts={"pump": {"mode": list(modes)}} if modes else {},
        heartbeats={"pump": TIME_S * period_s},
    )


def found(nominal: Tables, other: Tables) -> list:
    return list(learn_nominal(nominal)(other))


def test_what_never_was_so_is_a_finding() -> None:
    hot = noise(2)
    hot[400:] += 8.0
    (finding,) = found(flight("a", celsius=noise(1)), flight("b", celsius=hot))
    assert (finding.unit, finding.signal) == ("pump", f"{TOPIC} celsius")
    assert (finding.kind, finding.severity) == ("learnt", "warning")
    assert 400.0 <= finding.first_time_s <= 408.0
    assert finding.message.startswith("state celsius: its mean over 128 samples was ")
    assert ", above the " in finding.message and "inf" not in finding.message
    assert found(flight("a", celsius=noise(1)), flight("b", celsius=noise(2))) == []


def test_a_signal_that_freezes_or_shakes_is_found_though_its_level_is_kept() -> None:
    frozen, shaking = noise(2), noise(2)
    frozen[300:] = frozen[300]
    shaking[300:] *= 8.0
    for column, word in ((frozen, "share of changes"), (shaking, "mean step")):
        (finding,) = found(flight("a", celsius=noise(1)), flight("b", celsius=column))
        assert word in finding.message and 290.0 <= finding.first_time_s <= 310.0


def test_a_flight_may_start_elsewhere_but_what_moves_from_there_is_found() -> None:
    nominal = flight("a", celsius=noise(1))
    assert found(nominal, flight("b", celsius=50.0 + noise(2))) == []
    moved = 50.0 + noise(2)
    moved[400:] += 12.0
    assert [f.first_time_s >= 400.0 for f in found(nominal, flight("b", celsius=moved))] == [True]


@pytest.mark.parametrize("value", [0.0, 7.3])
def test_what_never_varied_has_no_level_but_must_not_change(value: float) -> None:
    nominal = flight("a", volts=np.full(COUNT, value))
    assert found(nominal, flight("b", volts=np.full(COUNT, 1.1))) == []
    stepped = np.full(COUNT, 1.1)
    stepped[350:] = 0.7
    (finding,) = found(nominal, flight("b", volts=stepped))
    assert finding.first_time_s == 350.0
    assert "it changed, as it never did in the nominal bag" in finding.message


def test_counters_and_clocks_are_left_out_and_said() -> None:
    ours = {"count": np.floor(TIME_S / 7), "clock": TIME_S, "resets": np.zeros(COUNT)}
    theirs = {"count": np.floor(TIME_S / 3), "clock": 5.0 * TIME_S, "resets": TIME_S // 200}
    limits = learn_nominal(flight("a", celsius=noise(1), **ours))
    other = flight("b", celsius=noise(2), **theirs)
    assert list(limits(other)) == []
    judged, (sentence,) = limits.scope(other)
    assert judged == 1
    assert sentence == (
        f"learnt limits: 3 signals only rise or only fall: {TOPIC} count, {TOPIC} clock, "
        f"{TOPIC} resets"
    )


def test_other_rates_irregular_and_unknown_signals_are_left_out_and_said() -> None:
    nominal = flight("a", celsius=noise(1))
    now_and_then = Series(np.cumsum(1.0 + 9.0 * (np.arange(COUNT) % 3 == 0)), noise(3))
    nominal.scalars["/other/valve/state"] = {"bar": now_and_then}
    nominal.scalars["/other/slow/state"] = {"kelvin": Series(TIME_S, noise(4))}
    other = flight("b", celsius=noise(2), new=100.0 * noise(5))
    other.scalars["/other/valve/state"] = {"bar": Series(TIME_S, 100.0 * noise(3))}
    other.scalars["/other/slow/state"] = {"kelvin": Series(10.0 * TIME_S, 100.0 * noise(4))}
    limits = learn_nominal(nominal)
    assert list(limits(other)) == []
    assert limits.scope(other) == (1, [
        f"learnt limits: 1 signals are not in the nominal bag: {TOPIC} new",
        "learnt limits: 1 signals are not sampled regularly: /other/valve/state bar",
        "learnt limits: 1 signals come every 10 s here and every 1 s in the nominal bag: "
        "/other/slow/state kelvin",
    ])  # fmt: skip


def test_a_mode_that_was_never_told_is_not_judged_and_what_follows_starts_anew() -> None:
    nominal = flight("a", modes=[(0.0, "idle")], celsius=noise(1))
    pumping = noise(2)
    pumping[200:300] += 30.0
    pumping[300:] += 20.0
    modes = [(0.0, "idle"), (201.0, "pumping"), (300.0, "idle")]
    other = flight("b", modes=modes, celsius=pumping)
    limits = learn_nominal(nominal)
    assert list(limits(other)) == []
    assert limits.scope(other)[1] == [
        "learnt limits: 100 s from 200.0 s on, in which pump was pumping, as never in the "
        "nominal bag"
    ]
    pumping[450:] += 20.0
    (finding,) = limits(flight("b", modes=modes, celsius=pumping))
    assert 450.0 <= finding.first_time_s <= 458.0
    assert len(found(nominal, flight("b", modes=modes[:1], celsius=pumping))) == 1


def test_an_angle_may_come_round_and_a_quaternion_has_two_signs() -> None:
    def flown(name: str, start_deg: float, seed: int) -> Tables:
        yaw_deg = start_deg + 3.0 * np.sin(TIME_S / 5.0) + 0.1 * noise(seed)
        sign = np.sign(np.sin(TIME_S / 50.0 + start_deg))
        tables = flight(name, yaw_deg=(yaw_deg + 180.0) % 360.0 - 180.0)
        tables.scalars[TOPIC]["pose.orientation.w"] = Series(TIME_S, sign * np.cos(yaw_deg))
        return tables

    limits, other = learn_nominal(flown("a", 20.0, 1)), flown("b", 179.0, 2)
    assert list(limits(other)) == []
    assert limits.scope(other)[1] == [
        "learnt limits: 1 signals are parts of a quaternion, whose sign means nothing: "
        f"{TOPIC} pose.orientation.w"
    ]


def test_holes_infinities_and_messages_out_of_turn_do_no_harm() -> None:
    nominal, odd = noise(1), noise(2)
    nominal[100:120], odd[300:330], odd[400] = np.nan, np.nan, np.inf
    other = flight("b", celsius=odd)
    time_s, values = other.scalars[TOPIC]["celsius"]
    early = np.arange(50, 550, 100)
    series = Series(np.insert(time_s, early, time_s[early - 1] + 0.01), np.insert(values, early, 9))
    other.scalars[TOPIC]["celsius"] = series
    assert found(flight("a", celsius=nominal), other) == []


def test_a_bag_that_cannot_be_judged_is_one_sentence() -> None:
    limits = learn_nominal(flight("a", celsius=noise(1)))
    with pytest.raises(BagError, match="a cannot be judged by limits learnt from itself"):
        limits.scope(flight("a", celsius=noise(2)))
    with pytest.raises(BagError, match=r"no signal of b can be judged .* \(1 signals are not in"):
        limits.scope(flight("b", bar=noise(2)))
    with pytest.raises(BagError, match="no signal of c .* learnt from a: give a nominal bag with"):
        limits.scope(Tables(Path("c")))
    with pytest.raises(BagError, match="d has no signal that limits can be learnt from"):
        learn_nominal(flight("d", celsius=noise(1, 12), clock=TIME_S))


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rovers that stand, and one that draws more from 200 s on."""
    folder = tmp_path_factory.mktemp("bags")
    for name, seed, standing_s in (("one", 1, 400), ("two", 2, 400), ("loaded", 3, 200)):
        write_mission(folder / name / "bag", duration_s=400, standing_s=standing_s, seed=seed,
                      trouble=False, patch=False)  # fmt: skip
    return folder


def test_a_nominal_flight_has_no_finding_and_a_load_has_some(bags: Path, tmp_path: Path) -> None:
    assert analyze(bags / "two", nominal=bags / "one").findings == []
    assert analyze(bags / "loaded").findings == []
    analysis = analyze(bags / "loaded", tmp_path, nominal=bags / "one")
    assert analysis.exit_code == 1
    load = next(f for f in analysis.findings if f.signal == "/rover/power/bus load_w")
    assert (load.unit, load.kind) == ("power", "learnt") and 195.0 <= load.first_time_s <= 208.0
    assert "power" in {cause.unit for cause in analysis.causes}
    told = json.loads((tmp_path / "findings.json").read_text())
    assert told["learnt_signals"] == analysis.learnt_signals > 10
    assert load.message in {f["message"] for f in told["findings"]}
    assert any("only rise or only fall" in sentence for sentence in told["skipped"])
    assert load.message in (tmp_path / "report.html").read_text()
    assert f"{analysis.learnt_signals} signals judged" in analysis.text()
    with AnyReader([tmp_path / "findings_bag"]) as reader:
        read = [reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages()]
    assert "power: learnt" in {message.status[0].name for message in read}


def test_the_command_takes_a_nominal_bag_and_says_what_it_cannot_do(
    bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: object) -> tuple[int, str]:
        code = main(["analyze", *map(str, arguments)])
        return code, capsys.readouterr().err

    assert run(bags / "two", "--nominal", bags / "one") == (0, "")
    for other, sentence in (
        (bags / "two/bag", "learnt from itself"),
        (tmp_path / "none", "there is no bag at"),
    ):
        code, said = run(bags / "two", "--nominal", other)
        assert code == 2 and sentence in said and said.count("\n") == 1
    code, said = run(bags / "two", "--nominal", bags / "one", "--vs", bags / "one")
    assert code == 2 and "--vs and --nominal cannot be given together" in said
