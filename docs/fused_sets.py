# SPDX-License-Identifier: Apache-2.0
"""Soils of a deposit that neutrons, radar and light leave possible together, for validation.md.

Without a flight: each seed draws one ground, and the three instruments' models make raw rows of it;
their products on board are made of these alone, and `fused_possibilities` of the products. Drawn
are whether the hydrogen is frozen, steps of density, mean density and what each instrument is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gas_spectra
import infrared_looks
import neutron_surveys
import numpy as np
import radar_surveys
import scores
from neutron_surveys import BURIED, POOR, PRIOR, SHALLOW, THIN, Disc, decades, holds
from scipy.stats import ks_2samp

from lupex_nodes.models.fused_possibilities import (
    FusionPrior,
    Sounding,
    fused_possibilities,
)
from lupex_nodes.models.neutron_possibilities import THIN_SHARE, possibilities
from lupex_nodes.models.neutron_survey import survey_product
from lupex_nodes.models.radar_image import RadarRetrieval
from lupex_nodes.models.radar_processing import product
from lupex_nodes.models.reflectance_retrieval import product as look_product
from lupex_nodes.models.regolith import (
    ICE_DENSITY_KG_M3,
    density_carrier_kg_m3,
    icy_permittivity,
    loss_tangent,
    permittivity,
    porosity,
)
from lupex_nodes.models.soil_layering import SoilLayering
from lupex_nodes.models.stratigraphy import overburden_g_cm2

FUSION = FusionPrior()
KNOWN = FusionPrior(frozen_share=1.0, layers_per_g_cm2=1e-4, step_sigma_kg_m3=0.0)
"""That every boundary is ice and no soil is denser: the control for what radar sees."""
_BESIDE_M = 1e-6


@dataclass(frozen=True)
class Column:
    """One ground, as radar and light meet it: steps of density, and the wet soil of a disc."""

    disc: Disc
    frozen: bool
    boundaries_m: np.ndarray
    steps_kg_m3: np.ndarray
    step_at_top_kg_m3: float

    @classmethod
    def drawn(cls, seed: int, disc: Disc, prior: FusionPrior) -> Column:
        """Draw what of the ground the neutrons do not see."""
        rng = np.random.default_rng([seed, 3])
        count = round(240.0 * prior.layers_per_g_cm2)  # of 1.5 m
        layering = SoilLayering(rng, count, prior.step_sigma_kg_m3)
        return cls(
            disc, bool(rng.random() < prior.frozen_share), layering.boundaries_m(0.0, 0.0),
            layering.step_kg_m3, prior.step_sigma_kg_m3 * float(rng.standard_normal()),
        )  # fmt: skip

    @property
    def surface_ice_wt_percent(self) -> float:
        """In the topmost millimetre."""
        return self.disc.content_wt_percent * (self.frozen and self.disc.cover_g_cm2 == 0.0)

    def column(
        self, rng: np.random.Generator, prior: RadarRetrieval
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Return depth, permittivity and loss tangent, as `radar_surveys.Ground` does, and 0."""
        law, off, warmth = np.clip(rng.standard_normal(3), -3.0, 3.0)
        denser = prior.density_sigma_kg_m3 * off

        def soil(
            boundaries_m: Sequence[float], steps_kg_m3: Sequence[float]
        ) -> tuple[np.ndarray, np.ndarray]:
            beside = [b + side for b in boundaries_m for side in (-_BESIDE_M, _BESIDE_M)]
            depth = np.unique([*np.arange(0.0, 0.2, 0.02), *np.arange(0.2, 2.01, 0.05), *beside])
            density = density_carrier_kg_m3(depth) + denser
            for boundary, step in zip(boundaries_m, steps_kg_m3, strict=True):
                density = density + step * (depth > boundary)
            return depth, np.clip(density, 1000.0, 2200.0)

        depth, density = soil(self.boundaries_m, self.steps_kg_m3)
        mass = overburden_g_cm2(depth, density)
        cover, layer = self.disc.cover_g_cm2, self.disc.layer_g_cm2
        top, bottom = np.interp([cover, cover + layer], mass, depth, right=np.inf)
        ends = [each for each in (top, bottom) if 0.0 < each < 2.0]
        depth, density = soil(
            [*self.boundaries_m, *ends],
            [*self.steps_kg_m3, *[self.step_at_top_kg_m3] * len(ends)],
        )
        wet = (depth >= top) & (depth < bottom) & self.frozen
        content = self.disc.content_wt_percent * wet
        volume = density * content / (100.0 - content) / ICE_DENSITY_KG_M3
        dry = np.asarray(permittivity(density)) * (1.0 + prior.permittivity_sigma * law)
        icy = icy_permittivity(dry, np.minimum(volume, porosity(density)))
        return depth, np.asarray(icy), loss_tangent(density, 120.0 + 30.0 * warmth), 0.0


@dataclass(frozen=True)
class Told:
    """What the products tell of one ground."""

    epithermal: tuple[float, float]
    thermal: tuple[float, float]
    sounding: Sounding | None
    surface_ice: bool
    apparent_water_wt_percent: float
    """Of the cell at the middle, as its ratio."""
    profile_ratio: float

    def neutrons_alone(self) -> np.ndarray:
        """Return what the neutrons leave possible."""
        return possibilities(self.epithermal, self.thermal, PRIOR)

    def fused(self, prior: FusionPrior = FUSION) -> np.ndarray:
        """Return what all leave possible together."""
        return fused_possibilities(
            self.epithermal, self.thermal, self.sounding, self.surface_ice, PRIOR, prior
        )


def told(seed: int, disc: Disc, prior: FusionPrior = FUSION) -> Told:
    """Survey a disc with all three: ratios of its deposit, or of its middle when none is found."""
    ground = Column.drawn(seed, disc, prior)
    found = survey_product(neutron_surveys.survey(seed, (disc,), length_m=120.0).raw)
    middle = int(np.argmin(np.abs(found.profile.x_m - disc.x_m)))
    first = found.deposits[0]
    ratios = [
        (float(getattr(first, name)), float(getattr(first, f"{name}_sigma")))
        if first.detected
        else (float(getattr(found.profile, name)[middle]),
              float(getattr(found.profile, f"{name}_sigma")[middle]))
        for name in ("epithermal_ratio", "thermal_ratio")
    ]  # fmt: skip
    traces, samples, _ = radar_surveys.survey(seed, ground)
    seen = product(traces, samples)
    layer = seen.pick_quality == 0
    sounding = Sounding(
        len(seen.x_m) * seen.spacing_m / RadarRetrieval().cell_m,
        seen.pick_depth_m[layer], seen.pick_depth_sigma_m[layer],
        seen.pick_reflection_db[layer], seen.pick_reflection_sigma_db[layer],
    )  # fmt: skip
    light = look_product(infrared_looks.look(seed, ground.surface_ice_wt_percent).raw)
    return Told(
        *ratios, sounding if seen.quality == 0 else None, bool(light.detected),
        float(found.profile.apparent_water_wt_percent[middle]),
        float(found.profile.epithermal_ratio[middle]),
    )  # fmt: skip


@dataclass(frozen=True)
class Sets:
    """How many 95 % sets hold the truth and their mean decades of content: of all, of neutrons."""

    held: int
    decades: float
    held_alone: int
    decades_alone: float
    told: list[Told]


def sets(grounds: Sequence[tuple[int, Disc]], prior: FusionPrior = FUSION) -> Sets:
    """Survey grounds, each a seed and a disc, and judge what is left possible."""
    surveyed = [told(seed, disc, prior) for seed, disc in grounds]
    together = [each.fused(prior) for each in surveyed]
    alone = [each.neutrons_alone() for each in surveyed]
    (held, width), (held_alone, width_alone) = (
        (sum(holds(soils, disc) for soils, (_, disc) in zip(found, grounds, strict=True)),
         float(np.mean([decades(soils) for soils in found])))
        for found in (together, alone)
    )  # fmt: skip
    return Sets(held, width, held_alone, width_alone, surveyed)


def under_a_boundary(seed: int) -> Disc:
    """Draw 0.5 to 15 wt% under 100 g/cm2, where neutrons see a tenth of it."""
    content = np.exp(np.random.default_rng([seed, 4]).uniform(*np.log([0.5, 15.0])))
    return Disc(60.0, 0.0, 15.0, float(content), 100.0)


def of_the_prior(seed: int) -> Disc:
    """Draw a soil from the neutrons' whole prior."""
    rng = np.random.default_rng([seed, 5])
    content = float(np.exp(rng.uniform(*np.log([0.1, 20.0]))))
    if rng.random() < THIN_SHARE:
        return Disc(60.0, 0.0, 15.0, content, 0.0, float(rng.uniform(0.0, 90.0)))
    return Disc(60.0, 0.0, 15.0, content, float(rng.uniform(0.0, 150.0)))


HEAD = ("ambiguity", "product fooled", "how", "truth in its 95 % set", "width over control",
        "of the neutrons alone", "met")  # fmt: skip


def rows(seeds: range) -> list[tuple[str, ...]]:
    """Return a row of `HEAD` for each ambiguity; width is decades of content, or of pressures."""
    count = len(seeds)

    def row(what: str, product: str, how: str, held: int, width: float,
            alone: str = "they see no gas") -> tuple[str, ...]:  # fmt: skip
        met = held >= 0.9 * count and width >= 2.0
        return (what, product, how, f"{held} of {count}", f"{width:.2f}", alone,
                "yes" if met else "**no**")  # fmt: skip

    def of_soil(what: str, product: str, how: str, found: Sets, control: Sets) -> tuple[str, ...]:
        alone = f"{found.held_alone} of {count}, {found.decades_alone / control.decades:.2f}"
        return row(what, product, how, found.held, found.decades / control.decades, alone)

    control, thin, buried, poor = (
        sets([(seed, disc) for seed in seeds]) for disc in (SHALLOW, THIN, BURIED, POOR)
    )
    below = [(seed, under_a_boundary(seed)) for seed in seeds]
    behind, known = sets(below), sets(below, KNOWN)
    dry = [each.profile_ratio for each in thin.told]
    water = [np.mean([each.apparent_water_wt_percent for each in one.told])
             for one in (buried, poor)]  # fmt: skip
    alike = f"apparent water {water[0]:.2f} wt%, of 0.5 wt% without cover {water[1]:.2f}"
    levels = [[each.reflection_db for each in side] for side in radar_surveys.twins(seeds)]
    level = [float(np.median(side)) for side in levels]
    gas = {what: value for what, value, *_ in gas_spectra.ambiguities(seeds)}
    near = [each for each, _ in gas_spectra.lander_water(seeds)]
    at_28 = [gas_spectra.by_name(gas_spectra.fitted(seed, gas_spectra.AT_28)) for seed in seeds]
    total = np.median([each["n2"].group_sigma_pa / each["n2"].group_pressure_pa for each in at_28])
    split = sum(not (each["n2"].group and each["co"].group) for each in at_28)
    least = min(
        ("n2", "co"), key=lambda name: gas[f"{name} among what lies at 28 u: in its 95 % set"]
    )
    controls = [
        (f"control of {what}", "none", "", f"{one.held} of {count}", f"{one.decades:.2f} decades",
         f"{one.held_alone} of {count}, {one.decades_alone / one.decades:.2f}", "")
        for what, one in (("(a) and (b)", control), ("(c)", known))
    ]  # fmt: skip
    return [
        of_soil(f"(a) {THIN.name}", "R_ep",
                f"{np.mean(dry):.3f} in the mean, {sum(r > 1.0 for r in dry)} of {count} above 1",
                thin, control),
        of_soil(f"(b) {BURIED.name}", "R_ep", alike, buried, control),
        of_soil(f"(b) {POOR.name} without cover", "R_ep", alike, poor, control),
        of_soil("(c) 0.5 to 15 wt% and a step of density under 100 g/cm2", "GPR",
                f"denser soil {level[0]:.1f} dB, icy soil {level[1]:.1f} dB, of one law with "
                f"p = {ks_2samp(*levels).pvalue:.2f}", behind, known),
        row("(d) lander's water for native", "EMS-L",
            f"{np.median([each.pressure_pa for each in near]):.1e} Pa of water, none native",
            round(gas["native water near the lander, none: in its 95 % set"]),
            gas["width of the set over the water, near the lander over there"]),
        row("(e) N2, CO and C2H4 at 28 u", "unit-resolution masses",
            f"N2 + CO known to {100.0 * total:.0f} %, one of them alone in {split} of {count}",
            round(gas[f"{least} among what lies at 28 u: in its 95 % set"]),
            min(gas[f"{name}: width of the set over that of as much argon"]
                for name in ("n2", "co"))),
        *controls,
    ]  # fmt: skip


Row = tuple[str, float, tuple[float, float], str]


def judged(seeds: range) -> list[Row]:
    """Return rows of (what, found, bounds, of how many) of soils drawn from the whole prior."""
    grounds = [(seed, of_the_prior(seed)) for seed in seeds]
    surveyed = [(told(*ground), ground[1]) for ground in grounds]
    made: list[Row] = []
    size: dict[float, list[float]] = {}
    for share in (0.68, 0.95):
        found = [
            [each[each[:, 3] <= share] for each in (seen.fused(), seen.neutrons_alone())]
            for seen, _ in surveyed
        ]
        held = sum(holds(one, disc) for (one, _), (_, disc) in zip(found, surveyed, strict=True))
        size[share] = [len(one) / max(len(alone), 1) for one, alone in found]
        made.append((f"truth in its {100 * share:.0f} % set", held,
                     scores.share_bounds(len(seeds), share), f"of {len(seeds)}"))  # fmt: skip
    for share, sizes in size.items():
        made.append((f"soils in the {100 * share:.0f} % set over those of the neutrons alone, mean",
                     float(np.mean(sizes)), (0.0, 1.0), ""))  # fmt: skip
    return made
