# SPDX-License-Identifier: Apache-2.0
"""The lunar night by hand: what the sleeping rover loses, and how long its battery covers that.

Nothing of the simulation is used, only numbers of a design sheet and Stefan-Boltzmann's law.
"""

from __future__ import annotations

from dataclasses import dataclass

STEFAN_BOLTZMANN_W_M2_K4 = 5.670374e-8


@dataclass(frozen=True)
class NightBalance:
    """A box at `box_k` in surroundings of one temperature, fed by a battery.

    The defaults are the assumed figures of the rover: 6 m2 of blankets of effective emittance
    0.02, four mounts of 0.02 W/K, harness and mast 0.05 W/K, a shut heat pipe of 0.02 W/K whose
    radiator stands near the sky's temperature, 3 W of the base load outside of the box, 40 kJ/K of
    battery and 60 kJ/K of box that give up some heat at first, 10 kWh at 25 deg C of which 0.92
    can be had at +5 deg C, and 4 % lost in the regulator.
    """

    surroundings_k: float = 50.0
    radiator_k: float = 114.0
    box_k: float = 263.15
    box_start_k: float = 283.15
    battery_end_k: float = 279.0
    battery_start_k: float = 283.15
    survives_k: float = 233.15
    outside_w: float = 3.0
    usable_wh: float = 10.0e3 * 0.92
    efficiency: float = 0.96

    def loss_w(self, box_k: float) -> float:
        """Return what leaves the box at a temperature."""
        apart_k = box_k - self.surroundings_k
        blankets = 6.0 * 0.02 * STEFAN_BOLTZMANN_W_M2_K4 * (box_k**4 - self.surroundings_k**4)
        return blankets + (4 * 0.02 + 0.05) * apart_k + 0.02 * (box_k - self.radiator_k)

    @property
    def night_w(self) -> float:
        """What is taken from the bus while the box is held."""
        return self.loss_w(self.box_k) + self.outside_w

    @property
    def stored_heat_wh(self) -> float:
        """What battery and box give up while they cool down to where they are held."""
        box_j = 60e3 * (self.box_start_k - self.box_k)
        return (box_j + 40e3 * (self.battery_start_k - self.battery_end_k)) / 3600.0

    @property
    def coasts_h(self) -> float:
        """How long the box takes from where it was held to what its electronics survive."""
        mean_w = 0.5 * (self.loss_w(self.box_k) + self.loss_w(self.survives_k))
        return 60e3 * (self.box_k - self.survives_k) / mean_w / 3600.0

    def needed_wh(self, hours: float) -> float:
        """Return what the cells must give for a night of this length."""
        return (self.night_w * hours - self.stored_heat_wh) / self.efficiency

    def left(self, hours: float) -> float:
        """Return what is left of a full battery, as part of what it holds at +5 deg C."""
        return 1.0 - self.needed_wh(hours) / self.usable_wh

    def lasts_h(self, charge: float) -> float:
        """Return after how long a battery of this charge is empty."""
        given_wh = charge * self.usable_wh * self.efficiency
        return (given_wh + self.stored_heat_wh) / self.night_w

    def threshold(self, hours: float) -> float:
        """Return the least charge with which the electronics outlive a night of this length."""
        return self.needed_wh(hours - self.coasts_h) / self.usable_wh
