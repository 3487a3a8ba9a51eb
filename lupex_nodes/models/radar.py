# SPDX-License-Identifier: Apache-2.0
"""What a stepped-frequency radar above layered soil with rocks receives.

Amplitudes are received over transmitted, the square root of the ratio of powers. An echo of delay
t is the tone exp(-2 pi j f t) over the steps of frequency. A plane at depth z sends back
(Daniels 2004, Ground Penetrating Radar, ch. 4, with the range that refraction shortens)

    G c / (8 pi f R) T Gamma exp(-2 alpha),   R = h + integral dz/n,   t = 2/c (h + integral n dz)

with T the product of 1 - Gamma^2 over what is crossed and alpha the loss one way in nepers. A rock
is a point of cross-section sigma. Echoes of echoes are left out: the strongest are below -50 dB of
the first. Within a sweep the rover is taken to stand: in its 0.3 s it moves by one trace.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

LIGHT_M_NS = 0.299792458
#: Rocks farther off than this are below the beam's -30 dB and not looked at.
_REACH_M = 2.0
Array = np.ndarray


@dataclass(frozen=True)
class Sounder:
    """The radar: steps of frequency, antenna and its height; defaults are assumed."""

    first_ghz: float = 1.0
    last_ghz: float = 4.0
    steps: int = 301
    height_m: float = 0.3
    gain_dbi: float = 3.0

    @cached_property
    def frequency_ghz(self) -> Array:
        """Frequencies, shape (steps,)."""
        return np.linspace(self.first_ghz, self.last_ghz, self.steps)

    @property
    def step_ghz(self) -> float:
        """Distance of two steps."""
        return (self.last_ghz - self.first_ghz) / (self.steps - 1)

    @property
    def surface_ns(self) -> float:
        """Delay of the surface's echo behind the direct wave."""
        return 2.0 * self.height_m / LIGHT_M_NS

    @cached_property
    def spreading_m(self) -> Array:
        """Plane echo's amplitude times its range, shape (steps,)."""
        gain = 10.0 ** (self.gain_dbi / 10.0)
        return gain * LIGHT_M_NS / (8.0 * math.pi * self.frequency_ghz)

    def tones(self, delay_ns: Array, loss_np_per_ghz: Array | float = 0.0) -> Array:
        """Return exp(-(2 pi j delay + loss) f), shape (..., steps).

        By doubling: one exponential and one product a value, where an exponential each is tenfold.
        """
        rate = -(2j * math.pi * np.asarray(delay_ns) + loss_np_per_ghz)
        tones = np.empty((*rate.shape, self.steps), complex)
        tones[..., 0] = np.exp(rate * self.first_ghz)
        have = 1
        while have < self.steps:
            more = min(have, self.steps - have)
            turn = np.exp(rate * (have * self.step_ghz))[..., None]
            np.multiply(tones[..., :more], turn, out=tones[..., have : have + more])
            have += more
        return tones


@dataclass(frozen=True, eq=False)
class Soil:
    """Soil by depth: shape (n,), first row the surface; a depth given twice is a boundary.

    Index of refraction, two-way delay from the surface, equivalent range (integral of dz/n), loss
    one way (Np per GHz), two-way transmission of amplitude through what is above.
    """

    depth_m: Array
    index: Array
    delay_ns: Array
    range_m: Array
    loss_np_per_ghz: Array
    transmission: Array

    @classmethod
    def of(cls, depth_m: Array, permittivity: Array, loss_tangent: Array) -> Soil:
        """Integrate a column whose values are linear between rows."""
        depth = np.asarray(depth_m, float)
        index = np.sqrt(np.asarray(permittivity, float))
        attenuation = math.pi * index * loss_tangent / LIGHT_M_NS

        def integral(values: Array) -> Array:
            parts = 0.5 * (values[1:] + values[:-1]) * np.diff(depth)
            return np.concatenate([[0.0], np.cumsum(parts)])

        above = np.concatenate([[1.0], index[:-1]])
        jump = np.concatenate([[True], np.diff(depth) == 0.0])
        crossed = np.where(jump, 1.0 - reflection(above, index) ** 2, 1.0)
        return cls(depth, index, 2.0 / LIGHT_M_NS * integral(index), integral(1.0 / index),
                   integral(attenuation), np.cumprod(crossed))  # fmt: skip

    def at(self, depth_m: Array) -> tuple[Array, Array, Array, Array]:
        """Return delay, equivalent range, loss and transmission at depths."""
        depth = np.maximum(depth_m, 0.0)
        delay, equivalent, loss, passed = (
            np.interp(depth, self.depth_m, values)
            for values in (self.delay_ns, self.range_m, self.loss_np_per_ghz, self.transmission)
        )
        return delay, equivalent, loss, passed


def reflection(index_above: Array | float, index_below: Array | float) -> Array:
    """Return the coefficient of amplitude at a plane boundary, from above, straight down."""
    above, below = np.asarray(index_above), np.asarray(index_below)
    return (above - below) / (above + below)


def layer_echoes(sounder: Sounder, soil: Soil) -> Array:
    """Return what boundaries and gradients below the surface send back, shape (steps,).

    Between two rows ln(n) is taken as linear in delay, whose echo in the first order is exact:
    half the change of ln(n) times sinc(f dt).
    """
    delay, index = soil.delay_ns, soil.index
    middle, width = 0.5 * (delay[1:] + delay[:-1]), np.diff(delay)
    strength = np.where(
        width > 0.0, 0.5 * np.log(index[:-1] / index[1:]), reflection(index[:-1], index[1:])
    )
    real = strength != 0.0
    middle, width, strength = middle[real], width[real], strength[real]
    loss = 2.0 * 0.5 * (soil.loss_np_per_ghz[1:] + soil.loss_np_per_ghz[:-1])[real]
    range_m = sounder.height_m + 0.5 * (soil.range_m[1:] + soil.range_m[:-1])[real]
    # what is crossed is above the boundary itself
    amplitude = strength * soil.transmission[:-1][real] / range_m
    smear = np.sinc(np.multiply.outer(width, sounder.frequency_ghz))
    tones = sounder.tones(sounder.surface_ns + middle, loss)
    return sounder.spreading_m * np.einsum("k,kf,kf->f", amplitude, smear, tones)


def coherence(frequency_ghz: Array, path_m: float) -> Array:
    """Return the amplitude that is left when the path varies over the footprint by `path_m` rms."""
    phase = 2.0 * math.pi * frequency_ghz * path_m / LIGHT_M_NS
    return np.exp(-0.5 * phase**2)


def surface_echo(sounder: Sounder, soil: Soil, roughness_m: float) -> Array:
    """Return the surface's echo, shape (steps,): power exp(-(4 pi roughness/lambda)^2) is left."""
    amplitude = float(reflection(1.0, soil.index[0])) / sounder.height_m
    tones = sounder.tones(np.array(sounder.surface_ns))
    left = coherence(sounder.frequency_ghz, 2.0 * roughness_m)
    return amplitude * sounder.spreading_m * left * tones


def sphere_cross_section_m2(
    diameter_m: Array, index_around: Array, index_sphere: Array, frequency_ghz: Array
) -> Array:
    """Return the mean backscatter of dielectric spheres, shape (spheres, frequencies).

    Rayleigh's 4 (ka)^4 ((m^2-1)/(m^2+2))^2 and the specular point's Gamma^2, both over the area pi
    a^2, joined by their harmonic sum; the ripples of Mie's solution are left out (van de Hulst
    1957, ch. 6 and 12).
    """
    radius = 0.5 * np.asarray(diameter_m)[:, None]
    around = np.asarray(index_around)[:, None]
    contrast = (np.asarray(index_sphere)[:, None] / around) ** 2
    size = 2.0 * math.pi * frequency_ghz * around * radius / LIGHT_M_NS
    small = 4.0 * size**4 * ((contrast - 1.0) / (contrast + 2.0)) ** 2
    large = reflection(1.0, np.sqrt(contrast)) ** 2
    return math.pi * radius**2 * small * large / np.maximum(small + large, 1e-30)


def refracted_path(
    away_m: Array, height_m: float, depth_m: Array, index: Array
) -> tuple[Array, Array]:
    """Return the ways in air and soil (m) from an antenna to a point: Fermat's, by Newton.

    `away_m` horizontally from it, `depth_m` down; the soil has one index.
    """
    away = np.asarray(away_m, float)
    crossing = away * height_m / (height_m + depth_m / index)
    for _ in range(4):
        air, rest = np.hypot(height_m, crossing), away - crossing
        ground = np.hypot(depth_m, rest)
        slope = crossing / air - index * rest / ground
        curvature = height_m**2 / air**3 + index * depth_m**2 / ground**3
        crossing = np.clip(crossing - slope / curvature, 0.0, away)
    return np.hypot(height_m, crossing), np.hypot(depth_m, away - crossing)


@dataclass(frozen=True, eq=False)
class Rocks:
    """Rocks in a soil, each with what it sends back whatever the place of the antenna."""

    x_m: Array
    y_m: Array
    depth_m: Array
    index: Array
    loss_np_per_ghz_m: Array
    radius_m: Array
    scattering_m: Array
    """Root of the cross-section with all factors but ranges, shape (rocks, steps)."""

    @classmethod
    def of(
        cls, sounder: Sounder, soil: Soil, x_m: Array, y_m: Array, depth_m: Array,
        diameter_m: Array, permittivity: Array,
    ) -> Rocks:  # fmt: skip
        """Take rocks of `diameter_m` around centres; one that sticks out is put just below."""
        x, y, diameter = (np.asarray(v, float) for v in (x_m, y_m, diameter_m))
        depth = np.maximum(np.asarray(depth_m, float), 0.5 * diameter + 0.005)
        delay, _, loss, passed = soil.at(depth)
        index = 0.5 * LIGHT_M_NS * delay / depth
        here = np.interp(depth, soil.depth_m, soil.index)
        rock = np.sqrt(np.asarray(permittivity, float))
        sigma = sphere_cross_section_m2(diameter, here, rock, sounder.frequency_ghz)
        wave = 10.0 ** (sounder.gain_dbi / 10.0) * LIGHT_M_NS / sounder.frequency_ghz
        sign = np.sign(here - rock) * passed / (here * (4.0 * math.pi) ** 1.5)
        return cls(x, y, depth, index, loss / depth, 0.5 * diameter,
                   sign[:, None] * wave * np.sqrt(sigma))  # fmt: skip

    def echoes(self, sounder: Sounder, x_m: Array, y_m: Array) -> Array:
        """Return the rocks' echoes at places of the antenna, shape (places, steps).

        The antenna's beam is a cosine of the angle in air, both ways (assumed).
        """
        away = np.hypot(np.subtract.outer(x_m, self.x_m), np.subtract.outer(y_m, self.y_m))
        near = (away < _REACH_M).any(axis=0)
        if not near.any():
            return np.zeros((len(x_m), sounder.steps), complex)
        height, index = sounder.height_m, self.index[near]
        air, ground = refracted_path(away[:, near], height, self.depth_m[near], index)
        # it is the near side that reflects
        delay = 2.0 / LIGHT_M_NS * (air + index * (ground - self.radius_m[near]))
        amplitude = (height / air) ** 2 / (air + ground / index) ** 2
        tones = sounder.tones(delay, 2.0 * self.loss_np_per_ghz_m[near] * ground)
        tones *= amplitude[:, :, None]
        return np.einsum("rf,prf->pf", self.scattering_m[near], tones)
