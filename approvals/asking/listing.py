"""Lists of requests, page by page, however many there are.

1. A page is read by an index: its cost does not grow with the number of requests.
2. By deadline: the soonest first. By tier: first those in which the most critical tier goes short as proposed, then by
   deadline; so a flood of others does not bury one of them.
3. Grouped, requests that ask the same are one line, in the place of the first of them.
4. A request that is not what it was when it was made is listed as such, and hides no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import BigInteger, Integer, Text, bindparam, exists, func, or_, select, tuple_

from answerable.approvals.asking.requests import RequestRow, read_request
from answerable.errors import StoreCorrupt
from answerable.tracing.storage.statements import Statement, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import requests

Sort: TypeAlias = Literal["deadline", "tier"]

NOTHING_SHORT: Final = 1000
_COLUMNS: Final = {
    "deadline": (requests.c.expires_at, requests.c.id),
    "tier": (requests.c.urgency, requests.c.expires_at, requests.c.id),
}
_COUNT = Statement(select(func.count()).select_from(requests).where(requests.c.state == bindparam("state")))


@dataclass(frozen=True, kw_only=True)
class ChangedRequest:
    """A stored request that is not what it was when it was made."""

    id: str
    run: str
    system: str
    approval: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some requests in their order; `after` is where the next page begins, () after the last."""

    rows: tuple[RequestRow | ChangedRequest, ...]
    after: tuple[int | str, ...]


def short_tier(view: Mapping[str, Any]) -> str:
    """The most critical tier that would not get all it asks for, as proposed; "" if none, or without tiers."""
    tally = view["options"][0]["tiers"] or {}
    return next((tier for tier in view["tiers"] if tier in tally and tally[tier][1] < tally[tier][0]), "")


def urgency_of(view: Mapping[str, Any]) -> int:
    """The place of that tier in the system's order; NOTHING_SHORT if there is none."""
    tier = short_tier(view)
    return view["tiers"].index(tier) if tier else NOTHING_SHORT


def page_of_requests(
    tx: Tx,
    *,
    state: str = "",
    system: str = "",
    run: str = "",
    alike: str = "",
    grouped: bool = False,
    sort: Sort = "deadline",
    after: tuple[int | str, ...] = (),
    most: int,
) -> Page:
    """At most `most` requests of a state, system, run and likeness ("" for any), those that come `after`.

    `grouped`, only the first of those open ones that ask the same.
    """
    columns = _COLUMNS[sort]
    statement = _page(sort, bool(state), bool(system), bool(run), bool(alike), grouped, bool(after))
    last = {f"after_{place}": value for place, value in enumerate(after)}
    found = tx.all(statement, of_state=state, of_system=system, of_run=run, alike=alike, most=most + 1, **last)
    whole = [named(requests, row) for row in found[:most]]
    more = len(found) > most
    return Page(
        rows=tuple(_row(fields) for fields in whole),
        after=tuple(whole[-1][column.name] for column in columns) if more else (),
    )


def count_requests(tx: Tx, *, state: str) -> int:
    """How many requests are in a state."""
    row = tx.one(_COUNT, state=state)
    return int(row[0]) if row else 0


def _row(fields: dict[str, Any]) -> RequestRow | ChangedRequest:
    try:
        return read_request(fields)
    except StoreCorrupt:
        return ChangedRequest(**{name: fields[name] for name in ("id", "run", "system", "approval", "state")})


@cache
def _page(sort: Sort, state: bool, system: bool, run: bool, alike: bool, grouped: bool, after: bool) -> Statement:
    columns = _COLUMNS[sort]
    wanted = select(*requests.c).order_by(*columns)
    wanted = wanted.where(requests.c.state == bindparam("of_state")) if state else wanted
    wanted = wanted.where(requests.c.system == bindparam("of_system")) if system else wanted
    wanted = wanted.where(requests.c.run == bindparam("of_run")) if run else wanted
    wanted = wanted.where(requests.c.alike == bindparam("alike")) if alike else wanted
    if grouped:
        earlier = requests.alias("earlier")
        before = tuple_(*(earlier.c[column.name] for column in columns)) < tuple_(*columns)
        same = exists().where(earlier.c.state == "open", earlier.c.alike == requests.c.alike, before)
        wanted = wanted.where(or_(requests.c.alike == "", ~same))
    if after:
        kinds = [Text if column is requests.c.id else BigInteger for column in columns]
        last = tuple_(*(bindparam(f"after_{place}", type_=kind) for place, kind in enumerate(kinds)))
        wanted = wanted.where(tuple_(*columns) > last)
    return Statement(wanted.limit(bindparam("most", type_=Integer)))
