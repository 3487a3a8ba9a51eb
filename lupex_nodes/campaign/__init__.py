# SPDX-License-Identifier: Apache-2.0
"""Campaigns: many flights, with single faults and without any, and how well faults were found."""
