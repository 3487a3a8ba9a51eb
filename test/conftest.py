# SPDX-License-Identifier: Apache-2.0
"""What every test shares: a ROS domain of its own, on loopback."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

#: Domain 0 is the user's; the UDP ports of domains above 100 reach into those that Linux hands
#: out to anybody, 32768 and above.
DOMAINS = range(1, 101)


@contextmanager
def claimed_domain() -> Iterator[int]:
    """Claim a ROS domain that no other test on this machine has, by a lock that dies with us."""
    # beginning at different places, runs do not follow each other into a domain just left
    first = os.getpid() % len(DOMAINS)
    for domain in (*DOMAINS[first:], *DOMAINS[:first]):
        lock = _locked(Path(tempfile.gettempdir()) / f"lupex_test_domain_{domain}.lock")
        if lock is not None:
            break
    else:
        raise RuntimeError("all ROS domains are locked by tests that still run")
    try:
        yield domain
    finally:
        os.close(lock)


def _locked(path: Path) -> int | None:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        return None  # another user's
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    except BlockingIOError:
        os.close(lock)
        return None


@pytest.fixture
def ros_domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A ROS_DOMAIN_ID that no other test on this machine has, with ROS on loopback."""
    from lupex_nodes.bus.ros.transport import loopback_environment

    for name, value in loopback_environment().items():
        monkeypatch.setenv(name, value)
    with claimed_domain() as domain:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
        yield domain
