# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from unit_bench import Bench

from lupex_nodes.bus.ports import Qos
from lupex_nodes.models.neutron import disc_fraction, epithermal_ratio
from lupex_nodes.payload.records import COUNTS, PROFILE, SPECTRUM, WATER
from lupex_nodes.world.records import LEAKAGE, RADIATION, TRUTH

UNITS = ("environment", "subsurface", "vehicle", "neutron_spectrometer")
NAME = "neutron_spectrometer"
RAW = "payload/neutron_spectrometer/counts"


def stand_at(bench, x_m, y_m, speed_m_s=0.0):
    message = Odometry()
    message.pose.pose.position.x, message.pose.pose.position.y = x_m, y_m
    message.twist.twist.linear.x = speed_m_s
    bench.bus.publish("rover/odometry", Qos.TELEMETRY, message)


def rate(bench, since, channel="epithermal_counts"):
    rows = np.concatenate([COUNTS.rows(m) for t, m in bench.log[RAW] if t >= since])
    return rows[channel].sum() / rows["live_time_s"].sum()


@pytest.mark.parametrize("distance_m", [0.0, 9.0, 10.5, 14.0])
def test_the_leakage_sampled_on_rings_is_the_footprint_integral(distance_m):
    """Rings and azimuths against the integral over the disc's area."""
    patch = {f"patch_{axis}_{end}_m": v for axis, v in (("x", 60.0), ("y", 5.0))
             for end in ("min", "max")}  # fmt: skip
    start = {"start_x_m": 60.0 + distance_m, "start_y_m": 5.0, "start_position_sigma_m": 0.0}
    bench = Bench(*UNITS, subsurface=patch, vehicle=start).run(15)
    truth = bench.last("world/truth", TRUTH)
    wet = epithermal_ratio(
        truth.content_wt_percent, truth.cover_g_cm2, truth.k_e, truth.lambda_e_g_cm2
    )
    exact = 1.0 - (1.0 - wet) * disc_fraction(distance_m, truth.patch_radius_m)
    assert bench.unit(NAME)._ratios[0] == pytest.approx(float(exact), abs=0.008)


def test_calibration_completes_and_reports_progress():
    bench = Bench(*UNITS)
    bench.run(3)
    stand_at(bench, 15.0, 0.0)
    bench.bus.request(NAME, "calibrate", duration_s=100.0)
    bench.run(110)
    stages = [r[0] for r in bench.reports(f"{NAME}: calibrate")]
    assert stages[:2] == ["acceptance", "start"] and stages[-1] == "completion"
    assert stages.count("progress") > 90
    rows = np.concatenate([COUNTS.rows(m) for _, m in bench.log[RAW]])
    assert (rows["segment"] == 0).sum() == 100
    assert bench.unit(NAME).mode == "standby"


def test_calibration_is_refused_and_fails_when_the_rover_moves():
    bench = Bench(*UNITS).run(3)
    stand_at(bench, 15.0, 0.0, speed_m_s=0.05)
    bench.run(1)
    bench.bus.request(NAME, "calibrate", duration_s=100.0)
    bench.run(2)
    assert [r[:2] for r in bench.reports(f"{NAME}: calibrate")][-1] == ("start", False)
    stand_at(bench, 15.0, 0.0)
    bench.run(1)
    bench.bus.request(NAME, "calibrate", duration_s=100.0)
    bench.run(20)
    stand_at(bench, 15.5, 0.0)
    bench.run(3)
    stage, success, sentence = bench.reports(f"{NAME}: calibrate")[-1]
    assert (stage, success) == ("completion", False) and "moved by 0.50 m" in sentence


def test_a_survey_without_calibration_gives_no_product():
    bench = Bench(*UNITS).run(3)
    stand_at(bench, 15.0, 0.0)
    bench.bus.request(NAME, "acquire")
    bench.run(30)
    bench.bus.request(NAME, "stop")
    bench.run(3)
    assert "NO_PRODUCT" in bench.events()
    assert "payload/neutron_spectrometer/deposit" not in bench.log


def test_counts_follow_poisson_and_a_degraded_tube_counts_less():
    bench = Bench(*UNITS).run(3000)
    rows = np.concatenate([COUNTS.rows(m) for _, m in bench.log[RAW]])
    counts = rows["epithermal_counts"].astype(float)
    # variance over mean of a Poisson law: 1 +- 4 sqrt(2 / n)
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=4 * np.sqrt(2 / counts.size))
    before, thermal = rate(bench, 0.0), rate(bench, 0.0, "thermal_counts")
    bench.degrade(NAME, epithermal_efficiency_factor=0.5)
    bench.run(2000)
    assert rate(bench, 3001.0) / before == pytest.approx(0.5, abs=0.02)
    assert rate(bench, 3001.0, "thermal_counts") / thermal == pytest.approx(1.0, abs=0.03)
    bench.degrade(NAME)
    bench.run(2000)
    assert rate(bench, 5001.0) / before == pytest.approx(1.0, abs=0.03)


def test_safe_counts_nothing_and_is_left_by_command_alone():
    bench = Bench(*UNITS).run(10)
    bench.bus.request(NAME, "safe")
    bench.run(2)
    counted = len(bench.log[RAW])
    bench.bus.request(NAME, "acquire")
    bench.run(10)
    assert len(bench.log[RAW]) == counted
    assert bench.reports(f"{NAME}: acquire")[-1][:2] == ("start", False)
    bench.bus.request(NAME, "stop")
    bench.run(5)
    assert bench.unit(NAME).mode == "standby" and len(bench.log[RAW]) > counted


def test_running_water_is_near_zero_on_dry_ground():
    bench = Bench(*UNITS).run(3)
    stand_at(bench, 15.0, 0.0)
    bench.bus.request(NAME, "calibrate", duration_s=1200.0)
    bench.run(1203)
    bench.bus.request(NAME, "acquire")
    bench.run(600)
    rows = bench.rows("payload/neutron_spectrometer/water", WATER)[12:]
    z = [r.apparent_water_wt_percent / r.standard_error_wt_percent for r in rows]
    assert len(rows) > 40 and max(map(abs, z)) < 4.0


def test_the_instrument_and_the_world_stay_the_same_over_a_reset():
    bench = Bench(*UNITS).run(5)
    patch = bench.last("world/truth", TRUTH)
    rates = bench.unit(NAME)._dry_rate_cps.tolist()
    for unit in (NAME, "subsurface"):
        bench.bus.request(unit, "reset")
    bench.run(5)
    assert len(bench.log["world/truth"]) == 2
    assert bench.last("world/truth", TRUTH) == patch
    assert bench.unit(NAME)._dry_rate_cps.tolist() == rates
    rows = COUNTS.rows(bench.last(RAW))
    assert rows["time_s"][0] < 6.0, "power-on begins a new record"
    assert LEAKAGE.rows(bench.last("world/neutron_leakage")).size == 320


def test_a_discharge_counts_in_one_tube_and_solar_particles_in_both():
    bench = Bench(*UNITS).run(2000)
    before = {name: rate(bench, 0.0, f"{name}_counts") for name in ("epithermal", "thermal")}
    bench.degrade(NAME, epithermal_discharge_cps=40.0)
    bench.run(1000)
    assert rate(bench, 2001.0) - before["epithermal"] == pytest.approx(40.0, abs=2.0)
    assert rate(bench, 2001.0, "thermal_counts") == pytest.approx(before["thermal"], rel=0.05)
    bench.degrade(NAME)
    bench.bus.publish("world/radiation", Qos.STATE, RADIATION.message(bench.bus.now, [(1.0, 6.0)]))
    bench.run(1000)
    for name, cps in before.items():
        assert 4.0 < rate(bench, 3002.0, f"{name}_counts") / cps < 8.0


def test_tubes_without_their_heater_are_cold_and_count_as_cold_tubes_do():
    bench = Bench(*UNITS).run(100)
    before_k = bench.unit(NAME)._tube_k
    bench.degrade(NAME, heater_off_k=60.0)
    bench.run(100)
    assert bench.unit(NAME)._tube_k == pytest.approx(before_k - 60.0, abs=0.5)


def counts(bench, since=0.0):
    return np.concatenate([COUNTS.rows(m) for t, m in bench.log[RAW] if t >= since])


def spectra(bench):
    return [SPECTRUM.rows(m) for _, m in bench.log["payload/neutron_spectrometer/spectrum"]]


def test_spectra_hold_the_counts_of_each_second():
    bench = Bench(*UNITS).run(3)
    stand_at(bench, 15.0, 0.0)
    bench.bus.request(NAME, "acquire")
    bench.run(620)
    told = spectra(bench)
    assert len(told) == 10
    # the last spectrum may be younger than the last count
    seconds = counts(bench)
    for name, tube in (("cadmium_counts", "epithermal_counts"), ("tin_counts", "thermal_counts")):
        sorted_in = sum(int(rows[name].sum()) for rows in told)
        total = np.cumsum(seconds[tube].astype(int))
        assert sorted_in in total.tolist()
    peak = sum(rows["cadmium_counts"] for rows in told).argmax()
    assert told[0]["energy_kev"][peak] == pytest.approx(764.0, abs=17.0)
    assert np.isnan(seconds["pulse_gain"][0]), "not known before the first spectrum"
    assert seconds["pulse_gain"][-1] == pytest.approx(1.0, abs=0.01)
    assert (seconds["quality"] == 0).all()


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"pulse_gain_factor": 0.8}, 1),
        ({"heater_off_k": 40.0}, 1),
        ({"epithermal_discharge_cps": 40.0}, 2),
    ],
)
def test_spectra_tell_what_is_wrong_with_a_tube(changes, flag):
    bench = Bench(*UNITS).run(200)
    before = rate(bench, 0.0)
    bench.degrade(NAME, **changes)
    bench.run(1200)
    late = counts(bench, since=400.0)
    assert (late["quality"] == flag).all()
    if "pulse_gain_factor" in changes:
        assert late["pulse_gain"].mean() == pytest.approx(0.8, abs=0.01)
        assert rate(bench, 400.0) == pytest.approx(before, rel=0.05), "no pulse is lost"
    bench.degrade(NAME)
    bench.run(200)
    assert counts(bench)["quality"][-1] == 0


def test_solar_particles_are_flagged():
    bench = Bench(*UNITS).run(100)
    bench.bus.publish("world/radiation", Qos.STATE, RADIATION.message(bench.bus.now, [(1.0, 6.0)]))
    bench.run(300)
    assert counts(bench)["quality"][-1] & 4


def test_the_profile_is_told_while_surveying_and_at_its_end():
    bench = Bench(*UNITS, neutron_spectrometer={"profile_period_s": 120.0}).run(3)
    stand_at(bench, 15.0, 0.0)
    bench.bus.request(NAME, "calibrate", duration_s=300.0)
    bench.run(303)
    bench.bus.request(NAME, "acquire")
    for step in range(300):
        stand_at(bench, 15.0 + 0.1 * step, 0.0, speed_m_s=0.1)
        bench.run(1)
    told = bench.log["payload/neutron_spectrometer/profile"]
    assert len(told) >= 2
    bench.bus.request(NAME, "stop")
    bench.run(3)
    rows = PROFILE.rows(bench.last("payload/neutron_spectrometer/profile"))
    assert rows["distance_m"][-1] == pytest.approx(30.0, abs=4.0)
    assert np.all(np.diff(rows["distance_m"]) > 0.0)
    assert np.all((rows["probability"] >= 0.0) & (rows["probability"] <= 1.0))
