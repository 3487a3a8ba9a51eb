# SPDX-License-Identifier: Apache-2.0
"""The radar's echoes beside published numbers, exact solutions and searches by brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.special import spherical_jn, spherical_yn

from lupex_nodes.models.radar import (
    LIGHT_M_NS,
    Rocks,
    Soil,
    Sounder,
    coherence,
    layer_echoes,
    reflection,
    refracted_path,
    sphere_cross_section_m2,
    surface_echo,
)
from lupex_nodes.models.radar_receiver import (
    FULL_CODE,
    FULL_SCALE_DB,
    ReceiverState,
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

SOUNDER = Sounder()


def soil_of_cores(deepest_m=3.0, step_m=0.002):
    depth = np.arange(0.0, deepest_m + 0.5 * step_m, step_m)
    density = density_carrier_kg_m3(depth)
    return Soil.of(depth, permittivity(density), loss_tangent(density))


@pytest.mark.parametrize(
    ("depth_m", "delay_ns"),
    [(0.1, 1.06), (0.3, 3.33), (0.5, 5.67), (1.0, 11.66), (1.5, 17.74), (3.0, 36.2)],
)
def test_two_way_times_are_those_of_the_apollo_cores(depth_m, delay_ns):
    """Carrier's densities with 1.919^rho: the integral of the index, worked out apart."""
    assert soil_of_cores().at(depth_m)[0] == pytest.approx(delay_ns, abs=0.045)


@pytest.mark.parametrize(
    ("density_g_cm3", "at_1_ghz", "at_3_ghz"),
    [(1.1, 0.24, 0.73), (1.5, 0.37, 1.11), (1.7, 0.46, 1.37)],
)
def test_attenuation_is_that_of_the_lunar_sourcebook(density_g_cm3, at_1_ghz, at_3_ghz):
    """dB/m one way, highland soil at room temperature."""
    density = np.full(2, 1000.0 * density_g_cm3)
    soil = Soil.of(np.array([0.0, 1.0]), permittivity(density), loss_tangent(density))
    decibels = 8.686 * soil.loss_np_per_ghz[-1]
    assert decibels == pytest.approx(at_1_ghz, abs=0.006)
    assert 3.0 * decibels == pytest.approx(at_3_ghz, abs=0.016)


@pytest.mark.parametrize(
    ("fill", "decibels"), [(0.05, -46), (0.10, -40), (0.25, -32), (0.50, -27), (1.0, -21)]
)
def test_reflection_of_dry_on_icy_soil(fill, decibels):
    """By CRIM at 1.7 g/cm3, a share of its pores of 0.45 filled."""
    dry = permittivity(1700.0)
    gamma = reflection(math.sqrt(dry), np.sqrt(icy_permittivity(dry, 0.45 * fill)))
    assert 20.0 * math.log10(-gamma) == pytest.approx(decibels, abs=0.6)


def test_reflection_of_a_step_of_density():
    gamma = reflection(math.sqrt(permittivity(1600.0)), math.sqrt(permittivity(1700.0)))
    assert 20.0 * math.log10(-gamma) == pytest.approx(-36.0, abs=0.3)


@pytest.mark.parametrize(("depth_m", "gain_db"), [(0.5, 5.7), (1.5, 8.0)])
def test_refraction_makes_echoes_stronger_than_the_optical_range_says(depth_m, gain_db):
    soil = soil_of_cores()
    optical = SOUNDER.height_m + 0.5 * LIGHT_M_NS * soil.at(depth_m)[0]
    spread = SOUNDER.height_m + soil.at(depth_m)[1]
    assert 20.0 * math.log10(optical / spread) == pytest.approx(gain_db, abs=0.25)


def test_the_spreading_range_is_that_of_a_tube_of_rays():
    """Two rays a small angle apart, by Snell's law through 750 layers: how far they part."""
    soil, angle = soil_of_cores(1.5), 1e-4
    index = 0.5 * (soil.index[1:] + soil.index[:-1])
    aside = SOUNDER.height_m * math.tan(angle)
    aside += float(np.sum(np.diff(soil.depth_m) * np.tan(np.arcsin(math.sin(angle) / index))))
    assert SOUNDER.height_m + soil.range_m[-1] == pytest.approx(aside / angle, rel=1e-4)


def plane_waves(soil, frequency_ghz):
    """All reflections of plane waves, by recursion over the layers from below (exact)."""
    back = np.zeros(frequency_ghz.size, complex)
    index = 0.5 * (soil.index[1:] + soil.index[:-1])
    thickness = np.diff(soil.depth_m)
    index, thickness = index[thickness > 0.0], thickness[thickness > 0.0]
    gamma = 0.0
    for row in range(index.size - 1, -1, -1):
        turn = np.exp(-4j * math.pi * frequency_ghz * index[row] * thickness[row] / LIGHT_M_NS)
        back = turn * (gamma + back) / (1.0 + gamma * back)
        above = index[row - 1] if row else 1.0
        gamma = float(reflection(above, index[row]))
    return (gamma + back) / (1.0 + gamma * back)


def test_echoes_are_the_exact_solution_of_plane_waves_to_first_order():
    """Without spreading (a far antenna) and loss, in a range profile: layers and gradient."""
    far = Sounder(height_m=1e5)
    depth = np.sort(np.append(np.arange(0.0, 2.0005, 0.001), [0.5, 1.2]))
    density = density_carrier_kg_m3(depth) + 150.0 * (np.arange(depth.size) > 500.5)
    density -= 80.0 * (np.arange(depth.size) > np.searchsorted(depth, 1.2))
    soil = Soil.of(depth, permittivity(density), np.zeros_like(depth))
    ours = (surface_echo(far, soil, 0.0) + layer_echoes(far, soil)) / far.spreading_m
    ours = ours * far.height_m * np.conj(far.tones(np.array(far.surface_ns)))
    window = np.hanning(far.steps)
    profiles = [
        np.abs(np.fft.ifft(values * window, 4096)) * 4096 / window.sum()
        for values in (ours, plane_waves(soil, far.frequency_ghz))
    ]
    delay = np.arange(4096) / 4096 / far.step_ghz
    first = delay < soil.delay_ns[-1] - 1.0
    error = np.abs(profiles[0] - profiles[1])[first]
    echo = profiles[1][np.abs(delay - soil.at(0.5)[0]) < 0.2].max()
    # echoes of echoes are what is left: below a twentieth of the boundary
    assert echo > 0.01
    assert error.max() < 0.05 * echo


def test_a_tone_is_its_exponential():
    delay, loss = np.array([0.0, 3.3, 17.74]), np.array([0.0, 0.01, 0.1])
    exact = np.exp(-np.multiply.outer(2j * math.pi * delay + loss, SOUNDER.frequency_ghz))
    assert np.allclose(SOUNDER.tones(delay, loss), exact, atol=1e-12)


@pytest.mark.parametrize(("band_ghz", "width_cm"), [(1.0, 8.7), (2.0, 4.3), (4.0, 2.2)])
def test_range_resolution_is_that_of_the_band(band_ghz, width_cm):
    """Rayleigh's: the first null of the unweighted profile, at a permittivity of 3."""
    sounder = Sounder(1.0, 1.0 + band_ghz, 801)
    echo = sounder.tones(np.array(20.0))

    def derivative(lag_ns):
        rate = 2j * math.pi * sounder.frequency_ghz
        turned = echo * np.conj(sounder.tones(np.array(20.0 + lag_ns)))
        return 2.0 * float((np.conj(turned.mean()) * (rate * turned).mean()).real)

    null_ns = brentq(derivative, 0.6 / band_ghz, 1.3 / band_ghz)
    assert 100.0 * 0.5 * LIGHT_M_NS * null_ns / math.sqrt(3.0) == pytest.approx(width_cm, rel=0.02)


def mie_backscatter(size, index):
    """Amplitude of backscatter of a dielectric sphere over size/2, whose square is Q.

    Mie's series, Bohren and Huffman 1983, ch. 4.
    """
    n = np.arange(1, int(size + 4.0 * size ** (1 / 3) + 8))
    inside = index * size

    def psi(x, derivative=False):
        j = spherical_jn(n, x)
        return j + x * spherical_jn(n, x, True) if derivative else x * j

    def xi(x, derivative=False):
        h = spherical_jn(n, x) + 1j * spherical_yn(n, x)
        slope = spherical_jn(n, x, True) + 1j * spherical_yn(n, x, True)
        return h + x * slope if derivative else x * h

    a = index * psi(inside) * psi(size, True) - psi(size) * psi(inside, True)
    a = a / (index * psi(inside) * xi(size, True) - xi(size) * psi(inside, True))
    b = psi(inside) * psi(size, True) - index * psi(size) * psi(inside, True)
    b = b / (psi(inside) * xi(size, True) - index * xi(size) * psi(inside, True))
    return np.sum((2 * n + 1) * (-1.0) ** n * (a - b)) / size


def our_efficiency(size, index):
    frequency = np.array([2.0])
    diameter = 2.0 * size * LIGHT_M_NS / (2.0 * math.pi * 2.0)
    sigma = sphere_cross_section_m2([diameter], [1.0], [index], frequency)[0, 0]
    return float(sigma / (math.pi * (0.5 * diameter) ** 2))


def test_small_spheres_scatter_as_mie_says():
    for index in (1.2, 1.5, 2.0):
        exact = abs(mie_backscatter(0.1, index)) ** 2
        assert our_efficiency(0.1, index) == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("index", [1.3, 1.55])
def test_a_rock_returns_its_front_as_mie_says(index):
    """The first arrival of a sphere, by the range profile of Mie's amplitudes.

    What comes later went through a sphere that is clear and round, as no rock is.
    """
    sizes = np.linspace(4.0, 40.0, 401)
    window = np.hanning(sizes.size)
    mie = np.array([mie_backscatter(size, index) for size in sizes])
    path = np.linspace(-3.0, -1.0, 401)  # in radii from the centre, the front at -2
    profiles = [
        np.abs(np.exp(sign * 1j * np.multiply.outer(path, sizes)) @ (mie * window / window.sum()))
        for sign in (-1.0, 1.0)
    ]
    front = max(profiles, key=lambda profile: profile[np.abs(path + 2.0) < 0.1].max())
    assert abs(path[front.argmax()] + 2.0) < 0.05
    ours = math.sqrt(our_efficiency(20.0, index))
    assert ours == pytest.approx(front.max(), rel=0.1)


@pytest.mark.parametrize("away_m", [0.0, 0.2, 1.0, 3.0])
@pytest.mark.parametrize("depth_m", [0.05, 0.5, 1.5])
def test_a_ray_takes_the_quickest_way(away_m, depth_m):
    index = 1.7
    air, ground = refracted_path(np.array([away_m]), 0.3, np.array([depth_m]), np.array([index]))

    def time(crossing):
        return math.hypot(0.3, crossing) + index * math.hypot(depth_m, away_m - crossing)

    best = minimize_scalar(time, bounds=(0.0, away_m + 1e-9), method="bounded",
                           options={"xatol": 1e-10}).fun  # fmt: skip
    assert float(air[0] + index * ground[0]) == pytest.approx(best, abs=2e-4)


def test_a_rock_is_a_hyperbola_when_the_antenna_is_on_the_ground():
    low = Sounder(height_m=1e-3)
    depth, index, x = 0.8, 1.7, np.linspace(-0.6, 0.6, 9)
    soil = Soil.of(np.array([0.0, 2.0]), np.full(2, index**2), np.zeros(2))
    rocks = Rocks.of(low, soil, [0.0], [0.0], [depth], [0.02], [7.0])
    profile = np.abs(
        np.fft.ifft(rocks.echoes(low, x, np.zeros(9)) * np.hanning(301), 16384, axis=1)
    )
    top = profile.argmax(axis=1) / 16384 / low.step_ghz + 2.0 * index * 0.01 / LIGHT_M_NS
    straight = 2.0 * index * depth / LIGHT_M_NS
    hyperbola = np.sqrt(straight**2 + 4.0 * (x * index / LIGHT_M_NS) ** 2)
    assert top == pytest.approx(hyperbola, abs=0.02)


def test_a_point_and_a_plane_return_what_the_radar_equation_says():
    soil = Soil.of(np.array([0.0, 1.0, 1.0, 2.0]), np.array([2.89, 2.89, 3.2, 3.2]), np.zeros(4))
    power = np.abs(layer_echoes(SOUNDER, soil)) ** 2
    wave, gain = LIGHT_M_NS / SOUNDER.frequency_ghz, 10.0**0.3
    first, second = reflection(1.0, 1.7), reflection(1.7, math.sqrt(3.2))
    distance = 0.3 + 1.0 / 1.7
    plane = (gain * wave / (8 * math.pi * distance) * (1 - first**2) * second) ** 2
    assert power == pytest.approx(plane, rel=1e-6)
    rocks = Rocks.of(SOUNDER, soil, [0.0], [0.0], [0.5], [0.2], [7.0])
    point = np.abs(rocks.echoes(SOUNDER, np.zeros(1), np.zeros(1))[0]) ** 2
    sigma = sphere_cross_section_m2([0.2], [1.7], [math.sqrt(7.0)], SOUNDER.frequency_ghz)[0]
    distance = 0.3 + 0.5 / 1.7
    expected = (gain * wave) ** 2 * sigma * (1 - first**2) ** 2
    assert point == pytest.approx(expected / ((4 * math.pi) ** 3 * 1.7**2 * distance**4), rel=1e-6)


def test_roughness_takes_power_by_its_phase():
    sigma, frequency = 0.005, np.array([1.0, 4.0])
    wave = LIGHT_M_NS / frequency
    exact = np.exp(-((4.0 * math.pi * sigma / wave) ** 2))
    assert coherence(frequency, 2.0 * sigma) ** 2 == pytest.approx(exact)


def test_the_receiver_has_its_dynamic_range():
    """Noise in the profile of a sweep, 100 dB below full scale: 14 bits leave it so."""
    rng = np.random.default_rng(1)
    constants = draw_constants(rng, SOUNDER)
    quiet = ReceiverState(phase_noise_deg=0.0)
    codes = received(rng, SOUNDER, constants, quiet, np.zeros((200, 301), complex), np.zeros(200))
    signal = (codes[..., 0] + 1j * codes[..., 1]) / FULL_CODE
    noise = (signal - signal.mean(axis=0)).mean(axis=1)
    assert 10.0 * math.log10(np.mean(np.abs(noise) ** 2)) == pytest.approx(-100.0, abs=1.0)


def test_gain_falls_by_a_tenth_of_a_decibel_in_ten_kelvin():
    def level(kelvin):
        rng = np.random.default_rng(1)
        constants = draw_constants(rng, SOUNDER)
        codes = loop(rng, SOUNDER, constants, ReceiverState(kelvin), 20).astype(float)
        return 10.0 * math.log10(np.mean(codes**2))

    assert level(300.0) - level(290.0) == pytest.approx(-0.1, abs=0.01)


def test_a_strong_direct_wave_saturates_the_converter():
    rng = np.random.default_rng(1)
    constants = draw_constants(rng, SOUNDER)
    echoes = np.zeros((1, 301), complex)
    fine = received(rng, SOUNDER, constants, ReceiverState(), echoes, np.zeros(1))
    strong = received(rng, SOUNDER, constants, ReceiverState(mismatch_db=12.0), echoes, np.zeros(1))
    assert np.abs(fine).max() == pytest.approx(
        FULL_CODE * 10.0 ** ((constants.direct_wave_db - FULL_SCALE_DB) / 20.0), rel=0.2
    )
    assert strong.max() == FULL_CODE and strong.min() == -FULL_CODE - 1
