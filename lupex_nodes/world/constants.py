# SPDX-License-Identifier: Apache-2.0
"""What is the same for one seed however often a unit is reset: the constants of its world."""

from __future__ import annotations

from zlib import crc32

import numpy as np

from lupex_nodes.bus.unit import Context


def generator_of_run(context: Context) -> np.random.Generator:
    """Return a generator that depends on the run's seed and the unit's name alone.

    A unit's own ``rng`` starts anew at each activation, as noise should; a patch of ice must not
    move when its unit is reset.
    """
    return np.random.default_rng(
        np.random.SeedSequence([context.seed, crc32(context.name.encode())])
    )
