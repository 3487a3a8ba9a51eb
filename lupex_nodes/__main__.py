# SPDX-License-Identifier: Apache-2.0
"""``python -m lupex_nodes`` is ``lupex``."""

from __future__ import annotations

import sys

from lupex_nodes.console_scripts import lupex

sys.exit(lupex())
