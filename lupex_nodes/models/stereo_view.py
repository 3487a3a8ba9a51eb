# SPDX-License-Identifier: Apache-2.0
"""What a stereo camera on a mast measures of the ground before the rover.

A grid of range and azimuth in the body frame. Ground behind a crest or a rock is not seen. The
depth error of a stereo pair grows with the range squared (Matthies and Grandjean 1994, IEEE Trans.
Robotics and Automation 10, 786). Metres, body frame: x ahead, y left, z up from the tracks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class StereoView:
    """The grid: `range_m` from the first to the last range, `half_angle_deg` to either side."""

    nearest_m: float = 0.6
    farthest_m: float = 6.0
    half_angle_deg: float = 40.0
    range_step_m: float = 0.18
    azimuth_step_deg: float = 2.5
    eye_m: float = 1.5
    x_m: np.ndarray = field(init=False, repr=False)
    y_m: np.ndarray = field(init=False, repr=False)
    range_m: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        count = round((self.farthest_m - self.nearest_m) / self.range_step_m) + 1
        range_m = np.linspace(self.nearest_m, self.farthest_m, count)
        half = round(self.half_angle_deg / self.azimuth_step_deg)
        azimuth = np.radians(np.arange(-half, half + 1) * self.azimuth_step_deg)[:, None]
        object.__setattr__(self, "range_m", range_m)
        object.__setattr__(self, "x_m", range_m * np.cos(azimuth))
        object.__setattr__(self, "y_m", range_m * np.sin(azimuth))

    def heights(
        self, site: Any, place: tuple[float, float, float], turn: np.ndarray
    ) -> np.ndarray:
        """Return z of the ground over the grid, shape (azimuths, ranges).

        `place` is where the body's origin lies in the map frame, `turn` the 3 x 3 matrix from body
        to map; `site` has `surface(x, y)` and `rocks`.
        """
        (x0, y0, z0), r = place, turn
        x = x0 + r[0, 0] * self.x_m + r[0, 1] * self.y_m
        y = y0 + r[1, 0] * self.x_m + r[1, 1] * self.y_m
        height, east, north = site.surface(x, y)
        reach_m = 0.5 * self.farthest_m
        middle = (x0 + reach_m * r[0, 0], y0 + reach_m * r[1, 0])
        for x_m, y_m, rock_m, diameter_m in site.rocks.near(*middle, reach_m + 1.5).tolist():
            # half an ellipsoid
            over = 1.0 - ((x - x_m) ** 2 + (y - y_m) ** 2) * (2.0 / diameter_m) ** 2
            inside = over > 0.0
            height[inside] += rock_m * np.sqrt(over[inside])
        plane = z0 + r[2, 0] * self.x_m + r[2, 1] * self.y_m
        # along the body's z axis to the ground, which slopes: one Newton step
        return (height - plane) / (r[2, 2] - r[0, 2] * east - r[1, 2] * north)

    def seen(self, z_m: np.ndarray) -> np.ndarray:
        """Return which cells of heights `z_m` (azimuths, ranges) nothing nearer hides."""
        rise = (z_m - self.eye_m) / self.range_m
        return rise >= np.maximum.accumulate(rise, axis=1) - 1e-9

    def sigma_m(self, at_1_m: float, floor_m: float) -> np.ndarray:
        """Return the standard error of z by range, shape (ranges,)."""
        depth_m = at_1_m * self.range_m**2
        # a depth error moves a point along the ray, of which this part is height
        steepness = self.eye_m / np.hypot(self.eye_m, self.range_m)
        return np.hypot(floor_m, depth_m * steepness)


def turn_matrix(quaternion: tuple[float, float, float, float]) -> np.ndarray:
    """Return the 3 x 3 matrix of a unit quaternion (x, y, z, w)."""
    x, y, z, w = quaternion
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


def in_sight(
    site: Any, a: tuple[float, float], b: tuple[float, float],
    height_a_m: float, height_b_m: float, radius_m: float, step_m: float = 2.0,
) -> bool:  # fmt: skip
    """Return whether two points at heights above the ground see each other.

    The ground between them bulges by d1 d2 / (2 radius), because heights count from the sphere.
    """
    distance_m = math.dist(a, b)
    count = max(2, math.ceil(distance_m / step_m))
    part = np.arange(1, count) / count
    ends = [float(site.height_at(*a)) + height_a_m, float(site.height_at(*b)) + height_b_m]
    ground = site.height(a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1]))
    bulge = part * (1.0 - part) * distance_m**2 / (2.0 * radius_m)
    line = ends[0] + part * (ends[1] - ends[0])
    return bool(np.all(ground + bulge <= line))
