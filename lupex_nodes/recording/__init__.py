# SPDX-License-Identifier: Apache-2.0
"""Bags: writing them, reading any of them, and opening what a kill left."""
