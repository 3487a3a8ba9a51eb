# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from unit_bench import Bench

from lupex_nodes.bus.ports import Qos
from lupex_nodes.models.exosphere import SPECIES
from lupex_nodes.models.partial_pressures import DARK, OPEN, Flag, RetrievalParameters, product
from lupex_nodes.payload.ems_l_records import CONDITIONS, FIT, PRESSURES, SPECTRUM, Quality
from lupex_nodes.world.records import GAS

NAME = "ems_l"
RAW, CONDITIONS_TOPIC = "payload/ems_l/spectrum", "payload/ems_l/conditions"
PRODUCT, FIT_TOPIC = "payload/ems_l/pressures", "payload/ems_l/fit"
FOREIGN = {"h2o": 2e-8, "n2": 4e-9, "co": 2e-9, "co2": 1e-9, "ch3oh": 3e-10, "h2": 2e-9}


def give(bench, **pressures_pa):
    values = [pressures_pa.get(name, 0.0) for name in SPECIES]
    message = GAS.message(bench.bus.now, [(*values, sum(values), 0.0)])
    bench.bus.publish("world/gas", Qos.STATE, message)


def stand_at(bench, x_m, y_m):
    message = Odometry()
    message.pose.pose.position.x, message.pose.pose.position.y = x_m, y_m
    bench.bus.publish("rover/odometry", Qos.TELEMETRY, message)


def measuring(duration_s=730.0, seed=1, gas=FOREIGN, at=(300.0, 0.0), **parameters):
    """A lone spectrometer in a gas that stays, after so long with the filament on."""
    bench = Bench(NAME, seed=seed, ems_l={"touchdown_before_start_h": 240.0, **parameters}).run(1)
    give(bench, **gas)
    stand_at(bench, *at)
    bench.run(1)
    bench.bus.request(NAME, "acquire")
    return bench.run(duration_s)


def raw(bench):
    spectra = np.array([SPECTRUM.rows(m)["counts"] for _, m in bench.log[RAW]])
    conditions = np.concatenate([CONDITIONS.rows(m) for _, m in bench.log[CONDITIONS_TOPIC]])
    return spectra, conditions


def gases(bench, index=-1):
    return {SPECIES[row["species"]]: row for row in PRESSURES.rows(bench.log[PRODUCT][index][1])}


def test_spectra_come_after_warm_up_and_every_ten_minutes_a_product():
    bench = measuring(1340.0)
    times = [t for t, _ in bench.log[RAW]]
    assert times[0] == pytest.approx(2.0 + 120.0 + 30.0, abs=1.1)
    assert np.allclose(np.diff(times), 30.0)
    assert [t - times[0] for t, _ in bench.log[PRODUCT]] == pytest.approx([570.0, 1170.0])
    mass_u = SPECTRUM.rows(bench.last(RAW))["mass_u"]
    assert mass_u.min() > 9.5 and mass_u.max() < 150.5 and mass_u.size == 705
    pressure = bench.last("payload/ems_l/total_pressure")
    true_pa = 1.1 * 2e-8 + 4e-9 + 1.05 * 2e-9 + 1.4e-9 + 1.85 * 3e-10 + 0.45 * 2e-9
    assert pressure.fluid_pressure == pytest.approx(true_pa, rel=0.35)
    assert pressure.variance == pytest.approx((0.1 * pressure.fluid_pressure) ** 2, rel=0.01)


def test_products_made_again_from_the_raw_record_are_equal():
    bench = Bench(NAME, seed=3).run(1)
    give(bench, **FOREIGN)
    bench.bus.request(NAME, "calibrate", duration_s=95.0)
    bench.run(100)
    assert bench.reports(f"{NAME}: calibrate")[-1][:2] == ("completion", True)
    bench.bus.request(NAME, "acquire")
    bench.run(1000)
    bench.bus.request(NAME, "stop")
    bench.run(2)
    spectra, conditions = raw(bench)
    assert len(bench.log[PRODUCT]) == 2
    for (_, message), (_, fitted) in zip(bench.log[PRODUCT], bench.log[FIT_TOPIC], strict=True):
        told = FIT.row(fitted)
        chosen = (conditions["segment"] == DARK) | (conditions["coadd"] == told.coadd)
        again = product(spectra[chosen], conditions[chosen], RetrievalParameters())
        rows = [tuple(getattr(g, f.name) for f in PRESSURES.fields) for g in again.gases]
        assert np.array(rows, PRESSURES.dtype).tobytes() == bytes(message.data)
        assert told.reduced_chi_square == pytest.approx(again.reduced_chi_square, rel=1e-6)


def test_a_reset_keeps_the_instrument_and_the_hours_of_its_filament():
    bench = measuring(600.0)
    before, share = bench.unit(NAME).housekeeping()["filament_h"], bench.unit(NAME)._instrument
    assert before == pytest.approx(600.0 / 3600.0, abs=0.02)
    bench.bus.request(NAME, "reset")
    bench.run(5)
    assert bench.unit(NAME).mode == "standby"
    after = bench.unit(NAME).housekeeping()["filament_h"]
    assert before <= after <= before + 60.0 / 3600.0
    assert np.array_equal(bench.unit(NAME)._instrument.peak_share, share.peak_share)


def test_too_much_gas_switches_the_filament_off():
    bench = measuring(200.0)
    give(bench, h2o=2e-3)
    bench.run(2)
    assert bench.unit(NAME).mode == "safe" and "FILAMENT_TRIP" in bench.events()
    spectra = len(bench.log[RAW])
    bench.bus.request(NAME, "acquire")
    bench.run(60)
    assert bench.reports(f"{NAME}: acquire")[-1][:2] == ("start", False)
    assert len(bench.log[RAW]) == spectra
    give(bench, **FOREIGN)
    bench.bus.request(NAME, "stop")
    bench.run(2)
    bench.bus.request(NAME, "acquire")
    bench.run(200)
    assert bench.unit(NAME).mode == "acquire" and len(bench.log[RAW]) > spectra


def test_a_leak_is_seen_as_gas_and_a_large_one_trips():
    bench = measuring(200.0)
    before = bench.last("payload/ems_l/total_pressure").fluid_pressure
    bench.degrade(NAME, leak_pa=1e-5)
    bench.run(60)
    assert bench.last("payload/ems_l/total_pressure").fluid_pressure > 100.0 * before
    bench.degrade(NAME, leak_pa=2e-3)
    bench.run(31)
    assert bench.unit(NAME).mode == "safe" and "FILAMENT_TRIP" in bench.events()


def test_an_open_filament_is_an_event_and_weak_emission_a_flag():
    bench = measuring(200.0)
    bench.degrade(NAME, emission_factor=0.5)
    bench.run(700)
    quality = CONDITIONS.row(bench.last(CONDITIONS_TOPIC)).quality
    assert quality & Quality.WEAK_EMISSION and bench.events().count("FILAMENT_WEAK") == 1
    water = gases(bench)["h2o"]
    assert water["flags"] & Flag.WEAK_EMISSION
    assert abs(water["pressure_pa"] - 2e-8) < 3.0 * water["sigma_pa"], "emission is corrected for"
    bench.degrade(NAME, emission_factor=0.0)
    bench.run(31)
    assert bench.unit(NAME).mode == "safe" and "FILAMENT_OPEN" in bench.events()


def test_a_filament_burns_through_after_its_life():
    bench = measuring(400.0)
    assert not CONDITIONS.row(bench.last(CONDITIONS_TOPIC)).quality & Quality.WORN_FILAMENT
    bench.unit(NAME).context.memory["filament_s"] = 460.0 * 3600.0
    bench.run(60)
    assert CONDITIONS.row(bench.last(CONDITIONS_TOPIC)).quality & Quality.WORN_FILAMENT
    bench.unit(NAME).context.memory["filament_s"] = 1500.0 * 3600.0
    bench.run(31)
    assert bench.unit(NAME).mode == "safe" and "FILAMENT_OPEN" in bench.events()


def test_a_weak_multiplier_shows_against_the_gauge_and_a_shifted_scale_in_the_peaks():
    bench = measuring(730.0)
    before = FIT.row(bench.last(FIT_TOPIC))
    assert 0.5 < before.gauge_ratio < 1.7 and abs(before.mass_offset_u) < 0.05
    bench.degrade(NAME, multiplier_factor=0.3, mass_shift_u=0.3)
    bench.run(1200)
    after = FIT.row(bench.last(FIT_TOPIC))
    assert after.gauge_ratio / before.gauge_ratio == pytest.approx(0.3, rel=0.05)
    assert after.mass_offset_u - before.mass_offset_u == pytest.approx(0.3, abs=0.03)
    assert gases(bench)["h2o"]["flags"] & Flag.MASS_SCALE


def test_space_charge_shifts_peaks_and_is_flagged():
    bench = measuring(200.0, gas={"h2o": 1.5e-4})
    assert CONDITIONS.row(bench.last(CONDITIONS_TOPIC)).quality & Quality.SPACE_CHARGE
    spectra, _ = raw(bench)
    mass_u = SPECTRUM.rows(bench.last(RAW))["mass_u"]
    assert mass_u[np.argmax(spectra[-1])] == pytest.approx(18.01 + 0.15, abs=0.11)


def test_gas_near_the_lander_is_flagged_as_perhaps_its_own():
    near = gases(measuring(at=(15.0, 0.0)))
    assert near["h2o"]["flags"] & Flag.CONTAMINATED and near["h2o"]["native_lower_pa"] == 0.0
    far = measuring(at=(300.0, 0.0), touchdown_before_start_h=5000.0, gas={"h2o": 1e-7, "ar": 1e-9})
    assert not gases(far)["h2o"]["flags"] & Flag.CONTAMINATED
    assert gases(far)["h2o"]["native_lower_pa"] > 5e-8
    assert not gases(far)["ar"]["flags"] & Flag.CONTAMINATED


def test_power_and_modes():
    bench = Bench(NAME).run(2)
    load = "payload/ems_l/load"
    assert PRESSURES is not None and bench.last(load) is not None
    powers = {}
    for mode, command in (("standby", None), ("acquire", "acquire"), ("safe", "safe")):
        if command:
            bench.bus.request(NAME, command)
        bench.run(2)
        assert bench.unit(NAME).mode == mode
        powers[mode] = bench.unit(NAME).load.spec.schema.row(bench.last(load)).power_w
    assert powers["acquire"] > powers["standby"] > powers["safe"]


def test_calibration_counts_without_a_beam_and_spares_the_filament():
    bench = Bench(NAME).run(1)
    give(bench, **FOREIGN)
    bench.bus.request(NAME, "calibrate", duration_s=100.0)
    bench.run(110)
    spectra, conditions = raw(bench)
    assert conditions["segment"].tolist() == [DARK] * 4
    assert conditions["duration_s"].sum() == pytest.approx(100.0)
    assert spectra.sum() / 100.0 / 141.0 == pytest.approx(0.02, rel=0.8)
    unit = bench.unit(NAME)
    assert unit.mode == "standby" and unit.housekeeping()["filament_h"] == 0.0


def test_duty_and_data_are_counted():
    told = measuring(605.0).unit(NAME).housekeeping()
    assert told["duty_s"] == pytest.approx(600.0, abs=31.0)
    assert told["raw_mb"] == pytest.approx(16 * 705 * 8 / 1e6, rel=0.02)
    assert "gauge_ratio" not in told, "no product yet"
    assert len(measuring(800.0).unit(NAME).housekeeping()) == 7


def test_a_flight_with_the_world_finds_the_rovers_and_landers_water():
    bench = Bench("environment", "vehicle", "exosphere", NAME).run(3)
    bench.bus.request(NAME, "acquire")
    bench.run(800)
    gas = GAS.rows(bench.last("world/gas"))[0]
    found = gases(bench)["h2o"]
    assert found["flags"] & Flag.DETECTED and found["flags"] & Flag.CONTAMINATED
    assert abs(found["pressure_pa"] - gas["h2o_pa"]) < 3.5 * found["sigma_pa"]
    assert raw(bench)[1]["segment"].tolist() == [OPEN] * len(bench.log[RAW])


def test_another_range_of_masses_shows_hydrogen_and_helium():
    bench = measuring(gas={"h2": 1e-8, "he": 2e-8, "h2o": 1e-8}, first_mass_u=1, last_mass_u=50)
    found = gases(bench)
    for name, true_pa in (("h2", 1e-8), ("he", 2e-8)):
        assert abs(found[name]["pressure_pa"] - true_pa) < 3.5 * found[name]["sigma_pa"]
    assert "so2" not in found
