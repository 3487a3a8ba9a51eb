# SPDX-License-Identifier: Apache-2.0
"""Radar surveys of made-up ground, judged against it; their part of validation.md.

Without a flight: columns, rocks and clutter are drawn, the models make raw rows of them, and the
product that the radar makes on board is made of these alone. Permittivity's law, mean density,
loss by temperature, the radar's gains and clutter are drawn from the stated priors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scores
from scipy.stats import ks_2samp

from lupex_nodes.models.buried_rocks import BuriedRocks
from lupex_nodes.models.radar import (
    LIGHT_M_NS,
    Rocks,
    Soil,
    Sounder,
    layer_echoes,
    reflection,
    surface_echo,
)
from lupex_nodes.models.radar_causes import ice_range, reflection_of
from lupex_nodes.models.radar_image import RadarRetrieval
from lupex_nodes.models.radar_processing import (
    SAMPLE_DTYPE,
    TRACE_DTYPE,
    Quality,
    RadarSection,
    product,
)
from lupex_nodes.models.radar_receiver import (
    ReceiverState,
    VolumeClutter,
    draw_constants,
    loop,
    received,
)
from lupex_nodes.models.regolith import (
    ICE_DENSITY_KG_M3,
    density_carrier_kg_m3,
    icy_permittivity,
    loss_tangent,
    permittivity,
)

LOOPS = 20
_ROUGHNESS_M, _BOUNCE_M = 0.004, 0.002


@dataclass(frozen=True)
class Ground:
    """Soil of the Apollo cores with a boundary, below which it is denser or holds ice."""

    boundary_m: float = 0.8
    denser_kg_m3: float = 0.0
    ice_share: float = 0.0
    """Of the volume, in what were pores."""

    def column(
        self, rng: np.random.Generator, prior: RadarRetrieval
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Return depth, permittivity, loss tangent and the boundary's coefficient of reflection."""
        law, density_sigma, warmth = np.clip(rng.standard_normal(3), -3.0, 3.0)
        depth = np.concatenate([np.arange(0.0, 0.2, 0.02), np.arange(0.2, 2.01, 0.05)])
        depth = np.sort(np.append(depth[np.abs(depth - self.boundary_m) > 1e-3],
                                  [self.boundary_m] * 2))  # fmt: skip
        below = np.arange(depth.size) > np.searchsorted(depth, self.boundary_m)
        dry = density_carrier_kg_m3(depth) + prior.density_sigma_kg_m3 * density_sigma
        density = dry + self.denser_kg_m3 * below
        soil = permittivity(density) * (1.0 + prior.permittivity_sigma * law)
        soil = icy_permittivity(soil, self.ice_share * below)
        loss = loss_tangent(density, 120.0 + 30.0 * warmth)
        row = int(below.argmax())
        gamma = float(reflection(math.sqrt(soil[row - 1]), math.sqrt(soil[row])))
        return depth, soil, loss, gamma


def survey(
    seed: int, ground: Ground, *, length_m: float = 2.0, spacing_m: float = 0.03,
    rocks_per_m3: float = 0.5, state: ReceiverState | None = None,
) -> tuple[np.ndarray, np.ndarray, float]:  # fmt: skip
    """Return the rows of traces and of samples, and the boundary's coefficient of reflection."""
    rng, sounder, state = np.random.default_rng(seed), Sounder(), state or ReceiverState()
    constants = draw_constants(rng, sounder)
    depth, soil_permittivity, loss, gamma = ground.column(rng, RadarRetrieval())
    soil = Soil.of(depth, soil_permittivity, loss)
    x_m = np.arange(0.0, length_m, spacing_m)
    rocks = BuriedRocks(seed, rocks_per_m3).near(0.5 * length_m, 0.0, 0.5 * length_m + 2.0)
    buried = Rocks.of(sounder, soil, *rocks.T, np.full(len(rocks), 7.0))
    echoes = surface_echo(sounder, soil, _ROUGHNESS_M) + layer_echoes(sounder, soil)
    echoes = echoes + buried.echoes(sounder, x_m, np.zeros_like(x_m))
    clutter = VolumeClutter(rng, sounder)
    echoes += clutter.echoes(soil, constants.clutter_db, np.full(x_m.size, spacing_m))
    higher_m = _BOUNCE_M * rng.standard_normal(x_m.size)
    codes = np.concatenate([
        loop(rng, sounder, constants, ReceiverState(), LOOPS),
        received(rng, sounder, constants, state, echoes, higher_m),
    ])  # fmt: skip
    traces = np.zeros(len(codes), TRACE_DTYPE)
    traces["trace"] = np.arange(len(codes))
    traces["x_m"][LOOPS:], traces["segment"][LOOPS:] = x_m, 1
    samples = np.zeros(len(codes) * sounder.steps, SAMPLE_DTYPE)
    samples["trace"] = np.repeat(traces["trace"], sounder.steps)
    samples["frequency_mhz"] = np.tile(1000.0 * sounder.frequency_ghz, len(codes))
    samples["in_phase"], samples["quadrature"] = codes.reshape(-1, 2).T
    return traces, samples, gamma


@dataclass(frozen=True)
class Interface:
    """One pick of the layer that sends back most: errors are those of a pick. m, dB."""

    depth_m: float
    depth_sigma_m: float
    reflection_db: float
    reflection_sigma_db: float


def strongest(made: RadarSection) -> Interface | None:
    """Return the middle pick of the layer with most power over all cells, None without any."""
    layer = (made.pick_quality & int(Quality.ISOLATED)) == 0
    if not layer.any():
        return None
    depth, power = made.pick_depth_m[layer], 10.0 ** (0.1 * made.pick_reflection_db[layer])
    near = np.abs(np.subtract.outer(depth, depth)) < 0.04
    mine = np.flatnonzero(near[int((near @ power).argmax())])
    away = np.abs(made.pick_x_m[layer][mine] - made.x_m.mean())
    pick = np.flatnonzero(layer)[mine[int(away.argmin())]]
    return Interface(*(float(values[pick]) for values in (
        made.pick_depth_m, made.pick_depth_sigma_m,
        made.pick_reflection_db, made.pick_reflection_sigma_db,
    )))  # fmt: skip


def drawn_ground(seed: int) -> Ground:
    """Draw a boundary 0.2 to 1.4 m deep of 60 to 300 kg/m3, denser or looser."""
    rng = np.random.default_rng([seed, 1])
    side = rng.choice([-1.0, 1.0])
    return Ground(rng.uniform(0.2, 1.4), side * rng.uniform(60.0, 300.0))


@dataclass(frozen=True)
class Errors:
    """Errors over their sigma of sections with a boundary, and how many did not show it."""

    depth: np.ndarray
    reflection: np.ndarray
    depth_sigma_m: np.ndarray
    missed: int


def errors(seeds: range) -> Errors:
    """Survey one boundary a seed."""
    depth, level, sigma, missed = [], [], [], 0
    for seed in seeds:
        ground = drawn_ground(seed)
        traces, samples, gamma = survey(seed, ground)
        found = strongest(product(traces, samples))
        if found is None:
            missed += 1
            continue
        gamma_db = 20.0 * math.log10(abs(gamma))
        depth.append((found.depth_m - ground.boundary_m) / found.depth_sigma_m)
        level.append((found.reflection_db - gamma_db) / found.reflection_sigma_db)
        sigma.append(found.depth_sigma_m / found.depth_m)
    return Errors(*(np.array(each) for each in (depth, level, sigma)), missed)


def twins(seeds: range, boundary_m: float = 0.8) -> tuple[list[Interface], list[Interface]]:
    """Survey a denser and an icy layer of the same contrast, each with noise of its own.

    The ice fills 0.10 of the volume (5 wt% of dense soil).
    """
    ice = 0.10
    # the denser soil that has the icy one's permittivity, at the boundary
    dry = float(density_carrier_kg_m3(boundary_m))
    soil = float(permittivity(dry))
    dense = 1000.0 * math.log(float(icy_permittivity(soil, ice))) / math.log(1.919) - dry
    grounds = Ground(boundary_m, denser_kg_m3=dense), Ground(boundary_m, ice_share=ice)
    found: tuple[list[Interface], list[Interface]] = ([], [])
    for seed in seeds:
        for side, ground in enumerate(grounds):
            traces, samples, _ = survey(2 * seed + side, ground)
            layer = strongest(product(traces, samples))
            if layer is not None:
                found[side].append(layer)
    return found


def detected_share(seeds: range, gamma_db: float, boundary_m: float = 0.8) -> float:
    """Return in what share of sections a boundary of a reflection is picked within 4 sigma."""
    ratio = (1.0 + 10.0 ** (gamma_db / 20.0)) / (1.0 - 10.0 ** (gamma_db / 20.0))
    denser = 2.0 * 1000.0 * math.log(ratio) / math.log(1.919)
    hits = 0
    for seed in seeds:
        traces, samples, _ = survey(seed, Ground(boundary_m, denser))
        found = strongest(product(traces, samples))
        hits += found is not None and (abs(found.depth_m - boundary_m) < 4.0 * found.depth_sigma_m)
    return hits / len(seeds)


def false_layers(seeds: range) -> int:
    """Return how many picks of layers there are in sections of 2 m without any boundary."""
    count = 0
    for seed in seeds:
        made = product(*survey(seed, Ground())[:2])
        count += int(((made.pick_quality & int(Quality.ISOLATED)) == 0).sum())
    return count


@dataclass(frozen=True)
class Bounded:
    """How often the 95 % range of ice held the truth, of how many, and its median width (wt%)."""

    held: int
    number: int
    width_wt_percent: float


def bounded(seeds: range, step_sigma_kg_m3: float) -> Bounded:
    """Bound the ice behind a reflection: ice and step of density drawn from their priors.

    With a step known to be none it is the control in which nothing else reflects. What the radar
    does not see bounds nothing and is left out.
    """
    held, widths, boundary_m = 0, [], 0.8
    density = float(density_carrier_kg_m3(boundary_m))
    for seed in seeds:
        rng = np.random.default_rng([seed, 2])
        step = step_sigma_kg_m3 * float(np.clip(rng.standard_normal(), -3.0, 3.0))
        content = rng.uniform(0.0, 12.0)
        volume = (density + step) * content / (100.0 - content) / ICE_DENSITY_KG_M3
        traces, samples, _ = survey(seed, Ground(boundary_m, step, volume))
        found = strongest(product(traces, samples))
        if found is None:
            continue
        told = found.reflection_db, found.reflection_sigma_db
        possible = ice_range(*told, density, step_sigma_kg_m3)
        held += possible.low_wt_percent <= content <= possible.high_wt_percent
        widths.append(possible.width_wt_percent)
    return Bounded(held, len(widths), float(np.median(widths)))


Row = tuple[str, float, tuple[float, float], str]


def judged(seeds: range) -> list[Row]:
    """Return rows of (what, found, bounds, of how many)."""
    surveyed = errors(seeds)
    rows: list[Row] = []
    for what, values in (("depth", surveyed.depth), ("reflection", surveyed.reflection)):
        spread = scores.coverage(values)
        for k, (count, limit) in enumerate(
            zip(spread.within, scores.sigma_bounds(spread.number), strict=True), 1
        ):
            rows.append((f"{what} within {k} sigma", count, limit, f"of {spread.number}"))
        rows.append((f"{what}: rms of error over sigma", spread.rms,
                     scores.rms_bounds(spread.number), ""))  # fmt: skip
    rows.append(
        ("sigma of depth over depth, greatest", surveyed.depth_sigma_m.max(), (0, 0.05), "")
    )
    dense, icy = twins(seeds)
    for name in ("reflection_db", "depth_m"):
        pair = [[getattr(each, name) for each in side] for side in (dense, icy)]
        likely = float(ks_2samp(*pair).pvalue)
        rows.append(
            (f"denser or icy: probability that {name} is of one law", likely, (0.01, 1), "")
        )
    ambiguous, control = bounded(seeds, 100.0), bounded(seeds, 0.0)
    for what, each in (("ice or density", ambiguous), ("ice alone", control)):
        least = math.ceil(0.9 * each.number)
        rows.append((f"{what}: ice in its 95 % range", each.held, (least, each.number),
                     f"of {each.number} seen"))  # fmt: skip
    ratio = ambiguous.width_wt_percent / control.width_wt_percent
    rows.append(("width of the range, ice or density over ice alone", ratio, (2.0, math.inf), ""))
    rows.append(("picks of layers where there are none", false_layers(seeds), (0, len(seeds) // 25),
                 f"in {2 * len(seeds)} m"))  # fmt: skip
    return rows


def anchor_rows() -> list[tuple[str, str, str, str]]:
    """Return the radar's model beside published numbers that it was not fitted to."""
    depth = np.arange(0.0, 3.001, 0.002)
    density = density_carrier_kg_m3(depth)
    soil = Soil.of(depth, permittivity(density), loss_tangent(density))
    rows = []
    cores = "integral over the densities of Carrier et al. 1991, 1.919 to their power"
    for depth_m, delay_ns in ((0.1, 1.06), (0.5, 5.67), (1.0, 11.66), (1.5, 17.74)):
        model = float(soil.at(np.array(depth_m))[0])
        rows.append((f"two-way time to {depth_m:g} m (ns)", f"{model:.2f}", f"{delay_ns:g}", cores))
    even = Soil.of(np.array([0.0, 1.0]), np.full(2, permittivity(1700.0)),
                   np.full(2, loss_tangent(1700.0)))  # fmt: skip
    model = 8.686 * 3.0 * float(even.loss_np_per_ghz[-1])
    rows.append(("attenuation at 3 GHz, 1.7 g/cm3 (dB/m)", f"{model:.2f}", "1.37",
                 "Lunar Sourcebook, FeO + TiO2 of 5 %"))  # fmt: skip
    for content, decibels in ((1.2, -46), (5.8, -32), (19.8, -21)):
        model = 20.0 * math.log10(-float(reflection_of(1700.0, 0.0, content)))
        rows.append((f"reflection of dry soil on {content:g} wt% of ice (dB)", f"{model:.1f}",
                     str(decibels), "CRIM at 1.7 g/cm3 by hand"))  # fmt: skip
    model = 20.0 * math.log10(-float(reflection_of(1600.0, 100.0, 0.0)))
    rows.append(("reflection of 1.6 on 1.7 g/cm3, dry (dB)", f"{model:.1f}", "-36", "by hand"))
    for depth_m, gain_db in ((0.5, 5.7), (1.5, 8.0)):
        delay, spread, *_ = soil.at(np.array(depth_m))
        optical = 0.3 + 0.5 * LIGHT_M_NS * float(delay)
        model = 20.0 * math.log10(optical / (0.3 + float(spread)))
        rows.append((f"gain by refraction at {depth_m:g} m (dB)", f"{model:.1f}", f"{gain_db:g}",
                     "ray tube at normal incidence"))  # fmt: skip
    return rows
