# SPDX-License-Identifier: Apache-2.0
"""The echoes that nature's column and rocks send to the radar's antenna."""

from __future__ import annotations

from typing import Any

import numpy as np

from lupex_nodes.bus.ports import InPort
from lupex_nodes.models.radar import Rocks, Soil, Sounder, coherence, layer_echoes, surface_echo
from lupex_nodes.models.radar_receiver import VolumeClutter
from lupex_nodes.world.records import ROCKS

_MOST_ROWS = 1000
_MOST_ROCKS = 300
_DEEPEST_M, _WIDEST_M = 10.0, 5.0
_PERMITTIVITY = 1.0, 100.0


class EchoField:
    """Echoes by place of the antenna; what stays the same from trace to trace is kept.

    Layers are those of the last column that nature told, so they step where it is renewed. A column
    that is no soil is passed over, and so are rocks that are none.
    """

    def __init__(
        self, rng: np.random.Generator, sounder: Sounder, clutter_db: float, roughness_m: float
    ) -> None:
        self._sounder = sounder
        self._clutter_db = clutter_db
        self._roughness_m = roughness_m
        self._clutter = VolumeClutter(rng, sounder)
        self._told: tuple[Any, Any] = (None, None)
        self._soil: Soil | None = None

    def at(
        self, column: InPort, rocks: InPort, place_m: np.ndarray, since_m: np.ndarray
    ) -> np.ndarray | None:
        """Return the echoes of traces, complex, shape (traces, steps); None before any soil.

        `place_m`, (traces, 2), is where the antenna truly is, `since_m`, (traces,), how far it went
        since the trace before. Without a record of rocks there are none.
        """
        told = (column.value, rocks.value)
        new = [a is not b for a, b in zip(told, self._told, strict=True)]
        self._told = told
        if new[0]:
            self._take_column(column.rows())
        if self._soil is None:
            return None
        if any(new):
            self._take_rocks(self._soil, rocks.rows())
        echoes = self._layers + self._rocks.echoes(self._sounder, place_m[:, 0], place_m[:, 1])
        return echoes + self._clutter.echoes(self._soil, self._clutter_db, since_m)

    def _take_column(self, rows: Any) -> None:
        if not _is_soil(rows):
            return
        sounder = self._sounder
        self._soil = soil = Soil.of(rows["depth_m"], rows["permittivity"], rows["loss_tangent"])
        # into the soil and out again through a surface that is rough
        path_m = 2.0 * self._roughness_m * (float(soil.index[0]) - 1.0)
        through = coherence(sounder.frequency_ghz, path_m)
        self._layers = surface_echo(sounder, soil, self._roughness_m)
        self._layers = self._layers + through * layer_echoes(sounder, soil)

    def _take_rocks(self, soil: Soil, rows: np.ndarray | None) -> None:
        rows = np.zeros(0, ROCKS.dtype) if rows is None else rows[_are_rocks(rows)][:_MOST_ROCKS]
        columns = (rows[name] for name in ROCKS.dtype.names or ())
        self._rocks = Rocks.of(self._sounder, soil, *columns)


def _is_soil(rows: np.ndarray) -> bool:
    depth, loss = rows["depth_m"], rows["loss_tangent"]
    return bool(
        1 < len(rows) <= _MOST_ROWS
        and depth[0] == 0.0
        and 0.0 < depth[-1] <= _DEEPEST_M
        and np.all(np.diff(depth) >= 0.0)
        and np.all(_within(rows["permittivity"], *_PERMITTIVITY))
        and np.all(_within(loss, 0.0, 1.0))
    )


def _are_rocks(rows: np.ndarray) -> np.ndarray:
    wide = rows["diameter_m"]
    real = _within(rows["permittivity"], *_PERMITTIVITY) & (wide > 0.0) & (wide <= _WIDEST_M)
    return real & _within(rows["depth_m"], -_WIDEST_M, _DEEPEST_M)


def _within(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return (values >= low) & (values <= high)
