# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from lupex_nodes.models.thermal_network import STEFAN_BOLTZMANN_W_M2_K4, Link, ThermalNetwork

CAPACITIES = {"cells": 40e3, "box": 60e3, "radiator": 8e3}
LINKS = (
    Link("cells", "box", 0.05),
    Link("box", "ground", 0.13, 0.12),
    Link("box", "radiator", 0.02),
    Link("radiator", "sky", 0.0, 0.6),
)
ROVER = ThermalNetwork(CAPACITIES, ("ground", "sky"), LINKS)
kelvin = st.floats(20.0, 400.0)


def test_a_node_behind_one_conductance_decays_exponentially():
    one = ThermalNetwork({"a": 1000.0}, ("sink",), [Link("a", "sink", 1.0)], substep_s=1.0)
    temperature = np.array([300.0])
    for _ in range(1000):
        temperature, _ = one.step(temperature, [100.0], np.zeros(1), 1.0)
    assert temperature[0] == pytest.approx(100.0 + 200.0 * math.exp(-1.0), abs=0.05)


def test_a_radiator_settles_where_stefan_and_boltzmann_say():
    one = ThermalNetwork({"a": 1000.0}, ("sky",), [Link("a", "sky", 0.0, 0.5)])
    temperature = np.array([50.0])
    for _ in range(5000):
        temperature, lost = one.step(temperature, [40.0], np.array([100.0]), 60.0)
    expected = (100.0 / (0.5 * STEFAN_BOLTZMANN_W_M2_K4) + 40.0**4) ** 0.25
    assert temperature[0] == pytest.approx(expected, rel=1e-9)
    assert lost[0] == pytest.approx(100.0, rel=1e-9)


def test_the_box_of_a_rover_loses_what_the_hand_balance_says():
    # 263 K against 50 K: 32.6 W through 6 m2 of blankets, 17 W mounts, 10.7 W harness, 4.3 W pipe
    surroundings = ThermalNetwork(
        {"box": 60e3}, ("ground",), [Link("box", "ground", 0.08 + 0.05 + 0.02, 6.0 * 0.02)]
    )
    _, lost = surroundings.step(np.array([263.15]), [50.0], np.array([64.5]), 0.1)
    assert lost[0] == pytest.approx(32.6 + 17.0 + 10.7 + 4.3, abs=0.3)


@settings(max_examples=60)
@given(
    start=st.tuples(kelvin, kelvin, kelvin), ground=kelvin, sky=st.floats(3.0, 200.0),
    heat=st.tuples(*[st.floats(0.0, 300.0)] * 3), dt=st.sampled_from([0.1, 1.0, 7.0, 60.0]),
    pipe=st.sampled_from([0.0, 20.0, 50.0]),
)  # fmt: skip
def test_what_the_nodes_lose_the_sinks_gain(start, ground, sky, heat, dt, pipe):
    ROVER.conduct(2, pipe)
    before = np.array(start)
    after, gained = ROVER.step(before, [ground, sky], np.array(heat), dt)
    stored = ROVER.capacity_j_k @ (after - before)
    brought = (sum(heat) - gained.sum()) * dt
    assert stored == pytest.approx(brought, abs=1e-7 * (1e3 + abs(brought)) + 1e-4)
    assert 0.0 < after.min() and after.max() < 500.0


@settings(max_examples=40)
@given(first=kelvin, second=kelvin, dt=st.sampled_from([1.0, 60.0]))
def test_without_sources_nothing_gets_warmer_than_the_warmest(first, second, dt):
    ROVER.conduct(2, 20.0)
    after, _ = ROVER.step(np.array([first, second, first]), [60.0, 3.0], np.zeros(3), dt)
    assert after.max() <= max(first, second, 60.0) + 1e-9
    assert after.min() >= 3.0


def test_it_follows_a_direct_integration_through_a_day_of_changes():
    ROVER.conduct(2, 20.0)

    def heat_w(time_s):
        box_w, radiator_w = 90.0 - 70.0 * (time_s > 40000.0), 60.0 * (time_s > 20000.0)
        return np.array([5.0, box_w, radiator_w])

    def rate(time_s, t):
        fourth = t**4 * STEFAN_BOLTZMANN_W_M2_K4
        cells = 0.05 * (t[1] - t[0])
        pipe = 20.02 * (t[2] - t[1])
        outside = 0.13 * (80.0 - t[1]) + 0.12 * (STEFAN_BOLTZMANN_W_M2_K4 * 80.0**4 - fourth[1])
        sky = 0.6 * (STEFAN_BOLTZMANN_W_M2_K4 * 3.0**4 - fourth[2])
        flows = np.array([cells, -cells + pipe + outside, -pipe + sky])
        return (flows + heat_w(time_s)) / ROVER.capacity_j_k

    temperature, time_s = np.array([285.0, 290.0, 250.0]), 0.0
    expected = temperature
    for end_s in (20000.0, 40000.0, 80000.0):
        run = solve_ivp(
            lambda t, y: rate(t + 1e-9, y), (time_s, end_s), expected, "LSODA", rtol=1e-9, atol=1e-6
        )
        expected = run.y[:, -1]
        while time_s < end_s:
            temperature, _ = ROVER.step(temperature, [80.0, 3.0], heat_w(time_s + 1e-9), 50.0)
            time_s += 50.0
        assert temperature == pytest.approx(expected, abs=0.1)


def test_a_node_without_capacity_is_refused():
    with pytest.raises(ValueError, match="must be above 0"):
        ThermalNetwork({"a": 0.0}, (), [])
