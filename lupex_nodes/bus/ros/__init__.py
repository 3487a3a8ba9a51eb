# SPDX-License-Identifier: Apache-2.0
"""Host on ROS 2: rclpy nodes, one a unit, kept in step by a barrier."""
