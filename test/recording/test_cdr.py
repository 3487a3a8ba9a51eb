# SPDX-License-Identifier: Apache-2.0
"""CDR against the middleware's own deserializer and against rosbags."""

from __future__ import annotations

import math

import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped
from hypothesis import given
from hypothesis import strategies as st
from nav_msgs.msg import OccupancyGrid, Odometry, Path
from rcl_interfaces.msg import Log, Parameter, ParameterEvent, ParameterValue
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image, Imu, JointState, PointCloud2, PointField

from lupex_nodes.bus.records import Schema
from lupex_nodes.recording.cdr import to_cdr
from lupex_nodes.recording.message_types import jazzy

texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=9)
numbers = st.floats(allow_nan=False, width=64)


@given(
    st.builds(
        JointState,
        name=st.lists(texts, max_size=4),
        position=st.lists(numbers, max_size=4),
        velocity=st.lists(numbers, max_size=4),
        effort=st.lists(numbers, max_size=4),
    )
)
def test_any_joint_state_comes_back(message: JointState) -> None:
    assert deserialize_message(to_cdr(message), JointState) == message


@given(
    st.lists(
        st.builds(
            DiagnosticStatus,
            level=st.sampled_from([b"\0", b"\1", b"\2"]),
            name=texts,
            message=texts,
            values=st.lists(st.builds(KeyValue, key=texts, value=texts), max_size=3),
        ),
        max_size=3,
    )
)
def test_any_diagnostics_come_back(statuses: list[DiagnosticStatus]) -> None:
    message = DiagnosticArray(status=statuses)
    assert deserialize_message(to_cdr(message), DiagnosticArray) == message


def _cloud() -> PointCloud2:
    fields = [PointField(name="abc", offset=0, datatype=7, count=1)]
    return PointCloud2(width=2, height=1, fields=fields, point_step=4, row_step=8, data=bytes(8))


@pytest.mark.parametrize(
    "message",
    [
        _cloud(),
        Odometry(child_frame_id="rover/base_link"),
        Imu(),
        Image(data=b"abc", encoding="mono8", width=3, height=1, step=3),
        OccupancyGrid(data=[1, -1, 100]),
        Path(poses=[PoseStamped(), PoseStamped()]),
        Log(name="imu", msg="text", level=20),
        ParameterEvent(
            node="imu",
            new_parameters=[
                Parameter(
                    name="a",
                    value=ParameterValue(
                        type=9, integer_array_value=[1, 2], string_array_value=["b", "cd"]
                    ),
                )
            ],
        ),
    ],
    ids=lambda message: type(message).__name__,
)
def test_types_that_the_bus_carries_come_back(message: object) -> None:
    data = to_cdr(message)
    kind = type(message)
    assert deserialize_message(data, kind) == message
    name = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
    again = jazzy().serialize_cdr(jazzy().deserialize_cdr(data, name), name)
    assert bytes(again) == data


def test_padding_is_zero() -> None:
    message = JointState(name=["a"], velocity=[math.pi])
    message.header.stamp = Time(sec=1, nanosec=2)
    assert {to_cdr(message) for _ in range(100)} == {to_cdr(message)}
    assert to_cdr(message)[-4:] == bytes(4)


def test_a_record_is_the_same_whether_its_fields_were_written_before_or_not() -> None:
    schema = Schema("a", ("one", "f4", "a number"), ("two_s", "f8", "another"))
    for frame_id in ("", "a", "map", "rover/base_link"):
        message = schema.message(5, [(1.0, 2.0)], frame_id)
        assert deserialize_message(to_cdr(message), PointCloud2) == message
