# SPDX-License-Identifier: Apache-2.0
"""A status that is said again is shared, and reads as one that is made anew."""

from __future__ import annotations

from rclpy.serialization import deserialize_message

from lupex_nodes.bus.messages import OK, WARN, RepeatedStatus, status_message
from lupex_nodes.bus.stamps import SECOND
from lupex_nodes.recording.cdr import to_cdr

SAID = [
    (OK, "ok", {"mode": "on", "slip": 0.25, "stalled": False}),
    (OK, "ok", {"mode": "on", "slip": 0.25, "stalled": False}),
    (OK, "ok", {"mode": "on", "slip": 0.5, "stalled": False}),
    (WARN, "it slips", {"mode": "on", "slip": 0.5, "stalled": False}),
    (WARN, "it slips", {}),
    (OK, "ok", {"mode": "on", "slip": 0.25, "stalled": True}),
]


def test_repeated_messages_equal_those_made_anew() -> None:
    repeated = RepeatedStatus("mobility", "housekeeping")
    for second, (level, sentence, values) in enumerate(SAID):
        now = second * SECOND
        anew = status_message(now, "mobility", "housekeeping", level, sentence, values)
        again = repeated.message(now, level, sentence, dict(values))
        assert again == anew
        # twice: the second time from the form that was kept
        assert to_cdr(again) == to_cdr(again) == to_cdr(anew)
        assert deserialize_message(to_cdr(again), type(again)) == anew


def test_what_did_not_change_is_shared() -> None:
    repeated = RepeatedStatus("mobility", "housekeeping")
    first, second, third = (repeated.message(second, *said) for second, said in enumerate(SAID[:3]))
    assert first.status is second.status
    assert second.status is not third.status
    mode, slip, _ = third.status[0].values
    assert mode is first.status[0].values[0]
    assert (slip.value, first.status[0].values[1].value) == ("0.5", "0.25")
