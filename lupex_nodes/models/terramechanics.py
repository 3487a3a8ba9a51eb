# SPDX-License-Identifier: Apache-2.0
"""Tracks on loose soil: sinkage, pull, slip, side slip and power.

Pressure-sinkage after Bekker, shear after Janosi and Hanamoto, uniform ground pressure: Wong,
Theory of Ground Vehicles (2008), ch. 2. Longitudinal and lateral shear displacement are combined
as a vector, as Wong and Chiang 2001 do for skid steering, doi:10.1243/0954407011525683. Quasi-
static; no grouser, multi-pass or speed effect; loads of a few hundred newtons per track.

Slip is 1 - v/v_track when driving; braking gives negative slip, -(1 - v_track/v).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

MOON_GRAVITY_M_S2 = 1.62
_SINKING_SLIP = 0.6
_SLIDING = 1e17  # shear per metre of track where nothing holds; its slip is -1 in floats


@dataclass(frozen=True)
class Soil:
    """Loose lunar soil. Bekker's moduli are those of the Lunar Sourcebook (Carrier 1991, ch. 9).

    Assumed, to match the slip of tracked rovers in tests: friction angle, cohesion and shear
    moduli of soil that tracks have just disturbed, far below those of undisturbed regolith; slip
    sinkage; embedding.
    """

    friction_angle_deg: float = 27.0
    cohesion_pa: float = 100.0
    shear_modulus_m: float = 0.025
    lateral_shear_modulus_m: float = 0.030
    cohesive_modulus_n_m2: float = 1400.0
    frictional_modulus_n_m3: float = 820_000.0
    sinkage_exponent: float = 1.0
    slip_sinkage_m: float = 0.03
    embedding_per_slipped_m: float = 0.015

    def __post_init__(self) -> None:
        if not 0.0 < self.friction_angle_deg < 60.0:
            raise ValueError(
                f"soil friction angle is {self.friction_angle_deg} deg: it lies between 0 and 60"
            )
        if not min(self.shear_modulus_m, self.lateral_shear_modulus_m, self.sinkage_exponent) > 0:
            raise ValueError("soil shear moduli and sinkage exponent must be above 0")


@dataclass(frozen=True)
class Track:
    """One crawler's ground contact; dimensions and losses are assumed."""

    length_m: float = 0.40
    width_m: float = 0.15
    height_m: float = 0.25
    internal_resistance: float = 0.07  # part of the load, at the sprocket


class Footing(NamedTuple):
    """How a vehicle moves over ground at a commanded track speed.

    `speed_m_s` is along the heading and `side_speed_m_s` to the left. `side_slip_deg` is the angle
    from the line of travel to the course, positive to its left. `traction_n` is the sum of the
    tracks' thrust along the heading, `power_w` the mechanical power into all tracks, negative
    where the slope drives them. `stalled`: no steady motion exists, because the tracks can't hold
    the slope; slip is then 1 (spinning) or -1 (sliding down) and the speeds are 0.
    """

    slip: float
    side_slip_deg: float
    speed_m_s: float
    side_speed_m_s: float
    sinkage_m: float
    traction_n: float
    power_w: float
    stalled: bool


def static_sinkage_m(load_n: float, soil: Soil, track: Track) -> float:
    """Return how deep a track sinks at rest under its load."""
    pressure_pa = max(load_n, 0.0) / (track.length_m * track.width_m)
    return (pressure_pa / _stiffness(soil, track)) ** (1.0 / soil.sinkage_exponent)


def sinkage_m(slip: float, load_n: float, soil: Soil, track: Track) -> float:
    """Return static sinkage plus what a slipping track digs, at most 0.8 of its height."""
    turning = abs(slip)
    deepest_m = 0.8 * track.height_m
    if turning >= 1.0:
        return deepest_m
    dug_m = soil.slip_sinkage_m * turning / (1.0 - turning)
    return min(static_sinkage_m(load_n, soil, track) + dug_m, deepest_m)


def compaction_resistance_n(depth_m: float, soil: Soil, track: Track) -> float:
    """Return the work per metre of pressing a rut of this depth."""
    n = soil.sinkage_exponent
    return track.width_m * _stiffness(soil, track) * depth_m ** (n + 1.0) / (n + 1.0)


def shear_limit_n(load_n: float, soil: Soil, track: Track) -> float:
    """Return the Mohr-Coulomb limit of the shear force under one track."""
    friction = math.tan(math.radians(soil.friction_angle_deg))
    return track.length_m * track.width_m * soil.cohesion_pa + max(load_n, 0.0) * friction


def thrust_n(slip: float, load_n: float, soil: Soil, track: Track) -> float:
    """Return the soil's thrust on one track at this slip (negative when braking)."""
    per_laid = slip if slip >= 0.0 else -slip / max(1.0 + slip, 1e-9)
    displacement = per_laid * track.length_m / soil.shear_modulus_m
    return math.copysign(shear_limit_n(load_n, soil, track) * _mobilised(displacement), slip)


def drawbar_pull_n(slip: float, load_n: float, soil: Soil, track: Track) -> float:
    """Return what one track can pull at this slip: thrust less compaction resistance.

    The soil that a slipping track digs away is carried off, not compacted, so only the static
    sinkage resists.
    """
    rut_m = static_sinkage_m(load_n, soil, track)
    return thrust_n(slip, load_n, soil, track) - compaction_resistance_n(rut_m, soil, track)


def traverse(
    mass_kg: float,
    climb_deg: float,
    cross_slope_deg: float,
    track_speed_m_s: float,
    soil: Soil,
    track: Track,
    *,
    tracks: int = 4,
    drag_n: float = 0.0,
    embedded_m: float = 0.0,
    alignment: float = 1.0,
    gravity_m_s2: float = MOON_GRAVITY_M_S2,
) -> Footing:
    """Return the steady motion of a vehicle whose tracks all run at one speed.

    `climb_deg` is the slope along the heading, positive uphill; `cross_slope_deg` is positive when
    the left side is higher. `drag_n` resists the motion of the whole vehicle; `embedded_m` is
    sinkage beyond the static one, which must be compacted too. `alignment` is the part of the
    tracks' speed that goes along the heading: 1 straight ahead, 0 turning on the spot, where a
    slope still pulls the vehicle down while the soil shears. The load is shared evenly.
    """
    if not (mass_kg > 0.0 and abs(climb_deg) < 90.0 and abs(cross_slope_deg) < 90.0):
        raise ValueError(
            f"vehicle of {mass_kg} kg on slopes of {climb_deg} and {cross_slope_deg} deg: the mass"
            " must be above 0 and slopes within 90 deg"
        )
    direction = -1.0 if track_speed_m_s < 0.0 else 1.0
    climb, cross = math.radians(climb_deg), math.radians(cross_slope_deg)
    weight_n = mass_kg * gravity_m_s2
    load_n = weight_n * math.cos(climb) * math.cos(cross) / tracks
    rut_m = static_sinkage_m(load_n, soil, track) + embedded_m
    resistance_n = compaction_resistance_n(rut_m, soil, track) + drag_n / tracks
    uphill_n = direction * weight_n * math.sin(climb) / tracks
    left_n = weight_n * math.cos(climb) * math.sin(cross) / tracks

    along, across = _shear_for_forces(
        alignment * resistance_n + uphill_n, left_n, load_n, soil, track
    )
    slip = along if along >= 0.0 else along / (1.0 - along)
    stalled = abs(slip) >= 1.0
    thrust = thrust_n(slip, load_n, soil, track) if stalled else resistance_n + alignment * uphill_n
    # `along` and `across` are shear per metre of track laid.
    speed_m_s = 0.0 if stalled else track_speed_m_s * (alignment - along)
    side_speed_m_s = 0.0 if stalled else 0.0 - across * abs(track_speed_m_s)
    traction_n = tracks * direction * thrust
    loss_n = tracks * track.internal_resistance * load_n
    depth_m = sinkage_m(slip, load_n, soil, track) + embedded_m
    return Footing(
        slip=slip,
        # The tracks push uphill, so the course bends to the lower side.
        side_slip_deg=math.degrees(math.atan2(direction * side_speed_m_s, abs(speed_m_s))),
        speed_m_s=speed_m_s,
        side_speed_m_s=side_speed_m_s,
        sinkage_m=min(depth_m, 0.8 * track.height_m),
        traction_n=traction_n,
        power_w=traction_n * track_speed_m_s + loss_n * abs(track_speed_m_s),
        stalled=stalled,
    )


def embedding_m(slip: float, track_travel_m: float, soil: Soil) -> float:
    """Return how much deeper a track digs itself in while it spins beyond a slip of 0.6."""
    if slip <= _SINKING_SLIP:
        return 0.0
    return soil.embedding_per_slipped_m * slip * abs(track_travel_m)


def steering_torque_nm(load_n: float, soil: Soil, track: Track) -> float:
    """Return the torque to turn one track on the spot under uniform pressure (Wong, ch. 6)."""
    return shear_limit_n(load_n, soil, track) * track.length_m / 4.0


def turning_moment_nm(curvature_1_m: float, load_n: float, soil: Soil, track: Track) -> float:
    """Return the moment with which the soil resists one track that runs along a curve.

    Soil under the track is pushed aside by (curvature/2)(length x - x^2) at a distance x behind
    its front and resists the rear half's swing outwards as it does the front half's inwards; the
    shear of Janosi and Hanamoto times the lever arm, integrated. At any curvature the work per
    metre of track is this moment times the curvature.
    """
    swing = abs(curvature_1_m) * track.length_m**2 / (8.0 * soil.lateral_shear_modulus_m)
    return steering_torque_nm(load_n, soil, track) * _mobilised(swing)


def turning_slip(curvature_1_m: float, reach_m: float, soil: Soil, track: Track) -> float:
    """Return by what part a vehicle turns slower than its tracks ask, on small slips.

    The turning moments of all tracks are held by the slip, ahead and to the side, of tracks at
    `reach_m` from the vehicle's middle; its first order in the slip is independent of the load.
    """
    if curvature_1_m == 0.0:
        return 0.0
    curvature = abs(curvature_1_m)
    swing = curvature * track.length_m**2 / (8.0 * soil.lateral_shear_modulus_m)
    softness = 1.0 / soil.shear_modulus_m + 1.0 / soil.lateral_shear_modulus_m
    return min(1.0, _mobilised(swing) / (curvature * reach_m**2 * softness))


def _stiffness(soil: Soil, track: Track) -> float:
    narrow_m = min(track.width_m, track.length_m)
    return soil.cohesive_modulus_n_m2 / narrow_m + soil.frictional_modulus_n_m3


def _shear_for_forces(
    ahead_n: float, left_n: float, load_n: float, soil: Soil, track: Track
) -> tuple[float, float]:
    """Shear ahead and to the left, per metre of track laid, that mobilises two forces.

    Ahead 1 or -inf when no shear does: the tracks spin, or slide down.
    """
    limit_n = shear_limit_n(load_n, soil, track)
    total_n = math.hypot(ahead_n, left_n)
    if total_n == 0.0:
        return 0.0, 0.0
    if total_n >= limit_n:
        return (1.0, 0.0) if ahead_n >= 0.0 else (-_SLIDING, 0.0)
    displacement = _displacement_for(total_n / limit_n) / (total_n * track.length_m)
    along = displacement * ahead_n * soil.shear_modulus_m
    across = displacement * left_n * soil.lateral_shear_modulus_m
    return (along, across) if along < 1.0 else (1.0, 0.0)


def _mobilised(displacement: float) -> float:
    """Part of the shear limit reached when displacement grows evenly to this many moduli."""
    if displacement < 1e-4:
        return displacement / 2.0 - displacement**2 / 6.0
    return 1.0 + math.expm1(-displacement) / displacement


def _displacement_for(part: float) -> float:
    """Inverse of _mobilised by Newton's method, which on a concave rising function from below
    never overshoots. Both 2 part and the inverse for small displacements lie below the root.
    """
    x = 2.0 * part * (1.0 + 2.0 * part / 3.0)
    for _ in range(60):
        if x < 1e-4:
            value, slope = x / 2.0 - x * x / 6.0, 0.5 - x / 3.0
        else:
            left = math.exp(-x)
            value = 1.0 - (1.0 - left) / x
            slope = (1.0 - left * (1.0 + x)) / (x * x)
        step = (value - part) / slope
        x -= step
        if abs(step) <= 1e-9 * x:
            break
    return x


@lru_cache(maxsize=20_000)
def expected_slip(
    mass_kg: float, friction_angle_deg: float, climb_deg: float, cross_deg: float
) -> tuple[float, float]:
    """Return slip and side slip (rad) to expect on a slope, at most a slip of 0.8."""
    soil = Soil(friction_angle_deg=friction_angle_deg)
    footing = traverse(mass_kg, climb_deg, cross_deg, 0.1, soil, Track())
    if footing.stalled:
        return math.copysign(0.8, footing.slip), 0.0
    return footing.slip, math.radians(footing.side_slip_deg)
