# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from unit_bench import START, Bench, Log

from lupex_nodes.bus.memory import MemoryBus
from lupex_nodes.bus.ports import Qos
from lupex_nodes.models.radar_image import RadarRetrieval
from lupex_nodes.models.radar_processing import Quality, product
from lupex_nodes.models.regolith import density_carrier_kg_m3, loss_tangent, permittivity
from lupex_nodes.payload.gpr_records import PICKS, PROFILE, SAMPLES, SECTION, TRACES
from lupex_nodes.system import System, UnitEntry, load_system
from lupex_nodes.world.records import COLUMN, LOAD, ROCKS

GPR = UnitEntry("gpr", "lupex_nodes.payload.gpr:GroundPenetratingRadar", "payload", "rover")
BOUNDARY_M = 0.7


class Radar(Bench):
    """The radar on a bus, with what nature and navigation tell it put there by hand."""

    def __init__(self, *others, seed=1, **parameters):
        units = load_system().subset(others).units if others else ()
        self.log = Log()
        self.bus = MemoryBus(
            System((*units, GPR)), parameters, seed=seed, start=START, observers=[self.log],
            housekeeping_period_s=1.0,
        )  # fmt: skip
        self.bus.activate()
        self.x_m = 0.0

    def bury(self, boundary_m=BOUNDARY_M, step=1.15, rocks=()):
        depth = np.sort(np.concatenate([np.arange(0.0, 2.0, 0.05), [boundary_m] * 2]))
        below = np.arange(depth.size) > np.searchsorted(depth, boundary_m)
        density = density_carrier_kg_m3(depth)
        rows = np.zeros(depth.size, COLUMN.dtype)
        rows["depth_m"], rows["density_kg_m3"], rows["temperature_k"] = depth, density, 110.0
        rows["permittivity"] = permittivity(density) * np.where(below, step, 1.0)
        rows["loss_tangent"] = loss_tangent(density, 110.0)
        self.bus.publish("world/column", Qos.STATE, COLUMN.message(self.bus.now, rows))
        buried = np.zeros(max(len(rocks), 1), ROCKS.dtype)
        buried["permittivity"] = 7.0
        for row, rock in zip(buried, rocks, strict=False):
            row["x_m"], row["y_m"], row["depth_m"], row["diameter_m"] = rock
        self.bus.publish("world/rocks", Qos.STATE, ROCKS.message(self.bus.now, buried, "map"))
        return self

    def drive(self, duration_s, speed_m_s=0.1, believed_offset_m=0.0):
        for _ in range(duration_s):
            for topic, off_m in (("world/vehicle", 0.0), ("rover", believed_offset_m)):
                message = Odometry()
                message.pose.pose.position.x = self.x_m + off_m
                message.pose.pose.position.z = 5.0
                self.bus.publish(f"{topic}/odometry", Qos.TELEMETRY, message)
            self.run(1)
            self.x_m += speed_m_s
        return self

    def begin(self, calibrated=True):
        self.drive(2, 0.0)
        if calibrated:
            self.bus.request("gpr", "calibrate", sweeps=20)
            self.drive(9, 0.0)
        self.bus.request("gpr", "acquire")
        return self

    def all_rows(self, name, schema):
        told = [schema.rows(message) for _, message in self.log[f"payload/gpr/{name}"]]
        return np.concatenate(told) if told else np.zeros(0, schema.dtype)


def test_a_boundary_is_picked_all_along_the_track():
    radar = Radar().bury().begin().drive(45)
    picks = radar.all_rows("picks", PICKS)
    layer = picks[picks["quality"] == 0]
    assert len(layer) >= 14
    assert np.all(np.abs(layer["depth_m"] - BOUNDARY_M) < 2.0 * layer["depth_sigma_m"])
    # index steps by sqrt(1.15)
    gamma_db = 20.0 * np.log10((1.15**0.5 - 1.0) / (1.15**0.5 + 1.0))
    assert np.median(layer["reflection_db"]) == pytest.approx(gamma_db, abs=2.0)
    assert layer["z"] == pytest.approx(5.0 - layer["depth_m"], abs=1e-5)


def test_traces_are_three_centimetres_apart_and_told_once_a_step():
    radar = Radar().bury().begin().drive(21)
    told = [TRACES.rows(m) for _, m in radar.log["payload/gpr/traces"]]
    survey = np.concatenate([rows for rows in told if rows["segment"][0] == 1])
    assert np.diff(survey["x_m"]) == pytest.approx(0.0301, abs=2e-4)
    assert np.all(np.diff(survey["trace"]) == 1)
    samples = radar.all_rows("samples", SAMPLES)
    assert len(samples) == 301 * (len(survey) + 20)
    assert {3, 4} >= {len(rows) for rows in told[1:]}


def test_a_fast_rover_has_wide_traces_and_says_so():
    radar = Radar().bury().begin().drive(16, speed_m_s=0.2)
    survey = radar.all_rows("traces", TRACES)
    survey = survey[survey["segment"] == 1]
    assert np.diff(survey["x_m"]) == pytest.approx(0.2 * 0.301, abs=2e-4)
    assert np.all(survey["quality"] == int(Quality.WIDE_SPACING))
    section = radar.rows("payload/gpr/section", SECTION)[0]
    assert section.quality == int(Quality.WIDE_SPACING) and section.spacing_m > 0.059


def test_a_rover_that_stands_makes_no_traces_and_no_product():
    radar = Radar().bury().begin().drive(30, speed_m_s=0.0)
    radar.bus.request("gpr", "stop")
    radar.run(2)
    assert not len(radar.all_rows("traces", TRACES)[20:])
    assert "NO_PRODUCT" in radar.events()


def test_echoes_come_from_the_true_place_and_are_put_where_navigation_believes():
    rock = (1.0, 0.0, 0.6, 0.3)
    away_m = 10.0
    radar = Radar().bury(step=1.0, rocks=[rock]).begin().drive(24, believed_offset_m=away_m)
    rows = radar.all_rows("profile", PROFILE)
    inside = rows[(rows["z"] < 4.8) & (rows["z"] > 4.2)]
    best = inside[inside["amplitude_db"].argmax()]
    assert best["x"] == pytest.approx(rock[0] + away_m, abs=0.06)
    # from its top
    assert 5.0 - best["z"] == pytest.approx(0.45, abs=0.04)


def test_products_are_made_again_from_the_raw_rows():
    """What was told, from what was told: the last loop and the traces of a section."""
    radar = Radar().bury().begin().drive(52)
    radar.bus.request("gpr", "stop")
    radar.run(2)
    traces, samples = radar.all_rows("traces", TRACES), radar.all_rows("samples", SAMPLES)
    sections = radar.rows("payload/gpr/section", SECTION)
    assert len(sections) == 3
    picks = radar.all_rows("picks", PICKS)
    again = []
    for section in sections:
        mine = (traces["segment"] == 0) | (traces["section"] == section.section)
        wanted = np.isin(samples["trace"], traces["trace"][mine])
        made = product(traces[mine], samples[wanted], RadarRetrieval())
        assert len(made.x_m) == section.traces and len(made.pick_x_m) == section.picks
        assert np.float32(made.noise_db) == np.float32(section.noise_db)
        again.append(made.pick_depth_m.astype(np.float32))
    assert np.array_equal(np.concatenate(again), picks["depth_m"])


def test_the_curtain_hangs_below_the_track():
    radar = Radar().bury().begin().drive(22)
    message = radar.log["payload/gpr/profile"][0][1]
    rows = PROFILE.rows(message)
    assert message.header.frame_id == "map"
    assert rows["z"].max() < 5.0 and rows["z"].min() == pytest.approx(5.0 - 1.69, abs=0.03)
    assert [field.name for field in message.fields][:3] == ["x", "y", "z"]
    # every second of the traces and of the depths
    traces, depths = (len(np.unique(rows[name])) for name in ("x", "depth_m"))
    assert (len(rows), depths) == (traces * 85, 85) and 33 <= traces <= 35


def test_without_calibration_the_product_says_so():
    radar = Radar().bury().begin(calibrated=False).drive(22)
    assert radar.rows("payload/gpr/section", SECTION)[0].quality & int(Quality.UNCALIBRATED)


def test_acquire_without_a_world_is_refused_in_one_sentence():
    radar = Radar()
    radar.bus.request("gpr", "acquire")
    radar.run(2)
    stage, success, sentence = radar.reports("gpr: acquire")[-1]
    assert (stage, success) == ("start", False) and "nothing to sound" in sentence


def test_a_column_that_is_no_soil_is_passed_over_and_navigation_may_jump():
    radar = Radar().bury().begin().drive(10)
    bad = np.zeros(3, COLUMN.dtype)
    bad["permittivity"] = -3.0
    radar.bus.publish("world/column", Qos.STATE, COLUMN.message(radar.bus.now, bad))
    radar.drive(6).drive(6, believed_offset_m=4.0)
    assert "UNIT_FAILED" not in radar.events()
    section = radar.rows("payload/gpr/section", SECTION)[0]
    assert section.quality == 0 and section.spacing_m == pytest.approx(0.03, abs=2e-3)
    assert len(radar.all_rows("picks", PICKS)) >= 7


def test_power_by_mode_and_an_idle_radar_steps_once_a_minute():
    radar = Radar().bury()
    radar.run(200)
    assert len(radar.log["payload/gpr/load"]) == 4
    assert radar.last("payload/gpr/load", LOAD).power_w == pytest.approx(3.6)
    radar.begin(calibrated=False).drive(2)
    assert radar.last("payload/gpr/load", LOAD).power_w == pytest.approx(12.0)
    radar.bus.request("gpr", "safe")
    radar.drive(2)
    assert radar.last("payload/gpr/load", LOAD).power_w == pytest.approx(1.2)
    assert radar.unit("gpr").mode == "safe"


def test_steps_that_fold_echoes_are_refused_in_one_sentence():
    radar = Radar(gpr={"steps": 201})
    radar.run(2)
    (sentence,) = [m.status[0].message for _, m in radar.log["events"]
                   if m.status[0].name.endswith("UNIT_FAILED")]  # fmt: skip
    assert "fold echoes of more than 67 ns: give at least 298 steps" in sentence


def test_a_wider_band_finds_the_same_layer():
    radar = Radar(gpr={"last_ghz": 8.0, "steps": 701, "step_s": 4e-4}).bury().begin().drive(22)
    layer = radar.all_rows("picks", PICKS)
    layer = layer[layer["quality"] == 0]
    assert len(layer) >= 7
    assert np.all(np.abs(layer["depth_m"] - BOUNDARY_M) < 2.0 * layer["depth_sigma_m"])


def test_duty_and_data_are_counted():
    radar = Radar().bury().begin().drive(21)
    told = radar.unit("gpr").housekeeping()
    assert len(told) <= 7
    assert told["duty_s"] == pytest.approx(20.0, abs=1.0)
    volume = sum(len(m.data) for name in ("traces", "samples")
                 for _, m in radar.log[f"payload/gpr/{name}"])  # fmt: skip
    assert told["raw_mb"] == pytest.approx(volume / 1e6)


@pytest.mark.parametrize(
    ("fault", "flag", "shown"),
    [
        ({"phase_noise_deg": 5.0}, Quality.NOISY, ("noise_db", -105.0, 0.0)),
        ({"mismatch_db": 8.0}, Quality.DIRECT_WAVE, ("direct_wave_db", -23.0, 0.0)),
        ({"dead_from_ghz": 1.8, "dead_to_ghz": 2.1}, Quality.DEAD_BAND, ("dead_share", 0.05, 0.2)),
        ({"stuck_bits": 256}, Quality.NOISY, ("noise_db", -105.0, 0.0)),
    ],
)
def test_what_a_fault_does_to_the_radar_is_told(fault, flag, shown):
    radar = Radar().bury().begin().drive(45)
    assert radar.rows("payload/gpr/section", SECTION)[-1].quality == 0
    radar.degrade("gpr", **fault)
    radar.drive(45)
    section = radar.rows("payload/gpr/section", SECTION)[-1]
    name, low, high = shown
    assert section.quality & int(flag)
    assert low < getattr(section, name) < high


def test_two_radars_of_one_seed_say_the_same_and_of_two_seeds_not():
    def raw(seed):
        radar = Radar(seed=seed).bury().begin().drive(10)
        return radar.all_rows("samples", SAMPLES).tobytes()

    assert raw(1) == raw(1) != raw(2)


def test_a_layer_that_nature_made_is_found_where_it_is():
    """Densities of another law than the product's, boundaries that undulate, rocks."""
    radar = Radar("environment", "subsurface", seed=5).run(61)
    radar.begin()
    began_s = (radar.bus.now - START) / 1e9
    radar.drive(85)
    told_s, columns = zip(*radar.log["world/column"], strict=True)
    picks = radar.all_rows("picks", PICKS)
    layer = picks[picks["quality"] == 0]
    z = []
    for pick in layer:
        # the column that was the last when the rover stood there, at 0.1 m/s
        last = np.searchsorted(told_s, began_s + 10.0 * pick["x"]) - 1
        soil = COLUMN.rows(columns[max(last, 0)])
        row = np.flatnonzero(np.diff(soil["depth_m"]) == 0.0)
        index = np.sqrt(soil["permittivity"].astype(float))
        strong = np.abs(index[row] - index[row + 1]) / (index[row] + index[row + 1]) > 0.008
        off_m = pick["depth_m"] - soil["depth_m"][row[strong]]
        z.append(off_m[np.abs(off_m).argmin()] / pick["depth_sigma_m"])
    assert len(z) > 40
    assert np.all(np.abs(z) < 3.0)
