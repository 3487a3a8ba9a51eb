# SPDX-License-Identifier: Apache-2.0
"""Parameters of units and arguments of commands: flat pydantic models with unit and range."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo


class Parameters(BaseModel):
    """Base of every parameter and argument model: flat, strict, frozen, finite numbers only."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True
    )


class Degradation(Parameters):
    """Base of what physical faults change in a unit, apart from its parameters; empty: nothing."""


def parameter(
    default: Any,
    description: str,
    unit: str = "",
    *,
    ge: float | None = None,
    le: float | None = None,
    live: bool = True,
    assumed: bool = False,
) -> Any:
    """Declare a parameter: ``live`` may change in flight, otherwise it is structural.

    ``assumed`` marks a value that no public source gives; its description then says so. Pass
    ``...`` as the default for a required argument.
    """
    if assumed:
        description = f"{description} (assumed: no public value)"
    extra: dict[str, Any] = {"unit": unit, "live": live, "assumed": assumed}
    return Field(default, description=description, ge=ge, le=le, json_schema_extra=extra)


def bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """Return the lowest and highest allowed value of a field."""
    low = high = None
    for item in field.metadata:
        low = getattr(item, "ge", low)
        high = getattr(item, "le", high)
    return low, high


def unit_of(field: FieldInfo) -> str:
    """Return the physical unit of a field, empty when it has none."""
    return _declared(field).get("unit", "")


def is_live(field: FieldInfo) -> bool:
    """Return whether a field may change while its unit is active."""
    return _declared(field).get("live", True)


def _declared(field: FieldInfo) -> dict[str, Any]:
    extra = field.json_schema_extra
    return extra if isinstance(extra, dict) else {}


def how_to_write(field: FieldInfo) -> str:
    """Say in a few words what a field accepts."""
    kind = field.annotation
    if get_origin(kind) is list:
        text = f"a list of {get_args(kind)[0].__name__}"
    elif choices := [repr(choice) for choice in get_args(kind)]:
        text = f"one of {', '.join(choices)}"
    else:
        names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        text = names.get(kind, str(kind))  # type: ignore[arg-type]
    low, high = bounds(field)
    if low is not None and high is not None:
        text += f" from {low:g} to {high:g}"
    elif low is not None:
        text += f" of at least {low:g}"
    elif high is not None:
        text += f" of at most {high:g}"
    if unit := unit_of(field):
        text += f" ({unit})"
    return text


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Turn each validation error into one sentence: what is wrong and how to write it right."""
    sentences = []
    for item in error.errors(include_url=False):
        name = str(item["loc"][0]) if item["loc"] else ""
        field = model.model_fields.get(name)
        if field is None and name:
            known = ", ".join(model.model_fields) or "none"
            sentences.append(f"{name} is not known here; known are {known}")
        elif field is None:
            sentences.append(str(item.get("ctx", {}).get("error", item["msg"])))
        elif item["type"] == "missing":
            sentences.append(f"{name} is missing: give {how_to_write(field)}")
        else:
            sentences.append(f"{name} = {item['input']!r} is refused: give {how_to_write(field)}")
    return sentences


class Refused(ValueError):
    """A request that is refused; the text is the reason as one sentence."""


def build(model: type[Parameters], values: dict[str, Any]) -> Any:
    """Make ``model`` from ``values`` or raise :class:`Refused` with every reason."""
    try:
        return model(**values)
    except ValidationError as error:
        raise Refused("; ".join(explain(error, model))) from None


def updated(current: Parameters, changes: dict[str, Any], active: bool) -> Any:
    """Return ``current`` with ``changes``, checked as one; nothing changes when it is refused."""
    model = type(current)
    if active:
        fixed = [n for n in changes if (f := model.model_fields.get(n)) and not is_live(f)]
        if fixed:
            raise Refused(
                f"{', '.join(fixed)} cannot change while the unit is active: deactivate it first, "
                "or set it in the scenario or a parameter file"
            )
    return build(model, {**current.model_dump(), **changes})
