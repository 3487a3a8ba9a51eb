# SPDX-License-Identifier: Apache-2.0
"""Score the anomaly detector on real telemetry with labelled anomalies.

``python bench/real_telemetry.py FOLDER`` prints one JSON line. FOLDER has .npz files with the
arrays CHANNEL__train__tlm and CHANNEL__test__tlm, and labeled_anomalies.csv with the columns
chan_id and anomaly_sequences: first and last sample in the test part, as published with Hundman et
al. (KDD 2018). Events count as there: a labelled one that any detection overlaps is a true
positive, once; one that none overlaps a false negative; a detection that overlaps no label a false
positive.

That count rewards long detections: one over everything would find everything. So `chance_f1`
gives what the same detections score when they are turned round in time at random, and
`ChannelScore.flagged` how much of the time without label they take.
"""

from __future__ import annotations

import argparse
import ast
import csv
import json
import sys
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lupex_nodes.models.telemetry_anomalies import MARGIN, WINDOWS, Anomaly, learn

LABELS = "labeled_anomalies.csv"
#: Windows and margin were chosen on channels whose names begin so, and judged on the others.
CHOSEN_ON = ("C", "F", "M")

Span = tuple[int, int]


class FolderError(ValueError):
    """A folder that cannot be scored; the message says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Channel:
    """One signal: its nominal part, the part to judge, and the labelled spans of the latter."""

    name: str
    train: NDArray[np.float64]
    test: NDArray[np.float64]
    labels: tuple[Span, ...]


@dataclass(frozen=True)
class Count:
    """Events found, false and missed."""

    true_positive: int
    false_positive: int
    false_negative: int

    @property
    def precision(self) -> float:
        """Share of the events reported that were right; 0 if there are none."""
        return self.true_positive / max(1, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float:
        """Share of the labelled events found; 0 if there are none."""
        return self.true_positive / max(1, self.true_positive + self.false_negative)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 if there is no event at all."""
        wrong = self.false_positive + self.false_negative
        return 2 * self.true_positive / max(1, 2 * self.true_positive + wrong)


@dataclass(frozen=True)
class ChannelScore:
    """One row of the table: a channel, what was found in it, and how that counts."""

    channel: Channel
    anomalies: tuple[Anomaly, ...]
    count: Count
    flagged: float
    """Share of the samples without label that lie in a detection."""


def read_folder(folder: Path) -> list[Channel]:
    """Return the channels of a folder by name; raises FolderError."""
    archives = sorted(folder.glob("*.npz")) if folder.is_dir() else []
    if not archives:
        raise FolderError(f"{folder} has no .npz file; give a folder with telemetry and {LABELS}.")
    labels = _read_labels(folder / LABELS)
    parts: dict[str, dict[str, NDArray[np.float64]]] = {}
    for path in archives:
        for name, part, values in _read_archive(path):
            parts.setdefault(name, {})[part] = values
    if not parts:
        raise FolderError(
            f"No .npz file in {folder} has telemetry; name arrays CHANNEL__train__tlm and "
            "CHANNEL__test__tlm."
        )
    if missing := sorted(labels.keys() - parts.keys()):
        raise FolderError(
            f"{folder / LABELS} names {missing[0]}, of which no .npz file in {folder} has "
            f"telemetry; add {missing[0]}__train__tlm or take out the row."
        )
    return [_channel(folder, name, parts[name], labels.get(name, ())) for name in sorted(parts)]


def _channel(
    folder: Path, name: str, parts: dict[str, NDArray[np.float64]], labels: Sequence[Span]
) -> Channel:
    for part in ("train", "test"):
        if part not in parts:
            raise FolderError(f"{folder} has no {name}__{part}__tlm; give both parts of {name}.")
    for first, last in labels:
        if not 0 <= first <= last <= len(parts["test"]):
            raise FolderError(
                f"{folder / LABELS} labels samples {first} to {last} of {name}, whose test part "
                f"has {len(parts['test'])}; give first and last sample within it."
            )
    return Channel(name, parts["train"], parts["test"], tuple(labels))


def _read_archive(path: Path) -> Iterator[tuple[str, str, NDArray[np.float64]]]:
    """Yield channel, part and values of every telemetry array in a file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files if key.endswith("__tlm")}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FolderError(f"{path} cannot be read: {error}; write it by numpy.savez.") from None
    for key, values in arrays.items():
        if values.ndim != 1 or values.dtype.kind not in "biuf":
            raise FolderError(
                f"{key} in {path} has shape {values.shape} and type {values.dtype}; give one "
                "column of numbers."
            )
        name, _, part = key.removesuffix("__tlm").rpartition("__")
        if part in ("train", "test"):
            yield name, part, values.astype(np.float64)


def _read_labels(path: Path) -> dict[str, tuple[Span, ...]]:
    found: dict[str, tuple[Span, ...]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                spans = ast.literal_eval(row["anomaly_sequences"])
                found[row["chan_id"]] = (
                    *found.get(row["chan_id"], ()),
                    *((int(first), int(last)) for first, last in spans),
                )
    except OSError as error:
        raise FolderError(f"{path} cannot be read ({error.strerror}); put it there.") from None
    except (KeyError, TypeError, ValueError, SyntaxError, csv.Error):
        raise FolderError(
            f"{path} is not a list of labelled anomalies; give the columns chan_id and "
            "anomaly_sequences, the latter like [[900, 910]]."
        ) from None
    return found


def score_channel(
    channel: Channel, windows: Iterable[int] = WINDOWS, margin: float = MARGIN
) -> ChannelScore:
    """Learn from the training part, detect in the test part, count events; raises FolderError."""
    try:
        learnt = learn(channel.train, windows=windows, margin=margin)
    except ValueError as error:
        raise FolderError(f"The training part of {channel.name}: {error}.") from None
    anomalies = tuple(learnt.anomalies(np.arange(len(channel.test)), channel.test))
    spans = [(anomaly.first, anomaly.last) for anomaly in anomalies]
    labelled = _inside(channel.labels, len(channel.test))
    flagged = _inside(spans, len(channel.test)) & ~labelled
    return ChannelScore(
        channel,
        anomalies,
        count_events(spans, channel.labels),
        float(flagged.sum() / max(1, (~labelled).sum())),
    )


def score_channels(
    channels: Iterable[Channel], windows: Iterable[int] = WINDOWS, margin: float = MARGIN
) -> list[ChannelScore]:
    """Return the table: one row a channel."""
    chosen = tuple(windows)
    return [score_channel(channel, chosen, margin) for channel in channels]


def count_events(found: Sequence[Span], labels: Sequence[Span]) -> Count:
    """Count by event, both as spans with their last sample included."""

    def met(span: Span, others: Sequence[Span]) -> bool:
        return any(span[0] <= last and first <= span[1] for first, last in others)

    hits = sum(met(label, found) for label in labels)
    false = sum(not met(span, labels) for span in found)
    return Count(hits, false, len(labels) - hits)


def total(counts: Iterable[Count]) -> Count:
    """Return the sum over channels."""
    rows = [(c.true_positive, c.false_positive, c.false_negative) for c in counts]
    return Count(*(sum(column) for column in zip(*rows, strict=True))) if rows else Count(0, 0, 0)


def chance_f1(scores: Sequence[ChannelScore], draws: int = 200, seed: int = 1) -> float:
    """Return the mean F1 of the same detections, turned round by a random time in each channel."""
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws):
        counts = []
        for score in scores:
            samples = len(score.channel.test)
            flagged = _inside([(a.first, a.last) for a in score.anomalies], samples)
            turned = np.roll(flagged, random.integers(max(1, samples))).astype(np.int8)
            edges = np.diff(turned, prepend=0, append=0)
            first, last = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0) - 1
            spans = list(zip(first.tolist(), last.tolist(), strict=True))
            counts.append(count_events(spans, score.channel.labels))
        drawn.append(total(counts).f1)
    return float(np.mean(drawn))


def _inside(spans: Iterable[Span], samples: int) -> NDArray[np.bool_]:
    inside = np.zeros(samples, bool)
    for first, last in spans:
        inside[first : last + 1] = True
    return inside


def sensitivity(channels: Sequence[Channel]) -> dict[str, Count]:
    """Return how the channels score with each constant of the detector x 0.7 and x 1.4."""
    short, long = WINDOWS
    counts = {}
    for factor in (0.7, 1.4):
        for name, windows, margin in (
            ("short window", (round(short * factor), long), MARGIN),
            ("long window", (short, round(long * factor)), MARGIN),
            ("margin", WINDOWS, MARGIN * factor),
        ):
            scores = score_channels(channels, windows, margin)
            counts[f"{name} x {factor:g}"] = total(score.count for score in scores)
    return counts


def chosen_on_halves(
    channels: Sequence[Channel], draws: int = 200, seed: int = 1
) -> tuple[float, float]:
    """Return the mean F1 on random halves, with the setting best there, and on the others.

    Settings are windows and margins by half and double the detector's own. The second figure is
    what choosing them on so few channels is worth.
    """
    short, long = WINDOWS
    counts = np.array(
        [
            [
                (c.true_positive, c.false_positive, c.false_negative)
                for c in (s.count for s in score_channels(channels, windows, margin))
            ]
            for windows in product((short // 2, short, 2 * short), (long // 2, long, 2 * long))
            for margin in (MARGIN / 2, MARGIN, 2 * MARGIN)
        ]
    )
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws):
        order = random.permutation(len(channels))
        here, there = np.array_split(order, 2)
        best = max(counts, key=lambda table: Count(*table[here].sum(axis=0)).f1)
        drawn.append([Count(*best[half].sum(axis=0)).f1 for half in (here, there)])
    chosen, others = np.mean(drawn, axis=0)
    return float(chosen), float(others)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one JSON line; with --table also a line a channel, halves, chance and sensitivity."""
    parse = argparse.ArgumentParser(prog="bench/real_telemetry.py", description=__doc__)
    parse.add_argument("folder", type=Path)
    parse.add_argument("--table", action="store_true", help="more lines of JSON before the last")
    options = parse.parse_args(arguments)
    began = time.process_time()
    try:
        channels = read_folder(options.folder)
        scores = score_channels(channels)
    except FolderError as error:
        print(error, file=sys.stderr)
        return 2
    seconds = time.process_time() - began
    if options.table:
        for line in _table(channels, scores):
            print(json.dumps(line))
    line = _as_json(total(score.count for score in scores))
    print(json.dumps({**line, "seconds": round(seconds, 3)}))
    return 0


def _table(channels: Sequence[Channel], scores: Sequence[ChannelScore]) -> Iterator[dict]:
    for score in scores:
        found = [[anomaly.first, anomaly.last] for anomaly in score.anomalies]
        row = {"channel": score.channel.name, **_as_json(score.count)}
        yield {**row, "flagged": round(score.flagged, 4), "found": found}
    for name, chosen_on in (("chosen on", True), ("held out", False)):
        half = [s for s in scores if s.channel.name.startswith(CHOSEN_ON) is chosen_on]
        yield {"channels": name, **_as_json(total(score.count for score in half))}
    yield {"chance_f1": round(chance_f1(scores), 3)}
    for name, count in sensitivity(channels).items():
        yield {"setting": name, **_as_json(count)}
    chosen, others = chosen_on_halves(channels)
    yield {"f1_on_random_halves": round(chosen, 3), "f1_on_the_others": round(others, 3)}


def _as_json(count: Count) -> dict[str, float]:
    return {
        "true_positive": count.true_positive,
        "false_positive": count.false_positive,
        "false_negative": count.false_negative,
        "precision": round(count.precision, 4),
        "recall": round(count.recall, 4),
        "f1": round(count.f1, 4),
    }


if __name__ == "__main__":
    sys.exit(main())
