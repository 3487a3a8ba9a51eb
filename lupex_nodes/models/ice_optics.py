# SPDX-License-Identifier: Apache-2.0
"""Refractive index of crystalline water ice from 0.70 to 1.76 um and 60 to 266 K.

The logarithm of the absorption index is a parabola and a sum of Gaussians in wavelength. Those of
266 K were fitted to Warren and Brandt 2008, doi:10.1029/2007JD009744 (0.70 to 1.76 um, residual 3 %
rms, 10 % at most); how ice at 60 K differs was fitted from 1.415 to 1.755 um to the crystalline ice
of Mastrapa et al. 2009, doi:10.1088/0004-637X/701/2/1347 (residual 3 % rms). In between the
logarithm is linear in temperature. Cold thus deepens the band at 1.65 um and moves it from a
shoulder to a peak, as Grundy and Schmitt 1998, doi:10.1029/98JE00738, measured, and makes the step
at 1.45 um steeper. Below 1.38 um the change with temperature is neglected. Amorphous ice, whose
band at 1.65 um is weak at any temperature, is not in here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

WAVELENGTH_RANGE_UM = 0.70, 1.76
TEMPERATURE_RANGE_K = 60.0, 266.0
DENSITY_KG_M3 = 920.0

_PARABOLA = -12.5282, 4.0132, -0.7644
# centre (um), height in ln k, standard deviation (um)
_BANDS = np.array(
    [
        (0.7923, 0.4028, 0.0250),
        (0.8964, 0.5283, 0.0305),
        (1.0151, 1.0323, 0.0417),
        (1.1503, -0.6107, 0.0441),
        (1.2174, 1.0251, 0.0716),
        (1.4301, 0.7511, 0.0156),
        (1.4694, 1.6579, 0.0288),
        (1.5223, 1.7156, 0.0439),
        (1.6143, 1.2975, 0.0763),
    ]
)
_COLD_BANDS = np.array(
    [
        (1.4374, -1.3361, 0.0305),
        (1.5095, 0.2615, 0.0152),
        (1.5753, 0.5420, 0.0216),
        (1.6603, 1.2809, 0.0163),
        (1.7995, -1.6216, 0.0950),
    ]
)


def refractive_index(wavelength_um: ArrayLike) -> Array:
    """Return the real part, fitted to Warren and Brandt 2008 within 0.001."""
    x = _in_range(wavelength_um) - 1.2
    return 1.2980 - 0.01975 * x - 0.00607 * x * x


def absorption_index(wavelength_um: ArrayLike, temperature_k: ArrayLike = 266.0) -> Array:
    """Return the imaginary part; the two arguments broadcast.

    Temperatures beyond the range count as its end; ValueError for a wavelength beyond its range.
    """
    wavelength = _in_range(wavelength_um)
    x = (wavelength - 1.2) / 0.5
    warm = _PARABOLA[0] + (_PARABOLA[1] + _PARABOLA[2] * x) * x + _gaussians(wavelength, _BANDS)
    low, high = TEMPERATURE_RANGE_K
    coldness = (high - np.clip(temperature_k, low, high)) / (high - low)
    return np.exp(warm + coldness * _gaussians(wavelength, _COLD_BANDS))


def absorption_coefficient_m(wavelength_um: ArrayLike, temperature_k: ArrayLike = 266.0) -> Array:
    """Return the absorption coefficient 4 pi k / wavelength (1/m)."""
    wavelength = np.asarray(wavelength_um, dtype=float)
    return 4e6 * np.pi * absorption_index(wavelength, temperature_k) / wavelength


def _gaussians(wavelength_um: Array, bands: Array) -> Array:
    centre, height, width = bands.T
    apart = (wavelength_um[..., None] - centre) / width
    return np.exp(-0.5 * apart * apart) @ height


def _in_range(wavelength_um: ArrayLike) -> Array:
    wavelength = np.asarray(wavelength_um, dtype=float)
    low, high = WAVELENGTH_RANGE_UM
    if wavelength.size and not (low <= wavelength.min() and wavelength.max() <= high):
        raise ValueError(f"the optics of ice are known from {low:.2f} to {high:.2f} um alone.")
    return wavelength
