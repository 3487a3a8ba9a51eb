# SPDX-License-Identifier: Apache-2.0
"""The key figures of a run, for summary.json and the head of the report."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lupex_nodes.analysis.energy import energy
from lupex_nodes.analysis.tables import Series, Tables, read_tables
from lupex_nodes.models.neutron import K_E, apparent_water, epithermal_ratio, response_within
from lupex_nodes.recording.bag_reader import Bag

ESTIMATED_ODOMETRY = "rover/odometry"
TRUE_ODOMETRY = "world/vehicle/odometry"
BATTERY = "rover/power/battery"
DEPOSIT = "payload/neutron_spectrometer/deposit"
DEPOSITS = "payload/neutron_spectrometer/deposits"
LEG = "rover/navigation/leg"
MOBILITY = "rover/mobility/state"


def summary(bag: Tables | Bag | Path | str, run_facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object of summary.json; what the bag does not tell is None.

    `run_facts` is what only the runner knows: `outcome` (its name) and `wall_time_s`. Further
    facts are passed on as they are. Distances in m, water in wt% of water-equivalent hydrogen.
    """
    tables = bag if isinstance(bag, Tables) else read_tables(bag)
    facts = dict(run_facts)
    wall_time_s = facts.get("wall_time_s")
    fraction = tables.series(BATTERY, "percentage")
    books = energy(tables)
    result: dict[str, Any] = {
        "outcome": facts.pop("outcome", None),
        "duration_s": tables.duration_s,
        "real_time_factor": tables.duration_s / wall_time_s if wall_time_s else None,
        "messages": tables.message_count,
        "messages_per_s": tables.message_count / wall_time_s if wall_time_s else None,
        "distance_m": distance_m(tables),
        "tip_over": any(event.name == "TIPPED_OVER" for event in tables.events),
        "battery_min_fraction": _least(fraction),
        "energy_residual_fraction": books.from_powers.residual_fraction if books else None,
        "energy": books.as_dict() if books else None,
        "water": water(tables),
    }
    return _plain({**result, **facts})


def distance_m(tables: Tables) -> float | None:
    """Return the length of the planned legs that were driven to their end.

    Of a bag without legs, the distance driven: the true one if it has it, else the estimate's.
    """
    legs = tables.record(LEG)
    if legs is not None:
        return float(np.sum(legs.rows["length_m"][legs.rows["reached"] == 1]))
    for topic in (TRUE_ODOMETRY, ESTIMATED_ODOMETRY):
        x = tables.series(topic, "pose.pose.position.x")
        y = tables.series(topic, "pose.pose.position.y")
        if x is not None and y is not None:
            return float(np.sum(np.hypot(np.diff(x.values), np.diff(y.values))))
    return None


def truth(tables: Tables) -> dict[str, Any]:
    """Return the custom data `truth`, empty if the bag has none that is a JSON object.

    Of several deposits it is the one nearest to what was found, else the first.
    """
    content = _told_truth(tables)
    deposits = content.get("deposits")
    if not isinstance(deposits, list) or not deposits:
        return content
    if not all(isinstance(each, dict) and has_patch(each) for each in deposits):
        return content
    found = tables.record(DEPOSIT)
    if found is None or not len(found.rows) or not found.rows["detected"][-1]:
        return dict(deposits[0])
    x_m, y_m = (float(found.rows[name][-1]) for name in ("x_m", "y_m"))
    return min(
        deposits, key=lambda each: math.hypot(each["patch_x_m"] - x_m, each["patch_y_m"] - y_m)
    )


def _told_truth(tables: Tables) -> dict[str, Any]:
    try:
        content = json.loads(tables.custom_data.get("truth", "{}"))
    except json.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}


def true_deposits(tables: Tables) -> list[dict[str, Any]]:
    """Return the patch of each deposit that the bag's custom data `truth` tells of."""
    content = _told_truth(tables)
    several = content.get("deposits")
    deposits = several if isinstance(several, list) and several else [content]
    return [each for each in deposits if isinstance(each, dict) and has_patch(each)]


def found_deposits(tables: Tables) -> list[Any]:
    """Return the rows of all deposits that the last survey detected, the clearest first."""
    last = tables.record(DEPOSIT)
    if last is None or not len(last.rows) or not last.rows[-1]["detected"]:
        return []
    several = tables.record(DEPOSITS)
    if several is None or not len(several.rows):
        return [last.rows[-1]]
    return list(several.rows[several.time_s == several.time_s[-1]])


def true_water_wt_percent(known: Mapping[str, Any]) -> float | None:
    """Return the true apparent water at the patch centre, None if the truth does not tell.

    It is (1/R - 1)/k_e of the footprint there, with the world's own constants: what a counter
    without noise, that knew them, would report.
    """
    if known.get("patch_present") == 0:
        return 0.0
    if not {"patch_radius_m", "content_wt_percent", "cover_g_cm2"} <= set(known):
        return None
    constants = {key: known[key] for key in ("k_e", "lambda_e_g_cm2") if key in known}
    patch = epithermal_ratio(known["content_wt_percent"], known["cover_g_cm2"], **constants)
    ratio = 1.0 - (1.0 - patch) * response_within(known["patch_radius_m"])
    return float(apparent_water(ratio, constants.get("k_e", K_E)))


def has_patch(known: Mapping[str, Any]) -> bool:
    """Return whether the truth says where a patch is."""
    return known.get("patch_present", 1) != 0 and {
        "patch_x_m",
        "patch_y_m",
        "patch_radius_m",
    } <= set(known)


def water(tables: Tables) -> dict[str, Any] | None:
    """Return the neutron spectrometer's last deposit beside the truth, None without one."""
    record = tables.record(DEPOSIT)
    if record is None:
        return None
    deposit = record.rows[-1]
    known = truth(tables)
    detected = bool(deposit["detected"])
    error_m = None
    if detected and has_patch(known):
        error_m = math.hypot(
            float(deposit["x_m"]) - known["patch_x_m"], float(deposit["y_m"]) - known["patch_y_m"]
        )
    return {
        "detected": detected,
        "estimate_wt_percent": float(deposit["estimate_wt_percent"]),
        "standard_error": float(deposit["standard_error_wt_percent"]),
        "truth_wt_percent": true_water_wt_percent(known),
        "position_error_m": error_m,
        "upper_limit_wt_percent": float(deposit["upper_limit_wt_percent"]),
        "deposits": [_found(row, tables) for row in found_deposits(tables)],
    }


def _found(row: Any, tables: Tables) -> dict[str, float | None]:
    """Return where a deposit is and how wet, and how far from its centre a true one is."""
    names = ("x_m", "y_m", "radius_m", "estimate_wt_percent", "standard_error_wt_percent")
    found: dict[str, float | None] = {name: float(row[name]) for name in names}
    found["from_true_m"] = min(
        (math.hypot(float(row["x_m"]) - each["patch_x_m"], float(row["y_m"]) - each["patch_y_m"])
         for each in true_deposits(tables)), default=None,
    )  # fmt: skip
    return found


def _least(series: Series | None) -> float | None:
    if series is None or not np.isfinite(series.values).any():
        return None
    return float(np.nanmin(series.values))


def _plain(value: Any) -> Any:
    """Replace what JSON has no word for by None."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
