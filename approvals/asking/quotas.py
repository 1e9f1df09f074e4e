"""Quotas: how much one source may ask of people.

1. A source is the node whose message came to the approval, in the runs that one person started. One that floods is
   stopped by itself; the same agent goes on for everybody else, and every other agent for that person.
2. Only requests that somebody is asked count. What an exemption lets through floods nobody.
3. Whoever lifts the freeze of a source lets it ask as often again: what it asked before does not count any more.
4. It is counted in the transaction that asks, one at a time for a person: the row of whoever started the run is the
   lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, Integer, bindparam, func, select

from answerable.tracing.clock import micros
from answerable.tracing.freezes import SOURCE
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import requests
from answerable.tracing.storage.tables.people import people
from answerable.tracing.storage.tables.stops import freezes

HOUR_SECONDS: Final = 3600
STATES: Final = ("open", "decided", "expired", "withdrawn", "superseded")


@dataclass(frozen=True, kw_only=True)
class Quota:
    """How many requests one source may have open at once, and make within an hour."""

    open: int = 1_000
    per_hour: int = 5_000


DEFAULT_QUOTA: Final = Quota()


def source_of(node: str, started_by: str) -> str:
    """The source of what a node sends in the runs of a person (an id), as it is frozen."""
    return f"{SOURCE}:{node}@{started_by}"


def exceeded(tx: Tx, system: str, source: str, quota: Quota, *, at: int) -> str:
    """Why a source may not ask now, with the numbers; "" if it may."""
    tx.one(_LOCK, person=source.rpartition("@")[2])
    lifted = tx.one(_LIFTED, system=system, source=source)
    since = int(lifted[0] or 0) if lifted else 0
    if _count(tx, _OPEN, system, source, since, quota.open) >= quota.open:
        return f"{quota.open:,} of its requests are open, and its quota is {quota.open:,}"
    last_hour = max(since, at - micros(HOUR_SECONDS))
    if _count(tx, _MADE, system, source, last_hour, quota.per_hour) >= quota.per_hour:
        return f"it made {quota.per_hour:,} requests within an hour, and its quota is {quota.per_hour:,}"
    return ""


def _count(tx: Tx, statement: Statement, system: str, source: str, since: int, enough: int) -> int:
    row = tx.one(statement, system=system, source=source, since=since, enough=enough)
    return int(row[0]) if row else 0


def _counting(*states: str) -> Statement:
    """How many requests of a source were made since, as far as `enough`."""
    found = (
        select(requests.c.made_at)
        .where(
            requests.c.system == bindparam("system"),
            requests.c.source == bindparam("source"),
            requests.c.state.in_(states),
            requests.c.made_at > bindparam("since", type_=BigInteger),
        )
        .limit(bindparam("enough", type_=Integer))
        .subquery()
    )
    return Statement(select(func.count()).select_from(found))


_LOCK = Statement(select(people.c.id).where(people.c.id == bindparam("person")).with_for_update())
_OPEN: Final = _counting("open")
_MADE: Final = _counting(*STATES)
# Between its freeze and the lifting a source asks nothing: what it asked since the freeze, it asked since the lifting.
_LIFTED = Statement(
    select(func.max(freezes.c.at)).where(
        freezes.c.system == bindparam("system"), freezes.c.target == bindparam("source"), freezes.c.state == "lifted"
    )
)
