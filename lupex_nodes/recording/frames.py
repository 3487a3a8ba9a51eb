# SPDX-License-Identifier: Apache-2.0
"""Writes /tf and /tf_static into a bag, so that rviz places everything without a workspace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lupex_nodes.recording import message_types
from lupex_nodes.recording.bag_writer import BagWriter

TF_TYPE = "tf2_msgs/msg/TFMessage"
ODOMETRY_TYPE = "nav_msgs/msg/Odometry"
MAP_FRAME = "map"
ODOM_FRAME = "rover/odom"
BASE_FRAME = "rover/base_link"


@dataclass(frozen=True)
class FixedJoint:
    """A joint that never moves: `child` as seen in `parent`; roll, pitch, yaw as in URDF."""

    parent: str
    child: str
    x_m: float = 0.0
    y_m: float = 0.0
    z_m: float = 0.0
    roll_rad: float = 0.0
    pitch_rad: float = 0.0
    yaw_rad: float = 0.0

    def quaternion(self) -> tuple[float, float, float, float]:
        """Return x, y, z, w of the fixed-axis rotation roll, then pitch, then yaw (REP-103)."""
        cr, sr = math.cos(self.roll_rad / 2), math.sin(self.roll_rad / 2)
        cp, sp = math.cos(self.pitch_rad / 2), math.sin(self.pitch_rad / 2)
        cy, sy = math.cos(self.yaw_rad / 2), math.sin(self.yaw_rad / 2)
        return (
            sr * cp * cy - cr * sp * sy,
            cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
            cr * cp * cy + sr * sp * sy,
        )


class FrameRecorder:
    """Derives the frame tree map -> rover/odom -> rover/base_link from navigation's odometry.

    Navigation gives one estimate, of base_link in map. It is written as rover/odom ->
    rover/base_link; map -> rover/odom is the identity, on /tf_static. rover/odom is there so that
    REP-105 tools find the frame they expect; it is as continuous as the estimate is.
    `topic` is where the odometry comes, without the system's root.
    """

    def __init__(
        self,
        writer: BagWriter,
        fixed_joints: Sequence[FixedJoint] = (),
        root: str = "",
        topic: str = "rover/odometry",
    ) -> None:
        prefix = root.strip("/")
        self._topic = "/" + "/".join(part for part in (prefix, topic.strip("/")) if part)
        self._writer = writer
        self._joints = (FixedJoint(MAP_FRAME, ODOM_FRAME), *fixed_joints)
        self._static_written = False
        writer.topic("/tf_static", TF_TYPE, "state")
        writer.topic("/tf", TF_TYPE, "telemetry")

    def observe(self, topic: str, type_name: str, data: bytes, log_time_ns: int) -> None:
        """Take one recorded message; anything but navigation's odometry is passed over."""
        if not self._static_written:
            self._static_written = True
            self._write_static(log_time_ns)
        if topic != self._topic or message_types.full_name(type_name) != ODOMETRY_TYPE:
            return
        odometry: Any = message_types.jazzy().deserialize_cdr(data, ODOMETRY_TYPE)
        position = odometry.pose.pose.position
        transform = _transform(
            odometry.header.stamp,
            ODOM_FRAME,
            odometry.child_frame_id or BASE_FRAME,
            (position.x, position.y, position.z),
            odometry.pose.pose.orientation,
        )
        self._write("/tf", [transform], log_time_ns)

    def _write_static(self, log_time_ns: int) -> None:
        stamp = message_types.make(
            "builtin_interfaces/msg/Time",
            sec=log_time_ns // 10**9,
            nanosec=log_time_ns % 10**9,
        )
        transforms = []
        for joint in self._joints:
            x, y, z, w = joint.quaternion()
            rotation = message_types.make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)
            translation = (joint.x_m, joint.y_m, joint.z_m)
            transforms.append(_transform(stamp, joint.parent, joint.child, translation, rotation))
        self._write("/tf_static", transforms, log_time_ns)

    def _write(self, topic: str, transforms: list[Any], log_time_ns: int) -> None:
        message = message_types.make(TF_TYPE, transforms=transforms)
        self._writer.write(topic, TF_TYPE, message_types.to_cdr(TF_TYPE, message), log_time_ns)


def _transform(
    stamp: Any, parent: str, child: str, translation: tuple[float, float, float], rotation: Any
) -> Any:
    make = message_types.make
    x, y, z = translation
    return make(
        "geometry_msgs/msg/TransformStamped",
        header=make("std_msgs/msg/Header", stamp=stamp, frame_id=parent),
        child_frame_id=child,
        transform=make(
            "geometry_msgs/msg/Transform",
            translation=make("geometry_msgs/msg/Vector3", x=x, y=y, z=z),
            rotation=rotation,
        ),
    )
