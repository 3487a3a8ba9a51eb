# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from unit_bench import Bench

from lupex_nodes.bus.fault_acts import read_act
from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.records import view
from lupex_nodes.located_yaml import BadFile
from lupex_nodes.rover.fault_table import load_faults
from lupex_nodes.rover.residuals import RESIDUALS
from lupex_nodes.share import share_file
from lupex_nodes.system import load_system

#: Units that need no ground: their benches are quick.
PARKED = ("fault_manager", "power", "thermal", "mobility", "executive", "neutron_spectrometer")


def inject(bench, unit, act, **settings):
    slot = bench.bus.slots[unit]
    slot.faults.begin("trial", read_act(slot.place, act, settings), bench.bus.now)


def told(bench, row):
    return [
        values_of(m.status[0])
        for _, m in bench.log["faults"]
        if m.status[0].name.endswith(f": {row}")
    ]


def channels(bench):
    row = view(bench.last("rover/power/channels"))[0]
    return {name for name in row.dtype.names if row[name]}


def charge(bench, part):
    power = bench.unit("power")
    power.balance.state_of_charge = power.balance.battery.state_of_usable(part, power.battery_k)


# --- the table ---------------------------------------------------------------------------------


def test_the_table_names_units_and_channels_of_the_system():
    system = load_system()
    faults = load_faults()
    assert len(faults) >= 30 and {f.level for f in faults} == {"unit", "subsystem", "vehicle"}
    for fault in faults:
        assert fault.unit in system.places, fault.id
        assert fault.meaning and fault.evidence, fault.id
        place = system.places[fault.unit]
        if {"power_cycle", "switch_off", "switch_on"} & set(fault.response.ladder):
            assert place.channel == fault.unit, f"{fault.id} switches a channel that is not there"
        if "reset" in fault.response.ladder:
            assert "reset" in place.commands()


def test_every_residual_is_used():
    used = {f.detection.signal for f in load_faults() if f.detection.kind == "residual"}
    assert used == set(RESIDUALS)


def test_every_error_of_a_table_is_found_at_once(tmp_path):
    path = tmp_path / "faults.yaml"
    path.write_text(
        "faults:\n"
        "  - {id: AA, unit: power, detection: {kind: residual, signal: nothing, limit: 1}}\n"
        "  - {id: AA, unit: power, detection: {kind: limit, signal: rover/x.y, limit: 1}}\n"
        "  - {id: BB, unit: power, detection: {kind: event, signal: 'a: B'}, explains: [CC]}\n"
        "  - {id: DD, unit: power, colour: red, detection: {kind: event, signal: 'a: B'}}\n"
        "  - {id: EE, unit: power, detection: {kind: limit, signal: rover/power/bus.load_w}}\n"
    )
    with pytest.raises(BadFile) as failure:
        load_faults(path, signals=["rover/power/bus"], residuals=RESIDUALS)
    text = str(failure.value)
    for part in (":2: ", "nothing cannot be read", "rover/x cannot be read", "stands more than",
                 "there is no row CC", "colour: is not known", "limit goes with"):  # fmt: skip
        assert part in text, part
    assert "Traceback" not in text


def test_a_manager_with_a_bad_table_fails_with_the_reason(tmp_path):
    path = tmp_path / "faults.yaml"
    path.write_text("faults: [{id: AA}]")
    bench = Bench("fault_manager", "power", fault_manager={"fault_responses": str(path)}).run(2)
    assert bench.bus.slots["fault_manager"].state.value == "failed"
    assert "is missing" in bench.log["events"][0][1].status[0].message


def test_the_catalogue_and_the_table_know_each_other():
    file = yaml.safe_load(share_file("config/faults.yaml").read_text())
    known = {row["id"]: row for row in file["faults"]}
    for fault in load_faults():
        for caught in fault.catches:
            assert caught in known, f"{fault.id} catches {caught}, which nobody injects"
            assert fault.unit == known[caught].get("isolates_to", known[caught]["unit"])


# --- symptoms, passive mode, bounded attempts --------------------------------------------------


def test_a_symptom_is_told_as_muted_by_its_cause_and_not_answered():
    bench = Bench(*PARKED).run(100)
    inject(bench, "thermal", "port", output="rover/thermal/temperatures", kind="wrong",
           field="box_k", offset=-40.0)  # fmt: skip
    bench.run(500)
    assert told(bench, "BOX_COLD")[-1]["muted_by"] == "TEMPERATURE_STEP"
    assert "SAFE_MODE" not in bench.events()


def test_a_cause_mutes_the_symptoms_that_were_there_before():
    bench = Bench(*PARKED).run(100)
    inject(bench, "neutron_spectrometer", "process", kind="hang", resets=1000)
    bench.run(60)
    (cause,) = told(bench, "NEUTRON_SPECTROMETER_SILENT")[:1]
    assert cause["state"] == "confirmed" and cause["muted_by"] == "none"
    symptoms = told(bench, "NEUTRON_SPECTROMETER_DATA_SILENT")
    assert all(s["muted_by"] == "NEUTRON_SPECTROMETER_SILENT" for s in symptoms[-1:])


def test_attempts_are_bounded_and_escalate_to_switching_off():
    bench = Bench(*PARKED, housekeeping_period_s=5.0).run(100)
    inject(bench, "neutron_spectrometer", "port",
           output="payload/neutron_spectrometer/counts", kind="off")  # fmt: skip
    bench.run(1500)
    deeds = [
        values_of(m.status[0])["response"]
        for _, m in bench.log["events"]
        if m.status[0].name == "fault_manager: RESPONSE_STARTED"
    ]
    assert deeds == ["reset", "power_cycle", "switch_off"]
    assert "neutron_spectrometer" not in channels(bench)
    ends = bench.events()
    assert ends.count("RESPONSE_DONE") == 3 and "RESPONSE_FAILED" not in ends


def test_a_passive_manager_says_what_it_would_do_and_does_nothing():
    bench = Bench(*PARKED, fault_manager={"passive": True}).run(100)
    inject(bench, "neutron_spectrometer", "port",
           output="payload/neutron_spectrometer/counts", kind="off")  # fmt: skip
    bench.run(200)
    assert told(bench, "NEUTRON_SPECTROMETER_DATA_SILENT")
    assert "RESPONSE_WITHHELD" in bench.events() and "RESET" not in bench.events()
    bench.bus.request("fault_manager", "set_passive", data=False)
    bench.bus.request("fault_manager", "clear", id="all")
    bench.run(100)
    assert "RESET" in bench.events()


def test_an_unpowered_unit_is_silent_without_a_fault():
    bench = Bench(*PARKED).run(100)
    for name in ("neutron_spectrometer", "mobility"):
        bench.bus.request("power", f"channels/{name}/switch", data=False)
    bench.run(1000)
    assert not bench.log["faults"]


def test_nothing_is_confirmed_in_hibernation():
    bench = Bench(housekeeping_period_s=30.0).run(100)
    bench.bus.request("thermal", "set_mode", mode="hibernate", wake_after_s=7200.0)
    bench.run(14400)
    assert "WOKEN" in bench.events()
    assert not bench.log["faults"] and "WATCHDOG" not in bench.events()


def test_a_response_without_an_answer_is_told_as_failed():
    bench = Bench(*PARKED).run(100)
    inject(bench, "neutron_spectrometer", "command", name="reset", kind="off")
    slot = bench.bus.slots["neutron_spectrometer"]
    act = read_act(slot.place, "port", {"output": "payload/neutron_spectrometer/counts",
                                        "kind": "off"})  # fmt: skip
    slot.faults.begin("other", act, bench.bus.now)
    bench.run(150)
    assert "RESPONSE_FAILED" in bench.events()


def test_injections_are_no_evidence():
    bench = Bench(*PARKED).run(100)
    for name, values in (("arm_injection", {}), ("inject", {
        "fault": "x", "act": "degradation", "settings": ["epithermal_efficiency_factor=0.99"],
    }), ("restore", {"fault": "x"})):  # fmt: skip
        bench.bus.request("neutron_spectrometer", name, source="fault_injector", **values)
        bench.run(5)
    bench.run(200)
    assert not bench.log["faults"]


# --- safe mode -----------------------------------------------------------------------------------


@pytest.fixture
def planned(tmp_path):
    path = Path(tmp_path / "plan.yaml")
    path.write_text(yaml.safe_dump({"plan": [
        {"activity": "drive", "command": "navigation/go_to", "timeout_s": 3000.0,
         "arguments": {"x_m": 60.0, "y_m": 0.0, "speed_m_s": 0.08}},
        {"activity": "rest", "wait_s": 10.0},
    ]}))  # fmt: skip
    return Bench(executive={"plan": str(path)})


def test_safe_mode_stops_holds_switches_off_and_is_left_by_command_only(planned):
    bench = planned.run(100)
    assert bench.unit("navigation").journey is not None
    bench.bus.request("fault_manager", "safe")
    bench.run(20)
    place = bench.last("rover/odometry").pose.pose.position
    assert bench.unit("navigation").journey is None
    assert "neutron_spectrometer" not in channels(bench) and "computer" in channels(bench)
    bench.bus.request("fault_manager", "safe")
    bench.run(400)
    assert bench.events().count("SAFE_MODE") == 1, "entering again is no other entry"
    assert bench.unit("fault_manager").mode == "safe"
    assert bench.last("rover/odometry").pose.pose.position.x == pytest.approx(place.x, abs=0.02)
    assert bench.events().count("ACTIVITY_STARTED") == 1
    bench.bus.request("fault_manager", "resume")
    bench.run(1500)
    assert "PLAN_COMPLETE" in bench.events(), "what was cut short was begun again"
    assert "neutron_spectrometer" in channels(bench)
    bench.bus.request("fault_manager", "resume")
    bench.run(5)
    assert bench.reports("fault_manager: resume")[-1][:2] == ("start", False)


@pytest.mark.parametrize("mode", ["empty", "loaded", "paused", "complete", "failed"])
def test_safe_mode_is_reached_from_every_state_of_the_plan(mode, tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text("plan: [{activity: a, wait_s: 30.0}, {activity: b, wait_s: 30.0}]")
    values = {"plan": "" if mode == "empty" else str(path), "autostart": mode != "loaded"}
    bench = Bench(*PARKED, executive=values).run(20)
    if mode == "paused":
        bench.bus.request("executive", "pause")
    elif mode == "failed":
        bench.bus.request("executive", "abort")
    bench.run(90)
    assert bench.unit("executive").mode == mode
    bench.bus.request("fault_manager", "safe")
    bench.run(60)
    assert bench.unit("fault_manager").mode == "safe" and "PLAN_HELD" in bench.events()
    started = bench.events().count("ACTIVITY_STARTED")
    bench.bus.request("executive", "start")
    bench.run(60)
    assert bench.events().count("ACTIVITY_STARTED") == started
    assert "RESPONSE_FAILED" not in bench.events()


def test_safe_mode_outlives_the_power_of_the_computer(planned):
    bench = planned.run(100)
    bench.bus.request("fault_manager", "safe")
    bench.run(20)
    for on in (False, True):
        bench.bus.request("power", "channels/computer/switch", data=on)
        bench.run(10)
    bench.run(100)
    assert bench.unit("fault_manager").mode == "safe"
    assert bench.events().count("ACTIVITY_STARTED") == 1 and "PLAN_RESUMED" in bench.events()


def test_a_safe_rover_that_lives_on_its_battery_goes_to_sleep():
    bench = Bench("fault_manager", "power", "thermal", "executive", housekeeping_period_s=10.0)
    bench.run(100)
    charge(bench, 0.22)
    bench.bus.request("fault_manager", "safe")
    bench.run(900)
    assert bench.unit("thermal").mode == "hibernate"
    assert bench.bus.slots["fault_manager"].state.value == "unpowered"


# --- who watches the watcher ------------------------------------------------------------------


def test_a_silent_manager_is_power_cycled_three_times_and_then_left_off():
    bench = Bench(*PARKED, housekeeping_period_s=10.0).run(100)
    inject(bench, "fault_manager", "process", kind="hang", resets=1000)
    bench.run(75)
    assert bench.events().count("WATCHDOG") == 1
    bench.run(1500)
    events = bench.events()
    assert events.count("WATCHDOG") == 3 and events.count("WATCHDOG_GAVE_UP") == 1
    assert channels(bench) == set()
    assert bench.unit("thermal") is not None, "what keeps warm has no channel"
    bench.bus.slots["fault_manager"].faults.end("trial", bench.bus.now)
    bench.bus.request("power", "channels/computer/switch", data=True)
    bench.run(300)
    assert "computer" in channels(bench) and bench.events().count("WATCHDOG") == 3


def test_a_power_cycle_brings_a_hung_manager_back():
    bench = Bench(*PARKED, housekeeping_period_s=10.0).run(100)
    inject(bench, "fault_manager", "process", kind="hang", resets=1)
    bench.run(300)
    assert bench.events().count("WATCHDOG") == 1
    assert bench.bus.slots["fault_manager"].state.value == "active"
    (found,) = told(bench, "COMPUTER_CYCLED")
    assert found["state"] == "confirmed"


def test_a_computer_on_which_nobody_strokes_is_left_alone():
    bench = Bench("power", "executive").run(2000)
    assert "WATCHDOG" not in bench.events() and "computer" in channels(bench)


def test_a_driving_rover_is_cycled_within_half_a_minute_of_silence():
    bench = Bench().run(100)
    bench.bus.request("navigation", "go_to", x_m=60.0, y_m=0.0, speed_m_s=0.08)
    bench.run(60)
    silent_from = bench.log["rover/watchdog"][-1][0]
    inject(bench, "fault_manager", "process", kind="hang", resets=1)
    bench.run(60)
    times = [t for t, m in bench.log["events"] if m.status[0].name == "power: WATCHDOG"]
    last = max(t for t, _ in bench.log["rover/watchdog"] if t < times[0])
    assert last >= silent_from and 30.0 <= times[0] - last <= 35.0


# --- a sensor left out --------------------------------------------------------------------------


def test_a_sensor_is_left_out_while_the_rover_drives_and_taken_in_again():
    bench = Bench().run(100)
    bench.bus.request("navigation", "go_to", x_m=60.0, y_m=0.0, speed_m_s=0.08)
    bench.run(60)
    bench.bus.request("navigation", "ignore", sensor="star_tracker")
    bench.degrade("star_tracker", knock_deg=20.0)
    before = bench.unit("navigation").localisation.filter.state[2]
    bench.run(120)
    localisation = bench.unit("navigation").localisation
    assert localisation.ignored == {"star_tracker"} and bench.unit("navigation").journey
    assert abs(localisation.filter.state[2] - before) < 0.2
    bench.bus.request("navigation", "reset")
    bench.run(10)
    assert bench.unit("navigation").localisation.ignored == {"star_tracker"}
    bench.bus.request("navigation", "ignore", sensor="star_tracker", ignored=False)
    bench.run(10)
    assert not bench.unit("navigation").localisation.ignored


# --- what is no fault, and what is left alone ----------------------------------------------------


def test_a_restarted_executive_begins_the_drive_again(planned):
    bench = planned.run(100)
    bench.bus.request("executive", "reset")
    bench.run(60)
    assert "PLAN_FAILED" not in bench.events()
    assert bench.unit("navigation").journey is not None
    assert bench.unit("executive").housekeeping()["activity"] == "drive"


def test_a_unit_whose_data_come_is_left_alone_without_heartbeats():
    bench = Bench(*PARKED, housekeeping_period_s=5.0).run(100)
    bench.bus.request("neutron_spectrometer", "acquire")
    inject(bench, "neutron_spectrometer", "port", output="/diagnostics", kind="off")
    bench.run(1200)
    assert told(bench, "NEUTRON_SPECTROMETER_SILENT")[-1]["state"] == "confirmed"
    assert bench.events().count("RESPONSE_WITHHELD") == 1, "said, not repeated each look"
    assert "RESPONSE_STARTED" not in bench.events()
    assert bench.unit("neutron_spectrometer").mode == "acquire"


def test_a_wrong_load_is_a_fault_of_the_telemetry_and_no_load_is_shed():
    bench = Bench(*PARKED).run(100)
    before = channels(bench)
    inject(bench, "power", "port", output="rover/power/bus", kind="wrong", field="load_w", gain=1.3)
    bench.run(900)
    assert told(bench, "BUS_LOAD_WRONG")[0]["muted_by"] == "none"
    assert all(t["muted_by"] == "BUS_LOAD_WRONG" for t in told(bench, "BUS_LEAK"))
    assert channels(bench) == before


class _Seen:
    """The bus and the conditions of an array residual, by hand."""

    def __init__(self):
        self.conditions = {"lit": 0, "driving": None}
        self.bus = None

    def row(self, topic):
        return self.bus


def array_ratios(times_s, ratios, drives_at=()):
    residual, seen = RESIDUALS["array_output_ratio"](), _Seen()
    told = []
    for t, ratio in zip(times_s, ratios, strict=True):
        seen.conditions["driving"] = t if t in drives_at else None
        seen.bus = SimpleNamespace(array_limit_w=ratio * 865.7)
        residual.update(int(t * 1e9), seen)
        told.append(residual.value)
    return told


def test_a_hill_before_the_sun_is_no_fault_of_the_array_and_a_lost_string_is():
    minutes = [60.0 * i for i in range(120)]
    falls = [max(0.4, 1.0 - 0.01 * i) for i in range(120)]
    assert array_ratios(minutes, falls)[-1] is None, "slowly, standing: a hill"
    assert set(array_ratios(minutes, [0.5] * 120)) == {None}, "from the start"
    step = [1.0] * 60 + [0.5] * 60
    assert array_ratios(minutes, step)[-1] == pytest.approx(0.5, abs=0.01)
    turned = array_ratios(minutes, [0.5] * 120, drives_at=(600.0,))
    assert turned[-1] == pytest.approx(0.5, abs=0.01), "a rover that drove leaves hills behind"
