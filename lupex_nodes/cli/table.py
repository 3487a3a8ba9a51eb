# SPDX-License-Identifier: Apache-2.0
"""Plain tables: the same on a terminal, in a pipe and in a log."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence


def table(
    rows: Sequence[Sequence[str]], head: Sequence[str] = (), indent: int = 0
) -> Iterator[str]:
    """Yield the lines of a table; the last column is wrapped to the terminal's width."""
    lines = [head, *rows] if head else list(rows)
    if not lines:
        return
    columns = len(lines[0])
    widths = [max(len(line[i]) for line in lines) for i in range(columns - 1)]
    start = indent + sum(widths) + 2 * len(widths)
    room = max(30, shutil.get_terminal_size((100, 24)).columns - start)
    for line in lines:
        cells = [text.ljust(width) for text, width in zip(line, widths, strict=False)]
        first, *rest = textwrap.wrap(line[-1], room) or [""]
        yield (" " * indent + "  ".join([*cells, first])).rstrip()
        for text in rest:
            yield " " * start + text
