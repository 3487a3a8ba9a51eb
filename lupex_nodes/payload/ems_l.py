# SPDX-License-Identifier: Apache-2.0
"""The rover's mass spectrometer of the exosphere."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from sensor_msgs.msg import FluidPressure, PointCloud2

from lupex_nodes.bus.commands import RUNNING, Running, command
from lupex_nodes.bus.messages import ERROR, WARN
from lupex_nodes.bus.parameters import Degradation, Parameters, parameter
from lupex_nodes.bus.ports import Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND, seconds, stamped
from lupex_nodes.bus.unit import Unit
from lupex_nodes.models.exosphere import SPECIES
from lupex_nodes.models.mass_spectrometry import (
    REFERENCE_K,
    SPACE_CHARGE_PA,
    IonTrap,
    draw_instrument,
    expected_counts,
    gauge_pressure_pa,
    mass_shift_u,
)
from lupex_nodes.models.partial_pressures import DARK, OPEN, Product, RetrievalParameters, product
from lupex_nodes.payload.ems_l_records import CONDITIONS, FIT, PRESSURES, SPECTRUM, Quality
from lupex_nodes.payload.survey_instrument import SurveyInstrument
from lupex_nodes.world.constants import generator_of_run
from lupex_nodes.world.load_report import LoadReport
from lupex_nodes.world.records import GAS, LOAD, SURFACE

_IDLE = 60 * SECOND
_HOUR_S = 3600.0
_ATMOSPHERE_PA = 1e5
_FARTHEST_M = 1e7
_OPEN_CIRCUIT = 0.05  # of the nominal emission
_STILL_M = 1.0
_PAUSE_S = 0.1  # the spectra of one calibration follow each other without
#: What comes out of a leaking seal: the air that electronics let out.
_LEAK = np.array([{"h2o": 0.6, "n2": 0.3, "co2": 0.1}.get(name, 0.0) for name in SPECIES])


class Calibrate(Parameters):
    """How long to count without a beam."""

    duration_s: float = parameter(300.0, "of the calibration", "s", ge=10.0, le=86400.0)


class MassSpectrometer(SurveyInstrument, Unit):
    """An ion trap with a hot filament: mass spectra, total and partial pressures.

    `acquire` heats the filament and, once it is warm, takes spectra until `stop`; so many are
    co-added to one product. `calibrate` counts with the beam off. Above a total pressure the
    filament is switched off at once (`safe`); its hours are counted over resets. Sensitivities,
    fragments, width and drift are drawn once a run from the prior; the product knows the prior
    only.
    """

    class Parameters(Parameters):
        """Range, timing, limits and what the instrument takes."""

        first_mass_u: int = parameter(10, "lowest mass", "u", ge=1, le=16, live=False)
        last_mass_u: int = parameter(150, "highest mass", "u", ge=50, le=300, live=False)
        spectrum_s: float = parameter(30.0, "of one spectrum", "s", ge=10.0, le=60.0)
        coadd_s: float = parameter(600.0, "of spectra in one product", "s", ge=10.0, le=86400.0)
        warm_up_s: float = parameter(
            120.0, "of the filament, before spectra", "s", ge=1.0, le=3600.0, assumed=True
        )
        trip_pa: float = parameter(
            1e-3, "total pressure that switches the filament off", "Pa", ge=1e-8, le=1.0
        )
        filament_life_h: float = parameter(
            500.0, "of heating that the filament is rated for", "h", ge=1.0, le=1e5, assumed=True
        )
        touchdown_before_start_h: float = parameter(
            72.0, "from touchdown to the run's first moment", "h", ge=0.1, le=10000.0,
            live=False, assumed=True,
        )  # fmt: skip
        trap_coupling: float = parameter(
            0.2, "change of the trap's temperature per change of the ground's", ge=0.0, le=1.0,
            assumed=True,
        )  # fmt: skip
        standby_power_w: float = parameter(2.0, "taken with the beam off", "W", ge=0.0,
                                           assumed=True)  # fmt: skip
        acquire_power_w: float = parameter(9.0, "taken with the filament on", "W", ge=0.0,
                                           assumed=True)  # fmt: skip
        safe_power_w: float = parameter(1.0, "taken when safe", "W", ge=0.0, assumed=True)

    class Degradation(Degradation):
        """What goes wrong in source, trap and detector."""

        emission_factor: float = parameter(
            1.0, "of the filament's emission; 0: it is open", ge=0.0, le=1.0
        )
        multiplier_factor: float = parameter(
            1.0, "of the ions that the multiplier counts", ge=0.0, le=1.0
        )
        leak_pa: float = parameter(
            0.0, "of gas that a leaking seal lets into the source", "Pa", ge=0.0, le=10.0
        )
        mass_shift_u: float = parameter(
            0.0, "by which the trap's voltage puts peaks too high", "u", ge=-5.0, le=5.0
        )

    raw = ("spectrum", "conditions")
    made = ("pressures", "fit")
    gas = Input("world/gas", PointCloud2, Qos.STATE, wake=True, schema=GAS)
    surface = Input("world/surface", PointCloud2, Qos.STATE, schema=SURFACE)
    odometry = Input("rover/odometry", Odometry)
    spectrum = Output("~/spectrum", PointCloud2, schema=SPECTRUM)
    conditions = Output("~/conditions", PointCloud2, schema=CONDITIONS, frame_id="map")
    total_pressure = Output("~/total_pressure", FluidPressure)
    pressures = Output("~/pressures", PointCloud2, Qos.STATE, schema=PRESSURES)
    fit = Output("~/fit", PointCloud2, Qos.STATE, schema=FIT)
    load = Output("~/load", PointCloud2, schema=LOAD, physical=True)

    def setup(self) -> None:
        """Draw what this instrument is in this run."""
        p = self.parameters
        self.trap = IonTrap(p.first_mass_u, p.last_mass_u)
        self.retrieval = RetrievalParameters(trap=self.trap)
        rng = generator_of_run(self.context)
        self._instrument = draw_instrument(rng, self.trap)
        self._burns_through = float(np.exp(0.2 * rng.standard_normal()))  # of its rated life
        self._rows = np.zeros(self.trap.masses_u.size, SPECTRUM.dtype)
        self._rows["mass_u"] = self.trap.masses_u
        self.context.memory.setdefault("filament_s", 0.0)
        self._load = LoadReport(self.load)
        self._began: int | None = None
        self._last: int | None = None
        self._heated = 0  # when the filament was switched on
        self._spectrum_began = 0
        self._until = 0
        self._coadd = 0
        self._taken: list[tuple[np.ndarray, np.void]] = []
        self._dark: list[tuple[np.ndarray, np.void]] = []
        self._said_weak = False
        self._duty_s = 0.0
        self._raw_bytes = 0
        self._emission_ratio = 0.0
        self._gauge_pa = 0.0
        self._trap_k = REFERENCE_K
        self._pressures_pa = np.zeros(len(SPECIES))
        self._found: Product | None = None
        self._clear()

    @command("heats the filament and takes spectra until stop")
    def acquire(self, now: int, arguments: None) -> None:
        """Begin; the first spectrum ends after warm-up and its own time."""
        if self.mode == "acquire":
            return
        self.set_mode("acquire")
        self._heated = self._last = now
        self._spectrum_began = now + seconds(self.parameters.warm_up_s)
        self._coadd += 1
        self._taken = []
        self._said_weak = False
        self._clear()

    @command("counts with the beam off, for the background", Calibrate)
    def calibrate(self, now: int, arguments: Calibrate) -> Running:
        """Begin; completion after the duration."""
        self.set_mode("calibrate")
        self._last = self._spectrum_began = self._since = now
        self._until = now + seconds(arguments.duration_s)
        self._clear()
        return RUNNING

    @command("ends spectra or calibration; what was taken becomes a product", interrupts=True)
    def stop(self, now: int, arguments: None) -> None:
        """Switch the filament off."""
        self._expose(now)
        measured = self.mode == "acquire"
        self.set_mode("standby")
        if measured and self._taken:
            self._make_product(now)

    @command("switches filament and high voltage off", interrupts=True)
    def safe(self, now: int, arguments: None) -> None:
        """Stop everything."""
        self._expose(now)
        self.set_mode("safe")

    def step(self, now: int) -> int | None:
        """Expose since the last step; end a spectrum when it is time."""
        if self._began is None:
            self._began = now
        first: int = self.context.memory.setdefault("first", now)
        self._since_touchdown_h = (
            self.parameters.touchdown_before_start_h + (now - first) / SECOND / _HOUR_S
        )
        self._expose(now)
        self._look_around()
        if self.mode == "acquire":
            self._protect(now)
        due = now + _IDLE
        if self.mode in ("acquire", "calibrate"):
            due = self._spectrum_began + seconds(self.parameters.spectrum_s)
            if self.mode == "calibrate":
                due = min(due, self._until)
            if now >= due:
                self._end_spectrum(now)
                due = now + seconds(self.parameters.spectrum_s)
        if self.mode == "calibrate":
            if now >= self._until:
                self.set_mode("standby")
                self.finish_command()
                due = now + _IDLE
            else:
                self.report_progress((now - self._since) / (self._until - self._since))
                due = min(due, self._until)
        self._report_load(now)
        return due

    def housekeeping(self) -> dict[str, Any]:
        """Say how source and detector are, what was counted, and the last product, if any."""
        told = {
            "filament_h": self.context.memory["filament_s"] / _HOUR_S,
            "emission_ratio": self._emission_ratio,
            "total_pressure_pa": self._gauge_pa,
            "duty_s": self._duty_s,
            "raw_mb": self._raw_bytes / 1e6,
        }
        if found := self._found:
            told |= {"gauge_ratio": found.gauge_ratio, "mass_offset_u": found.mass_offset_u}
        return told

    # --- source ------------------------------------------------------------------------------

    def _clear(self) -> None:
        """Begin a spectrum."""
        self._dose_pa_s = np.zeros(len(SPECIES))
        self._emitted_s = self._live_s = 0.0
        self._from = self._position()

    def _look_around(self) -> None:
        """Take the gas in the source and the trap's temperature."""
        gas, surface, p = self.gas.row(), self.surface.row(), self.parameters
        ground_k = surface.surface_temperature_k if surface else 200.0
        self._trap_k = REFERENCE_K + p.trap_coupling * (min(max(ground_k, 0.0), 500.0) - 200.0)
        self._pressures_pa = self.degradation.leak_pa * _LEAK
        if gas is not None:
            around = np.clip(gas[: len(SPECIES)], 0.0, _ATMOSPHERE_PA)
            self._pressures_pa = self._pressures_pa + around

    def _expose(self, now: int) -> None:
        """Let ions be made since the last step."""
        last, self._last = self._last, now
        if self.mode not in ("acquire", "calibrate") or last is None or now <= last:
            return
        live_s = max(now - max(last, self._spectrum_began), 0) / SECOND
        self._live_s += live_s
        self._duty_s += (now - last) / SECOND if self.mode == "acquire" else 0.0
        if self.mode == "calibrate":
            return
        self.context.memory["filament_s"] += (now - last) / SECOND
        emission = self._emission(now)
        self._emitted_s += emission * live_s
        self._dose_pa_s += self._pressures_pa * emission * live_s

    def _emission(self, now: int) -> float:
        """Return the emission over its nominal value: it comes with the filament's warmth."""
        p = self.parameters
        worn = self.context.memory["filament_s"] / _HOUR_S / p.filament_life_h
        if worn > self._burns_through:
            return 0.0
        warm = 1.0 - math.exp(-5.0 * (now - self._heated) / SECOND / p.warm_up_s)
        return self.degradation.emission_factor * warm

    def _protect(self, now: int) -> None:
        """Switch the filament off when there is too much gas, or when it is open."""
        total_pa = float(self._pressures_pa.sum())
        if total_pa > self.parameters.trip_pa:
            self.set_mode("safe")
            self.event("FILAMENT_TRIP", "Too much gas: the filament was switched off.",
                       level=ERROR, total_pressure_pa=total_pa)  # fmt: skip
        elif now >= self._spectrum_began and self._emission(now) < _OPEN_CIRCUIT:
            self.set_mode("safe")
            hours = self.context.memory["filament_s"] / _HOUR_S
            self.event("FILAMENT_OPEN", "The filament emits nothing: it was switched off.",
                       level=ERROR, filament_h=hours)  # fmt: skip

    # --- spectra and products ------------------------------------------------------------------

    def _end_spectrum(self, now: int) -> None:
        """Count the spectrum, publish it, begin the next; make a product when it is time."""
        rng, faults, measures = self.rng, self.degradation, self.mode == "acquire"
        live_s, emitted_s = self._live_s, self._emitted_s
        pressures_pa = self._dose_pa_s / emitted_s if emitted_s > 0.0 else 0.0 * self._dose_pa_s
        shift_u = mass_shift_u(self._instrument, self._trap_k, float(pressures_pa.sum()))
        shift_u += faults.mass_shift_u
        mean = expected_counts(self.trap, self._instrument, self._dose_pa_s, live_s, shift_u)
        self._rows["counts"] = rng.poisson(faults.multiplier_factor * mean)
        self._emission_ratio = self._gauge_pa = 0.0
        if measures:
            gauge = self._instrument.gauge_factor * gauge_pressure_pa(pressures_pa)
            self._gauge_pa = gauge * (1.0 + 0.01 * rng.standard_normal())
            emitted = emitted_s / live_s
            self._emission_ratio = max(emitted * (1.0 + 0.005 * rng.standard_normal()), 0.0)
        place = self._position()
        conditions = np.array([(
            (now - (self._began or 0)) / SECOND, self._since_touchdown_h, *place, live_s,
            self._emission_ratio, self._trap_k + 0.1 * rng.standard_normal(), self._gauge_pa,
            self._coadd + (not measures), OPEN if measures else DARK,
            int(self._quality(measures, place)),
        )], CONDITIONS.dtype)  # fmt: skip
        self.spectrum.publish_rows(now, self._rows)
        self.conditions.publish_rows(now, conditions)
        self.keep(now, {"spectrum": self._rows, "conditions": conditions})
        self._raw_bytes += self._rows.nbytes + conditions.nbytes
        self._spectrum_began = now
        self._clear()
        if not measures:
            return
        message = stamped(FluidPressure, now, "base_link")
        message.fluid_pressure = self._gauge_pa
        message.variance = (self.retrieval.instrument.gauge_sigma * self._gauge_pa) ** 2
        self.total_pressure.publish(message)
        if conditions["quality"][0] & Quality.WEAK_EMISSION and not self._said_weak:
            self._said_weak = True
            self.event("FILAMENT_WEAK", "The filament emits less than it should.", level=WARN,
                       emission_ratio=self._emission_ratio)  # fmt: skip
        taken_s = sum(float(each["duration_s"]) for _, each in self._taken)
        if taken_s >= self.parameters.coadd_s - 1e-3:
            self._make_product(now)
            self._coadd += 1
            self._taken = []

    def _quality(self, measures: bool, place: tuple[float, float]) -> Quality:
        p, quality = self.parameters, Quality(0)
        if self._gauge_pa > SPACE_CHARGE_PA:
            quality |= Quality.SPACE_CHARGE
        if measures and self._emission_ratio < self.retrieval.emission_ratio:
            quality |= Quality.WEAK_EMISSION
        if math.dist(place, self._from) > _STILL_M:
            quality |= Quality.MOVED
        if self.context.memory["filament_s"] > 0.9 * p.filament_life_h * _HOUR_S:
            quality |= Quality.WORN_FILAMENT
        return quality

    def _position(self) -> tuple[float, float]:
        if self.odometry.value is None:
            return 0.0, 0.0
        position = self.odometry.value.pose.pose.position
        x_m, y_m = (min(max(v, -_FARTHEST_M), _FARTHEST_M) for v in (position.x, position.y))
        return x_m, y_m

    def keep(self, now: int, raw: Mapping[str, np.ndarray]) -> None:
        """Keep the spectra of one co-addition and those of the last calibration."""
        row = raw["conditions"][0]
        kept = self._taken if row["segment"] == OPEN else self._dark
        if kept:
            before = kept[-1][1]
            paused = row["time_s"] - row["duration_s"] - before["time_s"] > _PAUSE_S
            if row["coadd"] != before["coadd"] or (kept is self._dark and paused):
                kept.clear()
        kept.append((raw["spectrum"]["counts"].copy(), row))

    def products(self, now: int, wanted: Collection[str]) -> dict[str, Any]:
        """Make the partial pressures of a co-addition, and say how well they fit."""
        counts, rows = zip(*self._dark, *self._taken, strict=True)
        conditions = np.array(list(rows), CONDITIONS.dtype)
        found = self._found = product(np.array(counts), conditions, self.retrieval)
        names = [field.name for field in PRESSURES.fields]
        values = tuple(getattr(found, field.name) for field in FIT.fields[1:])
        return {
            "pressures": [tuple(getattr(gas, name) for name in names) for gas in found.gases],
            "fit": [(conditions["coadd"][-1], *values)],
        }

    def _make_product(self, now: int) -> None:
        try:
            self.tell(now, self.made)
        except ValueError as error:
            self.event("NO_PRODUCT", f"The spectra gave no product: {error}.", level=WARN)

    def _report_load(self, now: int) -> None:
        p = self.parameters
        power_w = {"acquire": p.acquire_power_w, "safe": p.safe_power_w}.get(
            self.mode, p.standby_power_w
        )
        self._load.report(now, power_w)
