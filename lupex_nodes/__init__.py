# SPDX-License-Identifier: Apache-2.0
"""The LUPEX lunar polar lander and rover as ROS 2 nodes."""

import os

# Matrices of a flight are small: threads that wait for each other took six times the CPU time of
# one, and with them the last bits depend on the machine's cores. numpy reads this when imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
