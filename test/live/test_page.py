# SPDX-License-Identifier: Apache-2.0
"""The page in a browser, and what of it needs none: contrast and structure."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from itertools import product
from pathlib import Path

import pytest
from browser import TAB, Browser, browser
from chromium import CHROMIUM
from fed_view import FedView

from lupex_nodes.live.server import LiveServer
from lupex_nodes.models.synthetic_site import synthetic_site

PAGE = files("lupex_nodes.live") / "page"
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
#: What a keyboard reaches: id, label or text.
FOCUSED = """(() => { const e = document.activeElement; return e === document.body ? "" :
  e.id || e.className || e.textContent; })()"""


def fly(
    tmp_path: Path, look: Callable[[Browser, FedView, LiveServer], Awaitable[None]]
) -> None:
    """Open the page of a view that has flown a while, and look at it."""

    async def run() -> None:
        from lupex_nodes.live.site_picture import Ground, SitePicture

        view = FedView()
        view.fly(0, 50)
        view.say(50, "events", "power", "LOW", 1, "<i>Little</i> is left.")
        view.say(50, "faults", "imu", "IMU_SILENT", 2, "No rates come.")
        view.fly(50, 60)
        view.pass_time(60)
        site = synthetic_site(4, 200.0, 4.0)
        server = LiveServer(view, SitePicture(lambda: Ground(site, 90.0)))
        try:
            async with browser(tmp_path / "profile") as tab:
                await tab.open(server.url)
                await tab.until("document.querySelectorAll('#panels canvas').length === 7")
                await look(tab, view, server)
                assert tab.errors == []
        finally:
            await asyncio.to_thread(server.close)

    asyncio.run(run())


@needs_chromium
def test_the_page_shows_the_flight_follows_it_and_keeps_its_end(tmp_path: Path) -> None:
    async def look(tab: Browser, view: FedView, server: LiveServer) -> None:
        text = await tab.run("document.body.innerText")
        for shown in (
            "00:01:00", "5.9 m east", "70 % of the Sun's disc", "Array 309 W, loads 120 W",
            "battery 90.0 %, takes 80.0 W", "<i>Little</i> is left.", "IMU_SILENT", "1 error",
        ):  # fmt: skip
            assert shown in text, shown
        assert await tab.run("document.querySelector('[data-unit=imu]').innerText.includes('ok')")
        await tab.until("map.relief !== null && map.shade !== null")
        await asyncio.to_thread(view.fly, 61, 75)
        await tab.until("document.getElementById('time').textContent === '00:01:14'")
        await tab.run("window.before = true; location.reload()")
        drawn = "document.querySelectorAll('#panels canvas').length === 7"
        await tab.until(f"window.before === undefined && {drawn}")
        assert await tab.run("page.histories.count") == 75
        assert await tab.run("page.histories.signals.get('0')[1][0]") == 90
        view.end("complete", "", ["results  runs/x/report.html"])
        await asyncio.to_thread(server.close)
        await tab.until("document.getElementById('state-text').textContent === 'ended: complete'")
        await asyncio.sleep(1.2)
        text = await tab.run("document.body.innerText")
        assert "The flight has ended: complete" in text and "runs/x/report.html" in text
        assert "5.9 m east" not in text and "7.4 m east" in text

    fly(tmp_path, look)


@needs_chromium
def test_a_flight_that_goes_without_a_word_is_said_to_be_lost(tmp_path: Path) -> None:
    async def look(tab: Browser, view: FedView, server: LiveServer) -> None:
        await tab.until("document.getElementById('state-text').textContent.startsWith('no news')")
        await asyncio.to_thread(server.close)
        await tab.until("document.getElementById('state').classList.contains('bad')")
        assert "ended without a word" in await tab.run("document.body.innerText")

    fly(tmp_path, look)


@needs_chromium
def test_the_keyboard_reaches_and_works_everything(tmp_path: Path) -> None:
    async def look(tab: Browser, view: FedView, server: LiveServer) -> None:
        reached: list[str] = []
        for _ in range(60):
            await tab.press("Tab", TAB)
            where = await tab.run(FOCUSED)
            if not where or where in reached:
                break
            reached.append(where)
            outline = await tab.run("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", where
            if where == "hold":
                await tab.press(" ", 32, " ")
                assert await tab.run("page.held")
                await tab.press(" ", 32, " ")
                assert not await tab.run("page.held")
            elif where == "canvas":
                await tab.press("ArrowRight", 39)
                await tab.press("+", 187, "+")
                assert await tab.run("map.scale !== null")
            elif where == "read":
                await tab.press("Home", 36)
                assert await tab.run("document.getElementById('read-at').textContent") == "00:00:00"
            elif where == "imu":
                await tab.press("Enter", 13, "\r")
                assert "imu, of rover: ok" in await tab.run("document.body.innerText")
        expected = {
            "skip", "hold", "closer", "farther", "fit", "follow", "shadow", "canvas", "charts",
            "window", "read", "units", "imu", "faults", "log", "show-command", "only-warnings",
        }  # fmt: skip
        assert expected <= set(reached)
        await tab.until("document.getElementById('announce').innerText.includes('No rates come')")

    fly(tmp_path, look)


@needs_chromium
@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080), (800, 1100)])
def test_nothing_is_cut_off_at_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    async def look(tab: Browser, view: FedView, server: LiveServer) -> None:
        await tab.size(*size)
        await asyncio.sleep(0.5)
        wide, high = await tab.run(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        assert wide <= size[0]
        if size[0] > 1100:
            assert high <= size[1]
            hidden = await tab.run(
                "(({scrollHeight, clientHeight}) => scrollHeight - clientHeight)"
                "(document.querySelector('.charts'))"
            )
            assert hidden <= 0, "every chart is in sight"
        for part in ("#canvas", ".chart", "#panels"):
            box = await tab.run(
                f"(({{width, height}}) => [width, height])(document.querySelector('{part}')"
                ".getBoundingClientRect())"
            )
            assert min(box) > 50, part

    fly(tmp_path, look)


def colours(text: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", text))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """Contrast of two colours by WCAG 2.2."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_text_and_lines_stand_out_in_both_themes(dark: bool) -> None:
    light_text, _, dark_text = (PAGE / "live.css").read_text().partition("@media (prefers-color")
    found = colours(light_text) | (colours(dark_text) if dark else {})
    for ink, ground in product(("ink", "soft", "accent"), ("paper", "ground")):
        assert contrast(found[ink], found[ground]) >= 4.5, (ink, ground)
    for level in ("warn", "error"):
        assert contrast(found[f"{level}-ink"], found[f"{level}-back"]) >= 4.5, level
    for line in ("blue", "orange", "green", "sky", "vermilion", "purple", "grey", "edge"):
        assert contrast(found[line], found["paper"]) >= 3.0, line


def test_the_page_has_landmarks_and_names_for_what_can_be_used() -> None:
    text = (PAGE / "index.html").read_text()
    assert '<html lang="en">' in text
    for part in ("<header>", "<main>", 'aria-live="polite"', "<noscript>", 'class="skip"'):
        assert part in text
    for section in re.findall(r"<section [^>]*>", text):
        assert "aria-labelledby" in section
    for control in re.findall(r"<input [^>]*>", text):
        name = re.search(r'id="([\w-]+)"', control)
        assert name
        assert f'for="{name[1]}"' in text or re.search(rf"<label>[^\n]*{name[1]}", text)


def test_every_id_that_the_script_asks_for_is_there() -> None:
    page = (PAGE / "index.html").read_text()
    wanted = set(re.findall(r'(?:\$|set)\("([\w-]+)"', (PAGE / "live.js").read_text()))
    assert wanted and wanted <= set(re.findall(r'id="([\w-]+)"', page))


def test_the_chart_library_comes_with_its_licence() -> None:
    assert "MIT" in (PAGE / "uplot/LICENSE").read_text()
    assert "uPlot (v1.6.32)" in (PAGE / "uplot/uPlot.iife.min.js").read_text()[:200]
