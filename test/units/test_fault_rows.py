# SPDX-License-Identifier: Apache-2.0
"""Every row of the table of faults: inject, detect within its bound, respond, heal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from unit_bench import Bench

from lupex_nodes.bus.fault_acts import read_act
from lupex_nodes.bus.messages import WARN, values_of
from lupex_nodes.rover.fault_table import load_faults

TABLE = {fault.id: fault for fault in load_faults()}
#: Across the light, so that the cameras see well.
EAST = {"x_m": 150.0, "y_m": 5.0, "speed_m_s": 0.08}


@dataclass(frozen=True)
class Trial:
    """How a row is brought about: a unit, an act with its settings, or a deed of the test."""

    unit: str = ""
    act: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    within_s: float = 200.0
    drives: bool = False
    before_s: float = 100.0
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    deed: str = ""
    undo: str = ""


def port(unit: str, output: str, kind: str, within_s: float, drives: bool = False, **settings):
    return Trial(unit, "port", {"output": output, "kind": kind, **settings}, within_s, drives)


def physics(unit: str, within_s: float, drives: bool = False, before_s=100.0, on=None, **changes):
    return Trial(unit, "degradation", changes, within_s, drives, before_s, on or {})


BATTERY, BUS, HEAT = "rover/power/battery", "rover/power/bus", "rover/thermal/temperatures"
IMU, STARS, VO = (
    "rover/imu/data",
    "rover/star_tracker/attitude",
    ("rover/stereo_camera/visual_odometry"),
)
COUNTS, JOINTS, ODOMETRY = (
    "payload/neutron_spectrometer/counts", "rover/joint_states", "rover/odometry"
)  # fmt: skip
# Else a rover that does not turn is stopped before it slips three times.
PASSIVE = {"fault_manager": {"passive": True}}
QUICK = {"ems_l": {"coadd_s": 60.0}}
#: What an instrument must have been told before its rows can show.
STARTED = {"gpr": "acquire", "ems_l": "acquire", "alis": "calibrate"}
HALF = {"power": {"start_state_of_charge": 0.5}}
TRIALS: dict[str, Trial] = {
    "BATTERY_LOW": Trial(deed="charge 0.18", undo="charge 0.9", within_s=150),
    "BATTERY_CRITICAL": Trial(deed="charge 0.11", undo="charge 0.9", within_s=150),
    "LOAD_SHED": Trial(deed="charge 0.14", undo="charge 0.9", within_s=90),
    "BATTERY_IMPLAUSIBLE": port("power", BATTERY, "wrong", 70, field="voltage", gain=2.0),
    "BATTERY_VOLTAGE_OUT": port("power", BATTERY, "wrong", 70, field="voltage", gain=0.5),
    "BATTERY_VOLTAGE_SAG": port("power", BATTERY, "wrong", 240, field="voltage", offset=-0.5),
    "BATTERY_VOLTAGE_HIGH": physics("power", 300, on=HALF, battery_resistance_factor=20.0),
    "CELL_IMBALANCE": physics("power", 240, weak_cell_lack=0.2),
    "BATTERY_FADED": physics("power", 240, battery_capacity_fade=0.4),
    "BATTERY_STUCK": Trial(
        "power", "port", {"output": BATTERY, "kind": "stuck"}, 300, parameters=HALF
    ),
    "CHARGE_BOOKS": port("power", BATTERY, "wrong", 200, field="percentage", gain=0.9),
    "BATTERY_COLD": port("power", BATTERY, "wrong", 400, field="temperature", offset=-40.0),
    "BATTERY_HOT": port("power", BATTERY, "wrong", 400, field="temperature", offset=50.0),
    "BUS_OVERLOADED": port("power", BUS, "wrong", 70, field="unmet_w", offset=10.0),
    "BUS_LEAK": physics("power", 420, bus_leak_w=50.0),
    "REGULATOR_LOSSES": physics("power", 420, on=HALF, regulator_efficiency_factor=0.85),
    "BUS_LOAD_WRONG": port("power", BUS, "wrong", 400, field="load_w", gain=1.3),
    "CHANNEL_OPENED": Trial(
        "power", "degradation", {"open_channel": "ranging"}, 120, undo="on ranging"
    ),
    "ENERGY_BOOKS": port("power", BUS, "wrong", 240, field="array_energy_j", gain=1.1),
    "BUS_FROZEN": port("power", BUS, "stuck", 260),
    "BUS_SILENT": port("power", BUS, "off", 220),
    "BATTERY_SILENT": port("power", BATTERY, "off", 220),
    "BATTERY_TIME": port("power", BATTERY, "delayed", 100, delay_s=20.0),
    # the array has turned to the Sun by then
    "ARRAY_WEAK": physics("power", 900, before_s=300.0, array_output_factor=0.5),
    "CHANNEL_TRIPPED": physics("power", 30, shorted_channel="ranging", short_w=500.0),
    "COMPUTER_CYCLED": Trial(
        "fault_manager", "process", {"kind": "hang", "resets": 1}, 240, undo="cycle computer"
    ),
    "LANDER_BATTERY_STUCK": port("lander_power", "lander/lander_power/battery", "stuck", 500),
    "RELAY_LINK_SILENT": port("relay", "lander/relay/link", "off", 80),
    "BOX_COLD": port("thermal", HEAT, "wrong", 420, field="box_k", offset=-30.0),
    "BOX_HOT": port("thermal", HEAT, "wrong", 420, field="box_k", offset=45.0),
    "BATTERY_HEATER_OPEN": port("thermal", HEAT, "wrong", 720, field="battery_k", offset=-7.0),
    "HEATER_OPEN": physics(
        "thermal", 420, on={"thermal": {"start_battery_k": 278.3}}, battery_heater_factor=0.0
    ),
    "HEATER_STUCK_ON": physics("thermal", 420, heater_stuck_on="box"),
    "HEAT_PIPE_STUCK_OPEN": physics(
        "thermal", 420, on={"thermal": {"start_box_k": 279.0}}, heat_pipe_stuck="open"
    ),
    "HEAT_PIPE_STUCK_SHUT": physics(
        "thermal", 420, on={"thermal": {"start_box_k": 300.0}}, heat_pipe_stuck="shut"
    ),
    "TEMPERATURES_IMPLAUSIBLE": port("thermal", HEAT, "wrong", 70, field="box_k", gain=2.0),
    "TEMPERATURES_SILENT": port("thermal", HEAT, "off", 220),
    "TEMPERATURES_TIME": port("thermal", HEAT, "delayed", 100, delay_s=20.0),
    "TEMPERATURES_FROZEN": port("thermal", HEAT, "stuck", 700),
    "TEMPERATURE_STEP": port("thermal", HEAT, "wrong", 70, field="box_k", offset=-25.0),
    "MOBILITY_STALLED": physics("mobility", 60, True, jammed_crawler="rear_right"),
    "MOBILITY_STALLS": physics("mobility", 1500, True, jammed_crawler="rear_right"),
    "MOBILITY_SLIPPING": physics("vehicle", 1500, True, on=PASSIVE, friction_loss_deg=25.0),
    "MOBILITY_NOT_TURNING": Trial("imu", "port", {"output": IMU, "kind": "wrong", "gain": 0.0,
                                  "field": "angular_velocity.z"}, 300, deed="drive"),
    "MOBILITY_SLIP_HIGH": port(
        "mobility", "rover/mobility/state", "wrong", 60, True, field="slip", offset=0.5
    ),
    "MOBILITY_CURRENT_HIGH": physics("mobility", 120, True, drag_n=250.0),
    "MOBILITY_ENCODER": physics("mobility", 200, True, encoder_dropout=0.5),
    "MOBILITY_STEERING": Trial(
        "mobility",
        "degradation",
        {"frozen_steering_encoder": "front_left"},
        300,
        deed="drive",
        undo="back",
    ),
    "MOBILITY_NOT_DRIVING": Trial(
        "mobility", "port", {"output": JOINTS, "kind": "stuck"}, 200, deed="drive", undo="back"
    ),
    "MOBILITY_JOINTS_SILENT": port("mobility", JOINTS, "off", 220),
    "MOBILITY_JOINTS_FROZEN": port("mobility", JOINTS, "stuck", 60, True),
    "MOBILITY_CURRENTS_SILENT": port("mobility", "rover/mobility/currents", "off", 60, True),
    "MOBILITY_STATE_IMPLAUSIBLE": port("mobility", "rover/mobility/state", "garbage", 60, True),
    "MOBILITY_TIME": port("mobility", JOINTS, "delayed", 100, delay_s=20.0),
    "ROVER_TILTED": port("imu", IMU, "wrong", 30, True, field="linear_acceleration.x", offset=1.2),
    "IMU_DATA_SILENT": port("imu", IMU, "off", 220),
    "IMU_DATA_SLOW": port("imu", IMU, "off", 30, True),
    "IMU_FROZEN": port("imu", IMU, "stuck", 30, True),
    "IMU_TIME": Trial("imu", "clock", {"offset_s": -10.0, "drift_s_per_s": 0.0}, 60, True),
    "IMU_BIAS": physics("imu", 600, True, gyro_bias_step_deg_h=60.0),
    "IMU_NOISE": physics("imu", 600, True, gyro_noise_factor=30.0),
    "IMU_GRAVITY": physics("imu", 60, True, accelerometer_bias_step_m_s2=0.8),
    "IMU_TILT": physics("imu", 400, accelerometer_bias_step_m_s2=0.06),
    "STAR_TRACKER_DATA_SILENT": port("star_tracker", STARS, "off", 220),
    "STAR_TRACKER_FROZEN": port("star_tracker", STARS, "stuck", 120, True),
    "STAR_TRACKER_BLIND": physics("star_tracker", 600, dust=0.8),
    "STAR_TRACKER_JUMP": physics("star_tracker", 120, knock_deg=3.0),
    "STAR_TRACKER_TIME": port("star_tracker", STARS, "delayed", 260, delay_s=100.0),
    "STEREO_CAMERA_DATA_SILENT": port("stereo_camera", VO, "off", 100, True),
    "STEREO_CAMERA_BLIND": physics("stereo_camera", 400, True, before_s=230.0, dust=0.95),
    "STEREO_CAMERA_SCALE": physics("stereo_camera", 500, True, before_s=450.0, scale_error=0.1),
    "STEREO_CAMERA_SHORT": physics("stereo_camera", 500, True, before_s=450.0, scale_error=-0.1),
    "STEREO_CAMERA_GAPS": port(
        "stereo_camera", VO, "intermittent", 300, True, mean_on_s=20.0, mean_off_s=20.0
    ),
    "STEREO_CAMERA_TIME": port("stereo_camera", VO, "delayed", 100, True, delay_s=5.0),
    "STEREO_CAMERA_FROZEN": port("stereo_camera", VO, "stuck", 100, True),
    "RANGING_BIAS": physics("ranging", 150, bias_m=40.0),
    "RANGING_FROZEN": port("ranging", "rover/ranging/range", "stuck", 300),
    "RANGING_GAPS": port("ranging", "rover/ranging/range", "off", 260),
    "MAP_FIX_WRONG": Trial("localisation", "degradation", {"mismatch_m": 60.0}, 3600, undo="hop"),
    "NAVIGATION_ODOMETRY_SILENT": port("navigation", ODOMETRY, "off", 220),
    "NAVIGATION_ODOMETRY_SLOW": port("navigation", ODOMETRY, "slow", 60, True, one_of=30),
    "NAVIGATION_ODOMETRY_FROZEN": port("navigation", ODOMETRY, "stuck", 60, True),
    "NAVIGATION_TIME": port("navigation", ODOMETRY, "delayed", 100, delay_s=20.0),
    "NAVIGATION_COMMAND_TIME": port(
        "navigation", "rover/cmd_vel", "delayed", 60, True, delay_s=3.0
    ),
    "NAVIGATION_UNCERTAIN": Trial(deed="forget the place", undo="reset navigation"),
    "NAVIGATION_JUMP": Trial("navigation", "memory", {"kind": "lost"}, 60, True, 350.0),
    "PLAN_FAILED": Trial(deed="plan", within_s=60),
    "NEUTRON_SPECTROMETER_DATA_SILENT": port("neutron_spectrometer", COUNTS, "off", 60),
    "NEUTRON_SPECTROMETER_FROZEN": port("neutron_spectrometer", COUNTS, "stuck", 60),
    "NEUTRON_SPECTROMETER_TIME": port("neutron_spectrometer", COUNTS, "delayed", 60, delay_s=20.0),
    "NEUTRON_SPECTROMETER_IMPLAUSIBLE": port("neutron_spectrometer", COUNTS, "garbage", 30),
    "TUBE_EPITHERMAL_WEAK": physics("neutron_spectrometer", 300, epithermal_efficiency_factor=0.0),
    "TUBE_THERMAL_WEAK": physics("neutron_spectrometer", 120, thermal_efficiency_factor=0.0),
    "TUBE_CHANGED": physics(
        "neutron_spectrometer", 400, before_s=300.0, epithermal_efficiency_factor=0.6
    ),
    "TUBE_DISCHARGE": physics("neutron_spectrometer", 240, epithermal_discharge_cps=40.0),
    "TUBE_COLD": physics("neutron_spectrometer", 120, heater_off_k=40.0),
    "PARTICLE_EVENT": Trial(
        parameters={"environment": {"solar_event_after_h": 0.05, "solar_event_h": 0.2}},
        within_s=400,
    ),
    "TUBE_GAIN": physics("neutron_spectrometer", 400, pulse_gain_factor=0.8),
    "FILAMENT_OPEN": physics("ems_l", 120, before_s=200.0, emission_factor=0.0),
    "FILAMENT_TRIP": physics("ems_l", 120, before_s=200.0, leak_pa=1e-2),
    "FILAMENT_WEAK": physics("ems_l", 120, before_s=200.0, emission_factor=0.4),
    "MULTIPLIER_WEAK": physics("ems_l", 200, before_s=300.0, on=QUICK, multiplier_factor=0.2),
    "SOURCE_LEAK": physics("ems_l", 120, before_s=200.0, leak_pa=1e-5),
    "MASS_SCALE_HIGH": physics("ems_l", 200, before_s=300.0, on=QUICK, mass_shift_u=0.3),
    "MASS_SCALE_LOW": physics("ems_l", 200, before_s=300.0, on=QUICK, mass_shift_u=-0.3),
    "EMS_L_FROZEN": Trial(
        "ems_l", "port", {"output": "payload/ems_l/conditions", "kind": "stuck"}, 200,
        before_s=300.0,
    ),
    "GPR_NOISY": physics("gpr", 120, True, phase_noise_deg=5.0),
    "GPR_ANTENNA": physics("gpr", 120, True, mismatch_db=8.0),
    "GPR_BAND": physics("gpr", 120, True, dead_from_ghz=1.8, dead_to_ghz=2.1),
    "GPR_FROZEN": port("gpr", "payload/gpr/section", "stuck", 120, True),
    "ALIS_LAMP_WEAK": Trial(
        "alis", "degradation", {"lamp_output_factor": 0.4}, 300, deed="look", undo="look"
    ),
    "ALIS_DETECTOR_WARM": Trial(
        "alis", "degradation", {"detector_warming_k": 40.0}, 300, deed="look", undo="look"
    ),
    "ALIS_MIRROR_OFF": Trial(
        "alis", "degradation", {"mirror_stuck": True}, 300, deed="look", undo="look"
    ),
    "NAVIGATION_RESET": Trial(deed="reset navigation", within_s=20),
    "EXECUTIVE_RESET": Trial(deed="reset executive", within_s=20),
}
LOST = {
    "navigation": "navigation/hold", "power": "power/channels/ranging/switch",
    "neutron_spectrometer": "neutron_spectrometer/stop", "mobility": "mobility/stop",
    "thermal": "thermal/set_mode", "gpr": "gpr/stop", "alis": "alis/stop", "ems_l": "ems_l/stop",
}  # fmt: skip


def trial_of(row: str) -> Trial:
    """Find how a row is brought about; rows that every unit has are alike."""
    if row in TRIALS:
        return TRIALS[row]
    unit = TABLE[row].unit
    if row.endswith("_SILENT"):
        return Trial(unit, "process", {"kind": "hang", "resets": 1}, 60)
    if row.endswith("_FAILED"):
        return Trial(unit, "process", {"kind": "crash", "resets": 1}, 30)
    if row.endswith("_RESETS"):
        return Trial(deed=f"three resets {unit}", within_s=60)
    if row.endswith("_RESTARTED"):
        return Trial(deed=f"restarted {unit}", within_s=10)
    if row.endswith("_UNANSWERED"):
        return Trial(unit, "command", {"name": LOST[unit].partition("/")[2], "kind": "off"}, 60,
                     deed="plan")  # fmt: skip
    raise KeyError(row)


class Flight(Bench):
    """A bench that knows what was told of one row."""

    def __init__(self, row: str, tmp_path, trial: Trial) -> None:
        parameters = {name: dict(values) for name, values in trial.parameters.items()}
        target = LOST.get(TABLE[row].unit, "") if row.endswith("_UNANSWERED") else ""
        arguments = {"data": True} if "switch" in target else {}
        arguments = {"mode": "operate"} if "set_mode" in target else arguments
        if trial.deed == "plan":
            goal = {"x_m": 1e3, "y_m": 5e3}
            plan = [
                {"activity": "wait", "wait_s": trial.before_s},
                {"activity": "go", "command": target or "navigation/go_to", "timeout_s": 120.0,
                 "arguments": arguments if target else goal},
            ]  # fmt: skip
            path = tmp_path / "plan.yaml"
            path.write_text(yaml.safe_dump({"plan": plan}))
            parameters["executive"] = {"plan": str(path)}
        super().__init__(housekeeping_period_s=1.0 if trial.drives else 5.0, **parameters)
        self.row = row

    def told(self) -> list[dict[str, str]]:
        """What `faults` said of the row, in order."""
        name = f"{TABLE[self.row].unit}: {self.row}"
        return [
            {**values_of(m.status[0]), "time": time}
            for time, m in self.log["faults"] if m.status[0].name == name
        ]  # fmt: skip

    def answers(self) -> list[str]:
        """Events of responses to the row."""
        return [
            m.status[0].name.split(": ")[1]
            for _, m in self.log["events"]
            if values_of(m.status[0]).get("fault") == self.row
        ]

    def until(self, state: str, within_s: float) -> bool:
        spent_s = 0.0
        while not (self.told() and self.told()[-1]["state"] == state):
            if spent_s >= within_s:
                return False
            self.run(5)
            spent_s += 5.0
        return True

    def do(self, deed: str) -> None:
        what, _, rest = deed.partition(" ")
        if what == "charge":
            power = self.unit("power")
            balance = power.balance
            balance.state_of_charge = balance.battery.state_of_usable(float(rest), power.battery_k)
        elif what == "drive":
            self.bus.request("navigation", "go_to", x_m=15.0, y_m=40.0, speed_m_s=0.08)
        elif what == "back":
            self.bus.request("navigation", "hold")
            self.run(10)
            self.bus.request("navigation", "go_to", **EAST)
        elif what == "hop":
            self.bus.request("navigation", "go_to", x_m=20.0, y_m=0.0, speed_m_s=0.08)
        elif what == "hold":
            self.bus.request("navigation", "hold")
        elif what == "reset":
            self.bus.request(rest, "reset")
        elif what == "forget":
            navigation = self.unit("navigation")
            navigation.localisation.filter.covariance[:2, :2] *= 1e6
            navigation.localisation.covariance = navigation.localisation.filter.pose_covariance
        elif what == "three":
            for _ in range(3):
                self.bus.request(rest.split()[1], "reset")
                self.run(12)
        elif what == "restarted":
            self.bus.slots[rest].note(WARN, "PROCESS_RESTARTED", "It was started again.", {})
        elif what == "look":
            self.bus.request("alis", "stop")
            self.run(5)
            self.bus.request("alis", "calibrate")
            self.run(100)
            self.bus.request("alis", "acquire")
        elif what == "on":
            self.bus.request("power", f"channels/{rest}/switch", data=True)
        elif what == "cycle":
            self.bus.request("power", f"channels/{rest}/switch", data=False)
            self.run(5)
            self.bus.request("power", f"channels/{rest}/switch", data=True)


@pytest.mark.parametrize("row", TABLE)
def test_a_row_is_detected_answered_and_healed(row, tmp_path):
    trial, fault = trial_of(row), TABLE[row]
    flight = Flight(row, tmp_path, trial).run(20.0)
    if fault.unit in STARTED:
        flight.bus.request(fault.unit, STARTED[fault.unit])
    flight.run((100.0 if trial.drives else trial.before_s) - 20.0)
    if trial.drives:
        flight.bus.request("navigation", "go_to", **EAST)
        flight.run(trial.before_s)
    assert not flight.told(), "nothing is wrong yet"
    if trial.unit:
        slot = flight.bus.slots[trial.unit]
        act = read_act(slot.place, trial.act, dict(trial.settings))
        slot.faults.begin("trial", act, flight.bus.now)
    flight.do(trial.deed)
    assert flight.until("confirmed", trial.within_s), "it was not detected in time"
    confirmed = flight.told()[-1]
    assert confirmed["severity"] == fault.severity and confirmed["level"] == fault.level
    if fault.response.ladder and confirmed["muted_by"] == "none":
        flight.run(45)
        answers = flight.answers()
        silent = flight.told()[-1]["muted_by"] != "none" or flight.told()[-1]["state"] == "healed"
        assert silent or answers or flight.events().count("SAFE_MODE"), "nothing was done"
        if "RESPONSE_STARTED" in answers and fault.response.what != "safe_mode":
            assert {"RESPONSE_DONE", "RESPONSE_FAILED"} & set(answers), "a response ended silently"
    if trial.unit:
        flight.bus.slots[trial.unit].faults.end("trial", flight.bus.now)
    flight.do(trial.undo)
    if fault.latched:
        flight.run(800)
        flight.bus.request("fault_manager", "clear", id=row)
    if trial.drives and flight.unit("navigation") and flight.unit("navigation").journey is None:
        flight.bus.request("navigation", "go_to", **EAST)
    down_s = fault.detection.persistence.down_s
    assert flight.until("healed", down_s + 2400.0), "it did not heal"
