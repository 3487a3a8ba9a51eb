# SPDX-License-Identifier: Apache-2.0
"""A sortie as a bag, simulated in a few lines and written without ROS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lupex_nodes.models.neutron import disc_fraction, epithermal_ratio, thermal_ratio
from lupex_nodes.models.neutron_record import RAW_DTYPE as COUNTS
from lupex_nodes.models.neutron_retrieval import product
from lupex_nodes.recording import message_types as types
from lupex_nodes.recording.bag_writer import BagWriter

START_NS = 1_854_230_400 * 10**9
DIAGNOSTIC = "diagnostic_msgs/msg/DiagnosticArray"
RECORD = "sensor_msgs/msg/PointCloud2"
ODOMETRY = "nav_msgs/msg/Odometry"
BATTERY = "sensor_msgs/msg/BatteryState"
CODES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}
TRUTH = {
    "patch_present": 1,
    "patch_x_m": 24.0,
    "patch_y_m": 17.0,
    "patch_radius_m": 10.0,
    "content_wt_percent": 2.0,
    "cover_g_cm2": 15.0,
    "k_e": 0.43,
    "lambda_e_g_cm2": 46.0,
}


def header(time_ns: int, frame: str = "") -> Any:
    stamp = types.make(
        "builtin_interfaces/msg/Time", sec=time_ns // 10**9, nanosec=time_ns % 10**9
    )
    return types.make("std_msgs/msg/Header", stamp=stamp, frame_id=frame)


def status_cdr(
    time_ns: int, name: str, values: Mapping[str, Any], level: int = 0, message: str = "ok"
) -> bytes:
    status = types.make(
        "diagnostic_msgs/msg/DiagnosticStatus",
        level=level,
        name=name,
        message=message,
        hardware_id=name.partition(":")[0],
        values=[
            types.make("diagnostic_msgs/msg/KeyValue", key=key, value=str(value))
            for key, value in values.items()
        ],
    )
    return types.to_cdr(
        DIAGNOSTIC, types.make(DIAGNOSTIC, header=header(time_ns), status=[status])
    )


def record_cdr(time_ns: int, rows: np.ndarray) -> bytes:
    fields = []
    for name in rows.dtype.names or ():
        kind, offset = rows.dtype.fields[name][:2]
        fields.append(
            types.make(
                "sensor_msgs/msg/PointField",
                name=name,
                offset=offset,
                datatype=CODES[kind.str[1:]],
                count=1,
            )
        )
    message = types.make(
        RECORD,
        header=header(time_ns),
        height=1,
        width=len(rows),
        fields=fields,
        is_bigendian=False,
        point_step=rows.dtype.itemsize,
        row_step=rows.nbytes,
        data=np.frombuffer(rows.tobytes(), np.uint8),
        is_dense=True,
    )
    return types.to_cdr(RECORD, message)


def one_row(**values: float) -> np.ndarray:
    kinds = [(name, "u1" if name in ("detected",) else "f4") for name in values]
    return np.array([tuple(values.values())], kinds)


def odometry_cdr(time_ns: int, x: float, y: float, yaw: float) -> bytes:
    make = types.make
    zero = make("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0)
    pose = make(
        "geometry_msgs/msg/Pose",
        position=make("geometry_msgs/msg/Point", x=x, y=y, z=0.0),
        orientation=make(
            "geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=np.sin(yaw / 2), w=np.cos(yaw / 2)
        ),
    )
    twist = make("geometry_msgs/msg/Twist", linear=zero, angular=zero)
    message = make(
        ODOMETRY,
        header=header(time_ns, "map"),
        child_frame_id="rover/base_link",
        pose=make("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36)),
        twist=make("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=np.zeros(36)),
    )
    return types.to_cdr(ODOMETRY, message)


def battery_cdr(time_ns: int, fraction: float, voltage_v: float) -> bytes:
    nan = float("nan")
    message = types.make(
        BATTERY,
        header=header(time_ns),
        voltage=voltage_v,
        temperature=18.0,
        current=nan,
        charge=nan,
        capacity=nan,
        design_capacity=nan,
        percentage=fraction,
        power_supply_status=2,
        power_supply_health=1,
        power_supply_technology=2,
        present=True,
        cell_voltage=np.zeros(0, np.float32),
        cell_temperature=np.zeros(0, np.float32),
        location="",
        serial_number="",
    )
    return types.to_cdr(BATTERY, message)


def survey_path(duration_s: int, standing_s: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x, y (m) a second: standing, then three lines 15 m apart at 0.05 m/s."""
    corners = [(5, 2), (45, 2), (45, 17), (5, 17), (5, 32), (45, 32)]
    points = [(5.0, 2.0)]
    for (x0, y0), (x1, y1) in zip(corners, corners[1:], strict=False):
        steps = round(np.hypot(x1 - x0, y1 - y0) / 0.05)
        points += [(x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps)
                   for i in range(1, steps + 1)]
    path = np.array([points[0]] * standing_s + points)
    path = np.concatenate([path, np.repeat(path[-1:], max(0, duration_s - len(path)), axis=0)])
    return path[:duration_s, 0], path[:duration_s, 1]


def write_mission(
    folder: Path,
    *,
    duration_s: int = 4600,
    standing_s: int = 1200,
    seed: int = 3,
    patch: bool = True,
    trouble: bool = True,
    root: str = "",
) -> Path:
    """Write the bag; with trouble a unit dies, another is switched off, and the battery sags."""
    rng = np.random.default_rng(seed)
    x, y = survey_path(duration_s, standing_s)
    truth = dict(TRUTH) if patch else {"patch_present": 0}
    ratio, thermal = np.ones(duration_s), np.ones(duration_s)
    if patch:
        suppression = 1 - epithermal_ratio(
            TRUTH["content_wt_percent"], TRUTH["cover_g_cm2"], TRUTH["k_e"], TRUTH["lambda_e_g_cm2"]
        )
        distance = np.hypot(x - TRUTH["patch_x_m"], y - TRUTH["patch_y_m"])
        filled = disc_fraction(distance, TRUTH["patch_radius_m"])
        ratio = 1 - suppression * filled
        wet = thermal_ratio(TRUTH["content_wt_percent"], TRUTH["cover_g_cm2"])
        thermal = 1 + (wet - 1) * filled
    rows = np.zeros(duration_s, COUNTS)
    rows["time_s"] = np.arange(duration_s)
    rows["x_m"], rows["y_m"] = x + rng.normal(0, 0.05, duration_s), y
    rows["epithermal_counts"] = rng.poisson(20 * ratio + 1)
    rows["thermal_counts"] = rng.poisson(30 * thermal + 1)
    rows["live_time_s"] = 1.0
    rows["tube_temperature_k"], rows["pulse_gain"] = 290.0, 1.0
    rows["segment"] = (np.arange(duration_s) >= standing_s).astype(int)
    custom_data = {
        "scenario": "sortie",
        "seed": str(seed),
        "version": "0.1.0",
        "scenario_yaml": "name: sortie\nhousekeeping_period_s: 1.0\n",
        "truth": json.dumps(truth),
        "outcome": "complete",
    }

    def at(name: str) -> str:
        return name if name.startswith("/diagnostics") else f"{root}/{name}"

    with BagWriter(folder, custom_data) as writer:

        def put(topic: str, kind: str, data: bytes, time_ns: int) -> None:
            writer.write(at(topic), kind, data, time_ns)

        units = ["power", "navigation", "mobility", "imu", "neutron_spectrometer", "executive"]
        dies_s, off_s, on_s = 0.7 * duration_s, 0.4 * duration_s, 0.5 * duration_s
        channels = one_row(mobility=1, imu=1, neutron_spectrometer=1).astype(
            [("mobility", "u1"), ("imu", "u1"), ("neutron_spectrometer", "u1")]
        )
        for second in range(duration_s):
            now = START_NS + second * 10**9
            imu_off = trouble and off_s <= second < on_s
            if second == 0 or (trouble and second in (round(off_s), round(on_s))):
                channels["imu"] = 0 if imu_off else 1
                put("rover/power/channels", RECORD, record_cdr(now, channels), now)
            for unit in units:
                if (unit == "imu" and imu_off) or (
                    trouble and unit == "mobility" and second > dies_s
                ):
                    continue
                values = {"mode": "on", "uptime_s": second, "commands_accepted": 0}
                put("/diagnostics", DIAGNOSTIC, status_cdr(now, f"{unit}: housekeeping", values),
                    now)
            fraction = 0.95 - (0.80 if trouble else 0.3) * second / duration_s
            put("rover/power/battery", BATTERY, battery_cdr(now, fraction, 24 + 5 * fraction), now)
            load = 120 + 45 * (second > standing_s) + rng.normal(0, 1.5)
            array = 95 + 25 * np.sin(second / 900)
            bus = one_row(array_w=array, load_w=load, battery_w=load - array, unmet_w=0)
            put("rover/power/bus", RECORD, record_cdr(now, bus), now)
            put("rover/odometry", ODOMETRY, odometry_cdr(now, x[second], y[second], 0.0), now)
            if second % 10 == 9:
                part = rows[second - 9 : second + 1]
                put("payload/neutron_spectrometer/counts", RECORD, record_cdr(now, part), now)
                tail = rows["epithermal_counts"][max(0, second - 59) : second + 1]
                rate = max(tail.mean() - 1, 1)
                water = one_row(
                    apparent_water_wt_percent=(20 / rate - 1) / 0.42,
                    standard_error_wt_percent=20 / rate / 0.42 / np.sqrt(tail.sum()),
                    rate_cps=rate,
                )
                put("payload/neutron_spectrometer/water", RECORD, record_cdr(now, water), now)
        end = START_NS + (duration_s - 1) * 10**9
        if rows["segment"].max() == 1:
            _write_product(put, rows, end)
        reports = [
            (standing_s, "executive: start", "start", 0, "start successful"),
            (standing_s, "navigation: go_to", "start", 0, "start successful"),
            (duration_s - 30, "navigation: go_to", "completion", 0, "completion successful"),
        ]
        if trouble:
            refused = (standing_s + 50, "imu: calibrate", "acceptance", 1, "channel imu is off")
            reports.append(refused)
        for second, name, stage, level, sentence in sorted(reports):
            values = {"command_id": "" if level else name.replace(": ", "-"), "stage": stage,
                      "success": "false" if level else "true", "source": "plan"}
            time_ns = START_NS + second * 10**9
            put("commands", DIAGNOSTIC, status_cdr(time_ns, name, values, level, sentence), time_ns)
        events = [(standing_s, "executive: LEG_STARTED", 0, "The survey began.")]
        if trouble:
            events += [
                (round(off_s), "power: LIMITER_TRIPPED", 1, "The limiter of channel imu tripped."),
                (round(0.9 * duration_s), "power: LOW_CHARGE", 2, "The battery is nearly empty."),
            ]
        for second, name, level, sentence in events:
            time_ns = START_NS + second * 10**9
            put("events", DIAGNOSTIC, status_cdr(time_ns, name, {}, level, sentence), time_ns)
    return folder


def _write_product(put: Any, rows: np.ndarray, end_ns: int) -> None:
    found = product(rows)
    names = ["detected", "deviance", "x_m", "y_m", "x_sigma_m", "y_sigma_m", "radius_m",
             "radius_sigma_m", "estimate_wt_percent", "standard_error_wt_percent",
             "upper_limit_wt_percent", "dry_rate_cps", "dry_rate_sigma_cps"]
    deposit = one_row(**{name: getattr(found, name) for name in names})
    put("payload/neutron_spectrometer/deposit", RECORD, record_cdr(end_ns, deposit), end_ns)
    if len(found.possibilities):
        density = np.linspace(1, 0.05, len(found.possibilities))
        possible = np.zeros(
            len(density), [("content_wt_percent", "f4"), ("cover_g_cm2", "f4"), ("density", "f4")]
        )
        possible["content_wt_percent"], possible["cover_g_cm2"] = found.possibilities[:, :2].T
        possible["density"] = density
        put("payload/neutron_spectrometer/possibilities", RECORD, record_cdr(end_ns, possible),
            end_ns)
