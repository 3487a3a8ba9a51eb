# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from bag_samples import START_NS, STRING, string_cdr
from scipy.spatial.transform import Rotation

from lupex_nodes.recording import message_types as types
from lupex_nodes.recording.bag_reader import open_bag
from lupex_nodes.recording.bag_writer import BagWriter
from lupex_nodes.recording.frames import ODOMETRY_TYPE, FixedJoint, FrameRecorder

MAST = FixedJoint("rover/base_link", "rover/mast", 0.4, -0.1, 1.2, 0.1, -0.2, 0.3)


def odometry(x: float, y: float, yaw: float, stamp_ns: int) -> bytes:
    make = types.make
    zero = make("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0)
    pose = make(
        "geometry_msgs/msg/Pose",
        position=make("geometry_msgs/msg/Point", x=x, y=y, z=0.0),
        orientation=make(
            "geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=math.sin(yaw / 2), w=math.cos(yaw / 2)
        ),
    )
    stamp = make("builtin_interfaces/msg/Time", sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    message = make(
        ODOMETRY_TYPE,
        header=make("std_msgs/msg/Header", stamp=stamp, frame_id="map"),
        child_frame_id="rover/base_link",
        pose=make("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36)),
        twist=make(
            "geometry_msgs/msg/TwistWithCovariance",
            twist=make("geometry_msgs/msg/Twist", linear=zero, angular=zero),
            covariance=np.zeros(36),
        ),
    )
    return types.to_cdr(ODOMETRY_TYPE, message)


@pytest.mark.parametrize("root", ["", "/sim/lupex"])
def test_the_tree_goes_from_map_to_every_fixed_joint(tmp_path: Path, root: str) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        frames = FrameRecorder(writer, [MAST], root)
        frames.observe("/events", STRING, string_cdr(""), START_NS)
        stamp_ns = START_NS + 5
        topic = f"{root}/rover/odometry"
        frames.observe(topic, ODOMETRY_TYPE, odometry(3.0, -4.0, 0.5, stamp_ns), START_NS + 10)
        truth = odometry(9.0, 9.0, 0.0, stamp_ns)
        frames.observe(f"{root}/world/vehicle/odometry", ODOMETRY_TYPE, truth, START_NS + 11)
    with open_bag(tmp_path / "bag") as bag:
        static, moving = (bag.decode(message) for message in bag.messages())
    parents = {t.child_frame_id: t.header.frame_id for t in static.transforms}
    assert parents == {"rover/odom": "map", "rover/mast": "rover/base_link"}
    (pose,) = moving.transforms
    assert (pose.header.frame_id, pose.child_frame_id) == ("rover/odom", "rover/base_link")
    assert (pose.transform.translation.x, pose.transform.translation.y) == (3.0, -4.0)
    assert pose.header.stamp.nanosec == 5
    assert pose.transform.rotation.z == pytest.approx(math.sin(0.25))


def test_roll_pitch_yaw_is_urdfs() -> None:
    # URDF: rotations about the fixed axes x, y, z in this order; scipy is the reference.
    expected = Rotation.from_euler("xyz", [MAST.roll_rad, MAST.pitch_rad, MAST.yaw_rad]).as_quat()
    assert MAST.quaternion() == pytest.approx(tuple(expected))
