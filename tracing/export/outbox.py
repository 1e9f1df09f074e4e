"""The outbox: encoded spans on their way to a collector.

1. A row is one span's bytes. It is written in the transaction that moves the projection's cursor (or, for other
   libraries' spans, when they end), and deleted when the collector has accepted it.
2. One process delivers at a time: it holds a short lease, which is a time until which the others stay away.
3. What the collector rejected stays, with its error, and is not sent again by itself; `resend` tries it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Integer, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert  # with ON CONFLICT, which SQLite writes in the same way

from answerable.tracing.clock import Micros
from answerable.tracing.ledger import cursors
from answerable.tracing.ledger.placed import placed_of
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import SpanData, encode
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, Tx
from answerable.tracing.storage.tables import outbox

LEASE = "delivery"  # a cursor whose position is the time until which somebody delivers
MOST_BYTES = 3_000_000  # of one request; gRPC receivers take 4 MB unless told otherwise

_COLUMNS = [column.name for column in outbox.columns if column.name != "id"]
_PUT = Statement(insert(outbox).on_conflict_do_nothing(index_elements=[outbox.c.span]).inline(), _COLUMNS)
_NEXT = Statement(
    select(outbox.c.id, outbox.c.data)
    .where(outbox.c.error == "")
    .order_by(outbox.c.id)
    .limit(bindparam("at_most", type_=Integer))
)
_ANY = Statement(select(outbox.c.id).where(outbox.c.error == "").limit(1))
_DELETE = Statement(delete(outbox).where(outbox.c.id == bindparam("row")))
_REJECT = Statement(
    update(outbox).where(outbox.c.id == bindparam("row")).values(error=bindparam("why"), tries=outbox.c.tries + 1)
)
_FORGIVE = Statement(update(outbox).where(outbox.c.run == bindparam("of_run")).values(error=""))
_REJECTED = Statement(
    select(outbox.c.run, outbox.c.error, func.count())
    .where(outbox.c.error != "")
    .group_by(outbox.c.run, outbox.c.error)
    .order_by(outbox.c.run)
)


class Parcel(NamedTuple):
    """One row: its number and an encoded ResourceSpans."""

    id: int
    data: bytes


class Outgoing(NamedTuple):
    """A span that is to be put into the outbox: its key (trace id and span id), its run, its bytes."""

    key: str
    run: str
    data: bytes


class RejectedSpans(NamedTuple):
    """What a collector rejected of a run."""

    run: str
    error: str
    spans: int


def outgoing(spans: Iterable[SpanData]) -> list[Outgoing]:
    """Spans, encoded."""
    return [Outgoing(span.key, span.run, encode(span)) for span in spans]


def put(tx: Tx, spans: Sequence[Outgoing], *, at: Micros) -> None:
    """Put spans into the outbox. One that lies there already stays as it is."""
    tx.many(
        _PUT,
        [
            {"span": span.key, "run": span.run, "data": span.data, "made_at": at, "tries": 0, "error": ""}
            for span in spans
        ],
    )


def is_empty(tx: Tx) -> bool:
    """Whether nothing is left to send."""
    return tx.one(_ANY) is None


def claim(tx: Tx, *, now: Micros, until: Micros, at_most: int) -> list[Parcel] | None:
    """The next parcels, oldest first, for this process alone until the time `until`; None if another one delivers."""
    rows = tx.all(_NEXT, at_most=at_most)
    if not rows:
        return []
    held = cursors.position_of(tx, LEASE)
    if held > now or not cursors.advance(tx, LEASE, held, until):
        return None
    parcels: list[Parcel] = []
    size = 0
    for row in rows:
        size += len(row[1])
        if parcels and size > MOST_BYTES:
            break
        parcels.append(Parcel(row[0], bytes(row[1])))
    return parcels


def settle(tx: Tx, parcels: Sequence[Parcel], *, until: Micros, error: str = "") -> None:
    """The collector took these parcels, or rejected them with `error`; the lease that was claimed `until` then ends."""
    if error:
        tx.many(_REJECT, [{"row": parcel.id, "why": error} for parcel in parcels])
    else:
        tx.many(_DELETE, [{"row": parcel.id} for parcel in parcels])
    release(tx, until=until)


def release(tx: Tx, *, until: Micros) -> None:
    """Give the lease back, if it is still ours."""
    cursors.advance(tx, LEASE, until, 0)


def rejected(tx: Tx) -> list[RejectedSpans]:
    """What collectors rejected, by run and error."""
    return [RejectedSpans(*row) for row in tx.all(_REJECTED)]


async def resend(store: Store, run: str) -> int:
    """Project a run again from the ledger and put all of its spans into the outbox, with the same bytes; how many.

    The spans of other libraries are not in the ledger, and not among them.
    """
    await sequence_all(store)

    def again(tx: Tx) -> int:
        spans = outgoing(project_all(placed_of(tx, run)))
        tx.run(_FORGIVE, of_run=run)
        put(tx, spans, at=store.clock.now())
        return len(spans)

    return await store.write(again)
