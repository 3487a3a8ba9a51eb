# SPDX-License-Identifier: Apache-2.0
"""Electric power of the crawlers' motors: direct-current motors behind reduction gears.

Current follows force, voltage follows speed (Hughes and Drury, Electric Motors and Drives, 2013,
ch. 3). The gears lock themselves, so a slope that drives a track takes no current and gives none.
Up to the force at which a motor stalls; constant temperature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DriveTrain:
    """Four motors and their electronics; every default is assumed.

    The current without load stands for cold gears. It is set so that a rover of 350 kg on level
    ground takes 130 W more at 0.1 m/s than at rest: drive 220 W against idle 90 W.
    """

    driving_w: float = 40.0  # electronics and brakes while driving
    standing_w: float = 5.0
    back_emf_v_s_m: float = 140.0  # motor voltage per track speed
    gear_efficiency: float = 0.4
    winding_ohm: float = 1.0
    idle_current_a: float = 1.34

    def current_a(self, force_n: Any) -> Any:
        """Return the current of one motor that pulls with a force at its sprocket.

        A number or an array; a negative force, of a track that the slope drives, counts as none.
        """
        pulling_n = force_n * (force_n > 0.0)
        return self.idle_current_a + pulling_n / (self.gear_efficiency * self.back_emf_v_s_m)

    def motor_w(self, force_n: Any, track_speed_m_s: Any) -> Any:
        """Return the electric power of one motor that pulls with a force at a speed, 0 or more."""
        current_a = self.current_a(force_n)
        return current_a * (self.back_emf_v_s_m * track_speed_m_s + self.winding_ohm * current_a)
