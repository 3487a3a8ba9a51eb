# SPDX-License-Identifier: Apache-2.0
"""The whole system along one line: three deposits, a decoy with warm tubes, one too deep to see."""

from __future__ import annotations

import math

import numpy as np
import pytest
from unit_bench import Bench

from lupex_nodes.models.neutron_survey import survey_product
from lupex_nodes.payload.records import COUNTS, DEPOSIT, PROFILE
from lupex_nodes.scenario import load_scenario
from lupex_nodes.system import load_system

NAME = "neutron_spectrometer"
TOPIC = f"payload/{NAME}"


@pytest.fixture(scope="module")
def flight():
    """Tubes lose 30 K while the rover is at the decoy."""
    survey = load_scenario("survey", load_system())
    bench = Bench(seed=1, **survey.parameters)
    for _ in range(int(survey.scenario.duration_s) // 60):
        bench.run(60)
        at = bench.log["rover/odometry"][-1][1].pose.pose.position.x
        bench.degrade(NAME, heater_off_k=30.0 if 85.0 < at < 115.0 else 0.0)
        if "PLAN_COMPLETE" in bench.events():
            break
    return bench


@pytest.mark.slow
def test_a_survey_finds_what_it_can_and_claims_no_more(flight):
    assert flight.unit("executive").mode == "complete"
    found = DEPOSIT.rows(flight.last(f"{TOPIC}/deposits"))
    assert found["detected"].all()
    near = {
        name: bool(np.any(np.hypot(found["x_m"] - x_m, found["y_m"] - y_m) < 5.0))
        for name, x_m, y_m in (
            ("A", -135.0, -58.0),
            ("B", -75.0, -62.0),
            ("C", 10.0, -60.0),
            ("decoy", 100.0, -60.0),
            ("D", 155.0, -58.0),
        )
    }
    assert near == {"A": True, "B": True, "C": True, "decoy": False, "D": False}
    assert len(found) == 3
    profile = PROFILE.rows(flight.last(f"{TOPIC}/profile"))
    at_d = profile[np.argmin(np.abs(profile["x_m"] - 155.0))]
    assert at_d["upper_limit_wt_percent"] > 0.05
    assert abs(profile["distance_m"][-1] - 365.0) < 15.0


@pytest.mark.slow
def test_cold_tubes_are_flagged_and_corrected(flight):
    rows = np.concatenate([COUNTS.rows(m) for _, m in flight.log[f"{TOPIC}/counts"]])
    cold = rows["tube_temperature_k"] < 270.0
    assert cold.any()
    # 30 K at -0.3 %/K; told a minute later
    assert rows["pulse_gain"][cold][90:].mean() == pytest.approx(1.09, abs=0.02)
    assert (rows["quality"][cold][90:] == 1).all()


@pytest.mark.slow
def test_the_products_made_again_from_the_record_are_those_published(flight):
    at = flight.log[f"{TOPIC}/deposits"][0][0]
    raw = np.concatenate([COUNTS.rows(m) for t, m in flight.log[f"{TOPIC}/counts"] if t < at])
    begins = np.flatnonzero(np.diff(raw["time_s"], prepend=np.inf) < 0.0)[-1]
    profile, deposits = survey_product(raw[begins:])
    published = PROFILE.rows(flight.last(f"{TOPIC}/profile"))
    for name, column in profile._asdict().items():
        assert np.array_equal(column.astype(np.float32), published[name]), name
    for row, each in zip(DEPOSIT.rows(flight.last(f"{TOPIC}/deposits")), deposits, strict=True):
        assert math.isclose(row["x_m"], each.x_m, rel_tol=1e-6)
        assert math.isclose(row["probability"], each.probability, rel_tol=1e-6)
