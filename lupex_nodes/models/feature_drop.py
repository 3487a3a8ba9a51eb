# SPDX-License-Identifier: Apache-2.0
"""A sudden loss of what a camera sees, from the features of its frames alone.

How many features there are says little: it depends on the Sun's direction and on the ground. How
many there were just before in the same heading says more. Angles in radians.
"""

from __future__ import annotations

import math
from collections import deque

#: Frames that are judged, sound frames before them, and what a sound ratio is at least.
LAST, BEFORE, SOUND = 5, 12, 0.3
#: Fewer features than this before are too few to lose any.
FEWEST = 8.0
SAME_HEADING_RAD = math.radians(15.0)


class FeatureDrop:
    """Features of the last frames over those of the sound ones before, medians: 1 if all is well.

    Frames of a loss never become what is usual, however long it lasts. After a turn it learns anew.
    """

    def __init__(self) -> None:
        self.ratio: float | None = None
        self._before: deque[float] = deque(maxlen=BEFORE)
        self._last: deque[float] = deque()
        self._yaw_rad = 0.0

    def add(self, features: float, yaw_rad: float) -> float | None:
        """Take a frame in the light; return the ratio, None while too little is known."""
        if abs(math.remainder(yaw_rad - self._yaw_rad, 2.0 * math.pi)) > SAME_HEADING_RAD:
            self.forget()
            self._yaw_rad = yaw_rad
        self._last.append(features)
        if len(self._last) > LAST:
            oldest = self._last.popleft()
            if self.ratio is None or self.ratio > SOUND:
                self._before.append(oldest)
            usual = sorted(self._before)[len(self._before) // 2]
            if len(self._before) == BEFORE and usual >= FEWEST:
                self.ratio = sorted(self._last)[LAST // 2] / usual
        return self.ratio

    def forget(self) -> None:
        """Learn anew, as after a stretch in the dark."""
        self._before.clear()
        self._last.clear()
        self.ratio = None
