# SPDX-License-Identifier: Apache-2.0
"""Nature: what the bus calls /world, which only hardware may read."""
