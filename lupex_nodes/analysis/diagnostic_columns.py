# SPDX-License-Identifier: Apache-2.0
"""DiagnosticArrays as columns, straight from their bytes.

Health and housekeeping are most of a long bag, and nearly all of it is text that says the same as
the message before. So many messages are walked at once, string by string, with one array of
positions; keys are compared and values read only where they change.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lupex_nodes.recording.cdr_layout import PLAIN

Index = NDArray[np.intp]
_STAMP_END = 12
# Longer texts are not compared with the one before, only read.
_COMPARED_WORDS = 64


class Runs(NamedTuple):
    """A text over many statuses: those that have it, and where among them it may be another.

    `rows` are indices into the group's statuses, shape (n,); `starts` are indices into `rows`,
    beginning with 0, shape (m,); `texts` is what holds from each start on.
    """

    rows: Index
    starts: Index
    texts: list[bytes]

    def spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the value of each start for each row: shape (m,) to (n,)."""
        return np.repeat(values, np.diff(np.append(self.starts, len(self.rows))))


class Group(NamedTuple):
    """All statuses of one label, in their order.

    `message` has for each the index of its message, shape (n,); `level` and `sentence` are its
    level and text, `values` are runs by key in the order in which the keys were met.
    """

    message: Index
    level: NDArray[np.uint8]
    sentence: Callable[[int], str]
    values: dict[str, Runs]


class DiagnosticBatch:
    """Serialised DiagnosticArrays, plain CDR, walked together."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        self._data = b"".join([data + bytes(-len(data) % 4) for data in messages]) + bytes(8)
        self._bytes = np.frombuffer(self._data, np.uint8)
        self._words = np.frombuffer(self._data, "<u4")
        sizes = np.fromiter(map(len, messages), np.intp, len(messages))
        begins = np.concatenate([[0], np.cumsum(sizes + -sizes % 4)[:-1]]).astype(np.intp)
        self._begin, self._end = begins, begins + sizes
        #: whether each message was as long as its type says, once `groups` was called
        self.whole = sizes >= _STAMP_END + 4

    def groups(self, label: Callable[[str], Hashable]) -> dict[Hashable, Group]:
        """Return the statuses of equal `label`, which is asked once for each name.

        Only where `whole` is true throughout afterwards is everything in the groups.
        """
        first = self._words[np.where(self.whole, self._begin // 4, 0)]
        self.whole &= (first & 0xFFFF) == int.from_bytes(PLAIN, "little")
        if not self.whole.all():
            return {}
        everyone = np.arange(len(self._begin))
        at, count = self._counted(everyone, self._string(everyone, self._begin + _STAMP_END)[1])
        labels: dict[bytes, Hashable] = {}
        found: dict[Hashable, list[_Piece]] = {}
        for slot in range(int(count.max(initial=0))):
            active = np.flatnonzero(count > slot)
            level = self._bytes[at[active]]
            name, after = self._string(active, at[active] + 1)
            text, after = self._string(active, after)
            _, after = self._string(active, after)
            pairs_at, pairs = self._counted(active, after)
            if not self.whole.all():
                return {}
            rows: dict[Hashable, list[int]] = {}
            for row, raw in enumerate(self._texts(name)):
                if raw not in labels:
                    labels[raw] = label(raw.decode(errors="replace"))
                rows.setdefault(labels[raw], []).append(row)
            for key, chosen in rows.items():
                mine = np.array(chosen, np.intp)
                message = active[mine]
                values, ends = self._pairs(message, pairs_at[mine], pairs[mine])
                at[message] = ends
                piece = _Piece(message, level[mine], [part[mine] for part in text], values)
                found.setdefault(key, []).append(piece)
        self.whole &= at + 3 >= self._end
        return {key: self._group(pieces) for key, pieces in found.items()}

    def _group(self, pieces: list[_Piece]) -> Group:
        message = np.concatenate([piece.message for piece in pieces])
        order = np.argsort(message, kind="stable")
        place = np.empty(len(order), np.intp)
        place[order] = np.arange(len(order))
        texts = zip(*(piece.text for piece in pieces), strict=True)
        text = [np.concatenate(parts)[order] for parts in texts]
        parts: dict[str, list[tuple[Index, Index, Index]]] = {}
        first = 0
        for piece in pieces:
            for key, rows, begin, size in piece.values:
                parts.setdefault(key, []).append((place[first + rows], begin, size))
            first += len(piece.message)
        level = np.concatenate([piece.level for piece in pieces])[order]
        return Group(
            message[order],
            level,
            lambda row: self._texts([part[row : row + 1] for part in text])[0].decode(
                errors="replace"
            ),
            {key: self._runs(*_joined(same)) for key, same in parts.items()},
        )

    def _pairs(
        self, message: Index, at: Index, count: Index
    ) -> tuple[list[tuple[str, Index, Index, Index]], Index]:
        """Walk key-value pairs; return (key, rows, begin, size) of the values, and their ends."""
        found = []
        at = at.copy()
        for slot in range(int(count.max(initial=0))):
            rows = np.flatnonzero(count > slot)
            key, after = self._string(message[rows], at[rows])
            (begin, size), at[rows] = self._string(message[rows], after)
            for name, same in self._equal(*key):
                found.append((name, rows[same], begin[same], size[same]))
        return found, at

    def _equal(self, begin: Index, size: Index) -> Iterator[tuple[str, Index]]:
        """Yield every text among strings with the indices of those that have it."""
        left = np.arange(len(begin))
        while len(left):
            first, length = int(begin[left[0]]), int(size[left[0]])
            words = np.arange(-(-length // 4))
            wanted = self._words[first // 4 + words]
            # what follows the terminator in the last word is padding, of any content
            mask = np.full(len(words), 0xFFFFFFFF, "<u4")
            mask[-1:] >>= 8 * (-length % 4)
            alike = size[left] == length
            texts = self._words[begin[left[alike]][:, None] // 4 + words]
            alike[alike] = ~np.any((texts ^ wanted) & mask, axis=1)
            name = self._data[first : first + length - 1].decode(errors="replace")
            yield name, left[alike]
            left = left[~alike]

    def _runs(self, rows: Index, begin: Index, size: Index) -> Runs:
        """Find where a text is not the one before; a start too many does no harm."""
        words = -(-size // 4)
        most = int(words.max())
        if most > _COMPARED_WORDS:
            starts = np.arange(len(rows))
        else:
            last = len(self._words) - 1
            texts = self._words[np.minimum(begin[:, None] // 4 + np.arange(most), last)]
            other = (texts[1:] != texts[:-1]) & (np.arange(most) < words[1:, None])
            changed = np.any(other, axis=1) | (size[1:] != size[:-1])
            starts = np.concatenate([[0], np.flatnonzero(changed) + 1])
        return Runs(rows, starts, self._texts((begin[starts], size[starts])))

    def _texts(self, strings: Sequence[Index]) -> list[bytes]:
        begin, size = strings
        data = self._data
        return [
            data[a:b] for a, b in zip(begin.tolist(), (begin + size - 1).tolist(), strict=True)
        ]

    def _string(self, message: Index, at: Index) -> tuple[tuple[Index, Index], Index]:
        """Return where each string begins and its size with terminator, and where it ends."""
        word = (at + 3) // 4
        size = self._words[word].astype(np.intp)
        begin = 4 * word + 4
        fits = (size > 0) & (begin + size <= self._end[message])
        # a size that is wrong must not be read by
        size = np.where(fits, size, 1)
        return (begin, size), self._checked(message, begin + size, fits)

    def _counted(self, message: Index, at: Index) -> tuple[Index, Index]:
        """Return where sequences begin, and how many elements they have."""
        word = (at + 3) // 4
        count = self._words[word].astype(np.intp)
        # no status and no pair is shorter than eight bytes
        fits = 8 * count <= self._end[message] - 4 * word
        return self._checked(message, 4 * word + 4, fits), np.where(fits, count, 0)

    def _checked(self, message: Index, at: Index, fits: NDArray[np.bool_]) -> Index:
        """Return positions, none beyond its message: those that were are no whole messages."""
        end = self._end[message]
        self.whole[message] &= fits & (at <= end)
        return np.minimum(at, end)


class _Piece(NamedTuple):
    """Statuses at the same place in their messages: strings as (begin, size)."""

    message: Index
    level: NDArray[np.uint8]
    text: list[Index]
    values: list[tuple[str, Index, Index, Index]]


def _joined(parts: list[tuple[Index, Index, Index]]) -> tuple[Index, Index, Index]:
    """Join the values of a key in the order of the statuses; of two in one, the last holds."""
    if len(parts) == 1:
        return parts[0]
    rows, begin, size = (np.concatenate(same) for same in zip(*parts, strict=True))
    order = np.argsort(rows, kind="stable")
    kept = order[np.append(np.diff(rows[order]) > 0, True)]
    return rows[kept], begin[kept], size[kept]
