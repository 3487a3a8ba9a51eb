# SPDX-License-Identifier: Apache-2.0
"""A seeded, invented site on the ridge between the craters Shackleton and de Gerlache.

The ground is a random field whose power spectrum is that of the real south polar highlands, on
three nested grids: 200 m to beyond 100 km, 10 m to 8 km, and the finest, about the origin. Each
grid is the next coarser one, interpolated, plus the detail that only it resolves.

Spectrum: fitted between wavelengths of 20 and 400 m to a LOLA elevation model of 5 m pixels near
Shoemaker crater (NASA PGDA product 78, Barker et al. 2021, doi:10.1016/j.pss.2020.105119): best
plane removed, Hann window, mean over rings of equal wavelength; two straight lines in the logs,
shifted until eight synthetic sites, measured alike, have the crop's spectrum. Below 20 m the Hurst
exponent is 0.75, above 400 m 0.95 (Rosenburg et al. 2011, doi:10.1029/2010JE003716) up to an outer
scale that is assumed. Slopes have heavier tails than a Gaussian field's; so roughness varies from
place to place, by an amount set on the histogram of slopes over 5 m. Landing sites come out
smoother than the crop, which holds a crater's wall: with the mean tilt removed, its slopes have a
median of 3.8 and a 95th percentile of 12.3 deg, eight sites 3.3 and 8.7 at relief scale 1, 5.1 and
15.4 at 1.8.

Ridge: a rounded ridge carries the site over its surroundings. Its height, and the hill on it
that becomes the origin, are chosen so that at 2 m over the origin the mean lit part of the Sun's
disc over 2028 is about 93 %, and the longest time with less than half the disc about 4 days, as
Glaser et al. 2014 (doi:10.1016/j.icarus.2014.08.013) found there: 92 %, 3 to 5 days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache

import numpy as np
from scipy import fft

from lupex_nodes.models import ephemeris
from lupex_nodes.models.craters import FRESH, crater_spectrum_m4, dig, draw_craters
from lupex_nodes.models.illumination import dark_spells, lit_fractions
from lupex_nodes.models.rocks import draw_rocks
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.terrain import MOON_RADIUS_M, Terrain, catmull_rom

LATITUDE_DEG, LONGITUDE_DEG = -89.45, 222.7
EYE_HEIGHT_M = 2.0

#: wavelengths in m and the spectrum there, m2 per (cycle/m)^2; straight in the logs between them
FITTED_M, FITTED_M4 = (20.0, 100.0, 400.0), (0.46, 220.0, 2.2e5)
HURST_BELOW, HURST_ABOVE, OUTER_SCALE_M = 0.75, 0.95, 50_000.0
#: of the logarithm of roughness, in patches wider than `_PATCH_M`
ROUGHNESS_SIGMA, _PATCH_M = 0.55, 500.0

#: what the ridge takes off the relief wider than a kilometre on its top
RIDGE_SMOOTHING = 0.9

#: a lander comes down where it is smooth: what that takes off the detail around the origin
LANDING_SMOOTHING, LANDING_SITE_M = 0.8, 100.0

_LIT_WANTED, _LIT_TOLERANCE = 0.93, 0.03
_DARK_WANTED_DAYS, _DARK_TOLERANCE_DAYS = 4.0, 0.9

_FAR_PIXEL_M, _FAR_NODES = 200.0, 1125  # a fast length for FFTs; 112 km each way
_MIDDLE_PIXEL_M, _MIDDLE_NODES = 10.0, 1621
_ROUGHNESS_PIXEL_M, _ROUGHNESS_NODES = 100.0, 169
_CROSSOVER_PIXELS = 5.0  # a grid leaves wavelengths of fewer pixels to the next finer one
_RIDGE_HALF_WIDTHS_M, _RIDGE_ROUNDING = (36_000.0, 18_000.0), 0.15
_BROAD_M = 5_000.0
_CANDIDATE_BLOCK_M, _CANDIDATES_REACH_M = 200.0, 1600.0
_CANDIDATES, _ROUGH = 100, 1.5
# Landers ask for about 10 deg; a slope across both axes may be 1.4 times as steep.
_LANDING_SLOPE_DEG = 10.0
_VIEW_AZIMUTHS = 240
_HIGHEST_RIDGE_M = 5000.0
#: the smallest crater that a grid can draw: the finest one in few pixels, the others well
_CRATER_PIXELS, _COARSE_CRATER_PIXELS, _LARGEST_CRATER_M = 4.0, 6.0, 20_000.0
_HEIGHT_QUANTUM_M = 2.0**-13  # hides the last-bit differences between FFT builds


@dataclass(frozen=True)
class Daylight:
    """Of a place over the year 2028: mean lit part of the disc, longest time under half of it."""

    lit_share: float
    longest_dark_days: float


def target_spectrum_m4(cycles_per_m: np.ndarray) -> np.ndarray:
    """Return the power spectral density of heights, m2 per (cycle/m)^2, at relief scale 1."""
    length_m = 1.0 / np.maximum(np.asarray(cycles_per_m, dtype=float), 1e-12)
    fitted = np.exp(np.interp(np.log(length_m), np.log(FITTED_M), np.log(FITTED_M4)))
    below = np.minimum(length_m / FITTED_M[0], 1.0) ** (2.0 * HURST_BELOW + 2.0)
    slope = 2.0 * HURST_ABOVE + 2.0
    above = np.maximum(length_m / FITTED_M[-1], 1.0) ** slope
    return fitted * below * above / (1.0 + (length_m / OUTER_SCALE_M) ** slope)


def synthetic_site(
    seed: int,
    size_m: float = 400.0,
    pixel_m: float = 1.0,
    *,
    relief_scale: float = 1.0,
    crater_density: float = 0.0,
    rock_abundance: float = 0.0,
) -> SiteTerrain:
    """Return the site of a seed; the same arguments give the same bytes.

    `size_m` and `pixel_m` are those of the finest grid. `relief_scale` multiplies the relief of
    wavelengths up to a kilometre, and below 1 all of it but the ridge; 0 is a plain.
    `crater_density` counts in the population of `craters_above`; the noise gives up the power that
    craters bring, so the spectrum stays up to a density of about 0.05 relief_scale^2, where craters
    alone have nearly all of it; more of them make rougher ground. `rock_abundance` is k of
    `rocks_above`.
    """
    count = 2 * round(0.5 * size_m / pixel_m) + 1 if pixel_m > 0 else 0
    if not 5 <= count <= 8193:
        raise ValueError(
            f"synthetic terrain of {size_m} m in pixels of {pixel_m} m has {count} nodes a side:"
            " choose from 5 to 8193"
        )
    if not (0.0 <= relief_scale <= 4.0 and 0.0 <= crater_density <= 1.0):
        raise ValueError(
            f"synthetic terrain with relief scale {relief_scale} and crater density"
            f" {crater_density}: the scale must lie in 0..4 and the density in 0..1"
        )
    around = _surroundings(seed, relief_scale, crater_density)
    finest_m, fresh = _finest(seed, around, count, pixel_m, relief_scale, crater_density)
    zero_m = finest_m[count // 2, count // 2]
    first_m = _first(count, pixel_m)
    levels = [Terrain(_above(finest_m, zero_m), pixel_m, first_m, first_m)]
    for heights_m, pixel in (
        (around.middle_m, _MIDDLE_PIXEL_M), (around.far_m, _FAR_PIXEL_M)
    ):
        x0_m, y0_m = (_first(len(heights_m), pixel) - place for place in around.origin)
        levels.append(Terrain(_above(heights_m, zero_m), pixel, x0_m, y0_m))
    rocks = draw_rocks(
        _generator(seed, _Stream.ROCKS), rock_abundance, (count - 1) * pixel_m, fresh
    )
    return SiteTerrain(tuple(levels), rocks)


def daylight(azimuth_horizon_deg: np.ndarray) -> Daylight:
    """Return the daylight of 2028 under a horizon given at even azimuths from north, degrees."""
    times_s, azimuth_deg, elevation_deg = _sun_of_2028()
    count = azimuth_horizon_deg.size
    closed = np.append(azimuth_horizon_deg, azimuth_horizon_deg[0])
    horizon_deg = np.interp(azimuth_deg * (count / 360.0), np.arange(count + 1), closed)
    lit = lit_fractions(elevation_deg, horizon_deg)
    longest_s = max((end - start for start, end in dark_spells(lit, times_s)), default=0.0)
    return Daylight(float(lit.mean()), longest_s / 86400.0)


@lru_cache(maxsize=1)
def _sun_of_2028() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    times_s = np.arange(0.0, 366 * 86400.0, 7200.0)
    first_ns = int(datetime(2028, 1, 1, tzinfo=UTC).timestamp()) * 10**9
    sun = ephemeris.sun(
        first_ns + (times_s * 1e9).astype(np.int64), LATITUDE_DEG, LONGITUDE_DEG
    )
    return times_s, sun.azimuth_deg, sun.elevation_deg


def _first(nodes: int, pixel_m: float) -> float:
    return -(nodes // 2) * pixel_m


def _above(heights_m: np.ndarray, zero_m: float) -> np.ndarray:
    """Return heights over a zero, rounded."""
    above_m = heights_m - zero_m
    above_m /= _HEIGHT_QUANTUM_M
    np.round(above_m, out=above_m)
    above_m *= _HEIGHT_QUANTUM_M
    return above_m


@dataclass(frozen=True)
class _Surroundings:
    """The two outer grids about the ridge's middle, where the origin lies in them, roughness."""

    far_m: np.ndarray
    middle_m: np.ndarray
    roughness: np.ndarray
    origin: tuple[float, float]


class _Stream(IntEnum):
    """What is drawn from generators of its own, so that more of one leaves the others alone."""

    FAR, MIDDLE, FINEST, RIDGE, ROUGHNESS, FAR_CRATERS, MIDDLE_CRATERS, CRATERS, ROCKS = range(9)


def _generator(seed: int, stream: _Stream) -> np.random.Generator:
    return np.random.default_rng([seed, stream])


@lru_cache(maxsize=4)
def _surroundings(seed: int, relief_scale: float, crater_density: float) -> _Surroundings:
    n, pixel_m = _FAR_NODES, _FAR_PIXEL_M
    ridge = _Ridge(_generator(seed, _Stream.RIDGE).uniform(0.0, math.pi))
    at_m = _first(n, pixel_m) + np.arange(n) * pixel_m
    far_m = _highest_in_the_middle(_noise(
        _generator(seed, _Stream.FAR), n, n, pixel_m, min(relief_scale, 1.0), crater_density,
        math.inf,
    ))  # fmt: skip
    far_m *= 1.0 - RIDGE_SMOOTHING * ridge(at_m[None, :], at_m[:, None])
    if crater_density > 0.0:
        dig(far_m, pixel_m, draw_craters(
            _generator(seed, _Stream.FAR_CRATERS), crater_density, _COARSE_CRATER_PIXELS * pixel_m,
            _LARGEST_CRATER_M, n * pixel_m,
        ))  # fmt: skip
    n, fine_m = _MIDDLE_NODES, _MIDDLE_PIXEL_M
    roughness = _roughness(_generator(seed, _Stream.ROUGHNESS))
    nodes_m = _first(n, fine_m) + np.arange(n) * fine_m
    detail_m = _noise(
        _generator(seed, _Stream.MIDDLE), n, n, fine_m, relief_scale, crater_density, pixel_m
    )
    detail_m *= _interpolated(roughness, nodes_m, nodes_m, _ROUGHNESS_PIXEL_M)
    if crater_density > 0.0:
        dig(detail_m, fine_m, draw_craters(
            _generator(seed, _Stream.MIDDLE_CRATERS), crater_density,
            _COARSE_CRATER_PIXELS * fine_m, _COARSE_CRATER_PIXELS * pixel_m, n * fine_m,
        ))  # fmt: skip
    middle_m = detail_m * _fade(n) + _interpolated(far_m, nodes_m, nodes_m, pixel_m)
    origin, height_m = (0.0, 0.0), 0.0
    if relief_scale > 0.0:
        origin, height_m = _origin(far_m, middle_m, roughness, ridge)
    for heights_m, pixel in ((far_m, pixel_m), (middle_m, fine_m)):
        at_m = _first(len(heights_m), pixel) + np.arange(len(heights_m)) * pixel
        heights_m += height_m * ridge(at_m[None, :] - origin[0], at_m[:, None] - origin[1])
    return _Surroundings(far_m, middle_m, roughness, origin)


def _finest(
    seed: int,
    around: _Surroundings,
    count: int,
    pixel_m: float,
    relief_scale: float,
    crater_density: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Heights of the finest grid about the origin, and the fresh craters in it."""
    at_m = _first(count, pixel_m) + np.arange(count) * pixel_m
    x_m, y_m = (at_m + place for place in around.origin)
    wide = fft.next_fast_len(count + math.ceil(4.0 * _CROSSOVER_PIXELS * _MIDDLE_PIXEL_M / pixel_m))
    detail_m = _noise(
        _generator(seed, _Stream.FINEST), count, wide, pixel_m, relief_scale, crater_density,
        _MIDDLE_PIXEL_M, finest=True,
    )  # fmt: skip
    detail_m *= _interpolated(around.roughness, x_m, y_m, _ROUGHNESS_PIXEL_M)
    craters = np.empty((0, 4))
    smallest_m, largest_m = _CRATER_PIXELS * pixel_m, _COARSE_CRATER_PIXELS * _MIDDLE_PIXEL_M
    if crater_density > 0.0 and smallest_m < largest_m:
        craters = draw_craters(
            _generator(seed, _Stream.CRATERS), crater_density, smallest_m, largest_m,
            count * pixel_m,
        )  # fmt: skip
        dig(detail_m, pixel_m, craters)
    fade = _fade(count)
    for row, away_m in enumerate(at_m.tolist()):
        away = np.hypot(at_m, away_m) / LANDING_SITE_M
        detail_m[row] *= (1.0 - LANDING_SMOOTHING * np.exp(-(away**2))) * fade[row]
    del fade
    detail_m += _interpolated(around.middle_m, x_m, y_m, _MIDDLE_PIXEL_M)
    return detail_m, craters[craters[:, 3] >= FRESH * craters[:, 2]]


def _noise(
    rng: np.random.Generator,
    count: int,
    wide: int,
    pixel_m: float,
    relief_scale: float,
    crater_density: float,
    coarser_pixel_m: float,
    finest: bool = False,
) -> np.ndarray:
    """Gaussian field of the grid's own band, shape (count, count), cut from a periodic one.

    What craters bring is taken off the target, so that both together have its spectrum; at least
    a tenth stays, where a dense population alone has more than the target.
    """
    along = np.geomspace(0.5 / (wide * pixel_m), 1.0 / pixel_m, 400)
    wanted = relief_scale**2 * target_spectrum_m4(along)
    if crater_density > 0.0:
        brought = crater_spectrum_m4(along, crater_density, 1.0, _LARGEST_CRATER_M)
        wanted = np.maximum(wanted - brought, 0.1 * wanted)
    if math.isfinite(coarser_pixel_m):
        wanted *= 1.0 - _low_pass(along, coarser_pixel_m)
    if not finest:
        wanted *= _low_pass(along, pixel_m)
    # In place where it can be: an array of a site of 2 km has 40 MB.
    white = fft.rfft2(rng.standard_normal((wide, wide)))
    amplitude = np.hypot(
        np.fft.fftfreq(wide, pixel_m)[:, None], np.fft.rfftfreq(wide, pixel_m)[None, :]
    )
    np.log(np.maximum(amplitude, along[0], out=amplitude), out=amplitude)
    known, half_power = np.log(along), 0.5 * np.log(np.maximum(wanted, 1e-30))
    for row in amplitude:
        row[:] = np.interp(row, known, half_power)
    np.exp(amplitude, out=amplitude)
    amplitude /= pixel_m
    amplitude[0, 0] = 0.0
    white *= amplitude
    del amplitude
    # irfft2 of the rows that are wanted
    white = fft.ifft(white, axis=0, norm="forward", overwrite_x=True)
    field = fft.irfft(white[:count], wide, axis=1, norm="forward")
    del white
    return field[:, :count] * (1.0 / wide**2)


def _highest_in_the_middle(field_m: np.ndarray) -> np.ndarray:
    """Shift a periodic field so that its highest broad rise is in the middle, at height 0."""
    count = len(field_m)
    k = np.hypot(np.fft.fftfreq(count)[:, None], np.fft.rfftfreq(count)[None, :])
    broad = np.exp(-0.5 * (2.0 * np.pi * k * _BROAD_M / _FAR_PIXEL_M) ** 2)
    smooth_m = fft.irfft2(fft.rfft2(field_m) * broad, s=field_m.shape)
    row, column = np.unravel_index(smooth_m.argmax(), field_m.shape)
    shift = (count // 2 - row, count // 2 - column)
    return np.roll(field_m - smooth_m.max(), shift, axis=(0, 1))


def _low_pass(cycles_per_m: np.ndarray, pixel_m: float) -> np.ndarray:
    """Share of the power that a grid of this pixel carries."""
    return 1.0 / (1.0 + (cycles_per_m * _CROSSOVER_PIXELS * pixel_m) ** 8)


def _roughness(rng: np.random.Generator) -> np.ndarray:
    """Factor on the detail, lognormal with mean square 1, smooth over `_PATCH_M`."""
    n = _ROUGHNESS_NODES
    k = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None, :])
    smooth = np.exp(-((k * _PATCH_M / _ROUGHNESS_PIXEL_M) ** 2))
    field = fft.irfft2(fft.rfft2(rng.standard_normal((n, n))) * smooth, s=(n, n))
    return np.exp(ROUGHNESS_SIGMA * field / field.std() - ROUGHNESS_SIGMA**2)


def _fade(count: int) -> np.ndarray:
    """1 inside, 0 at the two nodes next to the edge, smooth over a tenth of the side."""
    edge = np.minimum(np.arange(count), np.arange(count)[::-1])
    one = np.clip((edge - 2.0) / (0.1 * count), 0.0, 1.0)
    one = one * one * (3.0 - 2.0 * one)
    return one[:, None] * one[None, :]


def _interpolated(
    coarse_m: np.ndarray, x_m: np.ndarray, y_m: np.ndarray, pixel_m: float
) -> np.ndarray:
    """Bicubic values of a grid about the origin, shape (y, x)."""
    first_m = _first(len(coarse_m), pixel_m)
    columns, across = _weights_of((x_m - first_m) / pixel_m)
    rows, along = _weights_of((y_m - first_m) / pixel_m)
    return along @ coarse_m[rows, columns] @ across.T


def _weights_of(position: np.ndarray) -> tuple[slice, np.ndarray]:
    """The nodes that positions in a grid need, and their Catmull-Rom weights, (position, node)."""
    node = np.floor(position).astype(int)
    first, last = int(node.min()) - 1, int(node.max()) + 3
    matrix = np.zeros((position.size, last - first))
    row = np.arange(position.size)
    for k, weight in enumerate(catmull_rom(position - node)):
        matrix[row, node - 1 - first + k] = weight
    return slice(first, last), matrix


@dataclass(frozen=True)
class _Ridge:
    """An elliptic swell of height 1 about the origin, rounded on top, with even flanks."""

    turn: float

    def __call__(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        c, s = math.cos(self.turn), math.sin(self.turn)
        long_m, short_m = _RIDGE_HALF_WIDTHS_M
        squared = ((c * x_m + s * y_m) / long_m) ** 2 + ((c * y_m - s * x_m) / short_m) ** 2
        return np.exp(_RIDGE_ROUNDING - np.sqrt(_RIDGE_ROUNDING**2 + squared))


def _origin(
    far_m: np.ndarray, middle_m: np.ndarray, roughness: np.ndarray, ridge: _Ridge
) -> tuple[tuple[float, float], float]:
    """Choose the origin among the hills and the ridge's height in metres.

    The first smooth hill, by height, on which some height of the ridge gives the daylight wanted;
    else the hill that comes nearest to it.
    """
    site = SiteTerrain((
        Terrain(middle_m, _MIDDLE_PIXEL_M, *2 * (_first(_MIDDLE_NODES, _MIDDLE_PIXEL_M),)),
        Terrain(far_m, _FAR_PIXEL_M, *2 * (_first(_FAR_NODES, _FAR_PIXEL_M),)),
    ))  # fmt: skip
    best: tuple[tuple[float, float], float] = (0.0, 0.0), 0.0
    nearest = math.inf
    for x_m, y_m in _hills(middle_m, roughness):
        view = _View(site, x_m, y_m, ridge)
        heights_m = [_HIGHEST_RIDGE_M]
        if view.daylight(_HIGHEST_RIDGE_M).lit_share >= _LIT_WANTED - 0.8 * _LIT_TOLERANCE:
            low_m, high_m = (
                view.ridge_for(_LIT_WANTED + side * _LIT_TOLERANCE) for side in (-0.8, 0.8)
            )
            heights_m = np.linspace(low_m, high_m, 6).tolist()
        for height_m in heights_m:
            # a spell must not hang on a gleam that the finest grid's detail can take away
            miss = max(_miss(view.daylight(height_m, lift)) for lift in (0.0, -0.06, 0.06))
            if miss < nearest:
                best, nearest = ((x_m, y_m), height_m), miss
            if miss <= 1.0:
                return best
    return best


def _miss(found: Daylight) -> float:
    """How far a daylight is from the wanted one, 1 at the end of what is accepted."""
    return max(
        abs(found.longest_dark_days - _DARK_WANTED_DAYS) / _DARK_TOLERANCE_DAYS,
        abs(found.lit_share - _LIT_WANTED) / _LIT_TOLERANCE,
    )


def _hills(middle_m: np.ndarray, roughness: np.ndarray) -> list[tuple[float, float]]:
    """The highest node of each block near the middle where one can land, smooth and high first."""
    side = round(_CANDIDATE_BLOCK_M / _MIDDLE_PIXEL_M)
    blocks = round(2.0 * _CANDIDATES_REACH_M / _CANDIDATE_BLOCK_M)
    first = _MIDDLE_NODES // 2 - blocks * side // 2
    part = middle_m[first : first + blocks * side, first : first + blocks * side]
    per_block = part.reshape(blocks, side, blocks, side).swapaxes(1, 2).reshape(-1, side * side)
    order = np.argsort(-per_block.max(axis=1), kind="stable")[:_CANDIDATES]
    row, column = np.unravel_index(per_block[order].argmax(axis=1), (side, side))
    rows = (order // blocks) * side + row
    columns = (order % blocks) * side + column
    x_m, y_m = ((index + first - _MIDDLE_NODES // 2) * _MIDDLE_PIXEL_M for index in (columns, rows))
    middle, pixel_m = _ROUGHNESS_NODES // 2, _ROUGHNESS_PIXEL_M
    at = (np.round(place / pixel_m).astype(int) + middle for place in (y_m, x_m))
    order = np.argsort(roughness[tuple(at)] > _ROUGH, kind="stable")
    gentle = ~_steep(middle_m, rows[order] + first, columns[order] + first)
    order = order[gentle] if gentle.any() else order
    return list(zip(x_m[order].tolist(), y_m[order].tolist(), strict=True))


def _steep(middle_m: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return at which nodes a slope of the ground on which lander and rover come to stand is steep.

    That is within two pixels, the way of the rover from its ramp.
    """
    near = np.arange(-2, 3)
    around_m = middle_m[
        rows[:, None, None] + near[:, None], columns[:, None, None] + near[None, :]
    ]
    slopes = [np.diff(around_m, axis=axis) / _MIDDLE_PIXEL_M for axis in (1, 2)]
    steepest = np.max([np.abs(each).max(axis=(1, 2)) for each in slopes], axis=0)
    return np.asarray(steepest > math.tan(math.radians(_LANDING_SLOPE_DEG)))


class _View:
    """What an eye over a hill sees for any height of the ridge."""

    def __init__(self, site: SiteTerrain, x_m: float, y_m: float, ridge: _Ridge) -> None:
        azimuth = np.radians(np.arange(_VIEW_AZIMUTHS) * 360.0 / _VIEW_AZIMUTHS)
        distance_m = np.geomspace(15.0, _FAR_PIXEL_M * (_FAR_NODES // 2 - 30), 200)
        x = x_m + np.sin(azimuth)[:, None] * distance_m
        y = y_m + np.cos(azimuth)[:, None] * distance_m
        self._radius_m = MOON_RADIUS_M + site.ground(x.reshape(-1), y.reshape(-1)).reshape(x.shape)
        self._eye_m = MOON_RADIUS_M + site.height_at(x_m, y_m) + EYE_HEIGHT_M
        self._ridge = ridge(x - x_m, y - y_m)
        angle = distance_m / MOON_RADIUS_M
        self._cosine, self._sine = np.cos(angle), np.sin(angle)

    def daylight(self, ridge_m: float, lift_deg: float = 0.0) -> Daylight:
        radius_m = self._radius_m + ridge_m * self._ridge
        eye_m = self._eye_m + ridge_m
        rise = (self._cosine - eye_m / radius_m) / self._sine
        return daylight(np.degrees(np.arctan(rise.max(axis=1))) + lift_deg)

    def ridge_for(self, lit_share: float) -> float:
        """The ridge's height that lights the eye for a share of the year, by bisection."""
        low_m, high_m = 0.0, _HIGHEST_RIDGE_M
        while high_m - low_m > 20.0:
            middle_m = 0.5 * (low_m + high_m)
            if self.daylight(middle_m).lit_share < lit_share:
                low_m = middle_m
            else:
                high_m = middle_m
        return high_m
