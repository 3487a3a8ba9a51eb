# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from lupex_nodes.models.exosphere import SPECIES
from lupex_nodes.models.mass_spectrometry import (
    FRAGMENTS,
    GAUGE_SENSITIVITY,
    PEAK_MASS_U,
    PEAK_SHARE,
    PEAK_SPECIES,
    Instrument,
    InstrumentPrior,
    IonTrap,
    draw_instrument,
    expected_counts,
    gauge_pressure_pa,
    mass_shift_u,
    peak_shapes,
)

TRAP = IonTrap()
TABLE = Instrument(PEAK_SHARE, TRAP.fwhm_u, TRAP.background_per_u_s, 0.002, 1.0)


def dose(**pressures_pa):
    return np.array([pressures_pa.get(name, 0.0) for name in SPECIES])


def by_mass(counts):
    return dict(zip(TRAP.whole_masses_u, counts.reshape(-1, 5).sum(axis=1), strict=True))


@pytest.mark.parametrize(
    ("name", "base", "second"),
    # the two highest peaks of the mass spectra in the NIST Chemistry WebBook
    [("h2o", 18, 17), ("co2", 44, 28), ("co", 28, 12), ("n2", 28, 14), ("ch4", 16, 15),
     ("nh3", 17, 16), ("so2", 64, 48), ("ch3oh", 31, 32), ("c2h4", 28, 27), ("ar", 40, 20),
     ("o2", 32, 16), ("no", 30, 14), ("ne", 20, 22)],
)  # fmt: skip
def test_highest_peaks_are_those_of_nist(name, base, second):
    counts = by_mass(expected_counts(TRAP, TABLE, dose(**{name: 1e-8}), 1.0, 0.0))
    peaks = [m for m in counts if round(m) in {round(x) for x, _ in FRAGMENTS[name]}]
    assert max(peaks, key=lambda m: counts[m]) == base
    # the neighbour of a high peak has some of its skirt: the second is taken from the table
    assert sorted(FRAGMENTS[name], key=lambda f: -f[1])[1][0] == pytest.approx(second, abs=0.05)


@pytest.mark.parametrize(
    ("name", "heavy", "light", "abundance", "tolerance"),
    # from the isotopes' natural abundances (IUPAC): 15N 0.364, 22Ne 9.25, 36Ar 0.334, 13C 1.07,
    # 17O 0.038, 34S 4.25, 18O 0.205 %
    [
        ("n2", 29, 28, 2 * 0.00364 / 0.99636, 0.15),
        ("ne", 22, 20, 0.0925 / 0.9048, 0.05),
        ("ar", 36, 40, 0.00334 / 0.99604, 0.15),
        ("co2", 45, 44, 0.0107 / 0.9893 + 2 * 0.00038, 0.1),
        ("so2", 66, 64, 0.0425 / 0.9499 + 2 * 0.00205, 0.1),
    ],
)
def test_satellites_are_those_of_natural_isotopes(name, heavy, light, abundance, tolerance):
    intensity = {round(mass): value for mass, value in FRAGMENTS[name]}
    assert intensity[heavy] / intensity[light] == pytest.approx(abundance, rel=tolerance)


def test_ions_of_all_fragments_are_the_gauges():
    for i, name in enumerate(SPECIES):
        assert PEAK_SHARE[PEAK_SPECIES == i].sum() == pytest.approx(GAUGE_SENSITIVITY[name])
    assert gauge_pressure_pa(dose(n2=1e-9, he=1e-9)) == pytest.approx(1.18e-9)


def test_a_peak_is_a_gaussian_of_its_width_at_the_exact_mass_and_counts_are_kept():
    fine_u = np.linspace(26.0, 30.0, 4001)
    peak = int(np.flatnonzero(np.isclose(PEAK_MASS_U, 27.9949))[0])
    shape = peak_shapes(fine_u, 0.1, 0.8)[:, peak]
    assert fine_u[np.argmax(shape)] == pytest.approx(27.9949 + 0.1, abs=1e-3)
    assert np.ptp(fine_u[shape > 0.5 * shape.max()]) == pytest.approx(0.8, abs=2e-3)
    on_grid = peak_shapes(TRAP.masses_u, 0.03, 0.8)
    inside = (PEAK_MASS_U > 12.0) & (PEAK_MASS_U < 149.0)
    assert on_grid.sum(axis=0)[inside] == pytest.approx(1.0, abs=1e-3)


def test_whole_masses_are_resolved_and_isobars_are_not():
    def valley(first, second):
        counts = expected_counts(TRAP, TABLE, dose(**{first: 1e-8, second: 1e-8}), 1.0, 0.0)
        return counts

    counts = valley("o2", "h2s")
    between = counts[np.abs(TRAP.masses_u - 33.0) < 0.75]
    assert between.min() < 0.5 * counts[np.abs(TRAP.masses_u - 34.0) < 0.3].max()
    # carbon monoxide lies 0.0112 u, 1/70 of a width, below nitrogen
    n2, co = (peak_shapes(TRAP.masses_u, 0.0, 0.8)[:, np.isclose(PEAK_MASS_U, m)][:, 0]
              for m in (28.0061, 27.9949))  # fmt: skip
    assert np.abs(n2 - co).max() < 0.03 * n2.max()


def test_counts_follow_pressure_time_and_background():
    one = expected_counts(TRAP, TABLE, dose(ar=1e-9 * 30.0), 30.0, 0.0)
    none = expected_counts(TRAP, TABLE, dose(), 30.0, 0.0)
    assert none.sum() == pytest.approx(141 * 0.02 * 30.0)
    assert (one - none).sum() == pytest.approx(1.3 * 1e-9 * 30.0 * TRAP.counts_per_pa_s, rel=1e-3)
    two = expected_counts(TRAP, TABLE, dose(ar=2e-9 * 30.0), 30.0, 0.0)
    assert two - none == pytest.approx(2.0 * (one - none))


def test_mass_scale_drifts_with_temperature_and_shifts_by_space_charge():
    assert mass_shift_u(TABLE, 300.0, 1e-9) == pytest.approx(0.02)
    assert mass_shift_u(TABLE, 290.0, 1e-4) == 0.0
    assert mass_shift_u(TABLE, 290.0, 2e-4) == pytest.approx(0.3)


def test_instruments_scatter_as_their_prior():
    drawn = [draw_instrument(np.random.default_rng(seed), TRAP) for seed in range(400)]
    share = np.log(np.array([each.peak_share for each in drawn]) / PEAK_SHARE)
    base = np.array([value == 100.0 for name in SPECIES for _, value in FRAGMENTS[name]])
    prior = InstrumentPrior()
    assert share[:, base].std(axis=0).mean() == pytest.approx(prior.sensitivity_sigma, rel=0.05)
    first = np.flatnonzero(PEAK_SPECIES == SPECIES.index("h2o"))
    fragment = share[:, first[1]] - share[:, first[0]]
    assert fragment.std() == pytest.approx(prior.fragment_sigma, rel=0.15)
    assert np.std([each.fwhm_u for each in drawn]) == pytest.approx(0.024, rel=0.15)


def test_an_empty_range_is_refused():
    with pytest.raises(ValueError, match="range of masses is empty"):
        IonTrap(100, 100)
