# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq

from lupex_nodes.models.terramechanics import (
    Soil,
    Track,
    compaction_resistance_n,
    drawbar_pull_n,
    embedding_m,
    shear_limit_n,
    static_sinkage_m,
    steering_torque_nm,
    thrust_n,
    traverse,
    turning_moment_nm,
    turning_slip,
)

SOIL, TRACK = Soil(), Track()
MASS_KG, LOAD_N = 350.0, 350.0 * 1.62 / 4


def climb(degrees: float, **change):
    return traverse(MASS_KG, degrees, 0.0, 0.1, SOIL, TRACK, **change)


def test_static_sinkage_is_that_of_bekker():
    assert static_sinkage_m(LOAD_N, SOIL, TRACK) == pytest.approx(2.85e-3, rel=0.01)
    cubic = Soil(sinkage_exponent=0.5)
    pressure = (1400 / 0.15 + 820e3) * static_sinkage_m(LOAD_N, cubic, TRACK) ** 0.5
    assert pressure == pytest.approx(LOAD_N / 0.06)


def test_compaction_resistance_is_the_work_of_pressing_the_rut():
    work = quad(lambda z: 0.15 * (1400 / 0.15 + 820e3) * z, 0.0, 0.01)[0]
    assert compaction_resistance_n(0.01, SOIL, TRACK) == pytest.approx(work)


@pytest.mark.parametrize("slip", [0.001, 0.05, 0.3, 0.99])
def test_thrust_is_the_integral_of_janosi_and_hanamoto(slip):
    shear = LOAD_N / 0.06 * math.tan(math.radians(27.0)) + 100.0
    per_m = quad(lambda x: shear * (1 - math.exp(-slip * x / 0.025)), 0.0, 0.40)[0]
    assert thrust_n(slip, LOAD_N, SOIL, TRACK) == pytest.approx(0.15 * per_m, rel=1e-9)


@pytest.mark.parametrize(("degrees", "slip"), [(10, 0.053), (15, 0.097), (20, 0.174), (25, 0.40)])
def test_slip_on_slopes(degrees, slip):
    assert climb(degrees).slip == pytest.approx(slip, rel=0.01)


def test_tracks_on_firm_soil_slip_little():
    firm = Soil(friction_angle_deg=35.0, shear_modulus_m=0.018, cohesion_pa=170.0)
    slips = [traverse(MASS_KG, d, 0.0, 0.1, firm, TRACK).slip for d in (10, 15, 20, 25, 33)]
    assert slips == pytest.approx([0.025, 0.042, 0.065, 0.10, 0.26], rel=0.05)


def test_stall_near_27_5_deg_and_on_soft_patches_before():
    def steepest(soil):
        return brentq(lambda d: traverse(MASS_KG, d, 0, 0.1, soil, TRACK).stalled - 0.5, 5, 45)

    assert steepest(SOIL) == pytest.approx(27.5, abs=0.2)
    assert 22.0 < steepest(Soil(friction_angle_deg=22.5)) < 24.0
    stalled = climb(30.0)
    assert (stalled.slip, stalled.speed_m_s, stalled.side_speed_m_s) == (1.0, 0.0, 0.0)
    assert stalled.sinkage_m == pytest.approx(0.8 * TRACK.height_m)


@given(degrees=st.floats(0.0, 27.0))
def test_the_slip_found_pulls_exactly_what_the_slope_demands(degrees):
    footing = climb(degrees)
    beta = math.radians(degrees)
    load = LOAD_N * math.cos(beta)
    pull = 4 * drawbar_pull_n(footing.slip, load, SOIL, TRACK)
    assert pull == pytest.approx(MASS_KG * 1.62 * math.sin(beta), rel=1e-8, abs=1e-8)
    assert footing.speed_m_s == pytest.approx(0.1 * (1 - footing.slip))
    lossless = Track(internal_resistance=0.0)
    power = traverse(MASS_KG, degrees, 0.0, 0.1, SOIL, lossless).power_w
    assert power == pytest.approx(footing.traction_n * footing.speed_m_s / (1 - footing.slip))


@given(climbing=st.floats(-20.0, 20.0), cross=st.floats(-15.0, 15.0), back=st.booleans())
def test_combined_shear_balances_gravity_along_and_across(climbing, cross, back):
    track_speed = -0.1 if back else 0.1
    footing = traverse(MASS_KG, climbing, cross, track_speed, SOIL, TRACK)
    assert not footing.stalled
    c, k = math.radians(climbing), math.radians(cross)
    load = LOAD_N * math.cos(c) * math.cos(k)
    # Soil under a track point moves by these, per metre of track laid down.
    along = (track_speed - footing.speed_m_s) / abs(track_speed) / 0.025
    across = -footing.side_speed_m_s / abs(track_speed) / 0.030
    size = math.hypot(along, across)
    limit = shear_limit_n(load, SOIL, TRACK) / 0.40
    force = quad(lambda x: limit * (1 - math.exp(-size * x)), 0.0, 0.40)[0]
    resistance = compaction_resistance_n(static_sinkage_m(load, SOIL, TRACK), SOIL, TRACK)
    ahead = LOAD_N * math.sin(c) + math.copysign(resistance, track_speed)
    left = LOAD_N * math.cos(c) * math.sin(k)
    assert force * along / size == pytest.approx(ahead, rel=1e-6, abs=1e-6)
    assert force * across / size == pytest.approx(left, rel=1e-6, abs=1e-6)


def test_side_slip_bends_the_course_downhill_and_grows_with_the_slope():
    angles = [traverse(MASS_KG, 0, d, 0.1, SOIL, TRACK).side_slip_deg for d in (5, 10, 15, 20)]
    assert all(second < first < 0 for first, second in zip(angles, angles[1:], strict=False))
    left_low = traverse(MASS_KG, 0.0, -10.0, 0.1, SOIL, TRACK)
    assert left_low.side_speed_m_s > 0 and left_low.side_slip_deg == pytest.approx(-angles[1])
    backward = traverse(MASS_KG, 0.0, 10.0, -0.1, SOIL, TRACK)
    assert backward.side_speed_m_s < 0 and backward.side_slip_deg == pytest.approx(-angles[1])


def test_downhill_brakes_and_can_run_away():
    down = climb(-15.0)
    assert -0.2 < down.slip < 0.0
    assert down.speed_m_s > 0.1
    assert down.power_w < 0.0
    runaway = climb(-30.0)
    assert (runaway.slip, runaway.stalled) == (-1.0, True)


def test_reversing_uphill_is_climbing():
    forward, backward = climb(12.0), traverse(MASS_KG, -12.0, 0.0, -0.1, SOIL, TRACK)
    assert backward.slip == pytest.approx(forward.slip)
    assert backward.speed_m_s == pytest.approx(-forward.speed_m_s)
    assert backward.power_w == pytest.approx(forward.power_w)


def test_spinning_digs_the_tracks_in_until_flat_ground_holds_them():
    assert embedding_m(0.5, 10.0, SOIL) == 0.0
    assert embedding_m(0.8, -10.0, SOIL) == pytest.approx(0.015 * 8.0)
    slips = [climb(0.0, embedded_m=depth).slip for depth in (0.0, 0.01, 0.02, 0.03)]
    assert slips == sorted(slips)
    assert climb(0.0, embedded_m=0.06).stalled


def test_steering_torque_is_friction_at_a_quarter_of_the_length():
    friction = 0.06 * 100.0 + LOAD_N * math.tan(math.radians(27.0))
    by_quadrature = quad(lambda x: friction / 0.40 * abs(x), -0.20, 0.20)[0]
    assert steering_torque_nm(LOAD_N, SOIL, TRACK) == pytest.approx(by_quadrature)


@given(curvature=st.floats(0.01, 3.0))
def test_turning_moment_is_the_integral_of_shear_times_arm(curvature):
    limit = shear_limit_n(LOAD_N, SOIL, TRACK) / 0.40

    def moment(x):
        displaced = 0.5 * curvature * x * (0.40 - x)
        return limit * (1.0 - math.exp(-displaced / 0.030)) * abs(0.20 - x)

    expected = quad(moment, 0.0, 0.20)[0] + quad(moment, 0.20, 0.40)[0]
    assert turning_moment_nm(-curvature, LOAD_N, SOIL, TRACK) == pytest.approx(expected, rel=1e-6)
    assert expected < steering_torque_nm(LOAD_N, SOIL, TRACK)


def test_turning_costs_power_and_slows_the_turn():
    curvatures = (0.0, 0.1, 0.5, 1.3)
    powers = [
        climb(0.0, drag_n=4 * turning_moment_nm(k, LOAD_N, SOIL, TRACK) * k).power_w
        for k in curvatures
    ]
    assert powers == sorted(powers) and powers[-1] > 1.2 * powers[0]
    slips = [turning_slip(k, 0.78, SOIL, TRACK) for k in curvatures]
    assert slips[0] == 0.0 and all(0.0 < slip < 0.02 for slip in slips[1:])


@given(curvature=st.floats(0.05, 1.3))
def test_the_slip_of_a_turn_holds_the_turning_moment(curvature):
    # spring constants of the shear for small slips, ahead and to the side
    limit = shear_limit_n(LOAD_N, SOIL, TRACK)
    spring = 0.5 * (limit * 0.40 / (2 * 0.025) + limit * 0.40 / (2 * 0.030))
    missing = turning_slip(curvature, 0.78, SOIL, TRACK) * curvature
    held = spring * missing * 0.78**2
    assert held == pytest.approx(turning_moment_nm(curvature, LOAD_N, SOIL, TRACK), rel=1e-6)


def test_turning_on_the_spot_on_a_slope_drifts_down_by_the_slip_of_the_slope():
    turning = climb(15.0, alignment=0.0)
    assert turning.speed_m_s == pytest.approx(-0.1 * climb(15.0).slip, rel=0.03)
    across = traverse(MASS_KG, 0.0, 15.0, 0.1, SOIL, TRACK, alignment=0.0)
    assert across.side_speed_m_s < 0.0 and across.speed_m_s == pytest.approx(0.0, abs=1e-12)
    assert turning.power_w == pytest.approx(climb(0.0).power_w, rel=0.05)


@given(degrees=st.floats(-20.0, 20.0), speed=st.floats(0.01, 0.14))
def test_tracks_put_in_more_than_the_rover_climbs(degrees, speed):
    footing = traverse(MASS_KG, degrees, 0.0, speed, SOIL, TRACK)
    raised_w = MASS_KG * 1.62 * math.sin(math.radians(degrees)) * footing.speed_m_s
    assert footing.power_w > raised_w


@given(
    degrees=st.floats(0.0, 22.0),
    more=st.floats(0.5, 3.0),
    phi=st.floats(26.0, 35.0),
    firmer=st.floats(0.5, 5.0),
)
def test_steeper_slips_more_and_firmer_slips_less(degrees, more, phi, firmer):
    def slip(slope, friction):
        soil = Soil(friction_angle_deg=friction)
        return traverse(MASS_KG, slope, 0.0, 0.1, soil, TRACK).slip

    assert slip(degrees + more, phi) > slip(degrees, phi)
    assert slip(degrees, phi + firmer) < slip(degrees, phi)


def test_bad_input_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="mass"):
        traverse(0.0, 0.0, 0.0, 0.1, SOIL, TRACK)
    with pytest.raises(ValueError, match="slopes"):
        traverse(MASS_KG, math.nan, 0.0, 0.1, SOIL, TRACK)
    with pytest.raises(ValueError, match="friction angle"):
        Soil(friction_angle_deg=0.0)


def test_solving_takes_less_than_a_hundred_microseconds():
    def once() -> float:
        begin = time.process_time()
        for step in range(200):
            traverse(MASS_KG, 0.12 * step, 5.0, 0.1, SOIL, TRACK)
        return (time.process_time() - begin) / 200

    best = min(once() for _ in range(5))
    assert best < 100e-6
