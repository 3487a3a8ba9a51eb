# SPDX-License-Identifier: Apache-2.0
"""How many features a stereo camera can follow on lunar ground under a low Sun.

The number of features decides whether visual odometry works at all (Maimone, Cheng and Matthies
2007, J. Field Robotics 24, 169, doi:10.1002/rob.20184: failures on the Mars rovers were frames with
too few of them; its error stayed below 2.5 % of the distance). Which part of them light and
direction leave is assumed: no figures for a Sun within 2 deg of the horizon are public.

Angles in degrees; azimuths from north through east.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_TEXTURE_WAVELENGTHS_M = (7.0, 11.0, 17.0, 29.0, 43.0)
_SATURATION = 0.15
_GLARE_DEG = 30.0
_WASHOUT_DEG = 20.0
_WASHOUT_PART = 0.6
_OWN_SHADOW_DEG = 40.0
_OWN_SHADOW_PART = 0.3


@dataclass(frozen=True)
class Texture:
    """How rich in features the ground is from place to place, 1 in the median.

    The logarithm is a sum of five waves of random direction and phase, 7 to 43 m long, with the
    standard deviation `sigma`.
    """

    waves: tuple[tuple[float, float, float], ...]
    sigma: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, sigma: float) -> Texture:
        """Draw the waves of one site."""
        waves = []
        for length_m in _TEXTURE_WAVELENGTHS_M:
            direction, phase = rng.uniform(0.0, 2.0 * math.pi, 2).tolist()
            number = 2.0 * math.pi / length_m
            waves.append((number * math.cos(direction), number * math.sin(direction), phase))
        return cls(tuple(waves), sigma)

    def at(self, x_m: float, y_m: float) -> float:
        """Return the texture of a place, above 0."""
        total = sum(math.sin(kx * x_m + ky * y_m + phase) for kx, ky, phase in self.waves)
        return math.exp(self.sigma * total / math.sqrt(len(self.waves) / 2.0))


def light_factor(lit: float, lamps: float) -> float:
    """Return the part of the features that the light shows, 0 to 1.

    `lit` is the part of the Sun's disc that the ground sees; a little of it gives most of the
    contrast. `lamps` is the part that the rover's own lamps show in the dark, in their reach.
    """
    return max(lit * (1.0 + _SATURATION) / (lit + _SATURATION), lamps)


def direction_factor(axis_deg: float, sun_azimuth_deg: float, sun_seen: float) -> float:
    """Return the part of the features left by the direction of the camera's axis to the Sun.

    Toward the Sun, within 30 deg, its disc and glare blind the camera; away from it the ground
    shows no shadows, and the rover's own covers the middle. `sun_seen` is the part of the disc
    that the camera sees, 0 to 1.
    """
    toward = abs(math.remainder(axis_deg - sun_azimuth_deg, 360.0))
    away = 180.0 - toward
    glare = min(toward / _GLARE_DEG, 1.0) ** 3
    washout = 1.0 - _WASHOUT_PART * math.exp(-((away / _WASHOUT_DEG) ** 2))
    own_shadow = 1.0 - _OWN_SHADOW_PART * math.exp(-((away / _OWN_SHADOW_DEG) ** 2))
    return 1.0 - min(sun_seen / 0.1, 1.0) * (1.0 - glare * washout * own_shadow)
