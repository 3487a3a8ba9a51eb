# SPDX-License-Identifier: Apache-2.0
"""When faults begin and end, who may begin them, and what is said of it."""

from __future__ import annotations

import pytest
from unit_bench import START, Bench

from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.ports import Qos
from lupex_nodes.bus.slot import State
from lupex_nodes.bus.stamps import SECOND, from_stamp
from lupex_nodes.bus.unit_faults import tells_of_injection
from lupex_nodes.fault_catalogue import FILE, catalogue, read_catalogue
from lupex_nodes.share import share_file
from lupex_nodes.system import load_system
from lupex_nodes.world.records import SUN, VEHICLE

UNITS = ("fault_injector", "ranging", "thermal", "relay")
DATA = "rover/ranging/range"


def bench(*entries: str, **options) -> Bench:
    """Fly a few units with a schedule."""
    return Bench(*UNITS, fault_injector={"schedule": list(entries)}, **options)


def truth(flight: Bench) -> list[tuple[float, str, str]]:
    """Return (second, event, fault) of what the injector said."""
    found = []
    for at, message in flight.log["events"]:
        unit, _, event = message.status[0].name.partition(": ")
        if unit == "fault_injector" and event.startswith("FAULT_"):
            assert tells_of_injection(message.status[0])
            found.append((at, event, values_of(message.status[0])["fault"]))
    return found


def beats(flight: Bench, unit: str) -> list[float]:
    return [at for at, m in flight.log["/diagnostics"] if m.status[0].hardware_id == unit]


def test_a_fault_begins_and_ends_at_the_second_that_is_asked_for():
    flight = bench("{fault: relay_hang, at_s: 20, for_s: 15}").run(60)
    assert truth(flight) == [(20, "FAULT_INJECTED", "relay_hang"),
                             (35, "FAULT_RESTORED", "relay_hang")]  # fmt: skip
    assert beats(flight, "relay") == [*range(20), *range(35, 60)]
    (event,) = [m for at, m in flight.log["events"] if at == 20]
    assert values_of(event.status[0]) == {
        "fault": "relay_hang", "unit": "relay", "act": "process kind=hang resets=1",
    }  # fmt: skip


def test_several_faults_of_one_unit_begin_together():
    flight = bench(
        "{fault: relay_silent, at_s: 20}", "{fault: relay_hang, at_s: 20}",
        "{fault: thermal_reset_loop, at_s: 21}", "{fault: temperature_frozen, at_s: 21}",
    ).run(40)  # fmt: skip
    assert [(at, event) for at, event, _ in truth(flight)] == [
        (20, "FAULT_INJECTED"), (20, "FAULT_INJECTED"), (21, "FAULT_INJECTED"),
        (21, "FAULT_INJECTED"),
    ]  # fmt: skip
    assert flight.unit("fault_injector").housekeeping() == {
        "faults_active": 4, "faults_scheduled": 0,
    }  # fmt: skip


def test_a_magnitude_can_differ_from_the_catalogue():
    flight = bench("{fault: ranging_bias, at_s: 5, magnitude: {bias_m: 7.5}}").run(10)
    assert flight.unit("ranging").degradation.bias_m == 7.5


def test_a_fault_that_cannot_be_is_said_and_the_flight_goes_on():
    flight = bench(
        "{fault: relay_hang, at_s: 5, for_s: 40}", "{fault: imu_frozen, at_s: 6}",
        "{fault: relay_hang, at_s: 10}",
    ).run(30)  # fmt: skip
    assert truth(flight)[1:] == [(5, "FAULT_REFUSED", "imu_frozen"),
                                 (10, "FAULT_REFUSED", "relay_hang")]  # fmt: skip
    sentences = [m.status[0].message for _, m in flight.log["events"]]
    assert "imu_frozen could not be injected: there is no unit imu on this bus." in sentences
    assert any("relay_hang is in relay already: restore it first." in each for each in sentences)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("{driven_above_m: 20}", True),
        ("{driven_above_m: 20, tilt_above_deg: 50}", False),
        ("{tilt_above_deg: 5}", True),
        ("{lit_below: 0.3}", True),
        ("{lit_above: 0.3}", False),
        ("{lit_above: 0.1, lit_below: 0.3}", True),
        ("{mode_of: thermal, mode: awake}", True),
        ("{mode_of: thermal, mode: asleep}", False),
    ],
)
def test_conditions_look_at_the_world_and_at_modes(when, holds):
    flight = bench(f"{{fault: relay_hang, at_s: 10, when: {when}}}")
    flight.run(20)
    modes = {values_of(m.status[0]).get("mode") for _, m in flight.log["/diagnostics"]
             if m.status[0].hardware_id == "thermal"}  # fmt: skip
    if "mode_of" not in when:
        assert truth(flight) == [], "nothing is known of the world yet"
    else:
        assert modes == {flight.unit("thermal").mode}
        holds = when == f"{{mode_of: thermal, mode: {flight.unit('thermal').mode}}}"
    publish_world(flight)
    flight.run(20)
    assert bool(truth(flight)) is holds


def publish_world(flight: Bench) -> None:
    values = dict.fromkeys(VEHICLE.dtype.names, 0) | {"driven_m": 30.0, "tilt_deg": 12.0}
    bus = flight.bus
    message = VEHICLE.message(bus.now, [tuple(values.values())])
    bus.publish("world/vehicle/state", Qos.TELEMETRY, message)
    values = dict.fromkeys(SUN.dtype.names, 0.0) | {"lit_fraction": 0.2}
    bus.publish("world/sun", Qos.STATE, SUN.message(bus.now, [tuple(values.values())]))


def test_a_condition_waits_until_it_holds_and_fires_once():
    flight = bench("{fault: relay_hang, when: {driven_above_m: 20}, for_s: 5}").run(30)
    assert truth(flight) == []
    publish_world(flight)
    flight.run(60)
    assert [event for _, event, _ in truth(flight)] == ["FAULT_INJECTED", "FAULT_RESTORED"]
    begin = truth(flight)[0][0]
    assert 30 <= begin <= 33, "conditions are looked at each second, arming takes two"


def test_by_command_a_fault_needs_arming_and_clear_ends_it():
    flight = bench().run(5)
    flight.bus.request("fault_injector", "inject", fault="relay_hang")
    flight.run(5)
    assert flight.reports("fault_injector: inject")[-1][1:] == (
        False, "not armed: send arm first, at most 60 s before"
    )  # fmt: skip
    flight.bus.request("fault_injector", "arm")
    flight.run(70)
    flight.bus.request("fault_injector", "inject", fault="relay_hang")
    flight.run(5)
    assert not flight.reports("fault_injector: inject")[-1][1]
    assert truth(flight) == []
    flight.bus.request("fault_injector", "arm")
    flight.bus.request("fault_injector", "inject", fault="relay_hang", for_s=300.0)
    flight.run(5)
    assert flight.reports("fault_injector: inject")[-1][:2] == ("completion", True)
    assert [event for _, event, _ in truth(flight)] == ["FAULT_INJECTED"]
    flight.bus.request("fault_injector", "clear")
    flight.run(5)
    assert [event for _, event, _ in truth(flight)] == ["FAULT_INJECTED", "FAULT_RESTORED"]
    assert flight.bus.slots["relay"].faults.active == []
    assert beats(flight, "relay")[-1] == 94


def test_unknown_faults_are_refused_with_a_suggestion():
    flight = bench().run(2)
    flight.bus.request("fault_injector", "arm")
    flight.bus.request("fault_injector", "inject", fault="relay_hung")
    flight.run(2)
    assert flight.reports("fault_injector: inject")[-1][2] == (
        "there is no fault relay_hung: did you mean relay_hang?"
    )
    flight.bus.request("fault_injector", "clear", fault="relay_hang")
    flight.run(2)
    assert "relay_hang is not injected" in flight.reports("fault_injector: clear")[-1][2]


def test_a_reset_of_the_injector_neither_repeats_nor_forgets_faults():
    flight = bench("{fault: relay_hang, at_s: 10, for_s: 40}").run(20)
    flight.bus.request("fault_injector", "reset")
    flight.run(60)
    assert truth(flight) == [(10, "FAULT_INJECTED", "relay_hang"),
                             (50, "FAULT_RESTORED", "relay_hang")]  # fmt: skip


def test_a_schedule_with_an_unknown_fault_fails_with_one_sentence():
    flight = bench("{fault: relay_hung, at_s: 10}").run(2)
    assert flight.bus.slots["fault_injector"].state is State.FAILED
    assert "there is no fault relay_hung: did you mean relay_hang?" in (
        flight.log["events"][0][1].status[0].message
    )


def test_without_faults_the_injector_changes_nothing():
    """Its heartbeat and its place in the graph are all there is of it in a nominal flight."""

    def said(*names):
        flight = Bench(*names).run(30)
        return {
            topic: [(at, repr(m)) for at, m in messages if "fault_injector" not in repr(m)]
            for topic, messages in flight.log.items() if topic != "bus/tick"
        }  # fmt: skip

    with_injector, without = said(*UNITS), said(*UNITS[1:])
    assert with_injector == without


# --- the catalogue ---------------------------------------------------------------------------

PLACES = load_system().places


def test_the_catalogue_fits_the_system():
    found = read_catalogue(share_file(FILE), PLACES)
    assert len(found) >= 40
    assert sum(bool(fault.not_observable) for fault in found.values()) <= 5
    assert len({fault.signature for fault in found.values()}) == len(found), "each its own"
    acts = {(f.unit, f.act_name, str(f.settings())) for f in found.values()}
    assert len(acts) == len(found), "no two rows are the same fault"


@pytest.fixture(scope="module")
def whole() -> Bench:
    """All units, with power for all of them."""
    return Bench().run(10)


@pytest.mark.parametrize("fault", catalogue().values(), ids=catalogue())
def test_every_row_is_injected_into_the_real_system_and_restored(fault, whole):
    slot = whole.bus.slots[fault.unit]
    begun = (whole.bus.now - START) / SECOND
    whole.bus.request("fault_injector", "arm")
    whole.bus.request("fault_injector", "inject", fault=fault.id)
    whole.run(5)
    assert slot.faults.active == [fault.id]
    whole.bus.request("fault_injector", "clear", fault=fault.id)
    whole.run(5)
    assert slot.faults.active == []
    events = [event for at, event, name in truth(whole) if name == fault.id and at >= begun]
    assert events == ["FAULT_INJECTED", "FAULT_RESTORED"]
    model = type(slot.degradation)
    assert slot.degradation == model()
    assert not slot.port_faults and not slot.faults.hung and slot.state is not State.FAILED


def test_a_drifting_clock_shows_in_the_stamps_of_the_imu():
    flight = Bench(fault_injector={"schedule": ["{fault: imu_clock_drift, at_s: 20}"]}).run(140)
    errors_s = {
        at: (from_stamp(message.header.stamp) - START) / SECOND - at
        for at, message in flight.log["rover/imu/data"]
    }
    (before_s,) = {error_s for at, error_s in errors_s.items() if at < 20}
    last = max(errors_s)
    assert last > 80
    assert errors_s[last] - before_s == pytest.approx(0.01 * (last - 20))
