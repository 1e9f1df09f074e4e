"""Notices that wait to be delivered: rows, made behind the ledger.

1. They are made in the transaction that moves a cursor past the record that they tell of: once for each target, however
   many processes serve. A server that is told of targets for the first time begins with what comes next.
2. A row is deleted when its target took it. Until then it waits, over restarts, for as long as it takes.
3. One process delivers at a time: it holds a lease, a time until which the others stay away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, Integer, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert  # with ON CONFLICT, which SQLite writes in the same way

from answerable.approvals.asking.requests import get_request
from answerable.errors import AnswerableError
from answerable.inbox.notices.targets import Target
from answerable.inbox.notices.words import RECORDS, Notice, about_request, of_record
from answerable.tracing.clock import micros
from answerable.tracing.ledger import cursors
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import requests
from answerable.tracing.storage.tables.inbox import notices, notified
from answerable.tracing.storage.tables.ledger import cursors as positions
from answerable.tracing.storage.tables.ledger import records

READER: Final = "notices"
LEASE: Final = "notifying"  # a cursor whose position is the time until which somebody delivers
LONGEST_LEASE: Final = micros(3600)
RECORDS_AT_ONCE: Final = 2000
EXPIRING_SECONDS: Final = 3600.0  # before its deadline, or when a quarter of its time is left, a request is expiring
EXPIRING_AT_ONCE: Final = 100


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One notice that waits for its target."""

    id: int
    kind: str
    system: str
    title: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a target stands: what waits for it since when, what it took, and what it last said."""

    target: str
    waiting: int
    oldest_at: int | None
    delivered: int
    delivered_at: int | None
    failures: int  # in a row
    error: str
    next_at: int


def begin(tx: Tx) -> None:
    """Begin with what comes next, if notices were never made in this store."""
    if tx.one(_READER) is None:
        cursors.move(tx, READER, cursors.position_of(tx, cursors.SEQUENCER))


def behind(tx: Tx) -> bool:
    """Whether there are records that nobody looked at yet."""
    return cursors.position_of(tx, READER) < cursors.position_of(tx, cursors.SEQUENCER)


def make(tx: Tx, targets: Sequence[Target], *, origin: str, at: int) -> None:
    """Make the notices of the next records, and move on."""
    start = cursors.position_of(tx, READER)
    end = min(cursors.position_of(tx, cursors.SEQUENCER), start + RECORDS_AT_ONCE)
    if end > start and cursors.advance(tx, READER, start, end):
        read = tx.all(_RECORDS, start=start, end=end)
        _put(tx, targets, [one for kind, body in read for one in of_record(tx, kind, bytes(body), origin)], at=at)


def make_expiring(tx: Tx, targets: Sequence[Target], *, origin: str, at: int) -> None:
    """Make the notices of requests whose time is nearly over, once for each request."""
    found = []
    for (id,) in tx.all(_EXPIRING, now=at, soon=at + micros(EXPIRING_SECONDS), at_most=EXPIRING_AT_ONCE):
        if tx.run(_WARN, request=id):
            try:
                found.append(about_request(get_request(tx, id), "expiring", origin))
            except AnswerableError:  # changed by hand: `ledger verify` says so
                continue
    _put(tx, targets, found, at=at)


def _put(tx: Tx, targets: Sequence[Target], made: Sequence[Notice], *, at: int) -> None:
    rows = [
        {
            "target": target.name,
            "kind": one.kind,
            "about": one.about,
            "system": one.system,
            "title": one.title,
            "text": one.text,
            "made_at": at,
        }
        for one in made
        for target in targets
        if one.is_for(target)
    ]
    if rows:
        tx.many(_PUT, rows)


def claim(tx: Tx, *, now: int, until: int) -> bool:
    """Whether this process alone delivers until a time."""
    held = cursors.position_of(tx, LEASE)
    return not now < held <= now + LONGEST_LEASE and cursors.advance(tx, LEASE, held, until)


def release(tx: Tx, *, until: int) -> None:
    """Give the lease back, if it is still ours."""
    cursors.advance(tx, LEASE, until, 0)


def next_of(tx: Tx, target: str, *, now: int, at_most: int) -> list[Waiting]:
    """What waits for a target, oldest first; nothing while it is left alone after a failure."""
    standing = tx.one(_PAUSE, target=target)
    if standing is not None and int(standing[0]) > now:
        return []
    return [
        Waiting(id=id, kind=kind, system=system, title=title, text=text)
        for id, kind, system, title, text in tx.all(_NEXT, target=target, at_most=at_most)
    ]


def took(tx: Tx, target: str, given: Sequence[Waiting], *, at: int) -> None:
    """A target took these notices."""
    gone = tx.many(_DELETE, [{"row": one.id} for one in given])
    tx.run(_TOOK, target=target, delivered=gone, delivered_at=at, failures=0, error="", next_at=0)


def refused(tx: Tx, target: str, *, error: str, next_at: int) -> None:
    """A target took nothing, and is left alone until a time."""
    tx.run(_REFUSED, target=target, delivered=0, delivered_at=None, failures=1, error=error, next_at=next_at)


def failures_of(tx: Tx, target: str) -> int:
    """How often in a row a target took nothing."""
    row = tx.one(_FAILURES, target=target)
    return int(row[0]) if row else 0


def standings(tx: Tx) -> list[Standing]:
    """How every target that there ever was something for stands, by name."""
    waiting = {target: (count, oldest) for target, count, oldest in tx.all(_COUNT)}
    known = {row[0]: row[1:] for row in tx.all(_STANDINGS)}
    return [
        Standing(
            target=name,
            waiting=waiting.get(name, (0, None))[0],
            oldest_at=waiting.get(name, (0, None))[1],
            delivered=known[name][0] if name in known else 0,
            delivered_at=known[name][1] if name in known else None,
            failures=known[name][2] if name in known else 0,
            error=known[name][3] if name in known else "",
            next_at=known[name][4] if name in known else 0,
        )
        for name in sorted({*waiting, *known})
    ]


_READER = Statement(select(positions.c.position).where(positions.c.name == READER))
_RECORDS = Statement(
    select(records.c.kind, records.c.body)
    .where(
        records.c.seq >= bindparam("start", type_=BigInteger),
        records.c.seq < bindparam("end", type_=BigInteger),
        records.c.kind.in_(RECORDS),
    )
    .order_by(records.c.seq)
)
_now = bindparam("now", type_=BigInteger)
_EXPIRING = Statement(
    select(requests.c.id)
    .where(
        requests.c.state == "open",
        requests.c.expires_at > _now,
        requests.c.expires_at <= bindparam("soon", type_=BigInteger),
        requests.c.warned == 0,
        4 * (requests.c.expires_at - _now) <= requests.c.expires_at - requests.c.made_at,
    )
    .order_by(requests.c.expires_at)
    .limit(bindparam("at_most", type_=Integer))
)
_WARN = Statement(
    update(requests).where(requests.c.id == bindparam("request"), requests.c.warned == 0).values(warned=1)
)
_PUT = inserting(notices, without=["id"])
_NEXT = Statement(
    select(notices.c.id, notices.c.kind, notices.c.system, notices.c.title, notices.c.text)
    .where(notices.c.target == bindparam("target"))
    .order_by(notices.c.id)
    .limit(bindparam("at_most", type_=Integer))
)
_DELETE = Statement(delete(notices).where(notices.c.id == bindparam("row")))
_COUNT = Statement(select(notices.c.target, func.count(), func.min(notices.c.made_at)).group_by(notices.c.target))
_STANDINGS = Statement(select(*notified.c))
_PAUSE = Statement(select(notified.c.next_at).where(notified.c.target == bindparam("target")))
_FAILURES = Statement(select(notified.c.failures).where(notified.c.target == bindparam("target")))
_names = [column.name for column in notified.columns]
_new = insert(notified).inline()
_TOOK = Statement(
    _new.on_conflict_do_update(
        index_elements=[notified.c.target],
        set_={
            "delivered": notified.c.delivered + _new.excluded.delivered,
            "delivered_at": _new.excluded.delivered_at,
            "failures": 0,
            "error": "",
            "next_at": 0,
        },
    ),
    _names,
)
_REFUSED = Statement(
    _new.on_conflict_do_update(
        index_elements=[notified.c.target],
        set_={
            "failures": notified.c.failures + 1,
            "error": _new.excluded.error,
            "next_at": _new.excluded.next_at,
        },
    ),
    _names,
)
