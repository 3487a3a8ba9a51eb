# SPDX-License-Identifier: Apache-2.0
"""Warming under a lamp against a numerical half-space, and the frost that it costs."""

from __future__ import annotations

import numpy as np
import pytest

from lupex_nodes.models.lamp_heating import frost_loss_kg_m2, surface_warming_k
from lupex_nodes.models.volatiles import sublimation_kg_m2_s


def test_warming_is_that_of_a_numerical_half_space() -> None:
    """Explicit conduction with radiation to the fourth power."""
    conductivity, volumetric_heat, start_k, flux = 7.4e-4, 1100.0 * 250.0, 110.0, 2.0
    step_m, step_s = 5e-5, 0.4
    column = np.full(400, start_k)
    sigma = 5.670374419e-8
    for _ in range(300):
        gradient = np.diff(column) * conductivity / step_m
        net = flux - sigma * (column[0] ** 4 - start_k**4)
        inflow = np.concatenate([[net], -gradient]) - np.concatenate([-gradient, [0.0]])
        column = column + inflow * step_s / (volumetric_heat * step_m)
    inertia = float(np.sqrt(conductivity * volumetric_heat))
    surface_k = column[0] + net * step_m / conductivity / 2.0 - start_k
    assert surface_warming_k(flux, 120.0, start_k, inertia) == pytest.approx(surface_k, rel=0.03)


def test_warming_begins_with_the_root_of_time_and_ends_in_balance() -> None:
    early = surface_warming_k(3.0, [1.0, 4.0], 60.0)
    assert early[1] / early[0] == pytest.approx(2.0, rel=0.02)
    balance_k = 3.0 / (4.0 * 5.670374419e-8 * 200.0**3)
    assert surface_warming_k(3.0, 1e9, 200.0) == pytest.approx(balance_k, rel=1e-3)


def test_frost_is_lost_where_it_is_warm_and_lasts_where_it_is_cold() -> None:
    # 113 and 130 K: a thousandfold more vapour, Murphy and Koop 2005, doi:10.1256/qj.04.94
    cold, warm = (frost_loss_kg_m2(3.0, 60.0, t) for t in (113.0, 130.0))
    assert 50.0 < warm / cold < 5000.0
    assert frost_loss_kg_m2(3.0, 60.0, 80.0) < 1e-12
    assert frost_loss_kg_m2(0.0, 60.0, 150.0) == 0.0
    # warmed by a few kelvin for an hour, a surface of ice at 150 K loses less than a micrometre
    hour_um = frost_loss_kg_m2(3.0, 3600.0, 150.0) / 920.0 * 1e6
    dark_um = 3600.0 * float(sublimation_kg_m2_s(150.0)) / 920.0 * 1e6
    assert dark_um < hour_um < 1.0
