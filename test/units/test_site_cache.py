# SPDX-License-Identifier: Apache-2.0
"""Sites from the cache: the same bits as made anew, and no harm when the folder is no use."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lupex_nodes.models.site_terrain import SiteTerrain
from lupex_nodes.models.synthetic_site import synthetic_site
from lupex_nodes.models.terrain import Terrain
from lupex_nodes.world import ground as grounds
from lupex_nodes.world import site_cache
from lupex_nodes.world.site_cache import cached


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return site_cache.folder()


def small(height_m: float = 1.0) -> SiteTerrain:
    return SiteTerrain((Terrain(np.full((50, 50), height_m), 1.0, -25.0, -25.0),))


def never() -> SiteTerrain:
    raise AssertionError("the site was made again")


def same(one: SiteTerrain, other: SiteTerrain) -> bool:
    return one.rocks.rows.tobytes() == other.rocks.rows.tobytes() and [
        (t.heights_m.tobytes(), t.pixel_m, t.x0_m, t.y0_m, t.rotation_deg) for t in one.levels
    ] == [(t.heights_m.tobytes(), t.pixel_m, t.x0_m, t.y0_m, t.rotation_deg) for t in other.levels]


def test_a_site_from_the_cache_is_that_made_anew_bit_for_bit(folder: Path) -> None:
    asked = {"relief_scale": 1.8, "crater_density": 0.1, "rock_abundance": 0.01}
    made = synthetic_site(8, 300.0, 1.0, **asked)
    assert len(made.rocks.rows)
    parameters = grounds.GroundParameters(
        terrain_size_m=300.0, **{f"terrain_{name}": value for name, value in asked.items()}
    )
    for _ in range(2):
        grounds._synthetic.cache_clear()
        assert same(grounds.ground(parameters, 8), made)
        assert len(list(folder.iterdir())) == 1
    grounds._synthetic.cache_clear()
    assert not same(grounds.ground(parameters, 9), made)
    grounds._synthetic.cache_clear()


def test_what_was_asked_tells_sites_apart(folder: Path) -> None:
    assert same(cached(small, 1), cached(never, 1))
    assert same(cached(lambda: small(2.0), 1, "more"), small(2.0))
    assert same(cached(never, 1), small())


def test_a_file_that_cannot_be_read_is_made_again(folder: Path) -> None:
    cached(small, 1)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for broken in (b"", whole[: len(whole) // 2], bytes(flipped)):
        file.write_bytes(broken)
        assert same(cached(small, 1), small())
        assert same(cached(never, 1), small())


@pytest.mark.parametrize("home", ["a file", "read-only", "relative"])
def test_a_folder_that_is_no_use_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.chdir(tmp_path)
    place = Path("here") if home == "relative" else tmp_path / "home"
    if home == "a file":
        place.write_text("")
    elif home == "read-only":
        place.mkdir(mode=0o500)
        if os.geteuid() == 0:
            place = Path("/proc/lupex")  # root may write anywhere else
    monkeypatch.setenv("XDG_CACHE_HOME", str(place))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    assert same(cached(small, 1), small())
    assert not Path("here").exists()


def test_a_full_disk_costs_nothing_but_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    assert same(cached(small, 1), small())
    assert list(folder.iterdir()) == []


def test_the_reason_why_a_site_cannot_be_made_is_not_hidden(folder: Path) -> None:
    def refuse() -> SiteTerrain:
        raise ValueError("choose from 5 to 8193")

    for _ in range(2):
        with pytest.raises(ValueError, match="choose from 5"):
            cached(refuse, 1)
    assert list(folder.iterdir()) == []


def test_the_folder_stays_small_and_keeps_what_was_used_last(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_cache, "MOST_BYTES", 35_000)
    for number in range(3):
        cached(small, number)
        time.sleep(0.01)
    cached(never, 0)
    time.sleep(0.01)
    cached(small, 3)
    assert len(list(folder.iterdir())) == 3
    for number in (0, 2, 3):
        cached(never, number)
    with pytest.raises(AssertionError, match="made again"):
        cached(never, 1)


def test_who_wants_a_site_that_is_being_made_waits_for_it(folder: Path) -> None:
    made = []
    begun = threading.Event()

    def slowly() -> SiteTerrain:
        begun.set()
        time.sleep(0.2)
        made.append(1)
        return small()

    def wait_for_it() -> None:
        begun.wait()
        found.append(cached(slowly, 1))

    found: list[SiteTerrain] = []
    others = [threading.Thread(target=wait_for_it) for _ in range(3)]
    for each in others:
        each.start()
    cached(slowly, 1)
    for each in others:
        each.join()
    assert len(made) == 1
    assert all(same(site, small()) for site in found)
    assert len(found) == 3
