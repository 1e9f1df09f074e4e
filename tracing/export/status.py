"""How delivery stands: what waits, what was rejected or dropped, and what was said last. From the store alone."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from answerable.tracing.clock import Micros
from answerable.tracing.export import tallies
from answerable.tracing.export.outbox import LastDelivery, RejectedSpans, last_deliveries, oldest, rejected
from answerable.tracing.export.room import Room, room
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.ledger import cursors
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records

_UNPLACED = Statement(select(func.count()).where(records.c.seq.is_(None)))


@dataclass(frozen=True, kw_only=True)
class Status:
    """Spans that wait (`bytes` with what was rejected), since when the oldest does; records that have no spans yet.

    `accepted` and `dropped` are counts of spans since the store was made; `rejected` is what can be sent again.
    """

    waiting: int
    oldest_at: Micros | None
    bytes: int
    most_bytes: int
    room: Room
    lag: int  # records
    accepted: int
    dropped: int
    rejected: tuple[RejectedSpans, ...]
    last_accepted_at: Micros | None
    last_error: LastDelivery | None


def status(tx: Tx, settings: ExportSettings) -> Status:
    """How delivery stands; `settings` say how much room there is."""
    counted, last = tallies.all_values(tx), last_deliveries(tx)
    taken = counted.get(tallies.BYTES, 0)
    errors = [last[outcome] for outcome in ("failed", "rejected") if outcome in last]
    accepted = last.get("accepted")
    return Status(
        waiting=counted.get(tallies.WAITING, 0),
        oldest_at=oldest(tx),
        bytes=taken,
        most_bytes=settings.most_bytes,
        room=room(taken, settings),
        lag=lag(tx),
        accepted=counted.get(tallies.ACCEPTED, 0),
        dropped=counted.get(tallies.DROPPED, 0),
        rejected=tuple(rejected(tx)),
        last_accepted_at=None if accepted is None else accepted.at,
        last_error=max(errors, default=None),
    )


def lag(tx: Tx) -> int:
    """How many records were not projected yet."""
    row = tx.one(_UNPLACED)
    unplaced = 0 if row is None else int(row[0])
    return unplaced + cursors.position_of(tx, cursors.SEQUENCER) - cursors.position_of(tx, cursors.PROJECTION)
