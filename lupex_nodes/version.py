# SPDX-License-Identifier: Apache-2.0
"""The version of the package, which stands in package.xml and nowhere else."""

from __future__ import annotations

from xml.etree import ElementTree

from lupex_nodes.share import share_file


def version() -> str:
    """Return the version in package.xml, for example ``"0.1.0"``."""
    text = ElementTree.parse(share_file("package.xml")).findtext("version")
    if text is None:
        raise ValueError(f"{share_file('package.xml')} has no <version>: install the package again")
    return text
