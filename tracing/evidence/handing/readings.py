"""Readings: who read which evidence is a record, too.

1. What is read for its own sake (an answer of `why`, a bundle, a list of decisions) is recorded before it is shown.
2. Who reads is what the local user says; somebody new is registered without any role, as whoever starts a run is.
3. A store that cannot be written (a copy for an auditor) can be read all the same; the caller says that nobody will
   know.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from answerable.agents.texts import check_handle
from answerable.errors import StoreReadOnly
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.kept import EvidenceRead
from answerable.tracing.people import ensure_person
from answerable.tracing.storage.store import Store, Tx

ASSERTED: Final = "asserted-local"  # who reads is what the local user says


def write_reading(tx: Tx, *, by: str, what: str, about: Iterable[str], form: str, at: int) -> None:
    """Append that the person with the handle `by` read what `about` names (ids), by the command `what`, as `form`."""
    person = ensure_person(tx, by, at=at)
    append(
        tx,
        EvidenceRead(
            at=at,
            system="",
            chain=(person.id,),
            by=person.id,
            assurance=ASSERTED,
            what=what,
            about=tuple(dict.fromkeys(about)),
            form=form,
        ),
    )


async def record_reading(store: Store, *, by: str, what: str, about: Iterable[str], form: str) -> bool:
    """Record a reading, durably, before it is shown; False if the store cannot be written.

    Raises: InvalidInput if `by` is no handle; StoreError.
    """
    check_handle(by)
    named, now = tuple(about), store.clock.now()
    try:
        await store.write(
            lambda tx: write_reading(tx, by=by, what=what, about=named, form=form, at=now),
            durable=EvidenceRead.durable,
        )
    except StoreReadOnly:
        return False
    return True
