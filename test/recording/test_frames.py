# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from pathlib import Path

import pytest
from bag_samples import START_NS
from nav_msgs.msg import Odometry
from scipy.spatial.transform import Rotation

from lupex_nodes.bus.stamps import to_header
from lupex_nodes.recording.bag_reader import open_bag
from lupex_nodes.recording.bag_writer import BagWriter
from lupex_nodes.recording.frames import FixedJoint, FrameRecorder

MAST = FixedJoint("rover/base_link", "rover/mast", 0.4, -0.1, 1.2, 0.1, -0.2, 0.3)


def odometry(x: float, y: float, yaw: float, stamp_ns: int) -> Odometry:
    message = Odometry(header=to_header(stamp_ns, "map"), child_frame_id="rover/base_link")
    message.pose.pose.position.x, message.pose.pose.position.y = x, y
    turn = message.pose.pose.orientation
    turn.z, turn.w = math.sin(yaw / 2), math.cos(yaw / 2)
    return message


def test_the_tree_goes_from_map_to_every_fixed_joint(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        frames = FrameRecorder(writer, [MAST])
        frames.observe(odometry(3.0, -4.0, 0.5, START_NS + 5), START_NS + 10)
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
