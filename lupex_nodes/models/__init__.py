# SPDX-License-Identifier: Apache-2.0
"""Physics and estimation as pure functions and small dataclasses; no ROS, no state of a unit."""
