"""What lists and paths take: ids, filters, limits, and cursors.

A cursor says where the next page begins. A client gives back what it was given, and reads nothing out of it.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

from fastapi import Header, Path, Query

from answerable.errors import InvalidInput

Id: TypeAlias = Annotated[str, Path(pattern="^[!-~]{1,200}$")]
Filter: TypeAlias = Annotated[str, Query(max_length=500, pattern=r"^[^\x00-\x1f]*$")]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=200)]
Cursor: TypeAlias = Annotated[str, Query(max_length=1000)]
AnswersName: TypeAlias = Annotated[str | None, Header(alias="Idempotency-Key", pattern="^[!-~]{1,200}$")]

_MOST_NUMBER = 2**63 - 1


def cursor_of(sort: str, after: Sequence[int | str]) -> str | None:
    """The cursor of what comes after these values in this order; None where nothing does."""
    if not after:
        return None
    return urlsafe_b64encode(json.dumps([sort, *after]).encode()).decode().rstrip("=")


def after(given: str, sort: str, kinds: Sequence[type]) -> tuple[Any, ...]:
    """The values of a cursor, () for none. Raises: InvalidInput."""
    if not given:
        return ()
    try:
        found = json.loads(urlsafe_b64decode(given.encode("ascii") + b"=" * (-len(given) % 4)))
        named, *values = found
        whole = named == sort and [type(value) for value in values] == list(kinds)
        if whole and all(isinstance(value, str) or abs(value) <= _MOST_NUMBER for value in values):
            return tuple(values)
    except (ValueError, TypeError, RecursionError):
        pass
    raise InvalidInput("this is no cursor of this list", hint="give back the `next` of the page before, as it was")
