# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: `python -m bench` prints a table and writes bench/results.json.

Speeds depend on the machine and on what else it does, so each figure also stands as a ratio to a
reference that was measured in the same run.
"""

import lupex_nodes  # noqa: F401, before numpy: it says how many threads linear algebra takes
