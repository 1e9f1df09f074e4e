"""The outbox: encoded spans on their way to a collector.

1. A row is one span's bytes. It is written in the transaction that moves the projection's cursor (or, for other
   libraries' spans, when they end), and deleted when the collector has accepted it.
2. One process delivers at a time: it holds a short lease, which is a time until which the others stay away. One that
   ends in more than an hour was taken by a machine whose clock is wrong, and does not count.
3. What the collector rejected is set aside with its error, and not sent again by itself; `resending` tries it again.
   Of our own spans only the fact is kept: the ledger has the rest.
4. How many spans wait and how many bytes they take are tallies, changed with the rows. A span's size is that of its
   bytes, and `OVERHEAD` for its row, about what the databases take for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Integer, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert  # with ON CONFLICT, which SQLite writes in the same way

from answerable.tracing.clock import Micros, micros
from answerable.tracing.export import tallies
from answerable.tracing.ledger import cursors
from answerable.tracing.spans.span import SpanData, encode
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Row, Tx
from answerable.tracing.storage.tables.export import deliveries, outbox, rejected_spans

LEASE: Final = "delivery"  # a cursor whose position is the time until which somebody delivers
MOST_BYTES: Final = 3_000_000  # of one request; gRPC receivers take 4 MB unless told otherwise
LONGEST_LEASE: Final = micros(3600)
OVERHEAD: Final = 200  # bytes of a row beside its data

_PUT = inserting(outbox, without=["id"])
_NEXT = Statement(
    select(outbox.c.id, outbox.c.span, outbox.c.run, outbox.c.ours, outbox.c.data)
    .order_by(outbox.c.id)
    .limit(bindparam("at_most", type_=Integer))
)
_OLDEST = Statement(select(outbox.c.made_at).order_by(outbox.c.id).limit(1))
_DELETE = Statement(delete(outbox).where(outbox.c.id == bindparam("row")))
_SET_ASIDE = inserting(rejected_spans, without=["id"])
_REJECTED = Statement(
    select(rejected_spans.c.run, rejected_spans.c.error, func.count())
    .group_by(rejected_spans.c.run, rejected_spans.c.error)
    .order_by(rejected_spans.c.run)
)
_TAKE_BACK = Statement(
    delete(outbox).where(outbox.c.run == bindparam("of_run"), outbox.c.ours == 1).returning(func.length(outbox.c.data))
)
_FORGIVE = Statement(
    delete(rejected_spans)
    .where(rejected_spans.c.run == bindparam("of_run"))
    .returning(rejected_spans.c.span, rejected_spans.c.ours, rejected_spans.c.data)
)
_SIZE = Statement(select(func.count(), func.sum(func.length(outbox.c.data))))
_SIZE_OF_REJECTED = Statement(select(func.count(), func.sum(func.length(rejected_spans.c.data))))
_new = insert(deliveries)
_NOTE = Statement(
    _new.on_conflict_do_update(
        index_elements=[deliveries.c.outcome], set_={"at": _new.excluded.at, "detail": _new.excluded.detail}
    ).inline(),
    ["outcome", "at", "detail"],
)
_LAST = Statement(select(deliveries.c.outcome, deliveries.c.at, deliveries.c.detail))


class Parcel(NamedTuple):
    """One row: its number, its span's key, its run, whether the ledger has it, and an encoded ResourceSpans."""

    id: int
    key: str
    run: str
    ours: bool
    data: bytes


class Outgoing(NamedTuple):
    """A span that is to be put into the outbox: its key (trace id and span id), its run, its bytes."""

    key: str
    run: str
    data: bytes
    ours: bool = True

    @property
    def size(self) -> int:
        """The bytes that it takes in the outbox."""
        return len(self.data) + OVERHEAD


class RejectedSpans(NamedTuple):
    """What a collector rejected of a run."""

    run: str
    error: str
    spans: int


class LastDelivery(NamedTuple):
    """When a delivery last ended in one way, and what was said."""

    at: Micros
    detail: str


def outgoing(spans: Iterable[SpanData]) -> list[Outgoing]:
    """Spans, encoded."""
    return [Outgoing(span.key, span.run, encode(span)) for span in spans]


def put(tx: Tx, spans: Sequence[Outgoing], *, at: Micros) -> None:
    """Put spans into the outbox."""
    tx.many(
        _PUT,
        [{"span": one.key, "run": one.run, "ours": int(one.ours), "data": one.data, "made_at": at} for one in spans],
    )
    tallies.add(tx, {tallies.WAITING: len(spans), tallies.BYTES: sum(one.size for one in spans)})


def oldest(tx: Tx) -> Micros | None:
    """Since when the oldest span waits; None if none does."""
    row = tx.one(_OLDEST)
    return None if row is None else int(row[0])


def is_empty(tx: Tx) -> bool:
    """Whether nothing is left to send."""
    return oldest(tx) is None


def claim(tx: Tx, *, now: Micros, until: Micros, at_most: int) -> list[Parcel] | None:
    """The next parcels, oldest first, for this process alone until the time `until`; None if another one delivers."""
    held = cursors.position_of(tx, LEASE)
    if now < held <= now + LONGEST_LEASE or not cursors.advance(tx, LEASE, held, until):
        return None
    rows = tx.all(_NEXT, at_most=at_most)  # when nobody else takes any away
    if not rows:
        release(tx, until=until)
        return []
    parcels: list[Parcel] = []
    size = 0
    for id, key, run, ours, data in rows:
        size += len(data)
        if parcels and size > MOST_BYTES:
            break
        parcels.append(Parcel(id, key, run, bool(ours), bytes(data)))
    return parcels


def settle(tx: Tx, parcels: Sequence[Parcel], *, until: Micros, now: Micros) -> None:
    """The collector took these parcels; the lease that was claimed `until` then ends."""
    _remove(tx, parcels, {tallies.ACCEPTED: len(parcels)})
    tx.run(_NOTE, outcome="accepted", at=now, detail="")
    release(tx, until=until)


def set_aside(tx: Tx, parcels: Sequence[Parcel], *, until: Micros, now: Micros, error: str, accepted: int = 0) -> None:
    """The collector rejected these parcels with `error` (OTLP does not say which, where it accepted some of them)."""
    rows = [
        {
            "span": one.key,
            "run": one.run,
            "ours": int(one.ours),
            "data": b"" if one.ours else one.data,
            "error": error,
            "at": now,
        }
        for one in parcels
    ]
    tx.many(_SET_ASIDE, rows)
    kept = sum((0 if one.ours else len(one.data)) + OVERHEAD for one in parcels)
    changes = {tallies.BYTES: kept, tallies.ACCEPTED: accepted, tallies.REJECTED: len(parcels) - accepted}
    _remove(tx, parcels, changes)
    tx.run(_NOTE, outcome="rejected", at=now, detail=error)
    release(tx, until=until)


def failed(tx: Tx, *, until: Micros, now: Micros, error: str) -> None:
    """The collector took nothing now; the lease ends."""
    tx.run(_NOTE, outcome="failed", at=now, detail=error)
    release(tx, until=until)


def release(tx: Tx, *, until: Micros) -> None:
    """Give the lease back, if it is still ours."""
    cursors.advance(tx, LEASE, until, 0)


def rejected(tx: Tx) -> list[RejectedSpans]:
    """What collectors rejected and was not sent again, by run and error."""
    return [RejectedSpans(*row) for row in tx.all(_REJECTED)]


def last_deliveries(tx: Tx) -> dict[str, LastDelivery]:
    """The last delivery of each outcome that there was: accepted, failed, rejected."""
    return {str(outcome): LastDelivery(at, detail) for outcome, at, detail in tx.all(_LAST)}


def put_again(tx: Tx, run: str, project: Callable[[], Sequence[Outgoing]], *, at: Micros) -> int:
    """Put all of a run's own spans into the outbox, once each, and what was rejected of other libraries'; how many.

    `project` is called for them when the old ones are out: what is projected meanwhile stays, and arrives twice, as
    what is being sent at this moment may, with the same bytes.
    """
    back = [row[0] + OVERHEAD for row in tx.rows(_TAKE_BACK, of_run=run)]
    forgiven = tx.rows(_FORGIVE, of_run=run)
    tallies.add(tx, {tallies.WAITING: -len(back), tallies.BYTES: -sum(back) - _kept(forgiven)})
    again = [*project(), *(Outgoing(key, run, bytes(data), ours=False) for key, ours, data in forgiven if not ours)]
    put(tx, again, at=at)
    return len(again)


def _kept(rows: Iterable[Row]) -> int:
    return sum(len(row[2]) + OVERHEAD for row in rows)


def _remove(tx: Tx, parcels: Sequence[Parcel], changes: dict[str, int]) -> None:
    removed = tx.many(_DELETE, [{"row": parcel.id} for parcel in parcels])
    size = sum(len(parcel.data) + OVERHEAD for parcel in parcels)
    changes[tallies.BYTES] = changes.get(tallies.BYTES, 0) - size
    changes[tallies.WAITING] = -len(parcels)
    tallies.add(tx, changes)
    if removed != len(parcels):  # meanwhile, somebody took some back, to send them again
        _recount(tx)


def _recount(tx: Tx) -> None:
    tallies.lock(tx, tallies.BYTES)
    waiting, size = tx.one(_SIZE) or (0, 0)
    aside, size_aside = tx.one(_SIZE_OF_REJECTED) or (0, 0)
    taken = (size or 0) + (size_aside or 0) + OVERHEAD * (waiting + aside)
    tallies.replace(tx, {tallies.BYTES: int(taken), tallies.WAITING: waiting})
