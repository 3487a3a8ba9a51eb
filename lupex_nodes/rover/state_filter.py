# SPDX-License-Identifier: Apache-2.0
"""The Kalman filter under the rover's localisation: twelve states and one at a time corrections.

An extended Kalman filter (Bar-Shalom, Li and Kirubarajan 2001, Estimation with Applications to
Tracking and Navigation, ch. 5 and 10). Beside position and yaw it estimates what lasts in the
errors of the sensors, so that its covariance stays honest however many measurements come: white
noise alone would make it believe that a hundred readings of a crooked sensor are straight.

The motion since the last camera frame is a state of its own, so that visual odometry, which
measures a difference of two poses, corrects the pose with the right correlation (stochastic
cloning, Roumeliotis and Burdick 2002, doi:10.1109/ROBOT.2002.1014801); so is the place of the last
stop, of which a map fix tells when the rover may long be gone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

(
    X,  # m, map east
    Y,  # m, map north
    YAW,  # rad
    BIAS,  # rad/s, of the yaw rate
    MOUNT,  # rad, error of the star tracker's mounting in yaw
    SCALE,  # of visual odometry, the part that stays
    WANDER,  # of visual odometry, the part that wanders, over its standard deviation
    SLIP,  # error of the expected slip over its standard deviation
    SIDE,  # error of the expected side slip over its standard deviation
    AHEAD,  # m, motion since the last camera frame along the heading at that frame
    LEFT,  # m, to the left of that heading
    STOP_X,  # m, where the rover last stood
    STOP_Y,
) = range(13)
SIZE = 13


@dataclass(frozen=True)
class Move:
    """A motion over ground as expected: body axes levelled, m.

    `slip_m` and `side_m`: by how much one standard deviation of slip and side slip makes the
    motion ahead shorter and that to the left longer. `turned_rad`: yaw less that at the frame.
    """

    ahead_m: float
    left_m: float
    slip_m: float
    side_m: float
    turned_rad: float


class StateFilter:
    """Estimate `state` (list of SIZE numbers) and its covariance (SIZE x SIZE)."""

    def __init__(self, state: list[float], sigma: list[float]) -> None:
        self.state = state
        self.covariance = np.diag(np.square(np.array(sigma, float)))
        self._transition = np.eye(SIZE)
        self.new_frame()

    @property
    def pose_covariance(self) -> tuple[float, ...]:
        """Return xx, xy, xyaw, yy, yyaw, yawyaw."""
        (xx, xy, xw), (_, yy, yw), (_, _, ww) = self.covariance[:3, :3].tolist()
        return xx, xy, xw, yy, yw, ww

    def turn(self, rate_rad_s: float, dt_s: float, walk: float, bias_walk: float) -> None:
        """Turn by a measured yaw rate; `walk` in rad/sqrt(s), `bias_walk` in rad/s/sqrt(s)."""
        s, p = self.state, self.covariance
        s[YAW] = math.remainder(s[YAW] + (rate_rad_s - s[BIAS]) * dt_s, 2.0 * math.pi)
        p[YAW] -= dt_s * p[BIAS]
        p[:, YAW] -= dt_s * p[:, BIAS]
        p[YAW, YAW] += walk * walk * dt_s
        p[BIAS, BIAS] += bias_walk * bias_walk * dt_s

    def stand(self, rate_rad_s: float, dt_s: float, walk: float, bias_walk: float) -> None:
        """Learn the bias from the yaw rate of a rover that does not turn."""
        self.covariance[BIAS, BIAS] += bias_walk * bias_walk * dt_s
        row = np.zeros(SIZE)
        row[BIAS] = 1.0
        self.correct(row, rate_rad_s - self.state[BIAS], walk * walk / dt_s)

    def move(self, move: Move, keeps: tuple[float, float], noise_m2: float) -> None:
        """Move over ground; `keeps`: what is left of the slips and of the wandering scale."""
        s, f = self.state, self._transition
        c, n = math.cos(s[YAW]), math.sin(s[YAW])
        ahead = move.ahead_m - move.slip_m * s[SLIP]
        left = move.left_m + move.side_m * s[SIDE]
        dx, dy = c * ahead - n * left, n * ahead + c * left
        s[X] += dx
        s[Y] += dy
        f[X, YAW], f[Y, YAW] = -dy, dx
        f[X, SLIP], f[Y, SLIP] = -c * move.slip_m, -n * move.slip_m
        f[X, SIDE], f[Y, SIDE] = -n * move.side_m, c * move.side_m
        c, n = math.cos(move.turned_rad), math.sin(move.turned_rad)
        s[AHEAD] += c * ahead - n * left
        s[LEFT] += n * ahead + c * left
        f[AHEAD, SLIP], f[LEFT, SLIP] = -c * move.slip_m, -n * move.slip_m
        f[AHEAD, SIDE], f[LEFT, SIDE] = -n * move.side_m, c * move.side_m
        slips, wander = keeps
        s[SLIP] *= slips
        s[SIDE] *= slips
        s[WANDER] *= wander
        f[SLIP, SLIP] = f[SIDE, SIDE] = slips
        f[WANDER, WANDER] = wander
        p = self.covariance = f @ self.covariance @ f.T
        p[SLIP, SLIP] += 1.0 - slips * slips
        p[SIDE, SIDE] += 1.0 - slips * slips
        p[WANDER, WANDER] += 1.0 - wander * wander
        p += noise_m2 * self._shared

    def widen(self, along: np.ndarray, variance: float) -> None:
        """Add an error of a known shape, as when what was believed turns out not to hold."""
        self.covariance += variance * np.outer(along, along)

    def forget(self, index: int, sigma: float) -> None:
        """Let a state be unknown again, independent of the others."""
        p = self.covariance
        p[index], p[:, index] = 0.0, 0.0
        p[index, index] = sigma * sigma

    def new_frame(self) -> None:
        """Count the motion from here."""
        for index in (AHEAD, LEFT):
            self.state[index] = 0.0
            self.forget(index, 0.0)
        # noise of the way is the same in the pose and in the motion since the frame
        c, n = math.cos(self.state[YAW]), math.sin(self.state[YAW])
        shape = np.zeros((SIZE, 2))
        shape[[X, Y, AHEAD, LEFT]] = (c, -n), (n, c), (1.0, 0.0), (0.0, 1.0)
        self._shared = shape @ shape.T

    def new_stop(self) -> None:
        """Keep this place as that of the last stop."""
        s, p = self.state, self.covariance
        s[STOP_X], s[STOP_Y] = s[X], s[Y]
        p[[STOP_X, STOP_Y]] = p[[X, Y]]
        p[:, [STOP_X, STOP_Y]] = p[:, [X, Y]]

    def variance(self, row: np.ndarray) -> float:
        """Return the variance of a measurement with the derivatives `row`, without its noise."""
        return float(row @ self.covariance @ row)

    def correct(self, row: np.ndarray, innovation: float, variance: float) -> None:
        """Take one measurement with the derivatives `row`."""
        p = self.covariance
        gain = p @ row
        total = float(row @ gain) + variance
        if total <= 0.0:
            return
        p -= np.outer(gain, gain / total)
        step = (gain * (innovation / total)).tolist()
        self.state = [value + each for value, each in zip(self.state, step, strict=True)]
        self.state[YAW] = math.remainder(self.state[YAW], 2.0 * math.pi)
