# SPDX-License-Identifier: Apache-2.0
"""Residuals: what two independent channels that should agree leave between them.

Each is one number, near 0 or 1 as its docstring says while all is well, and None while nothing
can be said. What a residual must know of the rover beside the bus are the defaults of its models.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.models.battery import FREEZING_K, Battery, capacity_factor
from lupex_nodes.models.crawler_kinematics import CrawlerLayout
from lupex_nodes.models.neutron import NeutronPrior
from lupex_nodes.models.solar_array import SolarArray
from lupex_nodes.models.terramechanics import MOON_GRAVITY_M_S2
from lupex_nodes.rover.attitude import tilt_of, yaw_of
from lupex_nodes.rover.localisation import LocalisationParameters, expected_slip
from lupex_nodes.rover.records import CURRENTS, plausible_drive
from lupex_nodes.rover.telemetry import Source, Telemetry
from lupex_nodes.world.load_report import loads_behind

_DEG_H = math.radians(1.0) / 3600.0
_MOON_ROTATION_RAD_S = 0.549014 * _DEG_H
_JOINTS, _BATTERY, _BUS = "rover/joint_states", "rover/power/battery", "rover/power/bus"
_IMU, _STARS, _ODOMETRY = "rover/imu/data", "rover/star_tracker/attitude", "rover/odometry"
_FRAMES = "rover/stereo_camera/visual_odometry"
_DRIVE, _CURRENTS, _COMMAND = "rover/mobility/state", "rover/mobility/currents", "rover/cmd_vel"
_SKY, _HEAT = "rover/navigation/sky", "rover/thermal/temperatures"
_CHANNELS = "rover/power/channels"
_LANDER_BATTERY, _LANDER_BUS = "lander/lander_power/battery", "lander/lander_power/bus"
_FIX = "ground/map_fix"
_RANGE, _COUNTS = "rover/ranging/range", "payload/neutron_spectrometer/counts"


class Residual:
    """One comparison; `update` is called when a message came on one of its topics."""

    topics: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self.value: float | None = None
        self.updated_at = -1

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare anew."""
        raise NotImplementedError


# --- power -----------------------------------------------------------------------------------


class BatteryVoltage(Residual):
    """Voltage told less that of a sound battery at this charge, current and temperature, V."""

    topics = (_BATTERY,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Use the curve of open-circuit voltage and the resistance of new cells."""
        b, cells = seen.row(_BATTERY), Battery()
        kelvin = b.temperature + FREEZING_K
        charge = cells.state_of_usable(min(max(b.percentage, 0.0), 1.0), kelvin)
        sound_v = cells.open_circuit_voltage_v(charge)
        sound_v += b.current * cells.resistance_ohm(min(max(kelvin, 150.0), 400.0))
        self.value = b.voltage - sound_v


class CellImbalance(Residual):
    """Highest less lowest voltage of the cells, V."""

    topics = (_BATTERY,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Use the cells' own voltages."""
        cells_v = seen.row(_BATTERY).cell_voltage
        self.value = float(max(cells_v) - min(cells_v)) if len(cells_v) else None


class Capacity(Residual):
    """Capacity told over that of new cells at this temperature: 1 when new."""

    topics = (_BATTERY,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Take off what the cold takes."""
        b = seen.row(_BATTERY)
        whole_ah = b.design_capacity * capacity_factor(b.temperature + FREEZING_K)
        self.value = b.capacity / whole_ah if whole_ah > 0.0 else None


class ChargeBooks(Residual):
    """Charge told less charge counted from the current in the last half hour, over capacity."""

    topics = (_BATTERY,)

    def __init__(self) -> None:
        super().__init__()
        self._counted_ah = 0.0
        self._last: tuple[int, float] | None = None
        self._past: deque[tuple[int, float]] = deque()

    def update(self, now: int, seen: Telemetry) -> None:
        """Carry the count on, and compare it with what was told half an hour ago."""
        source = seen.sources[_BATTERY]
        b, at = source.row, source.time or now
        kelvin = b.temperature + FREEZING_K
        whole_ah = b.capacity / max(capacity_factor(kelvin), 0.1)
        if self._last is not None:
            self._counted_ah += b.current * (at - self._last[0]) / (3600.0 * SECOND)
        if self._last is None or abs(whole_ah - self._last[1]) > 0.01 * whole_ah:
            self._past.clear()
        self._last = (at, whole_ah)
        told_ah = Battery().state_of_usable(b.percentage, kelvin) * whole_ah
        self._past.append((at, told_ah - self._counted_ah))
        while at - self._past[0][0] > 1800 * SECOND and len(self._past) > 2:
            self._past.popleft()
        if whole_ah > 0.0:
            self.value = abs(self._past[-1][1] - self._past[0][1]) / whole_ah


class UnaccountedLoad(Residual):
    """Power that the bus gave less what the units say they took, W."""

    topics = (_BUS,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Add the loads of all that is on."""
        bus = seen.row(_BUS)
        ports = [seen.sources[topic].port for topic in ("rover/*/load", "payload/*/load")]
        loads = loads_behind(seen.channels, *ports)
        if not loads or not bus.alive or bus.unmet_w > 0.01:
            self.value = None
            return
        self.value = bus.load_w - sum(row.power_w for row in loads.values())


class Regulator(Residual):
    """Part of the array's power that its regulator loses: 0.08."""

    topics = (_BUS,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Take off what the battery's own regulator loses."""
        bus, kept = seen.row(_BUS), Battery.discharge_efficiency
        lost_w = bus.converter_w - max(bus.battery_w, 0.0) * (1.0 - kept) / kept
        self.value = lost_w / bus.array_w if bus.array_w > 100.0 else None


class ArrayOutput(Residual):
    """Power that the array could give over that of a clean one in full light: 1.

    A hill that the map does not show takes the light slowly of a rover that stands, or is there
    from the start: then nothing is said until the light is back or the rover drives.
    """

    topics = (_BUS, _SKY)
    sound, weak = 0.8, 0.65
    #: The Sun's disc takes an hour to set behind a steep edge; a string is lost at once.
    fall_s = 300.0

    def __init__(self) -> None:
        super().__init__()
        self._shaded = True
        self._sound_at = 0

    def update(self, now: int, seen: Telemetry) -> None:
        """Expect what a panel that faces the Sun gives."""
        bus, lit = seen.row(_BUS), seen.conditions.get("lit") is not None
        if bus is None or not lit:
            self.value = None
            return
        ratio = bus.array_limit_w / _FACING_W
        if ratio >= self.sound or seen.conditions.get("driving") is not None:
            self._shaded, self._sound_at = False, now
        elif ratio > self.weak and now - self._sound_at > self.fall_s * SECOND:
            self._shaded = True
        self.value = None if self._shaded else ratio


_FACING_W = SolarArray().power_of_strips_w(1361.0, (1.0, 1.0, 1.0), 1.0)


class LoadMismatch(Residual):
    """Load told less that by which the ledger of the bus grew, over it: 0."""

    topics = (_BUS,)

    def __init__(self) -> None:
        super().__init__()
        self._before: tuple[int, float] | None = None

    def update(self, now: int, seen: Telemetry) -> None:
        """Divide the energy since the message before by the time."""
        source = seen.sources[_BUS]
        at, bus, before = source.stamp, source.row, self._before
        self._before = (at, bus.load_energy_j)
        if before is None or at <= before[0]:
            return
        mean_w = (bus.load_energy_j - before[1]) * SECOND / (at - before[0])
        self.value = abs(bus.load_w - mean_w) / mean_w if mean_w > 10.0 else None


class ChannelsOpened(Residual):
    """Channels that went off although nobody switched, shed or tripped them, and still are."""

    topics = (_CHANNELS,)

    def __init__(self) -> None:
        super().__init__()
        self._before: dict[str, bool] = {}
        self._open: set[str] = set()
        self.value = 0.0

    def update(self, now: int, seen: Telemetry) -> None:
        """Look for an event that names the channel."""
        named = {v.value for unit, _, values in seen.events if unit == "power"
                 for v in values if v.key == "channel"}  # fmt: skip
        on, bus = seen.channels, seen.row(_BUS)
        alive = seen.conditions["awake"] is not None and (bus is None or bool(bus.alive))
        for name, was in self._before.items():
            if was and not on.get(name, True) and name not in named and alive:
                self._open.add(name)
        self._open = {name for name in self._open if not on.get(name, True)} - named
        self._before = dict(on)
        self.value = float(len(self._open))


class EnergyBooks(Residual):
    """What the ledger of the bus leaves over, as part of what was turned over: 0."""

    topics = (_BUS,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Add the energies since the start."""
        e = seen.row(_BUS)
        over = e.array_energy_j + e.discharge_energy_j
        left = (
            e.array_energy_j - e.load_energy_j - e.converter_energy_j - e.resistive_energy_j
            - e.open_circuit_energy_j
        )  # fmt: skip
        self.value = abs(left) / over if over > 1e3 else None


class BatteryStuck(Residual):
    """For how long (s) the charge told has stood still while the bus moves charge."""

    topics = (_BATTERY,)
    _charge, _flow, _least_w = _BATTERY, _BUS, 10.0

    def __init__(self) -> None:
        super().__init__()
        self._before: float | None = None
        self._changed: int | None = None

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare with the message before."""
        told, bus = seen.row(self._charge).percentage, seen.row(self._flow)
        moves = bus is not None and abs(bus.battery_w) > self._least_w
        if told != self._before or not moves or self._changed is None:
            self._changed = now
        self._before = told
        self.value = (now - self._changed) / SECOND


class LanderBatteryStuck(BatteryStuck):
    """The same of the lander."""

    topics = (_LANDER_BATTERY,)
    _charge, _flow = _LANDER_BATTERY, _LANDER_BUS


# --- heat --------------------------------------------------------------------------------------


class HeaterDuty(Residual):
    """Heater power told less what the thermostats ask for at these temperatures, W."""

    topics = (_HEAT,)
    #: Node, set point (K), largest power (W) while the rover works.
    thermostats = (
        ("battery_k", 278.65, 60.0), ("box_k", 273.15, 120.0), ("motors_k", 218.15, 80.0),
        ("mast_k", 243.15, 30.0),
    )  # fmt: skip

    def update(self, now: int, seen: Telemetry) -> None:
        """Ask each thermostat of 1 K width."""
        heat, bus = seen.row(_HEAT), seen.row(_BUS)
        if heat.hibernating or (bus is not None and bus.unmet_w > 0.0):
            self.value = None
            return
        asked_w = sum(
            most_w * min(max(set_k + 0.5 - getattr(heat, node), 0.0), 1.0)
            for node, set_k, most_w in self.thermostats
        )
        self.value = heat.heater_w - asked_w


class HeatPipe(Residual):
    """How far (K) the box is beyond the temperature at which its heat pipe should have switched.

    Positive: shut and too warm; negative: open and too cold; 0 when it is as it should be.
    """

    topics = (_HEAT,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Opens above 293 K, shuts below 283 K."""
        heat = seen.row(_HEAT)
        if heat.heat_pipe_on:
            self.value = min(heat.box_k - 283.15, 0.0)
        else:
            self.value = max(heat.box_k - 293.15, 0.0)


class TemperatureStep(Residual):
    """Greatest change of box or battery from one message to the next in ten minutes, K."""

    topics = (_HEAT,)

    def __init__(self) -> None:
        super().__init__()
        self._before: tuple[float, float] | None = None
        self._steps: deque[tuple[int, float]] = deque()

    def update(self, now: int, seen: Telemetry) -> None:
        """Hold the greatest; a change that has minutes of time is none."""
        source = seen.sources[_HEAT]
        here = (source.row.battery_k, source.row.box_k)
        if self._before is not None:
            step_k = max(abs(a - b) for a, b in zip(here, self._before, strict=True))
            self._steps.append((now, step_k))
        self._before = here
        while self._steps and now - self._steps[0][0] > 600 * SECOND:
            self._steps.popleft()
        self.value = max((step for _, step in self._steps), default=None)


# --- attitude --------------------------------------------------------------------------------


class _GyroAndStars(Residual):
    """Carries the yaw of the gyros from one frame of stars to a later one."""

    topics = (_IMU, _STARS)

    def __init__(self) -> None:
        super().__init__()
        self._imu_at: int | None = None
        self._turned_rad = 0.0
        self._frame: tuple[int, float] | None = None

    def update(self, now: int, seen: Telemetry) -> None:
        """Turn with the gyros, then look at the stars."""
        if seen.fresh(_IMU):
            self._turn(seen.sources[_IMU], seen)
        stars = seen.sources[_STARS]
        if stars.fresh and stars.row.orientation_covariance[0] >= 0.0:
            q = stars.row.orientation
            self._look(stars.stamp, yaw_of((q.x, q.y, q.z, q.w)))

    @staticmethod
    def _longest(seen: Telemetry) -> float:
        # what a driving rover turns between samples that lie apart, the gyros have not told
        return 150.0 if seen.conditions.get("driving") is None else 4.0

    def _turn(self, imu: Source, seen: Telemetry) -> None:
        at, before = imu.stamp, self._imu_at
        self._imu_at = at
        if before is None or not 0 < at - before < self._longest(seen) * SECOND:
            self._frame = None
            return
        w, a = imu.row.angular_velocity, imu.row.linear_acceleration
        roll, pitch = math.atan2(a.y, a.z), math.atan2(-a.x, math.hypot(a.y, a.z))
        rate = (w.y * math.sin(roll) + w.z * math.cos(roll)) / max(math.cos(pitch), 0.1)
        self._turned_rad += (rate + _MOON_ROTATION_RAD_S) * (at - before) / SECOND

    def _look(self, at: int, yaw_rad: float) -> None:
        raise NotImplementedError


class GyroBias(_GyroAndStars):
    """Drift of the gyros against the stars over five minutes or more, deg/h, without sign."""

    def __init__(self) -> None:
        super().__init__()
        self._frames: deque[tuple[int, float]] = deque()

    def _look(self, at: int, yaw_rad: float) -> None:
        gap_rad, frames = yaw_rad - self._turned_rad, self._frames
        if self._frame is None:
            # the gyros' count begins anew
            frames.clear()
        self._frame = (at, gap_rad)
        frames.append(self._frame)
        while len(frames) > 2 and at - frames[1][0] >= 300 * SECOND:
            frames.popleft()
        since_s = (at - frames[0][0]) / SECOND
        if since_s >= 300.0:
            drift = math.remainder(gap_rad - frames[0][1], 2.0 * math.pi)
            self.value = abs(drift) / since_s / _DEG_H


class StarJump(_GyroAndStars):
    """Step of the stars' yaw against the gyros from one frame to the next, deg."""

    def _look(self, at: int, yaw_rad: float) -> None:
        gap_rad = yaw_rad - self._turned_rad
        if self._frame is not None:
            self.value = abs(math.degrees(math.remainder(gap_rad - self._frame[1], 2.0 * math.pi)))
        self._frame = (at, gap_rad)


class StarsMissing(Residual):
    """1 when the last frame showed no stars."""

    topics = (_STARS,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Look at the covariance, in which -1 says that there is no attitude."""
        self.value = float(seen.row(_STARS).orientation_covariance[0] < 0.0)


class Gravity(Residual):
    """Size of the specific force less the Moon's gravity, m/s2, without sign."""

    topics = (_IMU,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Take the length of the vector."""
        a = seen.row(_IMU).linear_acceleration
        self.value = abs(math.sqrt(a.x * a.x + a.y * a.y + a.z * a.z) - MOON_GRAVITY_M_S2)


class Tilt(Residual):
    """Angle between the vertical of the accelerometers and of the stars, deg, mean of six frames.

    Where the rover drives as well: accelerometers and stars see the same bumps.
    """

    topics = (_STARS,)

    def __init__(self) -> None:
        super().__init__()
        self._apart: deque[tuple[float, float]] = deque(maxlen=6)

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare roll and pitch."""
        imu, stars = seen.sources[_IMU], seen.row(_STARS)
        if imu.row is None or stars.orientation_covariance[0] < 0.0:
            return
        if seen.conditions.get("driving") is not None and imu.age_s(now) > 3.0:
            return
        a, q = imu.row.linear_acceleration, stars.orientation
        roll, pitch = math.atan2(a.y, a.z), math.atan2(-a.x, math.hypot(a.y, a.z))
        star_roll, star_pitch = tilt_of((q.x, q.y, q.z, q.w))
        self._apart.append((roll - star_roll, pitch - star_pitch))
        if len(self._apart) == self._apart.maxlen:
            sums = [sum(axis) / len(self._apart) for axis in zip(*self._apart, strict=True)]
            self.value = math.degrees(math.hypot(*sums))


class GyroNoise(Residual):
    """Scatter of the gyro about the long axis over that of a sound one: 1, over bumps up to 3."""

    topics = (_IMU,)
    random_walk_rad_sqrt_s: float = math.radians(0.05) / 60.0

    def __init__(self) -> None:
        super().__init__()
        self._before: tuple[int, float] | None = None
        self._squares: deque[float] = deque(maxlen=12)

    def update(self, now: int, seen: Telemetry) -> None:
        """Take the differences of consecutive mean rates, each of the time between samples."""
        source = seen.sources[_IMU]
        at, rate = source.stamp, source.row.angular_velocity.x
        if self._before is not None and at > self._before[0]:
            dt_s = (at - self._before[0]) / SECOND
            sound = self.random_walk_rad_sqrt_s / math.sqrt(dt_s) * math.sqrt(2.0)
            step = (rate - self._before[1]) / sound
            self._squares.append(step * step)
            if len(self._squares) == self._squares.maxlen:
                self.value = math.sqrt(sum(self._squares) / len(self._squares))
        self._before = (at, rate)


class Attitude(Residual):
    """Tilt of the rover as the accelerometers feel it, deg."""

    topics = (_IMU,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Take the angle between the body's vertical and the specific force."""
        a = seen.row(_IMU).linear_acceleration
        self.value = math.degrees(math.atan2(math.hypot(a.x, a.y), a.z))


# --- driving ---------------------------------------------------------------------------------


class WayWithoutFrames(Residual):
    """Way of the tracks since the last visual odometry, m."""

    topics = (_DRIVE,)

    def __init__(self) -> None:
        super().__init__()
        self._at_m: float | None = None

    def update(self, now: int, seen: Telemetry) -> None:
        """Count from the last frame, or from where counting began."""
        travel_m, camera = seen.row(_DRIVE).travel_m, seen.channels.get("stereo_camera", True)
        if seen.fresh(_FRAMES) or self._at_m is None or not camera or travel_m < self._at_m:
            self._at_m = travel_m
        self.value = travel_m - self._at_m


class Features(Residual):
    """Features found over those that the light lets sound cameras find at least; above 1.

    The median of the last ten frames; towards the Sun and away from it shadows are hard to follow.
    """

    topics = (_FRAMES,)
    at_least, across = 5.0, 40.0

    def __init__(self) -> None:
        super().__init__()
        self._found: deque[float] = deque(maxlen=10)

    def update(self, now: int, seen: Telemetry) -> None:
        """Count where the ground is lit: where a strip of the array is dark it is not."""
        odometry, sky, bus = seen.row(_ODOMETRY), seen.row(_SKY), seen.row(_BUS)
        lit = bus is not None and bus.array_limit_w > 0.85 * _FACING_W
        if seen.conditions.get("lit") is None or odometry is None or not lit:
            self._found.clear()
            self.value = None
            return
        q = odometry.pose.pose.orientation
        off_deg = 90.0 - math.degrees(yaw_of((q.x, q.y, q.z, q.w))) - sky.sun_azimuth_deg
        along = abs(math.cos(math.radians(off_deg)))
        need = self.at_least + self.across * min(max((0.95 - along) / 0.2, 0.0), 1.0)
        self._found.append(seen.row(_FRAMES).features / need)
        if len(self._found) == self._found.maxlen:
            self.value = sorted(self._found)[len(self._found) // 2]


class FrameGaps(Residual):
    """Frames of the last five minutes that do not begin where the one before ended."""

    topics = (_FRAMES,)

    def __init__(self) -> None:
        super().__init__()
        self._before: int | None = None
        self._gaps: deque[int] = deque()

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare the beginning of each motion with the end of the one before."""
        source = seen.sources[_FRAMES]
        at = source.stamp
        begun = at - round(source.row.since_s * SECOND)
        if self._before is not None and abs(begun - self._before) > SECOND // 2:
            self._gaps.append(at)
        self._before = at
        while self._gaps and at - self._gaps[0] > 300 * SECOND:
            self._gaps.popleft()
        self.value = float(len(self._gaps))


class CameraScale(Residual):
    """Way that the cameras saw over that of the tracks less the slip to expect, over 10 m: 1.

    More slip than expected makes it less; only a camera's scale, or tracks that do not count, make
    it more.
    """

    topics = (_FRAMES,)
    steepest_deg = 12.0

    def __init__(self) -> None:
        super().__init__()
        self._laid_m: float | None = None
        self._ways: deque[tuple[float, float]] = deque()
        believed = LocalisationParameters()
        self._vehicle = believed.vehicle_mass_kg, believed.expected_friction_angle_deg

    def update(self, now: int, seen: Telemetry) -> None:
        """Sum frame by frame."""
        drive, frame, imu = seen.row(_DRIVE), seen.row(_FRAMES), seen.row(_IMU)
        if drive is None or imu is None:
            return
        before, self._laid_m = self._laid_m, drive.travel_m
        a = imu.linear_acceleration
        climb_deg = round(math.degrees(math.atan2(a.x, math.hypot(a.y, a.z))))
        cross_deg = round(math.degrees(math.atan2(a.y, a.z)))
        if before is None or max(abs(climb_deg), abs(cross_deg)) > self.steepest_deg:
            return
        laid_m = drive.travel_m - before
        if not frame.valid or abs(frame.turn_rad) > 0.15 or not 0.3 < laid_m < 5.0:
            return
        if frame.ahead_m < 0.0:
            climb_deg, cross_deg = -climb_deg, -cross_deg
        slip, _ = expected_slip(*self._vehicle, climb_deg, cross_deg)
        seen_m = math.hypot(frame.ahead_m, frame.left_m, frame.up_m)
        self._ways.append((seen_m, laid_m * (1.0 - slip)))
        while sum(way for _, way in self._ways) > 10.0 + self._ways[0][1]:
            self._ways.popleft()
        whole_m = sum(way for _, way in self._ways)
        if whole_m >= 10.0:
            self.value = sum(way for way, _ in self._ways) / whole_m


class CameraShort(Residual):
    """Way that the cameras saw over way of the tracks less slip by the ground speed sensor: 1.

    Over 10 m of frames that hold no sharp turn, over what it was in the first 20 m: the scale of
    the ground speed sensor is not known better.
    """

    topics = (_FRAMES, _DRIVE)

    def __init__(self) -> None:
        super().__init__()
        self._laid_m: float | None = None
        self._over_ground_m = 0.0
        self._ways: deque[tuple[float, float]] = deque()
        self._first = [0.0, 0.0]

    def update(self, now: int, seen: Telemetry) -> None:
        """Sum frame by frame."""
        drive = seen.row(_DRIVE)
        if drive is None:
            return
        if seen.fresh(_DRIVE):
            if self._laid_m is not None and drive.travel_m >= self._laid_m:
                self._over_ground_m += (drive.travel_m - self._laid_m) * (1.0 - drive.slip)
            self._laid_m = drive.travel_m
        if not seen.fresh(_FRAMES):
            return
        frame, over_ground_m = seen.row(_FRAMES), self._over_ground_m
        self._over_ground_m = 0.0
        if not frame.valid or abs(frame.turn_rad) > 0.15 or over_ground_m < 0.3:
            return
        seen_m = math.hypot(frame.ahead_m, frame.left_m, frame.up_m)
        if self._first[1] < 20.0:
            self._first[0] += seen_m
            self._first[1] += over_ground_m
            return
        self._ways.append((seen_m, over_ground_m))
        while sum(way for _, way in self._ways) > 10.0 + self._ways[0][1]:
            self._ways.popleft()
        whole_m = sum(way for _, way in self._ways)
        if whole_m >= 10.0:
            first = self._first[0] / self._first[1]
            self.value = sum(way for way, _ in self._ways) / whole_m / first


class DriveImplausible(Residual):
    """1 when the drive tells of itself what no drive does."""

    topics = (_DRIVE,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Look at each field's range."""
        self.value = float(not plausible_drive(seen.row(_DRIVE)))


class CurrentSpread(Residual):
    """Current of the motor that draws most less that of the others' mean, A, all running."""

    topics = (_CURRENTS,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Take means over the record."""
        rows = seen.sources[_CURRENTS].port.rows()
        if rows is None or not rows.size:
            self.value = None
            return
        # all columns are of one kind: as a table they are averaged at once
        table = rows.view(CURRENTS.dtype[0]).reshape(rows.size, -1)
        means = sorted(table.mean(axis=0)[1:].tolist())
        self.value = means[3] - sum(means[:3]) / 3.0 if means[0] > 0.5 else None


class EncoderLoss(Residual):
    """Part of the tracks' way that their encoders did not count in the last 2 min of driving."""

    topics = (_JOINTS,)

    def __init__(self) -> None:
        super().__init__()
        self._before: tuple[int, Any, Any] | None = None
        self._ways: deque[tuple[float, float]] = deque()
        self._told_m = self._counted_m = 0.0

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare counted way with the speed that was told before."""
        source = seen.sources[_JOINTS]
        at, joints, before = source.stamp, source.row, self._before
        self._before = (at, joints.position[:4], joints.velocity[:4])
        if before is None or not 0 < at - before[0] <= 2 * SECOND or not any(before[2]):
            return
        dt_s = (at - before[0]) / SECOND
        told_m = sum(abs(v) for v in before[2]) * dt_s
        counted_m = sum(abs(b - a) for a, b in zip(before[1], joints.position[:4], strict=True))
        self._ways.append((counted_m, told_m))
        self._counted_m += counted_m
        self._told_m += told_m
        if len(self._ways) > 120:
            old_counted_m, old_told_m = self._ways.popleft()
            self._counted_m -= old_counted_m
            self._told_m -= old_told_m
        if len(self._ways) >= 60 and self._told_m > 0.1:
            self.value = 1.0 - self._counted_m / self._told_m


class SteeringError(Residual):
    """How much further (deg) one crawler is from where the command wants it than all others.

    While all turn to a new direction they are off alike.
    """

    topics = (_JOINTS,)

    def __init__(self) -> None:
        super().__init__()
        self._layout = CrawlerLayout()

    def update(self, now: int, seen: Telemetry) -> None:
        """Turn the velocity command into angles; a crawler may point backwards."""
        asked, joints = seen.row(_COMMAND), seen.row(_JOINTS)
        if seen.conditions.get("driving") is None or seen.conditions.get("commanded") is None:
            self.value = None
            return
        v, told = asked.twist.linear, joints.position[4:].tolist()
        if abs(asked.twist.angular.z) < 0.05 * abs(v.x) and max(map(abs, told)) < 0.1:
            self.value = 0.0  # straight on, and so they are
            return
        wanted = self._layout.drive(v.x, v.y, asked.twist.angular.z, told).steering_rad
        off = sorted(abs(math.remainder(a - b, math.pi)) for a, b in zip(wanted, told, strict=True))
        self.value = math.degrees(off[-1] - off[-2])


class DriveStill(Residual):
    """1 while a motion is commanded and no track runs, and the drive has not stopped itself."""

    topics = (_JOINTS, _COMMAND)

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare command and speeds."""
        joints, drive = seen.row(_JOINTS), seen.row(_DRIVE)
        if seen.conditions.get("commanded") is None or joints is None or drive is None:
            self.value = None
            return
        self.value = float(not any(joints.velocity[:4]) and not drive.blocked)


# --- place -----------------------------------------------------------------------------------


class RangeMisfit(Residual):
    """Range to the lander less the distance believed, over what both may err: within +-3."""

    topics = (_RANGE,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare; the lander is the origin of the map."""
        told, odometry = seen.row(_RANGE), seen.row(_ODOMETRY)
        if odometry is None:
            return
        at, covariance = odometry.pose.pose.position, odometry.pose.covariance
        believed_m = math.hypot(at.x, at.y, at.z)
        variance = told.variance + max(covariance[0], covariance[7]) + 9.0
        self.value = abs(told.range - believed_m) / math.sqrt(variance)


class RangesMissing(Residual):
    """For how long (s) no range has come although the unit says that the lander is in sight."""

    topics = (_BUS, _RANGE)

    def update(self, now: int, seen: Telemetry) -> None:
        """Compare housekeeping and output."""
        beat, source = seen.beats.get("ranging"), seen.sources[_RANGE]
        in_sight = beat is not None and beat.number("in_sight") == 1.0
        since = max(source.time or 0, seen.start, seen.powered_since.get("ranging") or 0)
        self.value = (now - since) / SECOND if in_sight else None


class FixMisfit(Residual):
    """Map fix less the place believed where it was made, over what both may err."""

    topics = (_FIX, _ODOMETRY)

    def __init__(self) -> None:
        super().__init__()
        self._stop: tuple[int, Any] | None = None

    def update(self, now: int, seen: Telemetry) -> None:
        """Keep the place of the last stop, and compare a fix that was made there."""
        odometry, still = seen.row(_ODOMETRY), seen.conditions.get("standing")
        if seen.fresh(_FIX) and self._stop is not None:
            source = seen.sources[_FIX]
            since, place = self._stop
            if source.stamp >= since:
                at, fixed = place.pose.pose.position, source.row.pose
                variance = (
                    max(fixed.covariance[0], fixed.covariance[7])
                    + max(place.pose.covariance[0], place.pose.covariance[7]) + 1.0
                )  # fmt: skip
                gap_m = math.hypot(fixed.pose.position.x - at.x, fixed.pose.position.y - at.y)
                self.value = gap_m / math.sqrt(variance)
        if still is not None and odometry is not None:
            self._stop = (still, odometry)


class PositionSigma(Residual):
    """Believed error of the position per axis, m."""

    topics = (_ODOMETRY,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Take it from the covariance."""
        covariance = seen.row(_ODOMETRY).pose.covariance
        self.value = math.sqrt(max((covariance[0] + covariance[7]) / 2.0, 0.0))


class PoseJump(Residual):
    """Step of the believed position beyond the way of the tracks, over its believed error."""

    topics = (_ODOMETRY,)

    def __init__(self) -> None:
        super().__init__()
        self._before: tuple[int, float, float, float] | None = None
        self._steps: deque[tuple[int, float]] = deque()

    def update(self, now: int, seen: Telemetry) -> None:
        """Hold the greatest of the last two minutes."""
        told = seen.row(_ODOMETRY)
        at, covariance = told.pose.pose.position, told.pose.covariance
        sigma_m = math.sqrt(max(covariance[0] + covariance[7], 0.0))
        if self._before is not None:
            then, x, y, before_m = self._before
            way_m = 0.15 * (now - then) / SECOND
            step_m = max(math.hypot(at.x - x, at.y - y) - way_m, 0.0)
            if step_m > 0.0:
                self._steps.append((now, step_m / (max(sigma_m, before_m) + 1.0)))
        while self._steps and now - self._steps[0][0] > 120 * SECOND:
            self._steps.popleft()
        self._before = (now, at.x, at.y, sigma_m)
        self.value = max((step for _, step in self._steps), default=0.0)


# --- neutrons --------------------------------------------------------------------------------


_PRIOR = NeutronPrior()


class _TubeRates(Residual):
    """Rates of both tubes over two minutes, each over that of dry ground."""

    topics = (_COUNTS,)

    def __init__(self) -> None:
        super().__init__()
        self._rows: deque[tuple[float, int, int]] = deque()
        self._sums = [0.0, 0.0, 0.0]

    def update(self, now: int, seen: Telemetry) -> None:
        """Sum the last two minutes of live time."""
        rows, sums = self._rows, self._sums
        sound = [row for row in seen.sources[_COUNTS].rows if 0.0 < row.live_time_s < 1e4]
        if not sound:
            return
        new = (
            sum(row.live_time_s for row in sound),
            sum(row.epithermal_counts for row in sound),
            sum(row.thermal_counts for row in sound),
        )
        rows.append(new)
        for i in range(3):
            sums[i] += new[i]
        while sums[0] - rows[0][0] >= 120.0:
            old = rows.popleft()
            for i in range(3):
                sums[i] -= old[i]
        live_s = sums[0]
        if live_s < 60.0:
            return
        prior = _PRIOR
        background = prior.background_cps
        self.value = self.combine(
            sums[1] / live_s / (prior.epithermal_dry_rate_cps + background),
            sums[2] / live_s / (prior.thermal_dry_rate_cps + background),
        )

    def combine(self, epithermal: float, thermal: float) -> float | None:
        """Return the residual from both relative rates."""
        raise NotImplementedError


class EpithermalRate(_TubeRates):
    """Of the cadmium tube: 1 on dry ground, down to a third over much ice."""

    def combine(self, epithermal: float, thermal: float) -> float | None:
        """Take the one."""
        return epithermal


class ThermalRate(_TubeRates):
    """Of the tin tube: 1 on dry ground."""

    def combine(self, epithermal: float, thermal: float) -> float | None:
        """Take the other."""
        return thermal


class TubesTogether(_TubeRates):
    """The lower of both rates: above 1.5 only when particles come from the Sun."""

    def combine(self, epithermal: float, thermal: float) -> float | None:
        """Take the lower."""
        return min(epithermal, thermal)


class TubeChange(_TubeRates):
    """Rates of a rover that stands over those of the first minutes of this stop."""

    topics = (_COUNTS,)

    def __init__(self) -> None:
        super().__init__()
        self._first: tuple[float, float] | None = None
        self._stop: int | None = None
        self._standing: int | None = None

    def update(self, now: int, seen: Telemetry) -> None:
        """Begin anew with each stop: the soil is another."""
        self._standing = seen.conditions.get("standing")
        if self._standing is None or self._standing != self._stop:
            self._stop, self._first, self.value = self._standing, None, None
            self._rows.clear()
            self._sums = [0.0, 0.0, 0.0]
        if self._standing is not None:
            super().update(now, seen)

    def combine(self, epithermal: float, thermal: float) -> float | None:
        """Return the lower of both changes."""
        if self._first is None:
            self._first = (epithermal, thermal)
        before = self._first
        return min(epithermal / max(before[0], 0.05), thermal / max(before[1], 0.05))


class CountsImplausible(Residual):
    """1 when counts are told that no tube makes."""

    topics = (_COUNTS,)

    def update(self, now: int, seen: Telemetry) -> None:
        """Look at each field's range."""
        c = seen.row(_COUNTS)
        most = 1e5 * max(c.live_time_s, 1.0)
        sound = (
            0.0 <= c.live_time_s < 3600.0 and 0.0 <= c.time_s < 1e9 and c.segment <= 2
            and 100.0 < c.tube_temperature_k < 400.0
            and c.epithermal_counts < most and c.thermal_counts < most
        )  # fmt: skip
        self.value = float(not sound)


class TubesApart(_TubeRates):
    """Rate of the cadmium tube over that of the tin tube: discharges of one alone."""

    def combine(self, epithermal: float, thermal: float) -> float | None:
        """Divide."""
        return epithermal / thermal if thermal > 0.5 else None


#: By the names that the table uses.
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
    "features_ratio": Features,
    "camera_scale_ratio": CameraScale,
    "camera_short_ratio": CameraShort,
    "current_spread_a": CurrentSpread,
    "encoder_loss_fraction": EncoderLoss,
    "steering_error_deg": SteeringError,
    "drive_still": DriveStill,
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
