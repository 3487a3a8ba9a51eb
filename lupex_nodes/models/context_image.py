# SPDX-License-Identifier: Apache-2.0
"""The scene around a spectrum in one band: a ground plane in lamp light or sunlight, for context.

Nothing is measured in it: it shows where the light falls, the texture of the soil, and what is
wrong with the detector.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Array = NDArray[np.float64]

WIDTH, HEIGHT = 64, 48
_DEPRESSIONS_DEG = 8.0, 60.0
_AZIMUTHS_DEG = 25.0
_TEXTURE = 0.08
_FULL = 255.0


def draw_texture(rng: np.random.Generator) -> Array:
    """Return the relative brightness of patches of soil, shape (HEIGHT, WIDTH)."""
    rough = rng.standard_normal((HEIGHT, WIDTH))
    patches = gaussian_filter(rough, 2.0)
    return 1.0 + _TEXTURE * (patches / patches.std() + 0.5 * rough)


def context_image(
    rng: np.random.Generator,
    texture: Array,
    camera_height_m: float,
    aimed_at_m: float,
    *,
    in_sunlight: bool,
    light: float = 1.0,
    hot: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """Return brightness from 0 to 255, shape (HEIGHT, WIDTH), the far ground on top.

    The exposure puts what a whole lamp (`light` 1) or the Sun makes of the ground aimed at to half
    of full scale; the lamp's beam is centred there and falls with the square of range.
    """
    depression = np.radians(np.linspace(*_DEPRESSIONS_DEG, HEIGHT))[:, None]
    azimuth = np.radians(np.linspace(-_AZIMUTHS_DEG, _AZIMUTHS_DEG, WIDTH))
    seen = 0.5 * texture
    if not in_sunlight:
        range_m = camera_height_m / np.sin(depression)
        aim = np.arcsin(min(camera_height_m / aimed_at_m, 1.0))
        off = np.hypot(depression - aim, azimuth)
        seen = seen * light * (aimed_at_m / range_m) ** 2 * np.exp(-0.5 * (off / 0.25) ** 2)
    noisy = _FULL * seen + 2.0 * rng.standard_normal(seen.shape)
    if hot is not None:
        noisy = np.where(hot, _FULL, noisy)
    return np.clip(np.rint(noisy), 0.0, _FULL).astype(np.uint8)
