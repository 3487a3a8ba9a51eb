# SPDX-License-Identifier: Apache-2.0
"""What every test shares: a ROS domain of its own, and loopback for everything."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

_WORKERS = 50
_counter = 0


def _worker() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


@pytest.fixture
def ros_domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A ROS_DOMAIN_ID that no other test of this run has, with ROS on loopback."""
    from lupex_nodes.bus.ros.transport import loopback_environment

    global _counter
    domain = 1 + (os.getpid() * 7 + _worker() * _WORKERS + _counter) % 200
    _counter += 1
    for name, value in loopback_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    yield domain
