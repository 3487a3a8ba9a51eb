# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mission_bag import DIAGNOSTIC, RECORD, START_NS, one_row, record_cdr, status_cdr

from lupex_nodes.analysis import Analysis, detectors
from lupex_nodes.analysis.findings import Finding
from lupex_nodes.analysis.limits import Limit, LimitsError, load_limits
from lupex_nodes.analysis.power_supply import Installed, installed_units, powered_s, unit_of
from lupex_nodes.analysis.tables import Occurrence, Series, Tables, read_tables
from lupex_nodes.recording.bag_writer import BagWriter

UNITS = {
    "power": Installed("power", "rover", "", ""),
    "imu": Installed("imu", "rover", "power", "imu"),
}


def test_a_troubled_run_names_what_went_wrong_in_order(troubled: tuple[Path, Analysis]) -> None:
    found = [(f.kind, f.unit, f.severity) for f in troubled[1].findings]
    assert found == [
        ("command", "imu", "warning"),
        ("event", "power", "warning"),
        ("heartbeat", "mobility", "error"),
        ("event", "power", "error"),
        ("limit", "power", "warning"),
    ]
    assert troubled[1].exit_code == 1
    heartbeat = troubled[1].findings[2]
    assert heartbeat.first_time_s == pytest.approx(3220.0)
    # The charge falls linearly from 95 % to 15 %: it crosses 20 % after 15/16 of the run.
    assert troubled[1].findings[4].first_time_s == pytest.approx(4600 * 15 / 16, abs=1.01)


def test_a_nominal_run_gives_nothing(nominal: tuple[Path, Analysis]) -> None:
    assert nominal[1].findings == []
    assert nominal[1].exit_code == 0


def heartbeat_bag(
    folder: Path, beats: list[float], off_s: tuple[float, float] | None = None, end_s: float = 30.0
) -> Tables:
    with BagWriter(folder, {"housekeeping_period_s": "1.0"}) as writer:
        rows = []
        if off_s:
            rows = [(0.0, 1), (off_s[0], 0), (off_s[1], 1)]
        for second, on in rows:
            now = START_NS + round(second * 1e9)
            state = one_row(imu=on).astype([("imu", "u1")])
            writer.write("/rover/power/channels", RECORD, record_cdr(now, state), now)
        for second in beats:
            now = START_NS + round(second * 1e9)
            data = status_cdr(now, "imu: housekeeping", {})
            writer.write("/diagnostics", DIAGNOSTIC, data, now)
        for second in (0.0, end_s):
            now = START_NS + round(second * 1e9)
            writer.write("/events", DIAGNOSTIC, status_cdr(now, "power: E", {}), now)
    return read_tables(folder)


ALL_BEATS = [float(s) for s in range(31)]


@pytest.mark.parametrize(
    ("missing", "off_s", "first_s"),
    [
        (range(0), None, None),
        (range(10, 12), None, None),
        (range(10, 13), None, 9.0),
        (range(10, 20), (9.5, 19.5), None),
        (range(10, 20), (9.5, 12.5), 9.0),
        (range(20, 31), None, 19.0),
        (range(20, 31), (20.0, 99.0), None),
    ],
)
def test_a_heartbeat_is_missed_only_while_powered(
    tmp_path: Path, missing: range, off_s: tuple[float, float] | None, first_s: float | None
) -> None:
    beats = [beat for beat in ALL_BEATS if beat not in missing]
    tables = heartbeat_bag(tmp_path / "bag", beats, off_s)
    found = list(detectors.heartbeats(tables, UNITS))
    assert [f.first_time_s for f in found] == ([] if first_s is None else [first_s])
    assert all(f.unit == "imu" and f.severity == "error" for f in found)


def made_tables(**fields: object) -> Tables:
    return Tables(Path("made"), duration_s=100.0, **fields)  # type: ignore[arg-type]


def gap_tables(
    mode_change_s: float | None = None,
    beats_end_s: float = 100.0,
    stage: str = "",
    steady_s: float = 40.0,
) -> Tables:
    early = [0.0, *np.arange(40.0 - steady_s, 40.0)]
    times = np.concatenate([np.unique(early), np.arange(60.0, 100.5)])
    command = Occurrence(39.5, "mobility", "stop", 0, "", {"stage": stage})
    topic = "/rover/imu/rates"
    texts = {"imu": {"mode": [(0.0, "on")]}}
    if mode_change_s is not None:
        texts["imu"]["mode"].append((mode_change_s, "standby"))
    return made_tables(
        arrivals={topic: times},
        types={topic: "sensor_msgs/msg/Imu"},
        heartbeats={"imu": np.arange(0.0, beats_end_s + 0.5)},
        texts=texts,
        commands=[command] if stage else [],
    )


@pytest.mark.parametrize("stage", ["", "progress"])
def test_a_topic_silent_though_its_unit_lives_is_a_gap(stage: str) -> None:
    (finding,) = detectors.gaps(gap_tables(stage=stage), UNITS)
    assert (finding.unit, finding.signal, finding.first_time_s) == ("imu", "/rover/imu/rates", 39.0)
    assert "silent for 21 s" in finding.message


@pytest.mark.parametrize(
    "tables",
    [
        gap_tables(mode_change_s=40.0),
        gap_tables(beats_end_s=38.5),
        gap_tables(stage="completion"),
        gap_tables(steady_s=4.0),
    ],
)
def test_a_gap_with_a_reason_is_no_finding(tables: Tables) -> None:
    assert list(detectors.gaps(tables, UNITS)) == []


def test_an_irregular_topic_has_no_gaps() -> None:
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.exponential(1.0, 90))
    tables = made_tables(arrivals={"/a/b": times}, types={"/a/b": "std_msgs/msg/String"})
    assert list(detectors.gaps(tables, UNITS)) == []


@pytest.mark.parametrize(("last_count", "lost"), [(9, None), (12, 3)])
def test_messages_the_ticks_count_but_the_bag_lacks(last_count: int, lost: int | None) -> None:
    tables = made_tables(
        arrivals={"/sim/rover/odometry": np.arange(20.0)},
        published={
            ("rover/odometry", "0"): Series(
                np.array([1.0, 5.0, 9.0]), np.array([1.0, 5.0, last_count])
            ),
            ("rover/unrecorded", "0"): Series(np.array([1.0, 9.0]), np.array([4.0, 9.0])),
            ("rover/odometry", "1"): Series(np.array([10.0]), np.array([0.0])),
        },
    )
    found = list(detectors.losses(tables))
    assert len(found) == (lost is not None)
    assert all(f"{lost} of 11 messages" in f.message for f in found)


def test_repeated_events_and_log_lines_are_one_finding_each() -> None:
    event = Occurrence(2.0, "drill", "STALL", 1, "The auger stalled.", {})
    line = Occurrence(3.0, "drill", "log", 2, "boom\ntrace", {})
    tables = made_tables(
        events=[event, event._replace(time_s=5.0), event._replace(level=0)],
        logs=[line, line._replace(time_s=9.0), line._replace(level=1)],
    )
    (one,) = detectors.events(tables)
    assert one.message == "The auger stalled. (2 times)" and one.first_time_s == 2.0
    (two,) = detectors.log_errors(tables)
    assert two.message == "boom (2 times)" and two.severity == "error"


def test_a_unit_that_reports_itself_ill_is_a_finding(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        for second, level in enumerate([0, 1, 1, 2, 0, 1]):
            now = START_NS + second * 10**9
            data = status_cdr(now, "drill: housekeeping", {}, level, f"level {level}")
            writer.write("/diagnostics", DIAGNOSTIC, data, now)
    found = list(detectors.health(read_tables(tmp_path / "bag")))
    assert [(f.first_time_s, f.severity) for f in found] == [(1.0, "warning"), (3.0, "error")]


# --- limits ---------------------------------------------------------------------------------


def sampled(bad: list[bool], persistence: int) -> list[tuple[int, int]]:
    """Step through the samples one by one, as a flight limit checker would, a second each."""
    found, begun, run, last = [], None, 0, None
    for second, value in enumerate(bad):
        run = run + 1 if value == last else 1
        last = value
        if run >= max(persistence, 1):
            start = second - run + 1
            if value and begun is None:
                begun = start
            elif not value and begun is not None:
                found.append((begun, start))
                begun = None
    if begun is not None:
        found.append((begun, len(bad)))
    return found


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(0, 5))
def test_episodes_are_those_of_a_checker_that_runs_along(bad: list[bool], persistence: int) -> None:
    time_s = np.arange(len(bad), dtype=float)
    found = detectors.episodes(time_s, np.array(bad), float(persistence), float(len(bad)))
    assert [(int(a), int(b)) for a, b in found] == sampled(bad, persistence)


def test_a_limit_has_sides_severities_and_a_count(tmp_path: Path) -> None:
    values = [5.0] * 10 + [-1.0] * 5 + [5.0] * 10 + [-9.0] * 5 + [float("nan")] * 3 + [5.0] * 5
    with BagWriter(tmp_path / "bag") as writer:
        for second, value in enumerate(values):
            now = START_NS + second * 10**9
            data = status_cdr(now, "cell: housekeeping", {"margin": value})
            writer.write("/diagnostics", DIAGNOSTIC, data, now)
    tables = read_tables(tmp_path / "bag")
    limit = Limit(unit="cell", signal="margin", warn_below=0, error_below=-5, persistence_s=2)
    found = list(detectors.out_of_limits(tables, [limit]))
    assert [(f.severity, f.first_time_s) for f in found] == [("warning", 10.0), ("error", 25.0)]
    assert found[0].message == "margin was below 0 for 5 s, at worst -1, 2 times in all"
    other = Limit(unit="cell", signal="no_such", warn_below=0)
    assert list(detectors.out_of_limits(tables, [other])) == []


def test_the_packages_limits_load() -> None:
    assert any(limit.signal == "percentage" for limit in load_limits())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("limits: [", "is not YAML"),
        ("rows: []", "must have a list named limits"),
        ("limits: [{unit: a, signal: b}]", r"yaml:1: limits\[0\]: give at least one of warn_below"),
        ("limits: [{unit: a, signal: b, warn_below: x}]", r"yaml:1: limits\[0\].warn_below: "),
        ("limits: [{unit: a, signal: b, warn_bellow: 1}]", "warn_bellow: Extra inputs"),
        ("limits: [{unit: a, signal: b, warn_below: 1, error_below: 2}]", "error_below must not"),
        ("limits: [{unit: a, signal: b, warn_above: 2, error_above: 1}]", "error_above must not"),
    ],
)
def test_wrong_limits_are_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text(text)
    with pytest.raises(LimitsError, match=sentence) as caught:
        load_limits(path)
    assert "\n" not in str(caught.value)


# --- power ----------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), max_size=8), st.integers(0, 60),
       st.integers(1, 40))
def test_powered_time_is_the_sum_over_the_seconds(
    switches: list[tuple[int, bool]], start: int, length: int
) -> None:
    states = sorted(dict(switches).items())
    rows = np.array([(on,) for _, on in states], [("imu", "u1")])
    from lupex_nodes.analysis.tables import Rows

    topic = "/rover/power/channels"
    time_s = np.array([float(second) for second, _ in states])
    tables = made_tables(arrivals={topic: time_s}, records={topic: Rows(time_s, rows)})
    expected = 0
    for second in range(start, start + length):
        state = [on for when, on in states if when <= second]
        expected += state[-1] if state else 1
    assert powered_s(tables, "imu", UNITS, start, start + length) == pytest.approx(expected)


def test_the_systems_own_list_gives_units_and_channels() -> None:
    units = installed_units()
    assert units["imu"].supply == "power" and units["imu"].channel == "imu"
    assert unit_of("/sim/payload/neutron_spectrometer/counts", units) == "neutron_spectrometer"
    assert unit_of("/camera/left/image", {}) == "left"


def test_findings_keep_their_order_whatever_the_detectors_order() -> None:
    late = Finding(5.0, "b", "s", "k", "error", "", "m")
    early = Finding(1.0, "a", "s", "k", "warning", "", "m")
    worse = Finding(1.0, "z", "s", "k", "error", "", "m")
    for order in ([late, early, worse], [worse, early, late]):
        found = detectors.find(made_tables(), [lambda _, order=order: order])
        assert found == [worse, early, late]
