# SPDX-License-Identifier: Apache-2.0
"""The report's figures, each from tables to one SVG string; None if the bag lacks its data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, ScalarFormatter
from numpy.typing import NDArray

from lupex_nodes.analysis.findings import Finding
from lupex_nodes.analysis.repeatable_layout import RepeatableLayout
from lupex_nodes.analysis.summary import (
    BATTERY,
    DEPOSIT,
    ESTIMATED_ODOMETRY,
    found_deposits,
    true_deposits,
    true_water_wt_percent,
)
from lupex_nodes.analysis.tables import Rows, Series, Tables

COUNTS = "payload/neutron_spectrometer/counts"
WATER = "payload/neutron_spectrometer/water"
POSSIBILITIES = "payload/neutron_spectrometer/possibilities"
#: What radar and infrared light leave of them.
FUSED = "rover/prospecting_map/possibilities"
BUS = "rover/power/bus"
TEMPERATURES = "rover/thermal/temperatures"

# Okabe and Ito (2008): told apart by every kind of colour vision.
BLACK, ORANGE, SKY, GREEN = "#1b1f24", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#8a929c"
SEVERITY_COLOURS = {"info": BLUE, "warning": ORANGE, "error": VERMILION}


class Line(NamedTuple):
    """A signal in a panel: its name there, topic below the root, field, colour, and its scale.

    Shown is ``factor`` times the value plus ``offset``; with ``if_any`` only if ever not zero.
    """

    name: str
    topic: str
    path: str
    colour: str
    factor: float = 1.0
    offset: float = 0.0
    if_any: bool = False


#: What is shown of power and heat, by title with unit.
POWER_PANELS = {
    "State of\ncharge (%)": (Line("state of charge", BATTERY, "percentage", BLUE, 100.0),),
    "Battery\nvoltage (V)": (Line("voltage", BATTERY, "voltage", GREEN),),
    "Power (W)": (
        Line("array", BUS, "array_w", ORANGE),
        Line("out of the battery", BUS, "battery_w", GREY),
    ),
    "Loads (W)": (
        Line("loads", BUS, "load_w", BLUE),
        Line("of them heaters", TEMPERATURES, "heater_w", PURPLE),
        Line("not served", BUS, "unmet_w", VERMILION, if_any=True),
    ),
    "Temperature\n(°C)": tuple(
        Line(name, TEMPERATURES, f"{name}_k", colour, offset=-273.15)
        for name, colour in (
            ("battery", BLUE), ("box", GREEN), ("radiator", SKY), ("motors", ORANGE),
            ("mast", PURPLE),
        )
    ),
}  # fmt: skip
_MOST_POINTS = 1200
_MOST_SEGMENTS = 700
# Counting statistics need about this many epithermal counts for a colour to mean something.
_COUNTS_A_COLOUR = 400.0
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#5b636d",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e7ec",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "xtick.color": "#3d444d",
    "ytick.color": "#3d444d",
    "axes.labelcolor": BLACK,
    "text.color": BLACK,
    "svg.fonttype": "none",
    "svg.hashsalt": "lupex",
}


def track_map(tables: Tables) -> str | None:
    """Draw the track, coloured by the epithermal rate, with true patches and estimated discs."""
    x = tables.series(ESTIMATED_ODOMETRY, "pose.pose.position.x")
    y = tables.series(ESTIMATED_ODOMETRY, "pose.pose.position.y")
    counts = tables.record(COUNTS)
    if (x is None or y is None) and counts is None:
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.1, 5.2), layout="constrained")
        axes = figure.add_subplot()
        if x is not None and y is not None:
            kept = sampled(len(x.values), _MOST_POINTS)
            axes.plot(
                x.values[kept], y.values[kept], color="#c3c9d1", lw=1.0, zorder=1, label="track"
            )
        if counts is not None:
            _coloured_track(figure, axes, counts.rows)
        for number, each in enumerate(true_deposits(tables)):
            axes.plot(
                *_circle(each["patch_x_m"], each["patch_y_m"], each["patch_radius_m"]),
                color=BLACK,
                ls=(0, (5, 3)),
                lw=1.4,
                label="true patch" if not number else None,
                zorder=4,
            )
        for number, deposit in enumerate(found_deposits(tables)):
            _estimated_disc(axes, deposit, named=not number)
        axes.plot([0], [0], marker="^", ms=7, color=BLACK, ls="", label="lander", zorder=5)
        axes.set_aspect("equal", adjustable="datalim")
        axes.margins(0.08)
        axes.set_xlabel("East of the landing site (m)")
        axes.set_ylabel("North of the landing site (m)")
        figure.legend(loc="outside lower center", ncols=5, columnspacing=1.3)
        fit_height(figure, axes, 5.2)
        return svg(figure)


def fit_height(figure: Figure, axes: Axes, most_in: float) -> None:
    """Make a figure as low as the ground in it, which is drawn to scale, but not too low."""
    ground = axes.dataLim
    figure.set_figheight(min(most_in, 2.0 + 5.4 * ground.height / max(ground.width, 1e-9)))


def _estimated_disc(axes: Axes, deposit: Any, named: bool) -> None:
    centre = float(deposit["x_m"]), float(deposit["y_m"])
    radius_m = float(deposit["radius_m"])
    disc = _circle(*centre, radius_m)
    axes.fill(*disc, color=VERMILION, alpha=0.13, lw=0, zorder=2)
    axes.plot(*disc, color=VERMILION, lw=1.4, label="estimated disc" if named else None, zorder=4)
    axes.errorbar(
        *centre,
        xerr=float(deposit["x_sigma_m"]),
        yerr=float(deposit["y_sigma_m"]),
        color=VERMILION,
        capsize=3,
        lw=1.2,
        zorder=5,
        label="its centre, 1σ" if named else None,
    )


def _circle(
    x_m: float, y_m: float, radius_m: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    angle = np.linspace(0.0, 2.0 * np.pi, 121)
    return x_m + radius_m * np.cos(angle), y_m + radius_m * np.sin(angle)


def _coloured_track(figure: Figure, axes: Axes, rows: NDArray[Any]) -> None:
    total = max(float(np.mean(rows["epithermal_counts"])), 1e-9)
    size = max(1, round(_COUNTS_A_COLOUR / total), len(rows) // _MOST_SEGMENTS)
    edges = np.arange(0, len(rows) + 1, size)
    if len(edges) < 3:
        return
    live_s = np.add.reduceat(rows["live_time_s"].astype(float), edges[:-1])
    counted = np.add.reduceat(rows["epithermal_counts"].astype(float), edges[:-1])
    ends = np.minimum(edges, len(rows) - 1)
    points = np.column_stack([rows["x_m"][ends], rows["y_m"][ends]]).astype(float)
    rate_cps = counted / np.where(live_s > 0, live_s, np.nan)
    lines = LineCollection(
        list(np.stack([points[:-1], points[1:]], axis=1)),
        array=rate_cps,
        cmap="cividis",
        lw=5.0,
        capstyle="round",
        zorder=3,
    )
    axes.add_collection(lines)
    bar = figure.colorbar(lines, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label("Epithermal count rate (counts/s)")
    bar.outline.set_visible(False)


def water_over_time(tables: Tables, known: Mapping[str, Any]) -> str | None:
    """Draw the running apparent water with its error along the run, and the truth."""
    record = tables.record(WATER)
    if record is None:
        return None
    names = record.rows.dtype.names or ()
    kept = sampled(len(record.rows), _MOST_POINTS)
    time_s, unit = _clock(record.time_s[kept], tables.duration_s)
    value = record.rows["apparent_water_wt_percent"][kept].astype(float)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.1, 2.5), layout="constrained")
        axes = figure.add_subplot()
        if "standard_error_wt_percent" in names:
            sigma = record.rows["standard_error_wt_percent"][kept].astype(float)
            axes.fill_between(
                time_s, value - sigma, value + sigma, color=SKY, alpha=0.35, lw=0, label="1σ"
            )
        axes.plot(time_s, value, color=BLUE, label="running estimate")
        true = true_water_wt_percent(known)
        if true is not None:
            axes.axhline(true, color=BLACK, ls=(0, (5, 3)), lw=1.1, label="true, at the patch")
        axes.axhline(0.0, color=GREY, lw=0.7)
        axes.set_xlim(0.0, tables.duration_s * _time_scale(tables.duration_s)[0])
        axes.set_ylabel("Apparent water (wt%)")
        axes.set_xlabel(f"Mission time ({unit})")
        axes.legend(loc="upper left", ncols=3)
        return svg(figure)


def water_result(tables: Tables, known: Mapping[str, Any]) -> str | None:
    """Draw the estimate against the truth, and the set of content and cover it allows."""
    record = tables.record(DEPOSIT)
    if record is None:
        return None
    deposit = record.rows[-1]
    possible = tables.record(POSSIBILITIES)
    fused = tables.record(FUSED)
    with matplotlib.rc_context(STYLE):
        panels = 2 if possible is not None else 1
        figure = Figure(figsize=(7.1, 2.9 if panels == 2 else 1.8), layout="constrained")
        left = figure.add_subplot(1, panels, 1)
        _estimate_against_truth(left, deposit, true_water_wt_percent(known))
        if possible is not None:
            right, rows = figure.add_subplot(1, 2, 2), _of_clearest(possible)
            title = "What the counts allow (95 %)"
            if fused is not None:
                right.scatter(
                    rows["content_wt_percent"], rows["cover_g_cm2"], color="#dbe0e5", s=11,
                    marker="s", lw=0, label="counts alone",
                )  # fmt: skip
                rows = _of_clearest(fused)
                title = "What counts, radar and light allow (95 %)"
            _possible_set(figure, right, rows, known)
            right.set_title(title)
            if right.get_legend_handles_labels()[0]:
                right.legend(loc="best", handletextpad=0.2)
        return svg(figure)


def _of_clearest(possible: Rows) -> NDArray[Any]:
    """Return what the last record says of the deposit that the estimate is of, the first."""
    rows = possible.rows[possible.time_s == possible.time_s[-1]]
    return rows[rows["deposit"] == 0] if "deposit" in (rows.dtype.names or ()) else rows


def _estimate_against_truth(axes: Axes, deposit: Any, true: float | None) -> None:
    estimate = float(deposit["estimate_wt_percent"])
    sigma = float(deposit["standard_error_wt_percent"])
    limit = float(deposit["upper_limit_wt_percent"])
    if deposit["detected"]:
        for width, alpha in ((2 * sigma, 0.18), (sigma, 0.40)):
            axes.barh(
                1, 2 * width, left=estimate - width, height=0.34, color=BLUE, alpha=alpha, lw=0
            )
        axes.plot([estimate] * 2, [0.78, 1.22], color=BLUE, lw=2.2)
        axes.text(
            estimate,
            1.30,
            f"{estimate:.2f} ± {sigma:.2f}",
            ha="center",
            va="bottom",
            color=BLUE,
            bbox={"color": "white", "pad": 1.0},
        )
        label = "Estimate\n(1σ, 2σ)"
    else:
        axes.annotate(
            "",
            xy=(0, 1),
            xytext=(limit, 1),
            arrowprops={"arrowstyle": "-|>", "color": BLUE, "lw": 2.0},
        )
        axes.plot([limit] * 2, [0.78, 1.22], color=BLUE, lw=2.2)
        axes.text(limit, 1.30, f"below {limit:.2f} (95 %)", ha="right", va="bottom", color=BLUE)
        label = "Upper limit"
    ticks, labels = [1.0], [label]
    if true is not None:
        axes.plot([true], [0], marker="D", ms=7, color=BLACK, ls="", clip_on=False, zorder=4)
        axes.text(true, 0.20, f"{true:.2f}", ha="center", va="bottom")
        axes.axvline(true, color=BLACK, ls=(0, (5, 3)), lw=0.9)
        ticks, labels = [0.0, 1.0], ["Truth", label]
    right = max(x for x in (estimate + 2 * sigma, limit, true or 0.0, 0.3) if np.isfinite(x))
    axes.set_xlim(0.0, 1.2 * right)
    axes.set_ylim(-0.6, 1.8)
    axes.set_yticks(ticks, labels)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("Apparent water (wt%)")
    axes.set_title("Estimate and truth")


def _possible_set(figure: Figure, axes: Axes, rows: NDArray[Any], known: Mapping[str, Any]) -> None:
    named = "density" in (rows.dtype.names or ())
    density = rows["density"].astype(float) if named else np.ones(len(rows))
    graded = bool(np.ptp(density) > 0)
    order = np.argsort(density)
    drawn = axes.scatter(
        rows["content_wt_percent"][order],
        rows["cover_g_cm2"][order],
        c=density[order] / density.max() if graded else np.full(len(rows), 0.6),
        cmap="Blues",
        vmin=-0.25,
        vmax=1.0,
        s=11,
        marker="s",
        lw=0,
    )
    if {"content_wt_percent", "cover_g_cm2"} <= set(known) and known.get("patch_present", 1):
        axes.plot(
            [known["content_wt_percent"]],
            [known["cover_g_cm2"]],
            marker="D",
            ms=7,
            color=VERMILION,
            mec="white",
            ls="",
            label="truth",
        )
    if graded:
        bar = figure.colorbar(drawn, ax=axes, pad=0.02, boundaries=np.linspace(0, 1, 65))
        bar.set_label("Relative density")
        bar.set_ticks([0.0, 0.5, 1.0])
        bar.outline.set_visible(False)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(10, (1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("Water content of the wet layer (wt%)")
    axes.set_ylabel("Dry cover (g/cm²)")


def power(tables: Tables) -> str | None:
    """Draw the histories of charge, voltage, powers and temperatures; sleep has a grey ground."""
    shown = [
        (label, [(line, series) for line in lines if (series := _line_of(tables, line))])
        for label, lines in POWER_PANELS.items()
    ]
    shown = [(label, lines) for label, lines in shown if lines]
    if not shown:
        return None
    asleep = _spans(tables.series(TEMPERATURES, "hibernating"), tables.duration_s)
    scale, unit = _time_scale(tables.duration_s)
    with matplotlib.rc_context(STYLE):
        heights = [1.7 if len(lines) > 1 else 1.0 for _, lines in shown]
        figure = Figure(figsize=(7.1, 0.6 + 1.15 * sum(heights)), layout="constrained")
        grid = figure.subplots(
            len(shown), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
        )
        for axes, (label, lines) in zip(grid[:, 0], shown, strict=True):
            for start_s, end_s in asleep:
                axes.axvspan(start_s * scale, end_s * scale, color=GREY, alpha=0.16, lw=0)
            for line, series in lines:
                few = _averaged(series, _MOST_POINTS)
                shifted = line.factor * few.values + line.offset
                axes.plot(few.time_s * scale, shifted, color=line.colour, label=line.name)
            axes.set_ylabel(label)
            axes.yaxis.set_major_locator(MaxNLocator(4))
            if lines[0][0].name == "state of charge":
                axes.set_ylim(0.0, 100.0)
            if len(lines) > 1:
                axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=5, borderpad=0.1)
        axes.set_xlabel(f"Mission time ({unit})")
        axes.set_xlim(0.0, max(tables.duration_s, 1e-9) * scale)
        figure.align_ylabels()
        return svg(figure)


def _line_of(tables: Tables, line: Line) -> Series | None:
    """Return what a line of a panel shows, None if the bag lacks it or it shall not be shown."""
    series = tables.series(line.topic, line.path)
    if series is None or not len(series.values):
        return None
    return None if line.if_any and not np.any(series.values) else series


def _averaged(series: Series, most: int) -> Series:
    """Return a series of at most `most` points: means over equal times where there are more."""
    if len(series.values) <= most:
        return series
    edges_s = np.linspace(series.time_s[0], series.time_s[-1], most + 1)
    place = np.clip(np.searchsorted(edges_s, series.time_s, "right") - 1, 0, most - 1)
    count = np.bincount(place, minlength=most)
    held = count > 0
    return Series(
        np.bincount(place, series.time_s, most)[held] / count[held],
        np.bincount(place, series.values, most)[held] / count[held],
    )


def _spans(series: Series | None, duration_s: float) -> list[tuple[float, float]]:
    """Return when a flag was set, as (start, end) in seconds."""
    if series is None or not len(series.values):
        return []
    flags = np.concatenate([[False], series.values > 0, [False]])
    edges = np.flatnonzero(flags[1:] != flags[:-1])
    times_s = np.append(series.time_s, duration_s)
    return [(times_s[a], times_s[b]) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def timeline(tables: Tables, findings: Sequence[Finding]) -> str | None:
    """Draw a lane a unit: commands as bars from start to completion, events, findings."""
    bars = command_spans(tables)
    units = sorted(
        {unit for unit, *_ in bars}
        | {event.unit for event in tables.events}
        | {finding.unit for finding in findings if finding.kind != "event"}
    )
    if not units:
        return None
    lane = {unit: index for index, unit in enumerate(units)}
    scale, unit_name = _time_scale(tables.duration_s)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.1, 1.0 + 0.33 * len(units)), layout="constrained")
        axes = figure.add_subplot()
        length = max(tables.duration_s, 1.0) * scale
        axes.set_xlim(-0.01 * length, 1.01 * length)
        for success, colour, label in ((True, SKY, "command"), (False, PURPLE, "failed command")):
            drawn = [bar for bar in bars if bar[4] is success]
            least_s = 0.004 * tables.duration_s
            axes.barh(
                [lane[unit] for unit, *_ in drawn],
                [max(end_s - start_s, least_s) * scale for _, _, start_s, end_s, _ in drawn],
                left=[start_s * scale for _, _, start_s, _, _ in drawn],
                height=0.55,
                color=colour,
                label=label if drawn else None,
            )
        for unit, name, start_s, end_s, _ in bars:
            # A letter of the figure is about 1 % of its width.
            if end_s - start_s > 0.011 * len(name) * tables.duration_s:
                axes.text(
                    0.5 * (start_s + end_s) * scale,
                    lane[unit],
                    name,
                    ha="center",
                    va="center",
                    fontsize=8,
                )
        for level, severity in ((0, "info"), (1, "warning"), (2, "error")):
            events = [event for event in tables.events if min(event.level, 2) == level]
            axes.scatter(
                [event.time_s * scale for event in events],
                [lane[event.unit] for event in events],
                marker="o",
                s=22,
                color=SEVERITY_COLOURS[severity],
                ec="white",
                lw=0.5,
                label=f"event, {severity}" if events else None,
                zorder=3,
            )
        others = [finding for finding in findings if finding.kind != "event"]
        axes.scatter(
            [finding.first_time_s * scale for finding in others],
            [lane[finding.unit] for finding in others],
            marker="v",
            s=30,
            color=VERMILION,
            ec="white",
            lw=0.5,
            label="other finding" if others else None,
            zorder=4,
        )
        axes.set_yticks(range(len(units)), units)
        axes.set_ylim(len(units) - 0.5, -0.5)
        axes.set_xlabel(f"Mission time ({unit_name})")
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=4, borderpad=0.1)
        return svg(figure)


def command_spans(tables: Tables) -> list[tuple[str, str, float, float, bool]]:
    """Return (unit, command, first report s, last report s, success) of every command."""
    spans: dict[tuple[str, str, str], list[Any]] = {}
    for number, report in enumerate(tables.commands):
        # A refused command has no id; each refusal is a span of its own.
        identity = report.values.get("command_id") or f"refused {number}"
        key = (report.unit, report.name, identity)
        span = spans.setdefault(key, [report.time_s, report.time_s, True])
        span[1] = report.time_s
        span[2] = span[2] and report.level == 0
    return [(unit, name, *span) for (unit, name, _), span in spans.items()]


def sparkline(times_s: NDArray[np.float64], duration_s: float, bins: int = 60) -> str:
    """Return a small SVG of a topic's message rate over the run."""
    counts, _ = np.histogram(times_s, bins=bins, range=(0.0, max(duration_s, 1e-9)))
    top = max(int(counts.max()), 1)
    width, height = 120, 14
    path = "".join(
        f"{'L' if index else 'M'}{index * width / bins:.1f} {height - height * count / top:.1f}"
        f"h{width / bins:.1f}"
        for index, count in enumerate(counts)
    )
    return (
        f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'aria-hidden="true"><path d="{path}V{height}H0Z"/></svg>'
    )


def _time_scale(duration_s: float) -> tuple[float, str]:
    if duration_s > 2 * 86400:
        return 1 / 86400, "d"
    if duration_s > 3 * 3600:
        return 1 / 3600, "h"
    return (1 / 60, "min") if duration_s > 300 else (1.0, "s")


def _clock(time_s: NDArray[np.float64], duration_s: float) -> tuple[NDArray[np.float64], str]:
    scale, unit = _time_scale(duration_s)
    return time_s * scale, unit


def sampled(count: int, most: int) -> NDArray[np.intp]:
    """Return at most `most` indices, spread evenly over `count`."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def svg(figure: Figure) -> str:
    """Return a figure as SVG for the page; the same figure gives the same text."""
    text = StringIO()
    figure.set_layout_engine(RepeatableLayout())
    figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    # Fonts and colours come from the page; a width in the style sheet needs the viewBox alone.
    return re.sub(r'<svg ([^>]*?)height="[^"]*"([^>]*?)width="[^"]*"', r"<svg \1\2", svg, count=1)
