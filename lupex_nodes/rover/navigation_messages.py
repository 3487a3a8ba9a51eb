# SPDX-License-Identifier: Apache-2.0
"""What navigation shows, as messages of nav_msgs in the map frame."""

from __future__ import annotations

import math
from array import array

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import OccupancyGrid, Odometry, Path

from lupex_nodes.bus.fresh import fresh
from lupex_nodes.bus.stamps import to_header, to_stamp
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.rover.attitude import quaternion
from lupex_nodes.rover.hazard_map import HazardMap
from lupex_nodes.rover.localisation import Localisation
from lupex_nodes.rover.path_planning import Grid

_POSE_EVERY_M = 5.0


def odometry_message(now: int, e: Localisation) -> Odometry:
    """Say the believed pose with its covariance, and the motion in the body frame."""
    message = fresh(Odometry)
    message.header.stamp = to_stamp(now)
    message.header.frame_id = "map"
    message.child_frame_id = "rover/base_link"
    position, turn = message.pose.pose.position, message.pose.pose.orientation
    position.x, position.y, position.z = e.x_m, e.y_m, e.z_m
    turn.x, turn.y, turn.z, turn.w = quaternion(e.roll_rad, e.pitch_rad, e.yaw_rad)
    xx, xy, xw, yy, yw, ww = e.covariance
    covariance = message.pose.covariance
    covariance[0], covariance[1], covariance[5] = xx, xy, xw
    covariance[6], covariance[7], covariance[11] = xy, yy, yw
    covariance[30], covariance[31], covariance[35] = xw, yw, ww
    message.twist.twist.linear.x = e.speed_m_s
    message.twist.twist.angular.z = e.turn_rate_rad_s
    return message


def path_message(now: int, corners_m: np.ndarray, ground: SiteTerrain) -> Path:
    """Show a path every few metres, at the height of the map's ground; poses look ahead."""
    path = Path()
    path.header = to_header(now, "map")
    for a, b in zip(corners_m[:-1], corners_m[1:], strict=True):
        length_m = math.dist(a, b)
        count = max(1, math.ceil(length_m / _POSE_EVERY_M))
        yaw = math.atan2(b[1] - a[1], b[0] - a[0])
        for i in range(count):
            _add(path, a + (b - a) * (i / count), yaw, ground)
    _add(path, corners_m[-1], yaw, ground)
    return path


def hazards_message(now: int, hazards: HazardMap) -> OccupancyGrid:
    """Show the hazard map."""
    return _grid(now, hazards.occupancy(), hazards.cell_m, hazards.origin_m, 0.0)


def costmap_message(now: int, grid: Grid, cells: np.ndarray) -> OccupancyGrid:
    """Show what a plan saw of the map, the first axis along the way."""
    x, y = grid.places(np.array(-0.5), np.array(-0.5))
    yaw = math.atan2(grid.axis[1], grid.axis[0])
    return _grid(now, cells, grid.pitch_m, (float(x), float(y)), yaw)


def _grid(
    now: int, cells: np.ndarray, cell_m: float, origin_m: tuple[float, float], yaw_rad: float
) -> OccupancyGrid:
    message = OccupancyGrid()
    message.header = to_header(now, "map")
    info = message.info
    info.map_load_time = to_stamp(now)
    info.resolution = cell_m
    info.height, info.width = cells.shape
    info.origin.position.x, info.origin.position.y = origin_m
    turn = info.origin.orientation
    turn.x, turn.y, turn.z, turn.w = quaternion(0.0, 0.0, yaw_rad)
    message.data = array("b", cells.tobytes())
    return message


def _add(path: Path, place: np.ndarray, yaw_rad: float, ground: SiteTerrain) -> None:
    pose = fresh(PoseStamped)
    pose.header = path.header
    position, turn = pose.pose.position, pose.pose.orientation
    position.x, position.y = place.tolist()
    position.z = ground.height_at(position.x, position.y)
    turn.x, turn.y, turn.z, turn.w = quaternion(0.0, 0.0, yaw_rad)
    path.poses.append(pose)
