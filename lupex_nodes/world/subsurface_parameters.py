# SPDX-License-Identifier: Apache-2.0
"""What is buried in this world: the parameters of the subsurface."""

from __future__ import annotations

from pydantic import model_validator

from lupex_nodes.bus.parameters import Parameters, parameter

#: Lists of one length: what is buried, and the fields that say of each where and what it is.
_TOGETHER = {
    "deposit": ("x_m", "y_m", "radius_m", "content_wt_percent", "cover_g_cm2"),
    "dense": ("x_m", "y_m", "radius_m", "depth_m", "extra_kg_m3"),
    "boulder": ("x_m", "y_m", "depth_m", "diameter_m"),
}


class SubsurfaceParameters(Parameters):
    """What is buried where, what is in permanent shadow, and how ice keeps."""

    patch_present: bool = parameter(True, "whether there is a wet patch", live=False)
    patch_radius_m: float = parameter(10.0, "of the disc", "m", ge=0.5, le=500.0, live=False)
    patch_content_wt_percent: float = parameter(
        2.0, "water-equivalent hydrogen", "wt%", ge=0.0, le=100.0, live=False
    )
    patch_cover_g_cm2: float = parameter(
        15.0, "dry soil above", "g/cm2", ge=0.0, le=300.0, live=False
    )
    patch_x_min_m: float = parameter(45.0, "rectangle of the centre", "m", live=False)
    patch_x_max_m: float = parameter(85.0, "rectangle of the centre", "m", live=False)
    patch_y_min_m: float = parameter(-15.0, "rectangle of the centre", "m", live=False)
    patch_y_max_m: float = parameter(15.0, "rectangle of the centre", "m", live=False)
    deposit_x_m: list[float] = parameter([], "centres of more discs of wet soil", "m", live=False)
    deposit_y_m: list[float] = parameter([], "of each", "m", live=False)
    deposit_radius_m: list[float] = parameter([], "of each", "m", live=False)
    deposit_content_wt_percent: list[float] = parameter(
        [], "water-equivalent hydrogen of each", "wt%", live=False
    )
    deposit_cover_g_cm2: list[float] = parameter(
        [], "dry soil above each", "g/cm2", live=False
    )
    dense_x_m: list[float] = parameter([], "centres of discs of denser dry soil", "m", live=False)
    dense_y_m: list[float] = parameter([], "of each", "m", live=False)
    dense_radius_m: list[float] = parameter([], "of each", "m", live=False)
    dense_depth_m: list[float] = parameter([], "from which each is denser", "m", live=False)
    dense_extra_kg_m3: list[float] = parameter([], "density more of each", "kg/m3", live=False)
    boulder_x_m: list[float] = parameter([], "centres of buried boulders", "m", live=False)
    boulder_y_m: list[float] = parameter([], "of each", "m", live=False)
    boulder_depth_m: list[float] = parameter([], "of the centre of each", "m", live=False)
    boulder_diameter_m: list[float] = parameter([], "of each", "m", live=False)
    layer_count: int = parameter(
        3, "boundaries between layers of the soil", ge=0, le=20, live=False, assumed=True
    )
    layer_step_kg_m3: float = parameter(
        60.0, "change of density at a boundary, 1 sigma", "kg/m3", ge=0.0, le=300.0,
        live=False, assumed=True,
    )  # fmt: skip
    rocks_per_m3: float = parameter(
        0.5, "buried rocks wider than 6 cm", "1/m3", ge=0.0, le=20.0, live=False, assumed=True
    )
    ice_grain_min_um: float = parameter(
        10.0, "grains of ice at the surface; the run's is drawn between", "um", ge=1.0, le=2000.0,
        live=False, assumed=True,
    )  # fmt: skip
    ice_grain_max_um: float = parameter(
        300.0, "grains of ice at the surface", "um", ge=1.0, le=2000.0, live=False, assumed=True
    )
    permittivity_sigma: float = parameter(
        0.03, "of the site's permittivity about the law of Apollo's samples, relative", ge=0.0,
        le=0.2, live=False, assumed=True,
    )  # fmt: skip
    rock_permittivity: float = parameter(
        7.0, "of rocks, 6 to 8", ge=3.0, le=12.0, live=False, assumed=True
    )
    background_water_wt_percent: float = parameter(
        0.0, "of all other soil", "wt%", ge=0.0, le=10.0, live=False
    )
    edge_m: float = parameter(
        0.5, "width of a patch's edge", "m", ge=0.01, le=10.0, live=False, assumed=True
    )
    psr_content_wt_percent: float = parameter(
        5.0, "water-equivalent hydrogen of wet soil in permanent shadow", "wt%",
        ge=0.0, le=30.0, live=False, assumed=True,
    )  # fmt: skip
    psr_cover_g_cm2: float = parameter(
        3.0, "dry soil above it", "g/cm2", ge=0.0, le=300.0, live=False, assumed=True
    )
    psr_share: float = parameter(
        0.4, "part of the area in permanent shadow that is wet", ge=0.0, le=1.0,
        live=False, assumed=True,
    )  # fmt: skip
    psr_patch_m: float = parameter(
        30.0, "size of wet and dry patches there", "m", ge=1.0, le=1000.0,
        live=False, assumed=True,
    )  # fmt: skip
    scenario_days: float = parameter(
        14.0, "in which ice must not lose a millimetre", "d", ge=0.01, le=400.0, live=False
    )
    pore_radius_m: float = parameter(
        80e-6, "through which vapour leaves", "m", ge=1e-6, le=1e-2, live=False, assumed=True
    )
    iron_titanium_percent: float = parameter(
        5.0, "FeO and TiO2 of the soil, highlands 5, maria 20", "wt%", ge=0.0, le=30.0,
        live=False,
    )  # fmt: skip
    leakage_step_m: float = parameter(
        0.05, "leakage is renewed after so much motion", "m", ge=0.01, le=1.0
    )
    column_step_m: float = parameter(
        0.25, "the column is renewed after so much motion", "m", ge=0.05, le=50.0
    )

    @model_validator(mode="after")
    def _lists_are_of_one_length(self) -> SubsurfaceParameters:
        for name in _TOGETHER:
            columns = [getattr(self, f"{name}_{field}") for field in _TOGETHER[name]]
            if len({len(column) for column in columns}) > 1:
                fields = ", ".join(f"{name}_{field}" for field in _TOGETHER[name])
                raise ValueError(f"{fields} are of different lengths: give a value of each a row")
        return self

    def buried(self, name: str) -> list[tuple[float, ...]]:
        """Return rows of deposit, dense or boulder, with the fields in the order above."""
        columns = [getattr(self, f"{name}_{field}") for field in _TOGETHER[name]]
        return list(zip(*columns, strict=True))
