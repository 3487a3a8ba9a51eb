# SPDX-License-Identifier: Apache-2.0
"""Writes /tf and /tf_static into a bag, so that rviz places everything without a workspace."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry

from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.stamps import to_header
from lupex_nodes.recording.cdr import HEADER, writer

TF_TYPE = "tf2_msgs/msg/TFMessage"
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


class Sink(Protocol):
    """What takes the frames: a bag's writer, or a recorder."""

    def topic(self, name: str, type_name: str, qos: str, /) -> None:
        """Register a topic."""

    def write(self, name: str, type_name: str, data: bytes, log_time_ns: int, /) -> None:
        """Take a serialized message."""


class FrameRecorder:
    """Derives the frame tree map -> rover/odom -> rover/base_link from navigation's odometry.

    Navigation gives one estimate, of base_link in map. It is written as rover/odom ->
    rover/base_link; map -> rover/odom is the identity, on /tf_static. rover/odom is there so that
    REP-105 tools find the frame they expect; it is as continuous as the estimate is.
    """

    def __init__(self, writer: Sink, fixed_joints: Sequence[FixedJoint] = ()) -> None:
        self._writer = writer
        self._joints = (FixedJoint(MAP_FRAME, ODOM_FRAME), *fixed_joints)
        self._static_written = False
        writer.topic("/tf_static", TF_TYPE, "state")
        writer.topic("/tf", TF_TYPE, "telemetry")

    def observe(self, odometry: Odometry, log_time_ns: int) -> None:
        """Take navigation's odometry."""
        if not self._static_written:
            self._static_written = True
            self._write_static(log_time_ns)
        transform = fresh(TransformStamped)
        transform.header.stamp = odometry.header.stamp
        transform.header.frame_id = ODOM_FRAME
        transform.child_frame_id = odometry.child_frame_id or BASE_FRAME
        place, moved = odometry.pose.pose.position, transform.transform.translation
        moved.x, moved.y, moved.z = place.x, place.y, place.z
        transform.transform.rotation = odometry.pose.pose.orientation
        self._write("/tf", [transform], log_time_ns)

    def _write_static(self, log_time_ns: int) -> None:
        transforms = []
        for joint in self._joints:
            transform = fresh(TransformStamped)
            transform.header = to_header(log_time_ns, joint.parent)
            transform.child_frame_id = joint.child
            moved, turned = transform.transform.translation, transform.transform.rotation
            moved.x, moved.y, moved.z = joint.x_m, joint.y_m, joint.z_m
            turned.x, turned.y, turned.z, turned.w = joint.quaternion()
            transforms.append(transform)
        self._write("/tf_static", transforms, log_time_ns)

    def _write(self, topic: str, transforms: list[TransformStamped], log_time_ns: int) -> None:
        """Write a TFMessage, whose package is not among the wheels: it is one sequence."""
        data = bytearray(struct.pack("<I", len(transforms)))
        for transform in transforms:
            writer(TransformStamped)(transform, data)
        self._writer.write(topic, TF_TYPE, HEADER + data, log_time_ns)
