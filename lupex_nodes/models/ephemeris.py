# SPDX-License-Identifier: Apache-2.0
"""Sun and Earth as seen from a place on the Moon.

Positions are JPL's DE421 (in the wheel of skyfield-data) through CSPICE, apparent (light time
and stellar aberration). The Moon's orientation is the IAU/WGCCRE 2015 series, Archinal et al.
2018, doi:10.1007/s10569-017-9805-5; it lies within 0.004 deg of the mean-Earth frame of the DE421
librations. Valid 1900-2050; UTC leap seconds are those since 2017, so before 1972 times are up to
37 s late (0.005 deg of Sun azimuth).
"""

from __future__ import annotations

import math
import threading
import warnings
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import spiceypy

MOON_RADIUS_M = 1_737_400.0
ASTRONOMICAL_UNIT_M = 149_597_870_700.0

_J2000_UTC_NS = 946_728_000 * 10**9  # 2000-01-01T12:00:00 on the UTC scale
_TDB_MINUS_UTC_S = 69.184  # 32.184 s + 37 leap seconds; the periodic 1.7 ms is left out

# Degrees; degrees per day for the prime meridian, per Julian century for all else.
_POLE_RA = (269.9949, 0.0031, 0.0)
_POLE_DEC = (66.5392, 0.0130, 0.0)
_PRIME_MERIDIAN = (38.3213, 13.17635815, -1.4e-12)
_NUTATION_RA = (
    -3.8787,
    -0.1204,
    0.0700,
    -0.0172,
    0.0,
    0.0072,
    0.0,
    0.0,
    0.0,
    -0.0052,
    0.0,
    0.0,
    0.0043,
)
_NUTATION_DEC = (
    1.5419,
    0.0239,
    -0.0278,
    0.0068,
    0.0,
    -0.0029,
    0.0009,
    0.0,
    0.0,
    0.0008,
    0.0,
    0.0,
    -0.0009,
)
_NUTATION_PM = (
    3.5610,
    0.1208,
    -0.0642,
    0.0158,
    0.0252,
    -0.0066,
    -0.0047,
    -0.0046,
    0.0028,
    0.0052,
    0.0040,
) + (0.0019, -0.0044)
_NUTATION_ANGLES = (
    (125.045, -1935.5364525), (250.089, -3871.0729050), (260.008, 475263.3328725),
    (176.625, 487269.6299850), (357.529, 35999.0509575), (311.589, 964468.4993100),
    (134.963, 477198.8693250), (276.617, 12006.3007650), (34.226, 63863.5132425),
    (15.134, -5806.6093575), (119.743, 131.8406400), (239.961, 6003.1503825),
    (25.053, 473327.7964200),
)  # fmt: skip

# CSPICE keeps one global kernel pool and is not thread-safe.
_cspice = threading.Lock()
_kernels_loaded = False


Value = TypeVar("Value", bound=float | np.ndarray)


class Direction(NamedTuple, Generic[Value]):
    """Where a body stands in the local sky; floats, or arrays of one shape.

    Azimuth runs from north through east, 0 to 360 deg; elevation is of the body's centre, without
    terrain; distance is from the place, in metres.
    """

    azimuth_deg: Value
    elevation_deg: Value
    distance_m: Value


def sun(
    utc_ns: int | np.ndarray, latitude_deg: float, longitude_deg: float, height_m: float = 0.0
) -> Direction[Any]:
    """Return the Sun's direction at `utc_ns` (nanoseconds since 1970) from a place on the Moon."""
    return _direction("SUN", utc_ns, latitude_deg, longitude_deg, height_m)


def earth(
    utc_ns: int | np.ndarray, latitude_deg: float, longitude_deg: float, height_m: float = 0.0
) -> Direction[Any]:
    """Return the Earth's direction at `utc_ns` (nanoseconds since 1970) from a place."""
    return _direction("EARTH", utc_ns, latitude_deg, longitude_deg, height_m)


class EphemerisTable:
    """Sun and Earth over one span, sampled once, for fast queries with an int `utc_ns`.

    Local cartesian positions are interpolated, by a cubic through four samples, rather than
    angles: they stay smooth where an azimuth wraps or a body passes the zenith.
    """

    def __init__(
        self,
        start_ns: int,
        end_ns: int,
        step_s: float,
        latitude_deg: float,
        longitude_deg: float,
        height_m: float = 0.0,
    ) -> None:
        if not step_s > 0 or end_ns < start_ns:
            raise ValueError(
                f"ephemeris table from {start_ns} to {end_ns} ns in steps of {step_s} s is empty:"
                " give an end not before the start and a positive step"
            )
        self.start_ns, self.end_ns = int(start_ns), int(end_ns)
        self._step_ns = round(step_s * 1e9)
        intervals = (self.end_ns - self.start_ns) // self._step_ns + 1
        epochs = self.start_ns + self._step_ns * np.arange(-1, intervals + 2, dtype=np.int64)
        place = (latitude_deg, longitude_deg, height_m)
        self._sun = _local_position("SUN", epochs, *place).tolist()
        self._earth = _local_position("EARTH", epochs, *place).tolist()

    def sun(self, utc_ns: int) -> Direction[float]:
        """Return the Sun's direction; ValueError outside the table's span."""
        return self._interpolate(self._sun, utc_ns)

    def earth(self, utc_ns: int) -> Direction[float]:
        """Return the Earth's direction; ValueError outside the table's span."""
        return self._interpolate(self._earth, utc_ns)

    def _interpolate(self, samples: list[list[float]], utc_ns: int) -> Direction[float]:
        if not self.start_ns <= utc_ns <= self.end_ns:
            raise ValueError(
                f"time {utc_ns} ns is outside the ephemeris table ({self.start_ns} to"
                f" {self.end_ns} ns): make a longer table"
            )
        index, rest_ns = divmod(utc_ns - self.start_ns, self._step_ns)
        u = rest_ns / self._step_ns
        a = -u * (u - 1.0) * (u - 2.0) / 6.0
        b = (u + 1.0) * (u - 1.0) * (u - 2.0) / 2.0
        c = -(u + 1.0) * u * (u - 2.0) / 2.0
        d = (u + 1.0) * u * (u - 1.0) / 6.0
        p, q, r, s = samples[index : index + 4]
        east = a * p[0] + b * q[0] + c * r[0] + d * s[0]
        north = a * p[1] + b * q[1] + c * r[1] + d * s[1]
        up = a * p[2] + b * q[2] + c * r[2] + d * s[2]
        level = math.hypot(east, north)
        return Direction(
            math.degrees(math.atan2(east, north)) % 360.0,
            math.degrees(math.atan2(up, level)),
            math.hypot(level, up),
        )


def table(
    start_ns: int,
    end_ns: int,
    step_s: float,
    latitude_deg: float,
    longitude_deg: float,
    height_m: float = 0.0,
) -> EphemerisTable:
    """Sample Sun and Earth once; steps up to 3600 s keep the error below 1e-4 deg."""
    return EphemerisTable(start_ns, end_ns, step_s, latitude_deg, longitude_deg, height_m)


def _direction(
    body: str, utc_ns: int | np.ndarray, latitude_deg: float, longitude_deg: float, height_m: float
) -> Direction[Any]:
    scalar = np.ndim(utc_ns) == 0
    local = _local_position(body, np.atleast_1d(utc_ns), latitude_deg, longitude_deg, height_m)
    east, north, up = np.moveaxis(local, -1, 0)
    level = np.hypot(east, north)
    values = (
        np.degrees(np.arctan2(east, north)) % 360.0,
        np.degrees(np.arctan2(up, level)),
        np.hypot(level, up),
    )
    return Direction(*(float(value[0]) for value in values)) if scalar else Direction(*values)


def _local_position(
    body: str, utc_ns: np.ndarray, latitude_deg: float, longitude_deg: float, height_m: float
) -> np.ndarray:
    """East, north, up of the body from the place, metres, shape utc_ns.shape + (3,)."""
    if not (abs(latitude_deg) <= 90.0 and math.isfinite(longitude_deg)):
        raise ValueError(
            f"latitude {latitude_deg}, longitude {longitude_deg} deg is no place on the Moon:"
            " latitude must lie in -90..90 and longitude be finite"
        )
    since_j2000_ns = np.asarray(utc_ns, dtype=np.int64) - _J2000_UTC_NS
    et = since_j2000_ns / 1e9 + _TDB_MINUS_UTC_S
    with _cspice:
        _load_kernels()
        try:
            fixed_km, _ = spiceypy.spkpos(body, et.ravel(), "IAU_MOON", "LT+S", "MOON")
        except spiceypy.utils.exceptions.SpiceyError as error:
            raise ValueError(
                f"no position of {body.title()} for the times asked: DE421 covers 1900 to 2050"
            ) from error
    latitude, longitude = math.radians(latitude_deg), math.radians(longitude_deg)
    up = np.array(
        [
            math.cos(latitude) * math.cos(longitude),
            math.cos(latitude) * math.sin(longitude),
            math.sin(latitude),
        ]
    )
    east = np.array([-math.sin(longitude), math.cos(longitude), 0.0])
    to_local = np.stack([east, np.cross(up, east), up])
    from_place_m = np.asarray(fixed_km) * 1e3 - (MOON_RADIUS_M + height_m) * up
    return (from_place_m @ to_local.T).reshape(et.shape + (3,))


def _load_kernels() -> None:
    global _kernels_loaded
    if _kernels_loaded:
        return
    with warnings.catch_warnings():
        # The package warns that its Earth-orientation file is old, which is not used here.
        warnings.simplefilter("ignore")
        from skyfield_data import get_skyfield_data_path

        folder = get_skyfield_data_path()
    spiceypy.furnsh(f"{folder}/de421.bsp")
    spiceypy.pdpool("BODY301_RADII", [MOON_RADIUS_M / 1e3] * 3)
    spiceypy.pdpool("BODY301_POLE_RA", _POLE_RA)
    spiceypy.pdpool("BODY301_POLE_DEC", _POLE_DEC)
    spiceypy.pdpool("BODY301_PM", _PRIME_MERIDIAN)
    spiceypy.pdpool("BODY301_NUT_PREC_RA", _NUTATION_RA)
    spiceypy.pdpool("BODY301_NUT_PREC_DEC", _NUTATION_DEC)
    spiceypy.pdpool("BODY301_NUT_PREC_PM", _NUTATION_PM)
    spiceypy.pdpool("BODY3_NUT_PREC_ANGLES", np.ravel(_NUTATION_ANGLES))
    _kernels_loaded = True
