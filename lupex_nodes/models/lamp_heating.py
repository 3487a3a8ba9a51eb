# SPDX-License-Identifier: Apache-2.0
"""What a lamp does to frost: warming of the surface, and the ice that sublimes meanwhile."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import trapezoid
from scipy.special import erfcx

from lupex_nodes.models.volatiles import sublimation_kg_m2_s

Array = NDArray[np.float64]

#: Of loose cold soil (J/m2/K/s^0.5): conductivity 7.4e-4 W/m/K, 1100 kg/m3, 250 J/kg/K give 14,
#: Hayne et al. 2017, doi:10.1002/2017JE005387.
THERMAL_INERTIA = 14.0
_STEFAN_BOLTZMANN = 5.670374419e-8
_STEPS = 17


def surface_warming_k(
    flux_w_m2: float,
    time_s: ArrayLike,
    temperature_k: float,
    thermal_inertia: float = THERMAL_INERTIA,
) -> Array:
    """Return how far a half-space of soil is warmed at its surface by an absorbed flux.

    Exact for constant properties and radiation linear in the warming (Carslaw and Jaeger 1959,
    section 2.7), so too warm by a few per cent where the warming is not small.
    """
    loss = 4.0 * _STEFAN_BOLTZMANN * temperature_k**3
    x = loss * np.sqrt(np.asarray(time_s, dtype=float)) / thermal_inertia
    return flux_w_m2 / loss * (1.0 - erfcx(x))


def frost_loss_kg_m2(
    flux_w_m2: float,
    duration_s: float,
    temperature_k: float,
    thermal_inertia: float = THERMAL_INERTIA,
) -> float:
    """Return the ice that a bare icy surface loses to a lamp, beyond what it loses in the dark."""
    time_s = np.linspace(0.0, duration_s, _STEPS)
    warm_k = temperature_k + surface_warming_k(flux_w_m2, time_s, temperature_k, thermal_inertia)
    lit, dark = (
        sublimation_kg_m2_s(np.clip(each, 30.0, 273.0)) for each in (warm_k, temperature_k)
    )
    return float(trapezoid(lit - dark, time_s))
