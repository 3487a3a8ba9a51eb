# SPDX-License-Identifier: Apache-2.0
"""Statistics by which flights are judged: coverage of errors, and the bounds chance leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import binom, chi2, norm

#: Chance stays within the bounds in this share of cases, for each bound by itself.
PROBABILITY = 0.99


class Coverage(NamedTuple):
    """How errors compare with the standard errors that were claimed for them."""

    number: int
    within: tuple[int, int, int]
    """How many lie within 1, 2 and 3 standard errors."""
    rms: float
    """Root mean square of error over standard error; 1 when the claim is right."""


def coverage(z: Sequence[float]) -> Coverage:
    """Count `z`, each an error over its standard error; raises ValueError without any."""
    values = np.abs(np.asarray(z, float))
    if not values.size or not np.isfinite(values).all():
        raise ValueError("coverage needs at least one error, and finite ones only")
    one, two, three = (int(np.count_nonzero(values <= k)) for k in (1, 2, 3))
    return Coverage(values.size, (one, two, three), float(np.sqrt(np.mean(values**2))))


def share_bounds(number: int, share: float) -> tuple[int, int]:
    """Return how many of `number` independent cases of probability `share` chance leaves."""
    low, high = binom.interval(PROBABILITY, number, share)
    return int(low), int(high)


def sigma_bounds(number: int) -> tuple[tuple[int, int], ...]:
    """Return the bounds within 1, 2 and 3 standard errors, for normal errors."""
    one, two, three = (share_bounds(number, norm.cdf(k) - norm.cdf(-k)) for k in (1, 2, 3))
    return one, two, three


def rms_bounds(number: int) -> tuple[float, float]:
    """Return the bounds of the root mean square of `number` normal errors."""
    tail = (1.0 - PROBABILITY) / 2.0
    low, high = np.sqrt(chi2.ppf([tail, 1.0 - tail], number) / number)
    return float(low), float(high)


def mean_square_bounds(number: int, dimensions: int) -> tuple[float, float]:
    """Return what the mean of `number` normalised squared errors keeps in 95 % of cases.

    Bar-Shalom, Li and Kirubarajan 2001, Estimation with Applications to Tracking and Navigation,
    ch. 5.4: the test of a filter's consistency.
    """
    low, high = chi2.ppf([0.025, 0.975], number * dimensions) / number
    return float(low), float(high)


def within(value: float, bounds: tuple[float, float]) -> bool:
    """Return whether a value lies in bounds, ends included."""
    return bounds[0] <= value <= bounds[1]
