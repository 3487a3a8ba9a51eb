# SPDX-License-Identifier: Apache-2.0
"""Models beside what does not come from them: published values, other libraries, direct integrals.

Each function returns the rows of one table: (what, model, reference, where that comes from).
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

from lupex_nodes.models import ephemeris, neutron, regolith, volatiles
from lupex_nodes.models.heat_column import HeatColumn
from lupex_nodes.models.terramechanics import MOON_GRAVITY_M_S2, Soil, Track, traverse

Row = tuple[str, str, str, str]

SITE = -89.45, 222.7
MASS_KG = 350.0
LUNAR_DAY_S = 29.530589 * 86400.0
SLOPES_DEG = 5, 10, 15, 20, 25


def neutron_rows() -> list[Row]:
    """Return the neutron model beside published suppressions and direct integrals."""
    cabeus = 1.0 - float(neutron.epithermal_ratio(neutron.water_of_hydrogen(470.0)))
    low, high = 1.0 - neutron.epithermal_ratio(neutron.water_of_hydrogen([100.0, 150.0]))
    rows = [
        ("suppression at 470 ppm H", f"{cabeus:.3f}", "0.15",
         "Cabeus, Mitrofanov et al. 2010, Science 330, 483"),
        ("suppression at 100 to 150 ppm H", f"{low:.3f} to {high:.3f}", "about 0.05",
         "poles above 80 deg, Feldman et al. 1998, Science 281, 1496"),
    ]  # fmt: skip
    for water, cover in ((2.0, 15.0), (5.0, 30.0), (5.0, 90.0)):
        layered = 1.0 - quad(_suppression, cover, np.inf, (water,))[0]
        model = float(neutron.epithermal_ratio(water, cover))
        what = f"epithermal ratio, {water:g} wt% under {cover:g} g/cm2"
        rows.append((what, f"{model:.4f}", f"{layered:.4f}", "integral of the escape over depth"))
    for radius in (0.78, 3.6):
        share = quad(lambda r: 2.0 * math.pi * r * _emission(r, 0.6), 0.0, radius)[0]
        model = float(neutron.response_within(radius, 0.6))
        what = f"share of the response within {radius:g} m, detector at 0.6 m"
        rows.append((what, f"{model:.4f}", f"{share:.4f}", "integral of Fermi's emission law"))
    return rows


def _suppression(overburden_g_cm2: float, water_wt_percent: float) -> float:
    wet = neutron.K_E * water_wt_percent
    escape = neutron.LAMBDA_E_G_CM2
    return wet / (1.0 + wet) * math.exp(-overburden_g_cm2 / escape) / escape


def _emission(radius_m: float, height_m: float) -> float:
    slant = math.hypot(radius_m, height_m)
    mu = height_m / slant
    total = 2.0 * math.pi * (1.0 + math.sqrt(3.0) / 2.0)
    return (1.0 + math.sqrt(3.0) * mu) * mu / slant**2 / total


def slip_rows() -> list[Row]:
    """Return slip on slopes beside a direct solution of the laws that the model is built on."""
    soil, track = Soil(), Track()
    source = "integral of Janosi and Hanamoto's shear, less Bekker's compaction"
    rows = []
    for slope in SLOPES_DEG:
        model = traverse(MASS_KG, slope, 0.0, 0.1, soil, track).slip
        direct = brentq(_missing_pull_n, 1e-6, 0.999, args=(slope, soil, track))
        rows.append((f"slip up {slope} deg", f"{model:.4f}", f"{direct:.4f}", source))
    return rows


def _missing_pull_n(slip: float, slope_deg: float, soil: Soil, track: Track) -> float:
    slope = math.radians(slope_deg)
    weight_n = MASS_KG * MOON_GRAVITY_M_S2 / 4.0
    pressure_pa = weight_n * math.cos(slope) / (track.length_m * track.width_m)
    limit_pa = soil.cohesion_pa + pressure_pa * math.tan(math.radians(soil.friction_angle_deg))
    shear = quad(lambda x: 1.0 - math.exp(-slip * x / soil.shear_modulus_m), 0.0, track.length_m)[0]
    stiffness = soil.cohesive_modulus_n_m2 / track.width_m + soil.frictional_modulus_n_m3
    sinkage_m = (pressure_pa / stiffness) ** (1.0 / soil.sinkage_exponent)
    work = quad(lambda z: stiffness * z**soil.sinkage_exponent, 0.0, sinkage_m)[0]
    pull_n = track.width_m * (limit_pa * shear - work)
    return pull_n - weight_n * math.sin(slope)


def heat_rows() -> list[Row]:
    """Return columns of regolith beside what was measured on the Moon, or must be."""
    column, year = HeatColumn(), []
    column.settle(245.0)
    flux, deep = _equatorial_day(480), np.searchsorted(column.depth_m, 0.45)
    for _ in range(8):
        year = column.run(flux, LUNAR_DAY_S / len(flux))[:, 0]
        # the slow ground below takes the mean of what is above it
        mean, kelvin = year.mean(axis=0), column.temperature_k[0].copy()
        steady = regolith.temperature_at_depth_k(column.depth_m, mean[deep])
        kelvin[deep:] = mean[deep] + (steady - steady[deep])[deep:]
        column.set(kelvin)
    before_dawn = year[round(0.75 * len(flux)) - 2, 0]
    metre = float(np.interp(1.0, column.depth_m, year.mean(axis=0)))
    diviner = "Diviner at the equator, Hayne et al. 2017, doi:10.1002/2017JE005387"
    rows = [
        ("equator at noon", f"{year[:, 0].max():.1f} K", "385 +/- 8 K", diviner),
        ("equator before dawn", f"{before_dawn:.1f} K", "92 to 97 K", diviner),
        ("equator, 1 m deep", f"{metre:.1f} K", "245 +/- 5 K",
         "deep mean of such models; the probes of Apollo 15 and 17 found 252 and 256 K"),
    ]  # fmt: skip
    for flux_w_m2, kelvin_there in ((0.05, 34), (0.2, 45), (0.5, 55)):
        column.settle(60.0)
        for _ in range(600):
            column.step(flux_w_m2, 30.0 * 86400.0)
        rows.append((f"permanent shadow that absorbs {flux_w_m2:g} W/m2",
                     f"{column.surface_k[0]:.1f} K", f"{kelvin_there} K",
                     "radiative balance"))  # fmt: skip
    for depth, cores in ((0.1, 1520), (0.3, 1690), (1.5, 1850)):
        model = float(regolith.density_hayne_kg_m3(depth))
        rows.append((f"density at {depth:g} m", f"{model:.0f} kg/m3", f"{cores} kg/m3",
                     "Apollo cores, Carrier et al. 1991"))  # fmt: skip
    return rows


def _equatorial_day(steps: int) -> np.ndarray:
    """Absorbed flux with an albedo that grows with incidence, as flat ground seen from orbit."""
    hour = (np.arange(steps) + 0.5) / steps * 2.0 * np.pi
    cosine = np.cos(hour)
    incidence = np.degrees(np.arccos(np.clip(cosine, 0.0, 1.0)))
    albedo = 0.12 + 0.06 * (incidence / 45.0) ** 3 + 0.25 * (incidence / 90.0) ** 8
    return np.where(cosine > 0.0, (1.0 - albedo) * 1361.0 * cosine, 0.0)


def ice_rows() -> list[Row]:
    """Return vapour pressures and losses of ices beside fixed points and published figures."""
    rows = [
        ("water ice at 273.16 K", _pascal(273.16, "h2o"), "611.66 Pa", "triple point, IAPWS"),
        ("bare water ice loses 1 m in a gigayear at",
         f"{volatiles.cold_trap_temperature_k():.1f} K", "about 110 K",
         "where orbiters see frost, Fisher et al. 2017, doi:10.1016/j.icarus.2017.03.023"),
        ("loss under 10 cm of soil over that of bare ice",
         f"{float(volatiles.cover_factor(0.1, 0.45, 100e-6)):.2g}", "about 0.001",
         "Schorghofer 2008, doi:10.1086/588633"),
    ]  # fmt: skip
    points = (
        ("co2", 194.69, 101_325.0), ("nh3", 195.4, 6_060.0), ("h2s", 187.7, 23_300.0),
        ("so2", 197.7, 1_670.0),
    )  # fmt: skip
    rows += [
        (f"{name.upper()} ice at {kelvin:g} K", _pascal(kelvin, name), f"{pascal:.4g} Pa",
         "point of sublimation, NIST" if name == "co2" else "triple point, NIST")
        for name, kelvin, pascal in points
    ]  # fmt: skip
    coefficients = (1.476e1, -2.571e3, -7.781e4, 4.325e6, -1.207e8, 1.350e9)
    for kelvin in (60.0, 100.0):
        other = 1e5 * math.exp(sum(a / kelvin**i for i, a in enumerate(coefficients)))
        rows.append((f"CO2 ice at {kelvin:g} K", _pascal(kelvin, "co2"), f"{other:.4g} Pa",
                     "Fray and Schmitt 2009, doi:10.1016/j.pss.2009.09.011"))  # fmt: skip
    return rows


def _pascal(kelvin: float, name: str) -> str:
    return f"{float(volatiles.vapour_pressure_pa(kelvin, name)):.4g} Pa"


def ephemeris_rows() -> list[Row]:
    """Return the greatest angles over 2028 between the ephemeris and skyfield's.

    The mean-Earth frame comes from NAIF's kernels, which the package lunarsky carries; without it
    nothing is compared and the rows say so.
    """
    found = importlib.util.find_spec("lunarsky")
    if found is None:
        reason = "not compared: lunarsky, which carries NAIF's lunar frame, is not installed"
        return [("Sun and Earth over 2028", "-", "-", reason)]
    site, planets, timescale = _skyfield_site(Path(str(found.submodule_search_locations[0])))
    first = int(datetime(2028, 1, 1, tzinfo=UTC).timestamp())
    seconds = np.arange(0, 366 * 24, 97, dtype=np.int64) * 3600
    moments = timescale.utc(2028, 1, 1, 0, 0, seconds)
    rows = []
    for body in ("sun", "earth"):
        elevation, azimuth, _ = site.at(moments).observe(planets[body]).apparent().altaz()
        ours = getattr(ephemeris, body)((first + seconds) * 10**9, *SITE)
        apart = _angle_deg(azimuth.degrees, elevation.degrees, *ours[:2])
        rows.append((f"direction of the {body.title()}, {len(seconds)} moments of 2028",
                     f"at most {apart.max():.4f} deg off", "0",
                     "skyfield with DE421 and NAIF's mean-Earth frame"))  # fmt: skip
    return rows


def _skyfield_site(folder: Path):
    from skyfield.api import Loader
    from skyfield.planetarylib import PlanetaryConstants, PlanetTopos
    from skyfield.toposlib import Distance
    from skyfield.units import Angle

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from skyfield_data import get_skyfield_data_path

        load = Loader(get_skyfield_data_path(), verbose=False)
        planets, timescale = load("de421.bsp"), load.timescale(builtin=True)
    constants = PlanetaryConstants()
    with (folder / "data/fk/satellites/moon_080317.tf").open("rb") as text:
        constants.read_text(text)
    constants.read_binary((folder / "data/pck/moon_pa_de421_1900-2050.bpc").open("rb"))
    frame = constants.build_frame_named("MOON_ME_DE421")
    latitude, longitude = (Angle(degrees=value) for value in SITE)
    topos = PlanetTopos.from_latlon_distance(frame, latitude, longitude, Distance(km=1737.4))
    return planets["moon"] + topos, planets, timescale


def _angle_deg(azimuth: np.ndarray, elevation: np.ndarray, other_azimuth, other_elevation):
    """Angle between two directions; the half-chord is exact where they nearly agree."""
    one, other = (
        np.stack([np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)])
        for a, e in (
            np.radians((azimuth, elevation)), np.radians((other_azimuth, other_elevation))
        )
    )
    return np.degrees(2.0 * np.arcsin(np.linalg.norm(one - other, axis=0) / 2.0))
