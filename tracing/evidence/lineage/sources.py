"""Reading what an answer rests on: the records of one run, and those that belong to no run.

Each stored body is hashed anew and compared with its leaf. One that is no record, or not the one that was written, is
left out and counted as damaged: the answer is then a part of the truth, and `answerable ledger verify` says more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError
from sqlalchemy import bindparam, literal_column, select

from answerable.tracing.ledger.merkle import leaf_hash
from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records.every import read_record
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Row, Tx
from answerable.tracing.storage.tables.ledger import records

AROUND: Final = (
    "system.registered",
    "handover.offered",
    "handover.accepted",
    "exemption.accepted",
    "approval.declared",
    "approval.accepted",
    "approval.declined",
    "delegated",
    "delegation.revoked",
    "rule.proposed",
    "rule.approved",
    "rule.revoked",
    "froze",
    "freeze.quiesced",
    "thawed",
    "store.restored",
    "key.registered",
    "key.revoked",
)
"""The kinds of records of no run that may touch some."""

_COLUMNS: Final = (records.c.id, records.c.seq, records.c.body, records.c.leaf)
_OF_RUN: Final = Statement(select(*_COLUMNS).where(records.c.run == bindparam("run")).order_by(records.c.id))
_AROUND: Final = Statement(
    select(*_COLUMNS)
    .where(records.c.run == literal_column("''"), records.c.kind == bindparam("of_kind"))  # the words of its index
    .order_by(records.c.id)
)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The records of a run, those around it, in their order, and how many rows were not what was written."""

    run: str
    placed: list[Placed]
    around: list[Placed]
    damaged: int


def read_sources(tx: Tx, run: str, *, upto: int | None = None) -> Sources:
    """Everything that is recorded of a run and of its system; with `upto`, below that place."""
    placed, damaged = _read(tx.all(_OF_RUN, run=run))
    around, more = _read(row for kind in AROUND for row in tx.all(_AROUND, of_kind=kind))
    systems = {one.record.system for one in placed}
    around = sorted((one for one in around if one.record.system in {"", *systems}), key=lambda one: one.seq)
    if upto is not None:
        placed, around = ([one for one in each if one.seq < upto] for each in (placed, around))
    return Sources(run=run, placed=placed, around=around, damaged=damaged + more)


def _read(rows: Iterable[Row]) -> tuple[list[Placed], int]:
    """Records before all have their places: one that has none stands behind those that do."""
    found, damaged = [], 0
    for id, seq, body, leaf in rows:
        try:
            if leaf_hash(bytes(body)) != bytes(leaf):
                damaged += 1
            else:
                found.append(Placed(id if seq is None else seq, read_record(bytes(body)), bytes(leaf)))
        except (ValidationError, TypeError):  # SQLite holds anything in any column
            damaged += 1
    return found, damaged
