# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Point, PoseStamped
from nav_msgs.msg import Path
from sensor_msgs.msg import Imu

from lupex_nodes.bus.messages import OK, status_message
from lupex_nodes.bus.records import Schema
from lupex_nodes.recording.message_difference import first_difference

RECORD = Schema("r", ("time_s", "f8", ""), ("counts", "u4", ""))


def diagnostics(**values: Any) -> DiagnosticArray:
    return status_message(5, "imu", "mode", OK, "fine", values)


def path(*places: float) -> Path:
    poses = [PoseStamped() for _ in places]
    for pose, place in zip(poses, places, strict=True):
        pose.pose.position.x = place
    return Path(poses=poses)


def imu(**axes: float) -> Imu:
    message = Imu()
    for axis, value in axes.items():
        setattr(message.angular_velocity, axis, value)
    message.orientation_covariance[4] = 2.0
    return message


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (Point(x=1.0), Point(x=1.0), ""),
        (Point(x=math.nan), Point(x=math.nan), ""),
        (Point(y=1.5), Point(y=1.25), "y is 1.5 instead of 1.25"),
        (imu(z=0.5), imu(), "angular_velocity.z is 0.5 instead of 0.0"),
        (imu(), Imu(), "orientation_covariance[4] is 2.0 instead of 0.0"),
        (path(1.0, 2.0), path(1.0, 3.0), "poses[1].pose.position.x is 2.0 instead of 3.0"),
        (path(1.0), path(1.0, 3.0), "poses has 1 entries instead of 2"),
        (
            diagnostics(mode="on", rate_hz=1.5),
            diagnostics(mode="on", rate_hz=2.0),
            "status[0].values[rate_hz] is '1.5' instead of '2'",
        ),
        (
            diagnostics(mode="on"),
            diagnostics(state="on"),
            "status[0].values[0].key is 'mode' instead of 'state'",
        ),
        (
            RECORD.message(0, [(1.0, 3), (2.0, 4)]),
            RECORD.message(0, [(1.0, 3), (2.0, 5)]),
            "counts of row 1 is 4 instead of 5",
        ),
        (
            RECORD.message(0, [(1.0, 3)]),
            RECORD.message(0, [(1.0, 3), (2.0, 5)]),
            "data has 1 rows instead of 2",
        ),
        (
            RECORD.message(1, [(1.0, 3)]),
            RECORD.message(2, [(1.0, 4)]),
            "header.stamp.nanosec is 1 instead of 2",
        ),
    ],
)
def test_the_first_field_that_differs_is_named(now: Any, before: Any, said: str) -> None:
    assert first_difference(now, before) == said
