# SPDX-License-Identifier: Apache-2.0
"""The lander's units after touchdown."""
