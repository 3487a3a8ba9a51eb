# SPDX-License-Identifier: Apache-2.0
"""Errors of nested pydantic models as sentences that say how to write it right."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from lupex_nodes.bus.parameters import how_to_write
from lupex_nodes.located_yaml import Place, suggestion

_LONGEST = 200


def explain(
    error: ValidationError, model: type[BaseModel], data: Any
) -> Iterator[tuple[Place, str]]:
    """Yield each wrong place of ``data`` once, with a sentence."""
    told = set()
    for item in error.errors(include_url=False):
        place = _place(item["loc"], data)
        if place not in told:
            told.add(place)
            yield place, _sentence(item, place, model)


def _place(loc: tuple[int | str, ...], data: Any) -> Place:
    """Cut pydantic's location where the data ends: what follows names its validators."""
    for depth, key in enumerate(loc):
        try:
            data = data[key]
        except (KeyError, IndexError):
            return loc[: depth + 1]
        except TypeError:
            return loc[:depth]
    return loc


def _sentence(item: Any, place: Place, model: type[BaseModel]) -> str:
    inside, field = _find(model, place)
    if item["type"] == "extra_forbidden":
        return f"is not known here: {suggestion(place[-1], inside.model_fields)}"
    if item["type"] == "missing":
        return f"is missing: give {_how(field)}"
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    given = repr(item["input"])
    # a whole list where one value belongs would fill the screen
    given = given if len(given) <= _LONGEST else f"{given[:_LONGEST]} ..."
    return f"{given} is refused: give {_how(field)}"


def _find(model: type[BaseModel], place: Place) -> tuple[type[BaseModel], FieldInfo | None]:
    """Return the model that a place is in, and the field that it is, if it is one."""
    field: FieldInfo | None = None
    for key in place:
        if isinstance(key, int):
            field = None
            continue
        known = model.model_fields.get(key)
        if known is None:
            break
        field = known
        kind = _bare(field.annotation)
        inner = get_args(kind)[0] if get_origin(kind) is list else kind
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return model, field


def _bare(kind: Any) -> Any:
    """Return what is left of a type when None may also stand there."""
    if get_origin(kind) in (Union, UnionType):
        kinds = [each for each in get_args(kind) if each is not NoneType]
        if len(kinds) == 1:
            return kinds[0]
    return kind


def _how(field: FieldInfo | None) -> str:
    if field is None:
        return "a mapping"
    kind = _bare(field.annotation)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        how = f"a mapping with {', '.join(kind.model_fields)}"
    elif get_origin(kind) is dict:
        how = "a mapping"
    elif kind is datetime:
        how = "a date and time such as 2028-10-04T00:00:00Z"
    elif get_origin(kind) is list:
        how = "a list"
    else:
        plain = copy.copy(field)
        plain.annotation = kind
        how = how_to_write(plain)
        for bound in field.metadata:
            if (above := getattr(bound, "gt", None)) is not None:
                how += f" above {above:g}"
    return f"{how}: {field.description}" if field.description else how
