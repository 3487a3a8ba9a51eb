# SPDX-License-Identifier: Apache-2.0
"""The infrared spectrometer on a bus, with nature's records put in by hand."""

from __future__ import annotations

import numpy as np
import pytest
import unit_bench
from nav_msgs.msg import Odometry
from unit_bench import Bench

from lupex_nodes.bus.ports import Qos
from lupex_nodes.models.reflectance import Soil, soil_reflectance
from lupex_nodes.models.reflectance_retrieval import (
    LAMPLIGHT,
    SUNLIGHT,
    TARGET,
    TARGET_DARK,
    WHITE,
    product,
)
from lupex_nodes.payload import alis
from lupex_nodes.payload.alis_records import REFLECTANCE, SPECTRA, SURFACE_ICE
from lupex_nodes.system import System, UnitEntry
from lupex_nodes.world.records import LOAD, OPTICAL_SURFACE, SUN

NAME = "alis"
RAW, ICE, IMAGE = (f"payload/{NAME}/{topic}" for topic in ("spectra", "surface_ice", "image"))
SHADOW = (180.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0)
LIT = (180.0, 1.5, 1.0, 1361.0, 1.0, 1.0, 1.0, -1.0, 1361.0)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system of this unit alone, always fed."""
    entry = UnitEntry(NAME, "lupex_nodes.payload.alis:Alis", "payload", "rover")
    monkeypatch.setattr(unit_bench, "load_system", lambda: System((entry,)))


def publish(bench: Bench, topic: str, schema, row: tuple) -> None:
    bench.bus.publish(topic, Qos.STATE, schema.message(bench.bus.now, [row]))


def stand_at(bench: Bench, x_m: float) -> None:
    message = Odometry()
    message.pose.pose.position.x = x_m
    bench.bus.publish("rover/odometry", Qos.TELEMETRY, message)


def on_soil(
    ice_wt_percent: float = 10.0, *, grain_um: float = 60.0, temperature_k: float = 90.0,
    sun: tuple = SHADOW, seed: int = 1, **parameters,
) -> Bench:  # fmt: skip
    bench = Bench(NAME, seed=seed, **({NAME: parameters} if parameters else {})).run(2)
    soil = (ice_wt_percent, grain_um, 60.0, 0.6, 5.0, temperature_k)
    publish(bench, "world/optical_surface", OPTICAL_SURFACE, soil)
    publish(bench, "world/sun", SUN, sun)
    stand_at(bench, 5.0)
    return bench.run(2)


def command(bench: Bench, name: str, duration_s: float = 60.0, **arguments) -> tuple:
    bench.bus.request(NAME, name, **arguments)
    bench.run(duration_s)
    return bench.reports(f"{NAME}: {name}")[-1]


def looked(bench: Bench, **arguments) -> tuple:
    """The product of a calibration and a look."""
    assert command(bench, "calibrate")[:2] == ("completion", True)
    assert command(bench, "acquire", **arguments)[:2] == ("completion", True)
    return bench.last(ICE, SURFACE_ICE)


def spectrum(bench: Bench, segment: int) -> np.ndarray:
    found = [SPECTRA.rows(m) for _, m in bench.log[RAW]]
    return [rows for rows in found if rows["segment"][0] == segment][-1]


def counts(bench: Bench) -> float:
    """Light of the last look in DN per second."""
    light, dark = spectrum(bench, TARGET), spectrum(bench, TARGET_DARK)
    difference = light["counts_dn"].astype(float) - dark["counts_dn"]
    return float((difference / light["frames"] / light["exposure_s"]).sum())


def test_a_look_at_icy_soil_in_shadow() -> None:
    bench = on_soil(10.0)
    row = looked(bench)
    assert bench.unit(NAME).mode == "standby"
    assert (row.light, row.target, row.detected, row.quality) == (LAMPLIGHT, 0, 1, 0)
    assert row.snr > 100.0
    assert 0.1 < row.depth_1500 < 0.3 and row.sigma_1500 < 0.01
    assert row.lower_95_wt_percent < 10.0 < row.upper_95_wt_percent
    assert row.x_m == 5.0
    spectra = [SPECTRA.rows(m) for _, m in bench.log[RAW]]
    assert [rows["segment"][0] for rows in spectra] == [0, 1, 2, 3]
    assert all(rows.size == 90 for rows in spectra)
    reflectance = REFLECTANCE.rows(bench.last(f"payload/{NAME}/reflectance"))
    assert reflectance["usable"].all() and (reflectance["standard_error"] > 0.0).all()
    assert "SPECTRUM" in bench.events()


def test_dry_soil_shows_no_ice() -> None:
    row = looked(on_soil(0.0))
    assert not row.detected and row.lower_95_wt_percent == 0.0
    assert row.upper_95_wt_percent < 3.0
    assert not row.temperature_known


def test_in_sunlight_the_lamp_stays_off() -> None:
    bench = on_soil(10.0, sun=LIT)
    row = looked(bench)
    assert row.light == SUNLIGHT and row.detected
    assert (spectrum(bench, TARGET)["lamp_monitor"] == 0.0).all()
    assert row.lamp_warming_k == 0.0
    assert row.lower_95_wt_percent < 10.0 < row.upper_95_wt_percent


@pytest.mark.parametrize("seed", range(6))
def test_slopes_in_grazing_light_saturate_nothing(seed: int) -> None:
    row = looked(on_soil(10.0, sun=LIT, seed=seed))
    assert row.quality == 0 and row.light == SUNLIGHT and row.detected


def test_light_falls_with_the_square_of_range() -> None:
    """Beyond the change of reflectance with angle, which the slope of the ground adds to."""
    bench = on_soil(0.0, slope_sigma_deg=0.0, camera_height_m=1.2)
    command(bench, "calibrate")
    seen = []
    for range_m in (2.0, 4.0, 8.0):
        command(bench, "acquire", range_m=range_m)
        seen.append(counts(bench))
    slope = np.polyfit(np.log([2.0, 4.0, 8.0]), np.log(seen), 1)[0]
    assert slope == pytest.approx(-2.0, abs=0.35)
    grazing = [1.2 / r for r in (2.0, 4.0, 8.0)]
    # with the law of reflection taken out, what is left is the square
    soil = Soil(0.0, 60.0, 60.0, 0.6, 5.0, 90.0)
    expected = [
        (soil_reflectance(np.linspace(0.755, 1.645, 90), soil, c, c) * c).mean() for c in grazing
    ]
    flat = np.polyfit(np.log([2.0, 4.0, 8.0]), np.log(np.divide(seen, expected)), 1)[0]
    assert flat == pytest.approx(-2.0, abs=0.05)


def test_signal_to_noise_of_a_second_at_three_metres_is_about_100() -> None:
    row = looked(on_soil(0.0), frames=1, exposure_s=1.0)
    # a dark frame is taken off, and the soil is seen at a slant
    assert 50.0 < row.snr < 110.0


def test_cuttings_are_refused_until_there_are_some() -> None:
    bench = on_soil(0.0)
    command(bench, "calibrate")
    stage, success, sentence = command(bench, "acquire", target="cuttings")
    assert (stage, success) == ("start", False) and "no cuttings to look at yet" in sentence
    assert bench.unit(NAME).mode == "standby"
    cuttings = (20.0, 60.0, 60.0, 0.6, 5.0, 150.0)
    publish(bench, "world/cuttings", OPTICAL_SURFACE, cuttings)
    bench.run(2)
    assert command(bench, "acquire", target="cuttings")[:2] == ("completion", True)
    row = bench.last(ICE, SURFACE_ICE)
    assert row.target == 1 and row.detected and row.light == LAMPLIGHT
    assert IMAGE not in bench.log


def test_before_nature_spoke_a_look_is_refused() -> None:
    stage, success, sentence = command(Bench(NAME).run(2), "acquire")
    assert (stage, success) == ("start", False) and "nothing is known of the surface" in sentence


def test_without_a_white_reference_there_is_raw_and_no_product() -> None:
    bench = on_soil(10.0)
    assert command(bench, "acquire")[:2] == ("completion", True)
    assert "NO_PRODUCT" in bench.events() and ICE not in bench.log
    assert len(bench.log[RAW]) == 2


def test_bad_arguments_are_refused_with_a_sentence() -> None:
    bench = on_soil(0.0)
    for arguments in ({"target": "sky"}, {"range_m": 0.1}, {"frames": 0}):
        call = bench.bus.request(NAME, "acquire", **arguments)
        bench.run(2)
        assert not call.accepted and "is refused" in call.reason


def test_products_made_again_from_raw_are_equal() -> None:
    bench = on_soil(6.0)
    looked(bench)
    for sun in (LIT, SHADOW):
        publish(bench, "world/sun", SUN, sun)
        bench.run(2)
        command(bench, "acquire")
    messages = [m for _, m in bench.log[RAW]]
    again = []
    for count in (4, 6, 8):
        raw = np.concatenate([SPECTRA.rows(m) for m in messages[:count]])
        found = product(raw, bench.unit(NAME).retrieval)
        row = alis.ice_row(found, raw[-1])
        again.append(bytes(SURFACE_ICE.message(0, [row]).data))
    assert again == [bytes(m.data) for _, m in bench.log[ICE]]


def test_two_runs_of_a_seed_are_equal_and_another_seed_differs() -> None:
    def data(seed: int) -> list[bytes]:
        bench = on_soil(3.0, seed=seed)
        looked(bench)
        return [bytes(m.data) for topic in (RAW, ICE, IMAGE) for _, m in bench.log[topic]]

    assert data(4) == data(4) != data(5)


def test_power_follows_mode_and_lamp_and_its_light_is_no_heat() -> None:
    bench = on_soil(0.0)
    looked(bench)
    load = bench.rows(f"payload/{NAME}/load", LOAD)
    assert [row.power_w for row in load] == [3.0, 8.0, 18.0, 3.0, 8.0, 18.0, 3.0]
    assert {row.power_w - row.heat_w for row in load} == {0.0, 8.0}
    command(bench, "safe", 2)
    assert bench.last(f"payload/{NAME}/load", LOAD).power_w == 1.0


def test_duty_and_data_are_counted() -> None:
    bench = on_soil(0.0)
    looked(bench)
    values = bench.unit(NAME).housekeeping()
    assert len(values) <= 7
    sent = sum(len(m.data) for t in (RAW, IMAGE) for _, m in bench.log[t])
    assert values["data_mb"] == pytest.approx(sent / 1e6)
    # 28 s of dark frames and target at one second, 8 s with the short frames of the white
    assert values["duty_s"] == pytest.approx(28.0 + 8.0, abs=1.5)


def test_stop_ends_a_look_and_safe_is_left_by_stop_alone() -> None:
    bench = on_soil(0.0)
    bench.bus.request(NAME, "acquire", frames=100)
    bench.run(30)
    assert bench.unit(NAME).mode == "acquire"
    command(bench, "stop", 3)
    assert bench.unit(NAME).mode == "standby" and RAW not in bench.log
    command(bench, "safe", 2)
    assert command(bench, "acquire", 5)[:2] == ("start", False)
    command(bench, "stop", 2)
    assert command(bench, "acquire")[:2] == ("completion", True)


def test_the_lamp_eats_frost_that_is_warm_and_spares_it_when_cold() -> None:
    warm, cold = (on_soil(1.0, grain_um=20.0, temperature_k=t) for t in (185.0, 80.0))
    for bench in (warm, cold):
        command(bench, "calibrate")
        for _ in range(3):
            command(bench, "acquire", 600, range_m=1.2, frames=1000, exposure_s=0.2)
    left = [bench.unit(NAME)._seen("surface").ice_wt_percent for bench in (warm, cold)]
    assert left[0] < 0.97 < 0.999 < left[1]
    row = warm.last(ICE, SURFACE_ICE)
    assert row.lamp_warming_k > 2.0 and row.frost_loss_g_m2 > 0.0
    # other ground has its frost
    publish(warm, "world/optical_surface", OPTICAL_SURFACE, (1.0, 20.0, 60.0, 0.6, 5.0, 185.0))
    warm.run(2)
    assert warm.unit(NAME)._seen("surface").ice_wt_percent == pytest.approx(1.0)


def test_a_dim_lamp_costs_signal_and_not_the_reflectance() -> None:
    bench = on_soil(5.0, slope_sigma_deg=0.0)
    whole = looked(bench)
    bench.degrade(NAME, lamp_output_factor=0.3)
    command(bench, "acquire")
    dim = bench.last(ICE, SURFACE_ICE)
    assert dim.quality & 64 and not whole.quality & 64
    assert dim.snr < 0.7 * whole.snr
    assert dim.depth_1500 == pytest.approx(whole.depth_1500, abs=4.0 * dim.sigma_1500)
    bench.degrade(NAME, lamp_output_factor=0.0)
    command(bench, "acquire")
    assert "NO_PRODUCT" in bench.events()
    assert len(bench.log[ICE]) == 2


def test_a_warm_detector_is_noisy_and_flagged() -> None:
    bench = on_soil(5.0)
    whole = looked(bench)
    bench.degrade(NAME, detector_warming_k=35.0)
    command(bench, "acquire")
    warm = bench.last(ICE, SURFACE_ICE)
    assert warm.quality & 4 and warm.snr < 0.75 * whole.snr
    assert warm.sigma_1500 > whole.sigma_1500
    # dark current doubles every 7 K: 32 times as much; exposures are as short as they must be
    dark = spectrum(bench, TARGET_DARK)
    rate = (dark["counts_dn"] / dark["frames"] - 100.0) / dark["exposure_s"]
    assert rate.mean() == pytest.approx(2000.0 / 8.0 * 32.0, rel=0.05)
    assert bench.unit(NAME).housekeeping()["detector_temperature_k"] == 265.0


def test_hot_bands_are_left_out() -> None:
    bench = on_soil(8.0, slope_sigma_deg=0.0)
    whole = looked(bench)
    bench.degrade(NAME, hot_band_share=0.1)
    command(bench, "acquire", exposure_s=1.0)
    hot = bench.last(ICE, SURFACE_ICE)
    assert spectrum(bench, TARGET)["saturated"].sum() == 9
    assert hot.quality & 1 and hot.quality & 8 and hot.detected
    assert hot.depth_1500 == pytest.approx(whole.depth_1500, abs=0.02)


def test_a_stuck_mirror_gives_no_product() -> None:
    bench = on_soil(5.0)
    looked(bench)
    bench.degrade(NAME, mirror_stuck=True)
    command(bench, "acquire")
    assert (spectrum(bench, TARGET)["mirror_error_deg"] == 60.0).all()
    assert "NO_PRODUCT" in bench.events() and len(bench.log[ICE]) == 1
    assert bench.unit(NAME).housekeeping()["quality"] & 32
    command(bench, "calibrate")
    assert "POOR_REFERENCE" in bench.events()
    assert (spectrum(bench, WHITE)["mirror_error_deg"] == 30.0).all()


def test_a_rover_that_moves_meanwhile_is_flagged() -> None:
    bench = on_soil(5.0)
    command(bench, "calibrate")
    bench.bus.request(NAME, "acquire")
    bench.run(5)
    stand_at(bench, 5.4)
    bench.run(40)
    assert bench.last(ICE, SURFACE_ICE).quality & 16


def test_the_image_shows_the_scene() -> None:
    bench = on_soil(0.0)
    looked(bench)
    message = bench.last(IMAGE)
    assert (message.width, message.height, message.step) == (64, 48, 64)
    assert message.encoding == "mono8" and len(message.data) == 64 * 48
    picture = np.frombuffer(bytes(message.data), np.uint8).reshape(48, 64)
    assert picture[20:30, 28:36].mean() > 4.0 * picture[:, :4].mean(), "the beam lights the middle"
    bench.degrade(NAME, hot_band_share=0.05)
    command(bench, "acquire")
    hot = np.frombuffer(bytes(bench.last(IMAGE).data), np.uint8)
    assert (hot == 255).sum() > (picture == 255).sum() + 50


def test_other_bands_can_be_set() -> None:
    bench = on_soil(25.0, temperature_k=70.0, band_count=100, first_um=0.76, last_um=1.75)
    row = looked(bench, frames=20)
    assert SPECTRA.rows(bench.last(RAW)).size == 100
    assert row.depth_1650 > 3.0 * row.sigma_1650
    assert looked(on_soil(25.0)).sigma_1650 == 1.0


def test_the_calibration_is_lost_with_the_power() -> None:
    bench = on_soil(5.0)
    looked(bench)
    bench.bus.request(NAME, "reset")
    bench.run(5)
    command(bench, "acquire")
    assert "NO_PRODUCT" in bench.events()


@pytest.mark.parametrize("extreme", [3.4e38, -3.4e38, 0.0])
def test_extreme_numbers_of_nature_break_nothing(extreme: float) -> None:
    bench = on_soil(5.0)
    command(bench, "calibrate")
    publish(bench, "world/optical_surface", OPTICAL_SURFACE, (extreme,) * 6)
    publish(bench, "world/sun", SUN, (extreme,) * 9)
    stand_at(bench, extreme)
    bench.run(2)
    assert command(bench, "acquire")[0] == "completion"
    assert "UNIT_FAILED" not in bench.events()
