# SPDX-License-Identifier: Apache-2.0
"""The file below an MCAP writer, which can be ended properly even when the disk is full."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

#: Bytes kept free beside the file for its last chunk, its index and metadata.yaml.
ROOM_BYTES = 4 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT)


class StorageStream:
    """A new file that is written without a buffer, with room set aside for its end.

    When the disk is full the room is given back and what was being written goes on into it. The
    writer learns of it from ``due``, which is also set once ``limit_bytes`` are reached: the file
    shall be ended now. Raises OSError when even the room is used up, and ENOSPC at once where
    there is none to set aside.
    """

    def __init__(self, path: Path, limit_bytes: float) -> None:
        self.size = 0
        self.due = False
        self.error: OSError | None = None
        self._limit_bytes = limit_bytes
        self._room = path.with_name(f".{path.name}.room")
        self._file = path.open("xb", buffering=0)
        try:
            self._set_room_aside()
        except OSError:
            self.close()
            path.unlink()
            raise

    def _set_room_aside(self) -> None:
        with self._room.open("wb") as room:
            try:
                os.posix_fallocate(room.fileno(), 0, ROOM_BYTES)
            except OSError as error:
                if error.errno in _FULL:
                    raise
                # Some file systems cannot set room aside; then a full disk tears the file.

    def write(self, data: bytes) -> int:
        """Write all of ``data``."""
        left = memoryview(data)
        while left:
            try:
                left = left[self._file.write(left) :]
            except OSError as error:
                if error.errno not in _FULL or self.error is not None:
                    raise
                self.error = error
                self.due = True
                self._room.unlink(missing_ok=True)
        self.size += len(data)
        if self.size >= self._limit_bytes:
            self.due = True
        return len(data)

    def tell(self) -> int:
        """Return the bytes written so far."""
        return self.size

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def close(self) -> None:
        """Close the file and give back what room is left."""
        with suppress(OSError):
            self._room.unlink(missing_ok=True)
        self._file.close()
