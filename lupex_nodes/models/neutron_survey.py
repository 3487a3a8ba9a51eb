# SPDX-License-Identifier: Apache-2.0
"""Product of a neutron survey: the profile along the track and each deposit on it.

Runs of cells that the profile holds wet say where deposits are and how many. Each deposit is then
searched as a disc of its own in the counts about it, without the cells of the others. Runs near
each other, as where several lines cross a deposit, are one disc unless two gain as much likelihood
as a detection needs. Without any deposit the whole survey is searched once for the upper limit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lupex_nodes.models.neutron import Array
from lupex_nodes.models.neutron_profile import Profile, cells_of, profile
from lupex_nodes.models.neutron_record import RetrievalParameters, Rows, binned, live_rows
from lupex_nodes.models.neutron_retrieval import Area, Deposit, disc

_CANDIDATE = 0.5
"""Probability from which a cell belongs to a run."""
_RIM_CELLS = 2
"""Cells on either side of a run that see some of its deposit."""


class Product(NamedTuple):
    """What a survey tells."""

    profile: Profile
    deposits: tuple[Deposit, ...]
    """Those found, the clearest first; when there are none, one that says so with its limit."""


def survey_product(raw: NDArray[np.void], parameters: RetrievalParameters | None = None) -> Product:
    """Make the product of a record (`RAW_DTYPE`, shape (n,)) of one standing and one survey.

    Raises ValueError as `product` does.
    """
    parameters = parameters or RetrievalParameters()
    rows = live_rows(raw, parameters)
    cell = cells_of(rows, parameters)
    seen = profile(rows, cell, parameters)
    order = np.searchsorted(np.unique(cell), cell)
    return Product(seen, _deposits(rows, order, seen, parameters))


def survey_profile(raw: NDArray[np.void], parameters: RetrievalParameters | None = None) -> Profile:
    """Make the profile alone, such as of a survey under way."""
    parameters = parameters or RetrievalParameters()
    rows = live_rows(raw, parameters)
    return profile(rows, cells_of(rows, parameters), parameters)


def _deposits(
    rows: Rows, cell: NDArray[np.int64], seen: Profile, parameters: RetrievalParameters
) -> tuple[Deposit, ...]:
    runs = _runs(seen)

    def disc_of(own: list[tuple[int, int]]) -> Deposit:
        others = [run for run in runs if run not in own]
        return _disc_of(rows, cell, seen, own, others, parameters)

    found: list[tuple[list[tuple[int, int]], Deposit]] = []
    for run in runs:
        deposit = disc_of([run])
        for k, (of_other, other) in enumerate(found):
            apart_m = np.hypot(*(_centre(seen, run) - _centre(seen, of_other[0])))
            if apart_m > 1.5 * (deposit.radius_m + other.radius_m):
                continue
            one = disc_of([*of_other, run])
            two_gain = deposit.contrast + other.contrast - one.contrast
            # the rim of one deposit that is no disc is not another deposit
            rim = np.hypot(deposit.x_m - other.x_m, deposit.y_m - other.y_m) < other.radius_m
            if one.detected and (rim or two_gain < parameters.deviance_threshold):
                found[k] = [*of_other, run], one
                break
        else:
            found.append(([run], deposit))
    # what is found elsewhere about is no disc of the run
    detected = tuple(
        deposit
        for own, deposit in found
        if deposit.detected and any(_inside(seen, run, deposit) for run in own)
    )
    if detected:
        return detected
    survey = binned(rows, rows.periods(parameters.bin_duration_s), parameters)
    return (disc(survey, Area.around(survey.position_m, parameters), parameters),)


def _runs(seen: Profile) -> list[tuple[int, int]]:
    """First cell and the one after the last of each run of wet cells, the clearest first."""
    wet = np.r_[False, seen.probability > _CANDIDATE, False]
    edges = np.flatnonzero(np.diff(wet.astype(int)))
    runs = [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
    fall = (1.0 - seen.epithermal_ratio) / seen.epithermal_ratio_sigma
    return sorted(runs, key=lambda run: -float(np.sum(fall[slice(*run)])))


def _centre(seen: Profile, run: tuple[int, int]) -> Array:
    return np.array([seen.x_m[slice(*run)].mean(), seen.y_m[slice(*run)].mean()])


def _inside(seen: Profile, run: tuple[int, int], deposit: Deposit) -> bool:
    """Whether the middle of a run lies in a disc."""
    x_m, y_m = _centre(seen, run)
    return bool(np.hypot(x_m - deposit.x_m, y_m - deposit.y_m) < deposit.radius_m)


def _disc_of(
    rows: Rows,
    cell: NDArray[np.int64],
    seen: Profile,
    own: list[tuple[int, int]],
    others: list[tuple[int, int]],
    parameters: RetrievalParameters,
) -> Deposit:
    """Search the disc of some runs in the rows about them that are of no other run."""
    centre = np.mean([_centre(seen, run) for run in own], axis=0)
    away_m = np.hypot(seen.x_m - centre[0], seen.y_m - centre[1])
    free = away_m < 5.0 * parameters.radius_max_m
    for first, end in others:
        free[max(first - _RIM_CELLS, 0) : end + _RIM_CELLS] = False
    for first, end in own:
        free[first:end] = True
    about = rows.of_track(free[cell])
    survey = binned(about, about.periods(parameters.bin_duration_s), parameters)
    near = np.hypot(*(survey.position_m - centre).T) < 1.5 * parameters.radius_max_m
    return disc(survey, Area.around(survey.position_m[near], parameters), parameters)
