# SPDX-License-Identifier: Apache-2.0
"""The loopback transport of Fast DDS, and the hygiene of its shared memory.

A participant that finds a half-made port file (0 bytes) in shared memory waits for it for ever,
so such files are removed before a participant is made. Killed processes leave port and segment
files behind; those that nobody holds locked are removed too.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import tempfile
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import IO

from lupex_nodes.bus.parameters import Refused
from lupex_nodes.share import share_file

SHARED_MEMORY = Path("/dev/shm")
# glibc gives blocks above 128 kB back to the kernel after every message unless told otherwise;
# what is larger than any record, such as terrain in the making, it may
_MMAP_BYTES = 4 << 20
_TRIM_BYTES = 512 << 20
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
#: A port file is made and sized within milliseconds; one that stays empty is half-made.
HALF_MADE_AFTER_S = 0.5
_OWN = ("RMW_IMPLEMENTATION", "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE",
        "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY", "CYCLONEDDS_URI")


def loopback_environment(environment: MutableMapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that keep ROS 2 on loopback with large messages quick.

    Empty when the user has chosen a middleware, profile or discovery range: that choice stands.
    """
    environment = os.environ if environment is None else environment
    if any(environment.get(name) for name in _OWN):
        return {}
    return {
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(share_file("config/fastdds_loopback.xml")),
        # The profile confines discovery to 127.0.0.1; the range LOCALHOST would replace the
        # profile's transports by the middleware's own.
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT",
        "MALLOC_MMAP_THRESHOLD_": str(_MMAP_BYTES),
        "MALLOC_TRIM_THRESHOLD_": str(_TRIM_BYTES),
    }


def keep_memory() -> None:
    """Do in this process what the environment does in those it starts: glibc reads it once."""
    glibc = ctypes.CDLL(None)
    glibc.mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
    glibc.mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)


def domain_id() -> int:
    """Return the ROS domain of this process."""
    return int(os.environ.get("ROS_DOMAIN_ID") or 0)


def clock_lock(root: str) -> IO[str]:
    """Take the place of the one clock of this domain and root, or raise Refused.

    Discovery may be late, a lock of this computer is not; the kernel frees it with the process.
    """
    name = f"lupex_clock_{os.getuid()}_{domain_id()}_{root.strip('/').replace('/', '_')}.lock"
    file = (Path(tempfile.gettempdir()) / name).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise Refused(
            "another clock runs in this ROS domain under the same root: end it, or choose another "
            "ROS_DOMAIN_ID"
        ) from None
    return file


def remove_half_made_ports(domain: int | None = None, folder: Path = SHARED_MEMORY) -> list[str]:
    """Remove empty port files of a domain, each of which would hang every new participant."""
    removed = []
    for path in _ports(domain, folder):
        if _half_made(path):
            path.unlink(missing_ok=True)
            removed.append(path.name)
    return removed


def remove_abandoned_ports(domain: int | None = None, folder: Path = SHARED_MEMORY) -> list[str]:
    """Remove the port files of a domain that nobody reads: killed processes leave them.

    A process takes the lock of its port right after it has opened the file, so this is for when
    none of ours is about to start.
    """
    removed = []
    for path in _ports(domain, folder):
        locks = [path.with_name(path.name + kind) for kind in ("_el", "_sl")]
        if all(_unlocked(lock) for lock in locks if lock.exists()):
            for each in (path, *locks, path.with_name(f"sem.{path.name}_mutex")):
                if each.exists():
                    each.unlink(missing_ok=True)
                    removed.append(each.name)
    return removed


def remove_abandoned_segments(folder: Path = SHARED_MEMORY) -> list[str]:
    """Remove shared-memory files of Fast DDS whose owner is dead: nobody holds their lock."""
    removed = []
    for lock in folder.glob("fastrtps_*_el"):
        segment = lock.with_name(lock.name.removesuffix("_el"))
        if not segment.name.startswith("fastrtps_port") and _unlocked(lock):
            for path in (segment, lock):
                path.unlink(missing_ok=True)
                removed.append(path.name)
    return removed


def _ports(domain: int | None, folder: Path) -> list[Path]:
    """Return the port files of a domain."""
    base = 7400 + 250 * (domain_id() if domain is None else domain)
    return [
        path
        for path in folder.glob("fastrtps_port*")
        if (number := re.fullmatch(r"fastrtps_port(\d+)", path.name))
        and base <= int(number[1]) < base + 250
    ]


def _half_made(path: Path) -> bool:
    try:
        if path.stat().st_size:
            return False
        time.sleep(max(0.0, HALF_MADE_AFTER_S - (time.time() - path.stat().st_mtime)))
        return path.stat().st_size == 0
    except FileNotFoundError:
        return False


def _unlocked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except OSError:
        return False
