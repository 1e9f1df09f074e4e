"""Copies: whoever is given a message may do with it what they like, and nobody else notices.

1. A message is frozen, but a list or a dict in it is not; a type that has one is copied for each step.
2. Whether a type has one is told once, from its fields; most have none, and cost nothing.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import types
import uuid
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

from answerable.agents.messages import Message

M = TypeVar("M", bound=Message)

_IMMUTABLE: Final = (
    bool,
    bytes,
    complex,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    enum.Enum,
    float,
    fractions.Fraction,
    int,
    str,
    types.NoneType,
    uuid.UUID,
)


def own(message: M) -> M:
    """`message`, or a copy of it if it has something in it that can be changed."""
    return message.model_copy(deep=True) if _mutable(type(message)) else message


@cache
def _mutable(kind: type[BaseModel]) -> bool:
    return _holds(kind, frozenset())


def _holds(annotation: Any, within: frozenset[type[BaseModel]]) -> bool:
    """Whether a value of this annotation can be changed; what is not known can. `within`: models being looked at."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return False
    if origin is Annotated:
        return _holds(arguments[0], within)
    if origin in (Union, types.UnionType, tuple, frozenset):
        return any(_holds(part, within) for part in arguments if part is not Ellipsis)
    if not isinstance(annotation, type):
        return True
    if not issubclass(annotation, BaseModel):
        return not issubclass(annotation, _IMMUTABLE)
    if annotation in within:
        return False
    if not annotation.model_config.get("frozen") or annotation.__private_attributes__:
        return True
    inside = within | {annotation}
    return any(_holds(field.annotation, inside) for field in annotation.model_fields.values())
