# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lupex_nodes.models.drive_train import DriveTrain
from lupex_nodes.models.traverse_energy import TraverseEnergy

DRIVE = TraverseEnergy(0.1)
WEIGHT_N = 350.0 * 1.62


def test_level_ground_costs_what_the_drive_takes_there():
    # 130 W more than at rest at 0.1 m/s
    watts = float(DRIVE.joule_per_m(0.0, 0.0)) * 0.1
    assert watts - DriveTrain().standing_w == pytest.approx(130.0, rel=0.05)


@given(climb=st.floats(0.0, 20.0), cross=st.floats(-10.0, 10.0))
def test_a_climb_costs_more_than_the_height_gained(climb, cross):
    gained_j = WEIGHT_N * math.sin(math.radians(climb)) / DriveTrain().gear_efficiency
    level = float(DRIVE.joule_per_m(0.0, 0.0))
    idle_j = (DriveTrain().driving_w + 4.0 * DriveTrain().motor_w(0.0, 0.1)) / 0.1
    assert float(DRIVE.joule_per_m(climb, cross)) >= 0.97 * max(level, idle_j + gained_j)


@given(
    climbs=st.tuples(st.floats(-20.0, 20.0), st.floats(-20.0, 20.0)), cross=st.floats(-10.0, 10.0)
)
def test_steeper_never_costs_less(climbs, cross):
    low, high = sorted(climbs)
    assert DRIVE.joule_per_m(low, cross) <= DRIVE.joule_per_m(high, cross) * (1.0 + 1e-9)


def test_downhill_still_costs_electronics_and_turning_motors():
    idle_j = (DriveTrain().driving_w + 4.0 * DriveTrain().motor_w(0.0, 0.1)) / 0.1
    assert float(DRIVE.joule_per_m(-20.0, 0.0)) == pytest.approx(idle_j, rel=0.25)


def test_roughness_costs_because_downhill_gives_nothing_back():
    rough = TraverseEnergy(0.1, roughness_deg=4.0)
    climbs = np.linspace(-12.0, 4.0, 33)
    smooth = DRIVE.joule_per_m(climbs, 0.0)
    gain = rough.joule_per_m(climbs, 0.0) - smooth
    # where power starts to be needed the mean over slopes is more than the mean slope's: by
    # k sigma / sqrt(2 pi) at the bend of a line of slope k
    per_deg = float(smooth[-1] - smooth[-9]) / 4.0
    assert gain.max() == pytest.approx(per_deg * 4.0 / math.sqrt(2.0 * math.pi), rel=0.25)
    assert gain.min() > -0.005 * smooth.min()


def test_speed_over_ground_is_held_until_the_tracks_can_run_no_faster():
    climbs = np.array([-10.0, 0.0, 10.0, 15.0])
    np.testing.assert_allclose(DRIVE.seconds_per_m(climbs, 0.0), 10.0, rtol=1e-6)
    assert float(TraverseEnergy(0.14).seconds_per_m(15.0, 0.0)) > 1.05 / 0.14


def test_a_speed_beyond_the_tracks_is_refused():
    with pytest.raises(ValueError, match="speed over ground"):
        TraverseEnergy(0.2)
