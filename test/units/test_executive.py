# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import yaml
from unit_bench import Bench

from lupex_nodes.bus.fault_acts import read_act
from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.ports import Qos
from lupex_nodes.rover.records import PLAN, SKY

UNITS = ("executive", "power", "neutron_spectrometer", "navigation")
SHORT = {"autostart": True, "start_delay_s": 0.0}


@pytest.fixture
def bench(tmp_path):
    def make(plan, **parameters):
        path = tmp_path / "plan.yaml"
        path.write_text(yaml.safe_dump({"plan": plan}))
        return Bench(*UNITS, executive={"plan": str(path), **SHORT, **parameters})

    return make


def charge(bench, part):
    """Leave this part of what the cells hold."""
    power = bench.unit("power")
    balance = power.balance
    balance.state_of_charge = balance.battery.state_of_usable(part, power.battery_k)


def outcome(bench):
    for _, message in bench.log["events"]:
        status = message.status[0]
        if status.name.split(": ")[1] in ("PLAN_COMPLETE", "PLAN_FAILED"):
            return values_of(status)
    return None


def test_activities_run_in_turn_and_are_awaited(bench):
    flight = bench([
        {"activity": "a", "command": "neutron_spectrometer/calibrate",
         "arguments": {"duration_s": 60}},
        {"activity": "b", "wait_s": 10.0},
        {"activity": "c", "command": "neutron_spectrometer/acquire"},
        {"activity": "d", "command": "neutron_spectrometer/stop"},
    ]).run(100)  # fmt: skip
    starts = [
        (t, values_of(m.status[0])["activity"])
        for t, m in flight.log["events"]
        if m.status[0].name == "executive: ACTIVITY_STARTED"
    ]
    assert [name for _, name in starts] == ["a", "b", "c", "d"]
    assert starts[1][0] - starts[0][0] > 60.0 and starts[2][0] - starts[1][0] >= 10.0
    assert outcome(flight)["outcome"] == "complete"
    assert flight.last("rover/executive/plan", PLAN) == (4, 4, 4)


@pytest.mark.parametrize(
    ("kind", "ended"),
    [({"kind": "delayed", "delay_s": 5.0}, "complete"), ({"kind": "off"}, "hardware")],
    ids=["late", "never"],
)
def test_a_command_whose_answer_is_late_is_the_activitys_all_the_same(bench, kind, ended):
    """Sent again, it would find the unit busy with itself until the retries are used up."""
    flight = bench([
        {"activity": "rest", "wait_s": 5.0},
        {"activity": "a", "command": "neutron_spectrometer/calibrate",
         "arguments": {"duration_s": 300}, "retries": 1, "retry_after_s": 20.0},
    ]).run(2)  # fmt: skip
    slot = flight.bus.slots["neutron_spectrometer"]
    act = read_act(slot.place, "command", {"name": "calibrate", **kind})
    slot.faults.begin("trial", act, flight.bus.now)
    flight.run(400)
    assert flight.events().count("COMMAND_UNANSWERED") == (1 if ended == "complete" else 2)
    assert flight.events().count("ACTIVITY_STARTED") == (2 if ended == "complete" else 3)
    assert outcome(flight)["outcome"] == ended


@pytest.mark.parametrize(
    ("activity", "expected"),
    [
        ({"command": "navigation/go_to", "arguments": {"x_m": 1.0, "y_m": 0.0}}, "blocked"),
        ({"command": "neutron_spectrometer/fly"}, "hardware"),
        ({"command": "neutron_spectrometer/calibrate", "arguments": {"duration_s": 600},
          "timeout_s": 20.0}, "time"),
    ],
)  # fmt: skip
def test_a_failure_is_named(bench, activity, expected):
    flight = bench([{"activity": "a", **activity}]).run(60)
    assert outcome(flight)["outcome"] == expected
    assert outcome(flight)["cause"].startswith("a: ")
    assert flight.unit("executive").mode == "failed"
    assert flight.unit("neutron_spectrometer").mode == "standby", "the abort's calls were made"


def test_a_plan_that_ends_with_an_empty_battery_is_no_success(bench):
    flight = bench([{"activity": "a", "wait_s": 5.0}])
    charge(flight, 0.1)
    assert outcome(flight.run(20))["outcome"] == "energy"


def test_retries_and_what_is_not_mandatory(bench):
    drive = {"command": "navigation/go_to", "arguments": {"x_m": 1.0, "y_m": 0.0}}
    flight = bench([
        {"activity": "a", **drive, "retries": 2, "retry_after_s": 10, "on_failure": "continue",
         "mandatory": False},
        {"activity": "b", "wait_s": 1.0},
    ]).run(12)  # fmt: skip
    assert flight.events().count("ACTIVITY_STARTED") == 1, "what failed has the time to be mended"
    flight.run(48)
    assert flight.events().count("ACTIVITY_STARTED") == 4
    assert outcome(flight)["outcome"] == "complete"


def test_a_mandatory_failure_spoils_the_plan_though_it_goes_on(bench):
    drive = {"command": "navigation/go_to", "arguments": {"x_m": 1.0, "y_m": 0.0}}
    flight = bench([
        {"activity": "a", **drive, "on_failure": "continue"},
        {"activity": "b", "wait_s": 1.0},
    ]).run(60)  # fmt: skip
    assert flight.events().count("ACTIVITY_STARTED") == 2
    assert outcome(flight)["outcome"] == "blocked"


def test_pause_start_and_abort(bench):
    flight = bench([{"activity": name, "wait_s": 10.0} for name in "abc"]).run(5)
    flight.bus.request("executive", "pause")
    flight.run(60)
    assert flight.events().count("ACTIVITY_STARTED") == 1
    flight.bus.request("executive", "start")
    flight.run(5)
    assert flight.events().count("ACTIVITY_STARTED") == 2
    flight.bus.request("executive", "abort")
    flight.run(20)
    assert flight.unit("executive").mode == "failed"
    assert flight.events().count("ACTIVITY_STARTED") == 2


def test_a_plan_is_loaded_by_command_and_a_bad_one_refused(bench, tmp_path):
    flight = Bench(*UNITS, executive={"autostart": False}).run(3)
    flight.bus.request("executive", "load", plan=str(tmp_path / "none.yaml"))
    flight.run(2)
    assert flight.reports("executive: load")[-1][:2] == ("start", False)
    (tmp_path / "one.yaml").write_text("plan: [{activity: a, wait_s: 1}]")
    flight.bus.request("executive", "load", plan=str(tmp_path / "one.yaml"))
    flight.run(2)
    flight.bus.request("executive", "start")
    flight.run(10)
    assert outcome(flight)["outcome"] == "complete"


def test_commands_of_others_do_not_disturb(bench):
    flight = bench([{"activity": "a", "wait_s": 30.0}])
    for _ in range(20):
        flight.bus.request("power", "noop", source="ground")
        flight.run(1)
    flight.run(20)
    assert outcome(flight)["outcome"] == "complete"
    assert Qos.COMMAND.depth < 200


def tell_sky(flight, lit_for_s=0.0, earth_for_s=0.0):
    row = (0.0, 1.0, float(lit_for_s > 0), lit_for_s, 0.0, int(earth_for_s > 0), earth_for_s)
    flight.bus.publish("rover/navigation/sky", Qos.STATE, SKY.message(flight.bus.now, [row]))


def conditional(tmp_path, activity, **parameters):
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump({"plan": [{"activity": "a", "wait_s": 1.0, **activity}]}))
    return Bench("executive", "power", executive={"plan": str(path), **SHORT, **parameters})


def test_an_activity_waits_for_light_and_says_so(tmp_path):
    flight = conditional(tmp_path, {"when": {"lit_for_s": 3600.0}}).run(30)
    tell_sky(flight, lit_for_s=3000.0)
    flight.run(100)
    assert flight.events().count("ACTIVITY_WAITS") == 1
    assert "ACTIVITY_STARTED" not in flight.events()
    tell_sky(flight, lit_for_s=4000.0)
    assert outcome(flight.run(30))["outcome"] == "complete"


def test_the_forecast_of_light_runs_down_while_nobody_renews_it(tmp_path):
    flight = conditional(tmp_path, {"when": {"lit_for_s": 900.0, "state_of_charge": 0.9}}).run(5)
    tell_sky(flight, lit_for_s=1000.0)
    flight.run(200)
    charge(flight, 0.95)
    flight.run(60)
    assert "ACTIVITY_STARTED" not in flight.events()


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({"lit_for_s": 60.0}, "energy"),
        ({"state_of_charge": 1.0}, "energy"),
        ({"battery_above_c": 90.0}, "thermal"),
        ({"box_above_c": 90.0}, "thermal"),
        ({"earth_for_s": 60.0}, "communication"),
    ],
)
def test_who_waits_in_vain_names_the_outcome(tmp_path, when, expected):
    flight = conditional(tmp_path, {"when": when, "when_timeout_s": 60.0}).run(100)
    assert outcome(flight)["outcome"] == expected
    assert "in vain" in outcome(flight)["cause"]


def test_ignored_conditions_are_not_waited_for(tmp_path):
    activity = {"when": {"lit_for_s": 60.0, "earth_for_s": 60.0}}
    flight = conditional(tmp_path, activity, ignored_conditions=["light", "earth"]).run(30)
    assert outcome(flight)["outcome"] == "complete"


def test_an_activity_ends_when_what_it_must_keep_is_gone(bench):
    flight = bench([
        {"activity": "a", "command": "neutron_spectrometer/calibrate",
         "arguments": {"duration_s": 600}, "keep": {"state_of_charge": 0.5},
         "stop": "neutron_spectrometer/stop", "on_failure": "continue", "mandatory": False},
        {"activity": "b", "wait_s": 1.0},
    ]).run(30)  # fmt: skip
    charge(flight, 0.4)
    flight.run(30)
    assert flight.reports("neutron_spectrometer: calibrate")[-1][:2] == ("completion", False)
    assert outcome(flight)["outcome"] == "complete"


def test_a_battery_below_its_reserve_ends_the_plan_at_once(bench):
    flight = bench([{"activity": "a", "wait_s": 1000.0}]).run(30)
    charge(flight, 0.1)
    assert outcome(flight.run(90))["outcome"] == "energy"


def test_a_plan_goes_on_after_its_computer_was_off(bench):
    flight = bench([{"activity": name, "wait_s": 40.0} for name in "abc"]).run(60)
    assert flight.events().count("ACTIVITY_STARTED") == 2
    flight.bus.request("executive", "reset")
    flight.run(20)
    assert "PLAN_RESUMED" in flight.events()
    started = [values_of(m.status[0])["activity"] for _, m in flight.log["events"]
               if m.status[0].name == "executive: ACTIVITY_STARTED"]  # fmt: skip
    assert started == ["a", "b", "b"], "what was cut short starts again, what was over does not"
    flight.run(120)
    assert outcome(flight)["outcome"] == "complete"
    flight.bus.request("executive", "reset")
    flight.run(60)
    assert flight.unit("executive").mode == "complete"
    assert flight.events().count("PLAN_COMPLETE") == 1
