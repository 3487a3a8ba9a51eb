# SPDX-License-Identifier: Apache-2.0
"""Spinning nodes with rclpy's EventsExecutor, which must never be told to ``spin()``.

On this rclpy ``spin()`` turns the core at 100 % and ignores signals; waiting for a future with a
long timeout does the same work and does not. A callback that raises would leave the executor and
end the process, so every callback goes through :func:`guarded`.
"""

from __future__ import annotations

import functools
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

#: Longer timeouts overflow inside the executor and make it turn.
_LONG_S = 1e6
_SIGNALS = {signal.SIGINT, signal.SIGTERM}


class Spinner:
    """Runs callbacks of nodes until told to stop, or until SIGINT or SIGTERM."""

    def __init__(self) -> None:
        self._executor = EventsExecutor()
        self._stop = Future()
        self.reason = ""

    def add(self, nodes: Iterable[Node]) -> None:
        """Spin these nodes too."""
        for node in nodes:
            self._executor.add_node(node)

    def stop(self, reason: str = "") -> None:
        """Leave :meth:`run`; may be called from a callback, a thread or a signal handler."""
        if not self._stop.done():
            self.reason = reason
            self._stop.set_result(None)
            self._executor.wake()

    def run(self, timeout_s: float | None = None) -> bool:
        """Run callbacks until stopped (True) or until the timeout has passed (False)."""
        try:
            while rclpy.ok() and not self._stop.done():
                self._executor.spin_until_future_complete(
                    self._stop, timeout_sec=_LONG_S if timeout_s is None else timeout_s
                )
                if timeout_s is not None:
                    break
        except ExternalShutdownException:
            pass
        return self._stop.done() or not rclpy.ok()


def init(arguments: list[str] | None = None) -> None:
    """Initialise rclpy without its signal handlers: :func:`stop_on_signals` sets ours."""
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)


def stop_on_signals(spinner: Spinner) -> None:
    """Stop the spinner at SIGINT or SIGTERM; call it in the main thread.

    The executor waits in C++ without the interpreter, where Python's own handlers do not run
    until the next callback. The interpreter's wake-up descriptor is written at once, whichever
    thread the signal finds, so a thread reads that and wakes the executor.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)

    def wait() -> None:
        with receiver, sender:
            while number := receiver.recv(1):
                if number[0] in _SIGNALS:
                    spinner.stop(signal.Signals(number[0]).name)

    threading.Thread(target=wait, name="signals", daemon=True).start()


def guarded(
    callback: Callable[..., Any], failed: Callable[[Exception], Any] | None = None
) -> Callable[..., Any]:
    """Wrap a callback so that an exception is reported and the executor lives.

    ``failed`` takes the exception and gives the callback's result instead; without it the
    exception is written to standard error in one line with its place.
    """

    @functools.wraps(callback)
    def run(*arguments: Any) -> Any:
        try:
            return callback(*arguments)
        except Exception as error:
            if failed:
                return failed(error)
            origin = traceback.extract_tb(error.__traceback__)[-1]
            sys.stderr.write(
                f"{type(error).__name__} in {origin.name} ({origin.filename}:{origin.lineno}): "
                f"{error}\n"
            )
            return arguments[1] if len(arguments) == 2 else None

    return run


def shutdown() -> None:
    """Shut rclpy down if it is up, and leave signals to whoever comes next."""
    signal.set_wakeup_fd(-1)
    if rclpy.ok():
        rclpy.shutdown()
