# SPDX-License-Identifier: Apache-2.0
"""The rover's ground-penetrating radar."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from nav_msgs.msg import Odometry
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.commands import RUNNING, CommandFailed, Running, command
from lupex_nodes.bus.messages import OK
from lupex_nodes.bus.parameters import Degradation, Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND, next_minute
from lupex_nodes.bus.unit import Unit
from lupex_nodes.models.radar import Sounder
from lupex_nodes.models.radar_image import LOOP, SURVEY, RadarRetrieval
from lupex_nodes.models.radar_processing import Quality, RadarSection, product, saturated
from lupex_nodes.models.radar_receiver import (
    PHASE_NOISE_DEG,
    REFERENCE_K,
    ReceiverState,
    draw_constants,
    loop,
    received,
)
from lupex_nodes.payload.gpr_records import PICKS, PROFILE, SAMPLES, SECTION, TRACES
from lupex_nodes.payload.radar_field import EchoField
from lupex_nodes.payload.survey_instrument import SurveyInstrument
from lupex_nodes.world.constants import generator_of_run
from lupex_nodes.world.load_report import LoadReport
from lupex_nodes.world.records import COLUMN, LOAD, ROCKS, SURFACE

_POWERS = {"standby": 0.3, "calibrate": 1.0, "acquire": 1.0, "safe": 0.1}
_FASTEST_M_S = 1.0
#: Delays that steps must tell apart: those of echoes, and some without any for the noise.
_WINDOW_NS = 99.0
_FARTHEST_M = 1e7
_COLDEST_K, _WARMEST_K = 20.0, 500.0


class Calibrate(Parameters):
    """How many sweeps."""

    sweeps: int = parameter(20, "of the chain's own loop", ge=4, le=200)


class _Place(NamedTuple):
    """Where the rover is, truly and as navigation believes, at the time of what was told."""

    time: int
    true_m: np.ndarray
    believed_m: np.ndarray


class GroundPenetratingRadar(SurveyInstrument, Unit):
    """Stepped-frequency radar that sounds the soil under the track, a trace every few centimetres.

    `calibrate` measures the chain by its own loop, `acquire` sounds while the rover moves, `stop`
    ends that. Each section of the track gives a profile and picked interfaces from its raw sweeps
    alone, by the permittivity of the prior. What reflects is never said: ice of the same contrast
    looks as denser soil does. One sweep takes 0.3 s, so beyond 0.1 m/s traces are wider apart.
    """

    class Parameters(Parameters):
        """Sweep, traces and product."""

        first_ghz: float = parameter(1.0, "first frequency", "GHz", ge=0.1, le=10.0, live=False,
                                     assumed=True)  # fmt: skip
        last_ghz: float = parameter(4.0, "last frequency", "GHz", ge=0.2, le=15.0, live=False,
                                    assumed=True)  # fmt: skip
        steps: int = parameter(301, "of frequency", ge=51, le=1601, live=False, assumed=True)
        step_s: float = parameter(0.001, "on each frequency", "s", ge=1e-5, le=0.1, assumed=True)
        height_m: float = parameter(
            0.3, "of the antenna above ground", "m", ge=0.1, le=1.0, live=False, assumed=True
        )
        spacing_m: float = parameter(
            0.03, "of traces, while the rover is slow enough", "m", ge=0.01, le=0.5, assumed=True
        )
        section_m: float = parameter(2.0, "of track in one product", "m", ge=0.5, le=20.0)
        roughness_m: float = parameter(
            0.004, "of the surface within the footprint, rms", "m", ge=0.0, le=0.05, live=False,
            assumed=True,
        )  # fmt: skip
        bounce_m: float = parameter(
            0.002, "of the antenna from trace to trace, rms", "m", ge=0.0, le=0.05, assumed=True
        )
        temperature_coupling: float = parameter(
            0.02, "change of electronics' temperature per change of ground's", ge=0.0, le=1.0,
            assumed=True,
        )  # fmt: skip
        self_heating_k: float = parameter(
            10.0, "warmer while sounding, after a long time", "K", ge=0.0, le=50.0, assumed=True
        )
        warm_up_s: float = parameter(
            900.0, "in which temperature follows", "s", ge=1.0, le=36000.0, assumed=True
        )
        power_w: float = parameter(12.0, "taken while sounding", "W", ge=0.0, assumed=True)

    class Degradation(Degradation):
        """What goes wrong in the radar."""

        phase_noise_deg: float = parameter(
            0.0, "of the local oscillator more than its own, rms", "deg", ge=0.0, le=90.0
        )
        mismatch_db: float = parameter(
            0.0, "direct wave stronger, echoes half of it weaker, by a bent or icy antenna", "dB",
            ge=0.0, le=30.0,
        )  # fmt: skip
        dead_from_ghz: float = parameter(
            0.0, "synthesizer without lock from this frequency", "GHz", ge=0.0, le=15.0
        )
        dead_to_ghz: float = parameter(0.0, "up to this", "GHz", ge=0.0, le=15.0)
        stuck_bits: int = parameter(0, "of the converter, always 1", ge=0, le=4095)

    raw = ("traces", "samples")
    made = ("profile", "picks", "section")
    column = Input("world/column", PointCloud2, Qos.STATE, schema=COLUMN)
    rocks = Input("world/rocks", PointCloud2, Qos.STATE, schema=ROCKS)
    surface = Input("world/surface", PointCloud2, Qos.STATE, schema=SURFACE)
    vehicle = Input("world/vehicle/odometry", Odometry)
    odometry = Input("rover/odometry", Odometry)
    traces = Output("~/traces", PointCloud2, schema=TRACES, frame_id="map")
    samples = Output("~/samples", PointCloud2, schema=SAMPLES)
    profile = Output("~/profile", PointCloud2, schema=PROFILE, frame_id="map")
    picks = Output("~/picks", PointCloud2, schema=PICKS, frame_id="map")
    section = Output("~/section", PointCloud2, schema=SECTION, frame_id="map")
    load = Output("~/load", PointCloud2, schema=LOAD, physical=True)

    def setup(self) -> None:
        """Draw what this instrument and its ground's clutter are in this run."""
        p = self.parameters
        if p.first_ghz >= p.last_ghz:
            raise ValueError("the radar has no band: give first_ghz below last_ghz")
        self.sounder = Sounder(p.first_ghz, p.last_ghz, p.steps, p.height_m)
        if 1.0 / self.sounder.step_ghz < _WINDOW_NS:
            least = math.ceil((p.last_ghz - p.first_ghz) * _WINDOW_NS) + 1
            raise ValueError(
                f"{p.steps} steps from {p.first_ghz:g} to {p.last_ghz:g} GHz fold echoes of more "
                f"than {1.0 / self.sounder.step_ghz:.0f} ns: give at least {least} steps"
            )
        self.retrieval = RadarRetrieval(height_m=p.height_m)
        self._constants = draw_constants(generator_of_run(self.context), self.sounder)
        self._field = EchoField(self.rng, self.sounder, self._constants.clutter_db, p.roughness_m)
        self._load = LoadReport(self.load)
        self._began: int | None = None
        self._last: int | None = None
        self._sounded = False
        self._temperature_k = REFERENCE_K
        self._place: _Place | None = None
        self._since_trace_m = 0.0
        self._count, self._number = 0, 0
        self._duty_s, self._raw_bytes = 0.0, 0
        self._loop: list[Mapping[str, np.ndarray]] = []
        self._taken: list[Mapping[str, np.ndarray]] = []
        self._taken_m = 0.0
        self._sections_of_run = 0
        self._told: RadarSection | None = None

    @command("measures the chain by its own loop; what was measured before is forgotten", Calibrate)
    def calibrate(self, now: int, arguments: Calibrate) -> Running:
        """Begin; completion when all sweeps are made."""
        self.set_mode("calibrate")
        self._sweeps = arguments.sweeps
        self._until = now + max(round(arguments.sweeps * self._sweep_s() * SECOND), 1)
        return RUNNING

    @command("sounds while the rover moves, until stop")
    def acquire(self, now: int, arguments: None) -> None:
        """Begin at the place where the rover is."""
        missing = [port.spec.topic for port in (self.column, self.vehicle, self.odometry)
                   if port.value is None]  # fmt: skip
        if missing:
            raise CommandFailed(f"there is nothing to sound: no {missing[0]} has come")
        self.set_mode("acquire")
        self._place, self._since_trace_m, self._sections_of_run = None, math.inf, 0
        self._begin_section()

    @command("ends calibration or sounding; the rest of the track gives its product",
             interrupts=True)  # fmt: skip
    def stop(self, now: int, arguments: None) -> None:
        """Make the last product."""
        if self.mode == "acquire":
            self._make_product(now)
            if not self._sections_of_run:
                self.event("NO_PRODUCT", "The radar has no product: the rover moved too little.",
                           level=OK)  # fmt: skip
        self.set_mode("standby")

    @command("switches the transmitter off", interrupts=True)
    def safe(self, now: int, arguments: None) -> None:
        """Stop sounding without a product."""
        self.set_mode("safe")

    def step(self, now: int) -> int | None:
        """Sound the way since the last step."""
        dt_s = 0.0 if self._last is None else (now - self._last) / SECOND
        self._last = now
        self._began = now if self._began is None else self._began
        self._warm(dt_s)
        if self._sounded:
            self._duty_s += dt_s
        if self.mode == "calibrate" and now >= self._until:
            self._measure_loop(now)
        elif self.mode == "acquire":
            self._sound(now)
        # a command of this tick says nothing of the time before it
        self._sounded = self.mode == "acquire"
        self._load.report(now, _POWERS[self.mode] * self.parameters.power_w)
        return None if self.mode in ("acquire", "calibrate") else next_minute(now)

    def housekeeping(self) -> dict[str, Any]:
        """Say what was taken, and how the radar did in the last section."""
        told = self._told
        return {
            "traces": self._count,
            "duty_s": self._duty_s,
            "raw_mb": self._raw_bytes / 1e6,
            "direct_wave_db": told.direct_wave_db if told else math.nan,
            "noise_db": told.noise_db if told else math.nan,
            "dead_share": told.dead_share if told else math.nan,
            "quality": int(told.quality) if told else 0,
        }

    # --- sounding ----------------------------------------------------------------------------

    def _sweep_s(self) -> float:
        return self.parameters.steps * self.parameters.step_s

    def _warm(self, dt_s: float) -> None:
        p, surface = self.parameters, self.surface.row()
        ground_k = surface.surface_temperature_k if surface else 200.0
        ground_k = min(max(ground_k, _COLDEST_K), _WARMEST_K)
        aim_k = REFERENCE_K + p.temperature_coupling * (ground_k - 200.0)
        aim_k += p.self_heating_k * self._sounded
        self._temperature_k += (aim_k - self._temperature_k) * -math.expm1(-dt_s / p.warm_up_s)

    def _state(self) -> ReceiverState:
        faults = self.degradation
        return ReceiverState(
            self._temperature_k, math.hypot(PHASE_NOISE_DEG, faults.phase_noise_deg),
            faults.mismatch_db, faults.dead_from_ghz, faults.dead_to_ghz, faults.stuck_bits,
        )  # fmt: skip

    def _measure_loop(self, now: int) -> None:
        codes = loop(self.rng, self.sounder, self._constants, self._state(), self._sweeps)
        self._publish_raw(now, codes, np.zeros((self._sweeps, 3)), LOOP, 0)
        self.set_mode("standby")
        self.finish_command()

    def _where(self, now: int) -> _Place | None:
        if self.vehicle.value is None or self.odometry.value is None:
            return None
        true, believed = (port.value.pose.pose.position for port in (self.vehicle, self.odometry))
        at = np.clip([believed.x, believed.y, believed.z], -_FARTHEST_M, _FARTHEST_M)
        return _Place(now, np.array([true.x, true.y]), at)

    def _sound(self, now: int) -> None:
        """Make the traces of the way from the place of the last step to that of this one."""
        before, here = self._place, self._where(now)
        self._place = here
        if before is None or here is None:
            return
        way_m = math.dist(before.true_m, here.true_m)
        duration_s = (here.time - before.time) / SECOND
        if way_m > _FASTEST_M_S * max(duration_s, 1.0):
            # put elsewhere, as by a clock that went on without the rover
            self._since_trace_m = math.inf
            return
        if way_m == 0.0:
            return
        spacing_m = max(self.parameters.spacing_m, way_m / duration_s * self._sweep_s())
        first_m = max(spacing_m - self._since_trace_m, 0.0)
        along_m = np.arange(first_m, way_m, spacing_m)
        if not along_m.size:
            self._since_trace_m += way_m
            return
        share = (along_m / way_m)[:, None]
        true_m = before.true_m + share * (here.true_m - before.true_m)
        believed_m = before.believed_m + share * (here.believed_m - before.believed_m)
        since = np.diff(along_m, prepend=along_m[0] - min(spacing_m, 10.0))
        codes = self._codes(true_m, since)
        if codes is None:
            return
        self._since_trace_m = way_m - float(along_m[-1])
        wide = spacing_m > 1.1 * self.parameters.spacing_m
        self._publish_raw(now, codes, believed_m, SURVEY, int(Quality.WIDE_SPACING) * wide)
        self._taken_m += float(since.sum())
        if self._taken_m >= self.parameters.section_m:
            self._make_product(now)
            self._begin_section()

    def _codes(self, true_m: np.ndarray, since_m: np.ndarray) -> np.ndarray | None:
        echoes = self._field.at(self.column, self.rocks, true_m, since_m)
        if echoes is None:
            return None
        higher_m = self.parameters.bounce_m * self.rng.standard_normal(len(true_m))
        state = self._state()
        return received(self.rng, self.sounder, self._constants, state, echoes, higher_m)

    # --- raw and products --------------------------------------------------------------------

    def _publish_raw(
        self, now: int, codes: np.ndarray, believed_m: np.ndarray, segment: int, quality: int
    ) -> None:
        sweeps, steps = codes.shape[:2]
        samples = np.zeros(sweeps * steps, SAMPLES.dtype)
        number = self._count + np.arange(sweeps)
        samples["trace"] = np.repeat(number, steps)
        samples["frequency_mhz"] = np.tile(1000.0 * self.sounder.frequency_ghz, sweeps)
        samples["in_phase"], samples["quadrature"] = codes.reshape(-1, 2).T
        traces = np.zeros(sweeps, TRACES.dtype)
        traces["trace"] = number
        traces["section"] = self._number if segment == SURVEY else 0
        traces["time_s"] = (now - (self._began or now)) / SECOND
        for column, name in enumerate(("x_m", "y_m", "z_m")):
            traces[name] = believed_m[:, column]
        traces["temperature_k"] = self._temperature_k + 0.05 * self.rng.standard_normal()
        traces["segment"] = segment
        traces["quality"] = quality | (int(Quality.SATURATED) if saturated(samples) else 0)
        self.traces.publish_rows(now, traces)
        self.samples.publish_rows(now, samples)
        self.keep(now, {"traces": traces, "samples": samples})
        self._count += sweeps
        self._raw_bytes += traces.nbytes + samples.nbytes

    def keep(self, now: int, raw: Mapping[str, np.ndarray]) -> None:
        """Keep the last sweeps of the loop and those of one section."""
        first = raw["traces"][0]
        if first["segment"] == LOOP:
            self._loop = [raw]
            return
        if self._taken and first["section"] != self._taken[0]["traces"]["section"][0]:
            self._taken = []
        self._taken.append(raw)

    def products(self, now: int, wanted: Collection[str]) -> dict[str, Any]:
        """Make the profile, the picks if there are any, and the summary of a section."""
        if not self._taken:
            raise ValueError("it has no traces")
        traces, samples = (
            np.concatenate([each[name] for each in (*self._loop, *self._taken)])
            for name in self.raw
        )
        made = self._told = product(traces, samples, self.retrieval)
        rows: dict[str, Any] = {"profile": _profile_rows(made)}
        if len(made.pick_x_m):
            rows["picks"] = _pick_rows(made)
        rows["section"] = [(
            traces["section"][-1], len(made.x_m), made.x_m[-1], made.y_m[-1], made.spacing_m,
            len(made.pick_x_m), made.background_db, made.direct_wave_db, made.surface_db,
            made.noise_db, made.dead_share, int(made.quality),
        )]  # fmt: skip
        return rows

    def _begin_section(self) -> None:
        self._number += 1
        self._taken, self._taken_m = [], 0.0

    def _make_product(self, now: int) -> None:
        # the rest of a section that is too short says nothing; its raw rows were told
        with suppress(ValueError):
            self.tell(now, self.made)
            self._sections_of_run += 1


def _profile_rows(made: RadarSection) -> np.ndarray:
    """Return every second trace and depth, which resolve what the radar does."""
    level = made.reflection[::2, ::2]
    rows = np.zeros(level.shape, PROFILE.dtype)
    depth = made.depth_m[::2]
    rows["x"], rows["y"] = made.x_m[::2, None], made.y_m[::2, None]
    rows["z"], rows["depth_m"] = made.z_m[::2, None] - depth, depth
    rows["two_way_time_ns"] = made.two_way_time_ns[::2]
    rows["amplitude_db"] = 20.0 * np.log10(np.maximum(level, 1e-6))
    return rows.ravel()


def _pick_rows(made: RadarSection) -> np.ndarray:
    rows = np.zeros(len(made.pick_x_m), PICKS.dtype)
    rows["x"], rows["y"] = made.pick_x_m, made.pick_y_m
    away_m = np.hypot(made.pick_x_m[:, None] - made.x_m, made.pick_y_m[:, None] - made.y_m)
    rows["z"] = made.z_m[away_m.argmin(axis=1)] - made.pick_depth_m
    for name in (PICKS.dtype.names or ())[3:]:
        rows[name] = getattr(made, f"pick_{name}")
    return rows
