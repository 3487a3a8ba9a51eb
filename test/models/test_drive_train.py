# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lupex_nodes.models.drive_train import DriveTrain
from lupex_nodes.models.terramechanics import Soil, Track, traverse

TRAIN = DriveTrain()


def test_level_driving_takes_what_the_rover_has_for_it():
    # drive 220 W against idle 90 W
    footing = traverse(350.0, 0.0, 0.0, 0.1, Soil(), Track())
    driving_w = TRAIN.driving_w + 4.0 * TRAIN.motor_w(footing.power_w / 0.1 / 4.0, 0.1)
    assert driving_w - TRAIN.standing_w == pytest.approx(130.0, rel=0.05)


@given(force=st.floats(-200.0, 200.0), speed=st.floats(0.0, 0.2))
def test_a_motor_takes_more_than_it_gives_and_brakes_for_nothing(force, speed):
    power = TRAIN.motor_w(force, speed)
    assert power > 0.0
    assert power >= force * speed / TRAIN.gear_efficiency
    if force <= 0.0:
        assert power == TRAIN.motor_w(0.0, speed)


def test_a_current_heats_the_winding_of_a_motor_that_stands():
    amps = TRAIN.idle_current_a + 56.0 / (0.4 * 140.0)
    assert TRAIN.current_a(56.0) == pytest.approx(amps)
    assert TRAIN.motor_w(56.0, 0.0) == pytest.approx(amps**2)


def test_arrays_are_answered_element_by_element():
    force, speed = np.linspace(-50.0, 150.0, 9), np.linspace(0.0, 0.14, 9)
    one_by_one = [
        TRAIN.motor_w(f, v) for f, v in zip(force.tolist(), speed.tolist(), strict=True)
    ]
    np.testing.assert_allclose(TRAIN.motor_w(force, speed), one_by_one)
