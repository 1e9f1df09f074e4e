"""Rebuilding: the rows that records tell of, made anew from them after damage.

1. It is one transaction, on a ledger that was found sound, while nobody works on a run and nobody writes a record: rows
   and records are read one after another, and whatever came in between would look forged. What it did is a record.
2. A row that has no record goes. A row that differs from its records is made to say what they say. A row that is gone
   is made, as far as records, and payloads that are still there, tell its columns; what cannot be made is listed.
3. Nobody gets authority by it. A decision, an accepted exemption or a rule is made only from records with a seal of
   this store's key, a grant only from such a decision and the genuine bytes of its request. Other MACs stay.
4. Nothing is sent twice by it. A call whose row says that it was sent more often than records do is in doubt.
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import select, text

from answerable.approvals.rules.remaking import remake_uses
from answerable.approvals.sealing.keys import Key
from answerable.errors import RunBusy, StoreCorrupt
from answerable.orchestrator.rebuilding.of_runs import remake_run_rows
from answerable.orchestrator.rebuilding.of_the_store import remake_store_rows
from answerable.orchestrator.rebuilding.rows import Rebuilt, Rows
from answerable.orchestrator.runs import all_runs
from answerable.orchestrator.workers import is_gone
from answerable.tracing.ledger import agreement
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.indexes.indexes import Use
from answerable.tracing.ledger.records.store import StoreRebuilt
from answerable.tracing.ledger.verify import verify_ledger
from answerable.tracing.people import get_person
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.runs import runs

_LOCK_RUNS = Statement(select(runs.c.id).order_by(runs.c.id).with_for_update())
_LOCK_RECORDS = Statement(text("LOCK TABLE records IN SHARE ROW EXCLUSIVE MODE"))


def rebuild(tx: Tx, key: Key, *, by: str, reason: str, at: int) -> Rebuilt:
    """Make the rows say what the records say, for the person `by` (a handle).

    Raises: UnknownId; RunBusy if somebody works on a run; StoreCorrupt if the ledger itself is not sound.
    """
    person = get_person(tx, by)
    tx.all(_LOCK_RUNS)
    for run in all_runs(tx):
        if run.lease_owner and run.lease_until > at and not is_gone(run.lease_owner):
            raise RunBusy(f"{run.id} is being worked on by {run.lease_owner}", hint="stop all workers first")
    if tx.dialect == "postgresql":  # SQLite lets one transaction write at a time anyway
        tx.run(_LOCK_RECORDS)
    found = verify_ledger(tx)
    if not found.sound:
        raise StoreCorrupt(
            f"the ledger is not sound, so nothing is made from it: {found.faults[0]}",
            hint="restore a backup, then `answerable store restored`",
        )
    rows, told = Rows(tx, key, person.id, at), agreement.indexes_of_the_store(tx)
    remake_store_rows(rows, told)
    spent: Counter[Use] = Counter()
    for span in agreement.spans(tx):
        spent.update(remake_run_rows(rows, span, told))
    rows.changed += remake_uses(tx, spent)
    done = rows.report()
    append(tx, StoreRebuilt(at=at, system="", chain=(person.id,), by=person.id, reason=reason, **vars(done)))
    return done
