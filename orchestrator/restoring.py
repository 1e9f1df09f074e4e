"""Restoring: what to think of a database that is a backup.

A backup has forgotten what was sent after it was made. So a person says that it was restored, before anything goes on:

1. Every call that was let through (sent, without a known answer) or that was granted and not sent yet is in doubt from
   then on. Nothing of it is sent, or sent again, until a person settles it, with what the receiver's own books say.
2. A request that was open stays open, though somebody may have decided it after the backup was made. Whoever decides it
   anew releases the same calls under the same keys: a receiver that still keeps those keys does nothing twice. The open
   requests are returned, so that the receivers can be asked first.
3. Runs that began after the backup was made are not known here at all; only the receivers' books have them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from answerable.approvals.asking.requests import open_requests
from answerable.approvals.gate import doubt, effects_in
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.store import StoreRestored
from answerable.tracing.people import get_person
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import grants
from answerable.tracing.waking import wake_at

_GRANTED = Statement(
    select(grants.c.effect).where(grants.c.state.in_(["granted", "suspended", "consumed"])).order_by(grants.c.effect)
)
WHY = "the store is a restored backup: it may have been sent since"


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a restored store has to be asked about: effects that are in doubt now, and requests that are open (ids)."""

    in_doubt: tuple[str, ...]
    open_requests: tuple[str, ...]


def restored(tx: Tx, *, by: str, at: int) -> Restored:
    """Note that this store is a restored backup. Doing it again finds only what was granted since.

    Raises: UnknownId.
    """
    person = get_person(tx, by)
    granted = {str(row[0]) for row in tx.all(_GRANTED)}
    doubtful = [*effects_in(tx, "sent"), *(row for row in effects_in(tx, "prepared") if row.id in granted)]
    for row in doubtful:
        doubt(tx, row, WHY, by=person.id, now=at)
        wake_at(tx, row.run, at)
    found = Restored(
        in_doubt=tuple(row.id for row in doubtful), open_requests=tuple(request.id for request in open_requests(tx))
    )
    append(tx, StoreRestored(at=at, system="", by=person.id, chain=(person.id,), in_doubt=found.in_doubt))
    return found
