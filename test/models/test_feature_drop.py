# SPDX-License-Identifier: Apache-2.0
"""A sudden loss of features shows for as long as it lasts; light, ground and turns do not."""

import math

from lupex_nodes.models.feature_drop import FeatureDrop


def ratios(drop: FeatureDrop, features: list[float], yaw_rad: float = 0.3) -> list[float | None]:
    return [drop.add(each, yaw_rad) for each in features]


def test_a_loss_shows_after_three_frames_and_never_becomes_what_is_usual():
    drop = FeatureDrop()
    assert ratios(drop, [200.0] * 16) == [None] * 16, "five frames to judge, twelve before them"
    assert ratios(drop, [200.0] * 4) == [1.0] * 4
    assert ratios(drop, [20.0] * 100) == [1.0, 1.0] + [0.1] * 98
    assert ratios(drop, [200.0] * 3)[-1] == 1.0


def test_a_single_poor_frame_is_nothing():
    drop = FeatureDrop()
    ratios(drop, [200.0] * 20)
    assert ratios(drop, [3.0, *[200.0] * 5, 3.0]) == [1.0] * 7


def test_ground_that_grows_poor_little_by_little_is_no_loss():
    drop = FeatureDrop()
    found = ratios(drop, [400.0 * 0.95**frame for frame in range(60)])
    assert min(each for each in found if each is not None) > 0.5


def test_after_a_turn_it_learns_anew():
    drop = FeatureDrop()
    ratios(drop, [200.0] * 20, math.radians(175.0))
    assert ratios(drop, [200.0], math.radians(-175.0)) == [1.0], "ten degrees are no turn"
    assert ratios(drop, [20.0] * 17, math.radians(-150.0)) == [None] * 16 + [1.0]


def test_too_few_to_lose_any():
    drop = FeatureDrop()
    assert set(ratios(drop, [7.0] * 30)) == {None}
