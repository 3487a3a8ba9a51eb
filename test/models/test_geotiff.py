# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from pathlib import Path
from random import Random

import numpy as np
import pytest
import tifffile

from lupex_nodes.models.geotiff import GeoTiffError, load

LOLA = Path(__file__).parents[3] / "shared/data/dem/Shoemaker_final_adj_5mpp_surf_1k.tif"
needs_lola = pytest.mark.skipif(not LOLA.is_file(), reason=f"no real elevation model at {LOLA}")

# GTModelType, GTRasterType, ProjCoordTrans, ProjLinearUnits; doubles by index.
SHORTS = {1024: 1, 1025: 1, 3075: 15, 3076: 9001}
DOUBLES = {2057: 1737400.0, 2058: 1737400.0, 3081: -90.0, 3095: 0.0, 3092: 1.0}


def write(
    path,
    heights=None,
    shorts=SHORTS,
    doubles=DOUBLES,
    geo=True,
    scale=10.0,
    corner=(-500.0, 500.0),
    matrix=None,
    extra=(),
):
    heights = np.zeros((100, 100), np.float32) if heights is None else heights
    tags = list(extra)
    if geo:
        directory = [(key, 0, 1, value) for key, value in shorts.items()]
        directory += [(key, 34736, 1, i) for i, key in enumerate(doubles)]
        flat = [1, 1, 0, len(directory), *(n for entry in sorted(directory) for n in entry)]
        tags += [(34735, "H", len(flat), flat), (34736, "d", len(doubles), list(doubles.values()))]
        if matrix is None:
            tags += [(33550, "d", 3, [scale, scale, 0.0]), (33922, "d", 6, [0, 0, 0, *corner, 0])]
        else:
            tags += [(34264, "d", 16, matrix)]
    tifffile.imwrite(path, heights, extratags=[(*tag, True) for tag in tags], metadata=None)
    return path


@needs_lola
def test_real_lola_crop_has_its_published_place_and_statistics():
    site = load(LOLA)
    assert site.latitude_deg == pytest.approx(-87.18, abs=0.005)
    assert site.longitude_deg == pytest.approx(62.84, abs=0.01)
    heights = site.terrain.heights_m + site.height_m
    assert heights.min() == pytest.approx(467.7, abs=0.1)
    assert heights.max() == pytest.approx(593.4, abs=0.1)
    assert site.terrain.pixel_m == pytest.approx(5.0, rel=1e-3)
    gradient = np.gradient(heights.astype(float), site.terrain.pixel_m)
    slope = np.degrees(np.arctan(np.hypot(*gradient)))
    assert np.median(slope) == pytest.approx(4.3, abs=0.1)
    assert np.percentile(slope, 95) == pytest.approx(13.4, abs=0.3)
    assert site.terrain.height_at(0.0, 0.0) == pytest.approx(0.0, abs=1e-4)


@needs_lola
def test_every_pixel_of_the_real_crop_keeps_its_height_at_its_true_place():
    """Nodes go by latitude and longitude, on an independent path through the local frame."""
    raw = tifffile.imread(LOLA)
    site = load(LOLA)
    lat0, lon0 = math.radians(site.latitude_deg), math.radians(site.longitude_deg)
    for row, column in [(3, 5), (10, 250), (200, 40), (255, 255), (128, 127)]:
        x, y = 75360.0 + 5.0 * (column + 0.5), 39640.0 - 5.0 * (row + 0.5)
        lat = 2 * math.atan(math.hypot(x, y) / (2 * 1737400.0)) - math.pi / 2
        lon = math.atan2(x, y)
        place = 1737400.0 * np.array(
            [math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)]
        )
        east = np.array([-math.sin(lon0), math.cos(lon0), 0.0])
        north = np.array([-math.sin(lat0) * math.cos(lon0), -math.sin(lat0) * math.sin(lon0),
                          math.cos(lat0)])  # fmt: skip
        height = site.terrain.height_at(float(east @ place), float(north @ place)) + site.height_m
        assert height == pytest.approx(float(raw[row, column]), abs=0.05)


@needs_lola
def test_chosen_point_becomes_the_origin():
    whole, part = load(LOLA), load(LOLA, -87.175, 62.80)
    assert (part.latitude_deg, part.longitude_deg) == pytest.approx((-87.175, 62.80))
    ahead = math.radians(-87.175 - whole.latitude_deg) * 1737400.0
    aside = math.radians(62.80 - whole.longitude_deg) * 1737400.0 * math.cos(math.radians(87.175))
    expected = whole.terrain.height_at(aside, ahead) + whole.height_m
    assert part.height_m == pytest.approx(expected, abs=0.1)


def test_north_is_away_from_the_pole_and_east_grows_in_longitude(tmp_path):
    """Heights equal to the distance from the pole rise due north everywhere."""
    for corner in [(20_000.0, 20_500.0), (-20_000.0, 9_000.0), (-3_000.0, -18_000.0)]:
        c, r = np.meshgrid(np.arange(100), np.arange(100))
        x, y = corner[0] + 10.0 * (c + 0.5), corner[1] - 10.0 * (r + 0.5)
        heights = (np.hypot(x, y) / 10.0).astype(np.float32)
        site = load(write(tmp_path / "cone.tif", heights, corner=corner))
        point = site.terrain.surface_at(0.0, 0.0)
        assert point.north_slope == pytest.approx(0.1, rel=1e-2)
        assert point.east_slope == pytest.approx(0.0, abs=1e-3)
        around = load(write(tmp_path / "turn.tif", np.unwrap(np.arctan2(x, y)).astype(np.float32)
                            * 1000, corner=corner))  # fmt: skip
        assert around.terrain.surface_at(0.0, 0.0).east_slope > 0.0


def test_pole_longitude_false_origin_and_point_raster_are_respected(tmp_path):
    plain = load(write(tmp_path / "a.tif", corner=(5_000.0, 8_000.0)))
    shifted = load(
        write(
            tmp_path / "b.tif",
            doubles={**DOUBLES, 3095: 30.0, 3082: 1000.0, 3083: -2000.0},
            corner=(6_000.0, 6_000.0),
        )
    )
    assert shifted.latitude_deg == pytest.approx(plain.latitude_deg, abs=1e-9)
    assert shifted.longitude_deg == pytest.approx(plain.longitude_deg + 30.0, abs=1e-6)
    point = load(write(tmp_path / "c.tif", shorts={**SHORTS, 1025: 2}, corner=(5_005.0, 7_995.0)))
    assert point.latitude_deg == pytest.approx(plain.latitude_deg, abs=1e-9)
    matrix = [10.0, 0, 0, 5_000.0, 0, -10.0, 0, 8_000.0, 0, 0, 0, 0, 0, 0, 0, 1.0]
    by_matrix = load(write(tmp_path / "d.tif", matrix=matrix))
    assert by_matrix.longitude_deg == pytest.approx(plain.longitude_deg, abs=1e-9)


def broken(tmp_path, case):
    path = tmp_path / "broken.tif"
    holed = np.zeros((100, 100), np.float32)
    holed[40, 40] = np.nan
    if case == "missing":
        return path
    if case == "text":
        path.write_text("not a picture")
        return path
    if case == "empty":
        path.write_bytes(b"")
        return path
    if case == "cut":
        write(path)
        path.write_bytes(path.read_bytes()[:20_000])
        return path
    changes = {
        "plain": {"geo": False},
        "geographic": {"shorts": {1024: 2, 1025: 1}},
        "north": {"doubles": {**DOUBLES, 3081: 90.0}},
        "mars": {"doubles": {**DOUBLES, 2057: 3396190.0}},
        "feet": {"shorts": {**SHORTS, 3076: 9002}},
        "holes": {"heights": holed},
        "nodata": {"extra": [(42113, "s", 2, "0")]},
        "rotated": {"matrix": [8.0, 6, 0, 0, 6, -8.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1.0]},
        "small": {"heights": np.zeros((5, 5), np.float32)},
        "colour": {"heights": np.zeros((100, 100, 3), np.uint8)},
        "scaled": {"extra": [(42112, "s", 0, '<Item name="SCALE" role="scale">0.5</Item>')]},
    }
    return write(path, **changes[case])


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("missing", "no such file"), ("text", "not a readable TIFF"),
        ("empty", "not a readable TIFF"), ("cut", "cut short|not a readable TIFF"),
        ("plain", "no geo keys"), ("geographic", "not south polar stereographic"),
        ("north", "not south polar stereographic"), ("mars", "radius is 3396190"),
        ("feet", "not metres"), ("holes", "1 pixels hold no height"),
        ("nodata", "10000 pixels hold no height"), ("rotated", "is rotated"),
        ("small", "won't do"), ("colour", "won't do"), ("scaled", "-unscale"),
    ],
)  # fmt: skip
def test_unusable_files_are_refused_in_one_sentence(tmp_path, case, says):
    path = broken(tmp_path, case)
    with pytest.raises(GeoTiffError, match=says) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_landing_site_must_lie_on_the_file(tmp_path):
    path = write(tmp_path / "a.tif")
    with pytest.raises(GeoTiffError, match="outside the file"):
        load(path, -80.0, 0.0)
    with pytest.raises(GeoTiffError, match="both latitude and longitude"):
        load(path, -89.99)


@needs_lola
def test_any_truncation_of_the_real_file_is_refused(tmp_path):
    content = LOLA.read_bytes()
    for size in (1, 7, 8, 100, 1000, len(content) // 2, len(content) - 1):
        path = tmp_path / f"{size}.tif"
        path.write_bytes(content[:size])
        with pytest.raises(GeoTiffError):
            load(path)


@pytest.mark.malformed
def test_flipped_bits_are_refused_in_one_sentence_or_do_no_harm(tmp_path):
    whole = write(tmp_path / "whole.tif").read_bytes()
    random, refused = Random(1), 0
    for case in range(1500):
        damaged = bytearray(whole)
        for _ in range(random.choice((1, 8))):
            # the tags and keys lie in the first bytes
            at = random.randrange(420 if case % 8 else len(whole))
            damaged[at] ^= 1 << random.randrange(8)
        (tmp_path / "damaged.tif").write_bytes(damaged)
        try:
            load(tmp_path / "damaged.tif")
        except GeoTiffError as error:
            refused += 1
            assert str(error).startswith(str(tmp_path / "damaged.tif: ")) and "\n" not in str(error)
    assert refused > 500
