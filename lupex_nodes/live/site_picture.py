# SPDX-License-Identifier: Apache-2.0
"""The ground under the live map: shaded relief with heights, and where the Sun shines now."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from io import BytesIO
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imsave

from lupex_nodes.analysis.site_map import contour_levels, hillshade
from lupex_nodes.models.illumination_map import HorizonMap, horizon_map
from lupex_nodes.models.site_terrain import SiteTerrain

_PIXELS = 801
_CONTOUR_EVERY = 2  # heights between those that contours follow, to save time
_CELLS, _AZIMUTHS, _GROWTH = 100, 72, 0.04  # 2 to 4 s of computing, once
_EYE_HEIGHT_M = 2.0
_GREY_FROM, _GREY_TO = 0.30, 0.88
_SHADOW_RGB = (0.03, 0.06, 0.22)
_SHADOW_ALPHA = 0.62


class Ground(NamedTuple):
    """A terrain and half the side of the square of it that is drawn, about the origin."""

    site: SiteTerrain
    half_m: float


class Cancelled(Exception):
    """Raised out of the drawing of a picture that nobody waits for any more."""


class SitePicture:
    """The pictures of one ground, made when they are first asked for; not for two threads.

    ``make`` gives the ground; it is called once. Who sets ``cancelled``, from any thread, ends the
    drawing of shadows, which would hold up the end of the process.
    """

    def __init__(self, make: Callable[[], Ground]) -> None:
        self._make = make
        self.cancelled = False

    @cached_property
    def ground(self) -> Ground:
        """The ground."""
        return self._make()

    @cached_property
    def relief_png(self) -> bytes:
        """The shaded relief with contours of height: a PNG, north up, of the whole square."""
        site, half_m = self.ground
        at_m = np.linspace(-half_m, half_m, _PIXELS)
        height_m = site.height(*np.meshgrid(at_m, at_m))
        grey = hillshade(height_m, at_m[1] - at_m[0])
        grey = _GREY_FROM + (_GREY_TO - _GREY_FROM) * (grey - grey.min()) / max(np.ptp(grey), 1e-9)
        figure = Figure(figsize=(_PIXELS / 100, _PIXELS / 100), dpi=100)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        extent = (-half_m, half_m, -half_m, half_m)
        axes.imshow(grey, extent=extent, origin="lower", cmap="gray", vmin=0.0, vmax=1.0)
        few = np.s_[::_CONTOUR_EVERY]
        axes.contour(
            at_m[few], at_m[few], height_m[few, few], levels=contour_levels(height_m),
            colors="#20242a", linewidths=0.5, alpha=0.5,
        )  # fmt: skip
        out = BytesIO()
        figure.savefig(out, format="png", pil_kwargs={"compress_level": 1})
        return out.getvalue()

    @cached_property
    def _horizons(self) -> HorizonMap | None:
        site, half_m = self.ground
        try:
            return horizon_map(
                site, (0.0, 0.0), half_m, 2.0 * half_m / _CELLS, (_EYE_HEIGHT_M,), _AZIMUTHS,
                _GROWTH, self._go_on,
            )  # fmt: skip
        except ValueError:
            return None  # the square reaches out of what is known

    def _go_on(self, part: float) -> None:
        if self.cancelled:
            raise Cancelled

    def shadow_png(self, azimuth_deg: float, elevation_deg: float) -> bytes | None:
        """Return what lies in shadow at the array's height: a PNG, the darker the less disc.

        None when the ground is not known far enough to say.
        """
        horizons = self._horizons
        if horizons is None:
            return None
        dark = 1.0 - horizons.lit(azimuth_deg, elevation_deg)
        picture = np.empty((*dark.shape, 4))
        picture[..., :3] = _SHADOW_RGB
        picture[..., 3] = _SHADOW_ALPHA * dark
        out = BytesIO()
        imsave(out, picture[::-1], format="png")
        return out.getvalue()
