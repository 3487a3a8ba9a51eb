# SPDX-License-Identifier: Apache-2.0
"""What a unit is, and the hosts that fly it: in memory and on ROS 2."""
