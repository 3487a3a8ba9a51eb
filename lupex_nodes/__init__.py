# SPDX-License-Identifier: Apache-2.0
"""The LUPEX lunar polar lander and rover as ROS 2 nodes."""
