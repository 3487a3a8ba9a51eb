# SPDX-License-Identifier: Apache-2.0
"""Processes of units forked from one that has imported everything once.

A process of its own imports for 1.5 s before it can do anything; a fork of one that has done so is
ready in a tenth of that. The standard library's fork server is that process, and is the only one
that may fork: this process has threads, and ROS 2 must be initialised after the fork.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from multiprocessing.process import BaseProcess

_PR_SET_NAME = 15
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["lupex_nodes.bus.ros.preloaded"])


def fork(name: str, arguments: Sequence[str]) -> BaseProcess:
    """Start a process of units with the arguments of ``lupex_node``.

    It ends when this process does. The system knows it as ``name``, as in ``pgrep imu``.
    """
    child = _context.Process(
        target=_run, args=(name, list(arguments), dict(os.environ)), name=name, daemon=True
    )
    child.start()
    return child


def _run(name: str, arguments: list[str], environment: dict[str, str]) -> None:
    # the fork server has the environment of the time when it was started
    os.environ.update(environment)
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode())
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    from lupex_nodes.bus.ros.process import main

    sys.exit(main(arguments))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
