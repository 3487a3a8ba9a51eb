# SPDX-License-Identifier: Apache-2.0
"""From a bag to tables, from tables to findings, and a report of both. Needs no ROS."""

from lupex_nodes.analysis.bag_analysis import Analysis, analyze

__all__ = ["Analysis", "analyze"]
