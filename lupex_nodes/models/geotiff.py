# SPDX-License-Identifier: Apache-2.0
"""Terrain from a lunar elevation model in a GeoTIFF, as LOLA products come.

Reads what NASA's PGDA and PDS publish for the south pole: polar stereographic on the sphere of
1737.4 km, heights in metres above it. Map equations: Snyder 1987, USGS Professional Paper 1395,
p. 157. Geo keys: OGC GeoTIFF 1.1 (19-008r4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from lupex_nodes.models.terrain import MOON_RADIUS_M, Terrain

_PROJECTED, _POLAR_STEREOGRAPHIC, _METRE, _PIXEL_IS_POINT = 1, 15, 9001, 2
_SMALLEST = 16
_HIGHEST_M = 20_000.0  # the Moon's heights lie within 11 km of the sphere


class GeoTiffError(ValueError):
    """The file can't serve as terrain; the text says why and what to do."""


@dataclass(frozen=True)
class LandingSite:
    """Terrain about a point, and where on the Moon that point lies.

    In the map frame of `terrain` the point is the origin, y is true north there and z is 0 on the
    ground; `height_m` is the ground's height above the sphere of 1737.4 km.
    """

    terrain: Terrain
    latitude_deg: float
    longitude_deg: float
    height_m: float


@dataclass(frozen=True)
class _Projection:
    pole_longitude_deg: float
    scale: float
    false_easting_m: float
    false_northing_m: float

    def to_geographic(self, x_m: float, y_m: float) -> tuple[float, float]:
        dx, dy = x_m - self.false_easting_m, y_m - self.false_northing_m
        colatitude = 2.0 * math.atan(math.hypot(dx, dy) / (2.0 * MOON_RADIUS_M * self.scale))
        longitude_deg = self.pole_longitude_deg + math.degrees(math.atan2(dx, dy))
        return math.degrees(colatitude) - 90.0, longitude_deg % 360.0

    def to_plane(self, latitude_deg: float, longitude_deg: float) -> tuple[float, float]:
        rho_m = 2.0 * MOON_RADIUS_M * self.scale * math.tan(math.radians(90.0 + latitude_deg) / 2.0)
        turn = math.radians(longitude_deg - self.pole_longitude_deg)
        return (
            self.false_easting_m + rho_m * math.sin(turn),
            self.false_northing_m + rho_m * math.cos(turn),
        )

    def scale_at(self, latitude_deg: float) -> float:
        """Metres on the map per metre on the ground."""
        return self.scale / math.cos(math.radians(90.0 + latitude_deg) / 2.0) ** 2


def load(
    path: str | Path, latitude_deg: float | None = None, longitude_deg: float | None = None
) -> LandingSite:
    """Read terrain centred on a point, by default the centre of the file.

    The grid is not resampled: it keeps its nodes and is turned by the grid convergence. Raises
    GeoTiffError, with one sentence, for a file that is missing, damaged, in another projection,
    rotated, too small or with holes, and for a point outside it.
    """
    path = Path(path)
    heights, keys = _read(path)
    try:
        projection = _projection(path, keys)
        pixel_m, first_x_m, first_y_m = _grid(path, keys)
    except (TypeError, LookupError, ArithmeticError) as error:  # values of another kind
        raise GeoTiffError(f"{path}: the geo keys are damaged ({error}); fetch it again") from error
    rows, columns = heights.shape

    if (latitude_deg is None) != (longitude_deg is None):
        raise GeoTiffError(f"{path}: give both latitude and longitude of the landing site, or none")
    if latitude_deg is None or longitude_deg is None:
        x_m = first_x_m + 0.5 * (columns - 1) * pixel_m
        y_m = first_y_m - 0.5 * (rows - 1) * pixel_m
    else:
        x_m, y_m = projection.to_plane(latitude_deg, longitude_deg)
    column, row = (x_m - first_x_m) / pixel_m, (first_y_m - y_m) / pixel_m
    if not (0.0 <= column <= columns - 1 and 0.0 <= row <= rows - 1):
        raise GeoTiffError(
            f"{path}: the landing site {latitude_deg}, {longitude_deg} deg lies outside the file:"
            " choose a point on it"
        )
    latitude, longitude = projection.to_geographic(x_m, y_m)
    true_pixel_m = pixel_m / projection.scale_at(latitude)
    convergence_deg = (longitude - projection.pole_longitude_deg) % 360.0
    turn = math.radians(convergence_deg)
    # The grid's first node, rows flipped to run up, seen from the landing site in grid axes.
    u_m, v_m = -column * true_pixel_m, -(rows - 1 - row) * true_pixel_m
    north_up = heights[::-1].astype(np.float64)
    placement = (
        true_pixel_m,
        math.cos(turn) * u_m - math.sin(turn) * v_m,
        math.sin(turn) * u_m + math.cos(turn) * v_m,
        convergence_deg,
    )
    height_m = Terrain(north_up, *placement).height_at(0.0, 0.0)
    return LandingSite(Terrain(north_up - height_m, *placement), latitude, longitude, height_m)


def _read(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    if not path.is_file():
        raise GeoTiffError(f"{path}: there is no such file; give the path of a GeoTIFF")
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            keys = dict(page.geotiff_tags or {})
            scaled = 'role="scale"' in str(page.tags.valueof("GDAL_METADATA", default=""))
            spans = zip(page.dataoffsets, page.databytecounts, strict=True)
            if any(start + count > path.stat().st_size for start, count in spans):
                raise GeoTiffError(f"{path}: the file is cut short; fetch it again")
            heights = page.asarray()
            nodata = page.nodata if "GDAL_NODATA" in page.tags else None
    except GeoTiffError:
        raise
    except Exception as error:  # damaged files make tifffile raise anything at all
        raise GeoTiffError(
            f"{path}: not a readable TIFF ({error}); fetch it again, or convert it with"
            " gdal_translate -co COMPRESS=NONE"
        ) from error
    if not keys:
        raise GeoTiffError(
            f"{path}: the TIFF holds no geo keys, so its place is unknown; convert it with"
            " gdal_translate -a_srs"
        )
    if heights.ndim != 2 or min(heights.shape) < _SMALLEST:
        raise GeoTiffError(
            f"{path}: image shape {heights.shape} won't do; one band of at least"
            f" {_SMALLEST} x {_SMALLEST} pixels is needed"
        )
    if scaled:
        raise GeoTiffError(
            f"{path}: heights are stored with a scale; convert it with gdal_translate -unscale"
        )
    holes = ~np.isfinite(heights) | (np.abs(heights.astype(np.float64)) > _HIGHEST_M)
    if nodata is not None and math.isfinite(nodata):
        holes |= heights == nodata
    if holes.any():
        raise GeoTiffError(
            f"{path}: {int(holes.sum())} pixels hold no height; fill them with gdal_fillnodata or"
            " crop the file"
        )
    return heights, keys


def _projection(path: Path, keys: dict[str, Any]) -> _Projection:
    model, transformation = keys.get("GTModelTypeGeoKey"), keys.get("ProjCoordTransGeoKey")
    latitude_deg = keys.get("ProjNatOriginLatGeoKey", keys.get("ProjStdParallel1GeoKey"))
    if (
        model != _PROJECTED
        or transformation != _POLAR_STEREOGRAPHIC
        or latitude_deg is None
        or abs(latitude_deg + 90.0) > 1e-9
    ):
        raise GeoTiffError(
            f"{path}: the projection is not south polar stereographic with origin 90 S; convert it"
            ' with gdalwarp -t_srs "+proj=stere +lat_0=-90 +R=1737400"'
        )
    axes_m = [
        keys.get("GeogSemiMajorAxisGeoKey"),
        keys.get("GeogSemiMinorAxisGeoKey", MOON_RADIUS_M),
    ]
    if any(axis is None or abs(axis - MOON_RADIUS_M) > 0.5 for axis in axes_m):
        raise GeoTiffError(
            f"{path}: the body's radius is {axes_m[0]} m, not the Moon's {MOON_RADIUS_M:.0f} m;"
            " give a lunar elevation model"
        )
    if keys.get("ProjLinearUnitsGeoKey", _METRE) != _METRE:
        raise GeoTiffError(f"{path}: map units are not metres; convert it with gdalwarp")
    return _Projection(
        pole_longitude_deg=float(keys.get("ProjStraightVertPoleLongGeoKey", 0.0)),
        scale=float(keys.get("ProjScaleAtNatOriginGeoKey", 1.0)),
        false_easting_m=float(keys.get("ProjFalseEastingGeoKey", 0.0)),
        false_northing_m=float(keys.get("ProjFalseNorthingGeoKey", 0.0)),
    )


def _grid(path: Path, keys: dict[str, Any]) -> tuple[float, float, float]:
    """Pixel and plane coordinates of the centre of the upper left pixel, metres."""
    matrix = keys.get("ModelTransformation")
    if matrix is not None:
        m = np.asarray(matrix, dtype=float).reshape(4, 4)
        if m[0, 1] != 0.0 or m[1, 0] != 0.0:
            raise GeoTiffError(f"{path}: the grid is rotated; straighten it with gdalwarp")
        scale_x, scale_y, corner_x, corner_y = m[0, 0], -m[1, 1], m[0, 3], m[1, 3]
    else:
        scale, tie = keys.get("ModelPixelScale"), keys.get("ModelTiepoint")
        if scale is None or tie is None or np.ndim(tie) != 1 or len(tie) != 6:
            raise GeoTiffError(
                f"{path}: pixel scale or tie point is missing; convert it with gdal_translate"
            )
        scale_x, scale_y = scale[0], scale[1]
        corner_x, corner_y = tie[3] - tie[0] * scale_x, tie[4] + tie[1] * scale_y
    if not (scale_x > 0.0 and abs(scale_x - scale_y) <= 1e-6 * scale_x):
        raise GeoTiffError(
            f"{path}: pixels of {scale_x} x {scale_y} m are not square with north up; convert it"
            " with gdalwarp -tr"
        )
    half = 0.0 if keys.get("GTRasterTypeGeoKey") == _PIXEL_IS_POINT else 0.5 * scale_x
    return float(scale_x), float(corner_x + half), float(corner_y - half)
