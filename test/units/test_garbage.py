# SPDX-License-Identifier: Apache-2.0
"""A unit outlives the garbage of another: no input makes it raise."""

from __future__ import annotations

import pytest
from unit_bench import Bench

from lupex_nodes.bus.fault_acts import read_act
from lupex_nodes.bus.messages import values_of
from lupex_nodes.bus.place import DIAGNOSTICS
from lupex_nodes.system import load_system

OUTPUTS = [
    (unit, topic)
    for unit, place in load_system().places.items()
    if not place.injects
    for topic in place.fault_outputs()
    if topic != DIAGNOSTICS or unit in ("ranging", "power")
]


@pytest.mark.parametrize(("unit", "topic"), OUTPUTS)
def test_garbage_of_one_unit_makes_no_other_raise(unit, topic):
    flight = Bench(housekeeping_period_s=5.0).run(70)
    flight.bus.request("navigation", "go_to", x_m=60.0, y_m=5.0, speed_m_s=0.08)
    flight.bus.request("neutron_spectrometer", "acquire")
    flight.run(20)
    slot = flight.bus.slots[unit]
    act = read_act(slot.place, "port", {"output": topic, "kind": "garbage"})
    slot.faults.begin("trial", act, flight.bus.now)
    before = len(flight.log[topic])
    flight.run(150)
    raised = [m.status[0].message for _, m in flight.log["events"]
              if m.status[0].name.endswith(": UNIT_FAILED")]  # fmt: skip
    assert not raised
    if topic in ("rover/imu/data", "rover/star_tracker/attitude"):
        assert len(flight.log[topic]) > before
        doubted = [values_of(m.status[0])["sensor"] for _, m in flight.log["events"]
                   if m.status[0].name == "navigation: SENSOR_IMPLAUSIBLE"]  # fmt: skip
        assert doubted == [unit], "said once"
