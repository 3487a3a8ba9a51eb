# SPDX-License-Identifier: Apache-2.0
"""The rover's units."""
