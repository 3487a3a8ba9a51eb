# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import html
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from chromium import CHROMIUM, HEADLESS
from matplotlib.figure import Figure
from mission_bag import DIAGNOSTIC, START_NS, status_cdr

from lupex_nodes.analysis import Analysis
from lupex_nodes.analysis.plots import command_spans, svg
from lupex_nodes.analysis.report import write_report
from lupex_nodes.recording.bag_writer import BagWriter

SECTIONS = ["Where it drove", "Water", "Power and heat", "Findings", "Events and commands", "Bus"]


class Outside(HTMLParser):
    """Collects what a page would fetch, and the nesting it leaves open."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            inside = (value or "").startswith(("#", "data:"))
            if name in ("src", "href", "xlink:href", "srcset") and not inside:
                self.fetched.append(f"{tag} {name}={value}")
        if tag in ("link", "iframe", "object"):
            self.fetched.append(tag)


def headings(page: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", page)


def test_the_page_has_its_sections_and_needs_nothing_else(troubled: tuple[Path, Analysis]) -> None:
    path = troubled[0] / "report.html"
    page = path.read_text()
    assert headings(page) == SECTIONS
    assert path.stat().st_size < 2_000_000
    outside = Outside()
    outside.feed(page)
    assert outside.fetched == []
    assert "@import" not in page and not re.search(r"url\((?!#|\"#)", page)


def test_the_page_says_what_the_summary_says(troubled: tuple[Path, Analysis]) -> None:
    page = re.sub(r"\s+", " ", (troubled[0] / "report.html").read_text())
    assert "Outcome: <strong>complete</strong>. 5 findings at warning or above" in page
    assert "150.0 m" in page and "15.0 %" in page and "1:16:39" in page
    assert "A deposit was detected" in page
    assert page.count('class="chip error"') >= 2
    for label in ("true patch", "estimated disc", "Dry cover (g/cm²)", "Epithermal count rate"):
        assert label in page


def test_a_blank_run_gives_a_limit_and_no_disc(nominal: tuple[Path, Analysis]) -> None:
    page = (nominal[0] / "report.html").read_text()
    assert "No deposit was detected" in page
    assert "estimated disc" not in page and "true patch" not in page
    assert "Nothing was found at warning or above" in page


def test_run_facts_win_and_text_is_escaped(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", {"scenario": "<b>a&b</b>", "outcome": "old"}) as writer:
        data = status_cdr(START_NS, "u: E", {}, 2, "<script>alert(1)</script>")
        writer.write("/events", DIAGNOSTIC, data, START_NS)
    facts = {"outcome": "interrupted", "cause": "the operator stopped it", "wall_time_s": 2.0}
    write_report(tmp_path / "bag", tmp_path / "report.html", facts)
    page = (tmp_path / "report.html").read_text()
    assert "<strong>interrupted</strong>, the operator stopped it" in page
    assert "alert(1)</script>" not in page and "&lt;b&gt;a&amp;b&lt;/b&gt;" in page
    assert headings(page) == ["Findings", "Events and commands", "Bus"]


def test_places_in_a_figure_are_the_same_each_time() -> None:
    figure = Figure(layout="constrained")
    for axes in figure.subplots(3, 1, sharex=True):
        axes.plot([0.0, 1.0], [0.0, 3.0])
        axes.set_ylabel("two\nlines")
    svg(figure)
    places = np.array([axes.get_position(original=True).bounds for axes in figure.axes])
    assert np.ptp(places[:, 1]) > 0.5
    # the solver leaves the sixteenth digit to chance, and names in the SVG are made of all digits
    corners = np.array([axes.get_position(original=True).get_points() for axes in figure.axes])
    assert np.allclose(corners, np.round(corners, 9), rtol=0.0, atol=1e-15)


def test_commands_run_from_their_first_to_their_last_report(
    troubled: tuple[Path, Analysis],
) -> None:
    spans = command_spans(troubled[1].tables)
    assert ("navigation", "go_to", 1200.0, 4570.0, True) in spans
    assert ("imu", "calibrate", 1250.0, 1250.0, False) in spans


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_draws_every_figure(troubled: tuple[Path, Analysis], tmp_path: Path) -> None:
    result = subprocess.run(
        [CHROMIUM or "", *HEADLESS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
         (troubled[0] / "report.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
    )
    page = result.stdout
    assert page.count("<figure>") == 5
    assert page.count('aria-label="Figure. Keys: plus') == 5
    assert len(re.findall(r"<figure><svg", page)) == 5
    assert headings(page) == SECTIONS


_PRESS = """
<script>
const figure = document.querySelector("figure > svg");
const all = figure.getAttribute("viewBox").split(" ").map(Number);
const press = (key) => figure.dispatchEvent(new KeyboardEvent("keydown", {key}));
const seen = [];
for (const key of ["+", "+", "ArrowRight", "-", "0"]) {
  press(key);
  seen.push(figure.getAttribute("viewBox").split(" ").map(Number));
}
document.title = JSON.stringify({all, seen});
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_figures_zoom_and_move_with_the_keyboard(
    troubled: tuple[Path, Analysis], tmp_path: Path
) -> None:
    page = (troubled[0] / "report.html").read_text()
    path = tmp_path / "zoomed.html"
    path.write_text(page.replace("</body>", _PRESS + "</body>"))
    result = subprocess.run(
        [CHROMIUM or "", *HEADLESS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
         path.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip
    said = json.loads(html.unescape(re.findall(r"<title>(.*?)</title>", result.stdout)[0]))
    whole, (once, twice, right, out, home) = said["all"], said["seen"]
    assert once[2] == pytest.approx(whole[2] / 1.4) and twice[2] == pytest.approx(whole[2] / 1.96)
    # the middle stays in the middle
    assert twice[0] + twice[2] / 2 == pytest.approx(whole[0] + whole[2] / 2)
    assert right[0] == pytest.approx(twice[0] + 0.1 * twice[2]) and right[1] == twice[1]
    assert out[2] == pytest.approx(once[2])
    assert home == pytest.approx(whole)
