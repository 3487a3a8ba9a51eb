# SPDX-License-Identifier: Apache-2.0
"""The rover's neutron spectrometer."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from sensor_msgs.msg import PointCloud2

from lupex_nodes.bus.commands import RUNNING, CommandFailed, Running, command
from lupex_nodes.bus.messages import OK, WARN
from lupex_nodes.bus.parameters import Degradation, Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.bus.unit import Unit
from lupex_nodes.models.neutron import (
    DEAD_TIME_S,
    DETECTOR_HEIGHT_M,
    REFERENCE_TEMPERATURE_K,
    TEMPERATURE_COEFFICIENT_PER_K,
    TOPOGRAPHY_LENGTH_M,
    TOPOGRAPHY_SIGMA,
    draw_constants,
    expected_counts,
    ring_weights,
    tube_gain,
)
from lupex_nodes.models.neutron_profile import Profile
from lupex_nodes.models.neutron_pulse_height import counted_share
from lupex_nodes.models.neutron_record import RetrievalParameters
from lupex_nodes.models.neutron_retrieval import Deposit
from lupex_nodes.models.neutron_survey import survey_product, survey_profile
from lupex_nodes.models.stratigraphy import SmoothField
from lupex_nodes.payload.count_record import CountRecord
from lupex_nodes.payload.pulse_height_analyser import PulseHeightAnalyser, PulseRates
from lupex_nodes.payload.records import (
    COUNTS,
    DEPOSIT,
    POSSIBILITIES,
    PROFILE,
    SPECTRUM,
    WATER,
    possibility_rows,
)
from lupex_nodes.payload.survey_instrument import SurveyInstrument
from lupex_nodes.world.constants import generator_of_run
from lupex_nodes.world.load_report import LoadReport
from lupex_nodes.world.records import LEAKAGE, LOAD, RADIATION, SURFACE

_SEGMENTS = {"calibrate": 0, "acquire": 1}
_NEITHER = 2
_IDLE_PERIOD = 10 * SECOND


class Calibrate(Parameters):
    """How long to stand."""

    duration_s: float = parameter(600.0, "of the calibration", "s", ge=60.0, le=86400.0)


class NeutronSpectrometer(SurveyInstrument, Unit):
    """Two helium-3 tubes that count the soil's neutrons; on board, the search for deposits.

    `calibrate` begins a new record on ground declared dry, `acquire` surveys, `stop` ends the
    survey and makes the products from the record alone: the profile along the track, which is
    made anew while surveying too, and the deposits. Spectra of pulse heights tell the tubes' gain
    and whether it is neutrons that they count. Efficiency, backgrounds, the change with temperature
    and what topography does are drawn once a run from the prior; the products know the prior only.
    """

    class Parameters(Parameters):
        """Detector and record."""

        detector_height_m: float = parameter(
            DETECTOR_HEIGHT_M, "above ground", "m", ge=0.1, le=3.0, live=False, assumed=True
        )
        efficiency_sigma: float = parameter(
            0.03, "of a tube, from instrument to instrument, relative", ge=0.0, le=0.2,
            live=False, assumed=True,
        )  # fmt: skip
        tube_set_point_k: float = parameter(
            290.0, "tubes are held at this on mean ground", "K", ge=200.0, le=350.0, assumed=True
        )
        tube_coupling: float = parameter(
            0.02, "change of tube temperature per change of ground's", ge=0.0, le=1.0, assumed=True
        )
        motion_limit_m: float = parameter(
            0.3, "a calibration fails when the rover moves farther", "m", ge=0.01
        )
        temperature_coefficient_sigma_per_k: float = parameter(
            1e-4, "of the change of efficiency with temperature", "1/K", ge=0.0, le=1e-2,
            live=False, assumed=True,
        )  # fmt: skip
        pulse_gain_per_k: float = parameter(
            -0.003, "change of pulse heights with the tubes' temperature, relative", "1/K",
            ge=-0.02, le=0.02, assumed=True,
        )  # fmt: skip
        topography_sigma: float = parameter(
            TOPOGRAPHY_SIGMA, "relative change of rates by slopes", ge=0.0, le=0.1, live=False
        )
        pulse_gain_limit: float = parameter(
            0.05, "pulses are flagged when their gain is so far off", ge=0.0, le=1.0
        )
        peak_share_limit: float = parameter(
            0.7, "counts are flagged when so few of them are in the peak", ge=0.0, le=1.0
        )
        overflow_limit_cps: float = parameter(
            2.0, "counts are flagged when so many are beyond all channels", "1/s", ge=0.0
        )
        water_rows: int = parameter(58, "seconds that the running water averages", ge=10, le=3600)
        water_period_s: float = parameter(10.0, "of the running water", "s", ge=1.0, le=600.0)
        profile_period_s: float = parameter(
            600.0, "of the profile while surveying", "s", ge=60.0, le=86400.0
        )
        power_w: float = parameter(1.6, "taken", "W", ge=0.0, assumed=True)

    class Degradation(Degradation):
        """What goes wrong in the tubes."""

        epithermal_efficiency_factor: float = parameter(
            1.0, "of the cadmium tube, such as by gas loss", ge=0.0, le=10.0
        )
        thermal_efficiency_factor: float = parameter(1.0, "of the tin tube", ge=0.0, le=10.0)
        epithermal_discharge_cps: float = parameter(
            0.0, "counts of a corona discharge in the cadmium tube", "1/s", ge=0.0, le=1e5
        )
        heater_off_k: float = parameter(
            0.0, "tubes are so much colder than held", "K", ge=0.0, le=150.0
        )
        pulse_gain_factor: float = parameter(
            1.0, "of pulse heights, such as by sagging high voltage", ge=0.05, le=2.0
        )

    raw = ("counts",)
    made = ("water", "profile", "deposit", "deposits", "possibilities")
    leakage = Input("world/neutron_leakage", PointCloud2, Qos.STATE, schema=LEAKAGE)
    radiation = Input("world/radiation", PointCloud2, Qos.STATE, schema=RADIATION)
    surface = Input("world/surface", PointCloud2, Qos.STATE, schema=SURFACE)
    odometry = Input("rover/odometry", Odometry)
    counts = Output("~/counts", PointCloud2, schema=COUNTS, frame_id="map")
    water = Output("~/water", PointCloud2, schema=WATER)
    spectrum = Output("~/spectrum", PointCloud2, schema=SPECTRUM)
    profile = Output("~/profile", PointCloud2, Qos.STATE, schema=PROFILE, frame_id="map")
    deposit = Output("~/deposit", PointCloud2, Qos.STATE, schema=DEPOSIT, frame_id="map")
    deposits = Output("~/deposits", PointCloud2, Qos.STATE, schema=DEPOSIT, frame_id="map")
    possibilities = Output("~/possibilities", PointCloud2, Qos.STATE, schema=POSSIBILITIES)
    load = Output("~/load", PointCloud2, schema=LOAD, physical=True)

    def setup(self) -> None:
        """Draw what this instrument is in this run; begin a record."""
        p = self.parameters
        rng = generator_of_run(self.context)
        self.retrieval = RetrievalParameters(detector_height_m=p.detector_height_m)
        prior = self.retrieval.prior
        drawn = draw_constants(rng, prior)
        self._background_cps = np.array(
            [drawn.epithermal_background_cps, drawn.thermal_background_cps]
        )
        # the flux of cosmic rays is nature's: only the tubes' share of the dry rate is drawn here
        efficiency = 1.0 + p.efficiency_sigma * np.clip(rng.standard_normal(2), -3.0, 3.0)
        self._dry_rate_cps = efficiency * [
            prior.epithermal_dry_rate_cps, prior.thermal_dry_rate_cps
        ]  # fmt: skip
        self._coefficient_per_k = (
            TEMPERATURE_COEFFICIENT_PER_K
            + p.temperature_coefficient_sigma_per_k * float(rng.standard_normal())
        )
        self._topography = SmoothField(rng, TOPOGRAPHY_LENGTH_M)
        self._ratios = np.ones(2)
        self._seen: Any = None
        self._weights: np.ndarray | None = None
        self._around: tuple[Any, ...] = (None, None, None)
        self._expected = [0.0, 0.0]
        self._water = (math.nan, math.nan)
        self._load = LoadReport(self.load)
        self._segment = _NEITHER
        self._last: int | None = None
        self.record = CountRecord(self.retrieval, p.water_rows)
        self._kept_at: int | None = None
        self._found: tuple[Deposit, ...] = ()
        self._counted = (0, 0)
        self._rates = PulseRates(1.0, np.zeros((3, 2)))
        self._analyser = PulseHeightAnalyser()
        self._surveyed_s, self._raw_bytes = 0.0, 0
        self._tube_k = p.tube_set_point_k

    @command("counts while the rover stands on ground declared dry; begins a new record", Calibrate)
    def calibrate(self, now: int, arguments: Calibrate) -> Running:
        """Begin; completion after the duration."""
        if self.odometry.value is not None and self._speed_m_s() > 0.005:
            raise CommandFailed("the rover moves: stop it before a calibration")
        self.set_mode("calibrate")
        self.record = CountRecord(self.retrieval, self.parameters.water_rows, now)
        self._stands_at = self._position()
        self._until = now + round(arguments.duration_s * SECOND)
        self._since = now
        return RUNNING

    @command("surveys until stop")
    def acquire(self, now: int, arguments: None) -> None:
        """Mark what is counted from now on as the survey."""
        self.set_mode("acquire")

    @command("ends calibration or survey; after a survey the deposit product is made",
             interrupts=True)  # fmt: skip
    def stop(self, now: int, arguments: None) -> None:
        """Make the product if there was a survey."""
        surveyed = self.mode == "acquire"
        self.set_mode("standby")
        if surveyed:
            self._make_product(now)

    @command("switches the high voltage off", interrupts=True)
    def safe(self, now: int, arguments: None) -> None:
        """Stop counting."""
        self.set_mode("safe")

    def step(self, now: int) -> int | None:
        """Count since the last step."""
        dt_s = 0.0 if self._last is None else (now - self._last) / SECOND
        self._last = now
        if dt_s > 0.0 and self.mode != "safe":
            self._count(now, dt_s)
        if self.mode == "calibrate":
            self._watch_calibration(now)
        # a command of this tick says nothing of what was counted before it
        self._segment = _SEGMENTS.get(self.mode, _NEITHER)
        if now % round(self.parameters.water_period_s * SECOND) == 0 and self.mode == "acquire":
            self.tell(now, ["water"])
        if now % round(self.parameters.profile_period_s * SECOND) == 0 and self.mode == "acquire":
            with suppress(ValueError):  # said when the survey ends
                self.tell(now, ["profile"])
        power_w = self.parameters.power_w if self.mode != "safe" else 0.5 * self.parameters.power_w
        self._load.report(now, power_w)
        # what is counted between surveys shows that the tubes live, and no more
        return None if self.mode in _SEGMENTS else now + _IDLE_PERIOD

    def housekeeping(self) -> dict[str, Any]:
        """Say what was counted last and the running product."""
        return {
            "epithermal_counts": self._counted[0],
            "thermal_counts": self._counted[1],
            "tube_temperature_k": self._tube_k,
            "apparent_water_wt_percent": self._water[0],
            "standard_error_wt_percent": self._water[1],
            "surveyed_s": self._surveyed_s,
            "raw_mb": self._raw_bytes * 1e-6,
        }

    # --- counting ----------------------------------------------------------------------------

    def _count(self, now: int, dt_s: float) -> None:
        self._update_expectation()
        rng = self.rng
        epithermal, thermal = (int(rng.poisson(rate * dt_s)) for rate in self._expected)
        self._counted = counted = epithermal, thermal
        x_m, y_m = self._position()
        row = (
            self.record.time_s(now),
            x_m,
            y_m,
            *counted,
            dt_s - DEAD_TIME_S * max(counted),
            self._tube_k + 0.05 * rng.standard_normal(),
            self._segment,
            self._analyser.gain,
            self._analyser.quality,
        )
        counts = np.array([row], COUNTS.dtype)
        self.counts.publish_rows(now, counts)
        self.keep(now, {"counts": counts})
        self._raw_bytes += counts.nbytes
        self._surveyed_s += dt_s if self.mode == "acquire" else 0.0
        spectrum = self._analyser.add(dt_s, counted, self._rates, rng, self.parameters)
        if spectrum is not None:
            self.spectrum.publish_rows(now, spectrum)
            self._raw_bytes += spectrum.nbytes

    def _update_expectation(self) -> None:
        """Work out the expected rates anew when what they depend on has changed."""
        around = (self.radiation.value, self.surface.value, self.degradation)
        changed = any(a is not b for a, b in zip(around, self._around, strict=True))
        if changed:
            self._around = around
            self._look_around()
        leakage = self.leakage.value
        if leakage is not self._seen:
            self._seen = leakage
            rows = LEAKAGE.rows(leakage)
            field = self._topography.at(rows["x_m"].mean(), rows["y_m"].mean())
            slopes = 1.0 + self.parameters.topography_sigma * float(field)
            self._ratios = np.maximum(self._footprint_ratios(rows) * slopes, 0.0)
        elif not changed:
            return
        rates = (self._dry_cps, self._tube_background_cps)
        self._expected = expected_counts(self._ratios, *rates, 1.0, self._efficiency).tolist()
        self._rates = PulseRates.of(
            self._pulse_gain, self._ratios * self._dry_cps, *self._other_pulses_cps
        )

    def _look_around(self) -> None:
        """Take cosmic rays, temperature and the state of the tubes."""
        radiation, surface = self.radiation.row(), self.surface.row()
        p, faults = self.parameters, self.degradation
        ground_k = surface.surface_temperature_k if surface else 200.0
        self._tube_k = p.tube_set_point_k + p.tube_coupling * (ground_k - 200.0)
        self._tube_k -= faults.heater_off_k
        from_reference_k = self._tube_k - REFERENCE_TEMPERATURE_K
        self._pulse_gain = faults.pulse_gain_factor * max(
            1.0 + p.pulse_gain_per_k * from_reference_k, 0.05
        )
        counted = float(counted_share(self._pulse_gain) / counted_share(1.0))
        self._efficiency = counted * tube_gain(
            self._tube_k, coefficient_per_k=self._coefficient_per_k
        )
        factor = np.array([faults.epithermal_efficiency_factor, faults.thermal_efficiency_factor])
        flux, solar = (
            (radiation.cosmic_ray_factor, radiation.solar_particle_factor)
            if radiation
            else (1.0, 1.0)
        )
        self._dry_cps = self._dry_rate_cps * flux * factor
        # solar particles make neutrons in rover and tubes, which tell nothing of the soil
        particles_cps = (solar - 1.0) * self._dry_cps
        discharge_cps = np.array([faults.epithermal_discharge_cps, 0.0])
        background_cps = self._background_cps * factor
        self._tube_background_cps = background_cps + particles_cps + discharge_cps
        self._other_pulses_cps = background_cps, particles_cps, discharge_cps

    def _footprint_ratios(self, rows: np.ndarray) -> np.ndarray:
        radius = rows["radius_m"]
        if self._weights is None or self._weights.size != rows.size:
            rings, ring, many = np.unique(radius, return_inverse=True, return_counts=True)
            edges = np.concatenate([[0.0], 0.5 * (rings[1:] + rings[:-1]), rings[-1:] * 1.2])
            self._weights = (ring_weights(edges, self.parameters.detector_height_m) / many)[ring]
        return np.array(
            [self._weights @ rows["epithermal_ratio"], self._weights @ rows["thermal_ratio"]]
        )

    def _position(self) -> tuple[float, float]:
        if self.odometry.value is None:
            return math.nan, math.nan
        position = self.odometry.value.pose.pose.position
        return position.x, position.y

    def _speed_m_s(self) -> float:
        return abs(self.odometry.value.twist.twist.linear.x)

    def _watch_calibration(self, now: int) -> None:
        here = self._position()
        moved_m = math.dist(here, self._stands_at)
        if moved_m > self.parameters.motion_limit_m:
            self.set_mode("standby")
            self.finish_command(False, f"the rover moved by {moved_m:.2f} m during the calibration")
        elif now >= self._until:
            self.set_mode("standby")
            self.finish_command()
        else:
            self.report_progress((now - self._since) / (self._until - self._since))

    # --- products ----------------------------------------------------------------------------

    def keep(self, now: int, raw: Mapping[str, np.ndarray]) -> None:
        """Add to the record."""
        self.record.append(raw["counts"].tobytes())
        self._kept_at = now

    def products(self, now: int, wanted: Collection[str]) -> dict[str, Any]:
        """Make the deposits and their profile, or the profile alone; and the running water."""
        rows: dict[str, Any] = {}
        if "deposit" in wanted:
            record = self.record.rows()
            # a survey ends before what is counted at the tick of its end
            ended = record[:-1] if self._kept_at == now else record
            profile, self._found = survey_product(ended, self.retrieval)
            rows["profile"] = _profile_rows(profile)
            rows["deposit"] = [_row(self._found[0])]
            # a survey that finds none takes back what one before found
            rows["deposits"] = [_row(each) for each in self._found]
            if self._found[0].detected:
                rows["possibilities"] = possibility_rows(
                    [each.possibilities for each in self._found]
                )
        elif "profile" in wanted:
            rows["profile"] = _profile_rows(survey_profile(self.record.rows(), self.retrieval))
        if "water" in wanted and (recent := self.record.recent()):
            rows["water"] = [recent]
            self._water = recent[:2]
        return rows

    def _make_product(self, now: int) -> None:
        try:
            self.tell(now, ["deposit"])
        except ValueError as error:
            self.event("NO_PRODUCT", f"The survey gave no product: {error}", level=WARN)
            return
        found = self._found
        clearest = found[0]
        self._water = clearest.estimate_wt_percent, clearest.standard_error_wt_percent
        number = len(found) if clearest.detected else 0
        verdict = ("no deposit", "a deposit")[number] if number < 2 else f"{number} deposits"
        self.event("DEPOSIT", f"The neutron survey found {verdict}.", level=OK,
                   detected=clearest.detected, deposits=number,
                   estimate_wt_percent=clearest.estimate_wt_percent,
                   standard_error_wt_percent=clearest.standard_error_wt_percent,
                   upper_limit_wt_percent=clearest.upper_limit_wt_percent)  # fmt: skip


def _profile_rows(profile: Profile) -> np.ndarray:
    rows = np.zeros(profile.x_m.size, PROFILE.dtype)
    for name, column in profile._asdict().items():
        rows[name] = column
    return rows


def _row(deposit: Deposit) -> tuple[Any, ...]:
    return int(deposit.detected), *(getattr(deposit, f.name) for f in DEPOSIT.fields[1:])
