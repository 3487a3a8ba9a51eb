# SPDX-License-Identifier: Apache-2.0
"""What the survey instruments have in common: their modes, and products made of raw data alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import numpy as np

from lupex_nodes.bus.unit import Kind


class SurveyInstrument(ABC):
    """A unit that tells what it measured, and products of that and its parameters, of nothing else.

    Whatever is measured goes through `keep`, and every product comes from `products`. So who has
    the raw records, such as of a bag without nature, makes the products again with these two.
    """

    kind = Kind.HARDWARE
    #: From standby one calibrates or acquires, and any mode may become safe.
    modes = {
        "standby": ("calibrate", "acquire", "safe"),
        "calibrate": ("standby", "safe"),
        "acquire": ("standby", "safe"),
        "safe": ("standby",),
    }
    #: The outputs that hold what was measured, one record of each at a time.
    raw: ClassVar[tuple[str, ...]]
    #: The outputs that are made of these.
    made: ClassVar[tuple[str, ...]]

    @abstractmethod
    def keep(self, now: int, raw: Mapping[str, np.ndarray]) -> None:
        """Keep the rows, by output, that were told at ``now``, in place of what they outdate."""

    @abstractmethod
    def products(self, now: int, wanted: Collection[str]) -> dict[str, Any]:
        """Make of what is kept the rows to be told at ``now``, by output.

        All of ``wanted`` that there are; others may come with them. Raises ValueError with the
        reason when there is no product.
        """

    def tell(self, now: int, wanted: Collection[str]) -> None:
        """Publish products; ValueError as `products`."""
        for name, rows in self.products(now, wanted).items():
            getattr(self, name).publish_rows(now, rows)
