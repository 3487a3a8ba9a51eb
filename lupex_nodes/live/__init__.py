# SPDX-License-Identifier: Apache-2.0
"""The live view: a flight on a local web page while it flies."""
