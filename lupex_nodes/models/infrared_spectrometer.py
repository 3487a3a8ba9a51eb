# SPDX-License-Identifier: Apache-2.0
"""Signal of a near-infrared grating spectrometer with its own lamp: from light to numbers.

Lamp and Sun are black bodies; the lamp's irradiance at range r is I / r^2. The
detector is InGaAs: its dark current doubles every 7 K. No optics of the real instrument are public,
so one number stands for aperture, field and transmission: the signal-to-noise ratio of 100 that it
has with the lamp at 3 m in 1 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

Array = NDArray[np.float64]

_PLANCK_C1 = 1.191042972e8  # W um^4 / m2 / sr, of spectral radiance
_PLANCK_C2 = 14387.76877  # um K
_STEFAN_BOLTZMANN = 5.670374419e-8
_SUN_SOLID_ANGLE_SR = 6.794e-5  # at 1 au
_JOULE_UM = 1.98644586e-19  # energy of a photon times its wavelength

REFERENCE_RANGE_M = 3.0
REFERENCE_EXPOSURE_S = 1.0
REFERENCE_REFLECTANCE = 0.2


def planck_w_m2_sr_um(wavelength_um: ArrayLike, temperature_k: ArrayLike) -> Array:
    """Return the spectral radiance of a black body; the arguments broadcast."""
    wavelength = np.asarray(wavelength_um, dtype=float)
    return (
        _PLANCK_C1 / wavelength**5 / np.expm1(_PLANCK_C2 / (wavelength * np.asarray(temperature_k)))
    )


def solar_irradiance_w_m2_um(wavelength_um: ArrayLike) -> Array:
    """Return the Sun's spectral irradiance at 1 au, normal to the rays, 0.75 to 1.76 um.

    Within 10 % of ASTM G173 where there are no strong lines: a black body that is hotter the deeper
    one sees, which is deepest at 1.6 um.
    """
    wavelength = np.asarray(wavelength_um, dtype=float)
    return _SUN_SOLID_ANGLE_SR * planck_w_m2_sr_um(wavelength, 5650.0 + 830.0 * (wavelength - 0.75))


def lamp_spectrum_per_um(wavelength_um: ArrayLike, temperature_k: float) -> Array:
    """Return the part of a lamp's light per um of wavelength."""
    exitance = _STEFAN_BOLTZMANN * temperature_k**4
    return np.pi * planck_w_m2_sr_um(wavelength_um, temperature_k) / exitance


class Exposure(NamedTuple):
    """Sums over frames (DN) and whether a band was at full scale in any of them, shape (n,)."""

    counts_dn: NDArray[np.int64]
    saturated: NDArray[np.bool_]


@dataclass(frozen=True)
class InfraredSpectrometer:
    """Bands, lamp and detector; all but the signal-to-noise ratio are assumed values."""

    band_count: int = 90
    first_um: float = 0.755
    last_um: float = 1.645
    lamp_w: float = 10.0
    lamp_efficiency: float = 0.8
    """Light over electric power."""
    lamp_beam_sr: float = 0.3
    lamp_temperature_k: float = 2900.0
    snr: float = 100.0
    """Of the median band with the lamp at 3 m in 1 s on a Lambert surface of reflectance 0.2."""
    detector_k: float = 230.0
    dark_e_s: float = 2000.0
    """At that temperature."""
    dark_doubling_k: float = 7.0
    read_noise_e: float = 40.0
    gain_e_dn: float = 8.0
    full_scale_dn: int = 16383
    offset_dn: int = 100
    """Keeps the noise of an empty pixel from being cut at zero."""

    @cached_property
    def wavelength_um(self) -> Array:
        """Centres of the bands, shape (n,)."""
        return np.linspace(self.first_um, self.last_um, self.band_count)

    @cached_property
    def lamp_intensity_w_sr_um(self) -> Array:
        """Spectral intensity of the lamp, shape (n,)."""
        spectrum = lamp_spectrum_per_um(self.wavelength_um, self.lamp_temperature_k)
        return self.lamp_w * self.lamp_efficiency / self.lamp_beam_sr * spectrum

    @cached_property
    def lamp_flux_w_sr(self) -> float:
        """Light of the lamp of all wavelengths into its beam."""
        return self.lamp_w * self.lamp_efficiency / self.lamp_beam_sr

    @cached_property
    def responsivity(self) -> Array:
        """Electrons per second and unit of radiance (W/m2/sr/um), shape (n,)."""
        wavelength = self.wavelength_um
        relative = wavelength / _JOULE_UM * _quantum_efficiency(wavelength)
        radiance = (
            REFERENCE_REFLECTANCE / np.pi * self.lamp_intensity_w_sr_um / REFERENCE_RANGE_M**2
        )

        def excess(log_throughput: float) -> float:
            signal = np.exp(log_throughput) * relative * radiance * REFERENCE_EXPOSURE_S
            noise = self.noise_e(signal, self.dark_e_s, REFERENCE_EXPOSURE_S)
            return float(np.median(signal / noise)) - self.snr

        return float(np.exp(brentq(excess, -90.0, 0.0))) * relative

    def dark_current_e_s(self, detector_k: float) -> float:
        """Return the dark current of a pixel."""
        return float(self.dark_e_s * 2.0 ** ((detector_k - self.detector_k) / self.dark_doubling_k))

    def noise_e(self, signal_e: ArrayLike, dark_e_s: ArrayLike, exposure_s: float) -> Array:
        """Return the noise of one frame without its dark frame, 1 sigma."""
        rounding = self.gain_e_dn**2 / 12.0
        dark = np.asarray(dark_e_s) * exposure_s
        return np.sqrt(np.asarray(signal_e) + dark + self.read_noise_e**2 + rounding)

    def lamp_radiance(self, reflectance: Array, range_m: float, cos_incidence: float) -> Array:
        """Return the radiance (W/m2/sr/um) of a surface of given reflectance factor."""
        return reflectance * cos_incidence / np.pi * self.lamp_intensity_w_sr_um / range_m**2

    def sun_radiance(self, reflectance: Array, lit: float, cos_incidence: float) -> Array:
        """Return the radiance of a surface of which the Sun's disc lights the part `lit`."""
        irradiance = solar_irradiance_w_m2_um(self.wavelength_um)
        return reflectance * cos_incidence / np.pi * lit * irradiance

    def best_exposure_s(self, electrons_s: Array, longest_s: float) -> float:
        """Return the exposure that fills the brightest band to 60 % of full scale."""
        rate = float(np.max(electrons_s)) / self.gain_e_dn
        return float(np.clip(0.6 * self.full_scale_dn / max(rate, 1e-9), 1e-3, longest_s))

    def expose(
        self, rng: np.random.Generator, electrons_s: Array, exposure_s: float, frames: int
    ) -> Exposure:
        """Return what frames of electrons from light and dark current (1/s, (n,)) read."""
        electrons = rng.poisson(electrons_s * exposure_s, (frames, self.band_count))
        read = electrons + self.read_noise_e * rng.standard_normal(electrons.shape)
        counts = np.rint(read / self.gain_e_dn) + self.offset_dn
        counts = np.clip(counts, 0, self.full_scale_dn).astype(np.int64)
        return Exposure(counts.sum(axis=0), (counts >= self.full_scale_dn).any(axis=0))


def _quantum_efficiency(wavelength_um: Array) -> Array:
    """Of InGaAs with a thinned cap, which ends at 1.7 um; assumed."""
    rise = 1.0 / (1.0 + np.exp(-(wavelength_um - 0.80) / 0.06))
    fall = 1.0 / (1.0 + np.exp((wavelength_um - 1.70) / 0.015))
    return 0.03 + 0.77 * rise * fall
