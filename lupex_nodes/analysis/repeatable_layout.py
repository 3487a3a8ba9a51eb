# SPDX-License-Identifier: Apache-2.0
"""A figure's layout that comes out the same however often it is made."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import Bbox

_DECIMALS = 9


class RepeatableLayout(ConstrainedLayoutEngine):
    """Constrained layout with the places of the axes rounded, as parts of the figure's size.

    The solver behind it orders its constraints by their addresses in memory, so that a place may
    differ in its last bit from one drawing to the next; and SVG names what it clips by all bits.
    """

    def execute(self, fig: Figure) -> None:
        """Lay out the figure."""
        super().execute(fig)
        for axes in fig.axes:
            place = np.round(axes.get_position(original=True).bounds, _DECIMALS)
            # set_position would take the axes out of the layout
            axes._set_position(Bbox.from_bounds(*place), which="original")  # type: ignore[attr-defined]
