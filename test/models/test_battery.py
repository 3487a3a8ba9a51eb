# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from lupex_nodes.models import battery
from lupex_nodes.models.battery import Battery

PACK = Battery()
WARM_K = 298.15


@pytest.mark.parametrize(
    ("soc", "volts"),
    [(0.05, 3.516), (0.1, 3.675), (0.2, 3.725), (0.5, 3.803), (0.8, 3.946), (1.0, 4.103)],
)
def test_open_circuit_voltage_is_that_of_chen_and_rincon_mora(soc, volts):
    assert battery.cell_open_circuit_voltage_v(soc) == pytest.approx(volts, abs=6e-4)


def test_default_pack_holds_ten_kilowatt_hours_within_the_bus_range():
    by_quadrature = PACK.capacity_c * quad(PACK.open_circuit_voltage_v, 0.0, 1.0)[0]
    assert PACK.stored_energy_j(1.0) == pytest.approx(by_quadrature, rel=1e-9)
    assert PACK.stored_energy_j(1.0) / 3.6e6 == pytest.approx(10.0, rel=0.01)
    assert 28.0 < PACK.open_circuit_voltage_v(0.05)
    assert PACK.open_circuit_voltage_v(1.0) < 34.0


@pytest.mark.parametrize(
    ("celsius", "factor"),
    [(40, 1), (25, 1), (0, 0.9), (-20, 0.7), (-30, 0.5), (-40, 0.25), (-60, 0)],
)
def test_cold_capacity(celsius, factor):
    assert battery.capacity_factor(celsius + 273.15) == pytest.approx(factor)


def test_cold_capacity_limits_the_draw_and_comes_back_on_warming():
    soc, cold_k = 1.0, 253.15
    for _ in range(400):
        step = PACK.step(soc, 300.0, cold_k, 600.0)
        soc = step.state_of_charge
    assert soc == pytest.approx(0.3, abs=2e-3)
    assert step.limited_by == "empty"
    assert step.unmet_power_w == pytest.approx(300.0, abs=1.0)
    assert PACK.step(soc, 300.0, WARM_K, 600.0).unmet_power_w == 0.0


def test_five_days_of_darkness_with_warm_cells_end_near_one_fifth():
    soc = 1.0
    for _ in range(120):
        soc = PACK.step(soc, 64.5 - 0.5e3 / 120.0, 278.15, 3600.0).state_of_charge
    usable = PACK.usable_energy_j(soc, 278.15) / PACK.usable_energy_j(1.0, 278.15)
    assert usable == pytest.approx(0.18, abs=0.03)


def test_resistance_doubles_every_fifteen_kelvin_below_freezing():
    assert PACK.resistance_ohm(300.0) == PACK.resistance_ohm(273.15)
    assert PACK.resistance_ohm(258.15) == pytest.approx(2 * PACK.resistance_ohm(273.15))
    assert PACK.resistance_ohm(243.15) == pytest.approx(4 * PACK.resistance_ohm(273.15))


def test_terminal_voltage_drops_under_load_by_current_times_resistance():
    step = PACK.step(0.5, 2000.0, WARM_K, 1.0)
    ohm = 0.045 * 8 / 66
    assert step.voltage_v == pytest.approx(8 * 3.8031 - step.current_a * ohm, abs=2e-3)
    assert step.voltage_v * step.current_a * 0.96 == pytest.approx(2000.0, rel=1e-4)


def test_no_charging_below_freezing_but_above():
    cold = PACK.step(0.5, -500.0, 273.0, 60.0)
    assert (cold.limited_by, cold.refused_power_w, cold.delivered_power_w) == ("cold", 500.0, 0.0)
    assert cold.state_of_charge <= 0.5
    warm = PACK.step(0.5, -500.0, 274.0, 60.0)
    assert (warm.limited_by, warm.refused_power_w) == ("", 0.0)
    assert warm.delivered_power_w == pytest.approx(-500.0)
    assert warm.state_of_charge > 0.5


def test_charging_tapers_and_ends_at_full():
    soc, powers = 0.9, []
    for _ in range(200):
        step = PACK.step(soc, -2500.0, WARM_K, 60.0)
        soc = step.state_of_charge
        powers.append(-step.delivered_power_w)
    assert soc == pytest.approx(1.0, abs=1e-6)
    assert powers[0] == pytest.approx(2500.0)
    assert powers[-1] < 1.0
    assert step.limited_by == "full"


def test_self_discharge_is_two_percent_a_month():
    soc = 1.0
    for _ in range(30):
        soc = PACK.step(soc, 0.0, WARM_K, 30.44 * 86400.0 / 30).state_of_charge
    assert soc == pytest.approx(math.exp(-0.02), rel=1e-9)


@given(
    soc=st.floats(0.0, 1.0),
    power=st.floats(-1e9, 1e9),
    kelvin=st.floats(100.0, 400.0),
    dt=st.sampled_from([0.1, 1.0, 60.0, 600.0]),
)
def test_energy_is_conserved_and_any_load_is_survived(soc, power, kelvin, dt):
    step = PACK.step(soc, power, kelvin, dt)
    assert 0.0 <= step.state_of_charge <= 1.0
    lost_j = PACK.stored_energy_j(soc) - PACK.stored_energy_j(step.state_of_charge)
    given_j = (step.delivered_power_w + step.heat_w) * dt
    assert lost_j == pytest.approx(given_j, abs=1e-9 * PACK.stored_energy_j(1.0))
    assert step.heat_w >= -1e-6
    if step.limited_by:
        short = power - step.delivered_power_w
        assert max(step.unmet_power_w, step.refused_power_w) == pytest.approx(abs(short), rel=1e-9)
    else:
        assert step.delivered_power_w == pytest.approx(power, rel=1e-9, abs=1e-9)
    assert abs(step.current_a) <= PACK.capacity_c / 3600.0 * 1.0001


def test_energy_residual_over_a_lunar_day_of_cycling():
    soc, out_j, start_j = 0.6, 0.0, PACK.stored_energy_j(0.6)
    for minute in range(7 * 24 * 60):
        load_w = 90.0 - 400.0 * max(0.0, math.sin(minute / 300.0))
        step = PACK.step(soc, load_w, 270.0 + 20.0 * math.cos(minute / 700.0), 60.0)
        soc = step.state_of_charge
        out_j += (step.delivered_power_w + step.heat_w) * 60.0
    residual_j = start_j - PACK.stored_energy_j(soc) - out_j
    assert abs(residual_j) < 1e-10 * PACK.stored_energy_j(1.0)


def test_lost_strings_and_fade_cost_capacity():
    half = Battery(strings_in_parallel=33)
    assert half.stored_energy_j(1.0) == pytest.approx(PACK.stored_energy_j(1.0) / 2)
    faded = Battery(capacity_fade=0.1)
    assert faded.stored_energy_j(1.0) == pytest.approx(0.9 * PACK.stored_energy_j(1.0))


def test_bad_input_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="finite"):
        PACK.step(0.5, math.nan, WARM_K, 1.0)
    with pytest.raises(ValueError, match="lies in 0..1"):
        PACK.step(1.5, 0.0, WARM_K, 1.0)
    with pytest.raises(ValueError, match="strings_in_parallel"):
        Battery(strings_in_parallel=0)


def test_step_takes_less_than_a_hundred_microseconds():
    def once() -> float:
        begin = time.process_time()
        for _ in range(200):
            PACK.step(0.5, 150.0, 280.0, 1.0)
        return (time.process_time() - begin) / 200

    assert min(once() for _ in range(5)) < 100e-6
