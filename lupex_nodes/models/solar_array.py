# SPDX-License-Identifier: Apache-2.0
"""Vertical solar array that turns about one axis to follow the Sun.

Power after Patel, Spacecraft Power Systems (2005), ch. 8: area, efficiency, packing, temperature,
cosine of incidence, dust, ageing, regulator. Near the pole the Sun stands within 2.1 deg of the
horizon, so a vertical panel loses by its azimuth error alone. Cells do not work beyond 80 deg of
incidence.

The horizon shades a standing panel from below. The cells are wired in level strips, each with a
tracker of its own, so a strip in the dark costs its own power and no more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

STEFAN_BOLTZMANN_W_M2_K4 = 5.670374e-8


@dataclass(frozen=True)
class SolarArray:
    """A flat panel; every default is assumed (triple-junction cells), none is published for LUPEX.

    The defaults give 898 W of cell power at 1 AU, normal incidence and 28 deg C, new and clean.
    """

    area_m2: float = 2.5
    cell_efficiency: float = 0.30
    packing_factor: float = 0.88
    temperature_coefficient_per_k: float = -0.0022
    reference_temperature_k: float = 301.15
    incidence_max_deg: float = 80.0
    degradation_per_year: float = 0.02
    solar_absorptance: float = 0.90
    front_emittance: float = 0.85
    back_emittance: float = 0.85

    def power_w(
        self,
        irradiance_w_m2: float,
        cos_incidence: float,
        cell_temperature_k: float,
        dust_fraction: float = 0.02,
        age_years: float = 0.0,
    ) -> float:
        """Return the power of the cells, before any regulator.

        `irradiance_w_m2` is normal to the rays and already holds the lit fraction of the Sun's
        disc; `dust_fraction` is the part of light that dust keeps from the cells.
        """
        if cos_incidence <= math.cos(math.radians(self.incidence_max_deg)):
            return 0.0
        warmth_k = cell_temperature_k - self.reference_temperature_k
        conversion = self.cell_efficiency * (1.0 + self.temperature_coefficient_per_k * warmth_k)
        ageing = (1.0 - self.degradation_per_year) ** age_years
        light_w = irradiance_w_m2 * cos_incidence * self.area_m2 * self.packing_factor
        clear = 1.0 - min(max(dust_fraction, 0.0), 1.0)
        return max(0.0, light_w * conversion * ageing * clear)

    def power_of_strips_w(
        self,
        irradiance_w_m2: float,
        lit: Sequence[float],
        cos_incidence: float,
        sink_temperature_k: float = 100.0,
        dust_fraction: float = 0.02,
        age_years: float = 0.0,
    ) -> float:
        """Return the power of equal level strips, each with its lit fraction of the Sun's disc.

        `irradiance_w_m2` is that of the whole disc; every strip has its own steady temperature.
        """
        total_w = 0.0
        for part in lit:
            light_w_m2 = irradiance_w_m2 * part
            if light_w_m2 > 0.0:
                cell_k = self.cell_temperature_k(light_w_m2, cos_incidence, sink_temperature_k)
                total_w += self.power_w(
                    light_w_m2, cos_incidence, cell_k, dust_fraction, age_years
                )
        return total_w / len(lit)

    def cell_temperature_k(
        self, irradiance_w_m2: float, cos_incidence: float, sink_temperature_k: float = 100.0
    ) -> float:
        """Return the steady temperature of a thin panel that radiates from both faces.

        A thin panel settles within minutes. `sink_temperature_k` stands for the ground and sky.
        """
        emittance = self.front_emittance + self.back_emittance
        electric = self.cell_efficiency * self.packing_factor
        absorbed_w_m2 = (self.solar_absorptance - electric) * irradiance_w_m2
        flux_w_m2 = absorbed_w_m2 * max(0.0, cos_incidence)
        return (flux_w_m2 / (emittance * STEFAN_BOLTZMANN_W_M2_K4) + sink_temperature_k**4) ** 0.25


def incidence_cosine(
    sun_azimuth_deg: float,
    sun_elevation_deg: float,
    normal_azimuth_deg: float,
    normal_elevation_deg: float = 0.0,
) -> float:
    """Return the cosine between the Sun and the panel's normal; negative behind the panel."""
    sun, normal = math.radians(sun_elevation_deg), math.radians(normal_elevation_deg)
    turn = math.radians(sun_azimuth_deg - normal_azimuth_deg)
    return math.cos(sun) * math.cos(normal) * math.cos(turn) + math.sin(sun) * math.sin(normal)


def slew(azimuth_deg: float, target_deg: float, rate_deg_s: float, dt_s: float) -> float:
    """Turn the panel toward `target_deg` the short way; return the azimuth reached, 0..360."""
    error_deg = (target_deg - azimuth_deg + 180.0) % 360.0 - 180.0
    reach_deg = rate_deg_s * dt_s
    return (azimuth_deg + min(max(error_deg, -reach_deg), reach_deg)) % 360.0
