# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lupex_nodes.models.battery import Battery
from lupex_nodes.models.power_balance import PowerBalance

# Nothing, or more than rounding.
watts = st.just(0.0) | st.floats(0.1, 3000.0)
charges = st.just(0.0) | st.floats(0.01, 1.0)
spell = st.tuples(watts, watts, st.floats(225.0, 320.0), st.sampled_from([0.1, 1.0, 60.0, 600.0]))


@settings(max_examples=80)
@given(charge=charges, spells=st.lists(spell, min_size=1, max_size=30))
def test_every_term_on_its_own_and_nothing_left_over(charge, spells):
    balance = PowerBalance(Battery(), charge)
    for array_w, load_w, kelvin, dt_s in spells:
        flow = balance.step(array_w, load_w, kelvin, dt_s)
        assert 0.0 <= flow.array_w <= array_w * (1 + 1e-12)
        assert -1e-9 <= flow.load_w <= load_w
        assert flow.load_w + flow.unmet_w == pytest.approx(load_w, abs=1e-9)
        assert flow.converter_w >= -1e-12 and flow.resistive_w >= 0.0
        assert not (flow.unmet_w > 1e-9 and flow.array_w < array_w * (1 - 1e-9))
    assert balance.residual_fraction() < 1e-6


def test_losses_of_a_hand_balance():
    # 500 W of cells in the light, 100 W of loads: 40 W in the array's regulator, 360 W stored
    charging = PowerBalance(Battery(), 0.5).step(500.0, 100.0, 290.0, 60.0)
    assert charging.battery_w == pytest.approx(-360.0)
    assert charging.converter_w == pytest.approx(40.0)
    assert charging.open_circuit_w == pytest.approx(360.0 - charging.resistive_w)
    # in the dark the battery's regulator loses 4 % of what the cells give
    dark = PowerBalance(Battery(), 0.5).step(0.0, 96.0, 290.0, 60.0)
    assert dark.converter_w == pytest.approx(4.0)
    assert dark.open_circuit_w == pytest.approx(-100.0 - dark.resistive_w)
    # 1.39 A a parallel string of 45 mohm cells in series: I2R of 3.3 A in 5.5 mohm
    current_a = 100.0 / (8 * 3.803)
    assert dark.resistive_w == pytest.approx(current_a**2 * 8 * 0.045 / 66, rel=0.01)


def test_an_array_that_nobody_needs_is_turned_down():
    full = PowerBalance(Battery(), 1.0)
    flow = full.step(800.0, 92.0, 298.15, 60.0)
    assert flow.array_w == pytest.approx(100.0, abs=0.5)
    cold = PowerBalance(Battery(), 0.5).step(800.0, 92.0, 260.0, 60.0)
    assert (cold.array_w, cold.limited_by) == (pytest.approx(100.0), "cold")
