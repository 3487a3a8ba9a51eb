# SPDX-License-Identifier: Apache-2.0
"""Sites that were made before, kept in the user's cache folder: a second or two each to make.

A file a site in ``$XDG_CACHE_HOME/lupex_nodes/sites``, ``~/.cache`` without the variable, named by
a digest of what the site was asked for and of all code that may have a part in it. The oldest go
when the folder gets large. Processes that want the same site wait for the one that makes it. A
folder that cannot be written, or a file that cannot be read, costs the time and nothing else.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import scipy

from lupex_nodes import models
from lupex_nodes.models.rocks import NO_ROCKS, Rocks
from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.terrain import Terrain

MOST_BYTES = 500_000_000
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def folder() -> Path:
    """Return the folder of the sites, which may not be there."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # a relative path is to be ignored, says the XDG base directory specification
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "lupex_nodes/sites"


def cached(make: Callable[[], SiteTerrain], *asked: object) -> SiteTerrain:
    """Return the site that ``make`` returns when ``asked`` for this, bit for bit.

    What ``make`` raises is raised.
    """
    try:
        kept = folder() / f"{_digest(asked)}.npz"
        part_path = kept.with_suffix(".part")
        kept.parent.mkdir(parents=True, exist_ok=True)
        if (site := _read(kept)) is not None:
            return site
        # neither truncated, as "w" does, while another writes, nor appended to
        part = os.fdopen(os.open(part_path, os.O_RDWR | os.O_CREAT, 0o644), "r+b")
    except (OSError, RuntimeError):  # no place to write to, or no home at all
        return make()
    with part:
        fcntl.flock(part, fcntl.LOCK_EX)
        # somebody else may have made it while this process waited
        if (site := _read(kept)) is not None:
            return site
        try:
            site = make()
            _write(part, site, kept)
        finally:
            part_path.unlink(missing_ok=True)
    return site


def _digest(asked: tuple[object, ...]) -> str:
    return hashlib.sha256(f"{_code()} {asked!r}".encode()).hexdigest()[:32]


@cache
def _code() -> str:
    digest = hashlib.sha256(f"{np.__version__} {scipy.__version__}".encode())
    for path in sorted(Path(models.__path__[0]).glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> SiteTerrain | None:
    try:
        with np.load(path) as stored:
            places = stored["places"].tolist()
            levels = tuple(
                Terrain(stored[f"heights_{n}"], *place) for n, place in enumerate(places)
            )
            rows = stored["rocks"]
        os.utime(path)  # the least recently used go first
    except _UNREADABLE:
        return None
    return SiteTerrain(levels, Rocks(rows) if len(rows) else NO_ROCKS)


def _write(part: BinaryIO, site: SiteTerrain, path: Path) -> None:
    """Put the site into ``part`` and move that to ``path``, if there is room."""
    heights = {f"heights_{n}": level.heights_m for n, level in enumerate(site.levels)}
    places = [(t.pixel_m, t.x0_m, t.y0_m, t.rotation_deg) for t in site.levels]
    with suppress(OSError):
        part.truncate(0)
        np.savez(part, places=np.array(places), rocks=site.rocks.rows, **heights)  # type: ignore[arg-type]
        part.flush()
        os.replace(path.with_suffix(".part"), path)
        _make_room(path.parent)


def _make_room(where: Path) -> None:
    """Remove the sites not used for longest."""
    sizes = {}
    for path in where.glob("*.npz"):
        try:
            state = path.stat()
        except OSError:
            continue
        sizes[path] = (state.st_mtime_ns, state.st_size)
    left = sum(size for _, size in sizes.values())
    for path, (_, size) in sorted(sizes.items(), key=lambda each: each[1]):
        if left <= MOST_BYTES:
            return
        path.unlink(missing_ok=True)
        left -= size
