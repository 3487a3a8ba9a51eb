# SPDX-License-Identifier: Apache-2.0
"""The whole analysis of one bag: tables, detectors, findings, and the files they go into."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lupex_nodes.analysis.causes import MOST_CAUSES, Cause, ranked
from lupex_nodes.analysis.detectors import Detector, default_detectors, find
from lupex_nodes.analysis.energy import energy
from lupex_nodes.analysis.findings import Finding, as_json, write_findings_bag
from lupex_nodes.analysis.learnt_limits import learn_nominal
from lupex_nodes.analysis.tables import Tables, read_tables

NO_FAULT, FAULTS_FOUND, UNREADABLE = 0, 1, 2


@dataclass(frozen=True)
class Analysis:
    """What was read, what was found in it in order of first time, and whom to look at first."""

    tables: Tables
    findings: list[Finding]
    causes: list[Cause] = field(default_factory=list)
    learnt_signals: int | None = None
    """How many signals were judged by limits learnt from a nominal bag; None without one."""

    @property
    def exit_code(self) -> int:
        """0 without anything at warning or above, else 1; 2 is for a bag that cannot be read."""
        return FAULTS_FOUND if any(f.is_fault for f in self.findings) else NO_FAULT

    def as_dict(self) -> dict[str, Any]:
        """Return the object of findings.json."""
        tables = self.tables
        books = energy(tables)
        return {
            "messages": tables.message_count,
            "topics": {topic: len(times) for topic, times in sorted(tables.arrivals.items())},
            "duration_s": round(tables.duration_s, 9),
            "skipped": tables.skipped,
            "learnt_signals": self.learnt_signals,
            "energy": books.as_dict() if books else None,
            "causes": [
                {**asdict(cause), "first_time_s": round(cause.first_time_s, 6)}
                for cause in self.causes
            ],
            "findings": as_json(self.findings),
        }

    def text(self) -> str:
        """Return the findings as lines for a terminal, what went wrong first on top."""
        tables = self.tables
        lines = [
            f"{tables.path}: {tables.message_count} messages on {len(tables.arrivals)} topics "
            f"in {tables.duration_s:.1f} s"
        ]
        lines += [f"not used: {sentence}" for sentence in tables.skipped]
        if self.learnt_signals is not None:
            lines.append(
                f"{self.learnt_signals} signals judged by limits learnt from a nominal bag"
            )
        books = energy(tables)
        if books:
            lines.append(
                f"energy: {books.from_powers.array_j / 3.6e6:.3f} kWh from the array, "
                f"{books.from_powers.loads_j / 3.6e6:.3f} kWh to loads; "
                f"{books.from_powers.residual_fraction:.1e} of it left over, "
                f"{books.deviation_fraction:.1e} off what was counted on board"
            )
        lines += [
            f"look at {number}: {cause.unit}, from {cause.first_time_s:.1f} s "
            f"(score {cause.score:.2f}): {cause.why}"
            for number, cause in enumerate(self.causes[:MOST_CAUSES], 1)
        ]
        lines += [
            f"{f.first_time_s:10.1f} s  {f.severity:<7}  {f.unit}: {f.message}"
            + (f" [{f.cause}]" if f.cause else "")
            for f in self.findings
        ]
        if not self.findings:
            lines.append("nothing found")
        return "\n".join(lines)


def analyze(
    path: Path | str,
    out: Path | str | None = None,
    detectors: Sequence[Detector] | None = None,
    nominal: Path | str | None = None,
) -> Analysis:
    """Analyse any rosbag2 bag; with `out`, write findings.json, report.html and findings_bag/.

    Limits learnt from the bag `nominal`, if given, are one detector more. Raises BagError, one
    sentence, if a bag cannot be read or none of its signals can be judged by the nominal one; the
    caller exits with UNREADABLE.
    """
    chosen = list(default_detectors() if detectors is None else detectors)
    # Before the bag itself is read, so that memory holds one of them at a time.
    learnt = learn_nominal(nominal) if nominal is not None else None
    tables = read_tables(path)
    judged = None
    if learnt is not None:
        judged, not_judged = learnt.scope(tables)
        tables.skipped += not_judged
        chosen.append(learnt)
    analysis = Analysis(tables, *ranked(find(tables, chosen)), judged)
    if out is not None:
        # matplotlib takes half a second to import, and is needed for the report alone.
        from lupex_nodes.analysis.report import write_report

        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(analysis.as_dict(), indent=2, allow_nan=False, ensure_ascii=False)
        (folder / "findings.json").write_text(text + "\n", encoding="utf-8")
        shutil.rmtree(folder / "findings_bag", ignore_errors=True)
        write_findings_bag(folder / "findings_bag", analysis.findings, tables.start_ns)
        write_report(
            tables, folder / "report.html", findings=analysis.findings, causes=analysis.causes
        )
    return analysis
