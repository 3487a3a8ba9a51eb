# SPDX-License-Identifier: Apache-2.0
"""Messages to bytes and back, each once in a process of units.

A published message is never written again, so the units of a process may share one object of what
they receive, as they do in memory. Making it is dear here: this rclpy runs the generated
constructors of every part, and would do so again for each subscription of the same topic.
"""

from __future__ import annotations

from typing import Any

from rclpy.serialization import deserialize_message

from lupex_nodes.recording.cdr import to_cdr

#: Enough for what a process publishes and receives in a tick or two.
_KEPT = 256
_messages: dict[tuple[type, bytes], Any] = {}


def encode(message: Any) -> bytes:
    """Serialize a message; who decodes the same bytes in this process gets this object."""
    data = to_cdr(message)
    _keep((type(message), data), message)
    return data


def decode(data: bytes, message_type: type) -> Any:
    """Return the message of these bytes; nobody may write to it."""
    key = (message_type, data)
    message = _messages.get(key)
    if message is None:
        message = deserialize_message(data, message_type)
        _keep(key, message)
    return message


def _keep(key: tuple[type, bytes], message: Any) -> None:
    if len(_messages) >= _KEPT:
        del _messages[next(iter(_messages))]
    _messages[key] = message
