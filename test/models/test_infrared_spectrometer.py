# SPDX-License-Identifier: Apache-2.0
"""The signal chain against laws and published irradiance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from lupex_nodes.models.infrared_spectrometer import (
    InfraredSpectrometer,
    lamp_spectrum_per_um,
    planck_w_m2_sr_um,
    solar_irradiance_w_m2_um,
)

INSTRUMENT = InfraredSpectrometer()
GREY = np.full(90, 0.2)


def rate(range_m: float) -> np.ndarray:
    return INSTRUMENT.lamp_radiance(GREY, range_m, 1.0) * INSTRUMENT.responsivity


def test_bands_are_ninety_ten_nanometres_apart() -> None:
    assert INSTRUMENT.wavelength_um.size == 90
    assert np.diff(INSTRUMENT.wavelength_um) == pytest.approx(0.010, abs=1e-9)


def test_black_body_and_lamp_give_the_law_of_stefan_and_boltzmann() -> None:
    total = quad(lambda um: float(planck_w_m2_sr_um(um, 1000.0)), 0.3, 400.0, limit=200)[0]
    assert np.pi * total == pytest.approx(5.670374e-8 * 1000.0**4, rel=1e-3)
    light = quad(lambda um: float(lamp_spectrum_per_um(um, 2900.0)), 0.15, 200.0, limit=200)[0]
    assert light == pytest.approx(1.0, rel=1e-3)


def test_sunlight_is_that_of_the_reference_spectrum() -> None:
    # ASTM G173, above the atmosphere (W/m2/um), away from strong lines
    published = {0.76: 1259.0, 1.0: 742.6, 1.25: 458.6, 1.5: 300.8, 1.65: 228.4}
    for um, irradiance in published.items():
        assert float(solar_irradiance_w_m2_um(um)) == pytest.approx(irradiance, rel=0.10)


def test_signal_to_noise_is_100_with_the_lamp_at_3_m_in_1_s() -> None:
    """By the spread of simulated frames, not by the formula that set it."""
    rng = np.random.default_rng(0)
    light = rate(3.0) + INSTRUMENT.dark_e_s
    frames = np.array([INSTRUMENT.expose(rng, light, 1.0, 1).counts_dn for _ in range(600)])
    dark = INSTRUMENT.expose(rng, np.full(90, INSTRUMENT.dark_e_s), 1.0, 600).counts_dn / 600.0
    snr = (frames.mean(axis=0) - dark) / frames.std(axis=0)
    assert np.median(snr) == pytest.approx(100.0, rel=0.03)


def test_signal_falls_with_the_square_of_range() -> None:
    rng = np.random.default_rng(1)
    seen = []
    for range_m in (1.0, 2.0, 4.0):
        light = INSTRUMENT.expose(rng, rate(range_m) + INSTRUMENT.dark_e_s, 0.5, 400)
        dark = INSTRUMENT.expose(rng, np.full(90, INSTRUMENT.dark_e_s), 0.5, 400)
        seen.append(float((light.counts_dn - dark.counts_dn).sum()))
    assert np.polyfit(np.log([1.0, 2.0, 4.0]), np.log(seen), 1)[0] == pytest.approx(-2.0, abs=0.02)


def test_dark_current_doubles_every_seven_kelvin() -> None:
    cold, warm = (INSTRUMENT.dark_current_e_s(t) for t in (230.0, 251.0))
    assert warm / cold == pytest.approx(8.0)


def test_noise_of_a_frame_is_that_of_electrons_reading_and_rounding() -> None:
    rng = np.random.default_rng(2)
    frames = np.array(
        [INSTRUMENT.expose(rng, np.full(90, 20000.0), 1.0, 1).counts_dn for _ in range(400)]
    )
    expected = INSTRUMENT.noise_e(18000.0, 2000.0, 1.0) / INSTRUMENT.gain_e_dn
    assert frames.std(axis=0).mean() == pytest.approx(float(expected), rel=0.02)
    assert frames.mean() == pytest.approx(20000.0 / 8.0 + INSTRUMENT.offset_dn, rel=0.005)


def test_full_scale_is_flagged_and_the_best_exposure_avoids_it() -> None:
    rng = np.random.default_rng(3)
    light = rate(0.3)
    over = INSTRUMENT.expose(rng, light, 5.0, 3)
    assert over.saturated.any() and over.counts_dn.max() == 3 * INSTRUMENT.full_scale_dn
    good = INSTRUMENT.expose(rng, light, INSTRUMENT.best_exposure_s(light, 5.0), 3)
    assert not good.saturated.any()


def test_bands_can_be_set() -> None:
    wide = replace(INSTRUMENT, band_count=100, first_um=0.76, last_um=1.75)
    assert wide.responsivity.shape == (100,)
    assert (wide.responsivity > 0.0).all()
