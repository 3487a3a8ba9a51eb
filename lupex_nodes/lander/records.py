# SPDX-License-Identifier: Apache-2.0
"""The records of the lander's units."""

from __future__ import annotations

from lupex_nodes.bus.records import Schema

LINK = Schema(
    "link",
    ("range_m", "f4", "from the lander to the rover"),
    ("rate_bit_s", "f4", "that the relay can forward now"),
    ("queued_bytes", "f8", "stored and not yet forwarded"),
    ("forwarded_bytes", "f8", "since power-on"),
    ("earth_visible", "u1", "1 when the Earth is above the horizon"),
)
