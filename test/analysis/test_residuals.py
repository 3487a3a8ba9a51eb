# SPDX-License-Identifier: Apache-2.0
"""Residuals of hand-made columns: 0 or 1 when sound, and the size of the fault when not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lupex_nodes.analysis.detectors import out_of_limits
from lupex_nodes.analysis.evidence import evidence
from lupex_nodes.analysis.limits import Limit, LimitsError, load_limits
from lupex_nodes.analysis.residuals import RESIDUALS, driving
from lupex_nodes.analysis.tables import Occurrence, Rows, Series, Tables
from lupex_nodes.models.battery import FREEZING_K, Battery
from lupex_nodes.models.crawler_kinematics import CRAWLERS
from lupex_nodes.models.terramechanics import expected_slip
from lupex_nodes.rover.localisation import LocalisationParameters

JOINTS, DRIVE = "/rover/joint_states", "/rover/mobility/state"
IMU, STARS = "/rover/imu/data", "/rover/star_tracker/attitude"
FRAMES = "/rover/stereo_camera/visual_odometry"


def table() -> Tables:
    return Tables(Path("b"), duration_s=1000.0)


def add(tables: Tables, topic: str, time_s: np.ndarray, **columns: np.ndarray) -> None:
    tables.arrivals[topic] = time_s
    tables.stamp_lag_s[topic] = np.zeros(len(time_s))
    named = {key.replace("__", "."): np.asarray(each, float) for key, each in columns.items()}
    tables.scalars[topic] = {path: Series(time_s, each) for path, each in named.items()}


def add_rows(tables: Tables, topic: str, time_s: np.ndarray, **columns: np.ndarray) -> None:
    rows = np.zeros(len(time_s), [(name, "f8") for name in columns])
    for name, column in columns.items():
        rows[name] = column
    tables.arrivals[topic] = time_s
    tables.stamp_lag_s[topic] = np.zeros(len(time_s))
    tables.records[topic] = Rows(time_s, rows)


def value(name: str, tables: Tables) -> np.ndarray:
    series = RESIDUALS[name].compute(tables)
    assert series is not None and len(series.time_s) == len(series.values)
    return series.values


def test_a_bag_without_a_signal_has_no_residual() -> None:
    tables = table()
    assert all(each.compute(tables) is None for each in RESIDUALS.values())


def test_voltage_of_a_sound_battery_leaves_nothing_and_resistance_shows() -> None:
    cells, time_s = Battery(), np.arange(0.0, 100.0)
    fraction, current_a = np.linspace(0.9, 0.8, 100), np.full(100, -5.0)
    for factor, expected_v in ((1.0, 0.0), (8.0, -5.0 * 7.0 * cells.resistance_ohm(298.15))):
        ohm = factor * cells.resistance_ohm(298.15)
        state = [cells.state_of_usable(part, 298.15) for part in fraction]
        voltage_v = [cells.open_circuit_voltage_v(each) for each in state] + current_a * ohm
        tables = table()
        add(
            tables, "/rover/power/battery", time_s, voltage=voltage_v, current=current_a,
            percentage=fraction, temperature=np.full(100, 298.15 - FREEZING_K),
        )  # fmt: skip
        assert value("battery_voltage_v", tables) == pytest.approx(expected_v, abs=1e-6)


def test_a_load_told_too_large_breaks_the_balance_of_its_message() -> None:
    time_s, one = np.arange(0.0, 10.0), np.ones(10)
    load_w = np.where(time_s < 5.0, 100.0, 130.0)
    tables = table()
    add_rows(
        tables, "/rover/power/bus", time_s, array_w=200 * one, load_w=load_w, battery_w=-80 * one,
        converter_w=16 * one, resistive_w=4 * one, open_circuit_w=80 * one,
    )  # fmt: skip
    found = value("power_balance_fraction", tables)
    assert found[:5] == pytest.approx(0.0) and found[5:] == pytest.approx(0.15)


def test_encoders_that_count_every_other_second_lose_half() -> None:
    time_s = np.arange(0.0, 300.0)
    for lost, expected in ((False, 0.0), (True, 0.5)):
        steps = np.where(lost & (time_s % 2 == 0), 0.0, 0.05)
        tables = table()
        columns = {f"position[{name}_crawler]": np.cumsum(steps) for name in CRAWLERS}
        columns |= {f"velocity[{name}_crawler]": np.full(300, 0.05) for name in CRAWLERS}
        add(tables, JOINTS, time_s, **columns)
        found = value("encoder_loss_fraction", tables)
        assert found[np.isfinite(found)] == pytest.approx(expected, abs=0.01)


def test_a_camera_that_sees_a_tenth_more_is_told_from_slip_that_is_to_be_expected() -> None:
    believed = LocalisationParameters()
    assert believed.vehicle_mass_kg == driving.VEHICLE_MASS_KG
    assert believed.expected_friction_angle_deg == driving.FRICTION_ANGLE_DEG
    time_s = np.arange(0.0, 600.0, 10.0)
    climb_rad = np.radians(6.0)
    slip, _ = expected_slip(driving.VEHICLE_MASS_KG, driving.FRICTION_ANGLE_DEG, 6.0, 0.0)
    assert slip > 0.02
    for scale in (1.0, 1.1):
        tables, seen_m = table(), np.full(60, scale * (1.0 - slip))
        zero = np.zeros(60)
        add_rows(tables, DRIVE, time_s, travel_m=0.1 * time_s)
        add_rows(tables, FRAMES, time_s, valid=zero + 1.0, turn_rad=zero, ahead_m=seen_m,
                 left_m=zero, up_m=zero)  # fmt: skip
        add(
            tables,
            IMU,
            time_s,
            linear_acceleration__x=zero + 1.62 * np.sin(climb_rad),
            linear_acceleration__y=zero,
            linear_acceleration__z=zero + 1.62 * np.cos(climb_rad),
        )
        found = value("camera_scale_ratio", tables)
        assert found[-1] == pytest.approx(scale, abs=1e-9)


def test_a_steering_angle_stands_while_the_others_are_steered() -> None:
    time_s, rng = np.arange(0.0, 300.0), np.random.default_rng(1)
    tables = table()
    columns = {f"position[{name}_steering]": rng.normal(size=300) for name in CRAWLERS}
    columns |= {f"velocity[{name}_steering]": np.zeros(300) for name in CRAWLERS}
    add(tables, JOINTS, time_s, **columns)
    assert value("steering_stuck", tables).max() == 0.0
    tables.scalars[JOINTS]["position[rear_left_steering]"].values[100:] = 0.3
    assert value("steering_stuck", tables)[-1] == pytest.approx(199.0)


def _sky(jump_deg: float = 0.0, bias_deg_h: float = 0.0, tilt: float = 0.0) -> Tables:
    """An hour at rest: gyros once a minute, stars as often; the jump comes after half an hour."""
    time_s = np.arange(0.0, 3600.0, 60.0)
    rng, rotation = np.random.default_rng(1), np.radians(0.549014) / 3600.0
    rate = rng.normal(0.0, 1e-6, len(time_s))
    yaw = np.radians(30.0) + np.radians(jump_deg) * (time_s >= 1800.0)
    tables = table()
    add(
        tables, IMU, time_s, angular_velocity__x=rate, angular_velocity__y=0.0 * rate,
        angular_velocity__z=rate - rotation + np.radians(bias_deg_h) / 3600.0,
        linear_acceleration__x=0.0 * rate + tilt, linear_acceleration__y=0.0 * rate,
        linear_acceleration__z=0.0 * rate + 1.62,
    )  # fmt: skip
    add(
        tables, STARS, time_s, orientation__x=0.0 * yaw, orientation__y=0.0 * yaw,
        orientation__z=np.sin(yaw / 2), orientation__w=np.cos(yaw / 2),
    )  # fmt: skip
    return tables


def test_a_knocked_star_tracker_is_no_drift_and_a_drift_is_no_knock() -> None:
    assert np.nanmax(value("star_jump_deg", _sky())) < 0.1
    knocked = _sky(jump_deg=3.0)
    assert np.nanmax(value("star_jump_deg", knocked)) == pytest.approx(3.0, abs=0.05)
    assert np.nanmax(value("gyro_bias_deg_h", knocked)) < 2.0
    drifting = _sky(bias_deg_h=60.0)
    assert np.nanmedian(value("gyro_bias_deg_h", drifting)) == pytest.approx(60.0, abs=1.0)
    assert np.nanmax(value("star_jump_deg", drifting)) < 0.1


def test_an_accelerometer_with_a_bias_leans_away_from_the_stars() -> None:
    assert value("tilt_mismatch_deg", _sky()).max() < 0.01
    lean_deg = np.degrees(np.arctan2(0.2, 1.62))
    assert value("tilt_mismatch_deg", _sky(tilt=0.2)) == pytest.approx(lean_deg, abs=0.01)


def test_a_tube_changes_only_for_a_rover_that_is_known_to_stand() -> None:
    time_s, rng = np.arange(0.0, 1200.0), np.random.default_rng(1)
    weaker = np.where(time_s < 700.0, 1.0, 0.5)
    tables = table()
    add_rows(
        tables, "/payload/neutron_spectrometer/counts", time_s, live_time_s=np.ones(1200),
        epithermal_counts=rng.poisson(21 * weaker), thermal_counts=rng.poisson(31, 1200),
    )  # fmt: skip
    assert RESIDUALS["tube_change_ratio"].compute(tables) is None
    add_rows(tables, DRIVE, time_s, travel_m=np.full(1200, 7.0))
    found = value("tube_change_ratio", tables)
    assert np.nanmin(found[:700]) > 0.85
    assert found[-100:] == pytest.approx(0.52, abs=0.08)


def test_nature_and_injections_are_no_evidence() -> None:
    tables = _sky()
    add(tables, "/world/vehicle/odometry", np.arange(3.0), x=np.zeros(3))
    add_rows(tables, "/rover/power/flows", np.arange(3.0), load_w=np.zeros(3))
    tables.housekeeping = {"vehicle": {}, "imu": {}}
    tables.commands = [
        Occurrence(1.0, "imu", name, 1, "", {}) for name in ("inject", "arm_injection", "reset")
    ]
    tables.events = [Occurrence(1.0, "fault_injector", "FAULT_INJECTED", 0, "", {})]
    seen = evidence(tables)
    assert set(seen.scalars) == {IMU, STARS} and not seen.records and not seen.events
    assert set(seen.housekeeping) == {"imu"} and [c.name for c in seen.commands] == ["reset"]
    assert "/world/vehicle/odometry" in tables.scalars


def test_limits_hold_residuals_and_name_those_that_there_are(tmp_path: Path) -> None:
    limit = Limit(unit="star_tracker", residual="star_jump_deg", warn_above=1.0)
    (found,) = out_of_limits(_sky(jump_deg=3.0), [limit])
    assert (found.kind, found.signal, found.first_time_s) == ("residual", "star_jump_deg", 1800.0)
    assert {row.residual for row in load_limits() if row.residual} <= set(RESIDUALS)
    for row, sentence in (
        ("{unit: u, residual: nothing, warn_above: 1}", "there is no residual nothing"),
        ("{unit: u, residual: slip, signal: s, warn_above: 1}", "or a residual"),
        ("{unit: u, warn_above: 1}", "give a signal"),
    ):
        path = tmp_path / "limits.yaml"
        path.write_text(f"limits: [{row}]")
        with pytest.raises(LimitsError, match=sentence):
            load_limits(path)
