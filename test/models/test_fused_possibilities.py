# SPDX-License-Identifier: Apache-2.0
"""What neutrons, radar and light leave possible together, in its limits."""

from __future__ import annotations

import numpy as np
import pytest

from lupex_nodes.models.fused_possibilities import (
    FusionPrior,
    Sounding,
    fused_possibilities,
)
from lupex_nodes.models.neutron import NeutronPrior, epithermal_ratio, thermal_ratio
from lupex_nodes.models.neutron_possibilities import DEEP_G_CM2, possibilities
from lupex_nodes.models.radar_causes import reflection_of
from lupex_nodes.models.regolith import density_carrier_kg_m3
from lupex_nodes.models.stratigraphy import overburden_g_cm2

CONTENT, COVER = 5.0, 60.0
RATIOS = (
    (float(epithermal_ratio(CONTENT, COVER)), 0.01),
    (float(thermal_ratio(CONTENT, COVER)), 0.02),
)
DEPTH_M = np.linspace(0.0, 1.5, 301)
TOP_M = float(np.interp(COVER, overburden_g_cm2(DEPTH_M, density_carrier_kg_m3(DEPTH_M)), DEPTH_M))
ICE_DB = 20.0 * np.log10(-float(reflection_of(1700.0, 0.0, CONTENT)))
CERTAIN = FusionPrior(frozen_share=1.0)
NONE = Sounding(8.0, *np.empty((4, 0)))


def picks(*depth_m, places=8.0, level_db=ICE_DB):
    """One pick at each place and depth."""
    depth = np.repeat(depth_m, int(places))
    return Sounding(places, depth, 0.022 * depth + 0.003, np.full(depth.size, level_db),
                    np.full(depth.size, 1.2))  # fmt: skip


def fused(sounding=None, ice=None, prior=None, ratios=RATIOS):
    return fused_possibilities(*ratios, sounding, ice, NeutronPrior(), prior or FusionPrior())


def alone(ratios=RATIOS):
    return possibilities(*ratios, NeutronPrior())


def holds_truth(soils):
    content = np.abs(np.log(soils[:, 0] / CONTENT)) < 0.03
    return bool(np.any(content & (soils[:, 1] == COVER) & (soils[:, 2] == DEEP_G_CM2)))


def boundary(soils):
    """Where soil gets wet, or dry below a thin wet layer (g/cm2)."""
    return np.where(soils[:, 2] < DEEP_G_CM2, soils[:, 2], soils[:, 1])


def test_without_radar_and_light_it_is_the_neutrons_set():
    assert np.array_equal(fused(), alone())
    never = FusionPrior(frozen_share=0.0)
    assert np.array_equal(fused(picks(TOP_M), None, never), alone()), "what is bound reflects not"
    nowhere = picks(TOP_M)._replace(places=0.0)
    assert np.array_equal(fused(nowhere), alone()), "ground that was not sounded"


def test_a_pick_that_is_surely_the_top_of_ice_gives_the_cover():
    known = FusionPrior(frozen_share=1.0, layers_per_g_cm2=1e-6)
    soils = fused(picks(TOP_M), prior=known)
    assert holds_truth(soils) and len(soils) < 0.5 * len(alone())
    assert boundary(soils) == pytest.approx(COVER, abs=8.0)
    assert np.std(boundary(alone())) > 15.0


def test_a_pick_that_may_be_the_top_is_believed_without_leaving_the_rest():
    soils = fused(picks(TOP_M))
    assert holds_truth(soils) and len(soils) < len(alone())
    inner = soils[soils[:, 3] <= 0.5]
    assert np.all(np.abs(inner[:, 1] - COVER) < 10.0), "the densest are at the pick"
    assert np.ptp(soils[:, 0]) > 0.8 * np.ptp(alone()[:, 0])


@pytest.mark.parametrize("wrong_m", [0.25, 0.6, 0.9])
def test_a_pick_of_something_else_does_not_exclude_the_truth(wrong_m):
    assert holds_truth(fused(picks(wrong_m)))
    assert holds_truth(fused(picks(wrong_m, level_db=-24.0)))


def test_among_several_picks_the_one_that_fits_the_neutrons_is_the_top():
    soils = fused(picks(0.15, TOP_M, 0.85))
    inner = soils[soils[:, 3] <= 0.3]
    assert holds_truth(soils) and np.all(np.abs(inner[:, 1] - COVER) < 10.0)


def test_a_pick_at_few_places_says_less_than_one_at_all():
    """As of a rock's flank: seven of eight places do not show it."""
    rare = picks(TOP_M, places=1.0)._replace(places=8.0)
    sizes = [len(fused(each)) for each in (picks(TOP_M), rare)]
    assert sizes[0] < sizes[1]


def test_a_missing_pick_counts_against_what_would_have_been_picked():
    def share_rich(soils):
        # ice of 10 wt% reflects with -27 dB, of 0.5 wt% with -54
        return float(np.mean((soils[:, 0] > 8.0) & (soils[:, 2] == DEEP_G_CM2)))

    missing, open_ = fused(NONE, prior=CERTAIN), alone()
    assert share_rich(missing) < share_rich(open_)
    # ice may be hidden by looser soil, or bound
    assert holds_truth(fused(NONE))


def test_the_strength_of_a_pick_tells_the_content_when_nothing_else_reflects():
    known = FusionPrior(frozen_share=1.0, layers_per_g_cm2=1e-6, step_sigma_kg_m3=0.0)
    weak, strong = (
        fused(picks(TOP_M, level_db=db), prior=known) for db in (ICE_DB - 6, ICE_DB + 6)
    )
    assert np.median(weak[:, 0]) < CONTENT < np.median(strong[:, 0])


def test_ice_that_is_seen_makes_soil_wet_up_to_the_surface_likelier():
    ratios = (float(epithermal_ratio(3.0)), 0.01), (float(thermal_ratio(3.0)), 0.05)

    def surface(soils):
        return float(np.mean(soils[:, 1] == 0.0))

    seen, open_, unseen = (fused(None, ice, None, ratios) for ice in (True, None, False))
    assert surface(seen) > surface(open_) >= surface(unseen)
    assert np.any(seen[:, 1] > 0.0), "it may be frost"
    assert np.any((unseen[:, 1] == 0.0) & (unseen[:, 2] == DEEP_G_CM2)), "it may be bound"


def test_what_is_no_error_of_a_pick_loses_no_set():
    broken = picks(TOP_M)._replace(reflection_sigma_db=np.zeros(8), depth_sigma_m=np.zeros(8))
    assert holds_truth(fused(broken))
    assert fused(None, None, None, ((np.nan, 0.01), (1.0, 0.1))).shape == (0, 4)
