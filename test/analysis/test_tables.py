# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mission_bag import (
    COUNTS,
    DIAGNOSTIC,
    RECORD,
    START_NS,
    header,
    record_cdr,
    status_cdr,
    survey_path,
)

from lupex_nodes.analysis import Analysis
from lupex_nodes.analysis.tables import read_tables
from lupex_nodes.recording import message_types as types
from lupex_nodes.recording.bag_reader import BagError
from lupex_nodes.recording.bag_writer import BagWriter


def test_scalars_records_and_housekeeping_are_columns(troubled: tuple[Path, Analysis]) -> None:
    tables = troubled[1].tables
    x, y = survey_path(4600, 1200)
    position = tables.series("rover/odometry", "pose.pose.position.x")
    assert np.array_equal(position.values, x)
    assert np.allclose(position.time_s, np.arange(4600), atol=1e-6)
    counts = tables.record("payload/neutron_spectrometer/counts")
    assert len(counts.rows) == 4600 and counts.rows.dtype == COUNTS
    assert np.array_equal(counts.rows["time_s"], np.arange(4600))
    assert np.allclose(counts.time_s[:10], 9.0)
    uptime = tables.housekeeping["navigation"]["uptime_s"]
    assert np.array_equal(uptime.values, np.arange(4600))
    assert tables.texts["navigation"]["mode"] == [(0.0, "on")]
    assert tables.duration_s == pytest.approx(4599.0)
    lags = tables.stamp_lag_s["/rover/odometry"]
    assert np.all(lags == 0.0)
    assert not tables.skipped


def test_topics_are_found_below_any_root(nominal: tuple[Path, Analysis]) -> None:
    tables = nominal[1].tables
    assert tables.topic("rover/power/battery") == "/sim/rover/power/battery"
    assert len(tables.series("rover/power/battery", "percentage").values) == 900
    assert tables.topic("power/batter") is None


def test_joint_names_name_the_columns(tmp_path: Path) -> None:
    kind = "sensor_msgs/msg/JointState"
    message = types.make(
        kind,
        header=header(START_NS),
        name=["left", "right"],
        position=np.array([1.0, 2.0]),
        velocity=np.zeros(0),
        effort=np.array([5.0, 6.0]),
    )
    with BagWriter(tmp_path / "bag") as writer:
        writer.write("/joints", kind, types.to_cdr(kind, message), START_NS)
    scalars = read_tables(tmp_path / "bag").scalars["/joints"]
    assert {path: series.values[0] for path, series in scalars.items()} == {
        "position[left]": 1.0,
        "position[right]": 2.0,
        "effort[left]": 5.0,
        "effort[right]": 6.0,
    }


def test_the_record_view_agrees_with_the_bus(tmp_path: Path) -> None:
    records = pytest.importorskip("lupex_nodes.bus.records")
    from lupex_nodes.recording.cdr import to_cdr

    schema = records.Schema("try", ("a_m", "f4", ""), ("b", "u1", ""), ("c_s", "f8", ""))
    rows = np.array([(1.5, 7, 2.25), (-3.0, 255, 1e9)], schema.dtype)
    with BagWriter(tmp_path / "bag") as writer:
        writer.write("/r", RECORD, to_cdr(schema.message(START_NS, rows)), START_NS)
    read = read_tables(tmp_path / "bag").record("r").rows
    assert read.tolist() == rows.tolist()


def test_torn_and_garbage_messages_are_counted_and_said(tmp_path: Path) -> None:
    good = record_cdr(START_NS, np.zeros(3, COUNTS))
    with BagWriter(tmp_path / "bag") as writer:
        writer.write("/r", RECORD, good, START_NS)
        writer.write("/r", RECORD, good[:60], START_NS + 1)
        writer.write("/r", RECORD, record_cdr(START_NS, np.zeros(3, "f4,f4")), START_NS + 2)
        writer.write("/diagnostics", DIAGNOSTIC, b"\0\1\0\0\xff\xff\xff\xff", START_NS + 3)
    tables = read_tables(tmp_path / "bag")
    assert len(tables.record("r").rows) == 3
    assert any("/r: 1 messages unusable" in sentence for sentence in tables.skipped)
    assert any("/r: its records change their fields" in sentence for sentence in tables.skipped)
    assert any("/diagnostics: 1 messages unusable" in sentence for sentence in tables.skipped)


def test_words_numbers_and_truths_of_housekeeping(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        for second, (mode, ready) in enumerate([("idle", "true"), ("idle", "false"), ("on", "1")]):
            now = START_NS + second * 10**9
            values = {"mode": mode, "ready": ready, "bus_v": 28.5}
            data = status_cdr(now, "power: housekeeping", values)
            writer.write("/diagnostics", DIAGNOSTIC, data, now)
    tables = read_tables(tmp_path / "bag")
    assert tables.texts["power"] == {"mode": [(0.0, "idle"), (2.0, "on")]}
    assert tables.housekeeping["power"]["ready"].values.tolist() == [1.0, 0.0, 1.0]


def test_a_relays_copies_are_no_heartbeats(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        for topic in ("/diagnostics", "/lander/relay/downlink"):
            data = status_cdr(START_NS, "imu: housekeeping", {"rate": 1.0})
            writer.write(topic, DIAGNOSTIC, data, START_NS)
    tables = read_tables(tmp_path / "bag")
    assert tables.heartbeats["imu"].tolist() == [0.0]
    assert len(tables.arrivals["/lander/relay/downlink"]) == 1


def test_an_empty_bag_is_one_sentence(tmp_path: Path) -> None:
    BagWriter(tmp_path / "bag").close()
    with pytest.raises(BagError, match="holds no message that can be read"):
        read_tables(tmp_path / "bag")


def test_analysis_needs_no_ros() -> None:
    program = (
        "import sys; import lupex_nodes.analysis.report, lupex_nodes.analysis.summary, "
        "lupex_nodes.recording.recover, lupex_nodes.recording.profiles; "
        "print([m for m in sys.modules if m.split('.')[0] in ('rclpy', 'sensor_msgs', "
        "'diagnostic_msgs')])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
