# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from types import SimpleNamespace

from sensor_msgs.msg import Imu

from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.rover.residuals.attitude import StarJump

RATE_RAD_S = math.radians(2.5)
IMU, STARS = "rover/imu/data", "rover/star_tracker/attitude"


class Rover:
    """Turns at RATE_RAD_S, and shows the residual what the fault manager has seen of it."""

    def __init__(self) -> None:
        self.residual, self.yaw_rad = StarJump(), 0.0

    def look(self, at_s: int, rate_rad_s: float, stars: bool = False) -> None:
        imu, frame = Imu(), Imu()
        imu.angular_velocity.z, imu.linear_acceleration.z = rate_rad_s, 1.62
        frame.orientation.z, frame.orientation.w = math.sin(self.yaw_rad / 2), math.cos(
            self.yaw_rad / 2
        )
        seen = SimpleNamespace(
            conditions={},
            fresh=lambda topic: topic == IMU,
            sources={
                IMU: SimpleNamespace(stamp=at_s * SECOND, row=imu),
                STARS: SimpleNamespace(stamp=at_s * SECOND, row=frame, fresh=stars),
            },
        )
        self.residual.update(at_s * SECOND, seen)


def test_a_turn_that_nobody_told_to_its_end_is_no_jump_of_the_stars() -> None:
    rover = Rover()
    rover.look(0, 0.0)
    rover.look(1, 0.0, stars=True)
    for second in range(2, 12):
        rover.yaw_rad += RATE_RAD_S
        rover.look(second, RATE_RAD_S)
    # turns on for a second of which the drive, asleep, lets nobody hear
    rover.yaw_rad += RATE_RAD_S
    rover.look(13, 0.0, stars=True)
    assert rover.residual.value is None
    rover.look(73, 0.0, stars=True)
    assert rover.residual.value < 0.1


def test_stars_that_jump_between_two_frames_at_rest_are_seen() -> None:
    rover = Rover()
    rover.look(0, 0.0)
    rover.look(1, 0.0, stars=True)
    rover.yaw_rad = math.radians(3.0)
    rover.look(61, 0.0, stars=True)
    assert abs(rover.residual.value - 3.0) < 0.1
