# SPDX-License-Identifier: Apache-2.0
"""The rover's infrared spectrometer."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Image, PointCloud2

from lupex_nodes.bus.commands import RUNNING, CommandFailed, Running, command
from lupex_nodes.bus.messages import OK, WARN
from lupex_nodes.bus.parameters import Degradation, Parameters, parameter
from lupex_nodes.bus.ports import InPort, Input, Output, Qos
from lupex_nodes.bus.stamps import SECOND, stamped
from lupex_nodes.bus.unit import Unit
from lupex_nodes.models.context_image import HEIGHT, WIDTH, context_image, draw_texture
from lupex_nodes.models.infrared_spectrometer import InfraredSpectrometer
from lupex_nodes.models.lamp_heating import frost_loss_kg_m2
from lupex_nodes.models.reflectance import (
    Soil,
    cross_section_ratio,
    draw_constants,
    soil_reflectance,
)
from lupex_nodes.models.reflectance_retrieval import (
    ABSORBED,
    LAMPLIGHT,
    SUNLIGHT,
    TARGET,
    TARGET_DARK,
    WHITE,
    WHITE_DARK,
    RetrievalParameters,
    SurfaceIce,
    product,
)
from lupex_nodes.payload.alis_records import REFLECTANCE, SPECTRA, SURFACE_ICE
from lupex_nodes.payload.survey_instrument import SurveyInstrument
from lupex_nodes.world.constants import generator_of_run
from lupex_nodes.world.load_report import LoadReport
from lupex_nodes.world.records import LOAD, OPTICAL_SURFACE, SUN

_IDLE_PERIOD = 60 * SECOND
#: Where the mirror looks (deg); closed, it faces the shutter.
_MIRROR_DEG = {"closed": 0.0, "white": 30.0, "surface": 60.0, "cuttings": 90.0}
_TARGETS = {"surface": 0, "cuttings": 1}
_TOP_KG_M2 = 1.1
"""Soil of the topmost millimetre."""
_SATURATED, _WEAK, _WARM, _LOST, _MOVED, _MIRROR, _LAMP, _FROST = (1 << n for n in range(8))
#: Dark current of a hot band over that of a sound one.
_HOT = 500.0
_WARM_K = 5.0
_MOVED_M = 0.05
_WEAK_SNR = 20.0
_LOST_BANDS = 5
_WEAK_LAMP = 0.7
_FROST_SHARE = 0.05


class Acquire(Parameters):
    """What to look at, from where, for how long."""

    target: Literal["surface", "cuttings"] = parameter("surface", "what the mirror looks at")
    range_m: float = parameter(3.0, "along the line of sight to the surface", "m", ge=1.2, le=10.0)
    frames: int = parameter(10, "added up, as many dark ones before them", ge=1, le=1000)
    exposure_s: float = parameter(
        0.0, "of a frame; 0: what a test frame finds best", "s", ge=0.0, le=10.0
    )


class Calibrate(Parameters):
    """How long to look at the white reference."""

    frames: int = parameter(10, "added up, as many dark ones before them", ge=1, le=1000)


class View(NamedTuple):
    """What a spectrum is taken of, and how it is lit as the rover believes."""

    measurement: int
    target: str
    light: int
    range_m: float
    cos_incidence: float
    cos_emission: float
    level: float = 1.0
    """Light over that of level ground, which the rover does not know."""


@dataclass
class Exposure:
    """One of the two halves of a look or calibration; `ends` is its time (ns)."""

    segment: int
    mirror: str
    view: View
    frames: int
    exposure_s: float
    ends: int


class Alis(SurveyInstrument, Unit):
    """Spectrometer of the near infrared with its own lamp, a mirror and a white reference.

    `calibrate` takes dark frames and the white reference, `acquire` dark frames and the surface or
    cuttings: in its own light in shadow, else in sunlight. Each look gives raw spectra, their
    reflectance, the ice in them and an image. What soil is like besides what nature tells of it,
    and the colour of the lamp, are drawn once a run; the product knows the prior only.
    """

    class Parameters(Parameters):
        """Bands, detector, lamp and power."""

        band_count: int = parameter(90, "number of bands", ge=40, le=400, live=False)
        first_um: float = parameter(0.755, "centre of the first band", "um", ge=0.70, le=1.0,
                                    live=False)  # fmt: skip
        last_um: float = parameter(1.645, "centre of the last band", "um", ge=1.56, le=1.76,
                                   live=False)  # fmt: skip
        camera_height_m: float = parameter(1.2, "above ground", "m", ge=0.3, le=3.0, live=False,
                                           assumed=True)  # fmt: skip
        cuttings_range_m: float = parameter(0.6, "from mirror to cuttings", "m", ge=0.1, le=3.0,
                                            live=False, assumed=True)  # fmt: skip
        lamp_w: float = parameter(10.0, "taken by the lamp", "W", ge=1.0, le=50.0, live=False,
                                  assumed=True)  # fmt: skip
        lamp_colour_sigma_k: float = parameter(
            50.0, "from lamp to lamp", "K", ge=0.0, le=300.0, live=False, assumed=True
        )
        slope_sigma_deg: float = parameter(
            6.0, "of the ground in the field of view", "deg", ge=0.0, le=20.0, live=False,
            assumed=True,
        )  # fmt: skip
        detector_set_point_k: float = parameter(
            230.0, "at which the cooler holds the detector", "K", ge=180.0, le=290.0,
            live=False, assumed=True,
        )  # fmt: skip
        longest_exposure_s: float = parameter(1.0, "of a frame", "s", ge=0.01, le=10.0)
        mirror_duration_s: float = parameter(
            4.0, "to turn and settle", "s", ge=0.5, le=60.0, assumed=True
        )
        lit_share: float = parameter(
            0.05, "part of the Sun's disc from which its light is used", ge=0.01, le=1.0
        )
        standby_w: float = parameter(3.0, "taken in standby", "W", ge=0.0, assumed=True)
        camera_w: float = parameter(
            8.0, "taken with camera and cooler, without the lamp", "W", ge=0.0, assumed=True
        )
        safe_w: float = parameter(1.0, "taken in safe mode", "W", ge=0.0, assumed=True)

    class Degradation(Degradation):
        """What goes wrong in lamp, detector and mirror."""

        lamp_output_factor: float = parameter(1.0, "light of the lamp; 0: dead", ge=0.0, le=1.0)
        detector_warming_k: float = parameter(
            0.0, "detector is so much warmer, as when its cooler fails", "K", ge=0.0, le=120.0
        )
        hot_band_share: float = parameter(
            0.0, "part of the bands whose dark current is 500 times higher", ge=0.0, le=1.0
        )
        mirror_stuck: bool = parameter(False, "the mirror no longer turns")

    raw = ("spectra",)
    made = ("reflectance", "surface_ice")
    surface = Input("world/optical_surface", PointCloud2, Qos.STATE, schema=OPTICAL_SURFACE)
    cuttings = Input("world/cuttings", PointCloud2, Qos.STATE, schema=OPTICAL_SURFACE)
    sun = Input("world/sun", PointCloud2, Qos.STATE, schema=SUN)
    odometry = Input("rover/odometry", Odometry)
    spectra = Output("~/spectra", PointCloud2, schema=SPECTRA, frame_id="map")
    reflectance = Output("~/reflectance", PointCloud2, schema=REFLECTANCE)
    surface_ice = Output("~/surface_ice", PointCloud2, schema=SURFACE_ICE, frame_id="map")
    image = Output("~/image", Image, frame_id="payload/alis")
    load = Output("~/load", PointCloud2, schema=LOAD, physical=True)

    def setup(self) -> None:
        """Draw what soil and lamp are like in this run; no calibration is kept over power-off."""
        p = self.parameters
        rng = generator_of_run(self.context)
        nominal = InfraredSpectrometer(
            band_count=p.band_count, first_um=p.first_um, last_um=p.last_um, lamp_w=p.lamp_w,
            detector_k=p.detector_set_point_k,
        )  # fmt: skip
        self.retrieval = RetrievalParameters(instrument=nominal)
        self._constants = draw_constants(rng)
        colour_k = p.lamp_colour_sigma_k * float(np.clip(rng.standard_normal(), -3.0, 3.0))
        self._lamp = InfraredSpectrometer(
            band_count=p.band_count, first_um=p.first_um, last_um=p.last_um, lamp_w=p.lamp_w,
            lamp_temperature_k=nominal.lamp_temperature_k + colour_k,
        )  # fmt: skip
        self._texture = draw_texture(rng)
        # which bands turn hot first
        self._frailty = rng.permutation(p.band_count)
        self._load = LoadReport(self.load)
        self._began: int | None = None
        self._measurement = 0
        self._mirror = "closed"
        self._plan: list[Exposure] = []
        self._lit = False
        self._white: list[np.ndarray] = []
        self._look: list[np.ndarray] = []
        self._found: SurfaceIce
        self._from_m = (math.nan, math.nan)
        self._lost: tuple[Any, float] = (None, 0.0)
        self._duty_s = self._data_mb = 0.0
        self._started: int | None = None
        self._quality, self._mirror_error_deg = 0, 0.0
        # when the lamp was on last
        self._monitor = 1.0
        self._depth = 0.0

    @command("takes dark frames and the white reference, which a product needs", Calibrate)
    def calibrate(self, now: int, arguments: Calibrate) -> Running:
        """Begin; completion when both are taken."""
        self.set_mode("calibrate")
        self._measurement += 1
        view = View(self._measurement, "surface", LAMPLIGHT, self.retrieval.white_range_m, 1.0, 1.0)
        electrons = self._electrons("white", view, lamp_on=True)
        self._begin(now, view, "white", WHITE_DARK, arguments.frames, electrons, 0.0)
        return RUNNING

    @command("takes a spectrum of the surface or of cuttings and looks for ice in it", Acquire)
    def acquire(self, now: int, arguments: Acquire) -> Running:
        """Begin; completion when product and image are made."""
        if self._seen(arguments.target) is None:
            raise CommandFailed(f"there are no {arguments.target} to look at yet"
                                if arguments.target == "cuttings"
                                else "nothing is known of the surface yet")  # fmt: skip
        self.set_mode("acquire")
        self._measurement += 1
        self._from_m = self._position()
        view = self._view(arguments)
        # the test frame that finds the exposure sees the slope, too
        view = view._replace(level=self._level(view))
        electrons = self._electrons(arguments.target, view, view.light == LAMPLIGHT)
        self._begin(now, view, arguments.target, TARGET_DARK, arguments.frames, electrons,
                    arguments.exposure_s)  # fmt: skip
        return RUNNING

    @command("ends a look or calibration without result; leaves safe mode", interrupts=True)
    def stop(self, now: int, arguments: None) -> None:
        """Close the mirror and switch the lamp off."""
        self.set_mode("standby")
        self._end(now)

    @command("closes the mirror and switches lamp and cooler off", interrupts=True)
    def safe(self, now: int, arguments: None) -> None:
        """End what runs."""
        self.set_mode("safe")
        self._end(now)

    def step(self, now: int) -> int | None:
        """Take the frames that are complete by now."""
        if self._began is None:
            self._began = now
        while self._plan and now >= self._plan[0].ends:
            self._take(now, self._plan.pop(0))
            if not self._plan:
                self._complete(now)
        if self._plan:
            self._turn(self._plan[0].mirror)
            light = self._plan[0].segment in (WHITE, TARGET)
            self._lit = light and self._plan[0].view.light == LAMPLIGHT
        self._report_load(now)
        return self._plan[0].ends if self._plan else now + _IDLE_PERIOD

    def housekeeping(self) -> dict[str, Any]:
        """Say how detector, lamp and mirror are, what was seen last, duty and data."""
        return {
            "detector_temperature_k": self._detector_k(),
            "lamp_monitor": self._monitor,
            "mirror_error_deg": self._mirror_error_deg,
            "quality": self._quality,
            "depth_1500": self._depth,
            "duty_s": self._duty_s,
            "data_mb": self._data_mb,
        }

    # --- looking -----------------------------------------------------------------------------

    def _begin(
        self,
        now: int,
        view: View,
        mirror: str,
        dark: int,
        frames: int,
        electrons_s: np.ndarray,
        exposure_s: float,
    ) -> None:
        """Plan the dark frames and those of light."""
        self._started = now
        longest_s = self.parameters.longest_exposure_s
        exposure_s = exposure_s or self._lamp.best_exposure_s(electrons_s, longest_s)
        # on the bus times are whole nanoseconds, in the record single precision
        exposure_s = float(np.float32(exposure_s))
        each = round((self.parameters.mirror_duration_s + frames * exposure_s) * SECOND)
        self._plan = [
            Exposure(dark, "closed", view, frames, exposure_s, now + each),
            Exposure(dark + 1, mirror, view, frames, exposure_s, now + 2 * each),
        ]

    def _end(self, now: int) -> None:
        if self._started is not None:
            self._duty_s += (now - self._started) / SECOND
        self._started = None
        self._plan = []
        self._lit = False
        self._turn("closed")

    def _turn(self, mirror: str) -> None:
        if not self.degradation.mirror_stuck:
            self._mirror = mirror

    def _view(self, arguments: Acquire) -> View:
        """Say how a target is lit and seen, as the rover believes."""
        number, p = self._measurement, self.parameters
        if arguments.target == "cuttings":
            return View(number, "cuttings", LAMPLIGHT, p.cuttings_range_m, 1.0, 1.0)
        cosine = min(1.0, max(0.1, p.camera_height_m / arguments.range_m))
        sun = self.sun.row()
        if sun and sun.lit_ground >= p.lit_share and sun.elevation_deg > -1.0:
            height = math.sin(math.radians(min(max(sun.elevation_deg, 0.6), 90.0)))
            return View(number, "surface", SUNLIGHT, arguments.range_m, height, cosine)
        return View(number, "surface", LAMPLIGHT, arguments.range_m, cosine, cosine)

    def _seen(self, target: str) -> Soil | None:
        """Return the soil of a target, less the frost that the lamp took from it."""
        port: InPort = self.surface if target == "surface" else self.cuttings
        row = port.row()
        if row is None:
            return None
        of, lost_kg_m2 = self._lost
        content = min(max(row.ice_wt_percent, 0.0), 99.0)
        if of is port.value:
            content = max(0.0, content - 100.0 * lost_kg_m2 / _TOP_KG_M2)
        return Soil(
            content,
            min(max(row.ice_grain_um, 1.0), 3000.0),
            min(max(row.regolith_grain_um, 1.0), 3000.0),
            min(max(row.maturity, 0.0), 1.0),
            min(max(row.pyroxene_percent, 0.0), 100.0),
            min(max(row.temperature_k, 20.0), 400.0),
        )

    def _electrons(self, mirror: str, view: View, lamp_on: bool) -> np.ndarray:
        """Return the electrons per second of light and dark current in each band, shape (n,)."""
        lamp, faults = self._lamp, self.degradation
        dark = np.full(lamp.band_count, lamp.dark_current_e_s(self._detector_k()))
        dark[self._frailty < faults.hot_band_share * lamp.band_count] *= _HOT
        output = faults.lamp_output_factor * lamp_on
        if mirror == "closed":
            return dark
        if mirror == "white":
            white = np.full(lamp.band_count, self.retrieval.white_reflectance)
            light = output * lamp.lamp_radiance(white, self.retrieval.white_range_m, 1.0)
            return dark + light * lamp.responsivity
        soil, sun = self._seen(mirror), self.sun.row()
        if soil is None:
            return dark
        cosines = view.cos_incidence, view.cos_emission
        seen = view.level * soil_reflectance(lamp.wavelength_um, soil, *cosines, self._constants)
        light = output * lamp.lamp_radiance(seen, view.range_m, view.cos_incidence)
        if view.light == SUNLIGHT and sun:
            lit = min(max(sun.lit_ground, 0.0), 1.0)
            light = light + lamp.sun_radiance(seen, lit, view.cos_incidence)
        return dark + light * lamp.responsivity

    def _level(self, view: View) -> float:
        """Draw how the slope in the field of view changes the light."""
        slope = math.radians(self.parameters.slope_sigma_deg) * self.rng.standard_normal()
        cosine = view.cos_incidence
        if view.light == SUNLIGHT:
            return max(0.3 * cosine, cosine + slope) / cosine
        return math.exp(0.1 * float(np.clip(slope / 0.1, -3.0, 3.0)))

    def _detector_k(self) -> float:
        return self.parameters.detector_set_point_k + self.degradation.detector_warming_k

    def _take(self, now: int, done: Exposure) -> None:
        """Publish the sum of the frames."""
        view, rng = done.view, self.rng
        self._turn(done.mirror)
        lamp_on = done.segment in (WHITE, TARGET) and view.light == LAMPLIGHT
        electrons = self._electrons(self._mirror, view, lamp_on)
        seen = self._lamp.expose(rng, electrons, done.exposure_s, done.frames)
        monitor = 0.0
        if lamp_on:
            drift = 1.0 + 0.003 * float(rng.standard_normal())
            monitor = self._monitor = self.degradation.lamp_output_factor * drift
        self._mirror_error_deg = abs(_MIRROR_DEG[self._mirror] - _MIRROR_DEG[done.mirror])
        detector_k = self._detector_k() + 0.02 * float(rng.standard_normal())
        rows = np.zeros(self._lamp.band_count, SPECTRA.dtype)
        rows["time_s"] = (now - (self._began or now)) / SECOND
        rows["wavelength_um"] = self._lamp.wavelength_um
        rows["counts_dn"], rows["saturated"] = seen
        here = self._position()
        for name, value in (
            ("measurement", view.measurement), ("segment", done.segment),
            ("target", _TARGETS[view.target]), ("light", view.light), ("frames", done.frames),
            ("exposure_s", done.exposure_s), ("lamp_monitor", monitor),
            ("range_m", view.range_m), ("cos_incidence", view.cos_incidence),
            ("cos_emission", view.cos_emission), ("mirror_error_deg", self._mirror_error_deg),
            ("detector_temperature_k", detector_k), ("x_m", here[0]), ("y_m", here[1]),
        ):  # fmt: skip
            rows[name] = value
        self._quality = rows["quality"][:] = self._flags(seen.saturated, detector_k, here, lamp_on)
        self.spectra.publish_rows(now, rows)
        self.keep(now, {"spectra": rows})
        self._data_mb += rows.nbytes / 1e6
        if done.segment == TARGET:
            if lamp_on:
                self._take_frost(done)
            self._publish_image(now, view)

    def _flags(
        self, saturated: np.ndarray, detector_k: float, here: tuple[float, float], lamp_on: bool
    ) -> int:
        moved_m = math.dist(here, self._from_m) if self.mode == "acquire" else 0.0
        return (
            _SATURATED * bool(saturated.any())
            | _WARM * (detector_k > self.parameters.detector_set_point_k + _WARM_K)
            | _MOVED * (moved_m > _MOVED_M)
            | _MIRROR * (self._mirror_error_deg > 2.0)
            | _LAMP * (lamp_on and self._monitor < _WEAK_LAMP)
        )

    def _take_frost(self, done: Exposure) -> None:
        """Let the lamp take ice from what it shone on."""
        soil, view = self._seen(done.view.target), done.view
        if soil is None or soil.ice_wt_percent <= 0.0 or self._mirror != view.target:
            return
        irradiance = self.degradation.lamp_output_factor * self._lamp.lamp_flux_w_sr
        flux_w_m2 = ABSORBED * irradiance * view.cos_incidence / view.range_m**2
        grains = cross_section_ratio(soil.ice_wt_percent, soil.ice_grain_um, soil.regolith_grain_um)
        bare = float(grains / (1.0 + grains))
        loss = bare * frost_loss_kg_m2(
            flux_w_m2, done.frames * done.exposure_s, min(soil.temperature_k, 270.0)
        )
        port: InPort = self.surface if view.target == "surface" else self.cuttings
        before = self._lost[1] if self._lost[0] is port.value else 0.0
        self._lost = port.value, before + loss

    def _position(self) -> tuple[float, float]:
        if self.odometry.value is None:
            return math.nan, math.nan
        position = self.odometry.value.pose.pose.position
        return position.x, position.y

    def _report_load(self, now: int) -> None:
        p = self.parameters
        power_w = {"standby": p.standby_w, "safe": p.safe_w}.get(self.mode, p.camera_w)
        light_w = 0.0
        if self._lit:
            power_w += p.lamp_w
            # what the lamp shines away heats the ground, not the rover
            light_w = p.lamp_w * self._lamp.lamp_efficiency * self.degradation.lamp_output_factor
        self._load.report(now, power_w, power_w - light_w)

    # --- products ----------------------------------------------------------------------------

    def _complete(self, now: int) -> None:
        """Make the product of a look; end the command."""
        looked = self.mode == "acquire"
        flags = self._quality
        self._end(now)
        self.set_mode("standby")
        if looked:
            self._make_product(now)
        elif flags & (_MIRROR | _LAMP):
            part = "mirror" if flags & _MIRROR else "lamp"
            self.event("POOR_REFERENCE", f"The white reference is poor: look at the {part}.",
                       quality=flags)  # fmt: skip
        self.finish_command()

    def keep(self, now: int, raw: Mapping[str, np.ndarray]) -> None:
        """Keep the halves of the last calibration and of the last look."""
        rows = raw["spectra"]
        calibrates = rows["segment"][0] in (WHITE_DARK, WHITE)
        kept = self._white if calibrates else self._look
        if kept and kept[0]["measurement"][0] != rows["measurement"][0]:
            kept.clear()
        kept.append(rows)

    def products(self, now: int, wanted: Collection[str]) -> dict[str, Any]:
        """Make the spectrum of the last look and what it says of ice."""
        raw = np.concatenate([*self._white, *self._look])
        found = self._found = product(raw, self.retrieval)
        row = ice_row(found, raw[-1])
        self._quality = row[-1]
        spectrum = found.spectrum
        rows = np.zeros(spectrum.wavelength_um.size, REFLECTANCE.dtype)
        for name, values in (
            ("wavelength_um", spectrum.wavelength_um), ("reflectance", spectrum.reflectance),
            ("standard_error", spectrum.sigma), ("usable", spectrum.usable),
        ):  # fmt: skip
            rows[name] = values
        return {"reflectance": rows, "surface_ice": [row]}

    def _make_product(self, now: int) -> None:
        try:
            self.tell(now, self.made)
        except ValueError as error:
            self.event("NO_PRODUCT", f"The spectrum gave no product: {error}", level=WARN,
                       quality=int(self._quality))  # fmt: skip
            return
        found = self._found
        self._depth = float(found.band_depth[2])
        verdict = "shows ice" if found.detected else "shows no ice"
        target = list(_TARGETS)[int(self._look[-1]["target"][0])]
        self.event("SPECTRUM", f"The spectrum of the {target} {verdict}.", level=OK,
                   detected=found.detected,
                   depth_1500=float(found.band_depth[2]), ice_wt_percent=found.ice_wt_percent,
                   ice_sigma_wt_percent=found.ice_sigma_wt_percent)  # fmt: skip

    def _publish_image(self, now: int, view: View) -> None:
        """Publish the scene when the surface was seen."""
        if view.target != "surface" or self._mirror != "surface":
            return
        faults = self.degradation
        hot = self.rng.random((HEIGHT, WIDTH)) < faults.hot_band_share
        picture = context_image(
            self.rng, self._texture, self.parameters.camera_height_m, view.range_m,
            in_sunlight=view.light == SUNLIGHT, light=faults.lamp_output_factor, hot=hot,
        )  # fmt: skip
        message = stamped(Image, now, "payload/alis")
        message.height, message.width, message.step = HEIGHT, WIDTH, WIDTH
        message.encoding = "mono8"
        message.data = picture.tobytes()
        self.image.publish(message)
        self._data_mb += picture.size / 1e6


def ice_row(found: SurfaceIce, last: np.void) -> tuple[Any, ...]:
    """Return the row of `SURFACE_ICE` of a product and the last row of its raw record."""
    depths: list[float] = []
    for depth, sigma in zip(found.band_depth, found.band_depth_sigma, strict=True):
        depths += [float(depth), min(float(sigma), 1.0)]
    frost_kg_m2 = max(found.ice_wt_percent, 0.0) / 100.0 * _TOP_KG_M2
    quality = (
        int(last["quality"])
        | _WEAK * (found.spectrum.snr < _WEAK_SNR)
        | _LOST * (int(np.count_nonzero(~found.spectrum.usable)) > _LOST_BANDS)
        | _FROST * (found.detected and found.frost_loss_kg_m2 > _FROST_SHARE * frost_kg_m2)
    )
    return (
        int(last["measurement"]), int(last["target"]), int(last["light"]), float(last["x_m"]),
        float(last["y_m"]), found.spectrum.snr, *depths, int(found.detected), found.ice_wt_percent,
        found.ice_sigma_wt_percent, found.lower_68_wt_percent, found.upper_68_wt_percent,
        found.lower_95_wt_percent, found.upper_95_wt_percent, int(found.temperature_known),
        found.temperature_k, found.temperature_sigma_k, found.reduced_chi_square,
        found.lamp_warming_k, 1000.0 * found.frost_loss_kg_m2, quality,
    )  # fmt: skip
