# SPDX-License-Identifier: Apache-2.0
"""What a second of counting neutrons costs, and the product of an hour's line."""

from __future__ import annotations

import numpy as np

from bench.cpu_seconds import least_cpu_s
from lupex_nodes.models.neutron import (
    disc_fraction,
    draw_constants,
    equal_response_radii,
    expected_counts,
    live_time,
    ring_weights,
    tube_gain,
)
from lupex_nodes.models.neutron_pulse_height import channel_shares, pulses
from lupex_nodes.models.neutron_record import RAW_DTYPE, STANDING, SURVEY
from lupex_nodes.models.neutron_survey import survey_product

_STANDING_S, _LINE_S = 3600, 3600
_SPEED_M_S = 0.1
_DEPOSIT_M, _RADIUS_M, _RATIO = 180.0, 15.0, 0.85
#: Nature's samples around the rover, and how many seconds of counts make a spectrum.
_RINGS, _AZIMUTHS, _SPECTRUM_S = 20, 16, 60
_TUBES = 2


def neutron_cost() -> tuple[float, float]:
    """Return CPU seconds of one second's counts, and of the product of a line with a deposit."""
    rng = np.random.default_rng(1)
    drawn = draw_constants(rng)
    dry = np.array([drawn.epithermal_dry_rate_cps, drawn.thermal_dry_rate_cps])
    background = np.array([drawn.epithermal_background_cps, drawn.thermal_background_cps])
    gain = float(tube_gain(290.0))
    rings = np.concatenate([[0.0], equal_response_radii(_RINGS)])
    weights = np.repeat(ring_weights(rings) / _AZIMUTHS, _AZIMUTHS)
    around = rng.uniform(0.8, 1.0, (_TUBES, weights.size))

    def second() -> np.ndarray:
        expected = expected_counts(around @ weights, dry, background, 1.0, gain)
        return np.array([rng.poisson(each) for each in expected])

    def spectra() -> None:
        for tube in range(_TUBES):
            shares = channel_shares(1.0, dry[tube], background[tube], 0.0)
            pulses(rng.multinomial(_SPECTRUM_S * 25, shares))

    raw = _line(rng, dry, background, gain)
    second_s = least_cpu_s(second) + least_cpu_s(spectra) / _SPECTRUM_S
    return second_s, least_cpu_s(lambda: survey_product(raw), 5)


def _line(
    rng: np.random.Generator, dry: np.ndarray, background: np.ndarray, gain: float
) -> np.ndarray:
    raw = np.zeros(_STANDING_S + _LINE_S, RAW_DTYPE)
    raw["time_s"] = np.arange(raw.size)
    raw["segment"] = np.where(raw["time_s"] < _STANDING_S, STANDING, SURVEY)
    raw["x_m"] = _SPEED_M_S * np.maximum(raw["time_s"] - _STANDING_S, 0.0)
    raw["tube_temperature_k"], raw["pulse_gain"] = 290.0, 1.0
    inside = disc_fraction(np.abs(raw["x_m"].astype(float) - _DEPOSIT_M), _RADIUS_M)
    ratio = 1.0 + (_RATIO - 1.0) * inside
    for tube, name in enumerate(("epithermal_counts", "thermal_counts")):
        raw[name] = rng.poisson(expected_counts(ratio, dry[tube], background[tube], 1.0, gain))
    raw["live_time_s"] = live_time(raw["epithermal_counts"], 1.0)
    return raw
