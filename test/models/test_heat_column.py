# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lupex_nodes.models import regolith
from lupex_nodes.models.heat_column import HeatColumn, depths_m

LUNAR_DAY_S = 29.530589 * 86400.0


def equatorial_day(steps):
    """Absorbed flux over a day, with the albedo that grows with incidence (Hayne et al. 2017)."""
    hour = (np.arange(steps) + 0.5) / steps * 2.0 * np.pi
    cosine = np.cos(hour)
    incidence = np.degrees(np.arccos(np.clip(cosine, 0.0, 1.0)))
    albedo = 0.12 + 0.06 * (incidence / 45.0) ** 3 + 0.25 * (incidence / 90.0) ** 8
    return np.where(cosine > 0.0, (1.0 - albedo) * 1361.0 * cosine, 0.0)


def periodic(column, absorbed, period_s, rounds=7):
    """Repeat a history until it returns to itself, moving the slow deep part by its mean."""
    deep = np.searchsorted(column.depth_m, 0.45)
    for turn in range(rounds):
        profiles = column.run(absorbed, period_s / len(absorbed))
        if turn < rounds - 2:
            mean = profiles[:, 0].mean(axis=0)
            settled = regolith.temperature_at_depth_k(column.depth_m, mean[deep])
            kelvin = column.temperature_k[0].copy()
            kelvin[deep:] = mean[deep] + settled[deep:] - settled[deep]
            column.set(kelvin)
    return profiles[:, 0]


def test_the_equator_has_the_temperatures_that_apollo_and_diviner_found():
    column = HeatColumn()
    column.settle(245.0)
    profiles = periodic(column, equatorial_day(240), LUNAR_DAY_S)
    surface = profiles[:, 0]
    assert surface.max() == pytest.approx(385.0, abs=8.0)
    # the last step of the night is the 180th: day begins again three quarters round
    assert 92.0 <= surface[178] <= 97.0 and surface.min() >= 92.0
    metre = np.interp(1.0, column.depth_m, profiles.mean(axis=0))
    assert metre == pytest.approx(245.0, abs=5.0)


@pytest.mark.parametrize(("flux", "kelvin"), [(0.05, 34.0), (0.2, 45.0), (0.5, 55.0)])
def test_permanent_shadow(flux, kelvin):
    column = HeatColumn()
    column.settle(kelvin - 5.0)
    for _ in range(600):
        column.step(flux, 30.0 * 86400.0)
    assert column.surface_k[0] == pytest.approx(kelvin, abs=1.5)
    rise = np.diff(column.temperature_k[0])[-1] / np.diff(column.depth_m)[-1]
    assert rise == pytest.approx(
        0.018 / regolith.conductivity_w_m_k(column.temperature_k[0, -1], 2.5), rel=0.03
    ), "the interior's flux passes"


@settings(max_examples=40, deadline=None)
@given(
    start=st.floats(40.0, 350.0),
    fluxes=st.lists(st.floats(0.0, 1300.0), min_size=1, max_size=6),
    dt_s=st.floats(1.0, 86400.0),
    ice=st.sampled_from((0.0, 0.05)),
)
def test_heat_is_conserved(start, fluxes, dt_s, ice):
    column = HeatColumn(ice_mass_share=ice)
    column.settle(start)
    for flux in fluxes:
        before = column.heat_j_m2()[0]
        column.step(flux, dt_s)
        gained = column.heat_j_m2()[0] - before
        radiated = column.radiated_w_m2()[0]
        net_j_m2 = (flux + 0.018 - radiated) * dt_s
        assert gained == pytest.approx(net_j_m2, abs=1e-6 * dt_s * (flux + radiated) + 1e-3)
    # what is booked is what the temperatures hold, but for the tolerance of the iteration
    held = column.heat_j_m2()[0]
    column.set(column.temperature_k)
    assert column.heat_j_m2()[0] == pytest.approx(held, rel=1e-4)


def test_the_error_falls_with_the_step_and_with_the_square_of_the_spacing():
    """Against a run of fine steps and of a fine grid: orders one in time and two in depth."""

    def evening(steps, first_m, growth):
        column = HeatColumn(depths_m(first_m, growth, 1.0))
        column.settle(240.0)
        flux = np.maximum(np.sin((np.arange(steps) + 0.5) / steps * 1.5 * np.pi), 0.0) * 700.0
        for value in flux:
            column.step(value, 0.75 * LUNAR_DAY_S / steps, tolerance_k=1e-4)
        return column.surface_k[0]

    fine = evening(7680, 0.004, 1.2)
    errors = [abs(evening(steps, 0.004, 1.2) - fine) for steps in (120, 240)]
    assert 0.8 < np.log2(errors[0] / errors[1]) < 1.3
    fine = evening(240, 0.00025, 1.02)
    # halved spacings: growth is the square root
    errors = [abs(evening(240, 0.016 / n, 1.3 ** (1.0 / n)) - fine) for n in (1, 2)]
    assert np.log2(errors[0] / errors[1]) > 1.5


def test_a_monthly_wave_fades_with_the_skin_depth():
    """In soil of one density the wave of a small oscillation falls by e each skin depth."""
    column = HeatColumn(depths_m(0.002, 1.05, 1.5), scale_m=1e-3, interior_flux_w_m2=0.0)
    column.set(220.0)
    k = regolith.conductivity_w_m_k(220.0, 1.0)
    skin = np.sqrt(
        k * LUNAR_DAY_S / (np.pi * 1800.0 * regolith.heat_capacity_j_kg_k(220.0))
    )
    steps = 240
    phase = np.arange(steps) / steps * 2.0 * np.pi
    flux = 0.95 * regolith.STEFAN_BOLTZMANN_W_M2_K4 * 220.0**4 * (1.0 + 0.02 * np.sin(phase))
    for _ in range(4):
        profiles = column.run(flux, LUNAR_DAY_S / steps)[:, 0]
    wave = np.abs(np.exp(1j * phase) @ profiles)
    at = [np.interp(depth, column.depth_m, np.log(wave)) for depth in (0.02, 0.02 + skin)]
    assert at[0] - at[1] == pytest.approx(1.0, abs=0.08)


def test_columns_side_by_side_are_those_alone():
    fluxes = np.array([[5.0, 300.0, 0.2]] * 8)
    scales = np.array([[0.03], [0.07], [0.12]])
    together = HeatColumn(columns=3, scale_m=scales)
    together.settle([60.0, 250.0, 45.0])
    together.run(fluxes, 7200.0)
    for i, start in enumerate((60.0, 250.0, 45.0)):
        alone = HeatColumn(scale_m=float(scales[i, 0]))
        alone.settle(start)
        alone.run(fluxes[:, i], 7200.0)
        assert together.temperature_k[i] == pytest.approx(alone.temperature_k[0], abs=0.02)


def test_ice_carries_heat_deeper():
    depths = []
    for ice in (0.0, 0.05):
        column = HeatColumn(ice_mass_share=ice)
        column.set(60.0)
        column.run(np.full(200, 8.0), 10800.0)
        depths.append(np.interp(-70.0, -column.temperature_k[0], column.depth_m))
    assert depths[1] > 1.2 * depths[0]


def test_grids_that_are_none_are_refused():
    with pytest.raises(ValueError, match="no grid of depths"):
        depths_m(0.0)
    with pytest.raises(ValueError, match="do not grow"):
        HeatColumn(np.array([0.0, 0.1, 0.1]))
    with pytest.raises(ValueError, match="at least three, from 0 m"):
        HeatColumn(np.array([0.1, 0.2, 0.3]))
    with pytest.raises(ArithmeticError, match="heat column"):
        HeatColumn().step(float("nan"), 60.0)
