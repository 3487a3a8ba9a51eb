# SPDX-License-Identifier: Apache-2.0
"""Residuals: what two independent channels that should agree leave between them.

Each is one number, near 0 or 1 as its docstring says while all is well, and None while nothing
can be said. What a residual must know of the rover beside the bus are the defaults of its models.
"""

from __future__ import annotations

from collections.abc import Mapping

from lupex_nodes.rover.residuals.attitude import (
    Attitude,
    Gravity,
    GyroBias,
    GyroNoise,
    StarJump,
    StarsMissing,
    Tilt,
)
from lupex_nodes.rover.residuals.driving import (
    CameraScale,
    CameraShort,
    CurrentSpread,
    DriveImplausible,
    DriveStill,
    EncoderLoss,
    FrameGaps,
    FramesLost,
    SteeringError,
    TurnLoss,
    WayWithoutFrames,
)
from lupex_nodes.rover.residuals.heat import (
    HeaterDuty,
    HeatPipe,
    TemperatureStep,
)
from lupex_nodes.rover.residuals.neutrons import (
    CountsImplausible,
    EpithermalRate,
    ThermalRate,
    TubeChange,
    TubesApart,
    TubesTogether,
)
from lupex_nodes.rover.residuals.place import (
    FixMisfit,
    PoseJump,
    PositionSigma,
    RangeMisfit,
    RangesMissing,
)
from lupex_nodes.rover.residuals.power import (
    ArrayOutput,
    BatteryStuck,
    BatteryVoltage,
    Capacity,
    CellImbalance,
    ChannelsOpened,
    ChargeBooks,
    EnergyBooks,
    LanderBatteryStuck,
    LoadMismatch,
    Regulator,
    UnaccountedLoad,
)
from lupex_nodes.rover.residuals.residual import Residual

RESIDUALS: Mapping[str, type[Residual]] = {
    "battery_voltage_v": BatteryVoltage,
    "cell_imbalance_v": CellImbalance,
    "capacity_ratio": Capacity,
    "charge_books_fraction": ChargeBooks,
    "unaccounted_load_w": UnaccountedLoad,
    "regulator_loss_fraction": Regulator,
    "array_output_ratio": ArrayOutput,
    "load_mismatch_fraction": LoadMismatch,
    "channels_opened": ChannelsOpened,
    "energy_books_fraction": EnergyBooks,
    "heater_duty_w": HeaterDuty,
    "heat_pipe_k": HeatPipe,
    "gyro_bias_deg_h": GyroBias,
    "gyro_noise_ratio": GyroNoise,
    "star_jump_deg": StarJump,
    "stars_missing": StarsMissing,
    "gravity_m_s2": Gravity,
    "tilt_mismatch_deg": Tilt,
    "tilt_deg": Attitude,
    "way_without_frames_m": WayWithoutFrames,
    "frames_lost_fraction": FramesLost,
    "camera_scale_ratio": CameraScale,
    "camera_short_ratio": CameraShort,
    "current_spread_a": CurrentSpread,
    "encoder_loss_fraction": EncoderLoss,
    "steering_error_deg": SteeringError,
    "drive_still": DriveStill,
    "turn_loss_fraction": TurnLoss,
    "range_misfit_sigma": RangeMisfit,
    "position_sigma_m": PositionSigma,
    "pose_jump_sigma": PoseJump,
    "epithermal_rate_ratio": EpithermalRate,
    "thermal_rate_ratio": ThermalRate,
    "tubes_together_ratio": TubesTogether,
    "tubes_apart_ratio": TubesApart,
    "tube_change_ratio": TubeChange,
    "counts_implausible": CountsImplausible,
    "drive_implausible": DriveImplausible,
    "frame_gaps": FrameGaps,
    "battery_stuck_s": BatteryStuck,
    "lander_battery_stuck_s": LanderBatteryStuck,
    "temperature_step_k": TemperatureStep,
    "ranges_missing_s": RangesMissing,
    "fix_misfit_sigma": FixMisfit,
}
