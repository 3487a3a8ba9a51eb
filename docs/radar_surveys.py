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
from lupex_nodes.models.radar import Rocks, Soil, Sounder, layer_echoes, reflection, surface_echo
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
    """The layer that most cells of a section share; m, dB."""

    depth_m: float
    depth_sigma_m: float
    reflection_db: float
    reflection_sigma_db: float


def strongest(made: RadarSection) -> Interface | None:
    """Return the layer with most reflected power over all cells, None without any."""
    layer = (made.pick_quality & int(Quality.ISOLATED)) == 0
    if not layer.any():
        return None
    depth, power = made.pick_depth_m[layer], 10.0 ** (0.1 * made.pick_reflection_db[layer])
    near = np.abs(np.subtract.outer(depth, depth)) < 0.04
    mine = near[int((near @ power).argmax())]
    return Interface(
        float(np.median(depth[mine])),
        float(np.median(made.pick_depth_sigma_m[layer][mine])),
        float(np.median(made.pick_reflection_db[layer][mine])),
        float(np.median(made.pick_reflection_sigma_db[layer][mine])),
    )


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
    rows.append(("picks of layers where there are none", false_layers(seeds), (0, len(seeds) // 25),
                 f"in {2 * len(seeds)} m"))  # fmt: skip
    return rows
