# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lupex_nodes.rover.attitude import (
    into_body,
    on_surface,
    quaternion,
    rotation_between,
    wrapped,
    yaw_of,
)

angle = st.floats(-1.4, 1.4)
yaw = st.floats(-3.1, 3.1)


@given(angle, angle, yaw)
def test_against_scipy(roll, pitch, heading):
    rotation = Rotation.from_euler("ZYX", [heading, pitch, roll])
    ours = quaternion(roll, pitch, heading)
    assert abs(np.dot(ours, rotation.as_quat())) > 1.0 - 1e-12
    assert abs(wrapped(yaw_of(ours) - heading)) < 1e-9
    v = (0.3, -0.4, 1.62)
    np.testing.assert_allclose(into_body(ours, v), rotation.inv().apply(v), atol=1e-12)


@given(angle, angle, yaw, angle, angle, yaw)
def test_rotation_between_against_scipy(r0, p0, y0, r1, p1, y1):
    before, after = (
        Rotation.from_euler("ZYX", [y, p, r]) for r, p, y in ((r0, p0, y0), (r1, p1, y1))
    )
    ours = Rotation.from_rotvec(rotation_between(quaternion(r0, p0, y0), quaternion(r1, p1, y1)))
    assert (ours * (before.inv() * after).inv()).magnitude() < 1e-7


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), yaw)
def test_a_body_stands_along_the_normal(east, north, heading):
    roll, pitch = on_surface(east, north, heading)
    q = quaternion(roll, pitch, heading)
    normal = np.array([-east, -north, 1.0]) / math.sqrt(1 + east**2 + north**2)
    np.testing.assert_allclose(into_body(q, tuple(normal)), (0.0, 0.0, 1.0), atol=1e-12)
