# SPDX-License-Identifier: Apache-2.0
"""What units keep in non-volatile memory, for the process that takes the place of a dead one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lupex_nodes.bus.slot import Slot


class NonVolatile:
    """A folder with a file a unit, each replaced as a whole whenever it changes."""

    def __init__(self, folder: Path, slots: Sequence[Slot]) -> None:
        self._files = [(slot, folder / slot.name) for slot in slots]
        self._saved: dict[str, bytes] = {}
        for slot, path in self._files:
            if path.exists():
                slot.restore(path.read_bytes())

    def save(self) -> None:
        """Write what has changed; where there is no room what was written before stays."""
        for slot, path in self._files:
            kept = slot.kept()
            if kept != self._saved.get(slot.name):
                self._saved[slot.name] = kept
                with suppress(OSError):
                    written = path.with_suffix(".new")
                    written.write_bytes(kept)
                    os.replace(written, path)
