# SPDX-License-Identifier: Apache-2.0
"""Raw records of neutron surveys along one line, made from the models without flying a rover.

Nature is drawn per seed from the prior and hidden: physical constants, cosmic rays, the tubes'
temperature coefficient, topography, where the rover believes to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lupex_nodes.models import neutron
from lupex_nodes.models.neutron_record import RAW_DTYPE, STANDING, SURVEY
from lupex_nodes.models.stratigraphy import SmoothField

PRIOR = neutron.NeutronPrior()


@dataclass(frozen=True)
class Disc:
    """Wet soil under a dry cover, or, with a layer's mass, a thin wet layer on dry soil."""

    x_m: float
    y_m: float
    radius_m: float
    content_wt_percent: float
    cover_g_cm2: float = 0.0
    layer_g_cm2: float = np.inf

    def ratios(self, world: neutron.NeutronConstants) -> tuple[float, float]:
        water, cover = self.content_wt_percent, self.cover_g_cm2
        if np.isfinite(self.layer_g_cm2):
            return (
                float(neutron.wet_over_dry_ratio(water, self.layer_g_cm2, world.k_e)),
                float(neutron.wet_over_dry_thermal_ratio(
                    water, self.layer_g_cm2, world.thermal_amplitude)),
            )  # fmt: skip
        return (
            float(neutron.epithermal_ratio(water, cover, world.k_e, world.lambda_e_g_cm2)),
            float(neutron.thermal_ratio(water, cover, world.thermal_amplitude)),
        )


@dataclass(frozen=True)
class Record:
    """A raw record and what is true of it."""

    raw: np.ndarray
    world: neutron.NeutronConstants
    discs: tuple[Disc, ...]

    def apparent_water(self, disc: Disc) -> float:
        """Of the disc, at its centre (wt%)."""
        ratio, _ = disc.ratios(self.world)
        at_centre = 1.0 - (1.0 - ratio) * neutron.response_within(disc.radius_m)
        return float(neutron.apparent_water(at_centre, self.world.k_e))


def survey(
    seed: int,
    discs: Sequence[Disc] = (),
    *,
    length_m: float = 300.0,
    speed_m_s: float = 0.1,
    standing_s: int = 3600,
    warm_at_m: float | None = None,
    swing_k: float = 30.0,
    topography: bool = True,
    passes: int = 1,
) -> Record:
    """Stand, then drive east from x = 0, and back; tubes warm up and cool down about one place."""
    rng = np.random.default_rng(seed)
    world = neutron.draw_constants(rng, PRIOR)
    east = speed_m_s * (np.arange(int(length_m / speed_m_s)) + 0.5)
    x = np.r_[np.full(standing_s, -20.0), *[east[:: (-1) ** k] for k in range(passes)]]
    place = np.column_stack([x, np.zeros(x.size)])

    coefficient = neutron.TEMPERATURE_COEFFICIENT_PER_K + 1e-4 * rng.standard_normal()
    temperature = 290.0 + 3.0 * np.sin(np.arange(x.size) / 3000.0 + rng.uniform(0.0, 6.3))
    if warm_at_m is not None:
        temperature += swing_k * np.exp(-0.5 * ((x - warm_at_m) / 15.0) ** 2)
    gain = neutron.tube_gain(temperature, coefficient_per_k=coefficient)
    ratios = np.ones((2, x.size))
    for disc in discs:
        share = neutron.disc_fraction(np.hypot(x - disc.x_m, disc.y_m), disc.radius_m)
        share[:standing_s] = 0.0
        for row, ratio in zip(ratios, disc.ratios(world), strict=True):
            row += (ratio - 1.0) * share
    if topography:
        field = SmoothField(rng, neutron.TOPOGRAPHY_LENGTH_M)
        ratios *= 1.0 + neutron.TOPOGRAPHY_SIGMA * field.at(*place.T)

    raw = np.zeros(x.size, RAW_DTYPE)
    raw["time_s"] = np.arange(x.size)
    navigated = place + rng.normal(0.0, 0.2, 2) + rng.normal(0.0, 0.05, place.shape)
    navigated += np.cumsum(rng.normal(0.0, 0.3 / np.sqrt(3000.0), place.shape), axis=0)
    raw["x_m"], raw["y_m"] = navigated.T
    raw["segment"] = np.where(raw["time_s"] < standing_s, STANDING, SURVEY)
    raw["tube_temperature_k"] = temperature + 0.05 * rng.standard_normal(x.size)
    raw["pulse_gain"] = 1.0
    dry = world.epithermal_dry_rate_cps, world.thermal_dry_rate_cps
    background = world.epithermal_background_cps, world.thermal_background_cps
    for name, *rates in zip(("epithermal", "thermal"), ratios, dry, background, strict=True):
        expected = neutron.expected_counts(*rates, 1.0, gain)
        raw[f"{name}_counts"] = neutron.draw_counts(rng, expected)
    raw["live_time_s"] = neutron.live_time(raw["epithermal_counts"], 1.0)
    return Record(raw, world, tuple(discs))
