# SPDX-License-Identifier: Apache-2.0
"""Optics of ice against tables and positions that were published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lupex_nodes.models.ice_optics import (
    absorption_coefficient_m,
    absorption_index,
    refractive_index,
)

WARREN_BRANDT = Path(__file__).parents[3] / "shared/data/ice/warren_brandt_2008_ice_nk.csv"


def test_bands_at_266_k_are_those_of_warren_and_brandt() -> None:
    if not WARREN_BRANDT.is_file():
        pytest.skip("the optical constants of Warren and Brandt are not in ../shared/data")
    table = np.genfromtxt(WARREN_BRANDT, delimiter=",", skip_header=1)
    wavelength, n, k = table[(table[:, 0] >= 0.75) & (table[:, 0] <= 1.70)].T
    ratio = absorption_index(wavelength) / k
    assert np.exp(np.abs(np.log(ratio)).max()) < 1.15
    for centre in (1.03, 1.25, 1.504, 1.65):
        assert ratio[np.argmin(np.abs(wavelength - centre))] == pytest.approx(1.0, abs=0.04)
    assert np.abs(refractive_index(wavelength) - n).max() < 1e-3


def test_absorption_at_one_and_a_half_microns_is_fifty_per_centimetre() -> None:
    # Warren and Brandt 2008: k of 5 to 6e-4, 45 to 50 per cm
    assert 5e-4 < absorption_index(1.5) < 6e-4
    assert float(absorption_coefficient_m(1.5)) / 100.0 == pytest.approx(50.0, rel=0.15)


def test_ice_at_163_k_lies_near_the_film_of_toon() -> None:
    """Toon et al. 1994, doi:10.1029/94JD02388: a film at 163 K, to which nothing was fitted."""
    wavelength, k = np.array(
        [(1.469, 3.82e-4), (1.494, 6.96e-4), (1.539, 6.14e-4), (1.576, 4.53e-4),
         (1.616, 3.53e-4), (1.646, 3.13e-4), (1.678, 1.87e-4), (1.700, 1.35e-4)]
    ).T  # fmt: skip
    cold, warm = (np.log(absorption_index(wavelength, t) / k) for t in (163.0, 266.0))
    assert np.abs(cold).max() < np.log(1.5)
    # the shape of the wing at 1.7 um is that of cold ice
    assert cold[-1] - cold[0] == pytest.approx(0.0, abs=0.3)
    assert warm[-1] - warm[0] > 0.2


def peaks_um(temperature_k: float, low_um: float, high_um: float) -> np.ndarray:
    wavelength = np.arange(low_um, high_um, 0.001)
    k = absorption_index(wavelength, temperature_k)
    return wavelength[1:-1][(k[1:-1] > k[:-2]) & (k[1:-1] > k[2:])]


def test_cold_makes_the_band_at_1_65_um() -> None:
    """Grundy and Schmitt 1998: 1.65 um (6056 1/cm) strong in cold ice, a shoulder near melting."""
    assert peaks_um(266.0, 1.6, 1.70).size == 0
    assert peaks_um(80.0, 1.6, 1.70) == pytest.approx([1.655], abs=0.01)
    contrast = [
        float(absorption_index(1.655, t) / absorption_index(1.62, t)) for t in (80, 140, 200, 266)
    ]
    assert (np.diff(contrast) < 0.0).all()
    assert contrast[0] > 1.6 and contrast[-1] < 1.0


def test_the_band_at_one_and_a_half_microns_stays_in_place() -> None:
    for temperature_k in (60.0, 110.0, 200.0, 266.0):
        strongest = 1.45 + 0.001 * np.argmax(
            absorption_index(np.arange(1.45, 1.60, 0.001), temperature_k)
        )
        assert 1.485 < strongest < 1.515


def test_temperatures_beyond_the_range_count_as_its_end() -> None:
    assert absorption_index(1.65, 20.0) == absorption_index(1.65, 60.0)
    assert absorption_index(1.65, 273.0) == absorption_index(1.65, 266.0)


def test_wavelengths_beyond_the_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.70 to 1\.76 um"):
        absorption_index([1.5, 2.0])
