# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import datetime
import importlib.util
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from lupex_nodes.models import ephemeris

SITE = (-89.45, 222.7)
NS = 10**9


def utc_ns(*date: int) -> int:
    return int(datetime.datetime(*date, tzinfo=datetime.UTC).timestamp()) * NS


YEAR_2028 = utc_ns(2028, 1, 1) + np.arange(0, 366 * 24, 97, dtype=np.int64) * 3600 * NS


def separation_deg(first, second):
    """Great-circle angle between two directions given as (azimuth, elevation) in degrees."""
    vectors = [
        np.stack([np.sin(az) * np.cos(el), np.cos(az) * np.cos(el), np.sin(el)])
        for az, el in (np.radians(first), np.radians(second))
    ]
    return np.degrees(2 * np.arcsin(np.linalg.norm(vectors[0] - vectors[1], axis=0) / 2))


@pytest.fixture(scope="module")
def skyfield_moon():
    api = pytest.importorskip("skyfield.api", reason="skyfield is the independent route")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from skyfield_data import get_skyfield_data_path

        load = api.Loader(get_skyfield_data_path(), verbose=False)
        return load("de421.bsp"), load.timescale(builtin=True)


@pytest.fixture(scope="module")
def mean_earth_frame():
    """MOON_ME with the librations of DE421, read by skyfield from NAIF's own kernels."""
    planetary = pytest.importorskip("skyfield.planetarylib")
    found = importlib.util.find_spec("lunarsky")
    if found is None:
        pytest.skip("lunarsky, which carries NAIF's lunar kernels, is not installed")
    data = Path(found.submodule_search_locations[0]) / "data"
    constants = planetary.PlanetaryConstants()
    with (data / "fk" / "satellites" / "moon_080317.tf").open("rb") as text:
        constants.read_text(text)
    constants.read_binary((data / "pck" / "moon_pa_de421_1900-2050.bpc").open("rb"))
    return constants.build_frame_named("MOON_ME_DE421")


@pytest.mark.parametrize("body", ["sun", "earth"])
def test_agrees_with_skyfield_and_the_kernels_of_naif(skyfield_moon, mean_earth_frame, body):
    planets, timescale = skyfield_moon
    place = planets["moon"] + _place(mean_earth_frame)
    seconds = (YEAR_2028 - utc_ns(2028, 1, 1)) / NS
    apparent = place.at(timescale.utc(2028, 1, 1, 0, 0, seconds)).observe(planets[body]).apparent()
    elevation, azimuth, distance = apparent.altaz()

    ours = getattr(ephemeris, body)(YEAR_2028, *SITE)

    apart = separation_deg((azimuth.degrees, elevation.degrees), ours[:2])
    assert apart.max() < 0.01
    np.testing.assert_allclose(ours.distance_m, distance.m, rtol=1e-6)


def _place(frame):
    from skyfield.planetarylib import PlanetTopos
    from skyfield.toposlib import Distance
    from skyfield.units import Angle

    topos = PlanetTopos.from_latlon_distance(
        frame, Angle(degrees=SITE[0]), Angle(degrees=SITE[1]), Distance(km=1737.4)
    )
    return topos


def test_known_directions_at_the_southern_summer_peak_of_2028():
    start = utc_ns(2028, 10, 4)
    sun, earth = ephemeris.sun(start, *SITE), ephemeris.earth(start, *SITE)
    assert sun.elevation_deg == pytest.approx(1.2, abs=0.1)
    assert earth.elevation_deg == pytest.approx(5.9, abs=0.1)
    assert sun.distance_m == pytest.approx(ephemeris.ASTRONOMICAL_UNIT_M, rel=0.02)
    assert 356e6 < earth.distance_m < 407e6


def test_subsolar_latitude_peaks_with_the_obliquity():
    pole = ephemeris.sun(YEAR_2028, -90.0, 0.0)
    assert np.max(pole.elevation_deg) == pytest.approx(1.57, abs=0.03)
    assert np.min(pole.elevation_deg) == pytest.approx(-1.57, abs=0.03)


def test_height_raises_only_the_parallax():
    low = ephemeris.earth(YEAR_2028[:20], *SITE)
    high = ephemeris.earth(YEAR_2028[:20], *SITE, 10_000.0)
    np.testing.assert_allclose(low.elevation_deg, high.elevation_deg, atol=0.002)
    assert np.all(high.elevation_deg < low.elevation_deg)


def test_scalar_and_array_agree_and_keep_shape():
    epochs = YEAR_2028[:6].reshape(2, 3)
    many = ephemeris.sun(epochs, *SITE)
    assert many.azimuth_deg.shape == (2, 3)
    one = ephemeris.sun(int(epochs[1, 2]), *SITE)
    assert isinstance(one.azimuth_deg, float)
    assert one == pytest.approx(tuple(value[1, 2] for value in many), rel=1e-12)


@pytest.mark.parametrize("site", [SITE, (-90.0, 0.0), (0.0, 0.0), (26.1, 3.6)])
def test_table_interpolates_within_1e_4_deg(site):
    start = utc_ns(2028, 10, 1)
    end = start + 30 * 86400 * NS
    table = ephemeris.table(start, end, 3600.0, *site)
    epochs = np.random.default_rng(1).integers(start, end, 400)
    for body in ("sun", "earth"):
        exact = getattr(ephemeris, body)(epochs, *site)
        fast = np.array([getattr(table, body)(int(epoch)) for epoch in epochs]).T
        assert separation_deg(fast[:2], exact[:2]).max() < 1e-4
        np.testing.assert_allclose(fast[2], exact.distance_m, rtol=1e-8)
    assert table.sun(start) == pytest.approx(ephemeris.sun(start, *site), rel=1e-9)
    assert table.sun(end) == pytest.approx(ephemeris.sun(end, *site), rel=1e-9)


def test_table_query_takes_less_than_ten_microseconds():
    start = utc_ns(2028, 10, 1)
    table = ephemeris.table(start, start + 86400 * NS, 600.0, *SITE)

    def once() -> float:
        begin = time.process_time()
        for second in range(1000):
            table.sun(start + second * NS)
        return (time.process_time() - begin) / 1000

    assert min(once() for _ in range(5)) < 10e-6


def test_bad_requests_are_refused_in_one_sentence():
    start = utc_ns(2028, 10, 1)
    with pytest.raises(ValueError, match="1900 to 2050"):
        ephemeris.sun(utc_ns(2060, 1, 1), *SITE)
    with pytest.raises(ValueError, match="no place on the Moon"):
        ephemeris.sun(start, -91.0, 0.0)
    with pytest.raises(ValueError, match="is empty"):
        ephemeris.table(start, start - NS, 60.0, *SITE)
    table = ephemeris.table(start, start + 3600 * NS, 60.0, *SITE)
    with pytest.raises(ValueError, match="outside the ephemeris table"):
        table.earth(start + 3601 * NS)


def test_threads_get_the_same_answers():
    expected = ephemeris.sun(YEAR_2028, *SITE).elevation_deg
    wrong = []

    def ask():
        for _ in range(20):
            if not np.array_equal(ephemeris.sun(YEAR_2028, *SITE).elevation_deg, expected):
                wrong.append(1)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
