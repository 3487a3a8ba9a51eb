# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from lupex_nodes.models.neutron_pulse_height import (
    CHANNEL_KEV,
    CHANNELS,
    PROTON_AT_WALL,
    TRITON_AT_WALL,
    channel_shares,
    counted_share,
    pulses,
)


def share_between(low_kev: float, high_kev: float, gain: float = 1.0) -> float:
    energy = (np.arange(CHANNELS) + 0.5) * CHANNEL_KEV
    return float(
        channel_shares(gain, 1.0, 0.0, 0.0)[(energy > low_kev) & (energy < high_kev)].sum()
    )


def wall_effect(tracks: int = 200_000) -> tuple[float, float]:
    """Shares of protons and tritons that reach the wall, by throwing tracks in a long tube."""
    rng = np.random.default_rng(5)
    radius = 5.7 / 2.0
    r = radius * np.sqrt(rng.random(tracks))
    cosine, azimuth = rng.uniform(-1.0, 1.0, tracks), rng.uniform(0.0, 2.0 * np.pi, tracks)
    across = np.sqrt(1.0 - cosine**2)
    out = []
    for reach in (0.55, -0.19):  # back to back
        x, y = r + reach * across * np.cos(azimuth), reach * across * np.sin(azimuth)
        out.append(float(np.mean(np.hypot(x, y) > radius)))
    return out[0], out[1]


def test_the_wall_takes_what_thrown_tracks_lose() -> None:
    proton, triton = wall_effect()
    assert proton == pytest.approx(PROTON_AT_WALL, abs=0.006)
    assert triton == pytest.approx(TRITON_AT_WALL, abs=0.003)


def test_spectrum_has_peak_and_both_shelves_and_nothing_below() -> None:
    assert share_between(670.0, 860.0) == pytest.approx(0.90, abs=0.02)
    low, high = share_between(250.0, 500.0) / 250.0, share_between(610.0, 670.0) / 60.0
    assert low == pytest.approx(PROTON_AT_WALL / 573.0, rel=0.05)
    # the second shelf begins at the proton's energy; the peak's tail is still small there
    assert high > 1.8 * low
    assert share_between(0.0, 160.0) < 1e-3
    assert channel_shares(1.0, 1.0, 0.0, 0.0).sum() == pytest.approx(1.0)


def test_counts_hardly_depend_on_the_gain() -> None:
    """30 K of tube at -0.3 %/K: the -0.1 %/K of counting does not come from pulse heights."""
    for gain in (0.91, 1.09):
        assert abs(counted_share(gain) / counted_share(1.0) - 1.0) < 1e-4
    assert counted_share(0.7) / counted_share(1.0) == pytest.approx(0.996, abs=0.001)
    assert counted_share(0.15) < 0.01


@pytest.mark.parametrize("gain", [0.7, 0.9, 1.0, 1.1])
def test_gain_is_found_in_a_minute_with_an_honest_error(gain: float) -> None:
    rng = np.random.default_rng(3)
    shares = channel_shares(gain, 20.0, 1.0, 0.0)
    seen = [pulses(rng.multinomial(1260, shares)) for _ in range(200)]
    z = np.array([(each.gain - gain) / each.gain_sigma for each in seen])
    assert abs(z.mean()) < 0.3
    assert 0.85 < z.std() < 1.25
    assert max(each.gain_sigma for each in seen) < 0.002


def test_peak_tells_neutrons_from_discharges_and_ions() -> None:
    rng = np.random.default_rng(4)

    def peak(neutrons: float, ions: float, discharge: float) -> float:
        return pulses(
            rng.multinomial(1260, channel_shares(1.0, neutrons, ions, discharge))
        ).peak_share

    assert peak(20.0, 1.0, 0.0) > 0.9
    assert peak(6.0, 1.0, 0.0) > 0.75, "over much ice"
    assert peak(20.0, 1.0, 40.0) < 0.5
    assert np.isnan(pulses(np.zeros(CHANNELS)).gain)
