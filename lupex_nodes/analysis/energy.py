# SPDX-License-Identifier: Apache-2.0
"""The rover's energy: the books that the power unit kept, and the same from the recorded powers.

Every message of the bus holds the mean powers of the time since the one before, and the energies
that the unit added up itself. Both must tell the same, and neither may leave anything over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lupex_nodes.analysis.findings import Finding
from lupex_nodes.analysis.tables import Rows, Tables
from lupex_nodes.models.power_balance import residual_fraction

BUS = "rover/power/bus"
RESIDUAL_LIMIT = 0.001
DEVIATION_LIMIT = 0.002
_TERMS = {
    "array_j": "array_w",
    "loads_j": "load_w",
    "converters_j": "converter_w",
    "resistance_j": "resistive_w",
    "cells_j": "open_circuit_w",
    "discharge_j": "battery_w",
}
_COUNTED = {
    "array_j": "array_energy_j",
    "loads_j": "load_energy_j",
    "converters_j": "converter_energy_j",
    "resistance_j": "resistive_energy_j",
    "cells_j": "open_circuit_energy_j",
    "discharge_j": "discharge_energy_j",
}


@dataclass(frozen=True)
class Books:
    """Energies, J: from the array, to the loads, lost, into the cells; out of the battery."""

    array_j: float
    loads_j: float
    converters_j: float
    resistance_j: float
    cells_j: float
    discharge_j: float

    @property
    def residual_fraction(self) -> float:
        """What the balance leaves over, as part of what came from array and battery."""
        return residual_fraction(
            self.array_j, self.loads_j, self.converters_j, self.resistance_j, self.cells_j,
            self.discharge_j,
        )  # fmt: skip


@dataclass(frozen=True)
class Energy:
    """The books as counted on board and as integrated from the bag's powers."""

    on_board: Books
    from_powers: Books

    @property
    def deviation_fraction(self) -> float:
        """The largest difference of a term, as part of what came from array and battery."""
        counted, integrated = asdict(self.on_board), asdict(self.from_powers)
        turned_over = counted["array_j"] + counted["discharge_j"]
        worst = max(abs(counted[name] - integrated[name]) for name in counted)
        return worst / turned_over if turned_over > 0.0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {
            "on_board": asdict(self.on_board),
            "from_powers": asdict(self.from_powers),
            "on_board_residual_fraction": self.on_board.residual_fraction,
            "deviation_fraction": self.deviation_fraction,
        }


def energy(tables: Tables) -> Energy | None:
    """Return the rover's energy over a bag, None if it has not the bus's powers and energies."""
    record = tables.record(BUS)
    if record is None or len(record.rows) < 2:
        return None
    names = set(record.rows.dtype.names or ())
    if not (set(_TERMS.values()) | set(_COUNTED.values())) <= names:
        return None
    return Energy(_counted(record), _integrated(record))


def _counted(record: Rows) -> Books:
    first, last = record.rows[0], record.rows[-1]
    return Books(**{
        name: float(last[column]) - float(first[column]) for name, column in _COUNTED.items()
    })


def _integrated(record: Rows) -> Books:
    spans_s = np.diff(record.time_s)
    powers = {name: record.rows[column][1:].astype(float) for name, column in _TERMS.items()}
    powers["discharge_j"] = np.maximum(powers["discharge_j"], 0.0)
    return Books(**{name: float(spans_s @ power_w) for name, power_w in powers.items()})


def energy_books(tables: Tables) -> Iterator[Finding]:
    """Yield books that do not balance, or that differ from the recorded powers."""
    found = energy(tables)
    if found is None:
        return
    for words, value, limit in (
        ("the energies counted on board leave over", found.on_board.residual_fraction,
         RESIDUAL_LIMIT),
        ("the recorded powers leave over", found.from_powers.residual_fraction, RESIDUAL_LIMIT),
        ("recorded powers and energies counted on board differ by", found.deviation_fraction,
         DEVIATION_LIMIT),
    ):  # fmt: skip
        if value > limit:
            yield Finding(
                tables.duration_s, "power", BUS, "energy", "warning",
                "messages are missing, or the bus counts wrong",
                f"{words} {100.0 * value:.2g} % of what array and battery gave",
            )  # fmt: skip
