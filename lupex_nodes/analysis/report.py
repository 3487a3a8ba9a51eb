# SPDX-License-Identifier: Apache-2.0
"""report.html: one page, no other file, no network; read on a screen or on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from lupex_nodes.analysis import driving_plots, plots, site_plots, survey_plots
from lupex_nodes.analysis.causes import MOST_CAUSES, Cause, ranked
from lupex_nodes.analysis.detectors import find
from lupex_nodes.analysis.findings import Finding
from lupex_nodes.analysis.radargram import radargram
from lupex_nodes.analysis.summary import summary, truth
from lupex_nodes.analysis.tables import Tables, read_tables
from lupex_nodes.recording.bag_reader import Bag

MOST_ROWS = 60


def write_report(
    bag: Tables | Bag | Path | str,
    path: Path,
    run_facts: Mapping[str, Any] | None = None,
    findings: Sequence[Finding] | None = None,
    causes: Sequence[Cause] = (),
) -> None:
    """Write the report of a bag to `path`.

    `run_facts` are those of `summary`; without them, as for a bag that someone else recorded, the
    outcome is read from the bag's custom data. `findings` and `causes` are found here if no
    findings are given. Raises BagError, one sentence, if the bag cannot be read.
    """
    tables = bag if isinstance(bag, Tables) else read_tables(bag)
    found, blamed = ranked(find(tables)) if findings is None else (list(findings), list(causes))
    page = report_html(tables, found, run_facts or {}, blamed)
    path.write_text(page, encoding="utf-8")


def report_html(
    tables: Tables,
    findings: Sequence[Finding],
    run_facts: Mapping[str, Any],
    causes: Sequence[Cause] = (),
) -> str:
    """Return the report as an HTML page; the same tables give the same text."""
    stated = {key: tables.custom_data.get(key) for key in ("outcome", "cause")}
    facts: dict[str, Any] = {**stated, **run_facts}
    known = truth(tables)
    site = site_plots.site_map(tables)
    counted = tables.record(plots.COUNTS) is not None
    figures = {
        "site": site,
        "map": plots.track_map(tables) if counted or not site else None,
        "water_time": plots.water_over_time(tables, known),
        "water": plots.water_result(tables, known),
        "prospecting": survey_plots.prospecting_map(tables),
        "radargram": radargram(tables),
        "gases": survey_plots.gas_pressures(tables),
        "slip": driving_plots.slip_against_slope(tables),
        "legs": driving_plots.leg_energy(tables),
        "power": plots.power(tables),
        "timeline": plots.timeline(tables, findings),
    }
    environment = Environment(
        loader=PackageLoader("lupex_nodes.analysis", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock"] = _clock
    key_figures = summary(tables, facts)
    return environment.get_template("report.html.j2").render(
        title=tables.custom_data.get("scenario") or tables.path.name,
        seed=tables.custom_data.get("seed"),
        version=tables.custom_data.get("version"),
        start=_utc(tables.start_ns),
        summary=key_figures,
        tiles=_tiles(tables, key_figures, findings),
        figures={name: Markup(svg) for name, svg in figures.items() if svg},
        topics=_topics(tables),
        findings=findings,
        causes=causes[:MOST_CAUSES],
        faults=[finding for finding in findings if finding.is_fault],
        commands=plots.command_spans(tables),
        events=tables.events,
        skipped=tables.skipped,
        most_rows=MOST_ROWS,
        duration_s=tables.duration_s,
    )


def _tiles(
    tables: Tables, key: Mapping[str, Any], findings: Sequence[Finding]
) -> list[tuple[str, str, str]]:
    """Return the figures at the head: (label, value, what it is measured in or against)."""
    tiles = [("Duration", _clock(tables.duration_s), "h:min:s of mission time")]
    if key["real_time_factor"]:
        tiles.append(("Speed", f"{key['real_time_factor']:.3g}×", "of real time"))
    if key["distance_m"] is not None:
        tiles.append(("Distance", f"{key['distance_m']:.1f} m", "driven"))
    if key["battery_min_fraction"] is not None:
        tiles.append(("Battery", f"{100 * key['battery_min_fraction']:.1f} %", "at its lowest"))
    water = key["water"]
    if water and water["detected"]:
        tiles.append(
            (
                "Water",
                f"{water['estimate_wt_percent']:.2f} ± {water['standard_error']:.2f} wt%",
                "apparent, at the patch",
            )
        )
        if water["position_error_m"] is not None:
            tiles.append(("Position error", f"{water['position_error_m']:.1f} m", "of the patch"))
    elif water and water["upper_limit_wt_percent"] is not None:
        tiles.append(
            ("Water", f"< {water['upper_limit_wt_percent']:.2f} wt%", "none detected; 95 % limit")
        )
    tiles.append(
        ("Messages", f"{tables.message_count:,}", f"on {len(tables.arrivals)} topics, recorded")
    )
    faults = sum(finding.is_fault for finding in findings)
    tiles.append(("Findings", str(faults), "at warning or above"))
    return tiles


def _topics(tables: Tables) -> list[dict[str, Any]]:
    rows = []
    for topic, times in sorted(tables.arrivals.items()):
        intervals = np.diff(times)
        span_s = float(times[-1] - times[0])
        rows.append(
            {
                "name": topic,
                "type": tables.types[topic],
                "count": len(times),
                "rate_hz": (len(times) - 1) / span_s if span_s > 0 else None,
                "longest_gap_s": float(intervals.max()) if len(intervals) else None,
                "activity": Markup(plots.sparkline(times, tables.duration_s)),
            }
        )
    return rows


def _utc(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // 10**9, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _clock(time_s: float) -> str:
    tenths = round(time_s * 10)
    hours, rest = divmod(tenths, 36000)
    minutes, rest = divmod(rest, 600)
    return f"{hours}:{minutes:02d}:{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")
