# SPDX-License-Identifier: Apache-2.0
"""The modes of a survey instrument."""

from __future__ import annotations

#: From standby one calibrates or acquires, and any mode may become safe.
SURVEY_MODES = {
    "standby": ("calibrate", "acquire", "safe"),
    "calibrate": ("standby", "safe"),
    "acquire": ("standby", "safe"),
    "safe": ("standby",),
}
