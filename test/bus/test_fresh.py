# SPDX-License-Identifier: Apache-2.0
"""Fresh messages are the generated ones, and share nothing with each other."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import OccupancyGrid, Odometry, Path
from sensor_msgs.msg import BatteryState, CameraInfo, Imu, JointState, PointCloud2

from lupex_nodes.bus.fresh import fresh
from lupex_nodes.recording.cdr import to_cdr

TYPES = (BatteryState, CameraInfo, DiagnosticArray, Imu, JointState, OccupancyGrid, Odometry,
         Path, PointCloud2, TwistStamped)


@pytest.mark.parametrize("message_type", TYPES)
def test_a_fresh_message_is_the_generated_one(message_type: type) -> None:
    assert to_cdr(fresh(message_type)) == to_cdr(message_type())
    assert repr(fresh(message_type)) == repr(message_type())


def test_two_fresh_messages_share_nothing() -> None:
    one, other = fresh(Odometry), fresh(Odometry)
    one.pose.pose.position.x = 1.0
    one.pose.covariance[0] = 2.0
    one.header.stamp.sec = 3
    assert to_cdr(other) == to_cdr(Odometry())
    joints, others = fresh(JointState), fresh(JointState)
    joints.name.append("a")
    joints.position.append(1.0)
    assert to_cdr(others) == to_cdr(JointState())
