# SPDX-License-Identifier: Apache-2.0
"""Residuals: what independent channels that should agree leave between them, over a whole bag.

Each is one column, near 0 or 1 as its docstring says while all is well, nan while nothing can be
said; None if the bag has not what it needs. config/limits.yaml bounds them. The fault manager
computes the like on board from what it has seen so far; here both sides of a moment are known, and
whole columns are worked on at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lupex_nodes.analysis.residuals import attitude, driving, heat, neutrons, place, power
from lupex_nodes.analysis.tables import Series, Tables


class Residual(NamedTuple):
    """A comparison, and the units whose words are compared beside that of the row in the limits."""

    compute: Callable[[Tables], Series | None]
    others: tuple[str, ...] = ()


#: By the names that config/limits.yaml uses.
RESIDUALS: dict[str, Residual] = {
    "battery_voltage_v": Residual(power.battery_voltage_v),
    "cell_imbalance_v": Residual(power.cell_imbalance_v),
    "capacity_ratio": Residual(power.capacity_ratio),
    "charge_books_fraction": Residual(power.charge_books_fraction),
    "battery_stuck_s": Residual(power.battery_stuck_s),
    "lander_battery_stuck_s": Residual(power.lander_battery_stuck_s),
    "unaccounted_load_w": Residual(power.unaccounted_load_w),
    "power_balance_fraction": Residual(power.power_balance_fraction),
    "regulator_loss_fraction": Residual(power.regulator_loss_fraction),
    "array_turned_ratio": Residual(power.array_turned_ratio, ("navigation",)),
    "array_drop_ratio": Residual(power.array_drop_ratio),
    "heater_duty_w": Residual(heat.heater_duty_w),
    "heat_pipe_k": Residual(heat.heat_pipe_k),
    "temperature_step_k": Residual(heat.temperature_step_k),
    "gyro_bias_deg_h": Residual(attitude.gyro_bias_deg_h, ("star_tracker",)),
    "gyro_noise_ratio": Residual(attitude.gyro_noise_ratio),
    "gravity_m_s2": Residual(attitude.gravity_m_s2),
    "tilt_mismatch_deg": Residual(attitude.tilt_mismatch_deg, ("star_tracker",)),
    "tilt_deg": Residual(attitude.tilt_deg, ("imu",)),
    "star_jump_deg": Residual(attitude.star_jump_deg, ("imu",)),
    "stars_missing": Residual(attitude.stars_missing),
    "drive_implausible": Residual(driving.drive_implausible),
    "slip": Residual(driving.slip),
    "current_spread_a": Residual(driving.current_spread_a),
    "encoder_loss_fraction": Residual(driving.encoder_loss_fraction),
    "steering_error_deg": Residual(driving.steering_error_deg, ("navigation",)),
    "steering_stuck": Residual(driving.steering_stuck),
    "drive_still": Residual(driving.drive_still, ("navigation",)),
    "turn_loss_fraction": Residual(driving.turn_loss_fraction, ("imu", "navigation")),
    "way_without_frames_m": Residual(driving.way_without_frames_m, ("mobility",)),
    "frames_lost_fraction": Residual(driving.frames_lost_fraction),
    "frame_gaps": Residual(driving.frame_gaps),
    "camera_scale_ratio": Residual(driving.camera_scale_ratio, ("mobility",)),
    "camera_short_ratio": Residual(driving.camera_short_ratio, ("mobility",)),
    "range_misfit_sigma": Residual(place.range_misfit_sigma, ("navigation",)),
    "fix_misfit_sigma": Residual(place.fix_misfit_sigma, ("navigation",)),
    "pose_jump_sigma": Residual(place.pose_jump_sigma, ("imu", "star_tracker", "ranging")),
    "position_sigma_m": Residual(place.position_sigma_m, ("imu", "star_tracker")),
    "epithermal_rate_ratio": Residual(neutrons.epithermal_rate_ratio),
    "thermal_rate_ratio": Residual(neutrons.thermal_rate_ratio),
    "tubes_apart_ratio": Residual(neutrons.tubes_apart_ratio),
    "tube_change_ratio": Residual(neutrons.tube_change_ratio),
    "counts_implausible": Residual(neutrons.counts_implausible),
}
