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

from sqlalchemy import bindparam, select, update

from answerable.approvals.gate import EffectRow, effects_in
from answerable.approvals.requests import open_requests
from answerable.tracing.ledger import append_all
from answerable.tracing.people import authority, get_person
from answerable.tracing.records import EffectInDoubt, Record, StoreRestored
from answerable.tracing.statements import Statement
from answerable.tracing.store import Tx
from answerable.tracing.tables import effects, grants
from answerable.tracing.waking import wake_at

_GRANTED = Statement(
    select(grants.c.effect).where(grants.c.state.in_(["granted", "suspended", "consumed"])).order_by(grants.c.effect)
)
_DOUBT = Statement(
    update(effects).where(effects.c.id == bindparam("effect")).values(state="in-doubt", detail=bindparam("new_detail"))
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
    records: list[Record] = []
    for row in doubtful:
        tx.run(_DOUBT, effect=row.id, new_detail=WHY)
        wake_at(tx, row.run, at)
        records.append(_doubted(tx, row, person.id, at))
    found = Restored(
        in_doubt=tuple(row.id for row in doubtful), open_requests=tuple(request.id for request in open_requests(tx))
    )
    records.append(StoreRestored(at=at, system="", by=person.id, chain=(person.id,), in_doubt=found.in_doubt))
    append_all(tx, records)
    return found


def _doubted(tx: Tx, row: EffectRow, person: str, at: int) -> EffectInDoubt:
    responsible = authority(tx, row.system).responsible
    return EffectInDoubt(
        at=at,
        system=row.system,
        run=row.run,
        responsible=responsible,
        chain=tuple(dict.fromkeys((person, responsible))),
        effect=row.id,
        name=row.name,
        step=row.step,
        attempt=row.attempt,
        sent_at=row.sent_at or at,
        error=WHY,
    )
