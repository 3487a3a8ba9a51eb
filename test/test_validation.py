# SPDX-License-Identifier: Apache-2.0
"""What judges the flights of docs/validation.md."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
sys.path.insert(0, str(DOCS))

import anchors  # noqa: E402
import fused_sets  # noqa: E402
import make_validation  # noqa: E402
import scores  # noqa: E402
from neutron_surveys import BURIED, POOR, THIN  # noqa: E402

from lupex_nodes.models.radar_image import RadarRetrieval  # noqa: E402
from lupex_nodes.models.regolith import density_carrier_kg_m3, permittivity  # noqa: E402
from lupex_nodes.models.stratigraphy import overburden_g_cm2  # noqa: E402

GOOD = make_validation.Found(
    1, "complete", 10.0, 700.0, True, 900.0, 1.0, 0.1, 1.2, 1.05, 0.5, True
)


# --- Statistics -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "one", "two", "three", "rms"),
    [
        (20, (8, 18), (16, 20), (19, 20), (0.61, 1.41)),
        (40, (19, 34), (34, 40), (38, 40), (0.72, 1.29)),
        (250, (151, 189), (229, 246), (247, 250), (0.89, 1.12)),
    ],
)
def test_bounds_are_those_of_the_tables(number, one, two, three, rms) -> None:
    assert scores.sigma_bounds(number) == (one, two, three)
    assert scores.rms_bounds(number) == pytest.approx(rms, abs=0.006)


def test_normal_errors_of_the_claimed_size_stay_in_the_bounds_and_others_do_not() -> None:
    rng = np.random.default_rng(7)

    def share_within(scale: float) -> float:
        bounds = scores.rms_bounds(40)
        found = [scores.coverage(rng.normal(0.0, scale, 40)).rms for _ in range(2000)]
        return float(np.mean([scores.within(each, bounds) for each in found]))

    assert share_within(1.0) == pytest.approx(0.99, abs=0.01)
    assert share_within(1.6) < 0.1
    assert share_within(0.5) < 0.1


def test_coverage_counts_both_sides_and_the_ends() -> None:
    found = scores.coverage([0.5, -0.5, 1.0, -2.0, 2.5, -4.0])
    assert found.within == (3, 4, 5)
    assert found.rms == pytest.approx(np.sqrt((0.25 + 0.25 + 1 + 4 + 6.25 + 16) / 6))


@pytest.mark.parametrize("z", [[], [1.0, float("nan")]])
def test_coverage_of_nothing_is_refused(z: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one error"):
        scores.coverage(z)


def test_a_set_holds_the_truth_by_its_nearest_node() -> None:
    rows = np.array([(2.0, 15.0)], [("content_wt_percent", "f4"), ("cover_g_cm2", "f4")])
    step = 200.0 ** (1.0 / 99.0)
    assert make_validation.holds(rows, 2.0 * step**0.49, 15.7)
    assert not make_validation.holds(rows, 2.0 * step**0.51, 15.0)
    assert not make_validation.holds(rows, 2.0, 15.8)


# --- The tables -------------------------------------------------------------------------------


def verdicts(rows: list[tuple[str, str, str, str]]) -> dict[str, str]:
    return {what: met for what, _, _, met in rows if met}


def flights(**change) -> list[make_validation.Found]:
    errors = np.random.default_rng(3).normal(0.0, 0.1, 40)
    return [
        replace(GOOD, seed=n, estimate=1.05 + error, **change) for n, error in enumerate(errors)
    ]


def test_good_flights_meet_every_bound() -> None:
    assert set(verdicts(make_validation.sortie_table(flights())).values()) == {"yes"}


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({"standard_error": 0.16}, "standard error of the water, greatest (wt%)"),
        ({"standard_error": 0.05}, "rms of error over standard error"),
        ({"position_error_m": 1.6}, "position error, median (m)"),
        ({"truth_is_possible": False}, "true content and cover in the 95 % set"),
        ({"detected": False, "position_error_m": None}, "patch detected"),
        ({"outcome": "energy"}, "flights complete"),
    ],
)
def test_a_bound_that_is_missed_is_said(change: dict, missed: str) -> None:
    assert verdicts(make_validation.sortie_table(flights(**change)))[missed] == "**no**"


def test_one_false_alarm_is_one_too_many() -> None:
    blank = replace(GOOD, detected=False, deviance=4.0, upper_limit=0.1, position_error_m=None)
    quiet = verdicts(make_validation.blank_table([blank] * 40))
    assert set(quiet.values()) == {"yes"}
    loud = verdicts(make_validation.blank_table([blank] * 39 + [replace(blank, detected=True)]))
    assert loud["false detections"] == "**no**"


def test_models_agree_with_their_references() -> None:
    rows = [*anchors.neutron_rows()[2:], *anchors.slip_rows()]
    assert len(rows) == 10
    for what, model, reference, _ in rows:
        assert float(model) == pytest.approx(float(reference), abs=2e-4), what


def test_heat_and_ice_meet_their_references() -> None:
    rows = [*anchors.heat_rows()[3:6], *anchors.ice_rows()[3:7]]
    assert len(rows) == 7
    for what, model, reference, _ in rows:
        found, known = float(model.split()[0]), float(reference.split()[0])
        assert found == pytest.approx(known, rel=0.04), what


# --- What all instruments leave open together ------------------------------------------------


@pytest.mark.parametrize(("disc", "boundary_g_cm2"), [(BURIED, 60.0), (THIN, 15.0), (POOR, None)])
def test_radar_meets_the_ice_where_neutrons_meet_the_water(disc, boundary_g_cm2) -> None:
    prior = RadarRetrieval(permittivity_sigma=0.0, density_sigma_kg_m3=0.0)
    ground = fused_sets.Column(disc, True, np.empty(0), np.empty(0), 0.0)
    depth, icy, *_ = ground.column(np.random.default_rng(1), prior)
    dry = permittivity(density_carrier_kg_m3(depth))
    wet = icy > dry * (1.0 + 1e-9)
    mass = overburden_g_cm2(depth, density_carrier_kg_m3(depth))
    assert wet[0] == (disc.cover_g_cm2 == 0.0)
    found = mass[np.flatnonzero(np.diff(wet.astype(int)))]
    assert found == pytest.approx([boundary_g_cm2] if boundary_g_cm2 else [], abs=0.3)
    bound = replace(ground, frozen=False)
    assert np.allclose(bound.column(np.random.default_rng(1), prior)[1], permittivity(
        density_carrier_kg_m3(bound.column(np.random.default_rng(1), prior)[0])))  # fmt: skip
    assert bound.surface_ice_wt_percent == 0.0


def test_every_ambiguity_names_the_product_that_is_fooled() -> None:
    rows = fused_sets.rows(range(1, 4))
    assert all(len(row) == len(fused_sets.HEAD) for row in rows)
    fooled = [(row[0][:3], row[1]) for row in rows if row[0].startswith("(")]
    assert fooled == [
        ("(a)", "R_ep"), ("(b)", "R_ep"), ("(b)", "R_ep"), ("(c)", "GPR"), ("(d)", "EMS-L"),
        ("(e)", "unit-resolution masses"),
    ]  # fmt: skip
    for row in rows[:6]:
        held, width = int(row[3].split()[0]), float(row[4])
        assert (row[6] == "yes") == (held == 3 and width >= 2.0)


@pytest.mark.slow
def test_fused_sets_hold_the_truth_and_leave_open_what_is_ambiguous() -> None:
    seeds = range(1, 51)
    assert {row[-1] for row in fused_sets.rows(seeds)} == {"yes", ""}
    for what, value, bounds, _ in fused_sets.judged(seeds):
        assert scores.within(value, bounds), what


# --- The page ---------------------------------------------------------------------------------


def test_the_page_is_made_from_its_template_whole() -> None:
    template = (DOCS / "validation.md.in").read_text(encoding="utf-8")
    page = (DOCS / "validation.md").read_text(encoding="utf-8")
    for piece in re.split(r"@\w+@", template):
        assert piece.strip() in page
    assert not re.search(r"@\w+@", page)
    assert page.count("of 40 |") >= 8


def test_what_is_kept_of_the_page_is_the_page() -> None:
    sections = {name: make_validation.kept(name) for name in make_validation.SECTIONS}
    assert make_validation.page(sections) == (DOCS / "validation.md").read_text(encoding="utf-8")
    assert sections["machine"].endswith(tuple("0123456789"))
    assert sections["msl"].startswith("Made by `MSL_TELEMETRY=FOLDER docs/make_validation.py")


def test_a_page_without_a_section_to_keep_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Validation\n")
    for page in ("page.md", "none.md"):
        with pytest.raises(SystemExit, match="no section legs to keep: make the whole page"):
            make_validation.kept("legs", tmp_path / page)


def test_one_section_is_made_and_the_others_are_kept(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.delenv("MSL_TELEMETRY", raising=False)
    made = {"slip": lambda options, pool: "new slip"}
    monkeypatch.setattr(make_validation, "SECTIONS", make_validation.SECTIONS | made)
    only = ["--only", "slip", "--only", "msl", "--processes", "1"]
    make_validation.main([*only, "--out", str(tmp_path / "page.md")])
    before = (DOCS / "validation.md").read_text(encoding="utf-8")
    after = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert after == before.replace(make_validation.kept("slip"), "new slip") != before
    assert "its section is kept" in capsys.readouterr().out


def test_the_table_of_channels_has_their_sums() -> None:
    counts = {"true_positive": 2, "false_positive": 1, "false_negative": 3, "f1": 0.5}
    text = make_validation.msl_text([
        {"channel": "A-1", **counts}, {"channels": "held out", **counts}, {"chance_f1": 0.25},
        {"setting": "margin x 1.4", **counts},
        {"f1_on_random_halves": 0.8, "f1_on_the_others": 0.4}, {**counts, "seconds": 1.0},
    ])  # fmt: skip
    assert "| A-1 | 5 | 2 | 1 | 3 |" in text
    assert "| held out, F1 0.50 | 5 | 2 | 1 | 3 |" in text
    assert "| all, F1 0.50 | 5 | 2 | 1 | 3 |" in text
    assert "at random score 0.25" in text and "score 0.40 on the others" in text


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_page_can_be_made_again(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    script = [sys.executable, DOCS / "make_validation.py", "--seeds", "1", "--out", page]
    subprocess.run(script, check=True, timeout=1500, cwd=DOCS.parent)
    text = page.read_text(encoding="utf-8")
    assert "| flights complete | 1 of 1 | 1 | yes |" in text
    assert "**no**" not in text
